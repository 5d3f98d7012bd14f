"""A person's regions of a clip as tracks: held where they were drawn, or followed by their appearance both ways.

A region that is followed is where it was drawn in one frame, its anchor; before and after that it goes where its
look goes, larger or smaller as that grows or shrinks. Where it cannot be known again it is held for a moment and
then given up, unless the person named a time up to which it is to be hidden: then it is held until then. A cut ends
it. It is a guess all the same, so whoever asked for it is asked to look (:func:`said`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.pixels import averages
from anonymizer.core.settings import PERSON, DrawnRegion
from anonymizer.core.types import Box, Evidence, Pixels
from anonymizer.track.live import HELD
from anonymizer.track.template import FOLLOWED_CORRELATION, GROWTH, STILL, Grey, Template, follow, template
from anonymizer.track.tracks import SMOOTH, Track, steady

FRESH = 0.9
"""Correlation under which a thing's appearance is taken anew: it turns, and the light changes."""
POINTS = 12
"""Points along each side of a place whose flow is measured from one frame to the next."""
LEAST_POINTS = 12
"""How many of them must come back to where they began, within …"""
ASTRAY = 1.0
"""… so many pixels of the small frame."""
GROWS = 0.06
"""The most that a thing grows or shrinks from one frame to the next, as a share of its size."""
BACK = 1800
"""Frames back from its anchor that a thing is followed at most: a minute, some 70 MB as JPEG."""


@dataclass(slots=True)
class _Direction:
    """A region on its way from the anchor, in one direction: ``boxes`` of the small frames, ``marks`` as in a track."""

    box: Box
    grey: Grey
    """The frame that it was in last."""
    appearance: Template | None
    patience: int
    boxes: list[Box] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    missed: int = 0

    def step(self, grey: Grey) -> None:
        """One frame on: by the flow of its points, or by its appearance once that was lost."""
        box, correlation = self.box, 0.0
        if self.appearance and not self.missed and (moved := _flowed(self.grey, grey, self.box)):
            box, correlation = moved, _correlation(self.appearance, grey, moved)
        if self.appearance and correlation < FOLLOWED_CORRELATION:
            box, correlation = follow(self.appearance, grey, self.box)
        self.grey = grey
        if correlation >= FOLLOWED_CORRELATION:
            self.box, self.missed = box, 0
            if correlation < FRESH:
                self.appearance = template(grey, box) or self.appearance
        else:
            self.missed += 1
            if self.missed <= self.patience:
                self.box = self.box.scaled(1 + GROWTH)
        self.boxes.append(self.box)
        self.marks.append("H" if self.missed else "F")


@dataclass(slots=True)
class _Colours:
    """The sum of a place's averages over frames."""

    total: NDArray[np.float64] | None = None
    added: int = 0

    def add(self, small: Pixels, box: Box, grid: int) -> None:
        """One frame more; ``box`` in its pixels."""
        left, top, right, bottom = box.pixels(small.shape[1], small.shape[0])
        if right > left and bottom > top:
            found = averages(small[top:bottom, left:right], (grid, grid)).astype(np.float64)
            self.total = found if self.total is None else self.total + found
            self.added += 1

    def mean(self) -> NDArray[np.float32]:
        """Their averages ``(rows, columns, 3)``; a grey where nothing of the place was in the picture."""
        if self.total is None:
            return np.full((1, 1, 3), 128, np.float32)
        return (self.total / self.added).astype(np.float32)


@dataclass(slots=True)
class _Followed:
    """A region that is followed. ``anchor`` is the number of the frame it was drawn in, -1 until that is reached."""

    region: DrawnRegion
    anchor: int = -1
    back: _Direction | None = None
    on: _Direction | None = None
    over: bool = False
    colours: _Colours = field(default_factory=_Colours)


