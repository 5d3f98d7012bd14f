"""One source on its way through the engine, and its beginning and end in the ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer.core.errors import UnreadableError
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Verdict
from anonymizer.engine import known as lookup
from anonymizer.engine.corrections import carried
from anonymizer.engine.known import AlreadyDone, InspectedSource, Todo
from anonymizer.gate.files import companion_of
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
from anonymizer.gate.work import Work
from anonymizer.road.fingerprint import with_settings
from anonymizer.road.pipeline import Outcome

PLACED_STATES = (State.READY, State.RELEASED, State.REVIEW)
"""States in which an output can be looked at."""
VERDICTS = {
    State.READY: Verdict.READY,
    State.RELEASED: Verdict.READY,
    State.REVIEW: Verdict.REVIEW,
    State.FAILED: Verdict.FAILED,
    State.REJECTED: Verdict.FAILED,
    State.FORGOTTEN: Verdict.FAILED,
}


@dataclass(eq=False)
class Ticket:
    """One source on its way. ``path`` is absolute, ``source`` as it was given."""

    source: Path
    path: Path
    settings: Settings
    wanted: str = ""
    inspected: InspectedSource | None = None
    work: Work | None = None
    note: Message | None = None
    reason: Message | None = None
    changes: int = 0
    memory: int = 0
    started: float = 0.0
    follows: bool = False
    stamp: tuple[int, int] | None = None
    seen: tuple[int, int] = (0, 0)
    followers: list[Ticket] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Content and settings: two tickets with the same are one piece of work."""
        return (self.inspected.sha256 if self.inspected else ""), self.wanted

    @property
    def begun(self) -> Work:
        """The work on it, once it has a row in the ledger."""
        assert self.work
        return self.work

    def begin(self, gate: Gate, found: Todo, fingerprint: str) -> Work:
        """Give it its row, in place of an earlier one's; a person's corrections of that one are kept."""
        ledger, prior = gate.ledger, found.prior
        self.note = Message("work.again", why=found.note) if found.note else None
        made, replaces = self.wanted, ""
        if prior and prior.state is State.FAILED:
            ledger.forget(prior.id)
        elif prior:
            own = os.fsencode(self.path)
            replaces = prior.id if all(path == own for path in ledger.paths(prior.id)) else ""
            self.settings, self.reason = carried(gate, prior, self.settings)
            made = with_settings(fingerprint, self.settings)
        self.work = Work(
            gate,
            self.path,
            made,
            replaces,
            asked=self.wanted or fingerprint,
            sha256=self.inspected.sha256 if self.inspected else "",
            state=State.QUEUED,
        )
        return self.work

    def point(self, gate: Gate, id: str, *, failed: bool) -> None:
        """Record that the source is done by this row; what no path stands for any more goes.

        An output of other content stays: cameras use their file names again. So does an earlier one of the
        same content where the new attempt failed.
        """
        assert self.inspected
        ledger = gate.ledger
        before = ledger.sighting(self.path)
        entry = ledger.get(before.medium) if before and before.medium != id else None
        if entry and not any(path != os.fsencode(self.path) for path in ledger.paths(entry.id)):
            same = entry.sha256 == self.inspected.sha256
            if entry.state is State.FAILED:
                ledger.forget(entry.id)
            elif same and entry.state in PLACED_STATES:
                if failed:
                    return
                gate.retire(entry.id)
        seen = lookup.sighted(self.inspected, id)
        if seen != before:
            ledger.sight(self.path, seen)

    def is_another(self) -> bool:
        """Whether the source is no longer what was inspected: then what a worker says against it says nothing."""
        try:
            return lookup.stamp(self.path) != self.seen
        except UnreadableError:
            return True


def known_outcome(gate: Gate, source: Path, found: AlreadyDone) -> Outcome:
    """The outcome of a source for which nothing had to be done."""
    entry = found.entry
    output = gate.folder(entry.state) / entry.name if entry.state in PLACED_STATES else None
    page = gate.reports / f"{entry.id}.html" if output else None
    return Outcome(
        source, VERDICTS[entry.state], entry.id, output, page, entry.reason, 0.0, entry.regions,
        fresh=False, note=found.note, companion=companion_of(output) if output and entry.companion else None,
    )  # fmt: skip
