"""Whatever the format, kind of pixel and orientation: the same upright sRGB picture comes out."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from anonymizer.core.settings import Limits
from anonymizer.core.types import Pixels
from anonymizer.read import sniff
from anonymizer.read.channel import read_message, write_message
from anonymizer.read.photo import colour, decode, decoded, reader
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.source import Source, read
from conftest import sentences
from leaky import box, picture, saved

HERE = Path("clinic/photo.jpg")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as one:
        yield one


def opened(content: bytes, decoder: Decoder, path: Path = HERE) -> Still:
    return open_still(Source(content, "0" * 64, path), Limits(), decoder)


def here(content: bytes) -> tuple[Pixels, decoded.DecodedPhoto]:
    """Decoded in this process: for what concerns pixels alone."""
    form = sniff.sniff(content).name
    decode.prepare(form)
    found = decode.decode(content, form, 10**8)
    raw = b"".join(bytes(strip) for strip in decoded.strips(found))
    return np.frombuffer(raw, np.uint8).reshape(found.pixels.shape), found


def close(left: Pixels, right: Pixels, mean: float = 3.0) -> bool:
    return left.shape == right.shape and float(np.abs(left.astype(int) - right).mean()) <= mean


PICTURE = np.asarray(picture())
UNTURN: dict[int, Callable[[Image.Image], Image.Image]] = {
    1: lambda i: i,
    2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
    4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
    6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
    7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
    8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
}
"""From the upright picture to the one that a camera stores with this orientation."""


def turned(form: str, orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}}.get(form, {})
    return saved(UNTURN[orientation](picture()), form, exif=block.tobytes(), **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(form: str, orientation: int) -> None:
    assert close(here(turned(form, orientation))[0], PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff(orientation: int) -> None:
    content = saved(UNTURN[orientation](picture()), "TIFF", tiffinfo={0x0112: orientation})
    assert np.array_equal(here(content)[0], PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heif_is_turned_once_and_not_twice(orientation: int) -> None:
    block = Image.Exif()
    block[0x0112] = orientation
    buffer = io.BytesIO()
    pillow_heif.from_pillow(UNTURN[orientation](picture())).save(buffer, exif=block.tobytes(), quality=90)
    assert close(here(buffer.getvalue())[0], PICTURE)


@pytest.mark.parametrize("strip", [1, 1000, 1 << 20])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_strips_of_any_height_make_the_same_picture(orientation, strip, monkeypatch) -> None:
    monkeypatch.setattr(decoded, "STRIP", strip)
    assert close(here(turned("PNG", orientation))[0], PICTURE, 0)


@pytest.mark.parametrize("value", [0, 9, 77])
def test_a_senseless_orientation_is_none(value: int) -> None:
    block = Image.Exif()
    block[0x0112] = value
    assert np.array_equal(here(saved(picture(), "PNG", exif=block.tobytes()))[0], PICTURE)


def test_lossless_formats_give_the_very_pixels() -> None:
    palette = picture().quantize(64)
    exact = np.asarray(palette.convert("RGB"))
    for content in (
        saved(palette, "PNG"),
        saved(palette, "GIF"),
        saved(palette, "TIFF"),
        saved(palette, "BMP"),
    ):
        assert np.array_equal(here(content)[0], exact)
    for content in (
        saved(picture(), "WEBP", lossless=True),
        saved(picture(), "TIFF", compression="tiff_lzw"),
    ):
        assert np.array_equal(here(content)[0], PICTURE)


def test_grey_bits_and_ycbcr() -> None:
    grey = picture().convert("L")
    assert np.array_equal(here(saved(grey, "PNG"))[0], np.asarray(grey.convert("RGB")))
    bits = picture().convert("1")
    assert np.array_equal(here(saved(bits, "TIFF"))[0], np.asarray(bits.convert("RGB")))
    assert close(here(saved(picture().convert("YCbCr"), "TIFF"))[0], PICTURE)
    assert close(here(saved(picture().convert("LAB"), "TIFF"))[0], PICTURE, 40)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_not_its_own_negative(form: str) -> None:
    assert close(here(saved(picture().convert("CMYK"), form))[0], PICTURE, 4)


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    slope = np.linspace(0, 65535, 320 * 240).reshape(240, 320).astype(np.uint16)
    for content in (saved(Image.fromarray(slope), "PNG"), saved(Image.fromarray(slope), "TIFF")):
        got = here(content)[0]
        assert np.abs(got[..., 0].astype(int) - np.rint(slope / 257)).max() <= 1
    dark = (slope // 64).astype(np.uint16)
    assert here(saved(Image.fromarray(dark), "PNG"))[0].max() <= 4, "a dark PNG stays dark"


def test_twelve_bits_in_sixteen_and_eight_in_sixteen() -> None:
    slope = np.linspace(0, 4095, 320 * 240).reshape(240, 320).astype(np.uint16)
    assert here(saved(Image.fromarray(slope), "TIFF"))[0].max() == 255
    eight = (slope // 16).astype(np.uint16)
    assert np.array_equal(here(saved(Image.fromarray(eight), "TIFF"))[0][..., 0], eight)


def test_fractions_and_whole_numbers_beyond_range_are_stretched_and_said() -> None:
    unit = np.linspace(0, 1, 320 * 240).reshape(240, 320).astype(np.float32)
    pixels, found = here(saved(Image.fromarray(unit), "TIFF"))
    assert (pixels.min(), pixels.max(), found.notes) == (0, 255, [])
    unit[0, :2] = np.nan, np.inf
    pixels, found = here(saved(Image.fromarray(unit * 1e4 - 3), "TIFF"))
    assert pixels[1].max() < 10 and pixels[-1].min() > 245
    assert any("stretched" in note for note in sentences(found.notes))
    whole = (unit[1:] * 1e6).astype(np.int32)
    assert here(saved(Image.fromarray(whole), "TIFF"))[0].max() == 255


def png_rgb16(pixels: Pixels) -> bytes:
    import zlib

    from leaky import chunk

    high, wide = pixels.shape[:2]
    rows = (pixels.astype(">u2") * 257).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", wide, high, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sixteen_bit_colour() -> None:
    assert np.array_equal(here(png_rgb16(PICTURE))[0], PICTURE)


def test_ten_bit_heif() -> None:
    deep = (PICTURE.astype(np.uint16) * 257).astype(np.uint16)
    coded = pillow_heif.from_bytes("RGB;16", (320, 240), deep.tobytes())
    buffer = io.BytesIO()
    coded.save(buffer, quality=90)
    assert close(here(buffer.getvalue())[0], PICTURE, 4)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_under_transparency_is_gone(form: str, mode: str) -> None:
    clear = picture().convert(mode)
    mask = Image.new("L", clear.size, 255)
    mask.paste(0, (0, 0, 160, 240))
    clear.putalpha(mask)
    content = saved(clear, form, **({"lossless": True, "exact": True} if form == "WEBP" else {}))
    pixels, found = here(content)
    assert pixels[8:-8, 8:150].min() >= 250
    assert pixels[:, 170:].min() < 200
    assert colour.HIDDEN in found.flags and len(found.notes) == 1


def test_opaque_alpha_is_no_secret() -> None:
    pixels, found = here(saved(picture().convert("RGBA"), "PNG"))
    assert np.array_equal(pixels, PICTURE) and found.flags == [] and found.notes == []


def test_a_palette_with_a_transparent_colour() -> None:
    palette = picture().quantize(16)
    index = palette.getpixel((0, 0))
    pixels, found = here(saved(palette, "PNG", transparency=index))
    assert pixels[0, 0].tolist() == [255, 255, 255] and colour.HIDDEN in found.flags
    unused = here(saved(palette, "PNG", transparency=bytes([255] * 16)))[1]
    assert unused.flags == []


def display_p3() -> bytes:
    """A profile with the primaries of Display P3 (SMPTE EG 432-1, adapted to D50) and gamma 2.2."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    title = b"Wide colours\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(title)) + title + b"\0" * 78,
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.5151, 0.2412, -0.0011),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.2920, 0.6922, 0.0419),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.1571, 0.0666, 0.7841),
        **{
            t: b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", 563) + b"\0\0" for t in (b"rTRC", b"gTRC", b"bTRC")
        },
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + body


