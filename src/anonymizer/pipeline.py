"""The road: open → detect → track → redact → write clean → verify → report → gate.

Every way in (a file, a folder, the Python API) goes through :class:`Session`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from anonymizer import __version__, photo
from anonymizer.detect.finder import Finder
from anonymizer.errors import ExitCode, MediumError, SettingsError, UnsupportedError
from anonymizer.gate import Gate, file_sha256, safe_name
from anonymizer.ledger import State, fingerprint
from anonymizer.media.sniff import sniff_file
from anonymizer.media.source import read
from anonymizer.media.still import Decoder, Still, open_still
from anonymizer.report.build import build
from anonymizer.report.index import Failure, render_index
from anonymizer.report.page import render
from anonymizer.report.schema import Report
from anonymizer.report.vocabulary import vocabulary
from anonymizer.settings import Settings, with_sidecar
from anonymizer.types import Check, Processed, Result, Verdict
from anonymizer.verify import scan_bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one source. ``output`` and ``report`` are None where it failed."""

    source: Path
    verdict: Verdict
    id: str
    output: Path | None
    report: Path | None
    reasons: tuple[str, ...]
    seconds: float
    redacted: int = 0

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT[self.verdict]


@dataclass(eq=False, slots=True)
class _Job:
    """One medium on its way: what it waits for, and why it was refused if it was."""

    path: Path
    id: str
    started: float
    settings: Settings
    opened: Future[tuple[Still, str, Settings]] | None = None
    examined: Future[Processed] | None = None
    refusal: MediumError | None = None


LARGE = 3 * 60_000_000
"""Bytes of pixels beyond which photos are examined one after the other: the memory bound of docs/input.md."""

_EXIT = {
    Verdict.READY: ExitCode.OK,
    Verdict.REVIEW: ExitCode.REVIEW,
    Verdict.FAILED: ExitCode.FAILED,
}


