"""What the work on one source takes of memory, from its format and size alone: a guess on the safe side.

A photo costs its pixels several times over: decoded in one process, sent to the other, hidden in a copy,
decoded again by the checks. Measured with benchmarks/scale.py.
"""

from __future__ import annotations

from anonymizer.read.sniff import (
    AVIF,
    BMP,
    DICOM,
    GIF,
    HEIF,
    JPEG,
    JPEG_2000,
    JPEG_XL,
    PNG,
    PSD,
    RAW,
    TIFF,
    WEBP,
    Format,
)

WORKER = 1000 << 20
"""A worker and its decoding process with a small picture, bytes."""
CLIP = 1200 << 20
"""What a clip takes beside: a few frames, two decoders, an encoder."""
PER_PIXEL = 30
"""Bytes of memory for each pixel of a photo, all processes together."""
_BYTES_PER_PIXEL = {
    JPEG: 0.25,
    HEIF: 0.12,
    AVIF: 0.08,
    WEBP: 0.12,
    PNG: 1.0,
    TIFF: 1.5,
    BMP: 3.0,
    GIF: 0.3,
    DICOM: 1.0,
    JPEG_XL: 0.08,
    JPEG_2000: 0.1,
    PSD: 1.0,
    RAW: 0.7,
}
"""Bytes of file for each pixel, of a photo that is compressed well."""


def estimate(form: Format, size: int) -> int:
    """Bytes of memory that a file of this format and size (bytes) may take."""
    if form.is_clip:
        # A DICOM file is read whole, and its video taken out of it.
        return WORKER + CLIP + (2 * size if form.name == DICOM.name else 0)
    return WORKER + int(size / _BYTES_PER_PIXEL[form] * PER_PIXEL)
