"""Tracks: what is seen once stays hidden before, between and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region
from anonymizer.track.live import HELD
from anonymizer.track.template import follow, template
from anonymizer.track.tracker import QUICK_EVERY, Tracker
from anonymizer.track.tracks import Track, steady

SIZE, SMALL, RATE = (640, 360), (320, 180), 25.0
FACES = frozenset({Kind.FACE})
MARKS = frozenset({Kind.TEXT, Kind.CODE, Kind.MARK})


def scene(at: tuple[float, float] | None, seed: int = 1, side: int = 60) -> Pixels:
    """A small frame with texture, and on it, centred ``at`` (full-size pixels), a thing of its own texture."""
    texture = np.random.default_rng(seed).integers(90, 140, (SMALL[1] // 6, SMALL[0] // 6, 1))
    frame = texture.repeat(6, 0).repeat(6, 1).repeat(3, 2).astype(np.uint8)
    if at:
        thing = (
            np.random.default_rng(99).integers(0, 255, (side // 6, side // 6, 1)).repeat(3, 0).repeat(3, 1)
        )
        h, w = thing.shape[:2]
        x, y = round(at[0] / 2 - w / 2), round(at[1] / 2 - h / 2)
        x0, y0, x1, y1 = max(0, x), max(0, y), min(SMALL[0], x + w), min(SMALL[1], y + h)
        if x1 > x0 and y1 > y0:
            frame[y0:y1, x0:x1] = thing[y0 - y : y1 - y, x0 - x : x1 - x]
    return frame


def seen(at: tuple[float, float], score: float = 0.9, kind: Kind = Kind.FACE, side: int = 60) -> Region:
    return Region(Box(at[0] - side / 2, at[1] - side / 2, side, side), kind, (Evidence("a", score),))


def run(
    path: Sequence[tuple[float, float] | None],
    sighted: Callable[[int], bool],
    cuts: Sequence[int] = (),
    score: float = 0.9,
) -> list[Track]:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for number, at in enumerate(path):
        regions = [seen(at, score)] if at and sighted(number) else []
        tracker.add(scene(at), regions, cut=number in cuts, searched=FACES)
    return tracker.tracks()


def hidden(tracks: Sequence[Track], frame: int, at: tuple[float, float], side: int = 60) -> bool:
    """Whether some track's box, as it will be drawn at least, takes in nine tenths of the thing."""
    thing = Box(at[0] - side / 2, at[1] - side / 2, side, side).within(*SIZE)
    here = [t.box(frame) for t in tracks if t.first <= frame <= t.last]
    return any(thing.covered_by(box.scaled(1.2)) > 0.9 for box in here)


def walk(start: tuple[float, float], step: tuple[float, float], frames: int) -> list[tuple[float, float]]:
    return [(start[0] + step[0] * i, start[1] + step[1] * i) for i in range(frames)]


def test_a_thing_seen_late_is_hidden_from_the_start() -> None:
    path = walk((150, 150), (3, 1), 60)
    tracks = run(path, lambda n: n >= 40)
    assert len(tracks) == 1 and tracks[0].first == 0
    assert all(hidden(tracks, n, at) for n, at in enumerate(path))
    assert not tracks[0].seen[:40].any() and tracks[0].seen[40:].all()


def test_a_thing_that_is_lost_is_followed_by_its_look() -> None:
    path = walk((150, 150), (4, 1), 60)
    tracks = run(path, lambda n: n < 5)
    assert all(hidden(tracks, n, at) for n, at in enumerate(path[:60]))


@given(
    st.floats(-5, 5),
    st.floats(-3, 3),
    st.lists(st.integers(0, 49), min_size=4, max_size=12, unique=True),
)
@settings(max_examples=15)
def test_no_gap_between_sightings_is_left_open(dx: float, dy: float, frames: list[int]) -> None:
    path = walk((320, 180), (dx, dy), 50)
    tracks = run(path, lambda n: n in frames)
    for number in range(min(frames), max(frames) + 1):
        assert hidden(tracks, number, path[number])


def test_nothing_reaches_over_a_cut() -> None:
    path: list[tuple[float, float] | None] = [(200.0, 150.0)] * 20 + [None] * 20
    tracks = run(path, lambda n: True, cuts=[20])
    assert [(t.first, t.last) for t in tracks] == [(0, 19)]


def test_a_flash_taken_for_two_cuts_leaves_no_gap() -> None:
    path = [(200.0, 150.0)] * 30
    tracks = run(path, lambda n: not 10 <= n < 13, cuts=[10, 13])
    assert len(tracks) == 1 and (tracks[0].first, tracks[0].last) == (0, 29)


