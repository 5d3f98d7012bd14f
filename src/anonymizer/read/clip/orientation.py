"""A clip's display matrix as one of eight orientations, applied to planes: the output's pixels stand upright."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from numpy.typing import NDArray

Matrix = tuple[int, int, int, int]
"""``(a, b, c, d)``, each -1, 0 or 1: a stored point ``(x, y)`` is shown at ``(a x + c y, b x + d y)``."""
UPRIGHT: Matrix = (1, 0, 0, 1)


EXACT = 0.02
"""How far from a right-angled turn a matrix may be, of its scale: half a pixel in fifty."""


def matrix(side_data: bytes) -> Matrix:
    """The nearest right-angled turn of a display matrix, whatever its scale: nine 32-bit numbers in the machine's
    order, 16.16 fixed point (libavutil/display.h; ISO/IEC 14496-12, 8.3.2). Upright where it says nothing sensible."""
    a, b, c, d = _linear(side_data)
    straight = abs(a) * abs(d) >= abs(b) * abs(c)
    kept = (a, 0, 0, d) if straight else (0, b, c, 0)
    if sum(value != 0 for value in kept) < 2:
        return UPRIGHT
    signs = [(value > 0) - (value < 0) for value in kept]
    return signs[0], signs[1], signs[2], signs[3]


def is_slanting(side_data: bytes) -> bool:
    """Whether a display matrix turns by another angle, skews, or draws in perspective."""
    a, b, c, d = _linear(side_data)
    straight = abs(a) * abs(d) >= abs(b) * abs(c)
    kept, left = ((a, d), (b, c)) if straight else ((b, c), (a, d))
    perspective = len(side_data) >= 36 and any(struct.unpack_from("=9i", side_data)[2:6:3])
    return perspective or max(map(abs, left)) > EXACT * min(map(abs, kept))


def stretch_of(frame: Any) -> tuple[Fraction, Fraction]:
    """By how much more a frame's matrix widens stored pixels than it heightens them; and what of that the library takes
    for their shape, where the container names none: the same of pixels as shown."""
    a, b, c, d = _linear(_side_data(frame))
    return _ratio(math.hypot(a, b), math.hypot(c, d)), _ratio(math.hypot(a, c), math.hypot(b, d))


def _ratio(wide: float, high: float) -> Fraction:
    return Fraction(wide / high).limit_denominator(1000) if wide and high else Fraction(1)


def _linear(side_data: bytes) -> tuple[int, int, int, int]:
    if len(side_data) < 36:
        return UPRIGHT
    a, b, _, c, d = struct.unpack_from("=5i", side_data)
    return a, b, c, d


def orientation_of(frame: Any) -> Matrix:
    """How a frame is to be turned."""
    return matrix(_side_data(frame))


def slants(frame: Any) -> bool:
    """Whether a frame is to be shown as no right-angled turn makes it."""
    return is_slanting(_side_data(frame))


def _side_data(frame: Any) -> bytes:
    return next((bytes(side) for side in frame.side_data if side.type == SideData.DISPLAYMATRIX), b"")


def swaps(orientation: Matrix) -> bool:
    """Whether width and height change places."""
    return orientation[0] == 0


def upright(plane: NDArray[Any], orientation: Matrix) -> NDArray[Any]:
    """A plane ``(h, w)`` as it is to be shown: a copy where it is turned, else a view."""
    a, b, c, d = orientation
    if a == 0:
        # Rows and columns change places; then x runs along the stored y, whose sign is c, and y's is b.
        plane = cv2.transpose(plane)
        a, d = c, b
    if a > 0 and d > 0:
        return plane
    return np.asarray(cv2.flip(plane, -1 if a < 0 and d < 0 else int(a < 0)))
