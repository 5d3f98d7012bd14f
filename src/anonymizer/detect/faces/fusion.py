"""Geometry between views of one picture, and many detections of one face into one region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Action, Box, Detection, Evidence, Kind, Pixels, Point, Region


def suppress(boxes: NDArray[np.floating], scores: NDArray[np.floating], overlap: float) -> list[int]:
    """Greedy non-maximum suppression: the indices kept, best first.

    ``boxes`` is ``(n, 4)`` as x, y, w, h. A box falls if its intersection over union with a better one is
    ``overlap`` or more.
    """
    order = np.argsort(-scores, kind="stable")
    x, y = boxes[:, 0], boxes[:, 1]
    right, bottom = x + boxes[:, 2], y + boxes[:, 3]
    area = boxes[:, 2] * boxes[:, 3]
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        w = np.minimum(right[best], right[rest]) - np.maximum(x[best], x[rest])
        h = np.minimum(bottom[best], bottom[rest]) - np.maximum(y[best], y[rest])
        shared = np.maximum(0, w) * np.maximum(0, h)
        order = rest[shared < overlap * (area[best] + area[rest] - shared)]
    return kept


@dataclass(frozen=True, slots=True)
class View:
    """How a detector saw the picture: a crop of it, turned, then resized.

    ``rotations`` counts quarter turns anticlockwise (as :func:`numpy.rot90`); ``width`` and ``height`` are the
    crop's, in pixels of the picture; ``left`` and ``top`` its corner; ``scale`` the pixels of the view for
    one of the picture, across and down in the picture's own directions.
    """

    width: int
    height: int
    rotations: int = 0
    scale: tuple[float, float] = (1.0, 1.0)
    left: float = 0.0
    top: float = 0.0

    def point_back(self, point: Point) -> Point:
        """A point of the view in the picture's coordinates."""
        w, h = self.width * self.scale[0], self.height * self.scale[1]
        u, v = point
        x, y = ((u, v), (w - v, u), (w - u, h - v), (v, h - u))[self.rotations % 4]
        return self.left + x / self.scale[0], self.top + y / self.scale[1]

    def point_there(self, point: Point) -> Point:
        """A point of the picture in the view's coordinates: the inverse of :meth:`point_back`."""
        w, h = self.width * self.scale[0], self.height * self.scale[1]
        x, y = (point[0] - self.left) * self.scale[0], (point[1] - self.top) * self.scale[1]
        return ((x, y), (y, w - x), (w - x, h - y), (h - y, x))[self.rotations % 4]

    def box_back(self, box: Box) -> Box:
        """A box of the view in the picture's coordinates."""
        (x1, y1), (x2, y2) = self.point_back((box.x, box.y)), self.point_back((box.right, box.bottom))
        return Box(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))

    def box_there(self, box: Box) -> Box:
        """A box of the picture in the view's coordinates."""
        (x1, y1), (x2, y2) = self.point_there((box.x, box.y)), self.point_there((box.right, box.bottom))
        return Box(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))

    def back(self, detection: Detection) -> Detection:
        """A detection of the view as one of the picture."""
        marks = tuple(self.point_back(point) for point in detection.landmarks)
        return replace(detection, box=self.box_back(detection.box), landmarks=marks)


def rotated(picture: Pixels, rotations: int) -> Pixels:
    """The picture turned anticlockwise by quarter turns, contiguous."""
    codes = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
    if rotations % 4 == 0:
        return np.ascontiguousarray(picture)
    return np.asarray(cv2.rotate(picture, codes[rotations % 4]), np.uint8)


def cut(pixels: Pixels, box: Box, context: float, side: int) -> tuple[View, Pixels]:
    """A square crop around a box, ``context`` times its longer side, resized to ``side`` pixels.

    Past the picture's edge it is black.
    """
    height, width = pixels.shape[:2]
    reach = max(1, round(max(box.w, box.h) * context))
    cx, cy = box.centre
    left, top = round(cx - reach / 2), round(cy - reach / 2)
    x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + reach), min(height, top + reach)
    inside = pixels[y1:y2, x1:x2]
    edges = (y1 - top, top + reach - y2, x1 - left, left + reach - x2)
    square = (
        cv2.copyMakeBorder(inside, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0)) if any(edges) else inside
    )
    how = cv2.INTER_AREA if side < reach else cv2.INTER_CUBIC
    crop = np.asarray(cv2.resize(square, (side, side), interpolation=how), np.uint8)
    return View(reach, reach, 0, (side / reach, side / reach), left, top), crop


