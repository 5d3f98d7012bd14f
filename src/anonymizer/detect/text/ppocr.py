"""Read a line of text, for two questions only: is it text at all, and is it clearly harmless? What it said goes
no further.

PP-OCR's recogniser gives, for each step along a line of 48 pixels' height, the chance of each character
(connectionist temporal classification, Graves et al. 2006: repeats and blanks are collapsed).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import ModelError
from anonymizer.core.geometry import inside, outline
from anonymizer.core.types import Pixels, Region
from anonymizer.detect.faces.fusion import rotated
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "ppocr-recognition"
HEIGHT = 48
"""Height of a line as the network was trained, pixels."""
STEP = 80
"""Widths are multiples of this, filled up with grey: each new width costs the runtime a preparation."""
LONGEST = 1600
SURE = 0.85
"""Least chance, among the characters of a reading, from which it counts."""
LEGIBLE = 0.6
"""A direction in which a line is read less surely than this is not how it runs."""
PART = 0.7
UPRIGHT = 1.5
"""Higher than this many widths, a line is read downwards and upwards."""
ROOM = 1.1
"""Most width of a line, in heights, for each character read: beyond it something stands there that was not read."""
MARGIN = 0.8
"""… and what the finder leaves around a line, in heights."""
APART = 1.0
"""What is kept stays so many of its own heights away from any text that is hidden: it could be part of it."""
LEAST_STEPS = 4
"""Numbers in equal steps that make a ruler: three could be a date."""
EVEN = 0.15
"""Most deviation of a ruler's number from its even place, in steps."""

_SCALE = re.compile(r"\d{1,3}(?:[.,]\d)? ?(?:[mcnuµμ]m|mM|MM|CM|in)")
"""A length beside a scale bar. (Some readers lose the µ. No bare "m": "45 m" is a man's age.)"""
_MAGNIFIED = re.compile(r"\d{1,3} ?[x×X]|[x×X] ?\d{1,3}")
_SIDE = re.compile(r"[LRDG]|(?:left|right|links|rechts|droite?|gauche|sinistra|destra)", re.IGNORECASE)
"""A side's marker. (No "Li" and "Re", as Germans abbreviate: the one is a surname.)"""
_UNIT = re.compile(r"mm|cm|MM|CM")
_SERIES = re.compile(r"(?:0|[1-9]\d?)(?: [1-9]\d?){3,}|[1-9]\d?(?: [1-9]\d?){2,} 0")
_NUMBER = re.compile(r"0|[1-9]\d?")


@dataclass(frozen=True, slots=True)
class TextLine:
    """A reading: never stored, never shown. ``sure`` is the least, ``mean`` the mean chance of a character, 0 to 1."""

    text: str
    sure: float
    mean: float = 0.0


