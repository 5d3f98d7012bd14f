"""What identifies a source besides its picture: kinds, which are published, and strings, the canaries.

The walkers here are tolerant, because damaged metadata identifies as well as sound metadata does: they
take what they can, are bounded, and never raise. They find what to *report*; that nothing gets through is
proven on the output, by ``verify/``.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer.types import Traces

MIN_LENGTH = 5
"""Characters of a canary: shorter strings turn up in compressed pixels by chance."""
MAX_STRINGS = 4000
MAX_INFLATED = 1 << 20
MAX_ENTRIES = 4096

COMMON = frozenset(
    {
        "about",
        "adobe",
        "anonymized",
        "application",
        "apple",
        "applications",
        "archive",
        "backup",
        "camera",
        "cameras",
        "clinic",
        "clinical",
        "clips",
        "copies",
        "desktop",
        "document",
        "documents",
        "download",
        "downloads",
        "exported",
        "folder",
        "google",
        "guest",
        "image",
        "images",
        "import",
        "incoming",
        "local",
        "media",
        "microsoft",
        "mobile",
        "mobiles",
        "movie",
        "movies",
        "network",
        "patient",
        "patients",
        "photo",
        "photos",
        "photoshop",
        "picture",
        "pictures",
        "practice",
        "private",
        "public",
        "sample",
        "sample_media",
        "scans",
        "shared",
        "storage",
        "system",
        "temp",
        "upload",
        "uploads",
        "users",
        "video",
        "videos",
        "volumes",
        "whatsapp",
        "windows",
        "workspace",
    }
)
"""Words that name no person, device or place: no canaries, or every report would be full of them."""

_ASCII = re.compile(rb"[\x20-\x7e\x80-\xfe]{5,}")
_UTF16 = re.compile(rb"(?:[\x20-\x7e]\x00){5,}")
_WORD = re.compile(r"[^\W_]{5,}")

EXIF_KINDS = {
    0x010E: "description or comment",
    0x010F: "device make and model",
    0x0110: "device make and model",
    0x0131: "software",
    0x0132: "date and time",
    0x013B: "name of author or owner",
    0x013C: "name of the computer",
    0x8298: "name of author or owner",
    0x9003: "date and time",
    0x9004: "date and time",
    0x927C: "maker note",
    0x9286: "description or comment",
    0x9C9B: "description or comment",
    0x9C9C: "description or comment",
    0x9C9D: "name of author or owner",
    0xA420: "unique picture number",
    0xA430: "name of author or owner",
    0xA431: "serial number",
    0xA434: "device make and model",
    0xA435: "serial number",
    0xC62F: "serial number",
    0x02BC: "XMP",
    0x83BB: "IPTC",
    0x8649: "Photoshop resources",
    0x8773: "colour profile",
    0x8825: "GPS position",
    0x0201: "embedded thumbnail",
    0x014A: "embedded thumbnail",
}
_POINTERS = {0x8769, 0x8825, 0xA005, 0x014A}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


@dataclass
class _Found:
    kinds: dict[str, None] = field(default_factory=dict)
    strings: set[str] = field(default_factory=set)

    def kind(self, *names: str) -> None:
        self.kinds.update(dict.fromkeys(names))

    def text(self, text: str) -> None:
        if len(self.strings) < MAX_STRINGS:
            self.strings.update(canaries(text))

    def raw(self, data: bytes) -> None:
        """Every run of text in bytes of unknown structure, ASCII, UTF-8 and UTF-16."""
        for run in _ASCII.finditer(data[: 1 << 22]):
            self.text(run.group().decode("utf-8", "ignore"))
        for run in _UTF16.finditer(data[: 1 << 22]):
            self.text(run.group().decode("utf-16-le", "ignore"))


def canaries(text: str) -> Iterator[str]:
    """What of a text to look for: the whole of it if it is short, and its words of five characters or more.

    Left out is what names nobody: common words, one repeated character, runs of the alphabet (Huffman
    tables), and the web addresses that name an XML vocabulary.
    """
    if "ns.adobe.com" in text or "www.w3.org" in text or "xmlns" in text:
        text = re.sub(r"[\w:]*=?[\"']?https?://(?:ns\.|www\.|purl\.|cipa\.|iptc\.)[^\"'\s>]*", " ", text)
    whole = text.strip("\0 \t\r\n")
    if MIN_LENGTH <= len(whole) <= 60 and _telling(whole):
        yield whole
    for word in _WORD.findall(text):
        if len(word) <= 60 and _telling(word):
            yield word


def _telling(word: str) -> bool:
    plain = word.casefold()
    if plain in COMMON or len(set(plain)) < 3 or not any(c.isalnum() for c in plain):
        return False
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(plain)}
    return steps != {1}


def path_strings(path: Path) -> frozenset[str]:
    """Canaries from a file's name and from the names of the folders above it, nearest six."""
    parts = [path.stem, *path.absolute().parent.parts[-6:]]
    return frozenset(word for part in parts for word in canaries(part.encode("utf-8", "replace").decode()))


