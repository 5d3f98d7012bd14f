"""The room about a person, replaced where the settings ask for that; what a person is told and asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import kept
from anonymizer.core.kept import KeptArea
from anonymizer.core.message import Message
from anonymizer.core.settings import Background, Settings
from anonymizer.core.types import Box, Model, Region
from anonymizer.detect.person import Person, PersonFinder
from anonymizer.redact.background import backdrop, replaced
from anonymizer.road.framing import Framing
from anonymizer.verify.background import Replaced

BARE = 0.02
"""Share of a place that may be the person's where it counts as the room's: nothing of it is left to hide."""


@dataclass
class Persons:
    """The network that sees persons, loaded when it is first wanted.

    Raises :class:`anonymizer.core.errors.ModelError` where it cannot be had.
    """

    load: Callable[[], PersonFinder]
    _finder: PersonFinder | None = field(default=None, init=False)

    @property
    def finder(self) -> PersonFinder:
        if self._finder is None:
            self._finder = self.load()
        return self._finder

    def models(self) -> tuple[Model, ...]:
        """The network, where it took part."""
        return (self._finder.model(),) if self._finder else ()


@dataclass(frozen=True, slots=True)
class Room:
    """A photo whose background is replaced: what of the output must be, and what is said of it."""

    frame: Framing
    wanted: Replaced | None = None
    reasons: tuple[Message, ...] = ()
    notes: tuple[Message, ...] = ()

    def beside(self, regions: Sequence[Region], settings: Settings) -> list[Region]:
        """The regions, in pixels of the output, but for those of which one grey has left nothing."""
        wanted = self.wanted
        if wanted is None or settings.background is not Background.PLAIN:
            return list(regions)
        height, width = wanted.outside.shape

        def gone(box: Box) -> bool:
            left, top, right, bottom = box.pixels(width, height)
            part = wanted.outside[top:bottom, left:right]
            return part.size > 0 and bool(part.mean() >= 1 - BARE)

        return [one for one in regions if not gone(one.box)]


def without_room(
    frame: Framing, in_view: Sequence[Region], settings: Settings, persons: Persons | None
) -> Room:
    """A photo with its background replaced, by what was found in its view; as it is where nobody asked for that."""
    if settings.background is Background.KEEP or persons is None:
        return Room(frame)
    seen = _person(frame, in_view, settings, persons)
    if not seen.mask.any() or seen.mask.all():
        return Room(frame, reasons=(Message("road.background-left"),))
    grid = backdrop(frame.output, seen.mask, settings.background)
    clean = replaced(frame.output, seen.mask, grid)
    # A picture that is not cropped is searched as it is handed out.
    done = replace(frame, output=clean) if frame.cropped else replace(frame, output=clean, view=clean)
    wanted = Replaced(~seen.mask, (grid.shape[1], grid.shape[0]))
    return Room(done, wanted, said(settings, sure=seen.sure), told(settings))


def said(settings: Settings, *, sure: bool) -> tuple[Message, ...]:
    """What a person is asked of a replaced background."""
    if not sure:
        return (Message("road.background-unsure"),)
    return () if settings.background_trusted else (Message("road.background"),)


def told(settings: Settings) -> tuple[Message, ...]:
    """What the report says of it."""
    plain = settings.background is Background.PLAIN
    return (Message("notes.background.plain") if plain else Message("notes.background.blur"),)


def outlined(settings: Settings, width: int, height: int) -> NDArray[np.bool_]:
    """What stays by a person's hand ``(height, width)``: within outlines, and in places to be kept."""
    areas: list[KeptArea] = [*settings.background_outline, *(Box(*rect) for rect in settings.keep)]
    return kept.mask(areas, (0, 0, width, height))


def _person(frame: Framing, in_view: Sequence[Region], settings: Settings, persons: Persons) -> Person:
    height, width = frame.output.shape[:2]
    own = outlined(settings, width, height)
    if settings.background_outline:
        return Person(own, sure=True)
    seen = persons.finder.person(frame.view, in_view)
    mask = seen.mask[frame.top : frame.top + height, frame.left : frame.left + width]
    if mask.shape != (height, width):
        mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return Person(mask | own, seen.sure)
