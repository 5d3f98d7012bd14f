"""Small ZIP archives and PDF documents, sound and hostile, made here."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from anonymizer.core.types import Pixels


def picture(seed: int, width: int = 96, height: int = 72) -> Pixels:
    """A small picture, in which no pixel is like its neighbour."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(seed)).save(buffer, "JPEG")
    return buffer.getvalue()


def archive(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


@dataclass(frozen=True)
class Sheet:
    """A page: what is drawn on it, the pictures that it draws by name, and more entries of its dictionary."""

    drawn: bytes
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    more: bytes = b""


def stored(pixels: Pixels, more: bytes = b"") -> bytes:
    """A picture as a PDF's object, without loss."""
    height, width = pixels.shape[:2]
    data = zlib.compress(pixels.tobytes())
    head = b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/Filter/FlateDecode" % (
        width,
        height,
    )
    colours = b"" if b"/ColorSpace" in more else b"/ColorSpace/DeviceRGB"
    return b"<<" + head + colours + more + b"/Length %d>>stream\n" % len(data) + data + b"\nendstream"


def document(*sheets: Sheet, trailer: bytes = b"", objects: tuple[bytes, ...] = ()) -> bytes:
    """A PDF of A4 pages; ``objects`` are further ones, from number 3 on."""
    bodies = [b"", b"", *objects]

    def add(body: bytes) -> int:
        bodies.append(body)
        return len(bodies)

    kids = []
    for sheet in sheets:
        named = b"".join(b"/%s %d 0 R" % (name.encode(), add(body)) for name, body in sheet.pictures.items())
        content = add(b"<</Length %d>>stream\n" % len(sheet.drawn) + sheet.drawn + b"\nendstream")
        font = b"/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>"
        box = b"" if b"/MediaBox" in sheet.more else b"/MediaBox[0 0 595 842]"
        kids.append(
            add(
                b"<</Type/Page/Parent 2 0 R/Contents %d 0 R/Resources<</XObject<<%s>>%s>>%s%s>>"
                % (content, named, font, box, sheet.more)
            )
        )
    bodies[0] = b"<</Type/Catalog/Pages 2 0 R>>"
    bodies[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    written, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(written))
        written += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(bodies) + 1, len(written)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return written + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end
