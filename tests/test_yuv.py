"""Small copies of planes: every pixel of the frame has its share in them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core.yuv import Planes, reduced_planes

sides = st.integers(1, 90)


def planes(y: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Planes:
    grey = np.full((-(-y.shape[0] // 2), -(-y.shape[1] // 2)), 128, np.uint8)
    return y, grey, grey


@given(sides, sides, sides, sides)
def test_one_colour_stays_that_colour_at_every_size(wide: int, high: int, to_wide: int, to_high: int) -> None:
    size = min(to_wide, wide), min(to_high, high)
    for plane, value in zip(
        reduced_planes(planes(np.full((high, wide), 77, np.uint8)), size), (77, 128, 128), strict=True
    ):
        assert plane.shape == size[::-1] and (plane == value).all()


@pytest.mark.parametrize("size", [(640, 360), (320, 180), (480, 270), (641, 361)])
@pytest.mark.parametrize("seed", range(2))
def test_fine_detail_is_averaged_not_skipped(size: tuple[int, int], seed: int) -> None:
    """White noise comes out about as calm as an average over areas makes it: no line of it is left out."""
    noise = np.random.default_rng(seed).integers(0, 256, (1080, 1920)).astype(np.uint8)
    small = reduced_planes(planes(noise), size)[0].astype(float)
    wanted = cv2.resize(noise, size, interpolation=cv2.INTER_AREA).astype(float)
    assert small.std() < 1.35 * wanted.std() and abs(small.mean() - wanted.mean()) < 1
    # A line of one pixel is seen wherever it runs.
    for at in range(500, 512):
        line = np.zeros((1080, 1920), np.uint8)
        line[:, at] = 255
        assert reduced_planes(planes(line), size)[0].max() > 0.35 * 255 * size[0] / 1920
