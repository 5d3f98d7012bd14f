"""Parts of faces: a profile, a nose with a mouth, an eye with its brow, an eye bar. They are no face to a detector.

A patient is known by them all the same, so a person is asked. Two things speak for a part: a small network of the
project's own (models/train/parts.py) that stands on CenterFace's trunk, and a bar or a mosaic that somebody drew on
skin. The same network is a second opinion on large faces that the detectors are not sure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, QuestionKind, Region
from anonymizer.detect.faces import centerface
from anonymizer.detect.faces.bars import bars
from anonymizer.detect.faces.fusion import View, cut, rotated, upright_rotation
from anonymizer.detect.faces.mosaics import mosaics
from anonymizer.detect.marks.skin import skin
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network
from anonymizer.detect.trunk import coarser, shared

NAME = "face-parts"
BAR, MOSAIC = "bar drawn on skin", "mosaic drawn on skin"
SIDE = 256
"""Side of the square copy that is looked at, pixels: a part of a face that matters is large."""
STRIDE = 32
SHARP = 4.0
"""The picture's score is a soft maximum of its cells': the logarithm of the mean of ``exp(SHARP * cell)``."""
MIDDLE = 0.85
"""Share of both sides of the picture's middle, which is looked at alone as well: what is a part of a face stays one."""
ASK, ASK_ROTATED = 0.70, 0.90
"""The network's score at which a person is asked; of a picture that stands on its side or head, which is rare …"""
ASK_OPEN, OPEN = 0.60, 0.15
"""… and the score of the whole picture that is enough where CenterFace's is what hides a small face, and its close look
sees nothing."""
SUPPORT, AGREES = 0.50, 0.60
"""The network's score, of a place and its mirror image, and BlazeFace's or YuNet's, of which one is needed to ask
about a large face of which CenterFace is not sure, or BlazeFace alone is."""
PLACE = 1.4
"""What is looked at of such a place, in its sides."""
LEAST_SKIN = 0.1
"""Share of the picture that must have the colour of skin."""
PLAIN, PLAIN_SCORE = 0.08, 0.5
"""A hidden face of this share of the picture's lesser side, and this score, is what the network would see."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How sure the network is of a part of a face, 0 to 1: of the picture, its mirror image and its middle together, of
    the first two, and where; and at one to three quarter turns, each with its place."""

    sure: float
    whole: float
    box: Box
    turned: tuple[tuple[float, Box], ...]


