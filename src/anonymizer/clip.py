"""The road of one clip: search every frame, hide every track, write clean, read back with another reader.

The first pass finds (``search.py``), the second decodes again and redacts, the third is the verification's
own: the ffmpeg program decodes what was written, and every frame of it is compared with what must be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer import drawn
from anonymizer.ahead import ahead
from anonymizer.detect.finder import WORDS, Finder
from anonymizer.errors import UnreadableError
from anonymizer.gate import file_sha256
from anonymizer.media.clip import Clip, Ending, Frame, Reading, frames, open_clip
from anonymizer.media.sniff import Format
from anonymizer.media.write_clip import ClipWriter
from anonymizer.path import through
from anonymizer.photo import reasons, residual, unveiled
from anonymizer.recheck import Looked, look_again
from anonymizer.redact_yuv import Cover, cover, paint, veil
from anonymizer.search import Doubt, Searched, search
from anonymizer.settings import AudioPolicy, Settings
from anonymizer.track import Track
from anonymizer.types import Box, Check, Processed, Progress, Result, Style, TrackSummary, Veil
from anonymizer.verify.clip import ExpectedClip, examine

SAME = 0.5
"""Intersection over union from which a dismissed place is a track's extent."""
ATTEMPTS = 3
"""How often a clip is written at most: what the search of the output finds is hidden too."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the second pass wrote: times int64 ``(n,)`` in the clip's time base, and what it drew.

    ``drawn`` int32 ``(n,)`` counts the covers in each frame; ``kept``: something hidden was uncovered again.
    """

    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    drawn: NDArray[np.int32]
    kept: bool
    ending: Ending


@dataclass(frozen=True, slots=True)
class Plan:
    """Which covers lie over which frame: the tracks of the search and a person's own regions."""

    covers: tuple[Cover, ...]
    settings: Settings
    size: tuple[int, int]
    dismissed: tuple[Track, ...] = ()
    """Tracks that a person knows to be harmless: they stay visible."""

    def lets_be(self, frame: int, box: Box) -> bool:
        """Whether a place in a frame belongs to a track that was dismissed."""
        here = (track.box(frame) for track in self.dismissed if track.first <= frame <= track.last)
        return any(box.covered_by(known.scaled(1.5)) > 0.5 for known in here)

    def at(self, frame: int) -> list[Cover]:
        """The covers of a frame, those that are drawn last at the end."""
        here = (one for one in self.covers if one.track.first <= frame <= one.track.last)
        # Solid ones last: a fill is never softened by a blur beside it.
        return sorted(here, key=lambda one: one.style is Style.FILL)

    def veils(self, frame: int) -> list[Veil]:
        """What is drawn in a frame."""
        found = (veil(one, frame, self.settings, self.size) for one in self.at(frame))
        return [one for one in found if one]

    def keep(self, frame: int) -> list[Box]:
        """What must stay visible in a frame for the clinical subject."""
        boxes = [Box(*rect) for rect in self.settings.keep]
        if self.settings.keep_mouth:
            mouths = (one.track.mouth(frame) for one in self.at(frame))
            boxes += [mouth for mouth in mouths if mouth]
        return boxes


