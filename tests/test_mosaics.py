"""Mosaics that somebody drew on skin are seen; nothing else is one."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from anonymizer.core.types import Box, Pixels
from anonymizer.detect.faces.mosaics import mosaics

FACE = Box(190, 20, 180, 180)


@pytest.fixture(scope="module")
def photo(portrait: Pixels) -> Pixels:
    return np.asarray(cv2.resize(portrait, (640, 640), interpolation=cv2.INTER_AREA), np.uint8)


def with_mosaic(picture: Pixels, square: int, box: Box = FACE) -> Pixels:
    out = picture.copy()
    left, top, right, bottom = box.pixels(picture.shape[1], picture.shape[0])
    columns, rows = (right - left) // square, (bottom - top) // square
    part = np.s_[top : top + rows * square, left : left + columns * square]
    few = cv2.resize(out[part], (columns, rows), interpolation=cv2.INTER_AREA)
    out[part] = cv2.resize(few, out[part].shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return out


def as_jpeg(picture: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("square", [6, 7, 10, 12, 20, 30])
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_mosaic_over_a_face_is_seen_through_compression(photo: Pixels, square: int, quality: int) -> None:
    found = mosaics(as_jpeg(with_mosaic(photo, square), quality))
    assert found
    assert all(box.intersection(FACE).area > 0.4 * box.area for box in found)


def test_in_a_large_photo_it_is_seen_too(portrait: Pixels) -> None:
    large = np.asarray(cv2.resize(portrait, (3000, 3000), interpolation=cv2.INTER_CUBIC), np.uint8)
    (found,) = mosaics(with_mosaic(large, 60, FACE.times(4.7, 4.7)))
    assert found.iou(FACE.times(4.7, 4.7)) > 0.4


@pytest.mark.parametrize("quality", [5, 10, 20, 50, 90])
def test_the_squares_of_compression_are_none(photo: Pixels, quality: int) -> None:
    assert mosaics(as_jpeg(photo, quality)) == []


def test_stripes_are_none_and_tiles_without_skin_are_none(photo: Pixels) -> None:
    striped = photo.copy()
    striped[20:200, 190:370] //= 1 + (np.arange(180) // 10 % 2)[None, :, None].astype(np.uint8)
    assert mosaics(striped) == []
    rng = np.random.default_rng(1)
    tiles = np.kron(rng.integers(60, 200, (20, 20)), np.ones((24, 24))).astype(np.uint8)
    blue = np.dstack([tiles // 4, tiles // 2, tiles])
    assert mosaics(blue) == []


def test_a_small_picture_is_looked_at() -> None:
    assert mosaics(np.full((8, 8, 3), 128, np.uint8)) == []
