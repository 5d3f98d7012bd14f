"""One medium on its way, as the page tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.read.bundle.paths import spoken
from anonymizer.review.instructions import Correction


class Stage(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass
class PageJob:
    """One medium on its way down the road, under the page's settings of the moment in which it came, ``rules``, or
    under ``settings`` of its own. ``replaces`` is the id of the output that it corrects."""

    number: int
    source: Path
    rules: Settings
    settings: Settings | None = None
    replaces: str = ""
    sha256: str = ""
    stage: Stage = Stage.QUEUED
    what: str = ""
    done: int = 0
    total: int = 0
    id: str = ""
    verdict: str = ""
    error: Message | None = None
    approval: Correction | None = None
    """A person's word that it is to be let through, if nothing comes up that they could not foresee."""
    alike: bool = True
    """Whether as much of it is handed out as before, and hidden in the same way."""
    said: tuple[Message, ...] = ()
    """What a person is told or asked of how it is framed, if that was found among others."""
    approved: bool = False
    why: Message | None = None
    """Why it was not let through in spite of that word."""

    def facts(self) -> dict[str, Any]:
        """For the page."""
        names = (
            "number",
            "replaces",
            "stage",
            "what",
            "done",
            "total",
            "id",
            "verdict",
            "error",
            "approved",
            "why",
        )
        return {name: getattr(self, name) for name in names} | {"source": spoken(self.source)}
