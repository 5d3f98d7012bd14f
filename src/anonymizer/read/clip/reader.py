"""Open a clip: the parent's side of the decoding process. Frames come as they are needed, never all at once."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import DamagedError, LimitError, MediumError, NotReadyError, UnreadableError
from anonymizer.core.machine import machine
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.core.streams import fill, widen
from anonymizer.core.types import Pixels, Traces
from anonymizer.core.yuv import AnyPlanes, Colour, Planes, frame_bytes, reduction, split, split_deep
from anonymizer.read import believed
from anonymizer.read.channel import read_exactly, write_message
from anonymizer.read.clip.child import CORRUPT, CUT, END, FULL, RECORD, WHOLE
from anonymizer.read.forked import ForkServer
from anonymizer.read.process import Child, answer, cut_off, end
from anonymizer.read.sniff import Format
from anonymizer.read.traces.harvest import path_strings

SOUND_RATE = 48_000
"""Samples of sound a second."""
AHEAD = 6
"""Frames that are read before they are asked for."""
PROCESSES = ForkServer("anonymizer.read.clip.child")

Joins = tuple[tuple[float, float], ...]
"""Seconds by the source's clock from which it goes on after a jump, and when that is shown."""


@dataclass(frozen=True, slots=True)
class Clip:
    """An opened clip: even, upright size in pixels, the unit of its times in seconds, and where it lies.

    ``rate`` is the usual number of frames per second, ``aspect`` the width of a pixel over its height.
    ``seconds`` and ``expected`` (frames) are the container's word; 0 where it says nothing. ``colour`` is that
    of whole frames with 10 bits, where high dynamic range is kept; None for 8 bits.
    """

    path: Path
    form: Format
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    seconds: float
    expected: int
    traces: Traces
    colour: Colour | None = None
    canvas: tuple[int, int] | None = None
    """What all frames are fitted into where the first one's size is not that of all."""
    joins: Joins = ()
    """Where the source's clock jumps, known once all frames were read."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How reading ended: what the report must say."""

    frames: int
    corrupt: int
    lost: int
    retimed: int
    last: int
    late: int
    broken_off: bool
    expected: int
    notes: tuple[Message, ...]
    joins: Joins = ()


ENDING = ("frames", "corrupt", "lost", "retimed", "last", "late", "broken_off", "expected")
"""Its numbers, as the decoding process says them."""


@dataclass(frozen=True, slots=True)
class SearchFrame:
    """A frame for detectors: a small copy ``(h, w, 3)`` RGB, and the whole frame where it was sent.

    ``full``: this one is to be searched in full. ``cut`` says that a new shot begins with it.
    """

    number: int
    pts: int
    small: Pixels
    whole: Planes | None
    full: bool
    cut: bool
    corrupt: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: its planes may be changed. ``pts`` and ``duration`` in the clip's time base."""

    number: int
    pts: int
    duration: int
    planes: AnyPlanes


class Reshaped(Exception):
    """A frame is larger than the first one, or shaped unlike it: begin again with ``canvas`` = (width, height)."""

    def __init__(self, canvas: tuple[int, int]) -> None:
        super().__init__(canvas)
        self.canvas = canvas


