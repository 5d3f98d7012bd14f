"""Bad input, at the door: one sentence each, nothing else happens, and the next file is opened as ever."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

import stand_in
from anonymizer.core.errors import (
    DamagedError,
    LimitError,
    MediumError,
    NotReadyError,
    UnreadableError,
    UnsupportedError,
)
from anonymizer.core.settings import Limits
from anonymizer.read.photo import reader as still
from anonymizer.read.photo.reader import Decoder, open_still
from anonymizer.read.source import Source, read
from conftest import sentences
from leaky import chunk, exif_with_thumbnail, jpeg, picture, saved, with_segments

LIMITS = Limits()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(LIMITS) as one:
        yield one


def refused(content: bytes, decoder: Decoder, kind: type[MediumError], limits: Limits = LIMITS) -> str:
    """The one sentence with which these bytes are refused."""
    with pytest.raises(kind) as error:
        open_still(Source(content, "0" * 64, Path("photo.jpg")), limits, decoder)
    said = str(error.value)
    assert said.endswith(".") and "\n" not in said and "Traceback" not in said and len(said) < 300
    return said


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(buffer, quality=80)
    return buffer.getvalue()


def tiled_heic() -> bytes:
    """As phones write it: a grid of tiles, each of which libheif decodes by itself."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture(512, 512)).save(buffer, quality=80, tile_size=128)
    return buffer.getvalue()


WHOLE = {
    "JPEG": jpeg(picture()),
    "JPEG, progressive": jpeg(picture(), progressive=True),
    # The thumbnail's own end must not be taken for the picture's.
    "JPEG with a thumbnail": with_segments(jpeg(picture()), exif_with_thumbnail()),
    "PNG": saved(picture(), "PNG"),
    "PNG, interlaced by chance of size": saved(picture(33, 17), "PNG"),
    "WebP": saved(picture(), "WEBP"),
    "WebP, lossless": saved(picture(), "WEBP", lossless=True),
    "TIFF": saved(picture(), "TIFF"),
    "TIFF, LZW": saved(picture(), "TIFF", compression="tiff_lzw"),
    "BMP": saved(picture(), "BMP"),
    "GIF": saved(picture().quantize(64), "GIF"),
    "HEIC": heic(),
    "HEIC, tiles": tiled_heic(),
    "AVIF": saved(picture(), "AVIF"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_file_is_damaged_wherever_it_ends(name: str, decoder: Decoder) -> None:
    content = WHOLE[name]
    for share in (0.4, 0.75, 0.97):
        said = refused(content[: int(len(content) * share)], decoder, DamagedError)
        assert "damaged or incomplete" in said


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_file_opens(name: str, decoder: Decoder) -> None:
    content = WHOLE[name]
    assert open_still(Source(content, "", Path("x")), LIMITS, decoder).pixels.size > 0


def test_only_the_magic_number(decoder: Decoder) -> None:
    for head in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF\0\0\0\0WEBP"):
        refused(head, decoder, DamagedError)


def test_the_name_decides_nothing(decoder: Decoder) -> None:
    for name in ("photo.png", "photo.exe", "photo", "photo.jpg.pdf"):
        opened = open_still(Source(WHOLE["GIF"], "", Path(name)), LIMITS, decoder)
        assert opened.format_name == "GIF"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Dear colleague, enclosed you find\n", "a text file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "a PostScript program"),
        (b"<script>alert(1)</script>", "a web page"),
        (b'<svg><image href="file:///etc/passwd"/></svg>', "an SVG drawing"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x1aE\xdf\xa3" + b"\0" * 100, "a clip"),
    ],
)
def test_another_content_named_jpg_never_reaches_a_decoder(content, says, monkeypatch) -> None:
    def never() -> None:
        raise AssertionError("a process was started")

    decoder = Decoder(LIMITS)
    monkeypatch.setattr(still.PROCESSES, "fork", never)
    assert says in refused(content, decoder, UnsupportedError)


def bits(width: int, height: int) -> bytes:
    """A PNG of one bit per pixel, all black: a few kilobytes for any number of pixels."""
    engine = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    body = b"".join(engine.compress(row) for _ in range(height)) + engine.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_a_bomb_of_144_megapixels_against_a_lower_limit(decoder: Decoder) -> None:
    """Pillow only warns between its limit and twice it: here both are refused alike."""
    bomb = bits(12000, 12000)
    for limit in (100_000_000, 143_999_999, 60_000_000):
        said = refused(bomb, decoder, LimitError, Limits(max_pixels=limit))
        assert "megapixels" in said and "limits.max_pixels" in said


def test_a_bomb_of_1200_megapixels(decoder: Decoder) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 30000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    assert "200 megapixels" in refused(bomb, decoder, LimitError)


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "WebP", "HEIC", "JPEG"])
def test_the_limit_holds_in_every_format(form: str, decoder: Decoder) -> None:
    refused(WHOLE[form], decoder, LimitError, Limits(max_pixels=320 * 240 - 1))
    limits = Limits(max_pixels=320 * 240)
    assert open_still(Source(WHOLE[form], "", Path("x")), limits, decoder).pixels.shape == (240, 320, 3)


def test_a_bomb_of_compressed_text(decoder: Decoder) -> None:
    png = WHOLE["PNG"]
    bomb = chunk(b"zTXt", b"c\0\0" + zlib.compress(b"A" * 50_000_000, 9))
    refused(png[:33] + bomb + png[33:], decoder, DamagedError)


