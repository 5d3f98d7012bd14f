"""How an output goes: its report, the medium itself, and what somebody has put in its place."""

from __future__ import annotations

import contextlib
from pathlib import Path

from anonymizer.core import durable
from anonymizer.core.errors import OutputError
from anonymizer.gate.files import companion_of, file_sha256, new_id
from anonymizer.gate.output import OVERVIEW, OutputFolder, output_error
from anonymizer.gate.permissions import PRIVATE_FOLDER, restrict
from anonymizer.gate.records import LedgerEntry, State


def withdraw(folder: OutputFolder, id: str) -> None:
    """Remove what the gate wrote about a medium that did not get through."""
    left = [folder.reports / f"{id}.json", folder.reports / f"{id}.html", folder.review / f"{id}.reasons.txt"]
    for path in (
        *left,
        folder.sheets / f"{id}.jpg",
        folder.thumbnails / f"{id}.jpg",
        folder.drawings / f"{id}.json",
    ):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def retire(folder: OutputFolder, run: str, id: str, held: State | None = None) -> None:
    """Remove an output whose successor is on the disk: the medium first, then its report.

    A file that somebody has altered since is no output of ours any more: it is set aside, not deleted. Where
    somebody decides on the medium at this moment it stays, until the next run finds it overtaken. ``held`` is
    where it stood when this run claimed it.
    """
    entry = folder.ledger.get(id)
    if entry is None:
        return
    stood = held or entry.state
    if stood not in (State.READY, State.RELEASED, State.REVIEW, State.REJECTED):
        return
    if not held and not folder.ledger.claim(id, stood, run):
        return
    medium = folder.folder(stood) / entry.name
    try:
        if stood in (State.READY, State.RELEASED):
            drop_overview(folder)
        if medium.is_file() and (found := file_sha256(medium)) not in of_others(folder, entry):
            if found != entry.output:
                set_aside(folder, medium)
            medium.unlink(missing_ok=True)
        remove_companion(folder, entry, medium)
    except OSError as error:
        with contextlib.suppress(OutputError):
            folder.ledger.unclaim(id, stood)
        raise output_error(folder.root, error) from error
    withdraw(folder, id)
    folder.ledger.update(id, state=State.REPLACED)


def remove_companion(folder: OutputFolder, entry: LedgerEntry, medium: Path) -> None:
    """Remove the DICOM beside a medium, which goes or is gone; one that somebody has altered is set aside. Raises
    OSError."""
    beside = companion_of(medium)
    if not entry.companion or not beside.is_file():
        return
    if file_sha256(beside) != entry.companion and beside.stat().st_size:
        set_aside(folder, beside)
    beside.unlink(missing_ok=True)


def drop_overview(folder: OutputFolder) -> None:
    """Remove the overview, which shows what is ready, before any of that leaves ``ready/``: it is written again with
    the next change, and a run that is killed meanwhile leaves none behind that shows too much. Raises OSError."""
    (folder.reports / OVERVIEW).unlink(missing_ok=True)


def of_others(folder: OutputFolder, entry: LedgerEntry) -> set[str]:
    """The hashes (hex) that other rows say a file of this name has: such a file is theirs."""
    return {one.output for one in folder.ledger.named(entry.name) if one.id != entry.id}


def set_aside(folder: OutputFolder, medium: Path) -> None:
    """Take a file that is none of ours any more out of the public folders, into the private one."""
    folder.altered.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    restrict(medium, durable.PRIVATE)
    medium.replace(folder.altered / f"{new_id()}-{medium.name}")
