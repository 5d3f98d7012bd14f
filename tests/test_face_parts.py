"""Parts of a face in close-up, which no detector takes for one: a person is asked; other skin is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, QuestionKind, Region
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.faces.parts import FaceParts
from anonymizer.detect.models.store import Store
from conftest import SAMPLES

PARTS = {
    "an eye with its brow": np.s_[170:270, 350:460],
    "a nose with the mouth": np.s_[230:390, 390:530],
    "half a face": np.s_[130:400, 440:570],
    "a cheek with the mouth": np.s_[230:400, 340:470],
}


@pytest.fixture(scope="module")
def judge() -> FaceParts:
    return FaceParts(Store())


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder(Store())


def close(portrait: Pixels, part: str) -> Pixels:
    return np.asarray(
        cv2.resize(portrait[PARTS[part]], None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), np.uint8
    )


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fills_the_frame_is_asked_about(judge: FaceParts, portrait: Pixels, part: str) -> None:
    picture = close(portrait, part)
    (asked,) = judge.judge(picture, [])
    assert asked.action is Action.ASK and asked.asks is QuestionKind.FACE_PART
    assert asked.box.within(picture.shape[1], picture.shape[0]) == asked.box and asked.box.area > 0


@pytest.mark.parametrize("part", PARTS)
def test_the_search_hides_it_or_asks(finder: FaceFinder, portrait: Pixels, part: str) -> None:
    assert finder.find(close(portrait, part))


def test_a_place_that_was_left_open_is_what_is_asked_about(judge: FaceParts, portrait: Pixels) -> None:
    open_ = Region(Box(60, 60, 300, 300), Kind.FACE, (Evidence("centerface", 0.18),), action=Action.LEAVE)
    (asked,) = judge.judge(close(portrait, "an eye with its brow"), [open_])
    assert asked.box == open_.box and asked.action is Action.ASK
    assert [e.detector for e in asked.evidence] == ["face-parts", "centerface"]


def test_a_large_doubt_stays_one_where_a_second_network_half_agrees(
    judge: FaceParts, portrait: Pixels
) -> None:
    face = Box(350, 110, 210, 300)
    for evidence in ((Evidence("centerface", 0.4),), (Evidence("blazeface-full", 0.85),)):
        action = Action.HIDE_AND_ASK if evidence[0].detector == "centerface" else Action.ASK
        doubt = Region(face, Kind.FACE, evidence, action=action)
        assert doubt in judge.judge(portrait, [doubt]), "there is a face"
        nowhere = replace(doubt, box=Box(20, 700, 210, 260))
        assert not any(region.asked for region in judge.judge(portrait, [nowhere, plain(face)]))
    agreed = Region(
        Box(20, 700, 210, 260),
        Kind.FACE,
        (Evidence("blazeface-full", 0.7), Evidence("centerface", 0.4)),
        action=Action.HIDE_AND_ASK,
    )
    assert agreed in judge.judge(portrait, [agreed]), "BlazeFace agrees"


def plain(box: Box) -> Region:
    return Region(box, Kind.FACE, (Evidence("centerface", 0.9),))


def test_beside_a_hidden_face_nobody_is_asked_about_its_parts(judge: FaceParts, portrait: Pixels) -> None:
    face = Region(Box(60, 60, 400, 400), Kind.FACE, (Evidence("centerface", 0.9),))
    assert judge.judge(close(portrait, "half a face"), [face]) == [face]


def test_skin_with_a_lesion_is_no_part_of_a_face(judge: FaceParts) -> None:
    with Image.open(SAMPLES / "no-face.jpg") as image:
        assert judge.judge(np.asarray(image.convert("RGB")), []) == []


@pytest.mark.parametrize("tone", [(224, 172, 140), (141, 85, 60), (250, 215, 195)])
def test_plain_skin_and_a_picture_without_skin_are_none(judge: FaceParts, tone: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).normal(0, 5, (300, 400, 3))
    assert judge.judge(np.asarray((tone + noise).clip(0, 255), np.uint8), []) == []
    grey = np.asarray((120 + noise).clip(0, 255), np.uint8)
    scores = judge.scores(grey)
    assert scores.sure == scores.whole == 0.0 and all(score == 0.0 for score, _ in scores.turned)


@pytest.mark.parametrize(
    ("seen", "mirrored", "stays"), [(2.0, -2.1, False), (2.0, -1.9, True), (-4.0, 2.0, False)]
)
def test_a_second_network_agrees_only_where_it_sees_the_same_in_the_mirror(
    judge: FaceParts, monkeypatch: pytest.MonkeyPatch, seen: float, mirrored: float, stays: bool
) -> None:
    picture = np.zeros((200, 200, 3), np.uint8)
    picture[:, 100:] = 255

    def cells(squares: Sequence[Pixels]) -> list[NDArray[np.float32]]:
        """One word for what is brighter on its right, another for the rest."""
        return [
            np.full((8, 8), seen if one[:, 128:].mean() > one[:, :128].mean() else mirrored, np.float32)
            for one in squares
        ]

    monkeypatch.setattr(judge, "_cells", cells)
    evidence = (Evidence("centerface", 0.3),)
    doubt = Region(Box(50, 50, 100, 100), Kind.FACE, evidence, action=Action.HIDE_AND_ASK)
    told = judge._supported(picture, doubt)
    assert told.action is (Action.HIDE_AND_ASK if stays else Action.LEAVE)