def process(
    path: Path,
    form: Format,
    finder: Finder,
    settings: Settings,
    staged: Path,
    progress: Progress | None = None,
) -> tuple[Processed, str]:
    """Take a clip down the road; ``staged`` (without suffix) is where the clean MP4 is written.

    Returns it with the source's SHA-256 (hex). Raises :class:`anonymizer.errors.MediumError` where it cannot
    be decoded or changes meanwhile, :class:`anonymizer.errors.OutputError` where it cannot be written.
    """
    staged = staged.with_suffix(".mp4")
    before = _identity(path)
    clip = open_clip(path, form, settings.limits)
    sha256 = file_sha256(path)
    searched = search(clip, finder, settings, progress)
    for attempt in range(1, ATTEMPTS + 1):
        plan = planned(clip, searched, settings)
        written = write(clip, plan, staged, progress)
        looked = look_again(
            staged,
            plan,
            finder,
            length=len(searched.pts),
            rate=float(clip.rate),
            cuts=searched.cuts,
            progress=progress,
        )
        seen = [f for f in looked.found if f.region.certain and not plan.lets_be(f.frame, f.region.box)]
        left = [f for f in seen if unveiled([f.region], plan.veils(f.frame))]
        if not left or attempt == ATTEMPTS:
            break
        for one in left:
            searched.tracker.sight(one.frame, one.region, one.colours, len(searched.pts))
        staged.unlink()
    if _identity(path) != before:
        raise UnreadableError("The file changed while it was read; wait until it is complete and try again.")
    expected = ExpectedClip(
        size=(clip.width, clip.height),
        pts=searched.pts,
        durations=written.durations,
        time_base=clip.time_base,
        source_sha256=sha256,
        traces=clip.traces,
        keep_name=settings.keep_name,
        sound=settings.audio is AudioPolicy.KEEP and _has_sound(clip),
    )
    searches = f"{attempt} search{'es' if attempt > 1 else ''} of the output, at {looked.searched} frames"
    checks = [
        residual([one.region for one in left], searches),
        coverage(plan, written, looked),
        *([looked.strength] if looked.strength else []),
        *examine(staged, expected, looked.read),
    ]
    return (
        Processed(
            path=staged,
            type="clip",
            format="MP4",
            width=clip.width,
            height=clip.height,
            veils=(),
            checks=tuple(checks),
            traces=clip.traces,
            reasons=tuple(_reasons(clip, searched, plan, written)),
            notes=tuple(_notes(searched, written)),
            models=tuple(finder.models()),
            tracks=tuple(_summary(one, clip, plan, _seconds(clip, searched)) for one in plan.covers),
            contact_sheet=looked.sheet,
            frames=len(searched.pts),
            duration=float((written.pts[-1] + written.durations[-1]) * clip.time_base),
        ),
        sha256,
    )


def planned(clip: Clip, searched: Searched, settings: Settings) -> Plan:
    """A cover for every track of the search and every region that a person drew."""
    size = clip.width, clip.height
    seconds = _seconds(clip, searched)
    found = searched.tracker.tracks()
    dismissed = tuple(track for track in found if _is_dismissed(track, settings, seconds))
    tracks = [track for track in found if track not in dismissed]
    still = (one for one in settings.regions if one.follow is None)
    tracks += [track for one in still if (track := drawn.held(one, seconds))]
    tracks += [track for _, track in searched.leader.tracks(seconds)]
    return Plan(tuple(cover(track, settings, size) for track in tracks), settings, size, dismissed)


def write(clip: Clip, plan: Plan, staged: Path, progress: Progress | None) -> Written:
    """The second pass: decode again, hide, encode. Raises as :func:`process` does."""
    settings = plan.settings
    pts: list[int] = []
    durations: list[int] = []
    drawn: list[int] = []
    kept = False
    sound = _Sound(clip, settings)
    with (
        ClipWriter(
            staged,
            width=clip.width,
            height=clip.height,
            time_base=clip.time_base,
            rate=clip.rate,
            aspect=clip.aspect,
            crf=settings.crf,
            sound=sound.form,
        ) as out,
        closing(sound),
        Reading(clip.path, clip.form, settings.limits, "full") as reading,
        ahead(_painted(clip, reading, plan)) as painted,
    ):
        for frame, count, uncovered in painted:
            kept = kept or uncovered
            drawn.append(count)
            out.write(frame.planes, frame.pts, frame.duration)
            pts.append(frame.pts)
            durations.append(frame.duration)
            for block in sound.until(float((frame.pts + frame.duration) * clip.time_base)):
                out.write_sound(block)
            if progress:
                progress("hiding", frame.number + 1, clip.expected)
        ending = reading.ending
    if ending is None or not pts:
        raise UnreadableError("The clip could not be read a second time; try again.")
    return Written(
        np.array(pts, np.int64), np.array(durations, np.int64), np.array(drawn, np.int32), kept, ending
    )


