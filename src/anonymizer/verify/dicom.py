"""The structure of a de-identified DICOM, byte by byte: what may be there is listed, with every value that it may have.

Follows PS3.5 (explicit values, little endian, encapsulated pixels) and PS3.10. It shares no code with the writer: it
neither makes nor reads data sets, it walks over bytes. What the list has is a Secondary Capture (PS3.3, A.8) after the
Basic Application Level Confidentiality Profile (PS3.15, annex E): nothing of that profile's table is there but empty,
replaced, or as a constant.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.dicom import BODY_PARTS, MODALITIES, ORIENTATION
from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result
from anonymizer.verify import canary, dcmdump, jpeg, naming
from anonymizer.verify.jpeg import StructureError

PREAMBLE = bytes(128) + b"DICM"
SECONDARY_CAPTURE = rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.7\x00"
JPEG_BASELINE = rb"1\.2\.840\.10008\.1\.2\.4\.50"
OWN = rb"2\.25\.[123][0-9]{38}"
"""A unique identifier made of a UUID whose first bit is set."""
LONG = (b"OB", b"SQ")
"""Value representations whose length takes four bytes (PS3.5, 7.1.2), of those that are here."""
UNDEFINED = 0xFFFFFFFF
ITEM, LAST = 0xFFFEE000, 0xFFFEE0DD
PIXELS = 0x7FE00010


@dataclass(frozen=True, slots=True)
class _Rule:
    """What an element may be: its value representation and the form of its value, padding included. ``free``: the
    value is none of a list, so it could hold a string of a source; ``needed``: it must be there."""

    vr: bytes
    form: re.Pattern[bytes]
    free: bool = False
    needed: bool = True


def _rule(vr: str, form: bytes, *, free: bool = False, needed: bool = True) -> _Rule:
    return _Rule(vr.encode(), re.compile(form, re.DOTALL), free, needed)


def _words(known: frozenset[str]) -> bytes:
    """One of these, padded to an even length."""
    return b"|".join(re.escape(word.encode() + b" " * (len(word) % 2)) for word in sorted(known))


def _number(value: int) -> bytes:
    return re.escape(struct.pack("<H", value))


META = {
    0x00020000: _rule("UL", rb".{4}"),
    0x00020001: _rule("OB", rb"\x00\x01"),
    0x00020002: _rule("UI", SECONDARY_CAPTURE),
    0x00020003: _rule("UI", OWN, free=True),
    0x00020010: _rule("UI", JPEG_BASELINE),
    0x00020012: _rule("UI", rb"2\.25\.201751467676818727946366965549693846293"),
    0x00020013: _rule("SH", rb"ANONYMIZER"),
}
"""The file's own head."""
ELEMENTS = {
    0x00080008: _rule("CS", rb"DERIVED\\SECONDARY "),
    0x00080016: _rule("UI", SECONDARY_CAPTURE),
    0x00080018: _rule("UI", OWN, free=True),
    0x00080020: _rule("DA", b""),
    0x00080030: _rule("TM", b""),
    0x00080050: _rule("SH", b""),
    0x00080060: _rule("CS", _words(MODALITIES | {"OT"})),
    0x00080064: _rule("CS", rb"WSD "),
    0x00080090: _rule("PN", b""),
    0x00100010: _rule("PN", b""),
    0x00100020: _rule("LO", rb"[A-Z2-7]{16}", free=True),
    0x00100030: _rule("DA", b""),
    0x00100040: _rule("CS", b""),
    0x00120062: _rule("CS", rb"YES "),
    0x00120063: _rule("LO", rb"PS3\.15 Basic Application Level Confidentiality Profile"),
    0x00120064: _rule("SQ", b""),
    0x00180015: _rule("CS", _words(BODY_PARTS), needed=False),
    0x0020000D: _rule("UI", OWN, free=True),
    0x0020000E: _rule("UI", OWN, free=True),
    0x00200010: _rule("SH", b""),
    0x00200011: _rule("IS", rb"|[0-9]{1,4} ?"),
    0x00200013: _rule("IS", rb"|[0-9]{1,4} ?"),
    0x00200020: _rule("CS", b"|" + ORIENTATION.pattern.encode() + b" ?"),
    0x00200060: _rule("CS", b"", needed=False),
    0x00200062: _rule("CS", rb"[LR] ", needed=False),
    0x00280002: _rule("US", _number(3)),
    0x00280004: _rule("CS", rb"YBR_FULL_422"),
    0x00280006: _rule("US", _number(0)),
    0x00280010: _rule("US", rb".{2}"),
    0x00280011: _rule("US", rb".{2}"),
    0x00280100: _rule("US", _number(8)),
    0x00280101: _rule("US", _number(8)),
    0x00280102: _rule("US", _number(7)),
    0x00280103: _rule("US", _number(0)),
    0x00280301: _rule("CS", rb"NO", needed=False),
    0x00280303: _rule("CS", rb"REMOVED "),
    0x00282110: _rule("CS", rb"01"),
    0x00282112: _rule("DS", rb"[0-9]{1,6}\.[0-9]{2} ?", free=True),
    0x00282114: _rule("CS", rb"ISO_10918_1 "),
    PIXELS: _rule("OB", b""),
}
"""The data set."""
CODES = (
    (b"113100", b"Basic Application Confidentiality Profile "),
    (b"113101", b"Clean Pixel Data Option "),
)
"""How it was de-identified (PS3.16, CID 7050): always the profile, and the pixels where no word is burned in."""


