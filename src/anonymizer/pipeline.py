"""The road: open → detect → track → redact → write clean → verify → report → gate.

Every way in (a file, a folder, the watch folder, the page) calls :meth:`Session.run`, once per medium.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anonymizer import __version__, photo
from anonymizer.detect.finder import Finder
from anonymizer.errors import ExitCode, MediumError, UnsupportedError
from anonymizer.gate import Gate, file_sha256, safe_name
from anonymizer.ledger import State, fingerprint
from anonymizer.media.sniff import sniff_file
from anonymizer.media.source import read
from anonymizer.media.still import Decoder
from anonymizer.report.build import build
from anonymizer.report.index import Failure, render_index
from anonymizer.report.page import render
from anonymizer.report.schema import Report
from anonymizer.report.vocabulary import vocabulary
from anonymizer.settings import Settings
from anonymizer.types import Check, Processed, Result, Verdict
from anonymizer.verify import scan_bytes

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and what is being done."""


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
        self.decoder = Decoder(self.settings.limits)
        self.gate = Gate(out)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.decoder.close()
        self.gate.__exit__()

    def run(self, path: Path, progress: Progress | None = None) -> Outcome:
        """Take one medium down the road, whatever it is; a medium that cannot be done is an outcome.

        Raises :class:`anonymizer.errors.AnonymizerError` only for what would stop every other medium
        too: an output folder that is full or gone, a model that is missing.
        """
        started = time.monotonic()
        id = self.gate.begin(path, self._fingerprint)
        try:
            processed = self._process(id, path, progress)
            return self._admit(id, path, processed, started)
        except MediumError as error:
            self.gate.fail(id, str(error))
            return Outcome(path, Verdict.FAILED, id, None, None, (str(error),), time.monotonic() - started)
        except BaseException:
            self.gate.abandon(id)
            raise
        finally:
            self.gate.sweep(id)

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

    def _process(self, id: str, path: Path, progress: Progress | None) -> Processed:
        form = sniff_file(path)
        staged = self.gate.staging(id)
        if form.is_clip:
            raise UnsupportedError("Clips are not supported yet; only photos are. Nothing was published.")
        source = read(path, self.settings.limits.max_bytes)
        self.gate.ledger.update(id, sha256=source.sha256)
        return photo.process(source, self.finder, self.settings, staged, self.decoder)

    def _admit(self, id: str, path: Path, processed: Processed, started: float) -> Outcome:
        stem = safe_name(path.stem) if self.settings.keep_name else id
        name = self.gate.free_name(stem, processed.path.suffix[1:])
        sha256 = file_sha256(processed.path)
        size = processed.path.stat().st_size

        def report_with(checks: list[Check]) -> Report:
            verdict, reasons = judge(processed, checks)
            return build(
                processed,
                self.settings,
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
            "html": render(report, processed.contact_sheet).encode(),
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
            time.monotonic() - started,
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
    """Make one photo or clip publishable; into ``anonymized`` beside it unless ``out`` is given.

    Raises :class:`anonymizer.errors.AnonymizerError` where the folder or a model is not to be had; a
    medium that cannot be processed is an :class:`Outcome` with verdict ``FAILED`` and a reason.
    """
    with Session(out or path.absolute().parent / "anonymized", settings or Settings()) as session:
        outcome = session.run(path)
        session.write_index()
        return outcome
