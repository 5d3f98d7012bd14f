"""What was drawn on the page and is not applied yet: kept in the private folder, so that no reload, crash or idle end
loses it.

    OUT/.anonymizer/drawings/ID.json

One file for each medium, mode 0600, written whole or not at all. It holds places and answers, and nothing else that a
person could type. It goes with the report of its medium.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anonymizer.core import durable
from anonymizer.core.errors import OutputError
from anonymizer.gate.files import new_id
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.permissions import PRIVATE_FOLDER
from anonymizer.review.edits import Edits

MOST = 1 << 20
"""Bytes of one file: what a request may bring is less."""


class Draft(BaseModel):
    """Corrections that wait to be applied, and which questions were answered without any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edits: Edits
    answers: dict[Annotated[int, Field(ge=0, lt=1000)], Literal["hide", "show"]] = Field({}, max_length=500)


class Drawn(BaseModel):
    """What the page asks to be kept; None: nothing any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draft: Draft | None
    at: Annotated[float, Field(ge=0)] = 0
    """When it was said, milliseconds of the browser's clock; nothing of it is kept."""


def keep(folder: OutputFolder, id: str, draft: Draft | None) -> None:
    """Keep a medium's drawings in place of those that were kept before; none where None.

    Raises :class:`OutputError` where the folder cannot be written.
    """
    path = folder.drawings / f"{id}.json"
    try:
        if draft is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        durable.replace(path, draft.model_dump_json().encode(), path.with_name(f"{new_id()}.tmp"))
    except OSError as error:
        raise OutputError("review.drawing-not-kept", cause=error.strerror or error) from error


def kept(folder: OutputFolder, id: str) -> Draft | None:
    """A medium's drawings; None where there are none, or they cannot be read."""
    path = folder.drawings / f"{id}.json"
    with contextlib.suppress(OSError, ValidationError):
        if path.stat().st_size <= MOST:
            return Draft.model_validate_json(path.read_bytes())
    return None
