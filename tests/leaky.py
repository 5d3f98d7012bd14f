"""Pictures with planted traces, written byte by byte: what cameras, phones and editors leave in a file.

Every planted value is invented; each :class:`Leaky` says which kinds and strings must be noticed in it.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import pillow_heif
from PIL import Image, ImageDraw, PngImagePlugin


@dataclass(frozen=True)
class Leaky:
    """``kinds`` and ``strings`` are the least that the harvest must find in ``content``."""

    name: str
    form: str
    content: bytes
    kinds: frozenset[str] = frozenset()
    strings: frozenset[str] = frozenset()


def picture(
    width: int = 320, height: int = 240, colour: tuple[int, int, int] = (180, 120, 90)
) -> Image.Image:
    """No face and no text, but edges and a slope, so that turning and recoding would show."""
    image = Image.new("RGB", (width, height), colour)
    pen = ImageDraw.Draw(image)
    pen.ellipse((width // 4, height // 6, width * 2 // 3, height * 4 // 5), fill=(230, 190, 160))
    pen.rectangle((0, 0, width // 3, height // 8), fill=(20, 40, 200))
    pen.rectangle((width * 3 // 4, height * 3 // 4, width, height), fill=(30, 160, 60))
    return image


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image, **options: object) -> bytes:
    return saved(image, "JPEG", **({"quality": 90} | options))


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def box(name: bytes, body: bytes) -> bytes:
    """An ISO media box."""
    return struct.pack(">I", len(body) + 8) + name + body


def exif() -> Image.Exif:
    block = Image.Exif()
    block[0x010E], block[0x013B], block[0x010F] = "CANARY_DESC", "CANARY_ARTIST Dr X", "CANARYCAM"
    block[0x0132] = "2024:05:17 09:30:00"
    details = block.get_ifd(0x8769)
    details[0x9003], details[0xA431] = "2024:05:17 09:30:00", "SN-4711-0815"
    place = block.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 18.0)
    return block


def exif_with_thumbnail(order: str = "<") -> bytes:
    """An EXIF segment whose second IFD points at a small JPEG of the unredacted picture."""
    small = jpeg(picture(160, 120))
    ifd0 = struct.pack(order + "HHHII", 1, 0x010F, 2, 10, 26) + struct.pack(order + "I", 36)
    ifd1 = struct.pack(order + "H", 2)
    ifd1 += struct.pack(order + "HHII", 0x0201, 4, 1, 36 + 2 + 24 + 4)
    ifd1 += struct.pack(order + "HHII", 0x0202, 4, 1, len(small)) + struct.pack(order + "I", 0)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return segment(0xE1, b"Exif\0\0" + head + ifd0 + b"CANARYCAM\0" + ifd1 + small)


EXIF_KINDS = frozenset(
    {"description or comment", "owner or author name", "device make and model", "capture date"}
    | {"serial number", "GPS position"}
)
EXIF_STRINGS = frozenset(
    {"CANARY_DESC", "CANARY_ARTIST Dr X", "CANARYCAM", "SN-4711-0815", "2024-05-17", "52.5200", "13.4050"}
)
BEHIND = frozenset({"data after the end of the picture"})
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>CANARY_XMP</a></x:xmpmeta>"


def _jpegs() -> list[Leaky]:
    base, small = jpeg(picture()), jpeg(picture(160, 120))
    resource = b"8BIM\x04\x0c\0\0" + struct.pack(">I", len(small) + 28) + b"\0\0\0\1" + b"\0" * 24 + small
    movie = box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", b"CANARY_MOTION " * 50)
    iptc = b"8BIM\x04\x04\0\0" + struct.pack(">I", 16) + b"\x1c\x02\x50\0\x0bCANARY_IPTC"

    def one(name: str, content: bytes, kinds: set[str] | frozenset[str], strings: set[str]) -> Leaky:
        return Leaky(name, "JPEG", content, frozenset(kinds), frozenset(strings))

    thumb = {"embedded thumbnail", "device make and model"}
    return [
        Leaky("exif.jpg", "JPEG", jpeg(picture(), exif=exif()), EXIF_KINDS, EXIF_STRINGS),
        one("thumbnail.jpg", with_segments(base, exif_with_thumbnail()), thumb, {"CANARYCAM"}),
        one("thumbnail-big.jpg", with_segments(base, exif_with_thumbnail(">")), thumb, {"CANARYCAM"}),
        one(
            "comment.jpg",
            with_segments(base, segment(0xFE, "Müller_CANARY 1970-01-01".encode())),
            {"description or comment"},
            {"Müller_CANARY 1970-01-01", "Müller"},
        ),
        one("xmp.jpg", with_segments(base, segment(0xE1, XMP)), {"XMP"}, {"CANARY_XMP"}),
        one(
            "photoshop.jpg",
            with_segments(base, segment(0xED, b"Photoshop 3.0\0" + iptc + resource)),
            {"Photoshop resources", "embedded thumbnail", "IPTC"},
            {"CANARY"},
        ),
        one(
            "private.jpg",
            with_segments(base, segment(0xE7, b"CANARY_APP7"), segment(0xEB, b"JP\0\1CANARY_JUMBF")),
            {"unknown segment or chunk"},
            {"CANARY_APP7", "CANARY_JUMBF"},
        ),
        one("movie-behind.jpg", base + movie, BEHIND | {"motion photo video"}, {"CANARY"}),
        one("picture-behind.jpg", base + small, BEHIND | {"embedded preview or second picture"}, set()),
        one("fill.jpg", base[:-2] + b"\xff" * 7 + b"\xff\xd9CANARY_AFTER", BEHIND, {"CANARY_AFTER"}),
        one(
            "profile.jpg",
            jpeg(picture(), icc_profile=b"\0" * 128 + b"CANARY_PROFILE"),
            {"colour profile"},
            set(),
        ),
        one(
            "mpf.jpg",
            with_segments(base, segment(0xE2, b"MPF\0II*\0")) + small,
            {"embedded preview or second picture"},
            set(),
        ),
    ]


def _pngs() -> list[Leaky]:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "CANARY_TEXT")
    notes.add_text("Comment", "CANARY_ZTXT " * 20, zip=True)
    notes.add_itxt("XML:com.adobe.xmp", "<x>CANARY_ITXT</x>")
    full = saved(picture(), "PNG", pnginfo=notes, exif=exif().tobytes())
    plain = saved(picture(), "PNG")
    end = plain.rindex(b"IEND") - 4
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    date = chunk(b"tIME", struct.pack(">HBBBBB", 2024, 3, 15, 14, 22, 7))

    def one(name: str, content: bytes, kinds: set[str] | frozenset[str], strings: set[str]) -> Leaky:
        return Leaky(name, "PNG", content, frozenset(kinds), frozenset(strings))

    return [
        one("text.png", full, EXIF_KINDS | {"XMP"}, {"CANARY_TEXT", "CANARY_DESC", "52.5200"}),
        one(
            "private.png",
            plain[:33] + date + chunk(b"caNb", b"CANARY_CHUNK") + plain[33:],
            {"capture date", "unknown segment or chunk"},
            {"CANARY_CHUNK", "2024-03-15"},
        ),
        one("behind.png", plain + b"CANARY_AFTER_IEND", BEHIND, {"CANARY_AFTER_IEND"}),
        one("surplus.png", plain[:end] + chunk(b"IDAT", b"CANARY_IDAT") + plain[end:], set(), set()),
        one("transparent.png", saved(clear, "PNG"), set(), set()),
    ]


def _others() -> list[Leaky]:
    gif = saved(
        picture().convert("P"), "GIF", comment=b"CANARY_GIF", save_all=True,
        append_images=[picture(colour=(9, 9, 9)).convert("P")],
    )  # fmt: skip
    webp = saved(picture(), "WEBP", exif=exif().tobytes(), xmp=b"<x>CANARY_WEBP</x>")
    more = webp + b"CNRY" + struct.pack("<I", 12) + b"CANARY_CHUNK"
    more = more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
    tiff = saved(
        picture(), "TIFF", save_all=True, append_images=[picture(64, 48)],
        tiffinfo={270: "CANARY_TIFF", 315: "CANARY_ARTIST"},
    )  # fmt: skip
    heic = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(heic, exif=exif().tobytes(), xmp=XMP.split(b"\0")[1])

    def one(
        name: str, form: str, content: bytes, kinds: set[str] | frozenset[str], strings: set[str]
    ) -> Leaky:
        return Leaky(name, form, content, frozenset(kinds), frozenset(strings))

    comment = {"description or comment"}
    return [
        one("comment.gif", "GIF", gif, comment, {"CANARY_GIF"}),
        one("behind.gif", "GIF", gif + b"CANARY_AFTER", comment | BEHIND, {"CANARY_AFTER"}),
        one("exif.webp", "WebP", webp, EXIF_KINDS | {"XMP"}, {"CANARY_DESC", "52.5200", "CANARY_WEBP"}),
        one("chunk.webp", "WebP", more, {"unknown segment or chunk"}, {"CANARY_CHUNK"}),
        one("behind.webp", "WebP", webp + b"CANARY_AFTER", BEHIND, {"CANARY_AFTER"}),
        one("pages.tif", "TIFF", tiff, comment | {"owner or author name"}, {"CANARY_TIFF", "CANARY_ARTIST"}),
        one("behind.tif", "TIFF", tiff + b"CANARY_TAIL", comment, {"CANARY_TAIL"}),
        one("behind.bmp", "BMP", saved(picture(), "BMP") + b"CANARY_BMP", BEHIND, {"CANARY_BMP"}),
        one(
            "exif.heic",
            "HEIF",
            heic.getvalue(),
            EXIF_KINDS | {"XMP"},
            {"CANARY_DESC", "52.5200", "CANARY_XMP"},
        ),
        one(
            "exif.avif", "AVIF", saved(picture(), "AVIF", exif=exif().tobytes()), EXIF_KINDS, {"CANARY_DESC"}
        ),
    ]


LEAKY = {leak.name: leak for leak in (*_jpegs(), *_pngs(), *_others())}
"""Every leaky file by name."""
