"""``anonymizer app``: the local page, until it is closed or nobody uses it."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anonymizer.cli.language import language, say, spoken
from anonymizer.cli.options import Given, OutFolder, takes_settings
from anonymizer.cli.output import out_console
from anonymizer.cli.progress import have_models
from anonymizer.core.errors import UsageError

if TYPE_CHECKING:
    from anonymizer.core.settings import Settings


@takes_settings
def app(
    given: Given,
    out: OutFolder = Path("anonymized"),
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="NUMBER", min=0, max=65535, help="Port on this machine; 0 takes a free one."
        ),
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    idle_minutes: Annotated[
        float,
        typer.Option(
            "--idle-minutes",
            metavar="NUMBER",
            min=0.05,
            max=1440,
            help="Minutes without use after which the page closes.",
        ),
    ] = 30,
) -> None:
    """Open the local page: drop files, look at what waits, correct it, approve or reject it."""
    open_page(given.settings(), out.absolute(), port, browser=browser, idle_minutes=idle_minutes)


def open_page(
    settings: Settings, out: Path, port: int = 0, *, browser: bool = True, idle_minutes: float = 30
) -> None:
    """Serve the page of an output folder until it is closed. Raises :class:`UsageError` where that is no folder."""
    from anonymizer.review.jobs import JobRunner
    from anonymizer.review.page import Page
    from anonymizer.review.photos import Pictures
    from anonymizer.review.server import Server, address, listen

    have_models(settings, show=True)
    there = next(path for path in (out, *out.parents) if path.exists())
    if not there.is_dir():
        raise UsageError("review.folder-is-file", path=there)
    with listen(port) as listening, JobRunner(out, settings) as runner:
        page = Page(
            runner,
            Pictures(settings.limits),
            language=language(),
            spoken=spoken(),
            idle_seconds=60 * idle_minutes,
        )
        try:
            server = Server(page, listening)
            link = address(page, listening)
            runner.warm_up()
            out_console.print(say("cli.page", link=link))
            if browser:
                # Beside the server: some browsers give the call back only when they are closed.
                threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            server.serve_until_done()
        except KeyboardInterrupt:
            # How a person closes it in a terminal: everything done is on the disk.
            pass
        finally:
            page.close()