def test_wide_colours_become_srgb() -> None:
    profile = display_p3()
    flat = Image.new("RGB", (16, 16), (200, 60, 60))
    got, found = here(saved(flat, "PNG", icc_profile=profile))
    # By hand: linear P3 to XYZ to linear sRGB; the same red needs more red and less green in sRGB.
    p3 = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
    srgb = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    linear = np.linalg.inv(srgb) @ p3 @ ((np.array([200, 60, 60]) / 255) ** 2.2)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)
    assert np.abs(got[0, 0] - 255 * coded).max() <= 3
    assert found.notes == []


def test_srgb_itself_costs_no_conversion() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert colour._transform("RGB", profile, []) is None
    assert colour._transform("RGB", display_p3(), []) is not None
    assert np.array_equal(here(saved(picture(), "PNG", icc_profile=profile))[0], PICTURE)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_broken_or_foreign_profile_is_left_aside_and_said(mode: str) -> None:
    for profile in (b"no profile at all", display_p3()[:150], display_p3()[:128] + b"\xff" * 400):
        pixels, found = here(saved(picture().convert(mode), "JPEG", icc_profile=profile, quality=95))
        assert close(pixels, np.asarray(picture().convert(mode).convert("RGB")))
        assert len(found.notes) == 1 and "profile" in str(found.notes[0])


