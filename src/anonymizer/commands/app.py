"""``anonymizer app``: the local page, until it is closed or nobody uses it."""

from __future__ import annotations

import locale
import os
import webbrowser
from collections.abc import Callable
from pathlib import Path

from anonymizer.errors import UsageError
from anonymizer.review.desk import Desk
from anonymizer.review.pictures import Pictures
from anonymizer.review.server import LANGUAGES, Page, Server, address, listen
from anonymizer.settings import Settings


def chosen_language(wanted: str | None) -> str:
    """The page's language: the one asked for, else the system's, else English.

    Raises :class:`UsageError` for one that the page does not speak.
    """
    if wanted is not None and wanted not in LANGUAGES:
        raise UsageError(f"--lang {wanted}: the page speaks {', '.join(LANGUAGES)}.")
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    said = next((name for name in names if name), "") or locale.getlocale()[0] or ""
    system = said.replace("-", "_").split("_")[0].split(".")[0].lower()
    return wanted or (system if system in LANGUAGES else "en")


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
    """Serve the page of one output folder. Raises :class:`anonymizer.errors.AnonymizerError`."""
    with listen(port) as listening, Desk(out, settings) as desk:
        pictures = Pictures(settings.limits)
        try:
            page = Page(desk, pictures, language=language, idle_seconds=60 * idle_minutes)
            server = Server(page, listening)
            link = address(page, listening)
            desk.warm_up()
            say(link)
            if browser:
                webbrowser.open(link)
            server.serve_until_done()
        except KeyboardInterrupt:
            # How a person closes it in a terminal: everything done is on the disk.
            pass
        finally:
            pictures.close()
