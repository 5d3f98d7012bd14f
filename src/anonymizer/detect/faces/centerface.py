"""CenterFace (Xu et al. 2019, arXiv:1911.03599): faces as points of a heat map, with five landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Detection, Kind, Pixels, Point
from anonymizer.detect.faces.fusion import suppress
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "centerface"
MULTIPLE = 64
"""Sides of an input are multiples of this. The network asks for 32; with 64 photos of any proportions come in
half as many sizes, and the runtime keeps compiled code and memory for every size it has seen."""
STRIDE = 4
"""Pixels of the input per cell of the output maps."""
OVERLAP = 0.3
"""Two cells whose boxes overlap more are one face (the authors' non-maximum suppression)."""


class CenterFace:
    """The network and its decoding. Raises :class:`anonymizer.core.errors.ModelError` if its file is missing."""

    name = NAME

    def __init__(self, store: Store, lanes: int = 2) -> None:
        self.network = Network(store.load(NAME), lanes=lanes)

    def detect(self, pictures: Sequence[Pixels], threshold: float) -> list[list[Detection]]:
        """The faces of each picture, in its own pixels.

        Each picture is ``(h, w, 3)`` uint8 RGB; it is padded with black at its right and lower edge to a
        multiple of 64.
        """
        answers = self.network.run_all([padded(picture, MULTIPLE)[None] for picture in pictures])
        return [decode(maps, threshold) for maps in answers]


def padded(picture: Pixels, multiple: int) -> Pixels:
    """The picture with black at its right and lower edge, so that both sides are multiples."""
    height, width = picture.shape[:2]
    down, across = -height % multiple, -width % multiple
    if not down and not across:
        return np.ascontiguousarray(picture)
    return np.pad(picture, ((0, down), (0, across), (0, 0)))


def decode(maps: Sequence[NDArray[np.floating]], threshold: float) -> list[Detection]:
    """Faces from the four maps: heat ``(1, 1, h, w)``, log size ``(1, 2, h, w)``, offset, landmarks.

    Vertical comes before horizontal in every pair. A size is ``exp(s) · 4`` pixels, a centre lies at
    ``(cell + offset + ½) · 4``, landmarks are in units of the box from its corner (the authors' code:
    github.com/Star-Clouds/CenterFace). The order of landmarks is that of :class:`Detection`.
    """
    heat, size, offset, marks = (np.asarray(m, np.float32)[0] for m in maps)
    rows, columns = np.nonzero(heat[0] > threshold)
    if not len(rows):
        return []
    scores = heat[0, rows, columns]
    height, width = np.exp(np.minimum(size[:, rows, columns], 8)) * STRIDE
    y = (rows + offset[0, rows, columns] + 0.5) * STRIDE - height / 2
    x = (columns + offset[1, rows, columns] + 0.5) * STRIDE - width / 2
    points = marks[:, rows, columns]
    kept = suppress(np.stack([x, y, width, height], axis=1), scores, OVERLAP)
    return [
        Detection(
            Box(float(x[i]), float(y[i]), float(width[i]), float(height[i])),
            float(scores[i]),
            Kind.FACE,
            NAME,
            _landmarks(points[:, i], float(x[i]), float(y[i]), float(width[i]), float(height[i])),
        )
        for i in kept
    ]


def _landmarks(values: NDArray[np.float32], x: float, y: float, w: float, h: float) -> tuple[Point, ...]:
    return tuple((x + w * float(values[2 * i + 1]), y + h * float(values[2 * i])) for i in range(5))
