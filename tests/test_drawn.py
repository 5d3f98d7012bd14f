"""What a person draws on a clip's frame goes with what it lies on, both ways, and is given up in time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.settings import DrawnRegion
from anonymizer.core.types import Box, Kind, Pixels
from anonymizer.report.keyframes import MOST, keyframes
from anonymizer.track.hand_drawn import (
    RegionFollower,
    _Colours,
    _correlation,
    _Direction,
    _flowed,
    _held,
    said,
    within,
)
from anonymizer.track.template import template

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


# By value


def test_a_persons_time_has_both_its_ends_in_it() -> None:
    seconds = np.array([0.9, 1.0, 1.4, 1.5])
    region = DrawnRegion(rect=(0, 0, 9, 9), start=1.0, end=1.4)
    assert within(region, seconds).tolist() == [False, True, True, False]
    # A time that was rounded on its way through a file is still that time.
    assert (
        within(region, seconds + 4e-7).tolist()
        == within(region, seconds - 4e-7).tolist()
        == [False, True, True, False]
    )
    assert within(DrawnRegion(rect=(0, 0, 9, 9), start=1.0), seconds).tolist() == [False, True, True, True]


def test_colours_are_averaged_over_the_frames_that_show_the_place() -> None:
    colours = _Colours()
    assert colours.mean().tolist() == [[[128, 128, 128]]]
    for value, box in ((10, Box(0, 0, 8, 8)), (30, Box(0, 0, 8, 8))):
        colours.add(np.full((20, 20, 3), value, np.uint8), box, 4)
    for beside in (Box(-9, 0, 8, 8), Box(21, 0, 8, 8), Box(0, -9, 8, 8), Box(0, 21, 8, 8)):
        colours.add(np.full((20, 20, 3), 99, np.uint8), beside, 4)
    assert colours.added == 2 and colours.mean().shape == (4, 4, 3) and (colours.mean() == 20).all()


def test_a_held_place_is_a_track_for_its_time_and_none_outside() -> None:
    seconds = np.arange(50) / RATE
    region = DrawnRegion(rect=(1, 2, 30, 40), start=0.4, end=0.6)
    track = _held(region, seconds, np.zeros((4, 4, 3), np.float32))
    assert track and (track.first, track.last) == (10, 15) and track.box(12) == Box(1, 2, 30, 40)
    assert track.seen.all() and [one.score for one in track.evidence] == [1.0]
    assert _held(region.model_copy(update={"start": 9.0, "end": None}), seconds, track.colours) is None


def test_what_a_person_is_told_of_a_place_that_was_followed() -> None:
    seconds = np.arange(50) / RATE
    track = _held(
        DrawnRegion(rect=(1, 2, 30, 40), start=0.4, end=0.6), seconds, np.zeros((1, 1, 3), np.float32)
    )
    region = DrawnRegion(rect=(1, 2, 30, 40), follow=0.52)
    assert said(region, None, seconds).values == {"seconds": 0.52}
    found = said(region, track, seconds)
    assert (found.code, found.values) == ("ask.followed", {"seconds": 0.52, "first": 0.4, "last": 0.6})


@pytest.mark.parametrize(
    ("width", "height", "known"), [(4, 40, True), (3, 40, False), (40, 4, True), (40, 3, False)]
)
def test_points_are_followed_on_what_is_four_pixels_wide(width: int, height: int, known: bool) -> None:
    grey = cv2.cvtColor(frame(10), cv2.COLOR_RGB2GRAY)
    found = _flowed(grey, grey, Box(90, 80, width, height))
    assert (found is not None) is known
    if found:
        assert np.allclose((found.x, found.y, found.w, found.h), (90, 80, width, height), atol=0.1)


def test_where_nothing_can_be_followed_there_is_nothing_to_go_by() -> None:
    noise, flat = (
        np.random.default_rng(1).integers(0, 255, (180, 320), np.uint8),
        np.full((180, 320), 90, np.uint8),
    )
    for before, after in ((noise, flat), (flat, noise), (flat, flat)):
        assert _flowed(before, after, Box(100, 60, 60, 60)) is None


@pytest.mark.parametrize(("known", "enough"), [(11, False), (12, True)])
def test_twelve_points_are_enough_to_go_by(known: int, enough: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def flow(_: object, __: object, start: NDArray[np.float32], ___: object) -> tuple[object, object, None]:
        found = np.zeros((len(start), 1), np.uint8)
        found[:known] = 1
        return start, found, None

    monkeypatch.setattr(cv2, "calcOpticalFlowPyrLK", flow)
    grey, box = np.zeros((180, 320), np.uint8), Box(100, 60, 60, 60)
    assert _flowed(grey, grey, box) == (box if enough else None)


def test_by_its_points_a_thing_moves_and_grows_and_no_more_than_a_little() -> None:
    side = 240
    picture = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (side, side), np.uint8), (0, 0), 2)
    for factor, expected in ((1.03, 1.03), (0.97, 0.97), (1.09, 1.06), (0.91, 0.94)):
        matrix = np.array([[factor, 0, 120 * (1 - factor) + 4], [0, factor, 120 * (1 - factor) - 2]])
        after = cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REFLECT)
        box = _flowed(picture, after, Box(80, 80, 80, 80))
        assert box
        assert np.abs(np.array(box.centre) - (124, 118)).max() < 1
        assert box.w / 80 == pytest.approx(expected, abs=0.012)


def test_a_place_is_correlated_at_whatever_size_it_has_now() -> None:
    grey = cv2.cvtColor(frame(10), cv2.COLOR_RGB2GRAY)
    x, y = centre(10)
    box = Box(x - 30, y - 30, 60, 60)
    known = template(grey, box)
    assert known and _correlation(known, grey, box) == 1.0
    assert _correlation(known, 255 - grey, box) < -0.9
    assert _correlation(known, np.full_like(grey, 90), box) == 0.0, "nothing is there"
    assert _correlation(known, grey, Box(-90, 0, 60, 60)) == 0.0, "it has left the picture"
    larger = cv2.resize(grey, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_LINEAR)
    assert _correlation(known, larger, Box(1.5 * box.x, 1.5 * box.y, 90, 90)) > 0.8
    shifted = np.clip(grey.astype(int) + 2, 0, 255).astype(np.uint8)
    assert _correlation(known, shifted, box) == 1.0, "it has hardly changed"


def test_in_one_direction_a_place_is_followed_held_and_found_again() -> None:
    """Flow, then nothing for a while, then its look again; each step is a box and a mark."""
    greys = [cv2.cvtColor(frame(n, without=5 <= n < 9), cv2.COLOR_RGB2GRAY) for n in range(14)]
    x, y = centre(0)
    start = Box(x - 30, y - 30, 60, 60)
    way = _Direction(start, greys[0], template(greys[0], start), patience=3)
    for grey in greys[1:]:
        way.step(grey)
    assert "".join(way.marks) == "FFFF" + "HHHH" + "FFFFF"
    assert way.missed == 0
    # It grows for as long as patience lasts, and then no more.
    widths = [box.w for box in way.boxes]
    assert widths[3] < widths[4] < widths[5] < widths[6] == widths[7]
    for number in range(9, 14):
        assert np.abs(np.array(way.boxes[number - 1].centre) - centre(number)).max() < 4
    lost = _Direction(start, greys[0], None, patience=3)
    lost.step(greys[1])
    assert lost.marks == ["H"] and lost.box == start.scaled(1.012)


@pytest.mark.parametrize("patience", [0, 18])
def test_a_thing_that_is_gone_is_given_up_after_its_patience(patience: int) -> None:
    """Backwards as forwards, unless the person named a time from which or up to which it is to be hidden."""
    gone = [frame(n, without=not 30 <= n < 40) for n in range(80)]
    follower, seconds = followed(around(35), gone)
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (30 - 18, 39 + 18)
    follower, seconds = followed(around(35, start=0.04, end=3.0), gone)
    ((_, track),) = follower.tracks(seconds)
    assert (track.first, track.last) == (1, 75)


def test_a_place_that_nobody_reached_is_followed_from_the_last_frame() -> None:
    follower, seconds = followed(around(59), [frame(n) for n in range(60)])
    ((_, track),) = follower.tracks(seconds)
    assert np.flatnonzero(track.seen).tolist() == [59] and (track.first, track.last) == (0, 59)
    assert len(follower.tracks(seconds)) == 1, "asking twice changes nothing"
    empty, _ = followed(around(0), [])
    assert empty.tracks(np.zeros(0)) == []


def test_what_is_held_and_what_is_followed_go_side_by_side() -> None:
    whole = SIZE[0] * FULL, SIZE[1] * FULL
    held = DrawnRegion(rect=(500, 300, 100, 50))
    first, second = around(0), around(20)
    follower = RegionFollower([first, held, second], whole, SIZE, RATE, 8, 1.4)
    seconds = np.arange(40) / RATE
    for number in range(40):
        follower.add(frame(number), float(seconds[number]), cut=number == 30)
    found = {region.follow: track for region, track in follower.tracks(seconds)}
    assert (found[None].first, found[None].last) == (0, 39)
    assert (found[first.follow].first, found[first.follow].last) == (0, 29)
    assert (found[second.follow].first, found[second.follow].last) == (0, 29)
    # After the cut nothing of the shot before is remembered for one whose moment is still to come.
    late, seconds = followed(around(35), [frame(number) for number in range(40)], cuts=(30,))
    ((_, track),) = late.tracks(seconds)
    assert (track.first, track.last) == (30, 39)
    assert track.guessed is not None and not track.guessed.any()


def test_a_place_of_the_first_frame_stays_its_own() -> None:
    follower, seconds = followed(around(0), [frame(number) for number in range(20)])
    ((_, track),) = follower.tracks(seconds)
    assert np.flatnonzero(track.seen).tolist() == [0] and track.first == 0


def test_a_look_that_wears_off_is_taken_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    greys = [cv2.cvtColor(frame(number), cv2.COLOR_RGB2GRAY) for number in range(2)]
    start = Box(30, 60, 60, 60)
    known, new = template(greys[0], start), template(greys[1], start)
    assert known and new
    monkeypatch.setattr("anonymizer.track.hand_drawn._flowed", lambda *_: None)
    monkeypatch.setattr("anonymizer.track.hand_drawn.follow", lambda *_: (start, 0.8))
    way = _Direction(start, greys[0], known, patience=3)
    monkeypatch.setattr("anonymizer.track.hand_drawn.template", lambda *_: new)
    way.step(greys[1])
    assert way.marks == ["F"] and way.appearance is new
    monkeypatch.setattr("anonymizer.track.hand_drawn.template", lambda *_: None)
    way.step(greys[1])
    assert way.appearance is new, "a flat place has no look: the one before stays"
