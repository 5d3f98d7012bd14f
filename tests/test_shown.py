"""What a viewer is shown of a clip, and when: transparency, cropping, frames that change, clocks that jump."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from anonymizer.core.errors import UnsupportedError
from anonymizer.core.settings import AudioPolicy, Limits, Settings
from anonymizer.core.types import Pixels
from anonymizer.core.yuv import Planes, pixels
from anonymizer.read.clip.reader import Clip, Frame, Reading, Reshaped, frames, open_clip
from anonymizer.read.clip.sound import Sound
from anonymizer.read.sniff import sniff_file
from anonymizer.road.photo import ASKED
from clips import ffmpeg, make_clip, marked, number_of, numbered
from test_clip_reader import everything, times


def rgb(frame: Frame) -> Pixels:
    planes: Planes = tuple(np.ascontiguousarray(plane) for plane in frame.planes)  # type: ignore[assignment]
    return pixels(planes)


HIDDEN = 48
"""Lines of 96 that are transparent or cut off: the upper ones, where the number stands."""


def transparent(path: Path, codec: str, pix_fmt: str, *options: str) -> Path:
    """A clip whose upper half is transparent, and holds a number all the same."""
    raw = path.with_suffix(".rgba")
    frames_ = []
    for number in range(6):
        alpha = np.full((96, 160, 1), 255, np.uint8)
        alpha[:HIDDEN] = 0
        frames_.append(np.dstack([marked(number + 512), alpha]))
    raw.write_bytes(np.stack(frames_).tobytes())
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgba", "-s", "160x96", "-r", "25", "-i", raw,
           "-c:v", codec, "-pix_fmt", pix_fmt, *options, path)  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.webm", "libvpx", "yuva420p", ("-auto-alt-ref", "0", "-b:v", "1M")),
        ("b.webm", "libvpx-vp9", "yuva420p", ("-b:v", "1M")),
        ("a.mov", "prores_ks", "yuva444p10le", ("-profile:v", "4444")),
        ("b.mov", "qtrle", "argb", ()),
        ("c.mov", "png", "rgba", ()),
        ("a.mkv", "ffv1", "yuva420p", ()),
    ],
)
def test_what_transparency_hides_stays_hidden(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: tuple[str, ...]
) -> None:
    path = transparent(tmp_path / name, codec, pix_fmt, *options)
    clip, found, ending = everything(path)
    assert times(clip, found) == [Fraction(number, 25) for number in range(6)]
    for frame in found:
        assert frame.planes[0][: HIDDEN - 8].min() >= 230, "white, and no number"
        assert np.ptp(frame.planes[0][HIDDEN + 8 :]) > 40, "what is opaque is there"
    assert any("filled with white" in str(note) for note in ending.notes) and not ending.lost


@pytest.mark.parametrize("name", ["a.mov", "a.mkv", "a.ts", "a.h265"])
def test_transparency_that_no_decoder_reads_is_refused(tmp_path: Path, name: str) -> None:
    """HEVC with a second layer: what it hides would be shown."""
    path = transparent(tmp_path / name, "libx265", "yuva420p", "-x265-params", "log-level=none")
    with pytest.raises(UnsupportedError, match="transparent"):
        everything(path)


@pytest.mark.parametrize(
    ("mode", "stored"),
    [(64, (100, 50, 200)), (256, (100, 50, 200)), (257, (177, 152, 227)), (258, (50, 25, 100))],
    ids=["any", "straight", "drawn on white", "drawn on black"],
)
def test_half_of_what_is_half_transparent_shows(
    tmp_path: Path, mode: int, stored: tuple[int, int, int]
) -> None:
    """However the track says that its colours are stored; under full transparency all of them is hidden."""
    picture = np.full((1, 96, 160, 4), (*stored, 128), np.uint8)
    picture[:, :48] = (*stored, 0)
    (tmp_path / "a.rgba").write_bytes(picture.tobytes())
    path = tmp_path / "a.mov"
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "rgba", "-s", "160x96", "-i", tmp_path / "a.rgba", "-c:v", "png", path
    )
    content = bytearray(path.read_bytes())
    at = content.index(b"vmhd") + 8
    content[at : at + 2] = mode.to_bytes(2, "big")
    path.write_bytes(content)
    _, found, _ = everything(path)
    assert abs(rgb(found[0])[80, 80].astype(int) - (177, 152, 227)).max() <= 3
    assert rgb(found[0])[:40].min() >= 252


IN_ENTRY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")


def with_box(path: Path, box: bytes, *inside: bytes) -> Path:
    """An MP4 with a box more at the end of another one, which lies inside of these."""
    content = bytearray(make_clip(path, numbered(4)).read_bytes())
    chain, at, end = [], 0, len(content)
    for name in inside:
        while content[at + 4 : at + 8] != name:
            at += int.from_bytes(content[at : at + 4], "big")
        chain.append(at)
        end = at + int.from_bytes(content[at : at + 4], "big")
        at += 16 if name == b"stsd" else 8
    content[end:end] = box
    for at in chain:
        content[at : at + 4] = (int.from_bytes(content[at : at + 4], "big") + len(box)).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def clap(path: Path, aperture: tuple[int, ...]) -> Path:
    """An MP4 with a clean aperture in its picture's entry."""
    return with_box(path, struct.pack(">I4s8i", 40, b"clap", *aperture), *IN_ENTRY)


