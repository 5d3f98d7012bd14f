"""Is the ledger still what was recorded: its chain of decisions, and the media that the decisions are about?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core import signing as sign
from anonymizer.core.signing import PublicKeys, SignatureStatus
from anonymizer.gate.folder import Gate, file_sha256
from anonymizer.gate.ledger import PURPOSE, RELEASED, Ledger, LedgerEntry, State, link

LEADS_TO = {
    "approved": (State.READY, State.RELEASED),
    "rejected": (State.REJECTED,),
    "reopened": (State.REVIEW,),
}
"""Where a medium stands after the last decision on it, until a corrected one takes its place."""
PLACED_STATES = (State.READY, State.RELEASED, State.REVIEW, State.REJECTED)
"""States in which a medium has a file."""


@dataclass(frozen=True, slots=True)
class LedgerFlaw:
    """A sentence that says what is not as it was recorded, or cannot be told."""

    said: str
    signature: SignatureStatus = SignatureStatus.CHANGED


def decision_flaws(ledger: Ledger, keys: PublicKeys) -> Iterator[LedgerFlaw]:
    """A sentence for each decision that was changed, moved, put in or left out, or that no key at hand vouches for.

    A signature vouches for all decisions up to its own; after the last good one, nothing does.
    """
    before, last, vouched = "", 0, 0
    strangers: dict[str, int] = {}
    unsigned: list[tuple[int, str]] = []
    for one in ledger.links():
        said = f"Decision {one.number} (on {one.decision.medium}, {one.decision.at})"
        signature = sign.made_by(keys, one.signer, one.signature, PURPOSE + one.chain.encode())
        if one.number != last + 1:
            yield LedgerFlaw(f"{said} follows number {last}: what was between them was removed.")
        elif link(before, one.number, one.decision) != one.chain:
            yield LedgerFlaw(f"{said} or one before it was changed since it was recorded.")
        elif one.signer and signature is SignatureStatus.CHANGED:
            yield LedgerFlaw(f"{said} is not signed by the key that it names.")
        if not one.signer:
            unsigned.append((one.number, one.decision.medium))
        if signature is SignatureStatus.VALID:
            vouched = one.number
            unsigned.clear()
        elif one.signer and signature is SignatureStatus.UNKNOWN:
            strangers[one.signer] = one.number
        before, last = one.chain, one.number
    for signer, number in strangers.items():
        if number > vouched:
            yield LedgerFlaw(
                f"Decisions up to {number} were signed with an unknown key ({signer}); "
                "give its public half with --key.",
                SignatureStatus.UNKNOWN,
            )
    for number, medium in unsigned:
        yield LedgerFlaw(f"Decision {number} (on {medium}) is not signed.")


def chain_flaws(gate: Gate, keys: PublicKeys) -> Iterator[LedgerFlaw]:
    """The same, and a sentence for each medium that is not where, or what, ledger and decisions say."""
    if not gate.ledger.sound():
        yield LedgerFlaw("The ledger's file is damaged; restore it from a copy.")
    yield from decision_flaws(gate.ledger, keys)
    for entry in gate.ledger.each(*PLACED_STATES):
        for said in _settled_flaws(gate, entry):
            yield LedgerFlaw(said)
    for id in gate.ledger.orphans():
        yield LedgerFlaw(f"{id}: there are decisions on it, but the ledger does not have it any more.")
    strangers = [found.name for found in gate.ready.iterdir() if not _known(gate, found.name)]
    for name in sorted(strangers):
        yield LedgerFlaw(f"{name}: it lies in ready/, but not by the ledger.")


def _known(gate: Gate, name: str) -> bool:
    """Whether a file in ``ready/`` is there by the ledger, or is on its way in or out by another run."""
    states = (State.READY, State.RELEASED, State.WORKING)
    return any(one.name == name and one.state in states for one in gate.ledger.named(name))


def _settled_flaws(gate: Gate, entry: LedgerEntry) -> list[str]:
    """What is wrong with a medium; nothing while another run is just changing it."""
    while True:
        found = list(_medium_flaws(gate, entry))
        now = gate.ledger.get(entry.id) if found else entry
        if now == entry:
            return found
        if now is None or now.state not in PLACED_STATES:
            return []
        entry = now


def _medium_flaws(gate: Gate, entry: LedgerEntry) -> Iterator[str]:
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
    if decided and (taken is None or (taken.at, taken.who) != (decided["decided"], decided["initials"])):
        yield f"{name}: its report tells of a decision that the ledger does not have."
    elif taken and entry.state not in LEADS_TO.get(taken.action, (entry.state,)):
        yield f"{name}: it stands as {entry.state}, but the last decision on it was: {taken.action}."
    if entry.state is State.REJECTED and taken is None:
        yield f"{name}: it stands as rejected, but no decision says so."
    if entry.state is State.RELEASED and not released:
        yield f"{name}: it stands as released, but no decision says so."
