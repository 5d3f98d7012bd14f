"""Clips through the real command line: every frame at its own time, no face, no trace, or a clear sentence."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from anonymizer.cli import progress
from anonymizer.core.message import from_json
from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, Region
from anonymizer.core.yuv import Planes
from anonymizer.detect.finder import Finder
from anonymizer.redact.clip import TrackRedaction, paint
from anonymizer.road.clip import writing
from clips import ffmpeg, make_clip, marked, number_of, numbered
from conftest import FAST, ROOT, Ran, everything_written, fingerprints, sentences

SHARED = ROOT.parent / "shared" / "media" / "video"
TAGS = {"title": "CANARY Marta Musterfrau", "comment": "CANARY-0815", "location": "+52.5200+013.4050/"}


def pan(portrait: Pixels, count: int, turn: int = 0) -> list[Pixels]:
    """The portrait drifting through a frame of 320 by 240; ``turn``: quarter turns of the picture."""
    small = cv2.resize(portrait, (260, 260), interpolation=cv2.INTER_AREA)
    frames = []
    for number in range(count):
        frame = np.full((240, 320, 3), (70, 110, 150), np.uint8)
        x = 10 + 2 * number
        part = small[:240, : 320 - x]
        frame[: part.shape[0], x : x + part.shape[1]] = part
        frames.append(np.ascontiguousarray(np.rot90(frame, turn)))
    return frames


def retained(source: Pixels, output: Pixels, box: Box) -> float:
    """How much of a place's detail is still there: 1 for all, about 0 for none."""
    left, top, right, bottom = box.scaled(0.7).pixels(source.shape[1], source.shape[0])

    def detail(picture: Pixels) -> NDArray[np.float32]:
        grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.float32)
        return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), box.w / 8), np.float32)

    before, after = detail(source), detail(output)
    return float((before * after).sum() / (before * before).sum())


def report_of(out: Path) -> dict[str, Any]:
    (path,) = (out / "reports").glob("*.json")
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def decoded(path: Path) -> list[tuple[Fraction, Pixels]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [(f.pts * stream.time_base, f.to_ndarray(format="rgb24")) for f in container.decode(stream)]


def written(out: Path, folder: str) -> Path:
    (path,) = (out / folder).glob("*.mp4")
    return path


def test_a_clip_comes_out_without_its_face_and_its_traces(
    run: Callable[..., Ran], finders: Callable[[Settings], Any], portrait: Pixels, tmp_path: Path
) -> None:
    folder = tmp_path / "CANARY folder"
    folder.mkdir()
    times = [0, 40, 80, 130, 160, 200, 260, 300, 333, 380, 420, 460, 505, 540, 580, 620]
    source = make_clip(
        folder / "CANARY name.mov",
        pan(portrait, len(times)),
        pts=times,
        time_base=Fraction(1, 1000),
        tags=TAGS,
        sound=0.6,
        turn=6,
    )
    before = fingerprints(folder)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out)
    assert ran.code == 0, ran.out + ran.err
    clip = written(out, "ready")
    shown = decoded(clip)
    assert [t for t, _ in shown] == [Fraction(t, 1000) for t in times]
    assert shown[0][1].shape == (320, 240, 3), "stored upright"
    finder = finders(Settings())
    for number in (0, 7, 15):
        before_ = np.ascontiguousarray(np.rot90(pan(portrait, 16)[number], -1))
        (face,) = (r.box for r in finder.faces(before_) if r.hidden)
        assert retained(before_, shown[number][1], face) < 0.2
    with av.open(str(clip)) as container:
        assert len(container.streams) == 1 and not container.metadata.get("title")
    data = everything_written(out)
    assert b"CANARY" not in data and b"52.52" not in data and b"Musterfrau" not in data
    report = report_of(out)
    assert report["verdict"] == "ready" and report["medium"]["frames"] == len(times)
    assert {"sound", "GPS position"} <= set(report["source_traces"])
    assert {c["name"]: c["result"] for c in report["checks"]}["coverage"] == "pass"
    faces = [r for r in report["regions"] if r["kind"] == "face"]
    assert faces and faces[0]["first_seconds"] == 0
    assert fingerprints(folder) == before
    (page,) = (p.read_text("utf-8") for p in (out / "reports").glob("*.html") if p.stem != "index")
    assert "data:image/jpeg;base64," in page
    assert run("verify", clip).code == 0


