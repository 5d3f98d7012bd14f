"""How far a head reaches beyond its face: hair, ears and neck, by MediaPipe's selfie segmentation (Apache-2.0).

The network tells for each pixel of a cut-out, 256 × 256, how likely it is a person's. Where it sees none, or something
that cannot be the head of this face, the head is taken as large as heads get, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Model, Pixels, Region
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "person"
SIDE = 256
"""Of the network's square input, pixels."""
AROUND = 4.0
"""Side of what is cut out, in longer sides of the face's box: head and shoulders."""
PERSON = 0.3
"""Likelihood from which a pixel counts as the person's: rather too much than too little."""
GENEROUS = (0.7, 0.9, 0.7, 0.7)
"""Left, up, right and down of the face's box, in its sides: what is hidden where the network does not help."""
MOST = (0.9, 1.2, 0.9, 0.5)
"""The furthest that hair and neck are looked for: below lie the shoulders, which are not hidden."""
LEAST = (0.1, 0.25, 0.1, 0.35)
"""No head ends nearer to its face."""
ROUND = 1.42
"""The ellipse about a box that holds its corners …"""
HELD = 99.5
"""… and per cent of the person's pixels that one must hold."""
FILLED = 0.6
"""Share of the face's own box that must be a person's, and …"""
EMPTY = 0.1
"""… of the cut-out that must be none: a mask that is everywhere tells nothing."""


@dataclass(frozen=True, slots=True)
class Head:
    """The box of a head, and whether the network saw it; else it is generous. ``reach``: how far it goes beyond the
    face's box to the left, up, to the right and down, in sides of that box, as the picture is. ``rim``: how many times
    as large as ``box`` the ellipse is that holds nearly all of it."""

    box: Box
    seen: bool
    rim: float
    reach: tuple[float, float, float, float]


class PersonNetwork:
    """The network. Raises :class:`anonymizer.core.errors.ModelError` if it cannot be had."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.network = Network(store.load(NAME), pictures=False, exact=True)

    def model(self) -> Model:
        entry = self._store.entry(NAME)
        return entry.used_on(self.network.device)

    def look(self, upright: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How likely each pixel of a picture ``(SIDE, SIDE, 3)`` RGB is a person's, 0 to 1: ``(SIDE, SIDE)``."""
        answer = self.network.run(np.ascontiguousarray(upright)[None].astype(np.float32) / 255)[0]
        return np.asarray(answer.reshape(SIDE, SIDE), np.float32)


class HeadFinder(PersonNetwork):
    """The network, asked for heads."""

    def head(self, pixels: Pixels, region: Region) -> Head:
        """The head of a face that was found in a picture ``(h, w, 3)`` uint8 RGB; its box may leave the picture."""
        box = region.box
        turns = quarter_turns(region)
        side = AROUND * max(box.w, box.h, 1.0)
        left, top = box.x + box.w / 2 - side / 2, box.y + box.h / 2 - side / 2
        factor = SIDE / side
        matrix = np.array([[factor, 0, -left * factor], [0, factor, -top * factor]])
        seen = _shrunk(pixels, Box(left, top, side, side), matrix)
        person = self.look(np.rot90(seen, turns)) >= PERSON
        # The face's box in the upright cut-out, by turning a mask of it.
        own = np.zeros((SIDE, SIDE), np.uint8)
        x0, y0 = (box.x - left) * factor, (box.y - top) * factor
        own[round(y0) : round(y0 + box.h * factor), round(x0) : round(x0 + box.w * factor)] = 1
        own = np.rot90(own, turns)
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        if len(rows) < 4 or len(columns) < 4:
            return _with(box, GENEROUS, turns, ROUND, seen=False)
        face = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        inside = _inside(pixels, Box(left, top, side, side), turns)
        if person[face].mean() < FILLED or (person & inside).sum() > (1 - EMPTY) * inside.sum():
            return _with(box, GENEROUS, turns, ROUND, seen=False)
        reach, rim = _reach(person, face)
        return _with(box, reach, turns, rim)


