"""A picture made smaller without waiting long for it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def shrunk(picture: NDArray[np.uint8], wide: int, high: int) -> NDArray[np.uint8]:
    """The picture, grey or in colour, averaged over areas down to ``wide`` by ``high`` pixels.

    It is halved for as long as that leaves enough: means of two by two pixels take a tenth of the time of any
    others, and what is left for them is a quarter.
    """
    while picture.shape[1] >= 2 * wide and picture.shape[0] >= 2 * high:
        picture = _half(picture)
    if picture.shape[:2] == (high, wide):
        return picture
    return np.asarray(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)


def halved(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture halved until its long side is less than twice ``side``: :func:`shrunk` makes the same of it as of the
    picture itself, at any size up to this one, and several sizes are made sooner."""
    while max(picture.shape[:2]) >= 2 * side:
        picture = _half(picture)
    return picture


def _half(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = (max(1, picture.shape[1] // 2), max(1, picture.shape[0] // 2))
    return np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)


def averages(patch: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """Area averages of a patch ``(h, w)`` or ``(h, w, c)`` on a grid ``size`` = (columns, rows)."""
    shrunk = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return shrunk.reshape(size[1], size[0], -1)
