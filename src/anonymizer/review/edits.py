"""A person's corrections: from what is seen on the page to settings for the road, and back.

The page speaks of the areas that are drawn over, which is what a person sees and moves. Settings speak of the
thing itself, whose box the road grows by a margin. Coordinates are pixels of the upright picture.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from anonymizer.core.choices import MAX_OUTLINES
from anonymizer.core.face_parts import KeptPart
from anonymizer.core.settings import (
    Background,
    Cover,
    DrawnRegion,
    FillColour,
    OutlineValue,
    Purpose,
    Settings,
)
from anonymizer.core.types import Box, Kind, Style
from anonymizer.redact.photo import TEXT_PAD
from anonymizer.review.placing import Placing

MAX_PLACES = 500
"""Places of one kind that one picture may be given by hand."""
LEAST_PAD = 2.0
"""Pixels that text and codes grow by at least, on each side (:mod:`anonymizer.redact.photo`)."""

_At = Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]
_Side = Annotated[FiniteFloat, Field(ge=1, le=1e6)]
Rect = tuple[_At, _At, _Side, _Side]


class EditPlace(BaseModel):
    """An area of the picture as it is drawn over: ``x, y, w, h``; in a clip from ``start`` to ``end`` seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rect: Rect
    kind: Kind = Kind.DRAWN
    start: float = Field(0.0, ge=0)
    end: float | None = Field(None, ge=0)
    follow: FiniteFloat | None = Field(None, ge=0)
    """The moment at which it lies there, and from which it goes where what it lies on goes, in seconds."""


class Look(BaseModel):
    """What of a medium is handed out, and how it is hidden: settings by their names. ``crop`` is in pixels of the
    upright source, places of ``keep_part`` and ``background_outline`` in those of the output that was corrected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop: Rect | None = None
    keep_part: tuple[KeptPart, ...] = Field((), max_length=MAX_PLACES)
    cover: Cover = Cover.FACE
    background: Background = Background.KEEP
    background_outline: tuple[OutlineValue, ...] = Field((), max_length=MAX_OUTLINES)
    style: Style = Style.BLUR
    fill: FillColour = FillColour.BLACK
    purpose: Purpose = Purpose.ORIGINAL
    max_side: int = Field(0, ge=0, le=65_500)


LOOK = tuple(Look.model_fields)


class Edits(BaseModel):
    """Everything that a person may change about one medium.

    ``regions`` are hidden besides what the detectors find; what they find where a ``dismiss`` lies stays
    visible; ``keep`` is restored inside whatever is hidden, and so are mouths with ``keep_mouth``. ``look``: None
    leaves it as it was.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: tuple[EditPlace, ...] = Field((), max_length=MAX_PLACES)
    dismiss: tuple[EditPlace, ...] = Field((), max_length=MAX_PLACES)
    keep: tuple[Rect, ...] = Field((), max_length=MAX_PLACES)
    keep_mouth: bool = False
    look: Look | None = None


def from_settings(settings: Settings) -> Edits:
    """The corrections that a medium was made with."""
    return Edits(
        regions=tuple(_seen(region, settings) for region in settings.regions),
        dismiss=tuple(EditPlace.model_validate(place.model_dump()) for place in settings.dismiss),
        keep=settings.keep,
        keep_mouth=settings.keep_mouth,
        look=Look.model_validate({name: getattr(settings, name) for name in LOOK}),
    )


def looks_alike(one: Settings, other: Settings) -> bool:
    """Whether as much of a medium is handed out with both, hidden in the same way."""
    return all(getattr(one, name) == getattr(other, name) for name in (*LOOK, "keep_mouth"))


def to_settings(edits: Edits, settings: Settings, moved: tuple[Placing, Placing] | None = None) -> Settings:
    """The same settings with these corrections in place of the ones they had. ``moved``: where in its source the output
    lies that was corrected, and where the next one does, if that is elsewhere."""
    if edits.look:
        update: dict[str, Any] = {name: getattr(edits.look, name) for name in LOOK}
        if edits.look.crop != settings.crop:
            update["crop_to"] = None
        settings = settings.model_copy(update=update)
    if moved:
        edits, settings = _moved(edits, settings, *moved)
    update = {
        "regions": tuple(meant(place, settings) for place in edits.regions),
        "dismiss": tuple(DrawnRegion.model_validate(place.model_dump()) for place in edits.dismiss),
        "keep": edits.keep,
        "keep_mouth": edits.keep_mouth,
    }
    return settings.model_copy(update=update)


def _moved(edits: Edits, settings: Settings, old: Placing, new: Placing) -> tuple[Edits, Settings]:
    """The same places in pixels of another output of the source; those that lie outside of it are left out."""

    def places(found: tuple[EditPlace, ...]) -> tuple[EditPlace, ...]:
        there = ((one, new.of(old, Box(*one.rect))) for one in found)
        return tuple(one.model_copy(update={"rect": _rect(box)}) for one, box in there if new.shows(box))

    def part(one: KeptPart) -> KeptPart | None:
        if one.at is None:
            return one
        point = new.of(old, Box(*one.at, 0, 0))
        there = 0 <= point.x < new.width and 0 <= point.y < new.height
        return one.model_copy(update={"at": (point.x, point.y)}) if there else None

    kept = (new.of(old, Box(*rect)) for rect in edits.keep)
    update: dict[str, Any] = {
        "regions": places(edits.regions),
        "dismiss": places(edits.dismiss),
        "keep": tuple(_rect(box) for box in kept if new.shows(box)),
    }
    elsewhere = {
        "keep_part": tuple(found for one in settings.keep_part if (found := part(one))),
        # What stays of the room is cut off with the picture.
        "background_outline": tuple(
            tuple((at.x, at.y) for at in (new.of(old, Box(*corner, 0, 0)) for corner in outline))
            for outline in settings.background_outline
        ),
    }
    return edits.model_copy(update=update), settings.model_copy(update=elsewhere)


def _rect(box: Box) -> Rect:
    return box.x, box.y, max(1.0, box.w), max(1.0, box.h)


def drawn_over(kind: Kind, box: Box, settings: Settings) -> Rect:
    """The area that the road draws over for a thing with this box, before it is rounded to whole pixels."""
    if kind in (Kind.FACE, Kind.MARK):
        box = box.scaled(settings.margin)
    elif kind in (Kind.TEXT, Kind.CODE):
        box = box.padded(max(LEAST_PAD, TEXT_PAD * min(box.w, box.h)))
    return box.x, box.y, box.w, box.h


def _seen(region: DrawnRegion, settings: Settings) -> EditPlace:
    rect = drawn_over(region.kind, Box(*region.rect), settings)
    return EditPlace(rect=rect, **region.model_dump(exclude={"rect"}))


def meant(place: EditPlace, settings: Settings) -> DrawnRegion:
    """The inverse of what the road does to a region before it draws over it; never smaller than a pixel."""
    x, y, w, h = place.rect
    box = Box(x, y, w, h)
    if place.kind in (Kind.FACE, Kind.MARK):
        box = box.scaled(1 / settings.margin)
    elif place.kind in (Kind.TEXT, Kind.CODE):
        # least + 2 · max(2, share · least) = the side that is seen
        seen = min(w, h)
        least = min(seen - 2 * LEAST_PAD, seen / (1 + 2 * TEXT_PAD))
        box = box.padded(-(seen - max(1.0, least)) / 2)
    rect = (box.x, box.y, box.w, box.h)
    return DrawnRegion(rect=rect, **place.model_dump(exclude={"rect"}))
