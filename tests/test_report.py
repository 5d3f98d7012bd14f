"""The report: what it says, what it must never say, and that it stays a page whatever a string holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from anonymizer.core.message import Message, from_json
from anonymizer.core.sentences import ENGLISH
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import (
    Action,
    Box,
    Check,
    Evidence,
    Kind,
    Model,
    Processed,
    QuestionKind,
    Redaction,
    Region,
    Result,
    Shape,
    Style,
    Traces,
    TrackSummary,
    Verdict,
)
from anonymizer.detect.finder import question, questions
from anonymizer.report.build import NOT_CHECKED, NOT_CHECKED_CLIP, build
from anonymizer.report.index import MOST, IndexLine, render_index
from anonymizer.report.page import SHOWN, render
from anonymizer.report.questions import asked
from anonymizer.report.schema import Report
from anonymizer.road.pipeline import judge, scan_report
from conftest import plain, sentences

HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x>\"'&\x00\u202e</title>"
FACE = Redaction(
    Kind.FACE, Shape.ELLIPSE, Style.BLUR, (-10, 20, 110, 160), (8, 8), (Evidence("centerface", 0.91),)
)
LABEL = Redaction(Kind.TEXT, Shape.QUAD, Style.FILL, (200, 300, 380, 340), (1, 1), (Evidence("ppocr", 0.8),))
CHECKS = (
    Check("structure", Result.PASS, plain("Every byte is accounted for."), {"segments": 9}),
    Check("second-opinion", Result.SKIPPED, plain("ExifTool is not installed.")),
)


def processed(**change: object) -> Processed:
    values: dict[str, object] = {
        "path": Path("staged.jpg"),
        "type": "photo",
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "redactions": (FACE, LABEL),
        "checks": CHECKS,
        "traces": Traces(("GPS position", "serial number"), frozenset({"Martha Mustermann", "SN-4711-0815"})),
        "models": (Model("centerface", "ab" * 32, "MIT", "CPU"),),
    }
    return Processed(**(values | change))  # type: ignore[arg-type]


def report(
    verdict: Verdict = Verdict.READY, reasons: Iterable[str | Message] = (), **change: object
) -> Report:
    made = processed(**change)
    return build(
        made,
        Settings(),
        id="abcdefgh2345",
        name="abcdefgh2345.jpg",
        sha256="cd" * 32,
        size=123_456,
        verdict=verdict,
        reasons=[from_json(one) for one in reasons],
        checks=list(made.checks),
    )


class Page(HTMLParser):
    """The tags with their attributes, and the text, as a browser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "rect", "ellipse"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "ellipse", "br"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def addresses(self) -> Iterator[str]:
        for _, attributes in self.tags:
            for name in ("href", "src", "action", "data", "poster", "srcset", "xlink:href"):
                if attributes.get(name):
                    yield str(attributes[name])


def assert_sound(text: str) -> Page:
    """A whole page, without a script, an outside address or a word that promises too much."""
    page = Page(text)
    assert page.open == []
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"script", "iframe", "object", "embed", "link", "form", "base", "audio", "video"})
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    for address in page.addresses():
        assert address.startswith("data:image/jpeg;base64,") or re.fullmatch(r"[\w./%~-]+", address), address
    assert "url(" not in text and "@import" not in text
    # The word of the law, in English and German, in any form; the program's own name is not one of them.
    assert not re.search(r"anonym(?!izer)", page.text, re.IGNORECASE)
    return page


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict.READY, "Ready to publish"),
        (Verdict.REVIEW, "Needs review"),
        (Verdict.FAILED, "Not published"),
    ],
)
def test_each_verdict_is_said_in_words_and_with_its_reasons(verdict: Verdict, word: str) -> None:
    reasons = [] if verdict is Verdict.READY else ["There may be a face.", "There may be text."]
    page = assert_sound(render(report(verdict, reasons)))
    assert word in page.text
    assert all(reason in page.text for reason in reasons)


