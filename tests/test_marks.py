"""Ink on skin is asked about and never drawn over; lesions, hair and gaps are no ink."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Box, Kind, Pixels, QuestionKind
from anonymizer.detect.finder import Finder, questions
from anonymizer.detect.marks import network
from anonymizer.detect.marks.finder import MarkFinder
from anonymizer.detect.marks.skin import skin
from anonymizer.detect.models.store import Store
from anonymizer.redact.photo import redact

SAMPLES = Path(__file__).parents[1] / "sample_media"
LIGHT, DARK = (214, 168, 145), (112, 76, 60)
PLACE = Box(250, 180, 120, 120)


def body(tone: tuple[int, int, int] = LIGHT, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Skin with blotches and a camera's noise."""
    rng = np.random.default_rng(3)
    width, height = size
    blotches = cv2.resize(
        rng.normal(0, 5, (9, 12, 1)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC
    )
    noise = rng.normal(0, 3, (height, width, 1))
    return Image.fromarray(np.clip(np.array(tone) + blotches[..., None] + noise, 0, 255).astype(np.uint8))


def star(on: Image.Image, colour: tuple[int, int, int], opacity: float = 0.8) -> Pixels:
    """A five-pointed star in PLACE, as ink under skin: softened, and letting some of the skin through."""
    layer = Image.new("L", on.size)
    angles, radii = np.linspace(0, 2 * np.pi, 11), np.array([60, 26] * 6)[:11]
    points = [(310 + r * np.sin(a), 240 - r * np.cos(a)) for a, r in zip(angles, radii, strict=True)]
    ImageDraw.Draw(layer).polygon(points, fill=255)
    mask = cv2.GaussianBlur(np.asarray(layer, np.float32) / 255, (0, 0), 1.0)[..., None] * opacity
    return np.asarray(np.asarray(on) * (1 - mask) + np.array(colour) * mask, np.uint8)


@pytest.mark.parametrize("tone", [LIGHT, DARK])
@pytest.mark.parametrize("colour", [(28, 28, 32), (30, 45, 80), (25, 70, 60)])
@pytest.mark.parametrize("rotations", [0, 1])
def test_ink_on_skin_is_asked_about(
    tone: tuple[int, int, int], colour: tuple[int, int, int], rotations: int
) -> None:
    pixels = np.ascontiguousarray(np.rot90(star(body(tone), colour), rotations))
    (region,) = MarkFinder(Store()).find(pixels)
    place = PLACE if rotations == 0 else Box(180, 640 - 370, 120, 120)
    assert region.kind is Kind.MARK and not region.hidden
    assert region.box.iou(place) > 0.7


def test_the_place_is_told_and_nothing_is_drawn_over() -> None:
    pixels = star(body(), (28, 28, 32))
    finder = Finder(Settings(faces=False, text=TextPolicy.NONE, codes=False))
    regions = finder.find(pixels)
    (asked,) = questions(regions)
    assert asked.kind is QuestionKind.MARK and asked.box.iou(PLACE) > 0.7
    assert str(asked.message).startswith("There may be a tattoo or another mark at x ")
    drawn, redactions = redact(pixels, [r for r in regions if r.hidden], Settings())
    assert redactions == [] and (drawn == pixels).all()
    off = Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False)
    assert Finder(off).find(pixels) == []


def test_a_large_photo_is_told_in_its_own_pixels() -> None:
    large = cv2.resize(star(body(), (28, 28, 32)), (2560, 1920), interpolation=cv2.INTER_CUBIC)
    (region,) = MarkFinder(Store()).find(np.asarray(large, np.uint8))
    assert region.box.iou(Box(4 * PLACE.x, 4 * PLACE.y, 4 * PLACE.w, 4 * PLACE.h)) > 0.7


@pytest.mark.parametrize("colour", [(185, 60, 55), (120, 70, 45), (235, 205, 190)])
def test_what_is_red_brown_or_pale_is_no_ink(colour: tuple[int, int, int]) -> None:
    assert MarkFinder(Store()).find(star(body(), colour)) == []


def test_a_gap_is_no_ink_nor_is_what_the_edge_cuts_off() -> None:
    gap = np.array(body())
    gap[200:216, 220:420] = 3
    assert MarkFinder(Store()).find(gap) == []
    cut = np.array(body())
    cut[430:, 100:300] = (40, 45, 70)
    assert MarkFinder(Store()).find(cut) == []


