"""Text, with PP-OCR's detector (differentiable binarisation, Liao et al. 2020, arXiv:1911.08947).

The network gives each pixel a chance to be in the core of a line of text; a core is grown back to the whole
line by the ratio it was shrunk by in training. It finds lines at any angle, those that run upwards or downwards
somewhat less surely; what it needs is size: print is found from some eight pixels of height in what it is shown. So
it is shown the whole picture small, and tiles of it large where there are thin strokes (:mod:`.strokes`), and those
once more turned where it saw something and no line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.known import KnownNames
from anonymizer.core.pixels import halved
from anonymizer.core.settings import Effort, TextPolicy
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.faces.fusion import rotated
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network
from anonymizer.detect.text.evidence import (
    BARELY_READ,
    DIFFERENT,
    REFUTED,
    Witnesses,
    is_read,
    judged,
    judged_faint,
    least_side,
    letters,
)
from anonymizer.detect.text.faint import stretched
from anonymizer.detect.text.line_ends import closer
from anonymizer.detect.text.lines import HIGHEST, SURE, WITHIN, line_region, lines_of, merged, placed, resized
from anonymizer.detect.text.ppocr import Reader, TextLine
from anonymizer.detect.text.second import SecondDetector, swamped
from anonymizer.detect.text.strokes import BLOCK, TILE, Window, strokes, windows

SIGN_SIDE = 224
"""At this long side and below only words are new that are few letters wide, such as a door's number …"""
SIGN_SURE = 0.85
"""… of which it must be so sure: at this size arms and folds score up to 0.82, letters 0.87 and more."""
Scales = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Where the network searches: the whole picture, and through tiles where there may be small print."""

    whole: Scales
    """Long sides, each with the quarter turns: it reads downwards too, but less surely."""
    tiled: tuple[int, ...]
    """Long sides of the picture that the tiles are cut from; 0 is its own."""
    most: int
    """The work at most per such side, in whole tiles: first what a smaller scale saw dimly, then the most strokes.
    Where more may be print, a person is asked: 48 are nearly all of twelve megapixels."""


PLANS: dict[Effort, TextPlan] = {
    Effort.FAST: TextPlan(((960, 0), (320, 0), (112, 0)), (), 0),
    Effort.STANDARD: TextPlan(((736, 0), (576, 1), (480, 0), (320, 0), (224, 0), (112, 0)), (1440, 0), 48),
    Effort.THOROUGH: TextPlan(
        ((736, 0), (1088, 1), (1440, 0), (480, 0), (320, 0), (224, 0), (112, 0)), (1440, 2880, 0), 400
    ),
}
HINT = 0.01
"""Chance, seen at the next smaller scale, from which a place with strokes is searched larger where it has none at
the picture's own size: blurred hair, folds. Print half as high as that scale finds leaves 0.06 and more there."""
FINER = 2.0
"""For that, the picture's own size has so many times as many squares."""
UNSEEN = 0.1
"""What a place counts for that the smaller scale passed over: too faint for it to see strokes."""
TILE_ROTATIONS = (0, 1)
"""Quarter turns at which a tile is looked at: first upright, and where that saw something dimly and no line, turned by
one. Small print that runs upwards or downwards is found one time in ten less often than upright; which of the two
ways round it stands makes no difference."""
HIGHEST_TURNED = 20.0
"""Most height of a core there, that of letters of some 25 pixels: at two fifths of the size, in the look at 576, larger
ones were seen turned. Bars of a lattice are that high."""
ENDS = 2
"""Times that the ends of what was found last are looked at more closely."""
VERIFICATION_SCALES: Scales = ((832, 0),)
VERIFICATION_SURE = 0.7
NEAR_HEIGHT = 32.0
"""Height, pixels, at which a known line is shown at least where it is looked for: its print has some twenty …"""
NEAR_SIDES = (192, 288, 416, 576)
"""… at the next of these long sides, below the usual one: for each new shape the network prepares itself."""
FAINT_SIDE, FAINT_SIDES = 832, (480, 224)
"""Long side of the stretched copy, looked at through windows where there is no noise in it; those at which all of it
is looked at where there is something faint in it."""
VERIFICATION_FAINT_SIDE, VERIFICATION_FAINT_SIDES = 896, (544,)
FAINT_TILES = 4
"""The work at most at the size of the stretched copy, in whole tiles."""
DIM = 0.3
"""Mean chance from which a line is read where there are known names to compare it with."""
NAME = "ppocr-detection"


