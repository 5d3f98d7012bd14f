"""The H.264 stream of a written clip, unit by unit: pictures and their parameters, and no message of any kind.

ITU-T H.264, table 7-1. Supplemental messages (SEI) are where encoders write their settings, cameras their
serial numbers and places, and broadcasters their captions.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from anonymizer.verify.jpeg import StructureError
from anonymizer.verify.mp4 import Movie, _children, _one, _shown, parsing

SLICE, KEY_SLICE, SEI, SPS, PPS = 1, 5, 6, 7, 8
IN_SAMPLES = {SLICE, KEY_SLICE}
ENTRY_BOXES = {b"avcC": 0, b"colr": 11, b"pasp": 8, b"btrt": 12, b"fiel": 2}
"""What a sample entry may hold, and the one length that it may have (14496-12, 12.1.4 and 12.1.5; colours by number, no
profile); the configuration is looked into instead."""
NAMES = (bytes(32), b"\x0cLavc libx264".ljust(32, b"\0"))
"""None, or the muxer's for the coding: the whole field (14496-12, 12.1.3)."""
VISUAL = 78
"""Bytes of a visual sample entry before its boxes (14496-12, 12.1.3)."""


@parsing()
def check(file: BinaryIO, movie: Movie) -> dict[str, int]:
    """Walk every sample; raises :class:`StructureError` where one holds more than slices of pictures."""
    _check_entry(movie)
    units = 0
    for offset, size in zip(movie.video.offsets.tolist(), movie.video.sizes.tolist(), strict=True):
        at, end = offset, offset + size
        while at < end:
            file.seek(at)
            head = file.read(5)
            if len(head) < 5:
                raise StructureError("h264.cut-off")
            length = struct.unpack_from(">I", head)[0]
            if length < 1 or at + 4 + length > end:
                raise StructureError("h264.parts")
            kind = head[4] & 31
            if kind == SEI:
                raise StructureError("h264.message")
            if kind not in IN_SAMPLES:
                raise StructureError("h264.unit", kind=kind)
            units += 1
            at += 4 + length
    return {"units": units}


def _check_entry(movie: Movie) -> None:
    """The sample entry: constants, one avcC with one SPS and one PPS; colours, aspect, rate by number."""
    entry = movie.video.entry
    if entry[:6].strip(b"\0") or entry[8:24].strip(b"\0"):
        raise StructureError("h264.maker")
    if entry[42:74] not in NAMES:
        raise StructureError("h264.maker")
    boxes = _children(entry[VISUAL:], set(ENTRY_BOXES))
    for box in boxes:
        if box.name != b"avcC" and len(box.body) != ENTRY_BOXES[box.name]:
            raise StructureError("mp4.box-size", name=_shown(box.name))
    record = _one(boxes, b"avcC")
    if len(record) < 8 or record[0] != 1 or record[4] & 3 != 3:
        raise StructureError("h264.no-configuration")
    at = 5
    for wanted, mask in ((SPS, 31), (PPS, 255)):
        count = record[at] & mask
        at += 1
        if count != 1:
            raise StructureError("h264.parameter-sets")
        size = struct.unpack_from(">H", record, at)[0]
        if record[at + 2] & 31 != wanted:
            raise StructureError("h264.other-parameters")
        at += 2 + size
    # High profile adds chroma format and bit depths, four bytes (14496-15, 5.3.3.1).
    if len(record) - at not in (0, 4):
        raise StructureError("h264.trailing")
