"""Whether a DICOM file is a clip: its elements are walked up to the number of frames, nothing is decoded.

Elements, value representations and sequences: DICOM PS3.5, 7.1 and 7.5; the file's head: PS3.10, 7.1.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
"""Representations whose length takes four bytes."""
_UNDEFINED = 0xFFFFFFFF
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX, _FRAMES = 0x00020010, 0x00280008
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_VIDEO = "1.2.840.10008.1.2.4.10"
"""How the UIDs of MPEG-2, MPEG-4 and HEVC begin: …4.100 to …4.108 (PS3.6, table A-1)."""
_DEEPEST, _MOST = 16, 100_000
"""Sequences within each other, and elements, that are walked."""


def is_video(syntax: str) -> bool:
    """Whether a transfer syntax is one of a video's."""
    return syntax.startswith(_VIDEO) and len(syntax) == len(_VIDEO) + 1


def is_moving(file: BinaryIO) -> bool:
    """Whether the file holds more than one frame, or a video; its place is changed. False for what makes no sense."""
    try:
        return _is_moving(file)
    except (struct.error, ValueError, OverflowError, EOFError):
        return False


def _is_moving(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(132)
    start = 132 if head[128:] == b"DICM" else 0
    file.seek(start)
    syntax = ""
    if head[:2] == b"\x02\0" or start:
        walker = _Walker(file, "<", explicit=True)
        while (found := walker.next()) is not None and found[0] < 0x00030000:
            if found[0] == _SYNTAX:
                syntax = walker.value(found[1]).decode("ascii", "replace").strip("\0 ")
            walker.skip(*found)
        if found is None:
            return False
        file.seek(walker.place)
    if is_video(syntax):
        return True
    if syntax == _DEFLATED:
        return False
    place = file.tell()
    explicit = syntax != _IMPLICIT if syntax else file.read(6)[4:6].isalpha()
    file.seek(place)
    walker = _Walker(file, ">" if syntax == _BIG else "<", explicit)
    while (found := walker.next()) is not None and found[0] <= _FRAMES:
        if found[0] == _FRAMES:
            return int(walker.value(min(found[1], 64)).split(b"\\")[0].strip(b"\0 ") or b"1") > 1
        walker.skip(*found)
    return False


class _Walker:
    """Goes from element to element. Raises struct.error and EOFError where the file makes no sense."""

    def __init__(self, file: BinaryIO, order: str, explicit: bool) -> None:
        self.file, self.order, self.explicit = file, order, explicit
        self.place = file.tell()
        self.left = _MOST

    def next(self) -> tuple[int, int] | None:
        """Tag and length of the next element, its value to be read next; None at the end."""
        self.left -= 1
        if self.left < 0:
            raise EOFError
        self.place = self.file.tell()
        head = self.file.read(8)
        if len(head) < 8:
            return None
        group, element, length = struct.unpack(self.order + "HHI", head)
        tag = group << 16 | element
        if not self.explicit or group == 0xFFFE:
            return tag, length
        if head[4:6] in _LONG:
            return tag, struct.unpack(self.order + "I", self.file.read(4))[0]
        return tag, struct.unpack_from(self.order + "H", head, 6)[0]

    def value(self, length: int) -> bytes:
        """The value of the element at hand, after which :meth:`skip` still goes on from its beginning."""
        at = self.file.tell()
        found = self.file.read(min(length, 1024))
        self.file.seek(at)
        return found

    def skip(self, tag: int, length: int, depth: int = 0) -> None:
        """Go behind the value of the element at hand."""
        if length != _UNDEFINED:
            self.file.seek(length, 1)
            return
        if depth > _DEEPEST:
            raise EOFError
        while (inner := self.next()) is not None and inner[0] not in (_SEQUENCE_END, _ITEM_END):
            self.skip(*inner, depth + 1)
        if inner is None:
            raise EOFError
