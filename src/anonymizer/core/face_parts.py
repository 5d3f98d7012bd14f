"""The parts of a face that may be kept in view, as a person names them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_serializer, model_validator


class FacePart(StrEnum):
    """A part of a face that can be kept."""

    MOUTH = "mouth"
    TEETH = "teeth"
    EYES = "eyes"
    LEFT_EYE = "left-eye"
    RIGHT_EYE = "right-eye"
    NOSE = "nose"
    EARS = "ears"


class KeptPart(BaseModel):
    """A part to be kept in view: in every face, or in the one at ``at``, x and y in pixels of the output.

    Written ``mouth`` or ``left-eye@320,200``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: FacePart
    at: tuple[FiniteFloat, FiniteFloat] | None = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        part, _, place = value.partition("@")
        numbers = place.split(",") if place else None
        return {"part": part, "at": numbers}

    @model_serializer
    def _shown(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.part + (f"@{self.at[0]:g},{self.at[1]:g}" if self.at else "")
