"""Redaction: what it may touch, what it must not depend on, and that it cannot be predicted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core.pixels import averages
from anonymizer.core.settings import DrawnRegion, Settings
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Point, Region, Shape, Style
from anonymizer.redact.photo import (
    FEATHER,
    coverage,
    drawn,
    grid_size,
    redact,
    redaction_box,
    restore,
)

EVIDENCE = (Evidence("a test", 1.0),)
HEIGHT, WIDTH = 90, 120
SECRET = bytes(range(32))


def region(
    x: float, y: float, w: float, h: float, kind: Kind = Kind.FACE, corners: tuple[Point, ...] = ()
) -> Region:
    return Region(Box(x, y, w, h), kind, EVIDENCE, corners=corners)


def noise_picture(seed: int = 1, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x, y = draw(st.floats(-60, 160)), draw(st.floats(-60, 130))
    w, h = draw(st.floats(0.2, 150)), draw(st.floats(0.2, 120))
    kind = draw(st.sampled_from(Kind))
    corners: tuple[Point, ...] = ()
    if kind is Kind.TEXT and draw(st.booleans()):
        corners = ((x, y + h / 4), (x + w * 0.9, y), (x + w, y + h * 0.7), (x + w / 10, y + h))
    return region(x, y, w, h, kind, corners)


@st.composite
def ways(draw: st.DrawFn) -> Settings:
    return Settings(
        style=draw(st.sampled_from(Style)),
        shape=draw(st.sampled_from([Shape.ELLIPSE, Shape.BOX])),
        grid=draw(st.integers(1, 4)),
        margin=draw(st.floats(1.2, 2.5)),
    )


@given(st.lists(regions(), max_size=4), ways())
def test_nothing_changes_outside_the_redactions_and_their_rim(
    places: list[Region], settings: Settings
) -> None:
    before = noise_picture()
    kept = before.copy()
    after, redactions = redact(before, places, settings)
    assert np.array_equal(before, kept), "the source's own pixels were changed"
    assert after.shape == before.shape and after.dtype == np.uint8
    allowed = np.zeros((HEIGHT, WIDTH), bool)
    for redaction in redactions:
        left, top, right, bottom = redaction.box
        rim = 0
        if redaction.shape is Shape.ELLIPSE and redaction.style is not Style.PIXELATE:
            rim = max(1, round(FEATHER * min(right - left, bottom - top)))
        allowed[max(0, top - rim) : max(0, bottom + rim), max(0, left - rim) : max(0, right + rim)] = True
    assert not (after != before).any(axis=2)[~allowed].any()


@given(regions(), ways())
def test_a_region_is_redacted_exactly_where_its_grown_box_meets_the_picture(
    place: Region, settings: Settings
) -> None:
    _, redactions = redact(noise_picture(), [place], settings)
    left, top, right, bottom = redaction_box(place, settings)
    meets = left < WIDTH and right > 0 and top < HEIGHT and bottom > 0
    assert len(redactions) == meets
    for redaction in redactions:
        assert max(redaction.grid) <= settings.grid <= 4
        assert redaction.kind is place.kind and redaction.evidence == EVIDENCE


@given(regions(), ways())
def test_no_pixel_of_the_thing_itself_shows_through(place: Region, settings: Settings) -> None:
    """Drawn over opposite colours the redaction's inside must come out the same: nothing is blended."""
    dark, light = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    solid = settings.model_copy(update={"style": Style.FILL})
    one, redactions = redact(dark, [place], solid)
    other, _ = redact(light, [place], solid)
    for redaction in redactions:
        left, top, right, bottom = redaction.box
        alpha = coverage(redaction.shape, redaction.box, redaction.corners, 0)
        full = np.zeros((HEIGHT, WIDTH), bool)
        y0, x0, y1, x1 = max(0, top), max(0, left), min(HEIGHT, bottom), min(WIDTH, right)
        full[y0:y1, x0:x1] = alpha[y0 - top : y1 - top, x0 - left : x1 - left] >= 1
        assert full.any() or redaction.shape is not Shape.BOX
        assert np.array_equal(one[full], other[full])
        assert not one[full].any(), "a fill is one constant colour"


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
@given(seed=st.integers(0, 1000), cell=st.tuples(st.integers(5, 9), st.integers(5, 9)))
def test_the_drawing_does_not_depend_on_detail(
    style: Style, shape: Shape, seed: int, cell: tuple[int, int]
) -> None:
    """Two pictures with the same area averages and different detail give the same drawing.

    The same on four cells a side, which are drawn, and on five, which the noise follows from.
    """
    columns, rows = 20 * cell[0], 20 * cell[1]
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (20, 20, 3)).astype(np.uint8)
    plain = np.zeros((rows + 40, columns + 40, 3), np.uint8)
    plain[20:-20, 20:-20] = np.repeat(np.repeat(coarse, cell[1], 0), cell[0], 1)
    # Detail that every cell's average cancels: each cell's values shifted by a pattern of sum 0.
    shift = rng.integers(-50, 50, (cell[1], cell[0]))
    shift[0, 0] -= shift.sum()
    while abs(shift[0, 0]) > 55:
        at = rng.integers(0, cell[1]), rng.integers(0, cell[0])
        step = 1 if shift[0, 0] < 0 else -1
        if at != (0, 0) and abs(shift[at] - step) <= 55:
            shift[at] -= step
            shift[0, 0] += step
    detailed = plain.astype(int)
    detailed[20:-20, 20:-20] += np.tile(shift, (20, 20))[..., None]
    other = detailed.astype(np.uint8)
    place, settings = region(20, 20, columns, rows), Settings(margin=1.0, style=style, shape=shape)
    one, redactions = redact(plain, [place], settings, SECRET)
    two, _ = redact(other, [place], settings, SECRET)
    assert redactions[0].grid == (4, 4)
    covered = coverage(shape, redactions[0].box, (), 0) >= 1
    assert covered.mean() > 0.7
    assert np.array_equal(one[20:-20, 20:-20][covered], two[20:-20, 20:-20][covered])


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 8))
def test_the_grid_never_exceeds_its_limit_nor_cells_fall_under_five_pixels(
    w: int, h: int, limit: int
) -> None:
    columns, rows = grid_size(w, h, limit)
    assert 1 <= columns <= limit and 1 <= rows <= limit
    assert columns == 1 or w / columns >= 5
    assert rows == 1 or h / rows >= 5


