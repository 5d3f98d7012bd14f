"""What is out of the ordinary about a whole file that no decoder here opens: it is not damaged, it is of another kind.

Looks at headers alone and never raises, whatever the bytes. Numbers: ITU-T T.81 (JPEG, B.1.1.3 and B.2.2), TIFF 6.0
and Adobe's supplements, ISO/IEC 23008-12 (HEIF), the bitmap headers of Windows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from anonymizer.core.message import Message
from anonymizer.read.traces.isobmff import read_heif

_LOSSLESS, _HIERARCHICAL, _ARITHMETIC = "variant.lossless", "variant.hierarchical", "variant.arithmetic"
_FRAMES = {
    0xC3: _LOSSLESS, 0xC5: _HIERARCHICAL, 0xC6: _HIERARCHICAL, 0xC7: _HIERARCHICAL, 0xC9: _ARITHMETIC,
    0xCA: _ARITHMETIC, 0xCB: _ARITHMETIC, 0xCD: _HIERARCHICAL, 0xCE: _HIERARCHICAL, 0xCF: _HIERARCHICAL,
    0xF7: _LOSSLESS,
}  # fmt: skip
"""JPEG's markers of a frame that few decoders know (F7: JPEG-LS); C0, C1 and C2 are the usual ones."""
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000, 50001})
"""Those of TIFF that libtiff usually knows."""
_PILLOWS_CODINGS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
_COLOURS = {
    8: "variant.lab", 9: "variant.lab", 10: "variant.lab", 32803: "variant.raw", 34892: "variant.raw",
    32844: "variant.log", 32845: "variant.log",
}  # fmt: skip
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Bytes and :mod:`struct` code of TIFF's whole numbers: BYTE, SHORT, LONG, LONG8."""
_KNOWN_ITEMS = (b"hvc1", b"av01", b"grid", b"iovl", b"iden")


