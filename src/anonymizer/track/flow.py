"""Follow a flat thing, such as a label, as a quadrilateral from one small grey frame to another.

Corners in and about it are followed by their flow (pyramidal Lucas-Kanade, Bouguet 2001), forwards and back, and a
map, a homography at most, is fitted to those that come back to where they began (RANSAC). So a label that tilts, turns
or comes nearer is followed as what it is, and not as an upright box that drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.track.template import Grey

Quad = NDArray[np.float64]
"""Four corners ``(4, 2)`` in order, x and y."""
Points = NDArray[np.float32]
"""``(n, 2)``."""
Matrix = NDArray[np.float64]
POINTS = 40
"""Corners that are followed at most."""
REACH = 56
"""How far about a place a frame is looked at, pixels: as far as the widest window sees."""
LEAST_POINTS = 6
"""How many of them must agree on one map, …"""
AGREE = 0.5
"""… which share of those that can be followed, …"""
ASTRAY = 1.0
"""… each within so many pixels, as within so many each must come back to where it began."""
ABOUT = 0.25
"""What lies so far about it, as a share of its lesser side, moves with it: print alone may be too small to follow …"""
LEAST_ABOUT = 3.0
"""… or so many pixels."""
STILL = 2.0
"""Mean difference, grey levels, under which a place has not changed …"""
UNMOVED = 0.3
"""… or it has not moved where half of its corners have moved by less than so many pixels."""
STRETCH = 1.25
"""The most that a map between two frames stretches or shrinks a side; more is no map of a thing."""
AFFINE_POINTS = 12
"""Points from which a map may also shear, or be a homography …"""
BETTER = 0.6
"""… if that leaves less than this share of the square distances: points along one line of print fit many."""
THIN = 0.02
"""Points lie on one line that are spread less than so many times as far across it as along it."""
EXACT = 0.01
"""A mean square distance, in square pixels, that no better map is looked for: flow is no more exact than that."""
WINDOW, LEVELS = (15, 15), 3
ENOUGH = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03)
"""A point is followed on each level for so many steps at most, until one is shorter than so many pixels."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a quadrilateral is in another frame; ``still``: it is where it was."""

    quad: Quad
    still: bool


def moved(before: Grey, now: Grey, quad: Quad) -> Moved | None:
    """Where what is at ``quad`` (pixels of these small frames) in the frame ``before`` is ``now``.

    None where too little of it can be followed, or its points do not agree.
    """
    height, width = before.shape
    left, top, right, bottom = _bounds(quad, width, height, 0.0)
    if right - left < 3 or bottom - top < 3:
        return None
    here, there = before[top:bottom, left:right], now[top:bottom, left:right]
    if cv2.norm(here, there, cv2.NORM_L1) < STILL * here.size:
        return Moved(quad, still=True)
    start = _corners(before, quad)
    if len(start) < LEAST_POINTS:
        return None
    # The pyramids of whole frames would take half of the time.
    left, top, right, bottom = _bounds(quad, width, height, REACH + _about(quad))
    before, now = before[top:bottom, left:right], now[top:bottom, left:right]
    corner = np.array((left, top), np.float32)
    start -= corner
    end, known, _ = cv2.calcOpticalFlowPyrLK(
        before, now, start, np.empty_like(start), winSize=WINDOW, maxLevel=LEVELS, criteria=ENOUGH
    )
    back, again, _ = cv2.calcOpticalFlowPyrLK(
        now, before, end, np.empty_like(start), winSize=WINDOW, maxLevel=LEVELS, criteria=ENOUGH
    )
    good = (known[:, 0] == 1) & (again[:, 0] == 1) & (np.abs(back - start).max(axis=1) < ASTRAY)
    if int(good.sum()) < LEAST_POINTS:
        return None
    start, end = start[good] + corner, end[good] + corner
    if _median(np.abs(end - start).max(axis=1)) < UNMOVED:
        return Moved(quad, still=True)
    fitted = _fitted(start, end)
    if fitted is None or not _is_a_thing(fitted, quad):
        return None
    return Moved(_through(fitted, quad), still=False)


def aligned(quad: Quad, like: Quad) -> Quad:
    """The same quadrilateral, its corners in the order in which they lie nearest to those of another."""
    turns = [np.roll(way, n, axis=0) for way in (quad, quad[::-1]) for n in range(4)]
    return min(turns, key=lambda turned: float(np.abs(turned - like).sum()))


def scaled(quad: Quad, factor: float) -> Quad:
    """A quadrilateral grown about its middle."""
    middle = quad.mean(axis=0)
    return np.asarray(middle + (quad - middle) * factor, np.float64)


