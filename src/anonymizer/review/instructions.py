"""What the page may ask for: the body of each request, checked before anything is done."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from anonymizer.core.settings import CropPart
from anonymizer.review.edits import Edits

MAX_JSON = 256 << 10
"""Bytes of one instruction."""

Model = TypeVar("Model", bound=BaseModel)


class Said(BaseModel):
    """A person's word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    initials: Annotated[str, StringConstraints(max_length=100)]
    note: Annotated[str, StringConstraints(max_length=5000)] = ""


class Correction(BaseModel):
    """What a person changes about one medium. With ``approve`` it is let through too, if it comes out as foreseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edits: Edits
    initials: Annotated[str, StringConstraints(max_length=100)] = ""
    note: Annotated[str, StringConstraints(max_length=5000)] = ""
    approve: bool = False


class Trial(BaseModel):
    """Corrections to be shown before they are applied: at most ``side`` pixels; of a clip, ``seconds`` from its first
    frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edits: Edits
    side: Annotated[int, Field(ge=64, le=4096)] = 1600
    seconds: Annotated[FiniteFloat, Field(ge=0)] = 0.0


class CropWanted(BaseModel):
    """A part of a face to crop to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: CropPart


Ids = Annotated[tuple[Annotated[str, StringConstraints(max_length=40)], ...], Field(max_length=10_000)]


class Handover(BaseModel):
    """A person's word that the patient's consent was thought of: without it nothing is released. ``ids`` chooses some;
    ``answers`` are the other questions of :data:`anonymizer.release.publish.QUESTIONS` that were answered with yes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    initials: Annotated[str, StringConstraints(max_length=100)]
    consent: Literal[True]
    answers: tuple[Literal["caption", "colleagues", "useful", "account"], ...] = ()
    ids: Ids | None = None


class Selection(BaseModel):
    """Some media, by their ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: Ids


class OnePatient(BaseModel):
    """Media of one patient: one look, one framing, names with a common beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=40)], ...], Field(min_length=2, max_length=100)
    ]
    initials: Annotated[str, StringConstraints(max_length=100)] = ""


class Looked(BaseModel):
    """Somebody has looked at a medium; initials where they are given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    initials: Annotated[str, StringConstraints(max_length=12)] = ""


class Naming(BaseModel):
    """The names of what is added from now on: :attr:`anonymizer.core.settings.Settings.name` and its values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(max_length=200)] = ""
    date: Annotated[str, StringConstraints(max_length=200)] = ""
    case: Annotated[str, StringConstraints(max_length=200)] = ""


class SystemFolder(BaseModel):
    """A folder of this program's own to be opened by the system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Literal["ready", "release"]


class Nothing(BaseModel):
    """An instruction without particulars."""

    model_config = ConfigDict(frozen=True, extra="forbid")


async def told(request: Request, model: type[Model]) -> Model:
    """The instruction in a request's body."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise HTTPException(413)
    try:
        return model.model_validate(json.loads(body))
    except (ValueError, ValidationError, RecursionError) as error:
        raise HTTPException(400) from error
