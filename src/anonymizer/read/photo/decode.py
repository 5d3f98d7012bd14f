"""Bytes to upright sRGB pixels, for every still format. Runs in the decoding process."""

from __future__ import annotations

import codecs
import io
import struct
import warnings
import zlib
from typing import Any

from PIL import (
    AvifImagePlugin,  # noqa: F401  each registers the one format that it reads
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,
    PsdImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read import sniff
from anonymizer.read.photo.colour import plan
from anonymizer.read.photo.decoded import DecodedPhoto, Upright, too_many
from anonymizer.read.photo.numbered import colours_of, has_gain_map
from anonymizer.read.photo.variant import is_raw, needs_another_reader, tiff_numbers, variant
from anonymizer.read.traces.isobmff import read_heif

TOO_MUCH = Message("photo.no-memory")
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
        sniff.JPEG_XL,
        sniff.JPEG_2000,
        sniff.PSD,
        sniff.RAW,
    )
}

ImageFile.LOAD_TRUNCATED_IMAGES = False
PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT
PngImagePlugin.MAX_TEXT_MEMORY = 4 * MAX_TEXT
# The plug-ins above are all there is: Pillow is not to look for others on the disk.
Image._initialized = 2


def prepare(form: str, rare: bool = False, numbered: bool = False) -> None:
    """Import what decodes this format: afterwards the process can open no file.

    ``rare`` is what :func:`needs_another_reader` says of the content; ``numbered``: its colours are told by number.

    Raises :class:`UnsupportedError` where no decoder is installed for it.
    """
    # Python imports a codec when a text first needs it.
    for codec in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "ascii"):
        codecs.lookup(codec)
    if numbered:
        import anonymizer.read.photo.deep
    if form == "HEIF":
        import pillow_heif

        # Thumbnails, depth and other auxiliary pictures are never even parsed.
        pillow_heif.register_heif_opener(
            thumbnails=False, depth_images=False, aux_images=False, decode_threads=2
        )
    elif rare and form == "TIFF":
        import anonymizer.read.photo.coded
        import anonymizer.read.photo.tiff
    elif rare or form in ("JPEG XL", "raw"):
        import anonymizer.read.photo.coded
    elif form == "DICOM":
        try:
            import anonymizer.read.photo.dicom
            import anonymizer.read.traces.dicom  # noqa: F401  what its metadata held is asked for next
        except ModuleNotFoundError as error:
            raise UnsupportedError("photo.no-dicom") from error


def decode(content: bytes, form: str, max_pixels: int) -> DecodedPhoto:
    """The first picture in ``content``, upright, in sRGB, without transparency.

    Call :func:`prepare` first. Raises :class:`DamagedError` where it does not decode to its end,
    :class:`LimitError` beyond ``max_pixels`` and :class:`UnsupportedError` for a variant that no decoder
    here knows.
    """
    if form not in FORMATS:
        raise UnsupportedError("photo.is-clip-format", format=form)
    if form == "DICOM":
        from anonymizer.read.photo import dicom

        return dicom.decode(content, max_pixels)
    if not _is_complete(content, form):
        # Decoders fill the missing part with grey, or say nothing.
        raise _damaged(form)
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        # Pillow warns between its limit and twice the limit, and goes on: here the limit is the limit.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if form in ("JPEG XL", "raw") or needs_another_reader(content, form):
                return _by_another_reader(content, form, max_pixels)
            with Image.open(io.BytesIO(content), formats=[FORMATS[form].pillow]) as image:
                return _first_picture(content, image, form, max_pixels)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise LimitError(too_many(max_pixels)) from error
        except NotImplementedError as error:
            raise _refused(content, form) or UnsupportedError("photo.variant", format=form) from error
        # Pillow's parsers raise whatever their arithmetic runs into on damaged bytes; this process does
        # nothing else, so each of them means the same.
        except (
            UnidentifiedImageError, OSError, EOFError, ValueError, SyntaxError, RuntimeError, TypeError,
            LookupError, AttributeError, ArithmeticError, AssertionError, struct.error, zlib.error,
        ) as error:  # fmt: skip
            raise _refused(content, form) or _damaged(form) from error


