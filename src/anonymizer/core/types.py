"""The plain types that travel down the road: boxes, detections, regions, checks, verdicts.

Coordinates are pixels of the upright picture, ``x, y, w, h``, origin top-left, x to the right, y down.
A pixel's area is ``[i, i + 1)``, so a box of a whole picture is ``(0, 0, width, height)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture: shape ``(height, width, 3)``, dtype uint8, RGB in sRGB, upright."""

Progress = Callable[[str, int, int], None]
"""Told of a clip's work: the stage ("searching", "hiding", "checking"), frames done, frames in all (0: unknown)."""

Point = tuple[float, float]
"""``(x, y)`` in pixels of the upright picture."""


class Kind(StrEnum):
    """What a region hides."""

    FACE = "face"
    TEXT = "text"
    CODE = "code"
    MARK = "mark"
    DRAWN = "drawn"


class Shape(StrEnum):
    """The outline of a region: the ellipse inscribed in its box, the box, or its quadrilateral."""

    ELLIPSE = "ellipse"
    BOX = "box"
    QUAD = "quad"


class Style(StrEnum):
    """How a region is drawn over."""

    BLUR = "blur"
    PIXELATE = "pixelate"
    FILL = "fill"


class Verdict(StrEnum):
    """Where a medium ends: published, shown to a person, or refused with a reason."""

    READY = "ready"
    REVIEW = "review"
    FAILED = "failed"


class Result(StrEnum):
    """What one check says. ``SKIPPED`` is for an optional check that could not run, never for a doubt."""

    PASS = "pass"
    REVIEW = "review"
    FAIL = "fail"
    SKIPPED = "skipped"


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

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """``(left, top, right, bottom)`` of the whole pixels touched, clipped to a picture of this size."""
        left, top = max(0, math.floor(self.x)), max(0, math.floor(self.y))
        right, bottom = min(width, math.ceil(self.right)), min(height, math.ceil(self.bottom))
        return left, top, max(left, right), max(top, bottom)


@dataclass(frozen=True, slots=True)
class Detection:
    """One detector's word on one place of one frame.

    ``landmarks``, where the detector gives them, are right eye, left eye, nose tip, right and left mouth
    corner (the subject's right). ``corners``, where given, are the quadrilateral's four points in order.
    """

    box: Box
    score: float
    kind: Kind
    detector: str
    landmarks: tuple[Point, ...] = ()
    corners: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """That a detector (or a person) pointed at a region, and how sure it was (0 to 1)."""

    detector: str
    score: float


@dataclass(frozen=True, slots=True)
class Region:
    """A place to hide: the fused opinion of every detector that saw it.

    ``box`` is the thing itself (a face's box, not yet grown by the margin). ``certain`` is False in the
    band between ignoring and redacting: such a region is shown to a person and never drawn by itself.
    """

    box: Box
    kind: Kind
    evidence: tuple[Evidence, ...]
    landmarks: tuple[Point, ...] = ()
    corners: tuple[Point, ...] = ()
    certain: bool = True

    def moved(self, box: Box) -> Region:
        """The same region at another place (landmarks and corners are dropped: they no longer fit)."""
        return replace(self, box=box, landmarks=(), corners=())


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was drawn over a region, in whole pixels of the output: enough to check it from the pixels.

    ``box`` is ``(left, top, right, bottom)``, the grid's extent; for an ellipse it may reach past the
    picture's edge. ``grid`` is ``(columns, rows)`` of area averages, ``(1, 1)`` for a fill.
    """

    kind: Kind
    shape: Shape
    style: Style
    box: tuple[int, int, int, int]
    grid: tuple[int, int]
    evidence: tuple[Evidence, ...]
    corners: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One check's outcome. ``evidence`` is a sentence for a person, ``data`` the same for a program.

    Neither may hold a name, a value or a hash taken from the source: both are published.
    """

    name: str
    result: Result
    evidence: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that took part: its name, the SHA-256 of its file (hex), its licence, where it ran."""

    name: str
    sha256: str
    licence: str
    device: str


@dataclass(frozen=True, slots=True)
class Question:
    """A place that a person must look at. ``text`` is its sentence among the reasons; ``seconds`` from a clip's first
    frame: the time of the frame in which it was seen, to the digit."""

    text: str
    kind: Kind
    box: Box
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """What identified the source besides its picture.

    ``kinds`` are published ("GPS position", "embedded thumbnail"). ``strings`` are the values themselves
    (five characters or more, from metadata, file name and folder names): the canaries, which must be found
    nowhere in what is written, and which never leave this process.
    """

    kinds: tuple[str, ...] = ()
    strings: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Processed:
    """One medium at the end of its road, staged and examined, before the report and the gate.

    ``path`` is the written file in the work folder, fsynced. ``reasons`` are sentences that send it to a
    person whatever the checks say; ``notes`` only inform. Clips give their tracks as ``tracks``.
    """

    path: Path
    type: str
    """``photo`` or ``clip``."""
    format: str
    """``JPEG``, ``PNG`` or ``MP4``."""
    width: int
    height: int
    redactions: tuple[Redaction, ...]
    checks: tuple[Check, ...]
    traces: Traces
    reasons: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    """Those of the reasons that point at a place."""
    notes: tuple[str, ...] = ()
    models: tuple[Model, ...] = ()
    tracks: tuple[TrackSummary, ...] = ()
    contact_sheet: bytes = b""
    """A clip's contact sheet of redacted frames, JPEG bytes written from pixels only; empty for a photo."""
    frames: int = 1
    duration: float | None = None
    """Seconds, for a clip."""


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """One track of a clip, for the report: times in seconds from the first frame, both ends included."""

    kind: Kind
    style: Style
    shape: Shape
    first: float
    last: float
    frames: int
    interpolated: int
    evidence: tuple[Evidence, ...]
    box: tuple[int, int, int, int]
    """The union of its boxes: left, top, right, bottom."""
    grid: tuple[int, int]
    path: tuple[tuple[float, int, int, int, int], ...] = ()
    """Seconds, left, top, right, bottom of what is drawn over, in between in a straight line."""
