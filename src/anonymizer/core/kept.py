"""What is kept in view inside of what is hidden: rectangles that a person gave, and outlines of parts of faces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.box import Box
from anonymizer.core.face_outlines import Outline

Rect: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""
KeptArea: TypeAlias = Box | Rect | Outline
"""A box, a rectangle of whole pixels, or the corners of an area in order."""


def bounds(area: KeptArea) -> Rect:
    """The smallest rectangle of whole pixels that holds an area; it may leave the picture."""
    if isinstance(area, Box):
        x, y, right, bottom = area.x, area.y, area.right, area.bottom
        return int(np.floor(x)), int(np.floor(y)), int(np.ceil(right)), int(np.ceil(bottom))
    if not isinstance(area[0], tuple):
        return area
    corners = np.array(area, np.float64)
    (left, top), (right, bottom) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    return int(left), int(top), int(right), int(bottom)


def mask(areas: Iterable[KeptArea], rect: Rect, grown: int = 0) -> NDArray[np.bool_]:
    """Which pixels of a rectangle ``(bottom - top, right - left)`` lie in one of the areas, each grown by so many
    pixels."""
    left, top, right, bottom = rect
    found = np.zeros((max(0, bottom - top), max(0, right - left)), np.uint8)
    for area in areas:
        x0, y0, x1, y1 = bounds(area)
        if x0 - grown >= right or y0 - grown >= bottom or x1 + grown <= left or y1 + grown <= top:
            continue
        if isinstance(area, Box) or not isinstance(area[0], tuple):
            found[
                max(0, y0 - grown - top) : y1 + grown - top, max(0, x0 - grown - left) : x1 + grown - left
            ] = 1
            continue
        corners = np.rint(np.array(area, np.float64) - (left, top)).astype(np.int32)
        if not grown:
            cv2.fillPoly(found, [corners], 1)
            continue
        # Beyond the rectangle too, for what lies there may grow into it.
        wide = cv2.copyMakeBorder(
            np.zeros_like(found), grown, grown, grown, grown, cv2.BORDER_CONSTANT, value=0
        )
        cv2.fillPoly(wide, [corners + grown], 1)
        wide = cv2.dilate(wide, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8))
        found[wide[grown : grown + found.shape[0], grown : grown + found.shape[1]] > 0] = 1
    return found > 0


def halved(area: KeptArea) -> KeptArea:
    """An area in the pixels of colour, of which a clip has half as many both ways: of a rectangle all
    that it touches."""
    if isinstance(area, Box):
        return area.times(0.5, 0.5)
    if not isinstance(area[0], tuple):
        left, top, right, bottom = bounds(area)
        return left // 2, top // 2, (right + 1) // 2, (bottom + 1) // 2
    return tuple((x / 2, y / 2) for x, y in area)