class FaceParts:
    """Asks about parts of faces. Raises :class:`anonymizer.core.errors.ModelError` if a model cannot be had."""

    def __init__(self, store: Store) -> None:
        self._trunk = shared(store)
        self._head = Network(store.load(NAME), pictures=False, exact=True)

    @property
    def device(self) -> str:
        """Where the network runs."""
        return self._head.device

    def rest(self) -> None:
        """Give back the memory that a search took."""
        self._trunk.network.rest()

    def judge(self, pixels: Pixels, regions: Sequence[Region]) -> list[Region]:
        """The regions of a picture ``(h, w, 3)`` uint8 RGB, and a question for each part of a face beside them.

        A place that the detectors left open (``Action.LEAVE``) is asked about where the network sees a part.
        """
        height, width = pixels.shape[:2]
        judged = [self._supported(pixels, region) if region.asked else region for region in regions]
        hidden = [region for region in judged if region.hidden]
        if not any(_plain(region, min(width, height)) for region in hidden):
            judged = self._with_part(pixels, judged)
        for box, name in [*((b, BAR) for b in bars(pixels)), *((m, MOSAIC) for m in mosaics(pixels))]:
            if all(box.covered_by(region.box.scaled(1.4)) < 0.5 for region in hidden):
                judged.append(_question(box, name, 1.0))
        return judged

    def scores(self, pixels: Pixels) -> Scores:
        """How sure the network is that a part of a face is in view, and where; all 0 where there is little skin."""
        height, width = pixels.shape[:2]
        view, square = _squared(pixels)
        if float(skin(square).mean()) < LEAST_SKIN:
            nothing = (0.0, Box(0, 0, width, height))
            return Scores(0.0, 0.0, nothing[1], (nothing,) * 3)
        _, middle = _squared(_middle(pixels))
        turned = [rotated(square, rotation) for rotation in range(4)]
        cells = self._cells([*turned, _mirrored(square), middle])
        logits = [_pooled(one) for one in cells]
        # What a picture and its mirror image are is the same, and what wavers between them is neither.
        upright, mirrored, closer = logits[0], logits[4], logits[5]
        places = [
            replace(view, rotations=rotation).box_back(_extent(cells[rotation])).within(width, height)
            for rotation in range(4)
        ]
        return Scores(
            _chance((upright + mirrored + closer) / 3),
            _chance((upright + mirrored) / 2),
            places[0],
            tuple((_chance(logits[n]), places[n]) for n in (1, 2, 3)),
        )

    def _cells(self, squares: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """The network's logits, a map for each square."""
        answers = self._trunk.features(squares)
        return [
            self._head.run(np.concatenate([coarser(middle, 2), deep])[None])[0][0, 0]
            for *_, middle, deep in answers
        ]

    def _supported(self, pixels: Pixels, region: Region) -> Region:
        """A region that is to be asked about, left where no other network half agrees.

        CenterFace may be half sure twice of two fists, and BlazeFace quite of a belly. The place alone is shown to this
        network, upright and as its landmarks lie; where BlazeFace is by itself, at all rotations; and its mirror image.
        """
        others = max((e.score for e in region.evidence if e.detector != centerface.NAME), default=0.0)
        hidden = region.action is Action.HIDE_AND_ASK
        if hidden and others >= AGREES:
            return region
        rotations = {0, upright_rotation(region.landmarks)} if hidden else set(range(4))
        _, square = cut(pixels, region.box, PLACE, SIDE)
        turned = [rotated(square, rotation) for rotation in sorted(rotations)]
        logits = [_pooled(one) for one in self._cells([*turned, *(_mirrored(one) for one in turned)])]
        both = zip(logits[: len(turned)], logits[len(turned) :], strict=True)
        if max(_chance((one + other) / 2) for one, other in both) >= SUPPORT:
            return region
        return replace(region, action=Action.LEAVE)

    def _with_part(self, pixels: Pixels, regions: list[Region]) -> list[Region]:
        scores = self.scores(pixels)
        score, box = scores.sure, scores.box
        left = max((region for region in regions if region.action is Action.LEAVE), key=_main, default=None)
        half_seen = left is not None and _main(left) >= OPEN
        if score < ASK and half_seen and scores.whole >= ASK_OPEN:
            score = scores.whole
        elif score < ASK:
            score, box = max(scores.turned, key=lambda one: one[0])
            if score < ASK_ROTATED:
                return regions
        if left is None:
            return [*regions, _question(box, NAME, score)]
        asked = _question(left.box, NAME, score)
        asked = replace(asked, evidence=(*asked.evidence, *left.evidence))
        return [asked if region is left else region for region in regions]


def _main(region: Region) -> float:
    """CenterFace's score of a region, 0 if it saw nothing."""
    return max((e.score for e in region.evidence if e.detector == centerface.NAME), default=0.0)


def _plain(region: Region, side: int) -> bool:
    sure = max(evidence.score for evidence in region.evidence) >= PLAIN_SCORE
    return sure and min(region.box.w, region.box.h) >= PLAIN * side


def _middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = int(height * (1 - MIDDLE) / 2), int(width * (1 - MIDDLE) / 2)
    return pixels[top : height - top, left : width - left]


def _mirrored(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture[:, ::-1])


def _pooled(cells: NDArray[np.float32]) -> float:
    return float(np.log(np.exp(SHARP * cells).mean()) / SHARP)


def _chance(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def _squared(pixels: Pixels) -> tuple[View, Pixels]:
    """The whole picture in the middle of a square of :data:`SIDE` pixels, black beside it."""
    height, width = pixels.shape[:2]
    longest = max(width, height)
    factor = SIDE / longest
    size = scaled_size(width, height, factor)
    small = shrunk(pixels, *size) if factor < 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    edges = (top, SIDE - size[1] - top, left, SIDE - size[0] - left)
    square = np.asarray(cv2.copyMakeBorder(small, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8)
    return View(longest, longest, 0, (factor, factor), -left / factor, -top / factor), square


def _extent(cells: NDArray[np.float32]) -> Box:
    """The box, in pixels of the square, of the cells that are nearly as sure as the surest."""
    rows, columns = np.nonzero(cells >= min(0.0, float(cells.max())))
    x, y = columns.min() * STRIDE, rows.min() * STRIDE
    return Box(
        float(x), float(y), float((columns.max() + 1) * STRIDE - x), float((rows.max() + 1) * STRIDE - y)
    )


def _question(box: Box, detector: str, score: float) -> Region:
    evidence = (Evidence(detector, round(score, 3)),)
    return Region(box, Kind.FACE, evidence, action=Action.ASK, question=QuestionKind.FACE_PART)
