"""The overview of an output folder: counts, and one line for each medium, linked to its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from anonymizer.core.types import Result, Verdict
from anonymizer.report.page import VERDICTS, document, facts, pill

MOST = 10_000
"""Lines that a browser still shows with ease; of more media than that the page gives the number alone."""


@dataclass(frozen=True, slots=True)
class IndexLine:
    """A medium on the overview. ``folder`` is where it stands; empty where it stands in none that is handed out,
    ``reported`` whether it has a report: a source that could not be processed has none, and no ``name``."""

    id: str
    verdict: Verdict
    name: str = ""
    folder: str = ""
    hidden: int = 0
    reason: str = ""
    reported: bool = True


_WORD = {Verdict.READY: Result.PASS, Verdict.REVIEW: Result.REVIEW, Verdict.FAILED: Result.FAIL}


def render_index(counts: Mapping[Verdict, int], lines: Sequence[IndexLine]) -> str:
    """The overview page, with the ``lines`` in their order. Links are relative: the folder can be moved."""
    figures = facts(
        [
            ("Ready to publish", str(counts.get(Verdict.READY, 0))),
            ("Waiting for a person", str(counts.get(Verdict.REVIEW, 0))),
            ("Not processed", str(counts.get(Verdict.FAILED, 0))),
        ],
        "big",
    )
    head = "".join(
        f"<th scope=col{css}>{h}</th>"
        for h, css in (("Verdict", ""), ("File", ""), ("Hidden", " class=num"), ("Why", ""), ("", ""))
    )
    rows = "".join(map(_row, lines))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    more = sum(counts.values()) - len(lines)
    rest = f"<p>{more} more are not listed here; each has its report in this folder.</p>" if more > 0 else ""
    foot = (
        "<footer>What needs review stands in the folder review, what may be published in the folder ready; "
        "each has a report of its own, which can be handed out with it.</footer>"
    )
    return document("Overview", f"<header><h1>Overview</h1></header>{figures}<p></p>{table}{rest}{foot}")


def _row(line: IndexLine) -> str:
    name = f"<code>{escape(line.name or line.id)}</code>"
    if line.folder:
        name = f'<a href="{escape(f"../{line.folder}/{quote(line.name)}")}">{name}</a>'
    said = VERDICTS[line.verdict][0] if line.reported else "Not processed"
    page = f'<a href="{quote(line.id)}.html">Report</a>' if line.reported else ""
    return (
        f"<tr><td>{pill(_WORD[line.verdict], said)}</td><td class=name>{name}</td>"
        f"<td class=num>{line.hidden if line.reported else '–'}</td><td>{escape(line.reason)}</td><td>{page}</td></tr>"
    )
