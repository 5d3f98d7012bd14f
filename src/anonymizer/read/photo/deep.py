"""All bits of a PNG, AVIF or HEIF whose colours are told by number: Pillow gives eight, and dark places need more.

Importing this module loads the codecs: in the decoding process no file can be opened later.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from anonymizer.read.photo.numbered import NumberedColours, srgb
from anonymizer.read.traces.isobmff import read_heif

_LOADED = imagecodecs.png_decode, imagecodecs.avif_decode


def in_srgb(content: bytes, form: str, image: Image.Image, colours: NumberedColours) -> Image.Image:
    """The loaded first picture, as stored, in sRGB: RGB, or RGBA where anything may be transparent.

    Raises what the decoders raise on damaged bytes, and ValueError where they give another size than Pillow.
    """
    values, top = _values(content, form, image)
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[:2] != (image.height, image.width) or not 1 <= values.shape[2] <= 4:
        raise ValueError("another size")
    count = values.shape[2]
    plain = values[..., :3] if count > 2 else np.repeat(values[..., :1], 3, axis=2)
    done = srgb(plain, top, colours)
    if count in (1, 3):
        return Image.fromarray(done)
    alpha = np.rint(values[..., -1].astype(np.float32) * (255 / top)).astype(np.uint8)
    return Image.fromarray(np.dstack([done, alpha]))


def _values(content: bytes, form: str, image: Image.Image) -> tuple[NDArray[Any], int]:
    """``(h, w[, channels])`` of 8 or 16 bits, and the value of white."""
    if form == "PNG" and content[24] == 16:
        return imagecodecs.png_decode(content), 65535
    if form == "AVIF" and (bits := _bits(content)) > 8:
        return imagecodecs.avif_decode(content, index=0, numthreads=1), 2**bits - 1
    if form == "HEIF" and (bits := int(image.info.get("bit_depth", 8))) > 8:
        file = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)
        return np.asarray(file), (2**bits - 1) << (16 - bits)
    return np.asarray(
        image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB")
    ), 255


def _bits(content: bytes) -> int:
    """Bits of a value in an AVIF's primary picture (AV1 ISOBMFF binding, 2.3.3, or the picture's own ``pixi``)."""
    heif = read_heif(content)
    for box in heif.properties_of(heif.primary):
        if box.name == b"pixi":
            return content[box.body + 5]
        if box.name == b"av1C":
            flags = content[box.body + 2]
            return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 8
