"""The road: open → detect → track → redact → write clean → verify → report → gate.

Every way in (a file, a folder, the Python API) goes through :class:`Session`.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from anonymizer.core.errors import AnonymizerError, DefectError, ExitCode, MediumError, UnreadableError
from anonymizer.core.message import Message
from anonymizer.core.noise_secret import own_secret
from anonymizer.core.settings import Settings
from anonymizer.core.types import Check, Processed, Progress, Result, Verdict
from anonymizer.gate.decisions import objection
from anonymizer.gate.files import companion_of, file_sha256, safe_name
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
from anonymizer.gate.work import Work
from anonymizer.read.bundle import paths
from anonymizer.read.walk import Passed
from anonymizer.report.build import build
from anonymizer.report.file import signed_files
from anonymizer.report.index import MOST, IndexLine, render_index
from anonymizer.report.priority import review_priority
from anonymizer.report.schema import CompanionRecord, Report
from anonymizer.report.values import values
from anonymizer.road import companion
from anonymizer.road.companion import Companion
from anonymizer.road.fingerprint import fingerprint, with_settings
from anonymizer.road.series import series_name
from anonymizer.road.worker import Framed, Opened, Worked, Worker
from anonymizer.verify.photo import scan_bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one source. ``output`` and ``report`` are None where it failed.

    ``fresh`` is False where nothing had to be done; ``note`` says why that is so, or why it was done again.
    ``passing`` marks a failure that another time may not meet: the file was locked, its share gone.
    """

    source: Path
    verdict: Verdict
    id: str
    output: Path | None
    report: Path | None
    reasons: tuple[Message, ...]
    seconds: float
    redacted: int = 0
    fresh: bool = True
    note: Message | None = None
    passing: bool = False
    companion: Path | None = None
    """The DICOM beside the output."""

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT[self.verdict]


_EXIT = {
    Verdict.READY: ExitCode.OK,
    Verdict.REVIEW: ExitCode.REVIEW,
    Verdict.FAILED: ExitCode.FAILED,
}


class Session:
    """One run into one output folder: models loaded once, the gate open. Use as a context manager.

    Raises :class:`anonymizer.core.errors.OutputError` where the folder cannot be used and
    :class:`anonymizer.core.errors.ModelError` where a model cannot be had.
    """

    def __init__(self, out: Path, settings: Settings) -> None:
        self.settings = settings.checked()
        self.fingerprint = fingerprint(self.settings)
        self.worker = Worker(self.settings)
        try:
            self.gate = Gate(out)
        except BaseException:
            self.worker.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()
        self.gate.close()

    def run(
        self, path: Path, progress: Progress | None = None, opened: Future[Opened] | None = None
    ) -> Outcome:
        """Take one medium down the road; one that cannot be done is an outcome like any other.

        ``opened`` is what :meth:`Worker.open` gives, where another thread is at it already. Raises
        :class:`anonymizer.core.errors.AnonymizerError` only for what would stop every other medium too: an
        output folder that is full or gone, or a defect. What was under way is then undone.
        """
        started = time.monotonic()
        work = Work(self.gate, path.absolute(), self.fingerprint)
        try:
            with work:
                source = opened.result() if opened else self.worker.open(path)
                worked = self.worker.process_opened(source, work.staging(), progress)
                if (made := with_settings(self.fingerprint, worked.settings)) != self.fingerprint:
                    self.gate.ledger.update(work.id, settings=made, asked=made)
                return admit(self.gate, work.id, path, worked, started)
        except MediumError as error:
            spent, passing = time.monotonic() - started, isinstance(error, UnreadableError)
            return Outcome(
                path, Verdict.FAILED, work.id, None, None, (error.message,), spent, passing=passing
            )
        except AnonymizerError:
            raise
        except Exception as error:
            raise DefectError("work.defect-at", path=path, kind=type(error).__name__) from error

    def run_all(self, paths: Iterable[Path], progress: Progress | None = None) -> Iterator[Outcome]:
        """Take media down the road, one after the other, in order; see :meth:`run`.

        Where the settings say that they are of one patient, photos are framed alike first.
        While one photo is hidden, written and checked, the next is searched: neither keeps all cores busy. Beside a
        clip, which takes the memory, the next is only read.
        """
        framed: dict[Path, Framed] = {}
        if self.settings.same_patient:
            paths = list(paths)
            framed = self.worker.alike(paths) if paths else {}
        with ThreadPoolExecutor(1) as beside:
            following = iter(paths)
            path = next(following, None)
            opened = beside.submit(self.worker.search, path, framed.get(path)) if path is not None else None
            try:
                while path is not None and opened is not None:
                    wait([opened])
                    light = opened.exception() is not None or opened.result().photo is not None
                    after = next(following, None)
                    ahead = None
                    if after is not None and (light or after in framed):
                        ahead = beside.submit(self.worker.search, after, framed.get(after))
                    elif after is not None:
                        ahead = beside.submit(self.worker.open, after)
                    yield self.run(path, progress, opened)
                    path, opened = after, ahead
            except BaseException:
                # Nobody wants the next one any more: its decoding process is killed, for the thread waits for it.
                self.worker.decoder.close()
                raise

    def write_index(self) -> Path:
        """The overview of everything in the output folder."""
        return write_index(self.gate, self.settings.language)


