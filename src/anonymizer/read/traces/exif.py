"""Walk the directories (IFDs) of a TIFF structure: EXIF in any format, or a whole TIFF file.

Tag numbers are those of TIFF 6.0, EXIF 2.32 (CIPA DC-008), DNG 1.7 and, for ``XP…``, Windows.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from anonymizer.read.traces.collector import TraceCollector
from anonymizer.read.traces.xmp import iptc, xmp

MAX_ENTRIES = 4096
MAX_DIRECTORIES = 64

KINDS = {
    0x010E: "description or comment",
    0x010F: "device make and model",
    0x0110: "device make and model",
    0x0131: "software",
    0x0132: "capture date",
    0x013B: "owner or author name",
    0x013C: "computer name",
    0x02BC: "XMP",
    0x8298: "owner or author name",
    0x83BB: "IPTC",
    0x8649: "Photoshop resources",
    0x8773: "colour profile",
    0x8825: "GPS position",
    0x9003: "capture date",
    0x9004: "capture date",
    0x927C: "MakerNote",
    0x9286: "description or comment",
    0x9C9B: "description or comment",
    0x9C9C: "description or comment",
    0x9C9D: "owner or author name",
    0x9C9E: "description or comment",
    0x9C9F: "description or comment",
    0xA420: "unique picture number",
    0xA430: "owner or author name",
    0xA431: "serial number",
    0xA433: "device make and model",
    0xA434: "device make and model",
    0xA435: "serial number",
    0xA436: "description or comment",
    0xA437: "owner or author name",
    0xA438: "owner or author name",
    0xA439: "owner or author name",
    0xC614: "device make and model",
    0xC62F: "serial number",
    0xCD41: "C2PA manifest",
}
_EXIF, _GPS, _INTEROP, _SUB = 0x8769, 0x8825, 0xA005, 0x014A
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How this structure writes numbers: byte order, and classic or big offsets (BigTIFF)."""

    order: str
    big: bool

    def number(self, data: bytes, at: int, size: int) -> int:
        return int(struct.unpack_from(self.order + {2: "H", 4: "I", 8: "Q"}[size], data, at)[0])

    def integers(self, value: bytes, kind: int) -> list[int]:
        size = _SIZES.get(kind, 1)
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}[size]
        count = len(value) // size
        return list(struct.unpack(f"{self.order}{count}{code}", value[: count * size]))


