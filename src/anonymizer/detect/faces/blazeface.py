"""BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047), asked and read as MediaPipe's face detection graph does it.

Two networks: one for faces near the camera (input 128×128), one for faces up to five metres away
(192×192, sparse). They are the ensemble's second opinion: another architecture, trained on other pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Detection, Kind, Pixels
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

SHORT = "blazeface-short"
FULL = "blazeface-full"

OVERLAP = 0.3
"""Boxes that overlap the best one more (intersection over union) are the same face, and are averaged with it
(``min_suppression_threshold`` of MediaPipe's ``face_detector_graph.cc``, algorithm ``WEIGHTED``)."""
LEAST = 0.2
"""What scores less is no detection and has no part in that average."""
POINTS = 6
"""Eyes, tip of the nose, centre of the mouth, both ears. No corners of the mouth."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A network's input and anchors (``SsdAnchorsCalculatorOptions`` of the same graph)."""

    side: int
    """Of its square input, pixels."""
    grids: tuple[tuple[int, int], ...]
    """``(stride, anchors per cell)`` for each map of its output."""


LAYOUTS = {SHORT: Layout(128, ((8, 2), (16, 6))), FULL: Layout(192, ((4, 1),))}


class BlazeFace:
    """One of the two networks. Raises :class:`anonymizer.core.errors.ModelError` if it cannot be had."""

    def __init__(self, store: Store, name: str, lanes: int = 2) -> None:
        self.name = name
        self.network = Network(store.load(name), pictures=False, exact=True, lanes=lanes)
        self._side = LAYOUTS[name].side
        self._anchors = anchors(LAYOUTS[name])

    def detect(self, pictures: Sequence[Pixels], threshold: float) -> list[list[Detection]]:
        """The faces of each picture ``(h, w, 3)`` uint8 RGB, in its own pixels; none that scores below .2."""
        answers = self.network.run_all([squared(picture, self._side) for picture in pictures])
        return [
            self._decoded(answer, picture.shape[1], picture.shape[0], threshold)
            for answer, picture in zip(answers, pictures, strict=True)
        ]

    def _decoded(
        self, answer: Sequence[NDArray[np.floating]], width: int, height: int, threshold: float
    ) -> list[Detection]:
        values, logits = answer
        scores, marks = decode(values[0], logits[0, :, 0], self._anchors, self._side)
        longest = max(width, height)
        marks = marks * longest - ((longest - width) / 2, (longest - height) / 2)
        return [
            Detection(
                Box(float(left), float(top), float(right - left), float(bottom - top)),
                float(score),
                Kind.FACE,
                self.name,
                tuple((float(x), float(y)) for x, y in points[:3]),
            )
            for score, ((left, top), (right, bottom), *points) in zip(scores, marks, strict=True)
            if score >= threshold
        ]


def squared(picture: Pixels, side: int) -> NDArray[np.float32]:
    """The network's input ``(1, side, side, 3)`` in -1 … 1: the picture in the middle of a black square, resampled.

    Corners are mapped to corners, without the half pixel between a pixel's corner and its centre: so does MediaPipe,
    whose scores these are to be.
    """
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    across, down = (side - width * factor) / 2, (side - height * factor) / 2
    matrix = np.array([[factor, 0, across], [0, factor, down]])
    placed = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return placed[None].astype(np.float32) / 127.5 - 1


def anchors(layout: Layout) -> NDArray[np.float64]:
    """The centre ``(x, y)`` of every anchor, in sides of the input, in the order of the network's answer."""
    found = []
    for stride, count in layout.grids:
        cells = layout.side // stride
        y, x = np.mgrid[:cells, :cells]
        found.append(np.repeat((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells, count, axis=0))
    return np.concatenate(found)


def decode(
    values: NDArray[np.floating], logits: NDArray[np.floating], anchors: NDArray[np.float64], side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores ``(n,)``, best first, and for each the corners of its box and its six points, ``(n, 8, 2)``, in sides of
    the input.

    ``values`` is ``(anchors, 16)``: centre, size and points in pixels of the input, all but the size from the anchor;
    ``logits`` is ``(anchors,)``.
    """
    scores = 1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -100, 100)))
    chosen = np.nonzero(scores >= LEAST)[0]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    pairs = np.asarray(values, np.float64)[chosen].reshape(-1, 2 + POINTS, 2) / side
    centre, half = pairs[:, 0] + anchors[chosen], pairs[:, 1] / 2
    marks = pairs + anchors[chosen][:, None]
    marks[:, 0], marks[:, 1] = centre - half, centre + half
    return _averaged(scores[chosen], marks)


def _averaged(
    scores: NDArray[np.float64], marks: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each best one with all that overlap it: its score, and the mean of their marks, weighted by their scores."""
    kept, means = [], []
    rest = np.arange(len(scores))
    while len(rest):
        best = rest[0]
        same = _overlaps(marks[best], marks[rest]) > OVERLAP
        # A box of no extent overlaps not even itself.
        same[0] = True
        kept.append(scores[best])
        means.append(np.average(marks[rest[same]], axis=0, weights=scores[rest[same]]))
        rest = rest[~same]
    return np.array(kept), np.reshape(means, (len(kept), 2 + POINTS, 2))


def _overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box with others; marks begin with a box's corners."""
    shared = np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0])
    common = np.prod(np.maximum(shared, 0), axis=1)
    union = np.prod(one[1] - one[0]) + np.prod(others[:, 1] - others[:, 0], axis=1) - common
    return np.where(union > 0, common / np.where(union > 0, union, 1), 0)
