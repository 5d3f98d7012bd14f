"""An axis-aligned rectangle: the place of everything that is found, asked about or hidden.

Coordinates are pixels of the upright picture, ``x, y, w, h``, origin top-left, x to the right, y down.
A pixel's area is ``[i, i + 1)``, so a box of a whole picture is ``(0, 0, width, height)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Point = tuple[float, float]
"""``(x, y)`` in pixels of the upright picture."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; ``w`` and ``h`` are not negative."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    @property
    def area(self) -> float:
        return self.w * self.h

    @property
    def centre(self) -> Point:
        return self.x + self.w / 2, self.y + self.h / 2

    def scaled(self, factor: float) -> Box:
        """The box grown or shrunk about its own centre."""
        return Box(
            self.x - self.w * (factor - 1) / 2,
            self.y - self.h * (factor - 1) / 2,
            self.w * factor,
            self.h * factor,
        )

    def times(self, fx: float, fy: float) -> Box:
        """The box in a picture that is ``fx`` times as wide and ``fy`` times as high."""
        return Box(self.x * fx, self.y * fy, self.w * fx, self.h * fy)

    def padded(self, pixels: float) -> Box:
        """The box with the same number of pixels added on each side."""
        return Box(self.x - pixels, self.y - pixels, self.w + 2 * pixels, self.h + 2 * pixels)

    def intersection(self, other: Box) -> Box:
        """The part both boxes share; width or height 0 where they do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        w = max(0.0, min(self.right, other.right) - x)
        h = max(0.0, min(self.bottom, other.bottom) - y)
        return Box(x, y, w, h)

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.intersection(other).area
        total = self.area + other.area - shared
        return shared / total if total > 0 else 0.0

    def covered_by(self, other: Box) -> float:
        """The share of this box, 0 to 1, that lies inside the other."""
        return self.intersection(other).area / self.area if self.area > 0 else 0.0

    def within(self, width: int, height: int) -> Box:
        """The part that lies inside a picture of this size."""
        return self.intersection(Box(0, 0, width, height))

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.x <= x <= self.right and self.y <= y <= self.bottom

    @classmethod
    def between(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """The box with these edges."""
        return cls(left, top, right - left, bottom - top)

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """``(left, top, right, bottom)`` of the whole pixels touched, clipped to a picture of this size."""
        left, top = max(0, math.floor(self.x)), max(0, math.floor(self.y))
        right, bottom = min(width, math.ceil(self.right)), min(height, math.ceil(self.bottom))
        return left, top, max(left, right), max(top, bottom)
