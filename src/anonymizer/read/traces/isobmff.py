"""The boxes of a HEIF or AVIF file (ISO/IEC 14496-12 and 23008-12): what it holds, and whether all is there.

A tolerant, bounded reader: it takes what it can of a damaged file and never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MAX_BOXES = 20_000
"""Boxes, items and extents that are looked at; phones write about a hundred."""
_KNOWN = {
    b"ftyp", b"styp", b"meta", b"mdat", b"moov", b"moof", b"mfra", b"sidx", b"free", b"skip", b"wide", b"uuid",
    b"mpvd", b"udta", b"emsg", b"prft", b"etyp", b"grpl", b"pdin",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class IsoBox:
    """One box: ``start`` is its first byte, ``body`` its content's, ``end`` behind its last (as announced)."""

    name: bytes
    start: int
    body: int
    end: int


@dataclass(slots=True)
class Item:
    """One item of the ``meta`` box: a picture, a block of metadata, a tile."""

    id: int
    type: bytes = b""
    name: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)
    """``(offset, length)`` in the file."""


@dataclass(slots=True)
class Heif:
    """What a file holds. ``tail`` is where its boxes end; ``complete`` is False where announced bytes miss."""

    items: dict[int, Item] = field(default_factory=dict)
    primary: int = 0
    refers: list[tuple[bytes, int, tuple[int, ...]]] = field(default_factory=list)
    """``(kind, from, to)``: ``thmb`` from a thumbnail, ``auxl`` from a depth map, ``dimg`` from a grid."""
    top: list[IsoBox] = field(default_factory=list)
    properties: list[IsoBox] = field(default_factory=list)
    has: dict[int, list[int]] = field(default_factory=dict)
    """Which of the properties an item has, counted from 1."""
    tail: int = 0
    complete: bool = True

    def properties_of(self, item: int) -> list[IsoBox]:
        """The properties of an item, by its number."""
        numbers = self.has.get(item, [])
        return [self.properties[number - 1] for number in numbers if 0 < number <= len(self.properties)]

    def content(self, data: bytes, item: Item, most: int = 1 << 22) -> bytes:
        """The bytes of an item, at most ``most``."""
        return b"".join(data[at : at + min(size, most)] for at, size in item.extents[:64])[:most]


def read_heif(data: bytes) -> Heif:
    """The structure of a HEIF or AVIF file."""
    heif = Heif(tail=len(data))
    for box in boxes(data, 0, len(data)):
        if box.name not in _KNOWN:
            # Makers put their own things behind the last box.
            heif.tail = box.start
            break
        heif.top.append(box)
        heif.complete = heif.complete and box.end <= len(data)
        heif.tail = min(box.end, len(data))
        if box.name == b"meta":
            _meta(data, box, heif)
    for item in heif.items.values():
        if any(at + size > len(data) for at, size in item.extents):
            heif.complete = False
    return heif


def boxes(data: bytes, start: int, end: int) -> Iterator[IsoBox]:
    """The boxes of a file's content between two offsets: see :func:`walk`."""
    return walk(lambda at: data[at : at + 16], start, end)


def walk(read: Callable[[int], bytes], start: int, end: int) -> Iterator[IsoBox]:
    """The boxes between two offsets, as far as their sizes make sense.

    ``read`` gives the 16 bytes at an offset, fewer where the file ends.
    """
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        head = read(start)
        size, name = struct.unpack_from(">I4s", head)
        body = start + 8
        if size == 1 and start + 16 <= end and len(head) == 16:
            size, body = struct.unpack_from(">Q", head, 8)[0], start + 16
        elif size == 0:
            size = end - start
        if size < body - start:
            return
        yield IsoBox(name, start, body, start + size)
        start += size


