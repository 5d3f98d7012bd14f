"""The verification pass over a written clip: is every frame redacted where it must be, and nothing left?

The frames come from the ffmpeg program, not from the library that wrote them. Every frame is compared with the
redactions that must lie on it; faces are searched once more at regular frames, and about the place of a track
wherever it begins or ends and, less often, where it was followed unseen; text and codes at fewer frames.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core import hdr, kept
from anonymizer.core.kept import KeptArea
from anonymizer.core.message import Message
from anonymizer.core.pixels import averages
from anonymizer.core.prefetch import ahead, behind
from anonymizer.core.types import Box, Check, Pixels, Progress, Redaction, Region, Result, Style
from anonymizer.core.yuv import Planes, colours, pixels, reduced, reduction
from anonymizer.detect.base import Proof
from anonymizer.detect.faces.finder import ALL_ROTATIONS, NEAR_CONTEXT, NEAR_SIDE, QUICK_SIDE
from anonymizer.detect.finder import Finder
from anonymizer.detect.runtime import hand_back
from anonymizer.redact.clip import TrackRedaction, halved, redaction_at
from anonymizer.redact.residual import LEGIBLE, hidden, left_over
from anonymizer.report.thumbnail import thumbnail
from anonymizer.road.clip.background import worst
from anonymizer.road.clip.frames_to_check import RedactedFrames, wanted_frames
from anonymizer.road.clip.in_place import redactions_in_place
from anonymizer.verify import strength
from anonymizer.verify.second_reader import SecondReading, sampled

TOGETHER = 4
"""Frames in one call of the quick detection: more of them keep every core busy."""
SEEN = 0.4
"""Score of a face in a quick detection that counts as left over: as sure as the careful searches are."""
EDGE = 3
"""Pixels at a region's edge that are not measured: colour at half size and the encoder's smoothing reach so far."""
SHEET = 12
"""Frames on the contact sheet."""
SHEET_SIDE = 240


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What is left beside the redactions in a frame of the output; ``colours`` are its grid averages there, RGB."""

    frame: int
    region: Region
    colours: NDArray[np.float32]


@dataclass(slots=True)
class Verification:
    """What the second reader saw: ``found`` is what no redaction hides, ``bare`` are the frames that lack a redaction.

    ``searched`` counts the frames that a detector looked at, ``sheet`` is the contact sheet, ``thumbnail`` one of
    its pictures, smaller; both JPEG.
    """

    found: list[LeftOver] = field(default_factory=list)
    bare: list[int] = field(default_factory=list)
    searched: int = 0
    strength: Check | None = None
    room: Check | None = None
    """What is left of a replaced background, in the worst frame."""
    sheet: bytes = b""
    thumbnail: bytes = b""
    read: SecondReading = field(default_factory=SecondReading)


