"""A track that is being made: what belongs to it, how far it is trusted beyond its sightings, and which two are one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Action, Box, Evidence, Kind, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.faces import centerface
from anonymizer.track.flow import Quad, aligned, scaled
from anonymizer.track.template import GROWTH, Grey, Template

FOLLOWED = 3.0
"""Seconds that a well-attested face is followed beyond its last sighting: a head that turns away."""
HELD = 0.7
"""Seconds that a place stays hidden when the thing can be neither sighted nor followed."""
WEAK = 0.13
"""Seconds that a faint thing is followed beyond its sightings: no longer than from one quick detection to the next …"""
PER_SIGHTING = 0.1
"""… and how much each sighting adds."""
FAINT, FEW = 0.3, 3
"""A face of a lower score, sighted no oftener than so, is none if closer looks do not confirm it either."""
COSTLY, PLAIN = 0.01, 0.35
"""A face that takes up more of the frame than so, and never has such a score, must be borne out by a closer look …"""
LOOKED, BORNE_OUT = 3, 0.25
"""… one of so many at different moments, that gives it so much, as in a photo (``detect/faces/decide.py``)."""
ALONE = 0.8
"""Score from which a network that only advises counts as much as the one that decides."""
LEAST_HELD = 0.13
"""A place is held for as long as the thing was sighted, and no longer than :data:`HELD`, but for so long at least:
nobody has looked at every frame."""
SURE = 0.5
"""Score of one sighting that makes a track well attested."""
BRIDGED = 2.0
"""Longest gap, seconds, between two tracks at one place that is taken for one thing unseen. Where one of them is faint
it is no longer than both were sighted."""


@dataclass(eq=False, slots=True)
class Live:
    """A track that is being made. ``marks`` holds, frame by frame, S sighted, F followed, C followed to where it was
    sighted next, H held."""

    kind: Kind
    first: int
    boxes: list[Box]
    marks: list[str]
    appearance: Template | None
    since: int
    """The last frame with a sighting."""
    good: int
    """The last frame with a sighting or a following."""
    best: float = 0.0
    sightings: int = 0
    evidence: dict[str, float] = field(default_factory=dict)
    total: NDArray[np.float64] | None = None
    added: int = 0
    over: bool = False
    """Its ends are settled."""
    quads: list[Quad] = field(default_factory=list)
    """Of text and codes, for each of ``boxes`` the quadrilateral in it, in pixels of the frame."""
    anchor: tuple[Grey, Quad] | None = None
    """The small frame in which a label last moved or was sighted, and where it is there, in its pixels."""
    restless: bool = False
    """A label has moved since it was last sighted …"""
    doubtful: bool = False
    """… and could not be followed by its corners in all frames."""
    refuted: int = 0
    """How many of a face's sightings a closer look did not confirm."""
    closest: float = 0.0
    """The best score that a closer look at a face has given."""
    ground: Grey | None = None
    """The small frame before a face came up, where it could not be followed back to it."""
    gone: bool = False
    """Its place looks again as it did there."""
    searches: int = 0
    """How often labels were looked for everywhere in its frames, known at the end: what is followed back through
    frames in which it was looked for was not found there."""
    proof: Proof = Proof.NONE
    """The best that closer looks at a label have said …"""
    looks: int = 0
    """… how many there were, …"""
    reads: int = 0
    """… and how many read it."""

    @property
    def box(self) -> Box:
        return self.boxes[-1]


def score_of(region: Region) -> float:
    """How sure a sighting is: of a face by CenterFace, or by another network that is sure."""
    own = [e.score for e in region.evidence if e.detector == centerface.NAME]
    others = [e.score for e in region.evidence if not own or e.score >= ALONE]
    return max((*own, *others), default=0.0)


def trust(live: Live) -> float:
    """Seconds that a face is followed by its look beyond its sightings."""
    return FOLLOWED if live.best >= SURE else min(FOLLOWED, WEAK + PER_SIGHTING * live.sightings)


