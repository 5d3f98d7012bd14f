"""``anonymizer models``: the detectors' weights, listed, fetched, checked."""

from __future__ import annotations

import click

from anonymizer.cli.options import json_option, lang_option
from anonymizer.cli.output import emit, print_line
from anonymizer.cli.parser import Group, argument
from anonymizer.cli.progress import fetch
from anonymizer.core.errors import ExitCode


@click.group(cls=Group)
@lang_option
def models() -> None:
    """The detectors' weights: which are here, fetch them, check them."""


@models.command("list")
@json_option
@lang_option
def list_models(as_json: bool) -> None:
    """Every model: what it is for, its licence, and whether it is here."""
    from anonymizer.detect.models.store import Store

    for entry, state in Store().check():
        if as_json:
            emit({"name": entry.name, "state": state, "licence": entry.licence, "purpose": entry.purpose})
        else:
            print_line(f"{entry.name:22} {state:10} {entry.licence:12} {entry.purpose}")


@models.command("fetch")
@argument("names", nargs=-1, metavar="[NAME]...", help="Which; default: all that a run needs.")
@lang_option
def fetch_models(names: tuple[str, ...]) -> None:
    """Fetch the models now, so that no later run needs a network."""
    from anonymizer.detect.models.store import Store

    store = Store()
    wanted = names or tuple(entry.name for entry in store.entries() if not entry.optional)
    for path in fetch(store, wanted, show=True):
        print_line(str(path))


@models.command("check")
@json_option
@lang_option
def check_models(as_json: bool) -> int:
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
            print_line(f"{entry.name:22} {state}")
    return ExitCode.OK if good else ExitCode.NOT_READY