def _reach(
    person: NDArray[np.bool_], face: tuple[slice, slice]
) -> tuple[tuple[float, float, float, float], float]:
    """How far the person's pixels go on from the face, within what a head can have; and the rim."""
    high, wide = face[0].stop - face[0].start, face[1].stop - face[1].start
    left, up, right, down = (round(m * s) for m, s in zip(MOST, (wide, high, wide, high), strict=True))
    zone = np.zeros_like(person)
    zone[
        max(0, face[0].start - up) : face[0].stop + down, max(0, face[1].start - left) : face[1].stop + right
    ] = True
    count, labels = cv2.connectedComponents((person & zone).astype(np.uint8))
    own = np.bincount(labels[face][person[face]].ravel(), minlength=count)
    own[0] = 0
    mine = labels == int(own.argmax())
    # Shoulders are far wider than the face: the sides are those of the rows above the chin.
    above = mine.copy()
    above[face[0].stop :] = False
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(above.any(axis=0))
    found = (
        (face[1].start - columns[0]) / wide,
        (face[0].start - rows[0]) / high,
        (columns[-1] + 1 - face[1].stop) / wide,
        (rows[-1] + 1 - face[0].stop) / high,
    )
    first, second, third, last = (float(max(a, b)) for a, b in zip(found, LEAST, strict=True))
    x0, x1 = face[1].start - first * wide, face[1].stop + third * wide
    y0, y1 = face[0].start - second * high, face[0].stop + last * high
    y, x = np.nonzero(above)
    away = np.hypot((x + 0.5 - (x0 + x1) / 2) / (x1 - x0), (y + 0.5 - (y0 + y1) / 2) / (y1 - y0)) * 2
    return (first, second, third, last), float(np.clip(np.percentile(away, HELD), 1.0, ROUND))


def _with(
    box: Box, reach: tuple[float, float, float, float], turns: int, rim: float, *, seen: bool = True
) -> Head:
    """A head by how far it reaches in an upright picture, as the picture was before it was turned."""
    # After a quarter turn anticlockwise what was at the right is above, what was above at the left, and so on.
    for _ in range(int(turns)):
        left, up, right, down = reach
        reach = down, left, up, right
    return Head(grown(box, reach), seen, rim, reach)


def grown(box: Box, reach: tuple[float, float, float, float]) -> Box:
    """A box that reaches so much further to the left, up, to the right and down, in its own sides."""
    left, up, right, down = reach
    return Box.between(
        box.x - left * box.w, box.y - up * box.h, box.right + right * box.w, box.bottom + down * box.h
    )


def quarter_turns(region: Region) -> int:
    """How often a face is to be turned anticlockwise, by a quarter, to stand upright; by its eyes and mouth."""
    if len(region.landmarks) < 5:
        return 0
    points = np.array(region.landmarks[:5])
    down = points[3:5].mean(axis=0) - points[:2].mean(axis=0)
    # Down lies below: none. To the right: what is at the right comes below with three turns anticlockwise.
    return int(np.argmax([down[1], -down[0], -down[1], down[0]])) if np.any(down) else 0


def _shrunk(pixels: Pixels, cut: Box, matrix: NDArray[np.float64]) -> Pixels:
    """A square of a picture, averaged down to the network's input; black outside of the picture."""
    factor = SIDE / cut.w
    if factor >= 0.7:
        return np.asarray(cv2.warpAffine(pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), np.uint8)
    left, top, right, bottom = cut.pixels(pixels.shape[1], pixels.shape[0])
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    if right <= left or bottom <= top:
        return out
    x, y = (min(SIDE - 1, max(0, round(v * factor))) for v in (left - cut.x, top - cut.y))
    wide = max(1, min(SIDE - x, round((right - left) * factor)))
    high = max(1, min(SIDE - y, round((bottom - top) * factor)))
    out[y : y + high, x : x + wide] = cv2.resize(
        pixels[top:bottom, left:right], (wide, high), interpolation=cv2.INTER_AREA
    )
    return out


def _inside(pixels: Pixels, cut: Box, turns: int) -> NDArray[np.bool_]:
    """Which pixels of the upright cut-out lie in the picture."""
    factor = SIDE / cut.w
    left, top, right, bottom = cut.pixels(pixels.shape[1], pixels.shape[0])
    found: NDArray[np.bool_] = np.zeros((SIDE, SIDE), np.bool_)
    x0, y0 = max(0, round((left - cut.x) * factor)), max(0, round((top - cut.y) * factor))
    found[y0 : round((bottom - cut.y) * factor), x0 : round((right - cut.x) * factor)] = True
    return np.rot90(found, turns)
