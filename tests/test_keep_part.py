"""Parts of faces that stay in view: the part and nothing else, or a question."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from anonymizer.core import kept
from anonymizer.core.face_outlines import (
    INNER_LIPS,
    LEFT_EYE,
    NOSE,
    OUTER_LIPS,
    RIGHT_EYE,
    Points,
    face_width,
    outlines,
)
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.settings import Settings
from anonymizer.core.settings_file import with_sidecar
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region, Result
from anonymizer.detect.faces.mesh import FaceMesh, _covered, sure
from anonymizer.detect.models.store import Store
from anonymizer.redact.clip import _kept
from anonymizer.redact.photo import redact, restore
from anonymizer.road.clip.face_parts import FollowedParts, _Following, _spans, _steadied
from anonymizer.road.face_parts import PartsOfFaces, addressed
from anonymizer.track.tracks import Track
from anonymizer.verify import strength
from anonymizer.verify.photo import KEPT_RIM
from clips import make_clip
from conftest import Ran

FACE = Box(362, 110, 177, 231)
"""Of the portrait."""
MOUTH, RIGHT, LEFT, CHIN = (447, 287), (406, 204), (495, 210), (444, 345)


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh(Store())


def region(box: Box = FACE) -> Region:
    return Region(box, Kind.FACE, (Evidence("centerface", 0.9),))


def parts(mesh: FaceMesh) -> PartsOfFaces:
    return PartsOfFaces(lambda: mesh)


@pytest.mark.parametrize(
    ("lips", "about", "seen"),
    [
        ((186, 122, 114), (200, 150, 130), True),
        ((170, 125, 108), (200, 150, 130), False),
        ((186, 122, 114), (150, 190, 210), False),
    ],
    ids=["closed lips", "a shadow on skin", "a mask with red on it"],
)
def test_lips_that_are_closed_are_told_from_a_mask_by_their_red(
    mesh: FaceMesh, portrait: Pixels, lips: tuple[int, int, int], about: tuple[int, int, int], seen: bool
) -> None:
    points = mesh.look(portrait, region()).points  # type: ignore[union-attr]
    picture = np.full_like(portrait, (200, 150, 130))
    lower = points[[234, 454, 152]].astype(np.int32)
    cv2.rectangle(
        picture, (int(lower[0, 0]), int(points[2, 1])), (int(lower[1, 0]), int(lower[2, 1])), about, -1
    )
    cv2.fillPoly(
        picture,
        [
            points[list(OUTER_LIPS)].astype(np.int32)[
                cv2.convexHull(points[list(OUTER_LIPS)].astype(np.float32), returnPoints=False).ravel()
            ]
        ],
        lips,
    )
    dark = tuple(round(0.78 * value) for value in lips)
    cv2.polylines(picture, [points[list(INNER_LIPS[:11])].astype(np.int32)], False, dark, 3)
    assert _covered(picture, points, face_width(points)) is not seen


def middle(outline: tuple[tuple[float, float], ...]) -> Points:
    return np.array(outline).mean(axis=0)


@pytest.mark.parametrize("turn", range(4))
def test_each_part_lies_where_it_is_at_every_turn(mesh: FaceMesh, portrait: Pixels, turn: int) -> None:
    picture = np.ascontiguousarray(np.rot90(portrait, turn))

    def turned(x: float, y: float) -> tuple[float, float]:
        for _ in range(turn):
            x, y = y, 1023 - x
        return x, y

    corners = np.array([turned(FACE.x, FACE.y), turned(FACE.right, FACE.bottom)])
    box = Box.between(*corners.min(axis=0), *corners.max(axis=0))
    found = mesh.look(picture, region(box))
    assert found is not None and found.presence > 0.9
    for part, place in (
        (FacePart.MOUTH, MOUTH), (FacePart.TEETH, MOUTH), (FacePart.RIGHT_EYE, RIGHT), (FacePart.LEFT_EYE, LEFT)
    ):  # fmt: skip
        (outline,) = outlines(found.points, part)
        assert np.hypot(*(middle(outline) - turned(*place))) < 12, part
        assert sure(picture, region(box), found, part), part


def test_what_covers_a_mouth_is_not_shown(mesh: FaceMesh, portrait: Pixels) -> None:
    picture = portrait.copy()
    cv2.fillConvexPoly(
        picture, np.array([(365, 245), (535, 252), (515, 340), (444, 362), (380, 335)]), (170, 205, 225)
    )
    found, said = parts(mesh).kept(
        picture, [region()], Settings(keep_part=("mouth", "teeth", "nose", "eyes")), 0, 0
    )
    (message,) = said
    assert message.code == "road.part-unsure" and {one.code for one in message.values["parts"]} >= {
        "part.mouth", "part.teeth",
    }  # fmt: skip
    assert all(middle(outline)[1] < 245 for outline in found), "the eyes at most"


def test_where_there_is_no_face_nothing_is_shown(mesh: FaceMesh) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (300, 300, 3), np.uint8)
    for picture in (noise, np.full_like(noise, 128)):
        found, said = parts(mesh).kept(picture, [region(Box(60, 60, 150, 180))], Settings(keep_mouth=True))
        assert not found and [one.code for one in said] == ["road.part-unsure"]


@pytest.mark.parametrize(
    ("wanted", "code"), [("mouth", "road.part-no-face"), ("nose@900,900", "road.part-no-face-at")]
)
def test_a_part_of_a_face_where_there_is_none(
    mesh: FaceMesh, portrait: Pixels, wanted: str, code: str
) -> None:
    regions = [region()] if "@" in wanted else [region(Box(0, 0, 12, 12))]
    found, said = parts(mesh).kept(portrait, regions, Settings(keep_part=(wanted,)))
    assert not found and [one.code for one in said] == [code]


def test_the_face_that_is_meant() -> None:
    faces = [("large", Box(0, 0, 100, 100)), ("small", Box(40, 40, 45, 45)), ("tiny", Box(300, 0, 9, 9))]
    assert addressed(faces, KeptPart(part=FacePart.NOSE)) == ["large", "small"]
    assert addressed(faces, KeptPart(part=FacePart.NOSE, at=(60, 60))) == ["small"]
    assert addressed(faces, KeptPart(part=FacePart.NOSE, at=(5, 90))) == ["large"]
    assert addressed(faces, KeptPart(part=FacePart.NOSE, at=(303, 3))) == ["tiny"]
    assert addressed(faces, KeptPart(part=FacePart.NOSE, at=(200, 200))) == []


def test_how_parts_are_written(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"keep_part": ["left-eye@320,200.5", {"part": "nose"}], "keep_mouth": True}
    )
    assert [str(one) for one in settings.kept_parts] == ["left-eye@320,200.5", "nose", "mouth"]
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings
    (tmp_path / "a.jpg.toml").write_text('keep_part = ["teeth"]\n')
    own = with_sidecar(settings, tmp_path / "a.jpg")
    assert [one.part for one in own.keep_part] == ["left-eye", "nose", "teeth"]


def test_outlines_by_hand() -> None:
    points: Points = np.zeros((478, 2))
    angles = np.linspace(0, np.pi, 11)
    for ring, wide, high in ((OUTER_LIPS, 20, 10), (INNER_LIPS, 12, 4)):
        points[list(ring[:11])] = np.column_stack([-wide * np.cos(angles), high * np.sin(angles)])
        points[list(ring[11:])] = np.column_stack([-wide * np.cos(angles), -high * np.sin(angles)])[1:-1]
    (mouth,), (teeth,) = outlines(points, FacePart.MOUTH), outlines(points, FacePart.TEETH)
    # A mouth 40 wide: .12 of it are 4.8, all round; teeth have no rim and their line does not cross itself.
    assert np.allclose(
        [np.max(mouth, axis=0), np.min(mouth, axis=0)], [[24.8, 14.8], [-24.8, -14.8]], atol=0.1
    )
    assert cv2.contourArea(np.array(teeth, np.float32)) == pytest.approx(np.pi * 12 * 4, rel=0.05)
    for part, own in ((FacePart.NOSE, NOSE), (FacePart.RIGHT_EYE, RIGHT_EYE), (FacePart.LEFT_EYE, LEFT_EYE)):
        points[list(own)] = np.column_stack([np.cos(np.arange(len(own))), np.sin(np.arange(len(own)))]) * 9
        (outline,) = outlines(points, part)
        assert np.allclose(np.hypot(*np.array(outline).T), 9, atol=1e-3)
    assert len(outlines(points, FacePart.EYES)) == 2


def test_the_ear_that_is_turned_to_the_camera() -> None:
    points: Points = np.zeros((478, 2))
    points[[234, 454, 10, 152, 168]] = (0, 50), (100, 50), (50, 0), (50, 120), (50, 40)
    right, left = outlines(points, FacePart.EARS)
    assert np.max(right, axis=0)[0] < 20 and np.min(left, axis=0)[0] > 80
    points[168] = 80, 40
    (only,) = outlines(points, FacePart.EARS)
    assert np.allclose(only, right)


def test_the_recheck_accepts_what_was_asked_for_and_nothing_else(mesh: FaceMesh, portrait: Pixels) -> None:
    picture = np.ascontiguousarray(portrait[:512, 192:704])
    face = region(Box(FACE.x - 192, FACE.y, FACE.w, FACE.h))
    settings = Settings(keep_part=("mouth",))
    (mouth,), _ = parts(mesh).kept(picture, [face], settings)
    (eye,), _ = parts(mesh).kept(picture, [face], Settings(keep_part=("left-eye",)))
    hidden, redactions = redact(picture, [face], settings, b"s" * 32)
    bound = strength.Bound(settings.grid, settings.noise)

    def result(shown: list[kept.KeptArea], told: list[kept.KeptArea]) -> Result:
        written = hidden.copy()
        restore(written, picture, shown)
        return strength.check(
            written, redactions, told, bound, strength.brightness(picture, redactions)
        ).result

    assert result([mouth], [mouth]) is Result.PASS
    assert result([mouth, eye], [mouth, eye]) is Result.PASS
    assert result([mouth, eye], [mouth]) is Result.FAIL
    (left, top), (right, bottom) = np.min(mouth, axis=0), np.max(mouth, axis=0)
    wider = Box.between(left - 20, top - 20, right + 20, bottom + 20)
    assert result([wider], [mouth]) is Result.FAIL, "not a finger's breadth more"
    # The coarsest JPEG carries the edge of what is kept two pixels outwards.
    restore(hidden, picture, [mouth, eye])
    coarse = io.BytesIO()
    Image.fromarray(hidden).save(coarse, "JPEG", quality=70, subsampling=0)
    with Image.open(coarse) as image:
        seen = np.asarray(image.convert("RGB"), np.uint8)
    sources = strength.brightness(picture, redactions)
    for rim, wanted in ((0, Result.FAIL), (KEPT_RIM, Result.PASS)):
        assert strength.check(seen, redactions, [mouth, eye], bound, sources, rim=rim).result is wanted


def test_which_pixels_are_kept() -> None:
    triangle = ((10.0, 10.0), (20.0, 10.0), (10.0, 20.0))
    seen = kept.mask([triangle], (0, 0, 30, 30))
    assert seen[10, 10] and seen[11, 18] and seen[18, 11] and not seen[19, 19] and not seen[9, 12]
    assert (kept.mask([triangle], (5, 8, 30, 30)) == seen[8:, 5:]).all()
    grown = kept.mask([triangle], (0, 0, 30, 30), 2)
    assert (grown == (cv2.dilate(seen.astype(np.uint8), np.ones((5, 5))) > 0)).all()
    # What lies outside of the rectangle grows into it.
    assert (kept.mask([triangle], (21, 0, 30, 30), 2) == grown[:, 21:]).all() and grown[:, 21:].any()
    for area in (Box(3.5, 4, 2, 3), (3, 4, 6, 7)):
        assert np.argwhere(kept.mask([area], (0, 0, 9, 9)))[[0, -1]].tolist() == [[4, 3], [6, 5]]
    assert not kept.mask([triangle, (3, 4, 6, 7)], (40, 40, 50, 50)).any()
    assert kept.bounds(triangle) == (10, 10, 21, 21) and kept.halved((3, 4, 6, 7)) == (1, 2, 3, 4)


def test_colour_is_kept_where_it_lies_wholly_inside() -> None:
    planes = np.zeros((20, 20), np.uint8), np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    stays = _kept(planes, [((5.0, 4.0), (11.0, 4.0), (11.0, 9.0), (5.0, 9.0))])
    (_, _, _, light), (plane, rect, _, colour), _ = stays
    assert plane is planes[1] and light.sum() == 7 * 6 and colour.sum() == 3 * 3
    assert rect == (2, 5, 2, 6) and not colour[:, 0].any()


def test_views_that_come_and_go_are_left_out() -> None:
    def spans(text: str) -> str:
        return "".join(".x"[int(one)] for one in _spans(np.array([c == "x" for c in text]), 10.0))

    assert spans("xxxxxx..xxxxx") == "xxxxxxxxxxxxx", "a gap of .2 s is bridged"
    assert spans("xxxxxx...xxxxx") == "xxxxxx...xxxxx"
    assert spans("....xxxx......") == "..............", "less than half a second is no view"
    assert spans("xxx") == "xxx" and spans("..xxxxx") == "..xxxxx"


def test_points_are_made_steady_without_lagging_behind() -> None:
    count, noise = 40, np.random.default_rng(1).normal(0, 1, (40, 2, 2))
    true = np.stack(
        [np.stack([np.arange(count) * 3.0 + k, np.full(count, 50.0)], axis=-1) for k in (0, 9)], axis=1
    )
    boxes = np.zeros((count, 4), np.float32)
    track = Track(Kind.FACE, 7, boxes, np.ones(count, np.bool_), (), np.zeros((1, 1, 3), np.float32))
    shown = np.ones((count, 1), np.bool_)
    exact = _Following(track, (FacePart.NOSE,), (1, 2), true.astype(np.float32), shown)
    assert np.allclose(_steadied(exact, 30.0).points, true, atol=1e-3), "what moves evenly is where it is"
    rough = _Following(track, (FacePart.NOSE,), (1, 2), (true + noise).astype(np.float32), shown)
    off = _steadied(rough, 30.0).points - true
    assert np.abs(off[4:-4]).mean() < 0.6 * np.abs(noise).mean()


def test_what_stays_in_view_of_a_frame() -> None:
    points = np.arange(2 * len(NOSE) * 2, dtype=np.float32).reshape(2, len(NOSE), 2) ** 2
    followed = FollowedParts(5, (FacePart.NOSE,), tuple(sorted(NOSE)), points, np.array([[True], [False]]))
    assert len(followed.at(5)) == 1 and followed.at(6) == followed.at(4) == followed.at(7) == []


def test_from_the_command_line(run: Callable[..., Ran], portrait: Pixels, tmp_path: Path) -> None:
    source, out = tmp_path / "a.jpg", tmp_path / "out"
    Image.fromarray(portrait[:512, 256:768]).save(source, quality=95)
    options = (
        "--text",
        "none",
        "--no-codes",
        "--no-marks",
        "--keep-part",
        "mouth",
        "--keep-part",
        "right-eye",
    )
    assert run("blur", source, "--out", out, *options).code == 3
    (written,) = (out / "review").rglob("*.jpg")
    with Image.open(source) as before, Image.open(written) as after:
        change = np.abs(np.asarray(before, int) - np.asarray(after, int)).mean(axis=2)
    for (x, y), stays in ((MOUTH, True), (RIGHT, True), (LEFT, False), (CHIN, False)):
        place = change[y - 4 : y + 5, x - 256 - 4 : x - 256 + 5].mean()
        assert (place < 4) if stays else (place > 8), (x, y)
    (report,) = [json.loads(path.read_text()) for path in (out / "reports").glob("*.json")]
    assert all(check["result"] in ("pass", "skipped") for check in report["checks"]), report["checks"]
    assert [one["code"] for one in report["reasons"]] == ["road.kept-clear"]
    assert report["settings"]["keep_part"] == ["mouth", "right-eye"]
    assert "face-mesh" in [one["name"] for one in report["models"]]
    for bad, word in (("chin", "mouth, teeth"), ("nose@3", "keep_part"), ("nose@a,b", "number")):
        refused = run("blur", source, "--out", out, "--keep-part", bad)
        assert refused.code == 2 and word in " ".join((refused.err + refused.out).split()), refused.err


def test_in_a_clip_the_mouth_stays_in_view_in_every_frame(
    run: Callable[..., Ran], portrait: Pixels, tmp_path: Path
) -> None:
    part = portrait[64:320, 320:576]
    frames = [np.ascontiguousarray(np.roll(part, 2 * number, axis=1)) for number in range(12)]
    source, out = make_clip(tmp_path / "a.mp4", frames), tmp_path / "out"
    options = ("--text", "none", "--no-codes", "--no-marks", "--keep-part", "mouth", "--cover", "head")
    assert run("blur", source, "--out", out, *options).code == 3
    (written,) = (out / "review").rglob("*.mp4")
    with av.open(str(written)) as container, av.open(str(source)) as original:
        pairs = [
            [frame.to_ndarray(format="rgb24").astype(int) for frame in one.decode(video=0)]
            for one in (original, container)
        ]
    for number, (before, after) in enumerate(zip(*pairs, strict=True)):
        change = np.abs(before - after).mean(axis=2)
        x, y = MOUTH[0] - 320 + 2 * number, MOUTH[1] - 64
        assert change[y - 4 : y + 5, x - 8 : x + 9].mean() < 6, number
        for ex, ey in (LEFT, RIGHT):
            at = change[ey - 64 - 4 : ey - 64 + 5, ex - 320 + 2 * number - 4 : ex - 320 + 2 * number + 5]
            assert at.mean() > 8, number
        # Hair, which a face's own redaction leaves.
        assert change[6:18, 150:170].mean() > 8, number
    (report,) = [json.loads(path.read_text()) for path in (out / "reports").glob("*.json")]
    assert all(check["result"] in ("pass", "skipped") for check in report["checks"]), report["checks"]
    assert {one["code"] for one in report["reasons"]} <= {"road.kept-clear", "road.head-guessed"}
    assert "notes.heads" in [one["code"] for one in report["notes"]]
