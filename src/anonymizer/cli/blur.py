"""``anonymizer blur``: photos and clips, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Given, Quiet, folder_option, takes_settings
from anonymizer.cli.output import (
    counted,
    emit,
    exit_code,
    outcome_facts,
    print_line,
    print_outcome,
    print_passed,
    shown,
)
from anonymizer.cli.progress import have_models, media_bar
from anonymizer.core.types import Verdict

if TYPE_CHECKING:
    from anonymizer.core.settings import Settings


@takes_settings
def blur(
    given: Given,
    paths: Annotated[
        list[Path],
        typer.Argument(parser=Path, metavar="PATH...", help="Photos and clips, or folders of them."),
    ],
    out: Annotated[
        Path | None,
        folder_option("--out", "Output folder; default: 'anonymized' beside the first PATH."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Make photos and clips publishable.

    What is safe lands in OUT/ready, what a person must see in OUT/review, the reports in OUT/reports.

    Exit codes: 0 all ready, 3 some in review, 4 some failed, 6 all ready but media of other kinds left, 2 wrong use, 5
    machine not ready.
    """
    target = (out or beside(paths[0])).absolute()
    return process(given.settings(), paths, target, as_json=as_json, quiet=quiet)


def process(
    settings: Settings, paths: Sequence[Path], target: Path, *, as_json: bool = False, quiet: bool = False
) -> int:
    """Make the media of these files and folders publishable, one after the other, and say what came of each."""
    from anonymizer.read.inputs import collect
    from anonymizer.road.pipeline import Session

    found = collect(paths, target, settings.limits)
    sources = found.media
    counts: Counter[Verdict] = Counter()
    show = not (quiet or as_json)
    have_models(settings, show=show)
    with Session(target, settings) as session:
        with media_bar(len(sources), show=show) as (advance, within):
            for outcome in session.run_all(sources, within):
                counts[outcome.verdict] += 1
                if as_json:
                    emit(outcome_facts(outcome))
                elif not quiet or outcome.verdict is Verdict.FAILED:
                    print_outcome(outcome)
                advance()
        session.gate.ledger.pass_over([path.absolute() for path in paths], found.passed)
        index = session.write_index()
    print_passed(found.passed, as_json=as_json, quiet=quiet)
    if show:
        print_line(f"{counted(counts) or '0'}. {say('cli.overview', path=shown(index))}")
    return exit_code(counts, found.passed)


def beside(path: Path) -> Path:
    """Where outputs go if nobody says where."""
    return path.absolute().parent / "anonymized"
