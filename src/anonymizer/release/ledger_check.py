"""Is the ledger still what was recorded: its chain of decisions, and the media that the decisions are about?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anonymizer.core.signing import PublicKeys
from anonymizer.gate.chain import LedgerFlaw, decision_flaws
from anonymizer.gate.files import file_sha256
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import RELEASED, Decision, LedgerEntry, State

LEADS_TO = {
    "approved": (State.READY, State.RELEASED),
    "rejected": (State.REJECTED,),
    "reopened": (State.REVIEW,),
}
"""Where a medium stands after the last decision on it, until a corrected one takes its place."""
PLACED_STATES = (State.READY, State.RELEASED, State.REVIEW, State.REJECTED)
"""States in which a medium has a file."""


def chain_flaws(gate: OutputFolder, keys: PublicKeys) -> Iterator[LedgerFlaw]:
    """The same, and a sentence for each medium that is not where, or what, ledger and decisions say."""
    if not gate.ledger.sound():
        yield LedgerFlaw("The ledger's file is damaged; restore it from a copy.")
    yield from decision_flaws(gate.ledger.links(), keys)
    for entry in gate.ledger.each(*PLACED_STATES):
        for said in _settled_flaws(gate, entry):
            yield LedgerFlaw(said)
    for id in gate.ledger.orphans():
        yield LedgerFlaw(f"{id}: there are decisions on it, but the ledger does not have it any more.")
    strangers = [found.name for found in gate.ready.iterdir() if not _known(gate, found.name)]
    for name in sorted(strangers):
        yield LedgerFlaw(f"{name}: it lies in ready/, but not by the ledger.")


def _is(taken: Decision | None, told: dict[str, Any]) -> bool:
    """Whether a decision is the one that a report tells of, which may leave out who and at what hour."""
    if taken is None or taken.action != told["action"] or told["initials"] not in ("", taken.who):
        return False
    return bool(told["decided"]) and taken.at.startswith(told["decided"])


def _known(gate: OutputFolder, name: str) -> bool:
    """Whether a file in ``ready/`` is there by the ledger, or is on its way in or out by another run."""
    states = (State.READY, State.RELEASED, State.WORKING)
    return any(one.name == name and one.state in states for one in gate.ledger.named(name))


def _settled_flaws(gate: OutputFolder, entry: LedgerEntry) -> list[str]:
    """What is wrong with a medium; nothing while another run is just changing it."""
    while True:
        found = list(_medium_flaws(gate, entry))
        now = gate.ledger.get(entry.id) if found else entry
        if now == entry:
            return found
        if now is None or now.state not in PLACED_STATES:
            return []
        entry = now


def _medium_flaws(gate: OutputFolder, entry: LedgerEntry) -> Iterator[str]:
    decisions = gate.ledger.decisions(entry.id)
    released = any(one.action == RELEASED for one in decisions)
    taken = next((one for one in reversed(decisions) if one.action != RELEASED), None)
    name = entry.name or entry.id
    medium: Path = gate.folder(entry.state) / entry.name
    if not medium.is_file() or file_sha256(medium) != entry.output:
        yield f"{name}: the ledger speaks of another file."
    try:
        seal = gate.report_digest(entry.id)
        decided = json.loads((gate.reports / f"{entry.id}.json").read_bytes()).get("decision")
    except (OSError, ValueError):
        yield f"{name}: its report is missing or damaged."
        return
    if entry.report and entry.report != seal:
        yield f"{name}: its report is not the one that the ledger knows."
    if decided and not _is(taken, decided):
        yield f"{name}: its report tells of a decision that the ledger does not have."
    elif taken and entry.state not in LEADS_TO.get(taken.action, (entry.state,)):
        yield f"{name}: it stands as {entry.state}, but the last decision on it was: {taken.action}."
    if entry.state is State.REJECTED and taken is None:
        yield f"{name}: it stands as rejected, but no decision says so."
    if entry.state is State.RELEASED and not released:
        yield f"{name}: it stands as released, but no decision says so."
