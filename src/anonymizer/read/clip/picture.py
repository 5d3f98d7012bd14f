"""One frame of a clip with its time, and what is known of its video track. Used in the decoding process."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.core.yuv import AnyPlanes, Colour, pixels, reduced
from anonymizer.read.clip.wide_gamut import Wide


class ShapeChanged(Exception):
    """Frames are larger than, or shaped unlike, the first: all of them fit ``size`` = (width, height), even numbers.

    Whoever reads begins again with that size.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(size)
        self.size = size


@dataclass(frozen=True, slots=True)
class ClipPicture:
    """One frame: planes as in :mod:`anonymizer.core.yuv`, even sides, upright, and its time.

    ``pts`` and ``duration`` are in units of the track's time base; the first frame's ``pts`` is 0. Where there is a
    table, ``wide``, the planes have 10 bits and are not yet mapped by it.
    """

    planes: AnyPlanes
    pts: int
    duration: int
    corrupt: bool
    wide: Wide | None = None

    def whole(self) -> AnyPlanes:
        """The planes in the one form."""
        return self.wide.planes(self.planes) if self.wide else self.planes

    def small(self, size: tuple[int, int]) -> Pixels:
        """A small RGB copy of ``size`` = (width, height)."""
        if self.wide:
            return self.wide.reduced(self.planes, size)
        planes: Any = self.planes
        height, width = planes[0].shape
        return pixels(planes) if size == (width, height) else reduced(planes, size)


@dataclass(slots=True)
class VideoTrack:
    """What is known of the video track: filled in as it is read, complete at the end."""

    width: int = 0
    height: int = 0
    time_base: Fraction = Fraction(1, 1000)
    rate: Fraction = Fraction(25)
    aspect: Fraction = Fraction(1)
    expected: int = 0
    """Frames that the container announces, counted or by its length; 0 where it does not say."""
    seconds: float = 0.0
    """Duration that the container announces; 0 where it does not say."""
    colour: Colour | None = None
    """What the frames' colours are where they are kept as they came: 10 bit, high dynamic range."""
    notes: dict[Message, None] = field(default_factory=dict)
    frames: int = 0
    corrupt: int = 0
    lost: int = 0
    """Packets that no picture could be decoded from."""
    retimed: int = 0
    """Frames whose time stamp was missing or ran backwards."""
    last: int = 0
    """Where the last frame ends."""
    late: int = 0
    """Where the first frame that could be decoded is shown, after the track's announced start."""
    joins: list[tuple[int, int]] = field(default_factory=list)
    """Where the source's clock jumps, in the track's time base: what it says then, and when that is shown."""
    broken_off: bool = False
    """The file ended, or could not be read or decoded on, before its announced end."""