def test_only_the_first_of_several_pictures() -> None:
    second = Image.new("RGB", (320, 240), (1, 2, 3))
    many = {
        "GIF": saved(picture().quantize(64), "GIF", save_all=True, append_images=[second.quantize(2)]),
        "TIFF": saved(picture(), "TIFF", save_all=True, append_images=[second]),
        "PNG": saved(picture(), "PNG", save_all=True, append_images=[second]),
        "WEBP": saved(picture(), "WEBP", save_all=True, append_images=[second], quality=95),
        "MPO": saved(picture(), "MPO", save_all=True, append_images=[second], quality=95),
        "AVIF": saved(picture(), "AVIF", save_all=True, append_images=[second]),
    }
    for form, content in many.items():
        pixels, found = here(content)
        assert close(pixels, PICTURE, 4), form
        assert found.frames == 2 and any("2 pictures" in note for note in sentences(found.notes)), form
        assert "embedded preview or second picture" in found.flags


def test_the_primary_picture_of_a_heif_and_no_other() -> None:
    buffer = io.BytesIO()
    heif = pillow_heif.from_pillow(Image.new("RGB", (64, 64), (1, 2, 3)))
    heif.add_from_pillow(picture())
    heif.save(buffer, primary_index=1, quality=90)
    pixels, found = here(buffer.getvalue())
    assert close(pixels, PICTURE, 4)
    assert found.frames == 2 and any("primary" in note for note in sentences(found.notes))


def test_a_process_opens_it_and_says_what_was_there(decoder: Decoder) -> None:
    content = turned("JPEG", 6)
    still = opened(content, decoder, Path("/home/Martha Mustermann/Knie links.jpg"))
    assert close(still.pixels, PICTURE) and still.pixels.flags.c_contiguous and still.pixels.flags.writeable
    assert (still.format_name, still.frames, still.notes) == ("JPEG", 1, ())
    assert {"Martha Mustermann", "Mustermann", "Knie links"} <= still.traces.strings


