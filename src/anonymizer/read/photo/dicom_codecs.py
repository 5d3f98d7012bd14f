"""DICOM's compressed pictures that Pillow does not read, by imagecodecs: a plug-in of pydicom's decoders.

JPEG without loss and of 12 bits (libjpeg-turbo), JPEG-LS (CharLS), JPEG 2000 of any depth (OpenJPEG) and its
high-throughput kind (OpenJPH). What their names demand of a plug-in is said in pydicom's guide to decoders.
"""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

_JPEG = (uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_HIGH_THROUGHPUT = (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_ALL = (*_JPEG, *_JPEG_LS, *_HIGH_THROUGHPUT)
DECODER_DEPENDENCIES = dict.fromkeys(_ALL, ("numpy", "imagecodecs"))
LABEL = "imagecodecs"
for _name in ("jpeg8", "ljpeg", "jpegls", "jpeg2k", "htj2k"):
    # imagecodecs loads a codec when its name is first asked for, and later no file can be opened.
    getattr(imagecodecs, f"{_name}_decode", None)
BROKEN = (
    imagecodecs.Jpeg8Error, imagecodecs.LjpegError, imagecodecs.JpeglsError, imagecodecs.Jpeg2kError,
    imagecodecs.Htj2kError,
)  # fmt: skip
"""What these decoders raise on bytes that they cannot read."""


def is_available(syntax: str) -> bool:
    return syntax in _ALL


def register() -> None:
    """Make the plug-in known to pydicom, once."""
    for syntax in _ALL:
        decoder = get_decoder(uid.UID(syntax))
        if LABEL not in decoder.available_plugins:
            decoder.add_plugin(LABEL, (__name__, "decode_frame"))


def decode_frame(coded: bytes, runner: DecodeRunner) -> bytearray:
    """One frame's values, colours as they are stored, interleaved. Raises what the codec raises on damaged bytes."""
    values = _values(coded, runner)
    if values.shape[:2] != (runner.rows, runner.columns) or values.size != (
        runner.rows * runner.columns * runner.samples_per_pixel
    ):
        raise ValueError("another size than announced")
    if values.ndim == 3:
        runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    return bytearray(np.ascontiguousarray(values).tobytes())


def _values(coded: bytes, runner: DecodeRunner) -> Any:
    syntax = runner.transfer_syntax
    if syntax in _JPEG_LS:
        return imagecodecs.jpegls_decode(coded)
    if syntax in _HIGH_THROUGHPUT:
        # OpenJPH gives back colours that were transformed; the file then names them YBR_ICT or YBR_RCT.
        if str(runner.photometric_interpretation).startswith("YBR_"):
            runner.set_option("photometric_interpretation", "RGB")
        return imagecodecs.htj2k_decode(coded)
    if runner.samples_per_pixel == 1 and syntax != uid.JPEGExtended12Bit:
        return imagecodecs.ljpeg_decode(coded)
    if runner.samples_per_pixel == 1:
        return imagecodecs.jpeg8_decode(coded)
    same = imagecodecs.JPEG8.CS.RGB
    return imagecodecs.jpeg8_decode(coded, colorspace=same, outcolorspace=same)
