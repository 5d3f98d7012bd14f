"""What identified the source is noticed by kind, its values become canaries, and no bytes upset the walk."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from anonymizer.core.types import Traces
from anonymizer.read.traces.collector import TraceCollector
from anonymizer.read.traces.exif import spelled
from anonymizer.read.traces.harvest import harvest, union
from anonymizer.read.traces.isobmff import read_heif
from anonymizer.read.traces.segments import MAX_INFLATED, inflated
from anonymizer.read.traces.strings import COMMON, canaries, path_strings
from anonymizer.write.photo import write_photo
from leaky import LEAKY, box, chunk, exif, jpeg, picture, saved, segment, with_segments


@pytest.mark.parametrize("leak", LEAKY.values(), ids=lambda leak: leak.name)
def test_every_planted_trace_is_found(leak) -> None:
    found = harvest(leak.content, leak.form)
    assert set(found.kinds) >= leak.kinds
    assert found.strings >= leak.strings


@pytest.mark.parametrize("leak", LEAKY.values(), ids=lambda leak: leak.name)
def test_kinds_are_words_that_may_be_published(leak) -> None:
    for kind in harvest(leak.content, leak.form).kinds:
        assert re.fullmatch(r"[A-Za-z0-9 ]+", kind) and "CANARY" not in kind


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_clean_file_holds_no_trace(form: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_photo(np.asarray(picture()), path, form, 95)
    assert harvest(path.read_bytes(), form) == Traces()


@pytest.mark.parametrize("form", ["WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"])
def test_a_bare_picture_of_any_format_holds_no_trace(form: str) -> None:
    pillow_heif.register_heif_opener()
    content = saved(picture(), form)
    found = harvest(content, {"WEBP": "WebP"}.get(form, form))
    assert (found.kinds, found.strings) == ((), frozenset())


def with_exif(**tags: object) -> Traces:
    block = exif()
    for number, value in tags.items():
        block[int(number[1:], 16)] = value
    return harvest(jpeg(picture(), exif=block), "JPEG")


def test_a_place_in_the_ways_programs_write_it() -> None:
    strings = with_exif().strings
    assert {"52.5200", "13.4050", "+52.5200", "52°31'12\"N", "52 deg 31' 12.00\"", "13.405"} <= strings
    # A longer number begins with the shorter one.
    assert any(text in "52.520008" for text in strings)


@example(1.2819997129916487, "N")  # six decimals round it up, eight do not
@given(st.floats(0.1, 179.9), st.sampled_from("NESW"))
def test_every_decimal_spelling_of_a_coordinate_holds_a_canary(value: float, letter: str) -> None:
    degrees = int(value)
    minutes = int((value - degrees) * 60)
    seconds = (value - degrees - minutes / 60) * 3600
    found = spelled((degrees, minutes, seconds), letter)
    for digits in (4, 5, 6, 8):
        if len(f"{value:.3f}") >= 5:
            written = f"{value:.{digits}f}"
            assert any(text in written for text in found), written


def test_coordinates_of_nowhere_are_none() -> None:
    assert spelled((0, 0, 0), "N") == set()
    assert spelled((500, 0, 0), "N") == set()
    zero = Image.Exif()
    zero.get_ifd(0x8825)[2] = (0.0, 0.0, 0.0)
    assert not any("0.0" in text for text in harvest(jpeg(picture(), exif=zero), "JPEG").strings)


def test_dates_in_the_ways_people_write_them() -> None:
    strings = with_exif().strings
    forms = {"2024:05:17", "2024-05-17", "20240517", "17.05.2024", "17/05/2024", "05/17/2024", "09:30:00"}
    assert forms <= strings
    assert set(canaries("geb. 17.5.2024")) >= forms - {"09:30:00"}
    assert set(canaries("IMG_20240517_093000")) >= forms - {"09:30:00"}
    assert not {text for text in canaries("build 20249917") if "-" in text}


def test_fields_in_every_encoding() -> None:
    windows = "Müller Änne".encode("utf-16-le") + b"\0\0"
    note = b"UNICODE\0" + "Kniebefund links".encode("utf-16-le")
    found = with_exif(x9C9D=windows, x9286=note)
    assert {"Müller Änne", "Müller", "Kniebefund"} <= found.strings
    assert "owner or author name" in found.kinds
    text = b"Artist\0" + "Jürgen Groß".encode()
    png = saved(picture(), "PNG")
    assert "Jürgen Groß" in harvest(png[:33] + chunk(b"tEXt", text) + png[33:], "PNG").strings
    latin = harvest(with_segments(jpeg(picture()), segment(0xFE, "Jürgen Groß".encode("latin-1"))), "JPEG")
    assert "Jürgen Groß" in latin.strings


def test_iptc_by_dataset() -> None:
    def dataset(number: int, value: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value

    record = dataset(80, b"Dr Quendolin") + dataset(90, b"Wuppertal") + dataset(120, b"Naht am Kinn")
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record
    found = harvest(with_segments(jpeg(picture()), segment(0xED, body)), "JPEG")
    assert {"owner or author name", "place name", "description or comment", "IPTC"} <= set(found.kinds)
    assert {"Dr Quendolin", "Wuppertal", "Naht am Kinn"} <= found.strings


def test_xmp_by_its_properties() -> None:
    packet = (
        b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        b"xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        b"xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/' mwg-rs:Name='Zacharias'"
        b" aux:SerialNumber='00815-4711' photoshop:City='Pirmasens' GCamera:MicroVideo='1'"
        b" hdrgm:Version='1.0'/><dc:creator>M&#252;ller &amp; Sohn</dc:creator></rdf:RDF></x:xmpmeta>"
    )
    found = harvest(with_segments(jpeg(picture()), segment(0xE1, packet)), "JPEG")
    assert set(found.kinds) >= {
        "XMP", "face regions with names", "serial number", "place name", "motion photo video",
        "depth or gain map", "owner or author name",
    }  # fmt: skip
    assert {"Zacharias", "00815-4711", "Pirmasens", "Müller & Sohn"} <= found.strings
    assert not any("w3.org" in text or "metadataworking" in text for text in found.strings)


def test_content_credentials() -> None:
    jumbf = segment(0xEB, b"JP\0\1\0\0\0\1jumb c2pa.assertions CANARY_CLAIM")
    assert "C2PA manifest" in harvest(with_segments(jpeg(picture()), jumbf), "JPEG").kinds
    png = saved(picture(), "PNG")
    found = harvest(png[:33] + chunk(b"caBX", b"c2pa CANARY_CLAIM") + png[33:], "PNG")
    assert "C2PA manifest" in found.kinds and "CANARY_CLAIM" in " ".join(found.strings)


def test_exif_hidden_as_hex_in_a_png_text() -> None:
    raw = b"Exif\0\0" + exif().tobytes().removeprefix(b"Exif\0\0")
    text = f"\nexif\n{len(raw):8}\n{raw.hex()}\n".encode()
    png = saved(picture(), "PNG")
    found = harvest(png[:33] + chunk(b"tEXt", b"Raw profile type exif\0" + text) + png[33:], "PNG")
    assert "GPS position" in found.kinds and "SN-4711-0815" in found.strings


def test_the_pictures_behind_a_picture_are_walked_too() -> None:
    second = with_segments(jpeg(picture()), segment(0xFE, b"CANARY_SECOND_PICTURE"))
    found = harvest(jpeg(picture()) + b"\0" * 50 + second + second, "JPEG")
    assert "CANARY_SECOND_PICTURE" in found.strings
    assert "embedded preview or second picture" in found.kinds


def test_a_heif_with_everything(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    heif = pillow_heif.from_pillow(picture())
    heif.add_from_pillow(picture(64, 64))
    heif.save(buffer, exif=exif().tobytes(), primary_index=0)
    content = buffer.getvalue()
    assert read_heif(content).complete and len(read_heif(content).items) >= 3
    content += box(b"mpvd", b"ftypmp42 CANARY_FILM") + box(b"uuid", b"\0" * 16 + b"CANARY_UUID")
    content += box(b"free", b"CANARY_FREE") + b"SEFT CANARY_TAIL"
    found = harvest(content, "HEIF")
    assert set(found.kinds) >= {
        "GPS position", "serial number", "embedded preview or second picture", "motion photo video",
        "unknown segment or chunk", "data after the end of the picture",
    }  # fmt: skip
    joined = " ".join(found.strings)
    assert all(f"CANARY_{name}" in joined for name in ("FILM", "UUID", "FREE", "TAIL", "ARTIST"))


def jpeg_in_tiff(tables: bytes = b"") -> bytes:
    """A TIFF whose strips are JPEG streams, with its tables in tag 347; ``tables`` in their place, as long as they."""
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, "TIFF", compression="jpeg")
    content = file.getvalue()
    with Image.open(file) as image:
        standing = bytes(image.tag_v2[347])  # type: ignore[index]
    assert content.count(standing) == 1
    return content.replace(standing, tables.ljust(len(standing), b"\0")) if tables else content


def test_a_jpegs_tables_in_a_tiff_are_no_text() -> None:
    """Else every JPEG, which holds the same tables, would hold "strings of the source"."""
    assert harvest(jpeg_in_tiff(), "TIFF").strings == frozenset()


def test_text_among_a_jpegs_tables_in_a_tiff_is_found() -> None:
    tables = b"\xff\xd8" + segment(0xFE, b"Anna Muster, Ulm") + b"\xff\xd9"
    assert "Anna Muster, Ulm" in harvest(jpeg_in_tiff(tables), "TIFF").strings
    assert "Muster" in harvest(jpeg_in_tiff(b"\xff\xd8\xff\xd9 Anna Muster "), "TIFF").strings


def test_a_big_tiff() -> None:
    """BigTIFF: offsets of eight bytes (Adobe's TIFF 6.0 extended by libtiff)."""
    text = b"CANARY_BIG_ARTIST\0"
    entry = struct.pack("<HHQQ", 0x013B, 2, len(text), 16 + 8 + 20 + 8)
    data = b"II" + struct.pack("<HHHQ", 43, 8, 0, 16) + struct.pack("<Q", 1) + entry + b"\0" * 8 + text
    found = harvest(data, "TIFF")
    assert found.kinds == ("owner or author name",)
    assert "CANARY_BIG_ARTIST" in found.strings


def test_a_directory_that_points_at_itself_ends() -> None:
    entry = struct.pack("<HHII", 0x014A, 4, 1, 8)
    loop = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8)
    harvest(with_segments(jpeg(picture()), segment(0xE1, b"Exif\0\0" + loop)), "JPEG")


