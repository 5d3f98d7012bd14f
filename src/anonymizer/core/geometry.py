"""Outlines and boxes: areas and overlaps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Point, Region


def outline(region: Region) -> tuple[Point, ...]:
    """The four corners of a region: its quadrilateral where it has one, else its box."""
    return region.corners if len(region.corners) == 4 else corners_of(region.box)


def corners_of(box: Box) -> tuple[Point, ...]:
    """The corners of a box, clockwise from its top left."""
    return (box.x, box.y), (box.right, box.y), (box.right, box.bottom), (box.x, box.bottom)


def scaled_size(width: int, height: int, factor: float) -> tuple[int, int]:
    """``(width, height)`` of a copy ``factor`` times as large, in whole pixels, one at least."""
    return max(1, round(width * factor)), max(1, round(height * factor))


def area(points: Sequence[Point]) -> float:
    """Square pixels within a convex outline."""
    return float(cv2.contourArea(_hull(points)))


def inside(part: Sequence[Point], whole: Sequence[Point]) -> float:
    """The share of one convex outline, 0 to 1, that lies inside another; 0 for one without an area."""
    own = area(part)
    if own <= 0 or area(whole) <= 0:
        return 0.0
    return min(1.0, float(cv2.intersectConvexConvex(_hull(part), _hull(whole))[0]) / own)


def outline_iou(one: Sequence[Point], other: Sequence[Point]) -> float:
    """Intersection over union of two convex outlines, 0 to 1."""
    a, b = area(one), area(other)
    shared = inside(one, other) * a
    return shared / (a + b - shared) if shared > 0 else 0.0


def _hull(points: Sequence[Point]) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(np.array(points, np.float32).reshape(-1, 1, 2)), np.float32)
