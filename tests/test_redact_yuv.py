"""Redactions in the planes of a frame: bounded, the same in every frame, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.core.settings import PERSON, Settings
from anonymizer.core.types import Box, Check, Evidence, Kind, Result, Style
from anonymizer.core.yuv import Planes, colours
from anonymizer.redact.clip import TrackRedaction, paint, redaction_at, shown, track_redaction
from anonymizer.road.clip.plan import RedactionPlan, to_draw
from anonymizer.road.clip.verification import strength_of
from anonymizer.track.tracks import Track

SIZE = (320, 240)
SECRET = bytes(range(32))


def track(box: tuple[float, float, float, float], kind: Kind = Kind.FACE, frames: int = 3) -> Track:
    boxes = np.tile(np.array(box, np.float32), (frames, 1))
    boxes[:, 0] += 8 * np.arange(frames)
    colours = np.random.default_rng(0).uniform(40, 210, (8, 8, 3)).astype(np.float32)
    return Track(kind, 0, boxes, np.ones(frames, np.bool_), (Evidence("a", 0.9),), colours)


def noise(seed: int = 5) -> Planes:
    rng = np.random.default_rng(seed)
    w, h = SIZE
    y = rng.integers(16, 235, (h, w)).astype(np.uint8)
    u, v = (rng.integers(60, 200, (h // 2, w // 2)).astype(np.uint8) for _ in range(2))
    return y, u, v


def painted(one: TrackRedaction, frame: int, config: Settings, keep: list[Box] | None = None) -> Planes:
    planes = noise(frame)
    paint(planes, [one], frame, config, keep or [])
    return planes


def measured(planes: Planes, one: TrackRedaction, config: Settings, frame: int = 0) -> Check:
    return strength_of(planes, RedactionPlan((one,), config, SIZE), frame, [])


@pytest.mark.parametrize("style", list(Style))
def test_a_region_carries_no_more_than_its_bound(style: Style) -> None:
    config = Settings(style=style)
    one = track_redaction(track((100, 60, 80, 100)), config, SIZE, SECRET)
    for frame in range(3):
        checked = measured(painted(one, frame, config), one, config, frame)
        assert checked.result is Result.PASS, checked.evidence


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
def test_a_bare_frame_does_not_pass(style: Style) -> None:
    config = Settings(style=style)
    one = track_redaction(track((100, 60, 80, 100)), config, SIZE, SECRET)
    assert measured(noise(), one, config).result is Result.FAIL
    grey = (painted(one, 0, config)[0], *noise()[1:])
    assert measured(grey, one, config).result is Result.FAIL, "colour alone was left"


def test_every_frame_says_the_same() -> None:
    """A mosaic drawn anew in each frame would leak with each; here only its place changes."""
    config = Settings()
    one = track_redaction(track((100, 60, 80, 100)), config, SIZE, SECRET)
    parts = []
    for frame in range(3):
        found = redaction_at(one, frame, SIZE)
        assert found
        left, top, right, bottom = found.box
        y = painted(one, frame, config)[0][top:bottom, left:right]
        parts.append(y[30:-30, 30:-30])
    assert np.array_equal(parts[0], parts[1]) and np.array_equal(parts[1], parts[2])


def test_the_noise_of_a_track_is_the_secrets() -> None:
    one, same, other = (
        track_redaction(track((100, 60, 80, 100)), Settings(), SIZE, secret)
        for secret in (SECRET, SECRET, bytes(32))
    )
    assert np.array_equal(one.grid, same.grid)
    assert float(np.std(one.grid[..., 0] - other.grid[..., 0])) > 6


def test_a_track_has_one_hue_and_a_grey_one_none() -> None:
    coloured = track((100, 60, 80, 100))
    grey = replace(coloured, colours=coloured.colours.mean(axis=2, keepdims=True).repeat(3, 2))
    for one, spread in ((coloured, 1e-3), (grey, 1e-3)):
        grid = track_redaction(one, Settings(), SIZE, SECRET).grid
        assert np.ptp(grid[..., 1]) < spread and np.ptp(grid[..., 2]) < spread and np.ptp(grid[..., 0]) > 5
    assert np.allclose(track_redaction(grey, Settings(), SIZE, SECRET).grid[..., 1:], 128, atol=1e-3)


@pytest.mark.parametrize("style", [Style.BLUR, Style.PIXELATE])
@pytest.mark.parametrize("contrast", [0.15, 1.0])
def test_a_track_drawn_without_noise_does_not_pass(style: Style, contrast: float) -> None:
    config = Settings(style=style)
    one = track_redaction(track((100, 60, 80, 100)), config, SIZE, SECRET)
    known = cv2.resize(one.track.colours, (4, 4), interpolation=cv2.INTER_AREA)
    plain = known.mean(axis=(0, 1)) + contrast * (known - known.mean(axis=(0, 1)))
    bare = replace(one, grid=colours(plain.astype(np.float32)))
    check = measured(painted(bare, 0, config), one, config)
    assert check.result is Result.FAIL and "noise" in str(check.evidence)
    assert measured(painted(one, 0, config), one, config).result is Result.PASS


@given(
    st.floats(-80, 330),
    st.floats(-80, 250),
    st.floats(6, 180),
    st.floats(6, 180),
    st.sampled_from(list(Kind)),
)
@settings(max_examples=30)
def test_only_the_region_and_its_rim_change(x: float, y: float, w: float, h: float, kind: Kind) -> None:
    config = Settings()
    one = track_redaction(track((x, y, w, h), kind, frames=1), config, SIZE, SECRET)
    before, after = noise(), noise()
    count = paint(after, [one], 0, config, [])
    found = redaction_at(one, 0, SIZE)
    assert count == (found is not None) == bool(shown(one, SIZE)[0])
    outside: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.ones(before[0].shape, np.bool_)
    if found:
        left, top, right, bottom = found.box
        rim = 4 + round(0.09 * min(right - left, bottom - top))
        outside[max(0, top - rim) : max(0, bottom + rim), max(0, left - rim) : max(0, right + rim)] = False
    assert np.array_equal(before[0][outside], after[0][outside])
    for number in (1, 2):
        small = outside[::2, ::2] & outside[1::2, 1::2]
        assert np.array_equal(before[number][small], after[number][small])


def test_text_becomes_black_and_nothing_of_its_colour_is_left() -> None:
    one = track_redaction(track((101, 61, 41, 21), Kind.TEXT), Settings(), SIZE, SECRET)
    y, u, v = painted(one, 0, Settings())
    assert (y[62:81, 102:141] == 16).all()
    assert (u[31:40, 51:70] == 128).all() and (v[31:40, 51:70] == 128).all()


def test_what_is_kept_clear_is_the_frame_itself() -> None:
    keep = Box(120, 80, 30, 30)
    one = track_redaction(track((100, 60, 80, 100)), Settings(), SIZE, SECRET)
    before, after = noise(0), painted(one, 0, Settings(), [keep])
    assert np.array_equal(before[0][80:110, 120:150], after[0][80:110, 120:150])
    assert not np.array_equal(before[0][112:130, 120:150], after[0][112:130, 120:150])


def test_a_word_on_a_hidden_face_has_no_bar_of_its_own_in_a_clip() -> None:
    def drawn(place: tuple[float, float, float, float], kind: Kind, **more: Any) -> TrackRedaction:
        return track_redaction(replace(track(place, kind, frames=6), **more), Settings(), SIZE, SECRET)

    face, eye = drawn((100, 60, 80, 100), Kind.FACE), drawn((120, 100, 30, 12), Kind.TEXT)
    assert to_draw((face, eye), SIZE) == (face,)
    assert to_draw((eye,), SIZE) == (eye,)
    solid = track_redaction(face.track, Settings(style=Style.FILL), SIZE, SECRET)
    assert to_draw((solid, eye), SIZE) == (solid, eye), "on black a bar shows nothing"
    later = drawn((120, 100, 30, 12), Kind.TEXT, first=1)
    assert to_draw((face, later), SIZE) == (face, later), "in its last frame there is no face"
    beside = drawn((190, 100, 30, 12), Kind.CODE)
    mine = drawn((120, 100, 30, 12), Kind.TEXT, evidence=(Evidence(PERSON, 1.0),))
    mark = drawn((120, 100, 30, 12), Kind.MARK)
    assert to_draw((face, beside, mine, mark), SIZE) == (face, beside, mine, mark)
    leaves = track((120, 100, 30, 12), Kind.TEXT, frames=6)
    leaves.boxes[3, 0] = 200
    gone = track_redaction(leaves, Settings(), SIZE, SECRET)
    assert to_draw((face, gone), SIZE) == (face, gone), "in one frame it is not on the face"
