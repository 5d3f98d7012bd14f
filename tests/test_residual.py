"""What lies beside a redaction is not hidden by it, however the boxes about the two overlap."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from anonymizer.core.geometry import area, corners_of, inside, outline, outline_iou
from anonymizer.core.settings import PERSON, Settings
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region, Shape
from anonymizer.redact.photo import redact
from anonymizer.redact.residual import hidden, left_over, strokes_beside, under_faces, unredacted

EVIDENCE = (Evidence("test", 1.0),)


def line(
    cx: float, cy: float, length: float, height: float, degrees: float, kind: Kind = Kind.TEXT
) -> Region:
    """A line of text about a point, turned."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    half = [
        (-length / 2, -height / 2),
        (length / 2, -height / 2),
        (length / 2, height / 2),
        (-length / 2, height / 2),
    ]
    points = tuple((float(cx + x * c - y * s), float(cy + x * s + y * c)) for x, y in half)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Region(Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)), kind, EVIDENCE, corners=points)


def field() -> Pixels:
    return np.full((600, 800, 3), 200, np.uint8)


@pytest.mark.parametrize("degrees", [45.0, -45.0, 30.0])
def test_a_line_beside_a_hidden_one_is_in_plain_sight(degrees: float) -> None:
    one = line(400, 300, 500, 24, degrees)
    beside = line(400 + 40, 300 - 40 * np.sign(degrees), 500, 24, degrees)
    _, redactions = redact(field(), [one], Settings())
    assert beside.box.covered_by(one.box) > 0.6
    assert hidden(beside, redactions) < 0.1 and unredacted([beside], redactions) == [beside]
    assert hidden(one, redactions) == 1.0 and unredacted([one], redactions) == []
    assert inside(outline(one), outline(beside)) < 0.1


def test_two_redactions_over_one_part_leave_the_rest() -> None:
    whole = line(400, 300, 400, 30, 0)
    halves = [line(280, 300, 160, 30, 0), line(278, 300, 162, 30, 0)]
    _, redactions = redact(field(), halves, Settings())
    assert 0.35 < hidden(whole, redactions) < 0.5
    assert unredacted([whole], redactions) == [whole]


@pytest.mark.parametrize("legible", [True, False])
def test_half_a_name_beside_a_bar_is_found_again_and_a_bar_alone_is_not(legible: bool) -> None:
    picture = Image.new("RGB", (800, 600), (225, 220, 210))
    pen = ImageDraw.Draw(picture)
    if legible:
        pen.text((480, 286), "MUSTERMANN", fill=(20, 20, 20), font=ImageFont.load_default(28))
    written, redactions = redact(np.asarray(picture, np.uint8), [line(350, 300, 260, 40, 0)], Settings())
    name = line(420, 300, 480, 56, 0)
    assert hidden(name, redactions) < 0.6
    assert strokes_beside(name, redactions, written) is legible
    assert not strokes_beside(line(350, 300, 260, 44, 0), redactions, written)
    assert not strokes_beside(line(2000, 300, 260, 44, 0), redactions, written)


def test_the_corner_of_an_ellipse_hides_nothing() -> None:
    face = Region(Box(200, 150, 300, 300), Kind.FACE, EVIDENCE)
    _, redactions = redact(field(), [face], Settings())
    left, top, *_ = redactions[0].box
    assert redactions[0].shape is Shape.ELLIPSE
    assert hidden(Region(Box(left, top, 30, 30), Kind.MARK, EVIDENCE), redactions) < 0.1
    assert hidden(face, redactions) > 0.98


@given(st.floats(-90, 90), st.floats(20, 300), st.floats(6, 60), st.floats(-300, 900), st.floats(-200, 700))
def test_what_is_said_to_be_hidden_is_what_was_drawn_over(
    degrees: float, length: float, height: float, x: float, y: float
) -> None:
    redacted, seen = line(400, 300, 300, 40, 25), line(x, y, length, height, degrees)
    pixels = field()
    clean, redactions = redact(pixels, [redacted], Settings())
    mask = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(np.array(seen.corners)).astype(np.int32), 1)
    there = (clean == 0).all(axis=2)[mask > 0]
    share = hidden(seen, redactions)
    assert 0 <= share <= 1
    if mask.sum() > 400 and seen.box.within(800, 600).area > 0.999 * seen.box.area:
        assert share == pytest.approx(float(there.mean()), abs=0.15)


def test_outlines_without_an_area_hide_and_hold_nothing() -> None:
    flat = Region(Box(10, 10, 0, 0), Kind.TEXT, EVIDENCE)
    assert area(outline(flat)) == 0 and hidden(flat, []) == 0
    assert inside(outline(flat), corners_of(Box(0, 0, 99, 99))) == 0
    assert outline_iou(corners_of(Box(0, 0, 9, 9)), corners_of(Box(0, 0, 9, 9))) == pytest.approx(1)


