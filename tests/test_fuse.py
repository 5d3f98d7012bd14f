"""Views of one picture, suppression, and many detections of one face into one region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymizer.core.types import Box, Detection, Kind
from anonymizer.detect.faces.finder import resized, tiles
from anonymizer.detect.faces.fusion import (
    View,
    clusters,
    cut,
    fused,
    landmarks,
    rotated,
    same_face,
    suppress,
    upright_rotation,
)

SIDES = st.integers(8, 4000)
VIEWS = st.builds(
    View,
    width=SIDES,
    height=SIDES,
    rotations=st.integers(0, 3),
    scale=st.tuples(st.floats(0.1, 4), st.floats(0.1, 4)),
    left=st.floats(-50, 500),
    top=st.floats(-50, 500),
)
BOXES = st.builds(Box, st.floats(0, 900), st.floats(0, 900), st.floats(8, 400), st.floats(8, 400))
DETECTIONS = st.builds(
    Detection, BOXES, st.floats(0.1, 1), st.just(Kind.FACE), st.sampled_from(["centerface", "blazeface-full"])
)
FACE = ((30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0))


@settings(max_examples=60, deadline=None)
@given(VIEWS, st.floats(0, 4000), st.floats(0, 4000))
def test_there_and_back(view: View, x: float, y: float) -> None:
    assert view.point_back(view.point_there((x, y))) == pytest.approx((x, y), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(VIEWS, BOXES)
def test_a_box_goes_there_and_back(view: View, box: Box) -> None:
    back = view.box_back(view.box_there(box))
    assert (back.x, back.y, back.w, back.h) == pytest.approx((box.x, box.y, box.w, box.h), abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 3), st.data())
def test_a_pixel_is_where_the_view_says(width: int, height: int, rotations: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y, x] = 255
    rows, columns = np.nonzero(rotated(picture, rotations)[:, :, 0])
    box = View(width, height, rotations).box_back(Box(float(columns[0]), float(rows[0]), 1, 1))
    assert (box.x, box.y, box.w, box.h) == (x, y, 1, 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 300), st.integers(20, 300), BOXES)
def test_a_crop_maps_back_to_where_it_was_cut(width: int, height: int, box: Box) -> None:
    view, crop = cut(np.zeros((height, width, 3), np.uint8), box.within(width, height), 2.0, 64)
    assert crop.shape == (64, 64, 3)
    whole = view.box_back(Box(0, 0, 64, 64))
    assert whole.centre == pytest.approx(box.within(width, height).centre, abs=1.0)


def test_resizing_says_what_it_did() -> None:
    view, small = resized(np.zeros((300, 400, 3), np.uint8), 200)
    assert small.shape == (150, 200, 3) and view.scale == (0.5, 0.5)
    view, again = resized(small, 100, (300, 400))
    assert again.shape == (75, 100, 3) and view.box_back(Box(0, 0, 100, 75)) == Box(0, 0, 400, 300)
    assert resized(np.zeros((10, 20, 3), np.uint8), 640)[1].shape == (40, 80, 3)


def test_tiles_cover_the_picture() -> None:
    picture = np.zeros((1500, 3000, 3), np.uint8)
    seen = np.zeros(picture.shape[:2], bool)
    for top, left, tile in tiles(picture):
        assert max(tile.shape[:2]) <= 1280
        seen[top : top + tile.shape[0], left : left + tile.shape[1]] = True
    assert seen.all()


@settings(max_examples=40, deadline=None)
@given(st.lists(DETECTIONS, max_size=25))
def test_every_detection_is_in_one_cluster(found: list[Detection]) -> None:
    groups = clusters(found)
    assert sorted(map(id, found)) == sorted(id(d) for group in groups for d in group)
    for group in groups:
        assert group[0].score == max(d.score for d in group)
        assert all(same_face(group[0].box, d.box) for d in group)


@settings(max_examples=40, deadline=None)
@given(st.lists(DETECTIONS, min_size=1, max_size=10))
def test_a_region_lies_within_its_detections_and_names_each_network_once(found: list[Detection]) -> None:
    region = fused(found)
    union = found[0].box
    for detection in found:
        union = union.union(detection.box)
    assert region.box.covered_by(union.padded(1e-6)) == pytest.approx(1)
    assert sorted(e.detector for e in region.evidence) == sorted({d.detector for d in found})
    best = [max(d.score for d in found if d.detector == e.detector) for e in region.evidence]
    assert best == sorted(best, reverse=True), "the surest first; equals in any order"
    assert all(0 <= e.score <= 1 for e in region.evidence)


@settings(max_examples=40, deadline=None)
@given(st.lists(DETECTIONS, min_size=1, max_size=25))
def test_what_is_suppressed_overlaps_something_better(found: list[Detection]) -> None:
    boxes = np.array([(d.box.x, d.box.y, d.box.w, d.box.h) for d in found])
    scores = np.array([d.score for d in found])
    kept = suppress(boxes, scores, 0.3)
    assert kept[0] == int(np.argmax(scores))
    for i, one in enumerate(found):
        overlaps = [found[k].box.iou(one.box) for k in kept if scores[k] >= scores[i]]
        assert i in kept or max(overlaps) >= 0.3 - 1e-9
    for a in kept:
        assert all(a == b or found[a].box.iou(found[b].box) < 0.3 + 1e-9 for b in kept)


def test_two_detectors_on_one_face_make_one_region_and_two_faces_two() -> None:
    a = Detection(Box(100, 100, 80, 100), 0.9, Kind.FACE, "centerface")
    b = Detection(Box(95, 105, 95, 95), 0.6, Kind.FACE, "blazeface-short")
    c = Detection(Box(220, 100, 80, 100), 0.7, Kind.FACE, "centerface")
    groups = clusters([b, c, a])
    assert [len(group) for group in groups] == [2, 1]
    assert [e.detector for e in fused(groups[0]).evidence] == ["centerface", "blazeface-short"]


def test_landmarks_are_those_that_others_bear_out() -> None:
    good = Detection(Box(10, 10, 80, 90), 0.5, Kind.FACE, "centerface", FACE)
    loud = replace(good, score=0.9, landmarks=tuple((y, 100 - x) for x, y in FACE))
    second = replace(good, score=0.5, detector="blazeface-full", landmarks=FACE[:3])
    assert landmarks([loud, good, second]) == FACE
    assert landmarks([replace(good, landmarks=((50.0, 50.0),) * 5)]) == ()


@pytest.mark.parametrize("rotations", range(4))
def test_the_turn_that_sets_a_face_upright(rotations: int) -> None:
    # A picture in which the face stands upright once it has been turned so often.
    lying = View(100, 100, rotations)
    assert upright_rotation([lying.point_back(point) for point in FACE]) == rotations
