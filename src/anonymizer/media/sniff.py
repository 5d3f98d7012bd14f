"""What a file is, by its first bytes: its name decides nothing.

Whatever is not on the list is refused before any decoder sees it, so a script with a picture's name never
reaches an interpreter, and a playlist never makes a reader open another file.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anonymizer.errors import DamagedError, UnreadableError, UnsupportedError

HEAD = 4096
"""Bytes that :func:`sniff` wants to see."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: ``pillow`` is the only decoder that is tried, ``demuxer`` the only container reader."""

    name: str
    pillow: str = ""
    demuxer: str = ""

    @property
    def is_clip(self) -> bool:
        return bool(self.demuxer)


JPEG = Format("JPEG", pillow="JPEG")
PNG = Format("PNG", pillow="PNG")
WEBP = Format("WebP", pillow="WEBP")
TIFF = Format("TIFF", pillow="TIFF")
BMP = Format("BMP", pillow="BMP")
GIF = Format("GIF", pillow="GIF")
HEIF = Format("HEIF", pillow="HEIF")
AVIF = Format("AVIF", pillow="AVIF")
DICOM = Format("DICOM")
MP4 = Format("MP4", demuxer="mov")
MATROSKA = Format("Matroska", demuxer="matroska")
AVI = Format("AVI", demuxer="avi")
MPEGTS = Format("MPEG-TS", demuxer="mpegts")

_MAGIC = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"BM", BMP),
    (b"\x1aE\xdf\xa3", MATROSKA),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_KNOWN_AS = (
    (b"%!PS", "a PostScript program"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript program"),
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"<script", "a web page"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a list of other files"),
    (b"v=0", "a stream description"),
    (b"8BPS", "a Photoshop document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"FUJIFILM", "a camera's raw picture"),
)


def sniff(head: bytes) -> Format:
    """The format of a file that starts with these bytes (:data:`HEAD` of them, or all).

    Raises :class:`DamagedError` for an empty file and :class:`UnsupportedError`, saying what the content
    looks like, for everything that is not on the list.
    """
    if not head:
        raise DamagedError("The file is empty; copy it from the camera again.")
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return AVI
    if head[128:132] == b"DICM":
        return DICOM
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in _QUICKTIME_ATOMS:
        return MP4
    for size, offset in ((188, 0), (192, 4)):
        marks = head[offset::size][:8]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return MPEGTS
    looks = next((what for magic, what in _KNOWN_AS if head.lstrip()[: len(magic)] == magic), "")
    looks = looks or ("a text file" if _is_text(head) else "something else")
    raise UnsupportedError(
        f"The content is {looks}, not a photo or clip that the program opens; export it as JPEG, PNG or MP4."
    )


def sniff_file(path: Path) -> Format:
    """The format of a file on the disk, which must be a regular file and not a symbolic link.

    Raises :class:`UnreadableError` where it is not, or cannot be opened; otherwise as :func:`sniff`.
    """
    with open_regular(path) as file:
        return sniff(file.read(HEAD))


def is_medium(path: Path) -> bool:
    """Whether a folder's walk should take this file: its content is of a format on the list, or it is empty
    or unreadable although its name says picture, which the person must be told."""
    try:
        sniff_file(path)
    except UnsupportedError:
        return path.suffix.casefold() in _PICTURE_SUFFIXES
    except (UnreadableError, DamagedError):
        return path.suffix.casefold() in _PICTURE_SUFFIXES
    return True


_PICTURE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".png",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".heic",
        ".heif",
        ".hif",
        ".avif",
        ".dcm",
        ".mp4",
        ".mov",
        ".m4v",
        ".avi",
        ".mkv",
        ".webm",
        ".mts",
        ".m2ts",
        ".ts",
        ".3gp",
    }
)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading in binary, refusing links, folders, pipes and devices without blocking.

    Raises :class:`UnreadableError` with what to do.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        if path.is_symlink():
            raise UnreadableError("The file is a symbolic link; give the file that it points to.")
        handle = os.open(path, flags)
    except FileNotFoundError as error:
        raise UnreadableError("The file is gone; it was moved or deleted meanwhile.") from error
    except OSError as error:
        raise UnreadableError(
            f"The file cannot be read ({error.strerror}); check its permissions and that its disk is there."
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableError(
            "This is not a regular file but a folder, a pipe or a device; give a photo or clip."
        )
    return os.fdopen(handle, "rb")


def _by_brand(head: bytes) -> Format:
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[i : i + 4] for i in range(16, min(size, len(head)), 4)}
    if brands & {b"avif", b"avis"}:
        return AVIF
    if brands & _HEIF_BRANDS:
        return HEIF
    if head[8:12] == b"crx ":
        raise UnsupportedError("The content is a camera's raw picture; export it as JPEG, PNG or TIFF.")
    return MP4


def _is_text(head: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 for byte in head[:512])
