"""One start of the page, and what every route needs of it: the medium a request names, and answers in its language."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from anonymizer.core.errors import DecisionError
from anonymizer.core.message import Message
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.i18n import languages, speaker
from anonymizer.review.clips import Films
from anonymizer.review.jobs import JobRunner
from anonymizer.review.photos import Pictures
from anonymizer.review.previews import Previews
from anonymizer.review.security import Keys

SEEN = (State.REVIEW, State.READY, State.RELEASED, State.REJECTED)
"""States in which a medium has pictures to be shown."""


@dataclass
class Page:
    """One start of the page: what it serves, to whom, in which language, and when it was last used."""

    runner: JobRunner
    pictures: Pictures
    keys: Keys = field(default_factory=Keys)
    language: str = "en"
    spoken: bool = True
    """Whether somebody asked for that language; else the page speaks the browser's."""
    idle_seconds: float = 1800
    used: float = field(default_factory=time.monotonic)
    uploading: int = 0
    releasing: bool = False
    drawn: dict[str, float] = field(default_factory=dict)
    """When the browser spoke last of a medium's drawings: what it had said before may come later."""
    films: Films = field(init=False)
    previews: Previews = field(init=False)

    def __post_init__(self) -> None:
        self.films = Films(self.runner.settings.limits, self.runner.gate.work)
        self.previews = Previews(self.pictures, self.films)

    def close(self) -> None:
        """Give up what was tried, and let go of what was decoded."""
        self.previews.close()
        self.pictures.close()

    @property
    def release_folder(self) -> Path:
        """Where a release goes: beside the output folder, for no path is taken from a browser."""
        out = self.runner.out.resolve()
        return out.with_name(f"{out.name}-release")

    @property
    def idle(self) -> bool:
        """Nobody has done anything for too long, and nothing is under way."""
        busy = self.uploading or self.releasing or self.runner.busy
        return not busy and time.monotonic() - self.used > self.idle_seconds


def page_of(request: Request, *, used: bool = True) -> Page:
    page: Page = request.app.state.page
    if used:
        page.used = time.monotonic()
    return page


def spoken(request: Request, value: Any) -> Any:
    """An answer with its messages in the language that the page says it speaks."""
    page: Page = request.app.state.page
    wanted = request.headers.get("accept-language", "")
    say = speaker(wanted if wanted in languages() else page.language)

    def told(value: Any) -> Any:
        if isinstance(value, Message):
            return say(value)
        if isinstance(value, dict):
            return {name: told(part) for name, part in value.items()}
        return [told(part) for part in value] if isinstance(value, list | tuple) else value

    return told(value)


async def entry_of(request: Request, *states: State) -> LedgerEntry:
    """The row of the medium that a request names; 404 where there is none in such a state."""
    entry = await page_of(request).runner.read(lambda gate: gate.ledger.get(request.path_params["id"]))
    if entry is None or entry.state not in states:
        raise HTTPException(404)
    return entry


def medium_file(gate: OutputFolder, entry: LedgerEntry) -> Path:
    # Read again: it may have been decided since the request came, and stand elsewhere now.
    entry = gate.ledger.get(entry.id) or entry
    if entry.state not in SEEN:
        raise DecisionError("decision.gone")
    path = gate.folder(entry.state) / entry.name
    if not path.is_file():
        raise DecisionError("report.file-gone")
    return path
