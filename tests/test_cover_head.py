"""A head that is hidden whole: what the network sees of it, what is hidden where it does not, and never less than of
the face alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anonymizer.core.settings import Cover, Settings
from anonymizer.core.types import Box, Evidence, Kind, Model, Pixels, Region, Shape, Traces
from anonymizer.detect.faces.head import GENEROUS, LEAST, MOST, ROUND, Head, HeadFinder, grown, quarter_turns
from anonymizer.detect.models.store import Store
from anonymizer.read.photo.reader import Still
from anonymizer.redact.photo import coverage, redaction_box
from anonymizer.road.clip.heads import SeenHeads
from anonymizer.road.heads import Heads, hiding
from anonymizer.road.photo import process
from anonymizer.track.tracks import Track

FACE = Box(362, 110, 177, 231)
MARKS = ((412.0, 204.0), (494.0, 210.0), (449.0, 248.0), (413.0, 284.0), (483.0, 290.0))
"""Of the portrait."""
HEAD = Settings(cover=Cover.HEAD)


@pytest.fixture(scope="module")
def finder() -> HeadFinder:
    return HeadFinder(Store())


def face(box: Box = FACE, marks: tuple[tuple[float, float], ...] = ()) -> Region:
    return Region(box, Kind.FACE, (Evidence("centerface", 0.9),), landmarks=marks)


@pytest.mark.parametrize("turn", range(4))
def test_hair_and_neck_of_the_portrait_are_seen_at_every_turn(
    finder: HeadFinder, portrait: Pixels, turn: int
) -> None:
    picture, (left, top, right, bottom) = portrait, (FACE.x, FACE.y, FACE.right, FACE.bottom)
    marks, hair = MARKS, Box(350, 30, 250, 200)
    for _ in range(turn):
        # A quarter turn anticlockwise of a square of 1024.
        left, top, right, bottom = top, 1024 - right, bottom, 1024 - left
        marks = tuple((y, 1023 - x) for x, y in marks)
        hair = Box(hair.y, 1024 - hair.right, hair.h, hair.w)
    picture = np.ascontiguousarray(np.rot90(portrait, turn))
    region = face(Box.between(left, top, right, bottom), marks)
    assert quarter_turns(region) == (4 - turn) % 4
    head = finder.head(picture, region)
    assert head.seen and 1 <= head.rim <= ROUND
    assert hair.covered_by(head.box) > 0.9 and head.box.area < 4 * FACE.area


def test_where_there_is_nobody_it_is_generous(finder: HeadFinder) -> None:
    for picture in (np.full((400, 400, 3), 90, np.uint8), np.zeros((90, 40, 3), np.uint8)):
        head = finder.head(picture, face(Box(20, 20, 60, 60)))
        assert not head.seen and head.reach == GENEROUS and head.box == grown(Box(20, 20, 60, 60), GENEROUS)


def test_how_far_a_head_reaches_has_bounds(finder: HeadFinder, portrait: Pixels) -> None:
    head = finder.head(portrait, face(marks=MARKS))
    assert all(low <= one <= most + 0.05 for low, one, most in zip(LEAST, head.reach, MOST, strict=True))


@pytest.mark.parametrize("shape", [Shape.ELLIPSE, Shape.BOX])
@pytest.mark.parametrize(
    "reach", [LEAST, GENEROUS, (0.9, 0.25, 0.1, 0.35), (0.1, 1.2, 0.1, 0.5), (-0.3, 0, -0.3, 0)]
)
def test_a_head_hides_all_that_its_face_would(shape: Shape, reach: tuple[float, float, float, float]) -> None:
    settings = Settings(shape=shape, cover=Cover.HEAD)
    box = hiding(FACE, Head(grown(FACE, reach), True, 1.0, reach), settings)
    masks = []
    for one in (FACE, box):
        left, top, right, bottom = redaction_box(face(one), settings)
        mask = np.zeros((900, 900), np.bool_)
        inside = coverage(shape, (left + 200, top + 200, right + 200, bottom + 200), (), 0) > 0
        ys, xs = np.nonzero(inside)
        mask[ys + top + 200, xs + left + 200] = True
        masks.append(mask)
    alone, whole = masks
    assert (alone & ~whole).sum() <= 0.002 * alone.sum()


class Sees(HeadFinder):
    def __init__(self, *, seen: bool) -> None:
        self.seen = seen

    def head(self, pixels: Pixels, region: Region) -> Head:
        return Head(grown(region.box, GENEROUS), self.seen, 1.2, GENEROUS)

    def model(self) -> Model:
        return Model("person", "0" * 64, "Apache-2.0", "CPU")


class Found:
    def find(self, pixels: Pixels) -> list[Region]:
        return [face(Box(150, 120, 60, 70))]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return []

    def models(self) -> list[Model]:
        return []


@pytest.mark.parametrize("seen", [True, False])
def test_a_photo_on_its_road(tmp_path: Path, *, seen: bool) -> None:
    pixels = np.random.default_rng(5).integers(0, 255, (300, 400, 3), np.uint8)
    still = Still(pixels, "PNG", Traces(), ())

    def done(settings: Settings) -> object:
        name = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        heads = Heads(lambda: Sees(seen=seen))
        return process(still, "0" * 64, Found(), settings, name, b"s" * 32, heads=heads)

    alone, whole = done(Settings()), done(HEAD)
    (small,), (large,) = alone.redactions, whole.redactions  # type: ignore[attr-defined]
    assert Box.between(*small.box).covered_by(Box.between(*large.box)) == 1
    assert [one.code for one in whole.reasons] == ([] if seen else ["road.head-guessed"])  # type: ignore[attr-defined]
    assert [one.code for one in whole.notes] == ["notes.heads"] and not alone.notes  # type: ignore[attr-defined]
    assert [one.name for one in whole.models] == ["person"] and not alone.models  # type: ignore[attr-defined]
    # Whoever takes off what was drawn over a head means its face.
    left, top, right, bottom = large.box
    off = HEAD.model_copy(
        update={
            "dismiss": Settings.model_validate(
                {"dismiss": [{"rect": (left, top, right - left, bottom - top), "kind": "face"}]}
            ).dismiss
        }
    )
    assert not done(off).redactions  # type: ignore[attr-defined]


def test_a_head_in_a_clip_is_as_large_as_any_look_of_a_second_about() -> None:
    boxes = np.tile(np.array([100, 100, 40, 50], np.float32), (120, 1))
    track = Track(Kind.FACE, 10, boxes, np.ones(120, np.bool_), (), np.zeros((1, 1, 3), np.float32))
    small, large = (0.1, 0.3, 0.1, 0.35), (0.5, 0.9, 0.1, 0.35)
    looks = tuple(
        (frame, track.box(frame), Head(Box(0, 0, 1, 1), True, 1.1, large if frame == 40 else small))
        for frame in range(10, 100, 10)
    )
    seen = SeenHeads(
        (*looks, (50, Box(400, 0, 9, 9), Head(Box(0, 0, 1, 1), False, 1.4, GENEROUS))), 10.0, HEAD
    )
    whole = seen.whole(track)
    left = whole.boxes[:, 0]
    assert left[30] < left[5] - 8 and left[21] < left[5] - 8 and left[60] == pytest.approx(left[5], abs=1)
    assert left[119] < left[5] - 8, "nobody looked there: as much as heads have"
    assert all(track.box(frame).covered_by(whole.box(frame)) > 0.99 for frame in (10, 60, 129))
    text = Track(Kind.TEXT, 10, boxes, np.ones(120, np.bool_), (), np.zeros((1, 1, 3), np.float32))
    assert seen.whole(text) is text
