"""The face ensemble on a real, public-domain portrait, at every rotation; and what it must leave alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anonymizer.core.errors import ModelError
from anonymizer.core.settings import Effort, Settings
from anonymizer.core.types import Box, Pixels
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.faces.fusion import View, rotated
from anonymizer.detect.models.store import Store
from anonymizer.redact.photo import redact

ROOT = Path(__file__).resolve().parents[1]
FACE_SHARE = Box(0.345, 0.125, 0.20, 0.27)
"""Where the face is in the sample portrait, in shares of its sides."""


@pytest.fixture(scope="module")
def portrait(portrait: Pixels) -> Pixels:
    """The sample portrait at 512 by 512."""
    return np.asarray(cv2.resize(portrait, (512, 512), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(Store())


def truth(picture: Pixels) -> Box:
    height, width = picture.shape[:2]
    b = FACE_SHARE
    return Box(b.x * width, b.y * height, b.w * width, b.h * height)


@pytest.mark.parametrize("rotations", range(4))
def test_the_face_is_found_once_at_every_rotation(
    finder: FaceFinder, portrait: Pixels, rotations: int
) -> None:
    view = View(portrait.shape[1], portrait.shape[0], rotations)
    regions = finder.find(rotated(portrait, rotations))
    hits = [r for r in regions if view.box_back(r.box).iou(truth(portrait)) > 0.4]
    assert len(hits) == 1 and hits[0].hidden
    names = {e.detector for e in hits[0].evidence}
    assert "centerface" in names and names & {"blazeface-short", "blazeface-full"}
    right, left, nose, mouth_right, mouth_left = (view.point_back(p) for p in hits[0].landmarks)
    assert right[0] < nose[0] < left[0] and mouth_right[0] < mouth_left[0]
    assert max(right[1], left[1]) < nose[1] < min(mouth_right[1], mouth_left[1])


@pytest.mark.parametrize("size", [(96, 96), (300, 300), (3024, 3024)])
def test_the_face_is_found_at_every_size(finder: FaceFinder, portrait: Pixels, size: tuple[int, int]) -> None:
    picture = np.asarray(cv2.resize(portrait, size, interpolation=cv2.INTER_AREA), np.uint8)
    assert any(r.hidden and r.box.iou(truth(picture)) > 0.4 for r in finder.find(picture))


def test_a_face_that_fills_the_frame_is_found(finder: FaceFinder, portrait: Pixels) -> None:
    left, top, right, bottom = truth(portrait).pixels(512, 512)
    close = np.asarray(cv2.resize(portrait[top:bottom, left:right], (900, 1200)), np.uint8)
    assert any(r.hidden and r.box.area > 0.3 * 900 * 1200 for r in finder.find(close))


def test_the_verification_pass_finds_a_face_and_is_silent_once_it_is_hidden(
    finder: FaceFinder, portrait: Pixels
) -> None:
    assert any(r.box.iou(truth(portrait)) > 0.4 for r in finder.verification_pass(portrait))
    regions = finder.find(portrait)
    hidden, redactions = redact(portrait, regions, Settings(), bytes(32))
    for region in finder.verification_pass(hidden):
        boxes = [Box(v.box[0], v.box[1], v.box[2] - v.box[0], v.box[3] - v.box[1]) for v in redactions]
        assert any(region.box.covered_by(box) > 0.5 for box in boxes), region


def framed(portrait: Pixels, side: int, aslant: bool, mirrored: bool) -> Pixels:
    """The portrait's head, ``side`` pixels wide, in a dark frame on a plain wall: on a screen or in a mirror."""
    head = cv2.resize(portrait[10:230, 132:315], (side, side * 6 // 5), interpolation=cv2.INTER_AREA)
    head = (head[:, ::-1] if mirrored else head) * 0.8 + 8
    wall = np.full((600, 800, 3), (190, 170, 150), np.uint8)
    high, wide = head.shape[:2]
    wall[92 : 108 + high, 292 : 308 + wide] = 25
    wall[100 : 100 + high, 300 : 300 + wide] = head.astype(np.uint8)
    if not aslant:
        return wall
    corners = np.array(
        [(300, 100), (300 + wide, 100), (300 + wide, 100 + high), (300, 100 + high)], np.float32
    )
    away = np.array([(0, 0), (-0.18 * wide, 0.08 * high), (-0.18 * wide, -0.08 * high), (0, 0)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, corners + away)
    return np.asarray(
        cv2.warpPerspective(wall, matrix, (800, 600), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


@pytest.mark.parametrize("aslant", [False, True])
@pytest.mark.parametrize(("side", "mirrored"), [(90, False), (240, False), (180, True)])
def test_a_face_on_a_screen_or_in_a_mirror_is_a_face(
    finder: FaceFinder, portrait: Pixels, side: int, mirrored: bool, aslant: bool
) -> None:
    middle = Box(300 + 0.3 * side, 100 + 0.35 * side, 0.3 * side, 0.3 * side)
    regions = finder.find(framed(portrait, side, aslant, mirrored))
    assert any(region.hidden and region.box.intersection(middle).area > 0 for region in regions)


PARTS = {
    "half a face": np.s_[62:172, 147:224],
    "an ear and the jaw": np.s_[89:199, 239:315],
    "mouth and jaw": np.s_[116:208, 155:292],
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_face_in_close_up_is_redacted_or_asked_about(
    finder: FaceFinder, portrait: Pixels, part: str
) -> None:
    close = np.asarray(
        cv2.resize(portrait[PARTS[part]], None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC), np.uint8
    )
    assert finder.find(close)


def test_a_quick_detection_finds_the_upright_face(finder: FaceFinder, portrait: Pixels) -> None:
    small = np.asarray(cv2.resize(portrait, (320, 320), interpolation=cv2.INTER_AREA), np.uint8)
    assert any(r.box.iou(truth(small)) > 0.4 for r in finder.quick_find([small])[0])


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("careful", [(0,), (1, 3)])
def test_a_quick_detection_around_finds_who_stands_and_who_lies(
    finder: FaceFinder, portrait: Pixels, quarter: int, careful: tuple[int, ...]
) -> None:
    scene = np.full((360, 640, 3), 120, np.uint8)
    face = cv2.resize(portrait, (160, 160), interpolation=cv2.INTER_AREA)
    scene[100:260, 240:400] = np.rot90(face, quarter)
    seen = finder.quick_find_around(scene, careful)
    middle = Box(280, 140, 80, 80)
    assert any(r.box.intersection(middle).area > 0 for r in seen)


@pytest.mark.parametrize("effort", [Effort.FAST, Effort.THOROUGH])
def test_other_efforts_find_it_too(portrait: Pixels, effort: Effort) -> None:
    other = FaceFinder(Store(), effort)
    picture = np.asarray(cv2.resize(portrait, (1600, 1600)), np.uint8)
    assert any(r.hidden and r.box.iou(truth(picture)) > 0.4 for r in other.find(rotated(picture, 0)))


def test_nothing_is_found_where_nothing_is(finder: FaceFinder) -> None:
    y, x = np.mgrid[:600, :800]
    ramp = np.stack([x * 255 // 800, y * 255 // 600, (x + y) % 200], axis=2).astype(np.uint8)
    assert finder.find(ramp) == []
    assert finder.verification_pass(ramp) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (700, 2)])
def test_odd_pictures_are_no_error(finder: FaceFinder, shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 128, np.uint8)
    assert (
        finder.find(picture) == []
        and finder.verification_pass(picture) == []
        and finder.quick_find([picture]) == [[]]
    )


def test_the_picture_is_not_changed(finder: FaceFinder, portrait: Pixels) -> None:
    before = portrait.copy()
    finder.find(portrait)
    finder.verification_pass(portrait)
    assert np.array_equal(before, portrait)


def test_models_say_what_took_part(finder: FaceFinder) -> None:
    models = finder.models()
    assert [m.name for m in models][:3] == ["centerface", "blazeface-short", "blazeface-full"]
    assert all(len(m.sha256) == 64 and m.licence and m.device for m in models)


def test_a_file_that_is_no_network_is_said(tmp_path: Path) -> None:
    from anonymizer.detect.runtime import Network

    with pytest.raises(ModelError, match="cannot be run"):
        Network(b"this is not a network")


def test_skin_keeps_its_finding(finder: FaceFinder) -> None:
    """Close-ups of hands and feet, which one of the networks takes for faces, are not redacted."""
    folder = ROOT / "../shared/media/skin"
    if not folder.is_dir():
        pytest.skip("the dermatology photos are not part of the project")
    for name in ("skin-10.jpg", "skin-11.jpg", "skin-19.jpg"):
        stored = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
        assert stored is not None
        picture = np.ascontiguousarray(stored[:, :, ::-1])
        assert [r for r in finder.find(picture) if r.hidden and r.box.w > 80] == []


@pytest.mark.parametrize("rotations", range(4))
def test_about_a_place_a_face_is_found_at_the_turns_that_are_asked_for(
    finder: FaceFinder, portrait: Pixels, rotations: int
) -> None:
    view = View(portrait.shape[1], portrait.shape[0], rotations)
    picture = rotated(portrait, rotations)
    place = max(finder.find(picture), key=lambda region: region.evidence[0].score).box
    for asked in ((-rotations % 4,), tuple(range(4))):
        found = finder.verification_pass_near(picture, [place], asked)
        assert any(view.box_back(r.box).iou(truth(portrait)) > 0.4 for r in found), asked
