"""Faces: an ensemble that looks at four rotations and several sizes, and looks twice where it doubts.

Thresholds and scales come from ``benchmarks/recall.py``; docs/detection.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anonymizer.detect.blazeface import BlazeFace
from anonymizer.detect.centerface import CenterFace
from anonymizer.detect.fuse import clustered, fused, moved, turned, turned_back
from anonymizer.detect.weights import Store
from anonymizer.detect.yunet import YuNet
from anonymizer.settings import Effort
from anonymizer.types import Box, Detection, Model, Pixels, Region

UPRIGHT = (0,)
ALL_TURNS = (0, 1, 2, 3)
"""Quarter turns: patients lie down, and phones are held any way."""
CENTERFACE_FLOOR = 0.2
BLAZEFACE_FLOOR = 0.4
YUNET_FLOOR = 0.6
SURE = 0.5
"""A CenterFace score that needs no second opinion."""
RECHECK_FLOOR = 0.5
MAX_ENLARGING = 3.0
"""A small picture is not enlarged beyond this: nothing is there to find."""
MIN_FACE = 8.0
"""Pixels: a smaller face identifies nobody."""
LOOK_SIDE = 256
"""The second look shows a candidate with its surroundings at this size, pixels."""
LOOK_CONTEXT = 2.6
"""… its box grown so much, since a face without its head is hard to tell."""
LOOK_FLOOR = 0.3
TILE = 1600
TILE_OVERLAP = 200
ASK_SHARE = 0.12
"""A candidate that stays in doubt is shown to a person when its side is such a share of the picture's."""
ASK_SCORE = 0.35


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes (long side, pixels) at which CenterFace looks, each with the quarter turns it looks at.

    ``large`` passes are added when the picture's long side is at least 1.5 times as large as they are.
    """

    looks: tuple[tuple[int, tuple[int, ...]], ...]
    large: tuple[tuple[int, tuple[int, ...]], ...]
    tiles: bool
    recheck: tuple[tuple[int, tuple[int, ...]], ...]


PLANS = {
    Effort.FAST: Plan(
        looks=((320, UPRIGHT), (640, ALL_TURNS)),
        large=(),
        tiles=False,
        recheck=((512, ALL_TURNS),),
    ),
    Effort.STANDARD: Plan(
        looks=((320, ALL_TURNS), (640, ALL_TURNS), (1280, ALL_TURNS)),
        large=((2048, UPRIGHT),),
        tiles=False,
        recheck=((480, ALL_TURNS), (960, ALL_TURNS)),
    ),
    Effort.THOROUGH: Plan(
        looks=((160, ALL_TURNS), (320, ALL_TURNS), (640, ALL_TURNS), (960, ALL_TURNS), (1280, ALL_TURNS)),
        large=((2048, ALL_TURNS),),
        tiles=True,
        recheck=((480, ALL_TURNS), (960, ALL_TURNS), (1440, ALL_TURNS)),
    ),
}


class FaceFinder:
    """The ensemble; see :class:`anonymizer.detect.RegionFinder`.

    Raises :class:`anonymizer.errors.ModelError` where CenterFace or BlazeFace cannot be had. YuNet joins
    when its file is there, and is never fetched by itself.
    """

    def __init__(self, store: Store, effort: Effort = Effort.STANDARD) -> None:
        self.plan = PLANS[effort]
        self.centerface = CenterFace(store.path("centerface"))
        self.blazefaces = [
            BlazeFace(name, store.path(name), BLAZEFACE_FLOOR)
            for name in ("blazeface-short", "blazeface-full")
        ]
        self.yunet = YuNet(store.path("yunet"), YUNET_FLOOR) if store.present("yunet") else None
        names = ["centerface", *(b.name for b in self.blazefaces), *(["yunet"] if self.yunet else [])]
        entries = [store.entry(name) for name in names]
        device = {"centerface": self.centerface.network.device}
        self._models = [Model(e.name, e.sha256, e.licence, device.get(e.name, "CPU")) for e in entries]

    def models(self) -> list[Model]:
        return self._models

    def find(self, pixels: Pixels) -> list[Region]:
        candidates = self.candidates(pixels)
        regions = []
        for group in clustered(candidates):
            if self._agreed(group):
                regions.append(fused(group, certain=True))
            elif looked := self._second_look(pixels, group):
                regions.append(fused([*group, *looked], certain=True))
            elif _worth_asking(group, pixels):
                regions.append(fused(group, certain=False))
        return regions

    def recheck(self, pixels: Pixels) -> list[Region]:
        found = [d for d in self._centerface(pixels, self.plan.recheck) if d.score >= RECHECK_FLOOR]
        return [fused(group, certain=True) for group in clustered(found)]

    def glance(self, pixels: Pixels) -> list[Region]:
        """One upright look at a small picture, as it is: for a clip's frames between full searches."""
        side = max(pixels.shape[:2])
        found = self.centerface.detect(pixels, side, CENTERFACE_FLOOR)
        return [fused(group, group[0].score >= SURE) for group in clustered(found)]

    def candidates(self, pixels: Pixels) -> list[Detection]:
        """Every detector's raw word at every size and turn, in the picture's pixels."""
        height, width = pixels.shape[:2]
        looks = list(self.plan.looks)
        looks += [look for look in self.plan.large if max(height, width) >= 1.5 * look[0]]
        found = list(self._centerface(pixels, looks))
        small = _shrunk(pixels, 640)
        scale = width / small.shape[1]
        for quarters in ALL_TURNS:
            picture = turned(small, quarters)
            seen = [d for blazeface in self.blazefaces for d in blazeface.detect(picture)]
            if self.yunet:
                seen += self.yunet.detect(picture, 640)
            for detection in seen:
                back = turned_back(detection, quarters, small.shape[1], small.shape[0])
                found.append(_scaled(back, scale))
        if self.plan.tiles and max(height, width) > 2 * TILE:
            found += self._tiles(pixels)
        return [d for d in found if min(d.box.w, d.box.h) >= MIN_FACE]

    def _centerface(
        self, pixels: Pixels, looks: Sequence[tuple[int, tuple[int, ...]]]
    ) -> Iterator[Detection]:
        height, width = pixels.shape[:2]
        shrunk = pixels
        # Largest first: each size is shrunk from the one before, not from the original again.
        for long_side, turns in sorted(looks, reverse=True):
            side = min(long_side, round(MAX_ENLARGING * max(height, width)))
            shrunk = _shrunk(shrunk, side)
            scale = width / shrunk.shape[1]
            for quarters in turns:
                for detection in self.centerface.detect(turned(shrunk, quarters), side, CENTERFACE_FLOOR):
                    back = turned_back(detection, quarters, shrunk.shape[1], shrunk.shape[0])
                    yield _scaled(back, scale)

    def _tiles(self, pixels: Pixels) -> Iterator[Detection]:
        """The picture at full size, in overlapping squares: faces of a few dozen pixels in a huge photo."""
        height, width = pixels.shape[:2]
        step = TILE - TILE_OVERLAP
        for top in range(0, max(1, height - TILE_OVERLAP), step):
            for left in range(0, max(1, width - TILE_OVERLAP), step):
                tile = np.ascontiguousarray(pixels[top : top + TILE, left : left + TILE])
                for detection in self.centerface.detect(tile, max(tile.shape[:2]), CENTERFACE_FLOOR):
                    yield moved(detection, left, top)

    @staticmethod
    def _agreed(group: Sequence[Detection]) -> bool:
        """Sure by itself, or seen by two detectors, or by one at three sizes or turns."""
        return group[0].score >= SURE or len({d.detector for d in group}) > 1 or len(group) > 2

    def _second_look(self, pixels: Pixels, group: Sequence[Detection]) -> list[Detection]:
        """Crop the candidate with its surroundings, enlarge it, and ask both detectors at every turn."""
        height, width = pixels.shape[:2]
        box = group[0].box.scaled(LOOK_CONTEXT)
        left, top, right, bottom = box.pixels(width, height)
        if right - left < 4 or bottom - top < 4:
            return []
        crop = pixels[top:bottom, left:right]
        factor = LOOK_SIDE / max(crop.shape[:2])
        size = (max(1, round(crop.shape[1] * factor)), max(1, round(crop.shape[0] * factor)))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        shown = np.asarray(cv2.resize(crop, size, interpolation=how), np.uint8)
        seen: list[Detection] = []
        for quarters in ALL_TURNS:
            picture = turned(shown, quarters)
            for detection in (
                *self.centerface.detect(picture, LOOK_SIDE, LOOK_FLOOR),
                *(d for blazeface in self.blazefaces for d in blazeface.detect(picture)),
            ):
                back = turned_back(detection, quarters, shown.shape[1], shown.shape[0])
                seen.append(moved(_scaled(back, 1 / factor), left, top))
        return [d for d in seen if d.box.iou(group[0].box) >= 0.2]


def _worth_asking(group: Sequence[Detection], pixels: Pixels) -> bool:
    box = group[0].box
    return group[0].score >= ASK_SCORE and max(box.w, box.h) >= ASK_SHARE * min(pixels.shape[:2])


def _shrunk(pixels: Pixels, long_side: int) -> Pixels:
    """The picture with its long side at ``long_side`` at most."""
    height, width = pixels.shape[:2]
    factor = long_side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(detection: Detection, factor: float) -> Detection:
    b = detection.box
    box = Box(b.x * factor, b.y * factor, b.w * factor, b.h * factor)
    marks = tuple((x * factor, y * factor) for x, y in detection.landmarks)
    return Detection(box, detection.score, detection.kind, detection.detector, marks, detection.corners)
