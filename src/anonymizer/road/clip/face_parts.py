"""Parts of faces that stay in view in a clip: found in every frame of a face's track, made steady, asked about where
they are not found surely.

A pass of its own over the source, between the search and the writing, and only where a part is wanted. What stays in
view belongs to frames, not to tracks: a redaction that is added later covers it no more and no less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.face_outlines import POINTS, Outline, Points, face_width, outlines
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Pixels, Progress, Region
from anonymizer.detect.faces.mesh import PRESENCE, FaceMesh, Mesh, sure
from anonymizer.read.clip.reader import Clip, opened, search_frames, small_size
from anonymizer.road.face_parts import REACH, PartsOfFaces, addressed, nobody, single, unsure
from anonymizer.track.tracks import Track

SIDE = 1280
"""Long side, pixels, of the frames that the mesh sees."""
LOOKED = 0.5
"""Seconds between looks that must agree; from frame to frame the mesh is followed, and where it is lost …"""
RETRIED = 0.1
"""… looked for again after so many seconds."""
HALF = 0.1
"""Half width, seconds, of the window in which places are averaged: the further off, the less a frame counts."""
BRIDGED, SHORTEST = 0.2, 0.5
"""Seconds without a part that are bridged; shortest time, seconds, for which one is shown at all: what comes and goes
is no view of anything."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowedParts:
    """The parts of one face over time: ``points`` float32 ``(n, k, 2)`` are those of the mesh that ``indices`` name, in
    pixels of frame ``first + i``; ``shown`` bool ``(n, parts)``: which of the ``parts`` stay in view there."""

    first: int
    parts: tuple[FacePart, ...]
    indices: tuple[int, ...]
    points: NDArray[np.float32]
    shown: NDArray[np.bool_]

    def at(self, frame: int) -> list[Outline]:
        """The outlines of what stays in view in a frame."""
        number = frame - self.first
        if not 0 <= number < len(self.points) or not self.shown[number].any():
            return []
        points: Points = np.zeros((478, 2))
        points[list(self.indices)] = self.points[number]
        wanted = [part for part, there in zip(self.parts, self.shown[number], strict=True) if there]
        return [outline for part in wanted for outline in outlines(points, part)]


@dataclass
class _Following:
    """A face under way: the points of the last frame, the parts that the last look bore out, and what is known."""

    track: Track
    parts: tuple[FacePart, ...]
    indices: tuple[int, ...]
    points: NDArray[np.float32]
    shown: NDArray[np.bool_]
    last: Points | None = None
    borne_out: frozenset[FacePart] = frozenset()
    due: float = field(default=-1.0)


def followed_parts(
    clip: Clip, tracks: Sequence[Track], settings: Settings, parts: PartsOfFaces, progress: Progress | None
) -> tuple[tuple[FollowedParts, ...], list[Message]]:
    """What stays in view of the faces of these tracks, and what a person is asked.

    Raises :class:`anonymizer.core.errors.MediumError` where the clip cannot be decoded again.
    """
    faces = [one for one in tracks if one.kind is Kind.FACE]
    said: list[Message] = []
    wanted: dict[int, list[FacePart]] = {}
    for asked in settings.kept_parts:
        meant = _meant(faces, asked)
        if not meant:
            said.append(nobody(asked))
        for number in meant:
            wanted.setdefault(number, []).extend(single(asked.part))
    under_way = [_begun(faces[number], tuple(dict.fromkeys(own))) for number, own in sorted(wanted.items())]
    if not under_way:
        return (), said
    seconds = _seen(clip, under_way, settings, parts.mesh, progress)
    rate = (
        (len(seconds) - 1) / (seconds[-1] - seconds[0])
        if len(seconds) > 1 and seconds[-1] > seconds[0]
        else 25.0
    )
    found = []
    for one in under_way:
        made = _steadied(one, rate)
        found.append(made)
        gaps = [np.flatnonzero(~column) for column in made.shown.T]
        missing = [
            (int(gap[0]), part)
            for gap, part in zip(gaps, one.parts, strict=True)
            if len(gap) > BRIDGED * rate or len(gap) == len(made.shown)
        ]
        if missing:
            frame = one.track.first + min(missing)[0]
            moment = float(seconds[min(frame, len(seconds) - 1)])
            where = Message("ask.at-moment", seconds=moment, box=one.track.box(frame))
            said.append(unsure([part for _, part in missing], where))
    return tuple(found), said


def _meant(faces: Sequence[Track], wanted: KeptPart) -> list[int]:
    """Which tracks a person meant: all that are large enough, or the one that is the first to hold a place."""
    if wanted.at is None:
        largest = (one.box(one.first + int(one.boxes[:, 2:].max(axis=1).argmax())) for one in faces)
        return addressed(list(enumerate(largest)), wanted)
    met: list[tuple[int, int]] = []
    for number, track in enumerate(faces):
        grown = (track.box(frame).scaled(REACH) for frame in range(track.first, track.last + 1))
        holding = (n for n, box in enumerate(grown) if box.holds(*wanted.at))
        if (first := next(holding, None)) is not None:
            met.append((track.first + first, number))
    return [min(met)[1]] if met else []


