"""Stills that Pillow does not read, or reads wrongly without a word, come out with their right pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.errors import DamagedError, LimitError
from anonymizer.core.settings import Limits
from anonymizer.read import sniff
from anonymizer.read.photo.decode import decode
from anonymizer.read.photo.decoded import strips
from anonymizer.read.photo.jpeg_xl import header
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.source import read

LIMITS = Limits()
HIGH, WIDE = 24, 40
RAMP = np.linspace(0, 1, WIDE)[None, :] * np.ones((HIGH, 1))
FALL = np.linspace(1, 0, HIGH)[:, None] * np.ones((1, WIDE))
COLOUR = np.dstack([RAMP, FALL, np.full((HIGH, WIDE), 0.25)])
"""What every file here shows, from 0 to 1: nothing about it is alike turned, mirrored or with channels changed."""
SHOWN = np.rint(COLOUR * 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def pillows_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What :func:`decode` sets for its process lasts no longer than a test."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as decoder:
        yield decoder


def pixels(content: bytes, form: str) -> NDArray[np.uint8]:
    """Decoded in this process."""
    done = decode(content, form, 1_000_000)
    data = b"".join(bytes(strip) for strip in strips(done))
    return np.frombuffer(data, np.uint8).reshape(done.pixels.shape)


def opened(tmp_path: Path, name: str, content: bytes, decoder: Decoder) -> Still:
    """Decoded in the confined process."""
    path = tmp_path / name
    path.write_bytes(content)
    return open_still(read(path, LIMITS.max_bytes), LIMITS, decoder)


def off(got: NDArray[Any], wanted: NDArray[Any] = SHOWN) -> float:
    assert got.shape == wanted.shape
    return float(np.abs(got.astype(float) - wanted).mean())


def tiff(values: NDArray[Any], **how: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **how)
    return file.getvalue()


def whole(bits: int) -> NDArray[Any]:
    kind = np.uint8 if bits == 8 else np.uint16 if bits <= 16 else np.uint32
    return np.asarray(np.rint(COLOUR * (2**bits - 1)).astype(kind))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("bits", [8, 16, "float32", "float16", "float64"])
@pytest.mark.parametrize("coding", [None, "lzw", "deflate", "zstd", "packbits"])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_coloured_tiff_of_any_kind_shows_its_colours(
    order: str, planes: str, bits: int | str, coding: str | None, tiled: bool
) -> None:
    values = whole(bits) if isinstance(bits, int) else COLOUR.astype(bits)
    if planes == "separate":
        values = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    content = tiff(
        values, photometric="rgb", planarconfig=planes, byteorder=order, compression=coding,
        tile=(16, 16) if tiled else None,
    )  # fmt: skip
    assert off(pixels(content, "TIFF")) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16, "float32"])
@pytest.mark.parametrize("colours", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("coding", [None, "lzw", "deflate", "zstd"])
def test_a_grey_tiff_is_neither_inverted_nor_dark(
    order: str, bits: int | str, colours: str, coding: str | None
) -> None:
    values = whole(bits)[..., 0] if isinstance(bits, int) else RAMP.astype(bits)
    if colours == "miniswhite":
        values = values.max() - values
    got = pixels(tiff(values, photometric=colours, byteorder=order, compression=coding), "TIFF")
    assert off(got, np.repeat(SHOWN[..., :1], 3, axis=2)) <= 1


def _pillow(mode: str, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(SHOWN).convert(mode).save(file, "TIFF", **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "coding"),
    [
        *((mode, coding) for mode in ("L", "P", "RGB", "RGBA", "LA", "CMYK")
          for coding in (None, "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "zstd", "lzma")),
        *(("1", coding) for coding in (None, "packbits", "tiff_ccitt", "group3", "group4")),
        ("RGB", "jpeg"), ("L", "jpeg"), ("I;16", None), ("I;16B", None), ("I;16", "tiff_lzw"),
    ],
)  # fmt: skip
def test_two_readers_see_the_same_in_a_usual_tiff(mode: str, coding: str | None) -> None:
    """What Pillow keeps to read, by tifffile and imagecodecs."""
    if mode.startswith("I"):
        content = tiff(whole(16)[..., 0], photometric="minisblack", byteorder=">" if "B" in mode else "<",
                       compression="lzw" if coding else None)  # fmt: skip
    else:
        content = _pillow(mode, compression=coding)
    page: Any = tifffile.TiffFile(io.BytesIO(content)).pages[0]
    seen = page.asarray()
    if mode == "P":
        seen = (page.colormap >> 8).T[seen]
    elif mode == "1":
        # White is 0 in what a fax machine writes.
        seen = np.where(seen.astype(bool) ^ (page.photometric == 0), 255, 0)
    elif mode == "CMYK":
        seen = (255 - seen[..., :3].astype(int)) * (255 - seen[..., 3:].astype(int)) / 255
    elif seen.dtype == np.uint16:
        seen = seen >> 8
    elif mode in ("RGBA", "LA"):
        seen = seen[..., :-1]
    seen = seen if seen.ndim == 3 else seen[..., None]
    wanted = np.repeat(seen, 3, axis=2) if seen.shape[2] == 1 else seen
    # JPEG: each has its own way to round, and to make colours as large as brightness.
    assert off(pixels(content, "TIFF"), wanted) <= (2 if coding == "jpeg" else 1)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("samples", [1, 3])
def test_values_packed_into_their_bits_keep_their_brightness(bits: int, samples: int) -> None:
    """Pillow refuses these, and a reader that takes them for 16 bits shows them black."""
    values = whole(bits)[..., :samples]
    rows = ["".join(f"{value:0{bits}b}" for value in row.reshape(-1)) for row in values]
    packed = b"".join(
        int(row.ljust(-(-len(row) // 8) * 8, "0"), 2).to_bytes(-(-len(row) // 8), "big") for row in rows
    )
    got = pixels(by_hand(packed, bits, samples), "TIFF")
    assert off(got, SHOWN if samples == 3 else np.repeat(SHOWN[..., :1], 3, axis=2)) <= 1


def by_hand(data: bytes, bits: int, samples: int, colours: int | None = None) -> bytes:
    """A TIFF whose one strip is ``data``."""
    photometric = colours if colours is not None else (2 if samples == 3 else 1)
    tags = [
        (256, 3, [WIDE]), (257, 3, [HIGH]), (258, 3, [bits] * samples), (259, 3, [1]), (262, 3, [photometric]),
        (273, 4, [8]), (277, 3, [samples]), (278, 3, [HIGH]), (279, 4, [len(data)]),
    ]  # fmt: skip
    directory = 8 + len(data) + len(data) % 2
    behind = directory + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag, form, values in tags:
        body = struct.pack(f"<{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(body) > 4:
            body, more = struct.pack("<I", behind + len(more)), more + body
        entries += struct.pack("<HHI", tag, form, len(values)) + body.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", directory)
    return head + data.ljust(directory - 8, b"\0") + struct.pack("<H", len(tags)) + entries + bytes(4) + more


def test_a_palette_with_entries_of_8_bits_is_not_black() -> None:
    table = np.zeros((3, 256), np.uint16)
    table[0], table[1] = np.arange(256), 255 - np.arange(256)
    index = whole(8)[..., 0]
    content = tiff(index, photometric="palette", colormap=table)
    assert off(pixels(content, "TIFF"), table.T[index].astype(np.uint8)) == 0


@pytest.mark.parametrize("coding", ["jpeg2000", "webp", "jpegxl"])
def test_a_tiff_may_hold_other_codings(coding: str) -> None:
    content = tiff(whole(8), photometric="rgb", compression=coding, compressionargs={"lossless": True}
                   if coding == "webp" else None)  # fmt: skip
    assert off(pixels(content, "TIFF")) <= 2


def lab_of(srgb: tuple[int, int, int]) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour, white D50: the matrix is sRGB's to XYZ, adapted by Bradford's."""
    coded = np.array(srgb) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71689, 0.06062], [0.01392, 0.09708, 0.71410]])
    x, y, z = np.cbrt(matrix @ linear / (0.96422, 1, 0.82521))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("colours", [8, 9])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_in_a_tiff_shows_as_its_colours(bits: int, colours: int) -> None:
    """A colour of skin and a grey, in each of the four ways to store them."""
    lab = np.zeros((HIGH, WIDE, 3))
    # Of sRGB (200, 80, 60) and (127, 127, 127), by way of D50 (CSS Color 4, 10.9).
    lab[:, :20], lab[:, 20:] = lab_of((200, 80, 60)), lab_of((127, 127, 127))
    full, step = (255, 1) if bits == 8 else (65535 if colours == 8 else 65280, 256)
    offset = 0 if colours == 8 else 128
    stored = np.dstack(
        [lab[..., 0] * full / 100, (lab[..., 1] + offset) * step, (lab[..., 2] + offset) * step]
    )
    data = (np.rint(stored).astype(np.int64) & (2**bits - 1)).astype(f"<u{bits // 8}")
    got = pixels(by_hand(data.tobytes(), bits, 3, colours), "TIFF")
    assert np.abs(got[5, 5].astype(int) - (200, 80, 60)).max() <= 3
    assert np.abs(got[5, 30].astype(int) - 127).max() <= 3


