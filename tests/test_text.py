"""Text is found from small print to a whole line, at any rotation, and filled."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from anonymizer.core.settings import Effort, Settings, TextPolicy
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Point, Region
from anonymizer.detect.models.store import Store
from anonymizer.detect.text.finder import TextFinder
from anonymizer.detect.text.ppocr import collapsed, is_harmless
from anonymizer.detect.text.strokes import GAP, TILE, strokes, windows
from anonymizer.redact.photo import redact
from anonymizer.redact.residual import legible_beside, still_legible, unredacted

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


@pytest.mark.parametrize(
    ("size", "tilt"),
    [(11, 0.0), (11, 90.0), (16, 30.0), (16, 180.0), (28, 90.0), (28, 0.0), (48, 180.0), (48, 30.0)],
)
def test_a_line_is_covered(finder: TextFinder, size: int, tilt: float) -> None:
    pixels, ink = page(size, tilt)
    regions = finder.find(pixels)
    assert regions and all(region.kind is Kind.TEXT for region in regions)
    hidden, redactions = redact(pixels, regions, Settings())
    still = (np.abs(hidden.astype(int) - 235) > 40).any(axis=2) & (hidden > 0).any(axis=2) & ink
    assert still.sum() <= 0.02 * ink.sum()
    # A black bar on paper may look like a line itself: the road then fills once more, and must be done.
    more = unredacted(finder.verification_pass(hidden), redactions)
    hidden, redactions = redact(pixels, [*regions, *more], Settings())
    assert unredacted(finder.verification_pass(hidden), redactions) == []


@pytest.mark.parametrize("legible", [True, False])
def test_a_bar_between_straps_is_no_line_and_half_a_name_beside_one_is(
    finder: TextFinder, legible: bool
) -> None:
    """Both show strokes beside the bar, and are found; without the bar, the name alone is."""
    field = Image.new("RGB", (800, 600), (205, 90, 50))
    pen = ImageDraw.Draw(field)
    if legible:
        pen.text((300, 240), "MUSTERMANN", fill=(250, 245, 240), font=ImageFont.load_default(60))
    else:
        for x in (385, 455):
            pen.line((x, 0, x - 10, 600), fill=(225, 220, 205), width=22)
    bar = Region(Box(390, 230, 70, 90), Kind.TEXT, (Evidence("test", 1.0),))
    written, redactions = redact(np.asarray(field, np.uint8), [bar], Settings())
    line = Region(Box(375, 215, 100, 120), Kind.TEXT, (Evidence("test", 1.0),))
    assert legible_beside(line, redactions, written)
    assert still_legible([line], redactions, written, finder.verification_pass) == ([line] if legible else [])


@pytest.mark.parametrize("tilt", [45, -45])
def test_lines_close_together_and_aslant_are_each_covered(finder: TextFinder, tilt: int) -> None:
    """The upright boxes of such lines are nearly the same: none stands for its neighbours."""
    field = Image.new("L", (2000, 2000), 225)
    for number in range(8):
        said = f"Martha Mustermann, Lindenweg {number}, geb. 01.02.1970"
        place = (1000, 850 + 44 * number)
        ImageDraw.Draw(field).text(place, said, fill=25, font=ImageFont.load_default(32), anchor="mm")
    turned = field.rotate(tilt, resample=Image.Resampling.BICUBIC, fillcolor=225).crop((500, 500, 1500, 1500))
    pixels = np.repeat(np.asarray(turned, np.uint8)[..., None], 3, axis=2)
    hidden, _ = redact(pixels, finder.find(pixels), Settings())
    assert (hidden[pixels < 100] == 0).mean() > 0.995


def test_light_text_on_dark_is_found(finder: TextFinder) -> None:
    pixels, _ = page(24, ink=230, paper=15)
    assert finder.find(pixels)


def test_skin_is_no_sign(finder: TextFinder) -> None:
    pixels = np.asarray(Image.open(SAMPLES / "no-face.jpg").convert("RGB"), np.uint8)
    assert finder.find(pixels) == []
    assert finder.verification_pass(pixels) == []


def test_faster_and_slower_searches_agree_on_a_plain_line() -> None:
    pixels, _ = page(28)
    for effort in Effort:
        assert TextFinder(Store(), effort=effort).find(pixels)


def test_small_print_in_a_large_photo_is_found_in_its_tile(finder: TextFinder) -> None:
    large = np.full((3000, 4000, 3), 205, np.uint8)
    small, ink = page(12, paper=205)
    large[1900:2500, 2700:3500] = small
    hidden, _ = redact(large, finder.find(large), Settings())
    covered = (hidden[1900:2500, 2700:3500] == 0).all(axis=2)
    assert covered[ink].mean() > 0.97
    assert (hidden != large).any(axis=2).mean() < 0.002


def test_small_print_that_the_smaller_look_does_not_see_at_all_is_looked_at(finder: TextFinder) -> None:
    """As on a rough ground: 0 where the smaller look was, and thin strokes at the picture's own size."""
    pixels, _ = page(12)
    blind = np.zeros((24, 32), np.float32)
    found, _, left = finder._tiles(pixels, pixels.shape[:2], [], blind, strokes(pixels))
    assert found and not left
    none: NDArray[np.bool_] = np.zeros((4 * 75, 4 * 100), np.bool_)
    # At a smaller size than that of the picture, strokes of which its own size has none are blurred hair or folds.
    assert finder._tiles(pixels, (2400, 3200), [], blind, none)[0] == []
    assert finder._tiles(pixels, (2400, 3200), [], blind + 0.05, none)[0]


