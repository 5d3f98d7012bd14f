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
MOST_PIXELS = 1400
"""Longest side of a view, pixels."""


@dataclass(frozen=True, slots=True)
class LevelView:
    """A view ``(h, w)`` of a part of a grey picture, and the matrix ``(2, 3)`` from its pixels to the picture's."""

    view: NDArray[np.uint8]
    back: NDArray[np.float64]

    def placed(self, quad: NDArray[np.float64]) -> NDArray[np.float64]:
        """A quadrilateral ``(4, 2)`` of the view in the picture's pixels."""
        return np.asarray(quad @ self.back[:, :2].T + self.back[:, 2])

    def scaled(self, factor: float) -> LevelView:
        """The same view of a picture that is so many times as large."""
        return LevelView(self.view, self.back * factor)


def levelled(grey: NDArray[np.uint8]) -> Iterator[LevelView]:
    """Views of the places in a grey picture where bars may run aslant, each at a few tilts."""
    factor = min(1.0, SIDE / max(grey.shape))
    wide, high = (max(1, round(side * factor)) for side in (grey.shape[1], grey.shape[0]))
    small = shrunk(grey, wide, high)
    scale = grey.shape[1] / wide
    for place in _places(small)[:MOST]:
        for tilt in TILTS:
            yield _set_level(grey, place, tilt, scale)
    # All of the picture, half way between the directions in which the readers look.
    half = float(np.hypot(wide, high)) / (1 + 2 * ROOM)
    yield _set_level(small, _Candidate(wide / 2, high / 2, 45.0, half, half), 0.0, 1.0).scaled(scale)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A place in the small copy: its centre, the direction across its bars in degrees, its extent that way and the
    other, pixels."""

    x: float
    y: float
    angle: float
    length: float
    height: float


def _places(small: NDArray[np.uint8]) -> list[_Candidate]:
    """Where edges run one way that is not level, the largest first."""
    x, y = (cv2.Sobel(small, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.blur(product, (WINDOW, WINDOW)) for product in (x * x, y * y, x * y))
    energy = xx + yy
    one_way = (np.hypot(xx - yy, 2 * xy) > ONE_WAY * energy) & (energy > EDGES * EDGES)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(one_way.astype(np.uint8))
    found: list[tuple[int, _Candidate]] = []
    for number in range(1, count):
        left, top, w, h, size = stats[number].tolist()
        if max(w, h) < LEAST or size < WINDOW * WINDOW:
            continue
        part = np.s_[top : top + h, left : left + w]
        own = labels[part] == number
        angle = 0.5 * np.arctan2(2 * float(xy[part][own].sum()), float((xx - yy)[part][own].sum()))
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
    return [place for _, place in sorted(found, key=lambda one: -one[0])]


def _set_level(grey: NDArray[np.uint8], place: _Candidate, tilt: float, scale: float) -> LevelView:
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
    return LevelView(np.asarray(view, np.uint8), back)