def test_the_page_holds_what_the_report_holds() -> None:
    made = report()
    page = assert_sound(render(made)).text
    for said in (
        made.medium.sha256, made.id, "640 × 480", "123 kB", "1 × face, 1 × text", "centerface (0.91)",
        "8 × 8 cells", "Every byte is accounted for.", "ExifTool is not installed.", "not made", "1 of 1",
        "GPS position", "serial number", "ab" * 32, *sentences(NOT_CHECKED), made.program.version,
    ):  # fmt: skip
        assert said in page
    assert str(made.settings["margin"]) in page


def test_no_metadata_and_nothing_hidden_are_said() -> None:
    page = assert_sound(render(report(redactions=(), traces=Traces()))).text
    assert "No metadata was found in the source." in page
    assert "nothing was hidden" in page


@pytest.mark.parametrize("redactions", [(), (FACE, LABEL)])
def test_the_plan_marks_the_places_to_look_at(redactions: tuple[Redaction, ...]) -> None:
    doubt = Region(Box(100, 50, 80, 60), Kind.MARK, (Evidence("ink on skin", 0.9),), action=Action.ASK)
    (one,) = questions([doubt])
    made = report(
        Verdict.REVIEW, [one.message, plain("The file is odd.")], redactions=redactions, questions=(one,)
    )
    page = assert_sound(render(made))
    boxes = [attributes for _, attributes in page.tags if attributes.get("class") == "asked"]
    assert [(b["x"], b["y"], b["width"], b["height"]) for b in boxes] == [("100", "50", "80", "60")]
    assert "Dashed: please look." in page.text


def test_what_is_asked_has_its_place_and_the_very_moment_of_its_frame() -> None:
    region = Region(Box(10.04, -4.26, 30, 40), Kind.FACE, (Evidence("centerface", 0.4),), action=Action.ASK)
    one = question(region, 3.2345678)
    assert str(one.message).startswith(
        "There may be a face 3.2 s into the clip, at x 10, y -4, 30 by 40 pixels"
    )
    sound = "The sound was kept, as requested: a voice identifies, so a person must listen to it."
    made = report(Verdict.REVIEW, [one.message, plain(sound)], questions=(one,))
    found = asked(Report.model_validate_json(made.model_dump_json()))
    (said,) = found
    assert said.message == one.message
    assert (said.kind, said.box, said.seconds) == (Kind.FACE, (10.0, -4.3, 40.0, 35.7), 3.2345678)
    # What is decided is asked no more.
    assert asked(made.model_copy(update={"reasons": []})) == []


def test_what_is_hidden_until_somebody_has_looked_says_so() -> None:
    region = Region(
        Box(10, -4, 30, 40), Kind.FACE, (), action=Action.HIDE_AND_ASK, question=QuestionKind.FACE_PART
    )
    (one,) = questions([region, Region(Box(0, 0, 9, 9), Kind.TEXT, (), action=Action.LEAVE)])
    told = str(one.message)
    assert told.startswith("What may be a part of a face is hidden at x 10, y -4, 30 by 40 pixels")
    made = report(Verdict.REVIEW, [one.message], questions=(one,))
    (said,) = asked(Report.model_validate_json(made.model_dump_json()))
    assert (said.kind, said.kind.kind, said.hidden) == (QuestionKind.FACE_PART, Kind.FACE, True)


