"""The structure audits at their borders: files built by hand, box by box, each wrong in one place and named for it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence

import pytest

from anonymizer.verify import h264, jpeg, mp4, png
from anonymizer.verify.jpeg import StructureError
from leaky import box, chunk, segment


def flaw(walk: Callable[[bytes], object], data: bytes) -> str:
    """The code of what an audit has against a file; empty where it passes."""
    try:
        walk(data)
    except StructureError as error:
        return error.message.code
    return ""


# JPEG

JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
CODED = b"\x12\x34\xff\x00\x56"


def dqt(number: int, values: bytes = bytes(range(1, 65))) -> bytes:
    return segment(0xDB, bytes([number]) + values)


def huffman(number: int, count: int = 2) -> bytes:
    """A table of so many values: all codes of the longest lengths, which is all that the audit counts."""
    lengths = [0] * 14 + [max(0, count - 255), min(count, 255)]
    return bytes([number, *lengths]) + bytes(count % 256 for count in range(count))


def dht(number: int, count: int = 2) -> bytes:
    return segment(0xC4, huffman(number, count))


def sof(parts: Sequence[int] = (0,), *, bits: int = 8, height: int = 16, width: int = 24) -> bytes:
    """A frame header; ``parts`` are the quantisation tables of its components."""
    listed = b"".join(bytes([n + 1, 0x11, table]) for n, table in enumerate(parts))
    return segment(0xC0, struct.pack(">BHHB", bits, height, width, len(parts)) + listed)


def sos(tables: Sequence[int] = (0,), end: bytes = b"\0\x3f\0") -> bytes:
    listed = b"".join(bytes([n + 1, choice]) for n, choice in enumerate(tables))
    return segment(0xDA, bytes([len(tables)]) + listed + end)


def photo(*parts: bytes, coded: bytes = CODED) -> bytes:
    return b"\xff\xd8" + b"".join(parts) + coded + b"\xff\xd9"


TABLES = (dqt(0), dht(0), dht(0x10))
WHOLE = photo(JFIF, *TABLES, sof(), sos())

JPEGS: dict[str, tuple[bytes, str]] = {
    "the plain one": (WHOLE, ""),
    "without JFIF": (photo(*TABLES, sof(), sos()), ""),
    "three components": (photo(*TABLES, sof((0, 0, 0)), sos((0, 0, 0))), ""),
    "no start": (b"\xff\xd9" + WHOLE[2:], "jpeg.start"),
    "no marker where one is due": (b"\xff\xd8\0\xd9" + WHOLE[2:], "jpeg.no-marker"),
    "half a marker": (b"\xff\xd8\xff", "jpeg.no-marker"),
    "nothing behind the start": (b"\xff\xd8", "jpeg.no-marker"),
    "a marker without a length": (b"\xff\xd8\xff\xe0\0", "jpeg.segment-cut"),
    "an empty segment as the last bytes": (b"\xff\xd8\xff\xe0\0\2", "jpeg.app0"),
    "a length of one": (b"\xff\xd8\xff\xe0\0\1" + WHOLE[2:], "jpeg.segment-cut"),
    "a segment longer than the file": (b"\xff\xd8\xff\xdb\0\x43\0" + bytes(range(1, 60)), "jpeg.segment-cut"),
    "JFIF as the second segment": (photo(dqt(0), JFIF, *TABLES[1:], sof(), sos()), "jpeg.app0"),
    "JFIF of a thumbnail": (photo(segment(0xE0, b"JFXX\0\x10")), "jpeg.app0"),
    "two frames": (photo(*TABLES, sof(), sof(), sos()), "jpeg.second-frame"),
    "a scan before the frame": (photo(*TABLES, sos()), "jpeg.scans"),
    "two scans": (photo(*TABLES, sof(), sos(), CODED, sos()), "jpeg.scans"),
    "an empty scan header": (photo(*TABLES, sof(), segment(0xDA, b"")), "jpeg.scan-header"),
    "a scan header too long": (photo(*TABLES, sof(), sos((0,), b"\0\0\x3f\0")), "jpeg.scan-header"),
    "a scan of a progressive picture": (photo(*TABLES, sof(), sos((0,), b"\1\x3f\0")), "jpeg.scan-header"),
    "no scan": (photo(*TABLES, sof(), coded=b""), "jpeg.no-picture"),
    "no end": (WHOLE[:-2], "jpeg.no-end"),
    "a byte behind the end": (WHOLE + b"\0", "jpeg.trailing"),
    "fill bytes": (photo(*TABLES, sof(), sos(), coded=b"\x12\xff\xff"), "jpeg.fill"),
    "the first restart marker": (photo(*TABLES, sof(), sos(), coded=b"\x12\xff\xd0\x34"), "jpeg.fill"),
    "the last restart marker": (photo(*TABLES, sof(), sos(), coded=b"\x12\xff\xd7\x34"), "jpeg.fill"),
    "another table of quantisation": (photo(*TABLES, dqt(1), sof(), sos()), "jpeg.other-tables"),
    "no table of quantisation": (photo(*TABLES[1:], sof(), sos()), "jpeg.other-tables"),
    "no Huffman table": (photo(*TABLES[:2], sof(), sos()), "jpeg.other-tables"),
    "the last table of each kind": (photo(dqt(3), dht(3), dht(0x13), sof((3,)), sos((0x33,))), ""),
    "two tables of quantisation in one segment": (
        photo(segment(0xDB, dqt(0)[4:] + dqt(1)[4:]), *TABLES[1:], sof((0, 1, 1)), sos((0, 0, 0))),
        "",
    ),
    "two Huffman tables in one segment": (
        photo(dqt(0), segment(0xC4, huffman(0) + huffman(0x10)), sof(), sos()),
        "",
    ),
    "a fifth table of quantisation": (photo(dqt(4), *TABLES, sof(), sos()), "jpeg.quantisation"),
    "a table of sixteen bits": (photo(dqt(0x10), *TABLES, sof(), sos()), "jpeg.quantisation"),
    "63 values of quantisation": (photo(dqt(0, bytes(range(1, 64))), *TABLES[1:], sof(), sos()), "jpeg.quantisation"),
    "a quantisation by 0": (photo(dqt(0, bytes(64)), *TABLES[1:], sof(), sos()), "jpeg.quantisation"),
    "the same table twice": (photo(*TABLES, dqt(0), sof(), sos()), "jpeg.tables-twice"),
    "the same Huffman table twice": (photo(*TABLES, dht(0), sof(), sos()), "jpeg.tables-twice"),
    "a fifth Huffman table": (photo(*TABLES, dht(4), sof(), sos()), "jpeg.huffman"),
    "a third class of Huffman tables": (photo(*TABLES, dht(0x20), sof(), sos()), "jpeg.huffman"),
    "256 Huffman codes": (photo(dqt(0), dht(0), dht(0x10, 256), sof(), sos()), ""),
    "257 Huffman codes": (photo(dqt(0), dht(0), dht(0x10, 257), sof(), sos()), "jpeg.huffman"),
    "fewer values than Huffman codes": (photo(*TABLES, segment(0xC4, huffman(1)[:-1]), sof(), sos()), "jpeg.huffman"),
    "a frame header cut off": (photo(*TABLES, segment(0xC0, sof()[4:-1]), sos()), "jpeg.frame-cut"),
    "twelve bits": (photo(*TABLES, sof(bits=12), sos()), "jpeg.frame-other"),
    "two components": (photo(*TABLES, sof((0, 0)), sos((0, 0))), "jpeg.frame-other"),
    "a byte more in the frame header": (photo(*TABLES, segment(0xC0, sof()[4:] + b"x"), sos()), "jpeg.frame-other"),
    "no height": (photo(*TABLES, sof(height=0), sos()), "jpeg.frame-other"),
    "no width": (photo(*TABLES, sof(width=0), sos()), "jpeg.frame-other"),
    "a comment": (photo(segment(0xFE, b"Anna"), *TABLES, sof(), sos()), "jpeg.marker"),
    "a marker without a name": (photo(segment(0xEF, b"Anna"), *TABLES, sof(), sos()), "jpeg.marker"),
}  # fmt: skip


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_by_hand(name: str) -> None:
    data, wrong = JPEGS[name]
    assert flaw(jpeg.walk, data) == wrong


def test_the_facts_of_a_jpeg() -> None:
    assert jpeg.walk(WHOLE) == {"width": 24, "height": 16, "segments": 6, "coded": len(CODED)}


@pytest.mark.parametrize(("marker", "said"), [(0xFE, "a comment stands at"), (0xEF, "marker FFEF stands at")])
def test_what_stands_in_a_jpeg_is_named(marker: int, said: str) -> None:
    with pytest.raises(StructureError, match=said):
        jpeg.walk(photo(segment(marker, b"Anna"), *TABLES, sof(), sos()))


# PNG

ROWS = b"\0\1\2\3" + b"\4\4\5\6"
"""Two rows of three grey pixels, each behind its filter: the first and the last that there is."""


def header(
    width: int = 3,
    height: int = 2,
    depth: int = 8,
    colour: int = 0,
    method: int = 0,
    filtering: int = 0,
    lace: int = 0,
) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, method, filtering, lace))


def drawing(*parts: bytes, start: bytes = png.SIGNATURE, end: bytes = chunk(b"IEND", b"")) -> bytes:
    return start + b"".join(parts) + end


PRESSED = zlib.compress(ROWS)
IDAT = chunk(b"IDAT", PRESSED)
PNGS: dict[str, tuple[bytes, str]] = {
    "the plain one": (drawing(header(), IDAT), ""),
    "in colour": (drawing(header(width=1, colour=2), IDAT), ""),
    "in two parts": (drawing(header(), chunk(b"IDAT", PRESSED[:5]), chunk(b"IDAT", PRESSED[5:])), ""),
    "no start": (drawing(header(), IDAT, start=b"\x89PNG\r\n\x1a\r"), "png.start"),
    "no end": (drawing(header(), IDAT, end=b""), "png.chunks"),
    "eleven bytes as the last chunk": (drawing(header(), IDAT, end=bytes(11)), "png.chunk-cut"),
    "a checksum cut off": (drawing(header(), IDAT, end=b"")[:-1], "png.chunk-cut"),
    "a body cut off": (drawing(header(), IDAT[:16], end=b""), "png.chunk-cut"),
    "a wrong checksum": (drawing(header(), IDAT[:-1] + b"x"), "png.checksum"),
    "two headers": (drawing(header(), header(), IDAT), "png.chunks"),
    "parts apart": (drawing(header(), IDAT, chunk(b"tEXt", b"a"), IDAT), "png.chunks"),
    "text": (drawing(header(), chunk(b"tEXt", b"a"), IDAT), "png.chunks"),
    "bytes behind the end": (drawing(header(), IDAT) + b"x", "png.trailing"),
    "a long header": (drawing(chunk(b"IHDR", header()[8:21] + b"x"), IDAT), "png.chunk-length"),
    "a short header": (drawing(chunk(b"IHDR", header()[8:20]), IDAT), "png.chunk-length"),
    "an end that holds something": (drawing(header(), IDAT, end=chunk(b"IEND", b"x")), "png.chunk-length"),
    "sixteen bits": (drawing(header(depth=16), IDAT), "png.header"),
    "a palette": (drawing(header(colour=3), IDAT), "png.header"),
    "another compression": (drawing(header(method=1), IDAT), "png.header"),
    "another filter method": (drawing(header(filtering=1), IDAT), "png.header"),
    "interlaced": (drawing(header(lace=1), IDAT), "png.header"),
    "no width": (drawing(header(width=0), IDAT), "png.header"),
    "no height": (drawing(header(height=0), IDAT), "png.header"),
    "a filter that is none": (drawing(header(), chunk(b"IDAT", zlib.compress(b"\0\1\2\3\5\4\5\6"))), "png.filter"),
    "a row too many": (drawing(header(), chunk(b"IDAT", zlib.compress(ROWS + ROWS[:4]))), "png.data-more"),
    "a row too few": (drawing(header(), chunk(b"IDAT", zlib.compress(ROWS[:4]))), "png.data-less"),
    "a stream without its end": (drawing(header(), chunk(b"IDAT", PRESSED[:-2])), "png.data-less"),
    "no deflate stream": (drawing(header(), chunk(b"IDAT", b"xxxx")), "png.data-damaged"),
    "bytes behind the stream": (drawing(header(), chunk(b"IDAT", PRESSED + b"x")), "png.picture-trailing"),
    "a chunk behind the stream": (drawing(header(), IDAT, chunk(b"IDAT", b"")), "png.data-trailing"),
}  # fmt: skip


@pytest.mark.parametrize("name", PNGS)
def test_a_png_by_hand(name: str) -> None:
    data, wrong = PNGS[name]
    assert flaw(png.walk, data) == wrong


@pytest.mark.parametrize("step", [1, 3, 1 << 20])
def test_a_png_is_inflated_in_pieces_of_any_size(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "STEP", step)
    assert png.walk(PNGS["in two parts"][0]) == {"width": 3, "height": 2, "segments": 3}
    assert flaw(png.walk, PNGS["a filter that is none"][0]) == "png.filter"


# MP4

Change = bytes | Callable[[bytes], bytes]
UNITS = (b"\x65\x11\x22", b"\x41\x33", b"\x41")
"""Three samples of one slice each: a key picture and two others, the last as short as there can be."""
NO_TIMES = bytes(8)
MATRIX = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
META = box(b"meta", mp4.EMPTY_META)
RECORD = b"\1\x64\0\x0b\xff\xe1\0\2\x67\x64\1\0\1\x68"
"""Version, profile, lengths of four bytes, one SPS of two bytes, one PPS of one."""


def table(*values: int, form: str = "I") -> bytes:
    """A full box's body: version and flags, the number of rows (of as many values as ``form``), the rows."""
    return struct.pack(">II", 0, len(values) // len(form)) + struct.pack(
        ">" + form * (len(values) // len(form)), *values
    )


def entry(*boxes: bytes, name: bytes = b"") -> bytes:
    """A visual sample entry: index 1, 24 by 16 pixels, the boxes behind it."""
    compressor = bytes([len(name)]) + name if name else b""
    return (
        bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HHIIIH", 24, 16, 0x480000, 0x480000, 0, 1)
        + compressor.ljust(32, b"\0") + b"\0\x18\xff\xff" + b"".join(boxes)
    )  # fmt: skip


AVC = entry(box(b"avcC", RECORD))
NAMED = entry(box(b"avcC", RECORD), name=b"Lavc libx264")


class Film:
    """An MP4 under construction: ``changes`` maps a box's name, or ``soun/`` and its name, to another body of it."""

    def __init__(self, changes: Mapping[str, Change], more: Mapping[str, bytes]) -> None:
        self.changes, self.more = changes, more
        self.used: set[str] = set()

    def box(self, name: str, body: bytes, kind: str = "vide") -> bytes:
        for key in (name, f"{kind}/{name}"):
            if key in self.changes and (kind == "vide" or "/" in key):
                change = self.changes[key]
                body = change(body) if callable(change) else change
                self.used.add(key)
        key = f"{kind}/{name}"
        self.used |= {key} & set(self.more)
        return box(name.encode(), body + self.more.get(key, b""))

    def track(self, kind: str, offsets: Sequence[int], sizes: Sequence[int]) -> bytes:
        def put(name: str, *parts: bytes) -> bytes:
            return self.box(name, b"".join(parts), kind)

        coded = box(b"avc1", AVC) if kind == "vide" else box(b"mp4a", b"sound")
        stbl = put(
            "stbl",
            put("stsd", b"\0\0\0\0\0\0\0\1", coded),
            put("stts", table(len(sizes), 10, form="II")),
            put("stsc", table(1, 1, 1, form="III")),
            put("stsz", bytes(4) + table(*sizes)),
            put("stco", table(*offsets)),
        )
        dref = put("dref", struct.pack(">II", 0, 1) + box(b"url ", b"\0\0\0\1"))
        minf = put("minf", put("vmhd" if kind == "vide" else "smhd", bytes(12)), put("dinf", dref), stbl)
        mdhd = put("mdhd", bytes(4) + NO_TIMES + struct.pack(">II", 1000, 30) + b"\x55\xc4\0\0")
        hdlr = put("hdlr", bytes(8) + kind.encode() + bytes(13))
        size = struct.pack(">II", 24 << 16, 16 << 16) if kind == "vide" else bytes(8)
        tkhd = put("tkhd", b"\0\0\0\3" + NO_TIMES + bytes(28) + MATRIX + size)
        return put("trak", tkhd, put("mdia", mdhd, hdlr, minf))

    def whole(self, units: Sequence[bytes], sounds: Sequence[bytes], *, last: str, gap: bytes) -> bytes:
        samples = [struct.pack(">I", len(unit)) + unit for unit in units]
        ftyp = self.box("ftyp", b"isom\0\0\2\0isomavc1")
        sizes = [len(one) for one in (*samples, *sounds)]
        count = len(samples)

        def moov(start: int) -> bytes:
            offsets = [start + 8 + len(gap) + sum(sizes[:n]) for n in range(len(sizes))]
            tracks = self.track("vide", offsets[:count], sizes[:count])
            if sounds:
                tracks += self.track("soun", offsets[count:], sizes[count:])
            numbers = struct.pack(">IIIH", 1000, 30, 1 << 16, 256) + bytes(10)
            return self.box(
                "moov", self.box("mvhd", bytes(4) + NO_TIMES + numbers + MATRIX + bytes(28)) + tracks
            )

        mdat = self.box("mdat", gap + b"".join((*samples, *sounds)))
        if last == "moov":
            return ftyp + mdat + moov(len(ftyp))
        return ftyp + moov(len(ftyp) + len(moov(0))) + mdat


def film(
    changes: Mapping[str, Change] | None = None,
    *,
    units: Sequence[bytes] = UNITS,
    sounds: Sequence[bytes] = (),
    more: Mapping[str, bytes] | None = None,
    last: str = "moov",
    gap: bytes = b"",
    tail: bytes = b"",
) -> bytes:
    """An MP4 of these samples. ``more``: what else is in a box; ``gap``: bytes before the first sample."""
    made = Film(changes or {}, more or {})
    data = made.whole(units, sounds, last=last, gap=gap) + tail
    assert made.used == {*(changes or {}), *(more or {})}, "a change that changes nothing"
    return data


def audited(data: bytes) -> tuple[mp4.Movie, dict[str, int]]:
    file = io.BytesIO(data)
    movie = mp4.walk(file)
    return movie, h264.check(file, movie)


def put(at: int, value: bytes) -> Change:
    """The body with other bytes at a place, from its end if that is negative."""

    def change(body: bytes) -> bytes:
        at_ = at % len(body)
        return body[:at_] + value + body[at_ + len(value) :]

    return change


def recorded(record: bytes, *others: bytes) -> Change:
    return b"\0\0\0\0\0\0\0\1" + box(b"avc1", entry(*others, box(b"avcC", record)))


def coded(name: bytes, body: bytes = AVC) -> Change:
    return b"\0\0\0\0\0\0\0\1" + box(name, body)


ROLL = b"\1\0\0\0roll\0\0\0\2\0\0\0\1\xff\xff"
ROLLED = b"\0\0\0\0roll\0\0\0\1\0\0\0\3\0\0\0\1"
HEARD = (b"abc", b"de")
LONG_TIMES = b"\1\0\0\0" + bytes(16)

MP4S: dict[str, tuple[bytes, str]] = {
    "the plain one": (film(), ""),
    "its samples as the last bytes": (film(last="mdat"), ""),
    "with sound": (film(sounds=HEARD), ""),
    "two empty free boxes": (film(tail=box(b"free", b"") * 2), ""),
    "a free box of zeros": (film(tail=box(b"free", bytes(3))), ""),
    "a free box that holds something": (film(tail=box(b"free", b"\0\0x")), "mp4.free"),
    "a box of no use": (film(tail=box(b"uuid", b"x")), "mp4.box"),
    "two boxes of brands": (film(tail=box(b"ftyp", b"isom\0\0\2\0")), "mp4.second-box"),
    "no samples": (film()[: film().index(b"mdat") - 4] + film()[film().index(b"moov") - 4 :], "mp4.no-box"),
    "seven bytes behind the end": (film(tail=bytes(7)), "mp4.trailing"),
    "a size of seven": (film(tail=b"\0\0\0\7free"), "mp4.box-size"),
    "a box longer than the file": (film(tail=b"\0\0\0\x09free"), "mp4.box-size"),
    "a size of eight bytes": (film(tail=b"\0\0\0\1free\0\0\0\0\0\0\0\x12\0\0"), ""),
    "a size of eight bytes that is too small": (film(tail=b"\0\0\0\1free\0\0\0\0\0\0\0\x0f"), "mp4.box-size"),
    "a box within that is too small": (film(more={"vide/trak": b"\0\0\0\7edts"}), "mp4.box-size"),
    "a box within that is too long": (film(more={"vide/trak": b"\0\0\0\x09mdia"}), "mp4.box-size"),
    "a box within of no use": (film(more={"vide/trak": box(b"edts", b"")}), "mp4.box"),
    "an empty box of user data": (film(more={"vide/moov": box(b"udta", b"")}), "mp4.udta"),
    "the muxer's own user data": (film(more={"vide/moov": box(b"udta", META)}), ""),
    "two headers of the movie": (film(more={"vide/moov": box(b"mvhd", bytes(100))}), "mp4.boxes"),
    "two headers of a track": (film(more={"vide/trak": box(b"tkhd", bytes(84))}), "mp4.boxes"),
    "every brand": (film({"ftyp": b"isom\0\0\2\0" + b"".join(sorted(mp4.BRANDS))}), ""),
    "brands of 64 bytes": (film({"ftyp": b"isom\0\0\2\0" + b"isom" * 14}), ""),
    "brands of 68 bytes": (film({"ftyp": b"isom\0\0\2\0" + b"isom" * 15}), "mp4.brand"),
    "an unknown brand": (film({"ftyp": b"isom\0\0\2\0qt  "}), "mp4.brand"),
    "an unknown main brand": (film({"ftyp": b"qt  \0\0\2\0isom"}), "mp4.brand"),
    "another version of the main brand": (film({"ftyp": b"isom\0\0\2\1isomavc1"}), "mp4.brand"),
    "half a brand": (film({"ftyp": b"isom\0\0\2\0iso"}), "mp4.brand"),
    "no video": (film({"hdlr": bytes(8) + b"soun" + bytes(13), "stsd": coded(b"mp4a")}), "mp4.tracks"),
    "two sounds": (film({"hdlr": bytes(8) + b"soun" + bytes(13), "stsd": coded(b"mp4a")}, sounds=HEARD), "mp4.tracks"),
    "two videos": (
        film({"soun/hdlr": bytes(8) + b"vide" + bytes(13), "soun/stsd": coded(b"avc1")}, sounds=HEARD),
        "mp4.tracks",
    ),
    "a time of creation": (film({"mvhd": put(7, b"\1")}), "mp4.created"),
    "a time of change": (film({"mvhd": put(11, b"\1")}), "mp4.created"),
    "a track's time": (film({"tkhd": put(4, b"\1")}), "mp4.created"),
    "a media's time": (film({"mdhd": put(4, b"\1")}), "mp4.created"),
    "times of eight bytes": (
        film(
            {
                "mvhd": lambda body: LONG_TIMES + body[12:16] + bytes(4) + body[16:],
                "tkhd": lambda body: b"\1\0\0\3" + LONG_TIMES[4:] + bytes(4) + body[12:],
                "mdhd": lambda body: LONG_TIMES + body[12:16] + bytes(4) + body[16:],
            }
        ),
        "",
    ),
    "a time of eight bytes": (
        film({"mvhd": lambda body: LONG_TIMES[:-1] + b"\1" + body[12:16] + bytes(4) + body[16:]}),
        "mp4.created",
    ),
    "an unknown version": (film({"mvhd": put(0, b"\2")}), "mp4.created"),
    "a turned movie": (film({"mvhd": put(36, b"\0\2")}), "mp4.turned"),
    "a turned track": (film({"tkhd": put(40, b"\0\2")}), "mp4.turned"),
    "a turned track with times of eight bytes": (
        film({"tkhd": lambda body: b"\1\0\0\3" + LONG_TIMES[4:] + bytes(4) + body[12:40] + b"\0\2" + body[42:]}),
        "mp4.turned",
    ),
    "no language at all": (film({"mdhd": put(-4, b"\0\0")}), ""),
    "a language": (film({"mdhd": put(-4, b"\x15\xc7")}), "mp4.language"),
    "bytes behind the language": (film({"mdhd": put(-1, b"\1")}), "mp4.language"),
    "a track of text": (film({"hdlr": put(8, b"text")}), "mp4.track-kind"),
    "bytes before the track's kind": (film({"hdlr": put(7, b"\1")}), "mp4.track-kind"),
    "a track's name": (film({"hdlr": put(-2, b"x")}), "mp4.track-kind"),
    "another file": (film({"dref": put(-1, b"\0")}), "mp4.reference"),
    "shifts of pictures": (film(more={"vide/stbl": box(b"ctts", table(3, 7, form="II"))}), ""),
    "two tables of shifts": (
        film(more={"vide/stbl": box(b"ctts", table(3, 7, form="II")) * 2}),
        "mp4.composition",
    ),
    "groups of pictures": (film(more={"vide/stbl": box(b"sgpd", ROLL)}), "mp4.sample-groups"),
    "groups of pictures alone": (film(more={"vide/stbl": box(b"sbgp", ROLLED)}), "mp4.sample-groups"),
    "the encoder's delay": (
        film(sounds=HEARD, more={"soun/stbl": box(b"sgpd", ROLL) + box(b"sbgp", ROLLED)}),
        "",
    ),
    "two groups of samples": (film(sounds=HEARD, more={"soun/stbl": box(b"sbgp", ROLLED + bytes(8))}), ""),
    "many groups of samples": (
        film(sounds=HEARD, more={"soun/stbl": box(b"sbgp", ROLLED + bytes(9))}),
        "mp4.sample-group",
    ),
    "a longer group": (film(sounds=HEARD, more={"soun/stbl": box(b"sgpd", ROLL + b"x")}), "mp4.sample-group"),
    "another group": (
        film(sounds=HEARD, more={"soun/stbl": box(b"sgpd", ROLL.replace(b"roll", b"prol"))}),
        "mp4.sample-group",
    ),
    "samples of another group": (
        film(sounds=HEARD, more={"soun/stbl": box(b"sbgp", ROLLED.replace(b"roll", b"prol"))}),
        "mp4.sample-group",
    ),
    "two codings": (film(more={"vide/stsd": box(b"avc1", AVC)}), "mp4.codings"),
    "another coding": (film({"stsd": coded(b"hvc1")}), "mp4.codings"),
    "sound coded as pictures": (film({"soun/stsd": coded(b"avc1")}, sounds=HEARD), "mp4.codings"),
    "samples of one size": (
        film({"stsz": struct.pack(">III", 0, 7, 3)}, units=(b"\x65\1\2", b"\x41\1\2", b"\x41\1\2")),
        "",
    ),
    "more sizes than are counted": (film(more={"vide/stsz": b"\0\0\0\1"}), "mp4.table-size"),
    "more places than are counted": (film(more={"vide/stco": b"\0\0\0\1"}), "mp4.table-size"),
    "two tables of places": (film(more={"vide/stbl": box(b"stco", table(1))}), "mp4.places"),
    "fewer runs of times than are counted": (film({"stts": put(7, b"\2")}), "mp4.times"),
    "times for more samples": (film({"stts": table(4, 10, form="II")}), "mp4.times"),
    "fewer chunks than are counted": (film({"stsc": put(7, b"\2")}), "mp4.chunks"),
    "chunks from the second on": (film({"stsc": table(2, 1, 1, form="III")}), "mp4.chunks"),
    "chunks of a second coding": (film({"stsc": table(1, 1, 2, form="III")}), "mp4.chunks"),
    "a run of no chunks": (film({"stsc": table(1, 9, 1, 1, 1, 1, form="III")}), "mp4.chunks"),
    "runs of chunks backwards": (film({"stsc": table(1, 1, 1, 3, 1, 1, 2, 1, 1, form="III")}), "mp4.chunks"),
    "chunks of two samples": (film({"stsc": table(1, 2, 1, form="III")}), "mp4.chunks-fit"),
    "chunks without a run": (
        film({"stsc": table(), "stsz": bytes(4) + table(), "stts": table(), "stco": table(1)}),
        "mp4.chunks-fit",
    ),
    "no picture": (
        film({"stsc": table(), "stsz": bytes(4) + table(), "stts": table(), "stco": table()}),
        "mp4.no-picture",
    ),
    "a gap before the first sample": (film(gap=b"x"), "mp4.media-data"),
    "bytes behind the last sample": (film(more={"vide/mdat": b"x"}), "mp4.media-data"),
    "a sample that lies in another": (film({"stsz": bytes(4) + table(7, 7, 5)}), "mp4.media-data"),
    "an index that ends too soon": (film({"tkhd": b"\0\0\0\3"}), "mp4.turned"),
    "a table that ends too soon": (film({"stsz": b"\0\0"}), "mp4.no-parse"),
    # The stream
    "a picture cut off": (
        film({"stsz": bytes(4) + table(7, 6, 4)}, units=(*UNITS[:2], b""), last="mdat"),
        "h264.cut-off",
    ),
    "an empty part": (film(units=(b"", *UNITS[1:])), "h264.parts"),
    "a part that is too long": (film({"mdat": put(3, b"\4")}), "h264.parts"),
    "a message": (film(units=(b"\6Anna", *UNITS[1:])), "h264.message"),
    "a unit of another kind": (film(units=(b"\x09\xf0", *UNITS[1:])), "h264.unit"),
    "what comes first in an entry": (film({"stsd": put(21, b"\1")}), "h264.maker"),
    "an encoder's number": (film({"stsd": put(16 + 8, b"\1")}), "h264.maker"),
    "an encoder's last number": (film({"stsd": put(16 + 23, b"\1")}), "h264.maker"),
    "our encoder's name": (film({"stsd": coded(b"avc1", NAMED)}), ""),
    "another encoder's name": (
        film({"stsd": coded(b"avc1", entry(box(b"avcC", RECORD), name=b"Lavc libx265"))}),
        "h264.maker",
    ),
    "bytes behind the encoder's name": (
        film({"stsd": coded(b"avc1", NAMED.replace(b"libx264" + bytes(4), b"libx264Anna"))}),
        "h264.maker",
    ),
    "no configuration": (film({"stsd": coded(b"avc1", entry())}), "mp4.boxes"),
    "two configurations": (film({"stsd": recorded(RECORD, box(b"avcC", b"Anna"))}), "mp4.boxes"),
    "seven bytes of configuration": (film({"stsd": recorded(RECORD[:7])}), "h264.no-configuration"),
    "eight bytes of configuration": (film({"stsd": recorded(RECORD[:8])}), "mp4.no-parse"),
    "a configuration of version 2": (film({"stsd": recorded(b"\2" + RECORD[1:])}), "h264.no-configuration"),
    "lengths of two bytes": (film({"stsd": recorded(RECORD[:4] + b"\xfd" + RECORD[5:])}), "h264.no-configuration"),
    "two sequence parameter sets": (
        film({"stsd": recorded(RECORD[:5] + b"\xe2" + RECORD[6:])}),
        "h264.parameter-sets",
    ),
    "two picture parameter sets": (
        film({"stsd": recorded(RECORD[:10] + b"\2" + RECORD[11:])}),
        "h264.parameter-sets",
    ),
    "33 picture parameter sets": (
        film({"stsd": recorded(RECORD[:10] + b"\x21" + RECORD[11:])}),
        "h264.parameter-sets",
    ),
    "a message as parameters": (film({"stsd": recorded(RECORD[:8] + b"\6" + RECORD[9:])}), "h264.other-parameters"),
    "the high profile's four bytes": (film({"stsd": recorded(RECORD + b"\xfd\xf8\xf8\0")}), ""),
    "bytes behind the configuration": (film({"stsd": recorded(RECORD + b"Anna!")}), "h264.trailing"),
    "colours before the configuration": (
        film({"stsd": recorded(RECORD, box(b"colr", b"nclx\0\1\0\1\0\1\0"))}),
        "",
    ),
    "a colour profile": (film({"stsd": recorded(RECORD, box(b"colr", b"profAnna's own"))}), "mp4.box-size"),
    "aspect, rate and fields": (
        film({"stsd": recorded(RECORD, box(b"pasp", bytes(8)), box(b"btrt", bytes(12)), box(b"fiel", b"\1\0"))}),
        "",
    ),
    "more than an aspect": (film({"stsd": recorded(RECORD, box(b"pasp", bytes(9)))}), "mp4.box-size"),
    "a text in the entry": (film({"stsd": recorded(RECORD, box(b"text", b"Anna"))}), "mp4.box"),
}  # fmt: skip


@pytest.mark.parametrize("name", MP4S)
def test_an_mp4_by_hand(name: str) -> None:
    data, wrong = MP4S[name]
    assert flaw(audited, data) == wrong


def test_what_is_read_of_an_mp4() -> None:
    movie, facts = audited(film(sounds=HEARD))
    start = film(sounds=HEARD).index(b"mdat") + 4
    assert (movie.width, movie.height, facts) == (24, 16, {"units": 3})
    assert (movie.video.kind, movie.video.timescale, movie.video.entry) == ("vide", 1000, AVC)
    assert movie.video.offsets.tolist() == [start, start + 7, start + 13]
    assert movie.video.sizes.tolist() == [7, 6, 5]
    assert movie.shown.tolist() == [0, 10, 20] and movie.video.durations.tolist() == [10] * 3
    assert movie.sound and movie.sound.kind == "soun" and movie.sound.sizes.tolist() == [3, 2]
    assert audited(film())[0].sound is None


def test_times_of_eight_bytes_move_what_stands_behind_them() -> None:
    movie, _ = audited(MP4S["times of eight bytes"][0])
    assert movie.video.timescale == 1000


@pytest.mark.parametrize(
    ("shifts", "shown"),
    [
        (table(1, 20, 2, 0, form="II"), [10, 20, 20]),
        (b"\1" + table(2, 0, 1, 2**32 - 15, form="II")[1:], [0, 5, 10]),
    ],
)
def test_shifted_pictures_are_shown_in_their_order(shifts: bytes, shown: list[int]) -> None:
    movie, _ = audited(film(more={"vide/stbl": box(b"ctts", shifts)}))
    assert movie.shown.tolist() == shown


def test_samples_in_chunks_and_places_of_eight_bytes() -> None:
    """Two chunks, one of two samples and one of one, by a table of 64 bits."""
    start = film().index(b"mdat") + 4
    rows = table(1, 2, 1, 2, 1, 1, form="III")
    data = film({"stsc": rows, "stco": table(start, start + 13)})
    assert audited(data)[0].video.offsets.tolist() == [start, start + 7, start + 13]
    # The same name, of the same length, for a table of wider numbers: sizes around it grow by 8.
    wide = film({"stsc": rows, "stco": table(start, start + 13, form="Q")}).replace(b"stco", b"co64")
    assert audited(wide)[0].video.offsets.tolist() == [start, start + 7, start + 13]
    one = film({"stsc": table(1, 3, 1, form="III"), "stco": table(start)})
    assert audited(one)[0].video.offsets.tolist() == [start, start + 7, start + 13]


@pytest.mark.parametrize(
    ("name", "size"), [("MOST_INDEX", len(film()) - film().index(b"moov") - 4), ("MOST_SAMPLES", 3)]
)
def test_what_is_too_much_to_be_read(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4, name, size)
    assert not flaw(audited, film())
    monkeypatch.setattr(mp4, name, size - 1)
    assert flaw(audited, film()) in ("mp4.index-size", "mp4.table-size")


def test_a_box_is_named_by_its_name() -> None:
    with pytest.raises(StructureError, match="a box 'edts' that no player needs"):
        audited(film(more={"vide/trak": box(b"edts", b"")}))