def write_index(gate: Gate, language: str) -> Path:
    """The overview of everything in the output folder: of what needs somebody first, from the ledger alone.

    Raises :class:`anonymizer.core.errors.OutputError`.
    """
    for attempt in range(ATTEMPTS):
        page, pictured = _overview(gate, language, pictures=attempt < ATTEMPTS - 1)
        path = gate.write_index(page.encode())
        ready = gate.ledger.first((State.READY, State.RELEASED), MOST) if pictured else []
        if pictured <= {entry.id for entry in ready}:
            break
        # Somebody took one of those back while its picture was put on the page.
    return path


def _overview(gate: Gate, language: str, *, pictures: bool) -> tuple[str, set[str]]:
    """The overview, and of what it shows pictures: of what is ready alone, within :data:`PICTURES` bytes."""
    counts: Counter[Verdict] = Counter()
    for state, number in gate.ledger.counts().items():
        if state in _SHOWN:
            counts[_SHOWN[state]] += number
    lines, left = [], PICTURES if pictures else 0
    for entry in gate.ledger.first(tuple(_SHOWN), MOST):
        small = gate.thumbnail(entry.id) if left > 0 and entry.state in (State.READY, State.RELEASED) else b""
        left -= len(small)
        folder = gate.folder(entry.state).name if entry.state not in (State.FAILED, State.REJECTED) else ""
        lines.append(
            IndexLine(
                entry.id,
                _SHOWN[entry.state],
                entry.name,
                folder,
                entry.regions,
                entry.reason,
                reported=entry.state is not State.FAILED,
                thumbnail=small,
            )
        )
    passed = Counter(one.reason for one in gate.ledger.passed_over(Passed.NOT_TAKEN))
    return render_index(counts, lines, language, passed), {one.id for one in lines if one.thumbnail}


ATTEMPTS = 3
"""How often the overview is written while somebody takes back what it shows; the last time without pictures."""
PICTURES = 4_000_000
"""Bytes of all pictures on the overview, at most: of some 1500."""
_SHOWN = {
    State.FAILED: Verdict.FAILED,
    State.REVIEW: Verdict.REVIEW,
    State.REJECTED: Verdict.FAILED,
    State.READY: Verdict.READY,
    State.RELEASED: Verdict.READY,
}
"""States on the overview, in its order."""


def admit(gate: Gate, id: str, path: Path, worked: Worked, started: float) -> Outcome:
    """Judge a staged medium, report on it, and let it through the gate to where it belongs.

    ``id`` is what :meth:`Gate.begin` gave, ``started`` the monotonic second at which the work began. Raises
    :class:`anonymizer.core.errors.OutputError`.
    """
    processed = worked.processed
    name, settings, notes = _named(gate, id, path, worked)
    notes += tuple(companion.notes(processed, settings))
    processed = replace(processed, notes=(*processed.notes, *notes))
    beside, record = _companion(gate, name, worked) if companion.wanted(processed, settings) else (None, None)
    if beside:
        processed = replace(processed, checks=(*processed.checks, *beside.checks))
    sha256 = file_sha256(processed.path)
    size = processed.path.stat().st_size
    # The report, which may be handed out, does not say who; the ledger and what lies in review/ do.
    objected = objection(gate, worked.sha256)

    def report_with(checks: list[Check]) -> Report:
        verdict, reasons = judge(processed, checks)
        if objected:
            verdict, reasons = Verdict.REVIEW, [objected[0], *reasons]
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
            companion=record,
        )

    checks = list(processed.checks)
    report = report_with([*checks, scan_report(report_with(checks), processed)])
    contents = signed_files(report, processed.contact_sheet, gate.key)
    hidden, urgent = len(report.regions), review_priority(report)
    reasons = [objected[1], *report.reasons[1:]] if objected else report.reasons
    output = gate.admit(
        id,
        processed.path,
        name,
        sha256,
        report.verdict,
        contents,
        reasons,
        hidden,
        urgent,
        language=settings.language,
        contact_sheet=processed.contact_sheet,
        thumbnail=processed.thumbnail,
        companion=beside.path if beside else None,
    )
    page = gate.reports / f"{id}.html"
    spent = time.monotonic() - started
    stands = companion_of(output) if beside else None
    return Outcome(path, report.verdict, id, output, page, tuple(reasons), spent, hidden, companion=stands)


