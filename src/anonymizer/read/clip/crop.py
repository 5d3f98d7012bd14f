"""What a container says of its pictures that the library's decoders do not heed: what of them no player shows, and how
their transparency is stored. Runs in the decoding process.

The decoders hand out whole pictures; only the programs around them cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from anonymizer.core.errors import UnsupportedError
from anonymizer.read.clip.mxf import display_rectangle
from anonymizer.read.clip.shape import WHOLE, Crop
from anonymizer.read.completeness import ebml_number
from anonymizer.read.traces.isobmff import IsoBox, walk

_SEGMENT, _TRACKS, _TRACK, _TYPE, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
_PICTURES = 1
_CROPS = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}
"""Matroska's elements (RFC 9559, 5.1.4.1.28)."""
_MOST_ELEMENTS = 100_000
_RECTANGLE = 10
"""Bytes of a region that is a rectangle: its length, and its top, left, bottom and right (Inside Macintosh,
"QuickDraw")."""
_MULTIPLIED = {257: 255, 258: 0}
"""Graphics modes of transparency whose colours were drawn on white or black beforehand (QuickTime File Format,
"Graphics Modes")."""


def cropping(file: BinaryIO, demuxer: str, track: int, place_among: int, size: tuple[int, int]) -> Crop:
    """What is cut off the pictures of a track, known by its number in the container, and as which one of those with
    pictures it comes; ``size`` = (width, height) of its first picture. The file's place is what it was.

    Raises :class:`UnsupportedError` where a mask of any shape hides something.
    """
    place = file.tell()
    try:
        if demuxer == "mov":
            return _quicktime(file, track)
        if demuxer == "matroska":
            return _pixel_crop(file, place_among)
        if demuxer == "mxf":
            return display_rectangle(file, place_among, size)
    except (struct.error, OSError, OverflowError):
        pass
    finally:
        file.seek(place)
    return WHOLE


def drawn_on(file: BinaryIO, demuxer: str, track: int) -> int | None:
    """The grey level on which a track's half transparent colours were drawn beforehand; None where they are as they
    would be without transparency. The file's place is what it was."""
    place = file.tell()
    try:
        trak = _trak(file, track) if demuxer == "mov" else None
        for box in _inside(file, trak.body, trak.end, b"mdia", b"minf", b"vmhd") if trak else ():
            return _MULTIPLIED.get(struct.unpack(">H", _read(file, box.body + 4, 2))[0])
    except (struct.error, OSError, OverflowError):
        pass
    finally:
        file.seek(place)
    return None


def _inside(file: BinaryIO, start: int, end: int, *names: bytes) -> Iterator[IsoBox]:
    """The boxes at the end of a path of names."""
    for box in walk(lambda at: _read(file, at, 16), start, end):
        if box.name == names[0]:
            end_of = min(box.end, end)
            yield from _inside(file, box.body, end_of, *names[1:]) if names[1:] else iter([box])


def _trak(file: BinaryIO, track: int) -> IsoBox | None:
    for trak in _inside(file, 0, file.seek(0, 2), b"moov", b"trak"):
        header = next(_inside(file, trak.body, trak.end, b"tkhd"), None)
        if header is None:
            continue
        at = header.body + (20 if _read(file, header.body, 1) == b"\1" else 12)
        if struct.unpack(">I", _read(file, at, 4)) == (track,):
            return trak
    return None


def _quicktime(file: BinaryIO, track: int) -> Crop:
    """The boxes ``clap`` (ISO/IEC 14496-12, 12.1.4) and ``clip`` (QuickTime File Format, "Clipping Atoms")."""
    trak = _trak(file, track)
    if trak is None:
        return WHOLE
    masks = [
        *_inside(file, 0, file.seek(0, 2), b"moov", b"clip"),
        *_inside(file, trak.body, trak.end, b"matt"),
    ]
    if masks:
        raise UnsupportedError("clip.masked")
    crop = WHOLE
    for table in _inside(file, trak.body, trak.end, b"mdia", b"minf", b"stbl", b"stsd"):
        for entry in walk(lambda at: _read(file, at, 16), table.body + 8, table.end):
            width, height = struct.unpack(">HH", _read(file, entry.body + 24, 4))
            # Boxes follow the 78 bytes that every picture's entry has.
            for box in _inside(file, entry.body + 78, entry.end, b"clap"):
                crop = _from_aperture(width, height, struct.unpack(">8i", _read(file, box.body, 32)))
            for region in _inside(file, trak.body, trak.end, b"clip", b"crgn"):
                crop = Crop(*map(max, crop, _from_region(file, trak, region, width, height)))
            return crop
    return crop


def _from_region(file: BinaryIO, trak: IsoBox, region: IsoBox, width: int, height: int) -> Crop:
    """What lies outside of a rectangle in pixels of the size that the track's header says."""
    length, top, left, bottom, right = struct.unpack(">H4h", _read(file, region.body, _RECTANGLE))
    header = next(_inside(file, trak.body, trak.end, b"tkhd"))
    at = header.body + (88 if _read(file, header.body, 1) == b"\1" else 76)
    w, h = (side >> 16 for side in struct.unpack(">II", _read(file, at, 8)))
    if length != _RECTANGLE or not (left < right and top < bottom and w and h):
        raise UnsupportedError("clip.masked")
    across, down = Fraction(width, w), Fraction(height, h)
    sides = left * across, top * down, (w - right) * across, (h - bottom) * down
    return Crop(*(max(0, -int(-side // 1)) for side in sides))


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
