"""Pictures inside of ZIP archives and PDF documents: what is found in them, what is not taken, and what is harmless."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anonymizer import members
from anonymizer.core.errors import DamagedError, LimitError, MediumError, UnreadableError, UnsupportedError
from anonymizer.core.settings import Limits
from anonymizer.core.types import Pixels
from anonymizer.i18n import speaker
from anonymizer.read.bundle import archive as walker
from anonymizer.read.bundle import reader
from anonymizer.read.bundle.archive import content, entries
from anonymizer.read.bundle.document import Document
from anonymizer.read.bundle.paths import labels, member, page_of, spoken, stem
from anonymizer.read.bundle.reader import contents, expanded, fetch
from anonymizer.read.sniff import PDF, ZIP, sniff
from anonymizer.read.walk import Passed
from bundles import Sheet, archive, document, jpeg, picture, stored

LIMITS = Limits()
ENGLISH = speaker("en")


def drawn(path: Path, limits: Limits = LIMITS) -> Pixels:
    """A page's picture as it goes down the road."""
    found = fetch(path, limits)
    assert found.content is not None
    with Image.open(io.BytesIO(found.content)) as image:
        return np.asarray(image.convert("RGB"))


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def listed(data: bytes) -> dict[str, str]:
    """The labels of an archive's entries, and what is wrong with each."""
    return {one.label: one.flaw for one in entries(io.BytesIO(data), len(data))}


# What an archive holds


def test_each_entry_of_an_archive_is_a_source_or_told_of(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "Mueller.zip",
        {
            "before/IMG_1.jpg": jpeg(1),
            "before\\IMG_2.jpg": jpeg(2),
            "../../etc/IMG_3": jpeg(3),
            "/root/.ssh/IMG_4.jpg": jpeg(4),
            "C:\\IMG_5.jpg": jpeg(5),
            "before/": b"",
            "broken.jpg": b"no picture",
            "notes.txt": b"Hans Mueller",
            "more.zip": packed({"IMG_6.jpg": jpeg(6)}),
            "consent.pdf.jpg": b"%PDF-1.7\n",
            "__MACOSX/before/._IMG_1.jpg": jpeg(7),
            "Thumbs.db": jpeg(8),
            "IMG_9.jpg.part": jpeg(9),
        },
    )
    found = contents(path, LIMITS)
    assert [one.relative_to(path).as_posix() for one in found.members] == [
        "before/IMG_1.jpg",
        "before/IMG_2.jpg",
        "etc/IMG_3",
        "C_/IMG_5.jpg",
        "broken.jpg",
    ]
    said = {one.path.relative_to(path).as_posix(): one for one in found.passed}
    assert {name for name, one in said.items() if one.how is Passed.NOT_TAKEN} == {
        "notes.txt",
        "more.zip",
        "consent.pdf.jpg",
    }
    assert {name for name, one in said.items() if one.media} == {
        "more.zip",
        "consent.pdf.jpg",
    }
    assert "take it out" in ENGLISH(said["more.zip"].reason)
    assert len(found.members) + len(found.passed) == 12, "all but the folder"
    assert fetch(found.members[1], LIMITS).content == jpeg(2)
    assert (
        spoken(found.members[0]) == "Mueller.zip, before/IMG_1.jpg"
        and stem(found.members[0]) == "Mueller IMG_1"
    )
    assert members(path) == found.members
    assert list(tmp_path.iterdir()) == [path], "nothing was unpacked"


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(["a.jpg", "A/../a.jpg", "..", "a.jpg/", "\0", "x" * 400]))
)
def test_labels_lead_nowhere_and_are_each_others_own(names: list[str]) -> None:
    found = labels(names)
    assert len(set(found)) == len(names) and labels(found) == found
    for label in found:
        path = Path("/nowhere/case.zip") / label
        assert (
            path.is_relative_to("/nowhere/case.zip")
            and path.relative_to("/nowhere/case.zip").as_posix() == label
        )
        parts = label.split("/")
        assert all(
            0 < len(part.encode()) < 250 and part not in (".", "..") and part.isprintable() for part in parts
        )


