"""The report as one page: self-contained, readable on a screen and on A4, without a script or an outside file."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from anonymizer.core.types import Kind, Result, Shape, Verdict
from anonymizer.i18n import ENGLISH, speaker
from anonymizer.report.questions import asked
from anonymizer.report.schema import CheckRecord, RegionRecord, Report

Say = Callable[[str], str]
"""Puts an English sentence into the page's language (:func:`anonymizer.i18n.speaker`)."""
VERDICTS = {
    Verdict.READY: (
        "Ready to publish",
        "Every check that was made passed, and nothing is left for a person to decide.",
    ),
    Verdict.REVIEW: ("Needs review", "Do not publish before somebody has looked at the points below."),
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
MEANINGS = {
    "structure": "Room for metadata, a thumbnail or a second picture is a failure, whatever stands in it.",
    "residual": "The detectors searched the written picture again, at other sizes than before.",
    "strength": "A redacted place holds a coarse grid of colours at most: there is no finer detail left to bring back.",
    "canaries": "Names, numbers and texts of the source, from five characters on, were searched for in four spellings.",
    "second-opinion": "An independent program's view; its absence decides nothing.",
}
SIGNS = {Verdict.READY: "✓", Verdict.REVIEW: "?", Verdict.FAILED: "✗"}
RESULTS = {
    Result.PASS: ("pass", "✓", "passed"),
    Result.REVIEW: ("ask", "?", "to be looked at"),
    Result.FAIL: ("fail", "✗", "failed"),
    Result.SKIPPED: ("skip", "–", "not made"),
}
SHOWN = 200
"""Regions that the page lists; a clip of a crowd has thousands, and the JSON has them all."""
PRINTED = ("SHA-256 of the file", "Report", "Signed with key", "Program")
"""Of how it was made, what stands on paper too: enough to find and verify the file and its JSON report."""
KINDS = {
    Kind.FACE: "face",
    Kind.TEXT: "text",
    Kind.CODE: "code",
    Kind.MARK: "mark",
    Kind.DRAWN: "drawn by a person",
}
STYLE = """
:root{color-scheme:light dark;--ink:#16202a;--soft:#52606d;--paper:#fff;--card:#f5f7f9;--line:#dce2e8;--deep:#123047;
--good:#0b6b3a;--ask:#8a4b00;--bad:#a3141e;--goodbg:#e5f4eb;--askbg:#fdf1de;--badbg:#fbe6e7}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--soft:#a9b6c2;--paper:#10161c;--card:#19222a;--line:#303c47;
--deep:#9fc6e6;--good:#6fd59d;--ask:#f2b665;--bad:#ff9aa0;--goodbg:#12301f;--askbg:#36270f;--badbg:#3b1518}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.2rem 1.25rem 3rem}
header{display:flex;justify-content:space-between;align-items:baseline;gap:1rem;margin:0 0 1rem}
h1{font-size:1.25rem;margin:0;color:var(--deep)}h2{font-size:1.15rem;margin:2.4rem 0 .6rem;color:var(--deep)}
p{margin:.35rem 0}.soft{color:var(--soft)}.lead{max-width:46rem;color:var(--soft);margin-bottom:.8rem}
.verdict{border-radius:.8rem;padding:1.3rem 1.5rem;display:grid;grid-template-columns:auto 1fr;gap:0 1.1rem}
.verdict>.sign{font-size:1.9rem;line-height:1;width:3.2rem;height:3.2rem;border-radius:50%;display:grid;
place-items:center;color:var(--paper);font-weight:700}
.verdict strong{display:block;font-size:1.75rem;line-height:1.2}.verdict ul{margin:.6rem 0 0;padding-left:1.2rem}
.ready{background:var(--goodbg)}.ready strong{color:var(--good)}.ready>.sign{background:var(--good)}
.review{background:var(--askbg)}.review strong{color:var(--ask)}.review>.sign{background:var(--ask)}
.failed{background:var(--badbg)}.failed strong{color:var(--bad)}.failed>.sign{background:var(--bad)}
dl.facts{display:flex;flex-wrap:wrap;gap:1px;margin:1rem 0 0;
background:var(--line);border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
.facts div{background:var(--card);padding:.65rem .9rem;flex:1 1 auto}dt{color:var(--soft);font-size:.82rem}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}.facts .big{font-size:1.9rem;line-height:1.25}
table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.55rem .6rem;vertical-align:top;
border-bottom:1px solid var(--line)}th{font-weight:600}thead th{color:var(--soft);font-size:.82rem;padding-bottom:.3rem}
td small{display:block;color:var(--soft);font-size:.85rem;line-height:1.4}
.pill{display:inline-block;white-space:nowrap;font-weight:600;font-size:.85rem;border-radius:1rem;padding:.05rem .65rem}
.pass{color:var(--good);background:var(--goodbg)}.ask{color:var(--ask);background:var(--askbg)}
.fail{color:var(--bad);background:var(--badbg)}.skip{color:var(--soft);background:var(--card)}
code{font:.85em ui-monospace,SFMono-Regular,Consolas,monospace;overflow-wrap:anywhere}
figure{margin:0}figcaption{color:var(--soft);font-size:.85rem;margin-top:.4rem}
.plan{background:var(--card);border:1px solid var(--line);border-radius:.5rem;display:block;width:100%;
max-height:24rem;color:var(--deep)}.plan text{stroke:none;fill:var(--ink);fill-opacity:1;font-weight:600;
dominant-baseline:central}.plan .asked{stroke:var(--ask);stroke-dasharray:3%,2%;fill:none}
.cols{display:grid;grid-template-columns:minmax(0,2fr) minmax(0,3fr);gap:1.6rem}
@media(max-width:44rem){.cols{grid-template-columns:1fr}}img{max-width:100%;border-radius:.5rem}
ul{padding-left:1.2rem;margin:.4rem 0}li{margin:.25rem 0}a{color:inherit;text-underline-offset:.15em}
.chips{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.4rem}
.chips li{margin:0;background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:.1rem .75rem}
.how th{width:11rem;color:var(--soft);font-weight:400}.how td,.how th{padding:.3rem .6rem;font-size:.9rem}
.num{text-align:right}.name{min-width:11.5rem}
footer{margin-top:2.5rem;padding-top:.8rem;border-top:1px solid var(--line);
color:var(--soft);font-size:.85rem}
@media print{:root{color-scheme:light;--ink:#16202a;--soft:#52606d;--paper:#fff;--card:#f5f7f9;--line:#dce2e8;
--deep:#123047;--good:#0b6b3a;--ask:#8a4b00;--bad:#a3141e;--goodbg:#e5f4eb;--askbg:#fdf1de;--badbg:#fbe6e7}
html{font-size:10px}.cols{display:block}.cols figure{width:45%;margin-bottom:.6rem}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font:1rem/1.35 "Helvetica Neue",Arial,"Liberation Sans",Helvetica,sans-serif}
main{padding:0;max-width:none}h2{margin:1.2rem 0 .3rem;break-after:avoid}th,td{padding:.25rem .4rem}
.how td,.how th{padding:.15rem .4rem;font-size:.85em}td small,dt,figcaption,footer,.pill,thead th{font-size:.85em}
.verdict{padding:.6rem 1rem}.verdict strong{font-size:1.7em}.plan{max-height:8rem}
tr,figure,.verdict,.facts{break-inside:avoid}footer{margin-top:1rem}@page{size:A4;margin:10mm 14mm}
.screen,td small,.lead{display:none}tbody th{white-space:nowrap}.cols{display:grid;gap:1rem}.cols figure{width:auto}
h2{margin:.6rem 0 .15rem;font-size:1.05rem}th,td{padding:.16rem .4rem}li{margin:.05rem 0}p{margin:.15rem 0}
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 1.6rem}img{max-height:8rem}
.verdict ul,.lead+ul{columns:2;font-size:.92em}
table{font-size:.92em}.cols{grid-template-columns:1fr 1fr}.sheet{grid-column:auto}.file{display:block}}
.file{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem;margin-top:1rem;break-inside:avoid}
.file dl{display:grid;grid-template-columns:1fr 1fr 1fr;gap:1.6rem 1.2rem;margin:.3rem 0 .2rem}
.file dt{border-top:1px solid var(--soft);padding-top:.15rem;margin-top:1.4rem}
@media screen{.file{display:none}.sheet{grid-column:1/-1}}
"""
DECISION = "A person's decision"
CONSENT = "Hiding a face does not replace the patient's consent where the law asks for it."
FOOTER = (
    "This report says what was looked for and what was found. It holds nothing of the source: no name, no date, no "
    "value of its metadata. It belongs to the one file with the SHA-256 above."
)
TEMPLATE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>
"""


def document(title: str, body: str, language: str = ENGLISH) -> str:
    """A whole page around a body that is already HTML."""
    return TEMPLATE.format(title=escape(title), style=STYLE, body=body, language=language or ENGLISH)


def render(report: Report, contact_sheet: bytes = b"") -> str:
    """The page of one report, in the language of its settings; ``contact_sheet`` is a JPEG of redacted frames."""
    language = str(report.settings.get("language") or ENGLISH)
    say = speaker(language)

    def head(text: str) -> str:
        return f"<h2>{escape(say(text))}</h2>"

    def lead(text: str) -> str:
        return f"<p class=lead>{escape(say(text))}</p>"

    title, meaning = VERDICTS[report.verdict]
    parts = [
        f"<header><h1>{escape(say('Verification report'))}</h1>"
        f"<span class=soft>{escape(_when(report.created))}</span></header>",
        f'<section class="verdict {report.verdict}"><span class=sign aria-hidden=true>{SIGNS[report.verdict]}</span>',
        f"<div><strong>{escape(say(title))}</strong><p>{escape(say(meaning))}</p>",
        f"{_list(report.reasons, say)}</div></section>",
        _facts(report, say),
        _decision(report, say),
        head("What was checked on the written file"),
        lead("The file was read back from the disk and examined by code that had no part in writing it."),
        _checks(report.checks, say),
        head("What was hidden"),
        _hidden(report, _contact(contact_sheet, say), say),
        "<div class=two><section>",
        head("What the source held and the output does not"),
        _list(report.source_traces, say, "chips")
        or f"<p>{escape(say('No metadata was found in the source.'))}</p>",
        "</section><section>",
        head("What was not checked"),
        lead("No program can see these. Whoever publishes has to judge them."),
        f"{_list(report.not_checked, say)}</section></div>",
        f"<section class=screen>{head('Good to know')}{_list(report.notes, say)}</section>"
        if report.notes
        else "",
        head("How it was made"),
        _technical(report, say),
        _for_the_file(say),
        f"<footer>{escape(say(FOOTER))}</footer>",
    ]
    body = "\n".join(part for part in parts if part)
    return document(f"{say(title)}: {report.medium.name or report.id}", body, language)


def facts(pairs: Sequence[tuple[str, str]], css: str = "") -> str:
    """A row of labelled values."""
    cells = "".join(f'<div><dt>{escape(k)}</dt><dd class="{css}">{escape(v)}</dd></div>' for k, v in pairs)
    return f"<dl class=facts>{cells}</dl>"


def pill(result: Result, word: str = "", say: Say = str) -> str:
    """A result as a coloured word with a sign, so that colour is not needed to read it."""
    css, sign, plain = RESULTS[result]
    return (
        f'<span class="pill {css}"><span aria-hidden=true>{sign}</span> {escape(say(word or plain))}</span>'
    )


def _facts(report: Report, say: Say) -> str:
    medium = report.medium
    size = f"{medium.width} × {medium.height}"
    if medium.duration is not None:
        size = say(f"{size}, {medium.frames} frames, {medium.duration:.1f} s")
    made = [check for check in report.checks if check.result is not Result.SKIPPED]
    passed = sum(check.result is Result.PASS for check in made)
    pairs = [
        (say("File"), medium.name),
        (say("Kind"), say(f"{medium.format} {medium.type}, {_bytes(medium.bytes)}")),
        (say("Pixels"), size),
        (say("Places hidden"), str(len(report.regions))),
        (say("Checks passed"), say(f"{passed} of {len(made)}")),
    ]
    return facts(pairs)


def _decision(report: Report, say: Say) -> str:
    """Who decided, when, on what, and what was changed by hand."""
    made = report.decision
    if made is None:
        return ""
    counts = (
        (made.changes.drawn, "drawn by hand"),
        (made.changes.dismissed, "dismissed"),
        (made.changes.kept, "kept clear"),
        (int(made.changes.keep_mouth), "mouth kept visible"),
    )
    changed = ", ".join(f"{count} × {say(what)}" for count, what in counts if count) or say("nothing")
    word = {"approved": "Approved", "rejected": "Rejected"}[made.action]
    pairs = [
        (
            say(word),
            say(f"by {made.initials}, {_when(made.decided)}") if made.initials else _when(made.decided),
        ),
        (say("Changed by hand"), changed),
    ]
    asked = (
        f"<p class=lead>{escape(say('What was judged:'))}</p>{_list(made.reasons, say)}"
        if made.reasons
        else ""
    )
    return f"<h2>{escape(say(DECISION))}</h2>{facts(pairs)}{asked}"


def _for_the_file(say: Say) -> str:
    """Lines to fill in by hand on the printed page: what links it to a consent form is never in the data."""
    blanks = ("Patient's file no.", "Consent of (date)", "Signature")
    lines = "".join(f"<div><dt>{escape(say(what))}</dt></div>" for what in blanks)
    return (
        f"<section class=file aria-hidden=true><strong>{escape(say('To be filed with the consent form'))}</strong>"
        f"<p class=soft>{escape(say(CONSENT))}</p><dl>{lines}</dl></section>"
    )


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _when(created: str) -> str:
    """The time in words; as it stands where it is none."""
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return created
    day = f"{moment.day} {moment:%B %Y}"
    return day if len(created) == len("2000-01-01") else f"{day}, {moment:%H:%M} UTC"


def _list(items: Sequence[str], say: Say, css: str = "") -> str:
    rows = "".join(f"<li>{escape(say(item))}</li>" for item in items)
    return f'<ul class="{css}">{rows}</ul>' if items else ""


def _checks(checks: Sequence[CheckRecord], say: Say) -> str:
    rows = []
    for check in checks:
        meaning = MEANINGS.get(check.name, "")
        rows.append(
            f"<tr><td>{pill(check.result, say=say)}</td>"
            f"<th scope=row>{escape(say(CHECKS.get(check.name, check.name)))}</th>"
            f"<td>{escape(say(check.evidence))}{f'<small>{escape(say(meaning))}</small>' if meaning else ''}</td></tr>"
        )
    return f"<table>{_head(say, 'Result', 'Check', 'Evidence')}<tbody>{''.join(rows)}</tbody></table>"


def _head(say: Say, *names: str) -> str:
    cells = "".join(f"<th scope=col>{escape(say(name))}</th>" for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _hidden(report: Report, sheet: str, say: Say) -> str:
    if not report.regions:
        plan = _plan(report, say) if asked(report) else ""
        said = "Nothing that the detectors know was found, so nothing was hidden."
        return f"<p>{escape(say(said))}</p><div class=cols>{plan}{sheet}</div>"
    counts: dict[str, int] = {}
    for region in report.regions:
        counts[KINDS[region.kind]] = counts.get(KINDS[region.kind], 0) + 1
    said = ", ".join(f"{n} × {say(kind)}" for kind, n in counts.items())
    rows = "".join(
        _region_row(number, region, say) for number, region in enumerate(report.regions[:SHOWN], 1)
    )
    when = ("Seconds",) if report.medium.type == "clip" else ()
    head = _head(say, "No.", "Kind", "Drawn", *when, "Found by (score)")
    table = f"<table>{head}<tbody>{rows}</tbody></table>"
    more = len(report.regions) - SHOWN
    said_more = say(f"… and {more} more, listed in the JSON report.")
    rest = f"<p class=soft>{escape(said_more)}</p>" if more > 0 else ""
    # Paper has the number of regions and the plan: the list is for the screen, where there is room.
    listed = f"<div class=screen>{table}{rest}</div>"
    return f"<p>{escape(said)}.</p><div class=cols>{_plan(report, say)}{listed}{sheet}</div>"


def _region_row(number: int, region: RegionRecord, say: Say) -> str:
    found = ", ".join(f"{e.detector} ({e.score:.2f})" for e in region.found_by)
    cells = "" if region.style == "fill" else ", " + say(f"{region.grid[0]} × {region.grid[1]} cells")
    when = ""
    if region.first_seconds is not None and region.last_seconds is not None:
        when = f"<td>{region.first_seconds:.2f}–{region.last_seconds:.2f}</td>"
    return (
        f"<tr><td>{number}</td><td>{escape(say(KINDS[region.kind]))}</td>"
        f"<td>{escape(say(region.style))}{cells}</td>{when}<td>{escape(found)}</td></tr>"
    )


def _plan(report: Report, say: Say) -> str:
    """Where the regions lie, as numbered outlines on an empty field: a drawing, not the picture.

    A place to look at is a dashed box with a question mark.
    """
    width, height = report.medium.width, report.medium.height
    unit = max(width, height) / 250
    shapes, labels = [], []
    for number, region in enumerate(report.regions[:SHOWN], 1):
        left, top, right, bottom = region.box
        w, h = right - left, bottom - top
        if region.shape is Shape.ELLIPSE:
            shapes.append(f'<ellipse cx="{left + w / 2}" cy="{top + h / 2}" rx="{w / 2}" ry="{h / 2}"/>')
            x, y, anchor = left + w / 2, top + h / 2, "middle"
        else:
            shapes.append(f'<rect x="{left}" y="{top}" width="{w}" height="{h}"/>')
            # In its corner: boxes often surround an ellipse, whose number stands in the middle.
            x, y, anchor = max(left, 0) + 3 * unit, max(top, 0) + 8 * unit, "start"
        x, y = min(max(x, 0), width), min(max(y, 0), height)
        labels.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{number}</text>')
    open_ = [one.box for one in asked(report).values()]
    for x0, y0, x1, y1 in open_:
        shapes.append(
            f'<rect class=asked x="{x0:.0f}" y="{y0:.0f}" width="{x1 - x0:.0f}" height="{y1 - y0:.0f}"/>'
        )
        labels.append(f'<text x="{(x0 + x1) / 2:.1f}" y="{(y0 + y1) / 2:.1f}" text-anchor="middle">?</text>')
    label = f"Plan of the picture with {len(report.regions)} hidden regions"
    label += f" and {len(open_)} to look at" if open_ else ""
    legend = " " + say("Dashed: not hidden, please look.") if open_ else ""
    return (
        f'<figure><svg class=plan viewBox="0 0 {width} {height}" role=img aria-label="{escape(say(label))}" '
        f'fill="currentColor" fill-opacity=".22" stroke="currentColor" stroke-width="{unit:.1f}" '
        f'font-size="{11 * unit:.1f}">{"".join(shapes)}{"".join(labels)}</svg>'
        f"<figcaption>{escape(say('Where in the picture, drawn to scale.'))}{escape(legend)}</figcaption></figure>"
    )


def _contact(jpeg: bytes, say: Say) -> str:
    if not jpeg:
        return ""
    data = base64.b64encode(jpeg).decode()
    return (
        f'<figure class=sheet><img alt="{escape(say("Redacted frames of the clip"))}" '
        f'src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{escape(say('Frames of the output.'))}</figcaption></figure>"
    )


def contact_sheet(page: str) -> bytes:
    """The JPEG that :func:`render` put into a page; empty where there is none."""
    found = re.search(r'<img alt="[^"]*" src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)">', page)
    return base64.b64decode(found[1]) if found else b""


def _technical(report: Report, say: Say) -> str:
    rows = [
        ("SHA-256 of the file", report.medium.sha256),
        ("Report", report.id),
        *([("Signed with key", report.signature.key)] if report.signature else []),
        ("Program", f"{report.program.name} {report.program.version}"),
        ("Settings", ", ".join(f"{key} = {_plain(value)}" for key, value in report.settings.items())),
        ("Libraries", ", ".join(f"{name} {number}" for name, number in report.program.libraries.items())),
    ]
    rows += [(f"Model {m.name}", f"{m.sha256} ({m.licence}, on {m.device})") for m in report.models]
    body = "".join(
        f"<tr{'' if k in PRINTED else ' class=screen'}><th scope=row>{escape(say(k))}</th>"
        f"<td><code>{escape(v)}</code></td></tr>"
        for k, v in rows
    )
    return f"<table class=how><tbody>{body}</tbody></table>"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, [], "") else str(value)
