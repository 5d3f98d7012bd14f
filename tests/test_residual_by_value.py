"""How far a place lies under what was drawn, by value: shares, points, what is painted over, what counts as strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.settings import PERSON
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Redaction, Region, Shape, Style
from anonymizer.redact import residual
from anonymizer.redact.residual import (
    hidden,
    left_over,
    legible_beside,
    share_hidden,
    still_legible,
    strokes_beside,
    under_faces,
    unredacted,
)


def drawn(
    box: tuple[int, int, int, int], shape: Shape = Shape.BOX, corners: Sequence[tuple[float, float]] = ()
) -> Redaction:
    return Redaction(Kind.FACE, shape, Style.FILL, box, (1, 1), (), tuple(corners))


def region(box: Box, kind: Kind = Kind.TEXT) -> Region:
    return Region(box, kind, ())


def points(count: int) -> NDArray[np.float64]:
    return np.arange(0.5, count)


# Shares


@pytest.mark.parametrize(("right", "share"), [(0, 0.0), (25, 0.25), (50, 0.5), (100, 1.0), (900, 1.0)])
def test_the_share_of_a_place_that_is_hidden(right: int, share: float) -> None:
    redactions = [drawn((0, 0, right, 100))]
    assert hidden(region(Box(0, 0, 100, 100)), redactions) == pytest.approx(share)
    assert share_hidden(redactions, 100, 100) == pytest.approx(share)
    # The same twice over is the same once.
    assert hidden(region(Box(0, 0, 100, 100)), redactions * 2) == pytest.approx(share)


def test_nothing_is_hidden_by_nothing_and_nothing_of_nothing() -> None:
    assert share_hidden([], 100, 100) == 0.0 and hidden(region(Box(0, 0, 100, 100)), []) == 0.0
    assert hidden(region(Box(0, 0, 0, 0)), [drawn((0, 0, 9, 9))]) == 0.0
    assert hidden(region(Box(10, 10, 0.8, 10)), [drawn((0, 0, 99, 15))]) == pytest.approx(0.5), "one column"
    assert hidden(region(Box(10, 10, 10, 0.8)), [drawn((0, 0, 15, 99))]) == pytest.approx(0.5), "one row"


def test_of_a_large_place_the_share_is_the_same() -> None:
    assert hidden(region(Box(0, 0, 4000, 3000)), [drawn((0, 0, 4000, 750))]) == pytest.approx(0.25, abs=0.01)
    assert share_hidden([drawn((0, 0, 4000, 750))], 4000, 3000) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(("style", "rim"), [(Style.BLUR, 4), (Style.PIXELATE, 0)])
def test_a_soft_ellipse_takes_away_to_the_middle_of_its_rim(style: Style, rim: int) -> None:
    ellipse = replace(drawn((100, 100, 300, 300), Shape.ELLIPSE), style=style)
    expected = np.pi * (100 + rim) ** 2 / 400**2
    assert share_hidden([ellipse], 400, 400) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("right", "bare"), [(0, True), (49, True), (50, False), (51, False)])
def test_half_of_a_place_hides_it(right: int, bare: bool) -> None:
    one = region(Box(0, 0, 100, 100))
    assert unredacted([one], [drawn((0, 0, right, 100))]) == ([one] if bare else [])


# Points


def test_which_points_a_box_an_ellipse_and_a_quadrilateral_are_drawn_over() -> None:
    xs = ys = np.arange(0.0, 12)
    box = residual._under(drawn((2, 3, 8, 9)), xs, ys)
    expected = np.zeros((12, 12), bool)
    expected[3:9, 2:8] = True
    assert np.array_equal(box, expected)
    ellipse = residual._under(drawn((2, 2, 8, 8), Shape.ELLIPSE), xs, ys)
    expected = np.array(
        [[(x - 5) ** 2 + (y - 5) ** 2 <= 9 and x < 8 and y < 8 for x in range(12)] for y in range(12)]
    )
    assert np.array_equal(ellipse, expected) and ellipse[5, 2]
    corners = ((4.0, 4.0), (7.0, 4.0), (7.0, 7.0), (4.0, 7.0))
    turned = residual._under(drawn((0, 0, 12, 12), Shape.QUAD, corners), xs, ys)
    expected = np.zeros((12, 12), bool)
    expected[2:10, 2:10] = True
    assert np.array_equal(turned, expected), "grown by two pixels, as it is drawn"


@pytest.mark.parametrize("box", [(-9, 0, 0, 9), (12, 0, 20, 9), (0, -9, 9, 0), (0, 12, 9, 20)])
def test_what_lies_beside_the_points_is_over_none_of_them(box: tuple[int, int, int, int]) -> None:
    assert not residual._over([drawn(box)], points(12), points(12)).any()
    both = residual._over([drawn(box), drawn((3, 3, 5, 5))], points(12), points(12))
    assert both.sum() == 4 and both[3:5, 3:5].all()


def test_a_redaction_begins_with_its_first_point() -> None:
    lattice = np.arange(0.0, 12)
    both = residual._over([drawn((11, 0, 20, 12)), drawn((0, 11, 12, 20))], lattice, lattice)
    assert both[:, 11].all() and both[11].all() and both.sum() == 23


def test_which_points_lie_in_a_place() -> None:
    one = region(Box(2, 3, 4, 5))
    assert residual._within(one, points(12), points(12)).sum() >= 4 * 5
    assert not residual._within(one, points(12), points(12))[:, 8:].any()
    assert residual._within(one, points(0), points(12)).shape == (12, 0)


# Strokes


WHITE: Pixels = np.full((60, 120, 3), 200, np.uint8)


def lines(count: int, length: int, by: int = 150) -> Pixels:
    """So many dark lines of one pixel on white, from the upper edge down, side by side."""
    picture = WHITE.copy()
    for number in range(count):
        picture[:length, 8 + 10 * number] -= np.uint8(by)
    return picture


@pytest.mark.parametrize(("count", "length", "strokes"), [(3, 16, False), (3, 17, True), (0, 0, False)])
def test_strokes_cover_more_than_so_much_of_a_place(count: int, length: int, strokes: bool) -> None:
    """Of 800 pixels 48 are just as many as there may be, 51 more."""
    assert strokes_beside(region(Box(0, 0, 40, 20)), [], lines(count, length)) is strokes


@pytest.mark.parametrize(("by", "strokes"), [(residual.CONTRAST, False), (residual.CONTRAST + 1, True)])
def test_strokes_differ_by_more_than_so_much_from_what_is_beside_them(by: int, strokes: bool) -> None:
    one = region(Box(0, 0, 40, 20))
    assert strokes_beside(one, [], lines(3, 20, by)) is strokes
    assert strokes_beside(one, [], 255 - lines(3, 20, by)) is strokes, "light ones on dark"


@pytest.mark.parametrize(("side", "strokes"), [(8, True), (7, False)])
def test_in_fewer_pixels_there_is_nothing_to_read(side: int, strokes: bool) -> None:
    assert strokes_beside(region(Box(5, 0, side, side)), [], lines(1, 8)) is strokes


def test_a_redaction_and_its_edge_are_no_strokes() -> None:
    picture = WHITE.copy()
    picture[:, 50:60] = 0
    bar = [drawn((50, 0, 60, 60))]
    place = region(Box(30, 10, 50, 10))
    assert strokes_beside(place, [], picture) is False, "as broad as this none is"
    picture[:, 61] = 20
    assert strokes_beside(region(Box(55, 10, 25, 30)), bar, picture) is False, "it rings there"
    picture[:, 64:80:5] = 20
    assert strokes_beside(region(Box(55, 10, 25, 30)), bar, picture) is True


@pytest.mark.parametrize("box", [Box(500, 0, 40, 20), Box(0, 500, 40, 20), Box(-90, 0, 40, 20)])
def test_beside_the_picture_there_are_no_strokes(box: Box) -> None:
    assert strokes_beside(region(box), [], lines(3, 20)) is False


def test_only_of_text_and_codes_anything_can_be_read() -> None:
    place = Box(0, 0, 40, 20)
    for kind in Kind:
        assert legible_beside(region(place, kind), [], lines(3, 20)) is (kind in (Kind.TEXT, Kind.CODE))
        assert not legible_beside(region(place, kind), [], WHITE)


# What is left over


def test_what_is_bare_or_legible_beside_a_redaction_is_left_over() -> None:
    """The first time all of it; once what was found is hidden, of what is legible only what is found without."""
    picture = lines(3, 20)
    redactions = [drawn((0, 25, 120, 60)), drawn((33, 0, 120, 25))]
    face, covered = region(Box(0, 0, 30, 20), Kind.FACE), region(Box(0, 30, 60, 20), Kind.FACE)
    # Half of it and more lies under a redaction, and letters beside.
    line = region(Box(0, 0, 66, 20))
    assert hidden(line, redactions) >= 0.5 and legible_beside(line, redactions, picture)
    found = [face, covered, line]
    nobody = pytest.fail
    assert left_over(found, redactions, picture, lambda _: nobody("not yet"), again=False) == [face, line]
    assert left_over(found, redactions, picture, lambda _: [], again=True) == [face]
    assert left_over(found, redactions, picture, lambda _: [line], again=True) == [face, line]


@pytest.mark.parametrize(
    ("box", "kind", "drawn_by", "under"),
    [
        (Box(10, 10, 20, 20), Kind.TEXT, "a detector", True),
        (Box(10, 10, 20, 20), Kind.CODE, "a detector", True),
        (Box(10, 10, 20, 20), Kind.MARK, "a detector", False),
        (Box(10, 10, 20, 20), Kind.TEXT, PERSON, False),
        (Box(9, 10, 20, 20), Kind.TEXT, "a detector", False),
        (Box(10, 10, 21, 20), Kind.TEXT, "a detector", False),
    ],
)
def test_text_under_faces_has_no_pixel_outside_them(box: Box, kind: Kind, drawn_by: str, under: bool) -> None:
    one = Region(box, kind, (Evidence("another", 1.0), Evidence(drawn_by, 1.0)))
    assert under_faces(one, [drawn((10, 10, 20, 40)), drawn((20, 10, 30, 40))]) is under


# A second search


def test_what_is_painted_over_looks_like_what_is_about_it() -> None:
    picture = np.repeat(np.random.default_rng(1).integers(90, 110, (60, 120, 1), dtype=np.uint8), 3, axis=2)
    before = picture.copy()
    picture[20:30, 40:60] = 0
    residual._paint_over(picture, [drawn((40, 20, 60, 30))], Box(20, 5, 80, 50))
    assert picture[20:30, 40:60].min() > 80 and picture[20:30, 40:60].max() < 120
    outside = np.ones((60, 120), bool)
    outside[18:32, 38:62] = False
    assert np.array_equal(picture[outside], before[outside])
    far = before.copy()
    far[20:30, 40:60] = 0
    kept = far.copy()
    for x, y in ((120, 10), (-30, 10), (10, 60), (10, -30), (500, 10)):
        residual._paint_over(far, [drawn((40, 20, 60, 30))], Box(x, y, 30, 30))
    residual._paint_over(far, [drawn((40, 20, 60, 30))], Box(80, 5, 30, 50))
    assert np.array_equal(far, kept), "none of these places holds the redaction"


def test_a_doubtful_place_is_legible_if_something_is_found_there_without_the_redactions() -> None:
    picture = lines(3, 20)
    bar = [drawn((60, 0, 100, 60))]
    place = region(Box(0, 0, 40, 20))
    seen: list[Pixels] = []

    def legible(*found: Region) -> bool:
        def detect(pixels: Pixels) -> list[Region]:
            seen.append(pixels)
            return list(found)

        return still_legible([place], bar, picture, detect) == [place]

    assert not legible()
    assert legible(place) and legible(region(Box(0, 0, 40, 20), Kind.CODE))
    assert not legible(region(Box(0, 0, 40, 20), Kind.FACE))
    assert not legible(region(Box(0, 30, 40, 20))), "found elsewhere"
    assert not legible(region(Box(60, 0, 40, 20))), "the redaction itself"
    # Half of it hidden, and nothing to read in the other half; less than half hidden; half, and letters beside.
    assert not legible(region(Box(38, 18, 44, 20)))
    assert legible(region(Box(20, 18, 44, 20)))
    assert legible(region(Box(0, 0, 120, 20)))
    assert seen and all(one is not picture for one in seen) and np.array_equal(picture, lines(3, 20))
    assert still_legible([], bar, picture, lambda _: pytest.fail("nobody needs to look")) == []
