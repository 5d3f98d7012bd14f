"""What a person does about media on the page: correct, decide, delete the copy, hand out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from anonymizer.core.errors import DecisionError
from anonymizer.gate import decisions as decide
from anonymizer.gate.folder import Gate
from anonymizer.gate.forgetting import SETTLED, sharers
from anonymizer.gate.records import State
from anonymizer.review import drafts
from anonymizer.review import uploads as inbox
from anonymizer.review.drafts import Drawn
from anonymizer.review.instructions import Correction, Nothing, Said, told
from anonymizer.review.page import entry_of, page_of, spoken
from anonymizer.review.trying import moved


def routes(media: str) -> list[Route]:
    """The routes below ``media``, which names a medium by its id, and those of several media."""
    return [
        Route(f"{media}/apply", _apply, methods=["POST"]),
        Route(f"{media}/draft", _draft, methods=["POST"]),
        Route(f"{media}/approve", _decision(decide.approve), methods=["POST"]),
        Route(f"{media}/reject", _decision(decide.reject), methods=["POST"]),
        Route(f"{media}/reopen", _decision(decide.reopen), methods=["POST"]),
        Route(f"{media}/discard", _discard, methods=["POST"]),
    ]


async def _apply(request: Request) -> Response:
    """Make a medium again with what was drawn, and approve it if it comes out as whoever drew it could foresee."""
    said = await told(request, Correction)
    page, id = page_of(request), request.path_params["id"]
    job = await page.runner.correct(id, said, await moved(page, id, said.edits))
    return JSONResponse(spoken(request, job.facts()), 202)


async def _draft(request: Request) -> Response:
    """Keep what is drawn and not applied yet."""
    said = await told(request, Drawn)
    page, id = page_of(request), request.path_params["id"]
    entry = await page.runner.read(lambda gate: gate.ledger.get(id))
    if entry is None:
        raise HTTPException(404)

    def in_order(gate: Gate, id: str) -> None:
        # Two requests may overtake each other: what was taken back would be there again.
        if said.at >= page.drawn.get(id, 0):
            page.drawn[id] = said.at
            drafts.keep(gate, id, said.draft)

    # Somebody may have decided on it, or made it anew, while this was on its way.
    if said.draft is None or entry.state in (State.REVIEW, State.READY, State.RELEASED):
        await page.runner.ask_gate(in_order, entry.id)
    return JSONResponse({})


def _decision(action: Callable[[Gate, str, str, str], Path]) -> Callable[[Request], Any]:
    async def decided(request: Request) -> Response:
        runner = page_of(request).runner
        said = await told(request, Said)
        id = request.path_params["id"]
        runner.free(id)
        await runner.ask_gate(action, id, said.initials, said.note)
        runner.touched()
        return JSONResponse({"id": id})

    return decided


async def _discard(request: Request) -> Response:
    """Delete an original that was dropped on the page, once it is decided."""
    runner = page_of(request).runner
    await told(request, Nothing)
    entry = await entry_of(request, State.READY, State.RELEASED, State.REJECTED, State.FAILED)
    others = await runner.read(sharers, entry)
    if any(one.state not in SETTLED for one in others):
        raise DecisionError("review.others-need-it")
    gone = await run_in_threadpool(inbox.discard, entry.source, runner.inbox)
    return JSONResponse({"id": entry.id, "gone": gone})
