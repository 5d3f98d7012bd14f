"""The page's routes: each names a medium by its opaque id and asks the job runner; none takes a path."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from anonymizer.core.errors import AnonymizerError, DecisionError
from anonymizer.core.message import Message
from anonymizer.core.version import __version__
from anonymizer.gate import decisions as decide
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.i18n import languages, speaker
from anonymizer.read.walk import Passed
from anonymizer.release.publish import release
from anonymizer.review import listing as queue
from anonymizer.review import uploads as inbox
from anonymizer.review.clips import Films, frame_times
from anonymizer.review.edits import Edits
from anonymizer.review.instructions import Handover, Nothing, Said, told
from anonymizer.review.jobs import JobRunner
from anonymizer.review.page_files import TYPES, page_file
from anonymizer.review.photos import Pictures
from anonymizer.review.security import Guard, Keys

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
)
"""The report's page brings its style within; it has no script and needs no other file."""


@dataclass
class Page:
    """One start of the page: what it serves, to whom, in which language, and when it was last used."""

    runner: JobRunner
    pictures: Pictures
    keys: Keys = field(default_factory=Keys)
    language: str = "en"
    idle_seconds: float = 1800
    used: float = field(default_factory=time.monotonic)
    uploading: int = 0
    releasing: bool = False
    films: Films = field(init=False)

    def __post_init__(self) -> None:
        self.films = Films(self.runner.settings.limits)

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
        Route("/api/release", _release, methods=["POST"]),
        Route(media, _detail),
        Route(f"{media}/original", _original),
        Route(f"{media}/result", _result),
        Route(f"{media}/film", _film),
        Route(f"{media}/times", _times),
        Route(f"{media}/frame/{{moment:int}}", _frame),
        Route(f"{media}/small", _small),
        Route(f"{media}/report", _report),
        Route(f"{media}/apply", _apply, methods=["POST"]),
        Route(f"{media}/approve", _decision(decide.approve), methods=["POST"]),
        Route(f"{media}/reject", _decision(decide.reject), methods=["POST"]),
        Route(f"{media}/reopen", _decision(decide.reopen), methods=["POST"]),
        Route(f"{media}/discard", _discard, methods=["POST"]),
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


def _page(request: Request, *, used: bool = True) -> Page:
    page: Page = request.app.state.page
    if used:
        page.used = time.monotonic()
    return page


async def _shell(request: Request) -> Response:
    _page(request)
    return _file("index.html")


async def _static(request: Request) -> Response:
    return _file(request.path_params["name"])


def _file(name: str) -> Response:
    content = page_file(name)
    if content is None:
        raise HTTPException(404)
    return Response(content, media_type=TYPES[name.rpartition(".")[2]])


def _spoken(request: Request, value: Any) -> Any:
    """An answer with its messages in the language that the page says it speaks."""
    page: Page = request.app.state.page
    wanted = request.headers.get("accept-language", "")
    say = speaker(wanted if wanted in languages() else page.language)

    def spoken(value: Any) -> Any:
        if isinstance(value, Message):
            return say(value)
        if isinstance(value, dict):
            return {name: spoken(part) for name, part in value.items()}
        return [spoken(part) for part in value] if isinstance(value, list | tuple) else value

    return spoken(value)


async def _session(request: Request) -> Response:
    page = _page(request)
    limits = page.runner.settings.limits
    return JSONResponse(
        {
            "version": __version__,
            "language": page.language,
            "languages": languages(),
            "folder": queue.shown(page.runner.out.name),
            "release_folder": queue.shown(str(page.release_folder)),
            "idle_seconds": page.idle_seconds,
            "max_bytes": limits.max_bytes,
            "max_clip_bytes": limits.max_clip_bytes,
        }
    )


