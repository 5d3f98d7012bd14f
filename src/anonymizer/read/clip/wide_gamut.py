"""Video of more light or more colours than BT.709 has, as every screen shows it: a table for each clip, then look-ups.

The table says for each 10-bit Y, U, V what it is in 8-bit BT.709, by :mod:`anonymizer.read.colorimetry`.

swscale's own mapping looks the same within a few levels (tests/test_wide.py), takes seconds to get ready in each
pass, and seven times as long for each frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import hdr
from anonymizer.core.types import Pixels
from anonymizer.core.yuv import AnyPlanes, Plane, Planes, colours, pixels_of, reduced_planes
from anonymizer.read.colorimetry import BT709, MATRICES, PRIMARIES, fitted, shown_light, to_xyz

BLACK, TOP = 64, 940
"""Y of black and white, 10 bits, limited range; U and V go from 64 to 960."""
STEP = 4
"""Steps of Y at which colours are worked out; those between lie on a line."""
SIDE, SPAN = 33, 28
"""Values of U and of V in the table, and how far apart they are: the 17th is no colour."""


@dataclass(frozen=True, slots=True)
class Wide:
    """What one clip's colours become. ``grey`` uint8 ``(65536,)``: Y of BT.709 for each 10-bit Y without colour.

    ``table`` uint8 ``(877 * 33, 33, 4)``: for each Y a square of V by U, of what a colour adds to that Y (128 is
    nothing), of U, of V; the fourth is there because four at a time are looked up faster than three.
    """

    grey: NDArray[np.uint8]
    table: NDArray[np.uint8]

    def planes(self, planes: AnyPlanes) -> Planes:
        """A frame's 10-bit planes, 4:2:0, in 8-bit BT.709.

        Colours are looked up at half size, with the mean Y there; each pixel's own Y is that of the grey plus what
        the colour about it adds.
        """
        y, u, v = planes
        half = cv2.resize(y, (u.shape[1], u.shape[0]), interpolation=cv2.INTER_AREA)
        more, *chroma = self._looked_up(half, u, v)
        spread = cv2.resize(more, (y.shape[1], y.shape[0]), interpolation=cv2.INTER_LINEAR)
        return self._brightness(y, spread), chroma[0], chroma[1]

    def reduced(self, planes: AnyPlanes, size: tuple[int, int]) -> Pixels:
        """A small RGB copy of ``size`` = (width, height): reduced first, then looked up."""
        y, u, v = reduced_planes(planes, size)
        more, *chroma = self._looked_up(y, u, v)
        return pixels_of([self._brightness(y, more), *chroma])

    def _brightness(self, y: NDArray[Any], more: NDArray[Any]) -> Plane:
        return np.asarray(cv2.addWeighted(cv2.LUT(y, self.grey), 1, more, 1, -128), np.uint8)

    def _looked_up(self, *planes: NDArray[Any]) -> list[Plane]:
        """What colour adds to Y, U and V, for planes of one size."""
        y, u, v = (plane.astype(np.float32) for plane in planes)
        column, row = (u - 64) / SPAN, (np.clip(v, 64, 960) - 64) / SPAN
        row += (np.clip(y, BLACK, TOP) - BLACK) * SIDE
        found = cv2.remap(self.table, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return [np.asarray(part, np.uint8) for part in cv2.split(found)[:3]]


def wide(primaries: int, transfer: int, matrix: int) -> Wide:
    """The table of colours with these primaries, curve and matrix, all by number: a quarter of a second's work."""
    y = np.arange(BLACK, TOP + 1, STEP)
    chroma = 64 + SPAN * np.arange(SIDE)
    values = _ordinary(
        y[:, None, None], chroma[None, None, :], chroma[None, :, None], primaries, transfer, matrix
    )
    fine = np.arange(BLACK, TOP + 1)
    at, part = (fine - BLACK) // STEP, ((fine - BLACK) % STEP / STEP).astype(np.float32)[:, None, None, None]
    values = values[at] * (1 - part) + values[np.minimum(at + 1, len(y) - 1)] * part
    grey = values[:, SIDE // 2, SIDE // 2, 0].copy()
    values[..., 0] += 128 - np.rint(grey)[:, None, None]
    table = np.rint(np.clip(values, 0, 255)).astype(np.uint8).reshape(-1, SIDE, 3)
    every = np.rint(grey).astype(np.uint8)[np.clip(np.arange(1 << 16), BLACK, TOP) - BLACK]
    return Wide(every, np.ascontiguousarray(np.dstack([table, table[:, :, :1]])))


def _ordinary(
    y: NDArray[np.int64],
    u: NDArray[np.int64],
    v: NDArray[np.int64],
    primaries: int,
    transfer: int,
    matrix: int,
) -> NDArray[np.float32]:
    """Y, U and V of BT.709, in units of 8 bits, ``(…, 3)``, of 10-bit ones."""
    red, blue = MATRICES[matrix]
    luma, cb, cr = (y - BLACK) / (TOP - BLACK), (u - 512) / 896, (v - 512) / 896
    r, b = np.broadcast_arrays(luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb)
    g = (luma - red * r - blue * b) / (1 - red - blue)
    own = to_xyz(PRIMARIES[primaries])
    signal = np.clip(np.stack([r, g, b], axis=-1), 0, 1).astype(np.float32)
    light = shown_light(signal, transfer, own[1])
    light = light @ np.linalg.solve(to_xyz(PRIMARIES[BT709]), own).T
    return colours(255 * fitted(light) ** (1 / hdr.GAMMA))
