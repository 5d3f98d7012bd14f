"""The plain types that travel down the road: boxes, detections, regions, checks, verdicts.

Coordinates are those of :class:`anonymizer.core.box.Box`: pixels of the upright picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from anonymizer.core.box import Box as Box
from anonymizer.core.box import Point as Point
from anonymizer.core.dicom import DicomSource
from anonymizer.core.message import Message

if TYPE_CHECKING:
    # Whoever asks for the help of a command is not to wait for it.
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
"""A picture: shape ``(height, width, 3)``, dtype uint8, RGB in sRGB, upright."""

Progress = Callable[[str, int, int], None]
"""Told of a clip's work: the stage ("searching", "hiding", "checking"), frames done, frames in all (0: unknown)."""


class Kind(StrEnum):
    """What a region hides."""

    FACE = "face"
    TEXT = "text"
    CODE = "code"
    MARK = "mark"
    DRAWN = "drawn"


class Action(StrEnum):
    """What is done with a region: it is hidden, it is shown to a person, both, or neither.

    ``ASK`` leaves it in view until a person has decided; ``HIDE_AND_ASK`` hides it first.
    """

    HIDE = "hide"
    HIDE_AND_ASK = "hide-and-ask"
    ASK = "ask"
    LEAVE = "leave"


class QuestionKind(StrEnum):
    """What a person is asked about a place: whether it is one of these, or whether what is hidden there took all of
    the case away."""

    FACE = "face"
    FACE_PART = "face-part"
    TEXT = "text"
    CODE = "code"
    MARK = "mark"
    DRAWN = "drawn"
    NOTHING_LEFT = "nothing-left"

    @property
    def kind(self) -> Kind:
        """The kind of region that hides such a place."""
        return {QuestionKind.FACE_PART: Kind.FACE, QuestionKind.NOTHING_LEFT: Kind.DRAWN}.get(self) or Kind(
            self
        )


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
    """A place that was found: the fused opinion of every detector that saw it, and what is to be done with it.

    ``box`` is the thing itself (a face's box, not yet grown by the margin). ``question`` is what a person is asked
    about it, where ``action`` asks; None asks whether it is what ``kind`` says.
    """

    box: Box
    kind: Kind
    evidence: tuple[Evidence, ...]
    landmarks: tuple[Point, ...] = ()
    corners: tuple[Point, ...] = ()
    action: Action = Action.HIDE
    question: QuestionKind | None = None

    @property
    def hidden(self) -> bool:
        """Whether it is drawn over."""
        return self.action in (Action.HIDE, Action.HIDE_AND_ASK)

    @property
    def asked(self) -> bool:
        """Whether a person must look at it."""
        return self.action in (Action.ASK, Action.HIDE_AND_ASK)

    @property
    def asks(self) -> QuestionKind:
        """What a person is asked about it."""
        return self.question or QuestionKind(self.kind)

    def moved(self, box: Box) -> Region:
        """The same region at another place (landmarks and corners are dropped: they no longer fit)."""
        return replace(self, box=box, landmarks=(), corners=())

    def times(self, sx: float, sy: float) -> Region:
        """The same region in a picture that is so many times as wide and as high."""
        landmarks, corners = (
            tuple((x * sx, y * sy) for x, y in points) for points in (self.landmarks, self.corners)
        )
        return replace(self, box=self.box.times(sx, sy), landmarks=landmarks, corners=corners)


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
    """One check's outcome. ``evidence`` is for a person, ``data`` the same for a program.

    Neither may hold a name, a value or a hash taken from the source: both are published.
    """

    name: str
    result: Result
    evidence: Message
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
    """A place that a person must look at: what is asked, where, and whether it is hidden meanwhile.

    ``box`` in pixels of the output; ``seconds`` from a clip's first frame: the time of the frame in which it was seen,
    to the digit, None for a photo.
    """

    kind: QuestionKind
    box: Box
    seconds: float | None = None
    hidden: bool = False

    @property
    def message(self) -> Message:
        """The question as it stands among the reasons: its code is ``ask.KIND``, or ``ask.KIND.hidden``."""
        if self.seconds is None:
            where = Message("ask.at", box=self.box)
        else:
            where = Message("ask.at-moment", box=self.box, seconds=self.seconds)
        return Message(f"ask.{self.kind}.hidden" if self.hidden else f"ask.{self.kind}", where=where)


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

    ``path`` is the written file in the work folder, fsynced. ``reasons`` send it to a
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
    reasons: tuple[Message, ...] = ()
    questions: tuple[Question, ...] = ()
    """Those of the reasons that point at a place."""
    notes: tuple[Message, ...] = ()
    models: tuple[Model, ...] = ()
    tracks: tuple[TrackSummary, ...] = ()
    contact_sheet: bytes = b""
    """A clip's contact sheet of redacted frames, JPEG bytes written from pixels only; empty for a photo."""
    thumbnail: bytes = b""
    """A small picture of the written file, JPEG bytes, for the overview."""
    frames: int = 1
    duration: float | None = None
    """Seconds, for a clip."""
    crop: tuple[float, float, float, float] | None = None
    """What was taken of the source: x, y, w, h in its pixels. For the ledger: no report tells it."""
    dicom: DicomSource | None = None
    """What a de-identified DICOM may be made of; None for a source that is none, or a clip."""


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
