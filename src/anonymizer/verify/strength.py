"""Measured on the output's pixels: a redacted region carries no more than its grid's worth of information.

A veil that says "eight by eight averages, drawn smooth" spans a linear space of 64 dimensions per channel.
The nearest picture in that space is found by least squares from pixels sampled all over the region; what
is left over is detail that the veil does not account for. Clear skin, a Gaussian blur of 5 % of the face's
width or a sixteen-cell mosaic leave several times more than JPEG does (docs/verification.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.types import Check, Pixels, Result, Shape, Style, Veil

SAMPLES = 4096
"""Pixels looked at per region; sampled, not averaged, so that fine detail counts in full."""
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
RIM = 0.08
"""The soft rim's width as a share of the box (the redaction's own constant, repeated on purpose)."""


def check(
    pixels: Pixels, veils: Sequence[Veil], kept: Sequence[tuple[int, int, int, int]], grid_limit: int
) -> Check:
    """Every veil against its bound; ``kept`` rectangles, which a person must judge anyway, are left out."""
    worst, measured = 0.0, 0
    for number, veil in enumerate(veils):
        if veil.style is not Style.FILL and max(veil.grid) > grid_limit:
            said = f"Region {number + 1} was drawn with more detail than its bound allows."
            return Check("strength", Result.FAIL, said, {"region": number + 1})
        left_over = residual(pixels, veil, veils[number + 1 :], kept)
        if left_over is None:
            continue
        measured += 1
        rms = float(np.sqrt(np.mean(left_over**2)))
        peak = float(np.percentile(np.abs(left_over), 99))
        worst = max(worst, rms)
        small = min(veil.box[2] - veil.box[0], veil.box[3] - veil.box[1]) < SMALL
        small = small or len(left_over) < SMALL * SMALL  # the rest lies under later veils
        if rms > (SMALL_RMS if small else RMS) or peak > PEAK:
            said = f"Region {number + 1} shows more than its bound allows (left over: {rms:.1f} of 255)."
            return Check("strength", Result.FAIL, said, {"region": number + 1, "rms": round(rms, 2)})
    if not veils:
        return Check("strength", Result.PASS, "There was nothing to hide.", {"regions": 0})
    said = (
        f"All {len(veils)} regions carry no more than their bound, measured on the pixels "
        f"(largest remainder {worst:.1f} of 255, allowed {RMS:g}, for the smallest {SMALL_RMS:g})."
    )
    return Check(
        "strength", Result.PASS, said, {"regions": len(veils), "measured": measured, "rms": round(worst, 2)}
    )


def residual(
    pixels: Pixels, veil: Veil, later: Sequence[Veil], kept: Sequence[tuple[int, int, int, int]]
) -> NDArray[np.float64] | None:
    """What the veil's model does not explain, per sampled pixel and channel; None where nothing is seen of it.

    Pixels under a veil drawn later, or under its rim, are that veil's affair.
    """
    height, width = pixels.shape[:2]
    left, top = max(0, veil.box[0]), max(0, veil.box[1])
    right, bottom = min(width, veil.box[2]), min(height, veil.box[3])
    if right <= left or bottom <= top:
        return None
    inside = _inside(veil, (left, top, right, bottom))
    for one in later:
        inside &= ~_touched(one, (left, top, right, bottom))
    for box in kept:
        inside[max(0, box[1] - top) : max(0, box[3] - top), max(0, box[0] - left) : max(0, box[2] - left)] = (
            False
        )
    ys, xs = np.nonzero(inside)
    if not len(ys):
        return None
    if len(ys) > SAMPLES:
        # A fixed generator: the check of the same file must say the same every time.
        chosen = np.random.default_rng(0).choice(len(ys), SAMPLES, replace=False)
        ys, xs = ys[chosen], xs[chosen]
    values = pixels[top + ys, left + xs].astype(np.float64)
    rows = _basis(veil.grid[1], bottom - top, veil.style)[ys]
    columns = _basis(veil.grid[0], right - left, veil.style)[xs]
    design = (rows[:, :, None] * columns[:, None, :]).reshape(len(ys), -1)
    if len(ys) <= design.shape[1]:
        # Fewer pixels than averages: the region is its own bound.
        return np.zeros((1, 3))
    # The normal equations: sixty-four unknowns that hardly depend on each other need no singular values,
    # which took longer than everything else in this check. The ridge is far below one grey level.
    square = design.T @ design
    square[np.diag_indices_from(square)] += RIDGE
    found = np.linalg.solve(square, design.T @ values)
    return np.asarray(values - design @ found, np.float64)


def _basis(count: int, length: int, style: Style) -> NDArray[np.float64]:
    """How much each of ``count`` averages weighs at each of ``length`` pixels when drawn: ``(length, count)``."""
    how = cv2.INTER_NEAREST if style is Style.PIXELATE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.eye(count), (count, length), interpolation=how), np.float64).reshape(
        length, count
    )


def _inside(veil: Veil, seen: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which pixels of the visible rectangle lie in the veil's shape, one pixel short of its edge."""
    left, top, right, bottom = seen
    y, x = np.ogrid[top:bottom, left:right]
    if veil.shape is Shape.ELLIPSE:
        a, b = (veil.box[2] - veil.box[0]) / 2, (veil.box[3] - veil.box[1]) / 2
        cx, cy = (veil.box[0] + veil.box[2] - 1) / 2, (veil.box[1] + veil.box[3] - 1) / 2
        return np.asarray(((x - cx) / max(a - 1, 0.5)) ** 2 + ((y - cy) / max(b - 1, 0.5)) ** 2 <= 1)
    if veil.shape is Shape.QUAD and len(veil.corners) == 4:
        mask: NDArray[np.uint8] = np.zeros((bottom - top, right - left), np.uint8)
        points = np.array([(px - left, py - top) for px, py in veil.corners])
        cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 1)
        return mask > 0
    return np.ones((bottom - top, right - left), np.bool_)


def _touched(veil: Veil, seen: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which pixels of the visible rectangle a veil may have changed, its rim and what JPEG spreads included."""
    left, top, right, bottom = veil.box
    y, x = np.ogrid[seen[1] : seen[3], seen[0] : seen[2]]
    if veil.shape is Shape.ELLIPSE:
        rim = 2 + round(RIM * min(right - left, bottom - top))
        a, b = (right - left) / 2 + rim, (bottom - top) / 2 + rim
        cx, cy = (left + right - 1) / 2, (top + bottom - 1) / 2
        return np.asarray(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1)
    return np.asarray((x >= left - 2) & (x < right + 2) & (y >= top - 2) & (y < bottom + 2))
