"""A small picture of an output for the overview: from the written file as the verification decoded it, never from the
original."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from anonymizer.core.types import Pixels

SIDE = 112
"""Pixels of its longer side, at most."""
LARGEST = 6000
"""Bytes of one; what stays larger at the lowest quality has none."""
QUALITIES = (70, 45, 25)


def thumbnail(pixels: Pixels) -> bytes:
    """A JPEG of a picture ``(h, w, 3)`` uint8 RGB, made of pixels alone; empty for an empty picture."""
    if not pixels.size:
        return b""
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    for quality in QUALITIES:
        out = io.BytesIO()
        Image.fromarray(small).save(out, "JPEG", quality=quality)
        if len(out.getvalue()) <= LARGEST:
            return out.getvalue()
    return b""
