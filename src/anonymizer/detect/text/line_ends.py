"""Where a line of small print goes on beyond the part of it that was found.

Print near the least size that the network sees is often found in part: where the ground changes, where it runs
aslant. Half a name is still a name, so a found line is looked at once more, set level and enlarged, with room at
both ends, if there are strokes in that room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels, Region

HEIGHT = 160
"""Height of the view, pixels."""
WIDTHS = (320, 640, 1280)
"""Its widths: the runtime prepares itself for each size anew."""
LINE = 40.0
"""Height of the line in the view, with what the finder leaves around it: letters of some 24 pixels."""
ENLARGE = 2.5
SMALL = 64.0
"""Lines up to this height, pixels of the picture, are looked at: larger ones are seen whole."""
ROOM = (4.0, 0.5)
"""Room at each end: so many heights, and at least this share of the line's length."""
NEXT = 3.0
"""Strokes within so many heights of an end say that the line may go on."""
CONTRAST, DENSE = 12, 0.05
"""Least difference of a stroke, of 255, and the share of the room that strokes cover."""
MOST = 24
"""Views of one picture at most, the smallest lines first."""


@dataclass(frozen=True, slots=True)
class Close:
    """A line set level: the view ``(h, w, 3)``, and the matrix ``(2, 3)`` from its pixels to the picture's."""

    view: Pixels
    back: NDArray[np.float64]

    def placed(self, quad: NDArray[np.float64]) -> NDArray[np.float64]:
        """A quadrilateral ``(4, 2)`` of the view in the picture's pixels."""
        return np.asarray(quad @ self.back[:, :2].T + self.back[:, 2])


def closer(pixels: Pixels, lines: Sequence[Region]) -> list[Close]:
    """The small lines that may go on, each set level with room at both ends."""
    small = sorted((height, n) for n, line in enumerate(lines) if 0 < (height := _sides(line)[1]) <= SMALL)
    views = (_level(pixels, lines[n]) for _, n in small)
    goes_on = (close for close, length in views if _goes_on(close.view, length))
    return [close for close, _ in zip(goes_on, range(MOST), strict=False)]


def _sides(line: Region) -> tuple[float, float]:
    """Length and height of a line in the picture's pixels; 0 without corners."""
    if len(line.corners) != 4:
        return 0.0, 0.0
    points = np.array(line.corners)
    one, other = (float(np.linalg.norm(points[n] - points[n - 1])) for n in (1, 2))
    return max(one, other), min(one, other)


def _level(pixels: Pixels, line: Region) -> tuple[Close, float]:
    """A line in the middle of a view, and its length there."""
    points = np.array(line.corners, np.float64)
    length, height = _sides(line)
    long = max(points[1] - points[0], points[2] - points[1], key=lambda side: float(np.linalg.norm(side)))
    along = long / max(1e-6, length)
    # Read from the left, or upwards: upside down the network sees as well.
    along = -along if along[0] < 0 else along
    wanted = length + 2 * max(ROOM[0] * height, ROOM[1] * length)
    scale = min(ENLARGE, LINE / height)
    width = next((w for w in WIDTHS if w >= wanted * scale), WIDTHS[-1])
    scale = min(scale, width / (length + 2 * ROOM[0] * height))
    down = np.array([-along[1], along[0]])
    back = np.column_stack([along / scale, down / scale, np.zeros(2)])
    back[:, 2] = points.mean(axis=0) - back[:, :2] @ np.array([width / 2, HEIGHT / 2])
    flags = (cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    view = cv2.warpAffine(pixels, back, (width, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return Close(np.asarray(view, np.uint8), back), length * scale


def _goes_on(view: Pixels, length: float) -> bool:
    """Whether there are strokes beside the line, at its own height, at either end."""
    middle = view[int(HEIGHT / 2 - LINE / 2) : int(HEIGHT / 2 + LINE / 2)]
    grey = cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY)
    kernel = np.ones((9, 9), np.uint8)
    thin = cv2.max(*(cv2.morphologyEx(grey, how, kernel) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)))
    half, reach = length / 2, NEXT * LINE
    left = thin[:, int(max(0, view.shape[1] / 2 - half - reach)) : int(max(0, view.shape[1] / 2 - half))]
    right = thin[:, int(view.shape[1] / 2 + half) : int(view.shape[1] / 2 + half + reach)]
    return any(part.size > 0 and float((part > CONTRAST).mean()) > DENSE for part in (left, right))