def test_transparency_of_16_bits_is_drawn_on_white() -> None:
    values = np.dstack([whole(16), np.full((HIGH, WIDE), 65535, np.uint16)])
    values[:, :10, 3] = 0
    got = pixels(tiff(values, photometric="rgb", extrasamples=["unassalpha"]), "TIFF")
    assert (got[:, :10] == 255).all()
    assert off(got[:, 10:], SHOWN[:, 10:]) <= 1


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_rare_tiff_is_turned_upright(orientation: int) -> None:
    turns = {3: 2, 6: -1, 8: 1}[orientation]
    stored = np.rot90(whole(16), -turns)
    content = tiff(
        np.ascontiguousarray(stored), photometric="rgb", extratags=[(274, 3, 1, orientation, True)]
    )
    assert off(pixels(content, "TIFF")) <= 1


def test_half_a_rare_tiff_is_damaged() -> None:
    content = tiff(COLOUR.astype("float32"), photometric="rgb", compression="deflate")
    assert content[:4] == b"II*\0"
    with pytest.raises(DamagedError):
        decode(content[: len(content) // 2], "TIFF", 1_000_000)


def test_limits_hold_before_anything_is_decoded() -> None:
    rare = tiff(COLOUR.astype("float32"), photometric="rgb")
    coded = imagecodecs.jpegxl_encode(SHOWN, lossless=True)
    for content, form in ((rare, "TIFF"), (coded, "JPEG XL")):
        with pytest.raises(LimitError):
            decode(content, form, HIGH * WIDE - 1)


LIGHT = np.where(COLOUR <= 0.04045, COLOUR / 12.92, ((COLOUR + 0.055) / 1.055) ** 2.4)
"""The picture's light: imagecodecs tells JPEG XL of more than 8 bits that its values are linear."""


@pytest.mark.parametrize(
    "values", [SHOWN, np.rint(LIGHT * 65535).astype(np.uint16), SHOWN[..., 0], LIGHT.astype("float32")]
)
def test_a_jpeg_xl_shows_its_colours(values: NDArray[Any]) -> None:
    wanted = SHOWN if values.ndim == 3 else np.repeat(SHOWN[..., :1], 3, axis=2)
    assert off(pixels(imagecodecs.jpegxl_encode(values, lossless=True), "JPEG XL"), wanted) <= 1


def test_a_jpeg_xl_says_what_it_is() -> None:
    plain = header(imagecodecs.jpegxl_encode(SHOWN, lossless=True))
    assert plain is not None
    assert (plain.width, plain.height, plain.moves, plain.srgb) == (WIDE, HIGH, False, True)
    moving = header(imagecodecs.jpegxl_encode(np.stack([SHOWN, SHOWN[::-1]]), photometric="rgb"))
    assert moving is not None and moving.moves
    boxed = header(imagecodecs.jpegxl_encode(SHOWN, lossless=True, usecontainer=True))
    assert boxed is not None and (boxed.width, boxed.height) == (WIDE, HIGH)
    assert header(b"\xff\x0a") is None


@pytest.mark.parametrize("kind", ["12-bit", "lossless", "JPEG-LS", "lossless 16-bit grey"])
def test_a_rare_jpeg_shows_its_colours(kind: str) -> None:
    smooth = np.kron(whole(12), np.ones((4, 4, 1), np.uint16))
    big = np.kron(SHOWN, np.ones((4, 4, 1), np.uint8))
    deep = np.kron(whole(16)[..., 0], np.ones((4, 4), np.uint16))
    content = {
        "12-bit": lambda: imagecodecs.jpeg8_encode(smooth, bitspersample=12, level=95),
        "lossless": lambda: imagecodecs.jpeg8_encode(big, lossless=True),
        "JPEG-LS": lambda: imagecodecs.jpegls_encode(big),
        "lossless 16-bit grey": lambda: imagecodecs.ljpeg_encode(deep),
    }[kind]()
    wanted = np.repeat(big[..., :1], 3, axis=2) if "grey" in kind else big
    assert off(pixels(content, "JPEG"), wanted) <= 2


def test_jpeg_2000_and_photoshop_documents_open() -> None:
    file = io.BytesIO()
    Image.fromarray(SHOWN).save(file, "JPEG2000")
    assert off(pixels(file.getvalue(), "JPEG 2000")) <= 1
    assert off(pixels(psd(SHOWN), "PSD")) == 0


def psd(shown: NDArray[np.uint8]) -> bytes:
    """A Photoshop document without layers: its flattened picture alone, not compressed."""
    high, wide, count = shown.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, count, high, wide, 8, 3)
    return head + bytes(12) + b"\0\0" + np.moveaxis(shown, -1, 0).tobytes()


def dng() -> bytes:
    """A raw picture of one colour's values a pixel, RGGB, with a preview of another colour that must not be seen."""
    values = np.empty((HIGH * 4, WIDE * 4), np.uint16)
    values[:] = 1000
    values[::2, ::2] = 9000
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True), (33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True),
        (50708, 2, 0, "Anonymous X1", True), (50717, 4, 1, 16383, True), (50714, 4, 1, 0, True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True), (50778, 3, 1, 21, True),
        (271, 2, 0, "Anonymous", True), (272, 2, 0, "X1", True),
    ]  # fmt: skip
    return tiff(values, photometric=32803, extratags=tags)