def _begun(track: Track, parts: tuple[FacePart, ...]) -> _Following:
    needed = {index for part in parts for index in POINTS[part]}
    if FacePart.MOUTH in parts:
        needed |= {61, 291}
    if FacePart.EARS in parts:
        needed |= {168}
    indices = tuple(sorted(needed))
    count = len(track.boxes)
    return _Following(
        track,
        parts,
        indices,
        np.zeros((count, len(indices), 2), np.float32),
        np.zeros((count, len(parts)), np.bool_),
    )


def _seen(
    clip: Clip,
    under_way: Sequence[_Following],
    settings: Settings,
    mesh: FaceMesh,
    progress: Progress | None,
) -> NDArray[np.float64]:
    """Look at every frame of the clip; its frames' times in seconds."""
    times: list[float] = []
    last = max(one.track.last for one in under_way)
    # A crop is given its size by itself.
    more = {"crop": settings.crop, "longest": settings.longest_side, "canvas": clip.canvas}
    with opened(clip.path, clip.form, settings.limits, "search", small=SIDE, **more) as (again, reading):
        size = small_size(again, SIDE)
        sx, sy = size[0] / clip.width, size[1] / clip.height
        for frame in search_frames(again, reading, size):
            times.append(float(frame.pts * clip.time_base))
            for one in under_way:
                if one.track.first <= frame.number <= one.track.last:
                    _advance(one, frame.number, times[-1], frame.small, mesh, (sx, sy), frame.cut)
            if progress:
                progress("searching", frame.number + 1, 0)
            if frame.number > last and len(times) > 2:
                break
    return np.array(times, np.float64)


def _advance(
    one: _Following,
    frame: int,
    moment: float,
    small: Pixels,
    mesh: FaceMesh,
    scale: tuple[float, float],
    cut: bool,
) -> None:
    """Take one frame of a face in."""
    box = one.track.box(frame).times(*scale)
    region = Region(box, Kind.FACE, ())
    found: Mesh | None = None
    if one.last is not None and not cut:
        found = mesh.follow(small, one.last)
        if found is None or not _stayed(found, box):
            found, one.due = None, moment
    if moment >= one.due:
        # Turned as the points are that are known, or at the turn that is surest.
        known = found.points if found else None
        landmarks = () if known is None else tuple(map(tuple, known[[33, 263]].tolist()))
        look = mesh.look(small, Region(box, Kind.FACE, (), landmarks=landmarks))
        if look is not None and not _stayed(look, box):
            look = None
        one.borne_out = frozenset(
            part for part in one.parts if look is not None and sure(small, region, look, part)
        )
        found = look if found is None else found
        one.due = moment + (LOOKED if look is not None else RETRIED)
    one.last = found.points if found else None
    if found is None:
        return
    number = frame - one.track.first
    one.points[number] = found.points[list(one.indices)] / scale
    one.shown[number] = [part in one.borne_out and sure(small, region, found, part) for part in one.parts]


def _stayed(mesh: Mesh, box: Box) -> bool:
    """Whether a mesh still lies on the face of a track."""
    middle = mesh.points[:468].mean(axis=0)
    near = box.x <= middle[0] <= box.right and box.y <= middle[1] <= box.bottom
    return mesh.presence >= PRESENCE and near and 0.4 < face_width(mesh.points) / max(box.w, box.h, 1) < 2.0


def _steadied(one: _Following, rate: float) -> FollowedParts:
    """The same with short gaps bridged, short views left out, and the places averaged over neighbouring frames."""
    shown = np.column_stack([_spans(column, rate) for column in one.shown.T])
    there = one.shown.any(axis=1)
    points = one.points.astype(np.float64)
    at = np.flatnonzero(there)
    if len(at):
        steps = np.arange(len(points))
        flat = points.reshape(len(points), -1)
        filled = np.column_stack([np.interp(steps, at, flat[at, i]) for i in range(flat.shape[1])])
        half = max(1, round(HALF * rate))
        weights = np.concatenate([np.arange(1, half + 2), np.arange(half, 0, -1)]).astype(np.float64)
        # Ends go on as they moved: an average that sees one side only would lag behind.
        before = 2 * filled[0] - filled[half:0:-1] if len(filled) > half else filled[:1].repeat(half, axis=0)
        after = (
            2 * filled[-1] - filled[-2 : -half - 2 : -1]
            if len(filled) > half
            else filled[-1:].repeat(half, axis=0)
        )
        long = np.concatenate([before, filled, after])
        smooth = sum(w * long[i : i + len(filled)] for i, w in enumerate(weights)) / weights.sum()
        points = np.asarray(smooth).reshape(points.shape)
    return FollowedParts(one.track.first, one.parts, one.indices, points.astype(np.float32), shown)


def _spans(shown: NDArray[np.bool_], rate: float) -> NDArray[np.bool_]:
    """Gaps of :data:`BRIDGED` closed, then views under :data:`SHORTEST` left out; a track that is shorter itself may
    be shown throughout."""
    found = shown.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[True], shown, [True]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if begin > 0 and end < len(shown) and end - begin <= BRIDGED * rate:
            found[begin:end] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[False], found, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        if end - begin < min(SHORTEST * rate, len(shown)):
            found[begin:end] = False
    return found
