"""The room about a person, replaced: by one grey, or by the room's own colours in a few broad patches.

The patches are averages of the background alone, at most :data:`CELLS` a side, drawn smooth: too few to read by, to
know a place by, or to see a face in. Whatever lies outside of the person is replaced whole; the soft edge lies within.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.settings import Background
from anonymizer.core.types import Pixels, Style
from anonymizer.core.yuv import AnyPlanes
from anonymizer.redact.photo import drawn

CELLS = 8
"""Patches along the longer side, at most."""
PLAIN = (200, 200, 200)
"""The one grey: it says nothing of what was there."""
SOFT = 0.002
"""Width of the soft edge, in longer sides of the picture; it lies within the person."""

Grid = NDArray[np.float32]
"""Averages ``(rows, columns, 3)``, RGB, 0 to 255."""


def cells(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of patches for a picture of this size."""
    longest = max(width, height)
    return max(1, round(CELLS * width / longest)), max(1, round(CELLS * height / longest))


def backdrop(pixels: Pixels, person: NDArray[np.bool_], how: Background) -> Grid:
    """What is drawn in the place of all of ``pixels`` ``(h, w, 3)`` that is not the ``person``'s ``(h, w)``."""
    if how is Background.PLAIN or person.all():
        return np.array(PLAIN, np.float32).reshape(1, 1, 3)
    columns, rows = cells(pixels.shape[1], pixels.shape[0])
    free = (~person).astype(np.float32)
    share = cv2.resize(free, (columns, rows), interpolation=cv2.INTER_AREA)
    sums = cv2.resize(pixels * free[:, :, None], (columns, rows), interpolation=cv2.INTER_AREA)
    mean = pixels[~person].mean(axis=0)
    # Where hardly anything of a patch is background, it is what the whole is on average.
    weight = np.clip(share / 0.2, 0, 1).reshape(rows, columns, 1)
    own = sums.reshape(rows, columns, 3) / np.maximum(share.reshape(rows, columns, 1), 1e-6)
    return np.asarray(weight * own + (1 - weight) * mean, np.float32)


def opacity(person: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of each pixel stays: 0 outside of the person, 1 within, in between along the edge inside."""
    soft = max(1.0, SOFT * max(person.shape))
    away = cv2.distanceTransform(person.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(np.clip(away / (soft + 1), 0, 1), np.float32)


def replaced(pixels: Pixels, person: NDArray[np.bool_], grid: Grid) -> Pixels:
    """A copy of the picture with the background replaced."""
    height, width = pixels.shape[:2]
    stays = opacity(person)
    backdrop = drawn(grid, width, height, Style.BLUR)
    return np.asarray(cv2.blendLinear(np.ascontiguousarray(pixels), backdrop, stays, 1 - stays), np.uint8)


def replace_in(planes: AnyPlanes, person: NDArray[np.bool_], grid: Grid) -> None:
    """The same in the planes of a clip's frame, in place; ``grid`` in 8-bit Y, U, V."""
    for number, plane in enumerate(planes):
        own = person
        if number:
            # A sample of colour belongs to four of brightness, and is replaced where one of them is.
            high, wide = plane.shape
            padded = np.pad(
                person, ((0, 2 * high - person.shape[0]), (0, 2 * wide - person.shape[1])), mode="edge"
            )
            own = np.asarray(padded.reshape(high, 2, wide, 2).all(axis=(1, 3)))
        stays = opacity(own)
        layer = drawn(
            np.ascontiguousarray(grid[:, :, number : number + 1]), plane.shape[1], plane.shape[0], Style.BLUR
        )
        if plane.dtype == np.uint8:
            np.copyto(plane, cv2.blendLinear(np.ascontiguousarray(plane), layer[:, :, 0], stays, 1 - stays))
        else:
            # With 10 bits: four steps to one of 8.
            wide_layer = 4 * layer[:, :, 0].astype(np.float32)
            mixed = cv2.blendLinear(plane.astype(np.float32), wide_layer, stays, 1 - stays)
            np.copyto(plane, np.rint(mixed).astype(np.uint16))
