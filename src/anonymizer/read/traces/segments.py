"""Walk the structures of JPEG, PNG, WebP, GIF and BMP files for traces: segments, chunks, blocks, tails."""

from __future__ import annotations

import re
import struct
import zlib

from anonymizer.read.traces.collector import TraceCollector
from anonymizer.read.traces.exif import tiff
from anonymizer.read.traces.xmp import photoshop, xmp

MAX_INFLATED = 1 << 20
"""Bytes of one compressed text that are looked at."""
MAX_DEPTH = 4
"""Pictures behind the end of pictures that are followed."""
SECOND = "embedded preview or second picture"
TAIL = "data after the end of the picture"
UNKNOWN = "unknown segment or chunk"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def jpeg(content: bytes, found: TraceCollector, depth: int = 0) -> None:
    """Segments (ITU T.81, B.1), then whatever stands behind EOI."""
    at, end = 2, len(content)
    while at + 2 <= end and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            at += 2
            break
        if at + 4 > end:
            break
        size = struct.unpack_from(">H", content, at + 2)[0]
        body = content[at + 4 : at + 2 + size]
        at += 2 + max(size, 2)
        if marker == 0xDA:
            match = _NEXT_MARKER.search(content, at)
            at = match.start() if match else end
        else:
            _segment(marker, body, found)
    tail(content[at:], found, depth)


def _segment(marker: int, body: bytes, found: TraceCollector) -> None:
    if marker == 0xFE:
        found.kind("description or comment")
        found.value(body)
    elif marker == 0xE1 and body.startswith(b"Exif\0"):
        guarded_tiff(body[6:], found)
    elif marker == 0xE1 and (b"ns.adobe.com" in body[:80] or b"<" in body[:200]):
        xmp(body, found)
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
        profile(body[14:], found)
    elif marker == 0xE2 and body.startswith(b"MPF"):
        found.kind(SECOND)
    elif marker == 0xE2 and body.startswith(b"urn:iso:std:iso:ts:21496:"):
        found.kind("depth or gain map")
    elif marker == 0xED:
        photoshop(body, found)
    elif marker == 0xEB:
        found.kind("C2PA manifest" if b"c2pa" in body else UNKNOWN)
        found.binary(body.split(b"\xff\xd8\xff")[0])
    elif marker == 0xE0 and body[:5] in (b"JFIF\0", b"JFXX\0"):
        if len(body) > 14 or body[:5] == b"JFXX\0":
            found.kind("embedded thumbnail")
    elif 0xE0 <= marker <= 0xEF and not body.startswith(b"Adobe"):
        found.kind(UNKNOWN)
        found.binary(body)


def guarded_tiff(data: bytes, found: TraceCollector) -> None:
    """EXIF; where it is damaged, its text all the same."""
    try:
        tiff(data, found)
    except (struct.error, IndexError, ValueError, KeyError):
        found.kind("damaged metadata")
        found.binary(data, 1 << 16)


def profile(icc: bytes, found: TraceCollector) -> None:
    """A colour profile's texts: it may name a monitor, a camera, a person who calibrated it."""
    found.kind("colour profile")
    count = int.from_bytes(icc[128:132], "big")
    for index in range(min(count, 100)):
        entry = icc[132 + 12 * index : 144 + 12 * index]
        if entry[:4] in (b"desc", b"cprt", b"dmnd", b"dmdd", b"vued", b"meta", b"MSCD"):
            offset, size = int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:12], "big")
            found.binary(icc[offset : offset + min(size, 1 << 14)])


def tail(data: bytes, found: TraceCollector, depth: int = 0) -> None:
    """What stands behind the end of a picture: pictures, films, archives, a maker's own records."""
    if not data:
        return
    found.kind(TAIL)
    picture = data.find(b"\xff\xd8\xff")
    film = data.find(b"ftyp")
    if 0 <= film < 1 << 16 or b"mpvd" in data[:64]:
        found.kind("motion photo video")
    if picture >= 0 and depth < MAX_DEPTH:
        found.kind(SECOND)
        found.binary(data[: min(picture, 1 << 16)])
        jpeg(data[picture:], found, depth + 1)
        return
    found.binary(data[: 1 << 14] + b"\0" + data[max(1 << 14, len(data) - (1 << 14)) :])
    # The films' own records of place and device stand in "moov", before or behind megabytes of frames.
    moov = data.find(b"moov")
    if moov >= 0:
        found.binary(data[moov : moov + (1 << 16)])


_PNG_STRUCTURE = {
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"sBIT", b"hIST",
    b"fcTL", b"cICP",
}  # fmt: skip


