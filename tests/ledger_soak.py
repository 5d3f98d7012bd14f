"""Many processes on one output folder, each killed at any moment: every decision that was acknowledged stays.

A page decides; runs, a watcher, lookers and releases come and go beside it, overlapping as they may. What somebody
was told (the answer to a decision, a line about a finished medium, a released name) is looked for in the end.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anonymizer.gate.folder import Gate
from anonymizer.gate.records import RELEASED, State
from anonymizer.release.ledger_check import chain_flaws
from folders import tiny
from soak import SETTINGS

PATIENCE = 120.0
"""Seconds until something counts as hanging: the machine may be busy."""


@dataclass
class Told:
    """What people and programs were told, and may rely on."""

    decisions: set[str] = field(default_factory=set)
    """Notes of decisions that the page acknowledged; each note is another."""
    outputs: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    deeds: Counter[str] = field(default_factory=Counter)


class Command:
    """``anonymizer …`` in a process of its own; ``lines`` are what it printed, once it has ended."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.name = str(arguments[0])
        self.said = (folder / f"said-{time.monotonic_ns()}.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anonymizer.cli.main", *map(str, arguments)],
            stdout=self.said,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"COLUMNS": "500", "XDG_CACHE_HOME": str(folder / "cache")},
        )

    @property
    def lines(self) -> list[str]:
        self.said.seek(0)
        return self.said.read().splitlines()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> None:
        self.process.wait(PATIENCE)
        assert not any("Traceback" in line or "malformed" in line for line in self.lines), self.lines

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class App(Command):
    """The page, used as a browser uses it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "app", folder / "out", "--no-browser", "--settings", folder / "quick.toml")
        until = time.monotonic() + PATIENCE
        while not (found := [line for line in self.lines if "/open/" in line]):
            assert not self.ended and time.monotonic() < until, self.lines
            time.sleep(0.05)
        self.port, _, opening = found[0].split("127.0.0.1:")[1].partition("/")
        self.headers = {"Origin": f"http://127.0.0.1:{self.port}"}
        status, headers, _ = self.send("GET", f"/{opening}")
        assert status == 303
        self.headers["Cookie"] = headers["set-cookie"].split(";")[0]
        self.path = headers["location"].removesuffix("/")

    def send(
        self, method: str, path: str, body: bytes | None = None, more: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request. Raises OSError or HTTPException where the page was killed."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=PATIENCE)
        try:
            connection.request(method, path, body, self.headers | (more or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def listed(self, state: str) -> list[str]:
        status, _, body = self.send("GET", f"{self.path}/api/list/{state}")
        assert status == 200, body
        found = json.loads(body)
        return [str(one["id"]) for one in (found["items"] if isinstance(found, dict) else found)]

    def upload(self, name: str, content: bytes) -> bool:
        more = {"Content-Type": "application/octet-stream", "X-File-Name": name}
        return self.send("POST", f"{self.path}/api/uploads", content, more)[0] == 202

    def decide(self, id: str, action: str, note: str) -> bool:
        body = json.dumps({"initials": "AB", "note": note}).encode()
        more = {"Content-Type": "application/json"}
        status, _, said = self.send("POST", f"{self.path}/api/media/{id}/{action}", body, more)
        assert status in (200, 409), said  # 409: somebody else has it, or it was replaced
        return status == 200


class Soak:
    """One output folder, and whatever is done to it. :meth:`finish` says what was lost."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng, self.told = folder, random.Random(seed), Told()
        self.running: list[Command] = []
        self.app: App | None = None
        self._number = 0
        (folder / "quick.toml").write_text(SETTINGS)
        for name in ("in", "batch", "single"):
            (folder / name).mkdir()

    def photo(self, where: str) -> Path:
        self._number += 1
        path = self.folder / where / f"{self._number:04}.jpg"
        path.write_bytes(tiny(self.rng.randrange(1 << 40)))
        return path

    def begin(self, *arguments: str | Path) -> Command:
        command = Command(self.folder, *arguments)
        self.running.append(command)
        self.told.deeds[command.name] += 1
        return command

    def act(self, deed: str) -> None:
        """One deed; those of the page open it where nobody has."""
        out, settings = self.folder / "out", ("--settings", self.folder / "quick.toml")
        if deed == "blur":
            self.begin("blur", self.photo("single"), "--out", out, "--json", *settings)
        elif deed == "batch":
            self.photo("batch")
            self.begin("batch", self.folder / "batch", "--out", out, "--json", "--workers", "1", *settings)
        elif deed == "watch":
            self.photo("in")
            if not any(one.name == "watch" and not one.ended for one in self.running):
                self.begin("watch", self.folder / "in", "--out", out, "--settle", "0.3", *settings)
        elif deed in ("status", "verify"):
            if (out / ".anonymizer" / "ledger.sqlite").is_file():
                self.begin(deed, out)
        elif deed == "release":
            if (out / ".anonymizer" / "ledger.sqlite").is_file():
                self.begin("release", out, "--to", self.folder / "gone-out", "--consent", "--json")
        elif deed == "kill":
            self._kill(self.rng.choice(self.running)) if self.running else None
        elif deed == "kill page":
            if self.app:
                self._kill(self.app)
        else:
            self._on_page(deed)

    def _on_page(self, deed: str) -> None:
        if self.app is None or self.app.ended:
            self.app = App(self.folder)
            self.running.append(self.app)
        note = f"{deed} {time.monotonic_ns()}"
        self.told.deeds[deed] += 1
        # Killed by another hand meanwhile: then nothing was acknowledged.
        with contextlib.suppress(OSError, http.client.HTTPException):
            if deed == "upload":
                self._number += 1
                name = f"{self._number:04}.jpg"
                if self.app.upload(name, tiny(self.rng.randrange(1 << 40))):
                    self.told.uploads.add(name)
                return
            states = ("ready", "rejected") if deed == "reopen" else ("review",)
            ids = [id for state in states for id in self.app.listed(state)]
            if ids and self.app.decide(self.rng.choice(ids), deed, note):
                self.told.decisions.add(note)

    def await_review(self) -> None:
        """Until something waits for a person on the page."""
        assert self.app
        until = time.monotonic() + PATIENCE
        while not self.app.listed("review"):
            assert time.monotonic() < until, "nothing ever waited"
            time.sleep(0.1)

    def _kill(self, command: Command) -> None:
        command.kill()
        self.told.deeds[f"killed {command.name}"] += 1
        self._heard(command)

    def _heard(self, command: Command) -> None:
        """Remember what a command told before it ended."""
        if command in self.running:
            self.running.remove(command)
        for line in command.lines:
            said = _parsed(line)
            if command.name in ("blur", "batch") and said.get("output"):
                self.told.outputs.add(said["id"])
            if command.name == "release":
                self.told.released |= set(said.get("copied", ()))
        if command is self.app:
            self.app = None

    def reap(self) -> None:
        for command in [one for one in self.running if one.ended]:
            command.wait()
            self._heard(command)

    def finish(self) -> list[str]:
        """Let all end, and say what is not on the disk though somebody was told that it is."""
        for command in list(self.running):
            if command.name in ("watch", "app"):
                self._kill(command)
            else:
                command.wait()
                self._heard(command)
        return lost(self.folder / "out", self.told)


