"""A clip's display matrix as one of eight orientations, applied to planes: the output's pixels stand upright."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from numpy.typing import NDArray

Matrix = tuple[int, int, int, int]
"""``(a, b, c, d)``, each -1, 0 or 1: a stored point ``(x, y)`` is shown at ``(a x + c y, b x + d y)``."""
UPRIGHT: Matrix = (1, 0, 0, 1)


def matrix(side_data: bytes) -> Matrix:
    """The nearest right-angled turn of a display matrix: nine 32-bit numbers in the machine's order, 16.16
    fixed point (libavutil/display.h; ISO/IEC 14496-12, 8.3.2). Upright where it says nothing sensible."""
    if len(side_data) < 36:
        return UPRIGHT
    a, b, _, c, d = struct.unpack_from("=5i", side_data)
    signs = [0 if abs(v) < 1 << 15 else (1 if v > 0 else -1) for v in (a, b, c, d)]
    orientation = (signs[0], signs[1], signs[2], signs[3])
    straight = abs(orientation[0]) == abs(orientation[3]) == 1 and not orientation[1] and not orientation[2]
    crossed = abs(orientation[1]) == abs(orientation[2]) == 1 and not orientation[0] and not orientation[3]
    return orientation if straight or crossed else UPRIGHT


def orientation_of(frame: Any) -> Matrix:
    """How a frame is to be turned."""
    turned = (matrix(bytes(side)) for side in frame.side_data if side.type == SideData.DISPLAYMATRIX)
    return next(turned, UPRIGHT)


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
