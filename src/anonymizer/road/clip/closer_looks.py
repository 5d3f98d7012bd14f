"""Closer looks at what the first pass over a clip sighted: at labels, for proof, and at faint faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anonymizer.core.types import Box, Kind, Pixels, Region
from anonymizer.core.yuv import Planes, pixels
from anonymizer.detect.base import Proof
from anonymizer.detect.finder import Finder
from anonymizer.read.clip.reader import SearchFrame
from anonymizer.track.live import PLAIN, score_of
from anonymizer.track.tracker import Tracker

FAINT_SIDE, CONFIRMED = 20.0, 0.05
"""A faint face of so many pixels of the small copy is looked at closely, which must give it so much: hands and coats
flicker in and out at such scores. Smaller ones are hidden unseen: nobody misses them."""


def looking(finder: Finder, whole: Planes, picture: Pixels | None) -> Callable[[Region], Proof]:
    """Closer looks at labels of a frame, whose ``picture`` is made when the first of them is due."""
    made = [] if picture is None else [picture]

    def look(region: Region) -> Proof:
        made[:] = made or [pixels(whole)]
        return finder.proof(made[0], region)

    return look


def closer_looks(
    frame: SearchFrame,
    sightings: Sequence[Region],
    picture: Pixels | None,
    scale: tuple[float, float],
    finder: Finder,
    tracker: Tracker,
) -> dict[Box, float]:
    """What closer looks say of the faint faces among the sightings, where little else speaks for a face."""
    scores: dict[Box, float] = {}
    for region in sightings:
        small = region.box.times(1 / scale[0], 1 / scale[1])
        faint = region.kind is Kind.FACE and score_of(region) < PLAIN
        if faint and min(small.w, small.h) >= FAINT_SIDE and tracker.unconfirmed(region.box):
            view, box = (frame.small, small) if picture is None else (picture, region.box)
            scores[region.box] = finder.close_look(view, box)
    return scores
