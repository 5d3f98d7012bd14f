"""Where a code may lie aslant, set level: readers look along rows and columns, and miss what runs between them.

Bars run one way, closely and with much contrast. So the structure tensor (Bigün and Granlund 1987) of a small copy
says for each place how far its edges run one way, and which way; a place where they do is cut out of the large
picture and turned until its bars stand upright.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.pixels import shrunk

SIDE = 800
"""Long side of the copy in which places are looked for, pixels."""
WINDOW = 13
"""Side of the surroundings over which edges are averaged, pixels of that copy."""
ONE_WAY = 0.4
"""Least coherence: bars have .9 and more, the bars and dots of a PDF417 .5 to .8."""
EDGES = 200.0
"""Least mean strength of the edges, root of the tensor's trace with Sobel's weights: black bars on white have more
than twice as much, hair, cloth and skin mostly less."""
LEAST = 2 * WINDOW
"""Least length of a place, pixels of the copy."""
MOST = 8
"""Places that are looked at, the largest first."""
LEVEL = 6.0
"""Degrees off level up to which the readers see a code as it stands in the picture."""
TILTS = (0.0, 5.0, -5.0)
"""Degrees by which a place is turned further: what lies beside a code pulls its direction so far."""
ROOM = 0.1
"""Ground that is kept around a place, as a share of its longer side: readers need a quiet zone."""
SAME_WAY = 20.0
"""Degrees between the directions of one code's bars at most, as it is seen at an angle …"""
JOINED, LEAST_JOINED = 0.12, 9
"""… and the most between its parts, as a share of its longer side, and at least in pixels of the copy: a PDF417's dots
are no bars, and the thick one at its end is none of the others."""
BESIDE = 0.6
"""Bars belong to a code that was read up to so far from it, as a share of its longer side."""
MOST_PIXELS = 1400
"""Longest side of a view, pixels."""


