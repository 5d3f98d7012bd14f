"""What a person is asked about a clip: one question for one place, with its moment."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from anonymizer.core.types import Action, Box, Question, QuestionKind, Region
from anonymizer.detect.finder import question
from anonymizer.detect.marks import finder, network
from anonymizer.read.clip.reader import Clip
from anonymizer.redact.clip import TrackRedaction
from anonymizer.redact.residual import unredacted
from anonymizer.road.clip.plan import RedactionPlan
from anonymizer.road.clip.search import Doubt, Searched
from anonymizer.track.labels import LABELS, costs_much

INK = frozenset({finder.NAME, network.NAME})
BORNE_OUT = 0.5
"""Share of the looks at a shot, where there were several, in which a likely tattoo must be seen: shadows and folds look
like one from one angle or at one moment."""


def questions(clip: Clip, searched: Searched, plan: RedactionPlan, doubts: Sequence[Doubt]) -> list[Question]:
    """What a person must look at: a place in view once for several frames, what is hidden once for each track.

    What was to be hidden and asked about and is in view all the same, as closer looks did not bear it out, is asked
    about like what is in view; what a person dismissed is not.
    """
    in_view: list[Doubt] = []
    hidden: dict[tuple[TrackRedaction | None, QuestionKind], Doubt] = {}
    for doubt in _borne_out(doubts, searched):
        region = doubt.region
        if unredacted([region], plan.redactions_at(doubt.frame)):
            alike = (one.region.box for one in in_view if one.region.asks is region.asks)
            again = (_one_place(box, region.box) for box in alike)
            if not plan.lets_be(doubt.frame, region.box) and not any(again):
                in_view.append(doubt)
        elif region.action is Action.HIDE_AND_ASK:
            over = max(
                plan.at(doubt.frame),
                key=lambda one: one.track.box(doubt.frame).intersection(region.box).area,
                default=None,
            )
            hidden.setdefault((over, region.asks), doubt)
    told = sorted([*in_view, *hidden.values()], key=lambda one: one.frame)
    return [
        question(one.region, float(searched.pts[one.frame] * clip.time_base), hidden=one not in in_view)
        for one in told
    ]


def asked_already(
    found: Region, frame: int, doubts: Sequence[Doubt], searched: Searched, size: tuple[int, int]
) -> bool:
    """Whether a label in the open, found in a frame of the output, of this ``size`` (width, height), is one that a
    person is asked about in the same shot: several looks along its track did not agree, and one more settles nothing.
    """
    if found.kind not in LABELS or not costs_much(found, size):
        return False
    asked = [*doubts, *(Doubt(*one) for one in searched.tracker.asked())]
    shot = _shot(frame, searched.cuts)
    return any(
        one.region.kind is found.kind
        and one.region.action is Action.ASK
        and _shot(one.frame, searched.cuts) == shot
        and _one_place(one.region.box, found.box)
        for one in asked
    )


def _one_place(one: Box, other: Box) -> bool:
    """Whether two places that were asked about at different moments are one: it moves, or is seen in part."""
    return one.iou(other) >= 0.3 or max(one.covered_by(other), other.covered_by(one)) >= 0.5


def _borne_out(doubts: Sequence[Doubt], searched: Searched) -> list[Doubt]:
    """The doubts without the likely tattoos that most looks at their shot did not see."""
    seen: dict[int, set[int]] = {}
    for doubt in doubts:
        if _is_ink(doubt) and doubt.frame in searched.looked:
            seen.setdefault(_shot(doubt.frame, searched.cuts), set()).add(doubt.frame)
    looks: dict[int, int] = {}
    for frame in searched.looked:
        shot = _shot(frame, searched.cuts)
        looks[shot] = looks.get(shot, 0) + 1

    def stays(doubt: Doubt) -> bool:
        shot = _shot(doubt.frame, searched.cuts)
        if not _is_ink(doubt) or looks.get(shot, 0) < 2:
            return True
        return len(seen.get(shot, ())) >= max(2, BORNE_OUT * looks[shot])

    return [doubt for doubt in doubts if stays(doubt)]


def _is_ink(doubt: Doubt) -> bool:
    """Whether only the program's own search for ink points at a place."""
    return all(evidence.detector in INK for evidence in doubt.region.evidence)


def _shot(frame: int, cuts: Sequence[int]) -> int:
    """The number of the shot that a frame belongs to."""
    return bisect_right(cuts, frame)
