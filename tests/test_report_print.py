"""The report on paper: one sheet of A4 that can be filed with the consent form."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

from PIL import Image

from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Box, Question, QuestionKind
from anonymizer.report.page import render
from anonymizer.report.schema import ChangesRecord, DecisionRecord, Report
from anonymizer.road.pipeline import Session
from chromium import in_browser
from conftest import SAMPLES


def printed(page: str, browser: Any) -> tuple[int, str]:
    """Sheets of A4, and what can be read on them."""
    tab = browser.new_page()
    tab.set_content(page)
    tab.emulate_media(media="print")
    text = tab.inner_text("main")
    pdf = tab.pdf(prefer_css_page_size=True)
    tab.close()
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)), text


@in_browser
def test_a_decided_photo_and_a_clip_print_on_one_sheet(browser: Any, tmp_path: Path) -> None:
    settings = Settings(text=TextPolicy.NONE, codes=False, marks=False)
    with Session(tmp_path / "out", settings) as session:
        outcome = session.run(SAMPLES / "group.jpg")
    assert outcome.report
    report = Report.model_validate_json(outcome.report.with_suffix(".json").read_bytes())
    decision = DecisionRecord(
        action="approved",
        initials="MM",
        decided="2026-11-24T10:00:00+00:00",
        reasons=[Question(QuestionKind.FACE, Box(x, 20, 30, 40)).message for x in range(10, 20)],
        changes=ChangesRecord(drawn=2),
    )
    decided = report.model_copy(update={"decision": decision})
    sheet = io.BytesIO()
    Image.new("RGB", (976, 552), (90, 120, 150)).save(sheet, "JPEG")
    clip = decided.medium.model_copy(update={"type": "clip", "frames": 75, "duration": 3.0})
    more = [*decided.checks, *(c.model_copy(update={"name": f"{c.name}-2"}) for c in decided.checks[:3])]
    clip_page = render(decided.model_copy(update={"medium": clip, "checks": more}), sheet.getvalue())
    assert base64.b64encode(sheet.getvalue()).decode() in clip_page
    for page in (render(report), render(decided), clip_page):
        sheets, text = printed(page, browser)
        assert sheets == 1
        assert "To be filed with the consent form" in text and report.medium.sha256 in text
    assert "by MM, 24 November 2026, 10:00 UTC" in text and "2 × drawn by hand" in text
