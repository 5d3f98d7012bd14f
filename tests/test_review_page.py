"""The page in a real browser, on the real server, with real files: drop, look, correct, decide, find it in ready/."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polib
import pytest
from PIL import Image

from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Action, Kind, Model, Pixels, QuestionKind, Region, Verdict
from anonymizer.detect.finder import Finder
from anonymizer.i18n import FOLDER, languages, page_words
from anonymizer.road.pipeline import Session
from anonymizer.verify.photo import audit
from chromium import in_browser
from conftest import SAMPLES, sentences
from review_server import serving
from review_window import Window, page_strings, reports, rows, runner
from views import VIEWS, View

pytestmark = in_browser
FACES = Settings(text=TextPolicy.NONE, codes=False)


class Unsure:
    """Real face detectors, and one doubt where the mask's wearer has a hand."""

    def __init__(self, real: Finder) -> None:
        self.real = real

    def find(self, pixels: Pixels) -> list[Region]:
        return [Region(r.box, r.kind, r.evidence, action=Action.ASK) for r in self.real.find(pixels)]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return []

    def models(self) -> list[Model]:
        return self.real.models()


def smaller(name: str, folder: Path) -> Path:
    """A photo of the sample media at half its size: the same faces, a quarter of the work."""
    folder.mkdir(exist_ok=True)
    with Image.open(SAMPLES / name) as image:
        image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS).save(
            folder / name, quality=95
        )
    return folder / name


