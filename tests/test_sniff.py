"""Formats are told by content alone, and what is none of them is named and refused."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core.errors import AnonymizerError, DamagedError, UnreadableError, UnsupportedError
from anonymizer.read import sniff
from anonymizer.read.sniff import is_medium, open_regular, sniff_file
from leaky import LEAKY, box


@pytest.mark.parametrize("leak", LEAKY.values(), ids=lambda leak: leak.name)
def test_every_still_format_by_its_content(leak) -> None:
    form = sniff.sniff(leak.content[: sniff.HEAD])
    assert (form.name, form.family, form.is_clip) == (leak.form, "photo", False)
    assert form.pillow


def ts(size: int, lead: int) -> bytes:
    return (b"\0" * lead + b"\x47" + b"\xff" * (size - lead - 1)) * 12


@pytest.mark.parametrize(
    ("head", "name", "demuxer"),
    [
        (box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"), "MP4", "mov"),
        (box(b"ftyp", b"qt  \0\0\0\0qt  "), "MP4", "mov"),
        (box(b"ftyp", b"M4V \0\0\0\0M4V mp42"), "MP4", "mov"),
        (box(b"ftyp", b"3gp4\0\0\0\x003gp4isom"), "MP4", "mov"),
        # A film may say that it is compatible with a picture's brand; its major brand decides.
        (box(b"ftyp", b"mp42\0\0\0\0mp42hevcmif1"), "MP4", "mov"),
        (box(b"wide", b"") + box(b"mdat", b"\0" * 20), "MP4", "mov"),
        (box(b"moov", b"\0" * 20), "MP4", "mov"),
        (b"\x1aE\xdf\xa3" + b"\0" * 40, "Matroska", "matroska"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI", "avi"),
        (ts(188, 0), "MPEG-TS", "mpegts"),
        (ts(192, 4), "MPEG-TS", "mpegts"),
    ],
)
def test_clips_come_with_the_demuxer_to_force(head: bytes, name: str, demuxer: str) -> None:
    form = sniff.sniff(head)
    assert (form.name, form.demuxer, form.family) == (name, demuxer, "clip")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), "HEIF"),
        (box(b"ftyp", b"mif1\0\0\0\0mif1heic"), "HEIF"),
        (box(b"ftyp", b"mif1\0\0\0\0mif1avif"), "AVIF"),
        (box(b"ftyp", b"avis\0\0\0\0avisavif"), "AVIF"),
        (b"\0" * 128 + b"DICM" + b"\0" * 40, "DICOM"),
        (b"II+\0\x08\0\0\0" + b"\0" * 8, "TIFF"),
        (b"\xff\x0a" + b"\x93" * 30, "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51" + b"\0" * 30, "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
        (box(b"ftyp", b"crx \0\0\0\1crx isom"), "raw"),
        (b"8BPS\0\1", "PSD"),
    ],
)
def test_stills_that_share_a_container(head: bytes, name: str) -> None:
    assert sniff.sniff(head).name == name


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + b"\0" * 30, "PostScript"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b"\xef\xbb\xbf  <!DOCTYPE HTML><html>", "web page"),
        (b"<script>alert(1)</script>", "web page"),
        (b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", "playlist"),
        (b"ffconcat version 1.0\nfile 'x.mp4'\n", "list of other files"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "stream description"),
        (b"8BPS\0\2", "Photoshop"),
        (b"BM is how this letter begins, and it is no picture", "text"),
        (b"Dear colleague,\n", "text"),
        (b"\0\1\2\3\4\5\6\7", "something else"),
    ],
)
def test_what_is_refused_is_named(head: bytes, says: str) -> None:
    with pytest.raises(UnsupportedError, match=says) as refused:
        sniff.sniff(head)
    assert str(refused.value).count(".") == 1


def test_an_empty_file_is_damaged() -> None:
    with pytest.raises(DamagedError, match="empty"):
        sniff.sniff(b"")


@given(st.binary(max_size=600))
def test_any_bytes_have_a_format_or_a_refusal(head: bytes) -> None:
    try:
        form = sniff.sniff(head)
    except AnonymizerError as error:
        assert str(error).endswith(".")
    else:
        assert form.name


def test_a_bmp_needs_a_header_that_exists() -> None:
    head = b"BM" + struct.pack("<IHHII", 1000, 0, 0, 54, 40) + b"\0" * 36
    assert sniff.sniff(head) is sniff.BMP


def refused(path: Path) -> str:
    with pytest.raises(UnreadableError) as error:
        open_regular(path)
    return str(error.value)


def test_links_folders_pipes_and_sockets_are_refused_without_waiting(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"\xff\xd8\xff")
    (tmp_path / "link.jpg").symlink_to(target)
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    plug = socket.socket(socket.AF_UNIX)
    plug.bind(str(tmp_path / "s"))
    assert "symbolic link" in refused(tmp_path / "link.jpg")
    assert "symbolic link" in refused(tmp_path / "loop.jpg")
    for name in ("folder.jpg", "pipe.jpg", "s"):
        assert "not a regular file" in refused(tmp_path / name)
    plug.close()
    assert "not a regular file" in refused(Path("/dev/zero"))
    assert "gone" in refused(tmp_path / "nowhere.jpg")
    assert "cannot be read" in refused(tmp_path / "with\0null.jpg")
    with open_regular(target) as file:
        assert file.read() == b"\xff\xd8\xff"


def test_a_link_put_in_place_after_the_look_is_not_followed(tmp_path, monkeypatch) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    examined = (tmp_path / "secret.jpg").lstat()
    monkeypatch.setattr(Path, "lstat", lambda self: examined)
    assert "cannot be read" in refused(tmp_path / "a.jpg")


def test_a_folder_walk_takes_pictures_and_what_claims_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "picture.txt").write_bytes(LEAKY["comment.jpg"].content)
    (tmp_path / "letter.jpg").write_bytes(b"Dear colleague,")
    (tmp_path / "letter.txt").write_bytes(b"Dear colleague,")
    (tmp_path / "empty.jpg").write_bytes(b"")
    taken = {path.name for path in tmp_path.iterdir() if is_medium(path)}
    assert taken == {"picture.txt", "letter.jpg", "empty.jpg"}
    assert sniff_file(tmp_path / "picture.txt") is sniff.JPEG