def variant(content: bytes, form: str) -> Message | None:
    """The variant of a format (a :class:`~anonymizer.read.sniff.Format`'s name) in few words; None: a usual one."""
    look = {"JPEG": _jpeg, "TIFF": _tiff, "BMP": _bmp, "HEIF": _heif, "AVIF": _heif}.get(form)
    try:
        return look(content) if look else None
    except (struct.error, LookupError, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """A JPEG's frame header: its marker's second byte, the depth, the size in pixels, the number of channels."""

    marker: int
    bits: int
    width: int
    height: int
    channels: int


def jpeg_frame(content: bytes) -> JpegFrame | None:
    """The first frame header of a JPEG; None where none stands before the first scan."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES or marker in (0xC0, 0xC1, 0xC2):
            bits, height, width, channels = struct.unpack_from(">BHHB", content, at + 4)
            return JpegFrame(marker, bits, width, height, channels)
        if marker in (0xD9, 0xDA):
            break
        at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None


def needs_another_reader(content: bytes, form: str) -> bool:
    """Whether a file of this format is whole and one that Pillow does not read, or reads wrongly without a word.

    Of JPEG: 12 bits, no loss, arithmetic coding. Of TIFF: a camera's raw values, and all but 8 bits a channel in one
    plane and greys of 16 bits from black to white.
    """
    look = {"JPEG": _rare_jpeg, "TIFF": _rare_tiff}.get(form)
    try:
        return bool(look and look(content))
    except (struct.error, LookupError, ValueError, OverflowError):
        return False


def _rare_jpeg(content: bytes) -> bool:
    frame = jpeg_frame(content)
    return frame is not None and (frame.bits != 8 or frame.marker not in (0xC0, 0xC1, 0xC2))


def _rare_tiff(content: bytes) -> bool:
    tags = tiff_numbers(content)
    if is_raw(tags):
        return True
    bits, colours = tags.get(258, [1]), tags.get(262, [1])[0]
    samples, coding, kind = tags.get(277, [1])[0], tags.get(259, [1])[0], tags.get(339, [1])[0]
    # What is cut off is damaged; JPEG of TIFF's first years and logarithmic colours have their sentence.
    if not within_file(content, tags) or coding in (6, 34676, 34677):
        return False
    if colours in (32803, 34892, 32844, 32845):
        return False
    return (
        coding not in _PILLOWS_CODINGS
        or (bool(set(bits) - {1, 2, 4, 8}) and not (bits == [16] and samples == colours == kind == 1))
        or kind != 1
        or (tags.get(284, [1])[0] == 2 and samples > 1)
        or colours in (8, 9)
        or (colours == 3 and max(tags.get(320, [65535])) <= 255)
    )


def is_raw(tags: dict[int, list[int]]) -> bool:
    """Whether a TIFF's first directory is that of a camera's raw file, whose first picture is only a preview.

    DNGVersion, or "reduced resolution" (TIFF 6.0, NewSubfileType) with the full picture in a sub-directory, as in NEF
    and ARW; or the picture itself in values of a sensor.
    """
    return 50706 in tags or (tags.get(254) == [1] and 330 in tags)


def _jpeg(content: bytes) -> Message | None:
    frame = jpeg_frame(content)
    if frame is None:
        return None
    if frame.marker in _FRAMES:
        return Message(_FRAMES[frame.marker])
    if frame.bits != 8:
        return Message("variant.bits", bits=frame.bits)
    return None if frame.channels in (1, 3, 4) else Message("variant.channels", count=frame.channels)


def _tiff(content: bytes) -> Message | None:
    tags = tiff_numbers(content)
    if not within_file(content, tags):
        return None
    bits, kinds = tags.get(258, [1]), tags.get(339, [1])
    compression, colours = tags.get(259, [1])[0], tags.get(262, [1])[0]
    if compression not in _COMPRESSIONS:
        return Message("variant.compression", number=compression)
    if colours in _COLOURS:
        return Message(_COLOURS[colours])
    if 3 in kinds:
        return Message("variant.floating", bits=bits[0])
    if set(kinds) & {5, 6}:
        return Message("variant.complex")
    if 2 in kinds:
        return Message("variant.signed", bits=bits[0])
    if len(set(bits)) > 1:
        return Message("variant.depths")
    if bits[0] != 8:
        return Message("variant.white-is-zero" if colours == 0 else "variant.bits", bits=bits[0])
    if tags.get(284, [1])[0] == 2:
        return Message("variant.planes")
    count = tags.get(277, [1])[0]
    return Message("variant.channels", count=count) if count not in (1, 3) else None


def tiff_numbers(content: bytes) -> dict[int, list[int]]:
    """The whole numbers of the first directory by their tags: TIFF, or BigTIFF."""
    order = {b"II": "<", b"MM": ">"}[content[:2]]
    big = struct.unpack_from(order + "H", content, 2)[0] == 43
    word, head, width = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + word, content, 8 if big else 4)
    (count,) = struct.unpack_from(order + head, content, start)
    start += 8 if big else 2
    found: dict[int, list[int]] = {}
    for entry in range(start, start + width * min(count, 4096), width):
        tag, kind, many = struct.unpack_from(order + "HH" + word, content, entry)
        if kind not in _CODES or many > 1 << 20:
            continue
        slot = entry + width - (8 if big else 4)
        size = many * _SIZES[kind]
        place = slot if size <= (8 if big else 4) else struct.unpack_from(order + word, content, slot)[0]
        found[tag] = list(struct.unpack_from(f"{order}{many}{_CODES[kind]}", content, place))
    return {tag: values for tag, values in found.items() if values}


def within_file(content: bytes, tags: dict[int, list[int]]) -> bool:
    """Whether every strip or tile lies in the file: what is cut off is damaged, whatever else it is."""
    for starts, sizes in ((273, 279), (324, 325)):
        if starts in tags and len(tags.get(sizes, ())) == len(tags[starts]):
            return all(a + n <= len(content) for a, n in zip(tags[starts], tags[sizes], strict=True))
    return False


def _bmp(content: bytes) -> Message | None:
    (size,) = struct.unpack_from("<I", content, 14)
    if size < 40:
        return None
    bits, compression = struct.unpack_from("<HI", content, 28)
    if compression in (4, 5):
        return Message("variant.bitmap")
    return None if bits in (1, 4, 8, 16, 24, 32) else Message("variant.bits", bits=bits)


def _heif(content: bytes) -> Message | None:
    heif = read_heif(content)
    item = heif.items.get(heif.primary) if heif.complete and heif.primary else None
    return Message("variant.codec") if item and item.type not in _KNOWN_ITEMS else None