@dataclass(frozen=True, slots=True)
class Edges:
    """The structure tensor of a small copy of a picture that is ``scale`` times as large: ``one_way`` is where strong
    edges run one way, ``sine`` and ``cosine`` those of twice the direction across them, times their strength, all
    ``(h, w)``."""

    one_way: NDArray[np.bool_]
    sine: NDArray[np.float32]
    cosine: NDArray[np.float32]
    scale: float

    def bars_about(self, quad: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The rectangle ``(4, 2)`` about the bars of which a code was read at ``quad``, in the picture's pixels.

        A reader names the rows that it read: of a code that is seen at an angle those are not parallel to its edges,
        and of a PDF417 they may be half of it. None where no bars are seen there.
        """
        points = quad / self.scale
        longest = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).max())
        reach = BESIDE * longest
        left, top = (max(0, int(v)) for v in points.min(axis=0) - reach)
        right, bottom = (max(0, int(v)) + 1 for v in points.max(axis=0) + reach)
        place = np.s_[top:bottom, left:right]
        one_way, doubled = self.one_way[place], np.arctan2(self.sine[place], self.cosine[place])
        own: NDArray[np.uint8] = np.zeros(one_way.shape, np.uint8)
        cv2.fillConvexPoly(own, np.rint(points - (left, top)).astype(np.int32), 1)
        read = (own > 0) & one_way
        if not read.any():
            return None
        there = doubled[read].astype(np.float64)
        way = np.arctan2(np.sin(there).mean(), np.cos(there).mean())
        alike = one_way & (np.cos(doubled - way) > np.cos(np.radians(2 * SAME_WAY)))
        gap = max(LEAST_JOINED, int(JOINED * longest) | 1)
        joined = cv2.morphologyEx(alike.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
        _, labels = cv2.connectedComponents(joined)
        touched = np.unique(labels[(own > 0) & (joined > 0)])
        rows, columns = np.nonzero(np.isin(labels, touched[touched > 0]))
        if not len(rows):
            return None
        points = np.column_stack([columns + left, rows + top]).astype(np.float32)
        return np.asarray(cv2.boxPoints(cv2.minAreaRect(points)), np.float64) * self.scale


@dataclass(frozen=True, slots=True)
class LevelView:
    """A view ``(h, w)`` of a part of a grey picture, the matrix ``(2, 3)`` from its pixels to the picture's, and the
    edges of all of the picture."""

    view: NDArray[np.uint8]
    back: NDArray[np.float64]
    edges: Edges

    def placed(self, quad: NDArray[np.float64]) -> NDArray[np.float64]:
        """A quadrilateral ``(4, 2)`` of the view in the picture's pixels."""
        return np.asarray(quad @ self.back[:, :2].T + self.back[:, 2])


def levelled(grey: NDArray[np.uint8]) -> Iterator[LevelView]:
    """Views of the places in a grey picture where bars may run aslant, each at a few tilts."""
    factor = min(1.0, SIDE / max(grey.shape))
    wide, high = (max(1, round(side * factor)) for side in (grey.shape[1], grey.shape[0]))
    small = shrunk(grey, wide, high)
    scale = grey.shape[1] / wide
    edges, places = _places(small, scale)
    for place in places[:MOST]:
        for tilt in TILTS:
            yield _set_level(grey, place, tilt, scale, edges)
    # All of the picture, half way between the directions in which the readers look.
    half = float(np.hypot(wide, high)) / (1 + 2 * ROOM)
    whole = _set_level(small, _Candidate(wide / 2, high / 2, 45.0, half, half), 0.0, 1.0, edges)
    yield LevelView(whole.view, whole.back * scale, edges)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A place in the small copy: its centre, the direction across its bars in degrees, its extent that way and the
    other, pixels."""

    x: float
    y: float
    angle: float
    length: float
    height: float


def _places(small: NDArray[np.uint8], scale: float) -> tuple[Edges, list[_Candidate]]:
    """The edges of a small copy, and where they run one way that is not level, the largest first."""
    x, y = (cv2.Sobel(small, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.blur(product, (WINDOW, WINDOW)) for product in (x * x, y * y, x * y))
    energy, cosine, sine = xx + yy, xx - yy, 2 * xy
    one_way = energy > EDGES * EDGES
    # Squares, for a root takes longer than all else here.
    one_way &= cosine * cosine + sine * sine > ONE_WAY * ONE_WAY * energy * energy
    count, labels, stats, _ = cv2.connectedComponentsWithStats(one_way.astype(np.uint8))
    found: list[tuple[int, _Candidate]] = []
    for number in range(1, count):
        left, top, w, h, size = stats[number].tolist()
        if max(w, h) < LEAST or size < WINDOW * WINDOW:
            continue
        part = np.s_[top : top + h, left : left + w]
        own = labels[part] == number
        angle = 0.5 * np.arctan2(float(sine[part][own].sum()), float(cosine[part][own].sum()))
        if abs((np.degrees(angle) + 45) % 90 - 45) <= LEVEL:
            continue
        rows, columns = np.nonzero(own)
        along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        middle = (along.min() + along.max()) / 2, (across.min() + across.max()) / 2
        place = _Candidate(
            left + middle[0] * np.cos(angle) - middle[1] * np.sin(angle),
            top + middle[0] * np.sin(angle) + middle[1] * np.cos(angle),
            float(np.degrees(angle)),
            float(np.ptp(along)) + 1,
            float(np.ptp(across)) + 1,
        )
        found.append((size, place))
    edges = Edges(one_way, np.asarray(sine, np.float32), np.asarray(cosine, np.float32), scale)
    return edges, [place for _, place in sorted(found, key=lambda one: -one[0])]


def _set_level(
    grey: NDArray[np.uint8], place: _Candidate, tilt: float, scale: float, edges: Edges
) -> LevelView:
    """The place, ``scale`` times as large in ``grey`` as in the small copy, turned until its bars stand upright."""
    room = 2 * ROOM * max(place.length, place.height)
    length, height = ((side + room) * scale for side in (place.length, place.height))
    step = max(1.0, length / MOST_PIXELS, height / MOST_PIXELS)
    size = max(8, round(length / step)), max(8, round(height / step))
    turn = np.radians(place.angle + tilt)
    along, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    back = np.column_stack([along * step, down * step, np.zeros(2)])
    back[:, 2] = np.array([place.x, place.y]) * scale - back[:, :2] @ np.array([size[0] / 2, size[1] / 2])
    flags = (cv2.INTER_AREA if step > 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(grey, back, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return LevelView(np.asarray(view, np.uint8), back, edges)
