"""Speech in a clip's sound: where it is, its silence in what is written, and what is left to be listened to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.settings import AudioPolicy, Limits, Settings
from anonymizer.core.types import Check, Result
from anonymizer.detect.speech import RATE, Span, SpeechFinder
from anonymizer.read.clip.reader import Clip, open_clip
from anonymizer.read.clip.sound import Sound
from anonymizer.read.sniff import MP4

ROUNDS = 4
"""How often the sound is searched at most: beside what was silenced the network may hear more."""
FADE = 0.005
"""Seconds in which sound dies away before a silence, and comes back behind it: a cut would click."""
MOST_TOLD = 12
"""Spans that a report names one by one."""


def speech_in(clip: Clip, settings: Settings, finder: SpeechFinder, seconds: float) -> tuple[Span, ...]:
    """Where somebody speaks in the first ``seconds`` of a clip's sound.

    Raises :class:`anonymizer.core.errors.MediumError` as :class:`Sound` does.
    """
    found: tuple[Span, ...] = ()
    for _ in range(ROUNDS):
        with closing(Sound(clip, settings, RATE)) as sound:
            more = finder.find(Silencer(found, RATE).all(sound.until(seconds)))
        if not any(_beyond(span, found) for span in more):
            break
        found = _joined([*found, *more])
    return found


class Silencer:
    """Takes what is heard in the spans out of sound that comes in blocks ``(n, channels)``, one after the other."""

    def __init__(self, spans: Sequence[Span], rate: int) -> None:
        self.spans, self.rate, self.done = spans, rate, 0

    def all(self, blocks: Iterator[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        return map(self.one, blocks)

    def one(self, block: NDArray[np.int16]) -> NDArray[np.int16]:
        at = (self.done + np.arange(len(block))) / self.rate
        self.done += len(block)
        here = [span for span in self.spans if len(at) and span[0] - FADE < at[-1] and at[0] < span[1] + FADE]
        if not here:
            return block
        outside = np.min([np.maximum(begin - at, at - end) for begin, end in here], axis=0)
        quiet = np.rint(block * np.clip(outside / FADE, 0, 1)[:, None])
        return np.asarray(quiet, np.int16)


def searched_again(staged: Path, settings: Settings, finder: SpeechFinder, spans: Sequence[Span]) -> Check:
    """The check of a written clip's sound: no speech is heard in it."""
    clip = open_clip(staged, MP4, Limits())
    with closing(Sound(clip, settings, RATE)) as sound:
        left = [span for span in finder.find(sound.until(clip.seconds + 1)) if _beyond(span, spans)]
    facts = {"silenced": len(spans), "left": len(left)}
    if left:
        return Check(
            "speech", Result.FAIL, Message("check.speech.left", count=len(left), first=left[0][0]), facts
        )
    return Check("speech", Result.PASS, Message("check.speech.passed"), facts)


def to_listen(spans: Sequence[Span], seconds: float) -> Message:
    """What a person is asked: the seconds of sound that were kept."""
    edges = [0.0, *(edge for span in spans for edge in span), seconds]
    kept = [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if end - begin > FADE]
    told = ", ".join(f"{begin:.1f}–{end:.1f}" for begin, end in kept[:MOST_TOLD]) + (
        ", …" * (len(kept) > MOST_TOLD)
    )
    if not kept:
        return Message("clip.speech-throughout")
    if not spans:
        return Message("clip.no-speech", kept=told)
    return Message("clip.speech-silenced", count=len(spans), kept=told)


def mutes(settings: Settings) -> bool:
    """Whether speech is to be silenced, and all other sound kept."""
    return settings.audio is AudioPolicy.MUTE_SPEECH


def _beyond(span: Span, known: Sequence[Span]) -> bool:
    """Whether more of a span than its own margins lies outside of what is known."""
    return not any(begin - FADE <= span[0] and span[1] <= end + FADE for begin, end in known)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return tuple(found)