@pytest.mark.parametrize("word", ["Jo", "24"])
def test_a_word_as_large_as_a_door_s_number_is_found(finder: TextFinder, word: str) -> None:
    field = Image.new("L", (1600, 1200), 215)
    ImageDraw.Draw(field).text((800, 600), word, fill=40, font=ImageFont.load_default(520), anchor="mm")
    pixels = np.repeat(np.asarray(field, np.uint8)[..., None], 3, axis=2)
    hidden, _ = redact(pixels, finder.find(pixels), Settings())
    assert (hidden[pixels < 100] == 0).mean() > 0.97


def test_windows_lie_inside_and_reach_every_stroke() -> None:
    rng = np.random.default_rng(5)
    for high, wide in ((64, 96), (448, 448), (460, 1000), (1500, 700), (32, 3000)):
        for share in (0.002, 0.1):
            busy = rng.random((high // 8, wide // 8)) < share
            seen = np.zeros_like(busy)
            for one in windows(busy, [], 10_000)[0]:
                assert 0 <= one.x <= one.x + one.w <= wide // 8 * 8 and one.w <= TILE
                assert 0 <= one.y <= one.y + one.h <= high // 8 * 8 and one.h <= TILE
                seen[one.y // 8 : (one.y + one.h) // 8, one.x // 8 : (one.x + one.w) // 8] = True
            assert not (busy & ~seen).any()
    assert windows(busy, [Box(0, 0, 4000, 2000)], 9) == ([], [])
    assert not strokes(np.full((200, 300, 3), 90, np.uint8)).any()


def test_places_far_apart_are_looked_at_through_small_windows() -> None:
    busy = np.zeros((300, 400), bool)
    busy[10:12, 10:18] = busy[280:282, 380:388] = busy[150, 200 : 210 + GAP - 1] = True
    found, left = windows(busy, [], 12)
    assert left == []
    assert len(found) == 3 and sum(one.w * one.h for one in found) < TILE * TILE / 2


def test_what_a_smaller_look_saw_dimly_comes_first() -> None:
    busy = np.zeros((300, 400), bool)
    busy[100:200, 100:200] = busy[20, 20:26] = True
    worth = np.full(busy.shape, 0.02, np.float32)
    worth[20, 20:26] = 0.3
    (some, left), (all_, none) = windows(busy, [], 1, worth), windows(busy, [], 12, worth)
    assert some + left == all_ and left and not none
    assert some[0].y < 160


@pytest.mark.parametrize("quarter_turns", range(4))
def test_a_small_tag_is_hidden_whichever_way_it_runs(finder: TextFinder, quarter_turns: int) -> None:
    part = np.asarray(Image.open(SAMPLES / "portrait-turned.jpg").convert("RGB"))[200:680, 400:1024]
    tag: NDArray[np.uint8] = np.zeros(part.shape[:2], np.uint8)
    # A name that runs upwards, in letters of ten pixels.
    cv2.fillConvexPoly(tag, np.array([(332, 252), (345, 250), (351, 195), (340, 197)]), 1)
    tag = np.rot90(tag, quarter_turns)
    pixels = np.ascontiguousarray(np.rot90(part, quarter_turns))
    covered: NDArray[np.uint8] = np.zeros(pixels.shape[:2], np.uint8)
    for line in finder.find(pixels):
        cv2.fillConvexPoly(covered, np.rint(np.array(line.corners)).astype(np.int32), 1)
    assert covered[tag > 0].mean() > 0.85


def test_what_is_too_busy_to_be_looked_at_is_asked_about(finder: TextFinder) -> None:
    """Print all over, and no time to look at it: nobody may take that for a picture without text."""
    pixels, _ = page(12)
    busy = np.ascontiguousarray(np.tile(pixels[280:320, 200:600], (14, 2, 1)))
    hurried = copy.copy(finder)
    hurried.plan = replace(finder.plan, whole=((128, 0),), tiled=(0,), most=1)
    doubts = [region for region in hurried.find(busy) if not region.hidden]
    assert len(doubts) == 1 and doubts[0].box.area > 0.3 * busy.shape[0] * busy.shape[1]
    assert all(region.hidden for region in finder.find(busy))


@pytest.mark.parametrize("tilt", [0, 90, 37])
def test_a_line_that_was_found_in_part_is_followed_to_its_ends(finder: TextFinder, tilt: int) -> None:
    """Letters that fade into the ground at one end, as where a shadow or a stripe crosses a label."""
    field = Image.new("L", (900, 900), 200)
    pen = ImageDraw.Draw(field)
    said, face = "Mustermann, Martha 01.02.1970", ImageFont.load_default(15)
    pen.text((330, 440), said, fill=60, font=face)
    ink = np.asarray(field.rotate(tilt, fillcolor=200)) < 90
    for x in range(330, 560):
        strip = field.crop((x, 430, x + 1, 470)).point(lambda v, x=x: 200 - (200 - v) * (640 - x) // 380)
        field.paste(strip, (x, 430))
    grey = np.asarray(field.rotate(tilt, resample=Image.Resampling.BICUBIC, fillcolor=200), np.uint8)
    pixels = np.repeat(grey[..., None], 3, axis=2)
    (first,) = finder.find(pixels)[:1]
    half = first.box
    cut = Region(half, Kind.TEXT, first.evidence, corners=_half(first.corners))
    found = finder._ends(pixels, [cut])
    hidden, _ = redact(pixels, found, Settings())
    assert (hidden[ink] == 0).mean() > 0.97


def _half(corners: tuple[Point, ...]) -> tuple[Point, ...]:
    """The first half of a line's quadrilateral, along its longer side."""
    quad = np.array(corners)
    if np.linalg.norm(quad[1] - quad[0]) < np.linalg.norm(quad[2] - quad[1]):
        quad = np.roll(quad, 1, axis=0)
    one, two = (quad[0] + quad[1]) / 2, (quad[3] + quad[2]) / 2
    return tuple((float(x), float(y)) for x, y in (quad[0], one, two, quad[3]))


@pytest.mark.parametrize(
    "size", [(736, 552), (832, 624), (1440, 1080), (1001, 450), (448, 456), (40, 24), (9, 700)]
)
def test_every_size_of_picture_can_be_looked_at(finder: TextFinder, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    for region in finder.find(noise) + finder.verification_pass(noise):
        assert region.box.right <= size[0] and region.box.bottom <= size[1]


HARMLESS = ["5 mm", "10cm", "200 µm", "1,5 cm", "40x", "L", "R", "0 1 2 3 4 5", "10 20 30 40", "cm", "links"]
TELLING = [
    "Martha", "01.02.1970", "4711", "1970", "12", "1 2", "1 2 70", "01 02 1970", "LR", "5 mm Martha", "030 123456",
    "5/2", "1234 mm", "3 9 27 81", "45 M", "45m", "Li", "S", "10 11 12", "01 02 03 04 05", "",
]  # fmt: skip


def test_only_scales_rulers_and_sides_are_harmless() -> None:
    assert all(is_harmless(text) for text in HARMLESS)
    assert not any(is_harmless(text) for text in TELLING)


def test_the_best_path_drops_blanks_and_repeats() -> None:
    path = [0, 1, 1, 0, 1, 2, 2, 0, 3]
    chances = np.eye(4, dtype=np.float32)[path] * 0.8
    line = collapsed(chances, ["", "a", "b", " "])
    assert line.text == "aab" and line.sure == pytest.approx(0.8)
    assert collapsed(np.eye(4, dtype=np.float32)[[0, 0]], ["", "a", "b", "c"]).sure == 0


def written(*lines: tuple[str, int, int]) -> Pixels:
    field = Image.new("RGB", (900, 500), (225, 220, 210))
    pen = ImageDraw.Draw(field)
    for text, x, y in lines:
        pen.text((x, y), text, fill=(20, 20, 20), font=ImageFont.load_default(34))
    return np.asarray(field, np.uint8)


@pytest.fixture(scope="module")
def reading() -> TextFinder:
    return TextFinder(Store(), TextPolicy.IDENTIFYING)


def test_what_is_clearly_harmless_may_stay(reading: TextFinder) -> None:
    ruler = [(str(number), 60 + 80 * number, 60) for number in range(10)]
    kept = written(*ruler, ("10 cm", 300, 200), ("L", 700, 300))
    assert reading.find(kept) == []
    assert reading.verification_pass(kept) == []
    assert len(reading.models()) == 3


def test_a_marker_beside_what_is_hidden_goes_with_it(reading: TextFinder) -> None:
    pixels = written(("Mustermann", 60, 60), ("R", 290, 60), ("R", 700, 300))
    hidden, _ = redact(pixels, reading.find(pixels), Settings())
    changed = (hidden != pixels).any(axis=2)
    assert changed[70:90, 292:310].all() and not changed[280:360, 680:].any()


@pytest.mark.parametrize("text", ["Martha Mustermann", "01.02.1970", "24", "Pat. 4711", "10 11 12", "45 m"])
def test_what_may_name_somebody_is_hidden(reading: TextFinder, text: str) -> None:
    pixels = written(("10 cm", 60, 60), (text, 420, 300))
    hidden, _ = redact(pixels, reading.find(pixels), Settings())
    changed = (hidden != pixels).any(axis=2)
    assert changed[280:360, 400:].any() and not changed[40:120, 40:200].any()
    ink = (pixels.max(axis=2) < 100) & (np.arange(900) > 400)
    assert (hidden[ink] == 0).all()
