"""What identifies a source besides its picture: kinds, which are published, and strings, the canaries.

The walkers are tolerant, because damaged metadata identifies as well as sound metadata does: they take
what they can, within bounds. They find what to *report*; that nothing gets through is proven on the
output, by ``verify/``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence

from anonymizer.core.types import Traces
from anonymizer.read.traces import segments
from anonymizer.read.traces.collector import TraceCollector
from anonymizer.read.traces.exif import tiff
from anonymizer.read.traces.isobmff import Heif, boxes, read_heif
from anonymizer.read.traces.strings import canaries, path_strings
from anonymizer.read.traces.xmp import photoshop, xmp

__all__ = ["canaries", "harvest", "path_strings", "union"]

_PICTURES = (b"hvc1", b"av01", b"grid", b"jpeg", b"avc1", b"iovl", b"iden", b"j2k1", b"vvc1")


def harvest(content: bytes, form: str, flags: Sequence[str] = ()) -> Traces:
    """The traces in a file of this format (a :class:`~anonymizer.read.sniff.Format`'s name).

    ``flags`` are kinds that its decoder saw. Never raises, whatever the bytes.
    """
    found = TraceCollector()
    found.kind(*flags)
    try:
        _WALKERS.get(form, _other)(content, found)
    except (struct.error, LookupError, ValueError, TypeError, OverflowError, RecursionError, zlib.error):
        # Damaged metadata: whatever stands in it as text is still taken.
        found.kind("damaged metadata")
        found.binary(content, 1 << 18)
    return Traces(tuple(found.kinds), frozenset(found.strings))


def union(traces: Iterable[Traces]) -> Traces:
    """Several traces as one."""
    kinds: dict[str, None] = {}
    strings: set[str] = set()
    for one in traces:
        kinds.update(dict.fromkeys(one.kinds))
        strings |= one.strings
    return Traces(tuple(kinds), frozenset(strings))


def _heif(content: bytes, found: TraceCollector) -> None:
    """The items of a HEIF or AVIF, what they are to each other, and what stands around them."""
    heif = read_heif(content)
    for item in list(heif.items.values())[:2000]:
        if item.type == b"Exif":
            body = heif.content(content, item)
            # Four bytes say how far on the TIFF header stands (ISO/IEC 23008-12, A.2.1).
            start = 4 + int.from_bytes(body[:4], "big")
            segments.guarded_tiff(body[start:] if start < len(body) else body[4:], found)
        elif item.type == b"mime":
            body = heif.content(content, item)
            if b"<x:xmp" in body[:400] or b"<rdf" in body[:400] or b"rdf+xml" in item.name:
                xmp(body, found)
            else:
                found.kind(segments.UNKNOWN)
                found.binary(body)
        elif item.type == b"tmap":
            found.kind("depth or gain map")
        elif item.type not in _PICTURES:
            found.kind(segments.UNKNOWN)
            found.binary(heif.content(content, item))
        found.binary(item.name)
    _relations(content, heif, found)
    for box in heif.top:
        body = content[box.body : min(box.end, box.body + (1 << 16))]
        if box.name == b"uuid":
            c2pa = b"c2pa" in body[:200]
            found.kind("C2PA manifest" if c2pa else segments.UNKNOWN)
            found.binary(body)
        elif box.name in (b"mpvd", b"moov"):
            found.kind("motion photo video" if box.name == b"mpvd" else segments.SECOND)
            found.binary(body)
        elif box.name in (b"free", b"skip", b"wide", b"udta", b"emsg") and body.strip(b"\0"):
            found.kind(segments.UNKNOWN)
            found.binary(body)
    segments.tail(content[heif.tail :], found)


def _relations(content: bytes, heif: Heif, found: TraceCollector) -> None:
    parts = set()
    for kind, source, targets in heif.refers:
        if kind == b"thmb":
            found.kind("embedded thumbnail")
            parts.add(source)
        elif kind == b"auxl":
            parts.add(source)
        elif kind == b"dimg":
            parts.update(targets)
    others = [
        item.id
        for item in heif.items.values()
        if item.type in _PICTURES and item.id != heif.primary and item.id not in parts
    ]
    if others and heif.primary:
        found.kind(segments.SECOND)
    for box in heif.properties:
        body = content[box.body : min(box.end, box.body + (1 << 20))]
        if box.name == b"auxC" and b"alpha" not in body and b"auxid:1\0" not in body:
            found.kind("depth or gain map")
        elif box.name == b"colr" and body[:4] in (b"prof", b"rICC"):
            segments.profile(body[4:], found)
        elif box.name == b"udes":
            found.kind("description or comment")
            found.binary(body)


def _whole_tiff(content: bytes, found: TraceCollector) -> None:
    end = tiff(content, found, whole=True)
    if content[end:].strip(b"\0"):  # zeros pad the end to whole words
        segments.tail(content[end:], found)


def _dicom(content: bytes, found: TraceCollector) -> None:
    # Imported for DICOM alone: pydicom takes a good part of a second to load.
    from anonymizer.read.traces import dicom

    traces = dicom.harvest(content)
    found.kind(*traces.kinds)
    found.strings.update(traces.strings)


def _raw(content: bytes, found: TraceCollector) -> None:
    """A camera's raw picture: the TIFF that it is or holds, and whatever stands at its beginning as text."""
    start = content[:4096].find(b"Exif\0\0") + 6 if b"Exif\0\0" in content[:4096] else 0
    found.kind("device make and model")
    found.binary(content, 1 << 18)
    if start or content[:2] in (b"II", b"MM"):
        segments.guarded_tiff(content[start:], found)


def _boxed(content: bytes, found: TraceCollector) -> None:
    """The boxes of a JPEG XL or JPEG 2000 around its codestream (ISO/IEC 18181-2, 15444-1 annex I)."""
    if content[4:8] not in (b"JXL ", b"jP  "):
        return
    end = 0
    for box in boxes(content, 0, len(content)):
        body = content[box.body : box.end]
        end = box.end
        if box.name == b"Exif":
            segments.guarded_tiff(body[4 + int.from_bytes(body[:4], "big") :], found)
        elif box.name == b"xml " or b"<x:xmp" in body[:4096] or b"<rdf" in body[:4096]:
            xmp(body, found)
        elif box.name == b"jp2h":
            for inner in boxes(content, box.body, box.end):
                if inner.name == b"colr" and content[inner.body] == 2:
                    segments.profile(content[inner.body + 3 : inner.end], found)
        elif box.name not in (
            b"JXL ",
            b"jP  ",
            b"ftyp",
            b"jxlc",
            b"jxlp",
            b"jxll",
            b"jbrd",
            b"jxli",
            b"jp2c",
        ):
            found.kind(segments.UNKNOWN)
            found.binary(body)
    segments.tail(content[end:], found)


def _psd(content: bytes, found: TraceCollector) -> None:
    """The resources of a Photoshop document, and the names of its layers."""
    at = 26
    for kind in ("", "Photoshop resources", "embedded preview or second picture"):
        size = int.from_bytes(content[at : at + 4], "big")
        body = content[at + 4 : at + 4 + size]
        if kind and body:
            found.kind(kind)
            found.binary(body, 1 << 18)
            photoshop(body, found)
        at += 4 + size


def _other(content: bytes, found: TraceCollector) -> None:
    found.binary(content, 1 << 18)


_WALKERS: dict[str, Callable[[bytes, TraceCollector], None]] = {
    "JPEG": segments.jpeg,
    "PNG": segments.png,
    "WebP": segments.webp,
    "GIF": segments.gif,
    "TIFF": _whole_tiff,
    "BMP": segments.bmp,
    "HEIF": _heif,
    "AVIF": _heif,
    "DICOM": _dicom,
    "JPEG XL": _boxed,
    "JPEG 2000": _boxed,
    "PSD": _psd,
    "raw": _raw,
}
