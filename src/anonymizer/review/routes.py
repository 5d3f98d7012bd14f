"""The page's routes: each names a medium by its opaque id and asks the job runner; none takes a path."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from anonymizer.core.errors import AnonymizerError
from anonymizer.core.version import __version__
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import State
from anonymizer.i18n import languages
from anonymizer.read.walk import Passed
from anonymizer.review import deciding, handing, inflow, showing, trying
from anonymizer.review import listing as queue
from anonymizer.review import uploads as inbox
from anonymizer.review.instructions import Nothing, told
from anonymizer.review.page import Page, page_of, spoken
from anonymizer.review.page_files import TYPES, page_file
from anonymizer.review.security import Guard


def build(page: Page, port: int) -> Starlette:
    """The application, behind its guard, for this port."""
    media = "/api/media/{id:str}"
    routes = [
        Route("/", _shell),
        Route("/static/{name:str}", _static),
        Route("/api/session", _session),
        Route("/api/poll", _poll),
        Route("/api/list/{state:str}", _list),
        Route("/api/uploads", _upload, methods=["POST"]),
        Route("/api/passed/{id:str}/remove", _remove, methods=["POST"]),
        *showing.routes(media),
        *deciding.routes(media),
        *trying.routes(media),
        *handing.routes(media),
        *inflow.routes(),
    ]
    app = Starlette(
        routes=[Mount(page.keys.path, routes=routes)],
        middleware=[
            Middleware(Guard, keys=page.keys, port=port, octets=["/api/uploads"], language=page.language)
        ],
        exception_handlers={AnonymizerError: _refusal, HTTPException: _plain, ClientDisconnect: _gone},
    )
    app.state.page = page
    return app


async def _shell(request: Request) -> Response:
    page_of(request)
    return _file("index.html")


async def _static(request: Request) -> Response:
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    content = page_file(name)
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type=TYPES[name.rpartition(".")[2]])


async def _session(request: Request) -> Response:
    page = page_of(request)
    limits = page.runner.settings.limits
    return JSONResponse(
        {
            "version": __version__,
            "language": page.language,
            "spoken": page.spoken,
            "languages": languages(),
            "folder": queue.shown(page.runner.out.name),
            "release_folder": queue.shown(str(page.release_folder)),
            "release_answers": page.runner.settings.release_answers,
            "release_seen": page.runner.settings.release_seen,
            "names": inflow.names(page.runner.settings),
            "idle_seconds": page.idle_seconds,
            "max_bytes": limits.max_bytes,
            "max_clip_bytes": limits.max_clip_bytes,
        }
    )


async def _poll(request: Request) -> Response:
    """Counts and jobs. A page that only asks this is not in use, unless it says that somebody does something there."""
    page = page_of(request, used="active" in request.query_params)
    counts, revision = await page.runner.read(_counts, len(page.runner.unwritten))
    watcher = await page.runner.read(inflow.watcher)
    left = max(0.0, page.idle_seconds - (time.monotonic() - page.used))
    jobs = [job.facts() for job in list(page.runner.jobs.values())]
    known = {"counts": counts, "revision": revision, "jobs": jobs, "left": round(left), "watcher": watcher}
    return JSONResponse(spoken(request, known))


def _counts(gate: OutputFolder, unwritten: int) -> tuple[dict[str, int], str]:
    found = gate.ledger.counts()
    counts: dict[str, int] = {state: found.get(state, 0) for state in queue.SHOWN}
    counts[State.READY] += found.get(State.RELEASED, 0)
    counts["unseen"] = len(gate.ledger.unseen())
    counts[queue.NOT_TAKEN] = gate.ledger.passed_counts().get(Passed.NOT_TAKEN, 0) + unwritten
    return counts, f"{gate.ledger.revision()}.{unwritten}"


async def _list(request: Request) -> Response:
    page = page_of(request)
    if request.path_params["state"] == queue.NOT_TAKEN:
        runner, unwritten = page.runner, list(page.runner.unwritten.values())
        return JSONResponse(spoken(request, await runner.read(queue.not_taken, runner.inbox, unwritten)))
    try:
        state = State(request.path_params["state"])
    except ValueError as error:
        raise HTTPException(404) from error
    if state not in queue.SHOWN:
        raise HTTPException(404)
    runner = page.runner
    items = await runner.read(queue.listing, runner.reports, state, runner.inbox)
    return JSONResponse(spoken(request, items))


async def _upload(request: Request) -> Response:
    page = page_of(request)
    name = unquote(request.headers.get("x-file-name", ""))[:300] or "file"
    within = unquote(request.headers.get("x-folder", ""))[:1000]
    page.uploading += 1
    try:
        job = await page.runner.receive(name, within, _chunks(request, page))
    except inbox.NotTakenError as error:
        facts = {"error": error.message, "how": error.passed.how.replace(" ", "-")}
        return JSONResponse(spoken(request, facts), 409)
    finally:
        page.uploading -= 1
    return JSONResponse(spoken(request, job.facts()), 202)


async def _remove(request: Request) -> Response:
    await told(request, Nothing)
    if not await page_of(request).runner.forget(request.path_params["id"]):
        raise HTTPException(404)
    return JSONResponse({})


async def _chunks(request: Request, page: Page) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        page.used = time.monotonic()
        yield chunk


async def _refusal(request: Request, error: Exception) -> Response:
    """What the program says no to, in its own sentence."""
    return JSONResponse(
        spoken(request, {"error": error.message if isinstance(error, AnonymizerError) else ""}), 409
    )


async def _plain(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse("This cannot be done.", status)


async def _gone(_: Request, error: Exception) -> Response:
    """The browser closed the connection in the middle: nobody is there to be told."""
    return PlainTextResponse("", 400)
