"""Where a redaction's outline lies among the pixels that are looked at, by formulas of the verification's own."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Redaction, Shape

RIM = 0.08
"""The soft rim's width as a share of the box (the redaction's own constant, repeated on purpose)."""


def inside(
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


def touched(redaction: Redaction, ys: NDArray[np.intp], xs: NDArray[np.intp], edge: int) -> NDArray[np.bool_]:
    """Which of these pixels a redaction may have changed, its rim and what JPEG spreads included."""
    left, top, right, bottom = redaction.box
    rim = 2 + edge
    if redaction.shape is Shape.ELLIPSE:
        # The soft rim is an ellipse of the same form about the first: along the longer axis it is wider.
        a, b = (right - left) / 2, (bottom - top) / 2
        wider = 1 + max(1, round(RIM * 2 * min(a, b))) / min(a, b)
        a, b = a * wider + rim, b * wider + rim
        cx, cy = (left + right - 1) / 2, (top + bottom - 1) / 2
        return np.asarray((((ys - cy) / b) ** 2)[:, None] + (((xs - cx) / a) ** 2)[None, :] <= 1)
    down = (ys >= top - rim) & (ys < bottom + rim)
    return np.asarray(down[:, None] & ((xs >= left - rim) & (xs < right + rim))[None, :])
