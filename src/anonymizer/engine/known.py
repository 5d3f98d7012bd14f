"""What the ledger knows of a source: is it done, and if not, which earlier output is it to succeed, and why."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import MediumError, UnreadableError
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import REJECTED, LedgerEntry, Sighting, State
from anonymizer.read.bundle.paths import member
from anonymizer.read.bundle.reader import fetch, place_sha256, refusal
from anonymizer.read.sniff import Format, identify, open_regular, sniff_file, unreachable
from anonymizer.road.fingerprint import changed, same

RACY_NS = 2_000_000_000
"""A file written to less than this before it was read may be written to again with the same time."""
CHUNK = 1 << 20
_PLACED_STATES = (
    State.READY,
    State.REVIEW,
    State.REJECTED,
    State.FORGOTTEN,
    State.RELEASED,
    State.FAILED,
)
_WITH_FILE = (State.READY, State.RELEASED, State.REVIEW)

CHANGING = Message("file.changing")
ALREADY = Message("known.done")
SAME = Message("known.same-content")
BEFORE = Message("known.failed-before")


@dataclass(frozen=True, slots=True)
class InspectedSource:
    """A file's SHA-256 (hex), size in bytes, time in ns (-1: say nothing), and its format if it has one."""

    sha256: str
    size: int
    modified: int
    form: Format | None = None
    refusal: MediumError | None = None
    held: int = 0
    """Bytes of a member, where ``size`` is its bundle's."""


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """Nothing is to be done: ``entry`` is what it is done by, ``note`` says so in a few words."""

    entry: LedgerEntry
    note: Message


@dataclass(frozen=True, slots=True)
class Todo:
    """It is to be done, in place of ``prior`` where there is an earlier output; ``note`` says why again."""

    prior: LedgerEntry | None = None
    note: Message | None = None


def stamp(path: Path) -> tuple[int, int]:
    """Size and time (ns) of a file, of a member its bundle's. Raises :class:`UnreadableError`."""
    try:
        found = member(path)
        status = (found.bundle if found else path).lstat()
    except (OSError, ValueError) as error:
        raise unreachable(error) from error
    return status.st_size, status.st_mtime_ns


def recall(ledger: Ledger, path: Path) -> InspectedSource | None:
    """What a file holds without reading it, where nothing was written to it since it was dealt with."""
    known = ledger.sighting(path)
    if known is None or (known.size, known.modified) != stamp(path):
        return None
    return InspectedSource(known.sha256, known.size, known.modified)


def inspect(path: Path, limits: Limits | None = None) -> InspectedSource:
    """Read a file whole for its hash. Raises :class:`UnreadableError` where it cannot be, or changes meanwhile."""
    if member(path):
        return _inspect_member(path, limits or Limits())
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        sha256, form, refused = hashlib.sha256(), None, None
        try:
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
            after = os.fstat(file.fileno())
            file.seek(0)
            form = identify(file)
        except OSError as error:
            raise UnreadableError("file.not-read", cause=error.strerror or error) from error
        except MediumError as error:
            refused = error
    if form and form.bundle:
        refused = refusal(path, limits or Limits())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UnreadableError("file.changed")
    settled = time.time_ns() - after.st_mtime_ns > RACY_NS
    return InspectedSource(
        sha256.hexdigest(), after.st_size, after.st_mtime_ns if settled else -1, form, refused
    )


def _inspect_member(path: Path, limits: Limits) -> InspectedSource:
    """Take a member out of its bundle for its hash; what cannot be taken out has one by its place, and fails."""
    size, modified = stamp(path)
    settled = modified if time.time_ns() - modified > RACY_NS else -1
    try:
        found = fetch(path, limits)
    except UnreadableError:
        raise
    except MediumError as error:
        return InspectedSource(place_sha256(path), size, settled, None, error)
    return InspectedSource(found.sha256, size, settled, found.form, None, found.size)


def kind(path: Path, inspected: InspectedSource, limits: Limits) -> tuple[Format, int]:
    """The format of an inspected source and its bytes. Raises :class:`MediumError`."""
    if inspected.refusal:
        raise inspected.refusal
    if inspected.form is None and member(path):
        # Known from an earlier run: what it is was not asked then.
        inspected = _inspect_member(path, limits)
        if inspected.refusal:
            raise inspected.refusal
    return inspected.form or sniff_file(path), inspected.held or inspected.size


def inspect_as(
    path: Path, wanted: tuple[int, int] | None, limits: Limits | None = None
) -> tuple[InspectedSource, tuple[int, int]]:
    """What a source holds, and the size and time that it has with it."""
    inspected = inspect(path, limits)
    seen = stamp(path)
    if wanted and seen != wanted:
        raise UnreadableError(CHANGING)
    return inspected, seen


def lookup(
    gate: Gate, path: Path | str, sha256: str, wanted: str, *, retry: bool = False
) -> AlreadyDone | Todo:
    """What to do with a source of this content at this path, for a run with this fingerprint.

    ``sha256`` is empty where it could not be read. ``retry`` does again what failed before.
    Raises :class:`anonymizer.core.errors.OutputError`.
    """
    ledger = gate.ledger
    found = ledger.by_source(sha256) if sha256 else []
    rows = [row for row in reversed(found) if row.state in _PLACED_STATES]
    prior = _prior(ledger, path, rows)
    for row in rows:
        if row.state in (State.REJECTED, State.FORGOTTEN):
            return AlreadyDone(row, _rejection(ledger, row))
        fits = same(row.asked, wanted, limits=row.state is State.FAILED)
        if not fits or (row.state is State.FAILED and (retry or row.passing)):
            continue
        if row.state in _WITH_FILE and (flaw := gate.flaw(row)):
            return Todo(row, flaw)
        return AlreadyDone(row, BEFORE if row.state is State.FAILED else _note(ledger, path, row))
    if prior is None:
        return Todo()
    if prior.state is State.FAILED:
        return Todo(prior, Message("known.failed") if prior.reason and not prior.passing else None)
    return Todo(prior, changed(prior.asked, wanted))


def _rejection(ledger: Ledger, row: LedgerEntry) -> Message:
    taken = [one for one in ledger.decisions(row.id) if one.action == REJECTED]
    if not taken:
        return Message("known.rejected")
    return Message("known.rejected-by", who=taken[-1].who, day=taken[-1].at[:10])


def _note(ledger: Ledger, path: Path | str, row: LedgerEntry) -> Message:
    own = os.fsencode(path) in (os.fsencode(row.source), *ledger.paths(row.id))
    return ALREADY if own else SAME


def _prior(ledger: Ledger, path: Path | str, rows: list[LedgerEntry]) -> LedgerEntry | None:
    """The output of this content that the path has stood for so far."""
    known = ledger.sighting(path)
    id = known.medium if known else ""
    while id and (entry := ledger.get(id)) and entry.state is State.REPLACED:
        id = ledger.successor(id)
    pointed = next((row for row in rows if row.id == id), None)
    if pointed:
        return pointed
    raw = os.fsencode(path)
    failures = (row for row in reversed(ledger.by_path(path)) if row.state is State.FAILED and not row.sha256)
    return next((row for row in rows if os.fsencode(row.source) == raw), None) or next(failures, None)


def sighted(inspected: InspectedSource, id: str) -> Sighting:
    """The ledger's record of a file that is done by ``id``."""
    return Sighting(inspected.sha256, inspected.size, inspected.modified, id)