def test_deflated_text_is_read_no_further_than_its_bound() -> None:
    import zlib

    assert len(inflated(zlib.compress(b"A" * 50_000_000))) == MAX_INFLATED
    broken = zlib.compress(b"CANARY_IN_BROKEN " * 3000)[:-20] + b"\xff" * 30
    assert b"CANARY_IN_BROKEN" in inflated(broken)


def test_damaged_metadata_is_said_and_its_text_kept() -> None:
    block = b"Exif\0\0II*\0\xff\xff\xff\x00" + b"CANARY_LOST_TEXT\0"
    found = harvest(
        with_segments(jpeg(picture()), segment(0xE1, block), segment(0xE1, b"Exif\0\0II")), "JPEG"
    )
    assert found.strings == frozenset() or all("CANARY" in text for text in found.strings)
    webp = saved(picture(), "WEBP", exif=exif().tobytes())
    cut = webp[: webp.rindex(b"SN-4711") + 12]
    found = harvest(cut, "WebP")
    assert "SN-4711-0815" in found.strings


@given(st.sampled_from(sorted(LEAKY)), st.data())
def test_no_damage_upsets_the_walk(name: str, data: st.DataObject) -> None:
    leak = LEAKY[name]
    content = bytearray(leak.content)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, min(len(content), 4000) - 1))
        content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for part in (bytes(content), bytes(content[:cut])):
        found = harvest(part, leak.form)
        assert isinstance(found, Traces)
        assert all(len(text) >= 5 for text in found.strings)


