"""The written clip: every frame at its own time for as long as it lasted, and no trace of who wrote it."""

from __future__ import annotations

import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anonymizer.core.errors import LimitError, OutputError
from anonymizer.core.types import Result
from anonymizer.core.yuv import Planes
from anonymizer.verify import clip as clip_verify
from anonymizer.write import clip as write_clip
from anonymizer.write.clip import ClipWriter
from anonymizer.write.photo import NEUTRAL_TIME
from anonymizer.write.reuse import Earlier
from clips import marked, number_of

BASE = Fraction(1, 90_000)


def planes(number: int, width: int = 160, height: int = 96) -> Planes:
    frame = av.VideoFrame.from_ndarray(marked(number, width, height)).reformat(format="yuv420p")
    flat = frame.to_ndarray().reshape(-1)
    luma, chroma, half = width * height, width * height // 4, (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    )


def writer(path: Path, **changes: Any) -> ClipWriter:
    given = {
        "width": 160,
        "height": 96,
        "time_base": BASE,
        "rate": Fraction(25),
        "aspect": Fraction(1),
        "crf": 23,
    }
    return ClipWriter(path, **(given | changes))


def write(path: Path, times: list[int], last: int, **changes: Any) -> Path:
    lasting = [*np.diff(times).tolist(), last]
    with writer(path, **changes) as out:
        for number, (time, duration) in enumerate(zip(times, lasting, strict=True)):
            out.write(planes(number), time, duration)
    return path


def read(path: Path) -> tuple[list[Fraction], list[int], Fraction]:
    """Times and numbers of the frames as shown, and the track's length in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None and stream.duration is not None
        frames = [
            (frame.pts, number_of(frame.to_ndarray(format="rgb24"))) for frame in container.decode(stream)
        ]
        return (
            [time * stream.time_base for time, _ in frames if time is not None],
            [number for _, number in frames],
            stream.duration * stream.time_base,
        )


@pytest.mark.parametrize("base", [BASE, Fraction(1, 25), Fraction(1, 1000), Fraction(1, 10_000_000)])
@given(
    steps=st.lists(st.integers(1, 60_000), max_size=30),
    last=st.integers(1, 60_000),
    first=st.integers(0, 9999),
)
@example(steps=[1, 1], last=2, first=0)
@settings(max_examples=12, deadline=None)
def test_every_frame_keeps_its_time_and_the_clip_its_length(
    tmp_path_factory: pytest.TempPathFactory, base: Fraction, steps: list[int], last: int, first: int
) -> None:
    times = np.cumsum([first, *steps]).tolist()
    path = write(tmp_path_factory.mktemp("clip") / "a.mp4", times, last, time_base=base)
    shown, numbers, length = read(path)
    assert shown == [(time - first) * base for time in times]
    assert numbers == list(range(len(times)))
    assert length == (times[-1] + last - first) * base


def test_a_clip_that_slows_down_keeps_its_length_though_frames_are_stored_out_of_order(
    tmp_path: Path,
) -> None:
    times = [3600 * n for n in range(40)] + [3600 * 39 + 90_000 * n for n in range(1, 9)]
    path = write(tmp_path / "a.mp4", times, 90_000)
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stored != sorted(stored), "without such frames this test says nothing"
    assert read(path)[2] == Fraction(times[-1] + 90_000, 90_000)


@pytest.mark.parametrize(
    ("base", "times"),
    [
        (BASE, [0, 10**10]),
        (BASE, [0, 3600, 3600]),
        (BASE, [3600, 0]),
        (Fraction(1, 1_000_000_000), [0, 3 * 10**9]),
        (Fraction(1), [0, 10**6]),
    ],
)
def test_times_that_an_mp4_cannot_say_are_refused_and_leave_nothing(
    tmp_path: Path, base: Fraction, times: list[int]
) -> None:
    with pytest.raises(LimitError), writer(tmp_path / "a.mp4", time_base=base) as out:
        for number, time in enumerate(times):
            out.write(planes(number), time, 1)
    assert not list(tmp_path.iterdir())


def test_a_player_can_jump_every_four_seconds_whatever_the_rate(tmp_path: Path) -> None:
    times = [9000 * n for n in range(100)]  # ten frames a second
    with av.open(str(write(tmp_path / "a.mp4", times, 9000, rate=Fraction(90_000)))) as container:
        keys = [packet.pts for packet in container.demux(video=0) if packet.is_keyframe]
        level = container.streams.video[0].codec_context.profile, container.streams.video[0].codec_context
        assert level[0] == "High"
        record = container.streams.video[0].codec_context.extradata
    assert keys == [0, 360_000, 720_000]
    assert record is not None and record[3] <= 42, "no level that only a workstation plays"


def test_nothing_says_who_wrote_it_or_when(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with writer(path, sound=(48_000, 2)) as out:
        for number in range(30):
            out.write(planes(number), 3600 * number, 3600)
            out.write_sound(np.zeros((1920, 2), np.int16))
    data = path.read_bytes()
    for name in (b"Lav", b"x264", b"Handler", b"options", b"edts", b"btrt", b"uuid"):
        assert name not in data.replace(b"Lavc libx264", b"")
    assert data[4:8] == b"ftyp" and data.index(b"moov") < data.index(b"mdat"), "plays before it is loaded"
    status = path.stat()
    assert status.st_mtime == NEUTRAL_TIME
    if os.name == "posix":
        assert stat.S_IMODE(status.st_mode) == 0o600
    if hasattr(os, "listxattr"):
        assert not [name for name in os.listxattr(path) if name.startswith("user.")]


def test_colours_and_the_shape_of_pixels_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [0, 3600], 3600, aspect=Fraction(16, 11))
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert codec.sample_aspect_ratio == Fraction(16, 11)
        assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)
        assert codec.pix_fmt == "yuv420p"


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (16_000, 1)])
def test_sound_is_heard_on_time(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.mp4"
    wave = np.zeros((2 * rate, channels), np.int16)
    wave[rate : rate + 60] = 20_000
    with writer(path, sound=(rate, channels)) as out:
        for number in range(50):
            out.write(planes(number), 90_000 + 3600 * number, 3600)
            out.write_sound(wave[number * rate // 25 : (number + 1) * rate // 25])
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert abs(int(np.argmax(np.abs(heard) > 0.2)) - rate) < rate // 500
    assert abs(len(heard) - 2 * rate) < 2048


def test_an_existing_file_is_never_written_over_nor_a_link_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / "a.mp4"
    link.symlink_to(victim)
    for path in (victim, link):
        with pytest.raises(OutputError):
            writer(path)
    assert victim.read_bytes() == b"precious"


def test_a_failure_or_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "a.mp4") as out:
        out.write(planes(0), 0, 3600)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())

    def interrupted(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_clip, "neutralise", interrupted)
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "a.mp4") as out:
        out.write(planes(0), 0, 3600)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is gone"):
        writer(tmp_path / "none" / "a.mp4")


def coded(path: Path) -> list[tuple[int | None, bytes]]:
    """Each stored picture's time and bytes."""
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(video=0) if packet.size]


