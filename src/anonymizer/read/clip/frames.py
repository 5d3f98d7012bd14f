"""Frames of a clip with exact times, in the one form that is worked on. Runs in the decoding process."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

from av.error import EOFError as AvEOFError
from av.error import FFmpegError

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read.clip.containers import (
    CLOCKLESS,
    MAX_SIDE,
    RESTARTED,
    ROUGH,
    announced_seconds,
    decoder_of,
    empty_pictures,
    is_encrypted,
    jump_of,
    open_container,
    playing,
    reaches_its_end,
)
from anonymizer.read.clip.crop import cropping, drawn_on
from anonymizer.read.clip.normalise import Forms, FrameForm
from anonymizer.read.clip.picture import ClipPicture, VideoTrack

MAX_FRAMES = 2_000_000
"""Nine hours at 60 frames a second: more is a malicious file."""
HIGH_RATE = 120
"""Frames per second beyond which a container's word is tried on …"""
MEASURED = 100
"""… so many packets."""
_SEQUENCE = b"\0\0\1\xb3"
MANY = 50
"""Times the usual step that a jump forward is at least: of a film of one frame an hour, an hour is none."""


def pictures(
    file: BinaryIO,
    demuxer: str,
    max_pixels: int,
    threads: int,
    track: VideoTrack,
    *,
    keep_hdr: bool = False,
    deep: bool = False,
    canvas: tuple[int, int] | None = None,
    rate: Fraction | None = None,
) -> Iterator[ClipPicture]:
    """Every presented frame, in order; ``track`` is complete when the iterator ends.

    ``keep_hdr``: high dynamic range is to be kept; ``deep``: its frames come as they are, with 10 bits. ``canvas``
    (width, height) is what all frames are fitted into; without, the first one's size. ``rate``: frames a second, by
    what holds a bare stream.
    Raises :class:`DamagedError` where not one frame decodes, :class:`UnsupportedError` for a codec or a
    picture that cannot be handled, :class:`LimitError` beyond the limits, and :class:`ShapeChanged` where a frame
    does not have the first one's size and no canvas was given.
    """
    with open_container(file, demuxer, max_pixels) as container:
        stream = playing(container, track)
        if is_encrypted(file, demuxer, stream):
            raise UnsupportedError("clip.encrypted")
        if stream.codec_context is None:
            raise UnsupportedError("clip.no-decoder")
        track.rate = _rate(stream) or _measured(file, demuxer, max_pixels)
        told = rate if demuxer in CLOCKLESS else None
        track.rate = told or track.rate
        _announce(container, stream, track, demuxer)
        if told:
            track.notes.pop(Message("clip.no-clock", rate=float(told)), None)
        decoder = decoder_of(file, demuxer, max_pixels, stream, threads)
        clock = _Clock(track, demuxer)
        decoded = _within_limits(_decoded(file, container, stream, decoder, track), max_pixels)
        size = stream.codec_context.width, stream.codec_context.height
        crop = cropping(file, demuxer, stream.id, container.streams.video.index(stream), size)
        ground = drawn_on(file, demuxer, stream.id)
        forms = Forms(stream, track, canvas, keep_hdr=keep_hdr, deep=deep, crop=crop, ground=ground)
        held: tuple[Any, FrameForm] | None = None
        # One frame is held back: the next one's time tells whether its own can be.
        for frame, form in forms.converted(decoded):
            if held:
                yield _timed(*held, clock, track, frame)
            held = frame, form
        if held is None:
            raise DamagedError("clip.no-frame")
        yield _timed(*held, clock, track, None)
        track.late = clock.late(stream)
        if track.joins:
            track.notes[Message("clip.clock-jumped", count=len(track.joins))] = None
        _judge_end(file, demuxer, track)


def _within_limits(frames: Iterator[Any], max_pixels: int) -> Iterator[Any]:
    for count, frame in enumerate(frames):
        if frame.width * frame.height > max_pixels or max(frame.width, frame.height) > MAX_SIDE:
            raise LimitError("clip.too-large", width=frame.width, height=frame.height)
        if count >= MAX_FRAMES:
            raise LimitError("clip.too-many-frames")
        yield frame


