"""The clean file holds pixels and nothing else, and a failed one leaves nothing behind."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.errors import LimitError, OutputError
from anonymizer.write import photo as write
from anonymizer.write.photo import NEUTRAL_TIME, neutralise, write_photo
from leaky import picture

PIXELS = np.asarray(picture())


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 2
    while True:
        marker, size = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        found.append((marker, data[at + 4 : at + 2 + size]))
        at += 2 + size
        if marker == 0xDA:
            assert data.endswith(b"\xff\xd9") and data.count(b"\xff\xd9") == 1
            return found


def test_a_jpeg_is_tables_and_a_scan(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    write_photo(PIXELS, path, "JPEG", 95)
    segments = jpeg_segments(path.read_bytes())
    assert {marker for marker, _ in segments} == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
    assert segments[0] == (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    frame = next(body for marker, body in segments if marker == 0xC0)
    assert [frame[7 + 3 * i] for i in range(3)] == [0x11, 0x11, 0x11], "no chroma subsampling"
    with Image.open(path) as image:
        assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert np.abs(np.asarray(image).astype(int) - PIXELS).mean() < 1


def test_a_png_is_three_kinds_of_chunk_and_the_very_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_photo(PIXELS, path, "PNG", 95)
    data, at, names = path.read_bytes(), 8, []
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        names.append(name)
        at += 12 + size
    assert at == len(data) and names[0] == b"IHDR" and names[-1] == b"IEND"
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_the_same_pixels_make_the_same_bytes_at_any_time_and_name(form: str, tmp_path: Path) -> None:
    write_photo(PIXELS, tmp_path / "a", form, 95)
    write_photo(np.asfortranarray(PIXELS), tmp_path / "other name", form, 95)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "other name").read_bytes()


def test_quality_is_the_callers(tmp_path: Path) -> None:
    for quality in (70, 95):
        write_photo(PIXELS, tmp_path / str(quality), "JPEG", quality)
    assert (tmp_path / "70").stat().st_size < (tmp_path / "95").stat().st_size


def test_neutral_time_mode_and_attributes(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_photo(PIXELS, tmp_path / "a.jpg", "JPEG", 95)
    finally:
        os.umask(old)
    status = (tmp_path / "a.jpg").stat()
    assert status.st_mtime_ns == NEUTRAL_TIME * 10**9 and status.st_atime_ns == NEUTRAL_TIME * 10**9
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_extended_attributes_are_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    try:
        os.setxattr(path, "user.xdg.origin.url", b"https://portal.example/patient/4711")
    except (AttributeError, OSError):
        pytest.skip("this file system has no extended attributes")
    neutralise(path)
    assert os.listxattr(path) == []


def test_a_file_system_without_attributes_is_no_failure(tmp_path, monkeypatch) -> None:
    def none(path: Path) -> list[str]:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(os, "listxattr", none, raising=False)
    write_photo(PIXELS, tmp_path / "a.jpg", "JPEG", 95)
    assert (tmp_path / "a.jpg").stat().st_mtime == NEUTRAL_TIME


def test_nothing_that_exists_is_written_over_or_removed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"another's")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    for name in ("a.jpg", "link.jpg"):
        with pytest.raises(OutputError):
            write_photo(PIXELS, tmp_path / name, "JPEG", 95)
    assert (tmp_path / "a.jpg").read_bytes() == b"another's"
    assert (tmp_path / "link.jpg").is_symlink() and not (tmp_path / "elsewhere.jpg").exists()


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "permissions"), (errno.EIO, "--out")],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_disk_that_fails_half_way_leaves_nothing(form, number, says, tmp_path, monkeypatch) -> None:
    written = []

    def failing(self: object, data: bytes) -> int:
        written.append(len(data))
        if len(written) > 1 or form == "JPEG":
            raise OSError(number, os.strerror(number))
        return len(data)

    monkeypatch.setattr(write._Bytes, "write", failing)
    with pytest.raises(OutputError, match=says) as error:
        write_photo(PIXELS, tmp_path / "a", form, 95)
    assert str(error.value).endswith("nothing was published.")
    assert written and list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_at_the_last_moment_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="full"):
        write_photo(PIXELS, tmp_path / "a.jpg", "JPEG", 95)
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_device_is_called_full() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb", buffering=0) as device, pytest.raises(OSError) as error:  # noqa: PTH123
        picture().save(write._Bytes(device), "JPEG")  # type: ignore[arg-type]
    assert error.value.errno == errno.ENOSPC


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch) -> None:
    def stop(self: object, data: bytes) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(write._Bytes, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        write_photo(PIXELS, tmp_path / "a.jpg", "JPEG", 95)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_or_closed(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="gone"):
        write_photo(PIXELS, tmp_path / "nowhere" / "a.jpg", "JPEG", 95)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="gone"):
        write_photo(PIXELS, tmp_path / "file" / "a.jpg", "JPEG", 95)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    with pytest.raises(OutputError, match="permissions"):
        write_photo(PIXELS, closed / "a.jpg", "JPEG", 95)


def test_a_side_longer_than_jpeg_can_hold(tmp_path: Path) -> None:
    band = np.zeros((1, 65_501, 3), np.uint8)
    with pytest.raises(LimitError, match="65500"):
        write_photo(band, tmp_path / "a.jpg", "JPEG", 95)
    assert list(tmp_path.iterdir()) == []
    write_photo(band[:, :65_500], tmp_path / "b.jpg", "JPEG", 95)
    write_photo(band, tmp_path / "c.png", "PNG", 95)
    with Image.open(io.BytesIO((tmp_path / "c.png").read_bytes())) as image:
        assert image.size == (65_501, 1)
