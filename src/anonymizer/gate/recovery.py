"""What killed runs left: finished where it stands with its report, undone where it does not.

A run holds a lock on a file of its own, which dies with its process; whoever gets that lock settles what it held.
The report on the disk decides where a medium belongs, if our key signed it: it is written before the medium moves.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from filelock import FileLock, Timeout

from anonymizer.core import durable
from anonymizer.core.message import packed
from anonymizer.core.signing import SignatureStatus, file_signature_status
from anonymizer.core.types import Verdict
from anonymizer.gate import removal
from anonymizer.gate.files import companion_of, file_sha256, place
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import REOPENED, Decision, LedgerEntry, State
from anonymizer.report.file import PURPOSE

OLD_LOCK = 3600.0
"""Seconds after which a lock file without a work folder is nobody's."""
_STANDS = (State.READY, State.REVIEW, State.REJECTED)
"""States of which each has a folder of its own."""


def settle_dead_runs(folder: OutputFolder, run: str) -> None:
    """Finish or undo what killed runs left, and remove what they staged. Raises OSError."""
    runs = {one.name for one in folder.private.glob("run-*") if one.is_dir()}
    for dead in (runs | folder.ledger.owners()) - {run}:
        lock = FileLock(folder.private / f"{dead}.lock", mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            # Read under the lock: another run may have settled them while this one was on its way here.
            for entry in folder.ledger.owned(dead):
                _settle(folder, entry)
            _remove(folder.private / dead)
        finally:
            lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
    for entry in folder.ledger.overtaken():
        removal.retire(folder, run, entry.id)
    for path in folder.private.glob("run-*.lock"):
        # Of a run that was killed as it took its work folder away; a young one may just be being made.
        with contextlib.suppress(OSError):
            if not path.with_suffix("").is_dir() and time.time() - path.stat().st_mtime > OLD_LOCK:
                path.unlink()


def _settle(folder: OutputFolder, entry: LedgerEntry) -> None:
    """Finish or undo the work on one medium, or a person's decision on it."""
    ours = _our_files(folder, entry)
    if not ours:
        # A DICOM gets into its place before its picture: where that never came, or went, it goes too.
        for state in _STANDS:
            removal.remove_companion(folder, entry, folder.folder(state) / entry.name)
        removal.withdraw(folder, entry.id)
        if folder.ledger.decisions(entry.id) or entry.mirrored or folder.ledger.successor(entry.id):
            # It stood once, and is gone: what was decided on it, or copied of it, is still to be known.
            folder.ledger.update(entry.id, state=State.REPLACED, pending="")
        else:
            folder.ledger.forget(entry.id)
        return
    state, carried_out = _reported(folder, entry)
    final = folder.folder(state) / entry.name
    removal.drop_overview(folder)
    _settle_companion(folder, entry, final)
    if final not in ours:
        place(ours[0], final, folder.mode(final))
    for other in set(ours) - {final}:
        other.unlink(missing_ok=True)
    durable.sync_folder(final.parent)
    if state is not State.REVIEW:
        (folder.review / f"{entry.id}.reasons.txt").unlink(missing_ok=True)
    try:
        digest = folder.report_digest(entry.id)
    except OSError:
        digest = ""
    reason = () if state is State.READY else entry.reason
    if carried_out:
        folder.ledger.decide(carried_out, state, reason, digest)
    else:
        folder.ledger.update(entry.id, state=state, reason=packed(reason), report=digest, pending="")


def _settle_companion(folder: OutputFolder, entry: LedgerEntry, final: Path) -> None:
    """Bring the DICOM beside a medium to where that belongs. One that is altered, or nowhere, is found so by whoever
    looks next (:meth:`OutputFolder.flaw`)."""
    if not entry.companion:
        return
    at = companion_of(final)
    standing = [companion_of(folder.folder(state) / entry.name) for state in _STANDS]
    ours = [one for one in standing if one.is_file() and file_sha256(one) == entry.companion]
    if ours and at not in ours:
        if at.exists():
            # The empty file that claimed the name, or one that was never verified.
            removal.remove_companion(folder, entry, final)
        place(ours[0], at, folder.mode(at))
    for other in set(ours) - {at}:
        other.unlink(missing_ok=True)


def _our_files(folder: OutputFolder, entry: LedgerEntry) -> list[Path]:
    """Where the very file that was verified stands.

    A file of its name is another run's where that run's row has its hash. What is nobody's is no output: the
    empty file that claimed the name goes, anything else is set aside, for it was never verified.
    """
    if not (entry.name and entry.output):
        return []  # before its hash is recorded nothing of it is placed anywhere
    theirs = removal.of_others(folder, entry)
    ours = []
    for standing in (folder.folder(state) / entry.name for state in _STANDS):
        if not standing.is_file() or (found := file_sha256(standing)) in theirs:
            continue
        if found == entry.output:
            ours.append(standing)
        elif standing.stat().st_size:
            removal.set_aside(folder, standing)
        else:
            standing.unlink()
    return ours


def _reported(folder: OutputFolder, entry: LedgerEntry) -> tuple[State, Decision | None]:
    """Where its report sends a medium, and the pending decision where the report is already that decision's.

    To a person where it cannot be read, or is not what our key signed: anybody may have written it.
    """
    try:
        content = (folder.reports / f"{entry.id}.json").read_bytes()
        if file_signature_status(content, PURPOSE, folder.public_keys) is not SignatureStatus.VALID:
            return State.REVIEW, None
        said = json.loads(content)
        verdict = Verdict(said["verdict"])
        action = (said.get("decision") or {}).get("action")
        if said["medium"]["sha256"] != entry.output:
            return State.REVIEW, None
        pending = Decision(**json.loads(entry.pending)) if entry.pending else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return State.REVIEW, None
    state = {Verdict.READY: State.READY, Verdict.REVIEW: State.REVIEW, Verdict.FAILED: State.REJECTED}[
        verdict
    ]
    if state is State.REJECTED and not action:
        return State.REVIEW, None
    # A report that waits for a person tells of no decision: only taking one back leads there.
    done = action or (REOPENED if verdict is Verdict.REVIEW else None)
    return state, (pending if pending and pending.action == done else None)


def _remove(folder: Path) -> None:
    """Remove the work folder of a run that is dead; its workers, which die with it, may take a moment longer."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