def _timed(frame: Any, form: FrameForm, clock: _Clock, track: VideoTrack, following: Any) -> ClipPicture:
    pts, duration = clock.next(frame, following)
    corrupt = bool(frame.is_corrupt)
    track.corrupt += corrupt
    track.frames += 1
    return ClipPicture(form.planes(frame), pts, duration, corrupt, form.wide)


def _rate(stream: Any) -> Fraction | None:
    """Frames per second as announced; None where that cannot be.

    A recorder that writes as it goes (a browser's) announces its clock, 1000, for a rate.
    """
    announced = stream.average_rate or stream.guessed_rate
    return Fraction(announced) if announced and 0 < announced <= HIGH_RATE else None


def _measured(file: BinaryIO, demuxer: str, max_pixels: int) -> Fraction:
    """Frames per second by the times of the first packets; the file's place is what it was."""
    place, times, base = file.tell(), [], Fraction(1)
    file.seek(0)
    with contextlib.suppress(FFmpegError, OSError), open_container(file, demuxer, max_pixels) as container:
        stream = playing(container, VideoTrack())
        base = stream.time_base or base
        for packet in itertools.islice(container.demux(stream), MEASURED):
            times += [packet.pts] if packet.size and packet.pts is not None else []
    file.seek(place)
    span = (max(times) - min(times)) * base if times else Fraction(0)
    return (len(times) - 1) / span if span > 0 else Fraction(25)


def _announce(container: Any, stream: Any, track: VideoTrack, demuxer: str) -> None:
    base = stream.time_base or Fraction(1, 1000)
    # A time base of one over a whole number is what an MP4 can say; times are multiplied to match.
    track.time_base = Fraction(1, base.denominator)
    if demuxer in CLOCKLESS:
        track.time_base = Fraction(1, track.rate.numerator)
        track.notes[Message("clip.no-clock", rate=float(track.rate))] = None
    track.expected = int(stream.frames or 0) or round(float(container.duration or 0) / 1_000_000 * track.rate)
    track.seconds = announced_seconds(container, stream, demuxer, _tagged(stream))


