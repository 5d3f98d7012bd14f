"""Where an output lies in its source: places that were drawn on one output are moved to another one of that source."""

from __future__ import annotations

from dataclasses import dataclass

from anonymizer.core.geometry import scaled_size
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box
from anonymizer.read.clip.part import PicturePart
from anonymizer.road.framing import crop_of


@dataclass(frozen=True, slots=True)
class Placing:
    """An output of ``width`` × ``height`` pixels shows of its upright source what begins at ``left``, ``top``, at
    ``across`` and ``down`` pixels for one of the source's."""

    left: float
    top: float
    across: float
    down: float
    width: int
    height: int

    def of(self, other: Placing, box: Box) -> Box:
        """The place of another output in pixels of this one."""
        x, y = other.left + box.x / other.across, other.top + box.y / other.down
        w, h = box.w / other.across, box.h / other.down
        return Box((x - self.left) * self.across, (y - self.top) * self.down, w * self.across, h * self.down)

    def shows(self, box: Box) -> bool:
        """Whether any of a place lies in the output."""
        return box.intersection(Box(0, 0, self.width, self.height)).area > 0

    @property
    def box(self) -> Box:
        """All of the output, in its pixels."""
        return Box(0, 0, self.width, self.height)


def placing(settings: Settings, width: int, height: int, *, clip: bool) -> Placing:
    """Where the output of these settings lies in a source of this size.

    Raises :class:`anonymizer.core.errors.UnsupportedError` where its crop lies outside of the source.
    """
    if clip:
        part = PicturePart.of(
            width, height, list(settings.crop) if settings.crop else None, settings.longest_side
        )
        (left, top, right, bottom), size = part.crop, part.size
    else:
        left, top, right, bottom = crop_of(settings, width, height) or (0, 0, width, height)
        longest = max(right - left, bottom - top)
        factor = min(1.0, settings.longest_side / longest) if settings.longest_side else 1.0
        size = scaled_size(right - left, bottom - top, factor)
    return Placing(left, top, size[0] / (right - left), size[1] / (bottom - top), *size)


def placing_shown(settings: Settings, width: int, height: int) -> Placing | None:
    """The same by the size of the output itself; None where that alone does not tell."""
    if settings.crop is None:
        shrunk = settings.longest_side and max(width, height) >= settings.longest_side
        return None if shrunk else Placing(0, 0, 1, 1, width, height)
    left, top, right, bottom = Box(*settings.crop).pixels(1 << 20, 1 << 20)
    return Placing(left, top, width / (right - left), height / (bottom - top), width, height)
