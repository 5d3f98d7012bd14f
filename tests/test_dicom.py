"""DICOM pictures come out as their pixels alone, as a viewer would show them, or are refused in a sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG4HP41,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from anonymizer.core.errors import DamagedError, LimitError, MediumError, UnsupportedError
from anonymizer.core.settings import Limits
from anonymizer.read.photo.dicom import decode
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.sniff import sniff
from anonymizer.read.source import Source
from anonymizer.read.traces.dicom import harvest
from anonymizer.road.pipeline import Session
from conftest import QUICK, sentences

HIGH, WIDE = 48, 64
PLANES = np.stack(
    [
        np.tile(np.linspace(10, 240, WIDE), (HIGH, 1)),
        np.tile(np.linspace(250, 5, HIGH)[:, None], (1, WIDE)),
        np.full((HIGH, WIDE), 90.0),
    ],
    axis=2,
).astype(np.uint8)


@pytest.fixture(autouse=True)
def pillows_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What :func:`decode` sets for its process lasts no longer than a test."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def made(values: NDArray[Any], kind: str, syntax: str = ExplicitVRLittleEndian, **more: Any) -> Dataset:
    """A secondary capture with everything about a patient in it. ``values`` as they are stored."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.276.0.99.4711.1"
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName = "Müstermann^Martha"
    data.PatientID = "PID-4711-0815"
    data.PatientBirthDate = "19700201"
    data.AcquisitionDateTime = "20240131101533"
    data.ReferringPhysicianName = "Quacksalber^Quentin"
    data.InstitutionName = "Klinikum Entenhausen"
    data.DeviceSerialNumber = "SN-998877"
    data.Manufacturer = "Kamerawerke"
    data.StudyDescription = "Naevus linker Oberarm"
    item = Dataset()
    item.OperatorsName = "Nested^Nora"
    data.PerformedProtocolCodeSequence = [item]
    block = data.private_block(0x0099, "SECRETMAKER", create=True)
    block.add_new(1, "LO", "privatewards")
    block.add_new(2, "UN", b"unknownbytes")
    data.Rows, data.Columns = HIGH, WIDE
    data.SamplesPerPixel = values.shape[2] if values.ndim == 3 and values.shape[2] == 3 else 1
    data.PhotometricInterpretation = kind
    data.BitsAllocated = values.dtype.itemsize * 8
    data.BitsStored = more.pop("bits", data.BitsAllocated)
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    for name, value in more.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"
    return data


