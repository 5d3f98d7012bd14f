"""A browser window on the review page, what there is to see in it, and what the folder behind it holds."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from anonymizer.core.message import Given, Message
from anonymizer.i18n import page_words, speaker
from anonymizer.review.jobs import JobRunner
from anonymizer.review.page_files import WORDS, static_files
from review_server import Client
from views import LONG, View
from watching import eventually

NO_BREAK = "\u00a0"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = (
    "tags => axe.run({runOnly: tags, resultTypes: ['violations']}).then(found => found.violations.map("
    "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 160) + ' — ' + n.failureSummary).join(' | ')))"
)
CRAMPED = """() => {
    const open = document.querySelector('dialog[open]') ?? document.body;
    const seen = [...open.querySelectorAll('button, select, input, label')]
        .filter(n => n.checkVisibility() && n.offsetWidth > 1);
    const scrolls = n => n.closest('.scroll, .tracks, #items, .toasts, .cards');
    const shortened = n => n.closest('.item, .places, .track');
    const name = n => n.textContent || n.id;
    const said = [];
    for (const one of seen) {
        const a = one.getBoundingClientRect();
        if (one.tagName === 'BUTTON' && !shortened(one) && one.scrollWidth > one.clientWidth + 1)
            said.push('cut off: ' + name(one));
        if (a.right > innerWidth + 1 && !one.closest('#items')) said.push('outside: ' + name(one));
        if (scrolls(one)) continue;
        for (const other of seen) {
            if (one.contains(other) || other.contains(one) || scrolls(other)) continue;
            const b = other.getBoundingClientRect();
            const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (over > 2 && down > 2) said.push('on each other: ' + name(one) + ' / ' + name(other));
        }
    }
    for (const one of open.querySelectorAll('h1, h2, .tag')) {
        const a = one.getBoundingClientRect();
        if (!one.checkVisibility() || a.width < 2) continue;
        for (const other of seen) {
            const b = other.getBoundingClientRect();
            const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            if (over > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2 && !scrolls(other))
                said.push('covered: ' + name(one) + ' / ' + name(other));
        }
    }
    if (document.documentElement.scrollWidth > innerWidth) said.push('wider than the window');
    for (const row of document.querySelectorAll('.decide .buttons'))
        if (row.scrollWidth > row.clientWidth + 1) said.push('decisions wider than their row');
    const decisions = seen.filter(n => n.closest('.decide .buttons')).map(n => n.getBoundingClientRect().top);
    if (new Set(decisions).size > 1) said.push('decisions in two rows');
    return said;
}"""


class Window:
    """One browser window on the page, as its :class:`View` says, with what it complained about."""

    def __init__(self, browser: Any, client: Client, view: View, **context: Any) -> None:
        self.client = client
        self.view = view
        self.context = browser.new_context(**(view.context | context))
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, said: Any) -> None:
        if said.type not in ("error", "warning"):
            return
        # A picture may be asked for in the moment in which its medium is made anew, or decided on elsewhere: the
        # browser notes it, the page goes on.
        if "status of 404" in said.text and "/api/media/" in said.location["url"]:
            return
        self.errors.append(said.text)

    def home(self) -> Any:
        """The page anew, in a browser that was here before."""
        self.page.goto(f"{self.client.origin}{self.client.page.keys.path}/")
        return self.page

    def afresh(self, view: View) -> None:
        """The page as if it were opened for the first time, in this view: what was drawn is taken back, what was
        chosen forgotten."""
        self.view = view
        while self.page.locator("#undo").is_enabled():
            self.page.keyboard.press("Escape")
            self.page.keyboard.press("Control+z")
        self.page.evaluate(
            "language => { localStorage.clear(); localStorage.language = language; }", view.language
        )
        self.page.goto("about:blank")
        drawings = self.client.page.runner.out / ".anonymizer" / "drawings"
        eventually(lambda: not list(drawings.glob("*")))
        self.page.set_viewport_size(view.context["viewport"])
        self.page.emulate_media(color_scheme=view.colours)
        self.home()

    def open(self) -> Any:
        self.page.goto(self.client.link)
        return self.page

    def wait(self, expression: str, argument: object = None, seconds: float = 40) -> None:
        """Ask again and again from here: a busy machine draws no frames, and Playwright's own waiting counts those."""
        end, pause = time.monotonic() + seconds, 0.03
        while not self.page.evaluate(expression, argument):
            if time.monotonic() > end:
                raise AssertionError(
                    f"{expression} {argument!r}: {self.page.inner_text('body')[:2000]} {self.errors}"
                )
            time.sleep(pause)
            # Whoever asks too often keeps from its work what is waited for.
            pause = min(0.3, 1.2 * pause)

    def word(self, key: str, **values: object) -> str:
        """The page's words under a key, in the language that it speaks."""
        text = words(self.view.language)[key]
        if self.view.language == "fr":
            text = re.sub(" (?=[:;!?»])|(?<=«) ", NO_BREAK, text)
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def sentence(self, code: str, **values: Given) -> str:
        """What the program says under a code, in that language."""
        return speaker(self.view.language)(Message(code, **values))

    def speak(self, language: str) -> None:
        """Choose another language on the page."""
        self.page.select_option("#language", language)
        self.wait("language => document.documentElement.lang === language", language)
        self.view = replace(self.view, language=language)

    def says(self, text: str) -> None:
        """Wait until the page says this, wherever its lines may break."""
        spaced = f"text => document.body.innerText.replaceAll('{NO_BREAK}', ' ').includes(text)"
        self.wait(spaced, text.replace(NO_BREAK, " "))

    def tells(self, key: str, **values: object) -> None:
        """Wait until the page says what it has under this key; of a value that is not given, up to there."""
        self.says(self.word(key, **values).split("{")[0].strip())

    def tab(self, state: str) -> None:
        """Open the list of a state."""
        self.page.click(f"#tabs [data-tab={state}]")

    def pick(self, name: str) -> None:
        """Open the medium of this source from the list, and wait for its pictures."""
        self.page.locator("#items .item", has_text=name).click()
        self.shown(name)

    def click(self, key: str, within: str = "body") -> None:
        """Click on what has these words, as :meth:`tells` takes them."""
        self.page.click(f"{within} >> text={self.word(key).split('{')[0].strip()}")

    def side_by_side(self) -> None:
        """Original and result in two panes, which a narrow window does not begin with."""
        self.page.click("#views [data-focus=side]")

    def on_screen(self, place: Any) -> dict[str, float]:
        """Where a picture or a place on it is, with the stage in sight: a narrow page is longer than its window."""
        self.page.evaluate("document.querySelector('#stage').scrollIntoView({block: 'center'})")
        return dict(place.bounding_box())

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        """With the mouse from a point of the window."""
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx, y + dy, steps=3)
        self.page.mouse.up()

    def shown(self, name: str) -> None:
        """Wait until this photo's pictures are on the stage."""
        self.wait(
            "name => document.querySelector('#medium-title').textContent === name"
            " && [...document.querySelectorAll('.pane img')].some(i => i.complete && i.naturalWidth)"
            " && !document.querySelector('.message')",
            name,
        )

    def axe(self, where: str) -> None:
        """Axe finds nothing here, as the window stands."""
        axe = pytest.importorskip("axe_playwright_python.base", reason="the check of accessibility needs axe")
        self.page.evaluate("script => { if (!window.axe) (0, eval)(script); }", axe.AXE_SCRIPT)
        found = self.page.evaluate(AXE, AXE_TAGS)
        assert found == [], (where, self.page.viewport_size, found)

    def flawless(self, where: str) -> None:
        """Axe finds nothing here, no word is cut off, no button lies on another, nothing leaves the window; in a long
        run also in other colours, on a small laptop, and where one of 1366 pixels shows all twice as large."""
        sizes = [(self.view.width, self.view.height), *((1280, 720), (683, 384))[: 2 * LONG]]
        for width, height in sizes:
            self.page.set_viewport_size({"width": width, "height": height})
            for colours in ("light", "dark") if LONG else (self.view.colours,):
                self.page.emulate_media(color_scheme=colours)
                self.axe(f"{where}, {colours}")
            found = self.page.evaluate(CRAMPED)
            assert found == [], (where, width, found)
        if LONG:
            self.page.set_viewport_size(self.view.context["viewport"])
            self.page.emulate_media(color_scheme=self.view.colours)

    def title(self) -> str:
        return str(self.page.text_content("#medium-title"))


def reports(out: Path) -> dict[str, Any]:
    found = [json.loads(path.read_bytes()) for path in (out / "reports").glob("*.json")]
    return {report["id"]: report for report in found}


def runner(window: Window) -> JobRunner:
    return window.client.page.runner


def rows(window: Window, state: str) -> list[str]:
    """Sources that stand in this state, by name."""
    entries = runner(window).call_gate(lambda gate: gate.ledger.entries())
    return sorted(entry.source.name for entry in entries if entry.state == state)


@lru_cache(maxsize=4)
def words(language: str) -> dict[str, str]:
    """The page's strings by key."""
    return page_words(language, page_strings())


@lru_cache(maxsize=1)
def page_strings() -> dict[str, str]:
    """The page's strings in English, by key."""
    return dict(json.loads(static_files()[WORDS]))
