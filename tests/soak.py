"""The watcher under fire: files are copied in slowly, renamed, replaced and deleted while it is killed and restarted.

Every content that is left standing must end in exactly one place: one output with one report, one original.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from conftest import FAST
from folders import tiny

SETTINGS = 'faces = false\ntext = "none"\ncodes = false\nmarks = false\n'
SETTLE = 0.5
assert len(FAST) == 5, "the settings above are the same"


class Process:
    """``anonymizer watch FOLDER/in --out FOLDER/out`` in a process of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        settings = folder / "anonymizer.toml"
        settings.write_text(SETTINGS)
        self.out = folder / "out"
        self._said = (folder / f"said-{time.monotonic_ns()}.txt").open("w+")
        command = [
            sys.executable,
            "-m",
            "anonymizer",
            "watch",
            str(folder / "in"),
            "--out",
            str(self.out),
        ]
        self.process = subprocess.Popen(
            [*command, "--settings", str(settings), *more],
            stdout=self._said,
            stderr=subprocess.STDOUT,
            env=os.environ | {"COLUMNS": "500", "XDG_CACHE_HOME": str(folder / "cache")},
        )

    def said(self) -> list[str]:
        self._said.seek(0)
        return self._said.read().splitlines()

    def media(self) -> dict[str, int]:
        """State → how many; empty where there is no ledger yet."""
        path = self.out / ".anonymizer" / "ledger.sqlite"
        if not path.is_file() or self.process.poll() is not None:
            assert self.process.poll() is None, self.said()
            return {}
        ledger = Ledger(path)
        try:
            return {state.value: count for state, count in ledger.counts().items()}
        finally:
            ledger.close()

    def status(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.out / ".anonymizer" / "watch.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()


class Actor:
    """Does to the inbox what people and copy programs do. ``present`` is what each name should hold in the end."""

    def __init__(self, inbox: Path, rng: random.Random) -> None:
        self.inbox = inbox
        self.rng = rng
        self.present: dict[str, bytes] = {}
        self.contents: set[bytes] = set()
        self.deeds: Counter[str] = Counter()
        self._writing: dict[str, tuple[bytes, int]] = {}
        self._number = 0

    def act(self) -> None:
        """One deed, or the next chunk of a slow copy."""
        rng = self.rng
        for name in list(self._writing):
            if rng.random() < 0.5:
                self._chunk(name)
        deed = rng.choice(
            ["copy", "copy", "whole", "temporary", "rename", "replace", "overwrite", "delete", "twin"]
        )
        self.deeds[deed] += 1
        finished = [name for name in self.present if name not in self._writing]
        if deed in ("rename", "replace", "overwrite", "delete") and not finished:
            deed = "copy"
        if deed in ("copy", "overwrite"):
            if len(self._writing) < 4:
                self._slow(self._name() if deed == "copy" else rng.choice(finished))
        elif deed == "whole":
            self._place(self._name(), self._content())
        elif deed == "temporary":
            content, name = self._content(), self._name()
            part = self.inbox / f"{name}.part"
            part.write_bytes(content)
            part.rename(self.inbox / name)
            self.present[name] = content
        elif deed == "twin":
            if self.present:
                name = rng.choice(sorted(self.present))
                if name not in self._writing:
                    self._place(self._name(), self.present[name])
        elif deed == "replace":
            self._place(rng.choice(finished), self._content())
        elif deed == "rename":
            old, new = rng.choice(finished), self._name()
            try:
                (self.inbox / old).rename(self.inbox / new)
            except FileNotFoundError:
                return  # it is handled and has moved
            self.present[new] = self.present.pop(old)
        else:
            name = rng.choice(finished)
            try:
                (self.inbox / name).unlink()
            except FileNotFoundError:
                return
            del self.present[name]

    def finish(self) -> None:
        """Write every slow copy to its end."""
        while self._writing:
            for name in list(self._writing):
                self._chunk(name)

    def _name(self) -> str:
        self._number += 1
        folder = self.rng.choice(["", "case 1/", "case 2/deep/"])
        (self.inbox / folder).mkdir(parents=True, exist_ok=True)
        return f"{folder}{self._number:04}.jpg"

    def _content(self) -> bytes:
        content = tiny(self.rng.randrange(1 << 40))
        self.contents.add(content)
        return content

    def _place(self, name: str, content: bytes) -> None:
        beside = self.inbox / f".{self._number}.tmp"
        beside.write_bytes(content)
        beside.replace(self.inbox / name)
        self.present[name] = content

    def _slow(self, name: str) -> None:
        content = self._content()
        (self.inbox / name).write_bytes(b"")
        self.present[name] = content
        self._writing[name] = content, 0

    def _chunk(self, name: str) -> None:
        content, at = self._writing[name]
        end = min(len(content), at + self.rng.randrange(1, len(content) // 2))
        with (self.inbox / name).open("ab") as file:
            file.write(content[at:end])
        if end == len(content):
            del self._writing[name]
        else:
            self._writing[name] = content, end


def soak(folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Some time of it, then peace; what was done. Raises AssertionError with what is wrong in the end."""
    rng = random.Random(seed)
    for name in ("in", "done"):
        (folder / name).mkdir()
    actor = Actor(folder / "in", rng)
    options = ("--settle", str(SETTLE), "--rescan", "5", "--done", str(folder / "done"))
    process, kills = Process(folder, *options), 0
    until = time.monotonic() + seconds
    next_kill = time.monotonic() + rng.uniform(1.5, 4)
    try:
        while time.monotonic() < until or kills == 0:
            # A machine that is slow must not be given more than it can take.
            if len(_files(folder / "in")) < 40:
                actor.act()
            time.sleep(rng.uniform(0, 0.3))
            if time.monotonic() > next_kill:
                process.kill()
                kills += 1
                for _ in range(rng.randrange(4)):
                    actor.act()
                process = Process(folder, *options)
                next_kill = time.monotonic() + rng.uniform(0.5, 6)
        actor.finish()
        _await_peace(folder, process)
        assert process.end() == 0, process.said()
        assert not any("Traceback" in said for said in process.said())
    finally:
        process.kill()
    wrong = faults(folder, actor.present, actor.contents)
    assert not wrong, wrong
    return {"kills": kills, "contents": len(actor.contents), "deeds": dict(actor.deeds)}


def _await_peace(folder: Path, process: Process) -> None:
    until, quiet, left = 0.0, 0, -1
    while quiet < 10:
        if left != (left := len(_files(folder / "in"))):
            until = time.monotonic() + 60
        assert time.monotonic() < until, f"{left} files are left; {process.status()}; {process.said()[-5:]}"
        assert process.process.poll() is None, process.said()
        quiet = quiet + 1 if not _files(folder / "in") and process.status().get("doing") == "idle" else 0
        time.sleep(0.1)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def faults(folder: Path, present: dict[str, bytes], contents: set[bytes]) -> list[str]:
    """What is wrong in the end: each standing content has one output and its originals, and there is nothing else."""
    out = folder / "out"
    ledger = Ledger(out / ".anonymizer" / "ledger.sqlite")
    rows = [row for row in ledger.entries() if row.state is not State.REPLACED]
    ledger.close()
    known = {hashlib.sha256(content).hexdigest() for content in contents}
    done = Counter(row.sha256 for row in rows)
    wrong = [
        f"{row.id} is {row.state}: {[*map(str, row.reason)]}" for row in rows if row.state is not State.REVIEW
    ]
    wrong += [f"{row.id} is made of something half copied" for row in rows if row.sha256 not in known]
    wrong += [f"a content was done {count} times" for count in done.values() if count > 1]
    originals = Counter(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("in", "done")
        for path in _files(folder / part)
    )
    wanted = Counter(hashlib.sha256(content).hexdigest() for content in present.values())
    for sha256, count in wanted.items():
        wrong += [] if done[sha256] == 1 else ["a content that stood was not done"]
        wrong += (
            [] if originals[sha256] >= count else [f"an original is lost: {originals[sha256]} of {count}"]
        )
    wrong += ["an original became something else" for sha256 in originals if sha256 not in known]
    media = {row.name for row in rows} | {f"{row.id}.reasons.txt" for row in rows}
    reports = {f"{row.id}.{suffix}" for row in rows for suffix in ("json", "html")} | {"index.html"}
    for place, names in (("ready", set()), ("review", media), ("reports", reports)):
        for path in (out / place).iterdir():
            wrong += [] if path.name in names else [f"nobody knows {place}/{path.name}"]
        there = {path.name for path in (out / place).iterdir()}
        wrong += [f"{place}/{name} is missing" for name in names - there - {"index.html"}]
    left = [path.name for path in (out / ".anonymizer").iterdir() if path.name.startswith("run-")]
    return wrong + [f"left behind: {name}" for name in left]
