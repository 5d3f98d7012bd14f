"""The structure of a JPEG, byte by byte: what may be there is listed, everything else fails.

Follows ITU-T T.81 annex B. Entropy-coded data are walked for markers only; that no bytes hide behind the
last block is proven by :mod:`anonymizer.verify.integrity`, which decodes them.
"""

from __future__ import annotations

import re
import struct

from anonymizer.core.errors import AnonymizerError
from anonymizer.core.message import Message

EOI, SOS, APP0, DQT, DHT = 0xD9, 0xDA, 0xE0, 0xDB, 0xC4
FRAMES = {0xC0}
"""Baseline alone: what the writer writes. A progressive picture may replace its tables as it goes."""
JFIF = re.compile(
    rb"JFIF\x00\x01[\x00-\x02](?:[\x00-\x02]\x00\x01\x00\x01|\x01\x01\x2c\x01\x2c)\x00\x00", re.DOTALL
)
"""Version 1.0 to 1.2, density 1 by 1 (no resolution of the source's device) or the 300 dots per inch
that journals ask for, no thumbnail."""
_MARKER = re.compile(rb"\xff[^\x00]", re.DOTALL)
_NAMES = {0xFE: "jpeg.comment", 0xE1: "jpeg.app1", 0xE2: "jpeg.app2",
          0xED: "jpeg.app13", 0xEE: "jpeg.app14", 0xD8: "jpeg.second-picture",
          0xDC: "jpeg.line-count", 0xDD: "jpeg.restart-interval", 0xC2: "jpeg.progressive",
          0xCC: "jpeg.arithmetic"}  # fmt: skip


class StructureError(AnonymizerError):
    """Something that no output of this program holds: what, and at which byte."""


def walk(data: bytes) -> dict[str, int]:
    """Account for every byte of a JPEG.

    The size and the numbers of segments and of entropy-coded bytes. Raises :class:`StructureError` at the
    first byte that should not be there.
    """
    if data[:2] != b"\xff\xd8":
        raise StructureError("jpeg.start")
    at, scans, coded, size = 2, 0, 0, (0, 0)
    seen: list[int] = []
    # A table that no component uses, or one that a second one replaces, could hold anything.
    tables: set[tuple[int, int]] = set()
    needed: set[tuple[int, int]] = set()
    while True:
        if data[at : at + 1] != b"\xff" or at + 2 > len(data):
            raise StructureError("jpeg.no-marker", at=at)
        marker = data[at + 1]
        if marker == EOI:
            break
        if at + 4 > len(data):
            raise StructureError("jpeg.segment-cut", at=at)
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if length < 2 or len(body) != length - 2:
            raise StructureError("jpeg.segment-cut", at=at)
        if marker == APP0:
            if seen or not JFIF.fullmatch(body):
                raise StructureError("jpeg.app0", at=at)
        elif marker == DQT:
            _quantisation(body, at, tables)
        elif marker == DHT:
            _huffman(body, at, tables)
        elif marker in FRAMES:
            if size != (0, 0):
                raise StructureError("jpeg.second-frame", at=at)
            size = _frame(body, at)
            needed |= {(DQT, number) for number in body[8::3]}
        elif marker == SOS:
            if size == (0, 0) or scans:
                raise StructureError("jpeg.scans", at=at)
            if not body or len(body) != 4 + 2 * body[0] or body[-3:] != b"\x00\x3f\x00":
                raise StructureError("jpeg.scan-header", at=at)
            needed |= {(DHT, part) for choice in body[2:-3:2] for part in (choice >> 4, 16 | choice & 15)}
            scans += 1
        else:
            known = _NAMES.get(marker)
            what = Message(known) if known else Message("jpeg.other-marker", marker=f"{marker:02X}")
            raise StructureError("jpeg.marker", what=what, at=at)
        seen.append(marker)
        at += 2 + length
        if marker == SOS:
            start, at = at, _end_of_scan(data, at)
            coded += at - start
    if not scans:
        raise StructureError("jpeg.no-picture")
    if tables != needed:
        raise StructureError("jpeg.other-tables")
    if at + 2 != len(data):
        raise StructureError("jpeg.trailing", count=len(data) - at - 2)
    return {"width": size[0], "height": size[1], "segments": len(seen), "coded": coded}


def _end_of_scan(data: bytes, at: int) -> int:
    """The first marker after a scan's coded data, which hold neither fill bytes nor restart markers."""
    match = _MARKER.search(data, at)
    if not match:
        raise StructureError("jpeg.no-end")
    marker = data[match.start() + 1]
    if marker == 0xFF or 0xD0 <= marker <= 0xD7:
        raise StructureError("jpeg.fill", at=match.start())
    return match.start()


def _quantisation(body: bytes, at: int, tables: set[tuple[int, int]]) -> None:
    while body:
        # Eight-bit values, 1 to 255: the high half of the first byte would say sixteen.
        if body[0] > 3 or len(body) < 65 or 0 in body[1:65]:
            raise StructureError("jpeg.quantisation", at=at)
        _new_table(DQT, body[0], at, tables)
        body = body[65:]


def _huffman(body: bytes, at: int, tables: set[tuple[int, int]]) -> None:
    while body:
        need = 17 + sum(body[1:17])
        if body[0] >> 4 > 1 or body[0] & 15 > 3 or len(body) < need or need > 17 + 256:
            raise StructureError("jpeg.huffman", at=at)
        _new_table(DHT, body[0], at, tables)
        body = body[need:]


def _new_table(marker: int, number: int, at: int, tables: set[tuple[int, int]]) -> None:
    if (marker, number) in tables:
        raise StructureError("jpeg.tables-twice", at=at)
    tables.add((marker, number))


def _frame(body: bytes, at: int) -> tuple[int, int]:
    if len(body) < 9:
        raise StructureError("jpeg.frame-cut", at=at)
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if precision != 8 or components not in (1, 3) or len(body) != 6 + 3 * components or not height * width:
        raise StructureError("jpeg.frame-other", at=at)
    return width, height
