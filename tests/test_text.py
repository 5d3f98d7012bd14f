"""Text is found from small print to a whole line, at any turn, and filled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from anonymizer.detect.text import TextFinder
from anonymizer.detect.weights import Store
from anonymizer.photo import unveiled
from anonymizer.redact import redact
from anonymizer.settings import Effort, Settings
from anonymizer.types import Kind, Pixels

SAMPLES = Path(__file__).parents[1] / "sample_media"


@pytest.fixture(scope="module")
def finder() -> TextFinder:
    return TextFinder(Store())


def page(size: int, tilt: float = 0.0, ink: int = 20, paper: int = 235) -> tuple[Pixels, Pixels]:
    """A line of text in the middle of 800 by 600 pixels, and the mask of its ink."""
    field = Image.new("L", (800, 600), paper)
    pen = ImageDraw.Draw(field)
    pen.text(
        (400, 300), "Martha Mustermann 01.02.1970", fill=ink, font=ImageFont.load_default(size), anchor="mm"
    )
    grey = np.asarray(field.rotate(tilt, resample=Image.Resampling.BICUBIC, fillcolor=paper))
    drawn = np.abs(grey.astype(int) - paper) > 40
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8), drawn


@pytest.mark.parametrize("size", [11, 16, 28, 48])
@pytest.mark.parametrize("tilt", [0.0, 30.0, 90.0, 180.0])
def test_a_line_is_covered(finder: TextFinder, size: int, tilt: float) -> None:
    pixels, ink = page(size, tilt)
    regions = finder.find(pixels)
    assert regions and all(region.kind is Kind.TEXT for region in regions)
    hidden, veils = redact(pixels, regions, Settings())
    still = (np.abs(hidden.astype(int) - 235) > 40).any(axis=2) & (hidden > 0).any(axis=2) & ink
    assert still.sum() <= 0.02 * ink.sum()
    # A black bar on paper may look like a line itself: the road then fills once more, and must be done.
    more = unveiled(finder.recheck(hidden), veils)
    hidden, veils = redact(pixels, [*regions, *more], Settings())
    assert unveiled(finder.recheck(hidden), veils) == []


def test_light_text_on_dark_is_found(finder: TextFinder) -> None:
    pixels, _ = page(24, ink=230, paper=15)
    assert finder.find(pixels)


def test_skin_is_no_sign(finder: TextFinder) -> None:
    pixels = np.asarray(Image.open(SAMPLES / "no-face.jpg").convert("RGB"), np.uint8)
    assert finder.find(pixels) == []
    assert finder.recheck(pixels) == []


def test_faster_and_slower_searches_agree_on_a_plain_line() -> None:
    pixels, _ = page(28)
    for effort in Effort:
        assert TextFinder(Store(), effort=effort).find(pixels)
