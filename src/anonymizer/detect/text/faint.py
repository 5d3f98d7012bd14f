"""Text a few grey levels from its ground: nobody sees it, and a stretch of contrast shows it to anyone.

So the picture is stretched here, each place by its own contrast, and searched as it then looks. Flat skin and an empty
wall show their grain when they are stretched, so what is found there must be read before it is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels
from anonymizer.detect.text.strokes import BLOCK

COARSE = 4
"""The ground is the median of a copy that is so many times smaller …"""
GROUND = 13
"""… over windows of this side, pixels of that copy: strokes of up to some 24 pixels are no ground."""
SURROUNDINGS = 4 * GROUND - 3
"""Side of the surroundings over which contrast is measured, pixels."""
EDGE = 12.0
"""What differs from its ground by more counts for no more: a name beside a black bar must not lose to the bar."""
LEAST = 0.6
"""Mean contrast in grey levels, at least: two levels on a plain ground, and no gain without end."""
SOFT = 2.5
"""What differs by so many times the mean contrast around it is shown at seven eighths of the range."""
FAINT = 4.0
"""Mean contrast, grey levels, up to which text is faint; letters of 25 levels have more, and are seen as they are."""
STRUCTURE = 0.04
"""Least mean contrast, grey levels, averaged over three by three pixels: with less there is nothing to see."""
GRAIN = 0.4
"""A camera's noise keeps a third of its contrast then; letters and all else that was in view keep this share."""
CLEAN = 0.5
"""Mean of what that average takes away, grey levels, up to which small print can stand out from the noise."""


@dataclass(frozen=True, slots=True)
class Stretched:
    """A picture ``(h, w, 3)``, grey, stretched by its local contrast.

    ``faint`` is where that is low and more than noise, ``clean`` where there is hardly noise besides: maps of squares
    of :data:`BLOCK` pixels.
    """

    view: Pixels
    faint: NDArray[np.bool_]
    clean: NDArray[np.bool_]

    def is_faint(self, x: float, y: float) -> bool:
        """Whether a point of the picture lies in a faint place."""
        high, wide = self.faint.shape
        return bool(self.faint[min(max(int(y / BLOCK), 0), high - 1), min(max(int(x / BLOCK), 0), wide - 1)])


def stretched(picture: Pixels) -> Stretched:
    """The picture, whose sides are multiples of :data:`BLOCK`, so that a difference of two grey levels can be seen."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    off = grey - _ground(grey)
    smooth = np.asarray(cv2.blur(off, (3, 3)), np.float32)
    contrast = cv2.blur(np.minimum(np.abs(off), EDGE), (SURROUNDINGS, SURROUNDINGS))
    shown = np.tanh(off / np.maximum(contrast, LEAST) * np.float32(1 / SOFT)) * 127.5 + 127.5
    each, less, noise = (_around(one) for one in (off, smooth, off - smooth))
    faint = (each <= FAINT) & (less >= STRUCTURE) & (less >= GRAIN * each)
    view = cv2.cvtColor(shown.astype(np.uint8), cv2.COLOR_GRAY2RGB)
    return Stretched(np.asarray(view, np.uint8), faint, faint & (noise <= CLEAN))


def _around(off: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean contrast in the surroundings of each square."""
    squares = off.shape[1] // BLOCK, off.shape[0] // BLOCK
    own = cv2.resize(np.minimum(np.abs(off), EDGE), squares, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(own, (SURROUNDINGS // BLOCK | 1,) * 2), np.float32)


def _ground(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What lies behind strokes, smooth."""
    size = grey.shape[1] // COARSE, grey.shape[0] // COARSE
    ground = cv2.medianBlur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), GROUND)
    smooth = cv2.blur(ground.astype(np.float32), (GROUND // 2 | 1,) * 2)
    return np.asarray(cv2.resize(smooth, grey.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
