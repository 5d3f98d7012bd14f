"""DICOM photographs, ultrasound stills and radiographs: pixels only, as a viewer would first show them.

Numbers such as (0028,0004) and sections such as C.11.2 are those of the DICOM standard, part 3. Importing
this module loads every decoder that it may need: in the decoding process no file can be opened later.
"""

from __future__ import annotations

import codecs
import io
import struct
import warnings
import zlib
from typing import Any, BinaryIO

import numpy as np
import pydicom
import pydicom.pixels.decoders.pillow
import pydicom.pixels.decoders.rle
from numpy.typing import NDArray
from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.read.dicom_head import is_video
from anonymizer.read.photo import dicom_codecs, dicom_source
from anonymizer.read.photo.colour import plan
from anonymizer.read.photo.decoded import DecodedPhoto, Upright, too_many

_LOADED = (Jpeg2KImagePlugin, JpegImagePlugin)
for _name in set(python_encoding.values()):
    codecs.lookup(_name)
dicom_codecs.register()

PARSING = (
    BytesLengthException,
    InvalidDicomError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
    NotImplementedError, ArithmeticError, AssertionError, struct.error, zlib.error, *dicom_codecs.BROKEN,
)  # fmt: skip
"""What pydicom and Pillow raise on damaged bytes; MemoryError is the caller's."""
DAMAGED = Message("dicom.damaged")
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
MOST_UNEVEN = 16
"""How many times longer than wide a pixel may be; what says more is taken for an error."""
_OVERLAYS = range(0x6000, 0x6020, 2)


def decode(content: bytes, max_pixels: int) -> DecodedPhoto:
    """The first frame as RGB, windowed as its own VOI attributes say.

    Raises :class:`DamagedError`, :class:`LimitError` beyond ``max_pixels``, and :class:`UnsupportedError`
    where there is no picture, or none that a decoder here knows.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _picture(dataset_of(io.BytesIO(content)), max_pixels)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise LimitError(too_many(max_pixels)) from error
        except (UnsupportedError, LimitError):
            raise
        except PARSING as error:
            raise DamagedError(DAMAGED) from error


def dataset_of(file: BinaryIO) -> Dataset:
    """The data set, with or without a preamble; of one without a head as well, its transfer syntax as it turned out."""
    head = file.read(132)
    file.seek(0)
    dataset = pydicom.dcmread(file, force=head[128:] != b"DICM")
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _picture(dataset: Dataset, max_pixels: int) -> DecodedPhoto:
    syntax, video = supported(dataset, max_pixels)
    if video:
        raise UnsupportedError("dicom.video")
    notes: list[Message] = []
    flags: list[str] = []
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        notes.append(Message("photo.pictures-first", count=frames))
        flags.append("embedded preview or second picture")
    notes += remarks(dataset)
    image = shown(*get_decoder(syntax).as_array(dataset, index=0), dataset)
    shaped = square(image, dataset, max_pixels)
    if shaped is not image:
        notes.append(Message("dicom.not-square"))
    profile = dataset.get("ICCProfile")
    profile = profile if isinstance(profile, bytes) and image.mode == "RGB" else None
    upright = Upright(shaped, 1, plan(shaped, profile, notes, flags))
    return DecodedPhoto(upright, notes, flags, frames, dicom_source.told(dataset))


def remarks(dataset: Dataset) -> list[Message]:
    """What the file says of its pixels that a person should know."""
    notes = []
    if any((group, 0x3000) in dataset for group in _OVERLAYS):
        notes.append(Message("dicom.overlays"))
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES":
        notes.append(Message("dicom.burned-in"))
    return notes


def shown(
    values: NDArray[Any], meta: dict[str, Any], dataset: Dataset, span: tuple[float, float] | None = None
) -> Image.Image:
    """One decoded frame as a viewer first shows it, in mode L or RGB, its pixels as stored.

    ``span``: the modality's values that become black and white where the file names none, and not the frame's own.
    Raises :class:`DamagedError` where it is not of the announced size.
    """
    height, width = int(dataset.Rows), int(dataset.Columns)
    if values.shape[:2] != (height, width):
        raise DamagedError(DAMAGED)
    if str(meta["photometric_interpretation"]) in GREY:
        return Image.fromarray(_grey(values, dataset, span))
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = _eight_bits(apply_color_lut(values, dataset), _palette_bits(dataset))
    else:
        pixels = _eight_bits(values, int(dataset.BitsStored))
    if pixels.shape != (height, width, 3):
        raise DamagedError(DAMAGED)
    return Image.fromarray(pixels)


def span_of(values: NDArray[Any], dataset: Dataset) -> tuple[float, float] | None:
    """What of a grey frame becomes black and white where the file names no window; None where it does."""
    if dataset.get("VOILUTSequence") or _window(dataset) is not None:
        return None
    return _range(values, apply_modality_lut(values, dataset), dataset)


def square(image: Image.Image, dataset: Dataset, max_pixels: int) -> Image.Image:
    """The picture with square pixels: itself, where they are. Raises :class:`LimitError` beyond ``max_pixels``."""
    size = _shape(image.width, image.height, dataset)
    if size == image.size:
        return image
    if size[0] * size[1] > max_pixels:
        raise LimitError(too_many(max_pixels))
    return image.resize(size, Image.Resampling.BICUBIC)


def _shape(width: int, height: int, dataset: Dataset) -> tuple[int, int]:
    """Width and height with square pixels, neither smaller than stored.

    A spacing (10.7.1.1) or, where there is none, the aspect ratio (C.7.6.3.1.7): down the picture first, then across.
    """
    names = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")
    for pair in (dataset.get(name) for name in names):
        if pair is None or len(pair) != 2:
            continue
        down, across = float(pair[0]), float(pair[1])
        if not (down > 0 and across > 0 and 1 / MOST_UNEVEN <= down / across <= MOST_UNEVEN):
            return width, height
        if abs(down / across - 1) < 0.01:
            return width, height
        return (
            (width, round(height * down / across))
            if down > across
            else (round(width * across / down), height)
        )
    return width, height


def supported(dataset: Dataset, max_pixels: int) -> tuple[UID, bool]:
    """The transfer syntax, once everything that decides whether we can decode has been looked at; whether a video's.

    Raises :class:`UnsupportedError`, :class:`LimitError` beyond ``max_pixels``, and :class:`DamagedError`.
    """
    if "PixelData" not in dataset:
        said = (
            Message("dicom.floating")
            if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
            else Message("dicom.no-pixels")
        )
        raise UnsupportedError("dicom.no-picture", why=said)
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if is_video(syntax):
        return syntax, True
    try:
        get_decoder(syntax)
    except NotImplementedError as error:
        raise UnsupportedError("dicom.no-decoder") from error
    bits, samples = int(dataset.BitsAllocated), int(dataset.SamplesPerPixel)
    kind = str(dataset.PhotometricInterpretation)
    grey = kind in GREY or kind == "PALETTE COLOR"
    if not (grey or kind in COLOUR) or samples != (1 if grey else 3) or bits not in (1, 8, 16, 32):
        raise UnsupportedError("dicom.kind-of-pixels")
    width, height = int(dataset.Columns), int(dataset.Rows)
    if width < 1 or height < 1:
        raise DamagedError(DAMAGED)
    if width * height > max_pixels:
        raise LimitError(too_many(max_pixels))
    return syntax, False


def _grey(values: NDArray[Any], dataset: Dataset, span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Stored values ``(h, w)`` to display values: modality, then VOI transformation, then inversion.

    The VOI look-up table where there is one, else the first window; a picture of 8 bits without either as it
    is, a deeper one over ``span`` or the range of its values, without its padding.
    """
    real = apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        shown = apply_voi(real, dataset, index=0).astype(np.float64) / (2**bits - 1)
    elif (window := _window(dataset)) is not None:
        shown = _windowed(real, *window, str(dataset.get("VOILUTFunction") or "LINEAR"))
    else:
        low, high = span or _range(values, real, dataset)
        shown = (real.astype(np.float64) - low) / max(high - low, 1e-9)
    # C.11.6.1.2: for MONOCHROME1 the shape repeats what the photometric interpretation says.
    if dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        shown = 1 - shown
    return np.asarray(np.rint(np.clip(shown, 0, 1) * 255), np.uint8)


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """Centre and width of the first window: the picture's own, or that of the first frame's functional group."""
    for place in _voi_places(dataset):
        centre, width = place.get("WindowCenter"), place.get("WindowWidth")
        if centre is not None and width is not None:
            pair = [float(v[0] if isinstance(v, pydicom.multival.MultiValue) else v) for v in (centre, width)]
            if np.isfinite(pair).all() and pair[1] > 0:
                return pair[0], pair[1]
    return None


