"""The clean clip: H.264 in MP4, from planes alone, and nothing in it that a player does not need.

The encoder's signature (an SEI message) is filtered out, there is no encoder string, no handler name, no
creation time, no edit list. What comes in is what is decoded again: every frame, at its own time, for as long as
it lasted. Frames that are predicted from both sides are stored out of order; the n-th stored frame is given
the decoding time at which the n-th frame is *shown*, so the index's durations are the source's own, whatever its
frame rate does. (With the encoder's decoding times, a clip that ends slowly lost seconds of its length.)
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.frame import PictureType
from numpy.typing import NDArray

from anonymizer.core.durable import sync_path
from anonymizer.core.errors import LimitError, OutputError
from anonymizer.core.machine import machine, own_threads
from anonymizer.core.yuv import AnyPlanes, Colour
from anonymizer.write.photo import failed, neutralise
from anonymizer.write.reuse import Earlier, Unit

PRESET = "veryfast"
"""x264's: the slowest that still leaves the search the greater part of two cores (docs/video.md), …"""
TUNING = "partitions=i8x8,i4x4"
"""… without motion of parts of a block: a sixteenth less work, and no larger files."""
BT709 = Colour(1, 1, 1)
LIMITED = 1
MUXER = {
    # The index stands first, so a browser plays at once; times below zero need no edit list.
    "movflags": "+faststart+negative_cts_offsets",
    "use_editlist": "0",
    "fflags": "+bitexact",
    "empty_hdlr_name": "1",
    "write_tmcd": "0",
    "write_btrt": "0",
}
AAC_DELAY = 1024
"""Samples that FFmpeg's AAC encoder puts first: one frame, silent (its ``initial_padding``)."""
KEYFRAME_SECONDS = 4.0
"""Between frames that stand by themselves: where a player can jump to."""
RATES = (1, 240)
"""Frames per second that the encoder is told: from a source's 90 000 it would infer a level that no phone plays."""
WIDEST = (1 << 31) - 1
"""Ticks of the index between two times: where it meets more, libavformat ends the whole process."""
MUXER_TICKS = 20_000
"""The muxer multiplies a coarser time base by a power of 2, up to as many ticks per second at most."""
SIDE_BY_SIDE = 8
"""Frames that are encoded at a time, at most …"""
FRAME_PIXELS = 2560 * 1440
"""… up to this size: each takes 11 bytes a pixel, 22 MB at 1920 by 1080."""
LOOK_AHEAD = 4
"""Threads at most that look at the frames ahead, each at a band of them: in narrower ones it sees less."""
MICROSECOND = 1_000_000
"""Ticks per second beyond which frames are stored in order: the index could not hold how far they are swapped."""
SWAPPED = 4
"""Frames that a frame is stored before its turn, at most: three predicted from both sides, and one to spare."""


