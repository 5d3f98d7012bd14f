"""The structure of a JPEG, byte by byte: what may be there is listed, everything else fails.

Follows ITU-T T.81 annex B. Entropy-coded data are walked for markers only; that no bytes hide behind the
last block is proven by :mod:`anonymizer.verify.integrity`, which decodes them.
"""

from __future__ import annotations

import re
import struct

EOI, SOS, APP0, DQT, DHT = 0xD9, 0xDA, 0xE0, 0xDB, 0xC4
FRAMES = {0xC0}
"""Baseline alone: what the writer writes. A progressive picture may replace its tables as it goes."""
JFIF = re.compile(rb"JFIF\x00\x01[\x00-\x02][\x00-\x02]\x00\x01\x00\x01\x00\x00", re.DOTALL)
"""Version 1.0 to 1.2, density 1 by 1 (no resolution of the source's device), no thumbnail."""
_MARKER = re.compile(rb"\xff[^\x00]", re.DOTALL)
_NAMES = {0xFE: "a comment", 0xE1: "APP1 (EXIF or XMP)", 0xE2: "APP2 (colour profile or further pictures)",
          0xED: "APP13 (Photoshop, IPTC)", 0xEE: "APP14 (Adobe)", 0xD8: "a second picture",
          0xDC: "a late line count", 0xDD: "a restart interval", 0xC2: "a progressive frame",
          0xCC: "arithmetic coding"}  # fmt: skip


class StructureError(Exception):
    """Something that no output of this program holds; ``str(error)`` says what and at which byte."""


def walk(data: bytes) -> dict[str, int]:
    """Account for every byte of a JPEG.

    The size and the numbers of segments and of entropy-coded bytes. Raises :class:`StructureError` at the
    first byte that should not be there.
    """
    if data[:2] != b"\xff\xd8":
        raise StructureError("it does not start as a JPEG does")
    at, scans, coded, size = 2, 0, 0, (0, 0)
    seen: list[int] = []
    # A table that no component uses, or one that a second one replaces, could hold anything.
    tables: set[tuple[int, int]] = set()
    needed: set[tuple[int, int]] = set()
    while True:
        if data[at : at + 1] != b"\xff" or at + 2 > len(data):
            raise StructureError(f"there is no marker at byte {at}")
        marker = data[at + 1]
        if marker == EOI:
            break
        if at + 4 > len(data):
            raise StructureError(f"the segment at byte {at} is cut off")
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if length < 2 or len(body) != length - 2:
            raise StructureError(f"the segment at byte {at} is cut off")
        if marker == APP0:
            if seen or not JFIF.fullmatch(body):
                raise StructureError(f"APP0 at byte {at} is not the plain JFIF header")
        elif marker == DQT:
            _quantisation(body, at, tables)
        elif marker == DHT:
            _huffman(body, at, tables)
        elif marker in FRAMES:
            if size != (0, 0):
                raise StructureError(f"a second frame starts at byte {at}")
            size = _frame(body, at)
            needed |= {(DQT, number) for number in body[8::3]}
        elif marker == SOS:
            if size == (0, 0) or scans:
                raise StructureError(f"a scan at byte {at} is one too many")
            if not body or len(body) != 4 + 2 * body[0] or body[-3:] != b"\x00\x3f\x00":
                raise StructureError(f"the scan header at byte {at} is not that of a whole baseline picture")
            needed |= {(DHT, part) for choice in body[2:-3:2] for part in (choice >> 4, 16 | choice & 15)}
            scans += 1
        else:
            raise StructureError(f"{_NAMES.get(marker, f'marker FF{marker:02X}')} stands at byte {at}")
        seen.append(marker)
        at += 2 + length
        if marker == SOS:
            start, at = at, _end_of_scan(data, at)
            coded += at - start
    if not scans:
        raise StructureError("it holds no picture")
    if tables != needed:
        raise StructureError("its tables are not those that its picture uses")
    if at + 2 != len(data):
        raise StructureError(f"{len(data) - at - 2} bytes stand behind its end")
    return {"width": size[0], "height": size[1], "segments": len(seen), "coded": coded}


def _end_of_scan(data: bytes, at: int) -> int:
    """The first marker after a scan's coded data, which hold neither fill bytes nor restart markers."""
    match = _MARKER.search(data, at)
    if not match:
        raise StructureError("its coded data have no end")
    marker = data[match.start() + 1]
    if marker == 0xFF or 0xD0 <= marker <= 0xD7:
        raise StructureError(f"fill bytes or a restart marker stand at byte {match.start()}")
    return match.start()


def _quantisation(body: bytes, at: int, tables: set[tuple[int, int]]) -> None:
    while body:
        # Eight-bit values, 1 to 255: the high half of the first byte would say sixteen.
        if body[0] > 3 or len(body) < 65 or 0 in body[1:65]:
            raise StructureError(f"the quantisation tables at byte {at} are not whole")
        _new_table(DQT, body[0], at, tables)
        body = body[65:]


def _huffman(body: bytes, at: int, tables: set[tuple[int, int]]) -> None:
    while body:
        need = 17 + sum(body[1:17])
        if body[0] >> 4 > 1 or body[0] & 15 > 3 or len(body) < need or need > 17 + 256:
            raise StructureError(f"the Huffman tables at byte {at} are not whole")
        _new_table(DHT, body[0], at, tables)
        body = body[need:]


def _new_table(marker: int, number: int, at: int, tables: set[tuple[int, int]]) -> None:
    if (marker, number) in tables:
        raise StructureError(f"the tables at byte {at} replace earlier ones")
    tables.add((marker, number))


def _frame(body: bytes, at: int) -> tuple[int, int]:
    if len(body) < 9:
        raise StructureError(f"the frame header at byte {at} is cut off")
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if precision != 8 or components not in (1, 3) or len(body) != 6 + 3 * components or not height * width:
        raise StructureError(f"the frame header at byte {at} is not that of an 8-bit photo")
    return width, height
