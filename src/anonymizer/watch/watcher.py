"""A watch folder: whatever appears in the inbox and is complete is made publishable, until the watcher is stopped.

Events of the system only wake it up early. The truth is a scan of the whole folder, compared with the ledger:
at the start, every minute, and every few seconds where there are no events. Time is read from a clock that
nobody sets. What a killed watcher had begun is undone by the next one's gate, and begun anew.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from anonymizer.core.errors import NotReadyError, OutputError
from anonymizer.core.message import Message
from anonymizer.core.types import Verdict
from anonymizer.core.version import __version__
from anonymizer.engine.scheduler import Engine
from anonymizer.gate.output import is_output_folder
from anonymizer.read.walk import PassedOver
from anonymizer.road.pipeline import Outcome
from anonymizer.watch import done_folder as originals
from anonymizer.watch import faults as faults
from anonymizer.watch.bundles import Bundles, Flight
from anonymizer.watch.completeness import Stamp, WaitReason
from anonymizer.watch.faults import OutputFault, OutputFaultError
from anonymizer.watch.inbox import Inbox, InboxGoneError
from anonymizer.watch.locks import take_inbox, take_output
from anonymizer.watch.options import Options, check
from anonymizer.watch.scanner import Scanner
from anonymizer.watch.status import EVERY, Board, Doing, Status, open_log, told

FIRST, LONGEST = 5.0, 60.0
"""Seconds until the first new try after a fault, and between tries at most; each wait is twice the last."""
AHEAD = 3
"""Sources given to the engine for each of its workers: what comes later waits in the inbox."""
TELL_AFTER = 5.0
"""Seconds for which a file waits before a person is told."""
TELL_EVERY = 2.0
"""Seconds between two writings of the list of those that wait, and of the status, at least."""
INDEX_EVERY = 60.0
"""Seconds between two writings of the overview, at least; 20 times as long as the last one took."""
RELEASE_AFTER = 600.0
"""Seconds of rest after which the worker and its models leave the memory."""
REST = 1.0 if sys.platform == "win32" else 60.0
"""Seconds without checking anything: on Windows a waiting thread does not hear Ctrl-C."""
LOOK = 1.0
"""Seconds between two looks at whether the inbox is still there."""
TURN = 0.5
"""Seconds of waiting for the engine before the inbox is scanned again."""


class Watcher:
    """Watches one inbox into one output folder. :meth:`run` returns after :meth:`stop`; call it once.

    Raises, from :meth:`run`, :class:`anonymizer.core.errors.UsageError` for folders that cannot go together or are
    watched already, and whatever ``open_engine`` raises where the work cannot even begin.
    """

    def __init__(
        self,
        options: Options,
        open_engine: Callable[[], Engine],
        say: Callable[[Message], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._open_engine = open_engine
        self._say = say
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = False
        self._private = options.out / ".anonymizer"
        self._board = Board(self._private)
        self._engine: Engine | None = None
        self._opened = False
        self._flying: dict[Path, Stamp] = {}
        self._bundles = Bundles()
        self._counts: Counter[str] = Counter()
        skip = [path for path in (options.out, options.done) if path]
        self._inbox = Inbox(options.inbox, quiet=options.quiet, known=self._is_known, skip=skip)
        self._scanner = Scanner(options, self._inbox, self._wake, self._tell, clock)
        self._told = self._rested = -math.inf
        self._next_index, self._index_every = math.inf, INDEX_EVERY
        self._waiting: dict[Path, Message] | None = None
        self._passed: tuple[PassedOver, ...] | None = None
        self._fault: Message | None = None
        self._since = self._until = 0.0
        self._delay = FIRST

    def stop(self) -> None:
        """Ask it to end: what is being processed is undone, and begun anew next time. May be called from anywhere."""
        self._stopping = True
        self._wake.set()

    def run(self) -> None:
        check(self.options)
        self._await_folders()
        if self._stopping:
            return
        lock = self._await_room(lambda: take_inbox(self.options.inbox))
        try:
            if lock and self._open():
                self._watch()
        finally:
            if lock:
                lock.release()

    def _watch(self) -> None:
        with open_log(self._private) as self._log:
            try:
                self._tell(Message("watch.began", version=__version__))
                while not self._stopping:
                    self._turn()
            except Exception:
                self._log.exception("Internal error: please report it.")
                raise
            finally:
                self._scanner.close()
                if self._engine and self._next_index < math.inf:
                    with contextlib.suppress(OutputError, OSError):
                        self._write_index(self._engine)
                self._close_engine()
                self._fault = None
                self._tell(Message("watch.stopped"))
                self._publish(Doing.STOPPED)
                self._lock.release()

    def _await_folders(self) -> None:
        """With ``wait``: until inbox and output folder are there, or it was stopped."""
        delay = 1.0
        while self.options.wait and not self._stopping:
            if self.options.inbox.is_dir() and is_output_folder(self.options.out):
                check(self.options)
                return
            if delay == 1.0:
                self._say(Message("watch.not-there"))
            delay = min(2 * delay, 30)
            self._wake.wait(min(delay, REST))

    def _await_room(self, take: Callable[[], FileLock]) -> FileLock | None:
        """A lock, as soon as the disk has room for its file; None where the watcher was stopped before."""
        told = False
        while not self._stopping:
            try:
                return take()
            except OutputError as error:
                if not faults.says_full(error):
                    raise
            if not told:
                self._say(Message(OutputFault.FULL))
                told = True
            self._wake.wait(min(FIRST, REST))
        return None

    def _open(self) -> bool:
        """Take the output folder and open it; where only its disk is full, that is waited out later.

        False where the watcher was stopped before.
        """
        lock = self._await_room(lambda: take_output(self.options.out))
        if lock is None:
            return False
        self._lock = lock
        try:
            self._begin()
        except BaseException as error:
            self._close_engine()
            if not (isinstance(error, (OutputError, NotReadyError, OSError)) and faults.says_full(error)):
                self._lock.release()
                raise
        return True

    def _begin(self) -> Engine:
        engine = self._engine = self._open_engine()
        self._opened = True
        for entry in engine.gate.ledger.passing():
            # What was to be tried again when a watcher was killed: it is, if it is still there.
            if entry.source.is_relative_to(self.options.inbox):
                engine.gate.ledger.forget(entry.id)
        return engine

    def _turn(self) -> None:
        """One round: learn what is new, give the engine some of it, take what it has done, or rest."""
        now = self._clock()
        if now < self._until:
            self._rest(self._until)
            return
        try:
            engine = self._engine or self._open_again()
            self._scanner.learn(now, engine.gate.ledger)
            self._feed(engine, now)
            self._recover(now)
            if self._flying:
                for outcome in engine.poll(TURN):
                    self._settle(engine, outcome)
            self._tidy(engine)
        except InboxGoneError as error:
            self._interrupt(Message(error.fault))
            return
        except (OutputFaultError, OutputError, NotReadyError, OSError) as error:
            full = faults.says_full(error) and not self._opened
            said = Message(OutputFault.FULL) if full else faults.explained(error, self.options.out)
            if said.code == OutputFault.FULL:
                self._name_those_without_room()
            self._close_engine()
            self._interrupt(said)
            return
        if not self._flying:
            self._rest(min(self._scanner.next, self._inbox.due(), self._next_index))

    def _open_again(self) -> Engine:
        if self._opened:
            faults.check_there(self.options.out)
        faults.check_room(self.options.out)
        # Where the disk went and came back, it knows nothing of the lock any more.
        self._lock.release()
        self._lock.acquire(timeout=2)
        self._scanner.next = -math.inf
        return self._begin()

    def _close_engine(self) -> None:
        """Let go of the output folder. Those that were under way come again, each later than the last time."""
        engine, self._engine = self._engine, None
        if engine is not None:
            with contextlib.suppress(OutputError, OSError):
                engine.close()
        now = self._clock()
        for path in self._flying:
            self._inbox.postpone(path, Message(WaitReason.AGAIN), now)
        self._flying.clear()
        self._bundles.clear()

    def _is_known(self, path: Path, stamp: Stamp) -> bool:
        """Whether the engine can tell without reading it what became of a file."""
        if self._engine is None:
            return False
        seen = self._engine.gate.ledger.sighting(path)
        return seen is not None and (seen.size, seen.modified) == (stamp.size, stamp.modified)

    def _feed(self, engine: Engine, now: float) -> None:
        """Give the engine what is complete, as far as it will soon want it."""
        faults.check_room(self.options.out)
        while len(self._flying) < AHEAD * self.options.workers:
            arrival = self._inbox.next(now)
            if arrival is None:
                return
            path, stamp = arrival.path, arrival.stamp
            if path in self._flying:
                self._inbox.postpone(path, Message(WaitReason.SETTLING), now)
            elif not faults.check_room(self.options.out, stamp.size):
                self._inbox.postpone(path, Message(WaitReason.SPACE), now)
            else:
                self._flying[path] = stamp
                sources = self._bundles.begin(path, engine.settings.limits)
                for source in sources:
                    engine.submit(source, (stamp.size, stamp.modified))
                if not sources:
                    self._inbox.finish(path, self._flying.pop(path))

    def _settle(self, engine: Engine, outcome: Outcome) -> None:
        """Take note of what became of a source, and of its file once that was the last of it."""
        self._delay = FIRST
        if outcome.passing:
            # Nothing became of it: no row is left of a file that is gone, or not yet what it will be.
            engine.gate.ledger.forget(outcome.id)
        elif outcome.fresh:
            self._counts[outcome.verdict] += 1
            self._tell(told(outcome))
            self._next_index = min(self._next_index, self._clock() + self._index_every)
        else:
            self._counts["known"] += 1
        if flight := self._bundles.settle(outcome):
            self._land(flight)

    def _land(self, flight: Flight) -> None:
        """A file is done; what can pass by itself is tried again."""
        path, now = flight.path, self._clock()
        stamp = self._flying.pop(path)
        if flight.again and Stamp.at(path) == stamp:
            self._inbox.postpone(path, flight.again, now)
            return
        if flight.again:
            self._inbox.drop(path)
        elif self.options.done and not flight.stays:
            self._put_away(path, stamp, self.options.done)
        else:
            self._inbox.finish(path, stamp)
        self._inbox.notice(path, now)

    def _put_away(self, path: Path, stamp: Stamp, done: Path) -> None:
        """Move a handled original, and the settings of its own; the ledger knows it by its content."""
        inbox = self.options.inbox
        try:
            if originals.move(path, stamp, inbox, done):
                own = path.with_name(f"{path.name}.toml")
                if own.is_file():
                    originals.move(own, Stamp.of(own.lstat()), inbox, done)
            self._inbox.drop(path)
        except FileNotFoundError:
            self._inbox.drop(path)
        except OSError:
            self._inbox.postpone(path, Message(WaitReason.UNMOVED), self._clock())

    def _interrupt(self, said: Message) -> None:
        """Pause: nothing is lost, for nothing was recorded as done."""
        now = self._clock()
        new = self._fault != said
        if new:
            self._since = self._since if self._fault else now
            self._fault = said
        self._until = now + self._delay
        self._delay = min(2 * self._delay, LONGEST)
        self._scanner.next = -math.inf
        self._publish(Doing.PAUSED)
        if new:
            self._tell(said)

    def _recover(self, now: float) -> None:
        if self._fault:
            self._delay = FIRST if self._fault.code in faults.OF_INBOX else self._delay
            self._fault = None
            self._tell(Message("watch.going-on", seconds=now - self._since))

    def _tidy(self, engine: Engine) -> None:
        """What is done beside the files: the overview, the list of those that wait, the status."""
        now = self._clock()
        if self._flying:
            self._rested = now
        elif now >= self._next_index:
            self._write_index(engine)
        elif now >= self._rested + RELEASE_AFTER:
            engine.pool.close()
            self._rested = math.inf
        if now >= self._told + TELL_EVERY or not self._flying:
            self._told = now
            waiting = self._inbox.waiting(now, TELL_AFTER)
            if waiting != self._waiting:
                engine.gate.ledger.wait_for(waiting)
                self._waiting = waiting
            passed = (*self._inbox.passed_over(), *self._bundles.passed_over(self._inbox.holds))
            if passed != self._passed:
                engine.gate.ledger.pass_over([self.options.inbox], passed)
                self._passed = passed
            self._publish(Doing.WORKING if self._flying else Doing.IDLE)

    def _name_those_without_room(self) -> None:
        """Let the list of those that wait say of all that the disk is full, as far as that has room for it."""
        if self._engine:
            waiting = self._inbox.waiting(self._clock(), TELL_AFTER, without=Message(WaitReason.SPACE))
            with contextlib.suppress(OutputError, OSError):
                self._engine.gate.ledger.wait_for(waiting)
                self._waiting = waiting

    def _write_index(self, engine: Engine) -> None:
        began, self._next_index = self._clock(), math.inf
        engine.write_index()
        self._index_every = max(INDEX_EVERY, 20 * (self._clock() - began))

    def _rest(self, until: float) -> None:
        if not self._stopping:
            longest = self._clock() + (EVERY if self._board.owed else REST)
            until = min(until, longest)
            while not self._wake.wait(min(max(until - self._clock(), 0.01), LOOK)) and self._clock() < until:
                if not self._fault and self._scanner.gone():
                    break
        self._wake.clear()

    def _tell(self, message: Message) -> None:
        """To the log, in English, and to whoever looks on: nothing of a source is in it."""
        self._log.info(str(message))
        with contextlib.suppress(OSError):  # whoever looked on may have left
            self._say(message)

    def _publish(self, doing: Doing) -> None:
        counts = self._inbox.counts()
        queued = counts[""] + counts[WaitReason.SETTLING]
        said = Status(
            doing,
            self._fault,
            events=self._scanner.events,
            queued=queued,
            waiting=counts.total() - queued,
            ready=self._counts[Verdict.READY],
            review=self._counts[Verdict.REVIEW],
            failed=self._counts[Verdict.FAILED],
            known=self._counts["known"],
        )
        self._board.show(said, self._clock())
