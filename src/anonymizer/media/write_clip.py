"""The clean clip: H.264 in MP4, from planes alone, and nothing in it that a player does not need.

The encoder's signature (an SEI message) is filtered out, there is no encoder string, no handler name, no
creation time, no edit list. What comes in is what is decoded again: every frame, at its own time.
"""

from __future__ import annotations

import contextlib
import errno
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from numpy.typing import NDArray

from anonymizer.errors import LimitError, OutputError
from anonymizer.media.write import failed, neutralise
from anonymizer.media.yuv import Planes

PRESET = "veryfast"
"""x264's: the slowest that still leaves the search the greater part of two cores (docs/video.md)."""
BT709 = 1
"""Primaries, transfer and matrix (ITU-T H.273)."""
LIMITED = 1
MUXER = {
    # The index stands first, so a browser plays at once; times below zero need no edit list.
    "movflags": "+faststart+negative_cts_offsets",
    "use_editlist": "0",
    "fflags": "+bitexact",
    "empty_hdlr_name": "1",
    "write_tmcd": "0",
}
KEYFRAME_SECONDS = 4.0


class ClipWriter:
    """Writes one MP4 to ``path``, which must not exist yet. Use as a context manager; an error removes the file.

    ``width`` and ``height`` are even; ``time_base`` is one over a whole number, in which times are given;
    ``aspect`` is a pixel's width over its height; ``sound`` is (samples per second, channels). Raises
    :class:`OutputError` where the file cannot be written and :class:`LimitError` for a size that the encoder refuses.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        time_base: Fraction,
        rate: Fraction,
        aspect: Fraction,
        crf: int,
        sound: tuple[int, int] | None = None,
    ) -> None:
        self.path = path
        self._durations: dict[int, int] = {}
        self._base = time_base
        self._samples = 0
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            os.close(os.open(path, flags, 0o600))
        except OSError as error:
            raise failed(error) from error
        try:
            # By name, for "faststart" reads what it wrote; "file:" so that no name is an address.
            self._out: Any = av.open(f"file:{path.absolute()}", "w", format="mp4", container_options=MUXER)
            self._video = self._out.add_stream("libx264", rate=rate, options=_x264(crf, rate))
            codec = self._video.codec_context
            codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
            codec.time_base = self._video.time_base = time_base
            codec.sample_aspect_ratio = aspect
            codec.color_range = LIMITED
            codec.color_primaries = codec.color_trc = codec.colorspace = BT709
            codec.thread_count = 0
            self._filter = BitStreamFilterContext("filter_units=remove_types=6", self._video)
            self._audio: Any = None
            if sound:
                self._audio = self._out.add_stream("aac", rate=sound[0], options={"flags": "+bitexact"})
                self._audio.codec_context.layout = "stereo" if sound[1] == 2 else "mono"
                self._audio.codec_context.bit_rate = 128_000
        except (FFmpegError, ValueError, OSError) as error:
            self._remove()
            raise _refused(error, path) from error

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            with contextlib.suppress(FFmpegError, OSError):
                self._out.close()
            self._remove()
            return
        self.close()

    def write(self, planes: Planes, pts: int, duration: int) -> None:
        """The next frame: planes as in :mod:`anonymizer.media.yuv`, times in the clip's time base."""
        frame = _frame(planes)
        frame.pts, frame.time_base = pts, self._base
        self._durations[pts] = duration
        self._guarded(lambda: self._put(self._video.encode(frame)))

    def write_sound(self, samples: NDArray[np.int16]) -> None:
        """The next samples ``(n, channels)`` int16."""
        layout = "stereo" if samples.shape[1] == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = self._audio.codec_context.sample_rate
        frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
        self._samples += len(samples)
        self._guarded(lambda: self._out.mux(self._audio.encode(frame)))

    def close(self) -> None:
        """Write what the encoder still holds and the index, make it durable and give it neutral times."""

        def finish() -> None:
            self._put(self._video.encode(None))
            self._put_filtered(None)
            if self._audio:
                self._out.mux(self._audio.encode(None))
            self._out.close()
            handle = os.open(self.path, os.O_RDONLY)
            try:
                if hasattr(os, "fchmod"):
                    os.fchmod(handle, 0o644)
                os.fsync(handle)
            finally:
                os.close(handle)
            neutralise(self.path)

        self._guarded(finish)

    def _put(self, packets: list[Any]) -> None:
        for packet in packets:
            self._put_filtered(packet)

    def _put_filtered(self, packet: Any) -> None:
        for clean in self._filter.filter(packet):
            clean.duration = self._durations.pop(clean.pts or 0, 0) or clean.duration
            clean.stream = self._video
            self._out.mux(clean)

    def _guarded(self, step: Any) -> None:
        try:
            step()
        except (FFmpegError, ValueError, OSError) as error:
            with contextlib.suppress(FFmpegError, OSError):
                self._out.close()
            self._remove()
            raise _refused(error, self.path) from error

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _x264(crf: int, rate: Fraction) -> dict[str, str]:
    return {
        "preset": PRESET,
        "crf": str(crf),
        "profile": "high",
        "flags": "+bitexact",
        "a53cc": "0",
        "g": str(max(1, round(float(rate) * KEYFRAME_SECONDS))),
    }


def _frame(planes: Planes) -> Any:
    """A frame of the library's own with the planes' content; its lines may be longer than ours."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for own, plane in zip(frame.planes, planes, strict=True):
        target = np.frombuffer(own, np.uint8).reshape(-1, own.line_size)  # type: ignore[call-overload]
        target[: plane.shape[0], : plane.shape[1]] = plane
    frame.color_range, frame.colorspace = LIMITED, BT709
    frame.color_primaries = frame.color_trc = BT709
    return frame


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


def _refused(error: Exception, path: Path) -> OutputError | LimitError:
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number in _NO_ROOM:
        return failed(OSError(number, os.strerror(number)))
    if not path.parent.is_dir():
        return failed(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))
    if isinstance(error, OSError) and not isinstance(error, FFmpegError):
        return failed(error)
    return LimitError(
        "The encoder refuses this clip's size or times; make a smaller copy with another program and try again."
    )