@given(
    st.binary(max_size=400),
    st.sampled_from(["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "HEIF", "AVIF", "?"]),
)
@example(b"", "GIF")
@example(b"\xff\xd8\xff\xe1\0\0", "JPEG")
@example(b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60, "TIFF")
@example(box(b"meta", b"\0\0\0\0" + box(b"iloc", b"\2\0\0\0\xff\xff\xff\xff\xff\xff")), "HEIF")
def test_no_bytes_at_all_upset_the_walk(content: bytes, form: str) -> None:
    heads = {
        "JPEG": b"\xff\xd8", "PNG": b"\x89PNG\r\n\x1a\n", "WebP": b"RIFF\xff\0\0\0WEBP", "GIF": b"GIF89a",
        "TIFF": b"II*\0", "BMP": b"BM",
    }  # fmt: skip
    for whole in (content, heads.get(form, b"") + content):
        harvest(whole, form)
    read_heif(content)


@given(st.binary(max_size=300))
def test_random_exif_upsets_nothing(block: bytes) -> None:
    for order in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"):
        harvest(b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + order + block) + b"\xff\xd9", "JPEG")


# What is a canary, and what is not.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Anna",
        "aaaaaaaa",
        "-----",
        "0.0000",
        "ababab",
        "abcdefgh",
        "87654",
        "56789",
        "CDEFGHIJSTUVWXYZ",
        "sRGB IEC61966-2.1",
        "http://ns.adobe.com/xap/1.0/",
        "PHOTOS",
        "Windows",
    ],
)
def test_what_names_nobody_is_no_canary(text: str) -> None:
    assert set(canaries(text)) == set()