def test_twenty_thousand_frames_are_counted_and_left(decoder: Decoder) -> None:
    gif = saved(picture().quantize(64), "GIF")
    bomb = gif[:-1] + b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0" * 20_000 + b";"
    opened = open_still(Source(bomb, "", Path("x")), LIMITS, decoder)
    assert opened.frames == 20_001 and opened.pixels.shape == (240, 320, 3)
    assert sentences(opened.notes) == ["The source holds 20001 pictures; only the first was processed."]


def test_a_decoder_that_needs_too_long_is_stopped(tmp_path, monkeypatch) -> None:
    limits = Limits(decode_seconds=0.5)
    act_as_child(monkeypatch, tmp_path, "import time; time.sleep(60)")
    with Decoder(limits) as decoder:
        assert "0.5 s" in refused(WHOLE["JPEG"], decoder, LimitError, limits)


def test_a_decoder_that_needs_too_much_memory_is_stopped() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux bounds a process's memory")
    limits = Limits(decode_memory=100 << 20)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 14000, 14000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    with Decoder(limits) as decoder:
        said = refused(bomb, decoder, LimitError, limits)
    assert "limits.decode_memory" in said


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.abort()",
        "return 0",
        "raise RuntimeError",
        "import os; os.write(1, b'\\xff' * 8)",
        "import os; os.write(1, b'garbage that is no message at all')",
        "answer('[]')",
        "answer('{}')",
        'answer(\'{"width": -1, "height": 5}\')',
        'answer(\'{"width": 100000, "height": 100000}\')',
        'answer(\'{"width": "many", "height": null}\')',
        'answer(\'{"width": 10, "height": 10, "kinds": [], "strings": [], "notes": [], "frames": 1}\')',
    ],
)
def test_a_decoder_that_crashes_or_lies_is_not_believed(program, tmp_path, monkeypatch) -> None:
    """A file that has taken over its decoder can make it say anything; it is held to the announced size."""
    act_as_child(monkeypatch, tmp_path, program)
    with Decoder(LIMITS) as decoder:
        assert "gave up" in refused(WHOLE["JPEG"], decoder, DamagedError)


def act_as_child(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Run this in place of the decoding process."""
    code = (
        "import os, struct\n"
        "def prepare(): pass\n"
        "def work(inside, outside):\n"
        "    def answer(text):\n"
        "        inside.read()\n"
        "        os.write(1, struct.pack('>Q', len(text)) + text.encode())\n"
        f"    {program}\n"
    )
    stand_in.replace(monkeypatch, folder, code)


def test_a_library_that_is_missing_is_not_the_files_fault(tmp_path, monkeypatch) -> None:
    act_as_child(monkeypatch, tmp_path, "return 70")
    with Decoder(LIMITS) as decoder, pytest.raises(NotReadyError, match="doctor"):
        open_still(Source(WHOLE["JPEG"], "", Path("x")), LIMITS, decoder)


def test_after_a_refusal_the_next_file_opens(decoder: Decoder) -> None:
    for bad in (WHOLE["JPEG"][:900], b"GIF89a", bits(20000, 20000)):
        with pytest.raises(MediumError):
            open_still(Source(bad, "", Path("x")), LIMITS, decoder)
        good = open_still(Source(WHOLE["PNG"], "", Path("x")), LIMITS, decoder)
        assert np.array_equal(good.pixels, np.asarray(picture()))


def test_a_raw_file_in_a_tiffs_clothes_is_not_published_as_its_preview(decoder: Decoder) -> None:
    dng = saved(picture(), "TIFF", tiffinfo={0xC612: b"\1\4\0\0"})
    assert "raw picture" in refused(dng, decoder, UnsupportedError)


@pytest.mark.parametrize(
    "name",
    [
        "Müller, Änne.jpg",
        "two  spaces and\ttab.jpg",
        "line\nbreak.jpg",
        "-rf.jpg",
        "=HYPERLINK(1).jpg",
        "seq%03d.jpg",
        "file:stream.jpg",
        "<img src=x onerror=alert(1)>.jpg",
        "a\u202egpj.exe",
        os.fsdecode(b"latin-1 \xfc\xff.jpg"),
        "\udcfe\udcff",
        "🦷" * 60,
    ],
)
def test_any_name_can_be_opened_and_is_harvested_without_harm(name, tmp_path, decoder) -> None:
    folder = tmp_path / "Praxis Dr. Grün"
    folder.mkdir()
    path = folder / name
    path.write_bytes(WHOLE["JPEG"])
    opened = open_still(read(path, 1 << 20), LIMITS, decoder)
    assert "Praxis Dr. Grün" in opened.traces.strings
    for text in opened.traces.strings:
        text.encode("utf-8")


def test_a_file_that_vanishes_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    path.unlink()
    with pytest.raises(UnreadableError, match="gone"):
        read(path, 100)


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    with pytest.raises(UnreadableError, match="permissions"):
        read(path, 100)


def test_a_colour_profile_of_nonsense_is_no_way_in(decoder: Decoder) -> None:
    for junk in (os.urandom(3000), b"\0" * 128 + b"\xff\xff\xff\xff" + os.urandom(500)):
        content = jpeg(Image.new("RGB", (8, 8)), icc_profile=junk)
        opened = open_still(Source(content, "", Path("x")), LIMITS, decoder)
        assert opened.pixels.shape == (8, 8, 3)