def stored_otherwise(one: Path, other: Path) -> set[int]:
    """Numbers of the pictures, as they are shown, that the other file stores otherwise."""
    first, second = sorted(coded(one)), sorted(coded(other))
    assert [time for time, _ in first] == [time for time, _ in second]
    return {number for number, (a, b) in enumerate(zip(first, second, strict=True)) if a != b}


@given(changed=st.sets(st.integers(0, 199), min_size=1, max_size=3), last=st.integers(1, 9000))
@example(changed={0}, last=3600)
@example(changed={199}, last=1)
@example(changed={0, 100, 199}, last=9000)
@settings(max_examples=1, deadline=None)
def test_written_again_only_groups_with_a_change_are_coded_anew(
    tmp_path_factory: pytest.TempPathFactory, changed: set[int], last: int
) -> None:
    folder = tmp_path_factory.mktemp("clip")
    times = [3600 * n for n in range(200)]
    old = write(folder / "old.mp4", times, last)
    earlier = Earlier(old, changed, 200)
    with writer(folder / "new.mp4", earlier=earlier) as out:
        for number, time in enumerate(times):
            if number in changed:
                assert not out.stays(number)
            shown = number + 200 if number in changed else number
            # What stays is not looked at.
            picture = planes(0) if out.stays(number) else planes(shown)
            out.write(picture, time, 3600 if number < 199 else last)
    shown, numbers, length = read(folder / "new.mp4")
    assert (shown, length) == (read(old)[0], read(old)[2])
    assert numbers == [number + 200 if number in changed else number for number in range(200)]
    groups = {number // 100 for number in changed}
    assert {number // 100 for number in stored_otherwise(old, folder / "new.mp4")} == groups
    report = clip_verify.audit(folder / "new.mp4")
    assert [check.name for check in report if check.result is Result.FAIL] == []


def test_an_earlier_file_of_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    times = [3600 * n for n in range(200)]
    old = write(tmp_path / "old.mp4", times, 3600, aspect=Fraction(2))
    with writer(tmp_path / "new.mp4", earlier=Earlier(old, {0}, 200)) as out:
        assert not any(out.stays(number) for number in range(200))
        for number, time in enumerate(times):
            out.write(planes(number), time, 3600)
    assert read(tmp_path / "new.mp4")[1] == list(range(200))


def test_an_earlier_file_with_another_number_of_frames_is_none(tmp_path: Path) -> None:
    old = write(tmp_path / "old.mp4", [0, 3600, 7200], 3600)
    with pytest.raises(ValueError, match="3 frames instead of 4"):
        Earlier(old, {0}, 4)
