"""The structure of a PNG, chunk by chunk: IHDR, IDAT, IEND, and the deflate stream to its last byte.

Follows the W3C's PNG specification (third edition), sections 5 and 10.
"""

from __future__ import annotations

import struct
import zlib

from anonymizer.verify.jpeg import StructureError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3}
"""Samples per pixel of the two colour types that are written: grey and RGB."""
STEP = 1 << 20


def walk(data: bytes) -> dict[str, int]:
    """Account for every byte of a PNG, compressed ones included; the size and the number of chunks.

    Raises :class:`StructureError` at the first thing that should not be there.
    """
    if not data.startswith(SIGNATURE):
        raise StructureError("png.start")
    at = len(SIGNATURE)
    names: list[bytes] = []
    coded: list[bytes] = []
    while at < len(data):
        if at + 12 > len(data):
            raise StructureError("png.chunk-cut", at=at)
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if len(body) != length or at + 12 + length > len(data):
            raise StructureError("png.chunk-cut", at=at)
        if struct.unpack_from(">I", data, at + 8 + length)[0] != zlib.crc32(body, zlib.crc32(name)):
            raise StructureError("png.checksum", at=at)
        if name == b"IDAT":
            coded.append(body)
        if not names or names[-1] != name or name != b"IDAT":
            names.append(name)
        at += 12 + length
        if name == b"IEND":
            break
    if names != [b"IHDR", b"IDAT", b"IEND"]:
        extra = sorted({n.decode("latin-1") for n in names} - {"IHDR", "IDAT", "IEND"})
        raise StructureError("png.chunks", count=len(extra))
    if at != len(data):
        raise StructureError("png.trailing", count=len(data) - at)
    header = data[16:29]
    if struct.unpack_from(">I", data, 8)[0] != 13 or length:
        raise StructureError("png.chunk-length")
    width, height, depth, colour, method, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if depth != 8 or colour not in CHANNELS or method or filtering or interlace or not width * height:
        raise StructureError("png.header")
    _inflate(coded, height, 1 + width * CHANNELS[colour])
    return {"width": width, "height": height, "segments": len(names)}


def _inflate(parts: list[bytes], rows: int, row: int) -> None:
    """The stream must give exactly the picture's rows and end with the last byte of the last chunk."""
    stream, given, wanted = zlib.decompressobj(), 0, rows * row
    try:
        for part in parts:
            if stream.eof:
                raise StructureError("png.data-trailing")
            while part:
                out = stream.decompress(part, STEP)
                # Every row starts with its filter's number, 0 to 4.
                first = -given % row
                if any(value > 4 for value in out[first::row]):
                    raise StructureError("png.filter")
                given += len(out)
                if given > wanted:
                    raise StructureError("png.data-more")
                part = stream.unconsumed_tail
    except zlib.error as error:
        raise StructureError("png.data-damaged") from error
    if stream.unused_data:
        raise StructureError("png.picture-trailing")
    if not stream.eof or given != wanted:
        raise StructureError("png.data-less")