@dataclass(frozen=True, slots=True)
class Dicom:
    """What :func:`walk` found: ``picture``, the JPEG in it, ``tags`` of the elements outside of sequences, and
    ``free``, the values that are none of a list."""

    picture: bytes
    tags: tuple[int, ...]
    width: int
    height: int
    free: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Element:
    at: int
    tag: int
    vr: bytes
    length: int
    body: int
    """Where its value begins."""


def walk(data: bytes) -> Dicom:
    """Account for every byte of a DICOM file, its picture's included.

    Raises :class:`StructureError` at the first byte that should not be there.
    """
    if not data.startswith(PREAMBLE):
        raise StructureError("dcm.start")
    values: dict[int, bytes] = {}
    free: list[bytes] = []
    picture = b""
    meta_end = 0
    for one in _elements(data, len(PREAMBLE), len(data)):
        # The head comes first, and its own length says where it ends.
        rules = META if one.tag in META else ELEMENTS
        rule = rules.get(one.tag)
        if rule is None or one.vr != rule.vr:
            raise StructureError("dcm.element", tag=_name(one.tag), at=one.at)
        if one.tag == PIXELS:
            picture, end = _encapsulated(data, one)
            if end != len(data):
                raise StructureError("dcm.trailing", count=len(data) - end)
            values[one.tag] = b""
            break
        value = data[one.body : one.body + one.length]
        if one.tag == 0x00120064:
            _codes(value, one.at)
        elif not rule.form.fullmatch(value):
            raise StructureError("dcm.value", tag=_name(one.tag), at=one.at)
        if one.tag in META:
            meta_end = one.body + one.length
        if rule.free:
            free.append(value)
        values[one.tag] = value
    for tag in (tag for rules in (META, ELEMENTS) for tag, rule in rules.items() if rule.needed):
        if tag not in values:
            raise StructureError("dcm.missing", tag=_name(tag))
    (head,) = struct.unpack("<I", values[0x00020000])
    if head != meta_end - (len(PREAMBLE) + 12) or values[0x00020003] != values[0x00080018]:
        raise StructureError("dcm.head")
    (height,), (width,) = (struct.unpack("<H", values[tag]) for tag in (0x00280010, 0x00280011))
    told = jpeg.walk(picture)
    if (told["width"], told["height"]) != (width, height):
        raise StructureError("dcm.size")
    # Both or neither: what is said of burned-in words is what the codes say of the pixels.
    if (values.get(0x00280301) is not None) != (CODES[1][0] in values[0x00120064]):
        raise StructureError("dcm.value", tag=_name(0x00280301), at=0)
    return Dicom(picture, tuple(values), width, height, tuple(free))