def _tagged(stream: Any) -> float:
    """Seconds of one track as a Matroska's tag says, "00:00:01.600000000"; 0 without."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", str(stream.metadata.get("DURATION", "")))
    return (
        sum(float(part) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
        if found
        else 0.0
    )


def _decoded(file: BinaryIO, container: Any, stream: Any, decoder: Any, track: VideoTrack) -> Iterator[Any]:
    """Frames as they come; a packet that does not decode is counted and passed over."""
    packets = container.demux(stream)
    due: deque[int] | None = deque() if container.format.name == "avi" else None
    stored = shown = -math.inf
    count = 0
    ended = corrupt = False
    size: list[bytes] = []
    while not ended:
        try:
            packet = next(packets)
            ended = packet.dts is None and not packet.size
        except (StopIteration, AvEOFError):
            break
        except (FFmpegError, OSError):
            track.broken_off = ended = True
            packet = None
        if packet is not None and not ended:
            count += 1
            if not packet.size:
                continue  # "as before"; a decoder would take it for the end
            when = packet.pts if due is None else packet.dts
            if when is not None and not packet.is_discard:
                stored = max(stored, when)
                if due is not None:
                    due.append(when)
        try:
            for frame in [*_held_back(decoder, packet, size), *decoder.decode(packet)]:
                if due is not None:
                    # An AVI says when a picture is stored, not when it is shown: the n-th shown takes the n-th time.
                    frame.pts = due.popleft() if due else None
                shown = max(shown, stored if frame.pts is None else frame.pts)
                corrupt = frame.is_corrupt
                yield frame
        except AvEOFError:
            track.broken_off = track.broken_off or not ended
            break
        except FFmpegError:
            track.lost += 1
            if due:
                due.pop()
    if due is not None:
        # What is damaged in an AVI is passed over without an error.
        missing = int(stream.frames or 0) - count
        track.lost += max(0, missing - empty_pictures(file, stream.index)) if missing > 0 else 0
    # A field has a packet of its own in some containers: half a frame is no loss.
    usual = 1 / (track.rate * (stream.time_base or track.time_base))
    if shown > -math.inf and (stored - shown > 0.75 * usual or corrupt):
        track.broken_off = True


def _held_back(decoder: Any, packet: Any, size: list[bytes]) -> list[Any]:
    """The frames that a decoder still has where an MPEG-2 video's size changes: its next packet would drop them.

    ``size``: the last one, as it is coded (ISO/IEC 13818-2, 6.2.2.1); empty before the first.
    """
    if packet is None or decoder.name not in ("mpeg1video", "mpeg2video"):
        return []
    content = bytes(packet)
    at = content.find(_SEQUENCE)
    before, size[:] = size[:], [content[at + 4 : at + 7]] if at >= 0 else size
    if not before or before == size:
        return []
    frames = decoder.decode(None)
    decoder.flush_buffers()
    return list(frames)


def _judge_end(file: BinaryIO, demuxer: str, track: VideoTrack) -> None:
    """A container that does not reach its own end, or clearly less time than announced: the file is cut off."""
    # What could not be decoded at the start is missing there, and not at the end.
    shown = float((track.last + track.late) * track.time_base)
    # Edit lists and clocks that begin anew make some containers' word a rough one.
    rough = max(1.0, 0.02 * track.seconds) if demuxer in ROUGH else max(0.2, 3 / float(track.rate))
    if track.seconds and not track.joins and shown < track.seconds - rough:
        track.broken_off = True
    if not track.seconds or float(track.late * track.time_base) <= rough:
        track.late = 0
    if not reaches_its_end(file, demuxer):
        track.broken_off = True


class _Clock:
    """Exact, strictly increasing times from what the frames say."""

    def __init__(self, track: VideoTrack, demuxer: str) -> None:
        self.track = track
        self.clockless = demuxer in CLOCKLESS
        self.jump = jump_of(demuxer)
        self.first: int | None = None
        self.previous = -1
        self.step = 0
        self.shift = 0

    def late(self, stream: Any) -> int:
        """How long after the stream's announced start the first frame is shown, in the track's time base."""
        if self.first is None or stream.start_time is None or not stream.time_base:
            return 0
        start: int = round(stream.start_time * stream.time_base / self.track.time_base)
        return max(0, self.first - start)

    def next(self, frame: Any, following: Any) -> tuple[int, int]:
        """``(pts, duration)`` of a frame in the track's time base; ``following`` is the next one, None at the end."""
        track = self.track
        usual = max(1, round(1 / (track.rate * track.time_base)))
        duration = round((frame.duration or 0) * self._scale(frame)) or usual
        absolute, after = self._absolute(frame), self._absolute(following)
        if absolute is None:
            time = self.previous + (self.step or usual) if self.previous >= 0 else 0
            self.first = 0 if self.first is None else self.first
            track.retimed += not self.clockless
        elif self.first is None:
            if self._falls_back(absolute, after):
                assert after is not None
                absolute = after - usual
                track.retimed += 1
            self.first, time = absolute, 0
        else:
            time = self._within(absolute, after, usual)
        if self.previous >= 0:
            self.step = time - self.previous
        self.previous = time
        track.last = time + duration
        return time, duration

    def _scale(self, frame: Any) -> Fraction:
        return Fraction((frame.time_base or self.track.time_base) / self.track.time_base)

    def _absolute(self, frame: Any) -> int | None:
        return None if frame is None or frame.pts is None else round(frame.pts * self._scale(frame))

    def _falls_back(self, absolute: int, after: int | None) -> bool:
        return after is not None and float((absolute - after) * self.track.time_base) > RESTARTED

    def _within(self, absolute: int, after: int | None, usual: int) -> int:
        """When a frame that is not the first one is shown."""
        track = self.track
        time = absolute - (self.first or 0) + self.shift
        step = self.step or usual
        ahead = time - self.previous
        room = self.previous if after is None else after - (self.first or 0) + self.shift
        if ahead > 0 and room > self.previous and self._falls_back(absolute, after):
            # One frame's time alone is wrong: the next one's goes on from the one before.
            track.retimed += 1
            return self.previous + max(1, min(step, (room - self.previous) // 2))
        long = float(ahead * track.time_base)
        if long < -RESTARTED or (long > self.jump and ahead > MANY * step):
            # Recordings that were joined: the next one goes on where the one before ends.
            time = self.previous + step
            self.shift = time - (absolute - (self.first or 0))
            track.retimed += 1
            track.joins.append((absolute, time))
        elif ahead <= 0:
            time = self.previous + 1
            track.retimed += 1
        return time
