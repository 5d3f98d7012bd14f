"""What a file is, by its first bytes: its name decides nothing.

Whatever is not on the list is refused before any decoder sees it, so a script with a picture's name never
reaches an interpreter, and a playlist never makes a reader open another file.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from anonymizer.core.errors import DamagedError, UnreadableError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read import dicom_head
from anonymizer.read.moving_image import is_moving

HEAD = 4096
"""Bytes that :func:`sniff` wants to see."""
WINDOWS_PATH = 260
"""Signs of a path from which on Windows does not find it, unless its limit was lifted (MAX_PATH)."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format: ``pillow`` is the only decoder that is tried, ``demuxer`` the only container reader."""

    name: str
    pillow: str = ""
    demuxer: str = ""
    moves: bool = False
    """A picture of several frames that are shown one after the other."""
    bundle: bool = False
    """It holds several sources (:mod:`anonymizer.read.bundle`)."""

    @property
    def is_clip(self) -> bool:
        return self.moves or bool(self.demuxer)

    @property
    def family(self) -> str:
        """``photo`` or ``clip``: which road the file takes."""
        return "clip" if self.is_clip else "photo"


JPEG = Format("JPEG", pillow="JPEG")
PNG = Format("PNG", pillow="PNG")
WEBP = Format("WebP", pillow="WEBP")
TIFF = Format("TIFF", pillow="TIFF")
BMP = Format("BMP", pillow="BMP")
GIF = Format("GIF", pillow="GIF")
HEIF = Format("HEIF", pillow="HEIF")
AVIF = Format("AVIF", pillow="AVIF")
DICOM = Format("DICOM")
JPEG_XL = Format("JPEG XL")
JPEG_2000 = Format("JPEG 2000", pillow="JPEG2000")
PSD = Format("PSD", pillow="PSD")
RAW = Format("raw")
"""A camera's raw picture with a beginning of its own; those like a TIFF (NEF, ARW, PEF, DNG) count as TIFF."""
MP4 = Format("MP4", demuxer="mov")
MATROSKA = Format("Matroska", demuxer="matroska")
AVI = Format("AVI", demuxer="avi")
MPEGTS = Format("MPEG-TS", demuxer="mpegts")
MPEGPS = Format("MPEG-PS", demuxer="mpeg")
MPEG_VIDEO = Format("MPEG video", demuxer="mpegvideo")
ASF = Format("ASF", demuxer="asf")
FLV = Format("FLV", demuxer="flv")
DV = Format("DV", demuxer="dv")
MXF = Format("MXF", demuxer="mxf")
OGG = Format("Ogg", demuxer="ogg")
H264 = Format("H.264", demuxer="h264")
HEVC = Format("HEVC", demuxer="hevc")
ZIP = Format("ZIP", bundle=True)
PDF = Format("PDF", bundle=True)