def stored(data: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def jpeg(mode: str = "RGB", form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(PLANES)
    (picture if mode == "RGB" else picture.convert(mode)).save(buffer, form, **options)
    return buffer.getvalue()


def encapsulated(stream: bytes, kind: str, syntax: str, samples: int = 3) -> Dataset:
    data = made(PLANES if samples == 3 else PLANES[:, :, 0], kind)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([stream])
    data["PixelData"].is_undefined_length = True
    return data


def palette(entries: int, bits: int, dtype: str = "<u2") -> Dataset:
    index = (PLANES[:, :, 0] // 4).astype(np.uint8)
    data = made(index, "PALETTE COLOR")
    for place, name in enumerate(("Red", "Green", "Blue")):
        table = (np.arange(entries) * (place + 1) * (257 if bits == 16 else 1)).astype(dtype)
        setattr(data, f"{name}PaletteColorLookupTableDescriptor", [entries, 0, bits])
        setattr(data, f"{name}PaletteColorLookupTableData", table.tobytes())
    return data


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as one:
        yield one


def opened(data: Dataset | bytes, decoder: Decoder, limits: Limits | None = None) -> Still:
    """Through the decoding process, which can open no file: every decoder must be there by then."""
    content = data if isinstance(data, bytes) else stored(data)
    return open_still(Source(content, "0" * 64, Path("/x/y.dcm")), limits or decoder.limits, decoder)


def near(pixels: NDArray[np.uint8], wanted: NDArray[Any], within: int) -> bool:
    return bool(np.abs(pixels.astype(int) - wanted.astype(int)).max() <= within)


GREY16 = PLANES[:, :, 0].astype(np.uint16) * 16
"""12 bits, 160 to 3840."""

COLOUR: dict[str, tuple[Callable[[], Dataset], int]] = {
    "RGB": (lambda: made(PLANES, "RGB"), 0),
    "RGB, implicit": (lambda: made(PLANES, "RGB", ImplicitVRLittleEndian), 0),
    "RGB, by planes": (
        lambda: made(np.moveaxis(PLANES, 2, 0).copy().reshape(HIGH, WIDE, 3), "RGB", PlanarConfiguration=1),
        0,
    ),
    "YBR_FULL": (lambda: made(np.asarray(Image.fromarray(PLANES).convert("YCbCr")), "YBR_FULL"), 3),
    "RLE": (lambda: compressed(made(PLANES, "RGB")), 0),
    "JPEG": (
        lambda: encapsulated(jpeg(quality=95, subsampling=0), "YBR_FULL_422", JPEGBaseline8Bit),
        8,
    ),
    "JPEG, subsampled": (
        lambda: encapsulated(jpeg(quality=95, subsampling=1), "YBR_FULL_422", JPEGBaseline8Bit),
        14,
    ),
    "JPEG 2000": (
        lambda: encapsulated(jpeg(form="JPEG2000", irreversible=False, mct=1), "YBR_RCT", JPEG2000Lossless),
        1,
    ),
}


COLOUR |= {
    "JPEG-LS": (lambda: encapsulated(imagecodecs.jpegls_encode(PLANES), "RGB", JPEGLSLossless), 0),
    "JPEG without loss": (
        lambda: encapsulated(
            imagecodecs.jpeg8_encode(PLANES, lossless=True, colorspace=2, outcolorspace=2),
            "RGB",
            JPEGLosslessSV1,
        ),
        0,
    ),
    "HTJ2K": (lambda: encapsulated(imagecodecs.htj2k_encode(PLANES), "YBR_RCT", HTJ2KLossless), 0),
}
DEEP: dict[str, tuple[Callable[[NDArray[np.uint16]], bytes], str, int]] = {
    "JPEG-LS": (imagecodecs.jpegls_encode, JPEGLSLossless, 0),
    "JPEG without loss": (imagecodecs.ljpeg_encode, JPEGLosslessSV1, 0),
    "JPEG of 12 bits": (
        lambda values: imagecodecs.jpeg8_encode(values, bitspersample=12, level=98), JPEGExtended12Bit, 2
    ),
    "HTJ2K": (imagecodecs.htj2k_encode, HTJ2KLossless, 0),
    "JPEG 2000": (lambda values: imagecodecs.jpeg2k_encode(values, level=0), JPEG2000Lossless, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
def test_compressed_grey_of_twelve_bits_is_what_it_is_uncompressed(name: str, decoder: Decoder) -> None:
    encode, syntax, within = DEEP[name]
    plain = made(GREY16, "MONOCHROME2", bits=12, WindowCenter="2000", WindowWidth="4000")
    wanted = opened(plain, decoder).pixels
    plain.file_meta.TransferSyntaxUID = syntax
    plain.PixelData = encapsulate([bytes(encode(GREY16))])
    plain["PixelData"].is_undefined_length = True
    assert near(opened(plain, decoder).pixels, wanted, within)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEGLosslessSV1, HTJ2KLossless, JPEGExtended12Bit])
def test_compressed_bytes_that_make_no_sense_are_damaged(syntax: str, decoder: Decoder) -> None:
    with pytest.raises(DamagedError):
        opened(encapsulated(b"\0" * 64, "RGB", syntax), decoder)


def compressed(data: Dataset) -> Dataset:
    data.compress(RLELossless, generate_instance_uid=False)
    return data


@pytest.mark.parametrize("name", COLOUR)
def test_colour_comes_out_as_it_was(name: str, decoder: Decoder) -> None:
    build, within = COLOUR[name]
    still = opened(build(), decoder)
    assert still.format_name == "DICOM" and still.pixels.shape == (HIGH, WIDE, 3)
    assert near(still.pixels, PLANES, within)


def test_grey_jpeg(decoder: Decoder) -> None:
    still = opened(encapsulated(jpeg("L", quality=95), "MONOCHROME2", JPEGBaseline8Bit, samples=1), decoder)
    assert near(still.pixels[:, :, 0], np.asarray(Image.fromarray(PLANES).convert("L")), 6)


def test_grey_of_eight_bits_is_shown_as_it_is_and_inverted_where_low_is_white(decoder: Decoder) -> None:
    grey = PLANES[:, :, 0].copy()
    assert near(opened(made(grey, "MONOCHROME2"), decoder).pixels, PLANES[:, :, :1].repeat(3, 2), 0)
    assert near(opened(made(grey, "MONOCHROME1"), decoder).pixels[:, :, 0], 255 - grey, 0)


def test_twelve_bits_without_a_window_span_their_range(decoder: Decoder) -> None:
    pixels = opened(made(GREY16, "MONOCHROME2", bits=12), decoder).pixels[:, :, 0]
    assert pixels.min() == 0 and pixels.max() == 255
    padded = GREY16.copy()
    padded[:4] = 4095
    data = made(padded, "MONOCHROME2", bits=12, PixelPaddingValue=4095)
    assert near(opened(data, decoder).pixels[4:, :, 0], pixels[4:], 1)


def test_bits_above_those_stored_are_no_picture(decoder: Decoder) -> None:
    """Old files keep an overlay (a drawing, perhaps a name) in the unused high bits."""
    marked = GREY16.copy()
    marked[10:20, 10:40] |= 0x8000
    plain = opened(made(GREY16, "MONOCHROME2", bits=12), decoder).pixels
    assert np.array_equal(opened(made(marked, "MONOCHROME2", bits=12), decoder).pixels, plain)


def test_the_window_is_applied_after_the_rescale(decoder: Decoder) -> None:
    signed = (GREY16.astype(np.int32) - 2000).astype(np.int16)
    data = made(signed, "MONOCHROME2", RescaleSlope="2", RescaleIntercept="100", WindowCenter=["50", "9"],
                WindowWidth=["1001", "9"])  # fmt: skip
    wanted = np.clip(((signed.astype(float) * 2 + 100 - 49.5) / 1000 + 0.5) * 255, 0, 255)
    assert near(opened(data, decoder).pixels[:, :, 0], np.rint(wanted), 1)
    data.VOILUTFunction = "SIGMOID"
    wanted = 255 / (1 + np.exp(-4 * (signed.astype(float) * 2 + 100 - 50) / 1001))
    assert near(opened(data, decoder).pixels[:, :, 0], np.rint(wanted), 1)


def test_a_voi_table_wins(decoder: Decoder) -> None:
    data = made(PLANES[:, :, 0].copy(), "MONOCHROME2", WindowCenter="50", WindowWidth="10")
    item = Dataset()
    item.LUTDescriptor = [256, 0, 16]
    item.add_new(0x00283006, "OW", (65535 - np.arange(256, dtype="<u2") * 257).tobytes())
    item["LUTDescriptor"].VR = "US"
    data.VOILUTSequence = [item]
    assert near(opened(data, decoder).pixels[:, :, 0], 255 - PLANES[:, :, 0], 1)


@pytest.mark.parametrize(("bits", "scale"), [(16, 1), (8, 1)])
def test_palettes(bits: int, scale: int, decoder: Decoder) -> None:
    index = (PLANES[:, :, 0] // 4).astype(int)
    pixels = opened(palette(64, bits, "<u2"), decoder).pixels
    assert near(pixels, np.stack([index, 2 * index, 3 * index], axis=2) * scale, 0)


def test_of_many_frames_the_first(decoder: Decoder) -> None:
    data = made(PLANES, "RGB", NumberOfFrames=3)
    data.PixelData = PLANES.tobytes() + bytes(2 * PLANES.size)
    still = opened(data, decoder)
    assert still.frames == 3 and near(still.pixels, PLANES, 0)
    assert sentences(still.notes) == ["The source holds 3 pictures; only the first was processed."]


def test_overlays_are_left_out_and_said_so(decoder: Decoder) -> None:
    data = made(PLANES, "RGB")
    data.add_new(0x60000010, "US", HIGH)
    data.add_new(0x60003000, "OW", b"\xff" * (HIGH * WIDE // 8))
    still = opened(data, decoder)
    assert near(still.pixels, PLANES, 0) and "DICOM overlay" in still.traces.kinds
    assert sentences(still.notes) == ["The source's graphic overlays were left out."]


def test_what_it_held_is_named_by_kind_and_looked_for_by_value(decoder: Decoder) -> None:
    traces = opened(made(PLANES, "RGB"), decoder).traces
    assert {
        "DICOM patient data", "DICOM dates and times", "DICOM unique identifiers", "DICOM private data",
        "DICOM names of staff or institution", "device make and model", "serial number", "DICOM descriptions",
    } <= set(traces.kinds)  # fmt: skip
    assert {
        "Müstermann", "Müstermann Martha", "Martha Müstermann", "Müstermann, Martha", "PID-4711-0815",
        "01.02.1970", "1970-02-01", "1.2.276.0.99.4711.1", "Quacksalber", "Klinikum Entenhausen", "SN-998877",
        "Oberarm", "Nested", "privatewards", "unknownbytes",
    } <= traces.strings  # fmt: skip
    assert not any(text.startswith("1.2.840.10008.") for text in traces.strings)
    assert not {"MONOCHROME2", "RGB"} & traces.strings


def test_values_that_break_their_rules_are_still_looked_for() -> None:
    content = stored(made(PLANES, "RGB")).replace(b"19700201", b"Geb.4711")
    assert any("Geb.4711" in text for text in harvest(content).strings)
    half = stored(made(PLANES, "RGB"))[:600]
    assert "Müstermann^Martha" in harvest(half).strings


REFUSED: dict[str, tuple[Callable[[], Dataset], str]] = {
    "a video": (lambda: encapsulated(b"\0" * 64, "YBR_PARTIAL_420", MPEG4HP41), "a video"),
    "no syntax that exists": (
        lambda: encapsulated(b"\0" * 64, "RGB", "1.2.840.10008.1.2.4.94"),
        "no decoder",
    ),
    "a kind of pixels that nobody shows": (lambda: made(PLANES, "CMYK"), "kind of pixels"),
    "no pixels": (lambda: without_pixels(), "no pixel data"),
}


def without_pixels() -> Dataset:
    data = made(PLANES, "RGB")
    del data.PixelData
    return data


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shown_is_refused_in_a_sentence(name: str, decoder: Decoder) -> None:
    build, says = REFUSED[name]
    with pytest.raises(UnsupportedError) as refusal:
        opened(build(), decoder)
    said = str(refusal.value)
    assert says in said and said.endswith(".") and "\n" not in said and "Müstermann" not in said


def test_sizes_are_checked_before_and_after_decoding(decoder: Decoder) -> None:
    with pytest.raises(LimitError, match="megapixels"):
        opened(made(PLANES, "RGB"), decoder, Limits(max_pixels=HIGH * WIDE - 1))
    huge = made(PLANES, "RGB")
    huge.Rows = huge.Columns = 65000
    with pytest.raises(LimitError):
        opened(huge, decoder)
    # Inside, the JPEG says another size than the file around it.
    other = encapsulated(jpeg(), "YBR_FULL_422", JPEGBaseline8Bit)
    other.Rows = 2 * HIGH
    with pytest.raises(DamagedError):
        opened(other, decoder)
    with pytest.raises(DamagedError):
        opened(encapsulated_bomb(), decoder, Limits(max_pixels=100_000))


def encapsulated_bomb() -> Dataset:
    buffer = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(buffer, "JPEG")
    return encapsulated(buffer.getvalue(), "YBR_FULL_422", JPEGBaseline8Bit)


@pytest.mark.parametrize("name", ["RGB", "RLE", "JPEG", "JPEG 2000"])
def test_half_a_file_is_damaged(name: str, decoder: Decoder) -> None:
    content = stored(COLOUR[name][0]())
    with pytest.raises(MediumError, match=r"damaged or incomplete|ends before"):
        opened(content[: -len(content) // 4], decoder)


def test_big_endian_is_read(decoder: Decoder) -> None:
    data = made(GREY16.astype(">u2"), "MONOCHROME2", ExplicitVRBigEndian, bits=12)
    little = opened(made(GREY16, "MONOCHROME2", bits=12), decoder).pixels
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, little_endian=False, implicit_vr=False, enforce_file_format=True)
    assert np.array_equal(opened(buffer.getvalue(), decoder).pixels, little)


BASES = [stored(COLOUR[name][0]()) for name in ("RGB", "RLE", "JPEG")] + [stored(palette(64, 16))]


@given_settings(max_examples=60)
@given(st.data())
def test_damage_is_an_error_of_ours_or_a_picture(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(132, 1600))] = data.draw(st.integers(0, 255))
    harvest(bytes(content))
    limit = Image.MAX_IMAGE_PIXELS
    try:
        decode(bytes(content), 1_000_000)
    except MediumError as error:
        assert str(error).endswith(".")
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_a_dicom_picture_goes_down_the_road(tmp_path: Path) -> None:
    source = tmp_path / "in" / "Müstermann.dcm"
    source.parent.mkdir()
    source.write_bytes(
        stored(made(np.kron(PLANES, np.ones((4, 4, 1), np.uint8)), "RGB", Rows=4 * HIGH, Columns=4 * WIDE))
    )
    with Session(tmp_path / "out", QUICK) as session:
        outcome = session.run(source)
        report = json.loads((session.gate.reports / f"{outcome.id}.json").read_bytes())
    assert outcome.output is not None and outcome.output.suffix == ".jpg"
    assert {check["result"] for check in report["checks"]} <= {"pass", "skipped"}
    assert "DICOM patient data" in report["source_traces"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").glob("[a-z]*/**/*") if path.is_file())
    for text in ("stermann", "PID-4711-0815", "Quacksalber", "SN-998877", "DICM", "1.2.276.0"):
        assert text.encode() not in written


def written(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_file_without_preamble_or_with_a_tiffs_is_dicom(decoder: Decoder) -> None:
    content = written(made(PLANES, "RGB"))
    bare, clothed = content[132:], b"II*\0" + content[4:]
    for form in (content, bare, clothed):
        assert sniff(form[:4096]).name == "DICOM"
        still = open_still(Source(form, "", Path("IM000001")), Limits(), decoder)
        assert np.array_equal(still.pixels, PLANES)


def test_a_file_without_any_head_is_dicom() -> None:
    for implicit in (True, False):
        file = io.BytesIO()
        data = made(PLANES, "RGB")
        del data.file_meta
        data.save_as(file, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        content = file.getvalue()
        assert sniff(content[:4096]).name == "DICOM"
        assert decode(content, 10_000).pixels.shape == (HIGH, WIDE, 3)


@pytest.mark.parametrize(
    ("name", "pair", "shape"),
    [
        ("PixelAspectRatio", ["1", "2"], (HIGH, 2 * WIDE, 3)),
        ("PixelAspectRatio", ["2", "1"], (2 * HIGH, WIDE, 3)),
        ("PixelSpacing", [0.3, 0.2], (round(1.5 * HIGH), WIDE, 3)),
        ("PixelAspectRatio", ["1", "1"], (HIGH, WIDE, 3)),
        ("PixelAspectRatio", ["1", "4000"], (HIGH, WIDE, 3)),
        ("PixelAspectRatio", ["0", "0"], (HIGH, WIDE, 3)),
    ],
)
def test_pixels_that_are_not_square_are_stretched(name: str, pair: list[Any], shape: tuple[int, ...]) -> None:
    for values, kind in ((PLANES, "RGB"), (PLANES[..., 0], "MONOCHROME2")):
        done = decode(written(made(values, kind, **{name: pair})), 100_000)
        assert done.pixels.shape == shape
        assert (shape[:2] != (HIGH, WIDE)) == ("dicom.not-square" in [note.code for note in done.notes])
    with pytest.raises(LimitError):
        decode(written(made(PLANES, "RGB", PixelAspectRatio=["1", "2"])), HIGH * WIDE)


@pytest.mark.parametrize(
    ("kind", "shape", "inverted"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "INVERSE", True),
    ],
)
def test_a_presentation_may_invert_once(kind: str, shape: str, inverted: bool, decoder: Decoder) -> None:
    values = PLANES[..., 0]
    content = written(made(values, kind, PresentationLUTShape=shape))
    still = open_still(Source(content, "", Path("IM1")), Limits(), decoder)
    assert np.array_equal(still.pixels[..., 0], 255 - values if inverted else values)


@pytest.mark.parametrize("said", ["YES", "NO"])
def test_what_says_that_words_are_burned_in_is_told(said: str) -> None:
    done = decode(written(made(PLANES, "RGB", BurnedInAnnotation=said)), 100_000)
    assert ("dicom.burned-in" in [note.code for note in done.notes]) == (said == "YES")