@pytest.mark.parametrize("turn", [1, 2])
def test_a_face_that_lies_on_its_side_is_hidden_in_every_frame(
    run: Callable[..., Ran], portrait: Pixels, tmp_path: Path, turn: int
) -> None:
    frames = pan(portrait, 12, turn)
    source = make_clip(tmp_path / "a.mp4", frames)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--text", "none", "--no-codes").code == 0
    report = report_of(out)
    assert any(r["kind"] == "face" and r["frames"] == 12 for r in report["regions"])


def test_sound_is_dropped_unless_asked_for_and_then_a_person_listens(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(25), sound=1.5)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, "--audio", "keep", *FAST)
    assert ran.code == 3 and "a voice identifies" in ran.out
    with av.open(str(written(out, "review"))) as container:
        kinds = [stream.type for stream in container.streams]
        sound = sum(frame.samples for frame in container.decode(audio=0))
    assert kinds == ["video", "audio"]
    assert abs(sound / 48000 - 1.0) < 0.1, "no longer than the picture"
    other = tmp_path / "other"
    run("blur", source, "--out", other, *FAST)
    with av.open(str(written(other, "review"))) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_of_several_sound_tracks_the_one_that_plays_is_kept_and_said(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    first = make_clip(tmp_path / "first.mp4", numbered(25), sound=1.0)
    source = tmp_path / "a.mp4"
    high = ("-f", "lavfi", "-i", "sine=frequency=880:duration=1")
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "1:a", "-c:v", "copy")
    ffmpeg("-i", first, *high, *tracks, "-disposition:a:0", "0", "-disposition:a:1", "default", source)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--audio", "keep", *FAST).code == 3
    report = report_of(out)
    assert any(
        "2 sound tracks; only number 2, the one that plays" in note for note in sentences(report["notes"])
    )
    assert {c["result"] for c in report["checks"]} <= {"pass", "skipped"}
    with av.open(str(written(out, "review"))) as container:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert abs(int(np.abs(np.fft.rfft(wave[:48_000])).argmax()) * 48_000 / len(wave[:48_000]) - 880) < 10


def test_a_region_stands_for_the_seconds_that_it_was_given(run: Callable[..., Ran], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(50))
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--region", "60,40,40,30@0.4-1", *FAST).code == 3
    dark = [float(p[45:65, 65:95].mean()) < 12 for _, p in decoded(written(out, "review"))]
    assert dark == [10 <= n <= 25 for n in range(50)]
    for beyond in ("60,40,40,30@2.5-", "160,40,40,30"):
        ran = run("blur", source, "--out", tmp_path / beyond, "--region", beyond, *FAST)
        assert ran.code == 3 and "nothing is hidden there" in ran.out
    wrong = run("blur", source, "--out", out, "--region", "60,40,40,30@3-1", *FAST)
    assert wrong.code == 2 and "start-end" in wrong.err


