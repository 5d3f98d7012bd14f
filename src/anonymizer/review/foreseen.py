"""Whether what corrections came to is what the person who made them foresaw.

Somebody who corrects a photo and approves it with the same key has seen the original, what was hidden in it, every
question, and has drawn the rest. The road then runs again. The approval holds for what was in view: the same places
hidden, but for those that were taken off and those that were drawn, and nothing asked that was not asked before.
Anything else waits to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from anonymizer.core.errors import DecisionError
from anonymizer.core.message import Message
from anonymizer.core.settings import PERSON
from anonymizer.core.types import Box, Result
from anonymizer.gate.decisions import approve, read_report
from anonymizer.gate.folder import Gate
from anonymizer.report.questions import asked
from anonymizer.report.schema import QuestionRecord, RegionRecord, Report

BY_HAND = frozenset({"road.dismissed", "road.kept-clear", "decision.reopened", "decision.reopened-before"})
"""Reasons that say what the person has done, which is no news to them."""
SAME = 0.7
"""Intersection over union of a place in the old output and the same in the new one: when it is searched again, boxes
move a little."""
UNDER = 0.8
"""Share of a place that lies under what a person drew or took off, for it to be theirs."""


def let_through(
    gate: Gate, old: Report, id: str, initials: str, note: str
) -> tuple[Path | None, Message | None]:
    """Approve a corrected medium on the word that was given with its corrections: where it stands then, or why not.

    ``old`` is the report that the corrections were made on.
    """
    try:
        if why := surprise(old, read_report(gate, id)):
            return None, why
        return approve(gate, id, initials, note), None
    except DecisionError as error:
        return None, error.message


def surprise(old: Report, new: Report) -> Message | None:
    """What in the new output nobody can have foreseen who knew the old one and made the corrections; None if nothing.

    Both are of the same source. A clip always surprises: where a place that is followed goes, nobody has seen.
    """
    if new.medium.type != "photo" or (new.medium.width, new.medium.height) != (
        old.medium.width,
        old.medium.height,
    ):
        return Message("review.look-followed")
    if any(check.result is Result.FAIL for check in new.checks):
        return Message("review.look-failed")
    drawn = [_box(one) for one in new.regions if _by_person(one)]
    dismissed = _places(new, "dismiss")
    kept = [Box(*rect) for rect in new.settings.get("keep") or ()]
    known = asked(old)
    questions = {one.message: one for one in asked(new)}
    for reason in new.reasons:
        if reason in old.reasons or reason.code in BY_HAND:
            continue
        question = questions.get(reason)
        if question is None or not (
            any(_same(question, one) for one in known) or _theirs(_box(question), [*drawn, *dismissed, *kept])
        ):
            return Message("review.look-new", why=reason)
    before = [_box(one) for one in old.regions]
    after = [_box(one) for one in new.regions]
    if any(not _theirs(box, drawn) and not _met(box, before) for box in after):
        return Message("review.look-more")
    if any(not _theirs(box, [*drawn, *dismissed]) and not _met(box, after) for box in before):
        return Message("review.look-less")
    return None


def _places(report: Report, what: str) -> list[Box]:
    return [Box(*place["rect"]) for place in report.settings.get(what) or ()]


def _box(one: RegionRecord | QuestionRecord) -> Box:
    left, top, right, bottom = one.box
    return Box(left, top, right - left, bottom - top)


def _by_person(region: RegionRecord) -> bool:
    return any(one.detector == PERSON for one in region.found_by)


def _same(one: QuestionRecord, other: QuestionRecord) -> bool:
    return one.kind is other.kind and one.hidden == other.hidden and _box(one).iou(_box(other)) >= SAME


def _theirs(box: Box, places: Iterable[Box]) -> bool:
    return any(box.covered_by(place) >= UNDER for place in places)


def _met(box: Box, others: Iterable[Box]) -> bool:
    return any(box.iou(other) >= SAME for other in others)