class ClipWriter:
    """Writes one MP4 to ``path``, which must not exist yet. Use as a context manager; an error removes the file.

    ``width`` and ``height`` are even; ``time_base`` is one over a whole number, in which times are given;
    ``aspect`` is a pixel's width over its height; ``sound`` is (samples per second, channels); ``colour`` is that
    of planes with 10 bits, None for 8 bits in BT.709. Of an ``earlier`` writing of the same frames, at the same times
    and settings, what it says stays is taken over: see :meth:`stays`. Raises :class:`OutputError` where the file
    cannot be written and :class:`LimitError` for a size that the encoder refuses.
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
        colour: Colour | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        self.path = path
        self._colour = colour
        self._times: deque[int] = deque()
        self._durations: dict[int, int] = {}
        self._lasting = 0
        self._base = time_base
        self._first: int | None = None
        self._last = 0
        self._key = -math.inf
        ordered = time_base.denominator > MICROSECOND
        widest = WIDEST // -(-MUXER_TICKS // time_base.denominator)
        # All decoding times are early by so much, for the muxer wants none behind the time at which its frame is
        # shown. It takes them off again. (10 000 s: sound counts in ticks of its own.)
        self._early = 0 if ordered else min(widest // 4, int(10_000 / time_base))
        self._gap = widest if ordered else self._early // SWAPPED
        self._samples = 0
        self._earlier: Earlier | None = None
        self._kept: Iterator[list[Unit]] = iter(())
        self._group: list[int] = []
        self._count = 0
        self._begun = False
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            os.close(os.open(path, flags, 0o600))
        except OSError as error:
            raise failed(error) from error
        try:
            # By name, for "faststart" reads what it wrote; "file:" so that no name is an address.
            self._out: Any = av.open(f"file:{path.absolute()}", "w", format="mp4", container_options=MUXER)
            usual = min(max(rate, Fraction(RATES[0])), Fraction(RATES[1])).limit_denominator(1001)
            options = _x264(crf, ordered, deep=colour is not None)

            def formed(codec: Any) -> Any:
                codec.width, codec.height, codec.pix_fmt = width, height, _format(colour)
                codec.time_base = time_base
                codec.sample_aspect_ratio = aspect
                codec.color_range = LIMITED
                codec.color_primaries, codec.color_trc, codec.colorspace = colour or BT709
                codec.thread_count, codec.thread_type = _threads(width * height)
                return codec

            def another() -> Any:
                codec = av.CodecContext.create("libx264", "w")
                codec.options, codec.framerate = options, usual
                codec.flags |= Flags.global_header
                return formed(codec)

            self._another = another
            self._video = self._out.add_stream("libx264", rate=usual, options=options)
            self._video.time_base = time_base
            self._encoder: Any = formed(self._video.codec_context)
            self._filter: Any = self._filtering()
            if earlier:
                self._encoder.open()
                if earlier.fits(bytes(self._encoder.extradata or b"")):
                    self._earlier, self._kept = earlier, earlier.groups()
                    # This one keeps what it takes until the file is closed: each run gets one that goes with it.
                    self._encoder = None
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
            self._abandon()
        else:
            self.close()

    def write(self, planes: AnyPlanes, pts: int, duration: int) -> None:
        """The next frame: planes as in :mod:`anonymizer.core.yuv`, times in the clip's time base.

        Frames come in the order in which they are shown; each lasts until the next one's ``pts``, the last one
        for ``duration``. The clip begins at the first one's. Raises :class:`LimitError` where times do not
        rise, or rise by more than an MP4 can say.
        """
        if self._first is None:
            self._first = self._last = pts
        elif not 0 < pts - self._last <= self._gap:
            self._abandon()
            raise _beyond()
        if not 0 <= duration <= self._gap:
            self._abandon()
            raise _beyond()
        self._last = pts
        shown, number = pts - self._first, self._count
        self._count += 1
        self._times.append(shown)
        self._durations[shown] = self._lasting = duration
        seconds = float(shown * self._base)
        if key := seconds >= self._key + KEYFRAME_SECONDS:
            self._key = seconds
        with self._guarded():
            if self.stays(number):
                self._take_over(number, shown)
            else:
                self._encode(planes, shown, key=key)

    def stays(self, number: int) -> bool:
        """Whether the frame of this number is taken over from the earlier writing: its planes are not looked at."""
        return self._earlier is not None and self._earlier.stays(number)

    def write_sound(self, samples: NDArray[np.int16]) -> None:
        """The next samples ``(n, channels)`` int16, from the time of the first frame on.

        The first 1024 are dropped, 21 ms at 48 kHz: AAC begins with as many that are silent, and without an edit
        list nothing could tell a player to pass over them. So all others are heard on time.
        """
        rate = self._audio.codec_context.sample_rate
        begin = max(0, AAC_DELAY - self._samples)
        self._samples += len(samples)
        if begin >= len(samples):
            return
        samples = np.ascontiguousarray(samples[begin:])
        layout = "stereo" if samples.shape[1] == 2 else "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        frame.pts, frame.time_base = self._samples - len(samples), Fraction(1, rate)
        with self._guarded():
            self._put_sound(self._audio.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds and the index, make it durable and give it neutral times."""
        with self._guarded():
            self._end_run()
            if self._audio:
                self._put_sound(self._audio.encode(None))
            self._out.close()
            sync_path(self.path)
            neutralise(self.path)

    def _filtering(self) -> Any:
        return BitStreamFilterContext("filter_units=remove_types=6", self._video)

    def _encode(self, planes: AnyPlanes, shown: int, *, key: bool) -> None:
        if self._encoder is None:
            # What was written in between came from the earlier writing; an encoder that has ended begins no more.
            self._encoder, self._filter = self._another(), self._filtering()
        frame = _frame(planes, self._colour)
        frame.pts, frame.time_base = shown, self._base
        if key:
            frame.pict_type = PictureType.I
        self._begun = True
        for packet in self._encoder.encode(frame):
            self._put_filtered(packet)

    def _end_run(self) -> None:
        """Write what the encoder still holds."""
        if not self._begun:
            return
        for packet in self._encoder.encode(None):
            self._put_filtered(packet)
        self._put_filtered(None)
        self._encoder, self._begun = None, False

    def _take_over(self, number: int, shown: int) -> None:
        """A frame of the earlier writing: its group is written when the last one's time is known."""
        assert self._earlier
        self._end_run()
        self._group.append(shown)
        if self._earlier.ends(number):
            first = number + 1 - len(self._group)
            for unit in next(self._kept):
                packet = av.Packet(unit.content)
                packet.pts, packet.time_base = self._group[unit.frame - first], self._base
                packet.is_keyframe = unit.key
                self._mux(packet)
            self._group.clear()

    def _put_filtered(self, packet: Any) -> None:
        for clean in self._filter.filter(packet):
            self._mux(clean)

    def _mux(self, packet: Any) -> None:
        shown, own = self._times.popleft(), self._durations.pop(packet.pts or 0)
        # The muxer asks the frame that is shown last how long the track is, and the one that is stored last
        # how long that one is: the two must agree. Of all others it takes the times alone.
        packet.duration = own if self._times else self._lasting
        packet.dts = shown - self._early
        packet.stream = self._video
        self._out.mux(packet)

    def _put_sound(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.dts = packet.pts = packet.pts - round(self._early * self._base / packet.time_base)
            self._out.mux(packet)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever goes wrong, no part of a file stays behind, and a person is told why."""
        try:
            yield
        except BaseException as error:
            self._abandon()
            if isinstance(error, FFmpegError | ValueError | OSError):
                raise _refused(error, self.path) from error
            raise

    def _abandon(self) -> None:
        # Removed first, so that closing does not move gigabytes that nobody wants; Windows needs it closed.
        self._remove()
        with contextlib.suppress(FFmpegError, OSError):
            self._out.close()
        self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _format(colour: Colour | None) -> str:
    return "yuv420p10le" if colour else "yuv420p"


def _cores() -> int:
    return own_threads() or machine().cores


def _threads(pixels: int) -> tuple[int, str]:
    """How many threads encode, 0 for x264's own choice, and what each takes: a whole frame or a slice.

    Slices wait for each other at the end of every frame, but large frames side by side take too much memory.
    """
    # x264's own choice is three for two cores: they wait for each other, too.
    return (min(SIDE_BY_SIDE, -(-_cores() * 3 // 2)), "FRAME") if pixels <= FRAME_PIXELS else (0, "SLICE")


def _x264(crf: int, ordered: bool, *, deep: bool) -> dict[str, str]:
    return {
        "preset": PRESET,
        "crf": str(crf),
        "profile": "high10" if deep else "high",
        "flags": "+bitexact",
        "a53cc": "0",
        "bf": "0" if ordered else "3",
        # Where a frame stands by itself is said by its time, for rates that vary: write().
        "forced-idr": "1",
        # The frames ahead are looked at by one thread otherwise, and all that encode wait for it.
        "x264-params": f"{TUNING}:lookahead-threads={min(LOOK_AHEAD, _cores())}",
    }


def _frame(planes: AnyPlanes, colour: Colour | None) -> Any:
    """A frame of the library's own with the planes' content; its lines may be longer than ours."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, _format(colour))
    for own, plane in zip(frame.planes, planes, strict=True):
        line = own.line_size // plane.itemsize
        target = np.frombuffer(own, plane.dtype).reshape(-1, line)  # type: ignore[call-overload]
        target[: plane.shape[0], : plane.shape[1]] = plane
    frame.color_range = LIMITED
    frame.color_primaries, frame.color_trc, frame.colorspace = colour or BT709
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
    return _beyond()


def _beyond() -> LimitError:
    return LimitError("write.encoder-refuses")
