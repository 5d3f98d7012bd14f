"""The report as one page: self-contained, readable on a screen and on A4, without a script or an outside file."""

from __future__ import annotations

import base64
from html import escape

from anonymizer.report.schema import CheckRecord, RegionRecord, Report
from anonymizer.types import Kind, Result, Shape, Verdict

VERDICTS = {
    Verdict.READY: ("Ready to publish", "Every check passed."),
    Verdict.REVIEW: ("Waits for a person", "Do not publish before somebody has looked at the points below."),
    Verdict.FAILED: ("Not published", "The medium could not be shown to be safe."),
}
CHECKS = {
    "structure": "Structure of the file",
    "residual": "Second search on the output",
    "strength": "Strength of the redaction",
    "coverage": "Every frame covered",
    "integrity": "Decodes whole",
    "name-and-times": "Name, times, attributes",
    "canaries": "Source's own strings in the file",
    "report-canaries": "Source's own strings in this report",
    "second-opinion": "Outside checker",
    "second-reader": "Second reader",
    "timing": "Frames and times",
}
RESULTS = {
    Result.PASS: ("pass", "✓", "passed"),
    Result.REVIEW: ("ask", "?", "to be looked at"),
    Result.FAIL: ("fail", "✗", "failed"),
    Result.SKIPPED: ("skip", "–", "not made"),
}
KINDS = {
    Kind.FACE: "face",
    Kind.TEXT: "text",
    Kind.CODE: "code",
    Kind.MARK: "mark",
    Kind.DRAWN: "drawn by a person",
}
STYLE = """
:root{color-scheme:light dark;--ink:#16202a;--soft:#4d5b68;--paper:#fff;--card:#f4f6f8;--line:#d5dce2;
--good:#0b6b3a;--ask:#8a4b00;--bad:#a3141e;--goodbg:#e3f4ea;--askbg:#fdf0dc;--badbg:#fbe4e5}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#a9b6c2;--paper:#12181e;--card:#1b242c;--line:#33404b;
--good:#6fd59d;--ask:#f2b665;--bad:#ff9aa0;--goodbg:#12301f;--askbg:#36270f;--badbg:#3b1518}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}h1{font-size:1.05rem;font-weight:600;margin:0 0 1rem}
h2{font-size:1.1rem;margin:2.2rem 0 .7rem}p{margin:.4rem 0}.soft{color:var(--soft)}
.verdict{border-radius:.75rem;padding:1.2rem 1.4rem;border-left:.5rem solid}
.verdict strong{display:block;font-size:1.7rem;line-height:1.2}.verdict ul{margin:.6rem 0 0;padding-left:1.2rem}
.ready{background:var(--goodbg);border-color:var(--good)}.ready strong{color:var(--good)}
.review{background:var(--askbg);border-color:var(--ask)}.review strong{color:var(--ask)}
.failed{background:var(--badbg);border-color:var(--bad)}.failed strong{color:var(--bad)}
table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.5rem .6rem;vertical-align:top;
border-bottom:1px solid var(--line)}th{font-weight:600}thead th{color:var(--soft);font-size:.85rem}
.mark{white-space:nowrap;font-weight:600}.pass{color:var(--good)}.ask{color:var(--ask)}.fail{color:var(--bad)}
.skip{color:var(--soft)}code{font:.85em ui-monospace,Consolas,monospace;overflow-wrap:anywhere}
.plan{background:var(--card);border:1px solid var(--line);border-radius:.5rem;display:block;width:100%;
max-height:22rem}.cols{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:1.5rem}
@media(max-width:44rem){.cols{grid-template-columns:1fr}}img{max-width:100%;border-radius:.5rem}
ul{padding-left:1.2rem}li{margin:.2rem 0}a{color:inherit}.num{text-align:right}
@media print{:root{color-scheme:light}body{font-size:10.5px;background:#fff;color:#000}main{padding:0;max-width:none}
h2{margin:1rem 0 .3rem}.verdict{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.plan{max-height:9rem}tr{break-inside:avoid}@page{size:A4;margin:14mm}}
"""
TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>
"""


def document(title: str, body: str) -> str:
    """A whole page around a body that is already HTML."""
    return TEMPLATE.format(title=escape(title), style=STYLE, body=body)


def render(report: Report, contact_sheet: bytes = b"") -> str:
    """The page of one report; ``contact_sheet`` is a JPEG of redacted frames."""
    title, lead = VERDICTS[report.verdict]
    medium = report.medium
    size = f"{medium.width} × {medium.height} pixels, {medium.bytes / 1e6:.2f} MB"
    if medium.duration is not None:
        size += f", {medium.frames} frames, {medium.duration:.1f} s"
    parts = [
        "<h1>Verification report</h1>",
        f'<section class="verdict {report.verdict}"><strong>{escape(title)}</strong><p>{escape(lead)}</p>',
        _list(report.reasons),
        "</section>",
        f"<p class=soft>{escape(medium.format)} {medium.type}, {size}. Checked {escape(report.created)} by "
        f"{escape(report.program.name)} {escape(report.program.version)}.</p>",
        "<h2>What was hidden</h2>",
        _hidden(report),
        _contact(contact_sheet),
        "<h2>What was checked on the written file</h2>",
        _checks(report.checks),
        "<h2>What was not checked</h2>",
        _list(report.not_checked),
        "<h2>What the source held and the output does not</h2>",
        _list(report.source_traces) or "<p>No metadata was found in the source.</p>",
        "<h2>Good to know</h2>" + _list(report.notes) if report.notes else "",
        "<h2>How it was made</h2>",
        _technical(report),
    ]
    return document(f"{title}: {medium.name or report.id}", "\n".join(part for part in parts if part))


def _list(items: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def _checks(checks: list[CheckRecord]) -> str:
    rows = []
    for check in checks:
        css, sign, word = RESULTS[check.result]
        rows.append(
            f'<tr><td class="mark {css}"><span aria-hidden=true>{sign}</span> {word}</td>'
            f"<th scope=row>{escape(CHECKS.get(check.name, check.name))}</th><td>{escape(check.evidence)}</td></tr>"
        )
    head = (
        "<thead><tr><th scope=col>Result</th><th scope=col>Check</th><th scope=col>Evidence</th></tr></thead>"
    )
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _hidden(report: Report) -> str:
    if not report.regions:
        return "<p>Nothing that the detectors know was found, so nothing was hidden.</p>"
    counts: dict[str, int] = {}
    for region in report.regions:
        counts[KINDS[region.kind]] = counts.get(KINDS[region.kind], 0) + 1
    said = ", ".join(f"{n} × {kind}" for kind, n in counts.items())
    rows = "".join(_region_row(number, region) for number, region in enumerate(report.regions[:200], 1))
    when = "<th scope=col>Seconds</th>" if report.medium.type == "clip" else ""
    table = (
        f"<table><thead><tr><th scope=col>No.</th><th scope=col>Kind</th><th scope=col>Drawn</th>{when}"
        f"<th scope=col>Found by (score)</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    return f"<p>{escape(said)}.</p><div class=cols><div>{_plan(report)}</div><div>{table}</div></div>"


def _region_row(number: int, region: RegionRecord) -> str:
    found = ", ".join(f"{e.detector} ({e.score:.2f})" for e in region.found_by)
    cells = "" if region.style == "fill" else f", {region.grid[0]} × {region.grid[1]} cells"
    when = ""
    if region.first_seconds is not None and region.last_seconds is not None:
        when = f"<td>{region.first_seconds:.2f}–{region.last_seconds:.2f}</td>"
    return (
        f"<tr><td>{number}</td><td>{escape(KINDS[region.kind])}</td>"
        f"<td>{escape(region.style)}{cells}</td>{when}<td>{escape(found)}</td></tr>"
    )


def _plan(report: Report) -> str:
    """Where the regions lie, as outlines on an empty field: a drawing, not the picture."""
    width, height = report.medium.width, report.medium.height
    stroke = max(width, height) / 250
    shapes = []
    for region in report.regions[:200]:
        left, top, right, bottom = region.box
        w, h = right - left, bottom - top
        if region.shape is Shape.ELLIPSE:
            shapes.append(f'<ellipse cx="{left + w / 2}" cy="{top + h / 2}" rx="{w / 2}" ry="{h / 2}"/>')
        else:
            shapes.append(f'<rect x="{left}" y="{top}" width="{w}" height="{h}"/>')
    label = f"Plan of the picture with {len(report.regions)} hidden regions"
    return (
        f'<svg class=plan viewBox="0 0 {width} {height}" role=img aria-label="{label}" fill="currentColor" '
        f'fill-opacity=".28" stroke="currentColor" stroke-width="{stroke:.1f}">{"".join(shapes)}</svg>'
    )


def _contact(jpeg: bytes) -> str:
    if not jpeg:
        return ""
    data = base64.b64encode(jpeg).decode()
    return f'<h2>Frames of the output</h2><img alt="Redacted frames of the clip" src="data:image/jpeg;base64,{data}">'


def _technical(report: Report) -> str:
    rows = [
        ("File", report.medium.name),
        ("SHA-256", report.medium.sha256),
        ("Report", report.id),
        ("Settings", ", ".join(f"{key} = {_plain(value)}" for key, value in report.settings.items())),
        ("Libraries", ", ".join(f"{name} {number}" for name, number in report.program.libraries.items())),
    ]
    rows += [(f"Model {m.name}", f"{m.sha256} ({m.licence}, on {m.device})") for m in report.models]
    body = "".join(
        f"<tr><th scope=row>{escape(k)}</th><td><code>{escape(v)}</code></td></tr>" for k, v in rows
    )
    return f"<table><tbody>{body}</tbody></table>"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, [], "") else str(value)