def _by_another_reader(content: bytes, form: str, max_pixels: int) -> DecodedPhoto:
    """What Pillow has no decoder for, or reads wrongly. Raises as :func:`decode` does, or what its parsers raise."""
    # Imported for these alone: a good part of a second, and forty libraries.
    from anonymizer.read.photo import coded

    try:
        if form == "JPEG XL":
            return coded.decode_jpeg_xl(content, max_pixels)
        if form == "raw" or (form == "TIFF" and is_raw(tiff_numbers(content))):
            return coded.decode_raw(content, max_pixels)
        notes: list[Message] = []
        flags: list[str] = []
        if form == "TIFF":
            from anonymizer.read.photo import tiff

            image, orientation = tiff.read(content, max_pixels, notes)
        else:
            found = coded.decode_rare_jpeg(content, max_pixels)
            if found is None:
                raise NotImplementedError
            image, orientation = found, _orientation_of_jpeg(content)
    except coded.BROKEN as error:
        raise _refused(content, form) or _damaged(form) from error
    profile = image.info.get("icc_profile")
    convert = plan(image, profile if isinstance(profile, bytes) else None, notes, flags)
    return DecodedPhoto(Upright(image, orientation, convert), notes, flags)


def _orientation_of_jpeg(content: bytes) -> int:
    """The EXIF orientation of a JPEG whose pixels Pillow cannot read; its header it can, or there is none to find."""
    start = content.find(b"Exif\0\0", 0, 1 << 17)
    exif = Image.Exif()
    if start >= 0:
        exif.load(content[start : start + (1 << 16)])
    value = exif.get(0x0112, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _refused(content: bytes, form: str) -> UnsupportedError | None:
    """What is said of a whole file of another kind than those that decoders know; None for any other."""
    kind = variant(content, form)
    return UnsupportedError("photo.variant-named", format=form, variant=kind) if kind else None


def _damaged(form: str) -> DamagedError:
    return DamagedError("photo.damaged", format=form)


def _is_complete(content: bytes, form: str) -> bool:
    """Whether the file reaches to its announced end, for formats whose decoders do not insist on it.

    libheif draws the tiles that are there and leaves the others black; libwebp and Pillow's PNG reader take
    a file without its end when the pixels happen to be all there.
    """
    if form in ("HEIF", "AVIF"):
        return read_heif(content).complete
    if form == "WebP":
        return 8 + int.from_bytes(content[4:8], "little") <= len(content)
    if form == "PNG":
        return b"IEND" in content
    if form == "JPEG":
        return content.find(b"\xff\xd9", 2) >= 0
    return True


def _first_picture(content: bytes, image: Any, form: str, max_pixels: int) -> DecodedPhoto:
    if image.width * image.height > max_pixels:
        raise LimitError(too_many(max_pixels))
    notes: list[Message] = []
    flags: list[str] = []
    frames = _frames(image)
    if frames > 1:
        which = Message("photo.primary" if form == "HEIF" else "photo.first")
        notes.append(Message("photo.pictures-which", count=frames, which=which))
        flags.append("embedded preview or second picture")
    profile = image.info.get("icc_profile")
    image.load()
    if image.width * image.height > max_pixels:
        # libheif may find another size than the one announced.
        raise LimitError(too_many(max_pixels))
    # Asked after loading: a PNG may hold its EXIF behind the pixels, and Pillow turns a TIFF by itself.
    orientation = _orientation(content, image, form)
    if has_gain_map(content, form):
        notes.append(Message("photo.gain-map"))
    if colours := colours_of(content, form):
        # Imported for these alone: what reads more than eight bits.
        from anonymizer.read.photo import deep

        notes.append(colours.note)
        image, profile = deep.in_srgb(content, form, image, colours), None
    convert = plan(image, profile if isinstance(profile, bytes) else None, notes, flags)
    return DecodedPhoto(Upright(image, orientation, convert), notes, flags, frames)


def _orientation(content: bytes, image: Any, form: str) -> int:
    """The EXIF orientation, 1 to 8; 1 where it says nothing sensible. XMP's own is left aside, as browsers do.

    libheif turns a picture as its container says (``irot``, ``imir``), and EXIF then only repeats that; some phones
    turn by EXIF alone. For AVIF, Pillow leaves the turn to us and reports the container's as EXIF.
    """
    if form == "HEIF":
        heif = read_heif(content)
        if any(box.name in (b"irot", b"imir") for box in heif.properties_of(heif.primary)):
            return 1
        value = image.info.get("original_orientation", 1)
    else:
        for packet in ("XML:com.adobe.xmp", "xmp"):
            image.info.pop(packet, None)
        try:
            value = image.getexif().get(0x0112, 1)
        except (OSError, ValueError, SyntaxError, TypeError, LookupError, AssertionError, struct.error):
            return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _frames(image: Any) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except (OSError, EOFError, ValueError, SyntaxError, LookupError, TypeError, struct.error):
        return 1
