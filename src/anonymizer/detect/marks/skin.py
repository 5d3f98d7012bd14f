"""Where the skin is, by colour alone: a broad range first, then what is typical of this picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels

CR = (133, 180)
CB = (77, 130)
"""Skin of every tone, in Cr and Cb of 8 bits: Chai and Ngan 1999, wider for inflamed skin and warm light."""
DARKEST = 40
"""Luma below which a camera's colour says little."""
NEAR = 3.5
"""Robust standard deviations from the picture's own skin."""
LEAST = 0.05
"""Share of the picture that must be in the broad range before it has skin of its own to speak of."""
SPREAD = 3.0
"""Least standard deviation of Cr and Cb that is assumed."""


def skin(pixels: Pixels) -> NDArray[np.bool_]:
    """The mask ``(h, w)`` of pixels with the colour of this picture's skin; all False where it has none."""
    luma, cr, cb = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
    broad = (cr >= CR[0]) & (cr <= CR[1]) & (cb >= CB[0]) & (cb <= CB[1]) & (luma >= DARKEST)
    if broad.mean() < LEAST:
        return np.zeros(broad.shape, bool)
    away = np.zeros(broad.shape, np.float32)
    for channel in (cr, cb):
        values = channel[broad].astype(np.float32)
        middle = np.median(values)
        # 1.4826: the standard deviation of a normal distribution, from its median absolute deviation.
        spread = max(SPREAD, 1.4826 * float(np.median(np.abs(values - middle))))
        away += ((channel.astype(np.float32) - middle) / spread) ** 2
    return np.asarray(broad & (away <= NEAR**2))
