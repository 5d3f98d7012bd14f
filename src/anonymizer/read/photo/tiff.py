"""TIFFs that Pillow refuses or, worse, reads wrongly without a word: read by tifffile, coded parts by imagecodecs.

Pillow keeps what it reads rightly: 8 bits a channel in one plane, and 16-bit greys. Tag numbers are those of TIFF 6.0
and of Adobe's supplements. Importing this module loads every codec that it may need.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.errors import LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read.photo.decoded import too_many
from anonymizer.read.photo.depth import eight_bits
from anonymizer.read.photo.variant import variant

CODECS = (
    "NONE", "LZW", "DEFLATE", "PACKBITS", "PACKINTS", "DELTA", "FLOATPRED", "JPEG8", "LJPEG", "JPEG2K", "WEBP", "ZSTD",
    "LZMA", "JPEGXL", "JPEGXR", "LERC", "BITORDER", "CCITTRLE", "CCITTFAX3", "CCITTFAX4",
)  # fmt: skip
"""imagecodecs loads a codec when its name is first asked for, and later no file can be opened."""
for _name in CODECS:
    getattr(imagecodecs, _name, None)
for _name in [name.casefold() + "_decode" for name in CODECS]:
    getattr(imagecodecs, _name, None)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
_UNUSUAL = Message("photo.grey-range")


def read(content: bytes, max_pixels: int, notes: list[Message]) -> tuple[Image.Image, int]:
    """The first picture, as stored, in a mode of 8 bits, ``info`` with its profile; and its orientation, 1 to 8.

    Raises :class:`LimitError` beyond ``max_pixels``, :class:`UnsupportedError` for what is no picture here, and
    whatever tifffile raises on damaged bytes.
    """
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page: Any = file.pages[0]
        if page.imagewidth * page.imagelength > max_pixels or page.size > 8 * max_pixels:
            raise LimitError(too_many(max_pixels))
        if page.imagedepth != 1:
            raise _refused(content)
        values = page.asarray(maxworkers=1)
        image = _picture(content, page, values, notes)
        tags = {tag.code: tag.value for tag in page.tags if tag.code in (274, 34675)}
    if isinstance(tags.get(34675), bytes):
        image.info["icc_profile"] = tags[34675]
    orientation = tags.get(274, 1)
    return image, int(orientation) if orientation in range(1, 9) else 1


def _picture(content: bytes, page: Any, values: NDArray[Any], notes: list[Message]) -> Image.Image:
    high, wide, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if samples > 1 and values.shape == (samples, high, wide):
        values = np.moveaxis(values, 0, -1)
    values = values.reshape(high, wide, samples) if values.size == high * wide * samples else values
    if values.ndim != 3 or values.shape[:2] != (high, wide) or values.dtype.kind == "c":
        raise _refused(content)
    colours = int(page.photometric)
    if colours == _PALETTE:
        return _from_palette(content, page, values[..., 0])
    if colours in (_CIELAB, _ICCLAB):
        return _from_lab(content, values, colours, page.bitspersample)
    wanted = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _YCBCR: 3, _CMYK: 4}.get(colours)
    if (
        wanted is None
        or samples < wanted
        or (page.bitspersample == 1 and values.dtype == bool and samples > 1)
    ):
        raise _refused(content)
    alpha = int(page.extrasamples[0]) if page.extrasamples and samples > wanted else 0
    shown = values[..., : wanted + (alpha in (1, 2) and wanted < 4)]
    bits = 1 if values.dtype == bool else int(page.bitspersample)
    eight, stretched = eight_bits(shown, bits)
    if stretched:
        notes.append(_UNUSUAL)
    if colours == _WHITE_IS_ZERO:
        eight[..., 0] = 255 - eight[..., 0]
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[wanted]
    if shown.shape[2] == wanted:
        return Image.fromarray(eight[..., 0] if wanted == 1 else eight, None) if wanted < 4 else _cmyk(eight)
    # Alpha multiplied in (1) is taken out again by Pillow's conversion of the mode with the small a.
    mode = mode + ("a" if alpha == 1 else "A")
    image = Image.frombytes(mode, (wide, high), eight.tobytes())
    return image.convert(mode[:-1] + "A") if alpha == 1 else image


def _cmyk(eight: NDArray[np.uint8]) -> Image.Image:
    high, wide = eight.shape[:2]
    return Image.frombytes("CMYK", (wide, high), np.ascontiguousarray(eight).tobytes())


def _from_palette(content: bytes, page: Any, values: NDArray[Any]) -> Image.Image:
    """The colours of a palette whose entries have 16 bits, or 8 where all are so small."""
    table = page.colormap
    if (
        table is None
        or table.ndim != 2
        or table.shape[0] != 3
        or int(values.max(initial=0)) >= table.shape[1]
    ):
        raise _refused(content)
    if int(table.max()) > 255:
        table = table >> 8
    return Image.fromarray(np.ascontiguousarray(table.astype(np.uint8).T[values]))


def _from_lab(content: bytes, values: NDArray[Any], colours: int, bits: int) -> Image.Image:
    """L*a*b* of 8 or 16 bits in Pillow's mode LAB, whose bytes are those of a CIELab TIFF of 8 bits.

    CIELab counts L* to the greatest value and has signs (TIFF 6.0, section 23); ICCLab of 16 bits counts L* = 100 at
    0xFF00 and, as that of 8 bits, a* and b* from an offset (Adobe's TIFF technical notes).
    """
    if values.shape[2] < 3 or bits not in (8, 16) or values.dtype.itemsize * 8 != bits:
        raise _refused(content)
    lab = values[..., :3].astype(np.int64)
    if bits == 16:
        full = 65535 if colours == _CIELAB else 65280
        light = np.clip(
            np.rint(np.where(lab[..., 0] < 0, lab[..., 0] + 65536, lab[..., 0]) * 255 / full), 0, 255
        )
        others = np.rint(np.where(lab[..., 1:] > 32767, lab[..., 1:] - 65536, lab[..., 1:]) / 256)
        others = others if colours == _CIELAB else np.rint(lab[..., 1:] / 256) - 128
    else:
        light, others = lab[..., 0] & 255, lab[..., 1:] if colours == _CIELAB else lab[..., 1:] - 128
    coded = np.dstack([light, others]).astype(np.int64) & 255
    return Image.frombytes("LAB", (values.shape[1], values.shape[0]), coded.astype(np.uint8).tobytes())


def _refused(content: bytes) -> UnsupportedError:
    kind = variant(content, "TIFF")
    if kind:
        return UnsupportedError("photo.variant-named", format="TIFF", variant=kind)
    return UnsupportedError("photo.variant", format="TIFF")
