"""``anonymizer watch`` and ``status`` as a person runs them: processes, signals, kills, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anonymizer.cli.status import sentences
from anonymizer.core.message import Message, as_json
from anonymizer.i18n import speaker
from anonymizer.watch.completeness import WaitReason
from anonymizer.watch.faults import OutputFault
from anonymizer.watch.status import Doing, Status, facts
from conftest import SAMPLES, Ran, everything_written
from folders import tiny
from soak import Process, soak
from watching import PATIENCE, drop, eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def begin(*more: str) -> Process:
        running.append(Process(tmp_path, *more))
        return running[-1]

    (tmp_path / "in").mkdir()
    yield begin
    for process in running:
        process.kill()


def test_a_photo_that_comes_slowly_is_done_and_sigterm_ends_it_well(
    tmp_path: Path, start: Callable[..., Process], run: Callable[..., Ran]
) -> None:
    drop(tmp_path / "in" / "early.jpg", 1)
    process = start("--settle", "0.4")
    content = (SAMPLES / "portrait.jpg").read_bytes()
    slow = tmp_path / "in" / "Mrs Musterfrau.jpg"
    step = len(content) // 8 + 1
    for at in range(0, len(content), step):
        with slow.open("ab") as file:
            file.write(content[at : at + step])
        time.sleep(0.15)
    eventually(lambda: process.media().get("review") == 2)
    said = run("status", tmp_path / "out")
    assert said.code == 0 and "A watcher is running since" in said.out and "In all: 2 review." in said.out
    found = json.loads(run("status", tmp_path / "out", "--json").out)
    assert found["running"] and found["media"] == {"review": 2} and found["status"]["events"]

    assert process.end() == 0
    assert process.said()[0].startswith("watching, version") and process.said()[-1] == "stopped"
    assert slow.read_bytes() == content, "originals stay as they are"
    assert b"usterfrau" not in everything_written(tmp_path / "out")
    assert "usterfrau" not in "".join(process.said())
    said = run("status", tmp_path / "out")
    assert said.code == 5 and "No watcher is running; the last one was heard of at" in said.out


def test_ctrl_c_is_a_clean_end_too_and_the_second_watcher_is_told(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    first = start()
    eventually(lambda: first.said())
    second = start()
    assert second.process.wait(PATIENCE) == 2
    assert second.said() == [
        f"anonymizer: Another watcher watches {tmp_path / 'in'} already; stop it first, or choose another inbox."
    ]
    assert first.end(signal.SIGINT) == 0
    assert first.said()[-1] == "stopped"


def test_a_watcher_that_was_killed_is_followed_by_another(
    tmp_path: Path, start: Callable[..., Process]
) -> None:
    first = start("--settle", "0.4")
    drop(tmp_path / "in" / "a.jpg", 1)
    eventually(lambda: (tmp_path / "out" / ".anonymizer" / "watch.json").exists())
    first.kill()
    drop(tmp_path / "in" / "b.jpg", 2)
    second = start("--settle", "0.4")
    eventually(lambda: second.media() == {"review": 2})
    assert second.end() == 0


def test_a_closed_terminal_ends_it(tmp_path: Path, start: Callable[..., Process]) -> None:
    process = start()
    eventually(lambda: process.said())
    assert process.end(signal.SIGHUP) == 0


def test_wrong_folders_are_said_in_one_sentence(tmp_path: Path, run: Callable[..., Ran]) -> None:
    missing = run("watch", tmp_path / "nothing", "--out", tmp_path / "out")
    assert missing.code == 2
    assert "is not a folder; create it, or check the path." in " ".join(missing.err.split())
    none = run("status", tmp_path)
    assert none.code == 2
    assert "is no output folder of this program; name the one that --out made." in " ".join(none.err.split())
    assert not (tmp_path / "out").exists()


def test_status_names_what_waits_and_what_failed(tmp_path: Path, run: Callable[..., Ran]) -> None:
    from anonymizer.gate.folder import Gate

    with Gate(tmp_path / "out") as gate:
        gate.ledger.wait_for({Path("/in/slow.jpg"): Message(WaitReason.UNFINISHED)})
        gate.fail(gate.begin(Path("/in/bad.jpg"), "fingerprint"), Message("file.empty"))
    said = " ".join(run("status", tmp_path / "out").out.split())
    assert "No watcher is running." in said
    assert (
        "/in/slow.jpg: its end is missing: the copy is under way" in said
        and "failed: /in/bad.jpg: The file is empty; copy it from the camera again." in said
    )
    said = " ".join(run("--lang", "fr", "status", tmp_path / "out").out.split())
    assert "Aucune surveillance n'est en cours. En tout : 1 échoué. en attente depuis" in said
    assert "/in/slow.jpg : sa fin manque : la copie est en cours" in said


def test_status_says_in_words_what_a_watcher_does() -> None:
    found: dict[str, Any] = {"running": True, "status": None, "media": {}, "passed_over": {}}
    found |= {"waiting": [], "not_taken": [], "failed": []}
    assert list(sentences(found, speaker("en"))) == ["A watcher is starting.", "In all: nothing yet."]
    said = Status(Doing.PAUSED, Message(OutputFault.FULL), "10:30", "9:00", pid=7, queued=2, waiting=1)
    found |= {"status": facts(said), "media": {"review": 2, "failed": 3}}
    found["failed"] = [{"id": "a", "source": Path("/in/a.jpg"), "reason": [as_json(Message("file.empty"))]}]
    assert list(sentences(found, speaker("en"))) == [
        "A watcher is running since 9:00 (process 7; the inbox is looked through regularly).",
        f"Paused since 10:30. {Message(OutputFault.FULL)}",
        "In the inbox: 2 queued, 1 waiting.",
        "In all: 2 review, 3 failed.",
        "failed: /in/a.jpg: The file is empty; copy it from the camera again.",
        "2 more failed before these.",
    ]
    assert not any("watcher" in one or "inbox" in one for one in sentences(found, speaker("fr")))


def test_soak(tmp_path: Path) -> None:
    """``ANONYMIZER_SOAK_SECONDS=300`` for the long one (``make soak``)."""
    seconds = float(os.environ.get("ANONYMIZER_SOAK_SECONDS", "4"))
    found = soak(tmp_path, seconds, seed=1)
    print(found)
    assert found["kills"] >= (20 if seconds >= 300 else 1) and found["contents"] >= 5


def test_the_soak_would_notice(tmp_path: Path) -> None:
    """What it looks at in the end is not blind: a lost original, an output too many."""
    from soak import faults

    with_none = tmp_path / "none"
    for name in ("in", "done", "out/ready", "out/review", "out/reports"):
        (with_none / name).mkdir(parents=True)
    subprocess.run([sys.executable, "-c", _MAKE_LEDGER, str(with_none / "out")], check=True)
    content = tiny(1)
    assert faults(with_none, {"a.jpg": content}, {content}) != []
    (with_none / "in" / "a.jpg").write_bytes(content)
    (with_none / "out" / "review" / "x.jpg").write_bytes(b"")
    assert any("nobody knows" in said for said in faults(with_none, {}, set()))


_MAKE_LEDGER = """
import sys; from pathlib import Path; from anonymizer.gate.folder import Gate
with Gate(Path(sys.argv[1])): pass
"""
