"""Is the ledger still what was recorded: its chain of decisions, and the media that the decisions are about?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anonymizer.core.message import Message
from anonymizer.core.signing import PublicKeys
from anonymizer.gate.chain import LedgerFlaw, decision_flaws
from anonymizer.gate.files import COMPANION, companion_of, file_sha256
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import FORGOTTEN, RELEASED, Decision, LedgerEntry, State
from anonymizer.read.walk import is_system_file

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
    if not gate.ledger.sound(whole=True):
        yield LedgerFlaw(Message("ledger-check.damaged"))
    yield from decision_flaws(gate.ledger.links(), keys)
    for entry in gate.ledger.each(*PLACED_STATES):
        for said in _settled_flaws(gate, entry):
            yield LedgerFlaw(said)
    for id in gate.ledger.orphans():
        yield LedgerFlaw(Message("ledger-check.no-row", id=id))
    strangers = [
        found.name
        for found in gate.ready.iterdir()
        if not _known(gate, found.name) and not is_system_file(found)
    ]
    for name in sorted(strangers):
        yield LedgerFlaw(Message("ledger-check.not-by-ledger", name=name))


def _is(taken: Decision | None, told: dict[str, Any]) -> bool:
    """Whether a decision is the one that a report tells of, which may leave out who and at what hour."""
    if taken is None or taken.action != told["action"] or told["initials"] not in ("", taken.who):
        return False
    return bool(told["decided"]) and taken.at.startswith(told["decided"])


def _known(gate: OutputFolder, name: str) -> bool:
    """Whether a file in ``ready/`` is there by the ledger, or is on its way in or out by another run."""
    states = (State.READY, State.RELEASED, State.WORKING)
    if any(one.name == name and one.state in states for one in gate.ledger.named(name)):
        return True
    # The DICOM beside a picture, which is a JPEG.
    pictures = gate.ledger.named(f"{name.removesuffix(COMPANION)}.jpg") if name.endswith(COMPANION) else []
    return any(one.companion and one.state in states for one in pictures)


def _settled_flaws(gate: OutputFolder, entry: LedgerEntry) -> list[Message]:
    """What is wrong with a medium; nothing while another run is just changing it."""
    while True:
        found = list(_medium_flaws(gate, entry))
        now = gate.ledger.get(entry.id) if found else entry
        if now == entry:
            return found
        if now is None or now.state not in PLACED_STATES:
            return []
        entry = now


def _medium_flaws(gate: OutputFolder, entry: LedgerEntry) -> Iterator[Message]:
    decisions = gate.ledger.decisions(entry.id)
    released = any(one.action == RELEASED for one in decisions)
    taken = next((one for one in reversed(decisions) if one.action not in (RELEASED, FORGOTTEN)), None)
    name = entry.name or entry.id
    medium: Path = gate.folder(entry.state) / entry.name
    if not medium.is_file() or file_sha256(medium) != entry.output:
        yield Message("ledger-check.other-file", name=name)
    beside = companion_of(medium)
    if entry.companion and (not beside.is_file() or file_sha256(beside) != entry.companion):
        yield Message("ledger-check.other-file", name=beside.name)
    try:
        seal = gate.report_digest(entry.id)
        decided = json.loads((gate.reports / f"{entry.id}.json").read_bytes()).get("decision")
    except (OSError, ValueError):
        yield Message("ledger-check.report-damaged", name=name)
        return
    if entry.report and entry.report != seal:
        yield Message("ledger-check.other-report", name=name)
    if decided and not _is(taken, decided):
        yield Message("ledger-check.other-decision", name=name)
    elif taken and entry.state not in LEADS_TO.get(taken.action, (entry.state,)):
        yield Message("ledger-check.other-state", name=name, state=entry.state, action=taken.action)
    if entry.state is State.REJECTED and taken is None:
        yield Message("ledger-check.rejected-undecided", name=name)
    if entry.state is State.RELEASED and not released:
        yield Message("ledger-check.released-undecided", name=name)
