"""Clips that tests make themselves: any container, codec, times, turn and colours, small and quick."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels

BITS = 10
"""Frames that :func:`numbered` can tell apart: 2 to this."""
_CONTAINERS = {
    ".m4v": "mp4",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".ts": "mpegts",
    ".mkv": "matroska",
    ".3gp": "3gp",
    ".vob": "vob",
    ".wmv": "asf",
    ".h264": "h264",
    ".h265": "hevc",
}
_QUICK: dict[str, dict[str, str]] = {
    "libx264": {"preset": "ultrafast", "crf": "12"},
    "libx265": {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none:pools=1"},
    "libsvtav1": {"preset": "11", "crf": "20", "svtav1-params": "lp=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "b": "2M"},
    "mpeg4": {"q": "3"},
    "mjpeg": {"q": "3"},
    "mpeg2video": {"b": "4M"},
    "mpeg1video": {"b": "4M"},
    "wmv1": {"b": "4M"},
    "wmv2": {"b": "4M"},
    "msmpeg4": {"b": "4M"},
    "flv": {"b": "4M"},
}
TURNS: dict[int, tuple[int, int, int, int]] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""EXIF's eight orientations as display matrices ``(a, b, c, d)``: 6 is the phone held upright."""


@dataclass(frozen=True)
class Making:
    """What a track is made with. ``pts`` and ``durations`` are in ``time_base``; without them frames keep ``fps``.

    ``turn`` is an EXIF orientation, 1 to 8. ``colour``: ``space``, ``trc``, ``primaries``, ``range`` by
    number (ITU-T H.273; range 2 is full), written to the stream and used to convert the pixels.
    """

    fps: Fraction | int = 25
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    pts: Sequence[int] | None = None
    durations: Sequence[int] | None = None
    time_base: Fraction | None = None
    turn: int = 1
    aspect: Fraction = Fraction(1)
    colour: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def make_clip(
    path: Path,
    frames: Iterable[Pixels],
    *,
    container: str = "",
    container_options: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    sound: float = 0.0,
    more: Sequence[tuple[Iterable[Pixels], Making]] = (),
    **making: Any,
) -> Path:
    """Write frames ``(h, w, 3)`` RGB to ``path`` and return it.

    ``making`` are the fields of :class:`Making`; ``more`` are further video tracks; ``tags`` those of the whole
    file; ``sound`` is the length of a tone, seconds; ``container`` a name of libavformat, by the suffix else.
    """
    chosen = container or _CONTAINERS.get(path.suffix.lower()) or None
    tracks = [(iter(frames), Making(**making)), *((iter(f), one) for f, one in more)]
    with av.open(
        str(path),
        "w",
        format=chosen,
        container_options={"fflags": "+bitexact"} | dict(container_options or {}),
    ) as out:
        for key, value in (tags or {}).items():
            out.metadata[key] = value
        writers = [_Writer(out, list(pictures), one) for pictures, one in tracks]
        tone = _Tone(out, sound) if sound else None
        for writer in writers:
            writer.write()
        if tone:
            tone.write()
    if any(one.codec == "libsvtav1" for _, one in tracks) and sys.platform == "linux":
        # As root, SVT-AV1 leaves the thread that called it a real-time one.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def numbered(count: int, width: int = 160, height: int = 96, first: int = 0) -> list[Pixels]:
    """Frames that carry their number in blocks of black and white along the top, over a moving ramp."""
    return [marked(number, width, height) for number in range(first, first + count)]


