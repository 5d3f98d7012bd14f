"""What flashes up between two frames that are searched: a face may be shown in a single frame.

Between quick detections frames are followed, not searched, and those are made at a small size. What is in such a frame
and in neither of the searched ones about it, a slide that was cut in, somebody in a door that slams, would be seen by
nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels

BLOCK = 8
"""Pixels of the small copy: half of the least face that counts."""
FLASHED = 50.0
"""Mean difference of a block, of 255, from both frames."""
MOST = 0.1
"""Share of the blocks beyond which it is the camera that moves, or the light that changes."""


def flashed(pictures: Sequence[Pixels], searched: Sequence[bool], before: Pixels | None) -> list[int]:
    """The numbers of the small frames ``(h, w, 3)`` that hold what neither of the searched ones about them has.

    One that is searched itself is among them: at a small size a small face is not seen. ``before`` is the frame before
    them; behind the last searched one, what is new is told as well.
    """
    greys = [_grey(picture) for picture in pictures]
    first = None if before is None else _grey(before)
    found = []
    for number, grey in enumerate(greys):
        earlier = next((greys[n] for n in range(number - 1, -1, -1) if searched[n]), first)
        later = next((greys[n] for n in range(number + 1, len(greys)) if searched[n]), None)
        about = [other for other in (earlier, later) if other is not None]
        if about and 0 < _share(grey, about) <= MOST:
            found.append(number)
    return found


def _grey(picture: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _share(grey: NDArray[np.uint8], about: Sequence[NDArray[np.uint8]]) -> float:
    """The share of a frame's blocks that are like those of none of the others."""
    apart = cv2.absdiff(grey, about[0])
    for other in about[1:]:
        apart = cv2.min(apart, cv2.absdiff(grey, other))
    size = max(1, grey.shape[1] // BLOCK), max(1, grey.shape[0] // BLOCK)
    return float((cv2.resize(apart, size, interpolation=cv2.INTER_AREA) > FLASHED).mean())