async def _poll(request: Request) -> Response:
    """Counts and jobs. A page that only asks this is not in use, unless it says that somebody does something there."""
    page = _page(request, used="active" in request.query_params)
    counts, revision = await page.runner.read(_counts, len(page.runner.unwritten))
    left = max(0.0, page.idle_seconds - (time.monotonic() - page.used))
    jobs = [job.facts() for job in list(page.runner.jobs.values())]
    known = {"counts": counts, "revision": revision, "jobs": jobs, "left": round(left)}
    return JSONResponse(_spoken(request, known))


def _counts(gate: OutputFolder, unwritten: int) -> tuple[dict[str, int], str]:
    found = gate.ledger.counts()
    counts: dict[str, int] = {state: found.get(state, 0) for state in queue.SHOWN}
    counts[State.READY] += found.get(State.RELEASED, 0)
    counts[queue.NOT_TAKEN] = gate.ledger.passed_counts().get(Passed.NOT_TAKEN, 0) + unwritten
    return counts, f"{gate.ledger.revision()}.{unwritten}"


async def _list(request: Request) -> Response:
    page = _page(request)
    if request.path_params["state"] == queue.NOT_TAKEN:
        runner, unwritten = page.runner, list(page.runner.unwritten.values())
        return JSONResponse(_spoken(request, await runner.read(queue.not_taken, runner.inbox, unwritten)))
    try:
        state = State(request.path_params["state"])
    except ValueError as error:
        raise HTTPException(404) from error
    if state not in queue.SHOWN:
        raise HTTPException(404)
    runner = page.runner
    items = await runner.read(queue.listing, runner.reports, state, runner.inbox)
    return JSONResponse(_spoken(request, items))


async def _entry(request: Request, *states: State) -> LedgerEntry:
    """The row of the medium that a request names; 404 where there is none in such a state."""
    entry = await _page(request).runner.read(lambda gate: gate.ledger.get(request.path_params["id"]))
    if entry is None or entry.state not in states:
        raise HTTPException(404)
    return entry


_SEEN = (State.REVIEW, State.READY, State.RELEASED, State.REJECTED)


async def _detail(request: Request) -> Response:
    runner = _page(request).runner
    entry = await _entry(request, *_SEEN)
    detail = await runner.read(queue.detail, runner.reports, entry, runner.inbox)
    return JSONResponse(_spoken(request, detail))


async def _original(request: Request) -> Response:
    entry = await _entry(request, *_SEEN)
    content = await run_in_threadpool(_page(request).pictures.original, entry.source, entry.sha256)
    return Response(content, media_type="image/jpeg")


async def _result(request: Request) -> Response:
    page = _page(request)
    entry = await _entry(request, *_SEEN)
    path = await page.runner.read(_medium_file, entry)
    kind = {"jpg": "image/jpeg", "png": "image/png", "mp4": "video/mp4"}[path.suffix[1:]]
    return FileResponse(path, media_type=kind)


async def _film(request: Request) -> Response:
    """A clip's original as it lies on the disk, any range of it; the browser plays it if it can."""
    entry = await _entry(request, *_SEEN)
    kind = await run_in_threadpool(_page(request).films.playable, entry.source, entry.sha256)
    return FileResponse(entry.source, media_type=kind)


async def _times(request: Request) -> Response:
    """When each frame of a clip is shown."""
    page = _page(request)
    entry = await _entry(request, *_SEEN)
    path = await page.runner.read(_medium_file, entry)
    return JSONResponse(await run_in_threadpool(frame_times, path))


async def _frame(request: Request) -> Response:
    """What a clip's original shows at a moment, milliseconds, decoded by the program's own reader."""
    page = _page(request)
    entry = await _entry(request, *_SEEN)
    moment = request.path_params["moment"] / 1000
    content = await run_in_threadpool(page.films.frame, entry.source, entry.sha256, moment)
    return Response(content, media_type="image/jpeg")


async def _small(request: Request) -> Response:
    page = _page(request)
    entry = await _entry(request, *_SEEN)
    path = await page.runner.read(_medium_file, entry)
    small = page.films.small if path.suffix == ".mp4" else page.pictures.small
    return Response(await run_in_threadpool(small, path, entry.output), media_type="image/jpeg")