@pytest.fixture(scope="module")
def waiting(finders: Callable[[Settings], Finder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder in which three photos wait: two with doubtful faces, one whose mouth was kept clear."""
    folder = tmp_path_factory.mktemp("waiting")
    patch = pytest.MonkeyPatch()
    try:
        patch.setattr("anonymizer.road.worker.Finder", lambda settings: Unsure(finders(settings)))
        with Session(folder / "out", FACES) as session:
            for name in ("portrait.jpg", "group.jpg"):
                assert session.run(smaller(name, folder / "in")).verdict is Verdict.REVIEW
        patch.setattr("anonymizer.road.worker.Finder", finders)
        with Session(folder / "out", FACES.model_copy(update={"keep_mouth": True})) as session:
            assert session.run(smaller("close-up-mask.jpg", folder / "in")).verdict is Verdict.REVIEW
    finally:
        patch.undo()
    return folder / "out"


@pytest.fixture
def out(waiting: Path, tmp_path: Path) -> Path:
    return shutil.copytree(waiting, tmp_path / "out")


@pytest.fixture
def opened(browser: Any, out: Path, loaded_once: None, view: View) -> Iterator[Window]:
    """The page on a folder in which photos wait; nothing may be complained about in the browser's console."""
    with serving(out, FACES) as client:
        window = Window(browser, client, view)
        window.open()
        yield window
        window.context.close()
        assert window.errors == []


@pytest.fixture(scope="module")
def standing(
    browser: Any,
    waiting: Path,
    tmp_path_factory: pytest.TempPathFactory,
    finders: Callable[[Settings], Finder],
) -> Iterator[Window]:
    """One page for all tests that leave everything as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anonymizer.road.worker.Finder", finders)
        with serving(shutil.copytree(waiting, tmp_path_factory.mktemp("standing") / "out"), FACES) as client:
            window = Window(browser, client, VIEWS[0])
            window.open()
            yield window
            window.context.close()


@pytest.fixture
def same(standing: Window, view: View) -> Iterator[Window]:
    """That page, as if it had just been opened; nothing is decided there, and nothing drawn is left."""
    standing.afresh(view)
    yield standing
    assert standing.errors == []
    assert rows(standing, "review") == ["close-up-mask.jpg", "group.jpg", "portrait.jpg"]


def test_a_dropped_photo_is_corrected_approved_and_ready(
    browser: Any, tmp_path: Path, loaded_once: None, view: View
) -> None:
    out = tmp_path / "out"
    settings = FACES.model_copy(update={"keep_mouth": True})
    with serving(out, settings) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.tells("hero.first")
        # Dropped with the mouse, as far as a page can tell.
        data = smaller("close-up-mask.jpg", tmp_path / "in").read_bytes()
        page.evaluate(
            """bytes => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(bytes)], "Müller <b>.jpg", {type: "image/jpeg"}));
                for (const kind of ["dragenter", "drop"])
                    dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
            }""",
            list(data),
        )
        window.shown("Müller <b>.jpg".replace("<", "_").replace(">", "_"))
        assert rows(window, "review") == ["Müller _b_.jpg"]
        # A place is drawn with the mouse over the original, at its lower left.
        box = window.on_screen(page.locator(".pane").first.locator("img").first)
        page.keyboard.press("h")
        across, down = box["width"], box["height"]
        window.drag(box["x"] + across * 0.05, box["y"] + down * 0.7, across * 0.2, down * 0.2)
        assert page.locator(".pane").first.locator(".region.drawn").count() == 1
        page.fill("#initials", "AB")
        page.click("#apply")
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        window.tells("decide.running")
        window.tells("done.review")
        window.shown("Müller _b_.jpg")
        (report,) = reports(out).values()
        (drawn,) = [region for region in report["regions"] if region["found_by"][0]["detector"] == "a person"]
        width, height = report["medium"]["width"], report["medium"]["height"]
        left, top, right, bottom = drawn["box"]
        for value, share in (
            (left, 0.05 * width),
            (top, 0.7 * height),
            (right, 0.25 * width),
            (bottom, 0.9 * height),
        ):
            assert abs(value - share) < 0.02 * max(width, height)
        assert len(list((out / "review").glob("*.jpg"))) == 1, "the old output is gone"
        page.keyboard.press("a")
        window.tells("done.approved")
        window.tells("hero.done")
        (final,) = (out / "ready").iterdir()
        (report,) = reports(out).values()
        assert (report["verdict"], report["decision"]["initials"]) == ("ready", ""), "the ledger has them"
        assert [one.who for one in runner(window).call_gate(lambda gate: gate.ledger.decisions())] == ["AB"]
        assert report["decision"]["changes"] == {"drawn": 1, "dismissed": 0, "kept": 0, "keep_mouth": True}
        assert all(check.result != "fail" for check in audit(final))
        # The dropped original can go now, and only now.
        window.tab("ready")
        window.shown("Müller _b_.jpg")
        window.click("discard", "#facts")
        window.flawless("a question")
        window.click("discard.yes", "#sure")
        window.tells("done.discarded")
        assert not [path for path in (out / ".anonymizer" / "inbox").rglob("*") if path.is_file()]
        window.context.close()
        # The picture that is gone cannot be shown any more: the browser says so of its own accord.
        assert [said for said in window.errors if "409" not in said] == []


def test_doubts_are_hidden_by_keyboard_alone(opened: Window, out: Path) -> None:
    page = opened.page
    opened.shown("group.jpg")
    before = len(reports(out))
    doubts = page.locator(".pane").first.locator(".region.doubt").count()
    assert doubts >= 2
    for _ in range(doubts):
        page.keyboard.press("f")
    assert page.locator(".pane").first.locator(".region.drawn").count() == doubts
    page.keyboard.press("Control+z")
    assert page.locator(".pane").first.locator(".region.doubt").count() == 1
    page.keyboard.press("Control+y")
    page.keyboard.press("Control+Enter")
    opened.tells("done.ready")
    assert rows(opened, "ready") == ["group.jpg"]
    assert rows(opened, "replaced") == ["group.jpg"]
    assert len(reports(out)) == before
    opened.shown("portrait.jpg")


def test_a_place_is_drawn_moved_and_taken_off_by_keyboard(same: Window) -> None:
    opened, page = same, same.page
    opened.shown("group.jpg")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    place = page.locator(".pane").first.locator(".region.kept")
    assert place.count() == 1
    first = place.bounding_box()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Alt+ArrowDown")
    moved = place.bounding_box()
    assert (
        moved["x"] > first["x"] + 10
        and moved["height"] > first["height"]
        and abs(moved["y"] - first["y"]) < 1
    )
    assert page.evaluate("document.activeElement.classList.contains('kept')"), (
        "the keyboard stays with the place"
    )
    # Who looks at another one meanwhile finds it again.
    page.keyboard.press("s")
    opened.shown("portrait.jpg")
    assert page.locator("#changes").is_hidden()
    page.keyboard.press("b")
    opened.shown("group.jpg")
    assert place.count() == 1 and page.locator("#changes").is_visible()
    page.click(".places .pick >> nth=-1")
    place.focus()
    page.keyboard.press("Delete")
    assert place.count() == 0
    page.keyboard.press("Escape")
    assert page.locator("#changes").is_hidden()


def test_a_place_is_moved_and_resized_with_the_mouse(same: Window) -> None:
    opened, page = same, same.page
    opened.pick("close-up-mask.jpg")
    opened.side_by_side()
    place = page.locator(".pane").first.locator(".region.found").first
    box = opened.on_screen(place)
    opened.drag(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 30, 10)
    dots = page.locator(".pane").first.locator(".handle").count()
    assert dots == 8
    moved = page.locator(".pane").first.locator(".region.selected .over").bounding_box()
    opened.drag(moved["x"] + moved["width"], moved["y"] + moved["height"], -40, -25)
    smaller = page.locator(".pane").first.locator(".region.selected .over").bounding_box()
    assert (
        abs(moved["width"] - smaller["width"] - 40) < 3 and abs(moved["height"] - smaller["height"] - 25) < 3
    )
    # One gesture is one step of undo.
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert page.locator("#undo").is_disabled()
    assert page.locator("#changes").is_hidden()


def test_fingers_draw_move_and_zoom(browser: Any, same: Window, view: View) -> None:
    window = Window(browser, same.client, view, has_touch=True, storage_state=same.context.storage_state())
    try:
        page = window.home()
        window.shown("group.jpg")
        fingers = window.context.new_cdp_session(page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            # Events of one frame are put together; a hand is slower than a test.
            page.wait_for_timeout(60)
            known = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": known})

        picture = page.locator(".pane").first.locator(".picture").first
        box = window.on_screen(picture)

        def at(x: float, y: float) -> tuple[float, float]:
            there = window.on_screen(picture)
            return there["x"] + x * there["width"], there["y"] + y * there["height"]

        page.tap("#toolset [data-focus=keep]")
        touch("touchStart", at(0.1, 0.8))
        touch("touchMove", at(0.2, 0.9))
        touch("touchEnd")
        place = page.locator(".pane").first.locator(".region.kept .over")
        assert place.count() == 1
        first = place.bounding_box()
        page.tap("#toolset [data-focus=move]")
        touch("touchStart", at(0.15, 0.85))
        touch("touchMove", at(0.25, 0.85))
        touch("touchEnd")
        moved = window.on_screen(place)
        assert abs(moved["x"] - first["x"] - 0.1 * box["width"]) < 3
        corner = (moved["x"] + moved["width"], moved["y"] + moved["height"])
        touch("touchStart", corner)
        touch("touchMove", (corner[0] + 20, corner[1] + 10))
        touch("touchEnd")
        assert abs(place.bounding_box()["width"] - moved["width"] - 20) < 3
        # Two fingers apart: larger, and nothing is drawn.
        zoom = page.text_content("#zoom-fit")
        touch("touchStart", at(0.45, 0.3), at(0.55, 0.3))
        touch("touchMove", at(0.4, 0.3), at(0.6, 0.3))
        touch("touchEnd")
        assert page.text_content("#zoom-fit") != zoom
        assert page.locator(".pane").first.locator(".region.kept").count() == 1
        # An outline in one line, and the background goes.
        page.tap("#toolset [data-focus=outline]")
        box = window.on_screen(picture)
        touch("touchStart", at(0.3, 0.3))
        for x, y in ((0.6, 0.3), (0.6, 0.6), (0.3, 0.6)):
            touch("touchMove", at(x, y))
        touch("touchEnd")
        outline = page.locator(".pane").first.locator(".region.outline .over")
        around = outline.bounding_box()
        assert abs(around["width"] - 0.3 * box["width"]) < 6 and page.input_value("#background") == "plain"
        for _ in range(2):
            page.locator(f".places >> [aria-label^='{window.word('place.delete')}']").last.tap()
        assert place.count() == 0 and outline.count() == 0 and page.input_value("#background") == "keep"
        assert window.errors == []
    finally:
        window.context.close()


def test_a_found_place_that_is_taken_off_waits_for_approval(opened: Window, out: Path) -> None:
    page = opened.page
    opened.pick("close-up-mask.jpg")
    page.click(f'.places >> [aria-label^="{opened.word("place.remove")}"]')
    page.click("#apply")
    opened.tells("done.review")
    opened.shown("close-up-mask.jpg")
    opened.says(opened.sentence("road.dismissed", count=1))
    assert page.locator(".places li.off").count() == 1
    page.fill("#initials", "AB")
    page.press("#initials", "Enter")
    opened.tells("done.approved", name="close-up-mask.jpg")
    (report,) = [one for one in reports(out).values() if one["verdict"] == "ready"]
    assert report["regions"] == []
    assert report["decision"]["changes"]["dismissed"] == 1
    assert "left visible" in " ".join(sentences(report["decision"]["reasons"]))


def test_approve_reject_skip_and_take_back_by_keyboard(opened: Window, out: Path) -> None:
    page = opened.page
    opened.shown("group.jpg")
    page.keyboard.press("a")
    opened.tells("decide.initials.missing")
    assert page.evaluate("document.activeElement.id") == "initials"
    page.keyboard.type("C.D.")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    opened.shown("portrait.jpg")
    page.keyboard.press("x")
    opened.tells("done.rejected", name="portrait.jpg")
    opened.shown("close-up-mask.jpg")
    page.keyboard.press("a")
    opened.tells("done.approved", name="close-up-mask.jpg")
    opened.shown("group.jpg")
    assert rows(opened, "ready") == ["close-up-mask.jpg"]
    assert rows(opened, "rejected") == ["portrait.jpg"]
    page.locator(".toast", has_text="portrait.jpg").get_by_role("button").click()
    opened.tells("done.reopened", name="portrait.jpg")
    opened.shown("portrait.jpg")
    assert rows(opened, "review") == ["group.jpg", "portrait.jpg"]
    taken = runner(opened).call_gate(lambda gate: gate.ledger.decisions())
    assert [(one.action, one.who) for one in taken] == [
        ("rejected", "C.D."), ("approved", "C.D."), ("reopened", "C.D."),
    ]  # fmt: skip


def test_typing_is_never_a_shortcut(same: Window) -> None:
    opened, page = same, same.page
    opened.shown("group.jpg")
    page.fill("#initials", "AX")
    page.click("#note")
    page.keyboard.type("axs skip approve")
    assert opened.title() == "group.jpg"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.uncheck("#single")
    page.click("#help .primary")
    page.keyboard.press("s")
    # Whatever a key does, it does before the next one comes.
    page.keyboard.press("ArrowUp")
    assert opened.title() == "group.jpg"


def test_every_view_shows_what_it_says(same: Window) -> None:
    opened, page = same, same.page
    opened.shown("group.jpg")
    for key, panes in (("1", 2), ("2", 1), ("3", 1), ("4", 1)):
        page.keyboard.press(key)
        assert page.locator(".pane").count() == panes
    page.keyboard.press("2")
    bar = page.get_by_role("slider")
    bar.focus()
    page.keyboard.press("ArrowLeft")
    assert bar.get_attribute("aria-valuenow") == "48"
    zoom = page.text_content("#zoom-fit")
    page.keyboard.press("+")
    assert page.text_content("#zoom-fit") != zoom
    page.keyboard.press("0")
    assert page.text_content("#zoom-fit") == zoom


def test_an_original_that_changed_is_said_and_cannot_be_corrected(
    browser: Any, tmp_path: Path, waiting: Path, loaded_once: None, view: View
) -> None:
    out = shutil.copytree(waiting, tmp_path / "out")
    source = tmp_path / "group.jpg"
    shutil.copy(waiting.with_name("in") / "group.jpg", source)
    with serving(out, FACES) as client:
        (entry,) = [
            one
            for one in client.page.runner.call_gate(lambda gate: gate.ledger.entries())
            if one.source.name == "group.jpg"
        ]
        client.page.runner.call_gate(lambda gate: gate.ledger.update(entry.id, source=str(source).encode()))
        source.write_bytes((SAMPLES / "portrait.jpg").read_bytes())
        window = Window(browser, client, view)
        page = window.open()
        changed = window.sentence("review.original-changed")
        window.tells("stage.original.gone", error=changed)
        page.keyboard.press("f")
        page.keyboard.press("Control+Enter")
        window.tells("failed.apply", error=changed)
        window.context.close()
    found = {one["id"] for one in reports(out).values()}
    assert entry.id in found and len(list((out / "review").glob("*.jpg"))) == 3


def test_nothing_is_released_without_that_word(out: Path) -> None:
    with serving(out, FACES) as client:
        client.enter()
        for said in ({"initials": "AB"}, {"initials": "AB", "consent": False}, {"consent": True}):
            assert client.post("api/release", said).status == 400
        assert client.post("api/release", {"initials": " ", "consent": True}).status == 409
        assert client.post("api/release", {"initials": "AB", "consent": True, "to": "/tmp"}).status == 400
    assert not out.with_name("out-release").exists()


def test_nothing_is_cut_off_or_out_of_reach(opened: Window, out: Path, view: View) -> None:
    """Every state of the page that no other test has come by, up to a release with a word on consent."""
    page = opened.page
    opened.shown("group.jpg")
    opened.flawless("looking")
    page.keyboard.press("f")
    page.keyboard.press("2")
    opened.flawless("correcting")
    page.keyboard.press("?")
    opened.flawless("help")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    page.fill("#initials", "AB")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    opened.wait("() => document.querySelector('.toast') !== null")
    note, stage = (page.locator(one).bounding_box() for one in (".toast", "#stage"))
    assert view.narrow or note["x"] + note["width"] <= stage["x"], "beside the picture, not over it"
    opened.flawless("a note")
    opened.tab("rejected")
    opened.shown("group.jpg")
    opened.flawless("decided")
    page.evaluate("document.querySelector('#toasts').replaceChildren()")
    opened.tab("review")
    opened.shown("portrait.jpg")
    assert page.locator("#release-open").is_hidden()
    page.keyboard.press("a")
    opened.tells("done.approved", name="portrait.jpg")
    opened.tab("ready")
    opened.shown("portrait.jpg")
    page.click("#release-open")
    opened.tells("release.consent")
    target = out.with_name("out-release")
    assert page.locator("#release-go").is_disabled() and not target.exists()
    page.check("#release-consent")
    page.click("#release-go")
    opened.tells("release.done.one", n=1)
    opened.wait("() => document.querySelector('#release button') && !document.querySelector('#release form')")
    opened.flawless("released")
    (final,) = target.glob("*.jpg")
    assert all(check.result != "fail" for check in audit(final))
    assert (target / "manifest.json").is_file() and rows(opened, "released") == ["portrait.jpg"]
    page.keyboard.press("Escape")
    opened.shown("portrait.jpg")
    opened.tab("failed")
    opened.wait("() => document.querySelector('.zone') !== null")
    opened.flawless("nothing here")
    page.evaluate("document.querySelector('#ended').showModal()")
    opened.flawless("ended")


def test_a_page_whose_program_has_ended_says_so(browser: Any, tmp_path: Path, view: View) -> None:
    with serving(tmp_path / "out", FACES) as client:
        window = Window(browser, client, view)
        window.open()
        window.wait("() => document.querySelector('.zone') !== null")
    window.tells("ended.title")
    window.context.close()


def test_both_languages_say_the_same() -> None:
    english = page_strings()
    words = {one: page_words(one, english) for one in languages()}
    context = [
        e.msgctxt.split()[1]
        for e in polib.pofile(str(FOLDER / "fr.po"))
        if e.msgstr and (e.msgctxt or "").startswith("page ")
    ]
    assert {key for key in context if not key.endswith(".many")} == english.keys()
    places = {
        language: {key: set(_places(text)) for key, text in said.items()} for language, said in words.items()
    }
    for language in languages():
        # Languages have their own plural forms: "many" stands beside "other".
        keys = {key for key in words[language] if not key.endswith(".many")}
        assert keys == words["en"].keys(), language
        for key in keys:
            assert words[language][key].strip(), key
            assert places[language][key] == places["en"][key], key


def test_every_word_that_the_page_asks_for_is_there() -> None:
    import re

    from anonymizer.review.page_files import static_files

    words = page_strings()
    asked: set[str] = set()
    for name, content in static_files().items():
        text = content.decode()
        if name.endswith(".js"):
            asked |= set(re.findall(r"\bt\(\s*\"([a-z0-9.]+)\"", text))
            asked |= {f"{key}.other" for key in re.findall(r"\bn\(\s*\"([a-z0-9.]+)\"", text)}
        elif name.endswith(".html"):
            asked |= set(re.findall(r"data-t(?:-label|-title)?=\"([^\"]+)\"", text))
    assert len(asked) > 60
    assert asked <= words.keys()


def _places(text: str) -> list[str]:
    import re

    return re.findall(r"\{(\w+)\}", text)


def test_kinds_of_places_have_names() -> None:
    words = page_strings()
    for kind in Kind:
        assert f"place.{kind}" in words
    for question in QuestionKind:
        assert f"reason.{question}" in words and f"reason.{question}.hidden" in words
