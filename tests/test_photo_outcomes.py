"""Photos down the whole road: what is legible, or becomes so, is hidden; what only looks like print survives, or a
person is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from anonymizer.core.types import Pixels
from conftest import Ran
from scenes import coins, noisy, sutures, teeth

NO_FACES = ("--no-faces", "--no-marks")
CODES_ALONE = (*NO_FACES, "--text", "none")
TEXT_ALONE = (*NO_FACES, "--no-codes")


def taken(
    run: Callable[..., Ran], folder: Path, pixels: Pixels, *options: str, name: str = "photo.png"
) -> tuple[Pixels, list[str]]:
    """What comes out of a photo, and what kinds of places a person is asked about."""
    source = folder / name
    Image.fromarray(pixels).save(source, quality=92)
    run("blur", source, "--out", folder / "out", *options)
    (written,) = [
        path
        for place in ("ready", "review")
        for path in sorted((folder / "out" / place).rglob("*"))
        if path.suffix in (".png", ".jpg")
    ]
    (report,) = sorted((folder / "out" / "reports").rglob("*.json"))
    said = json.loads(report.read_text(encoding="utf-8"))
    said = said.get("report", said)
    with Image.open(written) as image:
        return np.asarray(image.convert("RGB"), np.uint8), [one["kind"] for one in said["questions"]]


def skin(size: tuple[int, int] = (1200, 900)) -> Image.Image:
    """Something like skin: smooth blotches, and a camera's noise."""
    rng = np.random.default_rng(3)
    blotches = rng.normal(0, 12, (size[1] // 60, size[0] // 60, 3)).astype(np.float32)
    smooth = np.array((205, 160, 135)) + cv2.resize(blotches, size, interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 3, (size[1], size[0], 1))
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


# What must be hidden ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "softness"), [(40, 0.2), (64, 0.16), (96, 0.16)])
def test_a_name_out_of_focus(run: Callable[..., Ran], tmp_path: Path, height: int, softness: float) -> None:
    picture, said = skin((1600, 1200)), "MARTIN JEANNE 1961"
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(1.4 * height)
    left, top, right, bottom = (round(v) for v in pen.textbbox((800, 600), said, font=font, anchor="mm"))
    pen.rectangle((left - 40, top - 30, right + 40, bottom + 30), fill=(240, 240, 230))
    pen.text((800, 600), said, fill=(30, 30, 40), font=font, anchor="mm")
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(softness * height)), np.uint8)
    shown, _ = taken(run, tmp_path, soft, *TEXT_ALONE, name="photo.jpg")
    assert (shown[top:bottom, left:right].max(axis=2) < 12).mean() > 0.8


def stretched(pixels: Pixels) -> NDArray[np.float64]:
    """As an editor's "auto contrast" shows each part: its grey levels from the least to the most."""
    grey = pixels.mean(axis=2)
    low, high = np.percentile(grey, (1, 99))
    return np.clip((grey - low) / max(1.0, high - low), 0, 1)


@pytest.mark.parametrize(("ground", "ink"), [(20, 2), (20, 4), (20, 8), (235, -3), (120, 6)])
def test_a_name_that_only_a_stretch_of_contrast_shows(
    run: Callable[..., Ran], tmp_path: Path, ground: int, ink: int
) -> None:
    field = Image.new("L", (800, 600), ground)
    said, font = "JANE DOE 14.02.1971", ImageFont.load_default(34)
    pen = ImageDraw.Draw(field)
    pen.text((60, 220), said, fill=ground + ink, font=font)
    pen.text((60, 420), "MUSTERMANN", fill=ground + ink, font=ImageFont.load_default(18))
    pixels = np.repeat(np.asarray(field, np.uint8)[..., None], 3, axis=2)
    written = pixels[..., 0] == ground + ink
    assert stretched(pixels[200:280, 40:500]).std() > 0.2, "it can be made legible to begin with"
    shown, asked = taken(run, tmp_path, pixels, *TEXT_ALONE)
    assert (shown[written].max(axis=1) == 0).mean() > 0.97 and not asked


def test_a_plain_wall_with_a_camera_s_noise_is_left(run: Callable[..., Ran], tmp_path: Path) -> None:
    pixels = np.asarray(skin(), np.uint8)
    shown, asked = taken(run, tmp_path, pixels, *TEXT_ALONE)
    assert (shown == pixels).all() and not asked