def tiff(data: bytes, found: TraceCollector, whole: bool = False) -> int:
    """Take every trace out of a TIFF structure; where the last byte that it refers to ends.

    ``whole`` says that it is a file of its own and not EXIF inside another: then a second directory is a
    page and not a thumbnail. May raise struct.error, IndexError or ValueError on damage.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        found.binary(data, 1 << 16)
        return len(data)
    form = _Form(order, data[2:4] in (b"+\0", b"\0+"))
    word, width = (8, 20) if form.big else (4, 12)
    first = form.number(data, 8 if form.big else 4, word)
    queue: list[tuple[int, int]] = [(first, 0)]
    seen: set[int] = set()
    end = 0
    while queue and len(seen) < MAX_DIRECTORIES:
        offset, role = queue.pop(0)
        head = 8 if form.big else 2
        if offset in seen or not 0 < offset <= len(data) - head:
            continue
        seen.add(offset)
        count = min(form.number(data, offset, head), MAX_ENTRIES)
        ranges: dict[int, list[int]] = {}
        position: dict[int, bytes] = {}
        for index in range(count):
            entry = offset + head + width * index
            if entry + width > len(data):
                break
            tag, kind = struct.unpack_from(form.order + "HH", data, entry)
            size = _SIZES.get(kind, 1) * form.number(data, entry + 4, word)
            slot = entry + width - word
            place = slot if size <= word else form.number(data, slot, word)
            value = data[place : place + min(size, 1 << 20)]
            end = max(end, place + size)
            if tag in (_EXIF, _GPS, _INTEROP, _SUB) and kind in (4, 13, 18):
                queue += [(target, tag) for target in form.integers(value, kind)[:MAX_DIRECTORIES]]
            if tag in (0x0111, 0x0117, 0x0144, 0x0145, 0x0201, 0x0202) and kind in (3, 4, 16):
                ranges[tag] = form.integers(value, kind)
            if role == _GPS:
                position[tag] = value
            _tag(tag, kind, value, role, found)
        if role == _GPS:
            _position(position, form, found)
        for starts, sizes in ((0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202)):
            pairs = zip(ranges.get(starts, ()), ranges.get(sizes, ()), strict=False)
            end = max([end, *(start + size for start, size in pairs)])
        if not whole and 0x0201 in ranges:
            found.kind("embedded thumbnail")
        if role == _SUB or (whole and (0x0201 in ranges or (len(seen) > 1 and role == 0))):
            found.kind("embedded preview or second picture")
        after = offset + head + width * count
        end = max(end, after + word)
        if role == 0 and after + word <= len(data):
            following = form.number(data, after, word)
            if following:
                queue.append((following, 0))
    return end


def _tag(tag: int, kind: int, value: bytes, role: int, found: TraceCollector) -> None:
    if tag in KINDS and role != _GPS:
        found.kind(KINDS[tag])
    if tag == 0x02BC and role != _GPS:
        xmp(value, found)
    elif tag == 0x83BB:
        iptc(value, found)
    elif tag in (0x927C, 0x8649, 0x8773, 0xCD41):
        # A maker's own structure, previews and all: its text, up to the first picture in it.
        found.binary(value.split(b"\xff\xd8\xff")[0], 1 << 17)
    elif tag in (0x9286, 0x001B, 0x001C):
        # Eight bytes name the encoding (EXIF 2.32, UserComment).
        found.value(value[8:] if len(value) > 8 else value)
    elif 0x9C9B <= tag <= 0x9C9F:
        found.text(value.decode("utf-16-le", "ignore").replace("\0", "\n"))
    elif kind == 2:
        found.value(value)
    elif tag == 0x015B:
        _tables(value, found)
    elif kind == 7 and tag not in (0x9000, 0x9101, 0xA000, 0xA300, 0xA301, 0xA302):
        found.binary(value, 1 << 16)


def _tables(value: bytes, found: TraceCollector) -> None:
    """A JPEG stream's tables (TIFF Technical Note 2): the numbers of the tables are no text, all else in it may be."""
    at = 2
    while at + 4 <= len(value) and value[at] == 0xFF:
        size = int.from_bytes(value[at + 2 : at + 4], "big")
        if value[at + 1] not in (
            0xC4,
            0xCC,
            0xDB,
            0xDD,
        ):  # Huffman and arithmetic coding, quantisation, restarts
            found.binary(value[at + 4 : at + 2 + size], 1 << 16)
        at += 2 + max(2, size)
    found.binary(value[at:] if value[at : at + 2] != b"\xff\xd9" else value[at + 2 :], 1 << 16)


def _position(entries: dict[int, bytes], form: _Form, found: TraceCollector) -> None:
    """Latitude and longitude in the ways that programs write them, and the date and time of the fix."""
    found.kind("GPS position")
    for ref, tag in ((1, 2), (3, 4), (0x13, 0x14), (0x15, 0x16)):
        values = _rationals(entries.get(tag, b""), form)
        if len(values) == 3:
            letter = entries.get(ref, b"")[:1].decode("ascii", "ignore").upper()
            found.strings.update(spelled((values[0], values[1], values[2]), letter))
    clock = _rationals(entries.get(7, b""), form)
    if len(clock) == 3 and any(clock) and all(0 <= part < 60 for part in clock):
        found.strings.add(f"{int(clock[0]):02}:{int(clock[1]):02}:{int(clock[2]):02}")


def _rationals(value: bytes, form: _Form) -> list[float]:
    parts: Sequence[int] = form.integers(value, 4)
    return [n / d if d else 0.0 for n, d in zip(parts[::2], parts[1::2], strict=False)][:3]


def spelled(angle: tuple[float, float, float], letter: str) -> set[str]:
    """A coordinate, given in degrees, minutes and seconds, as programs write it, from five characters on.

    Few decimals (three, some 100 m) so that a longer number begins with them; cut off and rounded, for
    both are in use.
    """
    decimal = angle[0] + angle[1] / 60 + angle[2] / 3600
    if not 0 < decimal <= 180:
        return set()
    found = {f"{decimal:.4f}", f"{decimal:.3f}", f"{decimal:.9f}"[:-6]}
    whole, rest = divmod(round(decimal * 3600, 2), 3600)
    minute, second = divmod(rest, 60)
    d, m, s = int(whole), int(minute), f"{second:05.2f}"
    found |= {
        f"{d}°{m}'{s}\"",
        f"{d}° {m}' {s}\"",
        f"{d} deg {m}' {second:.2f}\"",
        f"{d},{minute + second / 60:.4f}",
    }
    if letter in ("N", "E", "S", "W") and letter:
        sign = "-" if letter in "SW" else "+"
        found |= {f"{sign}{decimal:.4f}", f"{d}°{m}'{int(second)}\"{letter}"}
    return {text for text in found if len(text) >= 5}