class TextFinder:
    """Finds lines of text; see :class:`anonymizer.detect.base.RegionFinder`.

    Raises :class:`anonymizer.core.errors.ModelError` where the model cannot be had.
    """

    def __init__(
        self,
        store: Store,
        policy: TextPolicy = TextPolicy.ALL,
        effort: Effort = Effort.STANDARD,
        known: KnownNames | None = None,
    ) -> None:
        self.plan = PLANS[effort]
        self.policy = policy
        self.known = known or KnownNames()
        half = [127.5] * 3
        self.network = Network(store.load(NAME), bgr=True, mean=half, scale=half)
        entry = store.entry(NAME)
        self._models = [entry.used_on(self.network.device)]
        self._reader = Reader(store)
        self._models.append(self._reader.model)
        self._second = SecondDetector(store, self.network.device)
        self._models.append(self._second.model)

    def models(self) -> list[Model]:
        return list(self._models)

    def find(self, pixels: Pixels) -> list[Region]:
        return self.find_beside(pixels, ())

    def find_beside(self, pixels: Pixels, known: Sequence[Box]) -> list[Region]:
        """What :meth:`find` says; where it is known already that something is hidden there is no closer search."""
        # Every smaller scale is made from the next larger one: reading twelve megapixels once is enough.
        views = [(side, in_blocks(pixels, side)) for side in self.plan.tiled]
        source = views[0][1] if views and views[0][0] else pixels
        found: list[Region] = []
        hints: NDArray[np.float32] | None = None
        for scale in self.plan.whole:
            lines, dim = self._detect(pixels, *scale, SURE, source)
            found += lines
            hints = dim if hints is None else hints
        found += self._swamped(pixels, hints, found)
        own = strokes(views[-1][1]) if views else None
        passed_over: list[Region] = []
        done: set[tuple[int, int]] = set()
        for n, (_, shown) in enumerate(views):
            if shown.shape[:2] not in done:
                done.add(shown.shape[:2])
                boxes = [*known, *(region.box for region in (found if n else []))]
                more, hints, left = self._tiles(shown, pixels.shape[:2], boxes, hints, own)
                found += more
                passed_over += left
        lines = merged(found)
        latest = [line for line in lines if all(line.box.covered_by(box) < WITHIN for box in known)]
        for _ in range(ENDS if views else 0):
            before = lines
            lines = merged([*before, *self._ends(pixels, latest)])
            latest = [line for line in lines if line not in before]
        return (
            self._to_hide(pixels, lines) + passed_over + self._faint(pixels, source, FAINT_SIDE, FAINT_SIDES)
        )

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return self._verified(pixels, 1.0)

    def look_near(self, view: Pixels, labels: Sequence[Region]) -> list[Region]:
        """What :meth:`verification_pass` says of a part of a picture in which labels are known to be, at the size at
        which print as high as theirs is well seen; beside a code, where print is small, at its own."""
        if any(one.kind is Kind.CODE for one in labels):
            return self.verification_pass(view)
        wanted = NEAR_HEIGHT / max(1.0, min(least_side(one) for one in labels)) * max(view.shape[:2])
        usual = VERIFICATION_SCALES[0][0]
        side = next((step for step in NEAR_SIDES if step >= wanted), usual)
        return self._verified(view, min(1.0, side / usual))

    def _verified(self, pixels: Pixels, part: float) -> list[Region]:
        """The verification pass with all its looks at this part of their size."""
        scales = [(round(part * side), turns) for side, turns in VERIFICATION_SCALES]
        side, sides = (
            round(part * VERIFICATION_FAINT_SIDE),
            [round(part * s) for s in VERIFICATION_FAINT_SIDES],
        )
        copy = halved(pixels, max(side, *(one for one, _ in scales)))
        found = [
            region for scale in scales for region in self._detect(pixels, *scale, VERIFICATION_SURE, copy)[0]
        ]
        faint = self._faint(pixels, copy, side, sides)
        return self._to_hide(pixels, merged(found)) + faint

    def proof(self, pixels: Pixels, region: Region) -> Proof | None:
        """Whether a place that was found holds text: it can be read, or the second detector sees it as well."""
        if region.kind is not Kind.TEXT:
            return None
        readings = self._reader.readings(pixels, region)
        if any(self.known.near(r.text) for r in readings):
            return Proof.CERTAIN
        if any(is_read(r, 0.0) for r in readings):
            return Proof.READ
        if any(letters(r) >= DIFFERENT and r.mean >= BARELY_READ for r in readings):
            return Proof.SEEN
        opinion = self._second.close_opinion(pixels, region)
        return Proof.SEEN if opinion >= REFUTED else Proof.NONE

    def _faint(self, pixels: Pixels, source: Pixels | None, side: int, sides: Sequence[int]) -> list[Region]:
        """What a stretch of contrast shows, in a copy of this long side and, smaller, at ``sides``.

        ``source`` is the picture at another size, to make it from where that is no smaller.
        """
        copy = stretched(resized(pixels, side, source))
        high, wide = copy.view.shape[:2]
        if not copy.any_rows:
            return []
        quads: list[tuple[NDArray[np.float64], float]] = []
        for smaller in sides:
            shown = resized(copy.view, smaller)
            scale = wide / shown.shape[1], high / shown.shape[0]
            least = SIGN_SURE if smaller <= SIGN_SIDE else SURE
            quads += [(quad * scale, score) for quad, score in lines_of(self._chances(shown, 0), least)]
        if min(high, wide) >= TILE:
            for one in windows(copy.rows, [], FAINT_TILES)[0]:
                chances = self._chances(copy.view[one.y : one.y + one.h, one.x : one.x + one.w], 0)
                quads += [(quad + np.array((one.x, one.y)), score) for quad, score in lines_of(chances, SURE)]
        lines = merged(
            [line_region(quad, score, (high, wide), NAME) for quad, score in quads if copy.is_faint(quad)]
        )

        def read(line: Region) -> list[TextLine]:
            return self._reader.readings(copy.view, line)

        lines = judged_faint(
            lines, Witnesses((high, wide), read, self._second.opinion(copy.view), self.known)
        )
        back = pixels.shape[1] / wide, pixels.shape[0] / high
        return [placed(line, back, pixels.shape[:2]) for line in self._telling(copy.view, lines)]

    def _swamped(
        self, pixels: Pixels, squares: NDArray[np.float32] | None, found: list[Region]
    ) -> list[Region]:
        """Lines that can be read in what the network takes for one sign."""
        where = swamped(squares) if squares is not None else np.zeros((1, 1), np.bool_)
        if not where.any():
            return []
        lines = self._second.lines_in(pixels, where, found)
        return [line for line in lines if any(is_read(r, 0.0) for r in self._reader.readings(pixels, line))]

    def _to_hide(self, pixels: Pixels, lines: list[Region]) -> list[Region]:
        """What the evidence says of the lines."""

        def read(line: Region) -> list[TextLine]:
            return self._reader.readings(pixels, line)

        kept = judged(lines, Witnesses(pixels.shape[:2], read, self._second.opinion(pixels), self.known))
        return self._telling(pixels, kept, lines)

    def _telling(self, pixels: Pixels, lines: list[Region], among: Sequence[Region] = ()) -> list[Region]:
        """The lines without those that are clearly harmless where the policy says so, judged with all that they were
        chosen ``among``: a 7 alone is, and belongs to its ruler."""
        if self.policy is not TextPolicy.IDENTIFYING:
            return lines
        left = [line for line in among if all(line.box != one.box for one in lines)]
        harmless = self._reader.harmless(pixels, [*lines, *left])
        return [line for line, told in zip(lines, harmless[: len(lines)], strict=True) if not told]

    def rest(self) -> None:
        """Give back the memory that a search took."""
        self.network.rest()
        self._second.rest()
        self._reader.rest()

    def let_go(self) -> None:
        """Give back what the networks keep for each shape that they were shown, some 200 MB after a clip's search."""
        self.network.let_go()
        self._second.let_go()
        self._reader.let_go()

    def _detect(
        self, pixels: Pixels, side: int, rotations: int, least: float, source: Pixels | None = None
    ) -> tuple[list[Region], NDArray[np.float32]]:
        """The lines of the whole picture at one scale, and the best chance in each square of :data:`BLOCK` pixels."""
        shown = resized(pixels, side, source)
        chances = self._chances(shown, rotations)
        back = pixels.shape[1] / shown.shape[1], pixels.shape[0] / shown.shape[0]
        least = max(least, SIGN_SURE) if side <= SIGN_SIDE else least
        lines = lines_of(chances, least)
        regions = [line_region(quad * back, score, pixels.shape[:2], NAME) for quad, score in lines]
        if self.known:
            dim = [(quad, score) for quad, score in lines_of(chances, DIM) if score < least]
            likely = [line_region(quad * back, score, pixels.shape[:2], NAME) for quad, score in dim]
            regions += [line for line in likely if self._names(pixels, line)]
        return regions, _best_in_squares(chances)

    def _names(self, pixels: Pixels, line: Region) -> bool:
        """Whether a reading of the line comes close to what the practice knows."""
        return any(self.known.near(reading.text) for reading in self._reader.readings(pixels, line))

    def _tiles(
        self,
        shown: Pixels,
        size: tuple[int, int],
        known: list[Box],
        hints: NDArray[np.float32] | None,
        own: NDArray[np.bool_] | None,
    ) -> tuple[list[Region], NDArray[np.float32], list[Region]]:
        """Lines where ``shown`` may hold print and nothing that is known already; hints for a larger scale; and
        as a doubt, where there was more to look at than the plan allows.

        Hints are for each square of :data:`BLOCK` pixels the best chance there, -1 where nobody looked; ``own`` are
        the squares with strokes at the picture's own size.
        """
        high, wide = shown.shape[:2]
        scale, back = (wide / size[1], high / size[0]), (size[1] / wide, size[0] / high)
        busy = own if own is not None and own.shape == (high // BLOCK, wide // BLOCK) else strokes(shown)
        near: NDArray[np.float32] | None = None
        if hints is not None:
            # The chance around a square counts for it: what is too small here to be found is seen dimly.
            around = cv2.dilate(hints, np.ones((3, 3), np.uint8))
            around = cv2.resize(around, busy.shape[::-1], interpolation=cv2.INTER_NEAREST)
            near = np.where(around < 0, UNSEEN, around).astype(np.float32)
        if near is not None and own is not None and own.size >= FINER * busy.size:
            # Print that is too small for the smaller scale has thin strokes at the picture's own size.
            fine = cv2.resize(own.astype(np.float32), busy.shape[::-1], interpolation=cv2.INTER_AREA) > 0
            busy &= (near > HINT) | (cv2.dilate(fine.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        squares = np.full(busy.shape, -1.0, np.float32)
        found: list[Region] = []
        left: list[Window] = []
        seen: NDArray[np.uint8] = np.zeros(busy.shape, np.uint8)
        for rotations in TILE_ROTATIONS:
            chosen, more = windows(busy, [box.times(*scale) for box in known], self.plan.most, near)
            left += more
            for one in chosen:
                chances = self._chances(shown[one.y : one.y + one.h, one.x : one.x + one.w], rotations)
                y, x = one.y // BLOCK, one.x // BLOCK
                place = np.s_[y : y + one.h // BLOCK, x : x + one.w // BLOCK]
                squares[place] = np.maximum(squares[place], _best_in_squares(chances))
                lines = lines_of(chances, SURE, HIGHEST_TURNED if rotations else HIGHEST)
                found += [
                    line_region((quad + np.array((one.x, one.y))) * back, score, size, NAME)
                    for quad, score in lines
                ]
            # What is print to one look is seen dimly by the other.
            busy &= cv2.dilate(squares, np.ones((3, 3), np.uint8)) > HINT
            for line in found:
                # Within its outline: the box of a line aslant holds its neighbours as well.
                corners = np.array(line.corners) * scale / BLOCK
                cv2.fillConvexPoly(seen, np.rint(corners - 0.5).astype(np.int32), 1)
            busy &= seen == 0
        places = [Box(one.x, one.y, one.w, one.h).times(*back) for one in left]
        evidence = (Evidence(NAME, 0.0),)
        doubt = [Region(reduce(Box.union, places), Kind.TEXT, evidence, action=Action.ASK)] if places else []
        return found, squares, doubt

    def _ends(self, pixels: Pixels, lines: list[Region]) -> list[Region]:
        """The lines in closer views of those that may go on beyond what was found of them."""
        found: list[Region] = []
        for close in closer(pixels, lines):
            for quad, score in lines_of(self._chances(close.view, 0), SURE):
                found.append(line_region(close.placed(quad), score, pixels.shape[:2], NAME))
        return found

    def _chances(self, view: Pixels, rotations: int) -> NDArray[np.float32]:
        """For each pixel of a view the chance that it is in the core of a line, as seen at these rotations."""
        h, w = view.shape[:2]
        answer = self.network.run(rotated(view, rotations)[None])[0]
        chances = np.asarray(answer, np.float32).reshape((w, h) if rotations % 2 else (h, w))
        return np.ascontiguousarray(np.rot90(chances, -rotations))


def in_blocks(pixels: Pixels, side: int) -> Pixels:
    """The picture to look at through windows, with this long side, 0 for its own; sides in whole blocks."""
    height, width = pixels.shape[:2]
    own = side in (0, max(height, width)) and min(height, width) >= TILE
    return (
        pixels
        if own and not (height % BLOCK or width % BLOCK)
        else resized(pixels, side or max(height, width))
    )


def _best_in_squares(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """The best of a map of chances ``(h, w)``, both multiples of :data:`BLOCK`, in each of its squares."""
    high, wide = chances.shape
    best = chances.reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK).max(axis=(1, 3))
    return np.asarray(best, np.float32)
