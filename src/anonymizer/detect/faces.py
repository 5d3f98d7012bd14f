"""Faces: an ensemble at several scales and at four rotations, then a sharper look at each doubt.

The first look takes every candidate that any network offers. What the networks do not settle between them
is cut out upright, enlarged and shown to all of them again: confirmed, it is redacted; refuted, it is
dropped; still open, it is a region with ``certain=False``, for a person. docs/detection.md has the
measurements behind every number here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from anonymizer.detect import blazeface, centerface, yunet
from anonymizer.detect.fuse import View, clusters, fused, turned
from anonymizer.detect.weights import Store
from anonymizer.settings import Effort
from anonymizer.types import Box, Detection, Model, Pixels, Region

ALL_TURNS = (0, 1, 2, 3)
ENLARGE = 2.0
"""A small picture is enlarged at most this much: beyond it no network sees more."""
TINY = 10.0
"""Least side of a face that is reported, pixels of the picture: below it nobody is recognised."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one effort looks at: ``(long side, quarter turns)`` for CenterFace; turns for the others."""

    levels: tuple[tuple[int, tuple[int, ...]], ...]
    second: tuple[int, ...] = ALL_TURNS
    second_side: int = 640
    tile: int = 0
    """Long side of the picture that is searched in tiles of 1280; 0 for none."""


PLANS = {
    Effort.FAST: Plan(((320, ALL_TURNS), (640, ALL_TURNS))),
    Effort.STANDARD: Plan(((320, ALL_TURNS), (640, ALL_TURNS), (960, ALL_TURNS))),
    Effort.THOROUGH: Plan(
        ((320, ALL_TURNS), (480, ALL_TURNS), (640, ALL_TURNS), (960, ALL_TURNS), (1280, ALL_TURNS)), tile=3840
    ),
}
RECHECK = ((416, (0, 2)), (736, (0, 1, 3)))
"""Scales between those of ``find``: a face that a scale missed is seen by its neighbour."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Scores between which a candidate is open: at or above ``sure`` redacted, below ``least`` not seen."""

    least: float
    sure: float


FIRST = {
    centerface.NAME: Bounds(0.2, 0.5),
    yunet.NAME: Bounds(0.5, 0.8),
    blazeface.SHORT: Bounds(0.4, 0.8),
    blazeface.FULL: Bounds(0.4, 0.7),
}
LOOK_SIDE = 224
"""Side of the enlarged crop of a doubtful candidate, pixels; the face takes up about half of it."""
LOOK_CONTEXT = 2.2
CONFIRMED = 1.0
REFUTED = 0.55


