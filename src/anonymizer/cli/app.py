"""``anonymizer app``: the local page, until it is closed or nobody uses it."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.errors import UsageError
from anonymizer.core.settings import Settings
from anonymizer.review.jobs import JobRunner
from anonymizer.review.photos import Pictures
from anonymizer.review.routes import Page
from anonymizer.review.server import Server, address, listen


def serve(
    out: Path,
    settings: Settings,
    *,
    port: int,
    browser: bool,
    language: str,
    idle_minutes: float,
    say: Callable[[str], None],
) -> None:
    """Serve the page of one output folder. Raises :class:`anonymizer.core.errors.AnonymizerError`."""
    there = next(path for path in (out, *out.parents) if path.exists())
    if not there.is_dir():
        raise UsageError("review.folder-is-file", path=there)
    with listen(port) as listening, JobRunner(out, settings) as runner:
        pictures = Pictures(settings.limits)
        try:
            page = Page(runner, pictures, language=language, idle_seconds=60 * idle_minutes)
            server = Server(page, listening)
            link = address(page, listening)
            runner.warm_up()
            say(link)
            if browser:
                webbrowser.open(link)
            server.serve_until_done()
        except KeyboardInterrupt:
            # How a person closes it in a terminal: everything done is on the disk.
            pass
        finally:
            pictures.close()
