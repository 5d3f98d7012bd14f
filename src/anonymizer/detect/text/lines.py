"""From a detector's map of chances to lines of text: quadrilaterals with scores, and regions of the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import area, inside, outline, outline_iou
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Point, Region

CORE = 0.3
"""Chance from which a pixel belongs to a core (PP-OCR's own setting)."""
SURE = 0.5
"""Mean chance over a core from which it is text (PP-OCR's own setting)."""
UNCLIP = 1.6
"""Growth of a core: area × ratio / perimeter on each side (PP-OCR's own setting)."""
MIN_SIDE = 3.0
"""Least height of a core in the shown picture, pixels …"""
HIGHEST = 32.0
"""… and the most: a line that is higher is left to a smaller scale. Shown that large, with little around it, a row of
teeth, a toe or a head before a wall is a sign to this network; letters are read as well at half the size."""
MULTIPLE = 32
ENLARGE = 2.0
SAME = 0.5
"""Two views of one line share so much (intersection over union of their quadrilaterals) …"""
WITHIN = 0.95
"""… and of the smaller so much lies in the larger, which is kept: any less, and an end may stick out."""


def resized(pixels: Pixels, side: int, source: Pixels | None = None) -> Pixels:
    """The picture with about this long side (at most twice its own), both sides multiples of 32.

    ``source`` is the picture at another size, to make it from where that is no smaller.
    """
    height, width = pixels.shape[:2]
    factor = min(side / max(height, width), ENLARGE)
    w, h = (max(MULTIPLE, round(s * factor / MULTIPLE) * MULTIPLE) for s in (width, height))
    given = pixels if source is None or factor > 1 or source.shape[1] < w or source.shape[0] < h else source
    if given.shape[:2] == (h, w):
        return given
    if max(w / given.shape[1], h / given.shape[0]) < 0.95:
        return shrunk(given, w, h)
    # Next to its own size an average over areas is the same, and takes five times as long.
    return np.asarray(cv2.resize(given, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)


def lines_of(
    chances: NDArray[np.float32], least: float, highest: float = HIGHEST
) -> list[tuple[NDArray[np.float64], float]]:
    """Quadrilaterals ``(4, 2)`` of the lines in a map of chances ``(h, w)``, in its pixels, with their scores.

    ``least`` is the score from which a core is text, ``highest`` the most height of one.
    """
    cores = cv2.dilate((chances > CORE).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(cores, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for contour in contours:
        rect = cv2.minAreaRect(contour)
        (cx, cy), (w, h), angle = rect
        if not MIN_SIDE <= min(w, h) <= highest:
            continue
        score = _mean_inside(chances, np.asarray(contour, np.int32))
        if score < least:
            continue
        grow = w * h * UNCLIP / (2 * (w + h))
        quad = cv2.boxPoints(((cx, cy), (w + 2 * grow, h + 2 * grow), angle))
        lines.append((np.asarray(quad, np.float64), score))
    return lines


def _mean_inside(chances: NDArray[np.float32], contour: NDArray[np.int32]) -> float:
    left, top, w, h = cv2.boundingRect(contour)
    mask: NDArray[np.uint8] = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [contour - np.array([[left, top]], np.int32)], 1)
    return float(cv2.mean(chances[top : top + h, left : left + w], mask)[0])


def line_region(points: NDArray[np.float64], score: float, size: tuple[int, int], detector: str) -> Region:
    """A line of text from its quadrilateral ``(4, 2)`` in a picture of this size (height, width)."""
    (x, y), (right, bottom) = points.min(axis=0), points.max(axis=0)
    corners: tuple[Point, ...] = tuple((float(px), float(py)) for px, py in points)
    box = Box(float(x), float(y), float(right - x), float(bottom - y)).within(size[1], size[0])
    return Region(box, Kind.TEXT, (Evidence(detector, round(score, 3)),), corners=corners)


def placed(line: Region, scale: tuple[float, float], size: tuple[int, int]) -> Region:
    """A line of a copy in the picture of this size (height, width), ``scale`` times as large."""
    corners = tuple((x * scale[0], y * scale[1]) for x, y in line.corners)
    box = line.box.times(*scale).within(size[1], size[0])
    return replace(line, box=box, corners=corners)


def merged(regions: list[Region]) -> list[Region]:
    """Without the views of one line that another view covers; the larger stays."""
    kept: list[Region] = []
    for region in sorted(regions, key=lambda r: -area(outline(r))):
        own = outline(region)
        if not any(
            inside(own, outline(other)) > WITHIN and outline_iou(own, outline(other)) > SAME for other in kept
        ):
            kept.append(region)
    return kept
