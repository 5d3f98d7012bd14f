"""Many sources through worker processes into one output folder: nothing is lost, done twice or half done.

The engine alone holds the gate and the ledger; workers see one source each and write one private file.
Use it from one thread: nothing moves but in :meth:`Engine.poll` and what calls it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from anonymizer.core.errors import MediumError, NotReadyError, OutputError, SettingsError, UnreadableError
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.settings_file import with_sidecar
from anonymizer.core.types import Progress, Verdict
from anonymizer.engine import known as lookup
from anonymizer.engine.known import AlreadyDone, InspectedSource, Todo
from anonymizer.engine.memory import estimate
from anonymizer.engine.pool import LocalPool, Pool
from anonymizer.engine.ticket import Ticket, known_outcome
from anonymizer.engine.worker_process import ALONE, Answer, End, Job
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
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
            self.gate.close()
            raise OutputError("work.folder-taken", path=self.gate.root) from error
        try:
            self.pool = (
                pool(self.gate.work) if callable(pool) else pool or LocalPool(self.settings, workers or 0)
            )
        except BaseException:
            self.gate.close()
            self._only.release()
            raise
        self._inspectors = ThreadPoolExecutor(INSPECTORS, "look")
        self._waiting: deque[Ticket] = deque()
        self._inspecting: dict[Future[tuple[InspectedSource, tuple[int, int]]], Ticket] = {}
        self._queued: deque[Ticket] = deque()
        self._working: dict[str, Ticket] = {}
        self._open: dict[tuple[str, str], Ticket] = {}
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
        self._waiting.append(Ticket(source, source.absolute(), self.settings, stamp=stamp))

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
        return known_outcome(self.gate, source, found) if isinstance(found, AlreadyDone) else None

    def write_index(self) -> Path:
        """The overview of everything in the output folder."""
        return write_index(self.gate, self.settings.language)

    def drop(self) -> None:
        """Forget everything that is pending, at once; what was under way is undone."""
        self.pool.close()
        tickets = [*self._queued, *self._working.values()]
        for future in self._inspecting:
            future.cancel()
        for group in (self._waiting, self._inspecting, self._queued, self._working, self._open):
            group.clear()
        for ticket in tickets:
            ticket.begun.close()

    def close(self) -> None:
        """End the workers, undo what was under way, let the folder go."""
        try:
            self.drop()
        finally:
            self._inspectors.shutdown(cancel_futures=True)
            self.gate.close()
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

    def _consider(self, ticket: Ticket) -> None:
        try:
            ticket.inspected = ticket.inspected or lookup.recall(self.gate.ledger, ticket.path)
        except UnreadableError as error:
            self._refuse(ticket, error)
            return
        if ticket.inspected is None:
            self._inspecting[
                self._inspectors.submit(lookup.inspect_as, ticket.path, ticket.stamp, self.settings.limits)
            ] = ticket
        else:
            ticket.seen = ticket.inspected.size, ticket.inspected.modified
            self._decide(ticket)

    def _decide(self, ticket: Ticket) -> None:
        """Known, being processed already, or to be queued."""
        assert ticket.inspected
        try:
            ticket.settings = with_sidecar(self.settings, ticket.path)
        except SettingsError as error:
            self._refuse(ticket, MediumError(error.message))
            return
        ticket.wanted = with_settings(self.fingerprint, ticket.settings)
        if same := self._open.get(ticket.key):
            same.followers.append(ticket)
            return
        retry = self.retry and not ticket.follows
        found = lookup.lookup(self.gate, ticket.path, ticket.inspected.sha256, ticket.wanted, retry=retry)
        if isinstance(found, AlreadyDone):
            ticket.point(self.gate, found.entry.id, failed=found.entry.state is State.FAILED)
            self._outcomes.append(known_outcome(self.gate, ticket.source, found))
            return
        try:
            form, size = lookup.kind(ticket.path, ticket.inspected, ticket.settings.limits)
        except MediumError as error:
            self._refuse(ticket, error, found)
            return
        ticket.memory = estimate(form, size)
        ticket.begin(self.gate, found, self.fingerprint)
        self._open[ticket.key] = ticket
        self._queued.append(ticket)

    def _dispatch(self) -> None:
        while self._queued:
            ticket, work = self._queued[0], self._queued[0].begun
            job = Job(work.id, ticket.path, work.staging(), ticket.settings, ticket.memory)
            if not self.pool.room(job):
                return
            self.gate.ledger.update(work.id, state=State.WORKING, attempts=work.attempts)
            self.pool.start(job)
            ticket.started = time.monotonic()
            self._working[work.id] = self._queued.popleft()

    def _finish(self, answer: Answer) -> None:
        ticket = self._working.pop(answer.id, None)
        if ticket is None:
            return
        with self._kept(ticket):
            with ticket.begun:
                ended = self._end(ticket, answer)
            if not ended:
                self._start_over(ticket)

    def _end(self, ticket: Ticket, answer: Answer) -> bool:
        """Admit or fail it, or have it tried once more; False where the source is another one by now."""
        assert ticket.inspected
        if answer.end is End.DONE and answer.worked:
            if answer.worked.sha256 != ticket.inspected.sha256:
                return False
            self._admit(ticket, answer.worked)
        elif answer.end is End.OUTPUT:
            raise OutputError(_said(answer))
        elif answer.end is End.NOT_READY:
            raise NotReadyError(_said(answer))
        elif answer.end in (End.DIED, End.HUNG):
            self._lost(ticket, answer)
        elif answer.end is not End.PASSING and ticket.is_another():
            return False
        else:
            if answer.trace:
                logging.getLogger(__name__).error("Internal error: please report it.\n%s", answer.trace)
            self._fail(ticket, _said(answer), passing=answer.end is End.PASSING)
        return True

    def _admit(self, ticket: Ticket, worked: Worked) -> None:
        work = ticket.begun
        if ticket.reason:
            reasons = (*worked.processed.reasons, ticket.reason)
            worked = replace(worked, processed=replace(worked.processed, reasons=reasons))
        outcome = admit(self.gate, work.id, ticket.path, worked, ticket.started)
        if work.replaces:
            self.gate.retire(work.replaces)
        ticket.point(self.gate, work.id, failed=False)
        self._close_ticket(ticket)
        self._outcomes.append(replace(outcome, source=ticket.source, note=ticket.note))

    def _start_over(self, ticket: Ticket) -> None:
        """Somebody wrote to the source since it was inspected: what it holds now may be known."""
        self._close_ticket(ticket)
        ticket.changes, ticket.inspected = ticket.changes + 1, None
        if ticket.changes < CHANGES:
            self._waiting.append(ticket)
        else:
            self._refuse(ticket, UnreadableError(lookup.CHANGING))

    def _lost(self, ticket: Ticket, answer: Answer) -> None:
        """A worker was lost with this source: once more with another, alone, then it fails."""
        if ticket.begun.attempts >= ATTEMPTS:
            limit = ticket.settings.limits.work_seconds
            said = (
                Message("work.hung", seconds=limit)
                if answer.end is End.HUNG
                else Message("work.died", how=_said(answer))
            )
            self._fail(ticket, said)
            return
        # Memory may have been what it lacked: it gets all there is.
        ticket.memory = ALONE
        ticket.begun.again()
        self._queued.append(ticket)

    def _refuse(self, ticket: Ticket, error: MediumError, found: Todo | None = None) -> None:
        """Fail a source that no worker has to see."""
        sha256 = ticket.inspected.sha256 if ticket.inspected else ""
        if found is None:
            answer = lookup.lookup(self.gate, ticket.path, sha256, ticket.wanted, retry=True)
            found = answer if isinstance(answer, Todo) else Todo()
        with ticket.begin(self.gate, found, self.fingerprint):
            self._fail(ticket, error.message, passing=isinstance(error, UnreadableError))

    def _fail(self, ticket: Ticket, said: Message, *, passing: bool = False) -> None:
        work = ticket.begun
        if work.replaces:
            said = Message("work.earlier-stays", why=said)
        work.fail(said, passing=passing)
        if ticket.inspected and not passing:
            ticket.point(self.gate, work.id, failed=True)
        self._close_ticket(ticket)
        spent = time.monotonic() - ticket.started if ticket.started else 0.0
        self._outcomes.append(
            Outcome(
                ticket.source, Verdict.FAILED, work.id, None, None, (said,), spent,
                note=ticket.note, passing=passing,
            )
        )  # fmt: skip

    def _close_ticket(self, ticket: Ticket) -> None:
        """No longer being processed: those with the same content are decided anew."""
        if self._open.get(ticket.key) is ticket:
            del self._open[ticket.key]
        for follower in ticket.followers:
            follower.follows = True
            self._waiting.appendleft(follower)
        ticket.followers = []

    @contextmanager
    def _kept(self, ticket: Ticket) -> Iterator[None]:
        """What goes wrong with the folder, not with the source, undoes the work and lets the source wait again."""
        try:
            yield
        except BaseException:
            if ticket.work:
                ticket.work.close()
            self._close_ticket(ticket)
            ticket.work = ticket.inspected = None
            self._waiting.appendleft(ticket)
            raise


def _said(answer: Answer) -> Message:
    """What a worker process said went wrong; one that says nothing has a defect."""
    return answer.said or Message("work.defect", kind=answer.end)
