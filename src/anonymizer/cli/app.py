"""``anonymizer app``: the local page, until it is closed or nobody uses it."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from anonymizer.cli.language import language, say
from anonymizer.cli.options import PATH, Given, takes_settings
from anonymizer.cli.output import out_console
from anonymizer.cli.parser import Command, argument, option
from anonymizer.cli.progress import have_models
from anonymizer.core.errors import UsageError


@click.command(cls=Command)
@argument(
    "out",
    type=PATH,
    default=Path("anonymized"),
    metavar="[OUT]",
    help="Output folder; default: 'anonymized' in this folder.",
)
@option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine; 0 takes a free one.")
@option("--browser/--no-browser", default=True, help="Open the browser.")
@option(
    "--idle-minutes",
    type=click.FloatRange(0.05, 1440),
    default=30,
    help="Minutes without use after which the page closes.",
)
@takes_settings
def app(out: Path, port: int, browser: bool, idle_minutes: float, given: Given) -> None:
    """Open the local page: drop files, look at what waits, correct it, approve or reject it."""
    from anonymizer.review.jobs import JobRunner
    from anonymizer.review.photos import Pictures
    from anonymizer.review.routes import Page
    from anonymizer.review.server import Server, address, listen

    settings = given.settings()
    have_models(settings, show=True)
    out = out.absolute()
    there = next(path for path in (out, *out.parents) if path.exists())
    if not there.is_dir():
        raise UsageError("review.folder-is-file", path=there)
    with listen(port) as listening, JobRunner(out, settings) as runner:
        pictures = Pictures(settings.limits)
        try:
            page = Page(runner, pictures, language=language(), idle_seconds=60 * idle_minutes)
            server = Server(page, listening)
            link = address(page, listening)
            runner.warm_up()
            out_console.print(say("cli.page", link=link))
            if browser:
                webbrowser.open(link)
            server.serve_until_done()
        except KeyboardInterrupt:
            # How a person closes it in a terminal: everything done is on the disk.
            pass
        finally:
            pictures.close()
