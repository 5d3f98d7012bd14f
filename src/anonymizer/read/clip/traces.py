"""What identifies a clip besides its picture and sound: kinds for the report, strings for the canaries.

Runs in the decoding process. The demuxer's own view (tags of the file, its tracks and chapters) is joined with
what stands as text in the parts of the container that hold no samples.
"""

from __future__ import annotations

import re
import struct
from typing import Any, BinaryIO

from av.error import FFmpegError

from anonymizer.core.errors import AnonymizerError
from anonymizer.core.types import Traces
from anonymizer.read.clip.containers import is_cover, open_container
from anonymizer.read.traces.collector import TraceCollector
from anonymizer.read.traces.harvest import harvest as harvest_picture
from anonymizer.read.traces.harvest import union
from anonymizer.read.traces.isobmff import boxes, walk

MOST = 1 << 22
"""Bytes of one box, or of an unknown structure's head and tail, that are looked at."""
PACKETS = 200
"""Packets of a data track that are read."""
_SAMPLES = {b"mdat", b"stts", b"stsz", b"stco", b"co64", b"ctts", b"stsc", b"stss", b"sdtp", b"cslg", b"sbgp"}
_INSIDE = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"gmhd", b"tref"}
_TAGS = {b"udta", b"meta", b"ilst", b"keys", b"Xtra"}
_QUIET = {"major_brand", "minor_version", "compatible_brands", "language", "vendor_id", "handler_name", "encoder",
          "duration", "bps", "number_of_frames", "number_of_bytes", "_statistics_tags"}  # fmt: skip
"""Tags that name no one: they are canaries all the same, but no kind of trace by themselves."""
_KINDS = (
    (re.compile(r"location|gps|xyz|loci|altitude|latitude|longitude", re.I), "GPS position"),
    (re.compile(r"date|time|year|day", re.I), "capture date"),
    (
        re.compile(r"make|model|software|camera|lens|serial|device|android|firmware", re.I),
        "camera or phone model",
    ),
    (re.compile(r"artist|author|composer|copyright|performer|album_artist|name", re.I), "name of a person"),
    (
        re.compile(r"title|comment|description|keyword|synopsis|album|genre|caption", re.I),
        "description or comment",
    ),
    (re.compile(r"identifier|uuid|guid|uid", re.I), "unique identifier"),
)


def harvest(file: BinaryIO, form: str, demuxer: str, max_pixels: int) -> Traces:
    """The traces of a clip; ``file`` is left at any place. Never raises for what the file holds."""
    if not demuxer:
        file.seek(0)
        found_outside = harvest_picture(file.read(1 << 28), form)
        if form == "DICOM" and (inside := _video_inside(file)):
            return union([found_outside, harvest(*inside, max_pixels)])
        return found_outside
    found = TraceCollector()
    try:
        if demuxer == "mov":
            size = file.seek(0, 2)
            _boxes(file, 0, size, found, 0)
        else:
            _ends(file, found)
    except (struct.error, OSError, ValueError, OverflowError):
        found.kind("damaged metadata")
    file.seek(0)
    try:
        with open_container(file, demuxer, max_pixels) as container:
            _tags(container, found)
            _data(container, found)
    except (FFmpegError, AnonymizerError, ValueError, OSError):
        found.kind("damaged metadata")
    return Traces(tuple(found.kinds), frozenset(found.strings))


def _video_inside(file: BinaryIO) -> tuple[BinaryIO, str, str] | None:
    """The video that a DICOM file holds, its form (of no account) and its demuxer."""
    # Imported for DICOM alone: a good part of a second.
    from anonymizer.read.clip.dicom import stream_of

    found = stream_of(file)
    return (found[0], "", found[1]) if found and found[1] else None