@pytest.mark.parametrize(
    ("aperture", "shown"),
    [
        ((160, 1, 48, 1, 0, 1, 24, 1), (0, 48, 160, 96)),
        ((100, 1, 96, 1, -30, 1, 0, 1), (0, 0, 100, 96)),
        ((81, 1, 51, 1, 0, 1, 0, 1), (40, 24, 120, 72)),
        ((160, 1, 96, 1, 0, 1, 0, 1), (0, 0, 160, 96)),
        ((160, 1, 48, 0, 0, 1, 24, 1), (0, 0, 160, 96)),
        ((160, 1, 48, 1, 0, 1, 90, 1), (0, 0, 160, 96)),
    ],
    ids=["below", "left", "odd", "all", "no fraction", "outside"],
)
def test_a_clean_aperture_is_what_is_shown(
    tmp_path: Path, aperture: tuple[int, ...], shown: tuple[int, int, int, int]
) -> None:
    """Never more than it says: an odd edge gives up a line."""
    clip, found, ending = everything(clap(tmp_path / "a.mov", aperture))
    left, top, right, bottom = shown
    assert (clip.width, clip.height) == (right - left, bottom - top)
    for number, frame in enumerate(found):
        assert abs(rgb(frame).astype(int) - marked(number)[top:bottom, left:right]).mean() < 9
    assert any("crops away" in str(note) for note in ending.notes) == ((clip.width, clip.height) != (160, 96))