def _meta(data: bytes, meta: IsoBox, heif: Heif) -> None:
    end = min(meta.end, len(data))
    idat = 0
    located: IsoBox | None = None
    for box in boxes(data, meta.body + 4, end):
        inner = IsoBox(box.name, box.start, box.body, min(box.end, end))
        try:
            if box.name == b"pitm":
                wide = data[box.body] > 0
                heif.primary = struct.unpack_from(">I" if wide else ">H", data, box.body + 4)[0]
            elif box.name == b"iinf":
                _infos(data, inner, heif)
            elif box.name == b"iref":
                _references(data, inner, heif)
            elif box.name == b"iprp":
                for part in boxes(data, inner.body, inner.end):
                    if part.name == b"ipco":
                        heif.properties += boxes(data, part.body, min(part.end, inner.end))
                    elif part.name == b"ipma":
                        _associations(data, part, heif)
            elif box.name == b"idat":
                idat = box.body
            elif box.name == b"iloc":
                located = inner
        except (struct.error, IndexError):
            heif.complete = False
    if located:
        try:
            _locations(data, located, heif, idat)
        except (struct.error, IndexError):
            heif.complete = False


def _infos(data: bytes, box: IsoBox, heif: Heif) -> None:
    """``iinf``: the items' numbers, types and names."""
    first = box.body + (6 if data[box.body] == 0 else 8)
    for info in boxes(data, first, box.end):
        version = data[info.body]
        if info.name != b"infe" or version < 2:
            continue
        wide = version > 2
        number = struct.unpack_from(">I" if wide else ">H", data, info.body + 4)[0]
        at = info.body + (10 if wide else 8)
        item = heif.items.setdefault(number, Item(number))
        item.type = data[at : at + 4]
        item.name = data[at + 4 : min(info.end, at + 1000)]


def _associations(data: bytes, box: IsoBox, heif: Heif) -> None:
    """``ipma``: which property belongs to which item."""
    version, flags = data[box.body], data[box.body + 3]
    number, index = (">I" if version else ">H"), (">H" if flags & 1 else ">B")
    at = box.body + 8
    for _ in range(min(struct.unpack_from(">I", data, box.body + 4)[0], MAX_BOXES)):
        item = struct.unpack_from(number, data, at)[0]
        at += struct.calcsize(number)
        count = data[at]
        indices = struct.unpack_from(f">{count}{index[1]}", data, at + 1)
        # The highest bit says that a reader must know the property.
        heif.has.setdefault(item, []).extend(i & (0x7FFF if flags & 1 else 0x7F) for i in indices)
        at += 1 + count * struct.calcsize(index)


def _references(data: bytes, box: IsoBox, heif: Heif) -> None:
    """``iref``: which item belongs to which."""
    form = ">I" if data[box.body] else ">H"
    width = struct.calcsize(form)
    for part in boxes(data, box.body + 4, box.end):
        source = struct.unpack_from(form, data, part.body)[0]
        count = min(struct.unpack_from(">H", data, part.body + width)[0], MAX_BOXES)
        first = part.body + width + 2
        targets = tuple(struct.unpack_from(form, data, first + width * i)[0] for i in range(count))
        heif.refers.append((part.name, source, targets))


def _locations(data: bytes, box: IsoBox, heif: Heif, idat: int) -> None:
    """``iloc``: where the items' bytes lie."""
    version = data[box.body]
    sizes = struct.unpack_from(">H", data, box.body + 4)[0]
    offset_size, length_size, base_size = sizes >> 12 & 15, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    at = box.body + 6

    def number(size: int) -> int:
        nonlocal at
        if at + size > box.end:
            raise IndexError
        at += size
        return int.from_bytes(data[at - size : at], "big")

    left = MAX_BOXES
    for _ in range(number(4 if version > 1 else 2)):
        id = number(4 if version > 1 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size) + (idat if method == 1 else 0)
        for _ in range(number(2)):
            left -= 1
            if left < 0:
                return
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            if method < 2:
                heif.items.setdefault(id, Item(id)).extents.append((base + offset, length))
