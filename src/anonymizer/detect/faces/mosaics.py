"""Mosaics that somebody drew on skin: squares of one colour each, side by side in rows and columns.

Who made a mosaic of a face said that a face is there, and a fine one hides it badly. The steps from square to square
come at even distances, across and down alike, with little in between: nothing in nature is made so. The squares of
strong JPEG compression are, but it is known where they lie.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Pixels
from anonymizer.detect.marks.skin import skin

SIDE = 1000
"""Long side of what is looked at, pixels; a larger picture is reduced by a whole number, which keeps squares even."""
WIDTHS = (*range(5, 24), *range(24, 49, 2))
"""Widths of a square that are looked for, pixels."""
REPEATS = 5
"""Squares side by side that a mosaic has at least, both ways; four of five steps must show."""
PLAIN = 3.0
"""How much larger the steps between squares are than those inside: photos have 1.1 to 1.9, mosaics saved as JPEG 3.1
(quality 30) to 10 (75), untouched ones 15 and more."""
NOISE = 1.5
"""What is added to the steps inside, of 255: an even ground has none."""
BLOCK, PLAIN_BLOCK = 8, 6.0
"""JPEG's own squares, and what is asked of those whose width is a multiple of them: at quality 5 they have 4.5."""
CELL = 8
"""Side of the cells, pixels, in which places are put together."""
ON_SKIN = 0.25
"""Share of a mosaic, or of what is around it to half its width, that has the colour of skin."""


def mosaics(pixels: Pixels) -> list[Box]:
    """The mosaics on skin in a picture ``(h, w, 3)`` uint8 RGB, in its pixels."""
    height, width = pixels.shape[:2]
    factor = -(-max(height, width) // SIDE)
    size = width // factor, height // factor
    shown = np.asarray(
        cv2.resize(pixels[: size[1] * factor, : size[0] * factor], size, interpolation=cv2.INTER_AREA)
        if factor > 1
        else pixels,
        np.uint8,
    )
    seen: NDArray[np.uint8] = np.zeros((-(-size[1] // CELL), -(-size[0] // CELL)), np.uint8)
    for left, top, side in _windows(shown):
        seen[top // CELL : -(-(top + side) // CELL), left // CELL : -(-(left + side) // CELL)] = 1
    count, _, stats, _ = cv2.connectedComponentsWithStats(seen)
    if count == 1:
        return []
    skinned = skin(shown)
    boxes = [Box(*(float(v * CELL) for v in stats[number, :4])) for number in range(1, count)]
    return [
        box.times(factor, factor).within(width, height)
        for box in boxes
        if max(_share(skinned, box), _share(skinned, box.scaled(2.0))) >= ON_SKIN
    ]


def _windows(shown: Pixels) -> Iterator[tuple[int, int, int]]:
    """``(left, top, side)`` of windows in which there are squares in rows and columns."""
    luma = np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGB2YCrCb)[:, :, 0], np.uint8)
    if min(luma.shape) < (REPEATS + 1) * WIDTHS[0]:
        return
    across, down = _running(luma), _running(np.ascontiguousarray(luma.T))
    for width in WIDTHS:
        if min(luma.shape) < (REPEATS + 1) * width:
            return
        plain = PLAIN_BLOCK if width % BLOCK == 0 or BLOCK % width == 0 else PLAIN
        here = np.minimum(_evenness(across, width), _evenness(down, width).T) >= plain
        for row, column in np.argwhere(here):
            yield int(column) * width, int(row) * width, REPEATS * width


def _running(luma: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The differences of each pixel to the one on its left, summed up over all rows above: ``(h + 1, w)``."""
    steps: NDArray[np.int32] = np.zeros((luma.shape[0] + 1, luma.shape[1]), np.int32)
    steps[1:, 1:] = cv2.absdiff(luma[:, 1:], luma[:, :-1])
    return np.cumsum(steps, axis=0, dtype=np.int32, out=steps)


def _evenness(running: NDArray[np.int32], width: int) -> NDArray[np.float32]:
    """How much larger the steps at some columns, ``width`` apart, are than those between them.

    ``running`` as from :func:`_running`. The answer is for each window of :data:`REPEATS` squares a side at whole
    multiples of ``width``, at its row and column.
    """
    rows, columns = (running.shape[0] - 1) // width, running.shape[1] // width
    whole = running[: rows * width + 1 : width, : columns * width]
    windows = (whole[REPEATS:] - whole[:-REPEATS]).astype(np.float32) / np.float32(REPEATS * width)
    rows, columns = rows - REPEATS + 1, columns - REPEATS + 1
    phases = windows.reshape(rows, -1, width)
    lowest = phases[:, :columns].copy()
    second = np.full_like(lowest, np.inf)
    total = lowest.copy()
    for n in range(1, REPEATS):
        one = phases[:, n : n + columns]
        np.minimum(second, np.maximum(lowest, one), out=second)
        np.minimum(lowest, one, out=lowest)
        total += one
    seam = second.argmax(axis=2)[..., None]
    at_seam = np.take_along_axis(second, seam, 2)[..., 0]
    beside = sum(np.take_along_axis(total, (seam + n) % width, 2)[..., 0] for n in (-1, 0, 1))
    inside = (total.sum(axis=2) - beside) / (REPEATS * (width - 3))
    return np.asarray(at_seam / (inside + NOISE), np.float32)


def _share(skinned: NDArray[np.bool_], box: Box) -> float:
    left, top, right, bottom = box.pixels(skinned.shape[1], skinned.shape[0])
    return float(skinned[top:bottom, left:right].mean())
