"""The three threads behind the page: one holds the gate and decides, one works, one reads.

The work on a medium takes seconds or, for a clip, minutes; a decision must not wait for it. So the road up to the
gate runs on the work thread, and all that changes the output folder and its ledger on the gate thread. A decision
examines its file once more, which takes a second; the next picture must not wait for that. So what is only shown is
read on a thread of its own, through its own connection to the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from anonymizer.core.errors import (
    AnonymizerError,
    DecisionError,
    MediumError,
    OutputError,
    UnreadableError,
)
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Verdict
from anonymizer.gate import decisions as decide
from anonymizer.gate.decisions import read_report
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.gate.work import Work
from anonymizer.read.bundle.paths import member
from anonymizer.read.bundle.reader import expanded
from anonymizer.read.walk import Passed, PassedOver
from anonymizer.report.schema import Report
from anonymizer.report.used import used_settings
from anonymizer.review import uploads
from anonymizer.review.detectors import Detectors
from anonymizer.review.edits import Edits, looks_alike, to_settings
from anonymizer.review.foreseen import let_through
from anonymizer.review.instructions import Correction
from anonymizer.review.listing import NOT_TAKEN, Reports, passed_id
from anonymizer.review.page_job import PageJob, Stage
from anonymizer.review.photos import CHANGED
from anonymizer.review.placing import Placing
from anonymizer.road.fingerprint import fingerprint
from anonymizer.road.pipeline import Outcome, admit, write_index

P = ParamSpec("P")
T = TypeVar("T")
ENDED = 100
"""Finished jobs that are remembered for pages that have not heard of them yet."""
DEFECT = Message("review.defect")


class _StoppedError(Exception):
    """The page closes: the work under way is given up."""


@dataclass
class JobRunner:
    """The output folder, and what is done in it. Close it, or use it as a context manager.

    Raises :class:`anonymizer.core.errors.OutputError` where the folder cannot be used.
    """

    out: Path
    settings: Settings
    reports: Reports = field(default_factory=Reports)
    jobs: dict[int, PageJob] = field(default_factory=dict)
    unwritten: dict[Path, PassedOver] = field(default_factory=dict)
    """What was not taken and the ledger could not be told, for want of room."""

    def __post_init__(self) -> None:
        self._gate_thread = ThreadPoolExecutor(1, "gate")
        self._work_thread = ThreadPoolExecutor(1, "work")
        self._read_thread = ThreadPoolExecutor(1, "read")
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._detectors = Detectors()
        self._changed = False
        try:
            self.gate = self._gate_thread.submit(Gate, self.out).result()
            self._reader = self._read_thread.submit(OutputFolder, self.out).result()
        except BaseException:
            self._gate_thread.shutdown()
            self._work_thread.shutdown()
            self._read_thread.shutdown()
            raise
        self.inbox = self.gate.inbox
        for source in self.call_gate(uploads.left_over, self.inbox, self.settings.limits):
            self.call_gate(self._taken, source)
            self.add(source)

    def __enter__(self) -> JobRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is under way, write the overview, let the folder go."""
        self._stop.set()
        self._work_thread.submit(self._detectors.close)
        self._work_thread.shutdown(wait=True)
        self._read_thread.submit(self._reader.close)
        self._read_thread.shutdown(wait=True)
        try:
            self.call_gate(self.write_index)
        finally:
            self.call_gate(Gate.close)
            self._gate_thread.shutdown(wait=True)

    def call_gate(self, task: Callable[Concatenate[Gate, P], T], *args: P.args, **named: P.kwargs) -> T:
        """Run a task on the gate thread and wait for it: for the work thread."""
        return self._gate_thread.submit(task, self.gate, *args, **named).result()

    async def ask_gate(self, task: Callable[Concatenate[Gate, P], T], *args: P.args, **named: P.kwargs) -> T:
        """The same for the server, which goes on meanwhile."""
        return await asyncio.wrap_future(self._gate_thread.submit(task, self.gate, *args, **named))

    async def read(
        self, task: Callable[Concatenate[OutputFolder, P], T], *args: P.args, **named: P.kwargs
    ) -> T:
        """Run a task on the reading thread, while the gate thread may be deciding: the task must change nothing."""
        return await asyncio.wrap_future(self._read_thread.submit(task, self._reader, *args, **named))

    @property
    def busy(self) -> bool:
        """Whether any job is not finished."""
        return any(job.stage in (Stage.QUEUED, Stage.WORKING) for job in self.jobs.values())

    def warm_up(self) -> None:
        """Load the models before the first file is dropped."""
        self._work_thread.submit(self._detectors.worker, self.settings).add_done_callback(_log)

    def add(self, source: Path) -> PageJob:
        """Queue a source that nobody has seen yet."""
        return self._queue(PageJob(next(self._numbers), source, self.settings))

    async def receive(self, name: str, within: str, chunks: AsyncIterator[bytes]) -> PageJob:
        """Store a dropped file and queue it, of a bundle its members; ``within`` are the folders that it was dropped
        with. The first job is returned.

        Raises :class:`anonymizer.review.uploads.NotTakenError`, once it is on the list, for a file that is not
        processed.
        """
        try:
            if rule := uploads.skipped(name, within, self.inbox):
                raise uploads.NotTakenError(rule)
            source = await uploads.receive(name, chunks, self.inbox, self.settings.limits)
        except uploads.NotTakenError as error:
            await self.ask_gate(self._not_taken, error.passed)
            raise
        await self.ask_gate(self._taken, uploads.listed_as(source, self.inbox))
        found = await asyncio.to_thread(expanded, source, self.settings.limits, named=True)
        for passed in found.passed:
            await self.ask_gate(self._not_taken, passed)
        first, *_ = (self.add(one) for one in found.members)
        return first

    def _not_taken(self, gate: Gate, passed: PassedOver) -> None:
        """Put a file on the list of what was not taken, in the ledger if that can be written."""
        self.touched()
        self.unwritten[passed.path] = passed
        with contextlib.suppress(OutputError):
            gate.ledger.pass_over([], list(self.unwritten.values()))
            self.unwritten.clear()

    def _taken(self, gate: Gate, path: Path) -> None:
        """Take a file off that list: it is processed after all."""
        self.unwritten.pop(path, None)
        if any(one.path == path for one in gate.ledger.passed_over(Passed.NOT_TAKEN)):
            gate.ledger.pass_over([path], [])
            self.touched()

    async def forget(self, id: str) -> bool:
        """Take a dropped file that was not taken off the list, and what was stored of it off the disk; what lies in a
        folder leaves the list with the file.

        False where there is none with this id.
        """

        def forget(gate: Gate) -> bool:
            known = [*gate.ledger.passed_over(Passed.NOT_TAKEN), *self.unwritten.values()]
            ours = {one.path for one in known if passed_id(one) == id and one.path.is_relative_to(self.inbox)}
            for path in ours:
                uploads.discard(path, self.inbox)
                self._taken(gate, path)
            return bool(ours)

        self.touched()
        return await self.ask_gate(forget)

    async def correct(
        self, id: str, said: Correction, moved: tuple[Placing, Placing] | None = None
    ) -> PageJob:
        """Queue a medium again with a person's corrections; one that is ready waits for a person from now on. ``moved``
        as for :func:`anonymizer.review.edits.to_settings`.

        Raises :class:`DecisionError` where it can be corrected no more, is being corrected already, or nobody says who
        takes back what is ready.
        """
        if said.approve:
            decide.person(said.initials)

        def made(used: Settings) -> Settings:
            return self.corrected(used, said.edits, moved)

        entry, used, settings = await self.ask_gate(self._correctable, id, said.initials, made)
        job = PageJob(next(self._numbers), entry.source, self.settings, settings, id, entry.sha256)
        job.alike = looks_alike(used, settings)
        job.approval = said if said.approve else None
        return self._queue(job)

    async def remake(self, id: str, initials: str, settings: Settings, said: tuple[Message, ...]) -> PageJob:
        """Queue a medium again with these settings, and what is said of how they were found. Raises as
        :meth:`correct`."""
        entry, *_ = await self.ask_gate(self._correctable, id, initials, lambda used: settings)
        job = PageJob(next(self._numbers), entry.source, self.settings, settings, id, entry.sha256)
        job.said = said
        return self._queue(job)

    def named(self, name: str, date: str, case: str) -> Settings:
        """The settings with other names of outputs. Raises :class:`anonymizer.core.errors.SettingsError`."""
        update = {"name": name, "date": date, "case": case}
        return self.settings.model_copy(update=update).checked()

    def free(self, id: str) -> None:
        """Raises :class:`DecisionError` where a correction of this medium is under way."""
        stages = (Stage.QUEUED, Stage.WORKING)
        if any(job.replaces == id and job.stage in stages for job in list(self.jobs.values())):
            raise DecisionError("review.corrections-applied")

    def touched(self) -> None:
        """The overview page is to be written again."""
        self._changed = True

    def _on_gate_thread(self, task: Callable[[], T]) -> T:
        return self._gate_thread.submit(task).result()

    def corrected(self, used: Settings, edits: Edits, moved: tuple[Placing, Placing] | None) -> Settings:
        """The settings for a medium that was made with ``used``, with a person's corrections."""
        # Limits are the machine's and this run's; the names of the case are in no report.
        own = {"limits": self.settings.limits, "known": self.settings.known}
        return to_settings(edits, used, moved).model_copy(update=own)

    def _correctable(
        self, gate: Gate, id: str, initials: str, made: Callable[[Settings], Settings]
    ) -> tuple[LedgerEntry, Settings, Settings]:
        self.free(id)
        entry = gate.ledger.get(id)
        if entry is None or entry.state not in (State.REVIEW, State.READY, State.RELEASED):
            raise DecisionError("decision.gone")
        report = self.reports.of(gate, id)
        if not self.settings.known and any(check.name == "known" for check in report.checks):
            raise DecisionError("review.names-unknown")
        used = used_settings(report, entry.crop)
        settings = made(used)
        if entry.state is not State.REVIEW:
            if not (entry.source.is_file() or member(entry.source)):
                raise DecisionError("file.gone")
            decide.reopen(gate, id, initials)
            self.touched()
        return entry, used, settings

    def _queue(self, job: PageJob) -> PageJob:
        for number in [n for n, j in self.jobs.items() if j.stage in (Stage.DONE, Stage.FAILED)][:-ENDED]:
            del self.jobs[number]
        self.jobs[job.number] = job
        self._work_thread.submit(self._run, job).add_done_callback(lambda future: self._ended(job, future))
        return job

    def _ended(self, job: PageJob, future: Future[None]) -> None:
        error = future.exception()
        if isinstance(error, AnonymizerError):
            job.error = error.message
        elif error and not isinstance(error, _StoppedError):
            job.error = DEFECT
            _log(future)
        if job.error and not job.replaces and not job.verdict:
            # Nothing became of it, and no row tells of it: it stays where it was stored until the next start.
            job.verdict = NOT_TAKEN
            said = Message("review.kept", why=job.error)
            passed = PassedOver(job.source, Passed.NOT_TAKEN, said, media=True)
            self._gate_thread.submit(self._not_taken, self.gate, passed)
        job.stage = Stage.FAILED if error else Stage.DONE

    def _run(self, job: PageJob) -> None:
        if self._stop.is_set():
            raise _StoppedError
        job.stage, job.what = Stage.WORKING, "loading"
        started = time.monotonic()
        settings = job.settings or job.rules
        worker = self._detectors.worker(settings)
        if not job.settings:
            # Other names, the same detectors.
            worker.settings = settings

        def progress(what: str, done: int, total: int) -> None:
            if self._stop.is_set():
                raise _StoppedError
            job.what, job.done, job.total = what, done, total

        job.what = "photo"
        # Of what cannot be corrected nothing is kept: the output that it was to replace still stands.
        work = Work(
            self.gate,
            job.source,
            fingerprint(settings),
            job.replaces,
            fails=not job.replaces,
            on=self._on_gate_thread,
        )
        try:
            with work:
                if job.said:
                    opened = replace(worker.open(job.source, job.settings), said=job.said)
                    worked = worker.process_opened(opened, work.staging(), progress)
                else:
                    worked = worker.process(job.source, work.staging(), progress, job.settings)
                if job.sha256 and worked.sha256 != job.sha256:
                    raise UnreadableError(CHANGED)
                outcome = self.call_gate(self._admit, work.id, job, worked, started)
                job.id, job.verdict = outcome.id, outcome.verdict
        except MediumError:
            if not job.replaces:
                job.id, job.verdict = work.id, "failed"
            raise
        finally:
            self.touched()

    def _admit(self, gate: Gate, id: str, job: PageJob, worked: Any, started: float) -> Outcome:
        if not job.replaces:
            return admit(gate, id, job.source, worked, started)
        # Held until its successor stands: nobody can decide meanwhile on what is about to go.
        if not gate.ledger.claim(job.replaces, State.REVIEW, gate.run):
            raise DecisionError("decision.gone")
        try:
            before = read_report(gate, job.replaces)
            outcome = admit(gate, id, job.source, worked, started)
        except BaseException:
            gate.ledger.unclaim(job.replaces, State.REVIEW)
            raise
        gate.retire(job.replaces, State.REVIEW)
        if job.approval and outcome.verdict is Verdict.REVIEW:
            return self._approved(gate, job, job.approval, before, outcome)
        return outcome

    def _approved(
        self, gate: Gate, job: PageJob, word: Correction, before: Report, outcome: Outcome
    ) -> Outcome:
        """Let a corrected photo through on the word that was given with its corrections, if it may be."""
        if not job.alike:
            job.why = Message("review.look-otherwise")
            return outcome
        output, job.why = let_through(gate, before, outcome.id, word.initials, word.note)
        job.approved = output is not None
        return replace(outcome, verdict=Verdict.READY, output=output, reasons=()) if output else outcome

    def write_index(self, gate: Gate) -> None:
        """Write the overview page where something changed since."""
        if self._changed:
            self._changed = False
            write_index(gate, self.settings.language)


def _log(future: Future[Any]) -> None:
    error = future.exception()
    if error and not isinstance(error, AnonymizerError):
        logging.getLogger(__name__).error("Internal error: please report it.", exc_info=error)
