"""``anonymizer verify``: published files checked again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Keys, folder_option, takes_language
from anonymizer.cli.output import COLOURS, emit, err_console, exit_code, out_console, shown
from anonymizer.core.errors import ExitCode
from anonymizer.core.types import Verdict

if TYPE_CHECKING:
    from anonymizer.release.folder_check import VerifiedFile


@takes_language
def verify(
    files: Annotated[
        list[Path],
        typer.Argument(
            parser=Path,
            metavar="PATH...",
            help="Published files; or a folder: a release, or an output folder.",
        ),
    ],
    reports: Annotated[
        Path | None,
        folder_option("--reports", "Folder with the reports; default: looked for near the file."),
    ] = None,
    keys: Keys = None,
    as_json: AsJson = False,
) -> int:
    """Check published files again: their reports, who signed them, and what needs no original.

    Each file is valid, changed, or unknown: not signed, or signed with an unknown key. Exit code 0 only if all are
    valid: ask this of a folder before you upload it. Exit code 7 if all are, but the folder's signed list is missing.
    """
    from anonymizer.core.signing import trusted
    from anonymizer.release.folder_check import examined

    counts: Counter[Verdict] = Counter()
    unlisted = False
    for found in examined(files, reports, trusted(keys or ())):
        unlisted |= found.unlisted
        if isinstance(found.verdict, Verdict) and not found.unlisted:
            counts[found.verdict] += 1
        if as_json:
            emit(found.facts() | {"file": shown(found.path)})
        else:
            _print(found)
    code = exit_code(counts)
    return ExitCode.UNLISTED if unlisted and code is ExitCode.OK else code


def _print(found: VerifiedFile) -> None:
    console = err_console if found.error else out_console
    colour = COLOURS[found.verdict] if isinstance(found.verdict, Verdict) else "dim"
    console.print(f"[{colour}]{say(found.word)}[/] {escape(shown(found.path))}")
    for reason in (*found.reasons, *found.remarks):
        console.print(f"    {escape(shown(say(reason)))}")
