"""What is drawn, by value and at its borders: boxes, outlines and averages in photos and in a clip's planes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core import hdr
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Evidence, Kind, Point, Region, Shape, Style
from anonymizer.core.yuv import AnyPlanes, colours
from anonymizer.redact import clip, photo
from anonymizer.redact.clip import TrackRedaction, paint, redaction_at, shown, track_redaction
from anonymizer.redact.photo import (
    bounded,
    coverage,
    drawn,
    grid_size,
    redact,
    redaction_box,
    restore,
    shape_of,
    style_of,
)
from anonymizer.track.tracks import Track

SECRET = bytes(range(32))
CORNERS: tuple[Point, ...] = ((10.0, 20.0), (50.0, 20.0), (50.0, 60.0), (10.0, 60.0))


def region(box: Box, kind: Kind = Kind.FACE, corners: tuple[Point, ...] = ()) -> Region:
    return Region(box, kind, (), corners=corners)


# Photos


@pytest.mark.parametrize(
    ("kind", "box"),
    [
        # Half as large again, about its centre; by a share of the lesser side, two pixels at least; as drawn.
        (Kind.FACE, (0, 5, 60, 65)),
        (Kind.MARK, (0, 5, 60, 65)),
        (Kind.TEXT, (4, 9, 56, 61)),
        (Kind.CODE, (4, 9, 56, 61)),
        (Kind.DRAWN, (10, 15, 50, 55)),
    ],
)
def test_how_far_a_box_grows(kind: Kind, box: tuple[int, int, int, int]) -> None:
    assert redaction_box(region(Box(10, 15, 40, 40), kind), Settings(margin=1.5)) == box


def test_the_growth_of_a_thin_line_and_of_nothing() -> None:
    assert redaction_box(region(Box(10, 15, 40, 4), Kind.TEXT), Settings()) == (8, 13, 52, 21)
    assert redaction_box(region(Box(10, 15, 0, 0), Kind.DRAWN), Settings()) == (10, 15, 11, 16)
    assert redaction_box(region(Box(10.4, 15.6, 0.2, 0.2), Kind.DRAWN), Settings()) == (10, 15, 11, 16)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("corners", [(), CORNERS[:3], CORNERS])
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
def test_style_and_shape_of_every_kind(kind: Kind, corners: tuple[Point, ...], shape: Shape) -> None:
    settings = Settings(style=Style.PIXELATE, shape=shape)
    one = region(Box(10, 20, 40, 40), kind, corners)
    soft = kind in (Kind.FACE, Kind.MARK)
    assert style_of(one, settings) is (Style.PIXELATE if soft else Style.FILL)
    turned = kind in (Kind.TEXT, Kind.CODE) and len(corners) == 4
    assert shape_of(one, settings) is (shape if soft else Shape.QUAD if turned else Shape.BOX)


def test_the_size_of_a_grid() -> None:
    assert [grid_size(w, h, 4) for w, h in ((20, 20), (19, 9), (4, 200), (10, 1))] == [
        (4, 4),
        (3, 1),
        (1, 4),
        (2, 1),
    ]


def test_a_box_is_covered_wholly_and_nothing_about_it() -> None:
    mask = coverage(Shape.BOX, (0, 0, 6, 4), (), 2)
    assert mask.shape == (8, 10) and (mask[2:6, 2:8] == 1).all() and mask.sum() == 24


def test_an_ellipse_is_covered_to_the_pixel_that_it_touches() -> None:
    """A pixel that lies on the outline itself, by three, four and five, is inside; a rim fades from there."""
    mask = coverage(Shape.ELLIPSE, (0, 0, 9, 9), (), 0)
    assert mask[0, 1] == mask[1, 0] == 1 and mask[0, 0] == 0
    assert set(np.unique(mask)) == {0, 1}
    soft = coverage(Shape.ELLIPSE, (0, 0, 9, 9), (), 3)
    assert soft.shape == (15, 15) and (soft[3:12, 3:12][mask == 1] == 1).all()
    # Along the axis: 5, 6 and 7 pixels from the middle of a radius of 5, fading over 3.
    assert (
        soft[7, 7 + 5] == 1
        and soft[7, 7 + 6] == pytest.approx(2 / 3)
        and soft[7, 7 + 7] == pytest.approx(1 / 3)
    )


@pytest.mark.parametrize(("scale", "grown"), [(1, 6), (0.2, 2)])
def test_a_quadrilateral_grows_as_a_box_does(scale: float, grown: int) -> None:
    """By 15 % of its least side, two pixels at least."""
    corners = [(scale * x, scale * y) for x, y in CORNERS]
    mask = coverage(Shape.QUAD, (0, 0, 80, 80), corners, 0)
    left, top, right, bottom = (round(scale * value) for value in (10, 20, 50, 60))
    expected = np.zeros((80, 80), np.float32)
    expected[max(0, top - grown) : bottom + grown + 1, max(0, left - grown) : right + grown + 1] = 1
    assert np.array_equal(mask, expected)
    assert coverage(Shape.QUAD, (0, 0, 80, 80), corners[:3], 0).all(), "without four corners it is its box"
    assert coverage(Shape.BOX, (0, 0, 80, 80), corners, 0).all(), "and a box has none"


def test_averages_are_drawn_smoothly_or_as_cells() -> None:
    grid = np.float32([[0, 100], [200, 50]])[:, :, None]
    cells = drawn(grid, 8, 8, Style.PIXELATE)[:, :, 0]
    assert np.array_equal(cells, np.kron(grid[:, :, 0], np.ones((4, 4))))
    smooth = drawn(grid, 8, 8, Style.BLUR)[:, :, 0]
    assert smooth[0, 3] not in (0, 100) and smooth[0, 0] == 0 and smooth[7, 0] == 200


def test_without_noise_brightness_is_as_it_was_in_one_hue() -> None:
    grid = np.float32([[[100, 80, 60], [140, 120, 100]]])
    out = bounded(grid, grid, 0.0, SECRET)
    level = grid @ photo.BRIGHTNESS
    assert np.allclose(out - level[:, :, None], (grid.mean(axis=(0, 1)) - level.mean()), atol=1e-3)


@pytest.mark.parametrize("sigma", [6.0, 80.0])
def test_noise_is_as_strong_as_asked_and_drawn_faintly(sigma: float) -> None:
    """Many secrets over a grey place: σ, or what is drawn of it, and no more than 12."""
    grey = np.full((4, 4, 3), 128, np.float32)
    found = np.array([bounded(grey, grey, sigma, number.to_bytes(32, "big"))[..., 0] for number in range(60)])
    assert float(found.std()) == pytest.approx(min(sigma, photo.DRAWN_NOISE), rel=0.1)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_grey_place_has_no_hue_to_be_divided_by(value: int) -> None:
    grey = np.full((4, 4, 3), value, np.float32)
    with np.errstate(all="raise"):
        for sigma in (0.0, 80.0):
            out = bounded(grey, grey, sigma, SECRET)
            assert np.isfinite(out).all() and (np.ptp(out, axis=2) < 1e-3).all()


def test_a_hue_is_kept_within_black_and_white() -> None:
    red = np.tile(np.float32([255, 0, 0]), (4, 4, 1))
    out = bounded(red, red, 80.0, SECRET)
    assert out.min() >= -1e-3 and out.max() <= 255 + 1e-3 and np.ptp(out, axis=2).max() > 20


@pytest.mark.parametrize(
    "box", [Box(-30, 10, 30, 20), Box(100, 10, 30, 20), Box(10, -20, 30, 20), Box(10, 80, 30, 20)]
)
def test_what_only_touches_the_picture_is_not_in_it(box: Box) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    out, redactions = redact(picture, [region(box, Kind.DRAWN)], Settings())
    assert redactions == [] and np.array_equal(out, picture)


def test_the_same_secret_draws_the_same_photo_and_another_another() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    one, same, other = (
        redact(picture, [region(Box(20, 20, 40, 40))], Settings(), secret)[0]
        for secret in (SECRET, SECRET, bytes(32))
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_what_a_redaction_says_of_itself() -> None:
    """An ellipse's box may leave the picture; of anything else it is what is seen, for averages are taken there."""
    picture = np.full((80, 100, 3), 90, np.uint8)
    settings = Settings(margin=1.2, style=Style.PIXELATE)
    for kind, shape, box, size in (
        (Kind.FACE, Shape.ELLIPSE, (-24, 16, 24, 64), (4, 4)),
        (Kind.FACE, Shape.BOX, (0, 16, 24, 64), (4, 4)),
        (Kind.DRAWN, Shape.BOX, (0, 20, 20, 60), (1, 1)),
    ):
        one = region(Box(-20, 20, 40, 40), kind)
        _, (found,) = redact(picture, [one], settings.model_copy(update={"shape": shape}))
        assert (found.shape, found.box, found.grid) == (shape, box, size)


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
def test_only_a_smooth_ellipse_has_a_rim(style: Style, shape: Shape) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)
    out, (found,) = redact(picture, [region(Box(30, 30, 50, 50))], Settings(style=style, shape=shape), SECRET)
    changed = (out != picture).any(axis=2)
    feather = round(photo.FEATHER * (found.box[2] - found.box[0]))
    soft = shape is Shape.ELLIPSE and style is Style.BLUR
    alpha = coverage(shape, found.box, (), feather if soft else 0)
    spread = feather if soft else 0
    touched = np.zeros((120, 120), bool)
    touched[found.box[1] - spread : found.box[3] + spread, found.box[0] - spread : found.box[2] + spread] = (
        alpha > 0
    )
    assert not changed[~touched].any()
    assert changed[touched].mean() > 0.95
    rim = (alpha > 0) & (alpha < 1)
    assert rim.any() == soft


