"""Which redactions lie over which frame of a clip: the search's tracks and a person's own regions and corrections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.kept import KeptArea
from anonymizer.core.settings import DrawnRegion, Settings
from anonymizer.core.types import Box, Kind, Redaction, Region, Style
from anonymizer.read.clip.reader import Clip
from anonymizer.redact.clip import TrackRedaction, redaction_at, track_redaction
from anonymizer.redact.photo import of_patient
from anonymizer.redact.residual import LEGIBLE, under_faces
from anonymizer.road.clip.background import ClipRoom
from anonymizer.road.clip.face_parts import FollowedParts
from anonymizer.road.clip.heads import SeenHeads
from anonymizer.road.clip.search import Searched
from anonymizer.track import hand_drawn as drawn
from anonymizer.track.tracks import Track

SAME = 0.5
"""Intersection over union from which a dismissed place is a track's extent."""
NEAR = 64


@dataclass(frozen=True, slots=True)
class RedactionPlan:
    """Which redactions lie over which frame: the tracks of the search and a person's own regions."""

    redactions: tuple[TrackRedaction, ...]
    settings: Settings
    size: tuple[int, int]
    transfer: int = 0
    """The curve of high dynamic range (:mod:`anonymizer.core.hdr`) in which frames are written; 0: ordinary video."""
    dismissed: tuple[Track, ...] = ()
    """Tracks that a person knows to be harmless: they stay visible."""
    parts: tuple[FollowedParts, ...] = ()
    """The parts of faces that stay in view."""
    room: ClipRoom | None = None
    """What is drawn in the place of the background."""
    _near: dict[int, list[TrackRedaction]] = field(init=False, default_factory=dict)
    """The redactions of each :data:`NEAR` frames: an hour has thousands, a frame a few."""

    def __post_init__(self) -> None:
        # Solid ones last: a fill is never softened by a blur beside it.
        for one in sorted(self.redactions, key=lambda one: one.style is Style.FILL):
            for place in range(one.track.first // NEAR, one.track.last // NEAR + 1):
                self._near.setdefault(place, []).append(one)

    def lets_be(self, frame: int, box: Box) -> bool:
        """Whether a place in a frame belongs to a track that was dismissed."""
        here = (track.box(frame) for track in self.dismissed if track.first <= frame <= track.last)
        return any(box.covered_by(known.scaled(1.5)) > 0.5 for known in here)

    def at(self, frame: int) -> list[TrackRedaction]:
        """The redactions of a frame, those that are drawn last at the end."""
        here = self._near.get(frame // NEAR, ())
        return [one for one in here if one.track.first <= frame <= one.track.last]

    def redactions_at(self, frame: int) -> list[Redaction]:
        """What is drawn in a frame."""
        found = (redaction_at(one, frame, self.size) for one in self.at(frame))
        return [one for one in found if one]

    def keep(self, frame: int) -> list[KeptArea]:
        """What must stay visible in a frame for the clinical subject."""
        areas: list[KeptArea] = [Box(*rect) for rect in self.settings.keep]
        return areas + [outline for one in self.parts for outline in one.at(frame)]


def planned(
    clip: Clip,
    searched: Searched,
    settings: Settings,
    secret: bytes,
    earlier: RedactionPlan | None = None,
    heads: SeenHeads | None = None,
    room: ClipRoom | None = None,
) -> RedactionPlan:
    """A redaction for every track of the search and every region that a person drew.

    Tracks that are what they were in an ``earlier`` plan keep their redactions, noise and all. The noise of the
    others follows from ``secret``, the installation's. With ``heads`` each face's redaction hides its head;
    of what lies in a ``room`` that is painted grey nothing is left to hide.
    """
    size = clip.width, clip.height
    seconds = np.asarray(searched.pts * float(clip.time_base), np.float64)
    found = searched.tracker.tracks()
    dismissed = tuple(track for track in found if _is_dismissed(track, settings, seconds))
    tracks = [track for track in found if track not in dismissed and not (room and room.hides(track))]
    tracks += [track for _, track in searched.follower.tracks(seconds)]
    if heads:
        tracks = [heads.whole(track) for track in tracks]
    transfer = clip.colour.transfer if clip.colour else 0
    before = {_identity(one.track): one for one in earlier.redactions} if earlier else {}
    patient = of_patient(
        [(track.kind, float(track.boxes[:, 2:].prod(axis=1).sum())) for track in tracks], settings
    )
    redactions = tuple(
        before.get(_identity(track))
        or track_redaction(track, settings, size, secret, transfer, patient=number == patient)
        for number, track in enumerate(tracks)
    )
    parts = earlier.parts if earlier else ()
    return RedactionPlan(to_draw(redactions, size), settings, size, transfer, dismissed, parts, room)


def to_draw(redactions: Sequence[TrackRedaction], size: tuple[int, int]) -> tuple[TrackRedaction, ...]:
    """The redactions, but for text and codes that in each of their frames are left to a face's redaction."""
    faces = [one for one in redactions if one.track.kind is Kind.FACE and one.style is not Style.FILL]

    def left_to_faces(track: Track, frame: int) -> bool:
        here = (
            redaction_at(face, frame, size) for face in faces if face.track.first <= frame <= face.track.last
        )
        region = Region(track.box(frame), track.kind, track.evidence, corners=track.corners(frame))
        return under_faces(region, [one for one in here if one])

    return tuple(
        one
        for one in redactions
        if one.track.kind not in LEGIBLE
        or not all(left_to_faces(one.track, frame) for frame in range(one.track.first, one.track.last + 1))
    )


def differing(one: RedactionPlan, other: RedactionPlan) -> set[int]:
    """The frames in which two plans of one clip do not draw the same redactions."""
    alone = set(one.redactions) ^ set(other.redactions)
    return {
        frame
        for track_redaction in alone
        for frame in range(track_redaction.track.first, track_redaction.track.last + 1)
    }


def _identity(track: Track) -> tuple[object, ...]:
    """What two tracks have in common that are covered alike."""
    arrays = (track.boxes, track.colours, track.seen, track.quads)
    return track.kind, track.first, *(None if one is None else one.tobytes() for one in arrays)


def lies_inside(one: DrawnRegion, clip: Clip, pts: NDArray[np.int64]) -> bool:
    """Whether a person's region has a part in the picture at a time at which a frame is shown."""
    inside = Box(*one.rect).within(clip.width, clip.height).area > 0
    seconds = np.asarray(pts * float(clip.time_base), np.float64)
    return inside and bool(drawn.within(one, seconds).any())


def _is_dismissed(track: Track, settings: Settings, seconds: NDArray[np.float64]) -> bool:
    """Whether a person said of this track, named by its kind, extent and time, that nothing is to be hidden."""
    extent = union(track)
    for place in settings.dismiss:
        during = place.start <= seconds[track.last] and (
            place.end is None or place.end >= seconds[track.first]
        )
        if during and place.kind is track.kind and Box(*place.rect).iou(extent) >= SAME:
            return True
    return False


def union(track: Track) -> Box:
    """The smallest box that holds a track's boxes."""
    x, y = float(track.boxes[:, 0].min()), float(track.boxes[:, 1].min())
    right, bottom = (track.boxes[:, :2] + track.boxes[:, 2:]).max(axis=0)
    return Box(x, y, float(right) - x, float(bottom) - y)