def _companion(gate: Gate, name: str, worked: Worked) -> tuple[Companion, CompanionRecord]:
    """The DICOM that is to stand beside a medium of this name, and what its report says of it."""
    made = companion.make(worked.processed, worked.settings, worked.sha256, own_secret(gate.root))
    stands = companion_of(Path(name)).name
    record = CompanionRecord(name=stands, bytes=made.path.stat().st_size, sha256=file_sha256(made.path))
    return made, record


def _named(gate: Gate, id: str, path: Path, worked: Worked) -> tuple[str, Settings, tuple[Message, ...]]:
    """The name of an output, the settings that its report may tell, and what it says of a name that was given.

    What a person gave is not used, and told to nobody, where it holds a word of this very source.
    """
    settings, suffix = worked.settings, worked.processed.path.suffix[1:]
    crop = json.dumps(worked.processed.crop) if worked.processed.crop else ""
    form = settings.output_name
    notes: tuple[Message, ...] = ()
    if form and form.holds(worked.processed.traces.strings, path):
        form, notes = None, (Message("notes.name-not-given"),)
        settings = settings.model_copy(update={"name": "", "date": "", "case": ""})
    if form:
        notes = (Message("notes.name-given"),)
        return gate.take_number(id, form, suffix, sha256=worked.sha256, crop=crop), settings, notes
    if (alike := series_name(settings)) and not settings.keep_name:
        return gate.take_number(id, alike, suffix, sha256=worked.sha256, crop=crop), settings, notes
    stem = safe_name(paths.stem(path)) if settings.keep_name else id
    pair = companion.wanted(worked.processed, settings)
    name = gate.take_name(id, stem, suffix, companion=pair, sha256=worked.sha256, crop=crop)
    return name, settings, notes


def judge(processed: Processed, checks: list[Check]) -> tuple[Verdict, list[Message]]:
    """Ready only if every check passed and nobody has a reason; a failed check keeps it from everyone.

    A check that is skipped is an optional one: its absence is in the report and decides nothing.
    """
    reasons = list(processed.reasons)
    reasons += [check.evidence for check in checks if check.result in (Result.REVIEW, Result.FAIL)]
    return (Verdict.REVIEW if reasons else Verdict.READY), reasons


def scan_report(report: Report, processed: Processed) -> Check:
    """Look for the source's own strings in the report before it is published: in what was put into its sentences.

    The sentences are the program's, and the page is made of the same report (:mod:`anonymizer.report.values`).
    """
    data = "\n".join(values(report)).encode("utf-8", "replace")
    check = scan_bytes(data, processed.traces.strings)
    return Check(
        "report-canaries", check.result, Message("check.report-canaries", why=check.evidence), check.data
    )


def anonymize_series(
    paths: Sequence[Path], settings: Settings | None = None, out: Path | None = None
) -> list[Outcome]:
    """Make media of one patient publishable, photos framed alike; into ``anonymized`` beside the first unless ``out``
    is given. The outcomes in their order. Raises as :func:`anonymize`."""
    settings = settings or Settings()
    if not settings.same_patient:
        settings = settings.model_copy(update={"same_patient": True})
    with Session(out or paths[0].absolute().parent / "anonymized", settings) as session:
        outcomes = list(session.run_all(paths))
        session.write_index()
        return outcomes


def anonymize(path: Path, settings: Settings | None = None, out: Path | None = None) -> Outcome:
    """Make one photo publishable; into ``anonymized`` beside it unless ``out`` is given.

    Raises :class:`anonymizer.core.errors.AnonymizerError` where the folder or a model is not to be had; a
    medium that cannot be processed is an :class:`Outcome` with verdict ``FAILED`` and a reason.
    """
    with Session(out or path.absolute().parent / "anonymized", settings or Settings()) as session:
        outcome = session.run(path)
        session.write_index()
        return outcome
