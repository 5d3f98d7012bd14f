"""Photos per second at 12 megapixels, whole program against whole program, and where the time goes.

    python benchmarks/speed.py [--photos 16] [--own FOLDER]

Input, unless a folder of your own is named: the sample media's group and portrait, enlarged to 4032 by 3024
pixels with a camera's noise, as JPEG. Each program is started once on all of them, model loading included:
deface 1.5.0 at its defaults (its own environment, made in the cache folder), this program for faces alone,
and with everything that it does by default, by ``blur`` (one after the other) and by ``batch`` (a worker for each
core); ours include the second search, every check and the report.
ExifTool, an optional outside checker, is kept out of the way: where installed it takes another hundredth of a
second for each photo, and a fifth once. Clips have a benchmark of their own, ``speed_video.py``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import rivals
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.detect.models.store import cache_folder
from anonymizer.road import photo, pipeline
from anonymizer.road import worker as work

SIZE = (4032, 3024)
SAMPLES = Path(__file__).parents[1] / "sample_media"


def make(folder: Path, count: int) -> list[Path]:
    """The photos: real faces at a phone's size, no two files alike."""
    paths = []
    for number in range(count):
        name = ("group.jpg", "portrait.jpg")[number % 2]
        picture = Image.open(SAMPLES / name).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
        noise = np.random.default_rng(number).normal(0, 4, (SIZE[1], SIZE[0], 1))
        pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"photo-{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=92)
    return paths


def run(command: list[Any]) -> float:
    """Seconds that a program takes; exit codes 0 and 3 (some photos wait for a person) are both success."""
    start = time.perf_counter()
    code = subprocess.run(
        [str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).returncode
    if code not in (0, 3):
        raise SystemExit(f"{command[0]} ended with {code}")
    return time.perf_counter() - start


def stages(paths: list[Path], settings: Settings) -> dict[str, float]:
    """Seconds per photo in each stage, models loaded and warm, measured in this process."""
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **more)
            finally:
                spent[name] += time.perf_counter() - start

        return wrapper

    for module, name in (
        (work, "open_still"),
        (photo, "redact"),
        (photo, "write_photo"),
        (photo, "decode"),
        (photo, "examine"),
        (pipeline, "scan_report"),
    ):
        setattr(module, name, timed(name, getattr(module, name)))
    with tempfile.TemporaryDirectory() as out, pipeline.Session(Path(out), settings) as session:
        session.run(paths[0])
        spent.clear()
        for finder in session.worker.finder.finders:
            kind = type(finder).__name__
            for name in ("find_beside", "find"):
                if hasattr(finder, name):
                    setattr(finder, name, timed(f"find: {kind}", getattr(finder, name)))
                    break
            finder.verification_pass = timed(f"verification: {kind}", finder.verification_pass)  # type: ignore[method-assign]
        start = time.perf_counter()
        for path in paths:
            session.run(path)
        spent["(all)"] = time.perf_counter() - start
    return {name: seconds / len(paths) for name, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--own", type=Path, help="a folder of JPEGs to use instead")
    options = parser.parse_args()
    os.environ["PATH"] = str(Path(sys.executable).parent)
    python = rivals.environment(cache_folder().parent / "deface")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = folder / "photos"
        made.mkdir()
        (folder / "rival").mkdir()
        paths = sorted(options.own.glob("*.jpg")) if options.own else make(made, options.photos)
        ours = [sys.executable, "-m", "anonymizer", "blur", *paths, "--quiet", "--out"]
        # deface writes beside what it is given: a folder of its own.
        rivals_own = [shutil.copy(path, folder / "rival") for path in paths]
        folders = [sys.executable, "-m", "anonymizer", "batch", paths[0].parent, "--quiet", "--out"]
        faces_only = ["--text", "none", "--no-codes", "--no-marks"]
        results = {
            "deface 1.5.0, defaults": run([python.parent / "deface", *rivals_own]),
            "anonymizer, faces, verified": run([*ours, folder / "a", *faces_only]),
            "anonymizer, all, verified": run([*ours, folder / "b"]),
            "anonymizer batch, faces": run([*folders, folder / "c", *faces_only]),
            "anonymizer batch, all": run([*folders, folder / "d"]),
        }
        rival = results["deface 1.5.0, defaults"]
        print(f"{len(paths)} photos, {sys.platform}")
        for name, seconds in results.items():
            print(f"{name:32} {len(paths) / seconds:6.2f} photos/s   {rival / seconds:5.2f} × deface")
        sys.stdout.flush()
        for title, settings in (
            ("faces", Settings(text=TextPolicy.NONE, codes=False, marks=False)),
            ("all", Settings()),
        ):
            print(f"\nwhere the time goes ({title}), ms per photo, models warm")
            spent = stages(paths, settings)
            for name, seconds in sorted(spent.items(), key=lambda item: -item[1]):
                print(f"  {name:24} {1000 * seconds:8.0f}")
            if faces := sum(v for name, v in spent.items() if "FaceFinder" in name):
                others = sum(v for name, v in spent.items() if "TextFinder" in name or "CodeFinder" in name)
                print(
                    f"  text and codes, search and verification pass, take {others / faces:.2f} times as long as faces"
                )


if __name__ == "__main__":
    main()
