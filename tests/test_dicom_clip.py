"""DICOM files of several frames, and those that hold a video, are clips: every frame, for as long as it was shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCMP51,
    MPEG2MPML,
    MPEG4HP41,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from anonymizer.core.errors import DamagedError
from anonymizer.core.settings import Limits
from anonymizer.core.yuv import pixels
from anonymizer.read import dicom_head
from anonymizer.read.clip.picture import ClipPicture, VideoTrack
from anonymizer.read.clip.reader import frames, opened
from anonymizer.read.sniff import identify, sniff_file
from clips import make_clip, number_of, numbered
from conftest import Ran, everything_written
from test_dicom import PLANES, made, stored

COUNT = 5


def several(syntax: str = ExplicitVRLittleEndian, grey: bool = False, **more: Any) -> Dataset:
    """Frames that grow darker; of colour, or of 16-bit grey without a window."""
    frames = [(PLANES * (1 - number / 8)).astype(np.uint8) for number in range(COUNT)]
    if grey:
        data = made(
            (PLANES[:, :, 0] * 16).astype(np.uint16), "MONOCHROME2", syntax, NumberOfFrames=COUNT, **more
        )
        data.PixelData = b"".join((frame[:, :, 0].astype("<u2") * 16).tobytes() for frame in frames)
        return data
    data = made(PLANES, "RGB", syntax, NumberOfFrames=COUNT, **more)
    data.PixelData = b"".join(frame.tobytes() for frame in frames)
    return data


def read_all(data: Dataset | bytes) -> tuple[list[ClipPicture], VideoTrack]:
    Image.init()  # What comes next lets Pillow look for no more formats, in this process as in its own.
    from anonymizer.read.clip.dicom import pictures

    track = VideoTrack()
    content = data if isinstance(data, bytes) else stored(data)
    return list(pictures(io.BytesIO(content), 10**7, 1, track)), track


def lasting(data: Dataset) -> list[float]:
    found, track = read_all(data)
    assert track.frames == len(found) == COUNT and not track.broken_off
    return [float(one.duration * track.time_base) for one in found]


def test_every_frame_comes_as_it_was() -> None:
    found, _ = read_all(several(FrameTime="40"))
    for number, one in enumerate(found):
        wanted = PLANES * (1 - number / 8)
        assert np.abs(pixels(one.whole()).astype(float) - wanted).mean() < 4


def test_frames_are_shown_for_as_long_as_the_file_says() -> None:
    moments = several()
    groups = []
    for number in (0, 1, 2, 4, 8):
        content, group = Dataset(), Dataset()
        content.FrameAcquisitionDateTime = f"202401311015{number:02d}.5"
        group.FrameContentSequence = [content]
        groups.append(group)
    moments.PerFrameFunctionalGroupsSequence = groups
    assert lasting(several(FrameTime="33.33")) == pytest.approx([0.03333] * COUNT, abs=1e-5)
    vector = several(FrameTimeVector=["0", "20", "40", "20", "100"], FrameIncrementPointer=0x00181065)
    assert lasting(vector) == pytest.approx([0.02, 0.04, 0.02, 0.1, 0.03], abs=1e-6)
    assert lasting(several(CineRate="20")) == pytest.approx([0.05] * COUNT)
    assert lasting(moments) == pytest.approx([1, 1, 2, 4, 1.5])


@pytest.mark.parametrize("told", ["0", "-40", "1e30", None])
def test_a_time_that_makes_no_sense_is_assumed_and_said(told: str | None) -> None:
    _, track = read_all(several(FrameTime=told) if told else several())
    assert [note.code for note in track.notes] == ["clip.no-clock"]


def test_grey_without_a_window_keeps_its_brightness_from_frame_to_frame() -> None:
    """By its own range each frame would be as bright as the others."""
    means = [float(one.whole()[0].mean()) for one in read_all(several(grey=True, FrameTime="40"))[0]]
    assert means == sorted(means, reverse=True) and means[0] > means[-1] * 1.3


def test_a_frame_that_cannot_be_decoded_ends_the_clip_and_is_said() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PLANES).save(buffer, "JPEG")
    coded = buffer.getvalue()
    data = made(PLANES, "YBR_FULL_422", JPEGBaseline8Bit, NumberOfFrames=4, FrameTime="40")
    data.PixelData = encapsulate([coded, coded, b"\0" * 200, coded])
    data["PixelData"].is_undefined_length = True
    found, track = read_all(data)
    assert len(found) == 2 and track.broken_off and track.lost == 2
    with pytest.raises(DamagedError):
        read_all(stored(several())[:-100])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_file_of_several_frames_is_a_clip_by_its_head(syntax: str) -> None:
    for count in (None, 1, 2):
        data = made(PLANES, "RGB", syntax)
        nested, inner = Dataset(), Dataset()
        inner.StudyDescription = "x"
        nested.ReferencedStudySequence = [inner]
        data.ReferencedSeriesSequence = [nested]
        data["ReferencedSeriesSequence"].is_undefined_length = True
        if count:
            data.NumberOfFrames = count
        content = stored(data)
        assert identify(io.BytesIO(content)).is_clip is (count == 2)
        if syntax != ExplicitVRBigEndian:
            bare = content[132:]
            assert dicom_head.is_moving(io.BytesIO(bare)) is (count == 2)


def test_a_head_that_makes_no_sense_is_no_clip() -> None:
    content = stored(several())
    at = content.index(b"\x08\0", 300)
    for broken in (content[:200], content[:at] + b"\xff" * 64, b"\x08\0\x05\0CS", b""):
        assert dicom_head.is_moving(io.BytesIO(broken)) is False


@pytest.mark.parametrize(
    ("syntax", "codec", "suffix"),
    [
        (MPEG2MPML, "mpeg2video", ".mpg"),
        (MPEG4HP41, "libx264", ".ts"),
        (MPEG4HP41, "libx264", ".mp4"),
        (MPEG4HP41, "libx264", ".h264"),
        (HEVCMP51, "libx265", ".h265"),
    ],
)
def test_a_video_in_a_dicom_file_is_read_like_any_clip(
    syntax: str, codec: str, suffix: str, tmp_path: Path
) -> None:
    inside = make_clip(tmp_path / f"inside{suffix}", numbered(6), codec=codec)
    data = made(PLANES, "YBR_PARTIAL_420", syntax, NumberOfFrames=6, CineRate="25")
    data.Rows, data.Columns = 96, 160
    data.PixelData = encapsulate([inside.read_bytes()])
    data["PixelData"].is_undefined_length = True
    path = tmp_path / "video.dcm"
    path.write_bytes(stored(data))
    form = sniff_file(path)
    assert form.name == "DICOM" and form.is_clip
    with opened(path, form, Limits(), "full") as (clip, reading):
        seen = [(number_of(pixels(one.planes)), one.pts * clip.time_base) for one in frames(clip, reading)]
    assert [number for number, _ in seen] == list(range(6))
    assert [at for _, at in seen] == [Fraction(number, 25) for number in range(6)]
    assert "PID-4711-0815" in clip.traces.strings


def test_a_name_in_several_frames_is_hidden_on_the_clips_road(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """The whole road: an ultrasound of four JPEGs with a name burned in, which says so of itself."""
    field = Image.new("L", (480, 320), 60)
    ImageDraw.Draw(field).text(
        (40, 40), "MUSTERMANN, MARTHA 01.02.1970", fill=235, font=ImageFont.load_default(24)
    )
    coded = []
    for number in range(4):
        frame = field.copy()
        ImageDraw.Draw(frame).ellipse((200 + 5 * number, 150, 320, 260), fill=150)
        buffer = io.BytesIO()
        frame.convert("RGB").save(buffer, "JPEG", quality=95)
        coded.append(buffer.getvalue())
    data = made(
        PLANES, "YBR_FULL_422", JPEGBaseline8Bit, NumberOfFrames=4, FrameTime="250", BurnedInAnnotation="YES"
    )
    data.Rows, data.Columns = 320, 480
    data.PixelData = encapsulate(coded)
    data["PixelData"].is_undefined_length = True
    source, out = tmp_path / "Muestermann.dcm", tmp_path / "out"
    source.write_bytes(stored(data))
    assert run("blur", source, "--out", out, "--no-faces", "--no-codes", "--no-marks").code == 3
    (path,) = (path for path in (out / "review").iterdir() if path.suffix == ".mp4")
    with opened(path, sniff_file(path), Limits(), "full") as (clip, reading):
        seen = [(pixels(one.planes), float(one.pts * clip.time_base)) for one in frames(clip, reading)]
    assert [at for _, at in seen] == pytest.approx([0, 0.25, 0.5, 0.75])
    for shown, _ in seen:
        assert shown[40:64, 45:400].std() < 12
        assert shown[200:220, 250:300].mean() > 120
    written = everything_written(out)
    assert not any(secret in written for secret in (b"stermann", b"PID-4711-0815", b"Quacksalber", b"DICM"))
    assert b"BurnedInAnnotation" in written