def test_a_blurred_region_holds_no_more_than_its_grid(portrait: Pixels) -> None:
    """The drawing of a region is a linear picture of 16 numbers per channel: its rank is at most 4."""
    place = region(380, 100, 240, 300)
    out, redactions = redact(portrait, [place], Settings(shape=Shape.BOX))
    left, top, right, bottom = redactions[0].box
    inside, before = out[top:bottom, left:right, 0], portrait[top:bottom, left:right, 0]
    fifth = np.linalg.svd(inside.astype(float), compute_uv=False)[4]
    # Rounding leaves a floor, some times the norm of a random matrix of standard deviation 1/sqrt(12).
    floor = (np.sqrt(bottom - top) + np.sqrt(right - left)) / np.sqrt(12)
    assert fifth < 3 * floor < np.linalg.svd(before.astype(float), compute_uv=False)[4] / 20


def test_noise_cannot_be_predicted(portrait: Pixels) -> None:
    """Without the secret; that of one call is drawn from the system's entropy."""
    place = region(400, 100, 200, 260)
    one, _ = redact(portrait, [place], Settings())
    two, _ = redact(portrait, [place], Settings())
    assert not np.array_equal(one, two)


def test_averages_are_area_averages_and_cells_are_flat() -> None:
    patch = noise_picture(height=40, width=80)
    grid = averages(patch, (8, 8))
    cells = patch.reshape(8, 5, 8, 10, 3).mean(axis=(1, 3))
    assert np.abs(grid - cells).max() <= 0.51
    mosaic = drawn(grid, 80, 40, Style.PIXELATE).reshape(8, 5, 8, 10, 3)
    assert (mosaic == mosaic[:, :1, :, :1]).all()


def test_overlapping_regions_do_not_depend_on_their_order() -> None:
    places = [region(10, 10, 60, 50), region(40, 30, 50, 40, Kind.TEXT), region(5, 50, 40, 30, Kind.CODE)]
    settings = Settings(style=Style.FILL)
    forwards, _ = redact(noise_picture(), places, settings)
    backwards, _ = redact(noise_picture(), places[::-1], settings)
    assert np.array_equal(forwards, backwards)


