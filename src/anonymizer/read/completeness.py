"""Does a file reach its own end? Its container is walked, to tell a copy under way from a finished one.

Nothing is decoded, and nothing is judged: content that is wrong in other ways counts as whole, for the road
says what is wrong with it. Formats without a cheap sign of their end count as whole too.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from anonymizer.read.sniff import (
    ASF,
    AVI,
    AVIF,
    FLV,
    HEIF,
    JPEG,
    MATROSKA,
    MP4,
    MPEGPS,
    MXF,
    OGG,
    PDF,
    PNG,
    WEBP,
    ZIP,
    Format,
)

CHUNK = 1 << 20
"""Bytes that are read at once."""
_MOST_STEPS = 1_000_000
"""Segments, chunks or boxes that are followed; a file that has more is left to the road."""
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_MXF_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
_MXF_FOOTER, _MXF_INDEX = 4, 0x11
"""What the fourteenth byte of such a key says: the last partition, the index of all of them."""
_TAIL = 1 << 17
"""Bytes at the end that hold the last whole packet or page, which has 64 KiB at most."""


def is_whole(file: BinaryIO, form: Format, size: int) -> bool:
    """Whether an open file of ``size`` bytes holds everything up to the end of its container.

    A system that reserves the space first fills it with zeros: zeros in place of structure mean that the
    rest is still to come. Raises OSError where reading fails.
    """
    walk = _WALKS.get(form)
    if walk is None:
        return size > 0
    try:
        return walk(file, size)
    except struct.error:  # the file ends in the middle of a header
        return False


def _take(file: BinaryIO, position: int, layout: str) -> tuple[Any, ...]:
    """Numbers at a place in the file. Raises struct.error where it ends before."""
    file.seek(position)
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _jpeg(file: BinaryIO, size: int) -> bool:
    """Up to the end marker (ITU-T T.81, B.1.1): a preview's own lies inside a segment, which is skipped."""
    position = 2
    for _ in range(_MOST_STEPS):
        first, marker = _take(file, position, ">BB")
        if first != 0xFF:
            return bool(first)
        if marker == 0xFF:
            position += 1
        elif marker == 0xD9:
            return True
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
        elif marker == 0xDA:
            return _find(file, position, b"\xff\xd9")
        else:
            (length,) = _take(file, position + 2, ">H")
            position += 2 + max(length, 2)
    return True


def _find(file: BinaryIO, position: int, wanted: bytes) -> bool:
    file.seek(position)
    kept = b""
    while chunk := file.read(CHUNK):
        if wanted in kept + chunk:
            return True
        kept = chunk[1 - len(wanted) :]
    return False


def _png(file: BinaryIO, size: int) -> bool:
    """Up to the chunk IEND (ISO/IEC 15948, 5.3)."""
    position = 8
    for _ in range(_MOST_STEPS):
        length, name = _take(file, position, ">I4s")
        position += 12 + length
        if name == b"IEND":
            return bool(position <= size)
        if not name.isalpha():
            return bool(name.strip(b"\0"))
    return True


def _riff(file: BinaryIO, size: int) -> bool:
    """As long as the outer chunk says; 0 stands there until a recorder has finished."""
    (length,) = _take(file, 4, "<I")
    return bool(0 < length <= size - 8)


def _avi(file: BinaryIO, size: int) -> bool:
    """All the outer chunks: a long AVI has several, one behind the other (OpenDML AVI, 2)."""
    position = 0
    for _ in range(_MOST_STEPS):
        name, length = _take(file, position, "<4sI")
        if name != b"RIFF":
            return position > 0  # what some cameras put behind
        position += 8 + length
        if length == 0 or position > size:
            return False
        position += length % 2
        if position + 8 > size:
            return True
    return True


def _matroska(file: BinaryIO, size: int) -> bool:
    """Up to the end of the last element (RFC 8794, 4 to 6). Where a recorder left the segment's or a cluster's
    size open, what stands in it is followed."""
    position = 0
    begun = False
    for _ in range(_MOST_STEPS):
        if position == size:
            return begun
        name, after = ebml_number(file, position, keep=True)
        length, body = ebml_number(file, after, keep=False)
        if not name:
            return False
        position = body + length
        begun = begun or name == _SEGMENT
        if length == (1 << 7 * (body - after)) - 1:
            if name not in (_SEGMENT, _CLUSTER):
                return True
            position = body
        if position > size:
            return False
    return True


def ebml_number(file: BinaryIO, position: int, *, keep: bool) -> tuple[int, int]:
    """A number of one to eight bytes whose leading zeros say how many, and the place behind it.

    ``keep``: the marker belongs to it, as in names. (0, position) where there is none.
    """
    (first,) = _take(file, position, ">B")
    count = 9 - first.bit_length()
    if count > 8:
        return 0, position
    value = int.from_bytes(_take(file, position, f">{count}s")[0], "big")
    return (value if keep else value & ((1 << 7 * count) - 1)), position + count


def _asf(file: BinaryIO, size: int) -> bool:
    """All the outer objects (ASF specification, 2): the one with the pictures has its length when it is finished."""
    position, seen = 0, False
    for _ in range(_MOST_STEPS):
        if position == size:
            return seen
        name, length = _take(file, position, "<16sQ")
        if length < 24:
            return False
        if name == _ASF_DATA:
            seen = length > 50
        position += length
        if position > size:
            return False
    return True