def turned(path: Path, matrix: tuple[float, float, float, float]) -> Path:
    """An MP4 whose track is shown by the matrix ``(a, b, c, d)``."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("matrix", "turns", "aspect", "told"),
    [
        ((0, 0.4, -0.4, 0), -1, Fraction(1), False),
        ((-0.3, 0, 0, -0.3), 2, Fraction(1), False),
        ((2, 0, 0, 1), 0, Fraction(2), False),
        ((0, 1, -2, 0), -1, Fraction(2), False),
        ((0.966, 0.259, -0.259, 0.966), 0, Fraction(1), True),
        ((0.2, 0.98, -0.98, 0.2), -1, Fraction(1), True),
        ((1, 0, 0.5, 1), 0, None, True),
    ],
    ids=[
        "turned and small",
        "upside down and small",
        "wide",
        "turned and wide",
        "15 degrees",
        "79 degrees",
        "skewed",
    ],
)
def test_a_track_is_turned_as_its_matrix_says_or_a_person_is_asked(
    tmp_path: Path, matrix: tuple[float, float, float, float], turns: int, aspect: Fraction | None, told: bool
) -> None:
    path = turned(make_clip(tmp_path / "a.mov", numbered(2)), matrix)
    bare = tmp_path / "b.mov"
    bare.write_bytes(path.read_bytes().replace(b"pasp", b"free"))
    for one in (path, bare):
        clip, found, ending = everything(one)
        assert abs(rgb(found[0]).astype(int) - np.rot90(marked(0), turns)).mean() < 9
        assert aspect is None or abs(clip.aspect - aspect) < 0.02
        assert bool({note.code for note in ending.notes} & ASKED) == told


def test_a_rectangle_that_clips_a_track_is_what_is_shown(tmp_path: Path) -> None:
    region = struct.pack(">I4sH4h", 18, b"crgn", 10, 48, 20, 96, 120)
    path = with_box(tmp_path / "a.mov", struct.pack(">I4s", 26, b"clip") + region, b"moov", b"trak")
    clip, found, _ = everything(path)
    assert (clip.width, clip.height) == (100, 48)
    assert abs(rgb(found[1]).astype(int) - marked(1)[48:, 20:120]).mean() < 9


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (
            struct.pack(">I4sI4sH4h4s", 30, b"clip", 22, b"crgn", 14, 48, 20, 96, 120, b"mask"),
            (b"moov", b"trak"),
        ),
        (struct.pack(">I4sI4sH4h", 26, b"clip", 18, b"crgn", 10, 48, 20, 96, 120), (b"moov",)),
        (struct.pack(">I4sI4sI", 20, b"matt", 12, b"kmat", 0), (b"moov", b"trak")),
    ],
    ids=["no rectangle", "of all tracks", "matte"],
)
def test_what_a_mask_hides_is_not_shown(tmp_path: Path, box: bytes, inside: tuple[bytes, ...]) -> None:
    with pytest.raises(UnsupportedError, match="mask"):
        everything(with_box(tmp_path / "a.mov", box, *inside))


def test_an_mxf_s_rectangle_is_what_is_shown(tmp_path: Path) -> None:
    """As where a recorder stores time codes above the picture."""
    path = make_clip(tmp_path / "a.mxf", numbered(4), codec="mpeg2video", options={"qmin": "1", "qmax": "2"})
    content = path.read_bytes()
    assert everything(path)[0].height == 96, "nothing is cut off where it says so"
    for tag, before, after in ((0x3208, 96, 48), (0x320B, 0, 48), (0x3209, 160, 120), (0x320A, 0, 40)):
        assert struct.pack(">HHI", tag, 4, before) in content
        content = content.replace(struct.pack(">HHI", tag, 4, before), struct.pack(">HHI", tag, 4, after))
    path.write_bytes(content)
    clip, found, ending = everything(path)
    assert (clip.width, clip.height) == (120, 48)
    assert abs(rgb(found[1]).astype(int) - marked(1)[48:, 40:]).mean() < 9
    assert "clip.cropped" in [note.code for note in ending.notes]


def test_a_turned_clip_is_cropped_before_it_is_turned(tmp_path: Path) -> None:
    path = turned(clap(tmp_path / "a.mov", (160, 1, 48, 1, 0, 1, 24, 1)), (0, 1, -1, 0))
    clip, found, _ = everything(path)
    assert (clip.width, clip.height) == (48, 160)
    assert abs(rgb(found[0]).astype(int) - np.rot90(marked(0)[48:], -1)).mean() < 9


def test_a_matroska_s_cropping_is_heeded(tmp_path: Path) -> None:
    cropped, path = clap(tmp_path / "a.mov", (100, 1, 48, 1, -10, 1, 24, 1)), tmp_path / "a.mkv"
    ffmpeg("-i", cropped, "-c", "copy", path)
    assert bytes.fromhex("54bb") in path.read_bytes()[:2000], "it is written as the container's own cropping"
    clip, found, _ = everything(path)
    assert (clip.width, clip.height) == (100, 48)
    for number, frame in enumerate(found):
        assert abs(rgb(frame).astype(int) - marked(number)[48:, 20:120]).mean() < 9


def webm(path: Path, parts: list[tuple[int, int, int]]) -> Path:
    """A call's recording: ``(width, height, frames)`` one after the other in one track."""
    with av.open(str(path), "w", format="webm") as out:
        stream: Any = None
        done = 0
        for width, height, count in parts:
            coder = av.CodecContext.create("libvpx", "w")
            coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
            coder.time_base, coder.framerate, coder.bit_rate = Fraction(1, 1000), Fraction(25), 2_000_000
            coder.options = {"deadline": "realtime", "lag-in-frames": "0", "auto-alt-ref": "0"}
            if stream is None:
                stream = out.add_stream("libvpx", rate=25)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.time_base = Fraction(1, 1000)
            packets = []
            for number in range(done, done + count):
                frame = av.VideoFrame.from_ndarray(marked(number, width, height), "rgb24").reformat(
                    format="yuv420p"
                )
                frame.pts, frame.time_base = 40 * number, Fraction(1, 1000)
                packets += coder.encode(frame)
            done += count
            for packet in [*packets, *coder.encode(None)]:
                packet.stream = stream
                out.mux(packet)
    return path


