"""The overview of a run: counts, and one line for each medium, linked to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from anonymizer.report.page import RESULTS, VERDICTS, document
from anonymizer.report.schema import Report
from anonymizer.types import Result, Verdict


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that gave no output: its id and the sentence, which names no file."""

    id: str
    reason: str


_WORD = {Verdict.READY: Result.PASS, Verdict.REVIEW: Result.REVIEW, Verdict.FAILED: Result.FAIL}


def render_index(reports: Sequence[Report], failures: Sequence[Failure]) -> str:
    """The overview page. Links are relative: the folder can be moved."""
    counts = {verdict: sum(r.verdict is verdict for r in reports) for verdict in Verdict}
    said = (
        f"{counts[Verdict.READY]} ready to publish, {counts[Verdict.REVIEW]} waiting for a person, "
        f"{counts[Verdict.FAILED] + len(failures)} not processed."
    )
    order = {Verdict.REVIEW: 0, Verdict.FAILED: 1, Verdict.READY: 2}
    rows = [_failed(failure) for failure in failures]
    rows += [_row(report) for report in sorted(reports, key=lambda r: (order[r.verdict], r.id))]
    head = "".join(f"<th scope=col>{h}</th>" for h in ("Verdict", "Medium", "Hidden", "Why"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return document("Overview", f"<h1>Overview</h1><p>{escape(said)}</p>{table}")


def _row(report: Report) -> str:
    css, sign, _ = RESULTS[_WORD[report.verdict]]
    hidden = len(report.regions)
    return (
        f'<tr><td class="mark {css}"><span aria-hidden=true>{sign}</span> {VERDICTS[report.verdict][0]}</td>'
        f'<td><a href="{escape(report.id)}.html">{escape(report.medium.name)}</a></td><td class=num>{hidden}</td>'
        f"<td>{escape(' '.join(report.reasons))}</td></tr>"
    )


def _failed(failure: Failure) -> str:
    css, sign, _ = RESULTS[Result.FAIL]
    return (
        f'<tr><td class="mark {css}"><span aria-hidden=true>{sign}</span> Not processed</td>'
        f"<td>{escape(failure.id)}</td><td class=num>–</td><td>{escape(failure.reason)}</td></tr>"
    )
