"""Values of any depth to 8 bits: by their bits where those are told, else by their range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIP = 1 << 20
"""Values that are converted at a time."""


def eight_bits(values: NDArray[Any], bits: int) -> tuple[NDArray[np.uint8], bool]:
    """``values`` of any shape as 8 bits of the same shape, and whether they had to be stretched.

    Whole numbers without a sign of at most 16 bits span those; fractions from 0 to 1, or else to 255, those. Whatever
    has another range is stretched from its least value to its greatest.
    """
    if values.dtype == np.uint8 and bits == 8:
        return np.array(values), False
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        top = next((top for top in (1.0, 255.0) if low >= 0 and high <= top), None)
    else:
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
        top = float(2**bits - 1) if values.dtype.kind in "ub" and bits <= 16 else None
    bottom, span = (0.0, top) if top else (low, max(high - low, 1e-9))
    done = np.empty(values.shape, np.uint8)
    rows = max(1, STRIP // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        part = values[start : start + rows].astype(np.float64)
        part = (np.nan_to_num(part, nan=bottom, posinf=high, neginf=low) - bottom) * (255 / span)
        done[start : start + rows] = np.clip(np.rint(part), 0, 255)
    return done, top is None
