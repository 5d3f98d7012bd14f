"""Faces: an ensemble at several scales and at four rotations, then a close look at each large doubt.

What is done with a candidate is decided in :mod:`anonymizer.detect.faces.decide`; what is only a part of a face is
asked about (:mod:`anonymizer.detect.faces.parts`). docs/detection.md has the measurements behind every number here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain

import cv2
import numpy as np

from anonymizer.core.geometry import scaled_size
from anonymizer.core.pixels import halved, shrunk
from anonymizer.core.settings import Effort
from anonymizer.core.types import Action, Box, Detection, Model, Pixels, Region
from anonymizer.detect.faces import blazeface, centerface, yunet
from anonymizer.detect.faces.centerface import MULTIPLE
from anonymizer.detect.faces.decide import (
    TINY,
    Rules,
    asked_once_where_few_are_plain,
    best,
    decide,
)
from anonymizer.detect.faces.fusion import (
    View,
    clusters,
    cut,
    fused,
    landmarks,
    rotated,
    upright_rotation,
)
from anonymizer.detect.faces.parts import NAME as PARTS
from anonymizer.detect.faces.parts import FaceParts
from anonymizer.detect.models.store import Store

ALL_ROTATIONS = (0, 1, 2, 3)
ENLARGE = 4.0
"""A small picture is enlarged at most this much: beyond it no network sees more."""
Levels = tuple[tuple[int, tuple[int, ...]], ...]
"""``(long side in pixels, quarter turns)`` at which CenterFace searches."""


@dataclass(frozen=True, slots=True)
class FacePlan:
    """What one effort searches."""

    levels: Levels
    fine: tuple[int, ...] = ()
    """Further long sides, for pictures larger than they are and at the rotation at which most was found: small
    faces are found a good deal off upright, and turning a large picture four times costs most of all."""
    fine_rotations: int = 1
    others: bool = True
    """Ask BlazeFace, and YuNet where its file is here."""
    tiled: int = 0
    """Long side at which a larger picture is searched in tiles as well; 0 for not at all."""


PLANS = {
    Effort.FAST: FacePlan(((320, ALL_ROTATIONS), (640, ALL_ROTATIONS)), others=False),
    Effort.STANDARD: FacePlan(
        ((320, ALL_ROTATIONS), (480, ALL_ROTATIONS), (800, ALL_ROTATIONS)), fine=(1152,)
    ),
    Effort.THOROUGH: FacePlan(
        (
            (224, ALL_ROTATIONS),
            (320, ALL_ROTATIONS),
            (480, ALL_ROTATIONS),
            (640, ALL_ROTATIONS),
            (800, ALL_ROTATIONS),
            (1120, ALL_ROTATIONS),
        ),
        fine=(1600,),
        fine_rotations=4,
        tiled=3840,
    ),
}
OTHERS_SIDE = 640
VERIFICATION_LEVELS: Levels = ((544, ALL_ROTATIONS),)
"""A scale between those of ``find``: a face that both its neighbours missed is seen by it."""
VERIFICATION_SCORE = 0.4
NEAR_CONTEXT = 3.0
"""The part of a picture about a face's place that is looked at for it, in sides of the face …"""
NEAR_SIDE = 192
"""… and the pixels it has then at most, with a face of 64; none is enlarged, for a small redaction looks like a face
when it is."""
QUICK_SIDE = 640
QUICK_SCORE = 0.2
AROUND_SIDE = 480
"""Long side for the rotations at which nobody stands so far: who lies down is not small all at once."""
TILE = 1280
TILE_OVERLAP = 128


LEAST_OTHER = 0.4
"""BlazeFace and YuNet: what scores less is no candidate."""
CROP_SIDE = 224
"""Side of the enlarged crop of a doubtful candidate, pixels."""
CROP_CONTEXTS = (1.4, 2.2)
"""The crop's side in sides of the candidate: a face without its head is hard to tell, and much about it is hidden
where it fills the frame."""
CROP_LEAST = 0.05
"""The least score that the close look tells of."""


