"""What of a frame is shown, how large, and where in the clip's one size. Runs in the decoding process."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.read.clip.orientation import Matrix, orientation_of, swaps


class Crop(NamedTuple):
    """Pixels that a container cuts off each side of a decoded frame."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


WHOLE = Crop()


@dataclass(frozen=True, slots=True)
class FrameShape:
    """A frame's place and size: ``stored`` (left, top, width, height) is what of its pixels is shown, before turning.

    ``upright`` (width, height) pixels as shown, ``aspect`` the width of such a pixel over its height; ``coded``: what
    the pictures' own say that is, None where nothing; ``whole`` (width, height) pixels as decoded.
    """

    stored: tuple[int, int, int, int]
    upright: tuple[int, int]
    aspect: Fraction
    coded: Fraction | None
    whole: tuple[int, int]
    orientation: Matrix

    @classmethod
    def of(
        cls, frame: Any, crop: Crop, first: FrameShape | None, aspect: Fraction | None, coded: Fraction | None
    ) -> FrameShape:
        """``crop`` counts in pixels of the ``first`` frame's size."""
        width, height = frame.width, frame.height
        whole = first.whole if first else (width, height)
        left, right = (round(part * width / whole[0]) for part in (crop.left, crop.right))
        top, bottom = (round(part * height / whole[1]) for part in (crop.top, crop.bottom))
        # Colours have half the pixels: what is cut off ends at an even place, never inside of what is to be hidden.
        left, top = left + left % 2, top + top % 2
        right, bottom = (
            part + (size - part) % 2 if part else 0 for part, size in ((right, width), (bottom, height))
        )
        if width - left - right < 2 or height - top - bottom < 2:
            left = top = right = bottom = 0
        width, height = width - left - right, height - top - bottom
        turned = orientation_of(frame)
        aspect = aspect if aspect and Fraction(1, 10) < aspect < 10 else Fraction(1)
        return cls(
            stored=(left, top, width, height),
            upright=(height, width) if swaps(turned) else (width, height),
            aspect=1 / aspect if swaps(turned) else aspect,
            coded=coded,
            whole=(frame.width, frame.height),
            orientation=turned,
        )

    def shown(self, first: FrameShape) -> tuple[int, int]:
        """Even (width, height) in pixels shaped like those of the first frame, none of them lost."""
        (width, height), stretch = self.upright, self.aspect / first.aspect
        width, height = (round(width * stretch), height) if stretch > 1 else (width, round(height / stretch))
        return width + width % 2, height + height % 2


def fitted(planes: list[NDArray[Any]], size: tuple[int, int], stretch: float) -> list[NDArray[Any]]:
    """Planes as large as they go into ``size`` = (width, height), even numbers, in the middle, on black.

    ``stretch``: how much wider than one of that size a pixel of theirs is.
    """
    height, width = planes[0].shape
    factor = min(size[0] / (width * stretch), size[1] / height)
    w, h = (
        min(full, 2 * round(side * factor / 2))
        for full, side in zip(size, (width * stretch, height), strict=True)
    )
    left, top = (size[0] - w) // 4 * 2, (size[1] - h) // 4 * 2
    deep = planes[0].dtype == np.uint16
    found = []
    for number, plane in enumerate(planes):
        half = int(number > 0)
        black = (128 if half else 16) << (2 if deep else 0)
        whole = np.full((size[1] >> half, size[0] >> half), black, plane.dtype)
        if plane.shape != (h >> half, w >> half):
            plane = cv2.resize(plane, (w >> half, h >> half), interpolation=cv2.INTER_CUBIC)
        whole[top >> half : (top + h) >> half, left >> half : (left + w) >> half] = plane
        found.append(whole)
    return found
