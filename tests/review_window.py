"""A browser window on the review page, what there is to see in it, and what the folder behind it holds."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from anonymizer.review.jobs import JobRunner
from anonymizer.review.page_files import WORDS, static_files
from review_server import Client
from watching import eventually

AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = (
    "tags => axe.run({runOnly: tags, resultTypes: ['violations']}).then(found => found.violations.map("
    "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 160) + ' — ' + n.failureSummary).join(' | ')))"
)
CRAMPED = """() => {
    const open = document.querySelector('dialog[open]') ?? document.body;
    const seen = [...open.querySelectorAll('button, select, input, label')]
        .filter(n => n.checkVisibility() && n.offsetWidth > 1);
    const scrolls = n => n.closest('.scroll, .tracks, #items, .toasts');
    const shortened = n => n.closest('.item, .places, .track');
    const name = n => n.textContent || n.id;
    const said = [];
    for (const one of seen) {
        const a = one.getBoundingClientRect();
        if (one.tagName === 'BUTTON' && !shortened(one) && one.scrollWidth > one.clientWidth + 1)
            said.push('cut off: ' + name(one));
        if (a.right > innerWidth + 1) said.push('outside: ' + name(one));
        if (scrolls(one)) continue;
        for (const other of seen) {
            if (one.contains(other) || other.contains(one) || scrolls(other)) continue;
            const b = other.getBoundingClientRect();
            const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (over > 2 && down > 2) said.push('on each other: ' + name(one) + ' / ' + name(other));
        }
    }
    for (const row of document.querySelectorAll('.decide .buttons'))
        if (row.scrollWidth > row.clientWidth + 1) said.push('decisions wider than their row');
    const decisions = seen.filter(n => n.closest('.decide .buttons')).map(n => n.getBoundingClientRect().top);
    if (new Set(decisions).size > 1) said.push('decisions in two rows');
    return said;
}"""


class Window:
    """One browser window on the page, with what it complained about."""

    def __init__(self, browser: Any, client: Client, **context: Any) -> None:
        self.client = client
        self.context = browser.new_context(**({"viewport": {"width": 1366, "height": 768}} | context))
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

    def afresh(self) -> None:
        """The page as if it were opened for the first time: what was drawn is taken back, what was chosen forgotten."""
        while self.page.locator("#undo").is_enabled():
            self.page.keyboard.press("Escape")
            self.page.keyboard.press("Control+z")
        self.page.evaluate("localStorage.clear()")
        self.page.goto("about:blank")
        drawings = self.client.page.runner.out / ".anonymizer" / "drawings"
        eventually(lambda: not list(drawings.glob("*")))
        self.home()

    def open(self) -> Any:
        self.page.goto(self.client.link)
        return self.page

    def wait(self, expression: str, argument: object = None, seconds: float = 40) -> None:
        """Ask again and again from here: a busy machine draws no frames, and Playwright's own waiting counts those."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression, argument):
            if time.monotonic() > end:
                raise AssertionError(
                    f"{expression} {argument!r}: {self.page.inner_text('body')[:2000]} {self.errors}"
                )
            time.sleep(0.05)

    def says(self, text: str) -> None:
        """Wait until the page says this."""
        self.wait("text => document.body.innerText.includes(text)", text)

    def shown(self, name: str) -> None:
        """Wait until this photo's pictures are on the stage."""
        self.wait(
            "name => document.querySelector('#medium-title').textContent === name"
            " && [...document.querySelectorAll('.pane img')].some(i => i.complete && i.naturalWidth)"
            " && !document.querySelector('.message')",
            name,
        )

    def axe(self, where: str, rules: Sequence[str] = AXE_TAGS) -> None:
        """Axe finds nothing here, as the window stands."""
        axe = pytest.importorskip("axe_playwright_python.base", reason="the check of accessibility needs axe")
        self.page.evaluate("script => { if (!window.axe) (0, eval)(script); }", axe.AXE_SCRIPT)
        assert self.page.evaluate(AXE, rules) == [], where

    def flawless(self, where: str, other_theme: str = "") -> None:
        """Axe finds nothing here, its colours in another theme too where one is given, and on a small laptop no word
        is cut off and no button lies on another."""
        self.axe(where)
        if other_theme:
            self.page.emulate_media(color_scheme=other_theme)
            self.axe(f"{where}, {other_theme}", ["color-contrast"])
            self.page.emulate_media(color_scheme="light" if other_theme == "dark" else "dark")
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": 1280, "height": 720})
        assert self.page.evaluate(CRAMPED) == [], where
        self.page.set_viewport_size(size)

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


def page_strings() -> dict[str, str]:
    """The page's strings in English, by key."""
    return dict(json.loads(static_files()[WORDS]))
