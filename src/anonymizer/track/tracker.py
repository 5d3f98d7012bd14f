"""Detections over time into tracks without gaps: what is seen once stays hidden before, between and after.

Sightings are linked frame by frame. Where a thing is not sighted it is followed by its appearance, forwards at once
and backwards through the frames that are remembered; where it cannot be followed its place is held for a
while. What the two directions leave open between two tracks of one thing is interpolated. Coordinates are
pixels of the upright frame; frames are counted from 0.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.pixels import averages
from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, Region
from anonymizer.detect.base import Proof
from anonymizer.track import labels
from anonymizer.track.cuts import FLASH, Cuts
from anonymizer.track.ground import came_up, has_gone
from anonymizer.track.labels import LABELS, ROOMY
from anonymizer.track.live import (
    FOLLOWED,
    HELD,
    SURE,
    Live,
    asked_faces,
    between,
    bridged,
    drifted,
    nearness,
    refuted,
    score_of,
    seen,
    trimmed,
    trust,
    wants_a_look,
)
from anonymizer.track.template import FOLLOWED_CORRELATION, GROWTH, Grey, follow, template
from anonymizer.track.tracks import SMOOTH, Track, steady

QUICK_EVERY = 0.13
"""Seconds between quick detections while all faces are in steady view: less than a head takes to turn away."""
ARRIVED = 0.6
"""A face that is sighted where it was followed to (intersection over union) went the way that it was followed."""
LOSING = 0.12
"""Seconds without a sighting after which a well-attested face is searched for."""
REMEMBERED = 240
"""Grey frames that are remembered at most: 55 MB at 640 by 360."""


class Tracker:
    """Takes the frames of a clip in order and makes tracks of what is sighted in them.

    ``size`` is (width, height) of a frame, ``small`` of its small copy, ``rate`` the frames per second, ``grid``
    the averages along a side, ``margin`` the growth of a face's box.
    """

    def __init__(
        self, size: tuple[int, int], small: tuple[int, int], rate: float, grid: int, margin: float
    ) -> None:
        self.size = size
        self.scale = small[0] / size[0], small[1] / size[1]
        self.rate = min(max(rate, 1.0), 240.0)
        self.grid = grid
        self.margin = margin
        self._live: list[Live] = []
        self._done: list[Live] = []
        self._past: deque[Grey] = deque(maxlen=REMEMBERED)
        self._cuts = Cuts(self.frames_of(FLASH))
        self._frame = -1
        self._searches: list[int] = []  # The frames in which labels were looked for everywhere.
        # Frames from one sighting to the next of a face in steady view, at most.
        self._lately = max(2, self.frames_of(QUICK_EVERY))

    def frames_of(self, seconds: float) -> int:
        return max(1, round(seconds * self.rate))

    def add(
        self, small: Pixels, sightings: Sequence[Region], *, cut: bool, searched: frozenset[Kind]
    ) -> None:
        """The next frame: its small RGB copy and what was sighted in it.

        ``cut``: a new shot begins. ``searched``: the kinds that a detector looked for in this frame; what was
        not looked for is not missing.
        """
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        self._frame += 1
        if cut:
            self._cuts.add(self._frame, self._past[-1] if self._past else grey, grey)
            self._close(self._live)
            self._past.clear()
        self._searches += [self._frame] if searched & LABELS else []
        labels.carry_all([live for live in self._live if live.kind in LABELS], grey, self.scale, self._frame)
        for live in self._live:
            if live.kind not in LABELS:
                self._carry(live, grey)
        for region in sorted(self._linked(sightings, small, grey), key=lambda region: -region.box.area):
            # Larger ones first: what lies in one that has just begun is known.
            if not self._known(region, small, grey):
                self._begin(region, small, grey)
        self._close([live for live in self._live if self._ended(live, searched)])
        self._past.append(grey)

    def pace(self) -> int:
        """One frame of so many is to be looked at for faces.

        Every one where a well-attested face was not sighted when it was last looked for, or only once or twice at
        all; twice as many as in calm where that is so of a faint one, which comes and goes. One that was not sighted
        for a while is followed by its appearance alone: no quick detection will see it.
        """
        calm, moment = self.frames_of(QUICK_EVERY), self.frames_of(HELD)
        open_ = [
            live.best >= SURE
            for live in self._live
            if live.kind is Kind.FACE
            and (live.best >= SURE or self._frame - live.since <= moment)
            and (self._frame - live.since > self._lately or live.sightings <= 2)
        ]
        return calm if not open_ else 1 if any(open_) else -(-calm // 2)

    def places(self, kinds: frozenset[Kind]) -> list[Box]:
        """Where things of these kinds were in the last frame, sighted or followed by their appearance."""
        return [live.box for live in self._live if live.kind in kinds and live.marks[-1] != "H"]

    def unconfirmed(self, box: Box) -> bool:
        """Whether a closer look is due at a faint face that was sighted in the next frame: :func:`wants_a_look`."""
        here = (live for live in self._live if live.kind is Kind.FACE)
        near = [live for live in here if nearness(box, live.box) > 0 or box.covered_by(live.box) > 0.7]
        return wants_a_look(box, near, self.size)

    def looked(self, scores: Mapping[Box, float], least: float) -> None:
        """What closer looks at faces that were sighted at these places in this frame gave; under ``least`` it counts as
        nothing."""
        for live in self._live:
            if live.kind is Kind.FACE and live.since == self._frame and live.box in scores:
                live.looks += 1
                live.closest = max(live.closest, scores[live.box])
                live.refuted += scores[live.box] < least

    def restless(self, *, moved: bool) -> list[Region]:
        """The labels that are to be looked for again where they are: those that could not be followed surely since they
        were sighted, and with ``moved`` those that have moved as well."""
        due = [live for live in self._live if live.doubtful or (moved and live.restless)]
        return [labels.region_of(live, self._frame) for live in due]

    def prove(self, look: Callable[[Region], Proof]) -> None:
        """Have a closer look at labels of this frame of which nobody knows whether they are any."""
        for live, region in labels.unproved(self._live, self._frame, self.size):
            labels.looked(live, look(region))

    def losing(self, seen: Sequence[Box]) -> bool:
        """Whether a well-attested face, last sighted a moment ago, is not among these boxes of the next frame."""
        moment = self.frames_of(LOSING)
        return any(
            live.kind is Kind.FACE
            and live.best >= SURE
            and moment <= self._frame + 1 - live.since <= 2 * moment
            and not any(nearness(box, live.box) > 0 for box in seen)
            for live in self._live
        )

    def sight(self, frame: int, region: Region, colours: NDArray[np.float32], length: int) -> None:
        """A thing that was found afterwards, in one frame of a clip of ``length`` frames: hidden around it."""
        reach = self.frames_of(HELD)
        first, last = max(0, frame - reach), min(length - 1, frame + reach)
        live = Live(
            region.kind,
            first,
            [region.box] * (last - first + 1),
            ["S" if at == frame else "H" for at in range(first, last + 1)],
            None,
            frame,
            frame,
        )
        if region.kind in LABELS:
            live.quads = [labels.quad_of(region)] * len(live.boxes)
        live.total, live.added = colours.astype(np.float64), 1
        live.evidence = {e.detector: e.score for e in region.evidence}
        live.over = True
        self._done.append(live)

    def tracks(self) -> list[Track]:
        """Every track so far, gaps bridged, boxes steady, the earliest first. May be called again.

        No frame is added after that.
        """
        self._past.clear()
        self._close(self._live)
        self._done = bridged(
            [trimmed(live, self.frames_of) for live in self._done], self.frames_of, self._cuts.between
        )
        for live in self._done:
            last = live.first + len(live.boxes) - 1
            live.searches = sum(live.first <= frame <= last for frame in self._searches)
        hidden = (live for live in self._done if labels.verdict(live, self.size) is Action.HIDE)
        return [self._finished(live) for live in hidden if not refuted(live, self.size)]

    def asked(self) -> list[tuple[int, Region]]:
        """After :meth:`tracks`: what is left in view for a person to look at, each thing in one of its frames."""
        asked = [live for live in self._done if labels.verdict(live, self.size) is Action.ASK]
        told = [(live.since, labels.region_of(live, live.since, Action.ASK)) for live in asked]
        return told + asked_faces(self._done, self.size)

    def _linked(self, sightings: Sequence[Region], small: Pixels, grey: Grey) -> list[Region]:
        """Give each sighting to the track it belongs to, nearest first; those that belong to none."""
        pairs = []
        for i, region in enumerate(sightings):
            for live in self._live:
                close = labels.likeness(live, region) if live.kind is region.kind else 0.0
                if close > 0:
                    pairs.append((close, i, live))
        taken: set[int] = set()
        given: set[int] = set()
        for _, i, live in sorted(pairs, key=lambda pair: -pair[0]):
            if i in taken or id(live) in given:
                continue
            taken.add(i)
            given.add(id(live))
            self._attest(live, sightings[i], small, grey)
        return [region for i, region in enumerate(sightings) if i not in taken]

    def _known(self, region: Region, small: Pixels, grey: Grey) -> bool:
        """Whether a track under way shows this, too: a second sighting begins none of its own.

        That of a line widens to hold all of it: a line is found in other pieces at other times.
        """
        for live in self._live:
            if live.kind is not region.kind:
                continue
            if live.kind is Kind.FACE:
                if region.box.covered_by(live.box) > 0.7:
                    return True
                continue
            if live.kind in LABELS:
                if (whole := labels.pieces(labels.standing(live)[-1], region)) is not None:
                    corners = tuple((float(x), float(y)) for x, y in whole)
                    self._attest(
                        live, replace(region, box=labels.box_of(whole), corners=corners), small, grey
                    )
                    return True
                continue
            both = region.box.union(live.box)
            shared = max(region.box.covered_by(live.box), live.box.covered_by(region.box))
            if shared > 0.5 and both.area <= ROOMY * max(region.box.area, live.box.area):
                self._attest(live, region.moved(both), small, grey)
                return True
        return False

    def _attest(self, live: Live, region: Region, small: Pixels, grey: Grey) -> None:
        before = live.boxes[live.since - live.first] if live.marks else region.box
        gap = self._frame - live.since
        label = live.kind in LABELS
        if label and live.marks:
            labels.attest(live, region, grey, self._past, self._frame, self.scale)
        elif gap > 1:
            arrived = live.marks[-1] == "F" and live.box.iou(region.box) >= ARRIVED
            for step in range(1, gap):
                at = live.since - live.first + step
                if arrived and live.marks[at] == "F":
                    live.marks[at] = "C"
                    continue
                # Followed to one place and sighted at another: hide both the followed way and the straight one.
                straight = between(before, region.box, step / gap)
                live.boxes[at] = live.boxes[at].union(straight)
        box = labels.box_of(live.quads[-1]) if label else region.box
        if not label and live.kind is not Kind.FACE and live.box.area < ROOMY * box.area:
            # A quick detection finds the line, and not always its last letter.
            box = box.union(live.box)
        live.boxes[-1], live.marks[-1] = box, "S"
        live.since = live.good = self._frame
        live.gone = False
        live.sightings += 1
        live.best = max(live.best, score_of(region))
        for e in region.evidence:
            live.evidence[e.detector] = max(live.evidence.get(e.detector, 0.0), e.score)
        live.appearance = template(grey, self._small(region.box))
        self._take_colours(live, small)

    def _take_colours(self, live: Live, small: Pixels) -> None:
        """Add what the grid averages in this frame to the track's sum."""
        height, width = small.shape[:2]
        grown = self._small(live.box.scaled(self.margin))
        left, top, right, bottom = grown.pixels(width, height)
        if right <= left or bottom <= top:
            return
        grid = averages(small[top:bottom, left:right], (self.grid, self.grid)).astype(np.float64)
        live.total = grid if live.total is None else live.total + grid
        live.added += 1

    def _begin(self, region: Region, small: Pixels, grey: Grey) -> None:
        live = Live(region.kind, self._frame, [region.box], ["S"], None, self._frame, self._frame)
        if region.kind in LABELS:
            live.quads = [labels.quad_of(region)]
        self._attest(live, region, small, grey)
        self._look_back(live)
        if live.kind is Kind.FACE:
            came_up(live, self._past)
        self._live.append(live)

    def _look_back(self, live: Live) -> None:
        """Follow a new thing back through the remembered frames, as far as it can be known again."""
        if live.kind in LABELS:
            labels.look_back(live, self._past, self.frames_of(HELD), self.scale)
            return
        box = self._small(live.box)
        boxes: list[Box] = []
        marks: list[str] = []
        missed = 0
        most = self.frames_of(FOLLOWED) if live.kind is Kind.FACE else REMEMBERED
        for grey in itertools.islice(reversed(self._past), most):
            moved, correlation = follow(live.appearance, grey, box) if live.appearance else (box, 0.0)
            box = moved if correlation >= FOLLOWED_CORRELATION else box.scaled(1 + GROWTH)
            missed = 0 if correlation >= FOLLOWED_CORRELATION else missed + 1
            if missed > self.frames_of(HELD):
                break
            boxes.append(self._full(box))
            marks.append("H" if missed else "F")
        boxes.reverse()
        marks.reverse()
        live.boxes[:0], live.marks[:0] = boxes, marks
        live.first -= len(boxes)

    def _carry(self, live: Live, grey: Grey) -> None:
        """Where a live thing is in this frame, before anybody has looked."""
        correlation = 0.0
        box = live.box
        if live.appearance:
            moved, correlation = follow(live.appearance, grey, self._small(live.box))
            box = self._full(moved) if correlation >= FOLLOWED_CORRELATION else live.box
        if correlation >= FOLLOWED_CORRELATION:
            live.good = self._frame
        else:
            live.gone = has_gone(live, self._past, grey, self._frame, self.scale)
            box = drifted(live, self.frames_of(0.2), self.size)
        live.boxes.append(box)
        live.marks.append("F" if correlation >= FOLLOWED_CORRELATION else "H")

    def _ended(self, live: Live, searched: frozenset[Kind]) -> bool:
        """Whether nothing is to be expected of a track any more."""
        if live.since == self._frame:
            return False
        if live.gone:
            return True
        unseen = self._frame - live.good
        if live.kind is Kind.FACE:
            # A faint one wanders off when it is followed for long.
            most = FOLLOWED if live.best >= SURE else max(HELD, trust(live))
            return unseen > self.frames_of(HELD) or self._frame - live.since > self.frames_of(most)
        # Text and codes are looked for now and then: only a detection that finds nothing, and another picture at
        # the place, end them.
        return live.kind in searched and unseen > self.frames_of(HELD)

    def _close(self, ended: Sequence[Live]) -> None:
        self._done += ended
        gone = {id(live) for live in ended}
        self._live = [live for live in self._live if id(live) not in gone]

    def _small(self, box: Box) -> Box:
        return box.times(*self.scale)

    def _full(self, small: Box) -> Box:
        sx, sy = self.scale
        return Box(small.x / sx, small.y / sy, small.w / sx, small.h / sy)

    def _finished(self, live: Live) -> Track:
        quads = None
        if live.quads and not all(labels.is_upright(quad) for quad in live.quads):
            quads = np.array([labels.padded(quad, 1 / max(self.scale)) for quad in live.quads], np.float32)
        if quads is None:
            raw = np.array([(b.x, b.y, b.w, b.h) for b in live.boxes], np.float32).reshape(-1, 4)
            sure = np.array([mark in "SC" for mark in live.marks], np.bool_)
            boxes = steady(raw, self.frames_of(SMOOTH), sure)
        else:
            boxes = np.concatenate([quads.min(axis=1), np.ptp(quads, axis=1)], axis=1)
        colours = live.total / live.added if live.total is not None else np.full((1, 1, 3), 128.0)
        evidence = tuple(Evidence(name, score) for name, score in sorted(live.evidence.items()))
        return Track(
            live.kind,
            live.first,
            boxes,
            seen(live.marks, self._lately),
            evidence,
            colours.astype(np.float32),
            np.array([mark == "H" for mark in live.marks], np.bool_),
            quads,
        )
