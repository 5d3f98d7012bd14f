"""Few places tell where a redaction lies, and none is further off than is allowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.report.keyframes import MOST, OFF, keyframes


@given(
    start=st.floats(0, 4000),
    count=st.integers(1, 400),
    rate=st.sampled_from([10.0, 15.0, 24000 / 1001, 25.0, 30.0, 30000 / 1001, 60.0]),
    seed=st.integers(0, 2**16),
)
def test_both_ends_are_kept_at_every_rate_and_start(start: float, count: int, rate: float, seed: int) -> None:
    seconds = start + np.arange(count) / rate
    corner = np.random.default_rng(seed).integers(0, 100, (count, 2))
    boxes = np.hstack([corner, corner + 50]).astype(np.int32)
    path = keyframes(seconds, boxes)
    assert [place[0] for place in path] == sorted({place[0] for place in path})
    assert path[0][1:] == tuple(boxes[0]) and path[-1][1:] == tuple(boxes[-1])
    assert len(path) <= MOST + 2


def test_steps_that_sum_up_to_more_than_the_length() -> None:
    """Where the last step, by rounding, falls behind the last frame."""
    many = [
        np.array([start, start + 0.2 * steps]) for start in np.arange(0, 9, 0.1) for steps in range(1, 60)
    ]
    beyond = [s for s in many if np.arange(s[0], s[1], 0.2)[-1] > s[1] - 1e-9]
    assert beyond, "rounding is not as it was: find other numbers"
    for seconds in beyond:
        assert len(keyframes(seconds, np.array([[0, 0, 9, 9], [9, 9, 18, 18]], np.int32))) == 2


@pytest.mark.parametrize("step", [1, 7])
def test_a_straight_way_is_told_by_its_ends(step: int) -> None:
    left = np.arange(0, 100, step)
    boxes = np.stack([left, left, left + 40, left + 40], axis=1).astype(np.int32)
    path = keyframes(np.arange(len(left)) / 25, boxes)
    assert len(path) == 2
    between = (path[0][1] + path[-1][1]) / 2
    assert abs(between - left.mean()) <= OFF * 40


def test_nowhere_is_no_path() -> None:
    assert keyframes(np.empty(0), np.empty((0, 4), np.int32)) == ()
