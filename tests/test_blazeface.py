"""BlazeFace says what MediaPipe's face detector said of the same pictures."""

from __future__ import annotations

import numpy as np
import pytest

from anonymizer.core.geometry import scaled_size
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Pixels
from anonymizer.detect.faces.blazeface import FULL, LAYOUTS, SHORT, BlazeFace, anchors, decode, squared
from anonymizer.detect.models.store import Store

OF_MEDIAPIPE = {
    SHORT: (0.9308, (178, 39, 96, 96), ((201.1, 64.0), (244.5, 64.9), (219.7, 85.2))),
    FULL: (0.9063, (168, 27, 109, 109), ((201.8, 63.7), (245.0, 63.4), (222.7, 88.6))),
}
"""What mediapipe 1.2.2 says of :func:`picture`: score, box (whole pixels, cut off), eyes and tip of the nose."""


@pytest.fixture(scope="module")
def picture(portrait: Pixels) -> Pixels:
    """512 by 360 pixels: a picture that has to be set into a square."""
    assert scaled_size(1024, 1024, 0.5) == (512, 512)
    return np.ascontiguousarray(shrunk(portrait, 512, 512)[40:400])


@pytest.mark.parametrize("name", [SHORT, FULL])
def test_what_mediapipe_said(name: str, picture: Pixels) -> None:
    (found,) = BlazeFace(Store(), name).detect([picture], 0.4)[0]
    score, box, points = OF_MEDIAPIPE[name]
    assert found.score == pytest.approx(score, abs=0.003)
    assert (found.box.x, found.box.y, found.box.w, found.box.h) == pytest.approx(box, abs=1.5)
    assert np.array(found.landmarks) == pytest.approx(np.array(points), abs=0.3)


def test_pictures_of_any_size_are_answered_in_order(picture: Pixels) -> None:
    network = BlazeFace(Store(), SHORT)
    nothing = np.zeros((64, 200, 3), np.uint8)
    found = network.detect([nothing, picture, nothing], 0.4)
    assert [len(one) for one in found] == [0, 1, 0]


def test_a_wide_picture_lies_in_the_middle_of_its_square() -> None:
    square = squared(np.full((50, 100, 3), 255, np.uint8), 128)[0]
    rows = square.mean(axis=(1, 2))
    assert square.shape == (128, 128, 3) and np.all(rows[:31] == -1) and np.all(rows[97:] == -1)
    assert np.all(rows[33:95] > 0.99)


def test_each_cell_has_its_anchors_at_its_centre() -> None:
    short, full = anchors(LAYOUTS[SHORT]), anchors(LAYOUTS[FULL])
    assert short.shape == (896, 2) and full.shape == (2304, 2)
    assert short[:3] == pytest.approx(np.array([(4, 4), (4, 4), (12, 4)]) / 128)
    assert short[512] == pytest.approx(np.array((8, 8)) / 128)
    assert full[49] == pytest.approx(np.array((6, 6)) / 192)


def test_boxes_of_one_face_are_averaged_by_their_scores_and_others_left_alone() -> None:
    """By hand: two that overlap, scores .75 and .5, 4 pixels apart; one far off, .6; one below that counts not."""
    three_to_one, even = np.log(3), 0.0
    values = np.zeros((4, 16), np.float32)
    values[:, 2:4] = 40
    values[:, 4:] = 8
    values[1, 0] = 4
    centres = np.array([(0.5, 0.5), (0.5, 0.5), (0.2, 0.2), (0.5, 0.5)])
    logits = np.array([three_to_one, even, np.log(1.5), np.log(0.19 / 0.81)])
    scores, marks = decode(values, logits, centres, 100)
    assert scores == pytest.approx([0.75, 0.6])
    # The mean lies 4 · .5 / 1.25 to the right; points do not move with the centre.
    assert marks[0] * 100 == pytest.approx(np.array([(31.6, 30), (71.6, 70), *[(58, 58)] * 6]))
    assert marks[1] * 100 == pytest.approx(np.array([(0, 0), (40, 40), *[(28, 28)] * 6]), abs=1e-9)


def test_nothing_is_nothing_and_a_box_without_extent_does_no_harm() -> None:
    scores, marks = decode(np.zeros((3, 16)), np.full(3, -1000.0), np.zeros((3, 2)), 128)
    assert scores.shape == (0,) and marks.shape == (0, 8, 2)
    scores, marks = decode(np.zeros((2, 16)), np.zeros(2), np.zeros((2, 2)), 128)
    assert len(scores) == len(marks) == 2