def test_a_raw_picture_is_developed(tmp_path: Path, decoder: Decoder) -> None:
    still = opened(tmp_path, "a.dng", dng(), decoder)
    red, green, blue = still.pixels.reshape(-1, 3).mean(axis=0)
    assert still.pixels.shape == (HIGH * 4, WIDE * 4, 3)
    assert red > green + 40 and red > blue + 40
    assert [note.code for note in still.notes] == ["photo.developed"]


def test_every_rare_kind_opens_in_the_confined_process(tmp_path: Path, decoder: Decoder) -> None:
    big = np.kron(SHOWN, np.ones((4, 4, 1), np.uint8))
    jp2 = io.BytesIO()
    Image.fromarray(big).save(jp2, "JPEG2000")
    rare = {
        "TIFF": tiff(
            np.kron(COLOUR, np.ones((4, 4, 1))).astype("float32"), photometric="rgb", compression="zstd"
        ),
        "JPEG XL": imagecodecs.jpegxl_encode(big, lossless=True),
        "JPEG": imagecodecs.jpegls_encode(big),
        "JPEG 2000": jp2.getvalue(),
        "PSD": psd(big),
    }
    for form, content in rare.items():
        assert sniff.sniff(content[: sniff.HEAD]).name == form
        still = opened(tmp_path, "misnamed.jpg", content, decoder)
        assert still.format_name == form
        assert off(still.pixels, big) <= 1
