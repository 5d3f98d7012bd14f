"""Measured on the output's pixels: a redacted region carries no more than its grid's worth of information.

A redaction that says "eight by eight averages, drawn smooth" spans a linear space of 64 dimensions per channel. The
nearest picture in that space is found by least squares from up to 256 by 256 pixels spread over the region; what is
left over is detail that the redaction does not account for. Clear skin, a Gaussian blur of 5 % of the face's width or
a sixteen-cell mosaic leave several times more than JPEG does (docs/verification.md). It is judged three ways: over
the whole region, by its largest values, and tile by tile, so that one clear eye or a small face under a large
redaction is not averaged away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Check, Pixels, Redaction, Result, Shape, Style

LINES = 256
"""Rows and columns looked at per region; sampled, not averaged, so that fine detail counts in full."""
RMS = 4.0
"""Largest root mean square of what is left over, of 255. JPEG at quality 95 leaves under 2."""
SMALL = 24
"""Pixels of a region's lesser side under which every JPEG block of it also holds what is outside."""
SMALL_RMS = 6.0
"""Largest root mean square of such a region: beside pure noise, JPEG at quality 95 leaves up to 5.2; a clear
face of ten pixels leaves over 20."""
RIDGE = 1e-6
"""Keeps the equations solvable where no sampled pixel sees one of the averages."""
PEAK = 24.0
"""Largest 99th percentile of it."""
TILES = 16
"""Tiles along a region's side."""
TILE = 16
"""Least side of a tile, pixels: two JPEG blocks, so that none consists of its edge's ringing alone."""
TILE_RMS = 7.0
"""Largest root mean square in any one tile. JPEG at quality 95 leaves up to 4.6 beside pure noise."""
RIM = 0.08
"""The soft rim's width as a share of the box (the redaction's own constant, repeated on purpose)."""


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a redaction's model does not explain, in grey levels of 255.

    ``rms`` over the whole region, ``peak`` the 99th percentile of the absolute values, ``tile`` the largest
    root mean square of one tile (0 where the region is too small for tiles), ``count`` the pixels looked at.
    """

    rms: float
    peak: float
    tile: float
    count: int


def check(
    pixels: Pixels,
    redactions: Sequence[Redaction],
    kept: Sequence[tuple[int, int, int, int]],
    grid_limit: int,
    edge: int = 0,
) -> Check:
    """Every redaction against its bound; ``kept`` rectangles, which a person must judge anyway, are left out.

    ``edge`` is how many pixels at a region's edge are left out: none for a photo, some for a frame of a clip.
    """
    worst, measured = 0.0, 0
    for number, redaction in enumerate(redactions):
        if redaction.style is not Style.FILL and max(redaction.grid) > grid_limit:
            said = f"Region {number + 1} was drawn with more detail than its bound allows."
            return Check("strength", Result.FAIL, said, {"region": number + 1})
        left = remainder(pixels, redaction, redactions[number + 1 :], kept, edge)
        if left is None:
            continue
        measured += 1
        worst = max(worst, left.rms)
        small = min(redaction.box[2] - redaction.box[0], redaction.box[3] - redaction.box[1]) < SMALL
        small = small or left.count < SMALL * SMALL  # the rest lies under later redactions
        if left.rms > (SMALL_RMS if small else RMS) or left.peak > PEAK or left.tile > TILE_RMS:
            said = (
                f"Region {number + 1} shows more than its bound allows (left over: {left.rms:.1f} of 255, "
                f"in its worst part {max(left.tile, left.rms):.1f})."
            )
            facts = {"region": number + 1, "rms": round(left.rms, 2), "tile": round(left.tile, 2)}
            return Check("strength", Result.FAIL, said, facts)
    if not redactions:
        return Check("strength", Result.PASS, "There was nothing to hide.", {"regions": 0})
    said = (
        f"All {len(redactions)} regions carry no more than their bound, measured on the pixels "
        f"(largest remainder {worst:.1f} of 255, allowed {RMS:g}, for the smallest {SMALL_RMS:g})."
    )
    return Check(
        "strength",
        Result.PASS,
        said,
        {"regions": len(redactions), "measured": measured, "rms": round(worst, 2)},
    )


def remainder(
    pixels: Pixels,
    redaction: Redaction,
    later: Sequence[Redaction],
    kept: Sequence[tuple[int, int, int, int]],
    edge: int = 0,
) -> Remainder | None:
    """What the redaction's model leaves unexplained of ``pixels`` ``(h, w, 3)``; None where nothing is seen of it.

    Pixels under a redaction drawn later, or under its rim, are that redaction's to check.
    """
    height, width = pixels.shape[:2]
    left, top = max(0, redaction.box[0]), max(0, redaction.box[1])
    right, bottom = min(width, redaction.box[2]), min(height, redaction.box[3])
    if right <= left or bottom <= top:
        return None
    ys, xs = _lines(top, bottom), _lines(left, right)
    inside = _inside(redaction, (left, top, right, bottom), ys, xs, edge)
    for one in later:
        inside &= ~_touched(one, ys, xs, edge)
    for box in kept:
        across = (xs >= box[0]) & (xs < box[2])
        inside &= ~(((ys >= box[1]) & (ys < box[3]))[:, None] & across[None, :])
    count = int(inside.sum())
    if not count:
        return None
    if count <= redaction.grid[0] * redaction.grid[1]:
        # Fewer pixels than averages: the region is its own bound.
        return Remainder(0.0, 0.0, 0.0, 1)
    values = pixels[np.ix_(ys, xs)].astype(np.float32)
    rows = _basis(redaction.grid[1], bottom - top, redaction.style)[ys - top]
    columns = _basis(redaction.grid[0], right - left, redaction.style)[xs - left]
    over = (values - _model(values, inside, rows, columns)) * inside[:, :, None]
    squares = np.asarray((over * over).mean(axis=2), np.float32)
    return Remainder(
        rms=float(np.sqrt(squares.sum() / count)),
        peak=float(np.percentile(np.abs(over[inside]), 99)),
        tile=_worst_tile(squares, inside, bottom - top, right - left),
        count=count,
    )


def _model(
    values: NDArray[np.float32],
    inside: NDArray[np.bool_],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The drawing of a grid that comes nearest to the values inside; of a single colour it is their mean."""
    if rows.shape[1] == columns.shape[1] == 1:
        return np.asarray(values[inside].mean(axis=0), np.float32)
    found = _fitted(values, inside, rows, columns)
    drawn = np.einsum("yr,rcn,xc->yxn", rows, found, columns, optimize=True)
    return np.asarray(drawn, np.float32)


