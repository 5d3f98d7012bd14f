"""The first pass over a clip: look at every frame, and hard at some, until every track is known.

Every frame is glanced at or followed: a cheap look in the turns at which the shot's faces stand, and every two
seconds at all four; text and codes are looked for every two seconds. The full ensemble, at all rotations and full
size, with the full search for text and codes, goes to the first frame, to every cut, and to a frame every eight
seconds; and the ensemble to wherever a face that was well in view is suddenly not seen any more. The tracker
covers what lies between.
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
from anonymizer.core.yuv import pixels
from anonymizer.detect.faces.finder import upright_turn
from anonymizer.detect.finder import Finder
from anonymizer.read.clip.reader import Clip, Ending, Look, Reading, look_size, looks, opened
from anonymizer.read.sniff import Format
from anonymizer.redact.photo import redact
from anonymizer.redact.uncovered import left_over
from anonymizer.track.hand_drawn import Leader
from anonymizer.track.tracker import Tracker

LOOK_SIDE = 640
"""Long side, pixels, of the small copy that every frame is looked at in."""
FULL_EVERY = 8.0
"""Seconds between searches for everything in a whole frame; cuts are searched at once."""
MARKS_EVERY = 2.0
"""Seconds between quick looks for text and codes in a whole frame: somebody may have turned a wrist."""
TURNED_EVERY = 2.0
"""Seconds between glances at all four turns: somebody may have lain down."""
NEAR_SIDE = 320
"""Long side of the cheap look where the last full search found no small face …"""
SMALL_FACE = 0.055
"""… one whose lesser side is less than this share of the frame's long side: 17 pixels at 320."""
TELLING = 0.4
"""Score of a face from which its size and turn say how to look on: no quick look sees fainter ones."""
TOGETHER = 8
"""Frames in a group: those of it that are looked at, two in calm at 30 a second, keep every core busy in one call."""
LOST_PAUSE = 0.5
"""Seconds at least between two searches for a face that was lost."""
Glance = list[Region] | None
"""The faces of one cheap look at a frame, None where nobody looked."""
MARKS = frozenset({Kind.TEXT, Kind.CODE, Kind.MARK})
FACES = frozenset({Kind.FACE})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A place in one frame that a person must look at."""

    frame: int
    region: Region


@dataclass(frozen=True, slots=True)
class Searched:
    """What the first pass knows: ``pts`` int64 ``(n,)`` in the clip's time base, ``cuts`` frame numbers.

    ``leader`` followed what a person drew.
    """

    tracker: Tracker
    leader: Leader
    pts: NDArray[np.int64]
    cuts: tuple[int, ...]
    doubts: tuple[Doubt, ...]
    ending: Ending


@dataclass(slots=True)
class _Shot:
    """What holds for the shot under way."""

    turns: frozenset[int] = frozenset({0})
    side: int = LOOK_SIDE
    lost_due: int = 0
    turned_due: int = 0


@dataclass(frozen=True, slots=True)
class _Way:
    """How a group is glanced at: one frame of ``every``, at these turns and this long side; ``around``: one of it,
    at the other turns as well."""

    turns: tuple[int, ...]
    side: int
    every: int
    around: bool


@dataclass(slots=True)
class _Found:
    pts: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def doubt(self, frame: int, regions: Sequence[Region]) -> None:
        """Keep what is not certain among the regions of a frame."""
        self.doubts += [Doubt(frame, region) for region in regions if not region.certain]


def begun(path: Path, form: Format, settings: Settings) -> AbstractContextManager[tuple[Clip, Reading]]:
    """A clip, and the reading that :func:`search` goes on with. Raises as :func:`.opened` does."""
    return opened(
        path,
        form,
        settings.limits,
        "look",
        small=LOOK_SIDE,
        whole_every=MARKS_EVERY,
        full_every=FULL_EVERY,
        keep_hdr=settings.hdr is HdrPolicy.KEEP,
    )


def search(
    clip: Clip, reading: Reading, finder: Finder, settings: Settings, progress: Progress | None
) -> Searched:
    """Find every track of a clip. Raises :class:`anonymizer.core.errors.MediumError` where it cannot be decoded."""
    size = look_size(clip, LOOK_SIDE)
    whole = clip.width, clip.height
    tracker = Tracker(whole, size, float(clip.rate), settings.grid, settings.margin)
    leader = Leader(settings.regions, whole, size, float(clip.rate), settings.grid, settings.margin)
    shot, found = _Shot(), _Found()
    for group, glanced in _glanced(clip, reading, size, finder, tracker, shot, settings):
        for look, faces in zip(group, glanced, strict=True):
            _take(clip, look, faces, finder, tracker, shot, found, settings)
            leader.add(look.small, float(look.pts * clip.time_base), cut=look.cut)
            if progress:
                progress("searching", look.number + 1, clip.expected)
    ending = reading.ending
    if ending is None or not found.pts:
        raise LimitError("Reading the clip ended before its end was reached; try again.")
    return Searched(
        tracker, leader, np.array(found.pts, np.int64), tuple(found.cuts), tuple(found.doubts), ending
    )


def _glanced(
    clip: Clip,
    reading: Reading,
    size: tuple[int, int],
    finder: Finder,
    tracker: Tracker,
    shot: _Shot,
    settings: Settings,
) -> Iterator[tuple[list[Look], list[Glance]]]:
    """Frames in small groups, with the faces of one cheap look at each, in the pixels of the small copies.

    While the tracker takes one group, the next is looked at in a thread of its own.
    """
    waiting: deque[tuple[list[Look], Future[list[Glance]]]] = deque()
    with ThreadPoolExecutor(1) as glancer:
        for group in _groups(looks(clip, reading, size)):
            way = _way(group[0], tracker, shot)
            waiting.append((group, glancer.submit(_glances, finder, group, way, settings)))
            if len(waiting) > 1 or group[0].full:
                # What is learnt of a frame searched in full holds for those behind it.
                while len(waiting) > (not group[0].full):
                    one, answer = waiting.popleft()
                    yield one, answer.result()
        while waiting:
            one, answer = waiting.popleft()
            yield one, answer.result()


def _groups(frames: Iterator[Look]) -> Iterator[list[Look]]:
    """Frames in small groups; one that is searched in full is a group by itself."""
    group: list[Look] = []
    for look in frames:
        if group and (look.full or len(group) == TOGETHER):
            yield group
            group = []
        if look.full:
            yield [look]
        else:
            group.append(look)
    if group:
        yield group


def _way(first: Look, tracker: Tracker, shot: _Shot) -> _Way:
    around = first.number >= shot.turned_due
    if around:
        shot.turned_due = first.number + tracker.frames_of(TURNED_EVERY)
    return _Way(tuple(sorted(shot.turns)), shot.side, tracker.pace(), around)


def _glances(finder: Finder, group: Sequence[Look], way: _Way, settings: Settings) -> list[Glance]:
    """The faces of each frame that is not searched in full.

    One frame of several is looked at: in between the tracker follows the tracks by their look, and what first comes
    into view in between is followed back.
    """
    if not settings.faces or group[0].full:
        return [None for _ in group]
    around = [finder.glance_around(group[0].small, way.turns)] if way.around else []
    rest = group[len(around) :]
    small = [look.small for look in rest if look.number % way.every == 0]
    answers = iter(finder.glances(small, way.turns, way.side) if small else [])
    return [*around, *(None if look.number % way.every else next(answers) for look in rest)]


def _take(
    clip: Clip,
    look: Look,
    faces: Glance,
    finder: Finder,
    tracker: Tracker,
    shot: _Shot,
    found: _Found,
    settings: Settings,
) -> None:
    """One frame: search it in full where that is due, and hand what was sighted to the tracker."""
    searched = FACES if settings.faces else frozenset()
    scale = clip.width / look.small.shape[1], clip.height / look.small.shape[0]
    sightings = [_scaled(region, scale) for region in faces or ()]
    if look.cut:
        found.cuts.append(look.number)
        shot.turns = frozenset({0})
    if look.whole is not None and not look.full:
        others = finder.glance_others(pixels(look.whole))
        sightings += [region for region in others if region.certain]
        found.doubt(look.number, others)
    if look.whole is not None and look.full:
        picture = pixels(look.whole)
        known = () if look.cut else tracker.places(MARKS)
        full = _searched(finder, picture, known, settings)
        searched |= MARKS
        shot.turned_due = look.number + tracker.frames_of(TURNED_EVERY)
        sightings = [region for region in full if region.certain]
        found.doubt(look.number, full)
        _learn_turns(shot, sightings, fresh=True)
        small = SMALL_FACE * max(clip.width, clip.height)
        here = [r.box for r in _telling(sightings)]
        shot.side = LOOK_SIDE if any(min(box.w, box.h) < small for box in here) else NEAR_SIDE
    elif faces is not None and look.number >= shot.lost_due and tracker.losing([r.box for r in sightings]):
        shot.lost_due = look.number + tracker.frames_of(LOST_PAUSE)
        more = [_scaled(region, scale) for region in finder.faces(look.small)]
        sightings += _new([region for region in more if region.certain], sightings)
        found.doubt(look.number, more)
        _learn_turns(shot, sightings, fresh=False)
    elif sightings:
        _learn_turns(shot, sightings, fresh=False)
    tracker.add(look.small, sightings, cut=look.cut, searched=searched)
    found.pts.append(look.pts)


def _searched(finder: Finder, picture: Pixels, known: Sequence[Box], settings: Settings) -> list[Region]:
    """Everything in a frame, and what the search of the output would still find beside it when it is hidden.

    So a clip is seldom written and read from end to end again. ``known`` places are hidden already.
    """
    finder.make_room()  # Of the looks before: together they would take more than a gigabyte.
    faces = finder.faces(picture)
    finder.make_room()
    known = [*known, *(face.box for face in faces if face.certain)]
    found = faces + finder.others(picture, known)
    hidden = [r.moved(r.box) for r in found if r.certain] + [Region(box, Kind.DRAWN, ()) for box in known]
    clean, veils = redact(picture, hidden, settings)
    again = left_over(finder.glance_others(clean), veils, clean, finder.glance_others)
    finder.make_room()
    return found + again


def _new(regions: Sequence[Region], known: Sequence[Region]) -> list[Region]:
    """The regions that are none of those that are known."""
    return [r for r in regions if all(r.box.iou(k.box) < 0.3 for k in known)]


def _learn_turns(shot: _Shot, faces: Sequence[Region], *, fresh: bool) -> None:
    """Look on in the turns in which the faces of this shot stand; ``fresh`` forgets those of before."""
    turns = frozenset(upright_turn(r.landmarks) for r in _telling(faces) if r.landmarks)
    shot.turns = turns if fresh and turns else shot.turns | turns


def _telling(regions: Sequence[Region]) -> list[Region]:
    return [r for r in regions if r.kind is Kind.FACE and max(e.score for e in r.evidence) >= TELLING]


def _scaled(region: Region, scale: tuple[float, float]) -> Region:
    sx, sy = scale
    return Region(
        region.box.times(sx, sy),
        region.kind,
        region.evidence,
        tuple((x * sx, y * sy) for x, y in region.landmarks),
        certain=region.certain,
    )
