"""What is done with a place where networks see a face, and with a bar that somebody drew over one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from anonymizer.core.types import Action, Box, Detection, Kind, Pixels, QuestionKind, Region
from anonymizer.detect.faces import blazeface, centerface
from anonymizer.detect.faces.bars import bars
from anonymizer.detect.faces.decide import MANY, Rules, asked_once_where_few_are_plain, decide
from anonymizer.detect.faces.parts import BAR, FaceParts
from anonymizer.detect.models.store import Store

SIZE = (640, 480)
LARGE, SMALL = Box(200, 100, 240, 260), Box(300, 200, 40, 48)


def seen(score: float, box: Box = LARGE, detector: str = centerface.NAME) -> Detection:
    return Detection(box, score, Kind.FACE, detector)


def actions(search: list[Detection], close: list[Detection]) -> list[Action]:
    return [region.action for region in decide(search, SIZE, lambda box: close, Rules())]


@pytest.mark.parametrize(
    ("search", "close", "action"),
    [
        (0.75, 0.0, Action.HIDE),
        (0.45, 0.70, Action.HIDE),
        (0.45, 0.30, Action.HIDE_AND_ASK),
        (0.20, 0.55, Action.HIDE_AND_ASK),
        (0.55, 0.0, Action.HIDE_AND_ASK),
        (0.25, 0.05, Action.LEAVE),
        (0.16, 0.05, Action.LEAVE),
    ],
)
def test_a_large_face_is_hidden_asked_about_or_left_by_what_two_looks_say(
    search: float, close: float, action: Action
) -> None:
    assert actions([seen(search)], [seen(close)] if close else []) == [action]


def test_a_small_face_is_hidden_on_little_evidence_and_nobody_looks_closer() -> None:
    def never(box: Box) -> list[Detection]:
        raise AssertionError("a small candidate is not looked at again")

    (region,) = decide([seen(0.16, SMALL)], SIZE, never, Rules())
    assert region.action is Action.HIDE


MIDDLING = Box(300, 200, 84, 90)


@pytest.mark.parametrize(
    ("search", "close", "action"),
    [
        ([0.2], 0.1, Action.LEAVE),
        ([0.2], 0.3, Action.HIDE),
        ([0.2, 0.17], 0.1, Action.HIDE),
        ([0.4], 0.1, Action.HIDE),
    ],
)
def test_a_middling_face_that_one_look_half_sees_needs_a_closer_look(
    search: list[float], close: float, action: Action
) -> None:
    assert actions([seen(score, MIDDLING) for score in search], [seen(close, MIDDLING)]) == [action]


def test_what_another_network_is_sure_of_stays_a_question() -> None:
    search = [seen(0.7, detector=blazeface.SHORT)]
    assert actions(search, [seen(0.85, detector=blazeface.SHORT)]) == [Action.ASK]
    assert actions(search, [seen(0.7, detector=blazeface.SHORT)]) == [Action.LEAVE]


def test_a_weak_candidate_half_under_a_plain_face_is_that_face_and_a_sure_one_is_another() -> None:
    ear = Box(LARGE.right - 20, 120, 40, 48)
    assert len(actions([seen(0.9), seen(0.2, ear)], [])) == 1
    assert len(actions([seen(0.9), seen(0.5, ear)], [])) == 2
    assert len(actions([seen(0.9), seen(0.2, Box(LARGE.right + 30, 120, 40, 48))], [])) == 2, "beside it"


def test_two_doubts_about_one_face_are_one_about_both_places() -> None:
    """Each is hidden for a person to judge, and nothing that either would hide may stay in view."""
    shifted = Box(LARGE.x + 80, LARGE.y + 75, LARGE.w, LARGE.h)
    between = Box(LARGE.x + 40, LARGE.y + 38, LARGE.w, LARGE.h)
    (region,) = decide([seen(0.45), seen(0.44, shifted)], SIZE, lambda box: [seen(0.3, between)], Rules())
    assert region.action is Action.HIDE_AND_ASK
    assert LARGE.covered_by(region.box) > 0.8 and shifted.covered_by(region.box) > 0.8
    assert region.box.area > 1.15 * LARGE.area


def test_a_doubt_under_a_plain_face_is_none() -> None:
    inside = Box(260, 160, 120, 130)
    found = decide([seen(0.9), seen(0.25, inside)], SIZE, lambda box: [], Rules())
    assert [region.action for region in found] == [Action.HIDE]


@pytest.fixture(scope="module")
def close_up(portrait: Pixels) -> Pixels:
    """The sample portrait's face, filling the frame: eyes at a third of its height."""
    return np.ascontiguousarray(portrait[120:400, 350:560])


def with_bar(close_up: Pixels, shape: str) -> Pixels:
    drawn = close_up.copy()
    if shape == "bar":
        cv2.rectangle(drawn, (30, 90), (170, 125), (0, 0, 0), -1)
    elif shape == "aslant":
        corners = cv2.boxPoints(((100, 108), (130, 30), 12)).astype(int)
        cv2.fillPoly(drawn, [corners], (0, 0, 0))
    else:
        for x in (65, 135):
            cv2.ellipse(drawn, (x, 108), (28, 17), 0, 0, 360, (0, 0, 0), -1)
    return drawn


@pytest.mark.parametrize("shape", ["bar", "aslant", "ellipses"])
def test_a_bar_drawn_over_eyes_is_seen_and_asked_about(close_up: Pixels, shape: str) -> None:
    picture = with_bar(close_up, shape)
    assert len(bars(picture)) == (2 if shape == "ellipses" else 1)
    asked = FaceParts(Store()).judge(picture, [])
    assert asked and all(r.asks is QuestionKind.FACE_PART and r.action is Action.ASK for r in asked)
    assert any(e.detector == BAR for r in asked for e in r.evidence)


def test_a_bar_under_a_hidden_face_is_no_question(close_up: Pixels) -> None:
    (face,) = decide([seen(0.9, Box(10, 10, 190, 260))], (210, 280), lambda box: [], Rules())
    assert FaceParts(Store()).judge(with_bar(close_up, "bar"), [face]) == [face]


def test_a_face_without_a_bar_has_none(close_up: Pixels, portrait: Pixels) -> None:
    assert bars(close_up) == [] and bars(portrait) == []


def test_the_border_of_a_picture_is_no_bar(close_up: Pixels) -> None:
    assert bars(cv2.copyMakeBorder(close_up, 40, 40, 0, 0, cv2.BORDER_CONSTANT)) == []
    assert bars(cv2.copyMakeBorder(close_up, 0, 0, 30, 30, cv2.BORDER_CONSTANT)) == []


def test_many_small_faces_of_which_few_are_plain_are_asked_about_once() -> None:
    row = [Box(70.0 * n + 5, 20, 40 + n, 48) for n in range(MANY + 1)]

    def asked(scores: list[float]) -> list[Region]:
        search = [seen(score, box) for score, box in zip(scores, row, strict=False)]
        regions = decide(search, SIZE, lambda box: [], Rules())
        judged = asked_once_where_few_are_plain(regions, Rules())
        assert all(region.hidden for region in judged) and len(judged) == len(scores)
        return [region for region in judged if region.asked]

    (question,) = asked([0.2] * MANY)
    assert question.box.w == row[MANY - 1].w
    assert asked([0.2] * (MANY - 1)) == []
    assert asked([0.2] * (MANY - 1) + [0.8]) == []
    (question,) = asked([0.8] + [0.2] * MANY)
    assert question.box.w == row[-1].w, "fewer than one in eight is plain"
