"""The reader of clips: every container and codec that is taken, frame for frame, and nothing that leads elsewhere."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anonymizer.core.errors import AnonymizerError, LimitError
from anonymizer.core.settings import Limits
from anonymizer.core.yuv import colours
from anonymizer.read.clip.reader import Ending, Frame, Reading, frames, open_clip
from anonymizer.read.sniff import sniff_file
from clips import ffmpeg, make_clip, marked, number_of, numbered
from conftest import FAST, Ran


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("max_clip_bytes = 1000", "limits.max_clip_bytes"),
        ("max_clip_seconds = 1.5", "limits.max_clip_seconds"),
    ],
)
def test_a_limit_is_one_sentence_before_the_work_begins(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(50))
    table = tmp_path / "own.toml"
    table.write_text(f"[limits]\n{limit}\n", encoding="utf-8")

    def searched(*_: object) -> None:
        raise AssertionError("nothing may be searched")

    monkeypatch.setattr("anonymizer.road.clip.process.search", searched)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, "--settings", table, *FAST)
    assert ran.code == 4 and says in ran.err and ran.err.count("\n") == 1, ran.err
    assert not list((out / "ready").iterdir()) and not list((out / "review").iterdir())


def test_a_clip_that_does_not_say_how_long_it_is_ends_at_the_limit(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", numbered(50), container_options={"live": "1"})
    limits = Limits(max_clip_seconds=1.0)
    form = sniff_file(source)
    clip = open_clip(source, form, limits)
    assert clip.seconds == 0
    with (
        pytest.raises(LimitError, match="max_clip_seconds"),
        Reading(source, form, limits, "full") as reading,
    ):
        for _ in frames(clip, reading):
            pass


def everything(path: Path) -> tuple[Any, list[Frame], Ending]:
    """A clip, all its frames, and how reading it ended."""
    clip = open_clip(path, sniff_file(path), Limits())
    with Reading(path, clip.form, Limits(), "full") as reading:
        found = [
            Frame(f.number, f.pts, f.duration, (f.planes[0].copy(), f.planes[1].copy(), f.planes[2].copy()))
            for f in frames(clip, reading)
        ]
        assert reading.ending
        return clip, found, reading.ending


def times(clip: Any, found: list[Frame]) -> list[Fraction]:
    return [frame.pts * clip.time_base for frame in found]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "libx264", "yuv420p"),
        ("a.m4v", "mpeg4", "yuv420p"),
        ("a.3gp", "mpeg4", "yuv420p"),
        ("a.mp4", "libx265", "yuv420p"),
        ("a.mkv", "libx265", "yuv420p10le"),
        ("a.mp4", "libsvtav1", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p10le"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.mov", "mjpeg", "yuvj422p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.mts", "libx264", "yuv420p"),
        ("a.m2ts", "libx265", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
    ],
)
def test_every_container_and_codec_comes_frame_for_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    path = make_clip(tmp_path / name, numbered(12), codec=codec, pix_fmt=pix_fmt)
    clip, found, ending = everything(path)
    assert (clip.width, clip.height) == (160, 96)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(12))
    shown = times(clip, found)
    # Matroska counts in milliseconds.
    assert all(abs(time - Fraction(number, 25)) <= Fraction(1, 1000) for number, time in enumerate(shown))
    assert not ending.broken_off and not ending.lost and not ending.corrupt


@pytest.mark.parametrize("turn", [2, 3, 4, 5, 6, 7, 8])
def test_a_turned_clip_is_upright(tmp_path: Path, turn: int) -> None:
    """What is stored is turned the other way, so that a player shows the marks along the top."""
    path = make_clip(tmp_path / "a.mov", [_stored(marked(n), turn) for n in range(4)], turn=turn)
    clip, found, _ = everything(path)
    assert (clip.width, clip.height) == (160, 96)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(4))
    red, blue = (found[0].planes[2][40:46, place].mean() for place in (slice(3, 35), slice(-35, -3)))
    assert red > 170 and blue < 128, "red on the left"


def _stored(upright: Any, turn: int) -> Any:
    """How a camera with this EXIF orientation stores what it sees."""
    ways = {
        2: lambda p: p[:, ::-1],
        3: lambda p: np.rot90(p, 2),
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
        8: lambda p: np.rot90(p, 3),
    }
    return np.ascontiguousarray(ways[turn](upright))


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    at = [0, 33, 50, 120, 500, 533, 1400]
    path = make_clip(tmp_path / "a.mp4", numbered(len(at)), pts=at, time_base=Fraction(1, 1000))
    clip, found, _ = everything(path)
    assert times(clip, found) == [Fraction(t, 1000) for t in at]


def test_a_recorder_s_clock_is_not_taken_for_a_rate(tmp_path: Path) -> None:
    """A browser's recording: no length, no rate, times in thousandths."""
    at = [33 * number for number in range(40)]
    path = make_clip(
        tmp_path / "a.webm",
        numbered(40),
        codec="libvpx",
        container_options={"live": "1"},
        pts=at,
        time_base=Fraction(1, 1000),
        fps=1000,
    )
    clip, found, ending = everything(path)
    assert clip.rate == Fraction(1000, 33) and not ending.broken_off
    assert times(clip, found) == [Fraction(t, 1000) for t in at]
    assert [number_of(frame.planes[0]) for frame in found] == list(range(40))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_an_avi_whose_pictures_are_stored_out_of_order_shows_them_evenly(tmp_path: Path, codec: str) -> None:
    whole = make_clip(tmp_path / "whole.mp4", numbered(30))
    path = tmp_path / "a.avi"
    ffmpeg("-i", whole, "-c:v", codec, "-q:v", "3", "-bf", "2", path)
    clip, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(30))
    assert times(clip, found) == [Fraction(number, 25) for number in range(30)]
    assert not ending.retimed and not ending.broken_off and not ending.lost


