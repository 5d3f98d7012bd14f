"""The sound of a clip as plain samples, in step with the picture. Runs in the decoding process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

from anonymizer.media.clip_frames import Track, open_container, playing

RATE = 48_000
CHANNELS = 2


def samples(file: BinaryIO, demuxer: str, max_pixels: int) -> Iterator[NDArray[np.int16]]:
    """Blocks ``(n, 2)`` int16 at 48 kHz, the first at the time of the first frame; none without a sound track.

    What comes before the picture is cut off; a gap, before it or within, is filled with silence.
    """
    if not demuxer:
        return
    with open_container(file, demuxer, max_pixels) as container:
        if not container.streams.audio:
            return
        stream = container.streams.audio[0]
        begin = _start(playing(container, Track()))
        resampler = AudioResampler(format="s16", layout="stereo", rate=RATE)
        done = 0
        for frame in _decoded(container, stream):
            for block in resampler.resample(frame):
                values = block.to_ndarray().reshape(-1, CHANNELS)
                if block.pts is not None and block.time_base is not None:
                    at = round((block.pts * block.time_base - begin) * RATE)
                    if at > done + RATE // 50:
                        yield np.zeros((at - done, CHANNELS), np.int16)
                        done = at
                    values = values[max(0, done - at) :] if at < done - RATE // 50 else values
                done += len(values)
                if len(values):
                    yield np.ascontiguousarray(values)


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