def test_a_face_drawn_over_a_label_never_softens_it() -> None:
    face, label = region(10, 10, 60, 50), region(40, 30, 50, 20, Kind.TEXT)
    for order in ([face, label], [label, face]):
        out, redactions = redact(noise_picture(), order, Settings())
        (text,) = [redaction for redaction in redactions if redaction.kind is Kind.TEXT]
        left, top, right, bottom = text.box
        assert not out[top:bottom, left:right].any()


@pytest.mark.parametrize("style", list(Style))
def test_a_region_of_one_pixel(style: Style) -> None:
    before = noise_picture()
    # Noise from another secret is nought in one of thirty draws.
    after, (redaction,) = redact(
        before, [region(50.2, 40.3, 0.1, 0.1)], Settings(style=style), bytes(range(32))
    )
    assert redaction.grid == (1, 1)
    assert not np.array_equal(after[40, 50], before[40, 50])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3)])
@pytest.mark.parametrize("style", list(Style))
def test_a_tiny_picture(size: tuple[int, int], style: Style) -> None:
    before = noise_picture(height=size[0], width=size[1])
    after, redactions = redact(before, [region(-5, -5, 100, 100)], Settings(style=style))
    assert after.shape == before.shape and len(redactions) == 1


def test_a_region_beyond_the_edge_takes_its_averages_from_what_is_visible() -> None:
    """A white picture stays bright where a face leaves it: pixels that do not exist are not averaged in."""
    white = np.full((100, 100, 3), 255, np.uint8)
    out, _ = redact(white, [region(-60, 20, 80, 60)], Settings(shape=Shape.BOX), SECRET)
    assert out.min() > 255 - 30 - 6 * 12


def test_restore_puts_back_exactly_the_rectangle_and_says_whether_it_changed_anything() -> None:
    before = noise_picture()
    after, _ = redact(before, [region(20, 20, 60, 50, Kind.DRAWN)], Settings())
    redacted = after.copy()
    assert restore(after, before, [Box(30, 30, 10, 10)])
    assert np.array_equal(after[30:40, 30:40], before[30:40, 30:40])
    after[30:40, 30:40] = redacted[30:40, 30:40]
    assert np.array_equal(after, redacted)
    assert not restore(after, before, [Box(100, 75, 10, 10)]), "nothing was hidden there"
    assert not restore(after, before, [Box(500, 500, 10, 10)])


def test_what_a_person_drew_is_filled_as_drawn_unless_it_is_called_a_face() -> None:
    drawn_region = DrawnRegion(rect=(10, 20, 30, 25))
    assert drawn_region.kind is Kind.DRAWN
    before = noise_picture()
    out, (redaction,) = redact(before, [region(10, 20, 30, 25, Kind.DRAWN)], Settings())
    assert (
        redaction.box == (10, 20, 40, 45) and redaction.style is Style.FILL and redaction.shape is Shape.BOX
    )
    assert not out[20:45, 10:40].any()
    _, (face,) = redact(before, [region(10, 20, 30, 25, Kind.FACE)], Settings())
    assert face.style is Style.BLUR and face.shape is Shape.ELLIPSE


def test_a_face_filled_with_its_tone_has_one_coarse_colour_and_a_soft_rim() -> None:
    before = np.full((100, 100, 3), 200, np.uint8)
    before[20:80, 20:80] = np.random.default_rng(2).integers(90, 130, (60, 60, 3))
    settings = Settings(style=Style.FILL, fill="tone")
    after, (one,) = redact(before, [region(30, 30, 40, 40)], settings)
    inside = coverage(one.shape, one.box, (), 0) > 0
    left, top, right, bottom = one.box
    colours = np.unique(after[top:bottom, left:right][inside], axis=0)
    assert (
        one.grid == (1, 1) and len(colours) == 1 and (colours % 16 == 0).all() and 90 < colours.mean() < 150
    )
    assert (after != before).any(axis=2).sum() > inside.sum() + 50, "the rim fades outwards"
    text, _ = redact(before, [Region(Box(30, 30, 20, 9), Kind.TEXT, EVIDENCE)], settings)
    assert (text[32:38, 32:48] == 0).all()
