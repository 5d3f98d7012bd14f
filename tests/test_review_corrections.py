"""Corrections in as few keys as may be, counted: what a key does, what it does not, and what nobody can lose."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.message import Message
from anonymizer.core.settings import PERSON, Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, QuestionKind, Region, Result
from anonymizer.gate.decisions import read_report
from anonymizer.gate.output import OutputFolder
from anonymizer.report.schema import EvidenceRecord
from anonymizer.review.foreseen import surprise
from anonymizer.road.pipeline import Session
from chromium import in_browser
from conftest import QUICK
from review_server import serving
from review_window import Window, reports, rows, runner
from views import LONG, View
from watching import eventually

SETTINGS = QUICK.model_copy(update={"faces": True})
SIZE = (400, 300)
FILL = Box(240, 200, 60, 24)
"""Where text was hidden and perhaps is none."""
LOGO = tuple(Box(20.0 + 14 * k, 20, 12, 16) for k in range(6))
"""One logo, found in six pieces."""
MARK = 200
"""The red of a photo's first pixel above which nothing is asked of it."""


class Scene:
    """A detector of one scene: a logo in six pieces; and a fill that is asked about, but of quiet photos."""

    def __init__(self, _: Settings) -> None:
        pass

    def find(self, pixels: Pixels) -> list[Region]:
        evidence = (Evidence("scene", 0.8),)
        found = [Region(box, Kind.TEXT, evidence, action=Action.HIDE) for box in LOGO]
        asks = Region(FILL, Kind.TEXT, evidence, action=Action.HIDE_AND_ASK, question=QuestionKind.TEXT)
        return found if pixels[-1, -1, 0] > MARK else [*found, asks]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return []

    def models(self) -> list[Model]:
        return []


