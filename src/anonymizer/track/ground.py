"""Whether a thing that came up before a ground that stands still has gone again: its place then looks as it did before.

A face that is shown for a few frames, a slide that was cut in, somebody in a door, is neither seen nor followed
afterwards. Elsewhere its place is held for a while, for nobody knows where it went; here it is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from anonymizer.core.types import Box
from anonymizer.track.live import Live
from anonymizer.track.template import Grey

CAME = 24.0
"""Mean difference, grey levels, in some sixteenth of its place, that a thing makes when it comes up …"""
GONE = 8.0
"""… and the most that is left in any of them when it has gone."""
PARTS = (4, 4)


def came_up(live: Live, past: Sequence[Grey]) -> None:
    """Keep the frame before a new thing, the last of the ``past``, where the thing could not be followed back to it."""
    first = live.marks.index("S")
    live.ground = past[-1] if past and first and live.marks[first - 1] == "H" else None


def has_gone(live: Live, past: Sequence[Grey], grey: Grey, frame: int, scale: tuple[float, float]) -> bool:
    """Whether the place in which a thing was last seen or followed looks in this small frame, number ``frame``, as it
    did before the thing came. ``past``: the frames before this one, the latest last; ``scale``: from whole frames to
    small ones."""
    ago = frame - live.good
    if live.ground is None or not 0 < ago <= len(past):
        return False
    place = live.boxes[live.good - live.first].times(*scale)
    before, shown, now = (_cut(one, place) for one in (live.ground, past[-ago], grey))
    return bool(before.size) and _apart(before, shown) >= CAME and _apart(before, now) <= GONE


def _cut(grey: Grey, place: Box) -> Grey:
    left, top, right, bottom = place.pixels(grey.shape[1], grey.shape[0])
    return grey[top : max(top, bottom), left : max(left, right)]


def _apart(one: Grey, other: Grey) -> float:
    """The greatest mean difference in a part of a place."""
    apart = cv2.absdiff(one, other).astype(np.float32)
    return float(cv2.resize(apart, PARTS, interpolation=cv2.INTER_AREA).max())