def _flv(file: BinaryIO, size: int) -> bool:
    """The last four bytes say how long the last tag is (FLV specification 10.1, E.3), which says so, too."""
    (length,) = _take(file, size - 4, ">I")
    if not 11 <= length <= size - 13:
        return False
    kind, high, low = _take(file, size - 4 - length, ">BBH")
    return bool(kind & 0x1F in (8, 9, 18) and (high << 16 | low) == length - 11)


def _mxf(file: BinaryIO, size: int) -> bool:
    """Up to the index of partitions, or to the end of the last one (SMPTE ST 377-1, 6.5, 7.4 and 12)."""
    (length,) = _take(file, size - 4, ">I")
    if 16 < length <= size and _take(file, size - length, ">14s")[0] == _MXF_PARTITION + bytes([_MXF_INDEX]):
        return True
    position, last = 0, False
    for _ in range(_MOST_STEPS):
        if position == size:
            return last
        key, first = _take(file, position, ">16sB")
        last = last or (key[:13] == _MXF_PARTITION and key[13] == _MXF_FOOTER)
        count = first & 0x7F if first & 0x80 else 0
        long = int.from_bytes(_take(file, position + 17, f">{count}s")[0], "big")
        position += 17 + count + (long if count else first)
        if position > size or key[:2] != _MXF_PARTITION[:2]:
            return False
    return True


def _ogg(file: BinaryIO, size: int) -> bool:
    """The last page is all there, and says that it is the last (RFC 3533, 6)."""
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read(_TAIL)
    at = tail.rfind(b"OggS")
    (flags,) = struct.unpack_from(">B", tail, at + 5)
    (count,) = struct.unpack_from(">B", tail, at + 26)
    return (
        at >= 0 and bool(flags & 4) and start + at + 27 + count + sum(tail[at + 27 : at + 27 + count]) == size
    )


def _program_stream(file: BinaryIO, size: int) -> bool:
    """The last pack's packets are all there (ISO/IEC 13818-1, 2.5.3; 11172-1, 2.4.3); zeros follow an end code only."""
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read(_TAIL)
    at = tail.rfind(b"\0\0\1\xba")
    for _ in range(len(tail)) if at >= 0 else ():
        if at == len(tail):
            return True
        code, length = struct.unpack_from(">IH", tail, at) if tail[at : at + 4] != b"\0\0\1\xb9" else (0, 0)
        if not code:
            return not tail[at + 4 :].strip(b"\0")
        if code == 0x1BA:
            (marks,) = struct.unpack_from(">B", tail, at + 4)
            at += 14 + (struct.unpack_from(">B", tail, at + 13)[0] & 7) if marks & 0xC0 == 0x40 else 12
        elif 0x1BB <= code <= 0x1FF:
            at += 6 + length
        else:
            return False
        if at > len(tail):
            return False
    return False


def _zip(file: BinaryIO, size: int) -> bool:
    """The record at the end of the directory is there, behind all that it points to (APPNOTE.TXT, 4.3.16)."""
    start = max(0, size - _TAIL)
    file.seek(start)
    tail = file.read(_TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        return False
    length, place = struct.unpack_from("<II", tail, at + 12)
    (comment,) = struct.unpack_from("<H", tail, at + 20)
    # Of a large archive an earlier record says where its directory lies.
    large = 0xFFFFFFFF in (length, place)
    return start + at + 22 + comment <= size and (large or place + length <= start + at)


def _pdf(file: BinaryIO, size: int) -> bool:
    """The mark of its end stands near it (ISO 32000-1, 7.5.5), with nothing but what mail or a printer adds behind."""
    file.seek(max(0, size - _TAIL))
    return b"%%EOF" in file.read(_TAIL)


def _boxes(file: BinaryIO, size: int) -> set[bytes] | None:
    """The names of the outermost boxes (ISO/IEC 14496-12, 4.2), or None where the last is cut off."""
    position = 0
    seen: set[bytes] = set()
    for _ in range(_MOST_STEPS):
        if size - position < 8:
            break
        length, name = _take(file, position, ">I4s")
        if length == 1:
            (length,) = _take(file, position + 8, ">Q")
        if length == 0 and name != bytes(4):
            return seen | {name}
        if length < 8:
            return seen
        position += length
        seen.add(name)
    return None if position > size else seen


def _clip(file: BinaryIO, size: int) -> bool:
    boxes = _boxes(file, size)
    return boxes is not None and {b"moov", b"mdat"} <= boxes


def _picture(file: BinaryIO, size: int) -> bool:
    boxes = _boxes(file, size)
    return boxes is not None and b"meta" in boxes


_WALKS = {
    JPEG: _jpeg,
    PNG: _png,
    WEBP: _riff,
    AVI: _avi,
    MP4: _clip,
    MATROSKA: _matroska,
    ASF: _asf,
    FLV: _flv,
    MXF: _mxf,
    OGG: _ogg,
    MPEGPS: _program_stream,
    HEIF: _picture,
    AVIF: _picture,
    ZIP: _zip,
    PDF: _pdf,
}