def _medium_file(gate: OutputFolder, entry: LedgerEntry) -> Path:
    # Read again: it may have been decided since the request came, and stand elsewhere now.
    entry = gate.ledger.get(entry.id) or entry
    if entry.state not in _SEEN:
        raise DecisionError("decision.gone")
    path = gate.folder(entry.state) / entry.name
    if not path.is_file():
        raise DecisionError("report.file-gone")
    return path


async def _report(request: Request) -> Response:
    page = _page(request)
    entry = await _entry(request, *_SEEN)
    try:
        content = (page.runner.gate.reports / f"{entry.id}.html").read_bytes()
    except OSError as error:
        raise HTTPException(404) from error
    return Response(content, media_type=TYPES["html"], headers={"content-security-policy": REPORT_POLICY})


async def _apply(request: Request) -> Response:
    page = _page(request)
    edits = await told(request, Edits)
    job = await page.runner.correct(request.path_params["id"], edits)
    return JSONResponse(_spoken(request, job.facts()), 202)


def _decision(action: Callable[[Gate, str, str, str], Path]) -> Callable[[Request], Any]:
    async def decided(request: Request) -> Response:
        runner = _page(request).runner
        said = await told(request, Said)
        id = request.path_params["id"]
        runner.free(id)
        await runner.ask_gate(action, id, said.initials, said.note)
        runner.touched()
        return JSONResponse({"id": id})

    return decided


async def _discard(request: Request) -> Response:
    """Delete an original that was dropped on the page, once it is decided."""
    runner = _page(request).runner
    await told(request, Nothing)
    entry = await _entry(request, State.READY, State.RELEASED, State.REJECTED, State.FAILED)
    gone = await run_in_threadpool(inbox.discard, entry.source, runner.inbox)
    return JSONResponse({"id": entry.id, "gone": gone})


async def _release(request: Request) -> Response:
    """Copy what is ready into the folder beside the output folder, each file checked once more."""
    page = _page(request)
    said = await told(request, Handover)
    who = decide.person(said.initials)
    if page.releasing:
        raise DecisionError("review.release-running")
    page.releasing = True
    try:
        done = await run_in_threadpool(release, page.runner.out, page.release_folder, initials=who)
    finally:
        page.releasing = False
        page.used = time.monotonic()
    page.runner.touched()
    held = [{"name": name, "reason": reason} for name, reason in done.held]
    facts = {"copied": len(done.copied), "there": len(done.there), "held": held}
    return JSONResponse(_spoken(request, facts))


async def _upload(request: Request) -> Response:
    page = _page(request)
    name = unquote(request.headers.get("x-file-name", ""))[:300] or "file"
    within = unquote(request.headers.get("x-folder", ""))[:1000]
    page.uploading += 1
    try:
        job = await page.runner.receive(name, within, _chunks(request, page))
    except inbox.NotTakenError as error:
        facts = {"error": error.message, "how": error.passed.how.replace(" ", "-")}
        return JSONResponse(_spoken(request, facts), 409)
    finally:
        page.uploading -= 1
    return JSONResponse(_spoken(request, job.facts()), 202)


async def _remove(request: Request) -> Response:
    await told(request, Nothing)
    if not await _page(request).runner.forget(request.path_params["id"]):
        raise HTTPException(404)
    return JSONResponse({})


async def _chunks(request: Request, page: Page) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        page.used = time.monotonic()
        yield chunk


async def _refusal(request: Request, error: Exception) -> Response:
    """What the program says no to, in its own sentence."""
    return JSONResponse(
        _spoken(request, {"error": error.message if isinstance(error, AnonymizerError) else ""}), 409
    )


async def _plain(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse("This cannot be done.", status)


async def _gone(_: Request, error: Exception) -> Response:
    """The browser closed the connection in the middle: nobody is there to be told."""
    return PlainTextResponse("", 400)
