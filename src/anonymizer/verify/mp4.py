"""A strict walk over a written MP4: every byte belongs to a box on the list, to a sample, or fails the file.

ISO/IEC 14496-12 (boxes) and 14496-15 (AVC). The file is read in pieces: a clip may have gigabytes, its index
has kilobytes. What is allowed is what our own writer needs and not one box more, so this is no general
reader; a good MP4 of another program may well fail.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.verify.jpeg import StructureError

CONTAINERS = {
    b"moov": {b"mvhd", b"trak", b"udta"},
    b"trak": {b"tkhd", b"mdia"},
    b"mdia": {b"mdhd", b"hdlr", b"minf"},
    b"minf": {b"vmhd", b"smhd", b"dinf", b"stbl"},
    b"stbl": {b"stsd", b"stts", b"stss", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"sgpd", b"sbgp"},
}
TOP = (b"ftyp", b"moov", b"mdat", b"free")
BRANDS = {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"avc1", b"mp41", b"mp42"}
MINOR = struct.pack(">I", 0x200)
"""The muxer's own version of its main brand."""
UNITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
MOST_INDEX = 1 << 28
"""Bytes of a moov that are read: 10 hours at 60 frames a second need under 40 MB."""
MOST_SAMPLES = 1 << 25
"""Samples of a track that are counted: 38 hours at 240 frames a second."""
EMPTY_META = bytes.fromhex(
    "00000000 00000021 68646c72 00000000 00000000 6d646972 6170706c 00000000 00000000 00"
) + (b"\x00\x00\x00\x08ilst")
"""The muxer's constant: a "meta" box with a handler "mdir"/"appl" and an empty list of tags."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Where a track's samples lie and when they are shown: offsets and sizes in bytes, times in ``timescale``."""

    kind: str
    """``vide`` or ``soun``."""
    timescale: int
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    times: NDArray[np.int64]
    """When each sample is shown, in the order in which they are stored."""
    durations: NDArray[np.int64]
    entry: bytes
    """The sample entry: what decodes it."""


@dataclass(frozen=True, slots=True)
class Movie:
    """A file that holds what it may: its size in pixels and its tracks."""

    width: int
    height: int
    video: Samples
    sound: Samples | None

    @property
    def shown(self) -> NDArray[np.int64]:
        """When each frame is shown, in order, in the video's timescale."""
        return np.sort(self.video.times)


@dataclass(frozen=True, slots=True)
class _WrittenBox:
    name: bytes
    body: bytes


@contextmanager
def parsing() -> Iterator[None]:
    """Turn what a table or record that ends too soon, or counts too far, does to a parser into its one error."""
    try:
        yield
    except (struct.error, IndexError, ValueError, OverflowError, MemoryError) as error:
        raise StructureError("mp4.no-parse") from error


@parsing()
def walk(file: BinaryIO) -> Movie:
    """The movie in a file that is open for reading; raises :class:`StructureError` for anything else."""
    end = file.seek(0, 2)
    at = 0
    seen: dict[bytes, tuple[int, int]] = {}
    while at < end:
        name, body, size = _head(file, at, end)
        if name not in TOP:
            raise StructureError("mp4.box", name=_shown(name))
        if name in seen and name != b"free":
            raise StructureError("mp4.second-box", name=_shown(name))
        if name == b"free":
            _must_be_zero(file, body, at + size)
        seen[name] = (body, at + size)
        at += size
    if missing := [name for name in TOP[:3] if name not in seen]:
        raise StructureError("mp4.no-box", name=_shown(missing[0]))
    _check_brands(_read(file, *seen[b"ftyp"]))
    movie = _movie(_read(file, *seen[b"moov"]))
    _check_filled(movie, seen[b"mdat"])
    return movie


def _head(file: BinaryIO, at: int, end: int) -> tuple[bytes, int, int]:
    file.seek(at)
    head = file.read(16)
    if len(head) < 8:
        raise StructureError("mp4.trailing")
    size, name = struct.unpack_from(">I4s", head)
    body = at + 8
    if size == 1:
        size, body = struct.unpack_from(">Q", head, 8)[0], at + 16
    if size < body - at or at + size > end:
        raise StructureError("mp4.box-size", name=_shown(name))
    return name, body, size


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    if end - start > MOST_INDEX:
        raise StructureError("mp4.index-size")
    file.seek(start)
    return file.read(end - start)