def test_the_whole_and_its_telling_words() -> None:
    assert set(canaries("Martha Mustermann, Zimmer 12")) == {
        "Martha Mustermann, Zimmer 12",
        "Martha",
        "Mustermann",
        "Zimmer",
    }
    assert set(canaries("x = 0.39405")) == {"x = 0.39405"}, "decimals alone are none"
    long = "Befund vom Knie. " * 20
    assert set(canaries(long)) == {"Befund"}


@given(st.text(max_size=200))
def test_canaries_are_parts_of_the_text_or_dates(text: str) -> None:
    for canary in canaries(text):
        assert len(canary) >= 5
        assert canary in text or re.search(r"\d{2}", canary)


def test_names_of_files_and_folders() -> None:
    found = path_strings(Path("/home/mustermann/Desktop/Photos/Köhler, Jörg 1970-01-31/IMG_4821.jpg"))
    assert {"mustermann", "IMG_4821", "Köhler", "Köhler, Jörg 1970-01-31", "31.01.1970"} <= found
    assert "Ko\u0308hler" in found, "as macOS writes it"
    assert not {text for text in found if text.casefold() in COMMON | {"home", "img_4821.jpg"}}


def test_names_that_are_no_text() -> None:
    found = path_strings(Path("/Praxis/M\udcfcller\nHanna\x1b[31m.jpg"))
    assert {"Müller", "Hanna"} <= {word for text in found for word in text.split("\x1b")[0].split()}
    for text in found:
        text.encode("utf-8")


@given(st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=60))
@example("\udd00")
def test_any_name_makes_canaries_that_can_be_looked_for(name: str) -> None:
    for text in path_strings(Path("/") / name):
        text.encode("utf-8")


def test_the_harvest_is_bounded() -> None:
    found = TraceCollector()
    for number in range(20000):
        found.text(f"serial {number * 7919:09}")
    assert len(found.strings) <= 8010
    found.left = 0
    found.binary(b"CANARY_TOO_LATE " * 3)
    assert not any("TOO_LATE" in text for text in found.strings)


def test_traces_of_several_files_are_one() -> None:
    both = union([Traces(("XMP", "IPTC"), frozenset({"first"})), Traces(("IPTC",), frozenset({"second"}))])
    assert both == Traces(("XMP", "IPTC"), frozenset({"first", "second"}))
