"""What a PDF of ours holds, byte by byte: one page, one picture, and not one byte more."""

from __future__ import annotations

import re
import struct
import zlib

from anonymizer.core.types import Pixels
from anonymizer.verify import integrity, jpeg, png
from anonymizer.verify.jpeg import StructureError

_NUMBER = rb"\d+(?:\.\d\d)?"
_PAGE = re.compile(
    rb"%PDF-1\.4\n"
    rb"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    rb"2 0 obj\n<</Type/Pages/Kids\[3 0 R\]/Count 1>>\nendobj\n"
    rb"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox\[0 0 " + _NUMBER + b" " + _NUMBER + rb"\]"
    rb"/Resources<</XObject<</P 4 0 R>>>>/Contents 5 0 R>>\nendobj\n"
    rb"4 0 obj\n<</Type/XObject/Subtype/Image/Width (\d+)/Height (\d+)/ColorSpace/DeviceRGB/BitsPerComponent 8"
    rb"/Filter/(?:(DCTDecode)|FlateDecode/DecodeParms<</Predictor 15/Colors 3/BitsPerComponent 8/Columns (\d+)>>)"
    rb"/Length (\d+)>>\nstream\n"
)
_AFTER = re.compile(
    rb"\nendstream\nendobj\n5 0 obj\n<</Length \d+>>\nstream\nq "
    + _NUMBER
    + b" 0 0 "
    + _NUMBER
    + rb" 0 0 cm /P Do Q"
    rb"\nendstream\nendobj\nxref\n0 6\n0000000000 65535 f \n(?:\d{10} 00000 n \n){5}"
    rb"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n\d+\n%%EOF\n"
)


def holds(data: bytes, pixels: Pixels) -> bool:
    """Whether a PDF holds this picture ``(h, w, 3)``, as an examined file shows it, and nothing else.

    Raises :class:`StructureError` where it has a byte that no such PDF has.
    """
    inner = picture(data)
    (png if inner.startswith(png.SIGNATURE) else jpeg).walk(inner)
    found = integrity.decoded(inner)
    return found.shape == pixels.shape and bool((found == pixels).all())


def picture(data: bytes) -> bytes:
    """The picture of a PDF as a JPEG's or PNG's bytes. Raises :class:`StructureError` as :func:`holds` does."""
    page = _PAGE.match(data)
    if page is None:
        raise StructureError("structure.pdf")
    end = page.end() + int(page[5])
    if _AFTER.fullmatch(data, end) is None:
        raise StructureError("structure.pdf")
    coded = data[page.end() : end]
    if page[3]:
        return coded
    width, height = int(page[1]), int(page[2])
    if int(page[4]) != width:
        raise StructureError("structure.pdf")
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return png.SIGNATURE + b"".join(
        _chunk(kind, part) for kind, part in ((b"IHDR", header), (b"IDAT", coded), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