def test_a_place_is_held_when_the_thing_cannot_be_followed_and_then_let_go() -> None:
    path: list[tuple[float, float] | None] = [(200.0, 150.0)] * 20 + [None] * 60
    (track,) = run(path, lambda n: True)
    held = round(HELD * RATE)
    assert 20 <= track.last <= 20 + held


def test_a_thing_that_flashes_up_before_a_ground_that_stands_leaves_no_ghost() -> None:
    path: list[tuple[float, float] | None] = [None] * 10 + [(200.0, 150.0)] * 3 + [None] * 20
    assert [(t.first, t.last) for t in run(path, lambda n: True)] == [(10, 12)]
    # Nobody knows where a ground has gone that moves itself.
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for number, at in enumerate(path):
        tracker.add(scene(at, seed=number), [seen(at)] if at else [], cut=False, searched=FACES)
    (track,) = tracker.tracks()
    assert track.first < 10 and track.last > 12


def test_a_faint_sighting_is_held_for_a_shorter_while() -> None:
    path: list[tuple[float, float] | None] = [(200.0, 150.0)] * 90
    sure = run(path, lambda n: n == 40)
    faint = run(path, lambda n: n == 40, score=0.22)
    assert len(faint) == len(sure) == 1
    assert len(faint[0].boxes) < len(sure[0].boxes) and faint[0].first < 40 < faint[0].last


def test_text_stays_until_a_search_does_not_find_it_and_the_place_has_changed() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for number in range(100):
        there = number < 60
        searched = number % 50 == 0
        regions = [seen((300, 200), kind=Kind.TEXT)] if searched and there else []
        tracker.add(
            scene((300, 200) if there else None), regions, cut=False, searched=MARKS if searched else FACES
        )
    (track,) = tracker.tracks()
    assert track.kind is Kind.TEXT and track.first == 0
    assert 60 <= track.last <= 60 + HELD * RATE + 1


def test_what_is_found_afterwards_is_hidden_around_its_frame() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for _ in range(40):
        tracker.add(scene(None), [], cut=False, searched=FACES)
    assert tracker.tracks() == []
    tracker.sight(3, seen((100, 100)), np.full((8, 8, 3), 90, np.float32), 40)
    (track,) = tracker.tracks()
    assert track.first == 0 and track.last == 3 + round(HELD * RATE)
    assert [t.first for t in tracker.tracks()] == [0], "asking twice changes nothing"


def test_two_things_are_two_tracks() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for _ in range(10):
        both = [seen((100, 100)), seen((500, 250))]
        tracker.add(scene((100, 100)), both, cut=False, searched=FACES)
    assert len(tracker.tracks()) == 2


def test_a_lost_face_is_said_to_be_losing_for_a_moment() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    for _ in range(5):
        tracker.add(scene((300, 180)), [seen((300, 180))], cut=False, searched=FACES)
    assert not tracker.losing([])
    for _ in range(3):
        tracker.add(scene((300, 180)), [], cut=False, searched=FACES)
    assert tracker.losing([]) and not tracker.losing([seen((302, 181)).box])


def test_a_face_in_steady_view_is_looked_for_every_tenth_of_a_second() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    calm = tracker.frames_of(QUICK_EVERY)
    assert calm > 1 and tracker.pace() == calm, "nothing is in view"
    for number in range(12):
        there = [seen((300, 180))] if number < 3 or number % calm == 0 else []
        tracker.add(scene((300, 180)), there, cut=False, searched=FACES)
        assert tracker.pace() == (calm if number >= 2 else 1), number


