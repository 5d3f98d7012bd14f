"""What the page shows of the output folder: what waits, most doubtful first, and one medium in detail.

Everything here is read by the one thread that holds the gate. Names of sources appear on the page alone: it is
private to the user, as the ledger is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonymizer.core.errors import DecisionError
from anonymizer.core.settings import PERSON
from anonymizer.core.types import Box, Result
from anonymizer.gate.decisions import read_report
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.read.bundle.paths import spoken
from anonymizer.read.walk import Passed, PassedOver
from anonymizer.report.page import trace
from anonymizer.report.priority import FAILED_WEIGHT, review_priority
from anonymizer.report.questions import asked
from anonymizer.report.schema import QuestionRecord, RegionRecord, Report
from anonymizer.report.used import used_settings
from anonymizer.review import drafts
from anonymizer.review.edits import EditPlace, Edits, drawn_over, from_settings

NOT_TAKEN = "not-taken"
"""What the page calls the list of files that are not processed."""
SHOWN = (State.REVIEW, State.READY, State.REJECTED, State.FAILED)
LISTED = 500
"""Media of one state that the page lists."""


@dataclass
class Reports:
    """Reports by id, parsed once for each version on the disk."""

    held: dict[str, tuple[tuple[int, int, int], Report]] = field(default_factory=dict)

    def of(self, gate: OutputFolder, id: str) -> Report:
        """One report. Raises :class:`DecisionError` where it is missing or damaged."""
        path = gate.reports / f"{id}.json"
        try:
            facts = path.stat()
        except OSError as error:
            raise DecisionError("report.missing") from error
        version = (facts.st_ino, facts.st_size, facts.st_ctime_ns)
        if id not in self.held or self.held[id][0] != version:
            self.held[id] = (version, read_report(gate, id))
        return self.held[id][1]


def reasons(report: Report) -> list[dict[str, Any]]:
    """The reasons, each with the place it points at, if it does: ``{text, kind, question, rect,
    seconds}``."""
    said = []
    failed = {check.evidence for check in report.checks if check.result is Result.FAIL}
    questions = {one.message: one for one in asked(report)}
    for reason in report.reasons:
        one = questions.get(reason)
        box = _box(one) if one else None
        said.append(
            {
                "text": reason,
                "kind": one.kind.kind if one else None,
                "question": _words(one) if one else None,
                "rect": [box.x, box.y, box.w, box.h] if box else None,
                "seconds": one.seconds if one else None,
                "failed": reason in failed,
            }
        )
    return said


def _words(one: QuestionRecord) -> str:
    """Which of the page's words ask it: ``reason.WORDS``."""
    return f"{one.kind}.hidden" if one.hidden else one.kind


def _box(one: QuestionRecord) -> Box:
    left, top, right, bottom = one.box
    return Box(left, top, right - left, bottom - top)


def listing(gate: OutputFolder, reports: Reports, state: State, inbox: Path) -> list[dict[str, Any]]:
    """At most :data:`LISTED` media of one state: what waits most doubtful first, all else newest first."""
    if state is not State.REVIEW:
        states = (State.READY, State.RELEASED) if state is State.READY else (state,)
        unseen = gate.ledger.unseen() if state is State.READY else set()
        return [
            _item(gate, reports, entry, inbox) | {"seen": entry.id not in unseen}
            for entry in gate.ledger.latest(states, LISTED)
        ]
    items = [_item(gate, reports, entry, inbox) for entry in gate.ledger.most_urgent(LISTED)]
    return sorted(items, key=lambda item: (-item["weight"], item["added"]))


def not_taken(gate: OutputFolder, inbox: Path, unwritten: Iterable[PassedOver] = ()) -> list[dict[str, Any]]:
    """At most :data:`LISTED` files that were not taken, whichever run met them: media first; before them those that
    the ledger could not be told of."""
    return [
        {
            "id": passed_id(one),
            "state": NOT_TAKEN,
            "source": shown(spoken(one.path)),
            "folder": "" if one.path.is_relative_to(inbox) else shown(str(one.path.parent)),
            "uploaded": one.path.is_relative_to(inbox),
            "reasons": [{"text": one.reason, "kind": None, "rect": None, "failed": False}],
        }
        for one in (*unwritten, *gate.ledger.passed_over(Passed.NOT_TAKEN, LISTED))
    ]


def passed_id(one: PassedOver) -> str:
    """What the page calls a file that was not taken: it knows no paths."""
    return hashlib.sha256(os.fsencode(one.path)).hexdigest()[:16]


