"""``anonymizer forget``: what is no longer needed goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, takes_language
from anonymizer.cli.output import emit, err_console, print_line, shown
from anonymizer.core.errors import UsageError


@takes_language
def forget(
    out: Annotated[Path, typer.Argument(parser=Path, metavar="OUT", help="Output folder.")],
    older: Annotated[
        str,
        typer.Option(
            "--older", parser=str, metavar="AGE", help="What was settled longer ago: 90d, 12w or 1y."
        ),
    ],
    initials: Annotated[
        str,
        typer.Option(
            "--initials", parser=str, metavar="TEXT", help="Who has it forgotten: goes into the ledger."
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove originals dropped on the page, rejected outputs, and the ledger's links to originals, by age.

    It says how many of each and asks first. What waits for a person stays, and so does everything in ready/ and
    reports/.
    """
    from anonymizer.gate.folder import Gate
    from anonymizer.gate.forgetting import forget as forget_these
    from anonymizer.gate.forgetting import forgettable, moment
    from anonymizer.gate.output import check_output_folder

    before = moment(older)
    check_output_folder(out)
    with Gate(out.absolute()) as gate:
        chosen = forgettable(gate, before)
        facts = {
            "originals": sum(one.original for one in chosen),
            "outputs": sum(one.output for one in chosen),
            "links": sum(one.link for one in chosen),
        }
        if not chosen:
            if as_json:
                emit(facts | {"forgotten": 0})
            else:
                print_line(say("forget.nothing", path=shown(out), before=before[:10]))
            return
        said = say("forget.found", path=shown(out), before=before[:10], **facts)
        if not yes:
            _ask(said)
        elif not as_json:
            print_line(said)
        done = forget_these(gate, chosen, initials)
        gate.ledger.wipe(before)
    if as_json:
        emit(facts | {"forgotten": done})
    else:
        print_line(say("forget.done", count=done))


def _ask(said: str) -> None:
    """Have somebody agree. Raises :class:`UsageError` where nobody does."""
    if not (sys.stdin.isatty() and err_console.is_terminal):
        raise UsageError("forget.yes-flag")
    err_console.print(f"[yellow]{escape(said)}[/]")
    answer = err_console.input(f"{escape(say('forget.question'))} ")
    if answer.strip().lower() not in say("cli.yes").split():
        raise UsageError("forget.not-agreed")
