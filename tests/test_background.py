"""The room about a person, replaced: nothing of it is left, the person stays, and what was not replaced is noticed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.settings import Background, Settings
from anonymizer.core.settings_file import load, with_sidecar
from anonymizer.core.types import (
    Box,
    Evidence,
    Kind,
    Model,
    Pixels,
    Redaction,
    Region,
    Result,
    Shape,
    Style,
    Traces,
)
from anonymizer.core.yuv import Planes
from anonymizer.detect.base import models_of
from anonymizer.detect.faces.head import SIDE
from anonymizer.detect.models.store import Store
from anonymizer.detect.person import Person, PersonFinder, refined, sure
from anonymizer.read.photo.reader import Still
from anonymizer.redact.background import PLAIN, backdrop, cells, opacity, replace_in, replaced
from anonymizer.road.background import Persons
from anonymizer.road.clip.background import ClipRoom, _packed, worst
from anonymizer.road.heads import Heads
from anonymizer.road.photo import process
from anonymizer.track.tracks import Track
from anonymizer.verify.background import Replaced, check, unexplained
from clips import make_clip
from conftest import FAST, Ran

HOW = [Background.PLAIN, Background.BLUR]


def room(width: int = 240, height: int = 160) -> Pixels:
    """Stripes to be read, and a person in the middle."""
    pixels = np.random.default_rng(3).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.repeat(np.repeat(pixels, 4, 0), 4, 1)


def middle(width: int = 240, height: int = 160) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), np.bool_)
    mask[height // 4 :, width // 3 : 2 * width // 3] = True
    return mask


def jpeg(pixels: Pixels, quality: int = 85) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out).convert("RGB"))


@pytest.mark.parametrize("how", HOW)
def test_all_outside_of_the_person_is_replaced_and_the_person_stays(how: Background) -> None:
    pixels, person = room(), middle()
    grid = backdrop(pixels, person, how)
    clean = replaced(pixels, person, grid)
    deep = opacity(person) == 1
    assert (clean[deep] == pixels[deep]).all() and deep.sum() > 0.9 * person.sum()
    other = pixels.copy()
    other[person] = 0
    alone = replaced(other, person, grid)
    assert (alone[~person] == clean[~person]).all(), "nothing of it depends on a pixel"
    if how is Background.PLAIN:
        assert (clean[~person] == PLAIN).all() and grid.shape == (1, 1, 3)
    else:
        assert grid.shape[:2] == (5, 8) == cells(240, 160)[::-1]
        assert clean[~person].std() < 0.4 * pixels[~person].std()
    wanted = Replaced(~person, (grid.shape[1], grid.shape[0]))
    assert check(clean, wanted, (), exact=True).result is Result.PASS
    for quality in (70, 95):
        assert check(jpeg(clean, quality), wanted, (), exact=False).result is Result.PASS
    for exact in (True, False):
        assert check(pixels, wanted, (), exact=exact).result is Result.FAIL


def test_a_patch_with_hardly_any_background_says_what_the_whole_does() -> None:
    pixels = np.full((160, 160, 3), 50, np.uint8)
    person = np.ones((160, 160), np.bool_)
    person[:, :40] = False
    person[100, 100] = False
    pixels[100, 100] = 255
    grid = backdrop(pixels, person, Background.BLUR)
    assert abs(grid - 50).max() < 5 and (backdrop(pixels, person | True, Background.BLUR) == PLAIN).all()


@pytest.mark.parametrize("exact", [True, False])
def test_what_is_left_of_the_room_is_noticed(exact: bool) -> None:
    pixels, person = room(480, 320), middle(480, 320)
    grid = backdrop(pixels, person, Background.BLUR)
    clean = replaced(pixels, person, grid)
    wanted = Replaced(~person, (grid.shape[1], grid.shape[0]))
    corner = clean.copy()
    corner[20:50, 20:50] = pixels[20:50, 20:50]
    assert check(corner, wanted, (), exact=exact).result is Result.FAIL
    rim = clean.copy()
    wider = middle(480, 320)
    wider[60:, 148:332] = True
    rim[wider] = pixels[wider]
    assert check(rim, wanted, (), exact=exact).result is Result.FAIL, "a rim of the room about the person"
    # What a redaction covers is that one's to answer for; what somebody keeps, a person's.
    over = Redaction(Kind.TEXT, Shape.BOX, Style.FILL, (20, 20, 50, 50), (1, 1), ())
    assert check(corner, wanted, [over], exact=exact).result is Result.PASS
    assert check(corner, wanted, (), [Box(20, 20, 30, 30)], exact=exact).result is Result.PASS
    assert check(clean, Replaced(~person, (9, 6)), (), exact=exact).result is Result.FAIL, "too many patches"
    assert unexplained(clean[:-1], wanted, (), (), exact=exact) is None, "another size"
    nobody = Replaced(np.zeros((320, 480), np.bool_), (1, 1))
    assert unexplained(clean, nobody, (), (), exact=exact) == (0, 0, 0)
    all_near = Replaced(np.zeros((320, 480), np.bool_), (1, 1))
    all_near.outside[100:104] = True
    assert check(pixels, all_near, (), exact=False).result is Result.FAIL, "all of it beside the person"


def test_a_small_thing_and_a_fringe_are_noticed_where_the_whole_looks_clean() -> None:
    person = middle(480, 320)
    clean = replaced(room(480, 320), person, backdrop(room(480, 320), person, Background.PLAIN))
    wanted = Replaced(~person, (1, 1))
    spot = clean.copy()
    spot[20:40, 20:40] += 30
    far, tile, near = unexplained(spot, wanted, (), (), exact=True) or (0, 0, 0)
    assert far < 2.5 and tile > 20 and near == 0 and check(spot, wanted, (), exact=True).result is Result.FAIL
    fringe = clean.astype(int)
    fringe[100:, 152:160] += np.where(np.arange(220) % 2, 50, -50)[:, None, None]
    seen = np.clip(fringe, 0, 255).astype(np.uint8)
    far, tile, near = unexplained(seen, wanted, (), (), exact=False) or (0, 0, 0)
    assert far < 1 and tile < 2 and near > 14 and check(seen, wanted, (), exact=False).result is Result.FAIL


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("deep", [False, True])
def test_the_planes_of_a_clip(how: Background, deep: bool) -> None:
    rng = np.random.default_rng(1)
    times = 4 if deep else 1
    planes: Any = tuple(
        (rng.integers(16, 236, shape) * times).astype(np.uint16 if deep else np.uint8)
        for shape in ((160, 240), (80, 120), (80, 120))
    )
    before = [plane.copy() for plane in planes]
    person = middle()
    person[100, 81] = False
    grid = rng.integers(60, 180, (1, 1, 3) if how is Background.PLAIN else (5, 8, 3)).astype(np.float32)
    replace_in(planes, person, grid)
    assert (planes[0][:, 100:140][80:] == before[0][:, 100:140][80:]).all()
    halves = person.reshape(80, 2, 120, 2).all(axis=(1, 3))
    if how is Background.PLAIN:
        for plane, own, value in zip(planes, (person, halves, halves), grid.ravel(), strict=True):
            assert (plane[~own] == value * times).all(), (
                "colour too, where one of its four pixels is the room's"
            )
    shown: Planes = tuple((plane // times).astype(np.uint8) for plane in planes)  # type: ignore[assignment]
    size = 240, 160
    kept = ClipRoom(how, size, grid, person)
    assert kept.check(shown, (), 0).result is Result.PASS
    for number in (0, 1):
        bare = [plane.copy() for plane in shown]
        bare[number][:20] = before[number][:20] // times
        assert kept.check(tuple(bare), (), 0).result is Result.FAIL  # type: ignore[arg-type]


def likely(left: int, right: int) -> NDArray[np.float32]:
    cells = np.zeros((SIDE, SIDE), np.float32)
    cells[64:, left:right] = 1
    return cells


def test_the_person_of_a_clip_neither_jumps_nor_flickers() -> None:
    """One look in which the network sees nobody takes no part of the person; between two looks the edge wanders."""
    size = 512, 256
    own = np.zeros((256, 512), np.bool_)
    own[:8, :8] = True
    looks = [likely(100, 160)] * 3 + [likely(0, 0)] + [likely(100, 160)] * 3 + [likely(102, 162)] * 2
    looks[1] = looks[1].copy()
    looks[1][:4, 250:254] = 1
    kept = ClipRoom(
        Background.PLAIN, size, np.zeros((1, 1, 3), np.float32), own, tuple(map(_packed, looks)), 2
    )
    masks = [kept.person(frame) for frame in range(18)]
    assert masks[6].sum() >= 0.8 * masks[0].sum()
    assert all(mask[:8, :8].all() for mask in masks) and not masks[2][:8, 400:].any(), "a speck is nobody"
    edges = [int(np.flatnonzero(mask[200])[0]) for mask in masks[10:]]
    assert (
        edges[0] in (200, 201) and edges[-1] == 204 and max(np.diff(edges)) <= 2 and min(np.diff(edges)) >= 0
    )
    assert kept.person(400) is kept.person(400), "frames beyond the last look"
    track = Track(
        Kind.TEXT,
        0,
        np.tile(np.array([20, 100, 60, 20], np.float32), (18, 1)),
        np.ones(18, np.bool_),
        (),
        np.zeros((1, 1, 3), np.float32),
    )
    over = Track(
        Kind.TEXT, 0, track.boxes + np.array([150, 0, 0, 0], np.float32), track.seen, (), track.colours
    )
    assert kept.hides(track) and not kept.hides(over)
    blurred = ClipRoom(Background.BLUR, size, kept.grid, own, kept.looks, 2)
    assert not blurred.hides(track), "patches may tell that something was there"
    assert worst([]) is None


def test_who_is_sure() -> None:
    assert sure(likely(100, 200))
    assert not sure(likely(0, 0)) and not sure(np.ones((SIDE, SIDE), np.float32))
    assert not sure(likely(100, 200) * np.float32(0.6)), "neither the one nor the other"


def test_the_portrait_is_cut_out_along_its_edge(portrait: Pixels) -> None:
    finder = PersonFinder(Store())
    face = Region(Box(362, 110, 177, 231), Kind.FACE, (Evidence("centerface", 0.9),))
    seen = finder.person(portrait, [face])
    assert seen.sure and 0.2 < seen.mask.mean() < 0.8
    assert seen.mask[150:300, 380:500].all() and seen.mask[700:900, 200:500].mean() > 0.99
    assert not seen.mask[:250, 620:720].any() and not seen.mask[:300, 150:250].any()
    beside = Region(Box(600, 20, 100, 100), Kind.FACE, (Evidence("centerface", 0.9),))
    missed = finder.person(portrait, [beside])
    assert not missed.sure and not missed.mask.any(), "a face that is nobody's: the patient was not seen"
    assert not finder.person(np.full((300, 200, 3), 90, np.uint8), []).mask.any()
    step = np.zeros((600, 600, 3), np.uint8)
    step[:, 303:] = 220
    coarse = np.zeros((8, 8), np.float32)
    coarse[:, 4:] = 1
    edge = np.flatnonzero(refined(coarse, step)[300] >= 0.5)[0]
    assert abs(int(edge) - 303) <= 1, "where the picture has it"


class Nobody:
    """A finder that finds these, then nothing."""

    def __init__(self, *found: Region) -> None:
        self.found = list(found)

    def find(self, pixels: Pixels) -> list[Region]:
        return list(self.found)

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return []

    def models(self) -> list[Model]:
        return []


class Sees:
    """Stands for the network."""

    def __init__(self, person: Person) -> None:
        self.seen = person

    def person(self, pixels: Pixels, regions: object) -> Person:
        return self.seen

    def model(self) -> Model:
        return Model("person", "0" * 64, "Apache-2.0", "CPU")


def done(tmp_path: Path, settings: Settings, person: Person, *found: Region, form: str = "PNG") -> Any:
    still = Still(room(), form, Traces(), ())
    name = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
    finder: Any = Sees(person)
    return process(
        still, "0" * 64, Nobody(*found), settings, name, b"s" * 32, persons=Persons(lambda: finder)
    )


def test_a_photo_on_its_road(tmp_path: Path) -> None:
    plain = Settings(background=Background.PLAIN)
    person = Person(middle(), sure=True)
    text = Region(Box(5, 5, 40, 12), Kind.TEXT, (Evidence("ppocr", 0.9),))
    face = Region(Box(100, 60, 40, 50), Kind.FACE, (Evidence("centerface", 0.9),))
    made = done(tmp_path, plain, person, text, face)
    assert [one.kind for one in made.redactions] == [Kind.FACE], "of the text nothing was left to hide"
    assert [one.code for one in made.reasons] == ["road.background"]
    assert [one.code for one in made.notes] == ["notes.background.plain"]
    (checked,) = [one for one in made.checks if one.name == "background"]
    assert checked.result is Result.PASS and checked.data["share"] == pytest.approx(0.75, abs=0.02)
    pixels = np.asarray(Image.open(made.path))
    assert (pixels[:30] == PLAIN).all()
    blurred = done(
        tmp_path, plain.model_copy(update={"background": Background.BLUR}), person, text, form="JPEG"
    )
    assert [one.kind for one in blurred.redactions] == [Kind.TEXT]
    assert all(one.result is not Result.FAIL for one in blurred.checks)
    trusting = plain.model_copy(update={"background_trusted": True})
    assert not done(tmp_path, trusting, person).reasons
    (asked,) = done(tmp_path, trusting, Person(middle(), sure=False)).reasons
    assert asked.code == "road.background-unsure"
    nobody = done(tmp_path, trusting, Person(np.zeros((160, 240), np.bool_), sure=True))
    assert [one.code for one in nobody.reasons] == ["road.background-left"] and not nobody.notes
    assert (np.asarray(Image.open(nobody.path)) == room()).all(), "the case is not thrown away"


def test_what_somebody_outlined_stays_and_nothing_else(tmp_path: Path) -> None:
    outlined = Settings(
        background=Background.PLAIN,
        background_outline=(((10, 10), (70, 10), (70, 70), (10, 70)),),
        keep=((100, 100, 20, 20),),
    )
    made = done(tmp_path, outlined, Person(np.ones((160, 240), np.bool_), sure=False))
    pixels, source = np.asarray(Image.open(made.path)), room()
    for rows, columns in ((slice(16, 64), slice(16, 64)), (slice(104, 116), slice(104, 116))):
        assert (pixels[rows, columns] == source[rows, columns]).all()
    assert (pixels[:, 130:] == PLAIN).all() and [one.code for one in made.reasons] == ["road.background"]
    assert not made.models, "the network was not asked"


def test_a_network_that_two_parts_use_is_named_once() -> None:
    finder: Any = Sees(Person(middle(), sure=True))
    persons, heads = Persons(lambda: finder), Heads(lambda: finder)
    assert models_of(Nobody(), None, heads, persons) == (), "none was asked"
    assert persons.finder is heads.finder
    assert models_of(Nobody(), heads, persons) == (finder.model(),)


def test_a_background_that_was_not_replaced_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.road.background.replaced", lambda pixels, person, grid: pixels)
    made = done(
        tmp_path, Settings(background=Background.PLAIN, background_trusted=True), Person(middle(), sure=True)
    )
    (checked,) = [one for one in made.checks if one.name == "background"]
    assert checked.result is Result.FAIL


OUTLINE = 'background = "plain"\nbackground_outline = [[[64, 32], [128, 32], [128, 127], [64, 127]]]\n'


@pytest.mark.parametrize("honest", [True, False])
def test_a_clip_on_its_road(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: bool
) -> None:
    scene = np.repeat(
        np.repeat(np.random.default_rng(2).integers(30, 226, (16, 24, 3), dtype=np.uint8), 8, 0), 8, 1
    )
    source = make_clip(tmp_path / "a.mp4", [scene] * 8)
    source.with_name("a.mp4.toml").write_text(OUTLINE, encoding="utf-8")
    if not honest:
        whole = replace_in

        def lacking(planes: Any, person: Any, grid: Any, frames: list[int] = []) -> None:  # noqa: B006
            frames.append(0)
            if len(frames) != 4:
                whole(planes, person, grid)

        monkeypatch.setattr("anonymizer.road.clip.writing.replace_in", lacking)
    run("blur", source, "--out", tmp_path / "out", *FAST)
    (report,) = (tmp_path / "out" / "reports").glob("*.json")
    said = json.loads(report.read_text(encoding="utf-8"))
    (checked,) = [one for one in said["checks"] if one["name"] == "background"]
    assert checked["result"] == ("pass" if honest else "fail"), checked
    assert "road.background" in [one["code"] for one in said["reasons"]]
    assert "notes.background.plain" in [one["code"] for one in said["notes"]]


def test_where_it_is_said(tmp_path: Path, run: Callable[..., Ran]) -> None:
    (tmp_path / "a.jpg.toml").write_text(OUTLINE, encoding="utf-8")
    own = with_sidecar(Settings(background=Background.BLUR), tmp_path / "a.jpg")
    assert own.background is Background.PLAIN and len(own.background_outline) == 1
    assert (
        with_sidecar(Settings(background=Background.BLUR), tmp_path / "b.jpg").background is Background.BLUR
    )
    assert load(overrides={"background": "blur"}).background is Background.BLUR
    for bad in ("1,2 3,4", "1,2 3,4 5", "1,2 3,4 5,nan"):
        said = run("blur", tmp_path / "x.jpg", "--background", "plain", "--background-outline", bad)
        assert said.code == 2 and "three corners" in said.err