def test_names_without_a_word_on_their_letters_are_read_as_people_write_them() -> None:
    data = packed({"M\u00fcller.jpg": jpeg(1)}, zipfile.ZIP_STORED)
    plain = data.replace(struct.pack("<H", 0x800), bytes(2))
    assert listed(plain) == listed(data) == {"M\u00fcller.jpg": ""}
    old = packed({"Mxller.jpg": jpeg(1)}).replace(b"Mxller", b"M\x81ller")
    assert listed(old) == {"M\u00fcller.jpg": ""}, "code page 437"


def test_two_of_one_name_are_two(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as packing:
        for seed in (1, 2):
            packing.writestr("IMG.jpg", jpeg(seed))
    first, second = members(path)
    assert (first.name, second.name) == ("IMG.jpg", "IMG (2).jpg")
    assert fetch(first, LIMITS).content == jpeg(1) and fetch(second, LIMITS).content == jpeg(2)


def flags(data: bytes, bits: int) -> bytes:
    """The same archive, of one entry, with these flags."""
    central = data.index(b"PK\x01\x02")
    raw = bytearray(data)
    for place in (6, central + 8):
        raw[place : place + 2] = struct.pack("<H", bits)
    return bytes(raw)


def linked() -> bytes:
    info = zipfile.ZipInfo("IMG.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packing:
        packing.writestr(info, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (flags(packed({"IMG.jpg": jpeg(1)}), 1), "password"),
        (linked(), "link"),
        (packed({"IMG.jpg": jpeg(1)}, zipfile.ZIP_LZMA), "packed in a way"),
        (packed({"in.zip": packed({"IMG.jpg": jpeg(1)})}), "inside of an archive"),
    ],
)
def test_what_is_not_opened_is_told_with_what_to_do(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "case.zip"
    path.write_bytes(data)
    try:
        found = contents(path, LIMITS)
    except UnsupportedError as error:
        assert word in str(error), "all of it is protected"
    else:
        (one,) = found.passed
        assert not found.members and one.media and word in ENGLISH(one.reason)
    assert expanded(path, LIMITS, named=True).members == (path,), "the road says it"
    with pytest.raises(MediumError):
        members(path)


def overlapping() -> bytes:
    """Two hundred entries that share the same bytes, as the worst of these archives do (Fifield 2019)."""
    data = packed({"IMG.bmp": bytes(1 << 20)})
    start = data.index(b"PK\x01\x02")
    central, end = data[start : data.rindex(b"PK\x05\x06")], data[data.rindex(b"PK\x05\x06") :]
    tail = end[:8] + struct.pack("<HHI", 200, 200, 200 * len(central)) + end[16:]
    return data[:start] + 200 * central + tail


def promising(size: int) -> bytes:
    """An archive whose one entry says that it is so long."""
    data = bytearray(packed({"IMG.bmp": bytes(1 << 20)}))
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", size)
    return bytes(data)


@pytest.mark.parametrize("data", [overlapping(), promising(0xFFFFFFF0)])
def test_what_promises_the_impossible_is_not_opened(data: bytes) -> None:
    with pytest.raises(LimitError, match="made to do harm"):
        entries(io.BytesIO(data), len(data))


def test_what_unpacks_to_more_than_the_limit_stops_there(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.zip", {"IMG.bmp": b"BM" + bytes(12) + b"\x28" + bytes(8 << 20)})
    assert path.stat().st_size < 20_000
    with pytest.raises(LimitError, match="limit of 1 MiB"):
        fetch(members(path)[0], LIMITS.model_copy(update={"max_bytes": 1 << 20}))
    with pytest.raises(LimitError, match="limit of 1 MiB"), path.open("rb") as file:
        list(content(file, path.stat().st_size, "IMG.bmp", 1 << 20))
    with pytest.raises(LimitError, match="10000 files"):
        data = packed({f"{number}": b"" for number in range(walker.MOST + 1)}, zipfile.ZIP_STORED)
        entries(io.BytesIO(data), len(data))


def test_a_member_whose_bytes_are_not_what_was_packed_is_refused_whole(tmp_path: Path) -> None:
    data = bytearray(packed({"IMG.jpg": jpeg(1)}, zipfile.ZIP_STORED))
    data[2000] ^= 1
    path = tmp_path / "case.zip"
    path.write_bytes(data)
    (one,) = members(path)
    with pytest.raises(DamagedError, match="damaged in its ZIP"):
        fetch(one, LIMITS)


@given(st.data())
@settings(max_examples=150)
def test_no_archive_however_broken_does_more_than_say_so(data: st.DataObject) -> None:
    whole = bytearray(packed({"a/IMG_1.jpg": jpeg(1)[:600], "b.txt": b"hello " * 40, "c/": b""}))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    broken = (
        bytes(whole[: data.draw(st.integers(0, len(whole)))]) if data.draw(st.booleans()) else bytes(whole)
    )
    try:
        found = entries(io.BytesIO(broken), len(broken))
    except MediumError:
        return
    assert len(found) <= 3 and labels([one.label for one in found]) == [one.label for one in found]
    for one in found:
        with contextlib.suppress(MediumError):
            assert sum(map(len, content(io.BytesIO(broken), len(broken), one.label, 1 << 20))) <= 1 << 20


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"PK\x03\x04" + bytes(100), "copy it again"),
        (packed({"IMG.jpg": jpeg(1)})[:-30], "copy it again"),
        (packed({}), "no photo and no clip"),
        (packed({"notes.txt": b"hello"}), "no photo and no clip"),
        (b"%PDF-1.7\nnothing", "copy it again"),
        (document(Sheet(b"")), "no photo and no clip"),
    ],
)
def test_a_bundle_with_nothing_to_take_says_why(tmp_path: Path, data: bytes, word: str) -> None:
    path = tmp_path / "case.zip"
    path.write_bytes(data)
    with pytest.raises(MediumError, match=word):
        members(path)


