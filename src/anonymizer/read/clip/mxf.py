"""The rectangle of an MXF's pictures that is shown (SMPTE ST 377-1, G.2). Runs in the decoding process.

A recorder stores lines that no monitor shows: time codes and tests above the picture, padding below it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from anonymizer.read.clip.shape import WHOLE, Crop

_SET = bytes.fromhex("060e2b34025301010d0101010101")
"""How the name of a set of the header begins …"""
_PICTURES = frozenset({b"\x27\0", b"\x28\0", b"\x29\0", b"\x51\0"})
"""… and how it ends where it describes pictures: any, of components, of RGB, of MPEG."""
_STORED, _SAMPLED, _SHOWN = (0x3203, 0x3202), (0x3205, 0x3204), (0x3209, 0x3208)
"""Tags of widths and heights …"""
_SAMPLED_AT, _SHOWN_AT = (0x3206, 0x3207), (0x320A, 0x320B)
"""… and of how far what is shown lies inside of what was sampled, and that inside of what is stored."""
_HEADER = 1 << 22
"""Bytes at the start in which the sets are looked for."""


def display_rectangle(file: BinaryIO, place_among: int, size: tuple[int, int]) -> Crop:
    """What is cut off the track that is the so manieth with pictures of this ``size`` = (width, height)."""
    file.seek(0)
    described = list(_descriptors(file.read(_HEADER)))
    if place_among >= len(described):
        return WHOLE
    tags = described[place_among]
    cut: list[tuple[int, int]] = []
    for axis, decoded in enumerate(size):
        stored = tags.get(_STORED[axis], decoded)
        shown = tags.get(_SHOWN[axis], tags.get(_SAMPLED[axis], stored))
        # Heights may be those of one field; so are the places in it.
        fields = 2 if axis and 1.5 * stored < decoded else 1
        before = fields * (tags.get(_SAMPLED_AT[axis], 0) + tags.get(_SHOWN_AT[axis], 0))
        after = decoded - before - fields * shown
        if before < 0 or shown <= 0 or before >= decoded:
            return WHOLE
        cut.append((before, max(0, after)))
    (left, right), (top, bottom) = cut
    return Crop(left, top, right, bottom)


def _descriptors(content: bytes) -> Iterator[dict[int, int]]:
    """The tags of each set that describes pictures, with their numbers of 32 bits."""
    at = -1
    while (at := content.find(_SET, at + 1)) >= 0:
        if content[at + 14 : at + 16] not in _PICTURES or at + 17 >= len(content):
            continue
        length, body = content[at + 16], at + 17
        if length & 0x80:
            body += length & 0x7F
            length = int.from_bytes(content[at + 17 : body], "big")
        yield dict(_tags(content[body : body + length]))


def _tags(body: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 4 <= len(body):
        tag, size = struct.unpack_from(">HH", body, at)
        if size == 4 and at + 8 <= len(body):
            yield tag, struct.unpack_from(">i", body, at + 4)[0]
        at += 4 + size