def _lines(start: int, end: int) -> NDArray[np.intp]:
    """Up to :data:`LINES` whole numbers from ``start`` up to ``end``, evenly spread."""
    count = min(LINES, end - start)
    return np.asarray(start + (np.arange(count) * (end - start)) // count, np.intp)


def _fitted(
    values: NDArray[np.float32],
    inside: NDArray[np.bool_],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The averages ``(rows, columns, 3)`` whose drawing comes nearest to the values inside.

    A pixel's weights are a product, one factor by its row and one by its column, so the normal equations
    over all pixels are sums along one axis and then the other: no matrix of pixels by averages is made.
    """
    high, wide = rows.shape[1], columns.shape[1]
    mask = inside.astype(np.float64)
    across = mask @ (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    down = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    by_pairs = (down.T @ across).reshape(high, high, wide, wide)
    square = by_pairs.transpose(0, 2, 1, 3).reshape(high * wide, high * wide)
    square[np.diag_indices_from(square)] += RIDGE
    seen = values * mask[:, :, None]
    wanted = np.einsum("yr,yxn,xc->rcn", rows, seen, columns, optimize=True)
    found = np.linalg.solve(square, wanted.reshape(high * wide, -1))
    return np.asarray(found, np.float64).reshape(high, wide, -1)


def _worst_tile(squares: NDArray[np.float32], inside: NDArray[np.bool_], height: int, width: int) -> float:
    """The largest root mean square over any tile, at any place, of which half lies inside the region."""
    tile_h = max(TILE, height // TILES) * squares.shape[0] // height
    tile_w = max(TILE, width // TILES) * squares.shape[1] // width
    if tile_h > squares.shape[0] or tile_w > squares.shape[1]:
        return 0.0

    def mean(of: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(of, cv2.CV_32F, (tile_w, tile_h), borderType=cv2.BORDER_CONSTANT))

    share = mean(inside.astype(np.float32))
    dense = share >= 0.5
    if not dense.any():
        return 0.0
    return float(np.sqrt((mean(squares)[dense] / share[dense]).max()))


def _basis(count: int, length: int, style: Style) -> NDArray[np.float64]:
    """How much each of ``count`` averages weighs at each of ``length`` pixels when drawn: ``(length, count)``."""
    how = cv2.INTER_NEAREST if style is Style.PIXELATE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.eye(count), (count, length), interpolation=how), np.float64).reshape(
        length, count
    )


def _inside(
    redaction: Redaction,
    seen: tuple[int, int, int, int],
    ys: NDArray[np.intp],
    xs: NDArray[np.intp],
    edge: int,
) -> NDArray[np.bool_]:
    """Which of these rows and columns lie in the redaction's shape, ``edge`` pixels inside it (ellipse: one more)."""
    if redaction.shape is Shape.ELLIPSE:
        a, b = (redaction.box[2] - redaction.box[0]) / 2, (redaction.box[3] - redaction.box[1]) / 2
        cx, cy = (redaction.box[0] + redaction.box[2] - 1) / 2, (redaction.box[1] + redaction.box[3] - 1) / 2
        across = ((xs - cx) / max(a - 1 - edge, 0.5)) ** 2
        return np.asarray(((ys - cy) / max(b - 1 - edge, 0.5))[:, None] ** 2 + across[None, :] <= 1)
    if redaction.shape is Shape.QUAD and len(redaction.corners) == 4:
        left, top, right, bottom = seen
        mask: NDArray[np.uint8] = np.zeros((bottom - top, right - left), np.uint8)
        points = np.array([(px - left, py - top) for px, py in redaction.corners])
        cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 1)
        return np.asarray(mask[np.ix_(ys - top, xs - left)] > 0)
    left, top, right, bottom = seen
    down = (ys >= top + edge) & (ys < bottom - edge)
    return np.asarray(down[:, None] & ((xs >= left + edge) & (xs < right - edge))[None, :])


def _touched(
    redaction: Redaction, ys: NDArray[np.intp], xs: NDArray[np.intp], edge: int
) -> NDArray[np.bool_]:
    """Which of these pixels a redaction may have changed, its rim and what JPEG spreads included."""
    left, top, right, bottom = redaction.box
    if redaction.shape is Shape.ELLIPSE:
        rim = 2 + edge + round(RIM * min(right - left, bottom - top))
        a, b = (right - left) / 2 + rim, (bottom - top) / 2 + rim
        cx, cy = (left + right - 1) / 2, (top + bottom - 1) / 2
        return np.asarray((((ys - cy) / b) ** 2)[:, None] + (((xs - cx) / a) ** 2)[None, :] <= 1)
    rim = 2 + edge
    down = (ys >= top - rim) & (ys < bottom + rim)
    return np.asarray(down[:, None] & ((xs >= left - rim) & (xs < right + rim))[None, :])