def _parsed(line: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        said = json.loads(line)
        if isinstance(said, dict):
            return said
    return {}


def lost(out: Path, told: Told) -> list[str]:
    with Gate(out) as gate:
        decisions = gate.ledger.decisions()
        rows = list(gate.ledger.each())
        wrong = [flaw.said for flaw in chain_flaws(gate, gate.key.public)]
    notes = {one.note for one in decisions}
    wrong += [f"the decision {note!r} is lost" for note in told.decisions - notes]
    wrong += [f"the output {id} is lost" for id in told.outputs - {row.id for row in rows}]
    inbox = {path.name for path in (out / ".anonymizer" / "inbox").glob("*/*")}
    wrong += [f"the upload {name} is lost" for name in told.uploads - inbox]
    handed = {one.medium for one in decisions if one.action == RELEASED}
    names = {row.name for row in rows if row.id in handed}
    wrong += [f"the release of {name} is lost" for name in told.released - names]
    return wrong + [f"{row.id} is in no place" for row in rows if row.state in (State.QUEUED, State.WORKING)]


DEEDS = (
    "upload",
    "approve",
    "approve",
    "reject",
    "reopen",
    "blur",
    "batch",
    "watch",
    "status",
    "status",
    "verify",
)
DEEDS += ("release", "kill", "kill page")
SCRIPT = (
    *(
        "upload",
        "status",
        "wait",
        "approve",
        "blur",
        "status",
        "reject",
        "reopen",
        "batch",
        "approve",
        "kill",
    ),
    *("verify", "approve", "status", "release", "reject", "kill page", "upload", "status", "wait", "approve"),
    *("watch", "blur", "approve", "kill page", "status", "release"),
)
"""Each command beside the page and after its death; the page decides before, between and after them."""


def scripted(folder: Path) -> Soak:
    """The short one: always the same deeds in the same order."""
    soak = Soak(folder, 1)
    for deed in SCRIPT:
        if deed == "wait":
            soak.await_review()
            continue
        soak.act(deed)
        soak.reap()
    return soak


def soaked(folder: Path, seconds: float, seed: int) -> Soak:
    """Any deeds in any order, as long as asked."""
    soak, until = Soak(folder, seed), time.monotonic() + seconds
    while time.monotonic() < until:
        if len(soak.running) < 5:
            soak.act(soak.rng.choice(DEEDS))
        elif soak.rng.random() < 0.3:
            soak.act("kill")
        time.sleep(soak.rng.uniform(0, 0.4))
        soak.reap()
    return soak