def test_high_dynamic_range_is_kept_on_request(run: Callable[..., Ran], tmp_path: Path) -> None:
    colour = {"space": 9, "trc": 18, "primaries": 9, "range": 1}
    source = make_clip(
        tmp_path / "a.mp4", numbered(30), codec="libx265", pix_fmt="yuv420p10le", colour=colour, turn=3
    )
    drawn = '{ rect = [60, 40, 40, 30] }, { rect = [10, 30, 48, 56], kind = "face" }'
    source.with_name("a.mp4.toml").write_text(f"regions = [{drawn}]", encoding="utf-8")
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--hdr", "keep", *FAST).code == 3
    report = report_of(out)
    assert {c["result"] for c in report["checks"]} <= {"pass", "skipped"}
    assert len(report["regions"]) == 2 and any(
        "was kept, with 10 bits" in note for note in sentences(report["notes"])
    )
    apart: list[float] = []
    with av.open(str(source)) as before, av.open(str(written(out, "review"))) as after:
        for old, new in zip(before.decode(video=0), after.decode(video=0), strict=True):
            colours = new.color_primaries, new.color_trc, new.colorspace
            assert new.format.name == "yuv420p10le" and colours == (9, 18, 9)
            upright, shown = old.to_ndarray()[:96][::-1, ::-1].astype(int), new.to_ndarray()[:96].astype(int)
            assert new.time == old.time and np.abs(upright - shown)[:14].mean() < 12, "of 1023"
            assert shown[45:65, 65:95].max() < 90, "black"
            apart.append(np.abs(upright - shown)[45:70, 22:46].mean())
    assert np.mean(apart) > 80, "the drawn face is hidden"


