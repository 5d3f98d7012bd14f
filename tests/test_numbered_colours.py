"""Colours that a picture names by numbers alone come out as they were meant: PNG, AVIF, HEIF, JPEG XL."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from anonymizer.core.settings import Limits
from anonymizer.read import sniff
from anonymizer.read.photo.numbered import colours_of
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.source import Source

HIGH, WIDE = 32, 64
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
"""From BT.709's primaries: BT.2087, and the usual one of Display P3."""
SHOWN = np.zeros((HIGH, WIDE, 3), np.uint8)
SHOWN[:, :16], SHOWN[:, 16:32] = (200, 80, 70), (225, 185, 160)
SHOWN[:, 32:48], SHOWN[:, 48:] = (20, 25, 30), (60, 120, 200)
SHOWN[:8] //= 2
"""What every file here shows, in sRGB: a wound, skin, the dark, a drape."""


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as one:
        yield one


def opened(content: bytes, decoder: Decoder) -> Still:
    return open_still(Source(content, "0" * 64, Path("a.png")), Limits(), decoder)


def codes(still: Still) -> list[str]:
    return [note.code for note in still.notes]


def off(still: Still, wanted: NDArray[Any] = SHOWN) -> float:
    assert still.pixels.shape == wanted.shape
    return float(np.abs(still.pixels.astype(float) - wanted).max())


def linear(coded: NDArray[Any]) -> NDArray[np.float64]:
    one = coded / 255
    return np.where(one <= 0.04045, one / 12.92, ((one + 0.055) / 1.055) ** 2.4)


def srgb(light: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def pq(light: NDArray[Any]) -> NDArray[np.float64]:
    """White at 203 cd/m² (BT.2100, table 4)."""
    power = (light * 203 / 10_000) ** (2610 / 16384)
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg(light: NDArray[Any]) -> NDArray[np.float64]:
    """Light in BT.2020's primaries as a screen of 1000 cd/m² shows it (BT.2100, table 5)."""
    shown = light * 0.203
    scene = shown * ((shown @ (0.2627, 0.6780, 0.0593))[..., None]) ** (1 / 1.2 - 1)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)


CODED = {
    (9, 16): pq(linear(SHOWN) @ TO_2020.T),
    (9, 18): hlg(linear(SHOWN) @ TO_2020.T),
    (12, 16): pq(linear(SHOWN) @ TO_P3.T),
    (12, 13): srgb(linear(SHOWN) @ TO_P3.T),
    (1, 8): linear(SHOWN),
}
"""The picture by its numbers of primaries and curve, 0 to 1."""


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values: NDArray[Any], *chunks: bytes) -> bytes:
    """A PNG of 8 or 16 bits, grey or RGB, with these chunks before its pixels."""
    values = values[..., None] if values.ndim == 2 else values
    high, wide, count = values.shape
    bits = 8 * values.dtype.itemsize
    head = struct.pack(">IIBBBBB", wide, high, bits, {1: 0, 3: 2, 4: 6}[count], 0, 0, 0)
    raw = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in values)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep(values: NDArray[Any], bits: int = 16) -> NDArray[np.uint16]:
    return np.asarray(np.rint(np.clip(values, 0, 1) * (2**bits - 1)), np.uint16)


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def heif(values: NDArray[np.uint16] | NDArray[np.uint8], primaries: int, transfer: int, **more: Any) -> bytes:
    mode = "RGB;16" if values.dtype == np.uint16 else "RGB"
    buffer = io.BytesIO()
    pillow_heif.encode(
        mode, (WIDE, HIGH), values.tobytes(), buffer, quality=-1, chroma=444, save_nclx_profile=True,
        color_primaries=primaries, transfer_characteristics=transfer, matrix_coefficients=0, full_range_flag=1, **more,
    )  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize("numbers", CODED)
