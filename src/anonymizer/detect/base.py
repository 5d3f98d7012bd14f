"""Frame to regions: every finder answers the same two questions about one picture."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol, runtime_checkable

from anonymizer.core.types import Box, Model, Pixels, Region


class RegionFinder(Protocol):
    """One family of detectors: faces, text, codes, marks, or a plug-in.

    ``find`` is the detection before redaction. ``verification_pass`` searches the redacted picture in settings other
    than ``find``'s (scale, rotation, threshold), for the residual check. Both take a picture ``(h, w, 3)``
    uint8 RGB, do not change it, and give regions in its pixels; ``Action.ASK`` marks a doubt that a
    person should decide. One thread may ask for ``find`` while another asks for ``verification_pass``; beyond that
    finders are not thread-safe.
    """

    def find(self, pixels: Pixels) -> list[Region]: ...

    def verification_pass(self, pixels: Pixels) -> list[Region]: ...

    def models(self) -> list[Model]: ...


@runtime_checkable
class FaceRegionFinder(RegionFinder, Protocol):
    """A finder of faces: between full searches of a clip it searches small frames quickly, and places closely."""

    def quick_find(
        self, pictures: Sequence[Pixels], rotations: tuple[int, ...], side: int
    ) -> list[list[Region]]:
        """Quick detection: the faces of each of several frames at these quarter turns and this long side, pixels."""

    def close_look(self, pixels: Pixels, box: Box) -> float:
        """The score of a place of a frame that is cut out and enlarged, 0 if nothing is seen there."""

    def quick_find_around(self, pixels: Pixels, rotations: Sequence[int]) -> list[Region]:
        """Quick detection: the faces of one frame at all four rotations, with most care at these."""

    def verification_pass_near(
        self, pixels: Pixels, places: Sequence[Box], rotations: Sequence[int]
    ) -> list[Region]:
        """What ``verification_pass`` says, of these places alone, at these rotations."""


class HasModels(Protocol):
    """Whatever networks took part in."""

    def models(self) -> Sequence[Model]: ...


def models_of(*parts: HasModels | None) -> tuple[Model, ...]:
    """The models that took part in any of these, each once though two may share one, in their order."""
    return tuple(dict.fromkeys(model for part in parts if part for model in part.models()))


class Proof(IntEnum):
    """What a closer look says of a place that may hold text or a code."""

    NONE = 0
    """It sees nothing there."""
    SEEN = 1
    """It sees something, and cannot read it."""
    READ = 2
    CERTAIN = 3
    """It decodes a code, or reads what comes close to a known name."""


@runtime_checkable
class ProvesLabels(Protocol):
    """A finder of text or codes, which can tell of a place that it found whether there is anything to be read."""

    def look_near(self, view: Pixels, labels: Sequence[Region]) -> list[Region]:
        """What ``verification_pass`` says of a part of a picture, about these labels, of which at least the sizes are
        those of the part; nothing where none of them is of this finder's concern."""

    def proof(self, pixels: Pixels, region: Region) -> Proof | None:
        """What a closer look at a place says; None of a kind that is another finder's."""


@runtime_checkable
class FindsOthers(Protocol):
    """A finder that can leave out faces."""

    def quick_find_others(self, pixels: Pixels) -> list[Region]:
        """What ``verification_pass`` says of everything but faces."""


@runtime_checkable
class FindsBeside(Protocol):
    """A finder that spares itself a close search of places that are known to be hidden."""

    def find_beside(self, pixels: Pixels, known: Sequence[Box]) -> list[Region]: ...


@runtime_checkable
class ReleasesMemory(Protocol):
    """A finder that can give back the memory that a search takes."""

    def rest(self) -> None: ...


@runtime_checkable
class LetsGo(Protocol):
    """A finder that can give back its networks, with all that they keep, until they are asked next."""

    def let_go(self) -> None: ...