@pytest.mark.parametrize(("score", "slower"), [(0.9, False), (0.3, True)])
def test_a_face_that_is_missed_once_is_looked_for_more_often(score: float, slower: bool) -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    calm = tracker.frames_of(QUICK_EVERY)
    for _ in range(4):
        tracker.add(scene((300, 180)), [seen((300, 180), score)], cut=False, searched=FACES)
    for _ in range(calm + 1):
        tracker.add(scene((300, 180)), [], cut=False, searched=FACES)
    assert tracker.pace() == (-(-calm // 2) if slower else 1)


def test_a_frame_between_two_sightings_is_as_good_as_seen_if_they_are_near() -> None:
    path = [(300.0, 180.0)] * 40
    near = max(2, round(QUICK_EVERY * RATE))
    tracks = run(path, lambda number: number % near == 0 if number <= 4 * near else number in (30, 39))
    assert tracks[0].seen[: 4 * near + 1].all()
    assert not tracks[0].seen[4 * near + 1 : 30].any() and not tracks[0].seen[31:39].any()


boxes = st.lists(
    st.tuples(st.floats(-50, 600), st.floats(-50, 300), st.floats(1, 200), st.floats(1, 200)),
    min_size=1,
    max_size=40,
)


@given(boxes, st.integers(1, 6))
def test_steady_boxes_hold_the_given_ones(given_: list[tuple[float, float, float, float]], half: int) -> None:
    raw: NDArray[np.float32] = np.array(given_, np.float32)
    out = steady(raw, half)
    assert out.shape == raw.shape
    assert (out[:, :2] <= raw[:, :2] + 0.01).all()
    assert (out[:, :2] + out[:, 2:] >= raw[:, :2] + raw[:, 2:] - 0.01).all()


def test_what_moves_evenly_is_hardly_wider_than_it_is_and_what_trembles_stands() -> None:
    moving = np.array([(20.0 * n, 100, 80, 90) for n in range(30)], np.float32)
    out = steady(moving, 4)
    assert np.allclose(out[8:-8, 2], 80 + 2 * 20) and np.allclose(out[8:-8, 3], 90)
    exact = steady(moving, 4, np.arange(30) % 2 == 0)[8:-8, 2]
    assert np.allclose(exact[::2], 80) and np.allclose(exact[1::2], 120), "where it is sure, no wider"
    swung = np.array([(200 * np.sin(n / 3), 100, 80, 90) for n in range(60)], np.float32)
    assert (steady(swung, 4, np.ones(60, np.bool_))[:, 2] <= 80 * 1.25).all(), (
        "a movement is not averaged away"
    )
    trembling = np.array([(100 + 3 * (n % 2), 100, 80 + 6 * (n % 3 == 0), 90) for n in range(30)], np.float32)
    wide = steady(trembling, 4)[8:-8]
    assert np.ptp(wide, axis=0).max() < 4, "less than half of what it was"


@pytest.mark.parametrize("step", [(0, 0), (6, 0), (-5, 4), (0, -7)])
def test_following_finds_where_a_thing_has_gone(step: tuple[int, int]) -> None:
    before, after = scene((300, 180))[:, :, 0], scene((300 + 2 * step[0], 180 + 2 * step[1]))[:, :, 0]
    box = Box(135, 75, 30, 30)
    appearance = template(before, box)
    assert appearance
    found, correlation = follow(appearance, after, box)
    assert correlation > 0.8
    assert abs(found.x - box.x - step[0]) <= 1.5 and abs(found.y - box.y - step[1]) <= 1.5


def test_what_has_nothing_to_be_known_by_is_not_followed() -> None:
    flat = np.full((180, 320), 90, np.uint8)
    appearance = template(flat, Box(100, 100, 40, 40))
    assert appearance
    noisy = np.random.default_rng(3).integers(0, 255, (180, 320)).astype(np.uint8)
    assert follow(appearance, noisy, Box(100, 100, 40, 40)) == (Box(100, 100, 40, 40), 0.0)
    assert template(flat, Box(-100, -100, 40, 40)) is None


def test_a_line_that_is_found_in_pieces_is_one_track_that_holds_them_all() -> None:
    pieces = [Box(200, 100, 120, 30), Box(230, 104, 60, 20), Box(250, 98, 110, 34)]
    line = [Region(box, Kind.TEXT, (Evidence("a", 0.9),)) for box in pieces]
    below = Region(Box(200, 140, 120, 30), Kind.TEXT, (Evidence("a", 0.9),))
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    tracker.add(scene((260, 115)), [line[1], line[0], below], cut=False, searched=MARKS)
    tracker.add(scene((260, 115)), [line[0], line[2]], cut=False, searched=MARKS)
    upper, lower = sorted(tracker.tracks(), key=lambda track: track.box(1).y)
    assert all(box.covered_by(upper.box(1)) > 0.99 for box in pieces)
    assert lower.box(1).iou(below.box) > 0.9, "another line has a track of its own"


def test_places_are_where_things_of_a_kind_are_known_to_be() -> None:
    tracker = Tracker(SIZE, SMALL, RATE, 8, 1.4)
    word = Region(Box(230, 100, 60, 60), Kind.TEXT, (Evidence("a", 0.9),))
    tracker.add(scene((260, 130)), [word, seen((500, 200))], cut=False, searched=MARKS)
    tracker.add(scene((260, 130)), [], cut=False, searched=MARKS)
    (place,) = tracker.places(MARKS)
    assert place.iou(word.box) > 0.9
    for number in range(3):
        # Nothing like it is there any more: held, but not known.
        tracker.add(scene(None, seed=7 + number), [], cut=False, searched=frozenset())
    assert tracker.places(MARKS) == []