def test_restoring_says_whether_any_of_several_places_was_changed() -> None:
    old = np.zeros((20, 20, 3), np.uint8)
    new = old.copy()
    new[5, 5] = 1
    there, not_there = Box(4, 4, 3, 3), Box(12, 12, 3, 3)
    for places, changed in (
        ([there, not_there], True),
        ([not_there, there], True),
        ([not_there], False),
        ([], False),
    ):
        assert restore(new.copy(), old, places) is changed


def test_what_is_filled_is_drawn_last() -> None:
    face, label = region(Box(10, 10, 60, 50)), region(Box(40, 30, 50, 20), Kind.TEXT)
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for order in ([face, label], [label, face]):
        out, redactions = redact(picture, order, Settings(), SECRET)
        assert [one.kind for one in redactions] == [Kind.FACE, Kind.TEXT]
        left, top, right, bottom = redactions[1].box
        assert not out[top:bottom, left:right].any()


# Clips


def track(
    box: tuple[float, float, float, float], kind: Kind = Kind.FACE, *, colour: NDArray[np.float32] | None = None,
    seen: bool = True,
) -> Track:  # fmt: skip
    """A track of one frame."""
    colour = (
        np.random.default_rng(0).uniform(40, 210, (8, 8, 3)).astype(np.float32) if colour is None else colour
    )
    return Track(kind, 0, np.array([box], np.float32), np.array([seen]), (Evidence("a", 0.9),), colour)


