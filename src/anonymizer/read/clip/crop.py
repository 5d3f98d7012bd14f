"""What a container cuts off each side of its pictures, which no player shows. Runs in the decoding process.

The library's decoders hand out whole pictures; only the programs around them cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from anonymizer.read.clip.shape import WHOLE, Crop
from anonymizer.read.completeness import ebml_number
from anonymizer.read.traces.isobmff import IsoBox, walk

_SEGMENT, _TRACKS, _TRACK, _TYPE, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
_PICTURES = 1
_CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
"""Matroska's elements (RFC 9559, 5.1.4.1.28)."""
_MOST_ELEMENTS = 100_000


def cropping(file: BinaryIO, demuxer: str, track: int, place_among: int) -> Crop:
    """What is cut off the pictures of a track, known by its number in the container, and as which one of those with
    pictures it comes. The file's place is what it was.
    """
    place = file.tell()
    try:
        if demuxer == "mov":
            return _clean_aperture(file, track)
        if demuxer == "matroska":
            return _pixel_crop(file, place_among)
    except (struct.error, OSError, OverflowError):
        pass
    finally:
        file.seek(place)
    return WHOLE


def _clean_aperture(file: BinaryIO, track: int) -> Crop:
    """The box ``clap`` (ISO/IEC 14496-12, 12.1.4): size of what is shown, how far its middle is off, as fractions."""

    def inside(start: int, end: int, *names: bytes) -> Iterator[IsoBox]:
        for box in walk(lambda at: _read(file, at, 16), start, end):
            if box.name == names[0]:
                end_of = min(box.end, end)
                yield from inside(box.body, end_of, *names[1:]) if names[1:] else iter([box])

    for trak in inside(0, file.seek(0, 2), b"moov", b"trak"):
        header = next(inside(trak.body, trak.end, b"tkhd"), None)
        if header is None:
            continue
        at = header.body + (20 if _read(file, header.body, 1) == b"\1" else 12)
        if struct.unpack(">I", _read(file, at, 4)) != (track,):
            continue
        for table in inside(trak.body, trak.end, b"mdia", b"minf", b"stbl", b"stsd"):
            for entry in walk(lambda at: _read(file, at, 16), table.body + 8, table.end):
                width, height = struct.unpack(">HH", _read(file, entry.body + 24, 4))
                # Boxes follow the 78 bytes that every picture's entry has.
                for box in inside(entry.body + 78, entry.end, b"clap"):
                    return _from_aperture(width, height, struct.unpack(">8i", _read(file, box.body, 32)))
    return WHOLE


def _from_aperture(width: int, height: int, numbers: tuple[int, ...]) -> Crop:
    above, below = numbers[::2], numbers[1::2]
    if not all(below):
        return WHOLE
    w, h, x, y = (Fraction(a, b) for a, b in zip(above, below, strict=True))
    left, top = (width - w) / 2 + x, (height - h) / 2 + y
    if not (
        0 < w <= width
        and 0 < h <= height
        and left >= 0
        and top >= 0
        and left + w <= width
        and top + h <= height
    ):
        return WHOLE
    # What is hidden for a part stays hidden.
    return Crop(*(-int(-side // 1) for side in (left, top, width - left - w, height - top - h)))


def _pixel_crop(file: BinaryIO, place_among: int) -> Crop:
    """What stands in the track that is the so manieth with pictures."""

    def inside(bounds: tuple[int, int], *names: int) -> Iterator[tuple[int, int]]:
        for name, body, end in _elements(file, *bounds):
            if name == names[0]:
                yield from inside((body, end), *names[1:]) if names[1:] else iter([(body, end)])

    tracks = [
        track
        for track in inside((0, file.seek(0, 2)), _SEGMENT, _TRACKS, _TRACK)
        if any(_value(file, *kind) == _PICTURES for kind in inside(track, _TYPE))
    ]
    if place_among >= len(tracks):
        return WHOLE
    found = {
        _CROPS[name]: _value(file, body, end)
        for video in inside(tracks[place_among], _VIDEO)
        for name, body, end in _elements(file, *video)
        if name in _CROPS
    }
    return Crop(**found)


def _elements(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """``(name, body, end)`` of each element (RFC 8794, 4 to 6); one of unknown size goes on to the end."""
    for _ in range(_MOST_ELEMENTS):
        if at >= end:
            return
        name, after = ebml_number(file, at, keep=True)
        length, body = ebml_number(file, after, keep=False)
        if not name:
            return
        unknown = length == (1 << 7 * (body - after)) - 1
        stop = end if unknown else min(end, body + length)
        yield name, body, stop
        at = stop


def _value(file: BinaryIO, start: int, end: int) -> int:
    return int.from_bytes(_read(file, start, min(8, end - start)), "big")


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
