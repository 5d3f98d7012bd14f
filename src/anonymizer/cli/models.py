"""``anonymizer models``: the detectors' weights, listed, fetched, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, takes_language
from anonymizer.cli.output import emit, print_line
from anonymizer.cli.parser import Command, Group
from anonymizer.cli.progress import fetch
from anonymizer.core.errors import ExitCode
from anonymizer.core.sentences import ENGLISH

if TYPE_CHECKING:
    from anonymizer.detect.models.manifest import ModelEntry

models = typer.Typer(name="models", cls=Group)


@models.callback()
@takes_language
def group() -> None:
    """The detectors' weights: which are here, fetch them, check them."""


@models.command("list", cls=Command)
@takes_language
def list_models(as_json: AsJson = False) -> None:
    """Every model: what it is for, its licence, and whether it is here."""
    from anonymizer.detect.models.store import Store

    for entry, state in Store().check():
        if as_json:
            emit({"name": entry.name, "state": state, "licence": entry.licence, "purpose": entry.purpose})
        else:
            purpose = say(f"model.purpose.{entry.name}") if _own(entry) else entry.purpose
            print_line(f"{entry.name:22} {say(f'model.state.{state}'):10} {entry.licence:12} {purpose}")


@models.command("fetch", cls=Command)
@takes_language
def fetch_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(parser=str, metavar="[NAME]...", help="Which; default: all that a run needs."),
    ] = None,
) -> None:
    """Fetch the models now, so that no later run needs a network."""
    from anonymizer.detect.models.store import Store

    store = Store()
    wanted = names or [entry.name for entry in store.entries() if not entry.optional]
    for path in fetch(store, wanted, show=True):
        print_line(str(path))


@models.command("check", cls=Command)
@takes_language
def check_models(as_json: AsJson = False) -> int:
    """Compare each model's file with its hash; exit 5 where one that a run needs is missing or wrong."""
    from anonymizer.detect.finder import check_entries
    from anonymizer.detect.models.store import Store

    good = True
    check_entries(store := Store())
    for entry, state in store.check():
        good = good and (state == "ok" or entry.optional)
        if as_json:
            emit({"name": entry.name, "state": state})
        else:
            print_line(f"{entry.name:22} {say(f'model.state.{state}')}")
    return ExitCode.OK if good else ExitCode.NOT_READY


def _own(entry: ModelEntry) -> bool:
    """Whether a model is one of this program's, whose purposes are said in each language."""
    return ENGLISH.get(f"model.purpose.{entry.name}") == entry.purpose