def harvest(content: bytes, form: str, flags: Sequence[str] = ()) -> Traces:
    """The traces in a file of this format; ``flags`` are kinds that its decoder saw. Never raises."""
    found = _Found()
    found.kind(*flags)
    try:
        _WALKERS.get(form, _other)(content, found)
    except (struct.error, IndexError, ValueError, zlib.error, RecursionError, OverflowError):
        # Damaged metadata: whatever stands in it as text is still taken.
        found.kind("damaged metadata")
        found.raw(content[: 1 << 20])
    return Traces(tuple(found.kinds), frozenset(found.strings))


def _jpeg(content: bytes, found: _Found) -> None:
    at, end = 2, len(content)
    while at + 2 <= end and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            at += 2
            break
        size = struct.unpack_from(">H", content, at + 2)[0]
        body = content[at + 4 : at + 2 + size]
        at += 2 + size
        if marker == 0xDA:
            # Past the scan: to the next marker that is neither a restart nor a stuffed byte.
            match = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]").search(content, at)
            at = match.start() if match else end
        else:
            _segment(marker, body, found)
    _tail(content[at:], found)


def _segment(marker: int, body: bytes, found: _Found) -> None:
    if marker == 0xFE:
        found.kind("description or comment")
        found.raw(body)
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        _tiff(body[6:], found)
    elif marker == 0xE1:
        _xmp(body, found)
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE"):
        found.kind("colour profile")
        found.raw(body[128:])
    elif marker == 0xE2 and body.startswith(b"MPF"):
        found.kind("further pictures")
    elif marker == 0xED:
        found.kind("Photoshop resources")
        if b"8BIM\x04\x0c" in body or b"8BIM\x04\x09" in body:
            found.kind("embedded thumbnail")
        if b"8BIM\x04\x04" in body:
            found.kind("IPTC")
        found.raw(body.split(b"\xff\xd8\xff")[0])
    elif marker == 0xEB:
        found.kind("C2PA or JUMBF record")
        found.raw(body)
    elif marker == 0xE0 and body[:5] in (b"JFIF\0", b"JFXX\0"):
        if len(body) > 14 or body[:5] == b"JFXX\0":
            found.kind("embedded thumbnail")
    elif 0xE2 <= marker <= 0xEF and not body.startswith(b"Adobe"):
        found.kind("private application data")
        found.raw(body)


def _tail(tail: bytes, found: _Found) -> None:
    """What stands behind the end of a picture."""
    if not tail:
        return
    found.kind("data behind the end of the picture")
    if b"ftyp" in tail[:65536]:
        found.kind("embedded video")
    if b"\xff\xd8\xff" in tail:
        found.kind("further pictures")
        tail = tail[: tail.index(b"\xff\xd8\xff")] + tail[-4096:]
    found.raw(tail[:65536])