class Reading:
    """One pass over a clip: iterate, then ask :attr:`ending`. Close it, or use it as a context manager."""

    def __init__(self, path: Path, form: Format, limits: Limits, mode: str, **more: Any) -> None:
        self.limits = limits
        self.ending: Ending | None = None
        self._process = _process()
        self._queue: queue.Queue[Any] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        job = {
            "path": str(path.absolute()),
            "format": form.name,
            "demuxer": form.demuxer,
            "mode": mode,
            "memory": limits.decode_memory,
            "max_pixels": limits.max_pixels,
            "max_seconds": limits.max_clip_seconds,
            "threads": min(4, machine().cores),
            "traces": False,
            "keep_hdr": False,
            "canvas": None,
            "crop": None,
            "longest": 0,
            "joins": [],
            "rate": SOUND_RATE,
            "small": 640,
            "whole_every": 1e9,
            "full_every": 1e9,
        } | more
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            write_message(self._process.stdin, job)
            self._process.stdin.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.described: dict[str, Any] = self._next()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoding process, whatever it is doing."""
        self._stop.set()
        self._process.kill()
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(timeout=5)
        end(self._process)

    def records(self) -> Iterator[tuple[int, int, int, NDArray[np.uint8]]]:
        """``(pts, duration, flags, bytes)`` of each frame, or block of sound.

        Raises :class:`Reshaped` where a frame is not of the first one's size.
        """
        while True:
            item = self._next()
            if isinstance(item, dict):
                try:
                    self._end(item)
                except (ValueError, KeyError, TypeError) as error:
                    raise DamagedError("clip.gave-up") from error
                return
            yield item

    def _end(self, told: dict[str, Any]) -> None:
        if "canvas" in told:
            width, height = (int(side) for side in told["canvas"])
            if (
                width < 2
                or height < 2
                or width % 2
                or height % 2
                or width * height > self.limits.max_pixels * 2
            ):
                raise ValueError("no size")
            raise Reshaped((width, height))
        if "frames" in told:
            counts: dict[str, Any] = {**believed.numbers(told, ENDING)}
            joins = tuple((float(source), float(shown)) for source, shown in told["joins"])
            if not all(math.isfinite(source) and 0 <= shown <= believed.MOST for source, shown in joins):
                raise ValueError("no time")
            self.ending = Ending(**counts, notes=believed.messages(told["notes"]), joins=joins)

    def _next(self) -> Any:
        try:
            item = self._queue.get(timeout=self.limits.decode_seconds)
        except queue.Empty:
            self._process.kill()
            raise LimitError("clip.silent", seconds=self.limits.decode_seconds) from None
        if isinstance(item, BaseException):
            raise item
        return item

    def _put(self, item: Any) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def _read(self) -> None:
        """The reading thread: whatever goes wrong is handed on to whoever waits for a frame."""
        stream = self._process.stdout
        assert stream
        try:
            # It opens the file itself.
            self._put(answer(stream, UnreadableError))
            most = self.limits.max_pixels * 6
            while not self._stop.is_set():
                kind, pts, duration, flags, _, size = RECORD.unpack(read_exactly(stream, RECORD.size))
                if kind == END:
                    self._put(answer(stream, UnreadableError))
                    return
                if size > most:
                    raise ValueError("impossible size")
                buffer = np.empty(size, np.uint8)
                if not fill(stream, buffer.data):
                    raise EOFError
                self._put((pts, duration, flags, buffer))
        except MediumError as error:
            self._put(error)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            gave_up = DamagedError("clip.gave-up")
            gave_up.__cause__ = error
            self._put(cut_off(self._process, gave_up))


def open_clip(
    path: Path,
    form: Format,
    limits: Limits,
    *,
    keep_hdr: bool = False,
    canvas: tuple[int, int] | None = None,
) -> Clip:
    """What a clip is, after decoding its first frame in a process of its own.

    ``keep_hdr``: high dynamic range is to be kept, where it has any; ``canvas``: what all frames are fitted into.
    Raises as :func:`opened` does.
    """
    with opened(path, form, limits, "full", keep_hdr=keep_hdr, canvas=canvas) as (clip, _):
        return clip


@contextlib.contextmanager
def opened(
    path: Path, form: Format, limits: Limits, mode: str, **more: Any
) -> Iterator[tuple[Clip, Reading]]:
    """What a clip is, and the reading that says so: it goes on to the frames. ``more`` as for :class:`Reading`.

    Raises :class:`MediumError` (one of its classes) where it is none, is damaged, or beyond the limits.
    """
    _check_bytes(path, limits)
    with Reading(path, form, limits, mode, traces=True, **more) as reading:
        clip = _clip(path, form, limits, reading.described)
        yield replace(clip, canvas=more.get("canvas")), reading


def _clip(path: Path, form: Format, limits: Limits, told: dict[str, Any]) -> Clip:
    try:
        width, height = int(told["width"]), int(told["height"])
        clip = Clip(
            path=path,
            form=form,
            width=width,
            height=height,
            time_base=Fraction(*told["time_base"]),
            rate=Fraction(*told["rate"]),
            aspect=Fraction(*told["aspect"]),
            seconds=float(told["seconds"]),
            expected=int(told["expected"]),
            traces=Traces(
                believed.kinds(told["kinds"]),
                frozenset(str(text) for text in told["strings"]) | path_strings(path),
            ),
            colour=Colour(*(int(number) for number in told["colour"])) if told["colour"] else None,
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DamagedError("clip.gave-up") from error
    if width < 2 or height < 2 or width % 2 or height % 2 or width * height > limits.max_pixels * 2:
        raise DamagedError("clip.no-size")
    return clip


def _check_bytes(path: Path, limits: Limits) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableError("file.gone") from error
    if size > limits.max_clip_bytes:
        raise LimitError("clip.too-many-bytes", mib=size >> 20, limit=limits.max_clip_bytes >> 20)


def search_frames(clip: Clip, reading: Reading, small: tuple[int, int]) -> Iterator[SearchFrame]:
    """The frames of a reading in mode ``look``; ``small`` is (width, height) of the copies."""
    near = small[0] * small[1] * 3
    for number, (pts, _, flags, buffer) in enumerate(reading.records()):
        if len(buffer) != near + (frame_bytes(clip.width, clip.height) if flags & WHOLE else 0):
            raise DamagedError("clip.gave-up")
        whole = split(buffer[near:], clip.width, clip.height) if flags & WHOLE else None
        picture = buffer[:near].reshape(small[1], small[0], 3)
        yield SearchFrame(
            number, pts, picture, whole, bool(flags & FULL), bool(flags & CUT), bool(flags & CORRUPT)
        )


def small_size(clip: Clip, side: int) -> tuple[int, int]:
    """``(width, height)`` of the small copies: long side at most ``side``."""
    return reduction(clip.width, clip.height, side / max(clip.width, clip.height))


def frames(clip: Clip, reading: Reading) -> Iterator[Frame]:
    """The frames of a reading in mode ``full``."""
    deep = clip.colour is not None
    parts = split_deep if deep else split
    for number, (pts, duration, _, buffer) in enumerate(reading.records()):
        if len(buffer) != frame_bytes(clip.width, clip.height, deep=deep):
            raise DamagedError("clip.gave-up")
        yield Frame(number, pts, duration, parts(buffer, clip.width, clip.height))


def _process() -> Child:
    try:
        process = PROCESSES.fork()
    except OSError as error:
        raise NotReadyError("read.no-process") from error
    assert process.stdout
    widen(process.stdout)
    return process