def in_one_size(path: Path) -> tuple[Clip, list[Frame], Any]:
    """All frames of a clip whose frames change, read again with the size in which all fit."""
    form = sniff_file(path)
    with pytest.raises(Reshaped) as changed, Reading(path, form, Limits(), "full") as reading:
        for _ in reading.records():
            pass
    clip = open_clip(path, form, Limits(), canvas=changed.value.canvas)
    with Reading(path, form, Limits(), "full", canvas=clip.canvas) as reading:
        found = [
            Frame(f.number, f.pts, f.duration, tuple(part.copy() for part in f.planes))  # type: ignore[arg-type]
            for f in frames(clip, reading)
        ]
        return clip, found, reading.ending


def test_a_call_that_grows_keeps_its_largest_size(tmp_path: Path) -> None:
    path = webm(tmp_path / "a.webm", [(160, 96, 3), (320, 192, 3), (640, 384, 4)])
    clip, found, ending = in_one_size(path)
    assert (clip.width, clip.height) == (640, 384)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(10))
    assert abs(rgb(found[9]).astype(int) - marked(9, 640, 384)).mean() < 9, "the largest is not touched"
    assert any("640 by 384" in str(note) for note in ending.notes)


def test_a_phone_that_is_turned_keeps_the_shape_of_both(tmp_path: Path) -> None:
    clip, found, _ = in_one_size(webm(tmp_path / "a.webm", [(160, 96, 3), (96, 160, 3)]))
    assert (clip.width, clip.height) == (160, 160)
    for number, frame in enumerate(found):
        shown = rgb(frame)
        inside = shown[32:128] if number < 3 else shown[:, 32:128]
        beside = shown[:30] if number < 3 else shown[:, :30]
        wanted = marked(number, 160, 96) if number < 3 else marked(number, 96, 160)
        assert abs(inside.astype(int) - wanted).mean() < 9 and beside.max() < 8


def test_a_size_that_changes_at_once_is_found(tmp_path: Path) -> None:
    clip, found, _ = in_one_size(webm(tmp_path / "a.webm", [(160, 96, 1), (320, 192, 3)]))
    assert (clip.width, clip.height) == (320, 192) and len(found) == 4


