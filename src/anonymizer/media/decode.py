"""Bytes to upright sRGB pixels, for every still format. Runs in the decoding process."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, PngImagePlugin, UnidentifiedImageError

from anonymizer.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.media import sniff
from anonymizer.types import Pixels

TOO_MUCH = (
    "Decoding needs more memory than the limit; the file may be made to do harm; raise limits.decode_memory "
    "in the settings file if you trust it."
)
MAX_TEXT = 1 << 22
"""Bytes that a PNG's compressed text may inflate to: it is left behind anyway."""
FORMATS = {
    form.name: form
    for form in (
        sniff.JPEG,
        sniff.PNG,
        sniff.WEBP,
        sniff.TIFF,
        sniff.BMP,
        sniff.GIF,
        sniff.HEIF,
        sniff.AVIF,
        sniff.DICOM,
    )
}

ImageFile.LOAD_TRUNCATED_IMAGES = False
PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT
PngImagePlugin.MAX_TEXT_MEMORY = 4 * MAX_TEXT


@dataclass
class Picture:
    """A decoded picture; ``notes`` are published, ``flags`` are kinds of traces only a decoder can see."""

    pixels: Pixels
    notes: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def decode(content: bytes, form: str, max_pixels: int) -> Picture:
    """The first picture in ``content``, upright, in sRGB, without transparency.

    Raises :class:`DamagedError` where it does not decode to its end, :class:`LimitError` beyond
    ``max_pixels`` and :class:`UnsupportedError` for a variant that no decoder here knows.
    """
    if form not in FORMATS:
        raise UnsupportedError(f"{form} is a format of clips, not of photos.")
    if form == "DICOM":
        raise UnsupportedError("DICOM files are not opened; export the picture as JPEG or PNG.")
    if FORMATS[form].pillow == "HEIF":
        import pillow_heif

        # Thumbnails, depth and other auxiliary pictures are never even parsed.
        pillow_heif.options.THUMBNAILS = False
        pillow_heif.options.DEPTH_IMAGES = False
        pillow_heif.options.AUX_IMAGES = False
        pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        # Pillow warns between its limit and twice the limit, and goes on: here the limit is the limit.
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content), formats=[FORMATS[form].pillow]) as image:
                return _first_picture(image, form, max_pixels)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise LimitError(_too_many(max_pixels)) from error
        except UnidentifiedImageError as error:
            raise DamagedError(
                f"The {form} is damaged or incomplete; copy it from the camera again."
            ) from error
        except NotImplementedError as error:
            raise UnsupportedError(
                f"This variant of {form} is not supported; export it as JPEG or PNG."
            ) from error
        # Pillow's parsers raise whatever their arithmetic runs into on damaged bytes; this process does
        # nothing else, so each of them means the same.
        except (
            OSError, EOFError, ValueError, SyntaxError, RuntimeError, TypeError, KeyError, IndexError,
            AttributeError, ArithmeticError,
        ) as error:  # fmt: skip
            raise DamagedError(
                f"The {form} is damaged or incomplete; copy it from the camera again."
            ) from error


def _too_many(max_pixels: int) -> str:
    return (
        f"The picture has more than {max_pixels / 1e6:.0f} megapixels, the limit; raise limits.max_pixels in "
        "the settings file if you trust it."
    )


def _first_picture(image: Any, form: str, max_pixels: int) -> Picture:
    if image.width * image.height > max_pixels:
        raise LimitError(_too_many(max_pixels))
    picture = Picture(np.empty((0, 0, 3), np.uint8))
    frames = _frames(image)
    if frames > 1:
        what = (
            "an animation" if getattr(image, "is_animated", False) and form != "TIFF" else "several pictures"
        )
        picture.notes.append(f"The source holds {what} ({frames}); only the first was processed.")
        picture.flags.append("further pictures")
    image.load()
    # libheif and libavif have turned the picture already.
    orientation = 1 if form in ("HEIF", "AVIF") else image.getexif().get(0x0112, 1)
    profile = image.info.get("icc_profile")
    flat, hidden = _flattened(image)
    if hidden:
        picture.flags.append("pixels hidden under transparency")
        picture.notes.append("Transparent parts were filled with white.")
    rgb = _to_srgb(flat, profile, picture.notes)
    upright = _TURNS.get(orientation)
    if upright is not None:
        rgb = rgb.transpose(upright)
    picture.pixels = np.ascontiguousarray(np.asarray(rgb, np.uint8))
    return picture


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the EXIF orientation tag (EXIF 2.32, tag 0x0112)."""


def _frames(image: Any) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except (OSError, EOFError, ValueError, SyntaxError):
        return 1


def _flattened(image: Any) -> tuple[Any, bool]:
    """The picture without alpha, on white, and whether anything was transparent."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode in ("1", "L", "RGB", "I;16") and "transparency" in image.info:
        # One colour stands for transparent: it hides nothing, so it is drawn as it is.
        image.info.pop("transparency")
    if image.mode == "PA":
        image = image.convert("RGBA")
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if image.mode not in ("RGBA", "LA"):
        return image, False
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert(image.mode[:-1]), False
    under = Image.new(image.mode[:-1], image.size, "white")
    under.paste(image.convert(image.mode[:-1]), mask=alpha)
    return under, True


def _to_srgb(image: Any, profile: bytes | None, notes: list[str]) -> Any:
    """Any mode to RGB in sRGB: by its colour profile where that can be used, by custom where not."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bit(np.asarray(image)))
    if image.mode in ("1", "P", "HSV", "YCbCr"):
        image = image.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            # Most photos say sRGB and are: converting twelve megapixels to what they are takes a third of a second.
            described = ImageCms.getProfileDescription(source).casefold()
            if image.mode == "RGB" and described.startswith("srgb"):
                return image
            if image.mode in ("L", "RGB", "CMYK", "LAB"):
                target = ImageCms.createProfile("sRGB")
                done = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
                if done is not None:
                    return done
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("The source's colour profile could not be used; colours may differ a little.")
    return image.convert("RGB")


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """16-bit and floating greys to 8 bit: 16-bit by their high byte, anything else by its own range."""
    if values.dtype == np.uint16 or (values.dtype.kind == "i" and values.min() >= 0 and values.max() > 255):
        top = 65535 if values.max() > 4095 else 4095
        return np.asarray(np.clip(values.astype(np.float32) * (255 / top), 0, 255), np.uint8)
    finite = np.nan_to_num(values.astype(np.float32))
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 255 and high > 1:
        return finite.astype(np.uint8)
    return np.asarray((finite - low) * (255 / max(high - low, 1e-9)), np.uint8)
