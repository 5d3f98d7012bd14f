"""The overview of a run: counts, and one line for each medium, linked to its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from anonymizer.report.page import VERDICTS, document, facts, pill
from anonymizer.report.schema import Report
from anonymizer.types import Result, Verdict


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that gave no output: its id and the sentence, which names no file."""

    id: str
    reason: str


_WORD = {Verdict.READY: Result.PASS, Verdict.REVIEW: Result.REVIEW, Verdict.FAILED: Result.FAIL}
_ORDER = {Verdict.REVIEW: 0, Verdict.FAILED: 1, Verdict.READY: 2}
_FOLDER = {Verdict.READY: "ready", Verdict.REVIEW: "review", Verdict.FAILED: "review"}


def render_index(reports: Sequence[Report], failures: Sequence[Failure]) -> str:
    """The overview page. Links are relative: the folder can be moved."""
    counts = {verdict: sum(r.verdict is verdict for r in reports) for verdict in Verdict}
    figures = facts(
        [
            ("Ready to publish", str(counts[Verdict.READY])),
            ("Waiting for a person", str(counts[Verdict.REVIEW])),
            ("Not processed", str(counts[Verdict.FAILED] + len(failures))),
        ],
        "big",
    )
    rows = [_failed(failure) for failure in failures]
    rows += [_row(report) for report in sorted(reports, key=lambda r: (_ORDER[r.verdict], r.id))]
    head = "".join(
        f"<th scope=col{css}>{h}</th>"
        for h, css in (("Verdict", ""), ("File", ""), ("Hidden", " class=num"), ("Why", ""), ("", ""))
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    foot = (
        "<footer>What waits for a person stands in the folder review, what may be published in the folder ready; "
        "each has a report of its own, which can be handed out with it.</footer>"
    )
    return document("Overview", f"<header><h1>Overview</h1></header>{figures}<p></p>{table}{foot}")


def _row(report: Report) -> str:
    name = report.medium.name
    link = f"../{_FOLDER[report.verdict]}/{quote(name)}"
    return (
        f"<tr><td>{pill(_WORD[report.verdict], VERDICTS[report.verdict][0])}</td>"
        f'<td class=name><a href="{escape(link)}"><code>{escape(name)}</code></a></td>'
        f"<td class=num>{len(report.regions)}</td><td>{'<br>'.join(map(escape, report.reasons))}</td>"
        f'<td><a href="{quote(report.id)}.html">Report</a></td></tr>'
    )


def _failed(failure: Failure) -> str:
    return (
        f"<tr><td>{pill(Result.FAIL, 'Not processed')}</td><td><code>{escape(failure.id)}</code></td>"
        f"<td class=num>–</td><td>{escape(failure.reason)}</td><td></td></tr>"
    )