def test_one_process_for_one_file(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, plain = [], reader.PROCESSES.fork
    monkeypatch.setattr(reader.PROCESSES, "fork", lambda: taken.append(plain()) or taken[-1])
    for _ in range(2):
        opened(saved(picture(), "PNG"), decoder)
    first, second = taken
    assert first.pid != second.pid and None not in (first.poll(), second.poll()), "they have ended"


def test_a_process_that_is_told_nothing_ends(decoder: Decoder) -> None:
    with decoder.process() as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_the_process_can_open_nothing_once_the_file_is_there(tmp_path: Path) -> None:
    """A decoder that a file has taken over cannot read another file, write one, or call anyone."""
    program = (
        "import socket, sys\n"
        "from anonymizer.read.photo.child import confine\n"
        "from anonymizer.core.errors import DamagedError\n"
        "confine(1 << 32, 30)\n"
        "for trial in (lambda: open(sys.argv[1]), lambda: open(sys.argv[2], 'w'), socket.socket):\n"
        "    try:\n"
        "        trial()\n"
        "    except OSError as error:\n"
        "        print(error.errno)\n"
        "    else:\n"
        "        print('open')\n"
    )
    secret = tmp_path / "secret"
    secret.write_text("x")
    ran = subprocess.run(
        [sys.executable, "-c", program, str(secret), str(tmp_path / "new")],
        capture_output=True,
        text=True,
        check=True,
    )
    # Refused by the list of system calls (EPERM), or where there is none by the limit of descriptors (EMFILE).
    assert set(ran.stdout.split()) <= {str(errno.EPERM), str(errno.EMFILE)} and len(ran.stdout.split()) == 3


def test_nothing_is_imported_from_the_folder_it_runs_in(tmp_path, monkeypatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    with Decoder(Limits()) as decoder:
        assert opened(saved(picture(), "PNG"), decoder).pixels.shape == (240, 320, 3)


def test_a_long_side_and_a_single_pixel(decoder: Decoder) -> None:
    for size in ((1, 1), (1, 5000), (5000, 1)):
        still = opened(saved(Image.new("RGB", size, (7, 8, 9)), "PNG"), decoder)
        assert still.pixels.shape == (size[1], size[0], 3) and (still.pixels == (7, 8, 9)).all()


def test_the_process_holds_one_picture_and_not_two(decoder: Decoder) -> None:
    """At most 6 bytes per pixel beside the file and the libraries: docs/input.md promises it for JPEG."""
    wide, high = 6000, 4000
    content = saved(
        Image.fromarray(np.tile(PICTURE[:, :300], (17, 20, 1))[:high]), "JPEG", exif=orientation(6)
    )
    used: list[int] = []
    with decoder.process() as process:
        assert process.stdin and process.stdout
        job = {
            "format": "JPEG",
            "bytes": len(content),
            "max_pixels": 10**8,
            "memory": 4 << 30,
            "seconds": 60,
        }
        write_message(process.stdin, job)
        process.stdin.write(content)
        process.stdin.close()
        answer = read_message(process.stdout)
        left = wide * high * 3
        while left:
            left -= len(process.stdout.read(min(left, 1 << 22)))
            if left < 1 << 22 and not used:
                used.append(peak(process.pid))
    assert (answer["width"], answer["height"]) == (high, wide)
    assert used[0] - (60 << 20) - len(content) < 6 * wide * high


def orientation(value: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = value
    return block.tobytes()


def peak(pid: int) -> int:
    """Bytes of memory that a process has held at most."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("needs /proc to read another process's memory")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if "VmHWM" in line)


def test_every_file_of_the_shared_media_opens_or_is_refused(decoder: Decoder) -> None:
    shared = Path(__file__).parents[2] / "shared" / "media"
    files = [p for name in ("hostile", "metadata") for p in sorted((shared / name).glob("*")) if p.is_file()]
    if not files:
        pytest.skip("the shared media are not here (../shared/media)")
    from anonymizer.core.errors import MediumError

    opened_names, moving, refused = set(), set(), {}
    for path in files:
        try:
            form = sniff.sniff_file(path)
            assert not form.demuxer
            if form.moves:
                moving.add(path.name)
                continue
            still = open_still(read(path, 1 << 30), Limits(), decoder)
        except MediumError as error:
            refused[path.name] = str(error)
        else:
            opened_names.add(path.name)
            assert still.pixels.ndim == 3 and still.pixels.dtype == np.uint8
    must_refuse = {
        "zero.jpg", "truncated.jpg", "truncated.png", "truncated.heic", "corrupted.hif", "eps_named.jpg",
        "svg_named.png", "html_named.jpg", "bomb_40000x30000.png", "bomb_ztxt.png", "hls_playlist.mp4",
        "concat_abs.mov", "sdp.mp4", "dash.mp4",
    }  # fmt: skip
    assert must_refuse <= refused.keys()
    assert all("\n" not in said and said.endswith(".") for said in refused.values())
    assert {
        "IMG_2682.heic",
        "samsung-one-ui-6.heic",
        "denali.webp",
        "f8t.jpg",
    } <= opened_names
    assert "gif_named.jpg" in moving


def test_a_heif_with_boxes_of_nonsense_is_damaged_and_no_crash() -> None:
    from anonymizer.core.errors import DamagedError

    content = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", os.urandom(300))
    with pytest.raises(DamagedError):
        here(content)