def planes(width: int = 160, height: int = 120, *, deep: bool = False) -> AnyPlanes:
    rng = np.random.default_rng(3)
    top, kind = (940, np.uint16) if deep else (235, np.uint8)
    y = rng.integers(16, top, (height, width)).astype(kind)
    u, v = (rng.integers(60, top, (height // 2, width // 2)).astype(kind) for _ in range(2))
    return y, u, v


def made(
    box: tuple[float, float, float, float],
    kind: Kind = Kind.FACE,
    size: tuple[int, int] = (160, 120),
    **settings: object,
) -> tuple[TrackRedaction, Settings]:
    chosen = Settings(**settings)  # type: ignore[arg-type]
    return track_redaction(track(box, kind), chosen, (160, 120), SECRET), chosen


def test_what_a_person_drew_and_held_is_hidden_as_drawn_and_what_is_followed_in_whole_steps() -> None:
    for kind, seen, box in (
        (Kind.DRAWN, True, [11, 13, 52, 44]),
        (Kind.DRAWN, False, [8, 12, 56, 44]),
        (Kind.TEXT, True, [4, 6, 60, 54]),
    ):
        one = track_redaction(track((11, 13, 41, 31), kind, seen=seen), Settings(), (160, 120), SECRET)
        assert one.boxes.tolist() == [box], kind


def test_a_large_redaction_grows_in_larger_steps() -> None:
    """Its box is a multiple of a power of two, at most a sixteenth of its lesser side."""
    for side in (100, 300, 700):
        one = track_redaction(
            track((0, 0, side, side), Kind.DRAWN, seen=False), Settings(), (2000, 2000), SECRET
        )
        (box,) = one.boxes.tolist()
        step = max(8, 1 << (side // 16).bit_length() - 1)
        assert (box[2] - box[0]) % step == (box[3] - box[1]) % step == 0
        assert side <= box[2] - box[0] < side + step + 2 and box[0] <= 0 and box[2] >= side


def test_the_grid_of_a_track_is_averaged_down_and_spread_out() -> None:
    """A narrow place has fewer cells across: each is the average of all that it holds."""
    colour = np.repeat((np.arange(16, dtype=np.float32) ** 2).reshape(4, 4, 1), 3, axis=2)
    settings = Settings(noise=0, margin=1.2, shape=Shape.BOX)
    narrow = track_redaction(track((10, 10, 4, 80), colour=colour), settings, (160, 120), SECRET)
    assert narrow.grid.shape == (4, 1, 3)
    expected = colours(bounded(colour.mean(axis=1, keepdims=True), colour, 0.0, SECRET))
    assert np.allclose(narrow.grid, expected, atol=0.01)
    whole = track_redaction(track((10, 10, 60, 80), colour=colour), settings, (160, 120), SECRET)
    assert np.allclose(whole.grid, colours(bounded(colour, colour, 0.0, SECRET)), atol=0.01)
    single = track_redaction(
        track((10, 10, 60, 80), colour=np.full((1, 1, 3), 128, np.float32)), settings, (160, 120), SECRET
    )
    assert single.grid.shape == (4, 4, 3) and np.ptp(single.grid[..., 0]) < 0.01


def test_a_track_of_high_dynamic_range_is_drawn_on_its_curve() -> None:
    for kind in (Kind.FACE, Kind.TEXT):
        plain = track_redaction(track((10, 10, 60, 80), kind), Settings(noise=0), (160, 120), SECRET)
        bright = track_redaction(track((10, 10, 60, 80), kind), Settings(noise=0), (160, 120), SECRET, hdr.PQ)
        assert not np.allclose(plain.grid, bright.grid, atol=0.5) or kind is Kind.TEXT
        rgb = np.array([[photo.FILL_COLOUR]], np.float32)
        if kind is Kind.TEXT:
            assert np.allclose(bright.grid, hdr.colours(rgb, hdr.PQ)) and np.allclose(
                plain.grid, colours(rgb)
            )


@pytest.mark.parametrize("style", list(Style))
def test_the_shape_and_grid_of_a_track(style: Style) -> None:
    one, _ = made((10, 10, 60, 80), style=style)
    assert one.style is style
    assert one.shape is (Shape.BOX if style is Style.FILL else Shape.ELLIPSE)
    assert one.grid.shape == ((1, 1, 3) if style is Style.FILL else (4, 4, 3))


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        ((-20, 10, 0, 30), None),
        ((160, 10, 180, 30), None),
        ((10, -20, 30, 0), None),
        ((10, 120, 30, 140), None),
        ((-20, 10, 1, 30), (0, 10, 1, 30)),
        ((159, 10, 180, 30), (159, 10, 160, 30)),
        ((10, -20, 30, 1), (10, 0, 30, 1)),
        ((10, 119, 30, 140), (10, 119, 30, 120)),
    ],
)
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
def test_where_a_redaction_meets_the_picture(
    box: tuple[int, int, int, int], seen: tuple[int, int, int, int] | None, shape: Shape
) -> None:
    one, settings = made((10, 10, 20, 20))
    one = replace(one, boxes=np.array([box], np.int32), shape=shape)
    found = redaction_at(one, 0, (160, 120))
    assert shown(one, (160, 120)).tolist() == [seen is not None]
    assert (found and found.box) == (box if seen and shape is Shape.ELLIPSE else seen)
    assert paint(planes(), [one, one], 0, settings, []) == (2 if seen else 0)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
def test_what_is_drawn_over_the_planes(style: Style, shape: Shape, deep: bool) -> None:
    """The grid inside the outline to the last bit, the frame outside it, with 10 bits four steps to one of 8."""
    one, settings = made((31, 21, 60, 70), style=style, shape=shape, margin=1.2)
    before, after = planes(deep=deep), planes(deep=deep)
    assert paint(after, [one], 0, settings, []) == 1
    left, top, right, bottom = one.boxes[0].tolist()
    soft = one.shape is Shape.ELLIPSE and style is Style.BLUR
    feather = max(1, round(photo.FEATHER * min(right - left, bottom - top))) if soft else 0
    alpha = np.zeros((120, 160), np.float32)
    alpha[top - feather : bottom + feather, left - feather : right + feather] = coverage(
        one.shape, (0, 0, right - left, bottom - top), (), feather
    )
    halves = alpha.reshape(60, 2, 80, 2).max(axis=(1, 3))
    for number, (plane, old, weight) in enumerate(zip(after, before, (alpha, halves, halves), strict=True)):
        step = 2 if number else 1
        assert np.array_equal(plane[weight == 0], old[weight == 0])
        size = (right - left) // step, (bottom - top) // step
        values = one.grid[:, :, number : number + 1]
        patch = np.zeros(plane.shape, np.float32)
        inner = np.s_[top // step : bottom // step, left // step : right // step]
        patch[inner] = drawn(values, *size, style)[:, :, 0]
        full = np.zeros(plane.shape, bool)
        full[inner] = weight[inner] == 1
        assert full.mean() > 0.1
        assert np.array_equal(plane[full], np.rint(patch[full]).astype(plane.dtype) * (4 if deep else 1))
        rim = (weight > 0) & (weight < 1)
        assert rim.any() == soft
        assert not soft or (plane != old)[rim].mean() > 0.5


def test_what_is_kept_of_colour_lies_wholly_inside() -> None:
    one, settings = made((31, 21, 60, 70), style=Style.FILL)
    before, after = planes(), planes()
    # An odd place: the outermost samples of colour belong in part to what is hidden.
    paint(after, [one], 0, settings, [Box(41, 31, 20, 10)])
    assert np.array_equal(after[0][31:41, 41:61], before[0][31:41, 41:61])
    same = after[1] == before[1]
    assert same[16:20, 21:30].all()
    bare = planes()
    paint(bare, [one], 0, settings, [])
    assert np.array_equal(after[1][15], bare[1][15]) and np.array_equal(after[1][:, 20], bare[1][:, 20])
    assert np.array_equal(after[1][20], bare[1][20]) and np.array_equal(after[1][:, 30], bare[1][:, 30])
    # One pixel wide, or beside the picture: nothing of colour, and no harm.
    for odd in (Box(41, 31, 1, 10), Box(41, 31, 10, 1), Box(500, 31, 10, 10)):
        after = planes()
        paint(after, [one], 0, settings, [odd])
        assert np.array_equal(after[1], bare[1]) and np.array_equal(after[2], bare[2])


def test_a_fill_covers_every_sample_of_colour_that_it_touches() -> None:
    one, settings = made((31, 21, 60, 70), Kind.DRAWN)
    assert one.boxes.tolist() == [[31, 21, 91, 91]]
    after = planes()
    paint(after, [one], 0, settings, [])
    assert (after[0][21:91, 31:91] == 16).all()
    assert (after[1][10:46, 15:46] == 128).all() and (after[2][10:46, 15:46] == 128).all()
    before = planes()
    assert np.array_equal(after[1][:, :15], before[1][:, :15]) and np.array_equal(
        after[1][46:], before[1][46:]
    )
    assert clip.halved((31, 21, 91, 91)) == (15, 10, 46, 46)


def test_redactions_are_painted_in_the_order_given() -> None:
    face, settings = made((31, 21, 60, 70))
    text, _ = made((40, 30, 30, 20), Kind.TEXT)
    covered, softened = planes(), planes()
    paint(covered, [face, text], 0, settings, [])
    paint(softened, [text, face], 0, settings, [])
    assert (covered[0][30:50, 40:70] == 16).all() and not (softened[0][30:50, 40:70] == 16).any()
    assert cv2.norm(covered[0], softened[0]) > 0
