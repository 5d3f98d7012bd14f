"""Follow a thing by its appearance from one small grey frame to the next, where no detector says where it is.

Normalised cross-correlation of a template (OpenCV's ``TM_CCOEFF_NORMED``: light that flickers does not matter),
on a crop that is reduced so that a large face costs no more than a small one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.types import Box

Grey = NDArray[np.uint8]
SIDE = 40
"""Longest side of a template, pixels."""
REACH = 0.4
"""How far a thing may move from one frame to the next, as a share of its greater side, …"""
LEAST_REACH = 8.0
"""… and at least, pixels of the small frame."""
FLAT = 2.0
"""Standard deviation, grey levels, under which a template has nothing to be known by."""
FOLLOWED_CORRELATION = 0.6
"""Correlation from which a thing counts as followed."""
GROWTH = 0.012
"""Growth for each frame that a place is only held, as a share of its size: nobody knows where it went."""
STILL = 3.0
"""Mean difference, grey levels, under which a thing has not moved at all."""


@dataclass(frozen=True, slots=True)
class Template:
    """What a thing looked like: ``patch`` is the visible part of its box, reduced by ``factor``.

    ``offset`` is where that part begins within the box, in pixels of the small frame. ``plain``: it has nothing to
    be known by.
    """

    patch: Grey
    factor: float
    offset: tuple[float, float]
    plain: bool


def template(grey: Grey, box: Box) -> Template | None:
    """The template of ``box`` (pixels of this small frame); None where too little of it is visible."""
    height, width = grey.shape
    left, top, right, bottom = box.pixels(width, height)
    if right - left < 4 or bottom - top < 4:
        return None
    factor = min(1.0, SIDE / max(right - left, bottom - top))
    patch = _reduced(grey[top:bottom, left:right], factor)
    return Template(patch, factor, (left - box.x, top - box.y), float(cv2.meanStdDev(patch)[1][0, 0]) < FLAT)


def follow(known: Template, grey: Grey, box: Box) -> tuple[Box, float]:
    """Where the thing that was at ``box`` a frame ago is now, and its correlation, from -1 to 1.

    With correlation 0 the box stays: the thing has nothing to be known by, or has left the picture.
    """
    height, width = grey.shape
    patch, factor = known.patch, known.factor
    x, y = box.x + known.offset[0], box.y + known.offset[1]
    seen = Box(x, y, patch.shape[1] / factor, patch.shape[0] / factor)
    reach = max(LEAST_REACH, REACH * max(seen.w, seen.h))
    left, top, right, bottom = seen.padded(reach).pixels(width, height)
    window = _reduced(grey[top:bottom, left:right], factor) if right > left and bottom > top else grey[:0]
    if window.shape[0] < patch.shape[0] or window.shape[1] < patch.shape[1]:
        return box, 0.0
    if (same := _unmoved(patch, window, round((x - left) * factor), round((y - top) * factor))) is not None:
        return box, same
    if known.plain:
        return box, 0.0
    correlation = cv2.matchTemplate(window, patch, cv2.TM_CCOEFF_NORMED)
    _, best, _, (at_x, at_y) = cv2.minMaxLoc(correlation)
    if not np.isfinite(best):
        return box, 0.0
    dx, dy = left + at_x / factor - x, top + at_y / factor - y
    return Box(box.x + dx, box.y + dy, box.w, box.h), float(best)


def _unmoved(patch: Grey, window: Grey, x: int, y: int) -> float | None:
    """1 where the patch stands unchanged at this place of the window, else None: most text never moves."""
    part = window[max(0, y) : y + patch.shape[0], max(0, x) : x + patch.shape[1]]
    if part.shape != patch.shape:
        return None
    return 1.0 if cv2.norm(part, patch, cv2.NORM_L1) < STILL * patch.size else None


def _reduced(grey: Grey, factor: float) -> Grey:
    if factor >= 1:
        return grey
    size = scaled_size(grey.shape[1], grey.shape[0], factor)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
