"""The road of one clip: search every frame, hide every track, write clean, read back with another reader.

The first pass finds (``search.py``), the second decodes again and redacts (``writing.py``), the third is the
verification's own (``verification.py``): the ffmpeg program decodes what was written, and every frame of it is compared
with what must be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import DamagedError, UnreadableError, UnsupportedError
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.message import Message
from anonymizer.core.settings import Background, Cover, Purpose, Settings
from anonymizer.core.types import (
    Check,
    Kind,
    Processed,
    Progress,
    Question,
    Result,
    Shape,
    TrackSummary,
)
from anonymizer.detect.base import models_of
from anonymizer.detect.finder import Finder
from anonymizer.detect.speech import SpeechFinder
from anonymizer.gate.files import file_sha256
from anonymizer.read.clip.reader import Clip, Reshaped
from anonymizer.read.sniff import Format
from anonymizer.redact.clip import TrackRedaction, shown
from anonymizer.report.keyframes import keyframes
from anonymizer.road.background import Persons, said, told
from anonymizer.road.clip.background import ClipRoom, clip_room
from anonymizer.road.clip.face_parts import followed_parts
from anonymizer.road.clip.heads import SeenHeads, seen_heads
from anonymizer.road.clip.plan import RedactionPlan, differing, lies_inside, planned, union
from anonymizer.road.clip.questions import asked_already, questions
from anonymizer.road.clip.search import Doubt, Searched, begun, search
from anonymizer.road.clip.speech import mutes, searched_again, speech_in, to_listen
from anonymizer.road.clip.verification import Verification, verification_pass
from anonymizer.road.clip.writing import Written, write, write_again
from anonymizer.road.face_parts import PartsOfFaces
from anonymizer.road.framing import about
from anonymizer.road.heads import Heads
from anonymizer.road.known import known_check, traces_with
from anonymizer.road.photo import ASKED, reasons, residual
from anonymizer.track import hand_drawn as drawn
from anonymizer.verify.clip import ExpectedClip, examine

MANY_DAMAGED = 0.05
"""Share of damaged frames from which a person must look."""
ATTEMPTS = 5
"""How often a clip is written at most: what the search of the output finds is hidden too."""
SEEN_LEAST = 0.5
"""Share of a face's frames in which a part must be seen that a clip is cropped to."""
MOST_TOLD = 12
"""Doubtful places that a report names one by one."""


