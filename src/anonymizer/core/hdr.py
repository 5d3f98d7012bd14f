"""The two curves of high dynamic range, where it is kept: redactions in its terms, and its pictures for detectors.

Values of 8 bits stand for 10-bit ones here, four to one. ITU-R BT.2100 (the curves), BT.2087 (BT.709 to BT.2020),
BT.2408 (where the white of ordinary video belongs).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.yuv import Plane

PQ, HLG = 16, 18
"""Transfer characteristics (ITU-T H.273)."""
GAMMA = 2.4
"""Of ordinary video (BT.1886)."""
SYSTEM = 1.2
"""Exponent that HLG's light in the scene is shown with, on a screen of 1000 cd/m² (BT.2100, table 5)."""
WHITE = {PQ: 203 / 10_000, HLG: 0.265}
"""Ordinary white as a share of the curve's full light: 203 cd/m² of 10 000; what 75 % of the signal stand for."""
_SHARES = np.array([0.2627, 0.6780, 0.0593])
"""Of red, green and blue of BT.2020 in luminance."""
_WIDER = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


def colours(rgb: NDArray[np.float32], transfer: int) -> NDArray[np.float32]:
    """BT.709 RGB ``(…, 3)``, 0 to 255, as Y, U, V of BT.2020 in this curve, limited range, in units of 8 bits."""
    shown = (np.clip(rgb, 0, 255).astype(np.float64) / 255) ** GAMMA @ _WIDER.T
    if transfer == HLG:
        shown *= np.maximum(shown @ _SHARES, 1e-9)[..., None] ** (1 / SYSTEM - 1)
    coded = _signal(shown * WHITE[transfer], transfer)
    r, b, y = coded[..., 0], coded[..., 2], coded @ _SHARES
    planes = 16 + 219 * y, 128 + 224 * (b - y) / 1.8814, 128 + 224 * (r - y) / 1.4746
    return np.stack(planes, axis=-1).astype(np.float32)


def ordinary(luma: Plane, transfer: int) -> Plane:
    """A plane of brightness as ordinary video would have it, light beyond its white cut off: for detectors."""
    signal = np.clip((np.arange(256) - 16) / 219, 0, 1)
    shown = light(signal, transfer) / WHITE[transfer]
    exponent = (SYSTEM if transfer == HLG else 1) / GAMMA
    table = np.rint(16 + 219 * np.clip(shown, 0, 1) ** exponent)
    return np.asarray(table.astype(np.uint8)[luma])


def _signal(light: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """The inverse of :func:`light`."""
    if transfer == PQ:
        power = light**_M1
        return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)
    return np.where(light <= 1 / 12, np.sqrt(3 * light), _A * np.log(np.maximum(12 * light - _B, 1e-9)) + _C)


def light(signal: NDArray[Any], transfer: int) -> NDArray[Any]:
    """The light, 0 to 1, that a signal of 0 to 1 stands for (BT.2100, tables 4 and 5); of HLG, light in the scene."""
    if transfer == PQ:
        power = signal ** (1 / _M2)
        return np.asarray((np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