def test_an_empty_picture_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    """A sample of no bytes says "as before"; to a decoder, bytes that end say that all is over."""
    path = make_clip(tmp_path / "a.mov", numbered(20), codec="mjpeg", pix_fmt="yuvj420p")
    content = bytearray(path.read_bytes())
    at = content.index(b"stsz") + 16 + 4 * 6
    before, empty = struct.unpack_from(">II", content, at)
    # Its bytes go to the picture before, which ends where it ends.
    struct.pack_into(">II", content, at, before + empty, 0)
    path.write_bytes(content)
    clip, found, ending = everything(path)
    there = [*range(7), *range(8, 20)]
    assert [number_of(frame.planes[0]) for frame in found] == there
    assert times(clip, found) == [Fraction(number, 25) for number in there]
    assert not ending.broken_off and not ending.lost


def test_recordings_that_were_joined_follow_each_other_at_their_own_pace(tmp_path: Path) -> None:
    """The second one's clock begins anew: without care all its frames would be shown at once."""
    one = make_clip(tmp_path / "one.ts", numbered(50)).read_bytes()
    two = make_clip(tmp_path / "two.ts", numbered(30, first=50)).read_bytes()
    path = tmp_path / "a.ts"
    path.write_bytes(one + two)
    clip, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(80))
    assert times(clip, found) == [Fraction(number, 25) for number in range(80)]
    assert ending.retimed == 1 and not ending.broken_off


def test_of_two_video_tracks_one_plays_and_the_report_says_so(tmp_path: Path) -> None:
    from clips import Making

    path = make_clip(tmp_path / "a.mkv", numbered(6), more=[(numbered(6, 320, 192, first=500), Making())])
    _, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] in ([*range(6)], [*range(500, 506)])
    assert any("2 video tracks" in str(note) for note in ending.notes)


def test_of_two_video_tracks_the_one_that_is_switched_on_plays(tmp_path: Path) -> None:
    from clips import Making

    path = make_clip(tmp_path / "a.mp4", numbered(6), more=[(numbered(6, 320, 192, first=500), Making())])
    _, found, _ = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == [*range(6)]
    content = bytearray(path.read_bytes())
    first = content.index(b"tkhd")
    second = content.index(b"tkhd", first + 4)
    # Flags: 1 is "enabled", 2 "in the movie" (14496-12, 8.3.2).
    assert (content[first + 7], content[second + 7]) == (3, 2)
    content[first + 7], content[second + 7] = 2, 3
    path.write_bytes(content)
    _, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == [*range(500, 506)]
    assert any("2 video tracks" in str(note) for note in ending.notes)


