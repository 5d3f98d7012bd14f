"""The person of a clip, told from the room frame by frame, steadily; and what is drawn in the place of the room.

The network is asked some fifteen times a second; its answers are averaged over a quarter of a second and blended from
one to the next, so that the edge neither flickers nor jumps. What is drawn in the place of the room is the same in all
frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import hdr
from anonymizer.core.settings import Background, Settings
from anonymizer.core.types import Check, Progress, Redaction, Result
from anonymizer.core.yuv import Planes, colours
from anonymizer.detect.faces.head import SIDE
from anonymizer.detect.person import PERSON, Likelihood, PersonFinder, seen, sure
from anonymizer.read.clip.reader import Clip, opened, search_frames, small_size
from anonymizer.redact.background import PLAIN, backdrop, cells
from anonymizer.redact.clip import halved
from anonymizer.road.background import BARE, outlined
from anonymizer.road.clip.search import SMALL_SIDE
from anonymizer.track.tracks import Track
from anonymizer.verify import background
from anonymizer.verify.background import Replaced

EVERY = 1 / 15
"""Seconds between looks."""
WEIGHTS = (0.1, 0.2, 0.4, 0.2, 0.1)
"""Of a look and its neighbours: one that sees nobody takes nothing away."""
SURE = 0.8
"""Share of the looks in which the person must be sure."""
EDGE = 1.5
"""Cells, standard deviation, by which an answer is smoothed."""
SPECK = 0.005
"""Share of the picture under which an island is nobody's."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipRoom:
    """What of each frame stays and what is drawn about it: ``grid`` float32 ``(rows, columns, 3)``, 8-bit Y, U, V.

    ``looks`` are the network's answers, packed, one each ``step`` frames from the first; none where ``own``
    ``(height, width)`` holds for all frames. What lies in ``own`` stays in any case.
    """

    how: Background
    size: tuple[int, int]
    grid: NDArray[np.float32]
    own: NDArray[np.bool_]
    looks: tuple[bytes, ...] = ()
    step: int = 1
    sure: bool = True
    _kept: dict[int, NDArray[np.bool_]] = field(init=False, default_factory=dict)

    def person(self, frame: int) -> NDArray[np.bool_]:
        """Which pixels ``(height, width)`` of a frame stay."""
        if not self.looks:
            return self.own
        if frame not in self._kept:
            # Writing, checking and what is asked of single frames: never far apart.
            if len(self._kept) > 8:
                self._kept.clear()
            self._kept[frame] = self._seen(frame) | self.own
        return self._kept[frame]

    def _seen(self, frame: int) -> NDArray[np.bool_]:
        place = frame / self.step
        first = min(int(place), len(self.looks) - 1)
        after = min(first + 1, len(self.looks) - 1)
        share = np.float32(min(place - first, 1.0))
        likely: Likelihood = (1 - share) * self._steady(first) + share * self._steady(after)
        coarse = (likely >= PERSON).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(coarse)
        for number in range(1, count):
            if stats[number, cv2.CC_STAT_AREA] < SPECK * coarse.size:
                likely[labels == number] = 0
        return np.asarray(cv2.resize(likely, self.size, interpolation=cv2.INTER_LINEAR) >= PERSON)

    def _steady(self, look: int) -> Likelihood:
        last = len(self.looks) - 1
        near = [min(max(look + by, 0), last) for by in (-2, -1, 0, 1, 2)]
        return np.asarray(
            sum(np.float32(w) * _unpacked(self.looks[n]) for w, n in zip(WEIGHTS, near, strict=True)),
            np.float32,
        )

    def hides(self, track: Track) -> bool:
        """Whether one grey has left nothing of a track in any of its frames."""
        if self.how is not Background.PLAIN:
            return False
        step = max(1, len(track.boxes) // 24)
        for frame in {*range(track.first, track.last + 1, step), track.last}:
            left, top, right, bottom = track.box(frame).pixels(*self.size)
            part = self.person(frame)[top:bottom, left:right]
            if part.size == 0 or part.mean() > BARE:
                return False
        return True

    def check(self, planes: Planes, redactions: Sequence[Redaction], frame: int) -> Check:
        """Whether it is replaced in a frame as written: by its brightness and, at half size, its colours."""
        outside = ~self.person(frame)
        patches = self.grid.shape[1], self.grid.shape[0]
        luma = background.check(planes[0][:, :, None], Replaced(outside, patches), redactions, exact=False)
        if luma.result is not Result.PASS:
            return luma
        high, wide = planes[1].shape
        half = cv2.resize(outside.astype(np.uint8), (wide, high), interpolation=cv2.INTER_AREA) > 0
        halves = [
            replace(one, box=halved(one.box), corners=tuple((x / 2, y / 2) for x, y in one.corners))
            for one in redactions
        ]
        colour = background.check(np.dstack(planes[1:]), Replaced(half, patches), halves, exact=False)
        return colour if colour.result is not Result.PASS else luma


def worst(checks: Sequence[Check]) -> Check | None:
    """The first that did not pass, else the one with most left; None without any."""
    return max(
        checks, key=lambda one: (one.result is not Result.PASS, float(one.data.get("rms", 0.0))), default=None
    )


@lru_cache(maxsize=8)
def _unpacked(look: bytes) -> Likelihood:
    values = np.frombuffer(zlib.decompress(look), np.uint8).reshape(SIDE, SIDE)
    # A soft edge wanders where a hard one jumps, from one look to the next.
    return np.asarray(cv2.GaussianBlur(values / np.float32(255), (0, 0), EDGE), np.float32)


def _packed(likely: Likelihood) -> bytes:
    return zlib.compress(np.rint(255 * likely).astype(np.uint8).tobytes(), 1)


def clip_room(
    clip: Clip, settings: Settings, finder: PersonFinder | None, rate: float, progress: Progress | None
) -> ClipRoom | None:
    """The room of a clip; None where nobody was seen in it, or somebody everywhere. ``finder`` is asked unless the
    settings have an outline.

    Raises :class:`anonymizer.core.errors.MediumError` where the clip cannot be decoded again.
    """
    size = clip.width, clip.height
    own = outlined(settings, *size)
    drawn = bool(settings.background_outline)
    if drawn and (own.all() or not own.any()):
        return None
    step = max(1, round(EVERY * rate))
    looks: list[bytes] = []
    trusted: list[bool] = []
    present: list[bool] = []
    columns, rows = cells(*size)
    sums: NDArray[np.float64] = np.zeros((rows, columns, 3))
    counted = 0
    if not drawn or settings.background is Background.BLUR:
        more = {"crop": settings.crop, "longest": settings.longest_side, "canvas": clip.canvas}
        with opened(clip.path, clip.form, settings.limits, "search", small=SMALL_SIDE, **more) as (
            again,
            reading,
        ):
            small = small_size(again, SMALL_SIDE)
            mask = cv2.resize(own.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST) > 0
            for frame in search_frames(again, reading, small):
                if frame.number % step:
                    continue
                person = mask
                if not drawn and finder:
                    likely = finder.likelihood(frame.small)
                    looks.append(_packed(likely))
                    trusted.append(sure(likely))
                    present.append(seen(likely))
                    person = mask | (cv2.resize(likely, small, interpolation=cv2.INTER_LINEAR) >= PERSON)
                if settings.background is Background.BLUR and not person.all():
                    sums += backdrop(frame.small, person, settings.background)
                    counted += 1
                if progress:
                    progress("searching", frame.number + 1, 0)
    if not drawn and np.mean(present) < 1 - SURE:
        return None
    rgb = (sums / counted).astype(np.float32) if counted else np.array(PLAIN, np.float32).reshape(1, 1, 3)
    transfer = clip.colour.transfer if clip.colour else 0
    grid = hdr.colours(rgb, transfer) if transfer else colours(rgb)
    believed = drawn or float(np.mean(trusted)) >= SURE
    return ClipRoom(settings.background, size, grid, own, tuple(looks), step, believed)
