"""Which frames belong to one shot: what looked like a cut may have been a flash, or a camera that was swung round."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anonymizer.track.template import Grey

FLASH = 0.25
"""Longest time, seconds, between two cuts that may be a flash, after which the shot before goes on."""
OUTLINE = (32, 18)
"""Size (width, height) of what is kept of the frames about a cut …"""
ALIKE = 0.8
"""… and the correlation from which two of them show one shot."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """The frame with which a shot begins, and the frame before it and that one, reduced."""

    frame: int
    before: Grey
    after: Grey


class Cuts:
    """The cuts of a clip as they come. ``flash``: the longest flash in frames."""

    def __init__(self, flash: int) -> None:
        self._flash = flash
        self._cuts: list[_Cut] = []

    def add(self, frame: int, before: Grey, after: Grey) -> None:
        """A shot begins with ``frame``, which looks like ``after``; the frame before looked like ``before``."""
        self._cuts.append(_Cut(frame, _reduced(before), _reduced(after)))

    def between(self, last: int, first: int) -> bool:
        """Whether two frames, ``last`` the earlier one, belong to different shots."""
        cuts = [cut for cut in self._cuts if last < cut.frame <= first]
        if not cuts:
            return False
        if first - last > self._flash + 1:
            return True
        at = {cut.frame for cut in self._cuts}
        if all({cut.frame - 1, cut.frame + 1} & at for cut in cuts):
            return False  # One frame after the other: a camera that is swung round.
        return len(cuts) < 2 or not _alike(cuts[0].before, cuts[-1].after)


def _reduced(grey: Grey) -> Grey:
    return np.asarray(cv2.resize(grey, OUTLINE, interpolation=cv2.INTER_AREA), np.uint8)


def _alike(one: Grey, other: Grey) -> bool:
    """Whether two reduced frames show one shot, whatever the light."""
    a, b = (grey.astype(np.float64) - grey.mean() for grey in (one, other))
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return spread == 0 or float((a * b).sum()) / spread >= ALIKE