def _painted(clip: Clip, reading: Reading, plan: Plan) -> Iterator[tuple[Frame, int, bool]]:
    """Each frame with its covers on it, how many they are, and whether something hidden was kept clear."""
    for frame in frames(clip, reading):
        keep = plan.keep(frame.number)
        count = paint(frame.planes, plan.at(frame.number), frame.number, plan.settings, keep)
        yield frame, count, bool(keep and _uncovers(keep, plan.veils(frame.number)))


def coverage(plan: Plan, written: Written, looked: Looked) -> Check:
    """Every frame of every track was drawn over, by the second pass's own count and by the second reader's eye."""
    wanted = np.array([len(plan.veils(frame)) for frame in range(len(written.pts))], np.int32)
    bare = {int(frame) for frame in np.flatnonzero(wanted != written.drawn)} | set(looked.bare)
    facts = {"tracks": len(plan.covers), "frames": len(written.pts), "bare": len(bare)}
    if bare:
        said = f"In {len(bare)} frames a redacted region is not where it must be, the first at frame {min(bare)}."
        return Check("coverage", Result.FAIL, said, facts)
    if not plan.covers:
        return Check("coverage", Result.PASS, "There was nothing to hide.", facts)
    said = (
        f"Every frame of all {len(plan.covers)} tracks is redacted: the second reader compared each of the "
        f"{len(written.pts)} frames with what must lie there."
    )
    return Check("coverage", Result.PASS, said, facts)


class _Sound:
    """The clip's sound in step with the picture; nothing where it is dropped or there is none."""

    def __init__(self, clip: Clip, settings: Settings) -> None:
        self.form: tuple[int, int] | None = None
        self._reading: Reading | None = None
        self._blocks: Iterator[NDArray[np.int16]] = iter(())
        self._done = 0
        if settings.audio is AudioPolicy.KEEP and _has_sound(clip):
            self._reading = Reading(clip.path, clip.form, settings.limits, "sound")
            rate, channels = int(self._reading.described["rate"]), int(self._reading.described["channels"])
            self.form = rate, channels
            self._blocks = (
                data.view(np.int16).reshape(-1, channels) for _, _, _, data in self._reading.records()
            )

    def until(self, seconds: float) -> Iterator[NDArray[np.int16]]:
        """The blocks that begin before this time; what is longer than the picture is left out."""
        while self.form and self._done < seconds * self.form[0]:
            block = next(self._blocks, None)
            if block is None:
                return
            self._done += len(block)
            yield block

    def close(self) -> None:
        if self._reading:
            self._reading.close()


def _has_sound(clip: Clip) -> bool:
    return "sound" in clip.traces.kinds


def _is_dismissed(track: Track, settings: Settings, seconds: NDArray[np.float64]) -> bool:
    """Whether a person said of this track, named by its kind, extent and time, that nothing is to be hidden."""
    extent = _union(track)
    for place in settings.dismiss:
        during = place.start <= seconds[track.last] and (
            place.end is None or place.end >= seconds[track.first]
        )
        if during and place.kind is track.kind and Box(*place.rect).iou(extent) >= SAME:
            return True
    return False


def _union(track: Track) -> Box:
    x, y = float(track.boxes[:, 0].min()), float(track.boxes[:, 1].min())
    right, bottom = (track.boxes[:, :2] + track.boxes[:, 2:]).max(axis=0)
    return Box(x, y, float(right) - x, float(bottom) - y)


def _seconds(clip: Clip, searched: Searched) -> NDArray[np.float64]:
    return np.asarray(searched.pts * float(clip.time_base), np.float64)


