"""Frames per second on a 1080p clip with faces: a plain transcode, deface, and this program with its checks.

    python benchmarks/speed_video.py [--scene close|group] [--seconds 60] [--clip FILE] [--deface-seconds 5]

Without ``--clip`` the clip is made from a photo of ``sample_media`` (see :func:`make`). The plain transcode is
the ffmpeg program with the settings this program encodes with. deface's full-size pass is slow, so it gets the
first seconds of the same clip; frames per second are printed, start-up included for all.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import imageio_ffmpeg

import rivals
from anonymizer.core.settings import Settings
from anonymizer.detect.models.store import cache_folder
from anonymizer.write.clip import KEYFRAME_SECONDS, PRESET, TUNING

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
PHOTOS = Path(__file__).parents[1] / "sample_media"
HEAD = [FFMPEG, "-nostdin", "-v", "error", "-y"]


def make(out: Path, scene: str, seconds: float) -> None:
    """A camera that moves over faces, 1920 by 1080, 30 frames a second, with a sensor's noise, in BT.709 as cameras
    record it.

    ``close``: two faces that fill the picture's height, as in a clinic's film. ``group``: five smaller ones, turned and
    tilted, that leave the picture and come back.
    """
    move = "x='(in_w-out_w)*(0.5+0.5*sin(0.7*t))':y='(in_h-out_h)*(0.5+0.4*sin(0.4*t))'"
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


def timed(command: list[object]) -> float:
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-800:]}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", choices=("close", "group"), default="close")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--deface-seconds", type=float, default=5)
    options = parser.parse_args()
    python = rivals.environment(cache_folder().parent / "deface")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clip = options.clip or folder / f"{options.scene}.mp4"
        if not options.clip:
            make(clip, options.scene, options.seconds)
        short = folder / "short.mp4"
        subprocess.run(
            [*HEAD, "-t", str(options.deface_seconds), "-i", clip, "-c", "copy", short], check=True
        )
        count, few = frames(clip), frames(short)
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
        rival = [python.parent / "deface", short, "--output", folder / "d.mp4"]
        # Before and after this program: a machine that others use too changes its pace in these minutes.
        before = timed(rival)
        plain = count / timed([*HEAD, "-i", clip, *codec, folder / "plain.mp4"])
        ours = [sys.executable, "-m", "anonymizer", "blur", clip, "--quiet", "--out"]
        faces = count / timed([*ours, folder / "a", "--text", "none", "--no-codes"])
        own = count / timed([*ours, folder / "b"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        deface = 2 * few / (before + timed(rival))
        small = [python.parent / "deface", short, "--scale", "640x360", "--output", folder / "e.mp4"]
        scaled = few / timed(small)
    print(f"{clip.name}: {count} frames; {os.cpu_count()} cores, {sys.platform}; preset {PRESET}, {TUNING}\n")
    print("| program | frames/s | × deface | × plain transcode |")
    print("|---|---|---|---|")
    for name, fps in (
        ("plain ffmpeg transcode, same codec settings", plain),
        ("anonymizer, faces, all passes and checks", faces),
        ("anonymizer, all, all passes and checks", own),
        ("deface 1.5.0, defaults", deface),
        ("deface 1.5.0, --scale 640x360", scaled),
    ):
        print(f"| {name} | {fps:.1f} | {fps / deface:.1f} | {fps / plain:.2f} |")
    print(f"\nLargest process of this program: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