def _xmp(body: bytes, found: _Found) -> None:
    found.kind("XMP")
    for mark, kind in (
        (b"xmp:Thumbnails", "embedded thumbnail"),
        (b"xmpGImg", "embedded thumbnail"),
        (b"GDepth", "depth map"),
        (b"mwg-rs", "face regions"),
        (b"MPReg", "face regions"),
        (b"exif:GPS", "GPS position"),
        (b"MicroVideo", "embedded video"),
        (b"MotionPhoto", "embedded video"),
    ):
        if mark in body:
            found.kind(kind)
    # Long runs of base64 are pictures, not text.
    text = re.sub(rb"[A-Za-z0-9+/=]{200,}", b" ", body)
    for value in re.findall(rb">([^<>]{5,})<|=[\"']([^\"'<>]{5,})[\"']", text):
        found.text((value[0] or value[1]).decode("utf-8", "ignore"))


def _tiff(data: bytes, found: _Found) -> None:
    """Walk the IFDs of a TIFF structure (TIFF 6.0, section 2): EXIF, or a whole TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        found.raw(data[: 1 << 16])
        return
    queue: list[tuple[int, int]] = [(struct.unpack_from(order + "I", data, 4)[0], 0)]
    seen: set[int] = set()
    while queue and len(seen) < 64:
        offset, role = queue.pop(0)
        if offset in seen or not 0 < offset <= len(data) - 2:
            continue
        seen.add(offset)
        count = min(struct.unpack_from(order + "H", data, offset)[0], MAX_ENTRIES)
        for index in range(count):
            entry = offset + 2 + 12 * index
            if entry + 12 > len(data):
                break
            tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
            size = _SIZES.get(kind, 1) * number
            place = entry + 8 if size <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
            value = data[place : place + min(size, 1 << 22)]
            if tag in _POINTERS and kind in (4, 13):
                queue += [
                    (v, tag)
                    for v in struct.unpack(f"{order}{len(value) // 4}I", value[: len(value) // 4 * 4])
                ]
            _tag(tag, kind, value, order, role, found)
        after = offset + 2 + 12 * count
        if role == 0 and after + 4 <= len(data):
            following = struct.unpack_from(order + "I", data, after)[0]
            if following:
                queue.append((following, 0))


def _tag(tag: int, kind: int, value: bytes, order: str, role: int, found: _Found) -> None:
    if role == 0x8825:
        found.kind("GPS position")
        if kind == 5 and len(value) >= 8:
            _coordinate(struct.unpack(f"{order}{len(value) // 4}I", value[: len(value) // 4 * 4]), found)
        elif kind in (2, 7):
            found.raw(value)
        return
    if tag in EXIF_KINDS:
        found.kind(EXIF_KINDS[tag])
    if tag == 0x02BC:
        _xmp(value, found)
    elif tag == 0x927C:
        # A maker's own structure, previews and all: its text, up to the first picture in it.
        found.raw(value.split(b"\xff\xd8\xff")[0][: 1 << 16])
    elif kind == 2 or tag in (0x9286, 0x83BB, 0x8649, 0x8773):
        found.raw(value[: 1 << 16])
        _iso_dates(value, found)
    elif 0x9C9B <= tag <= 0x9C9F:
        found.text(value.decode("utf-16-le", "ignore"))


def _coordinate(parts: Sequence[int], found: _Found) -> None:
    """Degrees, minutes and seconds as rationals: as a decimal number and written out."""
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    values = [n / d for n, d in pairs if d]
    if len(values) == 3:
        decimal = values[0] + values[1] / 60 + values[2] / 3600
        found.text(f"{decimal:.4f}")
        found.text(f"{decimal:.6f}")


def _iso_dates(value: bytes, found: _Found) -> None:
    """An EXIF date (``2024:05:17 09:30:00``) also as ISO 8601 writes it."""
    if match := re.match(rb"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", value):
        year, month, day, clock = (part.decode() for part in match.groups())
        found.strings.update({f"{year}-{month}-{day}", f"{year}{month}{day}", f"{day}.{month}.{year}"})
        found.strings.add(f"{year}-{month}-{day}T{clock}")


def _png(content: bytes, found: _Found) -> None:
    at = 8
    while at + 12 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + size]
        at += 12 + size
        if name in (b"tEXt", b"zTXt", b"iTXt"):
            found.kind("XMP" if b"XML:com.adobe" in body[:32] else "description or comment")
            _, _, rest = body.partition(b"\0")
            found.raw(rest)
            for start in range(min(4, len(rest))):
                inflated = _inflated(rest[start:])
                found.raw(inflated)
                if inflated:
                    break
        elif name == b"eXIf":
            _tiff(body.removeprefix(b"Exif\0\0"), found)
        elif name == b"tIME" and len(body) == 7:
            found.kind("date and time")
            year, month, day = struct.unpack_from(">HBB", body)
            found.strings.update({f"{year}-{month:02}-{day:02}", f"{year}:{month:02}:{day:02}"})
        elif name == b"iCCP":
            found.kind("colour profile")
            found.raw(body.split(b"\0")[0])
        elif name in (b"fdAT", b"acTL"):
            found.kind("further pictures")
        elif name == b"IEND":
            break
        elif name not in _PNG_STRUCTURE:
            found.kind("private application data")
            found.raw(body)
    _tail(content[at:], found)


_PNG_STRUCTURE = {
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"sBIT", b"hIST",
    b"fcTL",
}  # fmt: skip


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_INFLATED)
    except zlib.error:
        return b""


def _webp(content: bytes, found: _Found) -> None:
    end = min(8 + struct.unpack_from("<I", content, 4)[0], len(content))
    at = 12
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", content, at)
        body = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if name == b"EXIF":
            _tiff(body.removeprefix(b"Exif\0\0"), found)
        elif name == b"XMP ":
            _xmp(body, found)
        elif name == b"ICCP":
            found.kind("colour profile")
            found.raw(body[128:])
        elif name == b"ANMF":
            found.kind("further pictures")
        elif name not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM"):
            found.kind("private application data")
            found.raw(body)
    _tail(content[end:], found)


def _gif(content: bytes, found: _Found) -> None:
    for match in re.finditer(rb"\x21\xfe((?:[\x01-\xff][\x00-\xff]{1,255}?)+?)\x00", content[: 1 << 24]):
        found.kind("description or comment")
        found.raw(match.group(1))
    at = content.find(b"XMP DataXMP")
    if at >= 0:
        _xmp(content[at : at + (1 << 20)], found)
        found.raw(content[at + 11 : at + (1 << 16)])
    end = content.rfind(b";")
    _tail(content[end + 1 :] if b"\x00;" in content[-2:] else content[-256:], found)


def _heif(content: bytes, found: _Found) -> None:
    """The items' own structures, found by their signatures: a hostile file's offsets are not to be trusted."""
    for match in re.finditer(rb"Exif\0\0(?=II\*\0|MM\0\*)", content):
        _tiff(content[match.end() : match.end() + (1 << 20)], found)
    for match in re.finditer(rb"<x:xmpmeta.*?</x:xmpmeta>", content, re.DOTALL):
        _xmp(match.group(), found)
    for mark, kind in (
        (b"thmb", "embedded thumbnail"),
        (b"auxl", "depth map or other auxiliary picture"),
        (b"mpvd", "embedded video"),
        (b"SEFT", "data behind the end of the picture"),
        (b"moov", "embedded video"),
        (b"prof", "colour profile"),
    ):
        if mark in content:
            found.kind(kind)


def _bmp(content: bytes, found: _Found) -> None:
    _tail(content[struct.unpack_from("<I", content, 2)[0] :], found)


def _whole_tiff(content: bytes, found: _Found) -> None:
    _tiff(content, found)
    found.raw(content[-4096:])


def _other(content: bytes, found: _Found) -> None:
    found.raw(content[:65536])


_WALKERS = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "GIF": _gif,
    "TIFF": _whole_tiff,
    "BMP": _bmp,
    "HEIF": _heif,
    "AVIF": _heif,
}


def union(traces: Iterable[Traces]) -> Traces:
    """Several traces as one."""
    kinds: dict[str, None] = {}
    strings: set[str] = set()
    for one in traces:
        kinds.update(dict.fromkeys(one.kinds))
        strings |= one.strings
    return Traces(tuple(kinds), frozenset(strings))
