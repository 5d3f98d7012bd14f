"""Where the parts of a face are: 478 points of MediaPipe's face mesh with attention (Grishchenko et al. 2020,
arXiv:2006.10962).

The network sees a face cut out upright, 192 × 192, and says how surely there is one. It always gives points, on a mask
and on the back of a head too, so no single answer is believed: see :meth:`FaceMesh.look`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anonymizer.core.face_outlines import (
    LEFT_EYE_ORDER,
    LIPS_ORDER,
    POINTS,
    RIGHT_EYE_ORDER,
    Points,
    face_width,
    outlines,
)
from anonymizer.core.face_parts import FacePart
from anonymizer.core.types import Box, Model, Pixels, Region
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "face-mesh"
SIDE = 192
"""Of the network's square input, pixels."""
AROUND = 1.5
"""Side of what is cut out, in longer sides of a face's box, and of the box about its points: MediaPipe's own."""
WIDER, ASIDE = 1.25, 0.06
"""The look that must agree is so much wider, and moved by so much of its side both ways."""
ENLARGE = 8.0
"""A face is enlarged at most this much."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """``points`` float64 ``(478, 2)``, x, y in pixels of the picture; ``again``: what another look says of the same
    face. ``presence`` 0 to 1: how surely both see a face."""

    points: Points
    again: Points
    presence: float


class FaceMesh:
    """The network. Raises :class:`anonymizer.core.errors.ModelError` if it cannot be had."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.network = Network(store.load(NAME), pictures=False, exact=True)

    def model(self) -> Model:
        entry = self._store.entry(NAME)
        return entry.used_on(self.network.device)

    def rest(self) -> None:
        self.network.rest()

    def look(self, pixels: Pixels, region: Region) -> Mesh | None:
        """The mesh of a face that was found in a picture ``(h, w, 3)`` uint8 RGB; None where none is seen.

        Three looks: one at the box, turned as its eyes say or else at the turn that is surest; one at what that gave;
        and one that sees it a little wider and aside. The last two must say the same, which is for
        :func:`anonymizer.core.face_parts.unsure` to judge.
        """
        angles = [_angle(region)] if len(region.landmarks) >= 2 else [0, np.pi / 2, np.pi, -np.pi / 2]
        first = max((self._at(pixels, _about(region.box, angle)) for angle in angles), key=lambda one: one[1])
        cut = _about_points(first[0])
        if cut is None:
            return None
        points, presence = self._at(pixels, cut)
        again = _about_points(points)
        if again is None:
            return None
        x, y, side, angle = again
        moved = x + ASIDE * side, y - ASIDE * side, WIDER * side, angle
        other, other_presence = self._at(pixels, moved)
        return Mesh(points, other, min(presence, other_presence))

    def follow(self, pixels: Pixels, points: Points) -> Mesh | None:
        """The mesh of the face that had these points a frame before."""
        cut = _about_points(points)
        if cut is None:
            return None
        found, presence = self._at(pixels, cut)
        return Mesh(found, found, presence)

    def _at(self, pixels: Pixels, cut: tuple[float, float, float, float]) -> tuple[Points, float]:
        """The points and the presence that the network sees in a square: its middle, side and turn (radians)."""
        x, y, side, angle = cut
        factor = SIDE / side
        cos, sin = np.cos(angle) * factor, np.sin(angle) * factor
        matrix = np.array(
            [[cos, sin, SIDE / 2 - cos * x - sin * y], [-sin, cos, SIDE / 2 + sin * x - cos * y]]
        )
        if factor < 0.5:
            # warpAffine does not average: a large face is made small first.
            share = 2 * factor
            reach = Box(x - side, y - side, 2 * side, 2 * side).pixels(pixels.shape[1], pixels.shape[0])
            part = pixels[reach[1] : reach[3], reach[0] : reach[2]]
            if part.size:
                small = cv2.resize(part, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
                to_part = np.array([[1 / share, 0, reach[0]], [0, 1 / share, reach[1]], [0, 0, 1]])
                seen = cv2.warpAffine(small, matrix @ to_part, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
            else:
                seen = np.zeros((SIDE, SIDE, 3), np.uint8)
        else:
            seen = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        mesh, lips, right, left, right_iris, left_iris, flag = self.network.run(
            seen[None].astype(np.float32) / 255
        )
        points = np.empty((478, 2))
        points[:468] = mesh.reshape(468, 3)[:, :2]
        points[list(LIPS_ORDER)] = lips.reshape(-1, 2)
        points[list(RIGHT_EYE_ORDER)] = right.reshape(-1, 2)
        points[list(LEFT_EYE_ORDER)] = left.reshape(-1, 2)
        points[468:473], points[473:] = right_iris.reshape(-1, 2), left_iris.reshape(-1, 2)
        back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
        return points @ back[:2, :2].T + back[:2, 2], float(1 / (1 + np.exp(-float(flag.ravel()[0]))))


def _angle(region: Region) -> float:
    (rx, ry), (lx, ly) = region.landmarks[:2]
    return float(np.arctan2(ly - ry, lx - rx))


def _about(box: Box, angle: float) -> tuple[float, float, float, float]:
    return box.x + box.w / 2, box.y + box.h / 2, AROUND * max(box.w, box.h, 1), float(angle)


def _about_points(points: Points) -> tuple[float, float, float, float] | None:
    """The square about a mesh, turned as the outer corners of its eyes say; None where the mesh has no extent."""
    right, left = points[33], points[263]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    cos, sin = np.cos(angle), np.sin(angle)
    turned = points[:468] @ np.array([[cos, -sin], [sin, cos]])
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle = (low + high) / 2 @ np.array([[cos, sin], [-sin, cos]])
    side = AROUND * float((high - low).max())
    return (float(middle[0]), float(middle[1]), side, angle) if 4 < side < 1e6 else None


PRESENCE = 0.9
"""A face is believed from here."""
APART = 0.04
"""How far two looks may be from one another: the mean over a part's points, in widths of the face."""
ASTRAY = 0.15
"""How far a part's middle may be from where the face's detector has it, in widths of the face."""
OPEN = 0.025
"""Between the lips there are teeth to be seen where they are so far apart, in widths of the face."""
TURNED = 0.45
"""The share of its other eye's width that an eye shows at least: less is seen of one that is turned away."""
LIP = (85, 16, 315, 180, 404, 72, 11, 302, 74, 304)
"""On the lips …"""
ABOUT_LIPS = (164, 167, 393, 165, 391, 18, 83, 313, 200, 182, 406, 43, 273, 106, 335, 57, 287, 186, 410)
"""… and on the skin about them, by which they must differ …"""
LIPS_APART = 3.5
"""… by so much in CIELAB, masks by .3 to 6.3 …"""
ACROSS = ((11, 16), (72, 85), (302, 315))
"""… while from lip to lip lie shadow, teeth or tongue …"""
LIPS_UNEVEN = 17.0
"""… which makes such a span of lightness, 0 to 100: masks without folds 3 to 14. Of 49 faces with a mesh that was
believed, six of them masked or held by a hand, 37 of 43 pass both, and none of the six."""
UPPER = (6, 197, 195, 50, 280, 101, 330, 118, 347, 151, 9, 108, 337)
"""On the skin above, from which that about the lips differs …"""
CLOTH = 18.0
"""… by less colour than this, a*b* of CIELAB: beards by 15, coloured masks by 22."""
REDDER, SAME_SKIN, CLOSED_UNEVEN = 4.0, 6.0, 8.0
"""Closed lips in even light span no more than a mask. They are redder than the skin about them (a* of CIELAB; masks by
1.7 at the most), which is the skin of the cheeks (a*b*; masks differ by 7.6 at the least, but for those in pictures
without colour), and there is a line between them. Of a hundred faces, six masked, three more pass so, and no mask."""
LEAST = 40.0
"""Width of a face, pixels, from which its parts are looked for."""


def sure(pixels: Pixels, region: Region, mesh: Mesh, part: FacePart) -> bool:
    """Whether a part of a face lies where the mesh says, and is seen: judged strictly, for a doubt costs a question."""
    points, width = mesh.points, face_width(mesh.points)
    if mesh.presence < PRESENCE or width < LEAST:
        return False
    own = list(POINTS[part])
    if float(np.hypot(*(points[own] - mesh.again[own]).T).mean()) > APART * width:
        return False
    height, wide = pixels.shape[:2]
    corners = np.array([corner for outline in outlines(points, part) for corner in outline])
    if len(corners) == 0 or (corners < 0).any() or (corners > (wide - 1, height - 1)).any():
        return False
    if any(np.hypot(*(mine - theirs)) > ASTRAY * width for mine, theirs in _detected(region, points, part)):
        return False
    right, left = (float(np.hypot(*(points[a] - points[b]))) for a, b in ((33, 133), (263, 362)))
    if part in (FacePart.RIGHT_EYE, FacePart.LEFT_EYE):
        mine, other = (right, left) if part is FacePart.RIGHT_EYE else (left, right)
        return mine >= TURNED * other
    if part is not FacePart.EARS and min(right, left) < TURNED * max(right, left):
        return False
    if part is FacePart.TEETH and float(np.hypot(*(points[13] - points[14]))) < OPEN * width:
        return False
    return part not in (FacePart.MOUTH, FacePart.TEETH, FacePart.NOSE) or not _covered(pixels, points, width)


def _detected(region: Region, points: Points, part: FacePart) -> list[tuple[Points, Points]]:
    """Places of a part by the mesh, and by the detector that found the face."""
    if len(region.landmarks) < 5:
        return []
    right, left, nose, mouth_right, mouth_left = np.array(region.landmarks[:5])
    eyes = [(points[[33, 133]].mean(axis=0), right), (points[[263, 362]].mean(axis=0), left)]
    match part:
        case FacePart.RIGHT_EYE:
            return eyes[:1]
        case FacePart.LEFT_EYE:
            return eyes[1:]
        case FacePart.MOUTH | FacePart.TEETH:
            return [(points[[61, 291]].mean(axis=0), (mouth_right + mouth_left) / 2), *eyes]
        case FacePart.NOSE:
            return [(points[1], nose), *eyes]
        case _:
            return eyes


def _covered(pixels: Pixels, points: Points, width: float) -> bool:
    """Whether there are no lips to be seen where the mesh has them: a mask, a hand, a scarf."""
    own = points[[*LIP, *ABOUT_LIPS, *UPPER]]
    reach = Box.between(*own.min(axis=0), *own.max(axis=0)).padded(0.1 * width)
    left, top, right, bottom = reach.pixels(pixels.shape[1], pixels.shape[0])
    if right - left < 4 or bottom - top < 4:
        return True
    lab = cv2.cvtColor(pixels[top:bottom, left:right].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)

    def taken(places: Points) -> Points:
        x, y = np.rint(places - (left, top)).astype(int).T
        return np.asarray(lab[y.clip(0, bottom - top - 1), x.clip(0, right - left - 1)], np.float64)

    spot = width / 100 * np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
    lips, about, above = (
        np.median(taken((points[list(which)][:, None] + spot).reshape(-1, 2)), axis=0)
        for which in (LIP, ABOUT_LIPS, UPPER)
    )
    cloth = float(np.linalg.norm((about - above)[1:]))
    if float(np.linalg.norm(lips - about)) < LIPS_APART or cloth > CLOTH:
        return True
    steps = np.linspace(0, 1, 15)[:, None]
    lines = np.concatenate([points[a] * (1 - steps) + points[b] * steps for a, b in ACROSS])
    low, high = np.percentile(taken(lines)[:, 0], (5, 95))
    closed = float((lips - about)[1]) >= REDDER and cloth <= SAME_SKIN
    return bool(high - low < (CLOSED_UNEVEN if closed else LIPS_UNEVEN))