def test_an_office_document_is_none() -> None:
    for name in ("[Content_Types].xml", "word/document.xml"):
        with pytest.raises(UnsupportedError, match="office document"):
            sniff(packed({name: b"<x/>"}))
    odt = packed({"mimetype": b"application/vnd.oasis.opendocument.text"}, zipfile.ZIP_STORED)
    with pytest.raises(UnsupportedError, match="office document"):
        sniff(odt)
    assert sniff(packed({"a.jpg": b"x"})) is ZIP and sniff(document(Sheet(b""))[:100]) is PDF


def test_a_member_goes_with_its_bundle(tmp_path: Path) -> None:
    path = archive(tmp_path / "case.zip", {"IMG.jpg": jpeg(1)})
    (one,) = members(path)
    assert member(one) == (path, "IMG.jpg") and member(path) is None
    archive(path, {"other.jpg": jpeg(2)})
    with pytest.raises(DamagedError, match="no longer in"):
        fetch(one, LIMITS)
    path.unlink()
    assert member(one) is None
    with pytest.raises(UnreadableError):
        fetch(one, LIMITS)
    path.symlink_to(tmp_path / "elsewhere.zip")
    archive(tmp_path / "elsewhere.zip", {"IMG.jpg": jpeg(1)})
    assert member(one) is None, "a link is not followed"


def test_what_the_confined_process_says_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = archive(tmp_path / "case.zip", {"IMG.jpg": jpeg(1)})

    class Lying:
        def __init__(self, told: dict[str, Any]) -> None:
            self.told = told

        def __call__(self, *_: Any) -> dict[str, Any]:
            return self.told

    for entry in (
        {"label": "../../etc/passwd", "flaw": "", "head": 0},
        {"label": "IMG.jpg", "flaw": "Marie Blanc", "head": 0},
        {"label": "IMG.jpg", "flaw": "", "head": 1 << 40},
    ):
        monkeypatch.setattr(reader, "answer", Lying({"entries": [entry]}))
        with pytest.raises(DamagedError, match="gave up"):
            contents(path, LIMITS)


# What a document shows


PLACED = b"q 200 0 0 150 100.3 400.7 cm /I Do Q"
IMAGE = picture(1, 120, 90)


def written(path: Path, *sheets: Sheet, **more: Any) -> Path:
    path.write_bytes(document(*sheets, **more))
    return path


@pytest.mark.parametrize(("turn", "times"), [(0, 0), (90, 3), (180, 2), (270, 1)])
def test_a_picture_on_a_page_comes_pixel_for_pixel_as_it_is_turned(
    tmp_path: Path, turn: int, times: int
) -> None:
    words = b"BT /F 24 Tf 60 700 Td (Hans Mueller) Tj ET "
    path = written(tmp_path / "a.pdf", Sheet(words + PLACED, {"I": stored(IMAGE)}, b"/Rotate %d" % turn))
    (one,) = members(path)
    assert one.name == "page 1" and np.array_equal(drawn(one), np.rot90(IMAGE, times))