def png(content: bytes, found: TraceCollector) -> None:
    """Chunks (PNG 3rd edition, 5.3), then whatever stands behind IEND."""
    at = 8
    while at + 12 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + size] if name != b"IDAT" else b""
        at += 12 + size
        if name in (b"tEXt", b"zTXt", b"iTXt"):
            _png_text(name, body, found)
        elif name == b"eXIf":
            guarded_tiff(body.removeprefix(b"Exif\0\0"), found)
        elif name == b"tIME" and len(body) == 7:
            found.kind("capture date")
            year, month, day, hour, minute, second = struct.unpack(">HBBBBB", body)
            found.text(f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        elif name == b"iCCP":
            title, _, packed = body.partition(b"\0")
            found.value(title)
            profile(inflated(packed[1:]), found)
        elif name == b"caBX":
            found.kind("C2PA manifest")
            found.binary(body)
        elif name in (b"fdAT", b"acTL"):
            found.kind(SECOND)
        elif name == b"IEND":
            break
        elif name not in _PNG_STRUCTURE:
            found.kind(UNKNOWN)
            found.binary(body)
    tail(content[at:], found)


def _png_text(name: bytes, body: bytes, found: TraceCollector) -> None:
    """A keyword and a text, plain or deflated (PNG, 11.3.3); EXIF and IPTC may stand in it as hex digits."""
    keyword, _, rest = body.partition(b"\0")
    if name == b"zTXt":
        text = inflated(rest[1:])
    elif name == b"iTXt" and len(rest) > 2:
        packed, rest = rest[0], rest[2:]
        text = rest.partition(b"\0")[2].partition(b"\0")[2]
        text = inflated(text) if packed else text
    else:
        text = rest
    if keyword.startswith((b"XML:com.adobe", b"Raw profile type xmp")):
        xmp(text, found)
    elif keyword.startswith(b"Raw profile type"):
        kind = keyword[17:].decode("latin-1")
        packed_hex = re.sub(rb"[^0-9a-fA-F]", b"", b"".join(text.split(b"\n")[3:]))
        raw = bytes.fromhex(packed_hex[: len(packed_hex) & ~1].decode("ascii"))
        if kind in ("exif", "APP1"):
            guarded_tiff(raw.removeprefix(b"Exif\0\0"), found)
        else:
            photoshop(raw, found)
    else:
        lower = keyword.lower()
        found.kind(
            "owner or author name" if lower in (b"author", b"copyright")
            else "capture date" if b"time" in lower or b"date" in lower
            else "software" if lower == b"software"
            else "description or comment"
        )  # fmt: skip
    found.value(text)


def inflated(data: bytes) -> bytes:
    """What deflated bytes hold, as far as they go and no further than :data:`MAX_INFLATED`."""
    engine = zlib.decompressobj()
    done = b""
    try:
        for start in range(0, len(data), 1 << 14):
            done += engine.decompress(data[start : start + (1 << 14)], MAX_INFLATED - len(done))
            if len(done) >= MAX_INFLATED or engine.eof:
                break
    except zlib.error:
        return done
    return done


def webp(content: bytes, found: TraceCollector) -> None:
    """Chunks of a RIFF file (RFC 9649), then whatever stands behind its end."""
    end = min(8 + struct.unpack_from("<I", content, 4)[0], len(content))
    at = 12
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", content, at)
        body = content[at + 8 : at + 8 + size] if name not in (b"VP8 ", b"VP8L") else b""
        at += 8 + size + size % 2
        if name == b"EXIF":
            guarded_tiff(body.removeprefix(b"Exif\0\0"), found)
        elif name == b"XMP ":
            xmp(body, found)
        elif name == b"ICCP":
            profile(body, found)
        elif name == b"ANMF":
            found.kind(SECOND)
        elif name == b"C2PA":
            found.kind("C2PA manifest")
            found.binary(body)
        elif name not in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM"):
            found.kind(UNKNOWN)
            found.binary(body)
    tail(content[end:], found)


def gif(content: bytes, found: TraceCollector) -> None:
    """Blocks (GIF89a, appendix A), then whatever stands behind the trailer."""
    at = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    pictures = 0
    while at < len(content):
        introducer = content[at]
        if introducer == 0x3B:
            at += 1
            break
        if introducer == 0x2C:
            pictures += 1
            flags = content[at + 9]
            at += 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0) + 1
            at, _ = _sub_blocks(content, at, 0)
        elif introducer == 0x21:
            label = content[at + 1]
            name = content[at + 3 : at + 14]
            at, body = _sub_blocks(content, at + 2, 1 << 20)
            _extension(label, name, body, found)
        else:
            break
    if pictures > 1:
        found.kind(SECOND)
    tail(content[at:], found)


def _extension(label: int, name: bytes, body: bytes, found: TraceCollector) -> None:
    if label in (0xFE, 0x01):
        found.kind("description or comment")
        found.value(body)
    elif label == 0xFF and name == b"XMP DataXMP":
        xmp(body, found)
        found.binary(body)
    elif label == 0xFF and name not in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
        found.kind("colour profile" if name == b"ICCRGBG1012" else UNKNOWN)
        found.binary(body)


def _sub_blocks(content: bytes, at: int, most: int) -> tuple[int, bytes]:
    """The end of a chain of sub-blocks, and up to ``most`` bytes of it with the lengths still in."""
    start = at
    while at < len(content) and content[at]:
        at += content[at] + 1
    if not most:
        return at + 1, b""
    body = content[start : min(at, start + most)]
    if body and len(body) == body[0] + 1:
        body = body[1:]
    return at + 1, body


def bmp(content: bytes, found: TraceCollector) -> None:
    """A BMP holds its own size; some writers leave it 0."""
    size = struct.unpack_from("<I", content, 2)[0]
    if size >= 26:
        tail(content[size:], found)
