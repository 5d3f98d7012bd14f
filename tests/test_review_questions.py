"""Every question that a person can be asked, on the page: its words, its place, and the keys and buttons for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.types import Action, Box, Evidence, Model, Pixels, QuestionKind, Region, Verdict
from anonymizer.i18n import languages
from anonymizer.road.pipeline import Session
from chromium import in_browser
from conftest import QUICK
from review_server import serving
from review_window import Window
from views import VIEWS, View

pytestmark = in_browser
SIZE = (840, 420)
PLACES = {
    (kind, hidden): Box(30.0 + 115 * column, 60.0 + 200 * hidden, 60, 60)
    for column, kind in enumerate(QuestionKind)
    for hidden in (False, True)
}
HIDEABLE = len(QuestionKind) - 1
"""Whether anything is left to see of the case cannot be answered by hiding more."""


class Asking:
    """A detector that asks everything there is, of a place that is in view and of one that is hidden."""

    def find(self, pixels: Pixels) -> list[Region]:
        evidence = (Evidence("asking", 0.4),)
        actions = {False: Action.ASK, True: Action.HIDE_AND_ASK}
        return [
            Region(box, kind.kind, evidence, action=actions[hidden], question=kind)
            for (kind, hidden), box in PLACES.items()
        ]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return []

    def models(self) -> list[Model]:
        return []


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a photo of which everything is asked."""
    folder = tmp_path_factory.mktemp("asked")
    noise = np.random.default_rng(3).integers(60, 200, (SIZE[1] // 4, SIZE[0] // 4, 3), np.uint8)
    Image.fromarray(noise).resize(SIZE).save(folder / "case.png")
    patch = pytest.MonkeyPatch()
    try:
        patch.setattr("anonymizer.road.worker.Finder", lambda settings: Asking())
        with Session(folder / "out", QUICK) as session:
            assert session.run(folder / "case.png").verdict is Verdict.REVIEW
    finally:
        patch.undo()
    return folder / "out"


@pytest.fixture(scope="module")
def standing(browser: Any, asked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """One page: nothing is decided there, and what is drawn is taken back."""
    with serving(shutil.copytree(asked, tmp_path_factory.mktemp("standing") / "out"), QUICK) as client:
        window = Window(browser, client, VIEWS[0])
        window.open()
        yield window
        window.context.close()


@pytest.fixture
def opened(standing: Window, view: View) -> Iterator[Window]:
    standing.shown("case.png")
    standing.afresh(view)
    standing.shown("case.png")
    yield standing
    assert standing.errors == []


def test_each_question_is_said_and_shown_where_it_is(opened: Window) -> None:
    # The other language is chosen in the middle of the work.
    opened.speak(next(one for one in languages() if one != opened.view.language))
    said = opened.page.locator("#facts .reasons li").all_inner_texts()
    assert sum(text[0].isdigit() for text in said) == len(PLACES), "each has its number"
    first = opened.page.locator(".pane").first
    assert first.locator(".region.doubt").count() == len(PLACES)
    for (kind, hidden), box in PLACES.items():
        asks = opened.word(f"reason.{kind}.hidden" if hidden else f"reason.{kind}")
        (row,) = (number for number, text in enumerate(said) if asks in text)
        opened.page.locator("#facts .reasons li").nth(row).locator("button").first.click()
        outline = first.locator(".region.doubt.selected .over").bounding_box()
        picture = first.locator("img").first.bounding_box()
        scale = picture["width"] / SIZE[0]
        for side, at, length in (("x", box.x, box.w), ("y", box.y, box.h)):
            middle = outline[side] + outline["width" if side == "x" else "height"] / 2
            assert abs((middle - picture[side]) / scale - (at + length / 2)) < 2, (kind, hidden)
    assert opened.page.locator(".pane").first.locator(".region.asked").count() == len(QuestionKind) + 1


def test_one_key_answers_each_question_and_the_next_one_comes(opened: Window) -> None:
    page, first = opened.page, opened.page.locator(".pane").first
    asked = [f"{number} ?" for number in range(1, len(PLACES) + 1)]
    page.keyboard.press("n")
    for number in asked:
        assert first.locator(".region.doubt.selected text").text_content() == number, "none is left out"
        # Whether anything is left to see of the case is no matter of hiding more.
        page.keyboard.press("f")
        if first.locator(".region.doubt.selected text").all_text_contents() == [number]:
            assert opened.word("ask.enough") in page.inner_text("#ask")
            page.keyboard.press("l")
    opened.tells("ask.over.other", n=len(PLACES))
    opened.tells("ask.over.apply")
    assert first.locator(".region.drawn").count() == HIDEABLE
    assert first.locator(".region.off").count() == 0, "what was hidden stays so"
    page.keyboard.press("Control+z")
    assert first.locator(".region.doubt").count() == 1, "asked again"
    page.keyboard.press("l")
    # Nothing of the answers is lost with the window, whether they change anything or not.
    page.reload()
    opened.shown("case.png")
    opened.tells("ask.over.other", n=len(PLACES))
    assert first.locator(".region.drawn").count() == HIDEABLE
    page.click("#discard-changes")
    assert first.locator(".region.doubt").count() == len(PLACES)
    for _ in PLACES:
        page.keyboard.press("l")
    assert first.locator(".region.drawn").count() == 0
    assert first.locator(".region.off").count() == HIDEABLE, "what was hidden is left visible"


def test_what_is_hidden_is_left_visible_with_one_click_and_moved_with_the_mouse(opened: Window) -> None:
    page, first = opened.page, opened.page.locator(".pane").first
    row = page.locator("#facts .reasons li").filter(has_text=opened.word("reason.text.hidden"))
    row.get_by_role("button", name=opened.word("reason.leave")).click()
    assert page.locator(".reasons .settled").all_inner_texts() == [opened.word("place.off")]
    assert first.locator(".region.off").count() == 1
    box, picture = PLACES[QuestionKind.FACE, True], opened.on_screen(first.locator("img").first)
    scale = picture["width"] / SIZE[0]
    opened.drag(
        picture["x"] + (box.x + box.w / 2) * scale, picture["y"] + (box.y + box.h / 2) * scale, 20, 10
    )
    assert first.locator(".region.found.selected .handle").count() >= 4
    asks = opened.word("reason.nothing-left"), opened.word("reason.nothing-left.hidden")
    rows = [
        row
        for row in page.locator("#facts .reasons li").all()
        if any(one in row.inner_text() for one in asks)
    ]
    assert len(rows) == 2 and not any(opened.word("reason.hide") in row.inner_text() for row in rows)
