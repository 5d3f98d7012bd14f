"""The audit of a written clip: what is ours passes, what identifies is noticed and named."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anonymizer.core.types import Result, Traces
from anonymizer.verify import clip, h264, mp4
from anonymizer.verify.clip import ExpectedClip, audit, examine
from anonymizer.verify.jpeg import StructureError
from anonymizer.verify.second_reader import SecondReading, sampled
from anonymizer.write.clip import ClipWriter
from clips import make_clip, numbered

BASE = Fraction(1, 90_000)


def write(path: Path, times: list[int], size: tuple[int, int] = (160, 96), *, sound: bool = False) -> Path:
    width, height = size
    rng = np.random.default_rng(1)
    with ClipWriter(
        path,
        width=width,
        height=height,
        time_base=BASE,
        rate=Fraction(25),
        aspect=Fraction(1),
        crf=23,
        sound=(48_000, 2) if sound else None,
    ) as out:
        for number, time in enumerate(times):
            y = np.full((height, width), 40 + 3 * number % 150, np.uint8)
            y[: height // 2] = rng.integers(16, 235, (height // 2, width))
            u, v = (np.full((height // 2, width // 2), 110 + number % 40, np.uint8) for _ in range(2))
            out.write((y, u, v), time, 3600)
            if sound:
                out.write_sound(rng.integers(-999, 999, (1920, 2)).astype(np.int16))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("mp4") / "good.mp4", [3600 * n for n in range(30)]).read_bytes()


def walked(data: bytes) -> mp4.Movie:
    file = io.BytesIO(data)
    movie = mp4.walk(file)
    h264.check(file, movie)
    return movie


@pytest.mark.parametrize(
    "times",
    [
        [0],
        [0, 3600],
        [3600 * n for n in range(70)],
        [0, 1, 900, 90_000, 91_000, 400_000],
        [n * n * 7 for n in range(1, 60)],
    ],
)
@pytest.mark.parametrize("sound", [False, True])
def test_what_the_writer_writes_passes(tmp_path: Path, times: list[int], sound: bool) -> None:
    start = times[0]
    times = [time - start for time in times]
    path = write(tmp_path / "abc.mp4", times, sound=sound)
    movie = walked(path.read_bytes())
    scale = Fraction(movie.video.timescale) * BASE
    assert (movie.shown - movie.shown[0]).tolist() == [int(time * scale) for time in times]
    read = SecondReading()
    assert len(list(sampled(path, range(len(times)), (160, 96), read, sound=sound))) == len(times)
    pts = np.array(times, np.int64)
    expected = ExpectedClip(
        (160, 96), pts, np.full(len(pts), 3600, np.int64), BASE, "0" * 64, Traces(), False, sound
    )
    checks = examine(path, expected, read)
    assert {check.result for check in checks} <= {Result.PASS, Result.SKIPPED}, checks
    assert {check.result for check in audit(path)} <= {Result.PASS, Result.SKIPPED}


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (162, 98), (1920, 1080)])
def test_any_size_passes(tmp_path: Path, size: tuple[int, int]) -> None:
    assert (walked(write(tmp_path / "a.mp4", [0, 3600, 7200], size).read_bytes()).width) == size[0]


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def inside(data: bytes, parent: bytes, extra: bytes) -> bytes:
    """``extra`` at the end of the first box ``parent``; sizes around it and sample places set right."""
    names = {b"moov": [b"moov"], b"trak": [b"moov", b"trak"], b"mdia": [b"moov", b"trak", b"mdia"]}[parent]
    out = bytearray(data)
    at, start = 0, 0
    for name in names:
        at = out.index(name, start) - 4
        start = at + 8
        size = struct.unpack_from(">I", out, at)[0]
        struct.pack_into(">I", out, at, size + len(extra))
        end = at + size
    out[end:end] = extra
    places = out.index(b"stco")
    count = struct.unpack_from(">I", out, places + 8)[0]
    for number in range(count):
        offset = places + 12 + 4 * number
        struct.pack_into(">I", out, offset, struct.unpack_from(">I", out, offset)[0] + len(extra))
    return bytes(out)


def changed(data: bytes, name: bytes, offset: int, value: bytes) -> bytes:
    at = data.index(name) + 4 + offset
    return data[:at] + value + data[at + len(value) :]


TAMPERED = {
    "no player needs": lambda d: d + box(b"uuid", b"C2PA and who made it"),
    "bytes behind": lambda d: d + b"tail",
    "free box that is not empty": lambda d: d + box(b"free", b"secret"),
    "user data": lambda d: inside(d, b"moov", box(b"udta", box(b"\xa9xyz", b"+52.5+13.4/"))),
    "2 video": lambda d: inside(
        d, b"moov", d[d.index(b"trak") - 4 :][: struct.unpack_from(">I", d, d.index(b"trak") - 4)[0]]
    ),
    "time of creation": lambda d: changed(d, b"mvhd", 4, b"\0\0\0\7"),
    "track's media": lambda d: changed(d, b"mdhd", 8, b"\0\0\0\7"),
    "turned picture": lambda d: changed(d, b"tkhd", 40, b"\0\0\0\0\0\1\0\0"),
    "with a name": lambda d: changed(d, b"hdlr", 12, b"Core"),
    "edts": lambda d: inside(d, b"trak", box(b"edts", b"")),
    "language": lambda d: changed(d, b"mdhd", 20, b"\x15\xc7"),
    "unknown brand": lambda d: changed(d, b"ftyp", 0, b"qt  "),
    "belong to no sample": lambda d: (
        d[: d.index(b"mdat") - 4] + box(b"mdat", d[d.index(b"mdat") + 4 :] + b"more")
    ),
    "names its maker": lambda d: changed(d, b"avc1" + b"\0" * 6, 12, b"ACME"),
    "message (SEI)": lambda d: changed(d, b"mdat", 4, bytes([6])),
}


@pytest.mark.parametrize("said", TAMPERED)
def test_each_leak_is_noticed_and_named(good: bytes, said: str) -> None:
    walked(good)
    with pytest.raises(StructureError, match=said.replace("(", r"\(").replace(")", r"\)")):
        walked(TAMPERED[said](good))


def test_sound_that_does_not_decode_fails_the_second_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "abc.mp4", [3600 * n for n in range(12)], sound=True)
    data = bytearray(path.read_bytes())
    sound = walked(bytes(data)).sound
    assert sound
    for offset in sound.offsets[1:].tolist():
        data[offset : offset + 16] = b"\xff" * 16
    path.write_bytes(data)
    result = {check.name: check.result for check in audit(path)}
    assert result["structure"] is Result.PASS and result["second-reader"] is Result.FAIL


def test_a_stranger_s_clip_does_not_pass(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", numbered(10), tags={"title": "CANARY"}, sound=0.4)
    with pytest.raises(StructureError):
        walked(path.read_bytes())


@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
@example(place=513, value=1, cut=False)  # The length of the parameters leads behind the record's end.
@settings(max_examples=120)
def test_damage_is_an_error_of_structure_or_harmless(good: bytes, place: int, value: int, cut: bool) -> None:
    data = bytearray(good)
    if cut:
        del data[place % len(data) :]
    else:
        data[place % min(len(data), 2000)] = value
    try:
        walked(bytes(data))
    except StructureError:
        return
    assert len(data) == len(good), "a cut file never passes"


def test_timing_notices_a_frame_too_few_a_moved_one_and_another_length(tmp_path: Path) -> None:
    times = [3600 * n for n in range(12)]
    path = write(tmp_path / "abc.mp4", times)

    def timing(pts: list[int], last: int = 3600) -> Result:
        read = SecondReading()
        for _ in sampled(path, (), (160, 96), read):
            pass
        lasting = np.array([*np.diff(pts), last], np.int64)
        expected = ExpectedClip((160, 96), np.array(pts), lasting, BASE, "0" * 64, Traces(), False, False)
        return {check.name: check.result for check in examine(path, expected, read)}["timing"]

    assert timing(times) is Result.PASS
    assert timing([*times, 43_200]) is Result.FAIL
    assert timing([*times[:5], times[5] + 1, *times[6:]]) is Result.FAIL
    assert timing(times, 7200) is Result.FAIL, "the clip is not as long"


def test_a_canary_in_the_index_or_a_long_one_among_the_pictures_is_found(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "abc.mp4"
    middle = len(good) - 400
    path.write_bytes(good[:middle] + b"CANARY-OF-A-PATIENT" + good[middle + 19 :])
    lasting = np.full(30, 3600, np.int64)
    traces = Traces((), frozenset({"CANARY-OF-A-PATIENT"}))
    expected = ExpectedClip((160, 96), 3600 * np.arange(30), lasting, BASE, "0" * 64, traces, False, False)
    results = {check.name: check.result for check in examine(path, expected, SecondReading())}
    assert results["canaries"] is Result.FAIL


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("ABCDE", "pictures", 0),
        ("ABCDEFGH", "pictures", 0),
        ("ABCDEFGHI", "pictures", 1),
        ("ABCDEFGHI", "between two pieces", 1),
        ("iso2avc1", "index", 1),
    ],
)
def test_short_strings_count_in_the_index_and_long_ones_everywhere(
    tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch, text: str, where: str, found: int
) -> None:
    """In a hundred megabytes of pictures five given letters turn up by chance."""
    monkeypatch.setattr(clip, "PIECE", 256)
    monkeypatch.setattr(clip, "OVERLAP", 32)
    start = int(walked(good).video.offsets.min())
    at = start + 600 if where == "pictures" else start + 2 * 256 - 4
    data = good if where == "index" else good[:at] + text.encode() + good[at + len(text) :]
    path = tmp_path / "abc.mp4"
    path.write_bytes(data)
    lasting = np.full(30, 3600, np.int64)
    traces = Traces((), frozenset({text}))
    expected = ExpectedClip((160, 96), 3600 * np.arange(30), lasting, BASE, "0" * 64, traces, False, False)
    checks = {check.name: check for check in examine(path, expected, SecondReading())}
    assert checks["structure"].result is Result.PASS
    assert checks["canaries"].data["found"] == found


def test_a_clip_of_another_size_than_it_must_have_fails(tmp_path: Path, good: bytes) -> None:
    path = tmp_path / "abc.mp4"
    path.write_bytes(good)
    lasting = np.full(30, 3600, np.int64)
    for size, code in (((160, 96), "check.structure.clip-passed"), ((96, 160), "check.clip-size")):
        expected = ExpectedClip(size, 3600 * np.arange(30), lasting, BASE, "0" * 64, Traces(), False, False)
        checks = {check.name: check for check in examine(path, expected, SecondReading())}
        assert checks["structure"].evidence.code == code