def seen(marks: Sequence[str], apart: int) -> NDArray[np.bool_]:
    """Where a detector saw a track; a frame between two such, ``apart`` at most, is as good as seen."""
    found = np.array([mark == "S" for mark in marks], np.bool_)
    at = np.flatnonzero(found)
    for before, after in itertools.pairwise(at):
        found[before:after] |= after - before <= apart
    return found


def refuted(live: Live, size: tuple[int, int]) -> bool:
    """Whether a face in frames of this ``size`` (width, height) is not hidden."""
    return flickers(live) or not_borne_out(live, size)


def flickers(live: Live) -> bool:
    """Whether a face was sighted faintly a few times, while it was looked for all the time, and no closer look
    confirmed it: a hand, a coat."""
    faint = live.kind is Kind.FACE and live.best < FAINT and live.sightings <= FEW
    return faint and 0 < live.sightings <= live.refuted


def not_borne_out(live: Live, size: tuple[int, int]) -> bool:
    """Whether a face would hide much of frames of this ``size`` (width, height), and neither any sighting of it nor a
    closer look was sure."""
    if live.kind is not Kind.FACE or not live.sightings or live.looks < min(LOOKED, live.sightings):
        return False
    faint = live.best < PLAIN and live.closest < BORNE_OUT
    return faint and is_costly(live.boxes[live.since - live.first], size)


def is_costly(box: Box, size: tuple[int, int]) -> bool:
    """Whether a face would hide much of a frame of this ``size``, if it is none."""
    return box.area > COSTLY * size[0] * size[1]


def wants_a_look(box: Box, near: Sequence[Live], size: tuple[int, int]) -> bool:
    """Whether faint faces near this place are all that speaks for a face there, or almost; or are as many as you like,
    but it would hide much, and no closer look has borne it out."""
    if all(live.best < FAINT and live.sightings < FEW for live in near):
        return True
    doubtful = all(live.best < PLAIN and live.closest < BORNE_OUT and live.looks < LOOKED for live in near)
    return doubtful and is_costly(box, size)


def asked_faces(lives: Sequence[Live], size: tuple[int, int]) -> list[tuple[int, Region]]:
    """The faces, each in the frame of its last sighting, that no closer look bore out: a person must look."""
    asked: list[tuple[int, Region]] = []
    for live in lives:
        if not_borne_out(live, size) and not flickers(live):
            evidence = tuple(Evidence(name, score) for name, score in live.evidence.items())
            box = live.boxes[live.since - live.first]
            asked.append((live.since, Region(box, Kind.FACE, evidence, action=Action.ASK)))
    return asked


def nearness(a: Box, b: Box) -> float:
    """How likely two boxes of one kind show one thing: intersection over union, or closeness; 0 for not."""
    overlap = a.iou(b)
    if overlap >= 0.15:
        return 1 + overlap
    side = max(min(a.w, a.h), min(b.w, b.h))
    far = float(np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]))
    alike = 0.5 <= (a.area + 1) / (b.area + 1) <= 2
    return 1 - far / side if alike and far < 0.6 * side else 0.0


def between(a: Box, b: Box, share: float) -> Box:
    return Box(
        a.x + (b.x - a.x) * share,
        a.y + (b.y - a.y) * share,
        a.w + (b.w - a.w) * share,
        a.h + (b.h - a.h) * share,
    )


def drifted(live: Live, back: int, size: tuple[int, int]) -> Box:
    """The last box, a little larger, and moved on where, by the last so many frames, it was leaving frames of this
    ``size`` (width, height)."""
    box = live.box.scaled(1 + GROWTH)
    if len(live.boxes) <= back or live.marks[-1] == "H":
        return box
    before = live.boxes[-1 - back]
    dx, dy = (
        (live.box.centre[0] - before.centre[0]) / back,
        (live.box.centre[1] - before.centre[1]) / back,
    )
    width, height = size
    leaves = (dx < 0 and box.x < 0.1 * width) or (dx > 0 and box.right > 0.9 * width)
    leaves = leaves or (dy < 0 and box.y < 0.1 * height) or (dy > 0 and box.bottom > 0.9 * height)
    return box.union(Box(box.x + dx, box.y + dy, box.w, box.h)) if leaves else box