def upright_rotation(marks: Sequence[Point]) -> int:
    """The quarter turns anticlockwise that set a face upright, from its five landmarks; 0 without them."""
    if len(marks) < 5:
        return 0
    (ax, ay), (bx, by), _, (cx, cy), (dx, dy) = marks[:5]
    right, down = cx + dx - ax - bx, cy + dy - ay - by
    if abs(down) >= abs(right):
        return 0 if down >= 0 else 2
    # A chin on the left comes down with one quarter turn anticlockwise, one on the right with three.
    return 1 if right < 0 else 3


def same_face(a: Box, b: Box) -> bool:
    """Do two boxes mean one face? Detectors disagree on forehead and ears, so a third of overlap is enough,
    and so is a box that lies mostly inside one of no more than about twice its side."""
    if a.iou(b) >= 0.35:
        return True
    small, large = (a, b) if a.area <= b.area else (b, a)
    return small.covered_by(large) >= 0.75 and small.area >= 0.2 * large.area


def clusters(detections: Sequence[Detection]) -> list[list[Detection]]:
    """Detections of the same face together, best first; each detection is in exactly one cluster."""
    groups: list[list[Detection]] = []
    for detection in sorted(detections, key=lambda d: -d.score):
        home = max(
            (g for g in groups if same_face(g[0].box, detection.box)),
            key=lambda g: g[0].box.iou(detection.box),
            default=None,
        )
        if home is None:
            groups.append([detection])
        else:
            home.append(detection)
    return groups


def fused(group: Sequence[Detection], action: Action = Action.HIDE) -> Region:
    """One region from the detections of one face.

    Its box is the mean of the boxes weighted by the square of their scores; its evidence the best score of
    each detector; its landmarks those that :func:`landmarks` trusts.
    """
    weight = np.array([max(d.score, 1e-3) ** 2 for d in group])
    edges = np.array([(d.box.x, d.box.y, d.box.right, d.box.bottom) for d in group])
    x, y, right, bottom = (float(v) for v in (edges * weight[:, None]).sum(0) / weight.sum())
    best: dict[str, float] = {}
    for d in group:
        best[d.detector] = max(best.get(d.detector, 0.0), min(1.0, d.score))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    return Region(
        Box(x, y, right - x, bottom - y),
        Kind.FACE,
        tuple(Evidence(name, round(score, 4)) for name, score in ranked),
        landmarks(group),
        action=action,
    )


def plausible(detection: Detection) -> bool:
    """Five landmarks that can be a face's: eyes apart, and the mouth clearly beside their line.

    A network that sees a face lying on its side offers a box that fits and landmarks that do not.
    """
    if len(detection.landmarks) < 5:
        return False
    a, b, _, c, d = (np.array(point) for point in detection.landmarks[:5])
    side = min(detection.box.w, detection.box.h)
    eyes, down = b - a, (c + d - a - b) / 2
    apart, drop = float(np.hypot(*eyes)), float(np.hypot(*down))
    if apart < 0.25 * side or drop < 0.25 * side:
        return False
    # Eyes and chin at right angles, give or take 35 degrees.
    return abs(float(eyes @ down)) <= 0.57 * apart * drop


def landmarks(group: Sequence[Detection]) -> tuple[Point, ...]:
    """The five landmarks that the other detections of the same face bear out most; none if none is plausible.

    The best score is no guide: a network that is shown a face lying on its side may see it well and draw
    its landmarks as if it stood. The others, at other rotations, then agree with each other and not with it.
    """

    def agreement(one: Detection) -> float:
        side = max(1.0, min(one.box.w, one.box.h))
        total = 0.0
        for other in group:
            if len(other.landmarks) >= 3:
                apart = np.subtract(one.landmarks[:3], other.landmarks[:3])
                total += other.score * float(np.exp(-4 * np.hypot(apart[:, 0], apart[:, 1]).mean() / side))
        return total

    trusted = max((d for d in group if plausible(d)), key=agreement, default=None)
    return trusted.landmarks if trusted else ()
