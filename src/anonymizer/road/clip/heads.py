"""Faces of a clip grown to whole heads: seen in some frames, and as large as any look of a second about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Progress, Region
from anonymizer.detect.faces.head import GENEROUS, ROUND, Head, HeadFinder, grown
from anonymizer.read.clip.reader import Clip, opened, search_frames, small_size
from anonymizer.road.clip.search import SMALL_SIDE
from anonymizer.road.heads import hiding
from anonymizer.track.tracks import Track, steady

EVERY = 0.4
"""Seconds between looks at a face."""
ABOUT = 1.0
"""Seconds before and after a frame whose looks tell how large its head may be."""


@dataclass(frozen=True, slots=True)
class SeenHeads:
    """What was seen of heads: ``looks`` are frame, the face's box, and the head; ``rate`` in frames a second."""

    looks: tuple[tuple[int, Box, Head], ...]
    rate: float
    settings: Settings

    def whole(self, track: Track) -> Track:
        """A track, its boxes grown so that they hide the head; another kind's is as it was."""
        if track.kind is not Kind.FACE:
            return track
        boxes: NDArray[np.float32] = np.empty_like(track.boxes)
        reaches, rims = self._reach(track)
        for number, (reach, rim) in enumerate(zip(reaches, rims, strict=True)):
            face = track.box(track.first + number)
            head = Head(grown(face, reach), True, float(rim), reach)
            box = hiding(face, head, self.settings)
            boxes[number] = box.x, box.y, box.w, box.h
        # Steady, and never smaller than what must be hidden in a frame.
        return replace(track, boxes=steady(boxes, max(1, round(0.15 * self.rate))))

    def _reach(self, track: Track) -> tuple[list[tuple[float, float, float, float]], list[float]]:
        own = [
            (frame, head)
            for frame, face, head in self.looks
            if track.first <= frame <= track.last and track.box(frame).iou(face) > 0.3
        ]
        span = ABOUT * self.rate
        reaches, rims = [], []
        for frame in range(track.first, track.last + 1):
            near = [head for at, head in own if abs(at - frame) <= span]
            if near:
                most = np.max([head.reach for head in near], axis=0).tolist()
                reaches.append((most[0], most[1], most[2], most[3]))
                rims.append(max(head.rim for head in near))
            else:
                reaches.append(GENEROUS)
                rims.append(ROUND)
        return reaches, rims

    def said(self, clip: Clip, seconds: NDArray[np.float64]) -> list[Message]:
        """That heads were not seen, with the first moment; nothing where all were."""
        guessed = [(frame, face) for frame, face, head in self.looks if not head.seen]
        if not guessed:
            return []
        frame, face = guessed[0]
        moment = float(seconds[min(frame, len(seconds) - 1)])
        return [Message("road.head-guessed", where=Message("ask.at-moment", seconds=moment, box=face))]


def seen_heads(
    clip: Clip,
    tracks: Sequence[Track],
    settings: Settings,
    finder: HeadFinder,
    rate: float,
    progress: Progress | None,
) -> SeenHeads:
    """Look at the faces of these tracks, some times a second.

    Raises :class:`anonymizer.core.errors.MediumError` where the clip cannot be decoded again.
    """
    faces = [one for one in tracks if one.kind is Kind.FACE]
    looks: list[tuple[int, Box, Head]] = []
    step = max(1, round(EVERY * rate))
    more = {"crop": settings.crop, "longest": settings.longest_side, "canvas": clip.canvas}
    if not faces:
        return SeenHeads((), rate, settings)
    with opened(clip.path, clip.form, settings.limits, "search", small=SMALL_SIDE, **more) as (
        again,
        reading,
    ):
        size = small_size(again, SMALL_SIDE)
        sx, sy = size[0] / clip.width, size[1] / clip.height
        for frame in search_frames(again, reading, size):
            for one in faces:
                if not one.first <= frame.number <= one.last or (frame.number - one.first) % step:
                    continue
                face = one.box(frame.number)
                head = finder.head(frame.small, Region(face.times(sx, sy), Kind.FACE, ()))
                looks.append((frame.number, face, head))
            if progress:
                progress("searching", frame.number + 1, 0)
    return SeenHeads(tuple(looks), rate, settings)
