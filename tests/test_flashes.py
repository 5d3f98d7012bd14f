"""What is shown in a single frame is searched for, whatever the pace."""

from __future__ import annotations

import numpy as np

from anonymizer.core.types import Pixels
from anonymizer.road.clip.flashes import flashed

PACE = [number % 3 == 0 for number in range(8)]


def frames(*shown: int, side: int = 16, ground: int = 1) -> list[Pixels]:
    """Eight small frames of one room; in those ``shown`` there is something in it."""
    room = np.random.default_rng(ground).integers(90, 120, (180, 320, 3)).astype(np.uint8)
    made = [room.copy() for _ in range(8)]
    for number in shown:
        made[number][80 : 80 + side, 40 : 40 + side] = 240
    return made


def test_what_is_in_neither_of_the_searched_frames_about_it_has_flashed_up() -> None:
    for number in range(7):
        assert number in flashed(frames(number), PACE, frames()[0]), number
    assert flashed(frames(4, 5), PACE, None) == [4, 5]
    assert flashed(frames(4), [True] * 8, frames()[0]) == [4], "seen at a small size alone"


def test_what_stays_what_is_tiny_and_a_new_light_have_not() -> None:
    assert flashed(frames(), PACE, frames()[0]) == []
    assert flashed(frames(*range(8)), PACE, frames(0)[0]) == []
    assert flashed(frames(4, side=4), PACE, None) == []
    lit = frames()
    lit[4] = np.full_like(lit[4], 250)
    assert flashed(lit, PACE, None) == []


def test_what_arrives_and_stays_is_left_to_the_searches_that_follow() -> None:
    assert flashed(frames(4, 5, 6, 7), PACE, None) == [6], "of which the last is made finely"
    assert flashed(frames(1, 2, 3, 4, 5, 6, 7), PACE, frames()[0]) == []
