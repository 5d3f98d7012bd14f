"""The sound of a clip as plain samples, in step with the picture. Runs in the decoding process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.stream import Disposition
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.read.clip.containers import RESTARTED, jump_of, open_container, playing
from anonymizer.read.clip.picture import VideoTrack

NEAR = 5
"""Seconds by which sound at most begins earlier or later than the picture it was recorded with."""
RATE = 48_000
CHANNELS = 2


def which(file: BinaryIO, demuxer: str, max_pixels: int) -> tuple[bool, list[Message]]:
    """Whether there is a sound track that can be kept, and a note on which of several it is."""
    if not demuxer:
        return False, []
    file.seek(0)
    with open_container(file, demuxer, max_pixels) as container:
        tracks, kept = list(container.streams.audio), _playing(container)
        if kept is None:
            said = Message("clip.sound-no-decoder")
            return False, [said] if tracks else []
        place = tracks.index(kept) + 1
        said = Message("clip.sound-tracks", count=len(tracks), kept=place)
        return True, [said] if len(tracks) > 1 else []


def samples(
    file: BinaryIO, demuxer: str, max_pixels: int, joins: Sequence[Sequence[float]] = (), rate: int = RATE
) -> Iterator[NDArray[np.int16]]:
    """Blocks ``(n, 2)`` int16, ``rate`` a second, the first at the time of the first frame; none without a sound track.

    What comes before the picture is cut off; a gap, before it or within, is filled with silence. ``joins`` are the
    jumps of the picture's clock, seconds by it and when that is shown: sound jumps with it.
    """
    if not demuxer:
        return
    file.seek(0)
    with open_container(file, demuxer, max_pixels) as container:
        if (stream := _playing(container)) is None:
            return
        clock = _SoundClock(_start(playing(container, VideoTrack())), joins, jump_of(demuxer))
        resampler = AudioResampler(format="s16", layout="stereo", rate=rate)
        done = 0
        for frame in _decoded(container, stream):
            for block in resampler.resample(frame):
                values = block.to_ndarray().reshape(-1, CHANNELS)
                if block.pts is not None and block.time_base is not None:
                    at = round(clock.shown(block.pts * block.time_base, Fraction(done, rate)) * rate)
                    clock.expected = block.pts * block.time_base + Fraction(len(values), rate)
                    if at > done + rate // 50:
                        yield np.zeros((at - done, CHANNELS), np.int16)
                        done = at
                    values = values[max(0, done - at) :] if at < done - rate // 50 else values
                done += len(values)
                if len(values):
                    yield np.ascontiguousarray(values)


class _SoundClock:
    """When sound is heard: by the picture's clock, past the same jumps."""

    def __init__(self, begin: Fraction, joins: Sequence[Sequence[float]], jump: float) -> None:
        self.joins, self.jump = [(Fraction(source), Fraction(shown)) for source, shown in joins], jump
        self.shift = -begin
        self.expected: Fraction | None = None
        """The source's time at which the next block goes on."""

    def shown(self, time: Fraction, done: Fraction) -> Fraction:
        """When a block of the source's ``time`` is heard, seconds after the first frame; ``done`` is how far it is."""
        gap = time - self.expected if self.expected is not None else Fraction(0)
        if gap < -RESTARTED or gap > self.jump:
            # Each recording's sound ends a little earlier or later than its picture.
            near = [
                shown - source for source, shown in self.joins if abs(time + shown - source - done) < NEAR
            ]
            self.shift = min(near, key=lambda shift: abs(time + shift - done), default=done - time)
        return time + self.shift


def _playing(container: Any) -> Any:
    """The sound track that a player plays: the first that is enabled, of those that can be decoded; None without."""
    tracks = [stream for stream in container.streams.audio if stream.codec_context is not None]
    enabled = [stream for stream in tracks if stream.disposition & Disposition.default]
    return next(iter(enabled or tracks), None)


def _start(video: Any) -> Fraction:
    return (video.start_time or 0) * (video.time_base or Fraction(1, 1000))


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            try:
                yield from stream.decode(packet)
            except FFmpegError:
                continue  # a block that does not decode is a gap, filled by the next one's time
    except (FFmpegError, OSError):
        return