class Session:
    """One run into one output folder: models loaded once, the gate open. Use as a context manager.

    Raises :class:`anonymizer.errors.OutputError` where the folder cannot be used and
    :class:`anonymizer.errors.ModelError` where a model cannot be had.
    """

    def __init__(self, out: Path, settings: Settings) -> None:
        self.settings = settings.checked()
        self._fingerprint = fingerprint(self.settings, __version__)
        self.finder = Finder(self.settings)
        self.gate = Gate(out)
        self.decoder = Decoder(self.settings.limits)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.decoder.close()
        self.gate.__exit__()

    def run(self, path: Path) -> Outcome:
        """Take one medium down the road; see :meth:`run_all`."""
        return next(self.run_all([path]))

    def run_all(self, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Take media down the road, in order; one that cannot be done is an outcome like any other.

        While one photo is searched, the next is opened and the one before examined, each in a thread of
        its own: detection alone does not fill two cores. Raises
        :class:`anonymizer.errors.AnonymizerError` only for what would stop every other medium too: an
        output folder that is full or gone. What was under way is then undone.
        """
        under_way: list[_Job] = []
        with ThreadPoolExecutor(1) as opener, ThreadPoolExecutor(1) as examiner:
            try:
                waiting: deque[_Job] = deque()
                for job in self._opened_ahead(paths, opener, under_way):
                    waiting.append(job)
                    self._treat(job, examiner)
                    while waiting and (len(waiting) > 1 or not waiting[0].examined):
                        yield self._end(waiting.popleft(), under_way)
                while waiting:
                    yield self._end(waiting.popleft(), under_way)
            except BaseException:
                for job in under_way:
                    self.gate.abandon(job.id)
                raise
            finally:
                for job in under_way:
                    self.gate.sweep(job.id)

    def _opened_ahead(self, paths: Iterable[Path], opener: Executor, under_way: list[_Job]) -> Iterator[_Job]:
        """A job for each path, the next one's opening already under way when one is given out."""
        ahead: deque[_Job] = deque()
        for path in paths:
            id = self.gate.begin(path, self._fingerprint)
            job = _Job(path, id, time.monotonic(), self.settings)
            under_way.append(job)
            job.opened = opener.submit(self._open, path)
            ahead.append(job)
            if len(ahead) > 1:
                yield ahead.popleft()
        yield from ahead

    def _open(self, path: Path) -> tuple[Still, str, Settings]:
        form = sniff_file(path)
        if form.is_clip:
            raise UnsupportedError("Clips are not opened yet, only photos are; nothing was published.")
        source = read(path, self.settings.limits.max_bytes)
        try:
            settings = with_sidecar(self.settings, path)
        except SettingsError as error:
            raise MediumError(str(error)) from error
        return open_still(source, settings.limits, self.decoder), source.sha256, settings

    def _treat(self, job: _Job, examiner: Executor) -> None:
        """Search and redact an opened photo, and have it examined; a refusal is kept for its outcome."""
        assert job.opened
        try:
            still, sha256, job.settings = job.opened.result()
            job.opened = None
            self.gate.ledger.update(job.id, sha256=sha256)
            treated = photo.treat(still, sha256, self.finder, job.settings, self.gate.staging(job.id))
        except MediumError as error:
            job.refusal = error
            return
        job.examined = examiner.submit(photo.examined, treated, self.finder.models(), job.settings)
        if still.pixels.size > LARGE:
            # Two of these at once would not fit into the stated memory: wait.
            job.examined.result()

    def _end(self, job: _Job, under_way: list[_Job]) -> Outcome:
        """Let a finished photo through the gate, or record why not."""
        if job.examined:
            outcome = self._admit(job, job.examined.result())
        else:
            self.gate.fail(job.id, str(job.refusal))
            spent = time.monotonic() - job.started
            outcome = Outcome(job.path, Verdict.FAILED, job.id, None, None, (str(job.refusal),), spent)
        self.gate.sweep(job.id)
        under_way.remove(job)
        return outcome

    def write_index(self) -> Path:
        """The overview of everything in the output folder."""
        reports, failures = [], []
        for entry in self.gate.ledger.entries():
            path = self.gate.reports / f"{entry.id}.json"
            if entry.state is State.FAILED:
                failures.append(Failure(entry.id, entry.reason))
            elif path.is_file():
                reports.append(Report.model_validate_json(path.read_bytes()))
        return self.gate.write_index(render_index(reports, failures).encode())

    def _admit(self, job: _Job, processed: Processed) -> Outcome:
        id, path, settings = job.id, job.path, job.settings
        stem = safe_name(path.stem) if settings.keep_name else id
        name = self.gate.free_name(stem, processed.path.suffix[1:])
        sha256 = file_sha256(processed.path)
        size = processed.path.stat().st_size

        def report_with(checks: list[Check]) -> Report:
            verdict, reasons = judge(processed, checks)
            return build(
                processed,
                settings,
                id=id,
                name=name,
                sha256=sha256,
                size=size,
                verdict=verdict,
                reasons=reasons,
                checks=checks,
            )

        checks = list(processed.checks)
        report = report_with([*checks, scan_report(report_with(checks), processed)])
        contents = {
            "json": report.model_dump_json(indent=1).encode(),
            "html": render(report).encode(),
        }
        output = self.gate.admit(id, processed.path, name, sha256, report.verdict, contents, report.reasons)
        page = self.gate.reports / f"{id}.html"
        return Outcome(
            path,
            report.verdict,
            id,
            output,
            page,
            tuple(report.reasons),
            time.monotonic() - job.started,
            len(report.regions),
        )


def judge(processed: Processed, checks: list[Check]) -> tuple[Verdict, list[str]]:
    """Ready only if every check passed and nobody has a reason; a failed check keeps it from everyone.

    A check that is skipped is an optional one: its absence is in the report and decides nothing.
    """
    reasons = list(processed.reasons)
    reasons += [check.evidence for check in checks if check.result in (Result.REVIEW, Result.FAIL)]
    return (Verdict.REVIEW if reasons else Verdict.READY), reasons


def scan_report(report: Report, processed: Processed) -> Check:
    """Look for the source's own strings in the report, page and all, before it is published.

    What the program itself computed (id, hash, time, sizes, places) is left out, for a five-digit number
    of the source may stand in a hash by chance; so are words of the program's own vocabulary.
    """
    medium = report.medium.model_copy(update={"name": "", "sha256": "", "bytes": 0})
    masked = report.model_copy(update={"id": "", "created": "", "medium": medium, "regions": []})
    data = masked.model_dump_json().encode() + render(masked).encode()
    check = scan_bytes(data, processed.traces.strings, vocabulary())
    return Check("report-canaries", check.result, f"The report itself: {check.evidence}", check.data)


def anonymize(path: Path, settings: Settings | None = None, out: Path | None = None) -> Outcome:
    """Make one photo publishable; into ``anonymized`` beside it unless ``out`` is given.

    Raises :class:`anonymizer.errors.AnonymizerError` where the folder or a model is not to be had; a
    medium that cannot be processed is an :class:`Outcome` with verdict ``FAILED`` and a reason.
    """
    with Session(out or path.absolute().parent / "anonymized", settings or Settings()) as session:
        outcome = session.run(path)
        session.write_index()
        return outcome