def _tags(container: Any, found: TraceCollector) -> None:
    """The demuxer's view: tags, tracks that are neither picture nor sound, chapters, cover pictures."""
    holders = [dict(container.metadata)]
    for stream in container.streams:
        holders.append(dict(stream.metadata))
        if stream.type == "data":
            found.kind("timed metadata track")
        elif stream.type == "subtitle":
            found.kind("subtitles")
        elif stream.type == "attachment":
            found.kind("attached file")
        elif stream.type == "video" and is_cover(stream):
            found.kind("embedded thumbnail")
        elif stream.type == "audio":
            found.kind("sound")
    if sum(stream.type == "video" for stream in container.streams) > 1:
        found.kind("embedded preview or second picture")
    chapters = container.chapters() or []
    if chapters:
        found.kind("chapters")
    holders += [dict(chapter.get("metadata") or {}) for chapter in chapters]
    for tags in holders:
        for key, value in tags.items():
            text = str(value)
            found.text(text)
            kind = _kind(key)
            if kind and text.strip("0 :-/TZ."):
                found.kind(kind)


def _kind(key: str) -> str:
    name = key.lower()
    if name in _QUIET:
        return ""
    return next((kind for pattern, kind in _KINDS if pattern.search(name)), "description or comment")


def _data(container: Any, found: TraceCollector) -> None:
    """The first packets of tracks that are neither picture nor sound: names of places, of faces, subtitles."""
    streams = [s for s in container.streams if s.type in ("data", "subtitle")]
    if not streams:
        return
    for number, packet in enumerate(container.demux(streams)):
        if number >= PACKETS:
            return
        if packet.size:
            found.binary(bytes(packet), 1 << 16)


def _boxes(file: BinaryIO, start: int, end: int, found: TraceCollector, depth: int) -> None:
    def head(at: int) -> bytes:
        file.seek(at)
        return file.read(16)

    for box in walk(head, start, end):
        if box.name in _INSIDE and depth < 8:
            _boxes(file, box.body, min(box.end, end), found, depth + 1)
        elif box.name not in _SAMPLES:
            file.seek(box.body)
            body = file.read(min(box.end, end, box.body + MOST) - box.body)
            _leaf(box.name, body, found)


def _leaf(name: bytes, body: bytes, found: TraceCollector) -> None:
    if name in _TAGS or name == b"uuid":
        if name == b"uuid" and b"<x:xmp" in body:
            found.kind("XMP")
        if name == b"uuid" and b"c2pa" in body[:64]:
            found.kind("C2PA manifest")
        if b"\xa9xyz" in body or b"location" in body or b"loci" in body:
            found.kind("GPS position")
        if b"covr" in body or b"thmb" in body:
            found.kind("embedded thumbnail")
        _values(name, body, found)
    elif name in (b"free", b"skip", b"wide", b"uuid"):
        if body.strip(b"\0"):
            found.kind("unknown segment or chunk")
            found.binary(body)
    elif name in (b"mvhd", b"tkhd", b"mdhd"):
        wide = body[:1] == b"\x01"
        times = body[4:20] if wide else body[4:12]
        if times.strip(b"\0"):
            found.kind("capture date")
    elif name not in (b"ftyp", b"stsd", b"vmhd", b"smhd", b"elst", b"dref", b"hdlr", b"nmhd", b"iods"):
        found.binary(body, 1 << 16)


def _values(name: bytes, body: bytes, found: TraceCollector, depth: int = 0) -> None:
    """What stands in boxes of tags, without their names: those stand in every file, ours included."""
    if name == b"uuid" or depth > 6:
        found.binary(body)
    elif name == b"keys":
        # Names of tags: kinds of things, which the demuxer's view repeats.
        return
    elif name in _TAGS or depth == 1 or name == b"----":
        start = 4 if name == b"meta" and body[4:8] != b"hdlr" else 0
        inner = list(boxes(body, start, len(body)))
        whole = inner and inner[0].start == start and inner[-1].end <= len(body)
        if not whole:
            found.value(body)
            return
        for box in inner:
            if box.name != b"hdlr":
                _values(box.name, body[box.body : box.end], found, depth + 1)
    else:
        # "data" begins with type and locale, eight bytes (QuickTime File Format, metadata item values).
        found.value(body[8:] if name in (b"data", b"mean", b"name") else body)


def _ends(file: BinaryIO, found: TraceCollector) -> None:
    """Text in the first and the last bytes of a container without boxes: headers and indexes stand there."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(1 << 16)
    movi = head.find(b"movi")
    found.binary(head[: movi if movi > 0 else 1 << 14])
    if size > 1 << 17:
        file.seek(-(1 << 14), 2)
        found.binary(file.read())
