"""Check a published file again: its report by hash, and every check that needs no original."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from anonymizer.errors import DamagedError
from anonymizer.gate import file_sha256
from anonymizer.media.sniff import open_regular, sniff
from anonymizer.report.schema import CheckRecord, Report
from anonymizer.types import Check, Processed, Result, Traces, Verdict
from anonymizer.verify import audit, clip


def find_report(sha256: str, name: str, folders: list[Path]) -> Report | None:
    """The report whose medium has this hash, in any of the folders; None if there is none.

    Two sources may give the same bytes: the report that also has the file's ``name`` is preferred. One
    that does not parse is passed over.
    """
    found: Report | None = None
    for path in _reports(folders):
        try:
            text = path.read_text(encoding="utf-8")
            # Parsing thousands of reports costs seconds; the hash as text decides which one to parse.
            if sha256 not in text:
                continue
            report = Report.model_validate_json(text)
        except (OSError, UnicodeDecodeError, ValidationError):
            continue
        if report.medium.sha256 == sha256:
            if report.medium.name == name:
                return report
            found = found or report
    return found


def verify(path: Path, reports: Path | None = None) -> Report:
    """A published file's report, with its checks made again on the file as it is now.

    The report is looked for in ``reports``, else beside the file and in the output folder it lies in.
    Without one the verdict is ``FAILED``: nothing says what was looked for in it. Raises
    :class:`anonymizer.errors.MediumError` where the file cannot be read or is neither photo nor clip.
    """
    with open_regular(path) as file:
        head = file.read(4096)
    form = sniff(head)
    sha256 = file_sha256(path)
    here = path.absolute().parent
    folders = [reports] if reports else [here, here / "reports", here.parent / "reports"]
    report = find_report(sha256, path.name, folders)
    keep_name = bool(report and report.settings.get("keep_name"))
    checks = clip.audit(path, keep_name) if form.is_clip else audit(path, keep_name)
    if report is None:
        return _unknown(path, sha256, form.name, checks)
    failed = [check.evidence for check in checks if check.result is Result.FAIL]
    if report.medium.name != path.name and not keep_name:
        failed.append("Its name is not the one in its report.")
    records = [
        CheckRecord(name=c.name, result=c.result, evidence=c.evidence, data=dict(c.data)) for c in checks
    ]
    kept = [record for record in report.checks if record.name not in {c.name for c in checks}]
    verdict = Verdict.FAILED if failed else report.verdict
    return report.model_copy(
        update={"verdict": verdict, "reasons": [*report.reasons, *failed], "checks": [*records, *kept]}
    )


def _reports(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(folder.glob("*.json"))


def _unknown(path: Path, sha256: str, form: str, checks: list[Check]) -> Report:
    from anonymizer.report.build import build
    from anonymizer.settings import Settings

    if form not in ("JPEG", "PNG", "MP4"):
        raise DamagedError(
            f"The file is a {form}, which this program never writes; it was not published by it."
        )
    sizes = [check.data for check in checks if "width" in check.data]
    processed = Processed(
        path=path,
        type="clip" if form == "MP4" else "photo",
        format=form,
        width=int(sizes[0]["width"]) if sizes else 0,
        height=int(sizes[0]["height"]) if sizes else 0,
        veils=(),
        checks=tuple(checks),
        traces=Traces(),
    )
    reasons = ["No report was found for this file, or the file was changed since: do not publish it."]
    reasons += [check.evidence for check in checks if check.result is Result.FAIL]
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
