"""Clips of recorders: discs, tapes, broadcast, Windows, surveillance; each container by its own reader."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from anonymizer.core.errors import AnonymizerError, DamagedError, UnsupportedError
from anonymizer.core.yuv import Planes, pixels
from anonymizer.read.clip import containers
from anonymizer.read.completeness import is_whole
from anonymizer.read.sniff import HEAD, sniff, sniff_file, suffix_of_medium
from clips import ffmpeg, make_clip, number_of, numbered
from test_clip_reader import everything, times

CLIPS = [
    ("scope.mpg", "mpeg2video", "yuv420p", "MPEG-PS"),
    ("old.mpg", "mpeg1video", "yuv420p", "MPEG-PS"),
    ("VTS_01_1.VOB", "mpeg2video", "yuv420p", "MPEG-PS"),
    ("disc.m2v", "mpeg2video", "yuv420p", "MPEG video"),
    ("theatre.wmv", "wmv2", "yuv420p", "ASF"),
    ("old.wmv", "wmv1", "yuv420p", "ASF"),
    ("older.asf", "msmpeg4", "yuv420p", "ASF"),
    ("web.flv", "flv", "yuv420p", "FLV"),
    ("web.flv", "libx264", "yuv420p", "FLV"),
    ("camera.mxf", "mpeg2video", "yuv420p", "MXF"),
    ("dvr.h264", "libx264", "yuv420p", "H.264"),
    ("dvr.h265", "libx265", "yuv420p", "HEVC"),
    ("old.avi", "cinepak", "rgb24", "AVI"),
    ("screen.mov", "qtrle", "rgb24", "MP4"),
    ("screen.avi", "msvideo1", "rgb555le", "AVI"),
    ("lossless.avi", "huffyuv", "yuv422p", "AVI"),
    ("archive.mkv", "ffv1", "yuv420p", "Matroska"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt", "form"), CLIPS)
def test_every_recorder_s_clip_comes_frame_for_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, form: str
) -> None:
    options = {"x264-params": "bframes=2:log=-1"} if codec == "libx264" else {}
    path = make_clip(tmp_path / name, numbered(12), codec=codec, pix_fmt=pix_fmt, options=options)
    clip, found, ending = everything(path)
    assert clip.form.name == form and (clip.width, clip.height) == (160, 96)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(12))
    assert all(abs(at - Fraction(n, 25)) <= Fraction(1, 1000) for n, at in enumerate(times(clip, found)))
    assert not (ending.broken_off or ending.lost or ending.corrupt or ending.retimed)
    assert suffix_of_medium(path)


def test_theora_comes_frame_for_frame(tmp_path: Path) -> None:
    whole, path = make_clip(tmp_path / "whole.mp4", numbered(12)), tmp_path / "a.ogv"
    ffmpeg("-i", whole, "-c:v", "libtheora", "-q:v", "9", "-bitexact", path)
    clip, found, ending = everything(path)
    assert clip.form.name == "Ogg" and not ending.broken_off and not ending.lost
    assert [number_of(frame.planes[0]) for frame in found] == list(range(12))
    assert times(clip, found) == [Fraction(number, 25) for number in range(12)]


def test_a_tape_s_pixels_are_as_wide_as_it_says(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "tape.dv", numbered(3, 720, 576), codec="dvvideo", aspect=Fraction(16, 15), container="dv"
    )
    clip, found, ending = everything(path)
    assert clip.form.name == "DV" and clip.aspect == Fraction(16, 15)
    assert [number_of(frame.planes[0]) for frame in found] == [0, 1, 2]
    assert times(clip, found) == [Fraction(number, 25) for number in range(3)] and not ending.broken_off


@pytest.mark.parametrize(("size", "hd"), [((720, 576), False), ((576, 720), False), ((1280, 720), True)])
def test_colours_that_are_not_named_are_those_of_a_disc_or_of_a_camera(
    tmp_path: Path, size: tuple[int, int], hd: bool
) -> None:
    """A red that BT.601 (what discs mean) or BT.709 (what cameras mean) stores comes out as that red."""
    red = np.full((size[1], size[0], 3), (200, 30, 30), np.uint8)
    colour = {"space": 1} if hd else {}
    path = make_clip(tmp_path / "a.avi", [red], codec="ffv1", colour=colour)
    _, found, _ = everything(path)
    planes: Planes = tuple(np.ascontiguousarray(plane) for plane in found[0].planes)  # type: ignore[assignment]
    assert abs(pixels(planes)[20, 20].astype(int) - (200, 30, 30)).max() <= 4


def test_a_stream_without_a_clock_says_what_was_assumed(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.h264", numbered(12), fps=Fraction(30000, 1001))
    clip, found, ending = everything(path)
    assert times(clip, found) == [n / Fraction(clip.rate) for n in range(12)] and not ending.retimed
    assert any(f"{float(clip.rate):g} a second" in str(note) for note in ending.notes)


WHOLE = [
    ("a.mpg", "mpeg2video"),
    ("a.vob", "mpeg2video"),
    ("a.wmv", "wmv2"),
    ("a.flv", "flv"),
    ("a.mxf", "mpeg2video"),
    ("a.ogv", "libtheora"),
]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("wholes")
    made = {}
    for name, codec in WHOLE:
        path = folder / name
        if codec == "libtheora":
            ffmpeg("-i", make_clip(folder / "a.mp4", numbered(30)), "-c:v", codec, "-q:v", "9", path)
        else:
            make_clip(path, numbered(30), codec=codec)
        made[name] = path.read_bytes()
    return made


@pytest.mark.parametrize("name", [name for name, _ in WHOLE])
def test_a_recording_that_was_cut_off_is_never_taken_for_whole(
    wholes: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    content, path = wholes[name], tmp_path / name
    for share in (0.5, 0.97):
        path.write_bytes(content[: int(len(content) * share) | 1])
        try:
            assert everything(path)[2].broken_off
        except AnonymizerError as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("name", [name for name, _ in WHOLE])
def test_a_watcher_sees_that_the_end_is_missing(wholes: dict[str, bytes], tmp_path: Path, name: str) -> None:
    content, path = wholes[name], tmp_path / name

    def whole(size: int) -> bool:
        path.write_bytes(content[:size])
        with path.open("rb") as file:
            return is_whole(file, sniff(content[:HEAD]), size)

    assert whole(len(content))
    wrong = [size for size in range(HEAD, len(content) - 8, max(1, len(content) // 300)) if whole(size)]
    # Between two whole packets nothing of a program stream or a Flash clip tells.
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\0\0\1\xba\x21\0\1\0\1", "MPEG-PS"),
        (b"\0\0\1\xba\x44\0\4\0\4", "MPEG-PS"),
        (b"\0\0\1\xb3\x0a\0\x60\x13", "MPEG video"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(20), "ASF"),
        (b"FLV\1\1\0\0\0\x09\0\0\0\0", "FLV"),
        (b"\x1f\7\0\x3f" + bytes(30), "DV"),
        (b"\x1f\7\0\xbf" + bytes(30), "DV"),
        (bytes.fromhex("060e2b34020501010d010201010204008300") + bytes(9), "MXF"),
        (b"OggS\0\2" + bytes(22) + b"\x80theora\3\2\1", "Ogg"),
        (b"\0\0\0\1\x67\x64\0\x1e" + bytes(9), "H.264"),
        (b"\0\0\0\1\x09\xf0\0\0\0\1\x67\x42\0\x1e" + bytes(9), "H.264"),
        (b"\0\0\1\x06\5\xff\xff\xff\0\0\1\x27\x4d\0\x1e" + bytes(9), "H.264"),
        (b"\0\0\0\1\x40\1\x0c\1" + bytes(9), "HEVC"),
        (b"\0\0\0\1\x46\1\x50\x10\0\0\0\1\x42\1\1\1", "HEVC"),
    ],
)
def test_each_has_a_name_of_its_own_and_one_demuxer(head: bytes, form: str) -> None:
    found = sniff(head)
    assert (found.name, found.family) == (form, "clip")
    assert containers.BY_DEMUXER[found.demuxer] == found and found.demuxer in containers.DEMUXERS


@pytest.mark.parametrize(
    "head",
    [
        b"\0\0\0\1" + bytes(60),
        b"\0\0\0\1\x41\x9a\x24\x6c",  # a slice without what a decoder needs first
        b"\0\0\0\1\xe7\x64\0\x1e" + bytes(9),  # a bit that must be 0
        b"\0\0\0\1\x67\x65\0\x1e" + bytes(9),  # no profile
        b"\0\0\0\1\x40\2\x0c\1" + bytes(9),
        b"\x1f\7\0\x3e" + bytes(30),
        b"OggS\0\2" + bytes(22) + b"\1vorbis",
        b"\x30\x26\xb2\x75" + bytes(30),
        b"FLV\2" + bytes(30),
    ],
)
def test_what_only_looks_like_one_is_refused(head: bytes) -> None:
    with pytest.raises(UnsupportedError):
        sniff(head)


def refusal(path: Path) -> str:
    with pytest.raises(AnonymizerError) as refused:
        everything(path)
    assert not isinstance(refused.value, DamagedError), "it is named"
    return str(refused.value)


KEY = "0123456789abcdef0123456789abcdef"


def test_an_encrypted_clip_is_called_encrypted(tmp_path: Path) -> None:
    whole, path = make_clip(tmp_path / "whole.mp4", numbered(6)), tmp_path / "a.mp4"
    ffmpeg("-i", whole, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr",
           "-encryption_key", KEY, "-encryption_kid", KEY, path)  # fmt: skip
    assert "encrypted" in refusal(path)


def test_a_protected_disc_is_called_encrypted(wholes: dict[str, bytes], tmp_path: Path) -> None:
    content, at = bytearray(wholes["a.vob"]), -1
    while (at := content.find(b"\0\0\1\xe0", at + 1)) >= 0:
        content[at + 6] |= 0x10
    (tmp_path / "a.vob").write_bytes(content)
    assert "encrypted" in refusal(tmp_path / "a.vob")


def test_a_scrambled_broadcast_is_called_encrypted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.ts", numbered(6))
    content = bytearray(path.read_bytes())
    # From the third packet on there are pictures; before, the tables of what is in it.
    for at in range(3 * 188, len(content), 188):
        content[at + 3] |= 0x80
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_protected_windows_media_is_called_encrypted(wholes: dict[str, bytes], tmp_path: Path) -> None:
    """One more object in the header, as protected files have it."""
    content = bytearray(wholes["a.wmv"])
    more = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    size, count = struct.unpack_from("<QI", content, 16)
    struct.pack_into("<QI", content, 16, size + len(more), count + 1)
    content[size:size] = more
    (tmp_path / "a.wmv").write_bytes(content)
    assert "encrypted" in refusal(tmp_path / "a.wmv")


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.m4a", "mp4", "aac"),
        ("a.mka", "matroska", "aac"),
        ("a.wma", "asf", "wmav2"),
        ("a.mp4", "mp4", "aac"),
    ],
)
def test_a_recording_of_sound_alone_is_called_so(
    tmp_path: Path, name: str, container: str, codec: str
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48_000)
        stream.codec_context.layout, stream.codec_context.bit_rate = "stereo", 96_000
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    assert "a sound recording without a picture" in refusal(path)


def test_empty_chunks_of_an_avi_are_no_damage(tmp_path: Path) -> None:
    """A chunk of no bytes says "as before", as Xvid and capture cards write it where nothing moves."""
    path = make_clip(tmp_path / "a.avi", numbered(20), codec="mjpeg", pix_fmt="yuvj420p")
    content = path.read_bytes()
    gone, at = [], content.index(b"movi") + 4
    for number in range(20):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if number in (3, 4, 11):
            gone.append((at, size + size % 2))
        at += 8 + size + size % 2
    index = content.index(b"idx1", at)
    entries = [list(struct.unpack_from("<4sIII", content, index + 8 + 16 * n)) for n in range(20)]
    for start, size in reversed(gone):
        content = content[: start + 4] + bytes(4) + content[start + 8 + size :]
    removed = 0
    for number, entry in enumerate(entries):
        entry[2] -= removed
        if number in (3, 4, 11):
            removed, entry[3] = removed + entry[3] + entry[3] % 2, 0
    shorter = sum(size for _, size in gone)
    movi, index = content.index(b"movi"), index - shorter
    content = b"".join(
        [
            content[:4],
            struct.pack("<I", int.from_bytes(content[4:8], "little") - shorter),
            content[8 : movi - 4],
            struct.pack("<I", int.from_bytes(content[movi - 4 : movi], "little") - shorter),
            content[movi : index + 8],
            *(struct.pack("<4sIII", *entry) for entry in entries),
            content[index + 8 + 16 * 20 :],
        ]
    )
    path.write_bytes(content)
    clip, found, ending = everything(path)
    there = [number for number in range(20) if number not in (3, 4, 11)]
    assert [number_of(frame.planes[0]) for frame in found] == there
    assert times(clip, found) == [Fraction(number, 25) for number in there]
    assert not ending.lost and not ending.broken_off
    damaged = bytearray(content)
    at = content.index(b"00dc", content.index(b"movi") + 3000)
    damaged[at : at + 4] = bytes(4)
    path.write_bytes(damaged)
    assert everything(path)[2].lost, "what is really lost is counted"


def test_of_two_views_the_base_one_is_shown(tmp_path: Path) -> None:
    """Spatial video codes the second view in units of another layer: they change nothing in the first."""
    path = make_clip(
        tmp_path / "a.h265", numbered(8), codec="libx265", options={"x265-params": "log-level=none"}
    )
    before = path.read_bytes()
    units = before.split(b"\0\0\1")
    doubled = [units[0]]
    for unit in units[1:]:
        doubled.append(unit)
        if unit[0] >> 1 < 32:
            # The other view: the same kind of picture, layer 1, with content that would be seen.
            doubled.append(bytes([unit[0], unit[1] | 1 << 3]) + unit[2:])
    path.write_bytes(b"\0\0\1".join(doubled))
    _, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(8))
    assert not ending.lost and not ending.corrupt


def test_a_playlist_in_a_recorder_s_clothes_leads_nowhere(tmp_path: Path) -> None:
    """An ASF redirector and a list of parts with a recorder's suffix: text is refused before any reader sees it."""
    make_clip(tmp_path / "whole.wmv", numbered(3), codec="wmv2")
    for name, content in (
        ("a.wmv", b"[Reference]\r\nRef1=http://127.0.0.1/whole.wmv\r\n"),
        ("b.asf", b"ASF http://127.0.0.1/whole.wmv"),
        ("c.vob", b"file 'whole.vob'"),
        ("d.mxf", b'<?xml version="1.0"?><OPAtom/>'),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnsupportedError):
            sniff_file(tmp_path / name)
