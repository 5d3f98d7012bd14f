"""Check a published file again: its report, the report's signature, and every check that needs no original."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import DamagedError
from anonymizer.core.message import Message
from anonymizer.core.signing import PublicKeys, SignatureStatus, trusted
from anonymizer.core.types import Check, Processed, Result, Traces, Verdict
from anonymizer.gate.files import companion_of, file_sha256
from anonymizer.read.sniff import open_regular, sniff
from anonymizer.report.file import ReadReport, read
from anonymizer.report.schema import CheckRecord, Report
from anonymizer.verify.exiftool import KeptOpen
from anonymizer.verify.naming import Standing
from anonymizer.verify.photo import audit

NO_REPORT = Message("published.no-report")
MEDIUM_CHANGED = Message("published.changed")
REPORT_CHANGED = Message("published.report-changed")
PAGE_CHANGED = Message("published.page-changed")
NOT_SIGNED = Message("published.not-signed")
OTHER_NAME = Message("published.other-name")
COMPANION_CHANGED = Message("published.companion-changed")
COMPANION_MISSING = Message("published.companion-missing")


@dataclass(frozen=True, slots=True)
class FoundReport:
    """A report in a folder; ``read`` is None where the file does not parse."""

    path: Path
    read: ReadReport | None


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """What was found on one published file.

    ``report`` holds the checks as they came out now, and every problem as a reason. ``signature`` is ``VALID`` only
    where file, report and page are the ones that were signed; what the verdict is, is another question.
    """

    report: Report
    signature: SignatureStatus
    source: Path | None
    """The report's file."""
    remarks: tuple[Message, ...] = ()
    """What is worth knowing and no reason against it: its time and attributes are those of a copy."""


def verify(path: Path, reports: Path | None = None, keys: PublicKeys | None = None) -> Report:
    """A published file's report, with its checks made again on the file as it is now; those of the DICOM beside a
    picture with them.

    The report is looked for in ``reports``, else beside the file and in the output folder it lies in. ``keys`` are
    the public keys that are trusted, this user's own unless given. Without a report, or one that a trusted key
    signed, the verdict is ``FAILED``. A file's time and attributes are those of this copy, and no part of what was
    signed: where they are not the ones it was written with, the check "name-and-times" says so and passes. Raises
    :class:`anonymizer.core.errors.MediumError` where the file cannot be read or is neither photo nor clip.
    """
    return examine(path, reports, trusted() if keys is None else keys).report


def examine(
    path: Path,
    reports: Path | None,
    keys: PublicKeys,
    standing: Standing = Standing.COPY,
    id: str = "",
    tool: KeptOpen | None = None,
) -> ExaminedFile:
    """The same as :func:`verify`, with what the signature says, for a file of any standing; ``id`` is its report's,
    where that is known, and ``tool`` an ExifTool that is running already."""
    with open_regular(path) as file:
        head = file.read(4096)
    form = sniff(head)
    if form.name not in ("JPEG", "PNG", "MP4", "DICOM"):
        raise DamagedError("published.not-ours", format=form.name)
    sha256 = file_sha256(path)
    here = path.absolute().parent
    found = find_report(sha256, path.name, [reports] if reports else report_folders(here), keys, id)
    report = found.read.report if found and found.read else None
    keep_name = bool(report and report.settings.get("keep_name"))
    checks = audit(path, keep_name, standing, tool)
    failed = [check.evidence for check in checks if check.result is Result.FAIL]
    if report is None or found is None or found.read is None:
        said, signature = (
            (REPORT_CHANGED, SignatureStatus.CHANGED) if found else (NO_REPORT, SignatureStatus.UNKNOWN)
        )
        unknown = _unknown(path, sha256, form.name, checks, [said, *failed])
        return ExaminedFile(unknown, signature, found.path if found else None)
    own = report.companion if form.name == "DICOM" and report.companion else report.medium
    signature, problems = _signature(found.path, found.read, sha256 == own.sha256)
    if own.name != path.name and not keep_name:
        failed.append(OTHER_NAME)
    remarks = [check.evidence for check in checks if check.data.get("remark")]
    if own is report.medium and report.companion:
        beside = companion_of(path)
        if beside.is_file():
            more = audit(beside, keep_name, standing)
            failed += [check.evidence for check in more if check.result is Result.FAIL]
            # Name and times are said once, unless they are what is wrong.
            checks += [check for check in more if check.name not in {c.name for c in checks}]
            if file_sha256(beside) != report.companion.sha256:
                signature, problems = SignatureStatus.CHANGED, [*problems, COMPANION_CHANGED]
        elif standing is Standing.COPY:
            remarks.append(COMPANION_MISSING)
        else:
            failed.append(COMPANION_MISSING)
    records = [
        CheckRecord(name=c.name, result=c.result, evidence=c.evidence, data=dict(c.data)) for c in checks
    ]
    kept = [record for record in report.checks if record.name not in {c.name for c in checks}]
    verdict = Verdict.FAILED if failed or problems else report.verdict
    update = {
        "verdict": verdict,
        "reasons": [*problems, *report.reasons, *failed],
        "checks": [*records, *kept],
    }
    return ExaminedFile(report.model_copy(update=update), signature, found.path, tuple(remarks))


