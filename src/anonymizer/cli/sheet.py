"""``anonymizer sheet``: ready outputs side by side on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Given, SettingsFile, default_file, takes_language
from anonymizer.cli.output import emit, outcome_facts, print_line, print_outcome, shown
from anonymizer.core.errors import UsageError
from anonymizer.core.types import Verdict


@takes_language
def sheet(
    files: Annotated[
        list[Path],
        typer.Argument(
            parser=Path,
            metavar="OUTPUT...",
            help="Photos in the ready/ of one output folder, 2 to 12 of them.",
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--to",
            parser=Path,
            metavar="FILE",
            help="Where a copy of the sheet goes once it is ready: a name that ends in .png or .pdf.",
        ),
    ] = None,
    captions: Annotated[
        list[str] | None,
        typer.Option(
            "--caption",
            parser=str,
            metavar="TEXT",
            help="A line below a picture, in their order; never a patient's name. Repeatable.",
        ),
    ] = None,
    page: Annotated[
        str, typer.Option("--page", parser=str, metavar="[a4|16:9]", help="Paper, or a slide.")
    ] = "a4",
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> int:
    """Put ready outputs side by side on one page: before and after, or five visits.

    The sheet is a new photo of that output folder: searched, checked and reported like any other. What is not ready is
    never joined. One output alone is copied as it is, into a PDF too.

    Exit codes: 0 ready, 3 in review, 4 failed, 2 wrong use, 5 machine not ready.
    """
    from anonymizer.road.sheet import make_sheet
    from anonymizer.write.sheet import SheetPage

    if page not in tuple(SheetPage):
        raise UsageError("sheet.page", text=repr(page), known=", ".join(SheetPage))
    settings = Given(settings_file or default_file()).settings()
    done = make_sheet(files, settings, captions=captions or (), page=SheetPage(page), to=to)
    written = to if to and done.verdict is Verdict.READY else None
    if as_json:
        emit(outcome_facts(done) | {"copy": str(written) if written else None})
        return done.exit_code
    print_outcome(done)
    if written:
        print_line(say("sheet.copied", path=shown(written)))
    elif to and done.verdict is Verdict.REVIEW and done.output:
        print_line(say("sheet.later", output=shown(done.output.name), path=shown(to)))
    return done.exit_code
