"""The first pass over a clip: quick detection in every frame and full detection in some, until every track is known.

Every frame gets a quick detection or is followed: one small copy at the rotations at which the shot's faces stand,
and every two seconds at all four; text and codes are searched for every two seconds. The full ensemble, at all
rotations and full size, with the full search for text and codes, goes to the first frame, to every cut, and to a
frame every eight seconds; and the ensemble to wherever a face that was well in view is suddenly not seen any more.
The tracker bridges what lies between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import LimitError
from anonymizer.core.settings import HdrPolicy, Settings
from anonymizer.core.types import Box, Kind, Pixels, Progress, Region
from anonymizer.core.yuv import Planes, pixels
from anonymizer.detect.faces.fusion import upright_rotation
from anonymizer.detect.finder import Finder
from anonymizer.read.clip.reader import Clip, Ending, Reading, SearchFrame, opened, search_frames, small_size
from anonymizer.read.sniff import Format
from anonymizer.redact.photo import redact
from anonymizer.redact.residual import left_over
from anonymizer.road.clip.closer_looks import CONFIRMED, closer_looks, looking
from anonymizer.road.clip.flashes import flashed
from anonymizer.track.hand_drawn import RegionFollower
from anonymizer.track.tracker import Tracker

SMALL_SIDE = 640
"""Long side, pixels, of the small copy of every frame."""
FULL_EVERY = 8.0
"""Seconds between searches for everything in a whole frame; cuts are searched at once."""
MARKS_EVERY = 2.0
"""Seconds between quick detections of text and codes in a whole frame: somebody may have turned a wrist."""
WHOLE_EVERY = 0.5
"""Seconds between whole frames: in each, text and codes that could not be followed surely are looked for again …"""
MOVED_EVERY = 1.0
"""… and in some those that have moved. How they went until they are sighted again is known by the way back."""
ANEW_EVERY = 15.0
"""Seconds after which networks forget, at the next full search, what they prepared for each shape of picture: labels
that move come in ever new ones, of some 8 MB each, and to compile again takes half a second."""
ROTATED_EVERY = 2.0
"""Seconds between quick detections at all four rotations: somebody may have lain down."""
NEAR_SIDE = 320
"""Long side for the quick detection where the last full search found no small face …"""
SMALL_FACE = 0.055
"""… one whose lesser side is less than this share of the frame's long side: 17 pixels at 320."""
TELLING = 0.4
"""Score of a face from which its size and rotation say how to go on: no quick detection sees fainter ones."""
TOGETHER = 8
"""Frames in a group: those of it that are searched, two in calm at 30 a second, keep every core busy in one call."""
LOST_PAUSE = 0.5
"""Seconds at least between two searches for a face that was lost."""
QuickFaces = list[Region] | None
"""The faces of a quick detection in a frame, None where there was none."""
MARKS = frozenset({Kind.TEXT, Kind.CODE, Kind.MARK})
LABELS = frozenset({Kind.TEXT, Kind.CODE})
FACES = frozenset({Kind.FACE})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A place in one frame that a person must look at."""

    frame: int
    region: Region


@dataclass(frozen=True, slots=True)
class Searched:
    """What the first pass knows: ``pts`` int64 ``(n,)`` in the clip's time base, ``cuts`` frame numbers.

    ``follower`` followed what a person drew.
    """

    tracker: Tracker
    follower: RegionFollower
    pts: NDArray[np.int64]
    cuts: tuple[int, ...]
    doubts: tuple[Doubt, ...]
    ending: Ending
    looked: tuple[int, ...] = ()
    """The frames that were searched for everything."""


@dataclass(slots=True)
class _Shot:
    """What holds for the shot under way."""

    rotations: frozenset[int] = frozenset({0})
    side: int = SMALL_SIDE
    lost_due: int = 0
    rotated_due: int = 0
    marks_due: int = 0
    moved_due: int = 0
    anew: int = 0
    """The frame from which networks keep what they prepare for each shape."""


@dataclass(frozen=True, slots=True)
class _QuickSearch:
    """The quick detection in a group: one frame of ``every``, at these rotations and this long side; ``around``: one of
    it at the other rotations as well."""

    rotations: tuple[int, ...]
    side: int
    every: int
    around: bool


@dataclass(slots=True)
class _Collected:
    pts: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    looked: list[int] = field(default_factory=list)

    def doubt(self, frame: int, regions: Sequence[Region]) -> None:
        """Keep what a person must look at among the regions of a frame."""
        self.doubts += [Doubt(frame, region) for region in regions if region.asked]


def begun(
    path: Path, form: Format, settings: Settings, canvas: tuple[int, int] | None = None
) -> AbstractContextManager[tuple[Clip, Reading]]:
    """A clip, and the reading that :func:`search` goes on with; ``canvas``: what all frames are fitted into.

    Raises as :func:`.opened` does.
    """
    return opened(
        path,
        form,
        settings.limits,
        "search",
        small=SMALL_SIDE,
        whole_every=WHOLE_EVERY,
        full_every=FULL_EVERY,
        keep_hdr=settings.hdr is HdrPolicy.KEEP,
        canvas=canvas,
        crop=settings.crop,
        longest=settings.longest_side,
    )


def search(
    clip: Clip, reading: Reading, finder: Finder, settings: Settings, progress: Progress | None
) -> Searched:
    """Find every track of a clip. Raises :class:`anonymizer.core.errors.MediumError` where it cannot be decoded."""
    size = small_size(clip, SMALL_SIDE)
    whole = clip.width, clip.height
    tracker = Tracker(whole, size, float(clip.rate), settings.grid, settings.margin)
    follower = RegionFollower(settings.regions, whole, size, float(clip.rate), settings.grid, settings.margin)
    shot, found = _Shot(), _Collected()
    for group, quick in _quickly_searched(clip, reading, size, finder, tracker, shot, settings):
        for frame, faces in zip(group, quick, strict=True):
            _take(clip, frame, faces, finder, tracker, shot, found, settings)
            follower.add(frame.small, float(frame.pts * clip.time_base), cut=frame.cut)
            if progress:
                progress("searching", frame.number + 1, clip.expected)
    ending = reading.ending
    if ending is None or not found.pts:
        raise LimitError("clip.search-ended")
    return Searched(
        tracker,
        follower,
        np.array(found.pts, np.int64),
        tuple(found.cuts),
        tuple(found.doubts),
        ending,
        tuple(found.looked),
    )


def _quickly_searched(
    clip: Clip,
    reading: Reading,
    size: tuple[int, int],
    finder: Finder,
    tracker: Tracker,
    shot: _Shot,
    settings: Settings,
) -> Iterator[tuple[list[SearchFrame], list[QuickFaces]]]:
    """Frames in small groups, with the faces of a quick detection in each, in the pixels of the small copies.

    While the tracker takes one group, the next is searched in a thread of its own.
    """
    waiting: deque[tuple[list[SearchFrame], Future[list[QuickFaces]]]] = deque()
    before: Pixels | None = None
    with ThreadPoolExecutor(1) as executor:
        for group in _groups(search_frames(clip, reading, size)):
            setup = _quick_search(group[0], tracker, shot)
            waiting.append((group, executor.submit(_quick_finds, finder, group, setup, settings, before)))
            before = group[-1].small
            if len(waiting) > 1 or group[0].full:
                # What is learnt of a frame searched in full holds for those behind it.
                while len(waiting) > (not group[0].full):
                    one, answer = waiting.popleft()
                    yield one, answer.result()
        while waiting:
            one, answer = waiting.popleft()
            yield one, answer.result()


def _groups(frames: Iterator[SearchFrame]) -> Iterator[list[SearchFrame]]:
    """Frames in small groups; one that is searched in full is a group by itself."""
    group: list[SearchFrame] = []
    for frame in frames:
        if group and (frame.full or len(group) == TOGETHER):
            yield group
            group = []
        if frame.full:
            yield [frame]
        else:
            group.append(frame)
    if group:
        yield group


def _quick_search(first: SearchFrame, tracker: Tracker, shot: _Shot) -> _QuickSearch:
    around = first.number >= shot.rotated_due
    if around:
        shot.rotated_due = first.number + tracker.frames_of(ROTATED_EVERY)
    return _QuickSearch(tuple(sorted(shot.rotations)), shot.side, tracker.pace(), around)


def _quick_finds(
    finder: Finder,
    group: Sequence[SearchFrame],
    setup: _QuickSearch,
    settings: Settings,
    before: Pixels | None,
) -> list[QuickFaces]:
    """The faces of each frame that is not searched in full.

    One frame of several is searched: in between the tracker follows the tracks by their appearance, and what first
    comes into view in between is followed back. A frame in which something flashes up is searched finely.
    """
    if not settings.faces or group[0].full:
        return [None for _ in group]
    around = finder.quick_find_around(group[0].small, setup.rotations) if setup.around else None
    answers: dict[int, list[Region]] = {} if around is None else {0: around}
    searched = [n in answers or frame.number % setup.every == 0 for n, frame in enumerate(group)]
    fine = flashed([frame.small for frame in group], searched, None if group[0].cut else before)
    fine = [n for n in fine if n not in answers and (not searched[n] or setup.side < SMALL_SIDE)]
    coarse = [n for n, wanted in enumerate(searched) if wanted and n not in answers and n not in fine]
    for numbers, side in ((coarse, setup.side), (fine, SMALL_SIDE)):
        if numbers:
            found = finder.quick_find([group[n].small for n in numbers], setup.rotations, side)
            answers |= dict(zip(numbers, found, strict=True))
    return [answers.get(n) for n in range(len(group))]


def _take(
    clip: Clip,
    frame: SearchFrame,
    faces: QuickFaces,
    finder: Finder,
    tracker: Tracker,
    shot: _Shot,
    found: _Collected,
    settings: Settings,
) -> None:
    """One frame: search it in full where that is due, and hand what was sighted to the tracker."""
    searched = FACES if settings.faces else frozenset()
    scale = clip.width / frame.small.shape[1], clip.height / frame.small.shape[0]
    sightings = [region.times(*scale) for region in faces or ()]
    if frame.cut:
        found.cuts.append(frame.number)
        shot.rotations = frozenset({0})
    picture = None
    if frame.whole is not None and not frame.full:
        others, picture, everywhere = _labels(frame.number, frame.whole, finder, tracker, shot)
        searched |= LABELS if everywhere else frozenset()
        found.looked += [frame.number] if everywhere else []
        sightings += [region for region in others if region.hidden]
        found.doubt(frame.number, others)
    if frame.whole is not None and frame.full:
        if frame.number - shot.anew >= tracker.frames_of(ANEW_EVERY):
            finder.let_go()
            shot.anew = frame.number
        picture = pixels(frame.whole)
        found.looked.append(frame.number)
        shot.marks_due = frame.number + tracker.frames_of(MARKS_EVERY)
        shot.moved_due = frame.number + tracker.frames_of(MOVED_EVERY)
        known = () if frame.cut else tracker.places(MARKS)
        full = _searched(finder, picture, known, settings)
        searched |= MARKS
        shot.rotated_due = frame.number + tracker.frames_of(ROTATED_EVERY)
        sightings = [region for region in full if region.hidden]
        found.doubt(frame.number, full)
        _learn_rotations(shot, sightings, fresh=True)
        small = SMALL_FACE * max(clip.width, clip.height)
        here = [r.box for r in _telling(sightings)]
        shot.side = SMALL_SIDE if any(min(box.w, box.h) < small for box in here) else NEAR_SIDE
    elif faces is not None and frame.number >= shot.lost_due and tracker.losing([r.box for r in sightings]):
        shot.lost_due = frame.number + tracker.frames_of(LOST_PAUSE)
        more = [region.times(*scale) for region in finder.faces(frame.small)]
        sightings += _new([region for region in more if region.hidden], sightings)
        found.doubt(frame.number, more)
        _learn_rotations(shot, sightings, fresh=False)
    elif sightings:
        _learn_rotations(shot, sightings, fresh=False)
    scores = closer_looks(frame, sightings, picture, scale, finder, tracker)
    tracker.add(frame.small, sightings, cut=frame.cut, searched=searched)
    tracker.looked(scores, CONFIRMED)
    if frame.whole is not None:
        tracker.prove(looking(finder, frame.whole, picture))
    found.pts.append(frame.pts)


def _labels(
    number: int, whole: Planes, finder: Finder, tracker: Tracker, shot: _Shot
) -> tuple[list[Region], Pixels | None, bool]:
    """Text and codes in a frame between full searches: everywhere where that is due, else where some are in doubt.

    Also the frame's pixels, where it was looked at, and whether it was everywhere.
    """
    # Half a moment early: whole frames come when they come.
    early = tracker.frames_of(WHOLE_EVERY / 2)
    if number >= shot.marks_due - early:
        shot.marks_due = number + tracker.frames_of(MARKS_EVERY)
        shot.moved_due = number + tracker.frames_of(MOVED_EVERY)
        finder.make_room()
        picture = pixels(whole)
        return finder.quick_find_others(picture), picture, True
    moved = number >= shot.moved_due - early
    places = tracker.restless(moved=moved)
    if not places:
        return [], None, False
    if moved:
        shot.moved_due = number + tracker.frames_of(MOVED_EVERY)
    picture = pixels(whole)
    return [region for region in finder.labels_near(picture, places) if region.hidden], picture, False


def _searched(finder: Finder, picture: Pixels, known: Sequence[Box], settings: Settings) -> list[Region]:
    """Everything in a frame, and what the search of the output would still find beside it when it is hidden.

    So a clip is seldom written and read from end to end again. ``known`` places are hidden already.
    """
    finder.make_room()  # Of the detections before: together they would take more than a gigabyte.
    faces = finder.faces(picture)
    finder.make_room()
    known = [*known, *(face.box for face in faces if face.hidden)]
    found = faces + finder.others(picture, known)
    hidden = [r.moved(r.box) for r in found if r.hidden] + [Region(box, Kind.DRAWN, ()) for box in known]
    clean, redactions = redact(picture, hidden, settings)
    again = left_over(
        finder.quick_find_others(clean), redactions, clean, finder.quick_find_others, again=False
    )
    finder.make_room()
    return found + again


def _new(regions: Sequence[Region], known: Sequence[Region]) -> list[Region]:
    """The regions that are none of those that are known."""
    return [r for r in regions if all(r.box.iou(k.box) < 0.3 for k in known)]


def _learn_rotations(shot: _Shot, faces: Sequence[Region], *, fresh: bool) -> None:
    """Go on at the rotations at which the faces of this shot stand; ``fresh`` forgets those of before."""
    rotations = frozenset(upright_rotation(r.landmarks) for r in _telling(faces) if r.landmarks)
    shot.rotations = rotations if fresh and rotations else shot.rotations | rotations


def _telling(regions: Sequence[Region]) -> list[Region]:
    return [r for r in regions if r.kind is Kind.FACE and max(e.score for e in r.evidence) >= TELLING]
