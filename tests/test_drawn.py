"""What a person draws on a clip's frame goes with what it lies on, both ways, and is given up in time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.settings import DrawnRegion
from anonymizer.core.types import Kind, Pixels
from anonymizer.report.keyframes import MOST, keyframes
from anonymizer.track.hand_drawn import RegionFollower, said

SIZE = 320, 180
RATE = 25.0
FULL = 2
"""Pixels of the whole frame for one of the small copy."""
THING = np.random.default_rng(7).integers(0, 255, (30, 30, 3)).astype(np.uint8).repeat(2, 0).repeat(2, 1)
GROUND = np.random.default_rng(8).integers(90, 130, (180, 320, 3)).astype(np.uint8)


def centre(number: int) -> tuple[int, int]:
    """Where the thing is in a frame, on a curve through the picture."""
    return 60 + 3 * number, round(90 + 20 * np.sin(number / 8))


def frame(number: int, *, without: bool = False) -> Pixels:
    picture = GROUND.copy()
    if not without:
        x, y = centre(number)
        picture[y - 30 : y + 30, x - 30 : x + 30] = THING
    return picture


def followed(
    region: DrawnRegion, frames: list[Pixels], cuts: tuple[int, ...] = ()
) -> tuple[RegionFollower, NDArray[np.float64]]:
    whole = SIZE[0] * FULL, SIZE[1] * FULL
    follower = RegionFollower([region], whole, SIZE, RATE, 8, 1.4)
    seconds = np.arange(len(frames)) / RATE
    for number, picture in enumerate(frames):
        follower.add(picture, float(seconds[number]), cut=number in cuts)
    return follower, seconds


def around(number: int, **more: float) -> DrawnRegion:
    """What a person draws around the thing in this frame, and lets follow."""
    x, y = centre(number)
    rect = ((x - 30) * FULL, (y - 30) * FULL, 60 * FULL, 60 * FULL)
    return DrawnRegion(rect=rect, follow=(number + 0.4) / RATE, **more)


@pytest.mark.parametrize("anchor", [0, 24, 59])
def test_a_place_goes_where_its_thing_goes_forwards_and_backwards(anchor: int) -> None:
    follower, seconds = followed(around(anchor), [frame(n) for n in range(60)])
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (0, 59)
    assert np.flatnonzero(track.seen).tolist() == [anchor]
    for number in range(60):
        box, (x, y) = track.box(number), centre(number)
        middle = np.array(box.centre) / FULL
        assert np.abs(middle - (x, y)).max() < 5, number
        # Nothing of the thing looks out, and not much besides it is hidden.
        assert box.x <= (x - 28) * FULL and box.right >= (x + 28) * FULL, number
        assert box.area < 2 * (60 * FULL) ** 2, number
    # The colours are the thing's own, not a flat grey's.
    assert track.colours.shape == (8, 8, 3) and track.colours.std() > 5


@pytest.mark.parametrize("number", [1, 7, 13])
def test_a_doubt_is_followed_from_the_frame_of_its_very_second(number: int) -> None:
    seconds = np.cumsum([0, *(0.0333667, 0.7, 0.008, 0.1) * 4])
    region = around(number).model_copy(update={"follow": float(seconds[number])})
    follower = RegionFollower([region], (SIZE[0] * FULL, SIZE[1] * FULL), SIZE, RATE, 8, 1.4)
    for place, at in enumerate(seconds):
        follower.add(frame(place), float(at), cut=False)
    ((_, track),) = follower.tracks(seconds)
    assert (np.flatnonzero(track.seen) + track.first).tolist() == [number]


def test_a_thing_that_comes_nearer_is_covered_as_it_grows() -> None:
    import cv2

    frames = []
    for number in range(50):
        side = 40 + number
        picture = GROUND.copy()
        top, left = 90 - side // 2, 160 - side // 2
        picture[top : top + side, left : left + side] = cv2.resize(THING, (side, side))
        frames.append(picture)
    region = DrawnRegion(rect=(140 * FULL, 70 * FULL, 40 * FULL, 40 * FULL), follow=0.0)
    follower, seconds = followed(region, frames)
    ((_, track),) = follower.tracks(seconds)
    assert track.last == 49
    assert 80 * FULL <= track.box(49).w <= 110 * FULL


def test_what_is_lost_is_held_for_a_moment_and_a_person_is_told_until_when() -> None:
    frames = [frame(n, without=n >= 20) for n in range(75)]
    region = around(5)
    follower, seconds = followed(region, frames)
    ((_, track),) = follower.tracks(seconds)
    assert 20 + 15 <= track.last <= 20 + 20
    assert track.guessed is not None and track.guessed[-10:].all() and not track.guessed[:15].any()
    text = str(said(region, track, seconds))
    assert f"from 0.0 to {track.last / RATE:.1f} s" in text and "please look" in text
    # Who names an end wants it hidden until then, wherever it may be.
    follower, seconds = followed(around(5, end=2.4), frames)
    ((_, track),) = follower.tracks(seconds)
    assert seconds[track.last] == pytest.approx(2.4)


def test_a_cut_and_a_persons_times_end_it() -> None:
    frames = [frame(n) for n in range(60)]
    follower, seconds = followed(around(30), frames, cuts=(20, 45))
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (20, 44)
    follower, seconds = followed(around(30, start=1.0, end=1.4), frames)
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (25, 35)


def test_a_place_that_is_held_has_the_colours_of_what_it_covers_meanwhile() -> None:
    red, blue = np.zeros_like(GROUND), np.zeros_like(GROUND)
    red[..., 0], blue[..., 2] = 200, 200
    # It covers three red frames and three blue ones.
    region = DrawnRegion(rect=(0, 0, 160 * FULL, 180 * FULL), kind=Kind.FACE, start=0.4, end=0.6)
    follower, seconds = followed(region, [red if 10 <= n < 13 else blue for n in range(25)])
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (10, 15) and track.seen.all()
    assert track.colours.shape == (8, 8, 3)
    assert np.abs(track.colours - (100, 0, 100)).max() < 1
    # Where its time or its place lies outside, there is nothing to learn and nothing to hide.
    late = region.model_copy(update={"start": 50.0, "end": None})
    follower, seconds = followed(late, [red])
    assert follower.tracks(seconds) == []


def test_a_place_outside_its_own_time_is_said_to_be_lost() -> None:
    region = around(30, start=50.0)
    follower, seconds = followed(region, [frame(n) for n in range(40)])
    assert follower.tracks(seconds) == []
    assert "could not be followed" in str(said(region, None, seconds))


def test_a_path_keeps_to_where_the_boxes_were_in_few_places() -> None:
    seconds = np.arange(5000) / RATE
    x = 100 + 60 * np.sin(seconds / 3)
    boxes = np.column_stack([x, np.full(5000, 50), x + 80, np.full(5000, 150)]).astype(np.int32)
    found = np.array(keyframes(seconds, boxes))
    assert 20 < len(found) <= MOST + 1
    assert (found[0, 0], found[-1, 0]) == (0, pytest.approx(seconds[-1], abs=0.001))
    shown = np.interp(seconds, found[:, 0], found[:, 1])
    assert np.abs(shown - boxes[:, 0]).max() < 6
    still = np.tile(np.array([[1, 2, 3, 4]], np.int32), (5000, 1))
    assert len(keyframes(seconds, still)) == 2
    assert keyframes(seconds[:0], still[:0]) == ()