def structure(data: bytes) -> tuple[Check, Dicom | None]:
    """The structure audit as a check, and what was found where it passes."""
    try:
        found = walk(data)
    except StructureError as error:
        said = Message("check.structure.failed", format="DICOM", why=error)
        return Check("dicom-structure", Result.FAIL, said), None
    facts = {"elements": len(found.tags), "width": found.width, "height": found.height}
    said = Message("check.dicom.passed", count=len(found.tags))
    return Check("dicom-structure", Result.PASS, said, facts), found


def examine(path: Path, picture: bytes, strings: frozenset[str]) -> list[Check]:
    """Every check of a DICOM just written: ``picture`` is the examined file beside it, ``strings`` the source's."""
    data = path.read_bytes()
    first, found = structure(data)
    same = found is not None and found.picture == picture
    said = Message("check.dicom-picture.passed" if same else "check.dicom-picture.failed")
    checks = [first, Check("dicom-picture", Result.PASS if same else Result.FAIL, said)]
    # What stands there as one word of a list may be the name of a folder too; all else is searched.
    searched = b"\0".join((*found.free, found.picture)) if found else data
    checks.append(canary.check("dicom-canaries", searched, strings))
    checks.append(dcmdump.check(path, found.tags if found else ()))
    return checks


def audit(path: Path, keep_name: bool, standing: naming.Standing) -> list[Check]:
    """What a published DICOM can be asked with neither source nor report at hand."""
    first, found = structure(path.read_bytes())
    second = dcmdump.check(path, found.tags if found else ())
    return [first, naming.check(path, keep_name, standing), second]


def _elements(data: bytes, at: int, end: int) -> Iterator[_Element]:
    """The elements of a data set, in order, none twice."""
    before = -1
    while at < end:
        if at + 8 > end:
            raise StructureError("dcm.cut", at=at)
        group, number, vr, length = struct.unpack_from("<HH2sH", data, at)
        tag, body = group << 16 | number, at + 8
        if vr in LONG:
            if length or at + 12 > end:
                raise StructureError("dcm.cut", at=at)
            (length,) = struct.unpack_from("<I", data, at + 8)
            body = at + 12
        if tag <= before:
            raise StructureError("dcm.element", tag=_name(tag), at=at)
        if tag != PIXELS and body + length > end:
            raise StructureError("dcm.cut", at=at)
        yield _Element(at, tag, vr, length, body)
        before, at = tag, body + length


def _encapsulated(data: bytes, pixels: _Element) -> tuple[bytes, int]:
    """The one JPEG in the pixel data (PS3.5, A.4), and where they end."""
    at = pixels.body
    _, length, at = _item(data, at, ITEM)
    if pixels.length != UNDEFINED or length:
        raise StructureError("dcm.value", tag=_name(PIXELS), at=pixels.at)
    body, length, at = _item(data, at, ITEM)
    _, ended, at = _item(data, at, LAST)
    if ended or length % 2:
        raise StructureError("dcm.value", tag=_name(PIXELS), at=pixels.at)
    picture = data[body : body + length]
    # Padded to an even length with one byte behind the picture's own end.
    return (picture[:-1] if picture.endswith(b"\xff\xd9\0") else picture), at


def _item(data: bytes, at: int, wanted: int) -> tuple[int, int, int]:
    """Where an item's value begins, how long it is, and what comes behind it."""
    if at + 8 > len(data):
        raise StructureError("dcm.cut", at=at)
    group, number, length = struct.unpack_from("<HHI", data, at)
    if group << 16 | number != wanted or at + 8 + length > len(data):
        raise StructureError("dcm.cut", at=at)
    return at + 8, length, at + 8 + length


def _codes(value: bytes, at: int) -> None:
    """The sequence of codes: the profile alone, or with clean pixels, byte for byte."""
    forms = [b"".join(_code(*code) for code in CODES[:count]) for count in (1, 2)]
    if value not in forms:
        raise StructureError("dcm.value", tag=_name(0x00120064), at=at)


def _code(number: bytes, meaning: bytes) -> bytes:
    """One item with a code of the standard's own scheme, as it must stand there."""
    parts = ((0x0100, b"SH", number), (0x0102, b"SH", b"DCM "), (0x0104, b"LO", meaning))
    body = b"".join(struct.pack("<HH2sH", 8, at, vr, len(text)) + text for at, vr, text in parts)
    return struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(body)) + body


def _name(tag: int) -> str:
    """A tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
