"""``anonymizer batch``: whole folders, in parallel, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Given, Quiet, folder_option, pattern_option, takes_settings
from anonymizer.cli.output import (
    WORDS,
    emit,
    exit_code,
    out_console,
    outcome_facts,
    print_line,
    print_outcome,
    print_passed,
    shown,
)
from anonymizer.cli.progress import batch_bar, have_models
from anonymizer.core.message import with_sentence
from anonymizer.core.types import Verdict
from anonymizer.read.walk import Passed, PassedOver

if TYPE_CHECKING:
    from anonymizer.batch.run import Tally
    from anonymizer.core.settings import Settings
    from anonymizer.engine.pool import Pool
    from anonymizer.road.pipeline import Outcome


@takes_settings
def batch(
    given: Given,
    paths: Annotated[
        list[str],
        typer.Argument(
            parser=str,
            metavar="PATH...",
            help="Folders of photos and clips, or single ones; or one address, such as s3://bucket/folder.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            parser=str,
            metavar="FOLDER",
            help="Output folder; default: 'anonymized' beside the first PATH. Or an address, to which what is "
            "published is copied.",
        ),
    ] = None,
    local: Annotated[
        Path | None,
        folder_option(
            "--local",
            "With addresses: the folder of the ledger and the outputs; default: 'anonymized' here.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="NUMBER",
            min=1,
            max=256,
            help="Processes; default: as cores and memory allow.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            parser=str,
            metavar="ADDRESS",
            help="Work on a Dask cluster: its scheduler, such as tcp://host:8786.",
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        pattern_option("--include", "Only files like this, for example '*.jpg'. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        pattern_option("--exclude", "Leave out files like this, for example 'drafts/*'. Repeatable."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="NUMBER", min=1, help="At most so many files, the first by name."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Make whole folders publishable, in parallel; run again, it goes on where it stopped and does nothing twice.

    Exit codes: 0 all ready, 3 some in review, 4 some failed, 6 all ready but media of other kinds left, 2 wrong use, 5
    machine not ready.
    """
    from anonymizer.batch import run as job

    settings = given.settings()
    order = job.order(
        paths, out, local, job.Chosen(tuple(include or ()), tuple(exclude or ()), limit), settings.limits
    )
    show = not (quiet or as_json)
    if dry_run:
        have_models(settings, show=show)
        for source, said in job.foreseen(order, settings):
            if as_json:
                emit({"source": shown(source), "would": with_sentence(said)})
            else:
                print_line(f"{shown(source)}: {say(said)}")
        return 0
    if not cluster:
        have_models(settings, show=show)
    tally = job.Tally(order.count)
    with batch_bar(tally, show=not quiet) as moved:

        def tell(outcome: Outcome) -> None:
            if as_json:
                emit(
                    outcome_facts(outcome)
                    | {"fresh": outcome.fresh, "note": with_sentence(outcome.note) if outcome.note else None}
                )
            elif not quiet or outcome.verdict is Verdict.FAILED:
                print_outcome(outcome)
            moved()

        pool = _cluster(cluster, settings) if cluster else None
        index = job.run(order, settings, tally, tell, workers=workers, pool=pool, retry=retry)
    print_passed(order.passed, as_json=as_json, quiet=quiet)
    if show:
        out_console.print(_summary(tally, order.passed))
        print_line(say("cli.overview", path=shown(index)))
    return exit_code(tally.verdicts, order.passed)


def _cluster(address: str, settings: Settings) -> Callable[[Path], Pool]:
    """What makes the pool of a Dask cluster."""
    from anonymizer.cluster.pool import ClusterPool

    return lambda folder: ClusterPool(settings.checked(), address, folder)


HOW = {Passed.NOT_TAKEN: "state.not-taken", Passed.SKIPPED: "state.skipped"}


def _summary(tally: Tally, passed: Sequence[PassedOver]) -> Table:
    table = Table("what", "files", box=None, pad_edge=False, show_header=False)
    for verdict, word in WORDS.items():
        table.add_row(say(word), str(tally.verdicts[verdict]))
    table.add_row(say("cli.known-already"), str(tally.known))
    for how in Passed:
        table.add_row(say(HOW[how]), str(sum(one.how is how for one in passed)))
    table.add_row(say("cli.places-hidden"), str(tally.hidden))
    table.add_row(say("cli.time"), say("cli.time-and-speed", seconds=tally.seconds, speed=tally.speed))
    return table