@pytest.mark.parametrize("form", ["PNG", "AVIF", "HEIF"])
def test_a_picture_looks_as_its_numbers_say(form: str, numbers: tuple[int, int], decoder: Decoder) -> None:
    values = CODED[numbers]
    if form == "PNG":
        content = png(deep(values), cicp(*numbers))
    elif form == "AVIF":
        content = imagecodecs.avif_encode(
            deep(values, 12), bitspersample=12, level=100, primaries=numbers[0], transfer=numbers[1], matrix=0,
            pixelformat="444",
        )  # fmt: skip
    else:
        content = heif(deep(values, 16), *numbers)
    assert sniff.sniff(content).name == form
    still = opened(content, decoder)
    # An encoder of 10 bits has few steps for the dark, and of linear light far fewer.
    assert off(still) <= (2 if form == "PNG" else 4 if numbers[1] != 8 else 14)
    assert codes(still) == ["photo.hdr" if numbers[1] > 13 else "photo.colours-by-number"]


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


P3_CORNERS = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
SRGB_CORNERS = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))


@pytest.mark.parametrize("value", [100_000, 55_556, 20_000])
def test_a_png_is_as_bright_as_its_gamma_says(value: int, decoder: Decoder) -> None:
    still = opened(png(deep(linear(SHOWN) ** (value / 100_000)), gama(value)), decoder)
    assert off(still) <= 1
    assert codes(still) == ["photo.colours-by-number"]


def test_gamma_holds_for_8_bits_grey_and_transparency(decoder: Decoder) -> None:
    eight = np.rint(linear(SHOWN) * 255).astype(np.uint8)
    assert np.abs(opened(png(eight, gama(100_000)), decoder).pixels.astype(int) - SHOWN).mean() <= 6
    grey = opened(png(deep(linear(SHOWN[..., 0])), gama(100_000)), decoder)
    assert off(grey, np.repeat(SHOWN[..., :1], 3, axis=2)) <= 1
    alpha = np.full((HIGH, WIDE, 1), 65535, np.uint16)
    alpha[:, :16] = 0
    clear = opened(png(np.dstack([deep(linear(SHOWN)), alpha]), gama(100_000)), decoder)
    assert (clear.pixels[:, :16] == 255).all()
    assert np.abs(clear.pixels[:, 16:].astype(int) - SHOWN[:, 16:]).max() <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(45_455)],
        [gama(45_455), SRGB_CORNERS],
        [gama(100_000), chunk(b"sRGB", b"\0")],
        [gama(0)],
        [P3_CORNERS],
        [cicp(1, 13), gama(100_000)],
        [gama(45_455), chunk(b"cHRM", struct.pack(">8I", *[31270] * 8))],
    ],
    ids=["usual", "usual corners", "sRGB", "zero", "corners alone", "cICP first", "no triangle"],
)
def test_a_png_of_usual_colours_keeps_its_very_pixels(chunks: list[bytes], decoder: Decoder) -> None:
    still = opened(png(SHOWN, *chunks), decoder)
    assert np.array_equal(still.pixels, SHOWN)
    assert not still.notes


def test_the_corners_of_a_png_count_with_its_gamma(decoder: Decoder) -> None:
    light = linear(SHOWN) @ TO_P3.T
    assert off(opened(png(deep(light ** (1 / 1.8)), gama(55_556), P3_CORNERS), decoder)) <= 1


def test_more_light_than_white_is_dimmed_and_keeps_its_order(decoder: Decoder) -> None:
    """A lamp of 203, 400 and 1000 cd/m²: what clips make of it (cut off at white), and no colour turns about."""
    red = np.zeros((HIGH, WIDE, 3))
    for third, times in enumerate((1, 2, 5)):
        red[:, third * 21 : third * 21 + 21] = np.array([1.0, 0.2, 0.1]) * times
    still = opened(png(deep(pq(red @ TO_2020.T)), cicp(9, 16)), decoder)
    plain, double, five = (still.pixels[5, third * 21 + 5].astype(int) for third in range(3))
    assert plain[0] == double[0] == five[0] == 255
    assert plain[1] <= double[1] <= five[1] and five[0] > five[1] > five[2]