def test_what_a_page_hides_of_a_picture_stays_hidden(tmp_path: Path) -> None:
    half = b"q 100.3 400.7 100 150 re W n 200 0 0 150 100.3 400.7 cm /I Do Q"
    bar = PLACED + b" 0 g 100 400 101 152 re f"
    mask = stored(np.zeros((90, 120, 3), np.uint8)[:, :, :1].repeat(1, 2), b"/ColorSpace/DeviceGray")
    soft = stored(IMAGE, b"/SMask 3 0 R")
    path = written(
        tmp_path / "a.pdf",
        Sheet(half, {"I": stored(IMAGE)}),
        Sheet(bar, {"I": stored(IMAGE)}),
        Sheet(PLACED, {"I": soft}),
        objects=(mask,),
    )
    clipped, barred, masked = map(drawn, members(path))
    assert np.array_equal(clipped[:, :59], IMAGE[:, :59]) and (clipped[:, 61:] == 255).all()
    assert (barred[:, :60] == 0).all() and np.array_equal(barred[:, 62:], IMAGE[:, 62:])
    assert (masked == 255).all()


def test_scans_are_pages_and_pages_without_pictures_too(tmp_path: Path) -> None:
    scan = picture(2, 119, 168)
    strips = b"q 595 0 0 421 0 421 cm /A Do Q q 595 0 0 421 0 0 cm /B Do Q"
    path = written(
        tmp_path / "a.pdf",
        Sheet(b"BT /F 24 Tf 100 700 Td (Only words) Tj ET"),
        Sheet(b"q 595 0 0 842 0 0 cm /I Do Q BT 3 Tr /F 9 Tf 10 10 Td (hidden) Tj ET", {"I": stored(scan)}),
        Sheet(strips, {"A": stored(scan[:84]), "B": stored(scan[84:])}),
        Sheet(b"q 60 0 0 45 20 20 cm /I Do Q q 200 0 0 150 300 400 cm /I Do Q", {"I": stored(IMAGE)}),
        Sheet(b"q 9 0 0 9 20 20 cm /I Do Q BT /F 24 Tf 100 700 Td (a logo) Tj ET", {"I": stored(IMAGE)}),
        Sheet(b""),
    )
    found = contents(path, LIMITS)
    assert [one.name for one in found.members] == [
        *("page 1", "page 2", "page 3", "page 4 (1)", "page 4 (2)", "page 5"),
    ]
    assert [(one.path.name, one.how) for one in found.passed] == [("page 6", Passed.SKIPPED)]
    words, whole = drawn(found.members[0]), drawn(found.members[1])
    assert words.shape[:2] == (2339, 1653) and (words == 255).mean() > 0.9 and words.min() < 50
    assert abs(whole.shape[1] / whole.shape[0] - 595 / 842) < 0.01
    assert drawn(found.members[3]).shape == drawn(found.members[4]).shape == IMAGE.shape
    small = drawn(found.members[0], LIMITS.model_copy(update={"max_pixels": 10_000}))
    assert small.shape[0] * small.shape[1] <= 10_000
    assert page_of("page 4 (2)") == (4, 2) and page_of("page 04") is None
    assert spoken(found.members[3]) == "a.pdf, page 4 (1)"
    with pytest.raises(DamagedError):
        fetch(path / "page 99", LIMITS)


@pytest.mark.parametrize(
    ("more", "samples"),
    [
        (b"/ColorSpace/DeviceCMYK", np.full((90, 120, 4), (0, 255, 255, 0), np.uint8)),
        (b"/ColorSpace[/Indexed/DeviceRGB 1<00FF00FF0000>]", np.ones((90, 120, 1), np.uint8)),
    ],
)
def test_other_colours_are_what_a_reader_shows(tmp_path: Path, more: bytes, samples: Pixels) -> None:
    found = drawn(members(written(tmp_path / "a.pdf", Sheet(PLACED, {"I": stored(samples, more)})))[0])
    assert found.shape == IMAGE.shape
    assert found[..., 0].min() > 200 and found[..., 1:].max() < 60


