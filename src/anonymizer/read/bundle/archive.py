"""What lies in a ZIP archive, and one member of it. Runs in the confined process.

The archive's own directory is believed of nothing but names and places: of how long a member is only what comes out of
it counts, and all of it is read before any of it is used, for its checksum stands at the end.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.read.bundle.paths import labels
from anonymizer.read.sniff import HEAD

MOST = 10_000
"""Entries of an archive."""
RATIO = 200
"""How many times its own size an archive may unpack to …"""
AT_LEAST = 1 << 30
"""… beyond so many bytes. Photos and clips hardly shrink; an empty scan may, to a thousandth."""
CHUNK = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those that shrink to a thousandth at most, and that every program writes."""
ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Bits of an entry's flags: encrypted, strongly encrypted, the directory too (APPNOTE.TXT, 4.4.4)."""
_UTF8 = 0x800
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
)
"""What zipfile says of archives that are not in order, as tried in the tests."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that is no folder: its label, why it cannot be opened (empty if it can) and its first bytes."""

    label: str
    flaw: str
    head: bytes


def entries(file: BinaryIO, size: int) -> list[Entry]:
    """Every entry of an archive of so many bytes. Raises :class:`MediumError`."""
    with opened(file, size) as archive:
        return [Entry(label, *_begun(archive, info)) for label, info in _labelled(archive)]


def content(file: BinaryIO, size: int, label: str, most: int) -> Iterator[bytes]:
    """What a member holds, some bytes at a time, and at most so many. Raises :class:`MediumError`, at the latest at the
    end: until then nothing says that it is whole."""
    with opened(file, size) as archive:
        info = next((info for named, info in _labelled(archive) if named == label), None)
        if info is None:
            raise DamagedError("bundle.no-member")
        flaw = _flaw(info)
        if flaw:
            raise UnsupportedError(flaw)
        done = 0
        try:
            with archive.open(info) as member:
                while chunk := member.read(CHUNK):
                    done += len(chunk)
                    if done > most:
                        raise LimitError("bundle.member-too-large", limit=most >> 20)
                    yield chunk
        except _BROKEN as error:
            raise DamagedError("bundle.member-damaged") from error


def opened(file: BinaryIO, size: int) -> zipfile.ZipFile:
    """An archive whose directory could be read and promises nothing impossible. Raises :class:`MediumError`."""
    try:
        archive = zipfile.ZipFile(file)
    except _BROKEN as error:
        raise DamagedError("bundle.damaged") from error
    found = archive.infolist()
    if len(found) > MOST:
        raise LimitError("bundle.too-many", most=MOST)
    # Members that share their bytes: the one way past the bound that deflate itself sets.
    if sum(info.compress_size for info in found) > size:
        raise LimitError("bundle.bomb")
    if sum(info.file_size for info in found) > max(AT_LEAST, RATIO * size):
        raise LimitError("bundle.bomb")
    return archive


def _labelled(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    found = archive.infolist()
    named = zip(labels([_name(info) for info in found]), found, strict=True)
    return ((label, info) for label, info in named if not info.is_dir())


def _name(info: zipfile.ZipInfo) -> str:
    """An entry's name. Without a word on its letters it is meant as code page 437, and mostly is UTF-8."""
    name = info.orig_filename.split("\0")[0]
    if info.flag_bits & _UTF8:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _flaw(info: zipfile.ZipInfo) -> str:
    if stat.S_ISLNK(info.external_attr >> 16):
        return "file.link"
    if info.flag_bits & ENCRYPTED:
        return "bundle.encrypted"
    return "" if info.compress_type in METHODS else "bundle.packed"


def _begun(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str, bytes]:
    if flaw := _flaw(info):
        return flaw, b""
    try:
        with archive.open(info) as member:
            return "", member.read(HEAD)
    except _BROKEN:
        return "bundle.member-damaged", b""
