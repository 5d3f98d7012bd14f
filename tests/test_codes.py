"""Codes are found, filled, and then read by no reader any more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from PIL import Image

from anonymizer.core.geometry import corners_of
from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Detection, Kind, Pixels, Shape, Style
from anonymizer.detect.codes.bars import are_bars
from anonymizer.detect.codes.finder import WRITTEN, CodeFinder, _written_beside, merged_region
from anonymizer.redact.photo import redact

FORMATS = ["QRCode", "DataMatrix", "Aztec", "PDF417", "Code128", "EAN13", "ITF"]


def scene(name: str, tilt: float = 0.0, scale: int = 4) -> Pixels:
    """A code on a grey field of 900 by 700 pixels, turned by ``tilt`` degrees."""
    text = "590123412345" if name == "EAN13" else "4711081500" if name == "ITF" else "MUSTERMANN 1970-02-01"
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, name))
    picture = Image.fromarray(np.asarray(code.to_image(scale=scale))).convert("RGB")
    field = Image.new("RGB", (900, 700), (205, 200, 190))
    field.paste(picture, ((900 - picture.width) // 2, (700 - picture.height) // 2))
    return np.asarray(
        field.rotate(tilt, resample=Image.Resampling.BICUBIC, fillcolor=(205, 200, 190)), np.uint8
    )


def readable(pixels: Pixels) -> bool:
    if zxingcpp.read_barcodes(np.ascontiguousarray(pixels)):
        return True
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    read, *_ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(grey)
    return bool(read) or bool(cv2.QRCodeDetector().detectAndDecode(grey)[0])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("tilt", [0.0, 17.0, 90.0])
def test_a_filled_code_is_read_no_more(name: str, tilt: float) -> None:
    pixels = scene(name, tilt)
    if not readable(pixels):
        pytest.skip("the readers cannot read this one to begin with")
    regions = CodeFinder().find(pixels)
    assert regions
    assert all(region.kind is Kind.CODE and region.hidden for region in regions)
    hidden, redactions = redact(pixels, regions, Settings())
    assert not readable(hidden)
    assert all(redaction.style is Style.FILL and redaction.shape is Shape.QUAD for redaction in redactions)
    assert not CodeFinder().verification_pass(hidden)


SPARED = {
    "QRCode": [np.s_[:13, :13], np.s_[:13, -13:], np.s_[-13:, :13]],
    "DataMatrix": [np.s_[:6], np.s_[-6:], np.s_[:, :6], np.s_[:, -6:]],
    "Aztec": [np.s_[8:21, 8:21]],
    "PDF417": [np.s_[:, :38], np.s_[:, -39:]],
}
"""By what each is seen, in modules, with a margin of four: finder patterns, borders, starts and stops."""


@pytest.mark.parametrize("name", [*SPARED, "Code128", "EAN13"])
@pytest.mark.parametrize("rotations", [0, 1])
def test_a_code_that_is_seen_and_cannot_be_decoded_is_filled(name: str, rotations: int) -> None:
    """A third of its modules are wrong: no reader here decodes it, but a person with patience might."""
    text = "590123412345" if name == "EAN13" else "MUSTERMANN 1970"
    code = np.asarray(zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, name)).to_image(scale=1))
    rows, columns = np.nonzero(code < 128)
    code = np.pad(
        code[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], 4, constant_values=255
    )
    wrong = np.random.default_rng(0).random(code.shape) < 0.3
    if name in SPARED:
        for place in SPARED[name]:
            wrong[place] = False
    else:
        wrong[:] = np.isin(np.arange(code.shape[1]), np.arange(20, code.shape[1] - 20, 13))
    spoilt = np.kron(np.where(wrong, 255 - code, code), np.ones((4, 4), np.uint8)).astype(np.uint8)
    field = np.full((700, 900), 205, np.uint8)
    high, wide = spoilt.shape
    field[100 : 100 + high, 100 : 100 + wide] = spoilt
    pixels = np.repeat(np.ascontiguousarray(np.rot90(field, rotations))[..., None], 3, axis=2)
    assert not zxingcpp.read_barcodes(np.ascontiguousarray(pixels))
    hidden, _ = redact(pixels, CodeFinder().find(pixels), Settings())
    back = np.rot90(hidden, -rotations)[100 : 100 + high, 100 : 100 + wide]
    assert (back == 0).all(axis=2)[spoilt > 128].mean() > 0.6


def test_every_bar_of_a_linear_code_is_covered() -> None:
    pixels = scene("Code128")
    hidden, _ = redact(pixels, CodeFinder().find(pixels), Settings())
    bars = (pixels.max(axis=2) < 60) & (pixels != hidden).any(axis=2)
    left_over = (hidden.max(axis=2) < 60) & ~(hidden == 0).all(axis=2)
    assert bars.sum() + (hidden == 0).all(axis=2).sum() > 0
    assert not left_over.any()


@pytest.mark.parametrize("name", ["DataMatrix", "Code128", "QRCode"])
def test_a_small_code_in_a_large_photo_is_filled(name: str) -> None:
    """Two pixels to a module: legible at the photo's own size alone."""
    code = np.asarray(scene(name, scale=2))
    large = np.full((2700, 3600, 3), 205, np.uint8)
    large[1500:2200, 2000:2900] = code
    hidden, _ = redact(large, CodeFinder().find(large), Settings())
    assert readable(code) and not readable(np.ascontiguousarray(hidden[1400:2300, 1900:3000]))
    assert (hidden != large).any(axis=2).mean() < 0.01


