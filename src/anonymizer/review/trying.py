"""Corrections tried before they are applied: a preview, the crop about a part of a face, and places on another output
of the same source."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from anonymizer.core.errors import MediumError
from anonymizer.core.settings import Background, Cover, Settings
from anonymizer.gate.decisions import person
from anonymizer.gate.files import new_id
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.report.schema import Report
from anonymizer.report.used import used_settings
from anonymizer.review.edits import Edits, from_settings
from anonymizer.review.instructions import CropWanted, OnePatient, Trial, told
from anonymizer.review.page import Page, entry_of, page_of, spoken
from anonymizer.review.placing import Placing, placing, placing_shown
from anonymizer.review.previews import Tried
from anonymizer.road.series import BEGINNING

CORRECTABLE = (State.REVIEW, State.READY, State.RELEASED)


def routes(media: str) -> list[Route]:
    """The routes below ``media``, which names a medium by its id."""
    return [
        Route(f"{media}/preview", _preview, methods=["POST"]),
        Route(f"{media}/crop", _crop, methods=["POST"]),
        Route("/api/one-patient", _one_patient, methods=["POST"]),
    ]


async def _preview(request: Request) -> Response:
    """What applying these corrections would give, as a picture, and where it lies in the output as it is shown."""
    said = await told(request, Trial)
    page, entry = page_of(request), await entry_of(request, *CORRECTABLE)
    report, used = await _made(page, entry)
    old, new = await _placings(page, entry, report, used, said.edits)
    settings = page.runner.corrected(used, said.edits, (old, new) if old != new else None)
    wanted = Tried(entry, report, said.edits, used, settings, old, new)
    if report.medium.type == "clip":
        found = await page.previews.ask(page.previews.frame, wanted, said.seconds)
    else:
        found = await page.previews.ask(page.previews.photo, wanted, said.side)
    box = old.of(new, new.box)
    answer = {
        "rect": (box.x, box.y, box.w, box.h),
        "size": (new.width, new.height),
        "picture": base64.b64encode(found.picture).decode(),
        "said": found.said,
    }
    return JSONResponse(spoken(request, answer))


async def _crop(request: Request) -> Response:
    """The crop about a part of the largest face, in pixels of the source."""
    said = await told(request, CropWanted)
    page, entry = page_of(request), await entry_of(request, *CORRECTABLE)
    report, used = await _made(page, entry)
    settings = page.runner.corrected(used, from_settings(used), None)
    clip = report.medium.type == "clip"
    crop = await page.previews.ask(page.previews.crop, entry, settings, said.part, clip=clip)
    return JSONResponse({"crop": crop})


async def _one_patient(request: Request) -> Response:
    """Make media again as pictures of one patient: hidden in one way, photos framed alike."""
    said = await told(request, OnePatient)
    page = page_of(request)
    runner = page.runner
    photos: list[tuple[LedgerEntry, Settings]] = []
    clips: list[tuple[LedgerEntry, Settings]] = []
    for id in dict.fromkeys(said.ids):
        entry = await runner.read(_entry, id)
        if entry is None or entry.state not in CORRECTABLE:
            raise HTTPException(404)
        runner.free(id)
        if entry.state is not State.REVIEW:
            person(said.initials)
        report, used = await _made(page, entry)
        (clips if report.medium.type == "clip" else photos).append(
            (entry, runner.corrected(used, from_settings(used), None))
        )
    looks = _one_look([settings for _, settings in (*photos, *clips)])
    photos = [(entry, settings.model_copy(update=looks)) for entry, settings in photos]
    framed = (
        await page.previews.ask(page.previews.alike, photos)
        if len(photos) > 1
        else [(s, ()) for _, s in photos]
    )
    jobs = [
        await runner.remake(entry.id, said.initials, settings, told_of)
        for (entry, _), (settings, told_of) in zip(photos, framed, strict=True)
    ]
    for entry, settings in clips:
        jobs.append(await runner.remake(entry.id, said.initials, settings.model_copy(update=looks), ()))
    return JSONResponse(spoken(request, [job.facts() for job in jobs]), 202)


def _entry(folder: OutputFolder, id: str) -> LedgerEntry | None:
    return folder.ledger.get(id)


def _one_look(settings: Sequence[Settings]) -> dict[str, Any]:
    """One way to hide what is of one patient: that of the first, and as much as in any of them."""
    first = settings[0]
    return {
        "same_patient": BEGINNING + new_id(),
        "style": first.style,
        "fill": first.fill,
        "cover": max((one.cover for one in settings), key=list(Cover).index),
        "background": next(
            (one.background for one in settings if one.background is not Background.KEEP), Background.KEEP
        ),
    }


async def _made(page: Page, entry: LedgerEntry) -> tuple[Report, Settings]:
    report = await page.runner.read(page.runner.reports.of, entry.id)
    return report, used_settings(report, entry.crop)


async def _placings(
    page: Page, entry: LedgerEntry, report: Report, used: Settings, edits: Edits
) -> tuple[Placing, Placing]:
    """Where in the source the output lies, and where the one with these corrections would."""
    medium = report.medium
    wanted = page.runner.corrected(used, edits, None)
    shown = placing_shown(used, medium.width, medium.height)
    if shown and (used.crop, used.longest_side) == (wanted.crop, wanted.longest_side):
        return shown, shown
    clip = medium.type == "clip"
    size = await run_in_threadpool(_size, page, entry, clip=clip)
    return placing(used, *size, clip=clip), placing(wanted, *size, clip=clip)


def _size(page: Page, entry: LedgerEntry, *, clip: bool) -> tuple[int, int]:
    """Pixels (width, height) of a source."""
    if clip:
        return page.films.size(entry.source, entry.sha256)
    height, width = page.pictures.pixels(entry.source, entry.sha256).shape[:2]
    return width, height


async def moved(page: Page, id: str, edits: Edits) -> tuple[Placing, Placing] | None:
    """Where the places of corrections lie and where they will; None where they stay.

    Raises :class:`anonymizer.core.errors.MediumError` where the source cannot be read any more.
    """
    entry = await page.runner.read(_entry, id)
    if entry is None or entry.state not in CORRECTABLE or edits.look is None:
        return None
    old, new = await _placings(page, entry, *await _made(page, entry), edits)
    return (old, new) if old != new else None


async def shown(page: Page, entry: LedgerEntry) -> Placing | None:
    """Where in the source the output lies; None where the source cannot be read any more."""
    report, used = await _made(page, entry)
    if there := placing_shown(used, report.medium.width, report.medium.height):
        return there
    clip = report.medium.type == "clip"
    try:
        return placing(used, *await run_in_threadpool(_size, page, entry, clip=clip), clip=clip)
    except MediumError:
        return None
