"""Where there may be small print: thin strokes, close together, in a row. A few milliseconds per megapixel.

A text network is too slow to go over a large photo at its full size; skin, cloth and walls have few thin
strokes, so most of a photo need not be looked at that closely.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.types import Box, Pixels

TILE = 448
"""Side of what the network sees of a picture at a time, pixels."""
OVERLAP = 48
"""Pixels that neighbours share: a line of small print that the border cuts is whole on one side or both."""
BLOCK = 8
"""Strokes are counted in squares of this side."""
STROKE = 5
"""Wider than this, pixels, it is no stroke of small print."""
CONTRAST = 30
"""Least difference, of 255, between a stroke and what is beside it."""
DENSE = 0.12
"""Share of a square that strokes cover in print; hair and folds mostly stay below …"""
ROW = 4
"""… and do not fill so many squares in a row, across or down."""


def strokes(pixels: Pixels) -> NDArray[np.bool_]:
    """Which squares of :data:`BLOCK` pixels belong to a row that may be print: ``(h // 8, w // 8)``."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    kernel = np.ones((STROKE, STROKE), np.uint8)
    light = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, kernel)
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, kernel)
    _, thin = cv2.threshold(cv2.max(light, dark), CONTRAST, 255, cv2.THRESH_BINARY)
    size = (grey.shape[1] // BLOCK, grey.shape[0] // BLOCK)
    dense = (cv2.resize(thin, size, interpolation=cv2.INTER_AREA) > 255 * DENSE).astype(np.uint8)
    across = cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((1, ROW), np.uint8))
    down = cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((ROW, 1), np.uint8))
    return np.asarray(cv2.max(across, down) > 0)


def tiles(busy: NDArray[np.bool_], known: list[Box], most: int) -> list[tuple[int, int]]:
    """Top left corners ``(x, y)`` of the tiles to look at, those with the most print first, at most ``most``.

    ``busy`` as from :func:`strokes`; squares inside the ``known`` boxes (same pixels) count for nothing.
    """
    left_over = busy.copy()
    for box in known:
        left, top, right, bottom = (
            int(v / BLOCK) for v in (box.x, box.y, box.right + BLOCK, box.bottom + BLOCK)
        )
        left_over[max(0, top) : bottom, max(0, left) : right] = False
    high, wide = left_over.shape
    step = TILE - OVERLAP
    found = []
    for y in _starts(high * BLOCK, step):
        for x in _starts(wide * BLOCK, step):
            part = left_over[y // BLOCK : (y + TILE) // BLOCK, x // BLOCK : (x + TILE) // BLOCK]
            count = int(part.sum())
            if count:
                found.append((count, x, y))
    found.sort(key=lambda place: -place[0])
    return [(x, y) for _, x, y in found[:most]]


def _starts(length: int, step: int) -> list[int]:
    """Where tiles begin so that they reach the end without going beyond it: padding looks like print."""
    last = max(0, length - TILE)
    return [*range(0, last, step), last]


def scaled(box: Box, fx: float, fy: float) -> Box:
    """The box in a picture that is ``fx`` times as wide and ``fy`` times as high."""
    return Box(box.x * fx, box.y * fy, box.w * fx, box.h * fy)
