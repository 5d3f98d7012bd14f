"""An earlier writing of a clip, and what of it can stay: its groups of pictures, each decoded by itself.

What the search of the output finds is hidden in a second writing, mostly in a second or two of the clip. The groups
in which nothing changes are taken over as they are coded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

START = b"\0\0\0\1"
"""Before each unit of an H.264 stream outside of an MP4 (ITU-T H.264, annex B) …"""
LENGTH = 4
"""… in which its length stands there instead, in so many bytes."""
LEAST = 2
"""Frames in a group: two pictures in a row that stand by themselves may be taken for one where encoders change."""


class Unit(NamedTuple):
    """A coded picture: its bytes with start codes, whether it stands by itself, and which frame it shows."""

    content: bytes
    key: bool
    frame: int


class Earlier:
    """The file at ``path``, of ``length`` frames, which this program wrote.

    ``changed`` are the frames that are drawn otherwise now; they, and all that are decoded with one of them, do not
    stay. Raises ValueError where the file does not hold that many frames, or none that stands by itself.
    """

    def __init__(self, path: Path, changed: Collection[int], length: int) -> None:
        self.path = path
        with _opened(path) as container:
            stream = container.streams.video[0]
            self._sets = _sets(bytes(stream.codec_context.extradata or b""))
            packets = [
                (p.pts, p.is_keyframe) for p in container.demux(stream) if p.size and p.pts is not None
            ]
        shown = np.argsort(np.argsort([pts for pts, _ in packets]))
        # Where nothing that is stored later is shown earlier.
        behind = np.minimum.accumulate(shown[::-1])[::-1]
        starts = [i for i, (_, key) in enumerate(packets) if key and shown[i] == i == behind[i]]
        if len(packets) != length or not starts or starts[0]:
            raise ValueError(f"{len(packets)} frames instead of {length}, or no beginning")
        self._shown = shown.tolist()
        edges = [0]
        for start in starts:
            if start - edges[-1] >= LEAST and length - start >= LEAST:
                edges.append(start)
        edges.append(length)
        self._ends = {end - 1 for end in edges[1:]}
        self._stays = np.ones(length, np.bool_)
        where = np.array(sorted(changed), np.int64)
        for first, end in pairwise(edges):
            self._stays[first:end] = not ((where >= first) & (where < end)).any()

    def stays(self, frame: int) -> bool:
        """Whether a frame is taken over as it is."""
        return frame < len(self._stays) and bool(self._stays[frame])

    def ends(self, frame: int) -> bool:
        """Whether a frame is the last of its group."""
        return frame in self._ends

    def fits(self, header: bytes) -> bool:
        """Whether an encoder with this header, its parameter sets, makes pictures that go with these."""
        return all(one in header for one in self._sets)

    def groups(self) -> Iterator[list[Unit]]:
        """The groups that stay, in order, each in the order in which it is stored."""
        with _opened(self.path) as container:
            group: list[Unit] = []
            packets = (p for p in container.demux(container.streams.video[0]) if p.size)
            for number, packet in enumerate(packets):
                if not self.stays(number):
                    continue
                group.append(Unit(_with_start_codes(bytes(packet)), packet.is_keyframe, self._shown[number]))
                if self.ends(number):
                    yield group
                    group = []


def _opened(path: Path) -> av.container.InputContainer:
    return av.open(f"file:{path.absolute()}", format="mov")


def _sets(header: bytes) -> list[bytes]:
    """The parameter sets in an MP4's header of an H.264 stream (ISO/IEC 14496-15, 5.3.3.1)."""
    found: list[bytes] = []
    at = 5
    for mask in (0x1F, 0xFF):
        count, at = header[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(header[at : at + 2], "big")
            found.append(header[at + 2 : at + 2 + size])
            at += 2 + size
    return found


def _with_start_codes(stored: bytes) -> bytes:
    units: list[bytes] = []
    at = 0
    while at < len(stored):
        size = int.from_bytes(stored[at : at + LENGTH], "big")
        units += [START, stored[at + LENGTH : at + LENGTH + size]]
        at += LENGTH + size
    return b"".join(units)
