"""Does a photo of each format come out in its colours? Compared with what other programs, which share no code, show.

    python benchmarks/colours.py [--files FOLDER]

A picture of skin tones, pure colours and a ramp is written in every format and kind that the encoders here know, or
the files of FOLDER are taken; each goes down the whole road, and what comes out is compared,
outside redactions, with an independent rendering: ImageMagick's, FFmpeg's of JPEG XL, dcmtk's of DICOM, LibRaw's own
program's of raw. Where no program here shows a kind as it is meant (colours by number; JPEG-LS, which FFmpeg takes for
another order of colours; L*a*b*, whose white ImageMagick takes for another), the picture that it was made from stands
in. The mean difference must be :data:`MOST` of 255 or less; the exit code is 1 where it is not.

Needs ``convert`` (ImageMagick), ``dcm2pnm`` (dcmtk) and ``dcraw_emu`` (libraw-bin); what is missing is said, and
skipped.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import imageio_ffmpeg
import numpy as np
import pillow_heif
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, SecondaryCaptureImageStorage

from anonymizer.core.settings import Settings
from anonymizer.core.types import Pixels
from anonymizer.read.sniff import sniff_file
from anonymizer.road.pipeline import Session

MOST = 3.0
"""Of 255: mean difference that is allowed; a JPEG of the default quality alone differs by about one."""
HIGH, WIDE = 240, 320
P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""From BT.709's primaries to others."""


def subject() -> Pixels:
    """The picture: a smooth field of colours, skin and blood, white, black, and pure colours along its foot."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDE), np.linspace(0, 1, HIGH))
    field = np.dstack([60 + 170 * x, 90 + 110 * y, 200 - 140 * x * y])
    for number, colour in enumerate([(225, 185, 160), (190, 120, 95), (110, 60, 40), (170, 30, 35)]):
        cv2.ellipse(field, (50 + 72 * number, 90), (26, 40), 15, 0, 360, colour, -1, cv2.LINE_AA)
    feet = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (128, 128, 128), (255, 255, 255)]
    for number, colour in enumerate(feet):
        field[190:, number * 53 : number * 53 + 53] = colour
    return np.asarray(np.clip(cv2.GaussianBlur(field, (0, 0), 1.5), 0, 255), np.uint8)


SUBJECT = subject()
GREY = np.asarray(Image.fromarray(SUBJECT).convert("L"))


def linear() -> NDArray[np.float64]:
    one = SUBJECT / 255
    return np.where(one <= 0.04045, one / 12.92, ((one + 0.055) / 1.055) ** 2.4)


def coded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def pq() -> NDArray[np.float64]:
    power = (np.clip(linear() @ BT2020.T, 0, 1) * 203 / 10_000) ** (2610 / 16384)
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


@dataclass(frozen=True, slots=True)
class Case:
    """A file to send down the road, and what renders it: a reader's name, or the picture itself."""

    name: str
    content: bytes
    reference: str | Pixels = "magick"


def saved(form: str, image: Image.Image | None = None, **how: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(SUBJECT)).save(file, form, **how)
    return file.getvalue()


def tiff(values: NDArray[Any], **how: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, metadata=None, **how)
    return file.getvalue()


def heif(**how: Any) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(SUBJECT)).save(file, quality=95, chroma=444, **how)
    return file.getvalue()


