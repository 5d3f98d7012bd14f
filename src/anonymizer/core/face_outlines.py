"""The parts of a face as outlines between the points of a face mesh.

The mesh is MediaPipe's: 468 points and five for each iris, numbered as its sources number them
(``tensors_to_face_landmarks_with_attention.pbtxt``). Right and left are the subject's.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.box import Point
from anonymizer.core.face_parts import FacePart

Points: TypeAlias = "NDArray[np.float64]"
"""x, y of points, ``(n, 2)``, pixels."""
Outline: TypeAlias = tuple[Point, ...]
"""The corners of an area in order, pixels of the picture."""

OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
"""Below from corner to corner, then above without the corners; the inner ones likewise."""
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
LIPS_ORDER = (
    *OUTER_LIPS,
    *INNER_LIPS,
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
"""The points in the order in which the network tells those of the lips; so for each eye."""
RIGHT_EYE_ORDER = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    *(130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190),
    *(226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189),
    *(35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245),
    *(156, 70, 63, 105, 66, 107, 55, 193),
)
LEFT_EYE_ORDER = (
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
    *(359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414),
    *(446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413),
    *(265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465),
    *(383, 300, 293, 334, 296, 336, 285, 417),
)
RIGHT_EYE, LEFT_EYE = RIGHT_EYE_ORDER[32:48], LEFT_EYE_ORDER[32:48]
"""About an eye, on its lids."""
NOSE = (168, 122, 351, 174, 399, 198, 420, 129, 358, 102, 331, 64, 294, 98, 327, 97, 326, 2)
RIGHT_EAR, LEFT_EAR = 234, 454
"""Before the ears."""
TOP, CHIN = 10, 152
CORNERS = (RIGHT_EAR, LEFT_EAR, TOP, CHIN)

MOUTH_PAD = 0.12
"""Skin about the lips that is kept with them, in widths of the mouth."""
EAR = (0.05, 0.2, -0.26, 0.24)
"""An ear's place by the point before it, in widths of the face: inwards, outwards, upwards, downwards."""
POINTS: dict[FacePart, tuple[int, ...]] = {
    FacePart.MOUTH: OUTER_LIPS,
    FacePart.TEETH: INNER_LIPS,
    FacePart.EYES: (*RIGHT_EYE, *LEFT_EYE),
    FacePart.RIGHT_EYE: RIGHT_EYE,
    FacePart.LEFT_EYE: LEFT_EYE,
    FacePart.NOSE: NOSE,
    FacePart.EARS: CORNERS,
}
"""The points of the mesh on which a part's outline depends."""


def face_width(points: Points) -> float:
    """The larger of a mesh's width and .8 of its height: a face in profile is as large as seen from the front."""
    right, left, top, chin = points[list(CORNERS)]
    return float(max(np.hypot(*(left - right)), 0.8 * np.hypot(*(chin - top)), 1.0))


def outlines(points: Points, part: FacePart) -> list[Outline]:
    """The outlines of a part by the points ``(478, 2)`` of a face: one, or two of eyes and ears."""
    match part:
        case FacePart.EYES:
            return [*outlines(points, FacePart.RIGHT_EYE), *outlines(points, FacePart.LEFT_EYE)]
        case FacePart.EARS:
            return _ears(points)
        case FacePart.TEETH:
            ring = points[list(INNER_LIPS)]
            return [_outline(np.concatenate([ring[:11], ring[:10:-1]]))]
        case FacePart.MOUTH:
            hull = _hull(points[list(OUTER_LIPS)])
            middle = hull.mean(axis=0)
            away = hull - middle
            across = float(np.hypot(*(points[291] - points[61])))
            length = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)[:, None]
            return [_outline(hull + away / length * MOUTH_PAD * across)]
        case _:
            return [_outline(_hull(points[list(POINTS[part])]))]


def _ears(points: Points) -> list[Outline]:
    """Of a turned head the ear that is turned to the camera, else both."""
    width = face_width(points)
    right, left, top, chin = points[list(CORNERS)]
    down = (chin - top) / max(float(np.hypot(*(chin - top))), 1e-6)
    across = np.array([down[1], -down[0]])
    nose = points[168]
    before, behind = float((nose - right) @ across), float((left - nose) @ across)
    # The subject's right is left in the picture; in a mirrored order the axis is turned.
    sign = 1.0 if before + behind >= 0 else -1.0
    before, behind = sign * before, sign * behind
    inwards, outwards, up, low = (value * width for value in EAR)
    found = []
    for place, side, own, other in ((right, sign, before, behind), (left, -sign, behind, before)):
        if own < 0.5 * other:
            continue
        corners = ((inwards, up), (inwards, low), (-outwards, low), (-outwards, up))
        found.append(_outline(np.array([place + side * x * across + y * down for x, y in corners])))
    return found


def _hull(points: Points) -> Points:
    return np.asarray(cv2.convexHull(points.astype(np.float32)), np.float64).reshape(-1, 2)


def _outline(points: Points) -> Outline:
    return tuple((float(x), float(y)) for x, y in points)
