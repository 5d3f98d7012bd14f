"""What is no longer needed goes after a time: originals that were dropped on the page, rejected outputs, and the links
of outputs to their originals. The chain of decisions tells what went, and when.

What waits for a person, or is being worked on, is never touched. The hash of an original stays, so that the same
picture is known again; the notes of decisions stay, for they are part of the chain.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anonymizer.core.errors import UsageError
from anonymizer.gate.decisions import person
from anonymizer.gate.output import OutputFolder, output_error
from anonymizer.gate.records import FORGOTTEN, Decision, LedgerEntry, State, now
from anonymizer.gate.removal import remove_companion, withdraw

SETTLED = (State.READY, State.RELEASED, State.REJECTED, State.REPLACED, State.FAILED, State.FORGOTTEN)
"""States in which nobody needs the original any more to decide."""
_DAYS = {"d": 1, "w": 7, "y": 365}


@dataclass(frozen=True, slots=True)
class Forgettable:
    """A medium, and what of it goes. ``original`` is true where the page stored a copy, ``output`` where it was
    rejected, ``link`` where the ledger still names its source."""

    entry: LedgerEntry
    original: bool
    output: bool
    link: bool


def moment(age: str) -> str:
    """The time, UTC in ISO 8601, that lies an age such as ``90d``, ``12w`` or ``1y`` back.

    Raises :class:`UsageError` where it is none.
    """
    found = re.fullmatch(r"(\d{1,5})([dwy])", age.strip().lower())
    if found is None:
        raise UsageError("forget.age", age=repr(age))
    back = timedelta(days=int(found[1]) * _DAYS[found[2]])
    return (datetime.now(UTC) - back).isoformat(timespec="seconds")


def forgettable(folder: OutputFolder, before: str) -> list[Forgettable]:
    """What was settled before a moment and of which something is left to go."""
    found = []
    for entry in folder.ledger.each(*SETTLED):
        if not _settled_before(folder, entry, before):
            continue
        named = bool(os.fsencode(entry.source).strip(b"."))
        stored = stored_in(entry.source, folder.inbox) if named else None
        original = stored is not None and stored.is_dir()
        rejected = entry.state is State.REJECTED
        link = named or bool(folder.ledger.paths(entry.id))
        if original or rejected or link:
            found.append(Forgettable(entry, original, rejected, link))
    # A correction that still waits needs the original that it shares with what it is to replace.
    return [one for one in found if _nobody_else_needs(folder, one.entry, before)]


def forget(folder: OutputFolder, chosen: Sequence[Forgettable], initials: str = "") -> int:
    """Remove what was chosen, one medium after the other; how many. What was taken back meanwhile stays.

    Files go first, then the ledger in one step: cut off in between, the same call goes on. Raises
    :class:`anonymizer.core.errors.OutputError` where a file cannot be removed.
    """
    who = person(initials) if initials else ""
    count = 0
    for one in chosen:
        entry = folder.ledger.get(one.entry.id)
        if entry is None or entry.state is not one.entry.state:
            continue
        try:
            if one.output:
                withdraw(folder, entry.id)
                (folder.rejected / entry.name).unlink(missing_ok=True)
                remove_companion(folder, entry, folder.rejected / entry.name)
            stored = stored_in(entry.source, folder.inbox) if one.original else None
            if stored and stored.is_dir():  # with a bundle's first member went all of it
                shutil.rmtree(stored)
            (folder.drawings / f"{entry.id}.json").unlink(missing_ok=True)
        except OSError as error:
            raise output_error(folder.root, error) from error
        gone = {"originals": int(one.original), "outputs": int(one.output), "links": int(one.link)}
        taken = Decision(entry.id, FORGOTTEN, who, "", json.dumps(gone), entry.output, now(), entry.sha256)
        count += folder.ledger.unlink(
            taken, entry.state, State.FORGOTTEN if entry.state is State.REJECTED else entry.state
        )
    return count


def _settled_before(folder: OutputFolder, entry: LedgerEntry, before: str) -> bool:
    last = max((one.at for one in folder.ledger.decisions(entry.id)), default="")
    return bool(entry.ended) and max(entry.ended, last) < before


def stored_in(source: Path, inbox: Path) -> Path | None:
    """The folder of its own in which the page stored a source, or the bundle of which it is one; None if neither."""
    if inbox not in source.parents:
        return None
    inside = source.relative_to(inbox).parts
    return inbox / inside[0] if len(inside) > 1 else None


def sharers(folder: OutputFolder, entry: LedgerEntry) -> list[LedgerEntry]:
    """Every row that needs the original of this one: of the same path, or of the same stored bundle."""
    stored = stored_in(entry.source, folder.inbox)
    return folder.ledger.below(stored) if stored else folder.ledger.by_path(entry.source)


def _nobody_else_needs(folder: OutputFolder, entry: LedgerEntry, before: str) -> bool:
    return all(
        one.state in SETTLED and _settled_before(folder, one, before) for one in sharers(folder, entry)
    )
