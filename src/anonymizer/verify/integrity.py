"""The written file decodes, whole, with a decoder other than the one whose library wrote it."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from anonymizer.core.message import Message
from anonymizer.core.types import Check, Pixels, Result

CUT = 16
"""Bytes at the end of a JPEG's coded data that are changed to see whether any pixel needed them."""
ROUNDING = 2
"""Grey levels."""


def decoded(data: bytes) -> Pixels:
    """The picture ``(h, w, 3)`` uint8 RGB by OpenCV; an empty array where it does not decode."""
    try:
        picture = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        picture = None
    return np.empty((0, 0, 3), np.uint8) if picture is None else np.asarray(picture, np.uint8)


def check(data: bytes, pixels: Pixels, size: tuple[int, int] | None, same: bool) -> Check:
    """``size`` = (width, height) it must have, if known; ``same`` says that it is the source's own bytes."""
    if not pixels.size:
        return Check("integrity", Result.FAIL, Message("check.no-decode"))
    height, width = pixels.shape[:2]
    data_ = {"width": width, "height": height}
    if size is not None and (width, height) != size:
        said = Message(
            "check.picture-size", width=width, height=height, wanted_width=size[0], wanted_height=size[1]
        )
        return Check("integrity", Result.FAIL, said, data_)
    if same:
        return Check("integrity", Result.FAIL, Message("check.is-source"), data_)
    if data[:2] == b"\xff\xd8" and not _needs_its_end(data, pixels):
        said = Message("check.coded-trailing")
        return Check("integrity", Result.FAIL, said, data_)
    said = Message("check.decodes", width=width, height=height)
    return Check("integrity", Result.PASS, said, data_)


def _needs_its_end(data: bytes, pixels: Pixels) -> bool:
    """Whether the last bytes of the coded data change the picture: if not, they may hold anything.

    Blocks follow each other without a gap, so data that no block uses can only stand at the end; a
    decoder passes over them in silence. At most :data:`CUT` bytes could still hide there. Two builds of
    libjpeg differ by :data:`ROUNDING` at most; a block read from other bits differs by far more.
    """
    # On a flat picture one pattern may happen to say what stood there; three of them do not.
    return any(
        _differs(data[: -2 - CUT] + bytes([value]) * CUT + data[-2:], pixels) for value in (0xA5, 0x5A, 0xE3)
    )


def _differs(changed: bytes, pixels: Pixels) -> bool:
    other = _bottom(changed)
    if other is None:
        return True
    rows = pixels[-other.shape[0] :]
    return other.shape != rows.shape or bool((cv2.absdiff(rows, other) > ROUNDING).any())


def _bottom(data: bytes) -> Pixels | None:
    """The last rows of a JPEG, by Pillow: OpenCV lets libjpeg complain of the damage on the terminal.

    The class is called by itself, without ``Image.open``: that would apply a limit of pixels meant for
    strangers' files to one that this program wrote.
    """
    try:
        with JpegImageFile(io.BytesIO(data)) as image:
            return np.asarray(image.crop((0, max(0, image.height - 32), image.width, image.height)), np.uint8)
    except (OSError, SyntaxError):
        return None