def trimmed(live: Live, frames_of: Callable[[float], int]) -> Live:
    """A track without the tail that nobody saw: a faint thing is hidden for a shorter while than a sure one.

    ``frames_of`` counts the frames of so many seconds.
    """
    if "S" not in live.marks or live.over:
        return live
    first, last = live.marks.index("S"), len(live.marks) - 1 - live.marks[::-1].index("S")
    if live.kind is Kind.FACE:
        followed = frames_of(trust(live))
        held = min(frames_of(min(HELD, trust(live))), max(frames_of(LEAST_HELD), last - first + 1))
        held = 1 if live.gone else held
    elif live.looks and live.proof is Proof.NONE:
        followed = held = max(frames_of(LEAST_HELD), last - first + 1)
    else:
        followed, held = len(live.marks), frames_of(HELD)
    begin, end = first, last
    while (
        begin > 0
        and first - begin < followed
        and _near(live.marks[begin - 1 : begin - 1 + held], "F", "C", "S")
    ):
        begin -= 1
    while (
        end < len(live.marks) - 1
        and end - last < followed
        and _near(live.marks[max(0, end + 2 - held) : end + 2], "F", "C", "S")
    ):
        end += 1
    live.boxes, live.marks = live.boxes[begin : end + 1], live.marks[begin : end + 1]
    live.quads = live.quads[begin : end + 1]
    live.first += begin
    live.over = True
    return live


def _near(marks: Sequence[str], *wanted: str) -> bool:
    return any(mark in wanted for mark in marks)


def bridged(
    tracks: list[Live],
    frames_of: Callable[[float], int],
    apart: Callable[[int, int], bool] = lambda _, __: False,
) -> list[Live]:
    """Tracks whose gap is short and whose ends lie at one place, made one.

    ``apart`` says of two frames whether they belong to different shots.
    """
    waiting = sorted(tracks, key=lambda live: live.first)
    done: list[Live] = []
    for late in waiting:
        best, nearest = None, 0.0
        for early in done:
            gap = late.first - (early.first + len(early.boxes))
            if early.kind is late.kind and 0 <= gap <= _gap(early, late, frames_of):
                if apart(late.first - gap - 1, late.first):
                    continue
                close = nearness(early.boxes[-1], late.boxes[0])
                if close > nearest:
                    best, nearest = early, close
        if best is None:
            done.append(late)
            continue
        gap = late.first - (best.first + len(best.boxes))
        here, there = best.boxes[-1], late.boxes[0]
        best.boxes += [between(here, there, (i + 1) / (gap + 1)).scaled(1.1) for i in range(gap)]
        best.marks += ["H"] * gap
        if best.quads and late.quads:
            before, after = best.quads[-1], aligned(late.quads[0], best.quads[-1])
            steps = [(i + 1) / (gap + 1) for i in range(gap)]
            best.quads += [scaled(before + (after - before) * step, 1.1) for step in steps]
            best.quads += late.quads
        best.boxes += late.boxes
        best.marks += late.marks
        best.refuted += late.refuted
        best.closest = max(best.closest, late.closest)
        best.proof = max(best.proof, late.proof)
        best.looks, best.reads = best.looks + late.looks, best.reads + late.reads
        best.best, best.sightings = max(best.best, late.best), best.sightings + late.sightings
        for name, score in late.evidence.items():
            best.evidence[name] = max(best.evidence.get(name, 0.0), score)
        if late.total is not None and (best.total is None or best.total.shape == late.total.shape):
            best.total = late.total if best.total is None else best.total + late.total
            best.added += late.added
    return done


def _gap(early: Live, late: Live, frames_of: Callable[[float], int]) -> int:
    """The longest gap in frames over which two tracks may be one thing."""
    faint = [one for one in (early, late) if one.kind is Kind.FACE and one.best < SURE]
    if not faint:
        return frames_of(BRIDGED)
    sighted = sum(one.marks.count("S") for one in (early, late))
    return min(frames_of(BRIDGED), max(frames_of(LEAST_HELD), sighted))
