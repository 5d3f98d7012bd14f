"""What CenterFace's trunk makes of a picture, for the project's own small networks that stand on it.

The trunk (a MobileNetV2, :data:`anonymizer.detect.faces.centerface.NAME`) is shipped anyway, and has seen more
pictures than any network that could be trained here: a head of some ten thousand weights on what it computes is enough
to tell a part of a face, or ink, from other skin.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Pixels
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "centerface"
TENSORS = {4: "387", 8: "413", 16: "474", 32: "507"}
"""The network's inner tensors, by their stride in pixels: the ends of its stages, with 24, 32, 96 and 320 channels."""
MULTIPLE = 64


class Trunk:
    """The trunk's features at each stride of :data:`TENSORS`. Raises :class:`anonymizer.core.errors.ModelError`."""

    def __init__(self, store: Store) -> None:
        self.network = Network(store.load(NAME), exact=True, inner=list(TENSORS.values()))

    def features(self, pictures: Sequence[Pixels]) -> list[list[NDArray[np.float32]]]:
        """For each picture ``(h, w, 3)`` uint8 RGB, and each stride, ``(channels, rows, columns)`` float32.

        A picture is padded with black at its right and lower edge to multiples of 64 pixels.
        """
        answers = self.network.run_all([padded(picture)[None] for picture in pictures])
        return [[np.asarray(tensor, np.float32)[0] for tensor in answer] for answer in answers]


def shared(store: Store) -> Trunk:
    """The one trunk of all finders that are made of this store."""
    return store.once(f"trunk of {NAME}", lambda: Trunk(store))


def padded(picture: Pixels) -> Pixels:
    """The picture with black at its right and lower edge, so that both sides are multiples of 64."""
    down, across = -picture.shape[0] % MULTIPLE, -picture.shape[1] % MULTIPLE
    return np.asarray(cv2.copyMakeBorder(picture, 0, down, 0, across, cv2.BORDER_CONSTANT), np.uint8)


def coarser(features: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Features at ``factor`` times the stride: means of ``factor`` by ``factor`` cells."""
    channels, rows, columns = features.shape
    cells = features.reshape(channels, rows // factor, factor, columns // factor, factor)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def finer(features: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Features at a stride that is ``factor`` times less: each cell repeated."""
    return features.repeat(factor, axis=1).repeat(factor, axis=2)
