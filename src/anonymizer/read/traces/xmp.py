"""XMP packets, IPTC records and Photoshop resources: which kinds they hold, and their values."""

from __future__ import annotations

import html
import re
import struct

from anonymizer.read.traces.collector import TraceCollector

_XMP_KINDS = (
    (rb"xmp:Thumbnails|xmpGImg:|xapGImg:", "embedded thumbnail"),
    (rb"GDepth:|apdi:|depthMap|hdrgm:|HDRGainMap|GainMap", "depth or gain map"),
    (rb"GImage:", "embedded preview or second picture"),
    (rb"MicroVideo|MotionPhoto|MotionPhoto_Data", "motion photo video"),
    (rb"exif:GPS|GPSLatitude", "GPS position"),
    (rb"dc:creator|photoshop:Author|xmpRights:Owner|plus:CopyrightOwner", "owner or author name"),
    (rb"dc:description|dc:title|exif:UserComment|photoshop:Headline", "description or comment"),
    (rb"aux:SerialNumber|SerialNumber", "serial number"),
    (rb"exif:DateTimeOriginal|photoshop:DateCreated|xmp:CreateDate|xap:CreateDate", "capture date"),
    (rb"tiff:Make|tiff:Model|aux:Lens", "device make and model"),
    (rb"photoshop:City|Iptc4xmpCore:Location|LocationCreated", "place name"),
    (rb"PersonInImage", "name of a person in the picture"),
    (rb"c2pa|contentauth", "C2PA manifest"),
)
_FACES = re.compile(rb"mwg-rs:|MPRI:|MPReg:|apple-fi:")
_FACE_NAMES = re.compile(rb"mwg-rs:Name|PersonDisplayName")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]{200,}+")
_VALUE = re.compile(rb">([^<>]{5,100000})<|=\"([^\"<>]{5,100000})\"|='([^'<>]{5,100000})'")

_IPTC_KINDS = {
    5: "description or comment",
    25: "description or comment",
    55: "capture date",
    60: "capture date",
    80: "owner or author name",
    90: "place name",
    92: "place name",
    95: "place name",
    101: "place name",
    105: "description or comment",
    110: "owner or author name",
    116: "owner or author name",
    118: "owner or author name",
    120: "description or comment",
    122: "owner or author name",
}
"""Datasets of record 2 (IPTC-IIM 4.2) by what they hold."""


def xmp(body: bytes, found: TraceCollector) -> None:
    """A packet of XMP, or part of one: kinds by its property names, strings from its values."""
    found.kind("XMP")
    if body[:4].count(0) > 0 or body[:2] in (b"\xfe\xff", b"\xff\xfe"):
        # UTF-16 and UTF-32 are allowed (XMP part 1, 7.1), and rare.
        body = body.replace(b"\0", b"")
    # Long runs of base64 are pictures, not text.
    text = _BASE64.sub(b" ", body)
    for pattern, kind in _XMP_KINDS:
        if re.search(pattern, text):
            found.kind(kind)
    if _FACES.search(text):
        found.kind("face regions with names" if _FACE_NAMES.search(text) else "face regions")
    for values in _VALUE.findall(text):
        found.text(html.unescape(b"".join(values).decode("utf-8", "replace")))


def photoshop(body: bytes, found: TraceCollector) -> None:
    """Image resources (8BIM): IPTC, thumbnails, paths, layers' names."""
    found.kind("Photoshop resources")
    at = body.find(b"8BIM")
    while 0 <= at <= len(body) - 12:
        number, name = struct.unpack_from(">HB", body, at + 4)
        start = at + 6 + (name + 2 & ~1)
        if start + 4 > len(body):
            break
        size = struct.unpack_from(">I", body, start)[0]
        value = body[start + 4 : start + 4 + size]
        if number in (0x0409, 0x040C):
            found.kind("embedded thumbnail")
        elif number == 0x0404:
            iptc(value, found)
        elif number == 0x0424:
            xmp(value, found)
        else:
            found.binary(value, 1 << 16)
        at = body.find(b"8BIM", start + 4 + min(size, len(body)))


def iptc(body: bytes, found: TraceCollector) -> None:
    """The datasets of an IPTC-IIM record."""
    found.kind("IPTC")
    at = 0
    while at + 5 <= len(body) and body[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", body, at + 1)
        at += 5
        if size & 0x8000:  # an extended length: the size of the size
            width = size & 0x7FFF
            if width > 8:
                break
            size = int.from_bytes(body[at : at + width], "big")
            at += width
        if record == 2:
            if number in _IPTC_KINDS:
                found.kind(_IPTC_KINDS[number])
            found.value(body[at : at + size])
        at += size
