"""The part of a clip's frames that is worked on, at the size that it is wanted in. Runs in the decoding process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from anonymizer.core.box import Box
from anonymizer.core.errors import UnsupportedError
from anonymizer.read.clip.picture import ClipPicture

LEAST = 16
"""Pixels that a crop must have of the frame, both ways."""


@dataclass(frozen=True, slots=True)
class PicturePart:
    """``crop``: left, top, right, bottom of what is taken of a frame of ``whole`` = (width, height) pixels; ``size``:
    (width, height) that it is given. All are even."""

    whole: tuple[int, int]
    crop: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, width: int, height: int, crop: list[float] | None, longest: int) -> PicturePart:
        """The part of frames of this size that ``crop`` = x, y, w, h asks for, its longer side ``longest`` pixels at
        most (0: as it comes). Raises :class:`UnsupportedError` where the crop lies outside of the frame."""
        left, top, right, bottom = Box(*crop).pixels(width, height) if crop else (0, 0, width, height)
        # A sample of colour belongs to two by two of brightness: no crop shows more than was asked for.
        left, top, right, bottom = left + left % 2, top + top % 2, right - right % 2, bottom - bottom % 2
        if right - left < min(LEAST, width) or bottom - top < min(LEAST, height):
            raise UnsupportedError(
                "road.crop-outside", crop=Box(*crop or ()), width=width, height=height, least=LEAST
            )
        wide, high = right - left, bottom - top
        factor = min(1.0, longest / max(wide, high)) if longest else 1.0
        size = max(2, 2 * round(wide * factor / 2)), max(2, 2 * round(high * factor / 2))
        return cls((width, height), (left, top, right, bottom), size)

    def taken(self, picture: ClipPicture) -> ClipPicture:
        """The part of one frame."""
        left, top, right, bottom = self.crop
        if self.crop == (0, 0, *self.whole) and self.size == self.whole:
            return picture
        y, u, v = picture.planes
        half = np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
        planes: Any = [
            _sized(plane[place], size)
            for plane, place, size in (
                (y, np.s_[top:bottom, left:right], self.size),
                (u, half, (self.size[0] // 2, self.size[1] // 2)),
                (v, half, (self.size[0] // 2, self.size[1] // 2)),
            )
        ]
        return replace(picture, planes=tuple(planes))


def _sized(plane: Any, size: tuple[int, int]) -> Any:
    if plane.shape != size[::-1]:
        plane = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(plane)