@pytest.mark.parametrize("rotations", [0, 1])
def test_a_thin_strip_between_two_panels_is_no_ink_and_a_bar_on_skin_is(rotations: int) -> None:
    """What has skin's colour on either side of a window ends where the window ends, or nearly."""
    bar = np.array(body())
    bar[200:320, 300:318] = (40, 55, 60)
    (region,) = MarkFinder(Store()).find(np.ascontiguousarray(np.rot90(bar, rotations)))
    assert region.box.area > 1500
    strip = bar.copy()
    strip[:198, 299:319] = strip[322:, 299:319] = (240, 242, 240)
    assert MarkFinder(Store()).find(np.ascontiguousarray(np.rot90(strip, rotations))) == []


def arm(cut: bool) -> tuple[Pixels, Box]:
    """A forearm on a plain wall with a shaded sleeve from side to side, or one that the picture's edge cuts off."""
    rng = np.random.default_rng(5)
    picture = np.full((480, 640, 3), (150, 155, 160), np.uint8)
    picture[:, 200:440] = np.array(body(size=(240, 480)))
    top, bottom = (300, 480) if cut else (110, 370)
    shade = np.zeros((bottom - top, 240), np.float32)
    for cells in (6, 14, 34):
        grain = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        shade += cv2.resize(grain, (240, bottom - top), interpolation=cv2.INTER_CUBIC)
    cover = cv2.GaussianBlur((shade > -0.3).astype(np.float32), (0, 0), 1.2)[..., None] * 0.8
    part = picture[top:bottom, 200:440]
    picture[top:bottom, 200:440] = (part * (1 - cover) + np.array((35, 38, 45)) * cover).astype(np.uint8)
    return picture, Box(200, top, 240, bottom - top)


@pytest.mark.parametrize("cut", [False, True])
def test_a_sleeve_and_ink_that_the_edge_cuts_off_are_asked_about_once(cut: bool) -> None:
    picture, place = arm(cut)
    (region,) = MarkFinder(Store()).find(picture)
    assert region.asked and not region.hidden and region.box.iou(place) > 0.5


@pytest.mark.parametrize(
    ("colour", "shadow"),
    [
        ((92, 58, 38), True),
        ((6, 5, 5), True),
        ((70, 70, 76), False),
        ((150, 40, 60), False),
        ((60, 80, 60), False),
    ],
)
def test_skin_with_less_light_is_no_ink_however_sure_the_network_is(
    colour: tuple[int, int, int], shadow: bool
) -> None:
    picture = np.array(body(size=(320, 240)))
    picture[80:160, 96:200] = np.array(colour) + picture[80:160, 96:200] // 16 - 10
    sure = np.zeros((30, 40), np.float32)
    sure[10:20, 12:25] = 0.95
    found, shadows = network.places(sure, picture)
    place = [Box(96, 80, 104, 80)]
    assert ([one.box for one in found], shadows) == (([], place) if shadow else (place, []))


def test_of_two_tattoos_that_are_one_place_to_the_network_each_is_pointed_at() -> None:
    picture = np.array(body(size=(320, 240)))
    sure = np.zeros((30, 40), np.float32)
    sure[8:20, 5:15] = sure[8:20, 20:30] = 0.95
    sure[13:15, 15:20] = 0.6  # skin between them that it half believes in
    (place,), _ = network.places(sure, picture)
    assert place.box == Box(40, 64, 200, 96)
    one, other = Box(40, 64, 80, 96), Box(160, 64, 80, 96)
    assert [rest.box for rest in network.rest_of(sure, picture, place, [one.padded(40)])] == [other]
    assert network.rest_of(sure, picture, place, [one, other]) == []
    assert network.rest_of(np.minimum(sure, 0.8), picture, place, [one]) == []


def test_a_picture_without_skin_has_no_marks() -> None:
    grey = np.full((300, 400, 3), 128, np.uint8)
    grey[100:150, 100:200] = 20
    assert not skin(grey).any()
    assert MarkFinder(Store()).find(grey) == []
    assert MarkFinder(Store()).find(np.zeros((1, 1, 3), np.uint8)) == []


@pytest.mark.parametrize("name", ["no-face.jpg", "portrait.jpg"])
def test_sample_photos_are_not_held_up(name: str) -> None:
    assert MarkFinder(Store()).find(np.asarray(Image.open(SAMPLES / name).convert("RGB"), np.uint8)) == []
