"""Text a few grey levels from its ground: nobody sees it, and a stretch of contrast shows it to anyone.

So the picture is stretched here, each place by its own contrast, and searched as it then looks. Flat skin and an empty
wall show their grain when they are stretched, so what is found there must be read before it is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Pixels
from anonymizer.detect.text.strokes import BLOCK, ROW, rows_of_strokes

COARSE = 4
"""The ground is the median of a copy that is so many times smaller …"""
GROUND = 13
"""… over windows of this side, pixels of that copy: strokes of up to some 24 pixels are no ground."""
SURROUNDINGS = 4 * GROUND - 3
"""Side of the surroundings over which contrast is measured, pixels."""
EDGE = 12.0
"""What differs from its ground by more counts for no more: a name beside a black bar must not lose to the bar."""
LEAST = 0.25
"""Mean contrast in grey levels, at least: two levels on a plain ground, and no gain without end."""
SOFT = 2.5
"""What differs by so many times the mean contrast around it is shown at seven eighths of the range."""
PLAIN = 30
"""What differs from its ground by more grey levels is seen as it is, and no faint structure …"""
ABOUT = 5
"""… nor is what lies in squares of this side about it, pixels: soft edges."""
MOST_FAINT = 97.0
"""Percentile of a place's contrast that must be below it: noise and a hair are no letters."""
FAINT = 4.0
"""Mean contrast, grey levels, up to which there can be letters that are seen only in the stretched picture."""
STRUCTURE = 0.04
"""Least mean contrast, grey levels, averaged over three by three pixels: with less there is nothing to see."""
GRAIN = 0.4
"""A camera's noise keeps a third of its contrast then; letters and all else that was in view keep this share."""
STANDS_OUT = 85
"""Contrast, of 255, of strokes in the stretched picture, averaged likewise: noise has a third of it."""
OCTAVES = 1
"""Times that the picture is halved to look for rows of wider strokes."""


@dataclass(frozen=True, slots=True)
class Stretched:
    """A picture ``(h, w, 3)``, grey, stretched by its local contrast.

    ``rows`` is where that is low and there are rows of thin strokes, a map of squares of :data:`BLOCK` pixels;
    ``any_rows`` says whether there are rows of strokes of any width.
    """

    view: Pixels
    rows: NDArray[np.bool_]
    any_rows: bool
    off: NDArray[np.float32]
    """How far each pixel is from its ground, grey levels."""

    def is_faint(self, quad: NDArray[np.float64]) -> bool:
        """Whether what stands in a quadrilateral ``(4, 2)`` of the picture is nowhere more than faint."""
        (left, top), (right, bottom) = quad.min(axis=0).astype(int), quad.max(axis=0).astype(int) + 1
        off = self.off[max(0, top) : bottom, max(0, left) : right]
        own: NDArray[np.uint8] = np.zeros(off.shape, np.uint8)
        cv2.fillConvexPoly(own, np.rint(quad - (max(0, left), max(0, top))).astype(np.int32), 1)
        return bool(own.any() and np.percentile(np.abs(off[own > 0]), MOST_FAINT) <= PLAIN)


def stretched(picture: Pixels) -> Stretched:
    """The picture, whose sides are multiples of :data:`BLOCK`, so that a difference of two grey levels can be seen."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    off = grey - _ground(grey)
    smooth = np.asarray(cv2.blur(off, (3, 3)), np.float32)
    contrast = cv2.blur(np.minimum(np.abs(off), EDGE), (SURROUNDINGS, SURROUNDINGS))
    gain = np.float32(1 / SOFT) / np.maximum(contrast, LEAST)
    view = cv2.cvtColor(_shown(off * gain), cv2.COLOR_GRAY2RGB)
    plain = cv2.dilate((np.abs(off) > PLAIN).astype(np.uint8), np.ones((ABOUT, ABOUT), np.uint8)) > 0
    each, less = (_around(np.where(plain, 0, one)) for one in (off, smooth))
    faint = (each <= FAINT) & (less >= STRUCTURE) & (less >= GRAIN * each)
    calm = _shown(np.where(plain, 0, smooth * gain))
    rows = rows_of_strokes(calm, STANDS_OUT) & faint
    any_rows = bool(rows.sum() >= ROW)
    for _ in range(OCTAVES if not any_rows else 0):
        calm = shrunk(calm, max(1, calm.shape[1] // 2), max(1, calm.shape[0] // 2))
        wider = rows_of_strokes(calm, STANDS_OUT)
        there = cv2.resize(faint.astype(np.uint8), wider.shape[::-1], interpolation=cv2.INTER_AREA) > 0
        any_rows = any_rows or bool((wider & there).sum() >= ROW)
    return Stretched(np.asarray(view, np.uint8), rows, any_rows, off)


def _shown(off: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.tanh(off) * 127.5 + 127.5, np.uint8)


def _around(off: NDArray[np.floating]) -> NDArray[np.float32]:
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
