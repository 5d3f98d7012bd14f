"""Video of more light or more colours than BT.709 has, as every screen shows it: a table for each clip, then look-ups.

The table says for each 10-bit Y, U, V what it is in 8-bit BT.709. It holds the exact colorimetry: ordinary white,
203 cd/m² (BT.2408), becomes white; what is brighter is dimmed until it fits and pales a little; a colour that
BT.709 has not got pales. Curves: ITU-R BT.2100 and BT.1886. Primaries and matrices: ITU-T H.273.

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

BT709, BT601, NTSC, BT2020 = 1, 5, 6, 9
P3 = (11, 12)
PRIMARIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    **dict.fromkeys(P3, ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
}
"""x, y of red, green and blue, by number; white is D65 for all (a cinema's own white becomes white, too)."""
WHITE = 0.3127, 0.3290
MATRICES = {
    BT709: (0.2126, 0.0722),
    BT601: (0.299, 0.114),
    NTSC: (0.299, 0.114),
    BT2020: (0.2627, 0.0593),
}
"""Shares of red and blue in Y."""
PEAK = 1000.0
"""cd/m² of the screen that HLG is meant for (BT.2100, table 5)."""
ORDINARY = 203.0
"""cd/m² of ordinary white (BT.2408)."""
PALER = 0.2
"""How far a colour that is too bright goes towards what has its whole brightness and less colour: fitted to swscale's
relative colorimetric mapping of skin, sky, leaves, red and white at up to three times the light that fits."""
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
    to_xyz = _to_xyz(primaries)
    signal = np.clip(np.stack([r, g, b], axis=-1), 0, 1).astype(np.float32)
    light = _light(signal, transfer, to_xyz[1])
    light = light @ np.linalg.solve(_to_xyz(BT709), to_xyz).T
    return colours(255 * _fitted(light) ** (1 / hdr.GAMMA))


def _light(signal: NDArray[np.float32], transfer: int, shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light as it is shown, ordinary white is 1; ``shares`` are those of red, green and blue in luminance."""
    if transfer == hdr.PQ:
        return np.asarray(hdr.light(signal, transfer) * 10_000 / ORDINARY, np.float32)
    if transfer == hdr.HLG:
        scene = hdr.light(signal, transfer)
        shown = scene * (scene @ shares)[..., None] ** (hdr.SYSTEM - 1) * PEAK / ORDINARY
        return np.asarray(shown, np.float32)
    return np.asarray(signal**hdr.GAMMA, np.float32)


def _fitted(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light in BT.709's primaries brought between 0 and 1."""
    dimmed = _paled(light / np.maximum(light.max(axis=-1, keepdims=True), 1))
    return np.asarray((1 - PALER) * dimmed + PALER * _paled(light), np.float32)


def _paled(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """As far towards the grey of the same luminance as each of the three needs to be between 0 and 1."""
    grey = np.clip(light @ _to_xyz(BT709)[1], 0, 1)[..., None]
    away = light - grey
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(away > 0, (1 - grey) / away, np.where(away < 0, -grey / away, np.inf))
    paled = grey + away * np.clip(room.min(axis=-1, keepdims=True), 0, 1)
    return np.asarray(np.clip(paled, 0, 1), np.float32)


def _to_xyz(primaries: int) -> NDArray[np.float32]:
    """From RGB to CIE XYZ; the second row is luminance."""
    corners = np.array([(x / y, 1, (1 - x - y) / y) for x, y in PRIMARIES[primaries]]).T
    x, y = WHITE
    return np.asarray(corners * np.linalg.solve(corners, np.array([x / y, 1, (1 - x - y) / y])), np.float32)
