"""The written file decodes, whole, with a decoder other than the one whose library wrote it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import cv2
import numpy as np

from anonymizer.types import Check, Pixels, Result

CUT = 16
"""Bytes cut off the end of a JPEG's coded data to see whether any pixel needed them."""


def decoded(data: bytes) -> Pixels | None:
    """The picture ``(h, w, 3)`` uint8 RGB by OpenCV, or None where it does not decode."""
    try:
        picture = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        return None
    return None if picture is None else np.asarray(picture, np.uint8)


def check(data: bytes, pixels: Pixels | None, size: tuple[int, int] | None, same: bool) -> Check:
    """``size`` = (width, height) it must have, if known; ``same`` says that it is the source's own bytes."""
    if pixels is None:
        return Check("integrity", Result.FAIL, "The written file does not decode.")
    height, width = pixels.shape[:2]
    data_ = {"width": width, "height": height}
    if size is not None and (width, height) != size:
        said = f"The written picture is {width} by {height} pixels, not {size[0]} by {size[1]}."
        return Check("integrity", Result.FAIL, said, data_)
    if same:
        return Check("integrity", Result.FAIL, "The written file is the source itself.", data_)
    if data[:2] == b"\xff\xd8" and not _needs_its_end(data, pixels):
        said = "The coded data go on behind the picture's last block: bytes that no pixel needs."
        return Check("integrity", Result.FAIL, said, data_)
    said = f"Decodes whole, {width} by {height} pixels, with a second decoder (OpenCV)."
    return Check("integrity", Result.PASS, said, data_)


def _needs_its_end(data: bytes, pixels: Pixels) -> bool:
    """Whether the last bytes of the coded data change the picture: if not, they may hold anything.

    Blocks follow each other without a gap, so data that no block uses can only stand at the end; a
    decoder passes over them in silence. At most :data:`CUT` bytes could still hide there.
    """
    with hushed():
        cut = decoded(data[: -2 - CUT] + b"\xff\xd9")
    return cut is None or cut.shape != pixels.shape or not np.array_equal(cut[-32:], pixels[-32:])


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep libjpeg's complaint about the cut off the terminal: it writes to the descriptor, past Python."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