def label(kind: str, text: str, angle: float, *, digits: bool = False) -> tuple[Pixels, NDArray[np.bool_]]:
    """A printed code on skin, turned and seen at an angle, perhaps with what it says under it; and where its ink is."""
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    print_ = np.pad(np.asarray(code.to_image(scale=4)), 16, constant_values=255)
    if digits:
        wide = print_.shape[1]
        under = Image.new("L", (wide, wide // 6), 255)
        font = ImageFont.load_default(wide / 9)
        ImageDraw.Draw(under).text((wide // 2, wide // 12), text, fill=0, font=font, anchor="mm")
        print_ = np.vstack([print_, np.asarray(under)])
    high, wide = print_.shape
    scale = 620 / wide
    cos, sin = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    placed = np.array(
        [
            [cos, -sin, 600 - cos * wide / 2 + sin * high / 2],
            [sin, cos, 450 - sin * wide / 2 - cos * high / 2],
            [0, 0, 1],
        ]
    )
    tipped = np.array([[1, 0, 0], [0, 1, 0], [1.2e-4, -0.8e-4, 1]])
    back = np.array([[1, 0, 600], [0, 1, 450], [0, 0, 1]])
    matrix = back @ tipped @ np.linalg.inv(back) @ placed
    paper = cv2.warpPerspective(np.full_like(print_, 255), matrix, (1200, 900))[..., None] / 255.0
    shown = cv2.warpPerspective(print_, matrix, (1200, 900))[..., None]
    picture = np.asarray(skin()) * (1 - paper) + (shown * 0.85 + 20) * paper
    ink = cv2.warpPerspective((print_ < 128).astype(np.uint8) * 255, matrix, (1200, 900)) > 128
    return np.clip(picture, 0, 255).astype(np.uint8), ink


@pytest.mark.parametrize(
    ("kind", "angle"),
    [("Code128", 0.0), ("Code128", 128.0), ("PDF417", 38.0), ("PDF417", 60.0), ("PDF417", 75.0)],
)
def test_a_code_at_an_angle_is_covered_by_the_code_finder_alone(
    run: Callable[..., Ran], tmp_path: Path, kind: str, angle: float
) -> None:
    pixels, ink = label(kind, "MUSTERMANN 4711", angle)
    shown, _ = taken(run, tmp_path, pixels, *CODES_ALONE, name="photo.jpg")
    assert (shown[ink].max(axis=1) < 12).mean() > 0.97
    assert (shown.max(axis=2) < 12).mean() < 0.4


@pytest.mark.parametrize("angle", [0.0, 90.0, 180.0, 35.0])
@pytest.mark.parametrize(("kind", "text"), [("EAN13", "5901234123457"), ("Code128", "PAT 4711081500")])
def test_what_is_written_under_bars_goes_with_them(
    run: Callable[..., Ran], tmp_path: Path, kind: str, text: str, angle: float
) -> None:
    """Bars and digits say the same, and a text finder may take digits beside bars for more of them."""
    pixels, ink = label(kind, text, angle, digits=True)
    shown, _ = taken(run, tmp_path, pixels, *CODES_ALONE, name="photo.jpg")
    assert (shown[ink].max(axis=1) < 12).mean() > 0.97


# What must survive, or be asked about -----------------------------------------------------------------


def eye() -> Pixels:
    """An eye that fills the frame, out of focus as an enlarged crop is."""
    picture = Image.new("RGB", (1600, 1200), (220, 185, 160))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((480, 330, 1080, 640), fill=(235, 230, 225))
    pen.ellipse((650, 330, 930, 610), fill=(70, 50, 40))
    pen.ellipse((740, 420, 840, 520), fill=(10, 10, 10))
    pen.arc((430, 270, 1130, 700), 190, 350, fill=(60, 40, 35), width=36)
    pen.arc((380, 80, 1180, 500), 205, 330, fill=(110, 80, 60), width=50)
    return noisy(picture, 22)


@pytest.mark.parametrize("picture", [sutures, teeth, coins, eye])
def test_what_is_no_text_survives_or_is_asked_about(
    run: Callable[..., Ran], tmp_path: Path, picture: Callable[[], Pixels]
) -> None:
    pixels = picture()
    shown, asked = taken(run, tmp_path, pixels, *NO_FACES)
    spoilt = (shown != pixels).any(axis=2).mean()
    assert spoilt < 0.005 or (asked and spoilt < 0.2)
