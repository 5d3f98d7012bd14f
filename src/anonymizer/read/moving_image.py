"""Whether a GIF, WebP, PNG or AVIF moves, and how long it shows each frame: from its blocks, nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, repeat
from typing import BinaryIO

from anonymizer.read.traces.isobmff import IsoBox, walk

MOST = 2_000_000
"""Frames that are counted."""
LEAST = Fraction(11, 1000)
"""Seconds: a frame that asks for less …"""
USUAL = Fraction(1, 10)
"""… is shown for so long, as in Chromium, WebKit and Firefox."""


def is_moving(file: BinaryIO) -> bool:
    """Whether the picture in a file that is open for reading has more than one frame; its place is changed."""
    return len(_read(file, 2)[0]) > 1


def durations(file: BinaryIO) -> tuple[list[Fraction], bool]:
    """Seconds for which each frame is shown, as browsers do it, and whether the file has its end.

    None for what is no such picture; the file's place is changed.
    """
    asked, whole = _read(file, MOST)
    return [one if one >= LEAST else USUAL for one in asked], whole


def _read(file: BinaryIO, most: int) -> tuple[list[Fraction], bool]:
    """The seconds that frames ask for, as far as the blocks make sense."""
    file.seek(0)
    head = file.read(16)
    file.seek(0)
    found: list[Fraction] = []
    asked: Iterator[Fraction] = iter(())
    if head[:3] == b"GIF":
        asked = _gif(file)
    elif head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        asked = _webp(file)
    elif head[:8] == b"\x89PNG\r\n\x1a\n":
        asked = _png(file)
    elif head[4:8] == b"ftyp":
        asked = _avif(file)
    try:
        found.extend(islice(asked, most))
    except (struct.error, IndexError, EOFError):
        return found, False
    return found, True


def _gif(file: BinaryIO) -> Iterator[Fraction]:
    """GIF89a, sections 17 to 26: header, colour tables, blocks; times in hundredths."""
    flags = file.read(13)[10]
    _skip_colours(file, flags)
    delay = 0
    while (kind := file.read(1)) != b";":
        if kind == b",":
            _skip_colours(file, file.read(9)[8])
            file.seek(1, 1)
            _skip_blocks(file)
            yield Fraction(delay, 100)
            delay = 0
        elif kind == b"!":
            control = file.read(1) == b"\xf9"
            if control:
                size, _, delay = struct.unpack("<BBH", file.read(4))
                file.seek(size - 3, 1)
            _skip_blocks(file)
        elif not kind:
            raise EOFError
        # Any other byte is passed over, as decoders do.


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), 1)


def _skip_blocks(file: BinaryIO) -> None:
    while size := file.read(1)[0]:
        file.seek(size, 1)


def _webp(file: BinaryIO) -> Iterator[Fraction]:
    """RFC 9649, 2.7: a chunk ANMF for each frame; times in thousandths."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        body = file.read(16) if name in (b"VP8X", b"ANMF") else b""
        if name == b"VP8X" and not body[0] & 0x02:
            return
        if name == b"ANMF":
            yield Fraction(int.from_bytes(body[12:15], "little"), 1000)
        file.seek(size + size % 2 - len(body), 1)


def _png(file: BinaryIO) -> Iterator[Fraction]:
    """PNG (third edition), 11.3.6: acTL before the picture, then a chunk fcTL for each frame; fractions."""
    file.seek(8)
    moves = False
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if name == b"IEND" or (name == b"IDAT" and not moves):
            return
        moves = moves or name == b"acTL"
        body = file.read(26) if name == b"fcTL" and moves else b""
        if body:
            above, below = struct.unpack_from(">HH", body, 20)
            yield Fraction(above, below or 100)
        file.seek(size + 4 - len(body), 1)
    raise EOFError


def _avif(file: BinaryIO) -> Iterator[Fraction]:
    """AVIF 1.2, 3 and ISO/IEC 14496-12, 8.4 and 8.6: how long the first track of pictures shows each of its samples."""
    size = file.seek(0, 2)

    def inside(parent: tuple[int, int], name: bytes) -> Iterator[IsoBox]:
        def head(at: int) -> bytes:
            file.seek(at)
            return file.read(16)

        return (box for box in walk(head, *parent) if box.name == name)

    def content(parent: tuple[int, int], *names: bytes) -> tuple[int, int]:
        for name in names:
            box = next(inside(parent, name), None)
            if box is None:
                raise EOFError
            parent = box.body, min(box.end, size)
        return parent

    def numbers(at: int, form: str) -> tuple[int, ...]:
        file.seek(at)
        return struct.unpack(form, file.read(struct.calcsize(form)))

    if next(inside((0, size), b"moov"), None) is None:
        return
    for track in inside(content((0, size), b"moov"), b"trak"):
        media = content((track.body, min(track.end, size)), b"mdia")
        handler = content(media, b"hdlr")[0]
        file.seek(handler + 8)
        if file.read(4) != b"pict":
            continue
        (header, _), (table, _) = content(media, b"mdhd"), content(media, b"minf", b"stbl", b"stts")
        (version,) = numbers(header, ">B")
        (ticks,) = numbers(header + (20 if version else 12), ">I")
        (runs,) = numbers(table + 4, ">I")
        for run in range(runs):
            count, lasting = numbers(table + 8 + 8 * run, ">II")
            yield from repeat(Fraction(lasting, ticks or 1), count)
        return