class FaceFinder:
    """Finds faces: see :class:`anonymizer.detect.base.RegionFinder`. YuNet takes part where its file is here.

    Raises :class:`anonymizer.core.errors.ModelError` if a model cannot be had, or does not run.
    """

    def __init__(self, store: Store, effort: Effort = Effort.STANDARD) -> None:
        self.plan = PLANS[effort]
        self.rules = Rules()
        self._store = store
        with ThreadPoolExecutor(1) as beside:
            # Two runtimes: one is imported while the other compiles.
            others = beside.submit(_others, store) if self.plan.others else None
            self._main = centerface.CenterFace(store)
            self._others = others.result() if others else []
            self._parts = FaceParts(store) if self.plan.others else None

    def with_rules(self, rules: Rules) -> FaceFinder:
        """The same networks under other rules: to measure what a rule does."""
        other = copy.copy(self)
        other.rules = rules
        return other

    def models(self) -> list[Model]:
        """The networks that take part and where each runs."""
        devices = {self._main.name: self._main.network.device}
        for other in self._others:
            devices[other.name] = other.network.device
        if self._parts:
            devices[PARTS] = self._parts.device
        entries = [self._store.entry(name) for name in devices]
        return [e.used_on(devices[e.name]) for e in entries]

    def find(self, pixels: Pixels) -> list[Region]:
        """Every face, and every place that may be one, in a picture ``(h, w, 3)`` uint8 RGB."""
        least = min(self.rules.small, self.rules.large)
        # Every smaller copy is made from one: reading twelve megapixels once is enough.
        copy = halved(pixels, max((OTHERS_SIDE, *self.plan.fine, *(side for side, _ in self.plan.levels))))
        found = self._detect(pixels, self.plan.levels, least, copy)
        with ThreadPoolExecutor(1) as beside:
            # One large picture keeps one core busy, and so do they.
            others = beside.submit(self._detect_others, pixels, copy)
            found += self._detect_fine(pixels, found, least, copy)
            found += others.result()
        if self.plan.tiled and max(pixels.shape[:2]) > TILE:
            found += self._detect_tiled(pixels, least)
        regions = self._decided(pixels, found)
        if self._parts:
            regions = self._parts.judge(pixels, regions)
        regions = asked_once_where_few_are_plain(regions, self.rules)
        return [region for region in regions if region.action is not Action.LEAVE]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        """Plain faces left in a redacted picture, at another scale than ``find``'s.

        The caller ignores what lies under a redaction.
        """
        found = self._detect(pixels, VERIFICATION_LEVELS, VERIFICATION_SCORE)
        return self._decided(pixels, found)

    def verification_pass_near(
        self, pixels: Pixels, places: Sequence[Box], rotations: Sequence[int]
    ) -> list[Region]:
        """What :meth:`verification_pass` says, of faces at and about these places alone, at these quarter turns."""
        views: list[View] = []
        pictures: list[Pixels] = []
        for place in places:
            side = min(NEAR_SIDE, max(MULTIPLE, round(NEAR_CONTEXT * max(place.w, place.h))))
            more, crops = _at_rotations(*cut(pixels, place, NEAR_CONTEXT, side), rotations)
            views += more
            pictures += crops
        answers = self._main.detect(pictures, VERIFICATION_SCORE)
        return _each_once([view.back(d) for view, some in zip(views, answers, strict=True) for d in some])

    def close_look(self, pixels: Pixels, box: Box) -> float:
        """CenterFace's score of a place that is cut out and enlarged, 0 if it sees nothing there."""
        return best(self._detect_enlarged(pixels, box), centerface.NAME)

    def quick_find(
        self, pictures: Sequence[Pixels], rotations: tuple[int, ...] = (0,), side: int = QUICK_SIDE
    ) -> list[list[Region]]:
        """Quick detection: the faces of each of several frames of one size, without a second opinion.

        ``rotations`` are the quarter turns at which each is searched, ``side`` its long side for that, pixels.
        """
        views: list[View] = []
        shown: list[Pixels] = []
        for pixels in pictures:
            more, copies = _at_rotations(*resized(pixels, side), rotations)
            views += more
            shown += copies
        answers = self._main.detect(shown, QUICK_SCORE) if shown else []
        backs = [[view.back(d) for d in found] for view, found in zip(views, answers, strict=True)]
        each = [list(chain(*backs[i : i + len(rotations)])) for i in range(0, len(backs), len(rotations))]
        return [_each_once(found) for found in each]

    def quick_find_around(self, pixels: Pixels, rotations: Sequence[int]) -> list[Region]:
        """Quick detection: the faces of one frame at all rotations, with most care at these."""
        others = tuple(rotation for rotation in ALL_ROTATIONS if rotation not in rotations)
        levels = (QUICK_SIDE, tuple(rotations)), (AROUND_SIDE, others)
        return _each_once(self._detect(pixels, levels, QUICK_SCORE))

    def rest(self) -> None:
        """Give back the memory that a search took."""
        for network in (self._main.network, *(other.network for other in self._others)):
            network.rest()
        if self._parts:
            self._parts.rest()

    def let_go(self) -> None:
        """Give back what CenterFace keeps for each shape that it was shown as well."""
        self._main.network.let_go()
        self.rest()

    def _detect(
        self, pixels: Pixels, levels: Levels, threshold: float, smaller: Pixels | None = None
    ) -> list[Detection]:
        """CenterFace's word at each level and rotation, in the picture's pixels. ``smaller``: a copy that is no smaller
        than any level."""
        views: list[View] = []
        pictures: list[Pixels] = []
        source, origin = pixels if smaller is None else smaller, pixels.shape[:2]
        for side, rotations in sorted(levels, reverse=True):
            view, small = resized(source, side, origin)
            # Each level is made from the next larger one: reading twelve megapixels once is enough.
            source = small if small.shape[0] <= source.shape[0] else source
            views += [replace(view, rotations=t) for t in rotations]
            pictures += [rotated(small, t) for t in rotations]
        answers = self._main.detect(pictures, threshold)
        return [view.back(d) for view, found in zip(views, answers, strict=True) for d in found]

    def _detect_fine(
        self, pixels: Pixels, found: Sequence[Detection], threshold: float, smaller: Pixels
    ) -> list[Detection]:
        longest = max(pixels.shape[:2])
        sides = [side for side in self.plan.fine if longest > self.plan.levels[-1][0]]
        weight = dict.fromkeys(ALL_ROTATIONS, 0.0)
        for group in clusters(found):
            weight[upright_rotation(landmarks(group))] += group[0].score ** 2
        # Stable: with nothing found, as the picture is.
        rotations = tuple(sorted(ALL_ROTATIONS, key=lambda t: -weight[t])[: self.plan.fine_rotations])
        levels = tuple((min(side, longest), rotations) for side in sides)
        return self._detect(pixels, levels, threshold, smaller)

    def _detect_others(self, pixels: Pixels, smaller: Pixels) -> list[Detection]:
        if not self._others:
            return []
        view, small = resized(smaller, OTHERS_SIDE, pixels.shape[:2])
        found: list[Detection] = []
        for rotations in ALL_ROTATIONS:
            one, picture = replace(view, rotations=rotations), rotated(small, rotations)
            for other in self._others:
                found += [one.back(d) for d in other.detect([picture], LEAST_OTHER)[0]]
        return found

    def _detect_tiled(self, pixels: Pixels, threshold: float) -> list[Detection]:
        """A large picture in overlapping tiles, upright: small faces in a huge photo."""
        height, width = pixels.shape[:2]
        view, large = resized(pixels, min(self.plan.tiled, max(height, width)))
        found = []
        for top, left, tile in tiles(large):
            for d in self._main.detect([tile], threshold)[0]:
                moved = Box(d.box.x + left, d.box.y + top, d.box.w, d.box.h)
                marks = tuple((x + left, y + top) for x, y in d.landmarks)
                found.append(view.back(replace(d, box=moved, landmarks=marks)))
        return found

    def _decided(self, pixels: Pixels, found: Sequence[Detection]) -> list[Region]:
        size = pixels.shape[1], pixels.shape[0]
        return decide(found, size, lambda box: self._detect_enlarged(pixels, box), self.rules)

    def _detect_enlarged(self, pixels: Pixels, box: Box) -> list[Detection]:
        """What every network says of the place, cut out and enlarged, narrow and wide, at the four rotations."""
        views: list[View] = []
        pictures: list[Pixels] = []
        for context in CROP_CONTEXTS:
            more, crops = _at_rotations(*cut(pixels, box, context, CROP_SIDE), ALL_ROTATIONS)
            views += more
            pictures += crops
        found: list[Detection] = []
        for network in (self._main, *self._others):
            for one, answers in zip(views, network.detect(pictures, CROP_LEAST), strict=True):
                found += [one.back(d) for d in answers]
        return [d for d in found if d.box.iou(box) >= 0.35]


