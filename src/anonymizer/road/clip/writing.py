"""The second pass over a clip: decode it again, hide every track, write it clean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import UnreadableError
from anonymizer.core.kept import KeptArea, bounds
from anonymizer.core.message import Message
from anonymizer.core.prefetch import ahead
from anonymizer.core.settings import HdrPolicy
from anonymizer.core.types import Box, Progress, Redaction
from anonymizer.detect.runtime import keeping_memory
from anonymizer.detect.speech import Span
from anonymizer.read.clip.reader import Clip, Ending, Frame, Reading, frames
from anonymizer.read.clip.sound import Sound
from anonymizer.redact.background import replace_in
from anonymizer.redact.clip import paint
from anonymizer.road.clip.plan import RedactionPlan
from anonymizer.road.clip.speech import Silencer
from anonymizer.write.clip import ClipWriter
from anonymizer.write.photo import failed
from anonymizer.write.reuse import Earlier


@dataclass(frozen=True, slots=True)
class Written:
    """What the second pass wrote: times int64 ``(n,)`` in the clip's time base, and what it drew.

    ``drawn`` int32 ``(n,)`` counts the redactions in each frame; ``kept``: something hidden was uncovered again;
    ``sound``: there is a sound track; ``notes`` on which it is.
    """

    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    drawn: NDArray[np.int32]
    kept: bool
    sound: bool
    notes: tuple[Message, ...]
    ending: Ending
    silent: tuple[Span, ...] = ()
    """Seconds of the sound that were silenced."""


def write_again(
    clip: Clip,
    plan: RedactionPlan,
    staged: Path,
    progress: Progress | None,
    before: Written,
    changed: set[int],
) -> Written:
    """The second pass once more where redactions have ``changed``; the rest of ``staged`` is taken over as it is coded.

    Raises as :func:`anonymizer.road.clip.process.process` does.
    """
    aside = staged.with_name(f"{staged.stem}-before{staged.suffix}")
    known: tuple[Earlier, Written] | None
    try:
        try:
            staged.replace(aside)
            known = Earlier(aside, changed, len(before.pts)), before
        except ValueError:
            known = None  # Nothing of it can stay: all is written.
        except OSError as error:
            raise failed(error) from error
        return write(clip, plan, staged, progress, len(before.pts), known, silent=before.silent)
    finally:
        aside.unlink(missing_ok=True)


def write(
    clip: Clip,
    plan: RedactionPlan,
    staged: Path,
    progress: Progress | None,
    length: int,
    before: tuple[Earlier, Written] | None = None,
    *,
    silent: tuple[Span, ...] = (),
) -> Written:
    """The second pass: decode its ``length`` frames again, hide, encode.

    ``before`` is a writing with other redactions, and what was drawn in it; ``silent`` are seconds of the sound to be
    silenced. Raises as
    :func:`anonymizer.road.clip.process.process` does.
    """
    settings = plan.settings
    pts: list[int] = []
    durations: list[int] = []
    drawn: list[int] = []
    earlier, previous = before or (None, None)
    kept = previous is not None and previous.kept
    known = previous.drawn.tolist() if previous else []
    sound = Sound(clip, settings)
    hush = Silencer(silent, sound.form[0] if sound.form else 1)
    with (
        # Of each frame's 3 MB, in every step: fresh pages for them cost a seventh of the time.
        keeping_memory(),
        ClipWriter(
            staged,
            width=clip.width,
            height=clip.height,
            time_base=clip.time_base,
            rate=clip.rate,
            aspect=clip.aspect,
            crf=settings.crf,
            sound=sound.form,
            colour=clip.colour,
            earlier=earlier,
        ) as out,
        closing(sound),
        Reading(
            clip.path,
            clip.form,
            settings.limits,
            "full",
            keep_hdr=settings.hdr is HdrPolicy.KEEP,
            canvas=clip.canvas,
            crop=settings.crop,
            longest=settings.longest_side,
        ) as reading,
        ahead(_painted(clip, reading, plan, out)) as painted,
    ):
        for frame, count, uncovered in painted:
            kept = kept or uncovered
            drawn.append(known[frame.number] if count is None else count)
            out.write(frame.planes, frame.pts, frame.duration)
            pts.append(frame.pts)
            durations.append(frame.duration)
            reached = float((frame.pts + frame.duration) * clip.time_base)
            for block in hush.all(sound.until(reached)):
                out.write_sound(block)
            if progress:
                progress("hiding", frame.number + 1, length)
        ending = reading.ending
    if ending is None or not pts:
        raise UnreadableError("clip.not-read-twice")
    return Written(
        pts=np.array(pts, np.int64),
        durations=np.array(durations, np.int64),
        drawn=np.array(drawn, np.int32),
        kept=kept,
        sound=sound.form is not None,
        notes=sound.notes,
        ending=ending,
        silent=silent,
    )


def _painted(
    clip: Clip, reading: Reading, plan: RedactionPlan, out: ClipWriter
) -> Iterator[tuple[Frame, int | None, bool]]:
    """Each frame with its redactions on it, how many they are, and whether something hidden was kept clear.

    None for how many where the frame is not painted: it is taken over from an earlier writing.
    """
    for frame in frames(clip, reading):
        if out.stays(frame.number):
            yield frame, None, False
            continue
        keep = plan.keep(frame.number)
        if plan.room:
            replace_in(frame.planes, plan.room.person(frame.number), plan.room.grid)
        count = paint(frame.planes, plan.at(frame.number), frame.number, plan.settings, keep)
        yield frame, count, bool(keep and _reveals(keep, plan.redactions_at(frame.number)))


def _reveals(keep: Sequence[KeptArea], redactions: Sequence[Redaction]) -> bool:
    boxes = [Box.between(*bounds(area)) for area in keep]
    return any(box.intersection(_extent(one)).area > 0 for box in boxes for one in redactions)


def _extent(one: Redaction) -> Box:
    return Box.between(*one.box)