def process(
    path: Path,
    form: Format,
    finder: Finder,
    settings: Settings,
    staged: Path,
    secret: bytes,
    progress: Progress | None = None,
    parts: PartsOfFaces | None = None,
    heads: Heads | None = None,
    persons: Persons | None = None,
) -> tuple[Processed, str]:
    """Take a clip down the road; ``staged`` (without suffix) is where the clean MP4 is written. The noise
    follows from ``secret``, the installation's. ``parts`` finds the parts of faces that are to stay in view, ``heads``
    the heads that are hidden whole, ``persons`` tells the person from the room.

    Returns it with the source's SHA-256 (hex). Raises :class:`anonymizer.core.errors.MediumError` where it cannot
    be decoded or changes meanwhile, :class:`anonymizer.core.errors.OutputError` where it cannot be written.
    """
    staged = staged.with_suffix(".mp4")
    finder.rest()
    before = _identity(path)
    sha256 = file_sha256(path)
    if settings.crop_to and not settings.crop and parts:
        settings = cropped_to_part(path, form, finder, settings, progress, parts)
    clip, searched = _searched(path, form, finder, settings, progress)
    doubts, searched_frames = list(searched.doubts), list[int]()
    room: ClipRoom | None = None
    unsure: list[Message] = []
    if persons and settings.background is not Background.KEEP:
        own = None if settings.background_outline else persons.finder
        room = clip_room(clip, settings, own, _rate(clip, searched.pts), progress)
        unsure += said(settings, sure=room.sure) if room else [Message("road.background-left")]
    plan = planned(clip, searched, settings, secret, room=room)
    if parts and settings.kept_parts:
        tracks = [one.track for one in plan.redactions]
        in_view, doubtful = followed_parts(clip, tracks, settings, parts, progress)
        unsure += doubtful
        plan = replace(plan, parts=in_view)
    whole: SeenHeads | None = None
    if heads and settings.cover is Cover.HEAD:
        tracks = [one.track for one in plan.redactions]
        whole = seen_heads(clip, tracks, settings, heads.finder, _rate(clip, searched.pts), progress)
        unsure += whole.said(clip, _seconds(clip, searched))
        plan = planned(clip, searched, settings, secret, plan, whole, room)
    among: set[int] | None = None
    finder.let_go()  # The encoder takes as much.
    listener = SpeechFinder() if mutes(settings) and "sound" in clip.traces.kinds else None
    silent = (
        speech_in(clip, settings, listener, float(searched.ending.last * clip.time_base)) if listener else ()
    )
    written = write(clip, plan, staged, progress, len(searched.pts), silent=silent)
    for attempt in range(1, ATTEMPTS + 1):
        verified = verification_pass(
            staged,
            plan,
            finder,
            length=len(searched.pts),
            rate=_rate(clip, searched.pts),
            cuts=searched.cuts,
            sound=written.sound,
            among=among,
            progress=progress,
        )
        bare = [f for f in verified.found if not plan.lets_be(f.frame, f.region.box)]
        bare = [f for f in bare if not asked_already(f.region, f.frame, doubts, searched, plan.size)]
        doubts += [Doubt(f.frame, f.region) for f in bare if f.region.asked]
        searched_frames.append(verified.searched)
        left = [f for f in bare if f.region.hidden]
        if not left or attempt == ATTEMPTS:
            break
        for one in left:
            searched.tracker.sight(one.frame, one.region, one.colours, len(searched.pts))
        # All else of the next writing is what this one's was, and was searched.
        earlier, plan = plan, planned(clip, searched, settings, secret, plan, whole, room)
        among = differing(earlier, plan)
        finder.let_go()
        written = write_again(clip, plan, staged, progress, written, among)
    if _identity(path) != before:
        raise UnreadableError("file.changed")
    expected = ExpectedClip(
        size=(clip.width, clip.height),
        pts=searched.pts,
        durations=written.durations,
        time_base=clip.time_base,
        source_sha256=sha256,
        traces=traces_with(clip.traces, settings),
        keep_name=settings.keep_name,
        sound=written.sound,
    )
    doubts += [Doubt(frame, region) for frame, region in searched.tracker.asked()]
    asked = questions(clip, searched, plan, doubts)
    counts = {"count": attempt, "frames": searched_frames[0]}
    if attempt > 1:
        # Where nothing was added, the frames are those that were searched before, written once more.
        searches = Message("road.searched.clip-again", **counts, more=sum(searched_frames[1:]))
    else:
        searches = Message("road.searched.clip", **counts)
    checks = [
        residual([one.region for one in bare], searches),
        coverage(plan, written, verified),
        *([verified.strength] if verified.strength else []),
        *([verified.room] if verified.room else []),
        *([searched_again(staged, settings, listener, silent)] if listener and written.sound else []),
        *examine(staged, expected, verified.read),
    ]
    return (
        Processed(
            path=staged,
            type="clip",
            format="MP4",
            width=clip.width,
            height=clip.height,
            redactions=(),
            checks=(*checks, *known_check(settings)),
            traces=traces_with(clip.traces, settings),
            reasons=(*unsure, *_reasons(clip, searched, plan, written, asked)),
            questions=tuple(asked),
            notes=(
                *_notes(searched, written, settings),
                *(told(settings) if room else ()),
                *_heads_told(plan),
            ),
            models=models_of(finder, listener, parts, heads, persons),
            tracks=tuple(_summary(one, clip, plan, _seconds(clip, searched)) for one in plan.redactions),
            contact_sheet=verified.sheet,
            thumbnail=verified.thumbnail,
            frames=len(searched.pts),
            duration=float((written.pts[-1] + written.durations[-1]) * clip.time_base),
            crop=settings.crop,
        ),
        sha256,
    )


def _searched(
    path: Path, form: Format, finder: Finder, settings: Settings, progress: Progress | None
) -> tuple[Clip, Searched]:
    """The clip, and what its search found: in one size for all frames, where the first one's is not that of all."""
    canvas: tuple[int, int] | None = None
    while True:
        try:
            with begun(path, form, settings, canvas) as (clip, reading):
                searched = search(clip, reading, finder, settings, progress)
                return replace(clip, joins=searched.ending.joins), searched
        except Reshaped as changed:
            if canvas is not None:
                raise DamagedError("clip.gave-up") from changed
            canvas = changed.canvas


def cropped_to_part(
    path: Path,
    form: Format,
    finder: Finder,
    settings: Settings,
    progress: Progress | None,
    parts: PartsOfFaces,
) -> Settings:
    """The settings with a crop that holds a part of the largest face in all frames in which it is seen.

    Raises :class:`anonymizer.core.errors.UnsupportedError` where that is less than half of the face's.
    """
    assert settings.crop_to
    part = FacePart(settings.crop_to)
    whole = settings.model_copy(update={"max_side": 0, "purpose": Purpose.ORIGINAL})
    clip, searched = _searched(path, form, finder, whole, progress)
    faces = [track for track in searched.tracker.tracks() if track.kind is Kind.FACE]
    largest = max(faces, key=lambda one: float(one.boxes[:, 2:].prod(axis=1).sum()), default=None)
    wanted = whole.model_copy(update={"keep_part": (KeptPart(part=part),), "keep_mouth": False})
    followed, _ = followed_parts(clip, [largest] if largest else [], wanted, parts, progress)
    if not followed or followed[0].shown.all(axis=1).mean() < SEEN_LEAST:
        raise UnsupportedError("road.crop-no-part", part=Message(f"part.{part}"))
    one = followed[0]
    shown = [outline for frame in range(one.first, one.first + len(one.shown)) for outline in one.at(frame)]
    return settings.model_copy(update={"crop": about(shown)})