def photo(path: Path, seed: int, *, quiet: bool = False) -> Path:
    """A photo of no two alike; of a quiet one nothing is asked."""
    pixels = np.random.default_rng(seed).integers(60, 190, (*SIZE[::-1], 3), np.uint8)
    pixels[-8:, -8:] = 250 if quiet else 20
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two photos of which a fill is asked about, and one that is ready, of which nothing is."""
    folder = tmp_path_factory.mktemp("corrections")
    patch = pytest.MonkeyPatch()
    patch.setattr("anonymizer.road.worker.Finder", Scene)
    with Session(folder / "out", SETTINGS) as session:
        for number, name in enumerate(("one.png", "two.png")):
            session.run(photo(folder / name, number))
        session.run(photo(folder / "calm.png", 9, quiet=True))
    yield folder / "out"
    patch.undo()


@pytest.fixture
def opened(browser: Any, made: Path, tmp_path: Path, view: View) -> Iterator[Window]:
    with serving(shutil.copytree(made, tmp_path / "out"), SETTINGS) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.pick("one.png")
        window.side_by_side()
        page.fill("#initials", "AB")
        page.keyboard.press("Escape")
        yield window
        window.context.close()
        assert window.errors == []


def at(window: Window, pane: int, box: Box) -> tuple[float, float]:
    """The middle of a place on the screen."""
    picture = window.on_screen(window.page.locator(".pane").nth(pane).locator("img").first)
    scale = picture["width"] / SIZE[0]
    return picture["x"] + (box.x + box.w / 2) * scale, picture["y"] + (box.y + box.h / 2) * scale


def drag(window: Window, box: Box) -> None:
    x, y = at(window, 0, box)
    window.page.keyboard.down("Shift")
    window.drag(x, y, 40, 40)
    window.page.keyboard.up("Shift")


def approvals(window: Window) -> list[tuple[str, str]]:
    taken = runner(window).call_gate(lambda gate: gate.ledger.decisions())
    return [(one.action, one.who) for one in taken]


@in_browser
def test_a_false_fill_takes_two_keys_and_the_next_photo_comes_at_once(opened: Window, tmp_path: Path) -> None:
    page = opened.page
    # What is heard of it: a way past the lists, each place with its keys, the question before its answers.
    page.click(".brand svg")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    opened.wait("() => document.activeElement.id === 'stage'")
    how = opened.word("place.found", score={"en": "0.80", "fr": "0,80"}[opened.view.language])
    said = opened.word("place.aria", kind=opened.word("place.text"), number=1, how=how)
    assert page.get_by_role("button", name=said, exact=True).count() == 1
    ask = page.get_by_role("group", name=opened.word("ask.label"))
    heard = ask.locator("[aria-live=polite]").inner_text()
    assert heard == f"{opened.word('ask.number', number=1, of=1)} {opened.word('reason.text.hidden')}"
    answers = [
        opened.word("ask.hidden") + " F",
        opened.word("ask.show") + " L",
        opened.word("ask.next") + " N",
    ]
    for number, answer in enumerate(answers):
        assert ask.get_by_role("button").nth(number).inner_text().split() == answer.split()
    # Who decides is asked for beside the field that lacks it, as an alert.
    page.fill("#initials", "")
    page.keyboard.press("Enter")
    opened.tells("decide.initials.missing")
    alert = page.get_by_role("alert")
    assert alert.inner_text() == opened.word("decide.initials.missing")
    assert page.get_attribute("#initials", "aria-describedby") == alert.get_attribute("id")
    assert page.get_attribute("#initials", "aria-invalid") == "true"
    page.keyboard.type("AB")
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    opened.tells("ask.over.apply")
    assert opened.word("ask.over.apply") in ask.locator("[aria-live=polite]").inner_text()
    assert page.locator(".pane").nth(1).locator("svg image").count() == 1, (
        "the original is seen where it will be"
    )
    page.keyboard.press("a")
    opened.shown("two.png")
    opened.tells("done.approved", name="one.png")
    assert page.get_by_role("status").filter(has_text="one.png").count() == 1
    assert "one.png" in rows(opened, "ready") and approvals(opened) == [("approved", "AB")]
    (report,) = [one for one in reports(tmp_path / "out").values() if one["decision"]]
    assert report["decision"]["changes"]["dismissed"] == 1
    assert len(report["regions"]) == len(LOGO)
    assert not list((tmp_path / "out" / ".anonymizer" / "drawings").glob("*")), (
        "nothing is kept of what is applied"
    )


@in_browser
def test_a_logo_is_chosen_on_the_result_and_taken_off_as_one(opened: Window) -> None:
    page, first = opened.page, opened.page.locator(".pane").first
    page.mouse.click(*at(opened, 1, LOGO[2]))
    assert first.locator(".region.selected").count() == len(LOGO)
    page.keyboard.press("Delete")
    assert first.locator(".region.off").count() == len(LOGO)
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    # Once more on what is chosen: this piece alone.
    page.mouse.click(*at(opened, 1, LOGO[2]))
    page.mouse.click(*at(opened, 1, LOGO[2]))
    page.keyboard.press("Delete")
    assert first.locator(".region.off").count() == 1
    page.keyboard.press("Control+z")
    opened.click("place.all.text", "#facts")
    assert first.locator(".region.off").count() == len(LOGO) + 1


@in_browser
def test_what_is_ready_is_corrected_where_it_stands_and_approved_again(
    opened: Window, tmp_path: Path
) -> None:
    page = opened.page
    opened.tab("ready")
    opened.shown("calm.png")
    drag(opened, Box(150, 100, 2, 2))
    assert page.locator(".pane").first.locator(".region.drawn").count() == 1
    page.keyboard.press("a")
    opened.tells("done.approved", name="calm.png")
    assert approvals(opened) == [("reopened", "AB"), ("approved", "AB")]
    (report,) = [one for one in reports(tmp_path / "out").values() if one["decision"]]
    assert (
        report["decision"]["changes"]["drawn"] == 1 and len(list((tmp_path / "out" / "ready").iterdir())) == 1
    )


@in_browser
def test_what_nobody_foresaw_is_looked_at_first(opened: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened.page
    more = Region(Box(300, 30, 50, 50), Kind.FACE, (Evidence("scene", 0.9),), action=Action.HIDE)
    real = Scene.find
    monkeypatch.setattr(Scene, "find", lambda self, pixels: [*real(self, pixels), more])
    # Whoever clicks before the list is fetched anew is shown it all the same.
    page.evaluate(
        """text => new MutationObserver(() => {
            const toast = [...document.querySelectorAll('.toast')].find(one => one.innerText.includes(text));
            if (!toast || window.told) return;
            window.told = true;
            toast.querySelector('button').click();
        }).observe(document.body, {childList: true, subtree: true})""",
        opened.word("done.look", name="one.png", why=opened.sentence("review.look-more")),
    )
    page.keyboard.press("l")
    page.keyboard.press("a")
    opened.wait("() => window.told")
    opened.shown("one.png")
    assert "one.png" in rows(opened, "review") and approvals(opened) == []


@in_browser
def test_another_windows_decision_is_told_and_the_drawing_kept(opened: Window) -> None:
    page = opened.page
    drag(opened, Box(150, 100, 2, 2))
    opened.tells("apply.title")
    # The same session in a second window of the browser.
    second = opened.context.new_page()
    second.goto(opened.client.origin + opened.client.page.keys.path + "/")
    second.wait_for_function("() => document.querySelectorAll('.region').length > 0")
    assert second.input_value("#initials") == "AB", "this browser knows who it is"
    # What the first window has drawn is there too; it is taken back here, and the photo approved as it was.
    second.keyboard.press("Control+z")
    second.keyboard.press("a")
    opened.tells("lost.ready", name="one.png", who="AB")
    opened.tells("lost.kept")
    opened.click("lost.show", ".toast")
    opened.shown("one.png")
    assert page.locator(".pane").first.locator(".region.drawn").count() == 1


FALSE_FILLS, MISSED, CLEAN = (9, 3, 28) if LONG else (2, 1, 4)
"""Of forty photos, or of some of them: with a question whose fill is false; ready, with a face that nobody found; ready
and clean. ``ANONYMIZER_LONG_TESTS=1`` for all forty."""


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("forty")
    patch = pytest.MonkeyPatch()
    patch.setattr("anonymizer.road.worker.Finder", Scene)
    with Session(folder / "out", SETTINGS) as session:
        for number in range(FALSE_FILLS + MISSED + CLEAN):
            name = f"{number:02}-{'missed' if FALSE_FILLS <= number < FALSE_FILLS + MISSED else 'other'}.png"
            session.run(photo(folder / name, number, quiet=number >= FALSE_FILLS))
    yield folder / "out"
    patch.undo()


@in_browser
def test_forty_photos_with_twelve_to_correct_counted_in_keys(
    browser: Any, forty: Path, tmp_path: Path, view: View
) -> None:
    """One key for a clean photo, two for a false fill, two actions (a drag, a key) for a missed face."""
    with serving(shutil.copytree(forty, tmp_path / "out"), SETTINGS) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait(f"() => document.querySelectorAll('#items .item').length === {FALSE_FILLS}")
        page.fill("#initials", "AB")
        page.keyboard.press("Escape")
        used: dict[str, int] = {}
        last = ""

        def next_one() -> str:
            nonlocal last
            window.wait(
                "old => document.querySelector('#medium-title').textContent !== old"
                " && [...document.querySelectorAll('.pane img')].some(i => i.complete && i.naturalWidth)"
                " && !document.querySelector('.message')",
                last,
            )
            last = window.title()
            used[last] = 0
            return last

        def press(key: str) -> None:
            used[last] += 1
            page.keyboard.press(key)

        for _ in range(FALSE_FILLS):
            next_one()
            press("l")
            press("a")
        count = "n => document.querySelectorAll('#tabs button b')[n[0]].textContent === String(n[1])"
        window.wait(count, [0, 0])
        window.tab("ready")
        for number in range(MISSED + CLEAN):
            if number % 10 == 0:
                window.wait("() => document.querySelector('#look-begin') !== null")
                page.click("#look-begin")
                window.wait("() => document.activeElement.id === 'look-good'")
                last = last if number else ""
            if "missed" in next_one():
                drag(window, Box(150, 100, 2, 2))
                used[last] += 1
                press("a")
            else:
                press("ArrowRight")
        # The last that were drawn on are still being made anew.
        eventually(lambda: approvals(window).count(("approved", "AB")) == FALSE_FILLS + MISSED)
        for tab, left in ((0, 0), (1, FALSE_FILLS + MISSED + CLEAN)):
            window.wait(count, [tab, left])
        assert sorted(used.values()) == [1] * CLEAN + [2] * (FALSE_FILLS + MISSED)
        eventually(
            lambda: runner(window).call_gate(lambda gate: gate.ledger.unseen()) == set(), "not looked at"
        )
        window.context.close()
        assert window.errors == []


@in_browser
def test_all_at_once(browser: Any, made: Path, tmp_path: Path, view: View) -> None:
    with serving(shutil.copytree(made, tmp_path / "out"), SETTINGS) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait("() => document.querySelectorAll('#items .item').length === 2")
        page.wait_for_selector("#ask:not([hidden])")
        window.flawless("a question")
        page.keyboard.press("g")
        page.wait_for_selector(".card")
        window.wait(
            "() => { const was = [...document.querySelectorAll('.card .was')];"
            " return was.length === 2 && was.some(one => one.complete && one.naturalWidth); }"
        )
        bar = page.locator(".grid-bar")

        def both(key: str) -> None:
            window.wait("() => document.querySelectorAll('.card').length === 2")
            bar.locator("button").first.click()
            bar.get_by_role("button", name=window.word(key), exact=True).click()

        shown = "[...document.querySelectorAll('.card img[data-large]')].map(one => one.dataset.id)"
        before = page.evaluate(shown)
        both("grid.again")
        eventually(lambda: len(rows(window, "replaced")) == 2 and not client.page.runner.busy)
        # Until the page shows what came of them, a choice would be of what is no more.
        window.wait(f"was => {shown}.filter(id => !was.includes(id)).length === 2", before)
        window.wait("() => document.querySelector('#jobs').hidden")
        # Both wait for one reason alone.
        page.select_option(".grid-bar select", index=1)
        window.wait("() => document.querySelectorAll('.card.chosen').length === 2")
        bar.locator(".reject").click()
        window.wait("() => document.querySelector('.toast.bad') !== null")
        assert page.evaluate("document.activeElement.id") == "grid-initials"
        page.fill("#grid-initials", "AB")
        bar.locator(".reject").click()
        eventually(lambda: rows(window, "rejected") == ["one.png", "two.png"])
        window.tab("rejected")
        both("decide.reopen")
        eventually(lambda: rows(window, "review") == ["one.png", "two.png"])
        # Chosen before they were in sight, they cannot be approved.
        window.tab("review")
        window.wait("() => document.querySelectorAll('.card').length === 2")
        bar.locator("button").first.click()
        for number in range(2):
            page.locator(".card img[data-large]").nth(number).scroll_into_view_if_needed()
            window.wait("n => document.querySelectorAll('.card')[n].classList.contains('seen')", number)
        window.wait("() => !document.querySelector('.grid-bar .approve').disabled")
        window.flawless("all")
        page.click(".grid-bar .approve")
        window.wait("() => document.querySelector('#tabs button b').textContent === '0'")
        assert [one for one in approvals(window) if one[0] == "approved"] == [("approved", "AB")] * 2
        window.tab("ready")
        window.wait("() => document.querySelectorAll('.card').length === 3")
        assert page.locator(".card").first.inner_text().count("→") == 1
        page.locator(".card input").first.check()
        page.locator(".card input").nth(1).check()
        with page.expect_download() as download:
            page.locator(".grid-bar .ask-buttons button").first.click()
        assert download.value.suggested_filename == "anonymizer.zip"
        page.locator(".grid-bar .ask-buttons button").nth(1).click()
        # What the advice asks, in the language of who answers it.
        for line in ("consent", "caption", "colleagues", "useful", "account"):
            window.tells(f"release.{line}.yes")
            page.check(f"#release-{line}")
        window.flawless("release")
        page.click("#release-go")
        window.wait(
            "() => document.querySelector('#release button') && !document.querySelector('#release form')"
        )
        assert len(rows(window, "released")) == 2, "those that were chosen"
        page.click("#release .primary")
        # Who did what, with the answers' release in it.
        page.keyboard.press("g")
        page.locator("#items .item").first.click()
        page.locator("#facts summary", has_text=window.word("history")).click()
        assert page.locator("#facts .history li").count() >= 1
        window.flawless("history")
        window.context.close()
        assert window.errors == []


def test_what_a_person_can_have_foreseen(made: Path) -> None:
    """Each way in which a new output may differ from the old one and the corrections, by value."""
    with OutputFolder(made) as folder:
        old = read_report(folder, next(e.id for e in folder.ledger.each() if e.source.name == "one.png"))
    x, y, right, bottom = next(one.box for one in old.regions if one.box[0] >= 200)
    place = {"rect": [x, y, right - x, bottom - y], "kind": "text"}
    left = [one for one in old.regions if one.box[0] < 200]
    done = old.model_copy(
        update={
            "regions": left,
            "questions": [],
            "reasons": [Message("road.dismissed", count=1)],
            "settings": old.settings | {"dismiss": [place]},
        }
    )
    assert len(left) == len(old.regions) - 1 and surprise(old, done) is None
    other = left[0].model_copy(update={"box": (300, 100, 340, 140)})
    by_hand = other.model_copy(update={"found_by": [EvidenceRecord(detector=PERSON, score=1.0)]})
    asks = old.questions[0].model_copy(update={"box": (10.0, 100.0, 50.0, 140.0), "message": Message("new")})
    cases = {
        "review.look-more": {"regions": [*left, other]},
        "review.look-less": {"regions": left[1:]},
        "review.look-new": {"reasons": [Message("road.no-faces")]},
        "review.look-failed": {"checks": [old.checks[0].model_copy(update={"result": Result.FAIL})]},
        "review.look-followed": {"medium": old.medium.model_copy(update={"type": "clip"})},
    }
    for code, update in cases.items():
        why = surprise(old, done.model_copy(update=update))
        assert why is not None and why.code == code
    asked_anew = {"reasons": [*done.reasons, asks.message], "questions": [asks]}
    assert surprise(old, done.model_copy(update=asked_anew)) == Message("review.look-new", why=asks.message)
    drawn = {"regions": [*left, by_hand]}
    assert surprise(old, done.model_copy(update=drawn)) is None, "what a person drew is theirs"
