"""``anonymizer log``: who decided what and when."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Keys, OutFolder, takes_language
from anonymizer.cli.output import emit, err_console, out_console, print_line, shown

if TYPE_CHECKING:
    from anonymizer.gate.decision_log import LogRow

HEADINGS = ("number", "when", "what", "who", "file", "source", "changed", "note")


@takes_language
def log(
    out: OutFolder = Path("anonymized"),
    keys: Keys = None,
    as_json: AsJson = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A table for a spreadsheet on standard output.")
    ] = False,
) -> int:
    """Who decided what and when, what was changed by hand, and whether that is still what was recorded.

    It names sources and notes, which may name patients. Exit code 4 where the chain of decisions is broken.
    """
    from anonymizer.core.signing import trusted
    from anonymizer.gate import decision_log

    found = decision_log.read(out.absolute(), trusted(keys or ()))
    if as_csv:
        sys.stdout.write(decision_log.as_csv(found.rows))
        return found.exit_code
    if as_json:
        for row in found.rows:
            emit(row.facts() | {"source": shown(row.source)})
        emit(found.chain)
        return found.exit_code
    if found.rows:
        out_console.print(_table(found.rows))
    for flaw in found.flaws:
        err_console.print(f"[red]{escape(shown(say(flaw.said)))}[/]")
    if not found.flaws:
        print_line(say("log.chain-valid", count=len(found.rows)))
    return found.exit_code


def _table(rows: tuple[LogRow, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(say(f"log.{heading}"), overflow="fold")
    for row in rows:
        when = row.at[:16].replace("T", " ")
        action = say(f"log.action.{row.action}")
        cells = (str(row.number), when, action, row.who, row.name, row.source, row.changed, row.note)
        table.add_row(*(escape(shown(cell)) for cell in cells))
    return table
