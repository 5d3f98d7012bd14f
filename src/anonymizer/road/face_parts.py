"""Which parts of the faces of a picture stay in view, and what a person is asked where one is not found surely."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from anonymizer.core.errors import UnsupportedError
from anonymizer.core.face_outlines import Outline, outlines
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.message import Message
from anonymizer.core.settings import CropPart, Settings
from anonymizer.core.types import Box, Kind, Model, Pixels, Region
from anonymizer.detect.faces.mesh import LEAST, FaceMesh, sure
from anonymizer.road.framing import about, shifted

T = TypeVar("T")
REACH = 1.4
"""A place given by hand means the face in whose box, grown so much, it lies."""


@dataclass
class PartsOfFaces:
    """The face mesh, loaded when it is first wanted.

    Raises :class:`anonymizer.core.errors.ModelError` where its network cannot be had.
    """

    load: Callable[[], FaceMesh]
    _mesh: FaceMesh | None = field(default=None, init=False)

    @property
    def mesh(self) -> FaceMesh:
        if self._mesh is None:
            self._mesh = self.load()
        return self._mesh

    def models(self) -> tuple[Model, ...]:
        """The network, where it took part."""
        return (self._mesh.model(),) if self._mesh else ()

    def kept(
        self, pixels: Pixels, regions: Sequence[Region], settings: Settings, left: int = 0, top: int = 0
    ) -> tuple[list[Outline], list[Message]]:
        """The outlines of what stays in view, in pixels of the output that lies at ``(left, top)`` of the unredacted
        ``pixels``, and the reasons for a person's look. ``regions`` are in pixels of the output."""
        if not settings.kept_parts:
            return [], []
        kept: list[Outline] = []
        said: list[Message] = []
        faces = [one for one in regions if one.kind is Kind.FACE and one.hidden]
        wanted: dict[Box, list[FacePart]] = {}
        for one in settings.kept_parts:
            meant = addressed([(face.box, face.box) for face in faces], one)
            if not meant:
                said.append(nobody(one))
            for box in meant:
                wanted.setdefault(box, []).extend(single(one.part))
        for box, own in wanted.items():
            face = next(one for one in faces if one.box == box)
            in_view = shifted(face, left, top)
            mesh = self.mesh.look(pixels, in_view)
            missing = []
            for part in dict.fromkeys(own):
                if mesh is not None and sure(pixels, in_view, mesh, part):
                    kept += [
                        tuple((x - left, y - top) for x, y in one) for one in outlines(mesh.points, part)
                    ]
                else:
                    missing.append(part)
            if missing:
                said.append(unsure(missing, Message("ask.at", box=box)))
        return kept, said

    def crop(
        self, pixels: Pixels, regions: Sequence[Region], part: CropPart
    ) -> tuple[float, float, float, float]:
        """The crop about a part of the largest face: x, y, w, h in pixels.

        Raises :class:`UnsupportedError` where there is no face, or the part is not surely found.
        """
        faces = [one for one in regions if one.kind is Kind.FACE and one.hidden]
        face = max(faces, key=lambda one: one.box.area, default=None)
        mesh = self.mesh.look(pixels, face) if face else None
        parts = single(FacePart(part))
        if face is None or mesh is None or not all(sure(pixels, face, mesh, one) for one in parts):
            raise UnsupportedError("road.crop-no-part", part=Message(f"part.{part}"))
        return about([outline for one in parts for outline in outlines(mesh.points, one)])


def single(part: FacePart) -> tuple[FacePart, ...]:
    """A part as those that are judged one by one."""
    return (FacePart.RIGHT_EYE, FacePart.LEFT_EYE) if part is FacePart.EYES else (part,)


def addressed(faces: Sequence[tuple[T, Box]], wanted: KeptPart) -> list[T]:
    """The faces that a person meant: the one at a place, the smallest of several; else all that are large enough to
    show a part. Each comes with its box, pixels."""
    if wanted.at is None:
        return [one for one, box in faces if max(box.w, box.h) >= LEAST]
    x, y = wanted.at
    near = [
        (grown.area, number)
        for number, (_, box) in enumerate(faces)
        if (grown := box.scaled(REACH)).holds(x, y)
    ]
    return [faces[min(near)[1]][0]] if near else []


def nobody(wanted: KeptPart) -> Message:
    """What is said where no face was meant."""
    part = Message(f"part.{wanted.part}")
    if wanted.at is None:
        return Message("road.part-no-face", part=part)
    return Message("road.part-no-face-at", part=part, x=wanted.at[0], y=wanted.at[1])


def unsure(parts: Sequence[FacePart], where: Message) -> Message:
    """What is said where parts of a face were not found surely."""
    return Message("road.part-unsure", parts=[Message(f"part.{part}") for part in parts], where=where)