def _others(store: Store) -> list[blazeface.BlazeFace | yunet.YuNet]:
    """The networks beside CenterFace."""
    found: list[blazeface.BlazeFace | yunet.YuNet] = []
    found += [blazeface.BlazeFace(store, name) for name in (blazeface.SHORT, blazeface.FULL)]
    found += [yunet.YuNet(store)] if store.present(yunet.NAME) else []
    return found


def tiles(picture: Pixels) -> Iterator[tuple[int, int, Pixels]]:
    """``(top, left, tile)``: tiles of at most :data:`TILE` pixels a side that share an overlap."""
    height, width = picture.shape[:2]
    step = TILE - TILE_OVERLAP
    for top in range(0, max(1, height - TILE_OVERLAP), step):
        for left in range(0, max(1, width - TILE_OVERLAP), step):
            yield top, left, np.ascontiguousarray(picture[top : top + TILE, left : left + TILE])


def resized(pixels: Pixels, side: int, origin: tuple[int, int] | None = None) -> tuple[View, Pixels]:
    """The picture at a long side of ``side`` pixels, enlarged :data:`ENLARGE` times at most.

    ``origin`` is the ``(height, width)`` that the view's coordinates go back to, where ``pixels`` is
    itself a reduced copy.
    """
    height, width = pixels.shape[:2]
    full_height, full_width = origin or (height, width)
    factor = min(side / max(full_height, full_width), ENLARGE)
    w, h = scaled_size(full_width, full_height, factor)
    view = View(full_width, full_height, 0, (w / full_width, h / full_height))
    if (w, h) == (width, height):
        return view, pixels
    if w < width:
        return view, shrunk(pixels, w, h)
    return view, np.asarray(cv2.resize(pixels, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)


def _at_rotations(view: View, picture: Pixels, rotations: Sequence[int]) -> tuple[list[View], list[Pixels]]:
    return [replace(view, rotations=t) for t in rotations], [rotated(picture, t) for t in rotations]


def _each_once(found: Sequence[Detection]) -> list[Region]:
    """One region for each face, however often it was seen; none for what is too small."""
    return [fused(group) for group in clusters(found) if min(group[0].box.w, group[0].box.h) >= TINY]
