"""Faces grown to whole heads, where the settings ask for that: hair, ears and neck are hidden with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anonymizer.core.message import Message
from anonymizer.core.settings import Cover, Settings
from anonymizer.core.types import Box, Kind, Model, Pixels, Region, Shape
from anonymizer.detect.faces.head import Head, HeadFinder
from anonymizer.road.framing import shifted


@dataclass
class Heads:
    """The network that sees heads, loaded when it is first wanted.

    Raises :class:`anonymizer.core.errors.ModelError` where it cannot be had.
    """

    load: Callable[[], HeadFinder]
    _finder: HeadFinder | None = field(default=None, init=False)

    @property
    def finder(self) -> HeadFinder:
        if self._finder is None:
            self._finder = self.load()
        return self._finder

    def models(self) -> tuple[Model, ...]:
        """The network, where it took part."""
        return (self._finder.model(),) if self._finder else ()

    def whole(
        self, pixels: Pixels, regions: Sequence[Region], settings: Settings, left: int = 0, top: int = 0
    ) -> tuple[list[Region], list[Message]]:
        """The regions, each hidden face with a box that hides its head, and what is said of those that the network did
        not see. ``regions`` are in pixels of the output that lies at ``(left, top)`` of the unredacted ``pixels``."""
        if settings.cover is not Cover.HEAD:
            return list(regions), []
        found, said = [], []
        for one in regions:
            if one.kind is Kind.FACE and one.hidden:
                head = self.finder.head(pixels, shifted(one, left, top))
                moved = replace(head, box=Box(head.box.x - left, head.box.y - top, head.box.w, head.box.h))
                if not head.seen:
                    said.append(Message("road.head-guessed", where=Message("ask.at", box=one.box)))
                one = replace(one, box=hiding(one.box, moved, settings))
            found.append(one)
        return found, said


def hiding(face: Box, head: Head, settings: Settings) -> Box:
    """The box that, grown by the settings' margin as a face's is, hides a head and all that would be hidden of the face
    alone: no part of that comes to light."""
    own = face.scaled(settings.margin)
    if settings.shape is not Shape.ELLIPSE:
        return head.box.union(own).scaled(1 / settings.margin)
    angles = np.linspace(0, 2 * np.pi, 64)
    x = own.x + own.w / 2 * (1 + np.cos(angles))
    y = own.y + own.h / 2 * (1 + np.sin(angles))
    box = head.box
    away = np.hypot((x - box.x - box.w / 2) / (box.w / 2), (y - box.y - box.h / 2) / (box.h / 2))
    return box.scaled(max(head.rim, float(away.max())) / settings.margin)