def test_a_profile_outranks_the_numbers() -> None:
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x"))
    assert colours_of(png(SHOWN, profile, gama(100_000)), "PNG") is None
    assert colours_of(png(SHOWN, chunk(b"gAMA", b"\1")), "PNG") is None
    buffer = io.BytesIO()
    picture = Image.fromarray(SHOWN)
    pillow_heif.from_pillow(picture).save(
        buffer, quality=-1, icc_profile=b"x" * 200, color_primaries=12, transfer_characteristics=13
    )
    assert colours_of(buffer.getvalue(), "HEIF") is None


def test_jpeg_xl_names_its_colours_by_number() -> None:
    from anonymizer.read.photo.jpeg_xl import header
    from anonymizer.read.photo.numbered import by_number

    def jpeg_xl(primaries: tuple[int, int, int], transfer: tuple[int, int, int]) -> bytes:
        """A head alone: 8 x 8 pixels, 10 bits; an enumerated value by its choice, more bits, their number."""
        fields = [
            (1, 1), (0, 5), (1, 3), (0, 1), (0, 1), (0, 1), (1, 2), (1, 1), (0, 2), (0, 1),
            (0, 1), (0, 1), (0, 2), (1, 2), (primaries[0], 2), primaries[1:], (0, 1),
            (transfer[0], 2), transfer[1:],
        ]  # fmt: skip
        value = at = 0
        for number, width in fields:
            value |= number << at
            at += width
        return b"\xff\x0a" + value.to_bytes(40, "little")

    found = header(jpeg_xl((2, 7, 4), (2, 14, 4)))
    assert found is not None and (found.width, found.height) == (8, 8)
    assert not found.srgb and found.colours == by_number(9, 16)
    found = header(jpeg_xl((1, 0, 0), (2, 11, 4)))
    assert found is not None and found.srgb and found.colours is None


def test_a_gain_map_is_left_behind_and_said(decoder: Decoder) -> None:
    """Ultra HDR, as phones write it: its own picture is what ordinary screens show."""
    light = np.zeros((64, 128, 4), np.float16)
    light[..., :3], light[..., 3] = linear(np.kron(SHOWN, np.ones((2, 2, 1)))), 1
    still = opened(imagecodecs.ultrahdr_encode(light), decoder)
    assert "photo.gain-map" in codes(still)
    assert "depth or gain map" in still.traces.kinds
    assert still.pixels.shape == (64, 128, 3)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_heif_that_exif_alone_turns_stands_upright(orientation: int, decoder: Decoder) -> None:
    """As some phones write it: the container says nothing of a turn."""
    turns = {3: 2, 6: -1, 8: 1}[orientation]
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(SHOWN, -turns)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    pillow_heif.from_pillow(stored).save(buffer, exif=exif.tobytes(), quality=-1, chroma=444)
    content = buffer.getvalue()
    both = opened(content, decoder)
    alone = opened(content.replace(b"irot", b"free").replace(b"imir", b"free"), decoder)
    for still in (both, alone):
        assert still.pixels.shape == SHOWN.shape
        assert np.abs(still.pixels.astype(int) - SHOWN).mean() <= 3


def test_a_png_that_xmp_alone_turns_stays_as_browsers_show_it(decoder: Decoder) -> None:
    """Chromium, ImageMagick and OpenCV agree; Pillow alone would turn it."""
    more = PngImagePlugin.PngInfo()
    more.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    buffer = io.BytesIO()
    Image.fromarray(SHOWN).save(buffer, "PNG", pnginfo=more)
    assert Image.open(io.BytesIO(buffer.getvalue())).getexif().get(0x0112) == 6
    assert np.array_equal(opened(buffer.getvalue(), decoder).pixels, SHOWN)
