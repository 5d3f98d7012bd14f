"""What is done with a place that may be text: what is read is hidden, what destroys the case unread is asked about."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from anonymizer.core.geometry import inside, outline
from anonymizer.core.known import parsed
from anonymizer.core.types import Action, Box, Evidence, Kind, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.models.store import Store
from anonymizer.detect.text.evidence import MANY, Witnesses, judged
from anonymizer.detect.text.finder import TextFinder
from anonymizer.detect.text.ppocr import TextLine
from anonymizer.detect.text.second import SecondDetector
from scenes import coins, noisy, sutures, teeth

SIZE = (480, 640)
NOTHING = [TextLine("", 0.0, 0.0)]


def line(x: float, y: float, w: float, h: float) -> Region:
    return Region(Box(x, y, w, h), Kind.TEXT, (Evidence("detector", 0.8),))


def decide(lines: Sequence[Region], said: Sequence[TextLine], second: float = 1.0) -> list[Region]:
    return judged(lines, Witnesses(SIZE, lambda _: said, lambda _: second))


@pytest.mark.parametrize(
    ("text", "mean", "certain"),
    [
        ("Anna", 0.7, True),
        ("Anna", 0.5, False),
        ("0o0Q", 0.9, False),
        ("111", 0.99, False),
        ("+++", 0.9, False),
    ],
)
def test_a_large_place_is_hidden_if_it_is_read_and_asked_about_if_not(
    text: str, mean: float, certain: bool
) -> None:
    (answer,) = decide([line(100, 100, 200, 50)], [TextLine(text, 0.1, mean)])
    assert answer.hidden is certain


def test_a_very_large_place_must_be_read_better() -> None:
    half = line(0, 0, 640, 240)
    assert decide([half], [TextLine("Anna", 0.1, 0.5)])[0].action is Action.ASK
    assert decide([half], [TextLine("Anna", 0.1, 0.8)])[0].action is Action.HIDE_AND_ASK
    assert decide([half], [TextLine("Anna", 0.1, 0.95)])[0].action is Action.HIDE


def test_what_neither_reader_nor_second_detector_sees_is_left() -> None:
    assert decide([line(100, 100, 200, 50)], NOTHING, second=0.0) == []
    assert decide([line(100, 100, 200, 50)], [TextLine("ab", 0.3, 0.45)], second=0.0), (
        "half read: a person is asked"
    )
    lawn = line(0, 0, 640, 240)
    assert decide([lawn], [TextLine("ALY", 0.1, 0.45)], second=0.0) == [], "but not of half a picture"


def test_a_small_place_is_hidden_unread() -> None:
    assert decide([line(100, 100, 90, 12)], NOTHING, second=0.0)[0].hidden


@pytest.mark.parametrize(
    ("sign", "mean", "second", "beside", "left"),
    [
        ("★", 0.9, 0.0, True, True),
        ("C", 0.9, 0.0, False, True),
        ("C", 0.9, 0.0, True, False),
        ("C", 0.7, 0.0, False, False),
        ("C", 0.9, 0.2, False, False),
        ("Co", 0.9, 0.0, False, False),
    ],
)
def test_a_lone_sign_is_no_line(sign: str, mean: float, second: float, beside: bool, left: bool) -> None:
    """A star on a flag, a ring; but a column of letters is one sign each, too."""
    place = line(100, 100, 40, 30)
    lines = [place, line(100, 140, 30, 10)] if beside else [place]
    answers = judged(lines, Witnesses(SIZE, lambda _: [TextLine(sign, 0.5, mean)], lambda _: second))
    assert (place not in answers) is left


def test_a_paragraph_of_read_lines_is_hidden_and_no_question() -> None:
    lines = [line(100, 100 + 20 * n, 200, 19) for n in range(5)]
    whole = line(100, 100, 200, 100)
    answers = judged([*lines, whole], Witnesses(SIZE, lambda _: NOTHING, lambda _: 1.0))
    assert whole in answers and all(answer.hidden for answer in answers)


def test_unread_parts_of_a_large_doubt_are_no_redactions_of_their_own() -> None:
    """As three stitches of a row are: hidden, they would hide the row, and the question with it."""
    row = line(100, 100, 300, 60)
    parts = [line(105 + 100 * n, 105, 60, 50) for n in range(3)]
    (answer,) = decide([row, *parts], NOTHING)
    assert answer.action is Action.ASK and answer.box == row.box
    said = {parts[1]: [TextLine("Anna", 0.5, 0.8)]}
    answers = judged([row, *parts], Witnesses(SIZE, lambda one: said.get(one, NOTHING), lambda _: 1.0))
    assert parts[1] in answers and parts[0] in answers, "a third is read: it is text"


def test_one_place_is_one_question() -> None:
    doubts = [line(100, 100, 200, 60), line(110, 105, 150, 50), line(400, 300, 200, 60)]
    answers = decide(doubts, NOTHING)
    assert len(answers) == 2 and not any(answer.hidden for answer in answers)


def test_many_small_places_of_which_none_is_read_are_one_question() -> None:
    cloth = [line(40 + 30 * (n % 8), 60 + 14 * (n // 8), 24, 10) for n in range(40)]
    (asked,) = decide(cloth, NOTHING)
    assert not asked.hidden and all(inside(outline(one), outline(asked)) > 0.9 for one in cloth)
    assert all(answer.hidden for answer in decide(cloth, [TextLine("Anna", 0.8, 0.9)])), "a page of text"
    assert all(answer.hidden for answer in decide(cloth[: MANY - 1], NOTHING)), "few: nobody misses them"


def test_what_the_practice_knows_is_proof_however_badly_it_is_read() -> None:
    known = parsed("Erika Beispiel\n1.2.1970")
    place = [line(100, 100, 200, 50)]
    for said in ("BEISPlEL", "02/01/70"):
        witnesses = Witnesses(SIZE, lambda _, s=said: [TextLine(s, 0.0, 0.2)], lambda _: 0.0, known)  # type: ignore[misc]
        assert judged(place, witnesses)[0].hidden


# With the networks ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finder() -> TextFinder:
    return TextFinder(Store())


@pytest.mark.parametrize("picture", [sutures, teeth, coins])
def test_what_is_no_text_survives(finder: TextFinder, picture: object) -> None:
    pixels = picture()  # type: ignore[operator]
    covered = np.zeros(pixels.shape[:2], np.uint8)
    for region in finder.find(pixels):
        if region.hidden:
            cv2.fillConvexPoly(covered, np.rint(np.array(outline(region))).astype(np.int32), 1)
    assert covered.mean() < 0.05


@pytest.mark.parametrize(("height", "softness"), [(40, 0.2), (64, 0.16), (96, 0.16)])
def test_a_name_out_of_focus_is_hidden(finder: TextFinder, height: int, softness: float) -> None:
    picture = Image.new("RGB", (1600, 1200), (150, 140, 120))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(1.4 * height)
    left, top, right, bottom = pen.textbbox((800, 600), "MARTIN JEANNE 1961", font=font, anchor="mm")
    pen.rectangle((left - 40, top - 30, right + 40, bottom + 30), fill=(240, 240, 230))
    pen.text((800, 600), "MARTIN JEANNE 1961", fill=(30, 30, 40), font=font, anchor="mm")
    name = Region(Box(left, top, right - left, bottom - top), Kind.TEXT, ())
    found = [region for region in finder.find(noisy(picture, height * softness)) if region.hidden]
    assert max((inside(outline(name), outline(region)) for region in found), default=0.0) > 0.8


def test_a_close_opinion_tells_print_from_a_wall_and_is_asked_at_sizes_that_no_place_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = SecondDetector(Store(), "CPU")
    shown: set[tuple[int, ...]] = set()
    look = second._chances
    monkeypatch.setattr(second, "_chances", lambda view: (shown.add(view.shape[:2]), look(view))[1])
    picture = Image.new("RGB", (900, 400), (150, 140, 120))
    pen = ImageDraw.Draw(picture)
    places = []
    for right, y, height in ((900, 380, 24), (880, 100, 60)):
        font = ImageFont.load_default(height)
        pen.text((right, y), "MARTIN JEANNE", fill=(30, 30, 40), font=font, anchor="rm")
        left, top, right, bottom = (
            int(side) for side in pen.textbbox((right, y), "MARTIN JEANNE", font, "rm")
        )
        places.append(Region(Box(left, top, right - left, bottom - top), Kind.TEXT, ()))
    pixels = np.asarray(picture)
    wall, beyond = (Region(box, Kind.TEXT, ()) for box in (Box(40, 180, 120, 30), Box(950, 10, 40, 20)))
    assert min(second.close_opinion(pixels, place) for place in places) > 0.3
    assert max(second.close_opinion(pixels, place) for place in (wall, beyond)) < 0.01
    assert shown == {(224, 224), (320, 320)}


def test_networks_that_were_let_go_are_there_when_they_are_asked_next(finder: TextFinder) -> None:
    picture = Image.new("RGB", (400, 120), (240, 240, 230))
    ImageDraw.Draw(picture).text(
        (20, 30), "MARTIN JEANNE", fill=(30, 30, 40), font=ImageFont.load_default(40)
    )
    pixels, place = np.asarray(picture), Region(Box(15, 25, 330, 60), Kind.TEXT, ())
    before = finder.verification_pass(pixels), finder.proof(pixels, place)
    finder.let_go()
    assert (finder.verification_pass(pixels), finder.proof(pixels, place)) == before
    assert before[0] and before[1] is Proof.READ