def _sides(quad: NDArray[np.floating]) -> list[float]:
    """The lengths of a quadrilateral's sides. Of four corners plain numbers are counted faster than arrays."""
    corners = quad.tolist()
    return [math.dist(corners[n - 1], corners[n]) for n in range(4)]


def _about(quad: Quad) -> float:
    """How far about a quadrilateral what is seen moves with it."""
    return max(LEAST_ABOUT, ABOUT * min(_sides(quad)))


def _median(values: NDArray[np.floating]) -> float:
    """What ``np.median`` says, in a tenth of the time."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _corners(grey: Grey, quad: Quad) -> NDArray[np.float32]:
    """Corners in a quadrilateral and close about it, ``(n, 2)``."""
    height, width = grey.shape
    about = _about(quad)
    left, top, right, bottom = _bounds(quad, width, height, about)
    mask: NDArray[np.uint8] = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(quad - (left, top)).astype(np.int32), 255)
    kernel = np.ones((2 * round(about) + 1,) * 2, np.uint8)
    found = cv2.goodFeaturesToTrack(
        np.ascontiguousarray(grey[top:bottom, left:right]), POINTS, 0.02, 3, mask=cv2.dilate(mask, kernel)
    )
    if found is None:
        return np.empty((0, 2), np.float32)
    return np.asarray(found.reshape(-1, 2) + np.array((left, top)), np.float32)


def _fitted(start: Points, end: Points) -> Matrix | None:
    """The map ``(3, 3)`` that takes most points where they went; None where they do not agree.

    The simplest that explains them: a similarity, an affine map, or the homography of a label that tilts away.
    """
    matrix, inliers = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=ASTRAY)
    agreed = 0 if matrix is None else int(inliers.sum())
    if agreed < max(LEAST_POINTS, AGREE * len(start)) and len(start) >= AFFINE_POINTS:
        matrix, inliers = cv2.estimateAffine2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=ASTRAY)
        agreed = 0 if matrix is None else int(inliers.sum())
    if matrix is None or agreed < max(LEAST_POINTS, AGREE * len(start)):
        return None
    best = _whole(matrix)
    if agreed >= AFFINE_POINTS:
        inner = inliers[:, 0] == 1
        start, end = start[inner], end[inner]
        best = _affine(start, end)
        left = _residual(best, start, end)
        found = cv2.findHomography(start, end)[0] if left > EXACT else None
        if found is not None and _residual(np.asarray(found, np.float64), start, end) < BETTER * left:
            best = np.asarray(found, np.float64)
    return best


def _affine(start: Points, end: Points) -> Matrix:
    """The affine map of least squares. Across points that all but lie on one line, of which they say nothing, it
    stretches nothing."""
    here, there = start.mean(axis=0), end.mean(axis=0)
    about = start - here
    stretch, _, _, _ = np.linalg.lstsq(about, end - there - about, rcond=THIN)
    linear = np.eye(2) + stretch.T
    return _whole(np.column_stack([linear, there - linear @ here]))


def _whole(affine: Any) -> Matrix:
    return np.vstack([affine, (0.0, 0.0, 1.0)]).astype(np.float64)


def _through(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points ``(n, 2)`` where a map takes them."""
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float64), matrix)[0], np.float64)


def _residual(matrix: Matrix, start: Points, end: Points) -> float:
    """Mean square distance, in square pixels, between where points went and where a map takes them."""
    return float(((_through(matrix, start) - end) ** 2).sum(axis=1).mean())


def _is_a_thing(matrix: Matrix, quad: Quad) -> bool:
    """Whether a map stretches a quadrilateral no more than a thing does from one frame to the next."""
    there = _through(matrix, quad).astype(np.float32)
    if not cv2.isContourConvex(there):
        return False
    stretched = [side / max(was, 1e-3) for side, was in zip(_sides(there), _sides(quad), strict=True)]
    return max(stretched) <= STRETCH and min(stretched) >= 1 / STRETCH


def _bounds(quad: Quad, width: int, height: int, about: float) -> tuple[int, int, int, int]:
    """The whole pixels about a quadrilateral that lie in the frame: left, top, right, bottom."""
    xs, ys = zip(*quad.tolist(), strict=True)
    left, top = max(0, math.floor(min(xs) - about)), max(0, math.floor(min(ys) - about))
    right, bottom = math.ceil(max(xs) + about), math.ceil(max(ys) + about)
    return left, top, max(left, min(width, right)), max(top, min(height, bottom))
