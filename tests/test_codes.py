"""Codes are found, filled, and then read by no reader any more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from PIL import Image

from anonymizer.detect.codes import CodeFinder
from anonymizer.redact import redact
from anonymizer.settings import Settings
from anonymizer.types import Kind, Pixels, Shape, Style

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
    assert all(region.kind is Kind.CODE and region.certain for region in regions)
    hidden, veils = redact(pixels, regions, Settings())
    assert not readable(hidden)
    assert all(veil.style is Style.FILL and veil.shape is Shape.QUAD for veil in veils)
    assert not CodeFinder().recheck(hidden)


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
    assert CodeFinder().recheck(np.full((200, 200, 3), 128, np.uint8)) == []
    assert len(CodeFinder().find(stripes)) <= 1