_MAGIC = (
    (b"\xff\x0a", JPEG_XL),
    (b"\x00\x00\x00\x0cJXL ", JPEG_XL),
    (b"\x00\x00\x00\x0cjP  ", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
    (b"8BPS\x00\x01", PSD),
    (b"II*\x00\x10\x00\x00\x00CR", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"IIU\x00", RAW),
    (b"FUJIFILM", RAW),
    (b"FOVb", RAW),
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"II+\x00", TIFF),
    (b"MM\x00+", TIFF),
    (b"\x1aE\xdf\xa3", MATROSKA),
    (b"\x00\x00\x01\xba", MPEGPS),
    (b"\x00\x00\x01\xb3", MPEG_VIDEO),
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), ASF),
    (b"FLV\x01", FLV),
    (b"%PDF-", PDF),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08PK\x03\x04", ZIP),
    (bytes.fromhex("060e2b34020501010d0102010102"), MXF),
)
_PREAMBLES = (bytes(4), b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Sizes of a BMP's second header: two letters alone would take a text that starts with "BM" for one."""
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
_CLIP_BRANDS = (b"qt  ", b"mp4", b"iso", b"avc1", b"M4V", b"3g", b"MSNV", b"dash", b"XAVC", b"f4v")
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_OFFICE = (
    b"[Content_Types].xml",
    b"_rels/",
    b"docProps/",
    b"word/",
    b"xl/",
    b"ppt/",
    b"mimetypeapplication/",
)
"""How an office document, which is a ZIP archive too, begins: with the name of its first member."""
_OGG_PICTURES = (b"\x80theora", b"BBCD\x00", b"OVP80\x01")
"""How the first page of a track with a picture begins in Ogg: Theora, Dirac, VP8; all first pages come first."""
_H264_PROFILES = {44, 66, 77, 88, 100, 110, 118, 122, 128, 244}
"""Of ITU-T H.264, annexes A, G and H."""
_RAW = "looks.raw"
_KNOWN_AS = (
    (b"%!PS", "looks.postscript"),
    (b"\xc5\xd0\xd3\xc6", "looks.postscript"),
    (b"<svg", "looks.svg"),
    (b"<?xml", "looks.xml"),
    (b"<!doctype", "looks.web-page"),
    (b"<html", "looks.web-page"),
    (b"<script", "looks.web-page"),
    (b"#extm3u", "looks.playlist"),
    (b"ffconcat", "looks.file-list"),
    (b"v=0", "looks.stream"),
    (b"8BPS", "looks.photoshop"),
    (b"gimp xcf", "looks.gimp"),
    (b"PK\x03\x04", "looks.office"),
    (b"\xd0\xcf\x11\xe0", "looks.office"),
    (b"{\\rtf", "looks.office"),
    (b"Rar!", "looks.archive"),
    (b"7z\xbc\xaf", "looks.archive"),
    (b"\x1f\x8b", "looks.archive"),
    (b"FWS", "looks.flash"),
    (b"CWS", "looks.flash"),
    (b"ZWS", "looks.flash"),
    (b"ID3", "looks.sound"),
    (b"OggS", "looks.ogg"),
    (b"fLaC", "looks.sound"),
    (b".RMF", "looks.realmedia"),
    (b"#!", "looks.program"),
    (b"MZ", "looks.program"),
    (b"\x7fELF", "looks.program"),
)

_MEDIA = frozenset(
    {
        *("looks.photoshop", "looks.gimp", "looks.flash", "looks.realmedia"),
    }
)
"""Of what is refused, what is a photo or a clip: somebody would miss it."""
_BY_SUFFIX = {
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dng", ".pef", ".srw"), _RAW),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "looks.jpeg-2000"),
    **dict.fromkeys((".rm", ".rmvb"), "looks.realmedia"),
    ".jxl": "looks.jpeg-xl",
    ".psd": "looks.photoshop",
    ".xcf": "looks.gimp",
    ".swf": "looks.flash",
}
"""What a name promises where the content is not known."""


def sniff(head: bytes) -> Format:
    """The format of a file that starts with these bytes (:data:`HEAD` of them, or all).

    Raises :class:`DamagedError` for an empty file and :class:`UnsupportedError`, saying what the content
    looks like, for everything that is not on the list.
    """
    if not head:
        raise DamagedError("file.empty")
    if _is_dicom(head):
        return DICOM
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return AVI
    if head[128:132] == b"DICM":
        return DICOM
    if head[:4] == b"PK\x03\x04" and not head.startswith(_OFFICE, 30):
        return ZIP
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[4:8] in _QUICKTIME_ATOMS:
        return MP4
    for size, offset in ((188, 0), (192, 4)):
        marks = head[offset::size][:8]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return MPEGTS
    # The header block of a DV frame (IEC 61834-2): of its fourth byte the first bit says 50 or 60 fields a second.
    if head[:3] == b"\x1f\x07\x00" and len(head) > 3 and head[3] & 0x7F == 0x3F:
        return DV
    if head[:4] == b"OggS" and any(mark in head for mark in _OGG_PICTURES):
        return OGG
    if bare := _bare(head):
        return bare
    raise _unsupported(_known_as(head) or ("looks.text" if _is_text(head) else "looks.else"))


def _is_dicom(head: bytes) -> bool:
    """Whether a file is DICOM: with its mark behind a preamble, which may be a TIFF's beginning (PS3.10, 7.1), or, as
    old devices write it, without either, from the first element on: of group 0002, or of 0008 without a length."""
    if head[128:132] == b"DICM" and head[:4] in _PREAMBLES:
        return True
    group, element = head[:2], head[2:4]
    if group == b"\x02\0":
        return (element, head[4:6]) in (
            (b"\0\0", b"UL"),
            (b"\x01\0", b"OB"),
            (b"\x02\0", b"UI"),
            (b"\x10\0", b"UI"),
        )
    first = {b"\0\0": b"UL", b"\x05\0": b"CS", b"\x08\0": b"CS", b"\x16\0": b"UI", b"\x18\0": b"UI"}.get(
        element
    )
    return group == b"\x08\0" and first is not None and (head[4:6] == first or head[5:8] == b"\0\0\0")


def _bare(head: bytes) -> Format | None:
    """A stream of H.264 or HEVC without a container, as surveillance recorders write it; None where it is none.

    It begins with a unit's start code (annex B of both). The first units must lead up to the parameters that a
    decoder needs first: of H.264 a sequence's (type 7), at most behind a delimiter (9) and messages (6), of HEVC a
    video's (32) or, behind such (35, 39), a sequence's (33).
    """
    if not head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return None
    units = [unit for unit in head.split(b"\0\0\1")[1:5] if len(unit) > 3]
    before = True, True
    for unit in units:
        if before[0] and unit[0] & 0x9F == 7 and unit[0] & 0x60 and unit[1] in _H264_PROFILES:
            return H264
        # Two bytes: zero, type, layer 0, and a temporal layer of 1.
        if before[1] and unit[0] in (32 << 1, 33 << 1) and unit[1] == 1:
            return HEVC
        before = before[0] and unit[0] in (6, 9), before[1] and unit[0] in (35 << 1, 39 << 1) and unit[1] == 1
    return None


def _unsupported(looks: str) -> UnsupportedError:
    return UnsupportedError("file.foreign", what=Message(looks))


def looks_like(head: bytes, suffix: str) -> tuple[str, bool]:
    """What a content that :func:`sniff` refuses is, by its code, and whether it is a photo or a clip of a kind
    that is not opened. ``suffix`` (".wmv") of its name tells where the content does not."""
    by_name = _BY_SUFFIX.get(suffix.casefold(), "")
    looks = _known_as(head)
    if looks in _MEDIA or not by_name:
        return looks or ("looks.text" if _is_text(head) else "looks.else"), looks in _MEDIA
    return by_name, True


def _known_as(head: bytes) -> str:
    """What a refused content is, by the code of its message; empty where unknown."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, what in _KNOWN_AS:
        if head.startswith(magic) or (magic.islower() and start[: len(magic)].lower() == magic):
            return "looks.svg" if magic == b"<?xml" and b"<svg" in start else what
    return ""


def sniff_file(path: Path) -> Format:
    """The format of a file on the disk, which must be a regular file and not a symbolic link.

    Raises :class:`UnreadableError` where it is not, or cannot be opened; otherwise as :func:`sniff`.
    """
    with open_regular(path) as file:
        return identify(file)


def identify(file: BinaryIO) -> Format:
    """The format of an open file: as :func:`sniff`, and a GIF, WebP, PNG, AVIF or DICOM that moves is a clip."""
    form = sniff(file.read(HEAD))
    moves = (form in (GIF, WEBP, PNG, AVIF) and is_moving(file)) or (
        form is DICOM and dicom_head.is_moving(file)
    )
    return replace(form, moves=True) if moves else form


def is_medium(path: Path) -> bool:
    """Whether a folder's walk should take this file: its content is of a format on the list, or it is empty
    or unreadable although its name says picture, which the person must be told."""
    try:
        sniff_file(path)
    except (UnsupportedError, UnreadableError, DamagedError):
        return suffix_of_medium(path)
    return True


def suffix_of_medium(path: Path) -> bool:
    """Whether a file is called a picture or a clip, whatever it is."""
    return path.suffix.casefold() in _PICTURE_SUFFIXES


_PICTURE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
        *(".heic", ".heif", ".hif", ".avif", ".dcm", ".jxl", ".jp2", ".j2k", ".jpx", ".psd"),
        *(".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dng", ".pef", ".srw"),
        *(".mp4", ".mov", ".m4v", ".3gp", ".3g2", ".avi", ".mkv", ".webm", ".mts", ".m2ts", ".ts"),
        *(
            ".mpg",
            ".mpeg",
            ".m2p",
            ".vob",
            ".m2v",
            ".mod",
            ".tod",
            ".wmv",
            ".asf",
            ".flv",
            ".f4v",
            ".dv",
            ".mxf",
        ),
        *(".ogv", ".h264", ".264", ".avc", ".h265", ".265", ".hevc"),
    }
)


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading in binary, refusing links, folders, pipes and devices without blocking.

    Raises :class:`UnreadableError` with what to do.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise UnreadableError("file.link")
        if not stat.S_ISREG(mode):
            # Asked before opening, because opening alone moves some devices to act.
            raise _no_file()
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise unreachable(error) from error
    # Asked again of what was opened: the name may have come to mean another thing in between.
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _no_file()
    return os.fdopen(handle, "rb")


def unreachable(error: OSError | ValueError) -> UnreadableError:
    """What to say where the system does not let a file be looked at or opened."""
    if isinstance(error, FileNotFoundError):
        long = sys.platform == "win32" and len(str(error.filename or "")) >= WINDOWS_PATH
        return (
            UnreadableError("file.path-too-long", most=WINDOWS_PATH - 1)
            if long
            else UnreadableError("file.gone")
        )
    return UnreadableError("file.unreadable", cause=getattr(error, "strerror", None) or error)


def _no_file() -> UnreadableError:
    return UnreadableError("file.not-regular")


def _by_brand(head: bytes) -> Format:
    """The format of an ISO base media file (ISO/IEC 14496-12, 4.3): the major brand decides, then the rest."""
    if head[8:12] == b"crx ":
        return RAW
    if head[8:12].startswith(_CLIP_BRANDS):
        return MP4
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[i : i + 4] for i in range(16, min(size, len(head)), 4)}
    if brands & {b"avif", b"avis"}:
        return AVIF
    if brands & _HEIF_BRANDS:
        return HEIF
    return MP4


def _is_text(head: bytes) -> bool:
    return not any(byte < 9 or 13 < byte < 32 for byte in head[:512])
