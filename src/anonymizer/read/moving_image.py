"""Whether a GIF, WebP or PNG moves, and how long it shows each frame: from its blocks, nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import BinaryIO

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