def _must_be_zero(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        block = file.read(min(1 << 20, end - start))
        if not block or block.strip(b"\0"):
            raise StructureError("mp4.free")
        start += len(block)


def _children(data: bytes, allowed: set[bytes] | None = None) -> list[_WrittenBox]:
    """The boxes in a body, which they must fill exactly."""
    found = []
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            raise StructureError("mp4.box-size", name=_shown(name))
        if allowed is not None and name not in allowed:
            raise StructureError("mp4.box", name=_shown(name))
        found.append(_WrittenBox(name, data[at + 8 : at + size]))
        at += size
    return found


def _one(boxes: list[_WrittenBox], name: bytes) -> bytes:
    found = [box.body for box in boxes if box.name == name]
    if len(found) != 1:
        raise StructureError("mp4.boxes", count=len(found), name=_shown(name))
    return found[0]


def _check_brands(body: bytes) -> None:
    brands = {body[:4]} | {body[i : i + 4] for i in range(8, len(body), 4)}
    if len(body) % 4 or len(body) > 64 or body[4:8] != MINOR or not brands <= BRANDS:
        raise StructureError("mp4.brand")


def _movie(body: bytes) -> Movie:
    boxes = _children(body, CONTAINERS[b"moov"])
    _check_times(_one(boxes, b"mvhd"), Message("mp4.movie"), 36)
    for box in boxes:
        if box.name == b"udta" and box.body != struct.pack(">I4s", len(EMPTY_META) + 8, b"meta") + EMPTY_META:
            raise StructureError("mp4.udta")
    tracks = [_track(box.body) for box in boxes if box.name == b"trak"]
    videos = [track for track in tracks if track[0].kind == "vide"]
    sounds = [track for track in tracks if track[0].kind == "soun"]
    if len(videos) != 1 or len(sounds) > 1:
        raise StructureError("mp4.tracks", video=len(videos), sound=len(sounds))
    samples, width, height = videos[0]
    return Movie(width, height, samples, sounds[0][0] if sounds else None)


def _check_times(body: bytes, what: Message, matrix: int) -> None:
    """Creation and modification time are 0 and the matrix is unity; ``matrix`` is its place in version 0."""
    version = body[0]
    wide = 12 if version == 1 else 0
    times = body[4:20] if version == 1 else body[4:12]
    if version > 1 or times.strip(b"\0"):
        raise StructureError("mp4.created", what=what)
    if matrix and body[matrix + wide : matrix + wide + 36] != UNITY:
        raise StructureError("mp4.turned", what=what)


def _track(body: bytes) -> tuple[Samples, int, int]:
    boxes = _children(body, CONTAINERS[b"trak"])
    head = _one(boxes, b"tkhd")
    _check_times(head, Message("mp4.track"), 40)
    width, height = (value >> 16 for value in struct.unpack(">II", head[-8:]))
    media = _children(_one(boxes, b"mdia"), CONTAINERS[b"mdia"])
    times = _one(media, b"mdhd")
    _check_times(times, Message("mp4.media"), 0)
    wide = times[0] == 1
    timescale = struct.unpack_from(">I", times, 20 if wide else 12)[0]
    if times[-4:-2] not in (b"\x55\xc4", b"\x00\x00") or times[-2:] != b"\0\0":
        raise StructureError("mp4.language")
    handler = _one(media, b"hdlr")
    kind = handler[8:12].decode("latin-1")
    if kind not in ("vide", "soun") or handler[:8].strip(b"\0") or handler[12:].strip(b"\0"):
        raise StructureError("mp4.track-kind", kind=kind)
    info = _children(_one(media, b"minf"), CONTAINERS[b"minf"])
    _check_reference(_one(info, b"dinf"))
    return _samples(kind, timescale, _one(info, b"stbl")), width, height


def _check_reference(body: bytes) -> None:
    """The data lies in this file: one "url " box without an address, flag 1 (14496-12, 8.7.2)."""
    if body != struct.pack(">I4sII", 28, b"dref", 0, 1) + struct.pack(">I4sI", 12, b"url ", 1):
        raise StructureError("mp4.reference")


def _samples(kind: str, timescale: int, body: bytes) -> Samples:
    boxes = _children(body, CONTAINERS[b"stbl"])
    sizes = _sizes(_one(boxes, b"stsz"))
    chunks = _chunks(boxes)
    offsets = _offsets(sizes, chunks, _one(boxes, b"stsc"))
    durations = _runs(_one(boxes, b"stts"), ">u4", len(sizes))
    decode = np.concatenate([[0], np.cumsum(durations)[:-1]]).astype(np.int64)
    shifts = [box.body for box in boxes if box.name == b"ctts"]
    if len(shifts) > 1:
        raise StructureError("mp4.composition")
    signed = ">i4" if shifts and shifts[0][0] == 1 else ">u4"
    shown = decode + (_runs(shifts[0], signed, len(sizes)) if shifts else 0)
    if kind == "soun":
        _check_groups(boxes)
    elif any(box.name in (b"sgpd", b"sbgp") for box in boxes):
        raise StructureError("mp4.sample-groups")
    entry = _children(_one(boxes, b"stsd")[8:])
    if len(entry) != 1 or entry[0].name != (b"avc1" if kind == "vide" else b"mp4a"):
        raise StructureError("mp4.codings")
    return Samples(kind, timescale, offsets, sizes, shown, durations, entry[0].body)


def _check_groups(boxes: list[_WrittenBox]) -> None:
    """Sound may have one roll group, -1 sample: AAC's decoder delay (14496-12, 10.1)."""
    for box in boxes:
        if box.name == b"sgpd" and (box.body[4:8] != b"roll" or len(box.body) > 18):
            raise StructureError("mp4.sample-group")
        if box.name == b"sbgp" and (box.body[4:8] != b"roll" or len(box.body) > 28):
            raise StructureError("mp4.sample-group")


def _sizes(body: bytes) -> NDArray[np.int64]:
    fixed, count = struct.unpack_from(">II", body, 4)
    if count > MOST_SAMPLES:
        raise StructureError("mp4.table-size")
    if fixed:
        return np.full(count, fixed, np.int64)
    return _table(body, 12, ">u4", count).astype(np.int64)


def _chunks(boxes: list[_WrittenBox]) -> NDArray[np.int64]:
    short = [box for box in boxes if box.name in (b"stco", b"co64")]
    if len(short) != 1:
        raise StructureError("mp4.places")
    body = short[0].body
    count = struct.unpack_from(">I", body, 4)[0]
    return _table(body, 8, ">u4" if short[0].name == b"stco" else ">u8", count).astype(np.int64)


def _table(body: bytes, start: int, kind: str, count: int) -> NDArray[np.generic]:
    values = np.frombuffer(body, kind, offset=start)
    if len(values) != count:
        raise StructureError("mp4.table-size")
    return np.asarray(values)


def _runs(body: bytes, second: str, wanted: int) -> NDArray[np.int64]:
    """A table of (count, value) runs, written out."""
    count = struct.unpack_from(">I", body, 4)[0]
    rows = np.frombuffer(body, [("n", ">u4"), ("v", second)], offset=8)
    if len(rows) != count or int(rows["n"].astype(np.int64).sum()) != wanted:
        raise StructureError("mp4.times")
    return np.repeat(rows["v"].astype(np.int64), rows["n"].astype(np.int64))


def _offsets(sizes: NDArray[np.int64], chunks: NDArray[np.int64], body: bytes) -> NDArray[np.int64]:
    """Where each sample lies: chunks hold runs of samples, one behind the other (14496-12, 8.7.4)."""
    count = struct.unpack_from(">I", body, 4)[0]
    rows = np.frombuffer(body, [("first", ">u4"), ("n", ">u4"), ("entry", ">u4")], offset=8)
    if len(rows) != count or (len(rows) and (rows["first"][0] != 1 or (rows["entry"] != 1).any())):
        raise StructureError("mp4.chunks")
    firsts = rows["first"].astype(np.int64)
    spans = np.diff(np.append(firsts, len(chunks) + 1))
    if (spans <= 0).any():
        raise StructureError("mp4.chunks")
    per_chunk = np.repeat(rows["n"].astype(np.int64), spans)
    if len(per_chunk) != len(chunks) or int(per_chunk.sum()) != len(sizes):
        raise StructureError("mp4.chunks-fit")
    ends = np.cumsum(sizes)
    starts = ends - sizes
    first_of_chunk = np.cumsum(per_chunk) - per_chunk
    base = chunks - starts[first_of_chunk] if len(sizes) else chunks
    return np.asarray(starts + np.repeat(base, per_chunk), np.int64)


def _check_filled(movie: Movie, place: tuple[int, int]) -> None:
    """The samples fill the media data without a gap, an overlap or a byte left over."""
    tracks = [movie.video, *([movie.sound] if movie.sound else [])]
    offsets = np.concatenate([track.offsets for track in tracks])
    sizes = np.concatenate([track.sizes for track in tracks])
    order = np.argsort(offsets, kind="stable")
    offsets, sizes = offsets[order], sizes[order]
    if not len(offsets):
        raise StructureError("mp4.no-picture")
    ends = np.append(place[0], offsets + sizes)
    if not np.array_equal(ends[:-1], offsets) or int(ends[-1]) != place[1]:
        raise StructureError("mp4.media-data")


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1"))
