"""What comes in: under which names from now on, and what the watcher beside the page is doing with its inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from anonymizer.core.errors import SettingsError
from anonymizer.core.settings import Settings
from anonymizer.gate.output import OutputFolder
from anonymizer.review.instructions import Naming, told
from anonymizer.review.listing import LISTED, shown
from anonymizer.review.page import page_of, spoken
from anonymizer.watch import status
from anonymizer.watch.locks import alive

EXAMPLE = 1
"""The number in the example of a name."""


def routes() -> list[Route]:
    """The routes of what comes in."""
    return [
        Route("/api/names", _names, methods=["POST"]),
        Route("/api/names/try", _try, methods=["POST"]),
        Route("/api/watcher", _watcher),
    ]


def names(settings: Settings) -> dict[str, str]:
    """The names that outputs get: template, date and label, and an example; all empty for random ones."""
    form = settings.output_name
    made = {"name": settings.name, "date": settings.date, "case": settings.case}
    return made | {"example": f"{form.with_number(EXAMPLE)}.jpg" if form else ""}


async def _try(request: Request) -> Response:
    """What names would be like, or why they cannot be."""
    said = await told(request, Naming)
    try:
        settings = page_of(request).runner.named(said.name, said.date, said.case)
    except SettingsError as error:
        return JSONResponse(spoken(request, {"example": "", "error": error.message}))
    return JSONResponse(names(settings) | {"error": ""})


async def _names(request: Request) -> Response:
    """What is added from now on gets such names, until the page is closed."""
    said = await told(request, Naming)
    runner = page_of(request).runner
    runner.settings = runner.named(said.name, said.date, said.case)
    return JSONResponse(names(runner.settings))


def watcher(folder: OutputFolder) -> dict[str, Any] | None:
    """What the watcher of this output folder is doing, in a few words; None where there never was one."""
    said = status.read(folder.private)
    if said is None:
        return None
    running = alive(folder.root)
    return {
        "doing": said.doing if running else status.Doing.STOPPED,
        "since": said.since if running else said.updated,
        "said": said.said if running else None,
        "queued": said.queued if running else 0,
        "waiting": said.waiting if running else 0,
    }


def watcher_in_full(folder: OutputFolder) -> dict[str, Any] | None:
    """The same with the folders that are watched, and each file that waits in them, with why: at most
    :data:`~anonymizer.review.listing.LISTED`."""
    found = watcher(folder)
    if found is None:
        return None
    inboxes = folder.ledger.inboxes()
    waiting = folder.ledger.waiting(LISTED) if found["doing"] is not status.Doing.STOPPED else []
    return found | {
        "inboxes": [shown(str(path)) for path in inboxes],
        "files": [
            {"name": shown(_within(path, inboxes)), "reason": why, "since": since}
            for path, why, since in waiting
        ],
    }


def _within(path: Path, folders: list[Path]) -> str:
    """A path as it reads from the watched folder that it lies in."""
    above = next((one for one in folders if path.is_relative_to(one)), None)
    return str(path.relative_to(above)) if above else str(path)


async def _watcher(request: Request) -> Response:
    found = await page_of(request).runner.read(watcher_in_full)
    return JSONResponse(spoken(request, found))