def test_a_picture_without_a_code_is_left_alone() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (400, 500, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    assert CodeFinder().find(smooth) == []
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[:, ::6] = 220
    assert CodeFinder().verification_pass(np.full((200, 200, 3), 128, np.uint8)) == []
    assert len(CodeFinder().find(stripes)) <= 1


def test_the_ribs_of_a_roof_are_no_bars() -> None:
    """Dark and light are uneven, as in a code; each pair is like the one before."""
    quad = np.array([(0, 0), (450, 0), (450, 60), (0, 60)], np.float64)
    pairs = [np.r_[np.full(9 - n // 15, 200), np.full(3, 40)] for n in range(45)]
    ribs = np.concatenate(pairs).astype(np.uint8)[:450]
    assert not are_bars(np.tile(ribs, (60, 1)), quad)
    code = np.asarray(zxingcpp.create_barcode("MUSTERMANN", zxingcpp.BarcodeFormat.Code128).to_image(scale=3))
    row = np.resize(code[code.shape[0] // 2], 450)
    assert are_bars(np.tile(row, (60, 1)), quad)


@pytest.mark.parametrize("name", ["Code128", "PDF417", "EAN13"])
@pytest.mark.parametrize("tilt", [33.0, 45.0, 62.0, 78.0, 140.0])
def test_a_code_aslant_is_covered_by_the_code_finder_alone(name: str, tilt: float) -> None:
    pixels = scene(name, tilt, scale=3)
    upright = scene(name, 0.0, scale=3)
    assert readable(upright)
    dark = np.asarray(Image.fromarray(upright[..., 0] < 60).rotate(tilt)) > 0
    regions = CodeFinder().find(pixels)
    hidden, _ = redact(pixels, [region for region in regions if region.hidden], Settings())
    # ZXing places a PDF417's outer bars, which say nothing, a little too far in.
    assert (hidden[dark] == 0).all(axis=1).mean() > 0.95
    assert not readable(np.asarray(Image.fromarray(hidden).rotate(-tilt, Image.Resampling.BICUBIC)))


def test_bars_at_one_size_only_are_asked_about_if_they_are_large() -> None:
    corners = ((10.0, 10.0), (210.0, 10.0), (210.0, 90.0), (10.0, 90.0))
    box = Box(10, 10, 200, 80)
    views = [Detection(box, score, Kind.CODE, "opencv-barcode", corners=corners) for score in (0.5, 0.4, 0.4)]
    assert not merged_region(views, 640 * 480).hidden
    assert merged_region(views, 6400 * 4800).hidden, "small: nobody misses it"
    assert merged_region(views[:2], 640 * 480).hidden, "bars at half of the sizes"
    assert merged_region(views[:2], 640 * 480).action is Action.HIDE_AND_ASK, "teeth may be, too"
    assert merged_region(views[:2], 1280 * 960).action is Action.HIDE
    read = Detection(box, 1.0, Kind.CODE, "zxing-cpp", corners=corners)
    assert merged_region([*views, read], 640 * 480).action is Action.HIDE


def test_what_is_written_beside_bars_is_hidden_if_they_are_a_code_and_no_question() -> None:
    """Over a panoramic x-ray's teeth, which may be bars as far as they go, there are more teeth."""
    bars = Detection(
        Box(10, 10, 200, 80), 0.5, Kind.CODE, "opencv-barcode", corners=corners_of(Box(10, 10, 200, 80))
    )
    below = Box(5, 85, 210, 30)
    written = Detection(below, 0.0, Kind.CODE, WRITTEN, corners=corners_of(below))
    (asked,), (hidden,) = [merged_region([bars], 640 * 480)], [merged_region([bars], 6400 * 4800)]
    assert asked.action is Action.HIDE_AND_ASK and _written_beside([written], [asked]) == []
    assert [region.box for region in _written_beside([written], [hidden])] == [below]
