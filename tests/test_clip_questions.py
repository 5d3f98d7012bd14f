"""What a person is asked about a clip: one question for one place, and none that most looks do not bear out."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Question, QuestionKind, Region
from anonymizer.road.clip.plan import RedactionPlan
from anonymizer.road.clip.questions import asked_already, questions
from anonymizer.road.clip.search import Doubt
from anonymizer.track.tracks import Track

SIZE = (640, 360)
PLACE = Box(100, 100, 60, 40)
CLIP: Any = SimpleNamespace(time_base=Fraction(1, 10))


def doubt(
    frame: int, box: Box = PLACE, kind: Kind = Kind.TEXT, action: Action = Action.ASK, by: str = "a"
) -> Doubt:
    return Doubt(frame, Region(box, kind, (Evidence(by, 0.5),), action=action))


def asked(
    *doubts: Doubt,
    looked: tuple[int, ...] = (),
    cuts: tuple[int, ...] = (),
    dismissed: tuple[Track, ...] = (),
) -> list[Question]:
    searched: Any = SimpleNamespace(pts=np.arange(200), cuts=cuts, looked=looked)
    return questions(CLIP, searched, RedactionPlan((), Settings(), SIZE, dismissed=dismissed), doubts)


def test_one_place_is_one_question_with_its_moment() -> None:
    near = [doubt(5), doubt(25, Box(108, 104, 60, 40)), doubt(45, Box(110, 110, 20, 20))]
    (one,) = asked(*near)
    assert (one.kind, one.box, one.seconds, one.hidden) == (QuestionKind.TEXT, PLACE, 0.5, False)
    assert len(asked(*near, doubt(50, Box(400, 100, 60, 40)), doubt(60, kind=Kind.CODE))) == 3


@pytest.mark.parametrize(
    ("found", "frame", "earlier", "already"),
    [
        (PLACE, 60, doubt(5), True),
        (Box(108, 104, 60, 40), 60, doubt(5), True),
        # Small labels, codes for texts, other places, other shots, and what is hidden as well.
        (Box(100, 100, 40, 20), 60, doubt(5), False),
        (PLACE, 60, doubt(5, kind=Kind.CODE), False),
        (Box(400, 100, 60, 40), 60, doubt(5), False),
        (PLACE, 120, doubt(5), False),
        (PLACE, 60, doubt(5, action=Action.HIDE_AND_ASK), False),
    ],
)
@pytest.mark.parametrize("by_track", [False, True])
def test_a_label_that_is_asked_about_is_not_hidden_for_one_look_at_the_output(
    found: Box, frame: int, earlier: Doubt, already: bool, by_track: bool
) -> None:
    tracker = SimpleNamespace(asked=lambda: [(earlier.frame, earlier.region)] if by_track else [])
    searched: Any = SimpleNamespace(cuts=(100,), tracker=tracker)
    doubts = [] if by_track else [earlier]
    region = doubt(0, found, action=Action.HIDE).region
    assert asked_already(region, frame, doubts, searched, SIZE) == already


@pytest.mark.parametrize(
    ("seen", "looked", "cuts", "count"),
    [
        # One look can be all there is; of several at a shot two and half of them must see it.
        ((0,), (0,), (), 1),
        ((0,), (0, 20), (), 0),
        ((0, 20), (0, 20), (), 1),
        ((0, 20), (0, 20, 40, 60), (), 1),
        ((0, 20), (0, 20, 40, 60, 80), (), 0),
        ((0, 20), (0, 20), (10,), 1),
        ((0,), (0, 20), (10,), 1),
    ],
)
def test_a_likely_tattoo_is_asked_about_where_most_looks_see_it(
    seen: tuple[int, ...], looked: tuple[int, ...], cuts: tuple[int, ...], count: int
) -> None:
    marks = [doubt(frame, kind=Kind.MARK, by="ink") for frame in seen]
    assert len(asked(*marks, looked=looked, cuts=cuts)) == count
    others = [doubt(frame, kind=Kind.MARK, by="a plug-in") for frame in seen]
    assert len(asked(*others, looked=looked, cuts=cuts)) == 1, "a detector of the user's own is always heard"


def test_what_was_to_be_hidden_and_is_in_view_is_asked_about_unless_a_person_dismissed_it() -> None:
    doubtful = doubt(3, kind=Kind.CODE, action=Action.HIDE_AND_ASK)
    (one,) = asked(doubtful)
    assert one.kind is QuestionKind.CODE and not one.hidden
    box = np.array([[PLACE.x, PLACE.y, PLACE.w, PLACE.h]] * 10, np.float32)
    known = Track(Kind.CODE, 0, box, np.ones(10, np.bool_), (), np.zeros((1, 1, 3), np.float32))
    assert asked(doubtful, dismissed=(known,)) == []
