"""DICOM files of every common kind through the command line: a clean picture, or a refusal in one sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from conftest import Ran, everything_written
from test_dicom import COLOUR, GREY16, PLANES, REFUSED, encapsulated, made, palette, stored

SECRETS = ("stermann", "PID-4711-0815", "Quacksalber", "SN-998877", "DICM", "1.2.276.0")
ONLY_TEXT = ("--no-faces", "--no-codes", "--no-marks")


def burned_in(kind: str) -> Dataset:
    """A grey picture of 600 by 400 with a name in it: of 16 bits, by palette or as a JPEG."""
    field = Image.new("L", (600, 400), 60)
    ImageDraw.Draw(field).text(
        (60, 60), "MUSTERMANN, MARTHA 01.02.1970", fill=235, font=ImageFont.load_default(28)
    )
    field.putpixel((599, 399), 0)
    field.putpixel((0, 399), 255)
    grey = np.asarray(field, np.uint8)
    size = {"Rows": 400, "Columns": 600}
    if kind == "16 bits":
        return made(grey.astype(np.uint16) * 200, "MONOCHROME2", **size)
    if kind == "palette":
        data = palette(256, 8)
        data.Rows, data.Columns, data.PixelData = 400, 600, grey.tobytes()
        for name in ("Red", "Green", "Blue"):
            setattr(
                data, f"{name}PaletteColorLookupTableData", (np.arange(256) * 257).astype("<u2").tobytes()
            )
            setattr(data, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        return data
    buffer = io.BytesIO()
    field.convert("RGB").save(buffer, "JPEG", quality=95)
    data = encapsulated(buffer.getvalue(), "YBR_FULL_422", JPEGBaseline8Bit)
    data.Rows, data.Columns = 400, 600
    return data


@pytest.mark.parametrize("kind", ["16 bits", "palette", "JPEG"])
def test_a_burned_in_name_is_filled(kind: str, run: Callable[..., Ran], tmp_path: Path) -> None:
    source, out = tmp_path / "Muestermann.dcm", tmp_path / "out"
    source.write_bytes(stored(burned_in(kind)))
    assert run("blur", source, "--out", out, *ONLY_TEXT).code == 3
    (path,) = (path for path in (out / "review").iterdir() if path.suffix in (".jpg", ".png"))
    pixels = np.asarray(Image.open(path).convert("L"))
    assert pixels.shape == (400, 600)
    line = pixels[60:88, 62:400]
    assert (line < 40).mean() > 0.97 and pixels[300:].mean() > 20
    everything = everything_written(out)
    assert not any(secret.encode() in everything for secret in SECRETS)


def test_words_said_to_be_burned_in_are_asked_about(run: Callable[..., Ran], tmp_path: Path) -> None:
    """Although nothing is found to hide."""
    source, out = tmp_path / "a.dcm", tmp_path / "out"
    source.write_bytes(stored(made(PLANES, "RGB", BurnedInAnnotation="YES")))
    ran = run("blur", source, "--out", out, "--text", "none", *ONLY_TEXT, "--json")
    assert ran.code == 3 and "BurnedInAnnotation" in ran.out
    assert not list((out / "ready").iterdir())


def test_each_kind_is_clean_or_refused(run: Callable[..., Ran], tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    good = {name: build() for name, (build, _) in COLOUR.items()}
    good |= {
        "deep": made(GREY16, "MONOCHROME2", bits=12),
        "low is white": made(PLANES[:, :, 0], "MONOCHROME1"),
    }
    for number, data in enumerate([*good.values(), *(build() for build, _ in REFUSED.values())]):
        (folder / f"{number:02}.dcm").write_bytes(stored(data))
    ran = run("blur", *sorted(folder.iterdir()), "--out", out, "--text", "none", *ONLY_TEXT)
    made_of_them = [path for path in (out / "review").iterdir() if path.suffix in (".jpg", ".png")]
    assert len(made_of_them) == len(good) and not list((out / "ready").iterdir())
    assert ran.code == 4 or ran.code == 3
    said = ran.out + ran.err
    assert "Traceback" not in said
    for _, says in REFUSED.values():
        assert says in said
    everything = everything_written(out)
    assert not any(secret.encode() in everything for secret in SECRETS)
