"""Where there may be small print: thin strokes, close together, in a row. A few milliseconds per megapixel.

A text network is too slow to go over a large photo at its full size; skin, cloth and walls have few thin
strokes, so most of a photo need not be looked at that closely.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Pixels

TILE = 448
"""Side of what the network sees of a picture at a time, pixels."""
SIZES = (96, 160, 256, TILE)
"""Sides of what it is shown where that is enough: the runtime prepares itself for each size anew."""
CALL = 8_000
"""What one call costs beside its pixels, in pixels."""
AROUND = 24
"""Pixels about the strokes that the network needs to see."""
GAP = 6
"""Squares, at least, of an empty strip along which the picture is cut: words stand closer together."""
DEEPEST = 200
"""Cuts within cuts at most."""
OVERLAP = 48
"""Pixels that neighbours share: a line of small print that the border cuts is whole on one side or both."""
BLOCK = 8
"""Strokes are counted in squares of this side."""
STRIP = 16
"""Rows of squares that are gone through at a time."""
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
    return rows_of_strokes(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8), CONTRAST)


def rows_of_strokes(grey: NDArray[np.uint8], contrast: int) -> NDArray[np.bool_]:
    """The same of a grey picture, for strokes of this contrast, of 255."""
    dense = crowded(grey, contrast, DENSE)
    across = cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((1, ROW), np.uint8))
    down = cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((ROW, 1), np.uint8))
    return np.asarray(cv2.max(across, down) > 0)


def crowded(grey: NDArray[np.uint8], contrast: int, dense: float) -> NDArray[np.uint8]:
    """1 for each square of :data:`BLOCK` pixels of a grey picture of which thin strokes cover the share
    ``dense``, else 0: ``(h // 8, w // 8)``. ``contrast`` is the least between a stroke and what is beside it."""
    high, wide = grey.shape[0] // BLOCK, grey.shape[1] // BLOCK
    found: NDArray[np.uint8] = np.zeros((high, wide), np.uint8)
    kernel = np.ones((STROKE, STROKE), np.uint8)
    # In strips that the processor's cache holds: the whole of twelve megapixels takes three times as long.
    for first in range(0, high, STRIP):
        last = min(high, first + STRIP)
        above = min(first * BLOCK, STROKE - 1)
        strip = grey[first * BLOCK - above : last * BLOCK + STROKE - 1, : wide * BLOCK]
        light = cv2.morphologyEx(strip, cv2.MORPH_TOPHAT, kernel)
        dark = cv2.morphologyEx(strip, cv2.MORPH_BLACKHAT, kernel)
        own = cv2.max(light, dark)[above : above + (last - first) * BLOCK]
        _, thin = cv2.threshold(own, contrast, 255, cv2.THRESH_BINARY)
        share = cv2.resize(thin, (wide, last - first), interpolation=cv2.INTER_AREA)
        found[first:last] = share > 255 * dense
    return found


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the picture that the network is shown, in pixels; ``count`` is its squares with strokes."""

    x: int
    y: int
    w: int
    h: int
    count: int

    @property
    def cost(self) -> int:
        """What looking at it costs, in pixels of the network's work: a call costs as much as :data:`CALL`."""
        return self.w * self.h + CALL


def windows(
    busy: NDArray[np.bool_], known: list[Box], most: int, worth: NDArray[np.float32] | None = None
) -> tuple[list[Window], list[Window]]:
    """Where to look, for about the cost of ``most`` whole tiles, and what is then left: first what is ``worth``
    most, a value for each square of which a window's best counts, then what has the most strokes.

    ``busy`` as from :func:`strokes`; squares inside the ``known`` boxes (same pixels) count for nothing. The
    picture is cut along its widest empty strips, again and again, for as long as that makes less to look at
    (the XY cut of page layout, Nagy and Seth 1984); lines of text have no empty strip inside.
    """
    left_over = busy.copy()
    for box in known:
        left, top, right, bottom = (
            int(v / BLOCK) for v in (box.x, box.y, box.right + BLOCK, box.bottom + BLOCK)
        )
        left_over[max(0, top) : bottom, max(0, left) : right] = False
    whole = _tight(left_over, (0, 0, left_over.shape[1], left_over.shape[0]))
    found = _cut(left_over, whole) if whole else []

    def value(one: Window) -> tuple[float, int]:
        place = np.s_[one.y // BLOCK : (one.y + one.h) // BLOCK, one.x // BLOCK : (one.x + one.w) // BLOCK]
        return (float((worth[place] * left_over[place]).max()) if worth is not None else 0.0), one.count

    found.sort(key=value, reverse=True)
    spent = np.cumsum([one.cost for one in found])
    count = int(np.searchsorted(spent, most * TILE * TILE, side="right")) or most
    return found[:count], found[count:]


def _cut(busy: NDArray[np.bool_], part: Part, depth: int = 0) -> list[Window]:
    """The cheapest windows over a tight part: itself, or its two sides, each cut in the same way."""
    own = _cover(busy, part)
    if depth == DEEPEST or (len(own) == 1 and own[0].w == own[0].h == SIZES[0]):
        return own
    sides = [window for half in _halves(busy, part) for window in _cut(busy, half, depth + 1)]
    return sides if sides and sum(w.cost for w in sides) < sum(w.cost for w in own) else own


Part = tuple[int, int, int, int]
"""``left, top, right, bottom``, in squares."""


def _tight(busy: NDArray[np.bool_], part: Part) -> Part | None:
    """The least part with all the strokes of this one; None without any."""
    left, top, right, bottom = part
    inside = busy[top:bottom, left:right]
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    if not len(columns):
        return None
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _halves(busy: NDArray[np.bool_], part: Part) -> list[Part]:
    """The two sides of the widest empty strip across a tight part; none where it is narrow everywhere."""
    left, top, right, bottom = part
    inside = busy[top:bottom, left:right]
    widest, at, down = 0, 0, False
    for axis in (0, 1):
        there = np.flatnonzero(inside.any(axis=axis))
        gaps = np.diff(there) - 1
        if len(gaps) and int(gaps.max()) > widest:
            widest, at, down = int(gaps.max()), int(there[int(gaps.argmax())]) + 1, axis == 1
    if widest < GAP:
        return []
    parts: list[Part] = (
        [(left, top, right, top + at), (left, top + at, right, bottom)]
        if down
        else [(left, top, left + at, bottom), (left + at, top, right, bottom)]
    )
    return [tight for one in parts if (tight := _tight(busy, one))]


def _cover(busy: NDArray[np.bool_], part: Part) -> list[Window]:
    """Windows over a tight part, with what surrounds it: one, or where it is larger than a tile, several."""
    size = busy.shape[1] * BLOCK, busy.shape[0] * BLOCK
    left, top, right, bottom = (v * BLOCK for v in part)
    across = _spans(left - AROUND, right + AROUND, size[0])
    down = _spans(top - AROUND, bottom + AROUND, size[1])
    found = []
    for y, h in down:
        for x, w in across:
            count = int(busy[y // BLOCK : (y + h) // BLOCK, x // BLOCK : (x + w) // BLOCK].sum())
            if count:
                found.append(Window(x, y, w, h, count))
    return found


def _spans(start: int, end: int, length: int) -> list[tuple[int, int]]:
    """``(start, size)`` of the windows that cover ``start`` to ``end`` of a side of ``length`` pixels.

    They do not go beyond the picture: padding looks like print.
    """
    start, end = max(0, start), min(length, end)
    if end - start <= TILE:
        size = min(length, next(size for size in SIZES if size >= end - start))
        return [(_eights(min(max(0, (start + end - size) // 2), length - size)), size)]
    size = min(TILE, length)
    last = max(0, min(_eights(end + BLOCK - 1) - size, length - size))
    return [(_eights(at), size) for at in (*range(start, last, TILE - OVERLAP), last)]


def _eights(pixels: int) -> int:
    return pixels // BLOCK * BLOCK