def test_a_size_that_changes_late_is_found(tmp_path: Path) -> None:
    """In streams that were joined and copied, with the parameters before each picture, or none but those."""
    parts = [
        make_clip(tmp_path / "1.h264", numbered(60)),
        make_clip(tmp_path / "2.h264", numbered(4, 320, 192, 60)),
    ]
    (tmp_path / "a.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    ffmpeg("-i", tmp_path / "a.h264", "-c", "copy", tmp_path / "a.mp4")
    for name in ("a.h264", "a.mp4"):
        clip, found, _ = in_one_size(tmp_path / name)
        assert (clip.width, clip.height) == (320, 192)
        assert [number_of(frame.planes[0]) for frame in found] == list(range(64))
        assert abs(rgb(found[63]).astype(int) - marked(63, 320, 192)).mean() < 9


def test_no_frame_is_lost_where_an_mpeg_2_changes_its_size(tmp_path: Path) -> None:
    """Its decoder holds one back."""
    path = tmp_path / "a.mpg"
    parts = ((numbered(6), "1.mpg"), (numbered(5, 320, 192, 6), "2.mpg"), (numbered(3, 160, 96, 11), "3.mpg"))
    made = [make_clip(tmp_path / name, pictures, codec="mpeg2video") for pictures, name in parts]
    path.write_bytes(b"".join(one.read_bytes() for one in made))
    clip, found, ending = in_one_size(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(14))
    assert (clip.width, clip.height) == (320, 192) and not ending.broken_off


def test_the_road_takes_a_clip_whose_frames_change(tmp_path: Path, run: Any) -> None:
    from conftest import FAST

    source = webm(tmp_path / "a.webm", [(160, 96, 4), (96, 160, 4)])
    ran = run("blur", source, "--out", tmp_path / "out", *FAST)
    assert ran.code == 3, ran.err
    (written,) = (tmp_path / "out" / "review").glob("*.mp4")
    with av.open(str(written)) as container:
        shown = list(container.decode(video=0))
        assert (shown[0].width, shown[0].height, len(shown)) == (160, 160, 8)


def test_colours_that_change_are_each_their_own(tmp_path: Path) -> None:
    """BT.601 in full range first, then BT.709 in limited range: a flat colour stays what it is."""
    flat = [np.full((96, 160, 3), (180, 90, 40), np.uint8)] * 4
    parts = []
    for colour, pix_fmt in (({"space": 5, "range": 2}, "yuvj420p"), ({"space": 1, "range": 1}, "yuv420p")):
        made = make_clip(tmp_path / "part.ts", flat, colour=colour, pix_fmt=pix_fmt, options={"crf": "4"})
        parts.append(made.read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    _, found, _ = everything(tmp_path / "a.ts")
    assert len(found) == 8
    for frame in found:
        assert abs(rgb(frame)[40, 80].astype(int) - (180, 90, 40)).max() <= 6


def test_what_is_interlaced_from_the_middle_on_is_made_progressive(tmp_path: Path) -> None:
    """A vertical edge that moves: woven from two moments it is a comb."""
    pictures = []
    for number in range(20):
        picture = np.full((96, 160, 3), 40, np.uint8)
        picture[:, 8 * number % 160 : 8 * number % 160 + 20] = 220
        pictures.append(picture)
    make_clip(tmp_path / "p.ts", pictures[:10], codec="mpeg2video")
    make_clip(tmp_path / "x.mkv", pictures, codec="ffv1", fps=50)
    ffmpeg("-i", tmp_path / "x.mkv", "-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ilme+ildct",
           "-c:v", "mpeg2video", "-q:v", "3", tmp_path / "i.ts")  # fmt: skip
    path = tmp_path / "a.ts"
    path.write_bytes((tmp_path / "p.ts").read_bytes() + (tmp_path / "i.ts").read_bytes())
    _, found, ending = everything(path)
    assert len(found) == 20 and any("interlaced" in str(note) for note in ending.notes)
    for frame in found[12:18]:
        luma = frame.planes[0].astype(int)
        between = (luma[:-2:2] + luma[2::2]) / 2
        assert abs(luma[1:-1:2] - between).mean() < 6, "no combs"


def part(path: Path, first: int, count: int, begin: float, tone: float) -> bytes:
    """A recording in a transport stream whose clock begins somewhere, with a tone."""
    plain = make_clip(path.with_suffix(".mkv"), numbered(count, first=first), codec="ffv1")
    ffmpeg("-i", plain, "-f", "lavfi", "-t", str(count / 25), "-i", f"sine=frequency={tone}:r=48000",
           "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-output_ts_offset", str(begin), path)  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize("second", [18_000.0, 0.0], ids=["five hours later", "begun anew"])
def test_joined_recordings_follow_at_once_with_their_sound(tmp_path: Path, second: float) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(part(tmp_path / "1.ts", 0, 40, 0, 440) + part(tmp_path / "2.ts", 40, 40, second, 880))
    clip, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(80))
    assert times(clip, found) == [Fraction(number, 25) for number in range(80)]
    assert any("clock jumps once" in str(note) for note in ending.notes) and not ending.broken_off
    sound = Sound(replace(clip, joins=ending.joins), Settings(audio=AudioPolicy.KEEP))
    heard = np.concatenate(list(sound.until(3.2)))[:, 0]
    sound.close()
    assert abs(len(heard) / 48_000 - 3.2) < 0.06
    for begin, tone in ((0.3, 440), (1.1, 440), (1.8, 880), (2.7, 880)):
        piece = heard[round(begin * 48_000) :][:9600]
        assert abs(np.argmax(abs(np.fft.rfft(piece))) * 5 - tone) <= 10, (begin, tone)


def test_one_frame_whose_time_is_an_hour_ahead_takes_the_place_between(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.max_b_frames = 0
        packets = []
        for picture in numbered(30):
            packets += stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p"))
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            if number == 12:
                packet.pts += round(3760 / packet.time_base)
            out.mux(packet)
    clip, found, ending = everything(path)
    assert [number_of(frame.planes[0]) for frame in found] == list(range(30))
    assert times(clip, found) == [Fraction(number, 25) for number in range(30)]
    assert ending.retimed == 1 and not ending.joins


def test_a_pause_on_a_recorded_screen_is_no_jump(tmp_path: Path) -> None:
    at = [0, 40, 80, 120_000, 120_040]
    path = make_clip(tmp_path / "a.mkv", numbered(5), pts=at, time_base=Fraction(1, 1000))
    clip, found, ending = everything(path)
    assert times(clip, found) == [Fraction(time, 1000) for time in at] and not ending.joins
