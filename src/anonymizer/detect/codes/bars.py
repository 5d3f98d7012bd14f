"""The bars of a linear code: how far they reach, and whether a texture is bars at all."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BESIDE, WIDER = 0.2, 0.12
"""What stands under or over bars belongs to them up to so many of their lengths away, and reaches so much further to
either side: an EAN's digits are a tenth of its length high, and the first of them stands beside its bars."""
WRITTEN = 0.12
"""Rows with digits have this share of the bars' mean difference from one pixel to the next …"""
LEAST_WRITTEN = 0.02
"""… over this share of the length, at least: less is the edge of a label."""
ROW_CORRELATION = 0.5
"""Rows whose profile correlates so well with the line that was read belong to the same bars."""
GAP = 0.06
"""… and gaps of this share of the line's length (a glare, a crease) do not end them."""
STRAIGHT = 0.9
"""Share of a code's middle rows that look like each other: hair, cloth and skin do not come near it …"""
ROW = 0.6
"""… where a row looks like the others from this correlation with their median on."""
LEAST_RUNS = 24
"""Dark and light bars from which a texture is a code. EAN-8, the shortest, has 43, and some 30 when blurred;
on 110 photos of faces and skin no texture that is as straight had more than 12."""
UNEVEN = 0.3
"""Least variation (σ / mean) of their widths: a comb, a ruler and corduroy are even."""
RHYTHM = 0.22
"""Least mean change from one pair of bars, dark and light, to the next, as a share of their mean width: 0.25 to 0.6
in 54 codes, sharp and blurred; the ribs of a roof come one like the other, 0.06 to 0.22, however uneven each is."""
CONTRAST = 5.0
"""Least σ of the profile about its local mean, of 255: below it there is nothing to read."""


def full_height(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> NDArray[np.float64]:
    """A linear code's quadrilateral ``(4, 2)`` from the lines that were read to the full height of its bars.

    Corners run clockwise from the code's own top left. The picture around it is turned so that the bars
    stand upright; rows above and below belong to the code as long as their profile correlates with the
    profile of the rows that were read.
    """
    left, right = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    along = right - left
    length = float(np.hypot(*along))
    if length < 8:
        return quad
    along /= length
    normal = np.array([-along[1], along[0]])
    reach = int(length) + 1
    width = int(length)
    # Row r of the strip lies r - reach pixels along the normal from the middle line.
    matrix = np.array([[along[0], normal[0], left[0] - normal[0] * reach],
                       [along[1], normal[1], left[1] - normal[1] * reach]])  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (width, 2 * reach + 1)
    strip = cv2.warpAffine(grey, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    rows = _normalised(np.asarray(strip, np.uint8))
    middle = rows[reach - 1 : reach + 2].mean(axis=0)
    alike = rows @ (middle / (np.linalg.norm(middle) + 1e-6)) >= ROW_CORRELATION
    up, down = _extent(alike[reach::-1], length), _extent(alike[reach:], length)
    return np.array(
        [left - normal * up, right - normal * up, right + normal * down, left + normal * down], np.float64
    )


def digits(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Quadrilaterals ``(4, 2)`` of what is written under and over a linear code's bars, themselves ``quad``.

    It says the same as the bars, and beside them a text finder may take it for more of them.
    """
    upright = [np.roll(quad, -side, axis=0) for side in (0, 1)]
    corners = max(upright, key=lambda one: _steps(_upright(grey, one)))
    across, down = corners[1] - corners[0], corners[3] - corners[0]
    length, height = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    if min(length, height) < 8:
        return []
    down /= height
    bars = _steps(_upright(grey, corners))
    found = []
    for edge, away in ((corners[:2], -down), (corners[3:1:-1], down)):
        room = edge + np.array([-across, across]) * WIDER
        strip = np.array(
            [room[0], room[1], room[1] + away * BESIDE * length, room[0] + away * BESIDE * length]
        )
        rows = np.abs(np.diff(_upright(grey, strip).astype(np.float32), axis=1)).mean(axis=1)
        written = np.flatnonzero(rows >= WRITTEN * bars)
        if len(written) >= LEAST_WRITTEN / BESIDE * len(rows):
            reach = (written[-1] + 1) / len(rows) * BESIDE * length
            found.append(np.array([room[0], room[1], room[1] + away * reach, room[0] + away * reach]))
    return found


def _steps(strip: NDArray[np.uint8]) -> float:
    """The mean difference between neighbours in a row."""
    return float(np.abs(np.diff(strip.astype(np.float32), axis=1)).mean())


def one_way(grey: NDArray[np.uint8]) -> float:
    """How far the edges of a grey picture run one way: 0 for a matrix code, however turned, and 1 for bars.

    The coherence of its structure tensor (Bigün and Granlund 1987) over the whole.
    """
    x, y = (cv2.Sobel(grey, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (float(cv2.mean(product)[0]) for product in (x * x, y * y, x * y))
    return float(np.hypot(xx - yy, 2 * xy)) / (xx + yy + 1e-6)


def are_bars(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> bool:
    """Whether the quadrilateral ``(4, 2)`` holds a linear code's bars, readable or not, along either side."""
    return any(_barred(_upright(grey, np.roll(quad, -side, axis=0))) for side in (0, 1))


def _upright(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The quadrilateral's content with its first side on top, at its own size."""
    width = max(100, int(np.linalg.norm(quad[1] - quad[0])))
    height = max(8, int(np.linalg.norm(quad[2] - quad[1])))
    there = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), there)
    return np.asarray(cv2.warpPerspective(grey, matrix, (width, height)), np.uint8)


def _barred(strip: NDArray[np.uint8]) -> bool:
    height, width = strip.shape
    middle = strip[height // 4 : height - height // 4]
    profile = np.median(middle, axis=0).astype(np.float32)
    window = max(5, width // 12) | 1
    mean = cv2.blur(profile[None], (window, 1), borderType=cv2.BORDER_REPLICATE)[0]
    if float((profile - mean).std()) < CONTRAST:
        return False
    runs = np.diff(np.flatnonzero(np.diff((profile > mean).astype(np.int8))))
    if len(runs) < LEAST_RUNS or runs.std() < UNEVEN * runs.mean():
        return False
    pairs = runs[:-1] + runs[1:]
    if np.abs(pairs[2:] - pairs[:-2]).mean() < RHYTHM * pairs.mean():
        return False
    typical = profile - profile.mean()
    alike = _normalised(middle) @ (typical / (np.linalg.norm(typical) + 1e-6))
    return bool((alike > ROW).mean() >= STRAIGHT)


def _normalised(strip: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each row with mean 0 and length 1."""
    rows = strip.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    return rows


def _extent(alike: NDArray[np.bool_], length: float) -> float:
    """How far from the middle row the code reaches, bridging short gaps."""
    last = 0
    for row, good in enumerate(alike.tolist()):
        if good:
            last = row
        elif row - last > max(3.0, GAP * length):
            break
    return last + 2.0
