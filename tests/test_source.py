"""Reading a source: once, whole, unchanged, and never more than the limit."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from anonymizer.core.errors import DamagedError, LimitError, UnreadableError
from anonymizer.read import source
from anonymizer.read.source import read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"0123456789")
    return path


def test_a_file_is_read_whole_with_its_hash(file: Path) -> None:
    found = read(file, 100)
    assert found.content == b"0123456789"
    assert found.sha256 == hashlib.sha256(b"0123456789").hexdigest()
    assert found.path == file


def test_reading_changes_neither_content_nor_time(file: Path) -> None:
    before = file.stat()
    read(file, 100)
    assert (file.stat().st_mtime_ns, file.read_bytes()) == (before.st_mtime_ns, b"0123456789")


def test_the_limit_itself_is_allowed_and_one_byte_more_is_not(file: Path) -> None:
    assert len(read(file, 10).content) == 10
    with pytest.raises(LimitError, match=r"limits\.max_bytes"):
        read(file, 9)


def test_an_empty_file_is_named_as_such(file: Path) -> None:
    file.write_bytes(b"")
    with pytest.raises(DamagedError, match="empty"):
        read(file, 100)


class Meddled(io.FileIO):
    """A file to which something happens when it is first read."""

    def __init__(self, path: Path, meddle: Any) -> None:
        super().__init__(path, "rb")
        self._meddle = meddle

    def read(self, size: int | None = -1, /) -> bytes:
        self._meddle()
        return super().read(-1 if size is None else size) or b""


def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Any) -> None:
    monkeypatch.setattr(source, "open_regular", lambda path: Meddled(path, meddle))


def append(file: Path) -> None:
    with file.open("ab") as more:
        more.write(b"abc")


def test_a_file_that_grows_is_not_taken_half(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meddling(monkeypatch, lambda: append(file))
    with pytest.raises(UnreadableError, match="changed while it was read"):
        read(file, 100)


def test_a_file_that_shrinks_is_not_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meddling(monkeypatch, lambda: file.write_bytes(b"01234"))
    with pytest.raises(UnreadableError, match="changed while it was read"):
        read(file, 100)


def test_a_file_that_is_overwritten_is_not_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meddling(monkeypatch, lambda: file.write_bytes(b"9876543210"))
    with pytest.raises(UnreadableError, match="changed while it was read"):
        read(file, 100)


def test_a_failing_disk_is_one_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error")

    meddling(monkeypatch, fail)
    with pytest.raises(UnreadableError, match=r"Input/output error.*check its disk"):
        read(file, 100)
