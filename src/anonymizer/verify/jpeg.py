"""The structure of a JPEG, byte by byte: what may be there is listed, everything else fails.

Follows ITU-T T.81 annex B. Entropy-coded data are walked for markers only; that no bytes hide behind the
last block is proven by :mod:`anonymizer.verify.integrity`, which decodes them.
"""

from __future__ import annotations

import re
import struct

SOI, EOI, SOS, APP0, DQT, DHT, DRI = 0xD8, 0xD9, 0xDA, 0xE0, 0xDB, 0xC4, 0xDD
FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended sequential and progressive Huffman frames."""
JFIF = re.compile(rb"JFIF\x00\x01[\x00-\x02][\x00-\x02]\x00\x01\x00\x01\x00\x00", re.DOTALL)
"""Version 1.0 to 1.2, density 1 by 1 (no resolution of the source's device), no thumbnail."""
_MARKER = re.compile(rb"\xff[^\x00]", re.DOTALL)
_NAMES = {0xFE: "a comment", 0xE1: "APP1 (EXIF or XMP)", 0xE2: "APP2 (colour profile or further pictures)",
          0xED: "APP13 (Photoshop, IPTC)", 0xEE: "APP14 (Adobe)", 0xD8: "a second picture",
          0xDC: "a late line count", 0xCC: "arithmetic coding"}  # fmt: skip


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
    progressive = False
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
            _quantisation(body, at)
        elif marker == DHT:
            _huffman(body, at)
        elif marker in FRAMES:
            if size != (0, 0):
                raise StructureError(f"a second frame starts at byte {at}")
            size, progressive = _frame(body, at), marker == 0xC2
        elif marker == DRI:
            if len(body) != 2:
                raise StructureError(f"the restart interval at byte {at} has a wrong length")
        elif marker == SOS:
            if size == (0, 0) or (scans and not progressive):
                raise StructureError(f"a scan at byte {at} is one too many")
            if len(body) != 4 + 2 * body[0]:
                raise StructureError(f"the scan header at byte {at} has a wrong length")
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
    if at + 2 != len(data):
        raise StructureError(f"{len(data) - at - 2} bytes stand behind its end")
    return {"width": size[0], "height": size[1], "segments": len(seen), "coded": coded}


def _end_of_scan(data: bytes, at: int) -> int:
    """The first marker after a scan's coded data; restart markers count up from 0 to 7 and around."""
    expected = 0
    while True:
        match = _MARKER.search(data, at)
        if not match:
            raise StructureError("its coded data have no end")
        marker = data[match.start() + 1]
        if marker == 0xD0 + expected:
            expected, at = (expected + 1) % 8, match.end()
            continue
        if marker == 0xFF or 0xD0 <= marker <= 0xD7:
            raise StructureError(f"fill bytes or a stray restart marker stand at byte {match.start()}")
        return match.start()


def _quantisation(body: bytes, at: int) -> None:
    while body:
        need = 1 + (128 if body[0] >> 4 else 64)
        if body[0] >> 4 > 1 or body[0] & 15 > 3 or len(body) < need:
            raise StructureError(f"the quantisation tables at byte {at} are not whole")
        body = body[need:]


def _huffman(body: bytes, at: int) -> None:
    while body:
        need = 17 + sum(body[1:17])
        if body[0] >> 4 > 1 or body[0] & 15 > 3 or len(body) < need or need > 17 + 256:
            raise StructureError(f"the Huffman tables at byte {at} are not whole")
        body = body[need:]


def _frame(body: bytes, at: int) -> tuple[int, int]:
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if precision != 8 or components not in (1, 3) or len(body) != 6 + 3 * components or not height * width:
        raise StructureError(f"the frame header at byte {at} is not that of an 8-bit photo")
    return width, height
