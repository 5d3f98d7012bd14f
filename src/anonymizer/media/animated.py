"""Animated GIF and WebP: pictures that are clips. The frames are read by Pillow, in the decoding process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from PIL import GifImagePlugin, Image, WebPImagePlugin  # noqa: F401  each registers its format

from anonymizer.errors import DamagedError, LimitError
from anonymizer.media.clip_frames import MAX_FRAMES, MAX_SIDE, Picture, Plane, Track

MILLISECONDS = Fraction(1, 1000)
LEAST = 20
"""Browsers show a frame that asks for less, milliseconds, …"""
USUAL = 100
"""… for so long."""


def is_animated(content: bytes) -> bool:
    """Whether a GIF or WebP holds more than one frame, from its blocks alone."""
    if content[:4] == b"RIFF":
        flagged = content[12:16] == b"VP8X" and len(content) > 20 and content[20] & 0x02
        return bool(flagged) and content.count(b"ANMF", 0, 1 << 26) > 1
    return content[:3] == b"GIF" and _gif_frames(content) > 1


def _gif_frames(content: bytes) -> int:
    """Frames of a GIF, counted up to two (GIF89a, appendix A: header, colour tables, blocks)."""
    if len(content) < 13:
        return 0
    at = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    frames = 0
    while at < len(content) and frames < 2:
        if content[at] == 0x2C and at + 10 < len(content):
            flags = content[at + 9]
            at += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0) + 1
            frames += 1
        elif content[at] == 0x21:
            at += 2
        else:
            break
        while at < len(content) and content[at]:
            at += content[at] + 1
        at += 1
    return frames


def pictures(file: BinaryIO, form: str, max_pixels: int, track: Track) -> Iterator[Picture]:
    """Every frame, drawn over those before it and over white, as BT.709 planes; times in milliseconds.

    Raises :class:`DamagedError` and :class:`LimitError`.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        image = Image.open(file, formats=[form.upper()])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedError(f"The {form} is damaged or incomplete; export it again.") from error
    with image:
        width, height = image.size
        if width * height > max_pixels or max(width, height) > MAX_SIDE:
            raise LimitError(f"The frames are {width} by {height} pixels, more than the limit.")
        track.width, track.height = width + width % 2, height + height % 2
        if (track.width, track.height) != (width, height):
            track.notes["An odd width or height was made even by repeating the last line."] = None
        track.time_base = MILLISECONDS
        track.expected = int(getattr(image, "n_frames", 1))
        yield from _frames(image, track)


def _frames(image: Any, track: Track) -> Iterator[Picture]:
    for number in range(min(track.expected, MAX_FRAMES)):
        try:
            image.seek(number)
            image.load()
            planes = _planes(image, track.width, track.height)
        except (OSError, EOFError, SyntaxError, ValueError, IndexError) as error:
            if not number:
                raise DamagedError("Not one frame of the animation decodes; export it again.") from error
            track.lost, track.broken_off = track.expected - number, True
            return
        asked = int(image.info.get("duration") or 0)
        duration = asked if asked >= LEAST else USUAL
        yield Picture(planes, track.last, duration, False)
        track.frames, track.last = track.frames + 1, track.last + duration


def _planes(image: Any, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    """The current frame over white as planes."""
    import av

    over = Image.new("RGBA", image.size, (255, 255, 255, 255))
    over.alpha_composite(image.convert("RGBA"))
    pixels = np.asarray(over.convert("RGB"))
    pixels = np.pad(
        pixels, ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0)), mode="edge"
    )
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
    frame = frame.reformat(
        format="yuv420p", src_color_range="JPEG", dst_color_range="MPEG", dst_colorspace="ITU709"
    )
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8)
        .reshape(-1, plane.line_size)[: plane.height, : plane.width]
        .copy()
        for plane in frame.planes[:3]
    )
    return y, u, v