def test_hostile_strings_stay_text() -> None:
    made = report(
        Verdict.REVIEW,
        [HOSTILE],
        notes=(plain(HOSTILE),),
        checks=(Check(HOSTILE, Result.FAIL, plain(HOSTILE), {HOSTILE: HOSTILE}),),
        traces=Traces((HOSTILE,)),
        models=(Model(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        redactions=(
            Redaction(Kind.FACE, Shape.BOX, Style.BLUR, (0, 0, 9, 9), (1, 1), (Evidence(HOSTILE, 1),)),
        ),
    )
    made = made.model_copy(
        update={
            "id": HOSTILE,
            "created": HOSTILE,
            "medium": made.medium.model_copy(update={"name": HOSTILE, "sha256": HOSTILE, "format": HOSTILE}),
            "settings": {HOSTILE: [HOSTILE]},
        }
    )
    for text in (
        render(made),
        render_index({}, [IndexLine(HOSTILE, Verdict.REVIEW, HOSTILE, "review", 1, (plain(HOSTILE),))]),
    ):
        page = Page(text)
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
        assert page.open == []
        assert all(re.fullmatch(r"[\w./%~-]+", address) for address in page.addresses())


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_any_name_and_reason_give_a_whole_page(text: str) -> None:
    made = report(Verdict.REVIEW, [text])
    made = made.model_copy(update={"medium": made.medium.model_copy(update={"name": text})})
    assert Page(render(made)).open == []
    assert (
        Page(render_index({}, [IndexLine(text, Verdict.REVIEW, text, "review", 1, (plain(text),))])).open
        == []
    )


def test_a_clip_tells_its_tracks_and_shows_its_frames() -> None:
    track = TrackSummary(
        Kind.FACE, Style.BLUR, Shape.ELLIPSE, 0.0, 2.5, 75, 4, (Evidence("centerface", 0.9),), (1, 2, 30, 40), (8, 8)
    )  # fmt: skip
    made = report(type="clip", format="MP4", redactions=(), tracks=(track,), frames=90, duration=3.0)
    page = assert_sound(render(made, b"\xff\xd8jpeg\xff\xd9"))
    assert "0.00–2.50" in page.text and "90 frames, 3.0 s" in page.text
    assert all(said in page.text for said in sentences(NOT_CHECKED_CLIP))
    assert any(tag == "img" for tag, _ in page.tags)
    assert (made.regions[0].frames, made.regions[0].interpolated) == (75, 4)


def test_thousands_of_regions_are_counted_and_not_all_drawn() -> None:
    page = assert_sound(render(report(redactions=(FACE,) * 3000)))
    assert "3000 × face" in page.text
    assert sum(tag == "ellipse" for tag, _ in page.tags) == SHOWN
    assert f"{3000 - SHOWN} more" in page.text


def test_what_was_switched_off_is_said() -> None:
    off = Settings(faces=False, text=TextPolicy.NONE, codes=False, keep_name=True)
    made = build(
        processed(), off, id="a", name="b.jpg", sha256="c", size=1, verdict=Verdict.REVIEW, reasons=[], checks=[]
    )  # fmt: skip
    said = " ".join(sentences(made.not_checked))
    assert all(word in said for word in ("Faces, as requested", "Text, as requested", "codes, as requested"))
    assert sentences(made.notes) == ["The source's file name was kept, as requested."]


def test_json_round_trip_and_schema() -> None:
    made = report(Verdict.REVIEW, ["There may be a face."])
    again = Report.model_validate_json(made.model_dump_json())
    assert again == made
    assert json.loads(made.model_dump_json())["schema_version"] == 2
    needed = set(Report.model_json_schema()["required"])
    assert {"id", "verdict", "checks", "regions", "medium", "models", "not_checked"} <= needed


@pytest.mark.parametrize("change", [{"schema_version": 3}, {"verdict": "fine"}, {"patient": "Martha"}])
def test_a_report_of_another_shape_is_refused(change: dict[str, object]) -> None:
    values = json.loads(report().model_dump_json()) | change
    with pytest.raises(ValidationError):
        Report.model_validate(values)


def test_no_string_of_the_source_is_in_the_report() -> None:
    made = processed()
    text = report().model_dump_json() + render(report())
    assert not any(string in text for string in made.traces.strings)
    assert scan_report(report(), made).result is Result.PASS


@pytest.mark.parametrize("name", ["Marie", "Petit", "Blanc", "Green", "Young", "Black"])
def test_a_name_that_is_also_a_word_of_the_program_is_found(name: str) -> None:
    made = processed(traces=Traces((), frozenset({name})))
    for said in (
        Message("clip.drawn-outside", rect=f"of {name}", seconds=1.0),
        Message("check.report-canaries", why=Message("photo.damaged", format=name)),
    ):
        told = report().model_copy(update={"notes": [said]})
        assert scan_report(told, made).result is Result.FAIL
    told = report().model_copy(update={"source_traces": [f"name of {name}"]})
    assert scan_report(told, made).result is Result.FAIL
    assert scan_report(report(), made).result is Result.PASS


def test_the_programs_own_sentences_are_no_strings_of_a_source() -> None:
    told = [text for text in ENGLISH.values() if isinstance(text, str)]
    words = {word for text in told for word in re.findall(r"[A-Za-z]{5,}", text)}
    assert len(words) > 300
    made = processed(traces=Traces((), frozenset(words)), checks=())
    said = Message("photo.pictures-which", count=3, which=Message("photo.primary"))
    other = report(Verdict.REVIEW, [Message("clip.begins-late", seconds=1.5)], checks=())
    other = other.model_copy(update={"notes": [said]})
    assert scan_report(other, made).result is Result.PASS


@pytest.mark.parametrize("where", ["notes", "reasons", "evidence"])
def test_a_string_of_the_source_that_slipped_in_is_found(where: str) -> None:
    leak = "Seen on Martha Mustermann's wrist."
    change: dict[str, object] = {}
    if where == "notes":
        change["notes"] = (plain(leak),)
    if where == "evidence":
        change["checks"] = (*CHECKS, Check("residual", Result.PASS, plain(leak)))
    made = report(reasons=[leak] if where == "reasons" else [], **change)
    assert scan_report(made, processed()).result is Result.FAIL


@pytest.mark.parametrize("result", [Result.FAIL, Result.REVIEW])
def test_one_check_that_did_not_pass_keeps_the_medium_from_ready(result: Result) -> None:
    verdict, reasons = judge(
        processed(), [*CHECKS, Check("strength", result, plain("Region 1 shows too much."))]
    )
    assert verdict is Verdict.REVIEW
    assert sentences(reasons) == ["Region 1 shows too much."]
    assert judge(processed(), list(CHECKS))[0] is Verdict.READY


def test_the_index_counts_links_and_names_what_was_not_processed() -> None:
    lines = [
        IndexLine("ffffffff2345", Verdict.FAILED, reasons=(plain("The file is empty."),), reported=False),
        IndexLine(
            "zzzzzzzz2345", Verdict.REVIEW, "zzzzzzzz2345.jpg", "review", 2, (plain("There may be a face."),)
        ),
        IndexLine("rrrrrrrr2345", Verdict.FAILED, "rrrrrrrr2345.jpg"),
        IndexLine("abcdefgh2345", Verdict.READY, "abcdefgh2345.jpg", "ready"),
    ]
    text = render_index({Verdict.READY: 1, Verdict.REVIEW: 1, Verdict.FAILED: 2}, lines)
    page = assert_sound(text)
    assert "The file is empty." in page.text and "There may be a face." in page.text
    assert text.index("ffffffff2345") < text.index("zzzzzzzz2345.html") < text.index("abcdefgh2345.html")
    assert set(page.addresses()) == {
        *("../ready/abcdefgh2345.jpg", "../review/zzzzzzzz2345.jpg"),
        *("abcdefgh2345.html", "zzzzzzzz2345.html", "rrrrrrrr2345.html"),
    }
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", text) == ["1", "1", "2", "0"], "the last: not taken"
    assert "more are not listed" not in text


def test_the_index_of_a_million_is_one_whole_page_that_a_browser_can_show() -> None:
    many = [IndexLine(f"{n:012d}", Verdict.READY, f"{n:012d}.jpg", "ready") for n in range(MOST)]
    text = render_index({Verdict.READY: 1_000_000}, many)
    page = Page(text)
    assert page.open == []
    assert sum(tag == "tr" for tag, _ in page.tags) == MOST + 1
    assert len(text) < 6_000_000
    assert f"{1_000_000 - MOST} more are not listed here" in page.text


def test_an_empty_index_is_a_page() -> None:
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", render_index({}, [])) == ["0", "0", "0", "0"]
