"""A picture as the one page of a PDF: the coded pixels of a written file as they are, and what a reader needs to draw
them. No date, no id, no name of a program.

Of a JPEG the page holds the file itself, of a PNG its stream of pixels, which PDF decodes as PNG does (ISO 32000-1,
7.4.4.4): nothing is coded anew.
"""

from __future__ import annotations

import struct

POINTS, DOTS = 72, 200
"""Points of an inch, and the pixels that one holds: a sheet of 1654 × 2339 pixels is A4."""


def as_pdf(content: bytes, width: int, height: int) -> bytes:
    """A JPEG or PNG of ours, of this size in pixels, 8-bit RGB, as a PDF of one page."""
    across, down = (f"{side * POINTS / DOTS:.2f}" for side in (width, height))
    if content.startswith(b"\x89PNG"):
        coded = b"".join(data for kind, data in _chunks(content) if kind == b"IDAT")
        how = f"/Filter/FlateDecode/DecodeParms<</Predictor 15/Colors 3/BitsPerComponent 8/Columns {width}>>"
    else:
        coded, how = content, "/Filter/DCTDecode"
    drawn = f"q {across} 0 0 {down} 0 0 cm /P Do Q".encode()
    image = f"/Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceRGB/BitsPerComponent 8{how}"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {across} {down}]"
        "/Resources<</XObject<</P 4 0 R>>>>/Contents 5 0 R>>".encode(),
        _stream(image, coded),
        _stream("", drawn),
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + table
    out += b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
    return bytes(out)


def _stream(entries: str, data: bytes) -> bytes:
    return f"<<{entries}/Length {len(data)}>>\nstream\n".encode() + data + b"\nendstream"


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        found.append((kind, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found
