"""The chain of decisions: each one's hash holds that of the one before, so that none can be changed, moved or left out.

A signature on a link vouches for all decisions up to it; after the last good one, nothing does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from anonymizer.core import signing as sign
from anonymizer.core.signing import PublicKeys, SignatureStatus
from anonymizer.gate.records import Decision, Link

PURPOSE = b"anonymizer decision 1\n"
"""What a signature on the chain begins with, so that it can serve for nothing else."""


@dataclass(frozen=True, slots=True)
class LedgerFlaw:
    """A sentence that says what is not as it was recorded, or cannot be told. ``number`` is that of a decision."""

    said: str
    signature: SignatureStatus = SignatureStatus.CHANGED
    number: int | None = None


def link(before: str, number: int, decision: Decision) -> str:
    """The chain's hash (SHA-256, hex) after a decision, from that before it."""
    text = json.dumps([before, number, *astuple(decision)], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def broken_at(links: Iterable[Link]) -> Iterator[LedgerFlaw]:
    """A sentence for each decision at which the chain of hashes does not hold; signatures are not looked at."""
    return (flaw for _, flaw in _walk(links) if flaw)


def _walk(links: Iterable[Link]) -> Iterator[tuple[Link, LedgerFlaw | None]]:
    before, last = "", 0
    for one in links:
        said = f"Decision {one.number} (on {one.decision.medium}, {one.decision.at})"
        flaw = None
        if one.number != last + 1:
            what = f"{said} follows number {last}: what was between them was removed."
            flaw = LedgerFlaw(what, number=one.number)
        elif link(before, one.number, one.decision) != one.chain:
            what = f"{said} or one before it was changed since it was recorded."
            flaw = LedgerFlaw(what, number=one.number)
        yield one, flaw
        before, last = one.chain, one.number


def decision_flaws(links: Iterable[Link], keys: PublicKeys) -> Iterator[LedgerFlaw]:
    """A sentence for each decision that was changed, moved, put in or left out, or that no known key vouches for."""
    vouched = 0
    strangers: dict[str, int] = {}
    unsigned: list[tuple[int, str]] = []
    for one, flaw in _walk(links):
        status = sign.made_by(keys, one.signer, one.signature, PURPOSE + one.chain.encode())
        if flaw:
            yield flaw
        elif one.signer and status is SignatureStatus.CHANGED:
            said = f"Decision {one.number} (on {one.decision.medium}, {one.decision.at})"
            yield LedgerFlaw(f"{said} is not signed by the key that it names.", number=one.number)
        if not one.signer:
            unsigned.append((one.number, one.decision.medium))
        if status is SignatureStatus.VALID:
            vouched = one.number
            unsigned.clear()
        elif one.signer and status is SignatureStatus.UNKNOWN:
            strangers[one.signer] = one.number
    for signer, number in strangers.items():
        if number > vouched:
            yield LedgerFlaw(
                f"Decisions up to {number} were signed with an unknown key ({signer}); "
                "give its public half with --key.",
                SignatureStatus.UNKNOWN,
                number,
            )
    for number, medium in unsigned:
        yield LedgerFlaw(f"Decision {number} (on {medium}) is not signed.", number=number)
