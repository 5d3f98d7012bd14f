"""Any kind of pixel to 8-bit sRGB: grey, palette, CMYK, 16-bit, transparent, with or without a profile."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageCms

from anonymizer.core.message import Message
from anonymizer.core.types import Pixels

Step = Callable[[Image.Image], Image.Image]
"""Takes a part of a picture and gives it in mode RGB, in sRGB, without transparency; changes no size."""

HIDDEN = "hidden pixels under transparency"
SAME = 2
"""Of 255: a profile whose colours differ from sRGB's by no more is taken for sRGB."""
_ALPHA = ("RGBA", "LA", "RGBa", "La", "PA")


def plan(image: Image.Image, profile: bytes | None, notes: list[Message], flags: list[str]) -> Step:
    """How to turn a loaded picture, part by part, into sRGB.

    What is decided on the whole picture (the range of its values, whether anything is transparent, whether
    its profile can be used) is decided here, and said in ``notes`` and ``flags``.
    """
    steps: list[Step] = []
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        steps.append(_to_8_bit(image, notes))
        mode = "L"
    elif _is_transparent(image):
        flags.append(HIDDEN)
        notes.append(Message("photo.transparent-white"))
        steps.append(_on_white)
        mode = "L" if mode in ("LA", "La") else "RGB"
    elif mode in _ALPHA:
        mode = "L" if mode in ("LA", "La") else "RGB"
        steps.append(lambda part, mode=mode: _opaque(part, mode))  # type: ignore[misc]
    elif mode in ("1", "P", "HSV", "YCbCr", "RGBX"):
        mode = "RGB"
        steps.append(lambda part: part.convert("RGB"))
    transform = _transform(mode, profile, notes)
    if transform:
        steps.append(transform)
    elif mode != "RGB":
        steps.append(lambda part: part.convert("RGB"))

    def convert(part: Image.Image) -> Image.Image:
        for step in steps:
            part = step(part)
        return part

    return convert


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel is less than opaque. One colour that stands for transparent (L, RGB) hides nothing."""
    if image.mode in _ALPHA:
        lowest = image.getchannel(len(image.getbands()) - 1).getextrema()[0]
        return isinstance(lowest, int | float) and lowest < 255
    given = image.info.get("transparency")
    if image.mode != "P" or given is None:
        return False
    used = image.histogram()[:256]
    if isinstance(given, bytes):
        return any(count and alpha < 255 for count, alpha in zip(used, given, strict=False))
    return 0 <= int(given) < len(used) and used[int(given)] > 0


def _on_white(part: Image.Image) -> Image.Image:
    """The part without alpha, on white. What lay under full transparency is gone."""
    full = _with_alpha(part)
    plain = full.mode[:-1]
    under = Image.new(plain, full.size, "white")
    under.paste(full.convert(plain), mask=full.getchannel("A"))
    return under


def _opaque(part: Image.Image, mode: str) -> Image.Image:
    return _with_alpha(part).convert(mode)


def _with_alpha(part: Image.Image) -> Image.Image:
    """In RGBA or LA, with alpha not multiplied in."""
    if part.mode == "La":
        return part.convert("LA")
    return part if part.mode in ("RGBA", "LA") else part.convert("RGBA")


def _transform(mode: str, profile: bytes | None, notes: list[Message]) -> Step | None:
    """From a picture's own colours to sRGB; None where they are sRGB already, or its profile is unusable."""
    if mode == "LAB":
        source: Any = ImageCms.createProfile("LAB")
    elif profile and mode in ("L", "RGB", "CMYK"):
        source = io.BytesIO(profile)
    else:
        return None
    try:
        if isinstance(source, io.BytesIO):
            source = ImageCms.ImageCmsProfile(source)
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        notes.append(Message("photo.profile"))
        return None
    if mode != "CMYK" and _changes_nothing(transform, mode):
        return None

    def apply(part: Image.Image) -> Image.Image:
        done = ImageCms.applyTransform(part, transform)
        assert done is not None
        return done

    return apply


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform leaves a sample of all colours as it is, to within :data:`SAME`.

    Most photos are in sRGB and say so with a profile; converting 12 megapixels for nothing takes 300 ms.
    """
    if mode == "LAB":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    sample = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(1, -1) if mode == "L" else grid)
    done = ImageCms.applyTransform(sample, transform)
    if done is None:
        return False
    difference = ImageChops.difference(sample.convert("RGB"), done)
    return max(int(high) for _, high in difference.getextrema()) <= SAME  # type: ignore[misc]


def _to_8_bit(image: Image.Image, notes: list[Message]) -> Step:
    """Greys of more than 8 bits: 16-bit by their high byte, 12-bit (cameras, microscopes) by theirs.

    A PNG's 16 bits always span their whole range (PNG 3rd edition, 13.12). Whatever has another range,
    negative or fractional values, is stretched from its least to its greatest.
    """
    values = np.asarray(image)
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    else:
        low, high = float(values.min()), float(values.max())
    tops = [1.0, 255.0] if values.dtype.kind == "f" else [255.0, 4095.0, 65535.0]
    if image.format == "PNG":
        tops = [65535.0]
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is None:
        notes.append(Message("photo.grey-range"))
    bottom, span = (0.0, top) if top else (low, max(high - low, 1e-9))
    # A TIFF may count from white to black, and Pillow turns that round for 8 bits alone.
    inverted = getattr(image, "tag_v2", {}).get(262) == 0 and image.mode.startswith("I;16")

    def convert(part: Image.Image) -> Image.Image:
        scaled = (np.nan_to_num(np.asarray(part).astype(np.float32), posinf=high, neginf=low) - bottom) * (
            255 / span
        )
        grey: Pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        return Image.fromarray(255 - grey if inverted else grey)

    return convert