class RegionFollower:
    """Takes the small frames of a clip in order and follows what a person drew, or learns the colours of what is held.

    ``size`` and ``small`` are (width, height) of a frame and of its small copy, ``rate`` the frames per second,
    ``grid`` the averages along a side, ``margin`` the growth of a face's box.
    """

    def __init__(
        self,
        regions: Sequence[DrawnRegion],
        size: tuple[int, int],
        small: tuple[int, int],
        rate: float,
        grid: int,
        margin: float,
    ) -> None:
        self._followed = [_Followed(region) for region in regions if region.follow is not None]
        self._held = [(region, _Colours()) for region in regions if region.follow is None]
        self._scale = small[0] / size[0], small[1] / size[1]
        rate = min(max(rate, 1.0), 240.0)
        self._patience = max(1, round(HELD * rate))
        self._half = max(1, round(SMOOTH * rate))
        self._grid = grid
        self._margin = margin
        self._past: deque[NDArray[np.uint8]] = deque(maxlen=BACK)
        self._last: Pixels | None = None
        self._number = -1

    def add(self, small: Pixels, seconds: float, *, cut: bool) -> None:
        """The next frame: its small RGB copy, its time from the first one, and whether a new shot begins with it."""
        for region, colours in self._held:
            if within(region, np.array([seconds])).all():
                colours.add(small, self._small(region).scaled(self._margin), self._grid)
        if not self._followed:
            return
        # A region belongs to the frame that is shown at its moment: the last one that is not after it.
        self._begin(
            followed for followed in self._followed if followed.anchor < 0 and _moment(followed) < seconds
        )
        self._number += 1
        grey = _grey(small)
        if cut:
            self._past.clear()
            for followed in self._followed:
                followed.over = followed.over or followed.anchor >= 0
        for followed in self._followed:
            if followed.on and not followed.over:
                followed.on.step(grey)
                followed.colours.add(small, followed.on.box.scaled(self._margin), self._grid)
                followed.over = followed.on.missed >= self._patience and followed.region.end is None
        if any(followed.anchor < 0 for followed in self._followed):
            self._past.append(_packed(grey))
        self._last = small

    def tracks(self, seconds: NDArray[np.float64]) -> list[tuple[DrawnRegion, Track]]:
        """The regions with their tracks, those that lie within their time. ``seconds`` float64 ``(n,)``: each frame's.

        No frame is added after that; may be called again.
        """
        self._begin(followed for followed in self._followed if followed.anchor < 0)
        held = ((region, _held(region, seconds, colours.mean())) for region, colours in self._held)
        followed = ((followed.region, self._track(followed, seconds)) for followed in self._followed)
        return [(region, track) for region, track in (*held, *followed) if track]

    def _begin(self, due: Iterable[_Followed]) -> None:
        """Take the last frame for these regions' own, and follow them back from there."""
        for followed in due:
            if self._last is None:
                return
            box = self._small(followed.region)
            grey = _grey(self._last)
            followed.anchor = self._number
            followed.colours.add(self._last, box.scaled(self._margin), self._grid)
            appearance = template(grey, box)
            followed.back, followed.on = (
                _Direction(box, grey, appearance, self._patience),
                _Direction(box, grey, appearance, self._patience),
            )
            for packed in islice(reversed(self._past), 1, None):
                followed.back.step(_unpacked(packed))
                if followed.back.missed >= self._patience and not followed.region.start:
                    break

    def _small(self, region: DrawnRegion) -> Box:
        """Where a region was drawn, in the pixels of the small copy."""
        sx, sy = self._scale
        x, y, w, h = region.rect
        return Box(x * sx, y * sy, w * sx, h * sy)

    def _track(self, followed: _Followed, seconds: NDArray[np.float64]) -> Track | None:
        if followed.back is None or followed.on is None:
            return None
        sx, sy = self._scale
        small = [*reversed(followed.back.boxes), None, *followed.on.boxes]
        boxes = np.array(
            [followed.region.rect if b is None else (b.x / sx, b.y / sy, b.w / sx, b.h / sy) for b in small],
            np.float32,
        )
        marks = np.array([*reversed(followed.back.marks), "S", *followed.on.marks])
        first = followed.anchor - len(followed.back.boxes)
        times = seconds[first : first + len(boxes)]
        inside = np.flatnonzero(within(followed.region, times))
        if not len(inside):
            return None
        part = slice(int(inside[0]), int(inside[-1]) + 1)
        return Track(
            followed.region.kind,
            first + part.start,
            steady(boxes[part], self._half),
            marks[part] == "S",
            (Evidence(PERSON, 1.0),),
            followed.colours.mean(),
            guessed=marks[part] == "H",
        )