def verification_pass(
    path: Path,
    plan: RedactedFrames,
    finder: Finder,
    *,
    length: int,
    rate: float,
    cuts: Sequence[int],
    sound: bool,
    among: set[int] | None,
    progress: Progress | None,
) -> Verification:
    """Decode a written clip of ``length`` frames with the second reader, end to end, and look at its frames.

    ``sound``: it has a sound track, which is decoded as well. ``among``: where detectors look, for what was found
    before is hidden since then; None for everywhere, the first time.
    """
    hand_back()  # What the encoder took.
    verified = Verification()
    wanted = wanted_frames(plan, length, rate, cuts)
    if among is not None:
        wanted = wanted.among(among)
    shown = set(np.linspace(0, length - 1, min(SHEET, length)).round().astype(int).tolist())
    thumbnails: list[Pixels] = []
    measured: list[Check] = []
    rooms: list[Check] = []
    quick: list[tuple[int, Planes]] = []

    def note(frame: int, regions: Sequence[Region], picture: Pixels) -> None:
        verified.found += _left(frame, regions, picture, plan, finder, again=among is not None)

    def find_quickly(frames: Sequence[tuple[int, Planes]]) -> None:
        for frame, regions, planes in _quick_find(frames, finder):
            if regions:
                note(frame, regions, pixels(planes))

    def look(number: int, planes: Planes) -> None:
        """What detectors are wanted for in a frame, but for the quick one."""
        picture = pixels(planes) if number in wanted.whole | wanted.careful | wanted.labels.keys() else None
        if number in wanted.whole and picture is not None:
            finder.make_room()
            note(number, finder.verification_pass(picture), picture)
        elif number in wanted.careful and picture is not None:
            note(number, finder.verification_pass_faces(picture), picture)
        elif number in wanted.near:
            rotations = ALL_ROTATIONS if number in wanted.ends else (0, 1 + number // wanted.step % 3)
            if found := _near(planes, wanted.near[number], rotations, finder):
                note(number, found, pixels(planes))
        if number in wanted.labels and number not in wanted.whole and picture is not None:
            found = finder.labels_near(picture, wanted.labels[number])
            note(number, [region for region in found if region.hidden], picture)

    for_faces = wanted.whole | wanted.careful | wanted.near.keys()
    closely = for_faces | wanted.labels.keys()
    with (
        ahead(sampled(path, range(length), plan.size, verified.read, sound=sound)) as decoded,
        behind() as looking,
    ):
        for number, planes in decoded:
            if not redactions_in_place(planes, plan, number):
                verified.bare.append(number)
            if plan.room:
                rooms.append(plan.room.check(planes, plan.redactions_at(number), number))
            if number in wanted.measured:
                measured.append(strength_of(planes, plan, number, plan.keep(number)))
            if plan.transfer:
                # From here on for detectors and for the eye.
                planes = hdr.ordinary(planes[0], plan.transfer), *planes[1:]
            if number in closely:
                looking(partial(look, number, planes))
            if number in wanted.plain and number not in for_faces:
                quick.append((number, planes))
            if len(quick) == TOGETHER:
                looking(partial(find_quickly, quick))
                quick = []
            if number in shown:
                thumbnails.append(_thumbnail(planes))
            if progress:
                progress("checking", number + 1, length)
        looking(partial(find_quickly, quick))
    verified.searched = len(wanted.searched())
    verified.strength = _worst(measured)
    verified.room = worst(rooms)
    verified.sheet = contact_sheet(thumbnails)
    verified.thumbnail = thumbnail(thumbnails[len(thumbnails) // 2]) if thumbnails else b""
    return verified


def strength_of(planes: Planes, plan: RedactedFrames, frame: int, stays: Sequence[KeptArea]) -> Check:
    """Every redaction against its bound, brightness and colour each at their own size: nothing is interpolated."""
    y, u, v = planes
    here = [(one, redaction_at(one, frame, plan.size)) for one in plan.at(frame)]
    redactions = [found for _, found in here if found]
    sources = [_source(one, plan.transfer) for one, found in here if found]
    bound = strength.Bound(plan.settings.grid, plan.settings.noise)
    luma = strength.check(y[:, :, None], redactions, stays, bound, sources, EDGE)
    if luma.result is not Result.PASS or not redactions:
        return luma
    halves = [
        replace(one, box=halved(one.box), corners=tuple((x / 2, y / 2) for x, y in one.corners))
        for one in redactions
    ]
    blind = [None] * len(halves)  # All noise is in the brightness.
    smaller = [kept.halved(area) for area in stays]
    colour = strength.check(np.dstack([u, v]), halves, smaller, bound, blind, EDGE)
    worse = float(colour.data.get("rms", 0.0)) > float(luma.data.get("rms", 0.0))
    return colour if colour.result is not Result.PASS or worse else luma


def _source(one: TrackRedaction, transfer: int) -> strength.SourceAverages | None:
    """What a track looks like on average, on its redaction's grid, as its clip would show it."""
    if one.style is Style.FILL:
        return None

    def shown(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        return (hdr.colours(rgb, transfer) if transfer else colours(rgb))[..., 0]

    rows, columns = one.grid.shape[:2]
    sized = cv2.resize(one.track.colours, (columns, rows), interpolation=cv2.INTER_AREA)
    known = np.asarray(sized, np.float32).reshape(rows, columns, 3)
    level = float(known.mean())
    step = strength.DRAWN_NOISE
    about = np.array([[level - step] * 3, [level + step] * 3], np.float32).clip(0, 255)
    low, high = shown(about).tolist()
    return strength.SourceAverages(shown(known), (high - low) / float(about[1, 0] - about[0, 0]))


def contact_sheet(thumbnails: Sequence[Pixels]) -> bytes:
    """Small pictures in rows of four, as JPEG bytes; empty without any."""
    if not thumbnails:
        return b""
    height, width = thumbnails[0].shape[:2]
    rows = -(-len(thumbnails) // 4)
    columns = min(4, len(thumbnails))
    sheet = np.full((rows * (height + 4) - 4, columns * (width + 4) - 4, 3), 255, np.uint8)
    for number, one in enumerate(thumbnails):
        y, x = number // 4 * (height + 4), number % 4 * (width + 4)
        sheet[y : y + height, x : x + width] = one
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "JPEG", quality=80)
    return out.getvalue()


def _quick_find(
    frames: Sequence[tuple[int, Planes]], finder: Finder
) -> Iterator[tuple[int, list[Region], Planes]]:
    """A quick detection in each of a few frames."""
    if not frames:
        return
    height, width = frames[0][1][0].shape
    size = reduction(width, height, QUICK_SIDE / max(height, width))
    answers = finder.quick_find([reduced(planes, size) for _, planes in frames])
    for (number, planes), regions in zip(frames, answers, strict=True):
        found = [r for r in regions if max(e.score for e in r.evidence) >= SEEN]
        yield number, _enlarged(found, width / size[0], height / size[1]), planes


def _near(planes: Planes, places: Sequence[Box], rotations: Sequence[int], finder: Finder) -> list[Region]:
    """The faces about these places of a frame, in a copy that is twice as fine as the crop of the least of them."""
    height, width = planes[0].shape
    least = max(1.0, min(max(place.w, place.h) for place in places))
    size = reduction(width, height, 2 * NEAR_SIDE / (NEAR_CONTEXT * least))
    sx, sy = size[0] / width, size[1] / height
    within = [place.times(sx, sy) for place in places]
    return _enlarged(finder.verification_pass_near(reduced(planes, size), within, rotations), 1 / sx, 1 / sy)


def _enlarged(regions: Sequence[Region], sx: float, sy: float) -> list[Region]:
    return [r.moved(r.box.times(sx, sy)) for r in regions]


def _left(
    frame: int, regions: Sequence[Region], picture: Pixels, plan: RedactedFrames, finder: Finder, again: bool
) -> list[LeftOver]:
    """What is left beside a frame's redactions; ``again`` as for :func:`left_over`."""
    if not regions:
        return []
    redactions = plan.redactions_at(frame)
    left = left_over(regions, redactions, picture, finder.verification_pass, again=again)
    # What nobody else sees, neither reader nor second detector, is the first one's mistake, as in the first search.
    left = [r for r in left if not _mistaken(r, redactions, picture, finder)]
    grid = plan.settings.grid, plan.settings.grid
    here = [
        (one, one.box.scaled(plan.settings.margin).pixels(picture.shape[1], picture.shape[0])) for one in left
    ]
    return [
        LeftOver(frame, region, averages(picture[top:bottom, left:right], grid))
        for region, (left, top, right, bottom) in here
        if right > left and bottom > top
    ]


def _mistaken(region: Region, redactions: Sequence[Redaction], picture: Pixels, finder: Finder) -> bool:
    """Whether a place beside all redactions was taken for text or a code by one detector alone."""
    return (
        region.kind in LEGIBLE
        and not region.asked
        and not hidden(region, redactions)
        and finder.proof(picture, region) is Proof.NONE
    )


def _thumbnail(planes: Planes) -> Pixels:
    height, width = planes[0].shape
    return reduced(planes, reduction(width, height, SHEET_SIDE / max(height, width)))


def _worst(measured: Sequence[Check]) -> Check:
    """The first failure, or the passed check with the largest remainder."""
    for check in measured:
        if check.result is not Result.PASS:
            return check
    hidden = [check for check in measured if check.data.get("regions")]
    if not hidden:
        return Check("strength", Result.PASS, Message("check.nothing-hidden"), {"regions": 0})
    worst = max(hidden, key=lambda check: float(check.data.get("rms", 0.0)))
    said = Message("check.strength.frames", count=len(hidden), worst=worst.evidence)
    return Check("strength", Result.PASS, said, {**worst.data, "frames": len(hidden)})
