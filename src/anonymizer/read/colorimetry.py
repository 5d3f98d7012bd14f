"""Colours that are told by numbers: what they are in light, and how light beyond BT.709 fits into it.

Ordinary white, 203 cd/m² (BT.2408), becomes white; what is brighter is dimmed until it fits and pales a little; a
colour that BT.709 has not got pales. Curves: ITU-R BT.2100 and BT.1886. Primaries and matrices: ITU-T H.273.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonymizer.core import hdr

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

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


def shown_light(
    signal: NDArray[np.float32], transfer: int, shares: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Light as it is shown, ordinary white is 1; ``shares`` are those of red, green and blue in luminance."""
    if transfer == hdr.PQ:
        return np.asarray(hdr.light(signal, transfer) * 10_000 / ORDINARY, np.float32)
    if transfer == hdr.HLG:
        scene = hdr.light(signal, transfer)
        shown = scene * (scene @ shares)[..., None] ** (hdr.SYSTEM - 1) * PEAK / ORDINARY
        return np.asarray(shown, np.float32)
    return np.asarray(signal**hdr.GAMMA, np.float32)


def fitted(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light in BT.709's primaries brought between 0 and 1."""
    dimmed = _paled(light / np.maximum(light.max(axis=-1, keepdims=True), 1))
    return np.asarray((1 - PALER) * dimmed + PALER * _paled(light), np.float32)


def _paled(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """As far towards the grey of the same luminance as each of the three needs to be between 0 and 1."""
    grey = np.clip(light @ to_xyz(PRIMARIES[BT709])[1], 0, 1)[..., None]
    away = light - grey
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(away > 0, (1 - grey) / away, np.where(away < 0, -grey / away, np.inf))
    paled = grey + away * np.clip(room.min(axis=-1, keepdims=True), 0, 1)
    return np.asarray(np.clip(paled, 0, 1), np.float32)


def to_xyz(corners: Corners, white: tuple[float, float] = WHITE) -> NDArray[np.float32]:
    """From RGB to CIE XYZ; the second row is luminance. Raises numpy's LinAlgError where the corners lie on a line."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in corners]).T
    x, y = white
    return np.asarray(columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y])), np.float32)