def test_an_odd_size_is_made_even(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", numbered(3, 161, 97), codec="mjpeg", pix_fmt="yuvj444p")
    clip, found, ending = everything(path)
    assert (clip.width, clip.height) == (162, 98) and len(found) == 3
    assert any("made even" in str(note) for note in ending.notes)


def test_sound_that_goes_on_longer_does_not_lengthen_the_picture(tmp_path: Path) -> None:
    clip, found, ending = everything(make_clip(tmp_path / "a.mp4", numbered(10), sound=3.0))
    assert len(found) == 10 and not ending.broken_off
    assert times(clip, found)[-1] == Fraction(9, 25)


def test_an_edit_list_begins_where_the_clip_was_cut(tmp_path: Path) -> None:
    """Copied from 1 s on without decoding: the pictures from the key frame on are there, an edit list hides some."""
    whole = make_clip(tmp_path / "whole.mp4", numbered(60), options={"g": "50", "bf": "0"})
    path = tmp_path / "a.mp4"
    ffmpeg("-ss", "1", "-i", whole, "-c", "copy", path)
    _, found, ending = everything(path)
    numbers = [number_of(frame.planes[0]) for frame in found]
    assert numbers == list(range(numbers[0], 60)) and numbers[0] <= 25
    assert not ending.broken_off


def test_an_interlaced_clip_is_made_progressive_one_for_one(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", numbered(10))
    path = tmp_path / "a.ts"
    ffmpeg("-i", plain, "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264opts", "tff=1:log=-1", path)
    _, found, ending = everything(path)
    assert len(found) == 10 and any("interlaced" in str(note) for note in ending.notes)


@pytest.mark.parametrize(
    ("pix_fmt", "space", "full"),
    [
        ("yuv420p", 5, False),
        ("yuvj420p", 5, True),
        ("yuvj420p", 1, True),
        ("yuv422p", 1, False),
        ("yuvj444p", 6, True),
    ],
)
def test_other_matrices_and_ranges_become_bt_709(
    tmp_path: Path, pix_fmt: str, space: int, full: bool
) -> None:
    """A flat colour comes out as the formula of BT.709 in limited range has it, to a grey level or two."""
    rgb = np.array([180, 90, 40], np.uint8)
    flat = [np.broadcast_to(rgb, (96, 128, 3)).copy()] * 3
    colour = {"space": space, "range": 2 if full else 1}
    path = make_clip(tmp_path / "a.mp4", flat, pix_fmt=pix_fmt, colour=colour, options={"crf": "4"})
    _, found, _ = everything(path)
    for frame in found:
        for plane, value in zip(frame.planes, colours(rgb.astype(np.float32)), strict=True):
            assert abs(plane.astype(np.float32) - value).max() <= 2.5


@pytest.mark.parametrize(("transfer", "white"), [(16, 148), (18, 191)])
def test_high_dynamic_range_is_mapped_and_said(tmp_path: Path, transfer: int, white: int) -> None:
    """The signal of ordinary white, 58 % in PQ and 75 % in HLG, comes out as white and not as the grey it codes."""
    colour = {"space": 9, "trc": transfer, "primaries": 9, "range": 1}
    frames = numbered(4)
    for frame in frames:
        frame[30:60] = white
    path = make_clip(tmp_path / "a.mkv", frames, codec="libx265", pix_fmt="yuv420p10le", colour=colour)
    clip, found, ending = everything(path)
    assert clip.colour is None and any("High dynamic range was mapped" in str(note) for note in ending.notes)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(4))
    assert all(frame.planes[0][35:55].mean() > 215 for frame in found)


def test_damage_in_the_middle_is_concealed_and_counted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.ts", numbered(60, 320, 192), options={"g": "10", "bf": "0"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 188 // 2 * 188
    for at in range(middle, middle + 188 * 6, 188):
        content[at + 20 : at + 180] = bytes(160)
    path.write_bytes(content)
    _, found, ending = everything(path)
    numbers = [number_of(frame.planes[0]) for frame in found]
    assert numbers[:10] == list(range(10)) and numbers[-5:] == list(range(55, 60))
    assert ending.corrupt + ending.lost > 0 and not ending.broken_off


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mkv", "mpeg4"),
        ("a.webm", "libvpx"),
        ("a.avi", "mpeg4"),
        ("a.mp4", "libx264"),
        ("a.mov", "mjpeg"),
        ("a.ts", "libx264"),
    ],
)
def test_a_clip_with_sound_that_was_cut_off_is_never_taken_for_whole(
    tmp_path: Path, name: str, codec: str
) -> None:
    """Its index, or nothing at all, still announces the whole length, and what is there decodes without an error."""
    faststart = {"movflags": "+faststart"} if name in ("a.mp4", "a.mov") else {}
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_clip(
        tmp_path / name, numbered(60), codec=codec, pix_fmt=pix_fmt, sound=2.4, container_options=faststart
    )
    assert not everything(path)[2].broken_off
    content = path.read_bytes()
    for share in (0.5, 0.97):
        path.write_bytes(content[: int(len(content) * share) | 1])
        try:
            assert everything(path)[2].broken_off, share
        except AnonymizerError as error:
            assert str(error).endswith("."), share


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libvpx-vp9"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")]
)
def test_a_clip_that_is_lost_from_the_middle_on_did_not_reach_its_end(
    tmp_path: Path, name: str, codec: str
) -> None:
    """The reader loses the thread, finds nothing more and says nothing, and there is sound, whose length is its own."""
    path = make_clip(tmp_path / name, numbered(60), codec=codec, sound=2.4)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + len(content) // 3] = bytes(len(content) // 3)
    path.write_bytes(content)
    ending = everything(path)[2]
    assert ending.frames < 60 and (ending.broken_off or ending.lost)


