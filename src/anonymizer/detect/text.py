"""Text, with PP-OCR's detector (differentiable binarisation, Liao et al. 2020, arXiv:1911.08947).

The network gives each pixel a chance to be in the core of a line of text; a core is grown back to the whole
line by the ratio it was shrunk by in training. It finds lines at any angle and reading downwards, so turns
add little; what it needs is size: print is found from some eight pixels of height in what it is shown. So it
is shown the whole picture small, and tiles of it large where there are thin strokes (:mod:`.strokes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.detect.fuse import turned
from anonymizer.detect.runtime import Network
from anonymizer.detect.strokes import TILE, scaled, strokes, tiles
from anonymizer.detect.textnet import Reader
from anonymizer.detect.weights import Store
from anonymizer.settings import Effort, TextPolicy
from anonymizer.types import Box, Evidence, Kind, Model, Pixels, Point, Region

CORE = 0.3
"""Chance from which a pixel belongs to a core (PP-OCR's own setting)."""
SURE = 0.5
"""Mean chance over a core from which it is text (PP-OCR's own setting)."""
SMALL = 20.0
"""A core up to this height in the shown picture is text at that chance; towards :data:`LARGE` it needs more, …"""
SURER = 0.35
"""… up to so much more: an ear or a patch of blisters scores 0.5 to 0.75, a word in letters that large 0.85."""
UNCLIP = 1.6
"""Growth of a core: area × ratio / perimeter on each side (PP-OCR's own setting)."""
MIN_SIDE = 3.0
"""Least height of a core in the shown picture, pixels."""
LARGE = 72.0
"""A core higher than this in the shown picture is left to a smaller look, where a line that large is read as
well and a head against a wall is not taken for a letter …"""
LARGE_SURE = 0.92
"""… and at the smallest look must score so much …"""
LARGE_ASPECT = 2.5
"""… and be a line: to this network a whole patch of skin, or a head before a wall, is one large sign."""
MULTIPLE = 32
SAME = 0.5
Looks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the network looks: at the whole picture, and through tiles where there may be small print."""

    whole: Looks
    """Long sides, each with the quarter turns: it reads downwards too, but less surely."""
    tiled: tuple[int, ...]
    """Long sides of the picture that the tiles are cut from; 0 is its own."""
    most: int
    """Tiles at most per such side, those with the most strokes first."""


PLANS: dict[Effort, Plan] = {
    Effort.FAST: Plan(((960, 0),), (), 0),
    Effort.STANDARD: Plan(((736, 0), (736, 1)), (1440, 0), 12),
    Effort.THOROUGH: Plan(((736, 0), (1088, 1), (1440, 0)), (1440, 2880, 0), 400),
}
RECHECK: Looks = ((960, 0),)
RECHECK_SURE = 0.7
ENLARGE = 2.0
NAME = "ppocr-detection"


class TextFinder:
    """Finds lines of text; see :class:`anonymizer.detect.RegionFinder`.

    Raises :class:`anonymizer.errors.ModelError` where the model cannot be had.
    """

    def __init__(
        self, store: Store, policy: TextPolicy = TextPolicy.ALL, effort: Effort = Effort.STANDARD
    ) -> None:
        self.plan = PLANS[effort]
        self.policy = policy
        half = [127.5] * 3
        self.network = Network(store.load(NAME), bgr=True, mean=half, scale=half)
        entry = store.entry(NAME)
        self._models = [Model(entry.name, entry.sha256, entry.licence, self.network.device)]
        self._reader = Reader(store) if policy is TextPolicy.IDENTIFYING else None
        if self._reader:
            self._models.append(self._reader.model)

    def models(self) -> list[Model]:
        return list(self._models)

    def find(self, pixels: Pixels) -> list[Region]:
        found = [r for look in self.plan.whole for r in self._look(pixels, *look, SURE)]
        done: set[tuple[int, int]] = set()
        for side in self.plan.tiled:
            shown = resized(pixels, side or max(pixels.shape))
            if shown.shape[:2] not in done:
                done.add(shown.shape[:2])
                found += self._tiles(shown, pixels.shape[:2], found if len(done) > 1 else [])
        return self._to_hide(pixels, _merged(found))

    def recheck(self, pixels: Pixels) -> list[Region]:
        found = [region for look in RECHECK for region in self._look(pixels, *look, RECHECK_SURE)]
        return self._to_hide(pixels, _merged(found))

    def _to_hide(self, pixels: Pixels, lines: list[Region]) -> list[Region]:
        """All lines, or those that are not clearly harmless, as the policy says."""
        if self._reader is None:
            return lines
        harmless = self._reader.harmless(pixels, lines)
        return [line for line, kept in zip(lines, harmless, strict=True) if not kept]

    def _look(self, pixels: Pixels, side: int, turns: int, least: float) -> list[Region]:
        shown = resized(pixels, side)
        large = LARGE_SURE if side == self.plan.whole[0][0] else 1.0
        return self._read(shown, (0, 0), shown.shape[:2], pixels.shape[:2], turns, least, large)

    def _tiles(self, shown: Pixels, size: tuple[int, int], known: list[Region]) -> list[Region]:
        """Lines in the tiles of ``shown`` that may hold print and no line that is known already."""
        scale = shown.shape[1] / size[1], shown.shape[0] / size[0]
        places = tiles(strokes(shown), [scaled(r.box, *scale) for r in known], self.plan.most)
        found = []
        for left, top in places:
            tile = shown[top : top + TILE, left : left + TILE]
            found += self._read(tile, (left, top), shown.shape[:2], size, 0, SURE, 1.0)
        return found

    def _read(
        self,
        view: Pixels,
        corner: tuple[int, int],
        shown: tuple[int, int],
        size: tuple[int, int],
        turns: int,
        least: float,
        large: float,
    ) -> list[Region]:
        """The lines in a view, in the picture's pixels.

        The view's top left is at ``corner`` (x, y) of a picture ``shown`` (h, w), which is the picture of
        ``size`` (h, w) at another size.
        """
        h, w = view.shape[:2]
        answer = self.network.run(turned(view, turns)[None])[0]
        chances = np.asarray(answer, np.float32).reshape((w, h) if turns % 2 else (h, w))
        chances = np.ascontiguousarray(np.rot90(chances, -turns))
        back = size[1] / shown[1], size[0] / shown[0]
        return [_region((quad + corner) * back, score, size) for quad, score in _lines(chances, least, large)]


def resized(pixels: Pixels, side: int) -> Pixels:
    """The picture with about this long side (at most twice its own), both sides multiples of 32."""
    height, width = pixels.shape[:2]
    factor = min(side / max(height, width), ENLARGE)
    w, h = (max(MULTIPLE, round(s * factor / MULTIPLE) * MULTIPLE) for s in (width, height))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (w, h), interpolation=how), np.uint8)


def _lines(
    chances: NDArray[np.float32], least: float, large: float
) -> list[tuple[NDArray[np.float64], float]]:
    """Quadrilaterals ``(4, 2)`` of the lines in a map of chances ``(h, w)``, in its pixels, with their scores.

    ``least`` is the score from which a core is text, ``large`` the same for one higher than :data:`LARGE`.
    """
    cores = cv2.dilate((chances > CORE).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(cores, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for contour in contours:
        rect = cv2.minAreaRect(contour)
        (cx, cy), (w, h), angle = rect
        if min(w, h) < MIN_SIDE:
            continue
        score = _mean_inside(chances, np.asarray(contour, np.int32))
        if min(w, h) > LARGE and (score < large or max(w, h) < LARGE_ASPECT * min(w, h)):
            continue
        if score < least + SURER * min(1.0, max(0.0, min(w, h) - SMALL) / (LARGE - SMALL)):
            continue
        grow = w * h * UNCLIP / (2 * (w + h))
        quad = cv2.boxPoints(((cx, cy), (w + 2 * grow, h + 2 * grow), angle))
        lines.append((np.asarray(quad, np.float64), score))
    return lines


def _mean_inside(chances: NDArray[np.float32], contour: NDArray[np.int32]) -> float:
    left, top, w, h = cv2.boundingRect(contour)
    mask: NDArray[np.uint8] = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [contour - np.array([[left, top]], np.int32)], 1)
    return float(cv2.mean(chances[top : top + h, left : left + w], mask)[0])


def _region(points: NDArray[np.float64], score: float, size: tuple[int, int]) -> Region:
    (x, y), (right, bottom) = points.min(axis=0), points.max(axis=0)
    corners: tuple[Point, ...] = tuple((float(px), float(py)) for px, py in points)
    box = Box(float(x), float(y), float(right - x), float(bottom - y)).within(size[1], size[0])
    return Region(box, Kind.TEXT, (Evidence(NAME, round(score, 3)),), corners=corners)


def _merged(regions: list[Region]) -> list[Region]:
    """Without the views of one line that another view covers; the larger stays."""
    kept: list[Region] = []
    for region in sorted(regions, key=lambda r: -r.box.area):
        if not any(
            region.box.covered_by(other.box) > 0.9 and region.box.iou(other.box) > SAME for other in kept
        ):
            kept.append(region)
    return kept
