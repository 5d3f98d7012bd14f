"""What more workers bring, what each takes, whether ten thousand files leave a trace, and what waiting costs.

    python benchmarks/scale.py [--photos 24] [--megapixels 3] [--files 2000] [--idle-seconds 30]

Photos are made from ``sample_media``, each a little different, for content that is known already costs nothing.
Throughput counts start-up. One worker alone has all cores to itself; the honest unit for what a second worker
with a core of its own brings is the whole run kept to one core, so both are printed. Tiny files are searched for
nothing: there the way is measured, not the finding. Memory is resident memory, sampled five times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from idle import idle_cost

SAMPLES = Path(__file__).parents[1] / "sample_media"
BATCH = [sys.executable, "-m", "anonymizer", "batch"]
NOTHING = 'faces = false\ntext = "none"\ncodes = false\nmarks = false\n'
MIB = 1 << 20


@dataclass
class Watched:
    """What a process tree took while it ran: seconds, and MiB of the driver and of its largest worker over time."""

    seconds: float = 0.0
    code: int = 0
    driver: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)


def watched(command: list[object], cores: int = 0) -> Watched:
    """Run a command to its end and look at its memory meanwhile.

    ``cores``: it and all that it starts are kept to so many, where the system can (Linux); 0 for all.
    """
    found = Watched()
    start = time.perf_counter()
    with _kept_to(cores):
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    over = threading.Event()

    def sample() -> None:
        while not over.wait(0.2):
            try:
                own = psutil.Process(process.pid)
                each = [one.memory_info().rss / MIB for one in own.children(recursive=True)]
                found.driver.append(own.memory_info().rss / MIB)
            except psutil.Error:
                continue
            found.worker.append(max(each, default=0.0))
            found.total.append(found.driver[-1] + sum(each))

    thread = threading.Thread(target=sample)
    thread.start()
    found.code = process.wait()
    found.seconds = time.perf_counter() - start
    over.set()
    thread.join()
    if found.code not in (0, 3):
        raise SystemExit(f"the batch failed with exit code {found.code}")
    return found


@contextlib.contextmanager
def _kept_to(cores: int) -> Iterator[None]:
    """What is started meanwhile has so many of this process's cores."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def photos(folder: Path, count: int, megapixels: float) -> None:
    """Photos with faces, text and codes, no two alike."""
    folder.mkdir()
    originals = [
        SAMPLES / name for name in ("portrait.jpg", "group.jpg", "label-and-code.png", "no-face.jpg")
    ]
    for number in range(count):
        with Image.open(originals[number % len(originals)]) as image:
            rgb = image.convert("RGB")
        factor = (megapixels * 1e6 / (rgb.width * rgb.height)) ** 0.5
        rgb = rgb.resize((round(rgb.width * factor), round(rgb.height * factor)))
        rgb.putpixel((0, 0), (number % 256, number // 256, 0))
        rgb.save(folder / f"{number:05}.jpg", quality=92)


def tiny(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = random.Random(1)
    for number in range(count):
        Image.frombytes("RGB", (32, 32), rng.randbytes(32 * 32 * 3)).save(folder / f"{number:05}.png")


def throughput(scratch: Path, count: int, megapixels: float) -> None:
    photos(scratch / "photos", count, megapixels)
    command = [*BATCH, scratch / "photos", "--quiet", "--out"]
    alone = watched([*command, scratch / "a", "--workers", 1], cores=1)
    whole = watched([*command, scratch / "b", "--workers", 1])
    two = watched([*command, scratch / "c", "--workers", 2])
    print(f"{count} photos of {megapixels:g} megapixels, all detectors, start-up included\n")
    print("| workers | photos/s | × one worker on one core | largest worker, MiB | all processes, MiB |")
    print("|---|---|---|---|---|")
    for name, one in (("1, on one core", alone), ("1, on all cores", whole), ("2", two)):
        speed, factor = count / one.seconds, alone.seconds / one.seconds
        print(f"| {name} | {speed:.2f} | {factor:.2f} | {max(one.worker):.0f} | {max(one.total):.0f} |")


def growth(scratch: Path, count: int) -> None:
    tiny(scratch / "tiny", count)
    (scratch / "nothing.toml").write_text(NOTHING, encoding="utf-8")
    command = [*BATCH, scratch / "tiny", "--quiet", "--settings", scratch / "nothing.toml"]
    found = watched([*command, "--out", scratch / "d"])
    again = watched([*command, "--out", scratch / "d"])
    quarter, end = len(found.driver) // 4, len(found.driver) - 2
    print(
        f"\n{count} tiny files: {count / found.seconds:.0f} files/s; a second run knew all in {again.seconds:.1f} s"
    )
    for name, series in (("driver", found.driver), ("largest worker", found.worker)):
        print(
            f"{name}: {series[quarter]:.0f} MiB after a quarter of the time, {series[end]:.0f} MiB at the end"
        )


def idle(seconds: float) -> None:
    for poll, way in ((False, "events"), (True, "looking every few seconds")):
        found = idle_cost(seconds, poll=poll)
        print(f"\nA watcher that waits ({way}): {100 * found.share:.2f} % of one core over {seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--megapixels", type=float, default=3)
    parser.add_argument("--files", type=int, default=2000, help="tiny files; 10000 take some minutes")
    parser.add_argument("--idle-seconds", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        throughput(scratch, options.photos, options.megapixels)
        growth(scratch, options.files)
        idle(options.idle_seconds)


if __name__ == "__main__":
    main()