class Reader:
    """Reads lines. Raises :class:`anonymizer.core.errors.ModelError` where the model cannot be had."""

    def __init__(self, store: Store) -> None:
        half = [127.5] * 3
        self._network = Network(store.load(NAME), bgr=True, mean=half, scale=half)
        listed = self._network.metadata.get("character", "")
        if not listed:
            raise ModelError("model.no-characters", name=NAME)
        self._characters = ["", *listed.splitlines(), " "]
        entry = store.entry(NAME)
        self.model = entry.used_on(self._network.device)

    def rest(self) -> None:
        """Give back the memory that reading took."""
        self._network.rest()

    def let_go(self) -> None:
        """Give back what the network keeps for each shape that it was shown."""
        self._network.let_go()

    def readings(self, pixels: Pixels, region: Region) -> list[TextLine]:
        """What a place reads as in each direction that it may run: two, or four where it is about as high as wide."""
        crop = upright(pixels, np.array(outline(region)))
        high, wide = crop.shape[:2]
        rotations: tuple[int, ...] = (0, 1, 2, 3)
        if max(high, wide) > UPRIGHT * min(high, wide):
            rotations = (1, 3) if high > wide else (0, 2)
        return [self._read(rotated(crop, number)) for number in rotations]

    def harmless(self, pixels: Pixels, regions: Sequence[Region]) -> list[bool]:
        """For each line of text, whether it may stay: a ruler's numbers, a scale, a side's marker.

        Anything that is not read with certainty is not harmless, nor is anything close to what is not, nor a
        number on its own unless it is one of four or more in even steps: it could be part of a date.
        """
        lines = [self._best(pixels, region) for region in regions]
        kept = [line is not None and is_harmless(line.text) for line in lines]
        whole = [region for region, good in zip(regions, kept, strict=True) if good]
        numbers: dict[int, int] = {}
        for n, line in enumerate(lines):
            number = line is not None and bool(_NUMBER.fullmatch(line.text))
            if (line is None or number) and any(
                inside(outline(regions[n]), outline(one)) >= PART for one in whole
            ):
                kept[n] = (
                    True  # a tile's part of a line that another detection saw whole: the "10" of "10 cm"
                )
            elif line and number:
                numbers[n] = int(line.text)
        if _in_steps([(regions[n], value) for n, value in numbers.items()]):
            kept = [good or n in numbers for n, good in enumerate(kept)]
        return _apart(regions, kept)

    def _best(self, pixels: Pixels, region: Region) -> TextLine | None:
        """The reading of a line; None where it is not sure, or sure in two directions."""
        if len(region.corners) != 4:
            return None
        crop = upright(pixels, np.array(region.corners))
        high = crop.shape[0] > UPRIGHT * crop.shape[1]
        lines = [self._read(rotated(crop, rotations)) for rotations in ((1, 3) if high else (0, 2))]
        legible = [line for line in lines if line.sure >= LEGIBLE and line.text]
        if not legible or (high and len(legible) > 1):
            return None
        best = legible[0]
        if len(best.text) == 1 and best is not lines[0]:
            return None  # a 7 upside down is an L
        aspect = max(crop.shape[:2]) / min(crop.shape[:2])
        # A ruler's numbers stand far apart; anything else fills its line.
        filled = _SERIES.fullmatch(best.text) or aspect <= ROOM * len(best.text) + MARGIN
        return best if best.sure >= SURE and filled else None

    def _read(self, crop: Pixels) -> TextLine:
        width = min(LONGEST, max(HEIGHT, round(crop.shape[1] * HEIGHT / crop.shape[0])))
        view = np.full((HEIGHT, -(-width // STEP) * STEP, 3), 127, np.uint8)
        view[:, :width] = cv2.resize(crop, (width, HEIGHT), interpolation=cv2.INTER_AREA)
        chances = np.asarray(self._network.run(view[None])[0][0], np.float32)
        if chances.shape[1] != len(self._characters):
            raise ModelError("model.other-characters", name=NAME)
        return collapsed(chances, self._characters)


def collapsed(chances: NDArray[np.float32], characters: Sequence[str]) -> TextLine:
    """The best path through ``(steps, characters)``, without repeats and blanks (character 0)."""
    best = chances.argmax(axis=1)
    new = best != np.concatenate([[-1], best[:-1]])
    kept = np.flatnonzero(new & (best > 0))
    # A character lasts several steps, and is as sure as the surest of them.
    ends = [*np.flatnonzero(new)[1:], len(best)]
    last = dict(zip(np.flatnonzero(new).tolist(), ends, strict=True))
    each = [float(chances[start : last[start], best[start]].max()) for start in kept.tolist()]
    text = "".join(characters[int(index)] for index in best[kept]).strip()
    return TextLine(text, min(each, default=0.0), float(np.mean(each)) if each else 0.0)


def is_harmless(text: str) -> bool:
    """Whether a text names nobody whatever stands around it: see the patterns of this module."""
    plain = re.sub(r"\s+", " ", text.strip())
    if _SERIES.fullmatch(plain):
        return _steady([int(v) for v in plain.split(" ")])
    return any(pattern.fullmatch(plain) for pattern in (_SCALE, _MAGNIFIED, _SIDE, _UNIT))


def _in_steps(numbers: Sequence[tuple[Region, int]]) -> bool:
    """Whether numbers, each in a place of its own, are a ruler's: equal steps, evenly along one line."""
    # Two detections may have seen the same number.
    numbers = [
        (region, value)
        for n, (region, value) in enumerate(numbers)
        if not any(value == v and region.box.intersection(r.box).area > 0 for r, v in numbers[:n])
    ]
    if len(numbers) < LEAST_STEPS:
        return False
    places = np.array([region.box.centre for region, _ in numbers])
    values = np.array([value for _, value in numbers], np.float64)
    away = places - places.mean(axis=0)
    axis = np.linalg.svd(away, full_matrices=False)[2][0]
    along, beside = away @ axis, away @ np.array([-axis[1], axis[0]])
    order = np.argsort(along)
    step = float(np.ptp(along)) / (len(numbers) - 1)
    even = along[order][0] + step * np.arange(len(numbers))
    if float(np.abs(along[order] - even).max()) > EVEN * step:
        return False
    side = float(np.median([min(region.box.w, region.box.h) for region, _ in numbers]))
    return _steady([int(v) for v in values[order]]) and float(np.abs(beside).max()) <= max(side, 1.0)


def _steady(values: Sequence[int]) -> bool:
    """Equal steps of 1, 2, 5 or 10, up or down."""
    steps = {b - a for a, b in itertools.pairwise(values)}
    return len(steps) == 1 and abs(steps.pop()) in (1, 2, 5, 10)


def _apart(regions: Sequence[Region], kept: Sequence[bool]) -> list[bool]:
    """Without those close to what is hidden: an "R" after a name is its initial, a "10" may be a date's."""
    still = list(kept)
    changed = True
    while changed:
        changed = False
        for n, region in enumerate(regions):
            if not still[n]:
                continue
            near = region.box.padded(APART * min(region.box.w, region.box.h))
            if any(not still[m] and near.intersection(o.box).area > 0 for m, o in enumerate(regions)):
                still[n], changed = False, True
    return still


def upright(pixels: Pixels, quad: NDArray[np.float64]) -> Pixels:
    """The content of a quadrilateral ``(4, 2)`` as the picture reads: left to right, or down."""
    points = quad[np.argsort(np.arctan2(*(quad - quad.mean(axis=0)).T[::-1]))]
    # Clockwise now; the corner nearest to the picture's own top left first.
    points = np.roll(points, -int(np.argmin(points.sum(axis=1))), axis=0).astype(np.float32)
    width = max(8, int(np.linalg.norm(points[1] - points[0])))
    height = max(8, int(np.linalg.norm(points[3] - points[0])))
    there = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(points, there)
    warped = cv2.warpPerspective(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)