def test_a_beginning_that_is_missing_is_no_end_that_was_not_reached(tmp_path: Path) -> None:
    """A recording cut out of a longer one begins between two whole pictures: nothing decodes before the next one."""
    options = {"g": "75", "keyint_min": "75", "sc_threshold": "0"}
    path = make_clip(tmp_path / "a.ts", numbered(150), options=options)
    assert everything(path)[2].late == 0
    packets = path.read_bytes()
    path.write_bytes(packets[: 3 * 188] + packets[len(packets) // 188 // 10 * 188 :])
    clip, _, ending = everything(path)
    assert ending.frames == 75 and not ending.broken_off
    assert float(ending.late * clip.time_base) == pytest.approx(clip.seconds - 3, abs=0.1)


def test_pictures_at_the_end_that_do_not_decode_are_an_end_that_was_not_reached(tmp_path: Path) -> None:
    """Space that was reserved and never written: the file has its full length, and nothing in the last part."""
    path = make_clip(tmp_path / "a.mp4", numbered(60), container_options={"movflags": "+faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 9 // 10] + bytes(len(content) - len(content) * 9 // 10))
    ending = everything(path)[2]
    assert ending.frames < 60 and ending.broken_off


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nwhole.mp4\n"),
        ("a.mpd", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>'),
        ("a.mp4", b"ffconcat version 1.0\nfile 'whole.mp4'\n"),
        ("a.mkv", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n"),
        ("a.mov", b"RTSPtext\r\nrtsp://example.com/x\r\n"),
        ("a.avi", b"[playlist]\nFile1=http://example.com/whole.avi\n"),
        ("a%03d.mp4", b"\xff\xd8\xff"),
    ],
)
def test_whatever_leads_to_another_file_is_refused(
    run: Callable[..., Ran], tmp_path: Path, name: str, content: bytes
) -> None:
    make_clip(tmp_path / "whole.mp4", numbered(3))
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    ran = run("blur", tmp_path / name, "--out", out, *FAST)
    assert ran.code == 4 and ran.err.count("\n") == 1 and "Traceback" not in ran.err
    assert not list((out / "ready").iterdir()) and not list((out / "review").iterdir())


def test_a_movie_whose_pictures_lie_in_another_file_shows_none_of_them(tmp_path: Path) -> None:
    """QuickTime can point at other files (a data reference that is not "self-contained"): it is not followed."""
    make_clip(tmp_path / "whole.mov", numbered(8))
    content = bytearray((tmp_path / "whole.mov").read_bytes())
    at = content.index(b"url \0\0\0\x01")
    # The flag "in this file" is taken away: the pictures would be in a file with the name given there, none.
    content[at + 7] = 0
    path = tmp_path / "a.mov"
    path.write_bytes(content)
    try:
        _, found, _ = everything(path)
    except AnonymizerError as error:
        assert str(error).count(".") >= 1
    else:
        assert [number_of(frame.planes[0]) for frame in found] == list(range(len(found)))