def report_folders(here: Path) -> list[Path]:
    """Where the report of a file in ``here`` may lie."""
    return [here, here / "reports", here.parent / "reports"]


def find_report(
    sha256: str, name: str, folders: list[Path], keys: PublicKeys, id: str = ""
) -> FoundReport | None:
    """The report of the file with this hash (hex) and name, in any of the folders; None if there is none.

    Two sources may give the same bytes: the report that also has the name is preferred, then one with the
    hash, then one with the name alone, which tells a changed file from an unknown one, then one that is damaged.
    """
    best: tuple[tuple[bool, bool, bool], FoundReport] | None = None
    for path in _reports(folders, id or Path(name).stem):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        # Parsing thousands of reports costs seconds; the hash or the name as text decides which ones to parse.
        if sha256.encode() not in content and name.encode() not in content and path.stem != Path(name).stem:
            continue
        try:
            one = FoundReport(path, read(content, keys))
        except ValueError:
            one = FoundReport(path, None)
        told = one.read.report if one.read else None
        parts = [part for part in (told.medium, told.companion) if part] if told else []
        rank = (
            any(part.sha256 == sha256 for part in parts),
            any(part.name == name for part in parts),
            bool(one.read and one.read.signature is SignatureStatus.VALID),
        )
        ours = any(rank[:2]) or path.stem == Path(name).stem
        if ours and (best is None or rank > best[0]):
            best = rank, one
        if best and all(best[0]):
            break
    return best[1] if best else None


def _signature(path: Path, found: ReadReport, same: bool) -> tuple[SignatureStatus, list[Message]]:
    """What report, medium and page are, taken together, and a message for each that is not what was signed:
    ``same`` tells it of the file."""
    problems = []
    if found.signature is SignatureStatus.CHANGED:
        return SignatureStatus.CHANGED, [REPORT_CHANGED]
    if not same:
        problems.append(MEDIUM_CHANGED)
    page = path.with_suffix(".html")
    if page.is_file() and hashlib.sha256(page.read_bytes()).hexdigest() != found.report.page_sha256:
        problems.append(PAGE_CHANGED)
    if found.signature is SignatureStatus.VALID:
        return (SignatureStatus.CHANGED if problems else SignatureStatus.VALID), problems
    signature = found.report.signature
    unknown = Message("published.unknown-key", key=signature.key) if signature else NOT_SIGNED
    return (SignatureStatus.CHANGED if problems else SignatureStatus.UNKNOWN), [*problems, unknown]


def _reports(folders: list[Path], stem: str) -> Iterator[Path]:
    """Every report; first the one that bears the file's own name, so that mostly no other needs to be read."""
    yield from filter(Path.is_file, (folder / f"{stem}.json" for folder in folders))
    for folder in folders:
        if folder.is_dir():
            yield from sorted(folder.glob("*.json"))


def _unknown(path: Path, sha256: str, form: str, checks: list[Check], reasons: list[Message]) -> Report:
    from anonymizer.core.settings import Settings
    from anonymizer.report.build import build

    sizes = [check.data for check in checks if "width" in check.data]
    processed = Processed(
        path=path,
        type="clip" if form == "MP4" else "photo",
        format=form,
        width=int(sizes[0]["width"]) if sizes else 0,
        height=int(sizes[0]["height"]) if sizes else 0,
        redactions=(),
        checks=tuple(checks),
        traces=Traces(),
    )
    return build(
        processed,
        Settings(),
        id="",
        name=path.name,
        sha256=sha256,
        size=path.stat().st_size,
        verdict=Verdict.FAILED,
        reasons=reasons,
        checks=checks,
    )
