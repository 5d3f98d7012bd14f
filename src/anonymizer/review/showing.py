"""What the page shows of one medium: its facts, original, result, frames and report."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from anonymizer.core.settings import Settings
from anonymizer.gate.records import LedgerEntry
from anonymizer.report.used import used_settings
from anonymizer.review import listing as queue
from anonymizer.review import trying
from anonymizer.review.clips import frame_size, frame_times
from anonymizer.review.page import SEEN, Page, entry_of, medium_file, page_of, spoken
from anonymizer.review.page_files import TYPES

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
)
"""The report's page brings its style within; it has no script and needs no other file."""


def routes(media: str) -> list[Route]:
    """The routes below ``media``, which names a medium by its id."""
    return [
        Route(media, _detail),
        Route(f"{media}/original", _original),
        Route(f"{media}/result", _result),
        Route(f"{media}/film", _film),
        Route(f"{media}/times", _times),
        Route(f"{media}/frame/{{moment:int}}", _frame),
        Route(f"{media}/small", _small),
        Route(f"{media}/small-original", _small_original),
        Route(f"{media}/report", _report),
    ]


async def _detail(request: Request) -> Response:
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    detail = await page.runner.read(queue.detail, page.runner.reports, entry, page.runner.inbox)
    there = await trying.shown(page, entry)
    placing = [there.left, there.top, there.across, there.down] if there else None
    return JSONResponse(spoken(request, detail | {"placing": placing}))


async def _original(request: Request) -> Response:
    entry = await entry_of(request, *SEEN)
    page = page_of(request)
    settings = await _used(page, entry)
    content = await run_in_threadpool(page.pictures.original, entry.source, entry.sha256, settings)
    return Response(content, media_type="image/jpeg")


async def _result(request: Request) -> Response:
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    path = await page.runner.read(medium_file, entry)
    kind = {"jpg": "image/jpeg", "png": "image/png", "mp4": "video/mp4"}[path.suffix[1:]]
    return FileResponse(path, media_type=kind)


async def _film(request: Request) -> Response:
    """A clip's original as it lies on the disk, any range of it; the browser plays it if it can."""
    entry = await entry_of(request, *SEEN)
    if (await _used(page_of(request), entry)).crop:
        # What was cropped is shown frame by frame: as it lies on the disk it is another picture.
        raise HTTPException(404)
    page = page_of(request)
    path = await run_in_threadpool(page.films.lying, entry.source, entry.sha256)
    return FileResponse(path, media_type=await run_in_threadpool(page.films.playable, path, entry.sha256))


async def _used(page: Page, entry: LedgerEntry) -> Settings:
    """The settings that an output was made with."""
    return used_settings(await page.runner.read(page.runner.reports.of, entry.id), entry.crop)


async def _times(request: Request) -> Response:
    """When each frame of a clip is shown."""
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    path = await page.runner.read(medium_file, entry)
    return JSONResponse(await run_in_threadpool(frame_times, path))


async def _frame(request: Request) -> Response:
    """What a clip's original shows at a moment, milliseconds, decoded by the program's own reader."""
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    settings = await _used(page, entry)
    moment = request.path_params["moment"] / 1000
    written = await page.runner.read(medium_file, entry)
    size = await run_in_threadpool(frame_size, written)
    content = await run_in_threadpool(page.films.frame, entry.source, entry.sha256, moment, size, settings)
    return Response(content, media_type="image/jpeg")


async def _small(request: Request) -> Response:
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    path = await page.runner.read(medium_file, entry)
    small = page.films.small if path.suffix == ".mp4" else page.pictures.small
    return Response(await run_in_threadpool(small, path, entry.output), media_type="image/jpeg")


async def _small_original(request: Request) -> Response:
    """A small view of a photo's original; a clip's is the first frame of it."""
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    settings = await _used(page, entry)
    written = await page.runner.read(medium_file, entry)
    if written.suffix == ".mp4":
        size = await run_in_threadpool(frame_size, written)
        content = await run_in_threadpool(page.films.frame, entry.source, entry.sha256, 0.0, size, settings)
    else:
        content = await run_in_threadpool(page.pictures.small_original, entry.source, entry.sha256, settings)
    return Response(content, media_type="image/jpeg")


async def _report(request: Request) -> Response:
    page = page_of(request)
    entry = await entry_of(request, *SEEN)
    try:
        content = (page.runner.gate.reports / f"{entry.id}.html").read_bytes()
    except OSError as error:
        raise HTTPException(404) from error
    return Response(content, media_type=TYPES["html"], headers={"content-security-policy": REPORT_POLICY})