def test_what_is_bare_for_the_most_part_is_left_over_at_every_search() -> None:
    """Of whatever kind it is, and however it came about: nothing has to be found once more for that."""
    redacted, far = line(400, 300, 200, 30, 0), line(400, 500, 200, 30, 0)
    written, redactions = redact(field(), [redacted], Settings())
    about = line(400, 300, 300, 60, 0)
    face = Region(Box(100, 100, 80, 100), Kind.FACE, EVIDENCE)
    assert 0 < hidden(about, redactions) < 0.5
    for again in (False, True):
        found = left_over([redacted, face, far, about], redactions, written, never, again=again)
        assert found == [face, far, about]


def never(pixels: Pixels) -> list[Region]:
    raise AssertionError("nobody asked for a search")


@pytest.mark.parametrize("legible", [True, False])
def test_a_line_beside_a_bar_is_left_over_at_once_and_later_where_it_is_found_without_the_bar(
    legible: bool,
) -> None:
    picture = Image.fromarray(field())
    ImageDraw.Draw(picture).text((480, 286), "Mustermann 1961", fill=(20, 20, 20), font_size=28)
    written, redactions = redact(np.asarray(picture, np.uint8), [line(350, 300, 260, 40, 0)], Settings())
    name = line(440, 300, 460, 50, 0)
    assert 0.5 < hidden(name, redactions) < 0.7 and strokes_beside(name, redactions, written)
    assert left_over([name], redactions, written, never, again=False) == [name]
    searched: list[Pixels] = []

    def detect(pixels: Pixels) -> list[Region]:
        searched.append(pixels)
        return [line(560, 300, 180, 40, 0)] if legible else []

    assert left_over([name], redactions, written, detect, again=True) == ([name] if legible else [])
    (shown,) = searched
    assert shown[285:315, 230:470].min() > 150, "the bar is painted over"
    assert written[285:315, 230:470].max() < 20, "and stays where it was"


def test_a_bar_on_even_ground_is_not_left_over_by_itself() -> None:
    redacted = line(400, 300, 200, 30, 0)
    written, redactions = redact(field(), [redacted], Settings())
    wider = line(400, 300, 230, 44, 0)
    assert 0.5 < hidden(wider, redactions) < 1
    for again in (False, True):
        assert left_over([redacted, wider], redactions, written, never, again=again) == []


@pytest.mark.parametrize("legible", [True, False])
def test_a_fill_that_is_found_for_a_sign_is_left_over_where_something_is_found_without_it(
    legible: bool,
) -> None:
    """It is found larger than it is; what is about it counts at once only where a letter has room beside it."""
    written, redactions = redact(field(), [line(400, 300, 120, 80, 20)], Settings())
    sign = line(404, 306, 210, 170, 20)
    assert 0 < hidden(sign, redactions) < 0.5
    found = [line(400, 360, 60, 20, 20)] if legible else []
    assert left_over([sign], redactions, written, lambda _: found, again=False) == ([sign] if legible else [])
    for more in (line(400, 300, 340, 40, 20), line(480, 330, 200, 160, 20)):
        assert hidden(more, redactions) < 0.5
        assert left_over([more], redactions, written, never, again=False) == [more]
    face = Region(Box(340, 240, 130, 130), Kind.FACE, EVIDENCE)
    written, redactions = redact(field(), [face], Settings())
    assert left_over([line(404, 306, 280, 260, 20)], redactions, written, never, again=False)


def test_what_no_redaction_touches_is_left_over_whatever_a_second_search_says() -> None:
    """Letters in plain view are no dark bar: they need not be found once more."""
    hidden_line = line(400, 300, 200, 30, 0)
    picture = Image.fromarray(field())
    ImageDraw.Draw(picture).text((340, 488), "Jane Doe 1961", fill=(20, 20, 20), font_size=24)
    written, redactions = redact(np.asarray(picture, np.uint8), [hidden_line], Settings())
    name = line(420, 500, 200, 30, 0)
    assert strokes_beside(name, redactions, written)
    for again in (False, True):
        assert left_over([name], redactions, written, never, again=again) == [name]


def test_a_word_on_a_hidden_face_is_left_to_the_face() -> None:
    face = Region(Box(200, 150, 300, 300), Kind.FACE, EVIDENCE)
    _, faces = redact(field(), [face], Settings())
    eye = Region(Box(290, 220, 60, 24), Kind.TEXT, EVIDENCE)
    assert under_faces(eye, faces)
    assert not under_faces(eye, []) and not under_faces(eye.moved(Box(440, 220, 160, 24)), faces)
    drawn = Region(eye.box, Kind.TEXT, (Evidence(PERSON, 1.0),))
    assert not under_faces(drawn, faces), "what a person drew is drawn"
    assert not under_faces(Region(eye.box, Kind.MARK, EVIDENCE), faces)
