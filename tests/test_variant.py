"""A whole file of another kind is not called damaged; a cut or corrupt one is."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anonymizer.core.errors import DamagedError, UnsupportedError
from anonymizer.core.settings import Limits
from anonymizer.read.photo.reader import Decoder, open_still
from anonymizer.read.photo.variant import variant
from anonymizer.read.source import read

LIMITS = Limits()
PIXELS = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as decoder:
        yield decoder


def jpeg(bits: int = 8, marker: int = 0xC0) -> bytes:
    """A JPEG that says that it has so many bits, or another kind of frame."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG")
    content = bytearray(file.getvalue())
    at = content.index(b"\xff\xc0")
    content[at + 1], content[at + 4] = marker, bits
    return bytes(content)


def tiff(
    bits: int = 8, kind: int = 1, colours: int = 2, samples: int = 3, compression: int = 1, planar: int = 1
) -> bytes:
    """A whole TIFF of 16 by 16 pixels with these properties (BitsPerSample, SampleFormat …)."""
    size = 16 * 16 * samples * bits // 8
    start = 8
    tags = [
        (256, 3, [16]), (257, 3, [16]), (258, 3, [bits] * samples), (259, 3, [compression]), (262, 3, [colours]),
        (273, 4, [start]), (277, 3, [samples]), (278, 3, [16]), (279, 4, [size]), (284, 3, [planar]),
        (339, 3, [kind] * samples),
    ]  # fmt: skip
    directory = start + size
    behind = directory + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag, form, values in tags:
        packed = struct.pack(f"<{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(packed) > 4:
            slot = struct.pack("<I", behind + len(more))
            more += packed
        else:
            slot = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, form, len(values)) + slot
    data = np.random.default_rng(2).integers(0, 255, size, np.uint8).tobytes()
    head = b"II*\0" + struct.pack("<I", directory)
    return head + data + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + more


WHOLE = {
    "hierarchical JPEG": jpeg(marker=0xC5),
    "complex numbers": tiff(64, kind=6),
    "compression 34887": tiff(compression=34887),
    "a sensor's raw values": tiff(16, colours=32803, samples=1),
}


@pytest.mark.parametrize("said", WHOLE)
def test_a_whole_file_of_another_kind_says_which(said: str, tmp_path: Path, decoder: Decoder) -> None:
    path = tmp_path / "photo"
    path.write_bytes(WHOLE[said])
    with pytest.raises(UnsupportedError) as refused:
        open_still(read(path, LIMITS.max_bytes), LIMITS, decoder)
    assert f"({said})" in str(refused.value) and "export it as" in str(refused.value)
    assert "damaged" not in str(refused.value)


@pytest.mark.parametrize("said", WHOLE)
def test_the_same_file_cut_off_is_damaged(said: str, tmp_path: Path, decoder: Decoder) -> None:
    content = WHOLE[said]
    path = tmp_path / "photo"
    if content[:2] == b"II":
        # The directory first, and the pixels cut off behind it.
        (directory,) = struct.unpack_from("<I", content, 4)
        moved = bytearray(content[:8] + content[directory:])
        struct.pack_into("<I", moved, 4, 8)
        content = bytes(moved)
    path.write_bytes(content[: len(content) // 2] if content[:2] != b"II" else content)
    with pytest.raises(DamagedError, match="damaged or incomplete"):
        open_still(read(path, LIMITS.max_bytes), LIMITS, decoder)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "BMP", "WebP", "GIF"])
def test_usual_files_are_no_variant(form: str) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, form)
    assert variant(file.getvalue(), form) is None


@given(st.binary(max_size=300), st.sampled_from(["JPEG", "TIFF", "BMP", "HEIF", "AVIF", "PNG"]))
def test_no_bytes_upset_it(content: bytes, form: str) -> None:
    heads = {"JPEG": b"\xff\xd8\xff", "TIFF": b"II*\0", "BMP": b"BM"}
    variant(heads.get(form, b"") + content, form)
