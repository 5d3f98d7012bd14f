"""Animated GIF, WebP, PNG and AVIF: pictures that are clips. Pillow reads their frames, in the decoding process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,  # noqa: F401  each registers its format
    GifImagePlugin,  # noqa: F401
    Image,
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from anonymizer.core.errors import DamagedError, LimitError
from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.core.yuv import Planes
from anonymizer.read.clip.containers import MAX_SIDE
from anonymizer.read.clip.frames import MAX_FRAMES
from anonymizer.read.clip.picture import ClipPicture, VideoTrack
from anonymizer.read.moving_image import USUAL, durations

FINEST = 1_000_000
"""Ticks per second at most: fractions that need more are rounded to it."""

# The plug-ins above are all there is: nothing may be looked for on the disk, least of all once it is shut.
Image._initialized = 2


def pictures(file: BinaryIO, form: str, max_pixels: int, track: VideoTrack) -> Iterator[ClipPicture]:
    """Every frame, drawn over those before it and over white, as BT.709 planes, once through.

    A frame is shown for as long as browsers show it. Raises :class:`DamagedError` and :class:`LimitError`.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    lasting, whole = durations(file)
    file.seek(0)
    try:
        image = Image.open(file, formats=[form.upper()])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DamagedError("clip.animation-damaged", format=form) from error
    with image:
        width, height = image.size
        if width * height > max_pixels or max(width, height) > MAX_SIDE:
            raise LimitError("clip.too-wide", width=width, height=height)
        track.width, track.height = width + width % 2, height + height % 2
        if (track.width, track.height) != (width, height):
            track.notes[Message("clip.made-even")] = None
        # A PNG's picture for those who know no animation may stand before it: nobody else is shown it.
        hidden = int(bool(image.info.get("default_image")))
        track.expected = max(1, int(getattr(image, "n_frames", 1)) - hidden)
        whole = whole and len(lasting) == track.expected
        lasting = lasting[: track.expected]
        lasting += [USUAL] * (track.expected - len(lasting))
        ticks = math.lcm(*{one.denominator for one in lasting})
        track.time_base = Fraction(1, min(ticks, FINEST))
        track.seconds = float(sum(lasting))
        track.rate = Fraction(len(lasting), 1) / sum(lasting)
        yield from _frames(image, hidden, lasting, track)
        track.broken_off = track.broken_off or not whole


def _frames(image: Any, hidden: int, lasting: list[Fraction], track: VideoTrack) -> Iterator[ClipPicture]:
    end = Fraction(0)
    for number in range(min(track.expected, MAX_FRAMES)):
        try:
            image.seek(number + hidden)
            image.load()
            planes = _planes(image, track.width, track.height)
        except (OSError, EOFError, SyntaxError, ValueError, IndexError) as error:
            if not number:
                raise DamagedError("clip.no-frame-animation") from error
            track.lost, track.broken_off = track.expected - number, True
            return
        begin, end = track.last, end + lasting[number]
        track.frames, track.last = track.frames + 1, round(end / track.time_base)
        yield ClipPicture(planes, begin, track.last - begin, False)


def _planes(image: Any, width: int, height: int) -> Planes:
    """The current frame over white as planes."""
    over = Image.new("RGBA", image.size, (255, 255, 255, 255))
    over.alpha_composite(image.convert("RGBA"))
    return planes_of(np.asarray(over.convert("RGB")), width, height)


def planes_of(pixels: Pixels, width: int, height: int) -> Planes:
    """RGB ``(h, w, 3)`` as planes of a size that is at most a row and a column more."""
    import av

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