def _held(one: DrawnRegion, seconds: NDArray[np.float64], colours: NDArray[np.float32]) -> Track | None:
    """A region as a track that stands still; None where its time lies outside the clip."""
    inside = np.flatnonzero(within(one, seconds))
    if not len(inside):
        return None
    first, count = int(inside[0]), int(inside[-1] - inside[0]) + 1
    boxes = np.tile(np.array(one.rect, np.float32), (count, 1))
    return Track(one.kind, first, boxes, np.ones(count, np.bool_), (Evidence(PERSON, 1.0),), colours)


def within(one: DrawnRegion, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of these moments lie in a region's time."""
    end = float("inf") if one.end is None else one.end
    return np.asarray((seconds >= one.start - 1e-6) & (seconds <= end + 1e-6), np.bool_)


def said(one: DrawnRegion, track: Track | None, seconds: NDArray[np.float64]) -> Message:
    """What a person is asked about a region that was followed."""
    at = one.follow or 0.0
    if track is None:
        return Message("ask.not-followed", seconds=at)
    first, last = float(seconds[track.first]), float(seconds[track.last])
    return Message("ask.followed", seconds=at, first=first, last=last)


def _moment(followed: _Followed) -> float:
    return float(followed.region.follow or 0.0) + 1e-6


def _flowed(before: Grey, grey: Grey, box: Box) -> Box | None:
    """Where a thing went by the flow of its points (median flow: Kalal, Mikolajczyk, Matas 2010); None if too few know.

    A point counts if it comes back to where it began when its flow is measured backwards.
    """
    height, width = before.shape
    left, top, right, bottom = box.pixels(width, height)
    if right - left < 4 or bottom - top < 4:
        return None
    # Inwards of the edge: corners of a drawn rectangle are rarely on the thing.
    xs = np.linspace(left + 0.1 * (right - left), right - 0.1 * (right - left), POINTS)
    ys = np.linspace(top + 0.1 * (bottom - top), bottom - 0.1 * (bottom - top), POINTS)
    start = np.array([(x, y) for y in ys for x in xs], np.float32)
    there, known, _ = cv2.calcOpticalFlowPyrLK(before, grey, start, np.empty_like(start))
    back, again, _ = cv2.calcOpticalFlowPyrLK(grey, before, there, np.empty_like(start))
    good = (known[:, 0] == 1) & (again[:, 0] == 1) & (np.abs(back - start).max(axis=1) < ASTRAY)
    if int(good.sum()) < LEAST_POINTS:
        return None
    here, there = start[good], there[good]
    dx, dy = np.median(there - here, axis=0)
    apart, were = _distances(there), _distances(here)
    far = were > 1
    scale = float(np.median(apart[far] / were[far])) if far.any() else 1.0
    moved = Box(box.x + float(dx), box.y + float(dy), box.w, box.h)
    return moved.scaled(min(1 + GROWS, max(1 - GROWS, scale)))


def _distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    first, second = np.triu_indices(len(points), 1)
    return np.asarray(np.hypot(*(points[first] - points[second]).T), np.float32)


def _correlation(appearance: Template, grey: Grey, box: Box) -> float:
    """The correlation of a place with an appearance, from -1 to 1, at whatever size it has now."""
    now = template(grey, box)
    if now is None:
        return 0.0
    height, width = appearance.patch.shape
    patch = np.asarray(cv2.resize(now.patch, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if float(cv2.absdiff(patch, appearance.patch).mean()) < STILL:
        return 1.0
    correlation = float(cv2.matchTemplate(patch, appearance.patch, cv2.TM_CCOEFF_NORMED)[0, 0])
    return correlation if np.isfinite(correlation) else 0.0


def _grey(small: Pixels) -> Grey:
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _packed(grey: Grey) -> NDArray[np.uint8]:
    return np.asarray(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 92])[1], np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> Grey:
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
