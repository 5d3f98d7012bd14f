"""YuNet (Wu, Peng, Yu 2023, doi:10.1007/s11633-023-1423-y): an optional third opinion, with landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Detection, Kind, Pixels
from anonymizer.detect.faces.centerface import padded
from anonymizer.detect.faces.fusion import suppress
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network

NAME = "yunet"
MULTIPLE = 32
STRIDES = (8, 16, 32)
OVERLAP = 0.3


class YuNet:
    """The network and its decoding. Raises :class:`anonymizer.core.errors.ModelError` if its file is missing."""

    name = NAME

    def __init__(self, store: Store, lanes: int = 2) -> None:
        self.network = Network(store.load(NAME), bgr=True, lanes=lanes)

    def detect(self, pictures: Sequence[Pixels], threshold: float) -> list[list[Detection]]:
        """The faces of each picture ``(h, w, 3)`` uint8 RGB, in its own pixels."""
        sized = [padded(picture, MULTIPLE)[None] for picture in pictures]
        answers = self.network.run_all(sized)
        return [decode(out, one.shape[2], threshold) for one, out in zip(sized, answers, strict=True)]


def decode(outputs: Sequence[NDArray[np.floating]], width: int, threshold: float) -> list[Detection]:
    """Faces from the twelve outputs: class, object, box and points for the strides 8, 16 and 32.

    ``width`` is the padded input's. A score is the geometric mean of class and object; a box is an offset
    of its centre and a log size, in strides; points are offsets in strides (OpenCV's ``FaceDetectorYN``).
    """
    boxes, scores, points = [], [], []
    for level, stride in enumerate(STRIDES):
        kind, there, box, marks = (np.asarray(outputs[level + 3 * i], np.float32)[0] for i in range(4))
        score = np.sqrt(np.clip(kind[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        chosen = np.nonzero(score > threshold)[0]
        cell = np.stack([chosen % (width // stride), chosen // (width // stride)], axis=1)
        centre = (cell + box[chosen, :2]) * stride
        size = np.exp(np.minimum(box[chosen, 2:], 8)) * stride
        boxes.append(np.concatenate([centre - size / 2, size], axis=1))
        scores.append(score[chosen])
        points.append((marks[chosen].reshape(-1, 5, 2) + cell[:, None]) * stride)
    b, s, p = np.concatenate(boxes), np.concatenate(scores), np.concatenate(points)
    return [
        Detection(
            Box(*(float(v) for v in b[i])),
            float(s[i]),
            Kind.FACE,
            NAME,
            tuple((float(x), float(y)) for x, y in p[i]),
        )
        for i in suppress(b, s, OVERLAP)
    ]
