"""The chain of decisions: each one's hash holds that of the one before, so that none can be changed, moved or left out.

A signature on a link vouches for all decisions up to it; after the last good one, nothing does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass

from anonymizer.core import signing as sign
from anonymizer.core.message import Message
from anonymizer.core.signing import PublicKeys, SignatureStatus
from anonymizer.gate.records import Decision, Link

PURPOSE = b"anonymizer decision 1\n"
"""What a signature on the chain begins with, so that it can serve for nothing else."""


@dataclass(frozen=True, slots=True)
class LedgerFlaw:
    """What is not as it was recorded, or cannot be told. ``number`` is that of a decision."""

    said: Message
    signature: SignatureStatus = SignatureStatus.CHANGED
    number: int | None = None


def link(before: str, number: int, decision: Decision) -> str:
    """The chain's hash (SHA-256, hex) after a decision, from that before it."""
    text = json.dumps([before, number, *astuple(decision)], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def broken_at(links: Iterable[Link]) -> Iterator[LedgerFlaw]:
    """What is wrong with each decision at which the chain of hashes does not hold; signatures are not looked at."""
    return (flaw for _, flaw in _walk(links) if flaw)


def _which(one: Link) -> dict[str, str | int]:
    return {"number": one.number, "id": one.decision.medium, "at": one.decision.at}


def _walk(links: Iterable[Link]) -> Iterator[tuple[Link, LedgerFlaw | None]]:
    before, last = "", 0
    for one in links:
        which = _which(one)
        flaw = None
        if one.number != last + 1:
            what = Message("ledger-check.removed", **which, last=last)
            flaw = LedgerFlaw(what, number=one.number)
        elif link(before, one.number, one.decision) != one.chain:
            what = Message("ledger-check.changed", **which)
            flaw = LedgerFlaw(what, number=one.number)
        yield one, flaw
        before, last = one.chain, one.number


def decision_flaws(links: Iterable[Link], keys: PublicKeys) -> Iterator[LedgerFlaw]:
    """What is wrong with each decision that was changed, moved, put in or left out, or that no key vouches for."""
    vouched = 0
    strangers: dict[str, int] = {}
    unsigned: list[tuple[int, str]] = []
    for one, flaw in _walk(links):
        status = sign.made_by(keys, one.signer, one.signature, PURPOSE + one.chain.encode())
        if flaw:
            yield flaw
        elif one.signer and status is SignatureStatus.CHANGED:
            yield LedgerFlaw(Message("ledger-check.not-by-key", **_which(one)), number=one.number)
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
                Message("ledger-check.unknown-key", number=number, key=signer),
                SignatureStatus.UNKNOWN,
                number,
            )
    for number, medium in unsigned:
        yield LedgerFlaw(Message("ledger-check.not-signed", number=number, id=medium), number=number)
