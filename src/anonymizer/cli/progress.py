"""Progress bars: on a terminal alone, and gone when all is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from anonymizer.cli.language import say
from anonymizer.cli.output import counted, err_console

if TYPE_CHECKING:
    from anonymizer.batch.run import Tally
    from anonymizer.core.settings import Settings
    from anonymizer.core.types import Progress as Told
    from anonymizer.detect.models.store import Store


@contextmanager
def media_bar(total: int, *, show: bool) -> Iterator[tuple[Callable[[], None], Told | None]]:
    """A bar for media one after the other, and below it one for the clip that is being processed.

    Gives what to call after each medium, and what a clip's work tells how far it is; None where nothing is shown.
    """
    if not (show and err_console.is_terminal):
        yield (lambda: None), None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err_console, transient=True) as progress:
        task = progress.add_task("", total=total, speed="")
        clip = progress.add_task("", total=None, visible=False, speed="")
        stages: dict[str, float] = {}

        def within(stage: str, done: int, all: int) -> None:
            if stage not in stages or done <= 1:
                stages.clear()
                stages[stage] = time.monotonic()
                progress.reset(clip, total=all or None, visible=True, description=say(f"cli.{stage}"))
            spent = time.monotonic() - stages[stage]
            speed = say("cli.frames-per-second", speed=done / spent) if spent > 0.5 else ""
            progress.update(clip, completed=done, total=all or None, speed=speed)

        def advance() -> None:
            progress.advance(task)
            progress.update(clip, visible=False)

        yield advance, within


@contextmanager
def batch_bar(tally: Tally, *, show: bool) -> Iterator[Callable[[], None]]:
    """How far a batch is: what came of it so far, files per second, time left. Gives what to call after each file."""
    if not (show and err_console.is_terminal):
        yield lambda: None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err_console, transient=True) as progress:
        task = progress.add_task("batch", total=tally.total, said=say("cli.starting"))

        def moved() -> None:
            speed = say("cli.files-per-second", speed=tally.speed)
            progress.update(task, completed=tally.done, said=f"{counted(tally.verdicts)}; {speed}")

        yield moved


def have_models(settings: Settings, *, show: bool) -> None:
    """Fetch the models that a run needs and that are not here yet, under a bar: once, at first use."""
    from anonymizer.detect.finder import models_needed
    from anonymizer.detect.models.store import Store

    fetch(Store(), models_needed(settings), show=show)


def fetch(store: Store, names: Sequence[str], *, show: bool) -> list[Path]:
    """The files of these models, fetched where they are missing."""
    missing = [name for name in names if not store.present(name)]
    if not (missing and show):
        return [store.path(name) for name in names]
    if not err_console.is_terminal:
        err_console.print(say("cli.fetching", count=len(missing)))
        return [store.path(name) for name in names]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err_console, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=store.entry(name).size) for name in missing}
        return [
            store.path(
                name,
                progress=lambda model, done, total: progress.update(
                    tasks[model], completed=done, total=total or None
                ),
            )
            for name in names
        ]
