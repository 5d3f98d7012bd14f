"""The report as one page: what stands on it, in the reader's language. ``templates/report.html`` draws it."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from anonymizer.core.message import Message
from anonymizer.core.sentences import ENGLISH as SENTENCES
from anonymizer.core.types import Result, Shape, Verdict
from anonymizer.i18n import ENGLISH, Say, speaker
from anonymizer.report.document import document
from anonymizer.report.questions import asked
from anonymizer.report.schema import CheckRecord, DecisionRecord, MediumRecord, RegionRecord, Report

SIGNS = {Verdict.READY: "✓", Verdict.REVIEW: "?", Verdict.FAILED: "✗"}
RESULTS = {
    Result.PASS: ("pass", "✓"),
    Result.REVIEW: ("ask", "?"),
    Result.FAIL: ("fail", "✗"),
    Result.SKIPPED: ("skip", "–"),
}
"""Of each result its style and its sign, so that colour is not needed to read it."""
SHOWN = 200
"""Regions that the page lists; a clip of a crowd has thousands, and the JSON has them all."""


def render(report: Report, contact_sheet: bytes = b"") -> str:
    """The page of one report, in the language of its settings; ``contact_sheet`` is a JPEG of redacted frames."""
    language = str(report.settings.get("language") or ENGLISH)
    say = speaker(language)
    clip = report.medium.type == "clip"
    columns = ("number", "kind", "drawn", *(("seconds",) if clip else ()), "found-by")
    return document(
        "report.html",
        language,
        report=report,
        sign=SIGNS[report.verdict],
        created=_when(report.created, say),
        reasons=[say(one) for one in report.reasons],
        facts_of_medium=_facts(report.medium, report, say),
        decision=_decision(report.decision, say) if report.decision else (),
        judged=[say(one) for one in report.decision.reasons] if report.decision else (),
        checks=[_check(check, say) for check in report.checks],
        counted=_counted(report.regions, say),
        columns=[say(f"report.{name}") for name in columns],
        regions=[_region(region, say) for region in report.regions[:SHOWN]],
        more=len(report.regions) - SHOWN,
        plan=_plan(report, say),
        sheet=base64.b64encode(contact_sheet).decode(),
        traces=[say(trace(kind)) for kind in report.source_traces],
        not_checked=[say(one) for one in report.not_checked],
        notes=[say(one) for one in report.notes],
        technical=_technical(report, say),
    )


def trace(kind: str) -> Message:
    """What the source held, from its kind, such as "GPS position": the code is the kind, written as one word."""
    return _known(f"trace.{kind.lower().replace(' ', '-')}", kind)


def _known(code: str, name: str) -> Message:
    """The message with this code; the name alone where there is none, in a report of another version."""
    return Message(code) if code in SENTENCES else Message("as-it-is", text=name)


def _facts(medium: MediumRecord, report: Report, say: Say) -> list[tuple[str, str]]:
    if medium.bytes >= 1e6:
        amount = Message("report.megabytes", size=medium.bytes / 1e6)
    else:
        amount = Message("report.kilobytes", size=max(1, round(medium.bytes / 1e3)))
    size = Message("report.size", width=medium.width, height=medium.height)
    if medium.duration is not None:
        size = Message(
            "report.size.clip",
            width=medium.width,
            height=medium.height,
            count=medium.frames,
            seconds=medium.duration,
        )
    made = [check for check in report.checks if check.result is not Result.SKIPPED]
    passed = sum(check.result is Result.PASS for check in made)
    return [
        (say("report.file"), medium.name),
        *([(say("report.beside"), report.companion.name)] if report.companion else []),
        (say("report.kind"), say(f"report.kind.{medium.type}", format=medium.format, size=amount)),
        (say("report.pixels"), say(size)),
        (say("report.places"), str(len(report.regions))),
        (say("report.passed"), say("report.passed.of", passed=passed, made=len(made))),
    ]


def _decision(made: DecisionRecord, say: Say) -> list[tuple[str, str]]:
    """Who decided, when, and what was changed by hand."""
    counts = {
        "drawn": made.changes.drawn,
        "dismissed": made.changes.dismissed,
        "kept": made.changes.kept,
        "mouth": int(made.changes.keep_mouth),
    }
    when = _when(made.decided, say)
    changed = [say(f"report.by-hand.{what}", count=count) for what, count in counts.items() if count]
    return [
        (
            say(f"report.{made.action}"),
            say("report.decided", initials=made.initials, when=when) if made.initials else when,
        ),
        (say("report.by-hand"), ", ".join(changed) or say("report.by-hand.nothing")),
    ]


def _when(moment: str, say: Say) -> str:
    """A day, or a time, in words; as it stands where it is none."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    day = Message("report.day", day=at.day, month=Message(f"report.month.{at.month}"), year=at.year)
    whole = len(moment) == len("2000-01-01")
    return say(day) if whole else say("report.when", day=day, time=f"{at:%H:%M}")