def test_a_label_that_shows_for_a_moment_between_the_full_searches_is_filled(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """Little changes, so no cut asks for it: it comes 1.6 s in, and is gone at 3.6 s."""
    rng = np.random.default_rng(1)
    wall = cv2.resize(rng.integers(0, 255, (9, 16, 3)).astype(np.uint8), (640, 360))
    label = wall.copy()
    label[150:190, 200:360] = (245, 245, 240)
    cv2.putText(label, "MUSTERFRAU", (206, 176), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (20, 20, 30), 2)
    frames = [label if 8 <= number < 18 else wall for number in range(34)]
    out = tmp_path / "out"
    source = make_clip(tmp_path / "a.mp4", frames, fps=5)
    assert run("blur", source, "--out", out, "--no-faces", "--no-codes", "--no-marks").code == 3
    shown = [picture[163:174, 210:345].astype(np.float32) for _, picture in decoded(written(out, "review"))]
    assert max(text.std() for text in shown[8:18]) < 12 < min(text.std() for text in shown[24:])


def test_a_doubt_in_any_search_sends_a_clip_to_a_person_each_place_once(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the quick detections every two seconds, and in the output; what a redaction hides is no doubt any more."""
    found = {"quick_find_others": Box(100, 10, 40, 20), "verification_pass": Box(10, 60, 30, 30)}
    hidden = Box(62, 42, 36, 26)
    for name, box in found.items():
        found = [
            Region(place, Kind.MARK, (Evidence("mine", 0.5),), action=Action.ASK) for place in (box, hidden)
        ]
        monkeypatch.setattr(Finder, name, lambda *_, found=found: found)
    source = make_clip(tmp_path / "a.mp4", [marked(1)] * 40, fps=4)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--region", "60,40,40,30", *FAST).code == 3
    report = report_of(out)
    told = [reason for reason in sentences(report["reasons"]) if "pixels: please look." in reason]
    mark = "There may be a tattoo or another mark"
    assert told == [
        f"{mark} 0.0 s into the clip, at x 100, y 10, 40 by 20 pixels: please look.",
        f"{mark} 0.0 s into the clip, at x 10, y 60, 30 by 30 pixels: please look.",
    ]
    (residual,) = (check for check in report["checks"] if check["name"] == "residual")
    assert residual["result"] == "pass"


def test_a_clip_with_many_damaged_frames_goes_to_a_person(run: Callable[..., Ran], tmp_path: Path) -> None:
    """One frame that does not decode is concealed and reported; four of forty are too many."""
    path = make_clip(tmp_path / "a.mov", numbered(40), codec="mjpeg", pix_fmt="yuvj420p")
    for number, damaged in enumerate(([9], [9, 15, 22, 30])):
        content = bytearray(path.read_bytes())
        start, at = content.index(b"stsz") + 16, content.index(b"mdat") + 4
        for frame in range(40):
            size = int.from_bytes(content[start + 4 * frame : start + 4 * frame + 4], "big")
            if frame in damaged:
                content[at : at + size] = bytes(size)
            at += size
        source, out = tmp_path / f"{number}.mov", tmp_path / f"out{number}"
        source.write_bytes(content)
        assert run("blur", source, "--out", out, *FAST).code == 3
        report = report_of(out)
        assert any(re.search("damaged frames? of the source", note) for note in sentences(report["notes"]))
        assert any("one in twenty" in reason for reason in sentences(report["reasons"])) == (len(damaged) > 2)
        assert not any("broke off" in reason for reason in sentences(report["reasons"]))


def test_a_track_that_a_person_dismissed_stays_visible_and_waits(
    run: Callable[..., Ran], portrait: Pixels, tmp_path: Path
) -> None:
    source = make_clip(tmp_path / "a.mp4", pan(portrait, 10))
    first = tmp_path / "first"
    assert run("blur", source, "--out", first, "--text", "none", "--no-codes").code == 0
    (face,) = (r for r in report_of(first)["regions"] if r["kind"] == "face")
    left, top, right, bottom = face["box"]
    sidecar = f'dismiss = [{{ rect = [{left}, {top}, {right - left}, {bottom - top}], kind = "face" }}]'
    source.with_name("a.mp4.toml").write_text(sidecar, encoding="utf-8")
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, "--text", "none", "--no-codes")
    assert ran.code == 3 and report_of(out)["regions"] == []
    assert {c["name"]: c["result"] for c in report_of(out)["checks"]}["residual"] == "pass"


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".ts"])
def test_other_containers_come_out_frame_for_frame(
    run: Callable[..., Ran], tmp_path: Path, suffix: str
) -> None:
    codecs = {".mkv": ("libvpx-vp9", "yuv420p"), ".avi": ("mpeg4", "yuv420p")}
    codec, pix_fmt = codecs.get(suffix, ("libx264", "yuv420p"))
    source = make_clip(tmp_path / f"a{suffix}", numbered(20), codec=codec, pix_fmt=pix_fmt)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, *FAST)
    assert ran.code == 3, ran.err
    shown = decoded(written(out, "review"))
    assert [number_of(picture) for _, picture in shown] == list(range(20))
    assert [t for t, _ in shown] == [Fraction(n, 25) for n in range(20)]


def test_a_clip_that_breaks_off_goes_to_a_person(run: Callable[..., Ran], tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", numbered(100), codec="mpeg4").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    ran = run("blur", cut, "--out", out, *FAST)
    assert ran.code in (3, 4)
    if ran.code == 3:
        assert "broke off" in ran.out
    assert not list((out / "ready").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.mp4", b"ffconcat version 1.0\nfile 'whole.mp4'\n"),
        ("play.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nwhole.mp4\n"),
        ("empty.mp4", b""),
        ("torn.mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 400),
    ],
)
def test_what_is_no_clip_is_refused_in_a_sentence(
    run: Callable[..., Ran], tmp_path: Path, name: str, content: bytes
) -> None:
    make_clip(tmp_path / "whole.mp4", numbered(5))
    path = tmp_path / name
    path.write_bytes(content)
    out = tmp_path / "out"
    ran = run("blur", path, "--out", out, *FAST)
    assert ran.code == 4 and name in ran.err and "Traceback" not in ran.err
    assert ran.err.count("\n") == 1
    for folder in ("ready", "review"):
        assert not list((out / folder).iterdir())


def test_a_truncated_mp4_is_refused_or_reviewed_never_ready(run: Callable[..., Ran], tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "w.mp4", numbered(60), container_options={"movflags": "+faststart"}
    ).read_bytes()
    for number, share in enumerate((0.2, 0.5, 0.9)):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(whole[: int(len(whole) * share)])
        out = tmp_path / f"out{number}"
        assert run("blur", path, "--out", out, *FAST).code in (3, 4)
        assert not list((out / "ready").iterdir())


def test_progress_says_the_stage_the_frames_per_second_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said, now = io.StringIO(), iter(range(1000))
    monkeypatch.setattr(progress, "err_console", Console(file=said, force_terminal=True, width=100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(now)))
    with progress.media_bar(1, show=True) as (_, within):
        for done in range(1, 40):
            within("searching", done, 400)
    lines = [line for line in said.getvalue().splitlines() if "39/400" in line]
    assert lines and "searching" in lines[-1] and "1 frames/s" in lines[-1], lines
    assert re.search(r"\d:\d\d:\d\d", lines[-1]), lines


def command(source: Path, out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "anonymizer",
        "blur",
        str(source),
        "--out",
        str(out),
        "--quiet",
        *FAST,
    ]


def heavy(path: Path) -> Path:
    """A clip of noise: its output has megabytes."""
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 255, (192, 320, 3)).astype(np.uint8) for _ in range(40)]
    return make_clip(path, frames)


def nothing_half_done(out: Path) -> None:
    for folder in ("ready", "review", "reports"):
        assert [p for p in (out / folder).glob("*") if p.name != "index.html"] == []


STRUCK = """
import os, signal, sys
from anonymizer.cli import main as cli
from anonymizer.gate import folder as gate
from anonymizer.road import pipeline

stage, number = sys.argv[1], int(sys.argv[2])
run, place = pipeline.Session.run, gate.place

def strike():
    os.killpg(0, number)

def within(now, done, all):
    if now == stage and done >= 10:
        strike()

def placing(staged, final, mode):
    if stage == "reported":
        strike()
    place(staged, final, mode)
    if stage == "published":
        strike()

pipeline.Session.run = lambda self, path, progress=None, opened=None: run(self, path, within, opened)
gate.place = placing
cli.main(sys.argv[3:])
"""
"""The command line in a process group that a signal strikes as a whole, as Ctrl-C does, at a given stage."""


def struck(stage: str, number: int, source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STRUCK, stage, str(number), *command(source, out)[3:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_in_any_stage_nothing_is_published_and_the_next_run_is_clean(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(30))
    out = tmp_path / "out"
    for stage in ("searching", "hiding", "checking", "reported"):
        assert struck(stage, signal.SIGKILL, source, out).returncode == -signal.SIGKILL, stage
        assert not list((out / "ready").glob("*")) and not list((out / "review").glob("*.mp4")), stage
        assert bool(list((out / "reports").glob("*.json"))) == (stage == "reported"), (
            "what was left before is gone"
        )
    assert subprocess.run(command(source, out), check=False).returncode == 3
    (medium,) = (out / "review").glob("*.mp4")
    assert [path.stem for path in (out / "reports").glob("*.json")] == [medium.stem]
    assert not [p for p in (out / ".anonymizer").glob("run-*") if p.is_dir()]
    # Killed a moment after it came through, it has all that belongs to it.
    struck("published", signal.SIGKILL, source, out)
    media = {path.stem for path in (out / "review").glob("*.mp4")}
    assert len(media) == 2 and media == {path.stem for path in (out / "reports").glob("*.json")}


@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
@pytest.mark.parametrize("stage", ["searching", "hiding", "checking"])
def test_ctrl_c_in_any_stage_leaves_nothing_and_says_so(tmp_path: Path, stage: str) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(30))
    out = tmp_path / "out"
    ran = struck(stage, signal.SIGINT, source, out)
    assert (
        ran.returncode == 130 and "Nothing half done was kept" in ran.stderr and ran.stderr.count("\n") == 1
    )
    nothing_half_done(out)
    assert not list(out.glob(".anonymizer/run-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_no_room_for_the_output_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A quota of the test's own: no file may grow beyond it."""
    source = heavy(tmp_path / "a.mp4")
    out = tmp_path / "out"
    limit = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from anonymizer.cli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = command(source, out)[3:]
    ran = subprocess.run(
        [sys.executable, "-c", limit, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode not in (0, 3), ran.stderr
    assert "Traceback" not in ran.stderr and "nothing was published" in ran.stderr
    nothing_half_done(out)
    assert not list(out.glob(".anonymizer/run-*"))
    assert subprocess.run(command(source, out), check=False).returncode == 3


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_full_volume_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", volume], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no volume can be mounted here")
    try:
        source = heavy(tmp_path / "a.mp4")
        ran = subprocess.run(
            command(source, volume / "out"), capture_output=True, text=True, check=False, timeout=120
        )
        assert ran.returncode not in (0, 3)
        assert "Traceback" not in ran.stderr and "free space" in ran.stderr
        nothing_half_done(volume / "out")
    finally:
        subprocess.run(["umount", volume], check=True)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared clips are not here")
def test_every_shared_clip_keeps_its_frames_and_times(run: Callable[..., Ran], tmp_path: Path) -> None:
    for name in ("carphone_pristine", "mv_with_2_top_shots"):
        source = SHARED / f"{name}.mp4"
        out = tmp_path / source.stem
        assert run("blur", source, "--out", out, *FAST).code == 3
        report = report_of(out)
        checks = {c["name"]: c["result"] for c in report["checks"]}
        assert checks["timing"] == checks["second-reader"] == checks["structure"] == "pass"


def test_what_the_search_of_the_output_finds_is_hidden_and_the_clip_searched_there_again(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []

    def verification_pass(self: Finder, pixels: Pixels) -> list[Region]:
        bare = bool(pixels[65:85, 15:35].mean() > 40)
        looked.append(bare)
        return [Region(Box(10, 60, 30, 30), Kind.TEXT, (Evidence("mine", 0.9),))] if bare else []

    monkeypatch.setattr(Finder, "verification_pass", verification_pass)
    source = make_clip(tmp_path / "a.mp4", [marked(1)] * 40, fps=4)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3, "without faces it always waits"
    shown = [picture[65:85, 15:35].mean() for _, picture in decoded(written(out, "review"))]
    # Every fourth second was searched, and what was found there is hidden about each time.
    assert (
        all(shown[frame] < 40 for frame in (0, 1, 2, 14, 15, 16, 17, 18, 30, 31, 32, 33, 34))
        and shown[8] > 40
    )
    (residual,) = (check for check in report_of(out)["checks"] if check["name"] == "residual")
    assert residual["result"] == "pass" and "2 searches of the output, at 3 frames, then at 3" in str(
        from_json(residual["evidence"])
    )
    assert looked == [True] * 3 + [False] * 3


def test_written_again_a_clip_is_drawn_and_coded_anew_only_where_something_was_added(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[int] = []
    searched: list[int] = []

    def verification_pass(self: Finder, pixels: Pixels) -> list[Region]:
        searched.append(number_of(pixels))
        late = number_of(pixels) == 32 and pixels[65:85, 15:35].mean() > 40
        return [Region(Box(10, 60, 30, 30), Kind.TEXT, (Evidence("mine", 0.9),))] if late else []

    def counted(planes: Planes, redactions: Sequence[TrackRedaction], frame: int, *more: Any) -> int:
        painted.append(frame)
        return paint(planes, redactions, frame, *more)

    monkeypatch.setattr(Finder, "verification_pass", verification_pass)
    monkeypatch.setattr(writing, "paint", counted)
    source = make_clip(tmp_path / "a.mp4", [marked(number) for number in range(40)], fps=4)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3, "without faces it always waits"
    assert painted == [*range(40), *range(16, 40)], "a group of pictures is four seconds"
    assert [number for number in searched if 29 <= number < 36] == [32, 32] and searched[-1] == 32
    pictures = [picture for _, picture in decoded(written(out, "review"))]
    assert [number_of(picture) for picture in pictures] == list(range(40))
    hidden = [frame for frame, picture in enumerate(pictures) if picture[65:85, 15:35].mean() < 40]
    assert hidden == list(range(29, 36))
    checks = {c["name"]: c["result"] for c in report_of(out)["checks"]}
    assert set(checks.values()) <= {"pass", "skipped"}, "ExifTool may be missing"
    assert [path.name for path in out.rglob("*-before*")] == []