def _voi_places(dataset: Dataset) -> list[Dataset]:
    places = [dataset]
    for name in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in list(dataset.get(name) or [])[:1]:
            places += list(group.get("FrameVOILUTSequence") or [])[:1]
    return places


def _windowed(values: NDArray[Any], centre: float, width: float, function: str) -> NDArray[np.float64]:
    """The VOI functions of C.11.2.1.2 and C.11.2.1.3, with outputs from 0 to 1."""
    x = values.astype(np.float64)
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return (x - centre) / width + 0.5
    return (x - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5


def _range(values: NDArray[Any], real: NDArray[Any], dataset: Dataset) -> tuple[float, float]:
    """The values that become black and white."""
    if np.array_equal(values, real) and int(dataset.BitsStored) <= 8:
        signed = int(dataset.get("PixelRepresentation") or 0)
        least = -(1 << int(dataset.BitsStored) - 1) if signed else 0
        return float(least), float(least + (1 << int(dataset.BitsStored)) - 1)
    padding = dataset.get("PixelPaddingValue")
    inside = real if padding is None else real[values != int(padding)]
    inside = inside if inside.size else real
    return float(inside.min()), float(inside.max())


def _palette_bits(dataset: Dataset) -> int:
    """Bits of the palette's entries: 16 by its descriptor, unless they all fit into 8 (a common mistake)."""
    bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    tables = [getattr(dataset, f"{c}PaletteColorLookupTableData", b"") for c in ("Red", "Green", "Blue")]
    if bits == 16 and all(t and np.frombuffer(t[: len(t) // 2 * 2], "<u2").max() <= 255 for t in tables):
        return 8
    return bits


def _eight_bits(values: NDArray[Any], bits: int) -> Pixels:
    if bits > 8:
        values = values >> (bits - 8)
    return np.ascontiguousarray(np.clip(values, 0, 255).astype(np.uint8))