class FaceFinder:
    """Finds faces: see :class:`anonymizer.detect.RegionFinder`. YuNet takes part where its file is here.

    Raises :class:`anonymizer.errors.ModelError` if a model cannot be had, or does not run.
    """

    def __init__(self, store: Store, effort: Effort = Effort.STANDARD) -> None:
        self.plan = PLANS[effort]
        self._store = store
        self._main = centerface.CenterFace(store)
        self._others: list[blazeface.BlazeFace | yunet.YuNet] = [
            blazeface.BlazeFace(store, blazeface.SHORT),
            blazeface.BlazeFace(store, blazeface.FULL),
        ]
        if store.present(yunet.NAME):
            self._others.append(yunet.YuNet(store))

    def models(self) -> list[Model]:
        """The networks that take part and where each runs."""
        devices = {self._main.name: self._main.network.device}
        for other in self._others:
            devices[other.name] = other.network.device if isinstance(other, yunet.YuNet) else other.device
        entries = [self._store.entry(name) for name in devices]
        return [Model(e.name, e.sha256, e.licence, devices[e.name]) for e in entries]

    def find(self, pixels: Pixels) -> list[Region]:
        """Every face, and every place that may be one, in a picture ``(h, w, 3)`` uint8 RGB."""
        candidates = self._first_look(pixels, self.plan)
        return self._settled(pixels, candidates)

    def recheck(self, pixels: Pixels) -> list[Region]:
        """Faces left in a redacted picture: other scales than ``find``'s, and only what is plain.

        The caller ignores what lies under a veil.
        """
        seen = self._look(pixels, RECHECK, 0.35)
        return self._settled(pixels, seen)

    def glance(self, pixels: Pixels) -> list[Region]:
        """The faces of one upright pass over a small frame, as it is given: no rotation, no second look."""
        height, width = pixels.shape[:2]
        view, small = resized(pixels, min(640, max(width, height)))
        found = [view.back(d) for d in self._main.detect([small], 0.35)[0]]
        return [fused(group) for group in clusters(found) if _size(group) >= TINY]

    def _first_look(self, pixels: Pixels, plan: Plan) -> list[Detection]:
        found = self._look(pixels, plan.levels, FIRST[centerface.NAME].least)
        view, small = resized(pixels, plan.second_side)
        for turns in plan.second:
            picture, turned_view = turned(small, turns), replace(view, turns=turns)
            for other in self._others:
                least = FIRST[other.name].least
                found += [turned_view.back(d) for d in other.detect([picture], least)[0]]
        return found

    def _look(
        self, pixels: Pixels, levels: Sequence[tuple[int, Sequence[int]]], threshold: float
    ) -> list[Detection]:
        """CenterFace's word at each level and turn, in the picture's pixels."""
        views: list[View] = []
        pictures: list[Pixels] = []
        source, origin = pixels, pixels.shape[:2]
        for side, turns in sorted(levels, reverse=True):
            view, small = resized(source, side, origin)
            # Each level is made from the next larger one: reading twelve megapixels once is enough.
            source = small if small.shape[0] <= source.shape[0] else source
            views += [replace(view, turns=t) for t in turns]
            pictures += [turned(small, t) for t in turns]
        answers = self._main.detect(pictures, threshold)
        return [view.back(d) for view, found in zip(views, answers, strict=True) for d in found]

    def _settled(self, pixels: Pixels, candidates: Sequence[Detection]) -> list[Region]:
        """One region per face; each doubt looked at again."""
        height, width = pixels.shape[:2]
        regions = []
        for group in clusters(candidates):
            if _size(group) < TINY or fused(group).box.within(width, height).area <= 0:
                continue
            if any(d.score >= FIRST[d.detector].sure for d in group):
                regions.append(fused(group))
                continue
            again = self._second_look(pixels, group)
            support = sum(d.score for d in best_of_each([*group, *again]))
            if support >= CONFIRMED:
                regions.append(fused([*group, *again]))
            elif support >= REFUTED and _size(group) >= 0.25 * min(width, height):
                regions.append(fused([*group, *again], certain=False))
        return regions

    def _second_look(self, pixels: Pixels, group: Sequence[Detection]) -> list[Detection]:
        """What every network says of the enlarged crop around a candidate, at the four turns."""
        box = fused(group).box
        view, crop = cut(pixels, box, LOOK_CONTEXT, LOOK_SIDE)
        found: list[Detection] = []
        views = [replace(view, turns=t) for t in ALL_TURNS]
        pictures = [turned(crop, t) for t in ALL_TURNS]
        for network in (self._main, *self._others):
            for one, answers in zip(views, network.detect(pictures, 0.2), strict=True):
                found += [one.back(d) for d in answers]
        return [d for d in found if d.box.iou(box) >= 0.35]


def best_of_each(detections: Sequence[Detection]) -> list[Detection]:
    """The best detection of each network."""
    best: dict[str, Detection] = {}
    for d in detections:
        if d.detector not in best or d.score > best[d.detector].score:
            best[d.detector] = d
    return list(best.values())


def resized(pixels: Pixels, side: int, origin: tuple[int, int] | None = None) -> tuple[View, Pixels]:
    """The picture at a long side of ``side`` pixels, enlarged :data:`ENLARGE` times at most.

    ``origin`` is the ``(height, width)`` that the view's coordinates go back to, where ``pixels`` is
    itself a reduced copy.
    """
    height, width = pixels.shape[:2]
    full_height, full_width = origin or (height, width)
    factor = min(side / max(full_height, full_width), ENLARGE)
    w, h = max(1, round(full_width * factor)), max(1, round(full_height * factor))
    view = View(full_width, full_height, 0, (w / full_width, h / full_height))
    if (w, h) == (width, height):
        return view, pixels
    how = cv2.INTER_AREA if w < width else cv2.INTER_LINEAR
    return view, np.asarray(cv2.resize(pixels, (w, h), interpolation=how), np.uint8)


def cut(pixels: Pixels, box: Box, context: float, side: int) -> tuple[View, Pixels]:
    """A square crop around a box, ``context`` times its longer side, resized to ``side`` pixels.

    Past the picture's edge it is black.
    """
    height, width = pixels.shape[:2]
    reach = max(1, round(max(box.w, box.h) * context))
    cx, cy = box.centre
    left, top = round(cx - reach / 2), round(cy - reach / 2)
    x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + reach), min(height, top + reach)
    inside = pixels[y1:y2, x1:x2]
    edges = (y1 - top, top + reach - y2, x1 - left, left + reach - x2)
    square = (
        cv2.copyMakeBorder(inside, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0)) if any(edges) else inside
    )
    how = cv2.INTER_AREA if side < reach else cv2.INTER_CUBIC
    crop = np.asarray(cv2.resize(square, (side, side), interpolation=how), np.uint8)
    return View(reach, reach, 0, (side / reach, side / reach), left, top), crop


def _size(group: Sequence[Detection]) -> float:
    return min(group[0].box.w, group[0].box.h)
