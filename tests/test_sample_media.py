"""The sample media hold what their page says: without planted traces the demo would prove nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image, PngImagePlugin

from anonymizer.read.traces.harvest import harvest

FOLDER = Path(__file__).parents[1] / "sample_media"
JPEGS = ["close-up-mask.jpg", "group.jpg", "no-face.jpg", "portrait.jpg", "portrait-turned.jpg"]
TRACES = {
    "GPS position",
    "capture date",
    "device make and model",
    "embedded thumbnail",
    "owner or author name",
    "serial number",
}


def test_every_picture_is_described_and_every_description_has_its_picture() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in FOLDER.iterdir() if path.suffix in (".jpg", ".png")}
    assert there == {*JPEGS, "label-and-code.png"}
    assert all(f"`{name}`" in page for name in there)


@pytest.mark.parametrize("name", [*JPEGS, "label-and-code.png"])
def test_the_planted_traces_are_found_by_kind(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    found = harvest(content, "PNG" if name.endswith("png") else "JPEG", [])
    assert set(found.kinds) >= TRACES
    assert "SN-4711-0815" in found.strings


@pytest.mark.parametrize("name", JPEGS)
def test_the_jpegs_name_the_patient(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    assert content.count(b"Martha Mustermann") >= 2, "XMP and comment"
    assert any("Mustermann" in text for text in harvest(content, "JPEG", []).strings)


def test_two_jpegs_go_on_behind_their_end() -> None:
    assert (FOLDER / "portrait-turned.jpg").read_bytes().endswith(b"\xff\xd9")
    for name in ("group.jpg", "portrait-turned.jpg"):
        assert "data after the end of the picture" in harvest((FOLDER / name).read_bytes(), "JPEG", []).kinds


def test_the_turned_portrait_is_the_portrait() -> None:
    upright = np.asarray(Image.open(FOLDER / "portrait.jpg").convert("L"), np.int16)
    turned = np.asarray(Image.open(FOLDER / "portrait-turned.jpg").convert("L"), np.int16)
    assert np.abs(np.rot90(upright) - turned).mean() < 3


def test_the_png_has_its_text_date_and_code() -> None:
    content = (FOLDER / "label-and-code.png").read_bytes()
    image = Image.open(io.BytesIO(content))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    assert image.text["Author"] == "Dr. Erika Beispiel"
    assert b"tIME" in content
    codes = zxingcpp.read_barcodes(np.asarray(image.convert("RGB")))
    assert [code.text for code in codes] == ["Martha Mustermann;1970-02-01;2024-0815"]


def test_they_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 2_000_000
