"""Drawn pictures of what looks like text and is none: what must survive, or be asked about."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from anonymizer.core.types import Pixels


def noisy(picture: Image.Image, blur: float) -> Pixels:
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(blur))).astype(int)
    noise = np.random.default_rng(1).normal(0, 3, (*soft.shape[:2], 1))
    return np.clip(soft + noise, 0, 255).astype(np.uint8)


def sutures() -> Pixels:
    picture = Image.new("RGB", (1600, 1200), (225, 185, 160))
    pen = ImageDraw.Draw(picture)
    pen.line((400, 600, 1200, 610), fill=(120, 40, 40), width=10)
    for n in range(14):
        pen.line((430 + n * 55, 570, 430 + n * 55, 645), fill=(20, 20, 40), width=6)
    return noisy(picture, 2)


def teeth() -> Pixels:
    picture = Image.new("RGB", (1600, 1200), (20, 20, 20))
    pen = ImageDraw.Draw(picture)
    for n in range(6):
        pen.rounded_rectangle((420 + n * 120, 520, 525 + n * 120, 680), 30, fill=(235, 225, 205))
    return noisy(picture, 3)


def coins() -> Pixels:
    picture = Image.new("RGB", (900, 700), (90, 90, 90))
    pen = ImageDraw.Draw(picture)
    for n in range(24):
        x, y, r = 80 + 140 * (n % 6), 100 + 150 * (n // 6), 42 + 5 * (n % 4)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(150, 150, 145), outline=(190, 190, 185), width=5)
        pen.ellipse((x - r / 2, y - r / 2, x + r / 3, y + r / 2), fill=(120, 120, 118))
    return noisy(picture, 2)