def marked(number: int, width: int = 160, height: int = 96) -> Pixels:
    """The frame with this number. The corners differ, so that a turned frame can be told."""
    ramp = (np.arange(width)[None, :] + np.arange(height)[:, None] + 3 * number) % 128 + 64
    frame = np.repeat(ramp[:, :, None], 3, axis=2).astype(np.uint8)
    side = width // BITS
    for bit in range(BITS):
        frame[: height // 4, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 20
    frame[-height // 4 :, : width // 4] = (220, 30, 30)
    frame[-height // 4 :, -(width // 4) :] = (30, 30, 220)
    return frame


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number in an upright frame: RGB ``(h, w, 3)`` or the plane of brightness ``(h, w)``."""
    grey = picture if picture.ndim == 2 else picture.mean(axis=2)
    height, width = grey.shape
    side = width // BITS
    line = grey[height // 16 : height // 6]
    blocks = [line[:, bit * side + side // 4 : (bit + 1) * side - side // 4].mean() for bit in range(BITS)]
    return sum((block > 127) << bit for bit, block in enumerate(blocks))


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program, for what its library's encoders or muxers cannot be told."""
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*program, *map(str, arguments)], check=True, timeout=120)


class _Writer:
    """One video track under way."""

    def __init__(self, out: Any, frames: list[Pixels], making: Making) -> None:
        self.out, self.frames, self.making = out, frames, making
        height, width = frames[0].shape[:2]
        rate = Fraction(making.fps)
        options = _QUICK.get(making.codec, {}) | dict(making.options)
        self.stream = out.add_stream(making.codec, rate=rate, options=options)
        self.base = making.time_base or 1 / rate
        codec = self.stream.codec_context
        codec.width, codec.height, codec.pix_fmt = width, height, making.pix_fmt
        codec.time_base = self.stream.time_base = self.base
        codec.sample_aspect_ratio = making.aspect
        codec.thread_count = 1
        names = {
            "space": "colorspace",
            "trc": "color_trc",
            "primaries": "color_primaries",
            "range": "color_range",
        }
        for name, number in making.colour.items():
            setattr(codec, names[name], number)
        for key, value in making.metadata.items():
            self.stream.metadata[key] = value
        if making.turn != 1:
            a, b, c, d = (part << 16 for part in TURNS[making.turn])
            self.stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])

    def write(self) -> None:
        making, step = self.making, max(1, round(1 / (Fraction(self.making.fps) * self.base)))
        times = making.pts or [number * step for number in range(len(self.frames))]
        lasting = dict(zip(times, making.durations or [], strict=False))
        for pixels, time in zip(self.frames, times, strict=True):
            frame = self._frame(pixels)
            frame.pts, frame.time_base = time, self.base
            self._put(self.stream.encode(frame), lasting)
        self._put(self.stream.encode(None), lasting)

    def _frame(self, pixels: Pixels) -> Any:
        colour = self.making.colour
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        if self.making.pix_fmt != "rgb24":
            frame = frame.reformat(
                format=self.making.pix_fmt,
                src_color_range=2,
                dst_color_range=colour.get("range", 1),
                dst_colorspace={1: 1, 5: 5, 6: 5, 9: 9}.get(colour.get("space", 5), 5),
            )
        frame.color_range = colour.get("range", 0)
        frame.colorspace = colour.get("space", 2)
        frame.color_trc, frame.color_primaries = colour.get("trc", 2), colour.get("primaries", 2)
        return frame

    def _put(self, packets: Iterable[Any], lasting: dict[int, int]) -> None:
        for packet in packets:
            if packet.pts in lasting:
                packet.duration = lasting[packet.pts]
            self.out.mux(packet)


class _Tone:
    """A sound track: a quiet tone of 440 Hz."""

    def __init__(self, out: Any, seconds: float, rate: int = 48_000) -> None:
        codec = {"webm": "libopus", "avi": "mp3"}.get(out.format.name, "aac")
        self.out, self.rate, self.count = out, rate, round(seconds * rate)
        self.stream = out.add_stream(codec, rate=rate)
        self.stream.codec_context.layout = "mono"

    def write(self) -> None:
        wave = 3000 * np.sin(2 * np.pi * 440 * np.arange(self.count) / self.rate)
        resampler = av.AudioResampler(
            format=self.stream.codec_context.format.name, layout="mono", rate=self.rate
        )
        for start in range(0, self.count, 1024):
            block = wave[start : start + 1024].astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = self.rate, start, Fraction(1, self.rate)
            for ready in resampler.resample(frame):
                self.out.mux(self.stream.encode(ready))
        self.out.mux(self.stream.encode(None))
