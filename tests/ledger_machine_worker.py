"""A process that holds an output folder open and does what it is told, or dies at a step of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from anonymizer.core.errors import AnonymizerError, DamagedError
from anonymizer.core.message import Message
from anonymizer.core.signing import own_key
from anonymizer.core.types import Verdict
from anonymizer.gate import decisions
from anonymizer.gate.database import Database
from anonymizer.gate.files import NEUTRAL_TIME, file_sha256
from anonymizer.gate.folder import Gate
from anonymizer.gate.work import Work
from anonymizer.report.file import signed_files
from anonymizer.report.schema import MediumRecord, ProgramRecord, Report

SYSTEM = ("fsync", "link", "utime", "replace", "rename", "unlink")
DIED = 9


class Countdown:
    """Ends this process at the n-th call that changes anything on the disk, before it or after it."""

    def __init__(self) -> None:
        self.left = 0
        for name in SYSTEM:
            setattr(os, name, self.dying(getattr(os, name)))
        for owner, name in ((Path, "replace"), (Path, "unlink"), (Database, "transaction")):
            setattr(owner, name, self.dying(getattr(owner, name)))

    def dying(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.step()
            found = real(*arguments, **named)
            self.step()
            return found

        return call

    def step(self) -> None:
        if self.left:
            self.left -= 1
            if not self.left:
                os._exit(DIED)


def report(id: str, name: str, sha256: str, verdict: Verdict) -> Report:
    return Report(
        id=id,
        created="2026-01-01",
        program=ProgramRecord(name="anonymizer", version="0", libraries={}),
        medium=MediumRecord(
            name=name, type="photo", format="JPEG", width=1, height=1, bytes=1, sha256=sha256
        ),
        verdict=verdict,
        reasons=[] if verdict is Verdict.READY else [Message("road.no-faces")],
        notes=[],
        checks=[],
        regions=[],
        source_traces=[],
        models=[],
        settings={},
        not_checked=[],
    )


def begin(gate: Gate, works: dict[str, Work], source: str) -> str:
    work = Work(gate, Path("/x") / source, "settings", sha256=source)
    works[work.id] = work
    return work.id


def admit(gate: Gate, works: dict[str, Work], id: str, verdict: str) -> None:
    with works.pop(id) as work:
        name = gate.take_name(id, id, "jpg")
        staged = work.staging().with_suffix(".jpg")
        staged.write_bytes(id.encode())
        os.utime(staged, (NEUTRAL_TIME, NEUTRAL_TIME))
        sha256 = file_sha256(staged)
        said = report(id, name, sha256, Verdict(verdict))
        gate.admit(id, staged, name, sha256, said.verdict, signed_files(said, b"", gate.key), said.reasons)


def fail(gate: Gate, works: dict[str, Work], id: str) -> None:
    try:
        with works.pop(id):
            raise DamagedError("file.empty")
    except DamagedError:
        pass


def abandon(gate: Gate, works: dict[str, Work], id: str) -> None:
    with works.pop(id):
        pass


def decide(gate: Gate, works: dict[str, Work], id: str, action: str, note: str) -> bool:
    try:
        getattr(decisions, action)(gate, id, "AB", note)
    except AnonymizerError:
        return False
    return True


def serve(out: Path, pipe: Connection) -> None:
    """Do what comes through the pipe: a name, arguments, and the step at which to die (0: never)."""
    assert threading.active_count() == 1
    decisions.audit = lambda path, keep_name: []  # type: ignore[assignment]
    own_key(out)
    gate = Gate(out)
    works: dict[str, Work] = {}
    countdown = Countdown()
    pipe.send("open")
    deeds = {deed.__name__: deed for deed in (begin, admit, fail, abandon, decide)}
    while True:
        name, arguments, countdown.left = pipe.recv()
        if name == "end":
            os._exit(DIED if countdown.left else 0)
        found = deeds[name](gate, works, *arguments)
        countdown.left = 0
        pipe.send(found)
