"""Many sources through worker processes into one output folder: nothing is lost, done twice or half done.

The engine alone holds the gate and the ledger; workers see one source each and write one private file.
Use it from one thread: nothing moves but in :meth:`Engine.poll` and what calls it.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from anonymizer.core.errors import MediumError, NotReadyError, OutputError, SettingsError, UnreadableError
from anonymizer.core.settings import Settings, with_sidecar
from anonymizer.core.types import Progress, Verdict
from anonymizer.engine import known as lookup
from anonymizer.engine.corrections import carried
from anonymizer.engine.known import InspectedSource, Known, Todo
from anonymizer.engine.memory import estimate
from anonymizer.engine.pool import LocalPool, Pool
from anonymizer.engine.worker_process import ALONE, Answer, End, Job
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import LedgerEntry, State
from anonymizer.read.sniff import sniff_file
from anonymizer.road.fingerprint import fingerprint, with_settings
from anonymizer.road.pipeline import Outcome, admit, write_index
from anonymizer.road.worker import Worked

ATTEMPTS = 2
"""Workers that one source may cost before it fails."""
CHANGES = 3
"""Times a source may be another one when it is worked on than when it was looked at."""
AHEAD = 2
"""Sources that are looked at and wait, for each worker."""
INSPECTORS = 2
"""Threads that read sources for their hash."""
SLICE = 0.02
"""Seconds of waiting for workers while sources are being looked at."""
MANY = 64
"""Outcomes that are handed out before more sources are looked at."""
DIED = (
    "Two worker processes were lost on this file ({how}): it is possibly malicious, or needs more memory than there "
    "is; nothing was published."
)
HUNG = (
    "Nothing moved for {limit} s, twice: the file is possibly malicious; raise limits.work_seconds in the "
    "settings file if you trust it."
)
CHANGING = "The file keeps changing while it is read; wait until it is complete and try again."
PLACED_STATES = (State.READY, State.RELEASED, State.REVIEW)
"""States in which an output can be looked at."""
VERDICTS = {
    State.READY: Verdict.READY,
    State.RELEASED: Verdict.READY,
    State.REVIEW: Verdict.REVIEW,
    State.FAILED: Verdict.FAILED,
    State.REJECTED: Verdict.FAILED,
}


@dataclass(eq=False)
class _Ticket:
    """One source on its way. ``path`` is absolute, ``source`` as it was given."""

    source: Path
    path: Path
    settings: Settings
    wanted: str = ""
    inspected: InspectedSource | None = None
    id: str = ""
    prior: LedgerEntry | None = None
    note: str = ""
    reason: str = ""
    attempts: int = 1
    changes: int = 0
    memory: int = 0
    started: float = 0.0
    replaces: str = ""
    follows: bool = False
    stamp: tuple[int, int] | None = None
    seen: tuple[int, int] = (0, 0)
    followers: list[_Ticket] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """Content and fingerprint: two tickets with the same are one piece of work."""
        return (self.inspected.sha256 if self.inspected else self.id), self.wanted


class Engine:
    """An output folder with workers. Close it, or use it as a context manager.

    ``workers`` is how many processes, by default as many as cores and memory allow; another ``pool``, or what
    makes one that stages its files below a folder, can stand in for them. ``retry`` does again what failed before
    in the same way. One engine per output folder.
    Raises :class:`OutputError` where the folder cannot be used, or another engine is at work in it, and
    :class:`anonymizer.core.errors.ModelError` where a model's manifest is not valid.
    """

    def __init__(
        self,
        out: Path,
        settings: Settings,
        workers: int | None = None,
        *,
        pool: Pool | Callable[[Path], Pool] | None = None,
        retry: bool = False,
    ) -> None:
        self.settings = settings.checked()
        self.fingerprint = fingerprint(self.settings)
        self.retry = retry
        self.gate = Gate(out)
        self._only = FileLock(self.gate.private / "engine.lock", mode=0o600)
        try:
            self._only.acquire(timeout=0)
        except Timeout as error:
            self.gate.__exit__()
            raise OutputError(
                f"Another batch or watch is at work in {self.gate.root}; wait until it ends, or choose another "
                "folder with --out."
            ) from error
        try:
            self.pool = (
                pool(self.gate.work) if callable(pool) else pool or LocalPool(self.settings, workers or 0)
            )
        except BaseException:
            self.gate.__exit__()
            self._only.release()
            raise
        self._inspectors = ThreadPoolExecutor(INSPECTORS, "look")
        self._waiting: deque[_Ticket] = deque()
        self._inspecting: dict[Future[tuple[InspectedSource, tuple[int, int]]], _Ticket] = {}
        self._queued: deque[_Ticket] = deque()
        self._working: dict[str, _Ticket] = {}
        self._open: dict[tuple[str, str], _Ticket] = {}
        self._outcomes: deque[Outcome] = deque()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """Sources that were submitted and have no outcome yet."""
        followers = sum(len(ticket.followers) for ticket in self._open.values())
        return len(self._waiting) + len(self._inspecting) + len(self._queued) + len(self._working) + followers

    def submit(self, source: Path, stamp: tuple[int, int] | None = None) -> None:
        """Take a source in. Nothing is read yet.

        With ``stamp``, its size and time (ns), it is done only as that very file: what another program has
        put in its place since is a passing failure.
        """
        self._waiting.append(_Ticket(source, source.absolute(), self.settings, stamp=stamp))

    def poll(self, timeout: float = 0.0) -> list[Outcome]:
        """The outcomes since the last call, waiting at most so many seconds for the first.

        Raises :class:`anonymizer.core.errors.AnonymizerError` only for what stops every source (the output folder
        is full or gone, a model is missing). The source in question is then submitted again by itself: once
        the cause is gone, call it again, or close the engine.
        """
        until = time.monotonic() + timeout
        while True:
            for answer in self.pool.wait(0):
                self._finish(answer)
            self._consider_all()
            self._dispatch()
            left = until - time.monotonic()
            if self._outcomes or left <= 0 or not self.pending:
                break
            if self._working:
                for answer in self.pool.wait(min(left, SLICE if self._inspecting else 1.0)):
                    self._finish(answer)
            else:
                wait(self._inspecting, min(left, 1.0), FIRST_COMPLETED)
        found = list(self._outcomes)
        self._outcomes.clear()
        return found

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome, as they come, until nothing is pending. Raises as :meth:`poll` does."""
        while self.pending or self._outcomes:
            yield from self.poll(1.0)

    def run_all(self, sources: Iterable[Path]) -> Iterator[Outcome]:
        """Every source's outcome, as they come; the sources are taken as there is room for them."""
        for source in sources:
            self.submit(source)
            while self.pending > 2 * (AHEAD + 1) * self.pool.size:
                yield from self.poll(1.0)
            yield from self.poll()
        yield from self.outcomes()

    def run(self, source: Path, progress: Progress | None = None) -> Outcome:
        """One source's outcome, while nothing else is pending. What ``progress`` raises ends the work on it."""
        self.submit(source)
        while True:
            try:
                if found := self.poll(0.2):
                    return found[-1]
                for stage, done, total in self.pool.progress().values():
                    if progress:
                        progress(stage, done, total)
            except BaseException:
                self.drop()
                raise

    def known(self, source: Path, size: int, modified: int) -> Outcome | None:
        """The outcome of a source that need not be here, where it was last dealt with at this size and time (ns)
        and nothing has to be done; None where it has to be looked at."""
        seen = self.gate.ledger.sighting(source)
        if seen is None or (seen.size, seen.modified) != (size, modified):
            return None
        found = lookup.lookup(self.gate, source, seen.sha256, self.fingerprint, retry=self.retry)
        return _known(self.gate, source, found) if isinstance(found, Known) else None

    def write_index(self) -> Path:
        """The overview of everything in the output folder."""
        return write_index(self.gate)

    def drop(self) -> None:
        """Forget everything that is pending, at once; what was under way is undone."""
        self.pool.close()
        tickets = [*self._queued, *self._working.values()]
        for future in self._inspecting:
            future.cancel()
        for group in (self._waiting, self._inspecting, self._queued, self._working, self._open):
            group.clear()
        for ticket in tickets:
            self._abandon(ticket)

    def close(self) -> None:
        """End the workers, undo what was under way, let the folder go."""
        try:
            self.drop()
        finally:
            self._inspectors.shutdown(cancel_futures=True)
            self.gate.__exit__()
            self._only.release()

    def _consider_all(self) -> None:
        """Inspect what waits, as far as workers will soon want it, and decide what was inspected."""
        for future in [future for future in self._inspecting if future.done()]:
            ticket = self._inspecting.pop(future)
            try:
                ticket.inspected, ticket.seen = future.result()
            except UnreadableError as error:
                with self._kept(ticket):
                    self._refuse(ticket, error)
                continue
            with self._kept(ticket):
                self._decide(ticket)
        most = AHEAD * self.pool.size
        while (
            self._waiting and len(self._queued) + len(self._inspecting) < most and len(self._outcomes) < MANY
        ):
            ticket = self._waiting.popleft()
            with self._kept(ticket):
                self._consider(ticket)

    def _consider(self, ticket: _Ticket) -> None:
        try:
            ticket.inspected = ticket.inspected or lookup.recall(self.gate.ledger, ticket.path)
        except UnreadableError as error:
            self._refuse(ticket, error)
            return
        if ticket.inspected is None:
            self._inspecting[self._inspectors.submit(_inspect, ticket.path, ticket.stamp)] = ticket
        else:
            ticket.seen = ticket.inspected.size, ticket.inspected.modified
            self._decide(ticket)

    def _decide(self, ticket: _Ticket) -> None:
        """Known, being processed already, or to be queued."""
        assert ticket.inspected
        try:
            ticket.settings = with_sidecar(self.settings, ticket.path)
        except SettingsError as error:
            self._refuse(ticket, MediumError(str(error)))
            return
        ticket.wanted = with_settings(self.fingerprint, ticket.settings)
        if same := self._open.get(ticket.key):
            same.followers.append(ticket)
            return
        retry = self.retry and not ticket.follows
        found = lookup.lookup(self.gate, ticket.path, ticket.inspected.sha256, ticket.wanted, retry=retry)
        if isinstance(found, Known):
            self._point(ticket, found.entry.id, failed=found.entry.state is State.FAILED)
            self._outcomes.append(_known(self.gate, ticket.source, found))
            return
        try:
            form = ticket.inspected.form or sniff_file(ticket.path)
            if ticket.inspected.refusal:
                raise ticket.inspected.refusal
        except MediumError as error:
            self._refuse(ticket, error, found)
            return
        ticket.memory = estimate(form, ticket.inspected.size)
        self._begin(ticket, found)
        self._open[ticket.key] = ticket
        self._queued.append(ticket)

    def _begin(self, ticket: _Ticket, found: Todo) -> None:
        """Give a source its row, in place of an earlier one's."""
        ledger, prior = self.gate.ledger, found.prior
        ticket.note = f"done again: {found.note}" if found.note else ""
        made, replaces = ticket.wanted, ""
        if prior and prior.state is State.FAILED:
            ledger.forget(prior.id)
        elif prior:
            own = os.fsencode(ticket.path)
            replaces = prior.id if all(path == own for path in ledger.paths(prior.id)) else ""
            ticket.settings, ticket.reason = carried(self.gate, prior, ticket.settings)
            made = with_settings(self.fingerprint, ticket.settings)
        ticket.replaces = replaces
        ticket.id = self.gate.begin(
            ticket.path,
            made,
            replaces,
            asked=ticket.wanted or self.fingerprint,
            sha256=ticket.inspected.sha256 if ticket.inspected else "",
            state=State.QUEUED,
        )

    def _dispatch(self) -> None:
        while self._queued:
            ticket = self._queued[0]
            job = Job(ticket.id, ticket.path, self.gate.staging(ticket.id), ticket.settings, ticket.memory)
            if not self.pool.room(job):
                return
            self.gate.ledger.update(ticket.id, state=State.WORKING, attempts=ticket.attempts)
            self.pool.start(job)
            ticket.started = time.monotonic()
            self._working[ticket.id] = self._queued.popleft()

    def _finish(self, answer: Answer) -> None:
        ticket = self._working.pop(answer.id, None)
        if ticket is None:
            return
        with self._kept(ticket):
            if answer.end is End.DONE and answer.worked:
                self._admit(ticket, answer.worked)
            elif answer.end is End.OUTPUT:
                raise OutputError(answer.said)
            elif answer.end is End.NOT_READY:
                raise NotReadyError(answer.said)
            elif answer.end in (End.DIED, End.HUNG):
                self._lost(ticket, answer)
            elif answer.end is not End.PASSING and _is_another(ticket):
                self._start_over(ticket)
            else:
                if answer.trace:
                    logging.getLogger(__name__).error("Internal error: please report it.\n%s", answer.trace)
                self._fail(ticket, answer.said, passing=answer.end is End.PASSING)

    def _admit(self, ticket: _Ticket, worked: Worked) -> None:
        assert ticket.inspected
        if worked.sha256 != ticket.inspected.sha256:
            self._start_over(ticket)
            return
        if ticket.reason:
            reasons = (*worked.processed.reasons, ticket.reason)
            worked = replace(worked, processed=replace(worked.processed, reasons=reasons))
        outcome = admit(self.gate, ticket.id, ticket.path, worked, ticket.started)
        self.gate.sweep(ticket.id)
        if ticket.replaces:
            self.gate.retire(ticket.replaces)
        self._point(ticket, ticket.id, failed=False)
        self._close_ticket(ticket)
        self._outcomes.append(replace(outcome, source=ticket.source, note=ticket.note))

    def _start_over(self, ticket: _Ticket) -> None:
        """Somebody wrote to the source since it was looked at: what it holds now may be known."""
        self._abandon(ticket)
        self._close_ticket(ticket)
        ticket.changes, ticket.inspected = ticket.changes + 1, None
        if ticket.changes < CHANGES:
            self._waiting.append(ticket)
        else:
            self._refuse(ticket, UnreadableError(CHANGING))

    def _lost(self, ticket: _Ticket, answer: Answer) -> None:
        """A worker was lost with this source: once more with another, alone, then it fails."""
        self.gate.sweep(ticket.id)
        if ticket.attempts >= ATTEMPTS:
            limit = f"{ticket.settings.limits.work_seconds:g}"
            said = HUNG.format(limit=limit) if answer.end is End.HUNG else DIED.format(how=answer.said)
            self._fail(ticket, said)
            return
        ticket.attempts += 1
        # Memory may have been what it lacked: it gets all there is.
        ticket.memory = ALONE
        self.gate.ledger.update(ticket.id, state=State.QUEUED, attempts=ticket.attempts)
        self._queued.append(ticket)

    def _refuse(self, ticket: _Ticket, error: MediumError, found: Todo | None = None) -> None:
        """Fail a source that no worker has to see."""
        sha256 = ticket.inspected.sha256 if ticket.inspected else ""
        if found is None:
            answer = lookup.lookup(self.gate, ticket.path, sha256, ticket.wanted, retry=True)
            found = answer if isinstance(answer, Todo) else Todo()
        self._begin(ticket, found)
        self._fail(ticket, str(error), passing=isinstance(error, UnreadableError))

    def _fail(self, ticket: _Ticket, said: str, *, passing: bool = False) -> None:
        if ticket.replaces:
            said += " The output of an earlier run stays where it is."
        self.gate.fail(ticket.id, said, passing=passing)
        self.gate.sweep(ticket.id)
        if ticket.inspected and not passing:
            self._point(ticket, ticket.id, failed=True)
        self._close_ticket(ticket)
        spent = time.monotonic() - ticket.started if ticket.started else 0.0
        self._outcomes.append(
            Outcome(
                ticket.source, Verdict.FAILED, ticket.id, None, None, (said,), spent,
                note=ticket.note, passing=passing,
            )
        )  # fmt: skip

    def _point(self, ticket: _Ticket, id: str, *, failed: bool) -> None:
        """Record that the source is done by this row; what no path stands for any more goes.

        An output of other content stays: cameras use their file names again. So does an earlier one of the
        same content where the new attempt failed.
        """
        assert ticket.inspected
        ledger = self.gate.ledger
        before = ledger.sighting(ticket.path)
        entry = ledger.get(before.medium) if before and before.medium != id else None
        if entry and not any(path != os.fsencode(ticket.path) for path in ledger.paths(entry.id)):
            same = entry.sha256 == ticket.inspected.sha256
            if entry.state is State.FAILED:
                ledger.forget(entry.id)
            elif same and entry.state in PLACED_STATES:
                if failed:
                    return
                self.gate.retire(entry.id)
        seen = lookup.sighted(ticket.inspected, id)
        if seen != before:
            ledger.sight(ticket.path, seen)

    def _close_ticket(self, ticket: _Ticket) -> None:
        """No longer being processed: those with the same content are decided anew."""
        if self._open.get(ticket.key) is ticket:
            del self._open[ticket.key]
        for follower in ticket.followers:
            follower.follows = True
            self._waiting.appendleft(follower)
        ticket.followers = []

    def _abandon(self, ticket: _Ticket) -> None:
        if ticket.id:
            self.gate.abandon(ticket.id)
            self.gate.sweep(ticket.id)

    @contextmanager
    def _kept(self, ticket: _Ticket) -> Iterator[None]:
        """What goes wrong with the folder, not with the source, undoes the work and lets the source wait again."""
        try:
            yield
        except BaseException:
            self._abandon(ticket)
            self._close_ticket(ticket)
            ticket.id, ticket.inspected, ticket.replaces = "", None, ""
            self._waiting.appendleft(ticket)
            raise


def _inspect(path: Path, wanted: tuple[int, int] | None) -> tuple[InspectedSource, tuple[int, int]]:
    """What a source holds, and the size and time that it has with it."""
    inspected = lookup.inspect(path)
    seen = lookup.stamp(path)
    if wanted and seen != wanted:
        raise UnreadableError(CHANGING)
    return inspected, seen


def _is_another(ticket: _Ticket) -> bool:
    """Whether a source is no longer what was looked at: then what a worker says against it says nothing."""
    try:
        return lookup.stamp(ticket.path) != ticket.seen
    except UnreadableError:
        return True


def _known(gate: Gate, source: Path, found: Known) -> Outcome:
    """The outcome of a source for which nothing had to be done."""
    entry = found.entry
    output = gate.folder(entry.state) / entry.name if entry.state in PLACED_STATES else None
    page = gate.reports / f"{entry.id}.html" if output else None
    reasons = (entry.reason,) if entry.reason else ()
    return Outcome(
        source, VERDICTS[entry.state], entry.id, output, page, reasons, 0.0, entry.regions,
        fresh=False, note=found.note,
    )  # fmt: skip
