"""A decoded photo as the decoding process hands it on: upright, in sRGB, a strip at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image

from anonymizer.core.message import Message
from anonymizer.core.types import Pixels
from anonymizer.read.photo.colour import Step

STRIP = 1 << 20
"""Pixels that are converted and sent at a time: the decoding process never holds a second full picture."""
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the EXIF orientation tag (EXIF 2.32, tag 0x0112)."""


@dataclass(slots=True)
class Upright:
    """A loaded picture that is turned and converted only when its strips are asked for."""

    image: Image.Image
    orientation: int
    convert: Step

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the upright picture."""
        width, height = self.image.size
        return (width, height, 3) if self.orientation > 4 else (height, width, 3)

    def strips(self) -> Iterator[bytes]:
        """Its RGB bytes, some rows at a time, from the top."""
        high, wide, _ = self.shape
        rows = max(1, STRIP // wide)
        for top in range(0, high, rows):
            bottom = min(high, top + rows)
            part = self.image.crop(_stored(self.orientation, top, bottom, high, wide))
            part = self.convert(part)
            how = _TRANSPOSES.get(self.orientation)
            yield (part if how is None else part.transpose(how)).tobytes()


@dataclass
class DecodedPhoto:
    """A decoded picture; ``notes`` are published, ``flags`` are kinds of traces only a decoder can see,
    ``dicom`` what a DICOM source says that its de-identified copy may be made of."""

    pixels: Pixels | Upright
    notes: list[Message] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    frames: int = 1
    dicom: dict[str, str] = field(default_factory=dict)


def strips(picture: DecodedPhoto) -> Iterator[bytes | memoryview]:
    """The picture's RGB bytes from the top, row by row."""
    if isinstance(picture.pixels, Upright):
        yield from picture.pixels.strips()
    else:
        yield picture.pixels.reshape(-1).data


def too_many(max_pixels: int) -> Message:
    """What is said of a picture beyond the limit."""
    return Message("photo.too-many-pixels", megapixels=max_pixels / 1e6)


def _stored(orientation: int, top: int, bottom: int, high: int, wide: int) -> tuple[int, int, int, int]:
    """Where the rows ``top`` to ``bottom`` of the upright picture lie in the stored one: its crop box."""
    if orientation in (3, 4, 7, 8):
        top, bottom = high - bottom, high - top
    return (top, 0, bottom, wide) if orientation > 4 else (0, top, wide, bottom)