def coverage(plan: RedactionPlan, written: Written, verified: Verification) -> Check:
    """Every frame of every track was drawn over, by the second pass's own count and by the second reader's eye."""
    wanted: NDArray[np.int32] = np.zeros(len(written.pts), np.int32)
    for one in plan.redactions:
        wanted[one.track.first : one.track.last + 1] += shown(one, plan.size)
    bare = {int(frame) for frame in np.flatnonzero(wanted != written.drawn)} | set(verified.bare)
    facts = {"tracks": len(plan.redactions), "frames": len(written.pts), "bare": len(bare)}
    if bare:
        said = Message("check.coverage.bare", count=len(bare), first=min(bare))
        return Check("coverage", Result.FAIL, said, facts)
    if not plan.redactions:
        return Check("coverage", Result.PASS, Message("check.nothing-hidden"), facts)
    said = Message("check.coverage.passed", tracks=len(plan.redactions), count=len(written.pts))
    return Check("coverage", Result.PASS, said, facts)


def _rate(clip: Clip, pts: NDArray[np.int64]) -> float:
    """Frames per second as they came, whatever was announced."""
    return (len(pts) - 1) / float(int(pts[-1]) * clip.time_base) if len(pts) > 1 else float(clip.rate)


def _seconds(clip: Clip, searched: Searched) -> NDArray[np.float64]:
    return np.asarray(searched.pts * float(clip.time_base), np.float64)


def _identity(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file: it is read twice, and must be the same."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UnreadableError("file.gone") from error
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _summary(
    one: TrackRedaction, clip: Clip, plan: RedactionPlan, seconds: NDArray[np.float64]
) -> TrackSummary:
    track = one.track
    seen = shown(one, plan.size)
    boxes = one.boxes[seen]
    if one.shape is not Shape.ELLIPSE:
        boxes = boxes.clip((0, 0, 0, 0), (*plan.size, *plan.size))
    return TrackSummary(
        kind=track.kind,
        style=one.style,
        shape=one.shape,
        first=float(seconds[track.first]),
        last=float(seconds[track.last]),
        frames=len(track.boxes),
        interpolated=int((~track.seen).sum()),
        evidence=track.evidence,
        box=union(track).pixels(clip.width, clip.height),
        grid=(one.grid.shape[1], one.grid.shape[0]),
        path=keyframes(seconds[track.first : track.last + 1][seen], boxes),
    )


def _reasons(
    clip: Clip, searched: Searched, plan: RedactionPlan, written: Written, asked: Sequence[Question]
) -> list[Message]:
    settings = plan.settings
    said = [note for note in searched.ending.notes if note.code in ASKED]
    if searched.ending.broken_off:
        said.append(Message("clip.broken-off", count=len(searched.pts)))
    if searched.ending.late:
        said.append(Message("clip.begins-late", seconds=float(searched.ending.late * clip.time_base)))
    if _damaged(searched, written) > MANY_DAMAGED * len(searched.pts):
        said.append(Message("clip.many-damaged"))
    if len(written.pts) != len(searched.pts) or not np.array_equal(written.pts, searched.pts):
        said.append(Message("clip.not-alike"))
    said += [
        Message("clip.drawn-outside", rect=", ".join(f"{value:g}" for value in one.rect), seconds=one.start)
        for one in settings.regions
        if not lies_inside(one, clip, searched.pts)
    ]
    said += [one.message for one in asked[:MOST_TOLD]]
    if len(asked) > MOST_TOLD:
        # What moves is in another place each time.
        said.append(Message("clip.more-places", count=len(asked) - MOST_TOLD))
    said += _followed(clip, searched, settings)
    if written.sound and mutes(settings):
        said.append(
            to_listen(written.silent, float((written.pts[-1] + written.durations[-1]) * clip.time_base))
        )
    elif written.sound:
        said.append(Message("clip.sound-kept"))
    return said + reasons(settings, written.kept, len(plan.dismissed), cropped=bool(settings.crop))


def _heads_told(plan: RedactionPlan) -> list[Message]:
    faces = sum(one.track.kind is Kind.FACE for one in plan.redactions)
    return [Message("notes.heads", count=faces)] if faces and plan.settings.cover is Cover.HEAD else []


def _damaged(searched: Searched, written: Written) -> int:
    """Frames of the source that were concealed or left out, in whichever pass met more."""
    one, two = searched.ending, written.ending
    return max(one.corrupt, two.corrupt) + max(one.lost, two.lost)


def _followed(clip: Clip, searched: Searched, settings: Settings) -> list[Message]:
    """A message for each place that was followed for a person, who must see how far that went."""
    seconds = _seconds(clip, searched)
    tracks = dict(searched.follower.tracks(seconds))
    wanted = (one for one in settings.regions if one.follow is not None)
    return [drawn.said(one, tracks.get(one), seconds) for one in wanted]


def _notes(searched: Searched, written: Written, settings: Settings) -> list[Message]:
    ending = searched.ending
    notes = [*(note for note in ending.notes if note.code not in ASKED), *written.notes]
    if settings.crop:
        notes.append(Message("notes.cropped"))
    if broken := _damaged(searched, written):
        notes.append(Message("clip.frames-concealed", count=broken))
    if ending.retimed:
        notes.append(Message("clip.frames-retimed", count=ending.retimed))
    return notes
