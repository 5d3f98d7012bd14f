"""The second detector of text: of another generation and other training, so that it fails in other places.

It is loaded when a picture first needs it, which few do: to say whether there is anything in a large place that nobody
can read, and to find lines where the first sees one sign in a whole ground and no letters in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import inside, outline
from anonymizer.core.pixels import halved
from anonymizer.core.types import Pixels, Region
from anonymizer.detect.faces.fusion import cut
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network
from anonymizer.detect.text.lines import CORE, ENLARGE, HIGHEST, SURE, line_region, lines_of, resized
from anonymizer.detect.text.strokes import BLOCK

NAME = "ppocr-detection-v4"
SIDES = (224, 320)
"""Long sides at which it sees the picture to judge a large place, which is about as high there as a line in training;
at 736 pixels it takes teeth for letters as well."""
GROUND = 0.25
"""Ground about one place that is looked at by itself, on each side, as a share of its longer side."""
MEAN, SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""ImageNet's mean and standard deviation, of 255, in the order in which it was trained with them: on BGR."""
SWAMPED = 0.05
"""A core that is too high for a line and takes up this share of the picture may hold lines that it swamps …"""
SWAMPED_SIDES = (480, 736)
"""… which are looked for at these long sides."""
MOST = 16
"""Lines that are given of one picture, the largest first."""


class SecondDetector:
    """Raises :class:`anonymizer.core.errors.ModelError` where the model cannot be had, when it is first asked."""

    def __init__(self, store: Store, device: str) -> None:
        self._store = store
        entry = store.entry(NAME)
        self.model = entry.used_on(device)
        self._network: Network | None = None
        self._turn = threading.Lock()

    def opinion(self, pixels: Pixels) -> Callable[[Region], float]:
        """What it gives places of this picture, 0 to 1: the mean chance over the place at the kinder of two scales."""
        maps: list[NDArray[np.float32]] = []

        def given(region: Region) -> float:
            if not maps:
                copy = halved(pixels, max(SIDES))
                maps.extend(self._chances(resized(pixels, side, copy)) for side in SIDES)
            points = np.array(outline(region)) / (pixels.shape[1], pixels.shape[0])
            return max(_mean_over(chances, points * chances.shape[::-1]) for chances in maps)

        return given

    def close_opinion(self, pixels: Pixels, region: Region) -> float:
        """What it gives one place with little about it, 0 to 1: a line is as high there as a large place is for
        :meth:`opinion`.

        It is shown squares of two sizes whatever the place's shape: the runtime prepares itself for each new one, which
        takes longer than the look, and keeps what it prepared.
        """
        height, width = pixels.shape[:2]
        if not region.box.within(width, height).area:
            return 0.0
        longest = max(region.box.w, region.box.h, 1.0)
        best = 0.0
        for side in SIDES:
            place, view = cut(pixels, region.box, max(1 + 2 * GROUND, side / ENLARGE / longest), side)
            points = [place.point_there(point) for point in outline(region)]
            best = max(best, _mean_over(self._chances(view), np.array(points)))
        return best

    def lines_in(self, pixels: Pixels, swamped: NDArray[np.bool_], known: Sequence[Region]) -> list[Region]:
        """Lines where ``swamped`` (a map of the picture at any size) says so, and none is known."""
        found = []
        for side in SWAMPED_SIDES:
            shown = resized(pixels, side)
            back = pixels.shape[1] / shown.shape[1], pixels.shape[0] / shown.shape[0]
            for quad, score in lines_of(self._chances(shown), SURE):
                x, y = quad.mean(axis=0) / shown.shape[1::-1] * swamped.shape[::-1]
                row, column = (
                    int(np.clip(v, 0, most - 1)) for v, most in zip((y, x), swamped.shape, strict=True)
                )
                line = line_region(quad * back, score, pixels.shape[:2], NAME)
                if swamped[row, column] and all(inside(outline(line), outline(k)) < 0.5 for k in known):
                    found.append(line)
        return sorted(found, key=lambda line: -line.box.area)[:MOST]

    def rest(self) -> None:
        """Give back the memory that a search took."""
        if self._network:
            self._network.rest()

    def let_go(self) -> None:
        """Give back what the network keeps for each shape that it was shown."""
        if self._network:
            self._network.let_go()

    def _chances(self, view: Pixels) -> NDArray[np.float32]:
        with self._turn:
            if self._network is None:
                self._network = Network(self._store.load(NAME), bgr=True, mean=MEAN, scale=SCALE)
        return np.asarray(self._network.run(view[None])[0], np.float32).reshape(view.shape[:2])


def swamped(squares: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the first detector may see one sign in a whole ground: ``squares`` are its best chances, one for each
    square of :data:`BLOCK` pixels of what it was shown."""
    cores = (squares > CORE).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(cores)
    high = [
        number
        for number in range(1, count)
        if min(stats[number, 2:4]) * BLOCK > HIGHEST and stats[number, 4] > SWAMPED * squares.size
    ]
    return np.asarray(np.isin(labels, high))


def _mean_over(chances: NDArray[np.float32], points: NDArray[np.float64]) -> float:
    """The mean of a map over a quadrilateral that may leave it."""
    mask: NDArray[np.uint8] = np.zeros(chances.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 1)
    return float(cv2.mean(chances, mask)[0])
