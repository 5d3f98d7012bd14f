"""What is ready, on its way out of the page: looked through, saved, shown in its folder, released."""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import typer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anonymizer.core.errors import DecisionError
from anonymizer.gate import decisions as decide
from anonymizer.gate.files import companion_of, file_sha256
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.release.publish import QUESTIONS, release
from anonymizer.review.instructions import Handover, Looked, Selection, SystemFolder, told
from anonymizer.review.page import entry_of, medium_file, page_of, spoken

MOST = 1 << 30
"""Bytes of one archive: the browser holds all of it."""
CHUNK = 1 << 20
EPOCH = (2000, 1, 1, 0, 0, 0)
"""The time that members of an archive have: the neutral one of every output."""


def routes(media: str) -> list[Route]:
    """The routes below ``media``, which names a medium by its id, and those of several media."""
    return [
        Route(f"{media}/save", _save),
        Route(f"{media}/seen", _seen, methods=["POST"]),
        Route("/api/save", _archive, methods=["POST"]),
        Route("/api/open", _open, methods=["POST"]),
        Route("/api/release", _release, methods=["POST"]),
    ]


def _as_verified(gate: OutputFolder, entry: LedgerEntry) -> list[Path]:
    """Where a ready medium lies, and the DICOM beside it. Raises :class:`DecisionError` where one is not the very file
    that was verified."""
    path = medium_file(gate, entry)
    files = {path: entry.output} | ({companion_of(path): entry.companion} if entry.companion else {})
    if any(not one.is_file() or file_sha256(one) != sha256 for one, sha256 in files.items()):
        raise DecisionError("report.file-changed")
    return list(files)


async def _save(request: Request) -> Response:
    """One output, for the browser to save under its neutral name; a picture and its DICOM in one archive."""
    entry = await entry_of(request, State.READY, State.RELEASED)
    path, *beside = await page_of(request).runner.read(_as_verified, entry)
    if beside:
        archive = await page_of(request).runner.read(_packed, (entry.id,))
        return StreamingResponse(
            _chunks(archive),
            media_type="application/zip",
            headers={"content-disposition": f'attachment; filename="{entry.id}.zip"'},
        )
    return FileResponse(path, filename=entry.name, content_disposition_type="attachment")


async def _archive(request: Request) -> Response:
    """Several outputs in one archive, without their times and without anything else."""
    said = await told(request, Selection)
    archive = await page_of(request).runner.read(_packed, said.ids)
    return StreamingResponse(_chunks(archive), media_type="application/zip")


def _packed(gate: OutputFolder, ids: tuple[str, ...]) -> IO[bytes]:
    entries = [entry for id in ids if (entry := gate.ledger.get(id))]
    if not entries or any(entry.state not in (State.READY, State.RELEASED) for entry in entries):
        raise HTTPException(404)
    if sum(entry.bytes for entry in entries) > MOST:
        raise DecisionError("review.archive-too-large", mib=MOST >> 20)
    # Without a name, in the private folder: nobody else can open it, and it goes with this process.
    archive: IO[bytes] = tempfile.TemporaryFile(dir=gate.private)  # noqa: SIM115
    try:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
            for entry in entries:
                for path in _as_verified(gate, entry):
                    member = zipfile.ZipInfo(path.name, EPOCH)
                    member.external_attr = 0o644 << 16
                    with path.open("rb") as file, packed.open(member, "w") as into:
                        while chunk := file.read(CHUNK):
                            into.write(chunk)
        archive.seek(0)
    except BaseException:
        archive.close()
        raise
    return archive


def _chunks(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while chunk := archive.read(CHUNK):
            yield chunk


async def _open(request: Request) -> Response:
    """Have the system show a folder of this program's: no path is taken from a browser."""
    page = page_of(request)
    said = await told(request, SystemFolder)
    folder = page.runner.gate.ready if said.folder == "ready" else page.release_folder
    if not folder.is_dir() or await run_in_threadpool(lambda: typer.launch(str(folder)) != 0):
        raise DecisionError("review.folder-not-opened", path=folder)
    return JSONResponse({})


async def _seen(request: Request) -> Response:
    """Record that somebody has looked at what is ready."""
    said = await told(request, Looked)
    entry = await entry_of(request, State.READY, State.RELEASED)
    await page_of(request).runner.ask_gate(lambda gate: gate.ledger.look(entry.id, said.initials.strip()))
    return JSONResponse({})


async def _release(request: Request) -> Response:
    """Copy what is ready into the folder beside the output folder, each file checked once more."""
    page = page_of(request)
    said = await told(request, Handover)
    who = decide.person(said.initials)
    rules = page.runner.settings
    answers = ("consent", *said.answers)
    if rules.release_answers and set(answers) != set(QUESTIONS):
        raise DecisionError("release.unanswered")
    if page.releasing:
        raise DecisionError("review.release-running")
    page.releasing = True
    try:
        done = await run_in_threadpool(
            release,
            page.runner.out,
            page.release_folder,
            initials=who,
            ids=said.ids,
            answers=answers,
            only_seen=rules.release_seen,
        )
    finally:
        page.releasing = False
        page.used = time.monotonic()
    page.runner.touched()
    held = [{"name": name, "reason": reason} for name, reason in done.held]
    facts = {"copied": len(done.copied), "there": len(done.there), "held": held}
    return JSONResponse(spoken(request, facts))
