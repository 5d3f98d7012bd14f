"""Frames per second on a 1080p clip with faces: a plain transcode, deface, and this program with its checks.

    python benchmarks/speed_video.py [--scene close|group] [--seconds 60] [--clip FILE ...] [--clips 1]
        [--deface-seconds 5 | --no-rival]

Without ``--clip`` so many ``--clips`` are made from a photo of ``sample_media`` (see :func:`make`); one process of this
program takes them all. The plain transcode is the ffmpeg program with the settings this program encodes with. deface's
full-size pass is slow, so it gets the first seconds of the first clip; frames per second are printed, start-up included
for all. Beside them stand the processor time, the size of what was written and its likeness to the source: the PSNR of
the brightness in the median block of :data:`BLOCK` pixels, for those that are redacted are not alike.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

import rivals
from anonymizer.core.settings import Settings
from anonymizer.detect.models.store import cache_folder
from anonymizer.write.clip import KEYFRAME_SECONDS, PRESET, TUNING

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
PHOTOS = Path(__file__).parents[1] / "sample_media"
BLOCK, COMPARED = 16, 30
"""Side of a block, pixels; one frame of so many is looked at."""
HEAD = [FFMPEG, "-nostdin", "-v", "error", "-y"]


def make(out: Path, scene: str, seconds: float, number: int = 0) -> None:
    """A camera that moves over faces, 1920 by 1080, 30 frames a second, with a sensor's noise, in BT.709 as cameras
    record it.

    ``close``: two faces that fill the picture's height, as in a clinic's film. ``group``: five smaller ones, turned and
    tilted, that leave the picture and come back. Another ``number`` begins at another place of the camera's way.
    """
    move = f"x='(in_w-out_w)*(0.5+0.5*sin(0.7*t+{number}))':y='(in_h-out_h)*(0.5+0.4*sin(0.4*t))'"
    wide = {
        "close": "[0]split[a][b];[b]hflip[c];[a][c]hstack,scale=2200:-2",
        "group": "[0]scale=2400:-2",
    }[scene]
    photo = {"close": "portrait.jpg", "group": "group.jpg"}[scene]
    colours = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    colours += ",setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    pan = f"{wide},crop=1920:1080:{move},noise=alls=2:allf=t,{colours}"
    command = [*HEAD, "-loop", "1", "-framerate", "30", "-t", str(seconds), "-i", PHOTOS / photo]
    command += ["-filter_complex", pan, "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", out]
    subprocess.run(command, check=True)


def frames(path: Path) -> int:
    count, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    return int(count)


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock and of processors."""

    clock: float
    processors: float


def timed(command: list[object]) -> Spent:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-800:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.perf_counter() - start, processors)


def brightness(path: Path) -> Iterator[NDArray[np.float32]]:
    """Every :data:`COMPARED`. frame's brightness, in whole blocks."""
    with av.open(str(path)) as container:
        for frame in itertools.islice(container.decode(video=0), 0, None, COMPARED):
            plane = frame.to_ndarray(format="gray").astype(np.float32)
            yield plane[: plane.shape[0] // BLOCK * BLOCK, : plane.shape[1] // BLOCK * BLOCK]


def likeness(source: Path, output: Path) -> float:
    """PSNR, dB, of the median block."""
    squares: list[NDArray[np.float32]] = []
    for one, other in zip(brightness(source), brightness(output), strict=True):
        apart = (one - other).reshape(one.shape[0] // BLOCK, BLOCK, one.shape[1] // BLOCK, BLOCK)
        squares.append((apart**2).mean(axis=(1, 3)).ravel())
    return float(10 * np.log10(255**2 / np.median(np.concatenate(squares))))


def written(folder: Path) -> Path:
    """The one clip in an output folder's ``ready/`` or ``review/``, or the first of several."""
    return sorted([*folder.glob("ready/*.mp4"), *folder.glob("review/*.mp4")])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", choices=("close", "group"), default="close")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clip", type=Path, nargs="*", default=[])
    parser.add_argument("--clips", type=int, default=1, help="how many clips to make")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--deface-seconds", type=float, default=5)
    options = parser.parse_args()
    python = None if options.no_rival else rivals.environment(cache_folder().parent / "deface")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = options.clip or [folder / f"{options.scene}-{n}.mp4" for n in range(options.clips)]
        for number, path in enumerate([] if options.clip else clips):
            make(path, options.scene, options.seconds, number)
        clip, short = clips[0], folder / "short.mp4"
        subprocess.run(
            [*HEAD, "-t", str(options.deface_seconds), "-i", clip, "-c", "copy", short], check=True
        )
        count, few = sum(frames(path) for path in clips), frames(short)
        codec = [
            "-an",
            "-c:v",
            "libx264",
            "-preset",
            PRESET,
            "-x264-params",
            TUNING,
            "-crf",
            Settings().crf,
            "-fps_mode",
            "passthrough",
            "-forced-idr",
            1,
            "-force_key_frames",
            f"expr:gte(t,n_forced*{KEYFRAME_SECONDS:g})",
        ]
        rival = [python.parent / "deface", short, "--output", folder / "d.mp4"] if python else []
        # Before and after this program: a machine that others use too changes its pace in these minutes.
        rivals_time = [timed(rival).clock] if python else []
        times = [timed([*HEAD, "-i", path, *codec, folder / f"plain-{path.name}"]) for path in clips]
        plain = Spent(sum(one.clock for one in times), sum(one.processors for one in times))
        ours = [sys.executable, "-m", "anonymizer", "blur", *clips, "--quiet", "--keep-name", "--out"]
        faces = timed([*ours, folder / "a", "--text", "none", "--no-codes"])
        own = timed([*ours, folder / "b"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        rows = [
            ("plain ffmpeg transcode, same codec settings", plain, folder / f"plain-{clip.name}"),
            ("anonymizer, faces, all passes and checks", faces, written(folder / "a")),
            ("anonymizer, all, all passes and checks", own, written(folder / "b")),
        ]
        quality = [(path.stat().st_size / 1e6, likeness(clip, path)) for *_, path in rows]
        review = len([*(folder / "b" / "review").glob("*.mp4")])
        deface = scaled = 0.0
        if python:
            deface = 2 * few / (rivals_time[0] + timed(rival).clock)
            small = [
                python.parent / "deface",
                short,
                "--scale",
                "640x360",
                "--output",
                folder / "e.mp4",
            ]
            scaled = few / timed(small).clock
    print(
        f"{len(clips)} × {clip.stem}: {count} frames; {os.cpu_count()} cores, {sys.platform}; preset {PRESET}, "
        f"{TUNING}; {review} for review\n"
    )
    print("| program | frames/s | × deface | × plain transcode | processor seconds | MB | PSNR, dB |")
    print("|---|---|---|---|---|---|---|")
    for (name, spent, _), (size, psnr) in zip(rows, quality, strict=True):
        fps = count / spent.clock
        faster = f"{fps / deface:.1f}" if deface else "–"
        print(
            f"| {name} | {fps:.1f} | {faster} | {plain.clock / spent.clock:.2f} | {spent.processors:.1f} | {size:.1f} "
            f"| {psnr:.1f} |"
        )
    for name, fps in (
        ("deface 1.5.0, defaults", deface),
        ("deface 1.5.0, --scale 640x360", scaled),
    ):
        if deface:
            print(
                f"| {name} | {fps:.1f} | {fps / deface:.1f} | {fps * plain.clock / count:.2f} | – | – | – |"
            )
    print(f"\nLargest process of this program: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
