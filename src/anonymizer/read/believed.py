"""What is believed of a decoding process's answers: codes, kinds and words from these lists, and numbers.

A decoder that a file has taken over answers what the file wants, and the answers stand in a report that is handed out.
So nothing of them is published that is not the program's own; each function raises ValueError for anything else, and
the reading then fails as one whose decoder gave up.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Container, Iterable, Mapping

from anonymizer.core import dicom as standard
from anonymizer.core.dicom import DicomSource
from anonymizer.core.message import Message, Value, from_json
from anonymizer.core.sentences import ENGLISH

MOST = 1 << 53
"""A number is no larger; the largest to which each whole number has a floating-point number of its own."""
CODES = frozenset(
    {
        "bundle.bomb", "bundle.damaged", "bundle.encrypted", "bundle.member-damaged", "bundle.member-too-large",
        "bundle.no-document", "bundle.no-member", "bundle.packed", "bundle.page-damaged", "bundle.password",
        "bundle.too-many", "bundle.too-many-pages",
        "clip.animation-damaged", "clip.clock-jumped", "clip.colours-mapped", "clip.cropped", "clip.damaged",
        "clip.encrypted", "clip.hdr-kept", "clip.hdr-mapped", "clip.interlaced", "clip.made-even", "clip.masked",
        "clip.no-clock",
        "clip.no-decoder", "clip.no-frame", "clip.no-frame-animation", "clip.no-memory", "clip.no-video",
        "clip.size-changed", "clip.slanting", "clip.sound-alone", "clip.sound-no-decoder", "clip.sound-tracks",
        "clip.too-large",
        "clip.too-long", "clip.too-many-frames", "clip.too-wide", "clip.transparency-unread",
        "clip.transparent-white", "clip.video-tracks", "dicom.damaged", "dicom.floating",
        "dicom.kind-of-pixels", "dicom.no-decoder", "dicom.no-picture", "dicom.no-pixels", "dicom.overlays",
        "dicom.burned-in", "dicom.not-square",
        "dicom.slices", "dicom.video",
        "file.empty", "file.gone", "file.link", "file.not-regular", "file.path-too-long", "file.unreadable",
        "photo.damaged",
        "photo.first", "photo.grey-range", "photo.is-clip-format", "photo.no-dicom", "photo.no-memory",
        "photo.pictures-first", "photo.pictures-which", "photo.primary", "photo.profile", "photo.raw",
        "photo.developed", "photo.moves-first", "photo.hdr", "photo.colours-by-number", "photo.gain-map",
        "photo.too-many-pixels", "photo.transparent-white", "photo.variant",
        "photo.variant-named", "variant.arithmetic", "variant.bitmap", "variant.bits", "variant.channels",
        "variant.codec", "variant.complex", "variant.compression", "variant.depths", "variant.floating",
        "variant.hierarchical", "variant.lab", "variant.log", "variant.lossless", "variant.planes", "variant.raw",
        "variant.signed", "variant.white-is-zero",
    }
)  # fmt: skip
"""Everything that a decoding process has to say."""
WORDS = frozenset(
    {
        "JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF", "HEIF", "AVIF", "DICOM", "JPEG XL", "JPEG 2000",
        "PSD", "raw", "MP4", "Matroska", "AVI", "MPEG-TS",
        "MPEG-PS", "MPEG video", "ASF", "FLV", "DV", "MXF", "Ogg", "H.264", "HEVC",
    }
)  # fmt: skip
"""Everything that may fill a place in it, beside numbers and what the system says when a file cannot be opened."""
_SYSTEM = frozenset(map(os.strerror, errno.errorcode))
KINDS = frozenset(
    {
        "C2PA manifest", "DICOM dates and times", "DICOM descriptions", "DICOM names of staff or institution",
        "DICOM overlay", "DICOM patient data", "DICOM private data", "DICOM unique identifiers", "GPS position", "IPTC",
        "MakerNote", "Photoshop resources", "XMP", "attached file", "camera or phone model", "capture date", "chapters",
        "colour profile", "computer name", "damaged metadata", "data after the end of the picture",
        "depth or gain map", "description or comment", "device make and model", "embedded preview or second picture",
        "embedded thumbnail", "face regions", "face regions with names", "hidden pixels under transparency",
        "motion photo video", "name of a person", "name of a person in the picture", "other DICOM data",
        "owner or author name", "place name", "serial number", "software", "sound", "subtitles",
        "timed metadata track", "unique identifier", "unique picture number", "unknown segment or chunk",
    }
)  # fmt: skip
"""Every kind of trace."""


def kinds(found: Iterable[object]) -> tuple[str, ...]:
    """Kinds of traces."""
    known = tuple(str(kind) for kind in found)
    if not KINDS.issuperset(known):
        raise ValueError("a kind of trace that there is not")
    return known


def messages(found: Iterable[object]) -> tuple[Message, ...]:
    """What the process has to say."""
    return tuple(message(one) for one in found)


def message(found: object) -> Message:
    """One thing that it has to say."""
    said = from_json(found)
    _check(said)
    return said


def numbers(found: Mapping[str, object], names: Iterable[str]) -> dict[str, int]:
    """The whole numbers, 0 or more, by these names: no other is to be there."""
    counts = {}
    for name in names:
        value = found[name]
        if not isinstance(value, int) or not 0 <= value <= MOST:
            raise ValueError("no count")
        counts[name] = value
    return counts


def dicom(found: Mapping[str, object]) -> DicomSource:
    """What a DICOM file says of itself: what is none of the standard's own words is left out, for files have other
    words in their place; an identifier is digits and points, and no longer than the standard allows."""

    def word(name: str, known: Container[str]) -> str:
        return text if (text := str(found[name])) in known else ""

    def identifier(name: str) -> str:
        return text if re.fullmatch(r"[0-9.]{1,64}", text := str(found[name])) else ""

    def number(name: str) -> int | None:
        text = str(found[name])
        return int(text) if standard.NUMBER.fullmatch(text) else None

    orientation = str(found["orientation"])
    return DicomSource(
        study=identifier("study"),
        series=identifier("series"),
        instance=identifier("instance"),
        modality=word("modality", standard.MODALITIES),
        body_part=word("body_part", standard.BODY_PARTS),
        side=word("side", standard.SIDES),
        orientation=orientation if standard.ORIENTATION.fullmatch(orientation) else "",
        series_number=number("series_number"),
        number=number("number"),
    )


def _check(value: Value) -> None:
    if isinstance(value, Message):
        if value.code not in CODES or value.code not in ENGLISH:
            raise ValueError("a code that no decoding process has")
        for _, inner in value.items:
            _check(inner)
    elif isinstance(value, str):
        if value not in WORDS and value not in _SYSTEM:
            raise ValueError("a word that no decoding process has")
    elif isinstance(value, int | float):
        if not math.isfinite(value) or abs(value) > MOST:
            raise ValueError("no number")
    else:
        raise ValueError("nothing that a decoding process says")
