"""Where the person is in a picture, and where the room: MediaPipe's selfie segmentation (Apache-2.0) of all of it.

The network tells for each cell of 256 × 256 how likely it is a person's. Its edge is made as fine as the picture by a
guided filter (He, Sun, Tang 2013): what looks like its neighbours belongs with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Kind, Pixels, Region
from anonymizer.detect.faces.head import SIDE, PersonNetwork, quarter_turns

FINE = 1024
"""Longer side, pixels, of the copy in which the edge is found."""
RADIUS, SMOOTH = 12, 1e-3
"""Of the guided filter: pixels of that copy, and contrast (variance, of 1) that is no edge yet."""
PERSON = 0.5
"""Likelihood from which a pixel counts as the person's."""
LEAST, MOST = 0.03, 0.97
"""Shares of the picture between which a person is believed: none at all, or one everywhere, tells nothing."""
UNDECIDED = 0.3
"""Cells that are neither, in those of the person: more of them, and the edge is a guess."""
IN_FACE = 0.6
"""Share of the largest face that must be the person's."""

Likelihood = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Person:
    """Which pixels ``(h, w)`` are the person's, none where nobody was seen, and whether the network was sure of it."""

    mask: NDArray[np.bool_]
    sure: bool


class PersonFinder(PersonNetwork):
    """The network, asked for the person of a whole picture."""

    def likelihood(self, pixels: Pixels, turns: int = 0) -> Likelihood:
        """How likely each cell of a picture ``(h, w, 3)`` uint8 RGB is a person's: float32 ``(SIDE, SIDE)``, 0 to 1.

        ``turns``: by how many quarter turns anticlockwise the picture comes to stand upright.
        """
        how = cv2.INTER_AREA if max(pixels.shape[:2]) > SIDE else cv2.INTER_LINEAR
        shown = np.rot90(cv2.resize(pixels, (SIDE, SIDE), interpolation=how), turns)
        return np.ascontiguousarray(np.rot90(self.look(np.asarray(shown, np.uint8)), -turns), np.float32)

    def person(self, pixels: Pixels, regions: Sequence[Region]) -> Person:
        """The person of a photo ``(h, w, 3)`` uint8 RGB, in which ``regions`` were found."""
        faces = [one for one in regions if one.kind is Kind.FACE and one.hidden]
        face = max(faces, key=lambda one: one.box.area, default=None)
        likely = self.likelihood(pixels, quarter_turns(face) if face else 0)
        mask = refined(likely, pixels) >= PERSON
        if face:
            left, top, right, bottom = face.box.pixels(pixels.shape[1], pixels.shape[0])
            own = mask[top:bottom, left:right]
            if not own.size or own.mean() < IN_FACE:
                return Person(np.zeros_like(mask), sure=False)
        return Person(mask, sure(likely)) if seen(likely) else Person(np.zeros_like(mask), sure=False)


def seen(likely: Likelihood) -> bool:
    """Whether there is a person, who is not everything."""
    return LEAST * likely.size <= int((likely >= PERSON).sum()) <= MOST * likely.size


def sure(likely: Likelihood) -> bool:
    """Whether there is one, with an edge."""
    between = int(((likely > 0.2) & (likely < 0.8)).sum())
    return seen(likely) and between <= UNDECIDED * int((likely >= PERSON).sum())


def refined(likely: Likelihood, pixels: Pixels) -> NDArray[np.float32]:
    """The likelihood in the size of the picture, its edge where the picture has one: float32 ``(h, w)``."""
    height, width = pixels.shape[:2]
    factor = min(1.0, FINE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if factor < 1 else pixels
    guide = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    coarse = cv2.resize(likely, size, interpolation=cv2.INTER_LINEAR)

    def mean(of: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(of, (2 * RADIUS + 1, 2 * RADIUS + 1)), np.float32)

    across, level = mean(guide), mean(coarse)
    slope = (mean(guide * coarse) - across * level) / (mean(guide * guide) - across * across + SMOOTH)
    fine = mean(slope) * guide + mean(level - slope * across)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