def _check(check: CheckRecord, say: Say) -> dict[str, str]:
    css, sign = RESULTS[check.result]
    meaning = f"check-why.{check.name}"
    return {
        "css": css,
        "sign": sign,
        "word": say(f"result.{check.result}"),
        "name": say(_known(f"check-name.{check.name}", check.name)),
        "evidence": say(check.evidence),
        "meaning": say(meaning) if meaning in SENTENCES else "",
    }


def _counted(regions: Sequence[RegionRecord], say: Say) -> str:
    counts = Counter(region.kind for region in regions)
    kinds = [
        say("report.counted", count=count, kind=Message(f"kind.{kind}")) for kind, count in counts.items()
    ]
    return ", ".join(kinds)


def _region(region: RegionRecord, say: Say) -> dict[str, str]:
    drawn = Message(f"style.{region.style}")
    if region.style != "fill":
        columns, rows = region.grid
        drawn = Message("report.cells", style=drawn, columns=columns, rows=rows)
    seconds = ""
    if region.first_seconds is not None and region.last_seconds is not None:
        seconds = f"{region.first_seconds:.2f}–{region.last_seconds:.2f}"
    return {
        "kind": say(f"kind.{region.kind}"),
        "drawn": say(drawn),
        "seconds": seconds,
        "found_by": ", ".join(f"{one.detector} ({one.score:.2f})" for one in region.found_by),
    }


def _plan(report: Report, say: Say) -> dict[str, object]:
    """Where the regions lie, in pixels of the output, and where their numbers stand."""
    width, height = report.medium.width, report.medium.height
    unit = max(width, height) / 250
    hidden = []
    for region in report.regions[:SHOWN]:
        left, top, right, bottom = region.box
        w, h = right - left, bottom - top
        if region.shape is Shape.ELLIPSE:
            x, y = left + w / 2, top + h / 2
        else:
            # In its corner: boxes often surround an ellipse, whose number stands in the middle.
            x, y = max(left, 0) + 3 * unit, max(top, 0) + 8 * unit
        hidden.append(
            {
                "round": region.shape is Shape.ELLIPSE,
                **{"x": left, "y": top, "w": w, "h": h, "cx": left + w / 2, "cy": top + h / 2},
                "label_x": min(max(x, 0), width),
                "label_y": min(max(y, 0), height),
            }
        )
    open_ = [one.box for one in asked(report)]
    label = Message("report.plan", count=len(report.regions))
    if open_:
        label = Message("report.plan.to-look-at", plan=label, asked=len(open_))
    return {
        "width": width,
        "height": height,
        "unit": unit,
        "hidden": hidden,
        "asked": [{"x": x0, "y": y0, "w": x1 - x0, "h": y1 - y0} for x0, y0, x1, y1 in open_],
        "label": say(label),
    }


def _technical(report: Report, say: Say) -> list[tuple[str, str, bool]]:
    """How it was made: name, value, and whether it stands on paper too, enough to find and verify the file and its
    JSON report."""
    program, signature = report.program, report.signature
    return [
        (say("report.sha256"), report.medium.sha256, True),
        *([(say("report.dicom-sha256"), report.companion.sha256, True)] if report.companion else []),
        (say("report.report"), report.id, True),
        *([(say("report.key"), signature.key, True)] if signature else []),
        (say("report.program"), f"{program.name} {program.version}", True),
        (say("report.settings"), ", ".join(f"{k} = {_plain(v)}" for k, v in report.settings.items()), False),
        (say("report.libraries"), ", ".join(f"{k} {v}" for k, v in program.libraries.items()), False),
        *(
            (
                say("report.model", name=one.name),
                say("report.model.on", sha256=one.sha256, licence=one.licence, device=one.device),
                False,
            )
            for one in report.models
        ),
    ]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, [], "") else str(value)
