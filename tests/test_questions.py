"""What is done with a place that was found: hidden, shown to a person, both, or neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.settings import PERSON, Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, QuestionKind, Region
from anonymizer.detect.finder import Finder
from anonymizer.report.questions import asked
from anonymizer.report.schema import Report
from anonymizer.road.photo import to_ask, to_draw
from clips import make_clip
from conftest import FAST, QUICK, Ran

SIDE = 30
RED = (220, 30, 40)


class RedFinder:
    """A detector that finds what is red, wherever it is, and does with it as it is told."""

    def __init__(self, action: Action, question: QuestionKind | None) -> None:
        self.action, self.question = action, question

    def find(self, pixels: Pixels) -> list[Region]:
        red = np.argwhere((pixels[..., 0] > 170) & (pixels[..., 1] < 90))
        if len(red) < 50:
            return []
        (top, left), (bottom, right) = red.min(axis=0), red.max(axis=0) + 1
        box = Box(float(left), float(top), float(right - left), float(bottom - top))
        evidence = (Evidence("red", 0.4),)
        return [Region(box, Kind.MARK, evidence, action=self.action, question=self.question)]

    verification_pass = find

    def models(self) -> list[Model]:
        return []


@pytest.fixture
def doing(finders: Callable[[Settings], Finder]) -> Iterator[Callable[..., None]]:
    """Add a detector that finds what is red and does this with it."""
    finder, before = finders(QUICK), list(finders(QUICK).finders)
    yield lambda action, question=None: finder.finders.append(RedFinder(action, question))
    finder.finders[:] = before


def picture(left: int = 40, top: int = 50) -> Pixels:
    wall: Pixels = np.full((180, 240, 3), 120, np.uint8)
    wall[top : top + SIDE, left : left + SIDE] = RED
    return wall


def report_of(out: Path) -> Report:
    (path,) = (out / "reports").glob("*.json")
    return Report.model_validate_json(path.read_bytes())


HIDDEN = "What may be a part of a face is hidden"
SEEN = "There may be a part of a face"


@pytest.mark.parametrize(
    ("action", "redacted", "told"),
    [
        (Action.HIDE, 1, None),
        (Action.HIDE_AND_ASK, 1, f"{HIDDEN} at x 40, y 50, 30 by 30 pixels: please look whether it is one."),
        (Action.ASK, 0, f"{SEEN} at x 40, y 50, 30 by 30 pixels: please look."),
        (Action.LEAVE, 0, None),
    ],
)
def test_each_action_in_a_photo(
    run: Callable[..., Ran],
    doing: Callable[..., None],
    tmp_path: Path,
    action: Action,
    redacted: int,
    told: str | None,
) -> None:
    doing(action, QuestionKind.FACE_PART)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    out = tmp_path / "out"
    ran = run("blur", tmp_path / "a.png", "--out", out, *FAST)
    assert ran.code == 3, "faces were not looked for"
    report = report_of(out)
    assert len(report.regions) == redacted
    assert [(one.kind, one.hidden) for one in report.questions] == (
        [] if told is None else [(QuestionKind.FACE_PART, bool(redacted))]
    )
    assert [str(one.message) for one in asked(report)] == ([told] if told else [])
    assert told is None or told in ran.out


@pytest.mark.parametrize(("side", "much"), [(60, False), (150, True)])
def test_where_much_is_hidden_a_person_is_asked_whether_anything_is_left(
    run: Callable[..., Ran], doing: Callable[..., None], tmp_path: Path, side: int, much: bool
) -> None:
    doing(Action.HIDE)
    wall = picture()
    wall[10 : 10 + side, 20 : 20 + side] = RED
    Image.fromarray(wall).save(tmp_path / "a.png")
    run("blur", tmp_path / "a.png", "--out", tmp_path / "out", *FAST)
    report = report_of(tmp_path / "out")
    assert len(report.regions) == 1
    assert [(one.kind, one.hidden) for one in report.questions] == (
        [(QuestionKind.NOTHING_LEFT, True)] if much else []
    )


def test_what_is_hidden_for_a_person_to_judge_is_one_question_however_large(
    run: Callable[..., Ran], doing: Callable[..., None], tmp_path: Path
) -> None:
    doing(Action.HIDE_AND_ASK)
    wall = picture()
    wall[10:160, 20:170] = RED
    Image.fromarray(wall).save(tmp_path / "a.png")
    run("blur", tmp_path / "a.png", "--out", tmp_path / "out", *FAST)
    report = report_of(tmp_path / "out")
    assert [(one.kind, one.hidden) for one in report.questions] == [(QuestionKind.MARK, True)]


def test_one_place_is_one_question() -> None:
    """A bar over the eyes lies in the part of a face that a network sees; a word in it is another matter."""
    evidence = (Evidence("x", 0.9),)
    part = Region(Box(0, 0, 400, 400), Kind.FACE, evidence, action=Action.ASK)
    bar = replace(part, box=Box(100, 100, 150, 40), question=QuestionKind.FACE_PART)
    word = Region(Box(100, 200, 150, 40), Kind.TEXT, evidence, action=Action.ASK)
    beside = replace(part, box=Box(380, 0, 200, 200))
    assert to_ask([bar, part, word, beside], []) == [part, beside, word]
    hidden = replace(part, action=Action.HIDE_AND_ASK)
    assert to_ask([hidden, replace(hidden, box=Box(10, 0, 400, 400))], []) == [hidden]


def test_a_moving_place_that_is_hidden_for_a_person_to_judge_is_asked_about_once(
    run: Callable[..., Ran], doing: Callable[..., None], tmp_path: Path
) -> None:
    """It drifts until it is nowhere near where it was seen first, and is found on its way again and again."""
    doing(Action.HIDE_AND_ASK)
    source = make_clip(tmp_path / "a.mp4", [picture(20 + n // 2) for n in range(100)], fps=10)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3
    report = report_of(out)
    (one,) = report.questions
    assert (one.kind, one.hidden, one.seconds) == (QuestionKind.MARK, True, 0.0)
    assert len(report.regions) == 1 and (report.regions[0].frames or 0) > 60


def test_a_place_that_a_person_said_to_leave_is_not_asked_about_again(
    run: Callable[..., Ran], doing: Callable[..., None], tmp_path: Path
) -> None:
    doing(Action.HIDE_AND_ASK)
    Image.fromarray(picture()).save(tmp_path / "a.png")
    first, out = tmp_path / "first", tmp_path / "out"
    run("blur", tmp_path / "a.png", "--out", first, *FAST)
    left, top, right, bottom = report_of(first).regions[0].box
    (tmp_path / "a.png.toml").write_text(
        f'dismiss = [{{ kind = "mark", rect = [{left}, {top}, {right - left}, {bottom - top}] }}]'
    )
    assert run("blur", tmp_path / "a.png", "--out", out, *FAST).code == 3
    report = report_of(out)
    assert report.questions == [] and report.regions == []
    assert any("1 found place was left visible" in str(reason) for reason in report.reasons)


def test_text_that_a_hidden_face_covers_wholly_is_not_drawn_on_top() -> None:
    """A bar over the blur shows where the eyes are; what a person drew, and what sticks out, is drawn all the same."""
    face = Region(Box(100, 100, 200, 200), Kind.FACE, (Evidence("centerface", 0.9),))
    eye = Region(Box(150, 160, 30, 12), Kind.TEXT, (Evidence("ppocr", 0.9),))
    line = Region(Box(150, 160, 400, 12), Kind.TEXT, (Evidence("ppocr", 0.9),))
    drawn = Region(eye.box, Kind.TEXT, (Evidence(PERSON, 1.0),))
    assert to_draw([face, eye, line, drawn], QUICK) == [face, line, drawn]
    asked_about = replace(face, action=Action.ASK)
    assert to_draw([asked_about, eye], QUICK) == [eye], "a face that stays in view hides nothing"
    # The box's corner lies outside of the ellipse.
    corner = Region(Box(62, 62, 30, 12), Kind.TEXT, (Evidence("ppocr", 0.9),))
    assert to_draw([face, corner], QUICK) == [face, corner]
