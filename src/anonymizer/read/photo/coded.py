"""Pictures that Pillow has no decoder for: JPEG XL, cameras' raw values, and JPEG's rarer kinds.

Importing this module loads the codecs: in the decoding process no file can be opened later.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.read.photo import jpeg_xl
from anonymizer.read.photo.colour import plan
from anonymizer.read.photo.decoded import DecodedPhoto, Upright, too_many
from anonymizer.read.photo.depth import eight_bits
from anonymizer.read.photo.numbered import NumberedColours, srgb
from anonymizer.read.photo.variant import jpeg_frame

_LOADED = (
    imagecodecs.jpegxl_decode, imagecodecs.jpeg8_decode, imagecodecs.ljpeg_decode, imagecodecs.jpegls_decode,
)  # fmt: skip
BROKEN = (
    imagecodecs.JpegxlError, imagecodecs.Jpeg8Error, imagecodecs.LjpegError, imagecodecs.JpeglsError,
    rawpy.LibRawError,
)  # fmt: skip
"""What these decoders raise on bytes that they cannot read."""
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7


def decode_jpeg_xl(content: bytes, max_pixels: int) -> DecodedPhoto:
    """The first frame of a JPEG XL, upright: libjxl turns it."""
    header = jpeg_xl.header(content)
    if header is None:
        raise DamagedError("photo.damaged", format="JPEG XL")
    if header.width * header.height > max_pixels:
        raise LimitError(too_many(max_pixels))
    notes: list[Message] = []
    flags: list[str] = []
    if header.moves:
        notes.append(Message("photo.moves-first"))
        flags.append("embedded preview or second picture")
    if header.colours:
        notes.append(header.colours.note)
    elif not header.srgb:
        notes.append(Message("photo.profile"))
    values = imagecodecs.jpegxl_decode(content, index=0, numthreads=1)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] > 4:
        raise UnsupportedError("photo.variant", format="JPEG XL")
    if header.colours:
        values = _in_srgb(values, header.colours)
    return _shown(values, 8 * values.dtype.itemsize, notes, flags)


def decode_rare_jpeg(content: bytes, max_pixels: int) -> Image.Image | None:
    """A JPEG of 12 bits, without loss, in arithmetic coding or JPEG-LS, in 8 bits as stored; None for any other."""
    frame = jpeg_frame(content)
    if frame is None or frame.marker in (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF):
        return None
    if frame.width * frame.height > max_pixels:
        raise LimitError(too_many(max_pixels))
    if frame.marker == _JPEG_LS:
        values = imagecodecs.jpegls_decode(content)
    elif frame.marker == _LOSSLESS and frame.channels == 1:
        values = imagecodecs.ljpeg_decode(content)
    else:
        values = imagecodecs.jpeg8_decode(content)
    if values.shape[:2] != (frame.height, frame.width) or values[0, 0].size not in (1, 3):
        return None
    eight, _ = eight_bits(values, frame.bits)
    return Image.fromarray(eight)


def decode_raw(content: bytes, max_pixels: int) -> DecodedPhoto:
    """A camera's raw values developed as its own white balance says, in sRGB, upright; its preview never."""
    with rawpy.RawPy() as raw:
        try:
            raw.open_buffer(io.BytesIO(content))
        except rawpy.LibRawFileUnsupportedError as error:
            raise UnsupportedError("photo.raw") from error
        size = raw.sizes
        if size.raw_width * size.raw_height > max_pixels:
            raise LimitError(too_many(max_pixels))
        raw.unpack()
        pixels: Pixels = raw.postprocess(use_camera_wb=True, output_color=rawpy.ColorSpace.sRGB, output_bps=8)
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UnsupportedError("photo.raw")
    return DecodedPhoto(np.ascontiguousarray(pixels), [Message("photo.developed")])


def _in_srgb(values: NDArray[Any], colours: NumberedColours) -> NDArray[np.uint8]:
    """``(h, w, 1 to 4)`` in colours told by number as 3 or 4 channels of 8 bits."""
    whole = values if values.dtype.kind == "u" else np.rint(np.clip(values, 0, 1) * 65535).astype(np.uint16)
    top = int(np.iinfo(whole.dtype).max)
    plain = whole[..., :3] if whole.shape[2] > 2 else np.repeat(whole[..., :1], 3, axis=2)
    done = srgb(plain, top, colours)
    return (
        done
        if whole.shape[2] in (1, 3)
        else np.dstack([done, eight_bits(whole[..., -1:], 8 * whole.itemsize)[0]])
    )


def _shown(values: NDArray[Any], bits: int, notes: list[Message], flags: list[str]) -> DecodedPhoto:
    """An upright picture of 1 to 4 channels in sRGB."""
    eight, stretched = eight_bits(values, bits)
    if stretched:
        notes.append(Message("photo.grey-range"))
    high, wide, count = eight.shape
    image = Image.frombytes({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[count], (wide, high), eight.tobytes())
    return DecodedPhoto(Upright(image, 1, plan(image, None, notes, flags)), notes, flags)
