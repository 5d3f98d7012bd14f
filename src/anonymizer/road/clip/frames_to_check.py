"""Which frames of a written clip the verification pass searches, for what, and how closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from anonymizer.core.kept import KeptArea
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Redaction, Region
from anonymizer.redact.clip import TrackRedaction
from anonymizer.redact.residual import LEGIBLE
from anonymizer.road.clip.background import ClipRoom
from anonymizer.track.tracks import Track

FACES_EVERY = 2.0
"""Seconds between frames in which faces are searched once more."""
ALL_EVERY = 4.0
"""Seconds between frames in which everything is."""
UNSEEN_EVERY = 0.25
"""Seconds between frames in which a track that was not seen is searched for about its place, upright and at one
other rotation, each time the next; where its place was guessed, the others get a quick detection."""
LABELS_EVERY = 0.5
"""Seconds between frames in which text and codes are searched for about the place of a label that moves, but where
the first search itself sighted it."""
STANDS = 0.5
"""A label stands still whose middle moves by less than this share of its least side."""
FEW = 3
"""Places in one frame up to which searching about each costs less than searching all of it."""


class RedactedFrames(Protocol):
    """What lies over each frame; ``anonymizer.road.clip.process.Plan`` is one."""

    @property
    def redactions(self) -> tuple[TrackRedaction, ...]: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def transfer(self) -> int: ...
    @property
    def room(self) -> ClipRoom | None: ...

    def at(self, frame: int) -> list[TrackRedaction]: ...
    def redactions_at(self, frame: int) -> list[Redaction]: ...
    def keep(self, frame: int) -> list[KeptArea]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Frames for a quick detection, to search for faces with care, to search for everything, to measure the
    redactions in.

    ``near``: where else to search for faces with care, by frame: about a track's place. ``ends``: those of them
    where a track begins or ends; where it was not seen, they are ``step`` frames apart. ``labels``: where to search for
    text and codes, about the places of labels that move.
    """

    step: int
    plain: set[int]
    near: dict[int, list[Box]]
    ends: set[int]
    careful: set[int]
    whole: set[int]
    measured: set[int]
    labels: dict[int, list[Region]]

    def among(self, frames: set[int]) -> Wanted:
        """Those of them that are among these; measured is in all."""
        near = {frame: places for frame, places in self.near.items() if frame in frames}
        labels = {frame: places for frame, places in self.labels.items() if frame in frames}
        return replace(
            self,
            labels=labels,
            plain=self.plain & frames,
            near=near,
            careful=self.careful & frames,
            whole=self.whole & frames,
        )

    def searched(self) -> set[int]:
        """The frames that a detector looks at."""
        return self.whole | self.careful | self.near.keys() | self.plain | self.labels.keys()


def wanted_frames(plan: RedactedFrames, length: int, rate: float, cuts: Sequence[int]) -> Wanted:
    faces, step = max(1, round(FACES_EVERY * rate)), max(1, round(UNSEEN_EVERY * rate))
    whole = set(range(0, length, max(1, round(ALL_EVERY * rate)))) | {cut for cut in cuts if cut < length}
    # At regular places, and in the middle of every track: it has one grid, and where that lies every frame is compared.
    measured = whole | {(one.track.first + one.track.last) // 2 for one in plan.redactions}
    labels = _labels(plan, length, max(1, round(LABELS_EVERY * rate)))
    if not plan.settings.faces:
        return Wanted(step, set(), {}, set(), set(), whole, measured, labels)
    careful = set(range(0, length, faces)) | {length - 1}
    plain: set[int] = set()
    ends: set[int] = set()
    near: dict[int, list[Box]] = {}
    for one in plan.redactions:
        track = one.track
        if track.kind is not Kind.FACE:
            continue
        unseen = {track.first + int(i) for i in np.flatnonzero(~track.seen)}
        if track.guessed is not None:
            plain |= {track.first + int(i) for i in np.flatnonzero(track.guessed & ~track.seen)}
        # One in so many of the clip's, not of each track's.
        here = {frame for frame in unseen if frame % step == 0}
        edges = {track.first - 1, track.first, track.last, track.last + 1}
        ends |= edges
        for frame in here | edges:
            if 0 <= frame < length:
                near.setdefault(frame, []).append(track.box(min(max(frame, track.first), track.last)))
    careful |= {frame for frame, places in near.items() if len(places) > FEW}
    return Wanted(step, plain, near, ends, careful, whole, measured, labels)


def _labels(plan: RedactedFrames, length: int, step: int) -> dict[int, list[Region]]:
    """Where a label that does not stand still is, at regular frames and where it begins and ends."""
    places: dict[int, list[Region]] = {}
    for one in plan.redactions:
        track = one.track
        if track.kind not in LEGIBLE or _stands(track):
            continue
        sighted = np.flatnonzero(track.seen) + track.first
        regular = [
            frame
            for frame in range(track.first + -track.first % step, track.last + 1, step)
            if np.abs(sighted - frame).min(initial=step) > step // 4
        ]
        for frame in {*regular, track.first - 1, track.first, track.last, track.last + 1}:
            if 0 <= frame < length:
                at = min(max(frame, track.first), track.last)
                label = Region(track.box(at), track.kind, track.evidence, corners=track.corners(at))
                places.setdefault(frame, []).append(label)
    return places


def _stands(track: Track) -> bool:
    """Whether a label stays where it is: what is searched for everywhere at regular frames is enough for it."""
    if track.quads is not None:
        return False
    middles = track.boxes[:, :2] + track.boxes[:, 2:] / 2
    return bool(np.ptp(middles, axis=0).max() < STANDS * track.boxes[:, 2:].min())