def cases() -> Iterator[Case]:
    """Every format, and of each the kinds that differ in what becomes of their colours."""
    picture = Image.fromarray(SUBJECT)
    yield Case("jpeg", saved("JPEG", quality=95))
    yield Case("jpeg-grey", saved("JPEG", Image.fromarray(GREY), quality=95))
    yield Case("jpeg-cmyk", saved("JPEG", picture.convert("CMYK"), quality=95))
    yield Case("jpeg-progressive-420", saved("JPEG", quality=90, progressive=True, subsampling=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    yield Case("jpeg-turned", saved("JPEG", quality=95, exif=exif.tobytes()))
    if (profile := display_p3()) is not None:
        yield Case("jpeg-p3", saved("JPEG", quality=95, icc_profile=profile))
        yield Case("png-p3", saved("PNG", icc_profile=profile))
    for mode in ("RGB", "L", "P", "1", "RGBA", "LA"):
        yield Case(f"png-{mode.lower()}", saved("PNG", picture.convert(mode)))
    clear = np.dstack([SUBJECT, np.linspace(0, 255, WIDE)[None, :].repeat(HIGH, 0).astype(np.uint8)])
    yield Case("png-transparent", saved("PNG", Image.fromarray(clear)))
    deep = SUBJECT.astype(np.uint16) * 257
    yield Case("png-16", imagecodecs.png_encode(deep))
    yield Case("png-grey-16", imagecodecs.png_encode(deep[..., 1].copy()))
    yield Case("png-gamma-1", with_chunk(light16(), b"gAMA", (100_000).to_bytes(4, "big")), SUBJECT)
    code = np.rint(pq() * 65535).astype(np.uint16)
    yield Case("png-pq", with_chunk(imagecodecs.png_encode(code), b"cICP", bytes([9, 16, 0, 1])), SUBJECT)
    yield Case("webp", saved("WEBP", quality=95))
    yield Case("webp-lossless-transparent", saved("WEBP", Image.fromarray(clear), lossless=True))
    yield Case("bmp", saved("BMP"))
    yield Case("bmp-palette", saved("BMP", picture.quantize(200)))
    yield Case("gif", saved("GIF", picture.quantize(200)))
    yield Case("heic", heif())
    yield Case("heic-turned", heif(exif=exif.tobytes()))
    yield Case("avif", saved("AVIF", quality=95))
    for name, numbers, values in (
        ("pq", (9, 16), pq()),
        ("p3", (12, 13), coded(linear() @ P3.T)),
    ):
        ten = np.rint(values * 1023).astype(np.uint16)
        avif = imagecodecs.avif_encode(
            ten, level=95, bitspersample=10, primaries=numbers[0], transfer=numbers[1], matrix=0,
            pixelformat="444",
        )  # fmt: skip
        yield Case(f"avif-{name}", avif, SUBJECT)
    yield Case("jxl", imagecodecs.jpegxl_encode(SUBJECT, lossless=True), "ffmpeg")
    yield Case("jpeg-ls", imagecodecs.jpegls_encode(SUBJECT), SUBJECT)
    yield Case("jpeg-12", imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12, level=95), SUBJECT)
    yield Case("jpeg-lossless", imagecodecs.jpeg8_encode(SUBJECT, lossless=True), SUBJECT)
    yield Case("jp2", saved("JPEG2000"))
    yield Case("psd", psd())
    for order in "<>":
        for planes in ("contig", "separate"):
            for kind in ("uint8", "uint16", "float32"):
                values = (SUBJECT / 255 * (1 if kind == "float32" else np.iinfo(kind).max)).astype(kind)
                values = values if planes == "contig" else np.ascontiguousarray(np.moveaxis(values, -1, 0))
                name = f"tiff-{'le' if order == '<' else 'be'}-{planes}-{kind}"
                yield Case(name, tiff(values, photometric="rgb", planarconfig=planes, byteorder=order))
    for coding in ("lzw", "deflate", "packbits", "zstd", "webp", "jpeg"):
        yield Case(f"tiff-{coding}", tiff(SUBJECT, photometric="rgb", compression=coding))
    for colours in ("minisblack", "miniswhite"):
        yield Case(f"tiff-{colours}-8", tiff(GREY, photometric=colours))
        yield Case(f"tiff-{colours}-16", tiff(GREY.astype(np.uint16) * 257, photometric=colours))
    yield Case("tiff-cmyk", saved("TIFF", picture.convert("CMYK")))
    lab = ImageCms.applyTransform(
        picture,
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    yield Case("tiff-lab", saved("TIFF", lab), SUBJECT)
    yield Case("dicom", dicom(SUBJECT), "dcmtk")
    yield Case("dicom-grey-window", dicom(GREY.astype(np.uint16) * 10, window=(1275, 2000)), "dcmtk")
    yield Case("dicom-inverse", dicom(GREY, kind="MONOCHROME1"), "dcmtk")
    yield Case("dicom-rle", dicom(SUBJECT, syntax=RLELossless), "dcmtk")
    yield Case("dng", dng(), "libraw")


def display_p3() -> bytes | None:
    """Display P3 as Ultra HDR's encoder carries it."""
    light = np.ones((HIGH, WIDE, 4), np.float16)
    found = Image.open(io.BytesIO(imagecodecs.ultrahdr_encode(light))).info.get("icc_profile")
    return found if isinstance(found, bytes) else None


def light16() -> bytes:
    return bytes(imagecodecs.png_encode(np.rint(linear() * 65535).astype(np.uint16)))


def with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk behind its head."""
    crc = imagecodecs.zlib_crc32(name + body)
    return png[:33] + len(body).to_bytes(4, "big") + name + body + int(crc).to_bytes(4, "big") + png[33:]


def psd() -> bytes:
    head = b"8BPS\0\1" + bytes(6) + (3).to_bytes(2, "big") + HIGH.to_bytes(4, "big") + WIDE.to_bytes(4, "big")
    return head + b"\0\x08\0\x03" + bytes(12) + b"\0\0" + np.moveaxis(SUBJECT, -1, 0).tobytes()


def dicom(
    values: NDArray[Any],
    kind: str = "",
    syntax: str = ExplicitVRLittleEndian,
    window: tuple[int, int] | None = None,
) -> bytes:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    data.Rows, data.Columns = values.shape[:2]
    data.SamplesPerPixel = 3 if values.ndim == 3 else 1
    if values.ndim == 3:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = kind or ("RGB" if values.ndim == 3 else "MONOCHROME2")
    data.BitsAllocated = data.BitsStored = values.dtype.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    if window:
        data.WindowCenter, data.WindowWidth = window
    data.PixelData = values.tobytes()
    if syntax != ExplicitVRLittleEndian:
        data.compress(syntax)
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def dng() -> bytes:
    """The picture's light through a filter of colours (RGGB), as a camera whose primaries are sRGB's would see it."""
    light = np.rint(linear() * 16383).astype(np.uint16)
    mosaic = light[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = light[::2, ::2, 0], light[1::2, 1::2, 2]
    to_camera = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    fractions = [part for value in to_camera.reshape(-1) for part in (round(value * 10_000), 10_000)]
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True), (33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True),
        (50708, 2, 0, "Anonymous X1", True), (50717, 4, 1, 16383, True), (50714, 4, 1, 0, True),
        (50721, 10, 9, fractions, True), (50728, 5, 3, (1, 1, 1, 1, 1, 1), True), (50778, 3, 1, 21, True),
        (271, 2, 0, "Anonymous", True), (272, 2, 0, "X1", True),
    ]  # fmt: skip
    return tiff(mosaic, photometric=32803, extratags=tags)


def magick(path: Path, size: tuple[int, int]) -> Pixels:
    """ImageMagick: upright, by its profile in sRGB, on white."""
    profile = path.parent / "srgb.icc"
    if not profile.exists():
        profile.write_bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    kept = subprocess.run(
        ["convert", f"{path}[0]", "-format", "%[colorspace] %[profile:icc]", "info:"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    convert = ["-profile", str(profile)] if len(kept) > 1 else ["-colorspace", "sRGB"]
    command = ["convert", f"{path}[0]", "-auto-orient", *convert, "-background", "white", "-flatten"]
    return raw([*command, "-type", "TrueColor", "-depth", "8", "rgb:-"], size)


def ffmpeg(path: Path, size: tuple[int, int]) -> Pixels:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    how = ["-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    return raw([program, *how], size)


def dcmtk(path: Path, size: tuple[int, int]) -> Pixels:
    """dcmtk's picture: by its first window; without one of more than 8 bits, by its least and greatest value."""
    made = path.with_suffix(".ppm")
    tried = subprocess.run(
        ["dcm2pnm", "+op", "+Wi", "1", str(path), str(made)], capture_output=True, check=False
    )
    if tried.returncode or not made.exists():
        subprocess.run(["dcm2pnm", "+op", str(path), str(made)], capture_output=True, check=True)
    return pnm(made)


def libraw(path: Path, size: tuple[int, int]) -> Pixels:
    subprocess.run(["dcraw_emu", "-w", "-o", "1", str(path)], capture_output=True, check=True)
    return pnm(path.with_name(path.name + ".ppm"))


def pnm(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


def raw(command: list[str], size: tuple[int, int]) -> Pixels:
    done = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(done, np.uint8).reshape(size[1], size[0], 3)


READERS: dict[str, tuple[str, Callable[[Path, tuple[int, int]], Pixels]]] = {
    "magick": ("convert", magick),
    "ffmpeg": (imageio_ffmpeg.get_ffmpeg_exe(), ffmpeg),
    "dcmtk": ("dcm2pnm", dcmtk),
    "libraw": ("dcraw_emu", libraw),
}


def reader_of(path: Path) -> str:
    """Who renders a file that was not made here."""
    form = sniff_file(path).name
    by_form = {"DICOM": "dcmtk", "JPEG XL": "ffmpeg", "raw": "libraw"}
    return (
        "libraw"
        if path.suffix.casefold() in (".dng", ".nef", ".arw", ".pef")
        else by_form.get(form, "magick")
    )


def compared(path: Path, output: Path, report: Path, reference: str | Pixels) -> tuple[float, int]:
    """Mean difference of the output from the reference outside redactions, and how many those are."""
    with Image.open(output) as image:
        got = np.asarray(image.convert("RGB"), np.int16)
    size = got.shape[1], got.shape[0]
    wanted = READERS[reference][1](path, size) if isinstance(reference, str) else reference
    regions = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))["regions"]
    outside = np.ones(got.shape[:2], bool)
    for region in regions:
        left, top, right, bottom = region["box"]
        grow = max(8, (right - left) // 4)
        outside[max(0, top - grow) : bottom + grow, max(0, left - grow) : right + grow] = False
    if wanted.shape != got.shape:
        raise ValueError(f"another size: {wanted.shape} and {got.shape}")
    return float(np.abs(got - wanted)[outside].mean()), len(regions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--files", type=Path, help="photos to take instead of those made here")
    given = parser.parse_args()
    worst, failed = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        todo: list[tuple[Path, str | Pixels]] = []
        if given.files:
            for number, path in enumerate(sorted(path for path in given.files.iterdir() if path.is_file())):
                copy = work / f"{number:03d}-{path.name}"
                shutil.copyfile(path, copy)
                todo.append((copy, reader_of(copy)))
        else:
            for case in cases():
                path = work / f"{case.name}.{case.name.split('-')[0]}"
                path.write_bytes(case.content)
                todo.append((path, case.reference))
        with Session(work / "out", Settings()) as session:
            print(f"{'':28} {'beside':10} {'mean difference':>15}  redactions")
            for path, reference in todo:
                name = reference if isinstance(reference, str) else "itself"
                if isinstance(reference, str) and not shutil.which(READERS[reference][0]):
                    print(f"{path.stem:28} {name:10} {'not installed':>15}")
                    continue
                outcome = session.run(path)
                if outcome.output is None or outcome.report is None:
                    failed += 1
                    print(f"{path.stem:28} {name:10} {'refused':>15}  {outcome.reasons[0]}")
                    continue
                try:
                    mean, redactions = compared(path, outcome.output, outcome.report, reference)
                except (subprocess.CalledProcessError, ValueError, OSError) as error:
                    print(f"{path.stem:28} {name:10} {'cannot be told':>15}  {error}")
                    continue
                worst, failed = max(worst, mean), failed + (mean > MOST)
                print(f"{path.stem:28} {name:10} {mean:15.2f}  {redactions or ''} {'<<<' * (mean > MOST)}")
    print(f"{len(todo)} kinds; the worst {worst:.2f} of 255, allowed {MOST:g}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