def _uncovers(keep: Sequence[Box], veils: Sequence[Veil]) -> bool:
    return any(box.intersection(_extent(one)).area > 0 for box in keep for one in veils)


def _extent(one: Veil) -> Box:
    left, top, right, bottom = one.box
    return Box(left, top, right - left, bottom - top)


def _identity(path: Path) -> tuple[int, int, int]:
    """What changes when somebody writes to a file: it is read twice, and must be the same."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UnreadableError("The file is gone; it was moved or deleted meanwhile.") from error
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _summary(one: Cover, clip: Clip, plan: Plan, seconds: NDArray[np.float64]) -> TrackSummary:
    track = one.track
    frames = range(track.first, track.last + 1)
    shown = [(f, v.box) for f in frames if (v := veil(one, f, plan.settings, plan.size))]
    boxes = np.array([box for _, box in shown], np.int32).reshape(-1, 4)
    return TrackSummary(
        kind=track.kind,
        style=one.style,
        shape=one.shape,
        first=float(seconds[track.first]),
        last=float(seconds[track.last]),
        frames=len(track.boxes),
        interpolated=int((~track.seen).sum()),
        evidence=track.evidence,
        box=_union(track).pixels(clip.width, clip.height),
        grid=(one.grid.shape[1], one.grid.shape[0]),
        path=through(seconds[[f for f, _ in shown]], boxes),
    )


def _reasons(clip: Clip, searched: Searched, plan: Plan, written: Written) -> list[str]:
    settings = plan.settings
    said = []
    if searched.ending.broken_off:
        said.append(
            f"The clip could not be decoded to its end: after {len(searched.pts)} frames it broke off; "
            "copy it from the camera again, or decide whether this part is enough."
        )
    if len(written.pts) != len(searched.pts) or not np.array_equal(written.pts, searched.pts):
        said.append("The clip was not decoded in the same way twice: do not publish it without looking.")
    said += _doubts(clip, searched, plan)
    said += _followed(clip, searched, settings)
    if settings.audio is AudioPolicy.KEEP and _has_sound(clip):
        said.append("The sound was kept, as asked: a voice identifies, so a person must listen to it.")
    return said + reasons(settings, written.kept, len(plan.dismissed))


def _doubts(clip: Clip, searched: Searched, plan: Plan) -> list[str]:
    """One sentence for each place that a person must look at; the same place in several frames once."""
    open_ = [d for d in searched.doubts if unveiled([d.region], plan.veils(d.frame))]
    told: list[Doubt] = []
    for doubt in open_:
        near = (d for d in told if d.region.kind is doubt.region.kind)
        if all(d.region.box.iou(doubt.region.box) < 0.3 for d in near):
            told.append(doubt)
    return [
        f"{WORDS[d.region.kind]} {float(searched.pts[d.frame] * clip.time_base):.1f} s into the clip, at "
        f"x {d.region.box.x:.0f}, y {d.region.box.y:.0f}, {d.region.box.w:.0f} by {d.region.box.h:.0f} pixels: "
        "please look."
        for d in told
    ]


def _followed(clip: Clip, searched: Searched, settings: Settings) -> list[str]:
    """A sentence for each place that was followed for a person, who must see how far that went."""
    seconds = _seconds(clip, searched)
    tracks = dict(searched.leader.tracks(seconds))
    wanted = (one for one in settings.regions if one.follow is not None)
    return [drawn.said(one, tracks.get(one), seconds) for one in wanted]


def _notes(searched: Searched, written: Written) -> list[str]:
    ending = searched.ending
    notes = list(ending.notes)
    broken = max(ending.corrupt, written.ending.corrupt) + max(ending.lost, written.ending.lost)
    if broken:
        notes.append(f"{broken} damaged frames of the source were concealed or left out.")
    if ending.retimed:
        notes.append(f"{ending.retimed} frames had no usable time; they were given one.")
    return notes