def _item(gate: OutputFolder, reports: Reports, entry: LedgerEntry, inbox: Path) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "state": State.READY if entry.state is State.RELEASED else entry.state,
        "released": entry.state is State.RELEASED,
        "name": entry.name,
        "source": shown(spoken(entry.source)),
        "added": entry.started,
        "uploaded": entry.source.is_relative_to(inbox),
        "version": entry.output[:16],
        "weight": FAILED_WEIGHT,
        "reasons": [{"text": one, "kind": None, "rect": None, "failed": True} for one in entry.reason],
    }
    if entry.state is State.FAILED:
        return item
    try:
        report = reports.of(gate, entry.id)
    except DecisionError as error:
        return item | {"reasons": [{"text": error.message, "kind": None, "rect": None, "failed": True}]}
    medium = report.medium
    return item | {
        "type": medium.type,
        "width": medium.width,
        "height": medium.height,
        "regions": len(report.regions),
        "weight": review_priority(report),
        "reasons": reasons(report),
        "decision": _decision(gate, report),
    }


def _decision(gate: OutputFolder, report: Report) -> dict[str, Any] | None:
    """The decision in a report, with who took it and when, which the ledger knows in any case."""
    if report.decision is None:
        return None
    taken = [one for one in gate.ledger.decisions(report.id) if one.action == report.decision.action]
    known = {"initials": taken[-1].who, "decided": taken[-1].at} if taken else {}
    return report.decision.model_dump() | {"reasons": report.decision.reasons} | known


def detail(gate: OutputFolder, reports: Reports, entry: LedgerEntry, inbox: Path) -> dict[str, Any]:
    """One medium: what was hidden and by whom, what a person changed, every check."""
    report = reports.of(gate, entry.id)
    settings = used_settings(report, entry.crop)
    draft = drafts.kept(gate, entry.id)
    edits = from_settings(settings)
    doubts = [
        {
            "text": one.message,
            "kind": one.kind.kind,
            "question": _words(one),
            "hidden": one.hidden,
            "rect": drawn_over(one.kind.kind, _box(one), settings),
            "seconds": one.seconds,
        }
        for one in asked(report)
    ]
    found = [
        {
            "rect": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "kind": region.kind,
            "shape": region.shape,
            "score": max((one.score for one in region.found_by), default=0.0),
            "start": region.first_seconds,
            "end": region.last_seconds,
            "path": region.path,
        }
        for region in report.regions
        if not by_person(region)
        for box in [region.box]
    ]
    return _item(gate, reports, entry, inbox) | {
        "found": found,
        "doubts": doubts,
        "edits": edits.model_dump(mode="json"),
        "draft": draft.model_dump(mode="json") if draft else None,
        "ways": ways(report, edits),
        "shape": report.settings.get("shape"),
        "checks": [
            {"name": check.name, "result": check.result, "text": check.evidence} for check in report.checks
        ],
        "traces": [trace(kind) for kind in report.source_traces],
        "notes": report.notes,
        "duration": report.medium.duration,
        "frames": report.medium.frames,
        "history": _history(gate, entry.id),
    }


def _history(gate: OutputFolder, id: str) -> list[dict[str, str]]:
    """Who did what with a medium, and when: decisions, and who looked at it first, oldest first."""
    history = [
        {"action": one.action, "who": one.who, "note": one.note, "at": one.at}
        for one in gate.ledger.decisions(id)
    ]
    if seen := gate.ledger.seen(id):
        who, at = seen
        history.append({"action": "seen", "who": who, "note": "", "at": at})
    return sorted(history, key=lambda one: one["at"])


def by_person(region: RegionRecord) -> bool:
    return any(one.detector == PERSON for one in region.found_by)


def ways(report: Report, edits: Edits) -> list[dict[str, Any] | None]:
    """For each region that a person drew, where and when following it led; None where it was not followed."""
    drawn = [region for region in report.regions if by_person(region) and region.path]
    found_ways: list[dict[str, Any] | None] = []
    for place in edits.regions:
        moment = place.follow
        passing = (one for one in drawn if moment is not None and _passes(one, place, moment))
        found = next(passing, None)
        if found is None:
            found_ways.append(None)
        else:
            found_ways.append({"path": found.path, "start": found.first_seconds, "end": found.last_seconds})
    return found_ways


def _passes(region: RegionRecord, place: EditPlace, moment: float) -> bool:
    """Whether what was drawn over is this place: of its kind, and there at its moment or nearest to that."""
    _, left, top, right, bottom = min(region.path or (), key=lambda at: abs(at[0] - moment))
    near = Box(left, top, right - left, bottom - top).intersection(Box(*place.rect)).area > 0
    return region.kind is place.kind and near


def shown(name: str) -> str:
    """A source's name for the screen: no control, direction or surrogate character gets through."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
