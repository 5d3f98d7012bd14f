"""What a watcher costs while nothing happens: share of one core, and memory.

    python benchmarks/idle.py [--seconds 60] [--files 1000]

The inbox holds photos that are done already. Measured is the processor time of the watcher with all its processes,
once with the system's events and once looking through the folder, as it does on a network share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image

SETTINGS = 'faces = false\ntext = "none"\ncodes = false\nmarks = false\n'
START_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Idle:
    """``share`` of one core, ``memory`` in bytes (the watcher, and a worker without models)."""

    share: float
    memory: int


def idle_cost(seconds: float = 60.0, files: int = 1000, *, poll: bool = False) -> Idle:
    """Watch a folder of so many photos that are done, and measure for so many seconds.

    Raises TimeoutError where the watcher does not come to rest.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        Image.new("RGB", (64, 48), "grey").save(folder / "in" / "0.jpg")
        content = (folder / "in" / "0.jpg").read_bytes()
        for number in range(1, files):
            (folder / "in" / f"{number}.jpg").write_bytes(content)
        (folder / "anonymizer.toml").write_text(SETTINGS)
        command = [sys.executable, "-m", "anonymizer", "watch", str(folder / "in"), "--quiet"]
        more = ["--settings", str(folder / "anonymizer.toml"), "--settle", "1", *(["--poll"] if poll else [])]
        with subprocess.Popen([*command, "--out", str(folder / "out"), *more]) as process:
            try:
                _await_rest(folder / "out" / ".anonymizer" / "watch.json", files)
                before, began = _spent(process.pid), time.monotonic()
                time.sleep(seconds)
                share = (_spent(process.pid) - before) / (time.monotonic() - began)
                memory = sum(one.memory_info().rss for one in _family(process.pid))
            finally:
                process.terminate()
    return Idle(share, memory)


def _await_rest(status: Path, files: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if status.is_file():
            said = json.loads(status.read_bytes())
            done = said["ready"] + said["review"] + said["known"]
            if done == files and said["doing"] == "idle" and not said["queued"]:
                return
        time.sleep(0.5)
    raise TimeoutError("the watcher does not come to rest")


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _spent(pid: int) -> float:
    """Processor seconds of a process and its children, dead ones included."""
    times = [one.cpu_times() for one in _family(pid)]
    own = sum(one.user + one.system for one in times)
    return own + getattr(times[0], "children_user", 0.0) + getattr(times[0], "children_system", 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--files", type=int, default=1000)
    asked = parser.parse_args()
    print(f"{asked.files} handled photos, {asked.seconds:g} s, {os.cpu_count()} cores")
    for poll in (False, True):
        found = idle_cost(asked.seconds, asked.files, poll=poll)
        way = "looking every few seconds" if poll else "events"
        print(f"{way:26} {100 * found.share:.2f} % of one core, {found.memory / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