def coded(kind: str) -> tuple[bytes, Pixels]:
    """A picture as a fax or a JPEG 2000 in a document, and what is to be seen."""
    buffer = io.BytesIO()
    if kind == "JPXDecode":
        Image.fromarray(IMAGE).save(buffer, "JPEG2000")
        return raw_object(b"/Filter/JPXDecode", buffer.getvalue()), IMAGE
    black = Image.fromarray(IMAGE[..., 0] > 127)
    black.save(buffer, "TIFF", compression="group4")
    tiff = Image.open(buffer)
    start, length = tiff.tag_v2[273][0], tiff.tag_v2[279][0]  # type: ignore[attr-defined]
    inverted = b"true" if tiff.tag_v2[262] == 1 else b"false"  # type: ignore[attr-defined]
    about = b"/BitsPerComponent 1/ColorSpace/DeviceGray/Filter/CCITTFaxDecode/DecodeParms"
    about += b"<</K -1/Columns 120/Rows 90/BlackIs1 %s>>" % inverted
    return raw_object(about, buffer.getvalue()[start : start + length]), np.asarray(black.convert("RGB"))


def raw_object(about: bytes, data: bytes) -> bytes:
    head = b"<</Type/XObject/Subtype/Image/Width 120/Height 90%s/Length %d>>stream\n" % (about, len(data))
    return head + data + b"\nendstream"


@pytest.mark.parametrize("kind", ["CCITTFaxDecode", "JPXDecode"])
def test_fax_and_jpeg_2000_are_what_was_coded(tmp_path: Path, kind: str) -> None:
    body, wanted = coded(kind)
    assert np.array_equal(drawn(members(written(tmp_path / "a.pdf", Sheet(PLACED, {"I": body})))[0]), wanted)


def test_a_stamp_on_a_page_is_seen(tmp_path: Path) -> None:
    shape = (
        b"<</Type/XObject/Subtype/Form/BBox[0 0 100 50]/Length 22>>stream\n1 0 0 rg 0 0 99 49 re f\nendstream"
    )
    note = b"/Annots[<</Type/Annot/Subtype/Stamp/Rect[100 600 200 650]/F 4/AP<</N 3 0 R>>>>]"
    sheet = Sheet(PLACED, {"I": stored(IMAGE)}, note)
    (one,) = members(written(tmp_path / "a.pdf", sheet, objects=(shape,)))
    red = (drawn(one) == (255, 0, 0)).all(axis=2)
    assert red.sum() > 5000, "the whole page"


def test_a_document_that_is_protected_or_not_whole_says_so(tmp_path: Path) -> None:
    locked = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>/ID[<00><00>]" % (b"00" * 32, b"11" * 32)
    path = written(tmp_path / "a.pdf", Sheet(PLACED, {"I": stored(IMAGE)}), trailer=locked)
    with pytest.raises(UnsupportedError, match="password"):
        members(path)
    whole = document(Sheet(PLACED, {"I": stored(IMAGE)}))
    for cut in (200, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(MediumError):
            drawn(members(path)[0])
    assert expanded(path, LIMITS).members == (path,), "the road says it"


def test_pages_beyond_the_limit_are_refused() -> None:
    kids = b"<</Type/Catalog/Pages 2 0 R>>"
    data = document(*[Sheet(b"")] * 3)
    import pypdfium2.raw as pdfium

    from anonymizer.read.bundle import document as module

    pdfium.FPDF_InitLibrary()
    assert Document(data).count == 3 and kids
    with pytest.MonkeyPatch.context() as patch, pytest.raises(LimitError, match="more than 2 pages"):
        patch.setattr(module, "MOST_PAGES", 2)
        Document(data)


def test_a_page_is_known_by_its_document_and_number(tmp_path: Path) -> None:
    first = written(
        tmp_path / "a.pdf", Sheet(PLACED, {"I": stored(IMAGE)}), Sheet(PLACED, {"I": stored(IMAGE)})
    )
    copy = tmp_path / "b.pdf"
    copy.write_bytes(first.read_bytes())
    hashes = [fetch(one, LIMITS).sha256 for one in (*members(first), *members(copy))]
    assert hashes[:2] == hashes[2:] and hashes[0] != hashes[1]
