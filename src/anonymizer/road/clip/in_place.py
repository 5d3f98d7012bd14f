"""Whether each redaction lies on a frame of the written clip: its brightness against the redaction's own drawing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import kept
from anonymizer.core.types import Box, Point, Redaction, Shape, Style
from anonymizer.core.yuv import Plane, Planes
from anonymizer.redact.clip import Rect, TrackRedaction, redaction_at
from anonymizer.redact.photo import drawn
from anonymizer.road.clip.frames_to_check import RedactedFrames

COMPARED = 24
"""Side, pixels, of the reduced picture in which a redaction is compared."""
APART = 6.0
"""Mean difference of brightness, of 255, from which a redaction is not there. The encoder's own is under 2; the noise
alone sets a bare face 10 apart from its redaction."""


def redactions_in_place(planes: Planes, plan: RedactedFrames, frame: int) -> bool:
    """Whether each redaction of a frame lies on it: its brightness, reduced, against the redaction's own drawing."""
    height, width = planes[0].shape
    redactions = plan.at(frame)
    placed = [(one, found) for one in redactions if (found := redaction_at(one, frame, plan.size))]
    stays = plan.keep(frame)
    rects = np.array([found.box for _, found in placed], np.int64).reshape(-1, 4)
    # What a redaction may have changed, its rim included.
    rims = 2 + np.ceil(0.1 * (rects[:, 2:] - rects[:, :2]).min(axis=1)).astype(np.int64)
    reach = rects + rims[:, None] * np.array([-1, -1, 1, 1])
    for number, (one, found) in enumerate(placed):
        left, top, right, bottom = _box(found).pixels(width, height)
        side = (min(COMPARED, right - left), min(COMPARED, bottom - top))
        # What lies under a redaction that is drawn later is that one's to check.
        here = left, top, right, bottom
        later = [rect for rect in reach[number + 1 :].tolist() if _meet(rect, here)]
        clear = [area for area in stays if _meet(kept.bounds(area), here)]
        mask: NDArray[np.bool_] | None = None
        if later or clear or found.shape is not Shape.BOX:
            x, y = found.box[0] - left, found.box[1] - top
            own = x, y, found.box[2] - left, found.box[3] - top
            if found.shape is Shape.QUAD:
                mask = _inner(found.corners, (left, top, right, bottom), side)
            else:
                mask = _middle(found.shape, own, (right - left, bottom - top), side)
            for over in later:
                mask = mask & ~_cells(over, (left, top, right, bottom), side)
            if clear:
                covered = kept.mask(clear, here, 2).astype(np.uint8)
                mask = mask & (cv2.resize(255 * covered, side, interpolation=cv2.INTER_AREA) == 0)
            if not mask.any():
                continue
        # A hundred lines of it tell as much as a thousand.
        patch = planes[0][
            top : bottom : max(1, (bottom - top) // 96), left : right : max(1, (right - left) // 96)
        ]
        seen = cv2.resize(np.ascontiguousarray(patch), side, interpolation=cv2.INTER_AREA)
        apart = cv2.absdiff(seen, _expected(one, (right - left, bottom - top), side).astype(seen.dtype))
        if float((apart if mask is None else apart[mask]).mean()) > APART:
            return False
    return True


def _meet(one: Sequence[int], other: Rect) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


@lru_cache(maxsize=48)
def _expected(one: TrackRedaction, size: tuple[int, int], side: tuple[int, int]) -> Plane:
    """A redaction's brightness where ``size`` (width, height) of it is seen, reduced to ``side``.

    Its box keeps its size for many frames, so what is expected is kept too.
    """
    if one.style is Style.FILL:
        return np.full((side[1], side[0]), np.rint(one.grid[0, 0, 0]), np.uint8)
    fine = min(4 * side[0], size[0]), min(4 * side[1], size[1])
    shown = drawn(one.grid[:, :, :1], *fine, one.style)
    return np.asarray(cv2.resize(shown, side, interpolation=cv2.INTER_AREA), np.uint8).reshape(side[::-1])


def _box(found: Redaction) -> Box:
    left, top, right, bottom = found.box
    return Box(left, top, right - left, bottom - top)


def _centres(rect: Rect, side: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    left, top, right, bottom = rect
    xs = left + (np.arange(side[0]) + 0.5) * (right - left) / side[0]
    ys = top + (np.arange(side[1]) + 0.5) * (bottom - top) / side[1]
    return xs, ys


@lru_cache(maxsize=48)
def _middle(shape: Shape, box: Rect, size: tuple[int, int], side: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells of a rectangle of ``size``, reduced to ``side``, lie well inside a redaction of this shape and box.

    The box is in the rectangle's own pixels, so that the answer holds for as long as the two keep their sizes.
    """
    xs, ys = _centres((0, 0, *size), side)
    if shape is not Shape.ELLIPSE:
        return np.ones((side[1], side[0]), np.bool_)
    a, b = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    cx, cy = box[0] + a, box[1] + b
    return np.asarray((((ys - cy) / b) ** 2)[:, None] + (((xs - cx) / a) ** 2)[None, :] <= 0.7)


def _inner(corners: Sequence[Point], rect: Rect, side: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells of a reduced rectangle lie wholly inside a quadrilateral."""
    cell = np.array([(rect[2] - rect[0]) / side[0], (rect[3] - rect[1]) / side[1]])
    points = (np.array(corners) - rect[:2]) / cell
    mask: NDArray[np.uint8] = np.zeros((side[1] + 2, side[0] + 2), np.uint8)
    # With a rim of its own, for what lies beyond the picture's edge is not known to be inside.
    cv2.fillConvexPoly(mask, np.rint(points + 0.5).astype(np.int32), 1)
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0)


def _cells(over: Sequence[int], rect: Rect, side: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells of the reduced rectangle touch another one."""
    xs, ys = _centres(rect, side)
    w, h = (rect[2] - rect[0]) / side[0] / 2, (rect[3] - rect[1]) / side[1] / 2
    across = (xs + w > over[0]) & (xs - w < over[2])
    down = (ys + h > over[1]) & (ys - h < over[3])
    return np.asarray(down[:, None] & across[None, :])
