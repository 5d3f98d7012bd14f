"""Between planes and RGB: 8-bit 4:2:0 in BT.709, limited range, the one form that frames take here.

Where high dynamic range is kept, what is written has 10 bits and the source's curve (:mod:`anonymizer.core.hdr`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.types import Pixels

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
"""``y`` ``(h, w)``, ``u`` and ``v`` ``(h/2, w/2)``."""
AnyPlane = NDArray[np.uint8] | NDArray[np.uint16]
AnyPlanes = tuple[AnyPlane, AnyPlane, AnyPlane]
"""The same with 8 or 10 bits: values 0 to 1023, four to one of 8 bits."""


class Colour(NamedTuple):
    """What 10-bit planes mean: primaries, curve and matrix by their numbers (ITU-T H.273)."""

    primaries: int
    transfer: int
    matrix: int


_TO_YUV = (
    np.array(
        [
            [0.2126, 0.7152, 0.0722],
            [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5],
            [0.5, -0.7152 / 1.5748, -0.0722 / 1.5748],
        ]
    )
    * np.array([[219.0], [224.0], [224.0]])
    / 255
)
"""ITU-T H.273, coefficients of BT.709 with limited range: rows give Y - 16, U - 128, V - 128 from RGB."""
OFFSET = np.array([16.0, 128.0, 128.0])
_TO_RGB = np.linalg.inv(_TO_YUV).astype(np.float32)
_RGB_OF = np.column_stack([_TO_RGB, -_TO_RGB @ OFFSET.astype(np.float32)]).astype(np.float32)


def frame_bytes(width: int, height: int, *, deep: bool = False) -> int:
    """Bytes of a frame's three planes."""
    return width * height * 3 // 2 * (2 if deep else 1)


def split(buffer: NDArray[np.uint8], width: int, height: int) -> Planes:
    """The three planes in a flat buffer, as views."""
    return _parts(buffer, width, height)


def split_deep(buffer: NDArray[np.uint8], width: int, height: int) -> AnyPlanes:
    """The three 10-bit planes in a flat buffer of bytes, as views."""
    return _parts(buffer.view(np.uint16), width, height)


def _parts(values: NDArray[Any], width: int, height: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    luma, chroma = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        values[:luma].reshape(height, width),
        values[luma : luma + chroma].reshape(half),
        values[luma + chroma : luma + 2 * chroma].reshape(half),
    )


def colours(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB ``(…, 3)``, 0 to 255, as Y, U, V."""
    return np.asarray(rgb @ _TO_YUV.T + OFFSET, np.float32)


def pixels(planes: Planes) -> Pixels:
    """A frame ``(h, w, 3)`` RGB from its planes; chroma is spread by linear interpolation."""
    y, u, v = planes
    height, width = y.shape
    full = cv2.merge([y, *(cv2.resize(c, (width, height), interpolation=cv2.INTER_LINEAR) for c in (u, v))])
    return np.asarray(cv2.transform(full, _RGB_OF), np.uint8)


def reduction(width: int, height: int, factor: float) -> tuple[int, int]:
    """``(width, height)`` of a copy so much smaller, never larger."""
    return scaled_size(width, height, min(1.0, factor))


def reduced(planes: Planes, size: tuple[int, int]) -> Pixels:
    """A small RGB copy of ``size`` = (width, height), averaging areas: what detectors look at.

    Each plane is reduced by itself, so the full frame is never made RGB.
    """
    return pixels_of(reduced_planes(planes, size))


def reduced_planes(planes: AnyPlanes, size: tuple[int, int]) -> list[NDArray[Any]]:
    """All three planes at one small ``size`` = (width, height).

    Halved by averages as long as that leaves enough; interpolation of the rest leaves nothing out. Together they
    cost a third of averages over areas of any size.
    """
    small: list[NDArray[Any]] = []
    for plane in planes:
        part: NDArray[Any] = plane
        while part.shape[1] >= 2 * size[0] and part.shape[0] >= 2 * size[1]:
            half = part.shape[1] // 2, part.shape[0] // 2
            part = np.asarray(cv2.resize(part, half, interpolation=cv2.INTER_AREA))
        small.append(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)))
    return small


def pixels_of(channels: list[NDArray[np.uint8]]) -> Pixels:
    """RGB from Y, U and V of one size."""
    return np.asarray(cv2.transform(cv2.merge(channels), _RGB_OF), np.uint8)
