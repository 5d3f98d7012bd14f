"""The watch folder in trouble: disks, shares, clocks, bursts, two watchers; and what is told, to whom."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anonymizer.core.errors import OutputError, UsageError
from anonymizer.core.message import Message
from anonymizer.engine.scheduler import Engine
from anonymizer.engine.worker_process import Answer, End, Job
from anonymizer.gate.output import is_output_folder
from anonymizer.gate.records import State
from anonymizer.watch import faults as faults
from anonymizer.watch import status, watcher
from anonymizer.watch.completeness import WaitReason
from anonymizer.watch.faults import OutputFault
from anonymizer.watch.options import Options, check
from anonymizer.watch.watcher import Watcher
from broken import full
from conftest import QUICK, Ran, everything_written
from folders import HerePool, tiny, tree
from watching import Watching, drop, impatient  # noqa: F401


def test_the_inbox_may_vanish_and_come_back(tmp_path: Path) -> None:
    with Watching(tmp_path, rescan=0.3) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        (tmp_path / "in").rename(tmp_path / "away")
        watching.told(str(Message(OutputFault.INBOX)))
        assert watching.status()["status"]["said"]["code"] == OutputFault.INBOX
        drop(tmp_path / "away" / "b.jpg", 2)
        (tmp_path / "away").rename(tmp_path / "in")
        watching.told("going on after")
        assert watching.done(2)["media"] == {"review": 2}
        drop(tmp_path / "in" / "c.jpg", 3)
        watching.done(3)
    assert watching.worked() == ["a.jpg", "b.jpg", "c.jpg"]


def test_the_output_folder_may_vanish_and_come_back_and_is_never_made_anew(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        watching.until(lambda: watching.status()["status"]["doing"] == "idle")
        (tmp_path / "out").rename(tmp_path / "away")
        drop(tmp_path / "in" / "b.jpg", 2)
        watching.told(str(Message(OutputFault.GONE)))
        assert not (tmp_path / "out").exists()
        (tmp_path / "away").rename(tmp_path / "out")
        watching.told("going on after")
        assert watching.done(2)["media"] == {"review": 2}
        assert watching.status()["running"]
    assert tree(tmp_path / "out")["left"] == ["watch.json", "watch.lock", "watch.log"]


def test_a_full_disk_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = [usage.free]
    monkeypatch.setattr(faults.shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with Watching(tmp_path) as watching:
        free[0] = 1 << 20
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.told(str(Message(OutputFault.FULL)))
        assert (
            watching.status()["status"]["doing"] == "paused"
            and watching.status()["status"]["said"]["code"] == OutputFault.FULL
        )
        assert watching.worked() == []
        free[0] = faults.SPARE + 100
        watching.told("going on after")
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert waits["reason"]["code"] == WaitReason.SPACE
        free[0] = usage.free
        watching.done(1)


def test_a_disk_that_fills_up_in_the_middle_of_the_work_is_waited_out(tmp_path: Path) -> None:
    tries: list[str] = []

    def spoil(job: Job) -> Answer | None:
        tries.append(job.id)
        if len(tries) > 1:
            return None
        job.staged.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.told(str(Message(OutputFault.FULL)))
        watching.told("going on after")
        assert watching.done(1)["media"] == {"review": 1}
    assert tree(tmp_path / "out")["left"] == ["watch.json", "watch.lock", "watch.log"]


@pytest.mark.parametrize("used", [False, True])
def test_started_on_a_full_disk_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: bool) -> None:
    if used:
        with Watching(tmp_path):
            pass
    made, is_full = Path.mkdir, threading.Event()

    def mkdir(path: Path, *more: Any, **named: Any) -> None:
        if is_full.is_set() and path.is_relative_to(tmp_path / "out") and not path.exists():
            full()
        made(path, *more, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    watching = Watching(tmp_path)
    drop(tmp_path / "in" / "a.jpg")
    is_full.set()
    watching.thread.start()
    try:
        watching.told(str(Message(OutputFault.FULL)))
        assert watching.worked() == []
        if used:
            found = watching.until(
                lambda: watching.status()["status"]["doing"] == "paused" and watching.status()
            )
            assert found["running"] and found["status"]["said"]["code"] == OutputFault.FULL
        is_full.clear()
        watching.done(1) if used else watching.until(
            lambda: is_output_folder(watching.out)
        ) and watching.done(1)
    finally:
        watching.watcher.stop()
        watching.thread.join()
    assert watching.failure is None


def test_started_on_a_full_disk_status_names_what_waits_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = [1 << 20]
    monkeypatch.setattr(faults.shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    photo = drop(tmp_path / "in" / "a.jpg")
    with Watching(tmp_path) as watching:
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert (waits["path"], waits["reason"]["code"]) == (photo, WaitReason.SPACE)
        assert watching.status()["status"]["said"]["code"] == OutputFault.FULL
        free[0] = usage.free
        watching.done(1)
        watching.until(lambda: not watching.status()["waiting"])


def test_that_the_inbox_is_gone_is_seen_long_before_the_next_scan(tmp_path: Path) -> None:
    with Watching(tmp_path, rescan=600.0) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        watching.until(lambda: watching.status()["status"]["doing"] == "idle")
        began = time.monotonic()
        (tmp_path / "in").rename(tmp_path / "away")
        watching.until(lambda: watching.status()["status"]["doing"] == "paused")
        assert time.monotonic() - began < 20
        assert watching.status()["status"]["said"]["code"] == OutputFault.INBOX
        (tmp_path / "away").rename(tmp_path / "in")
        watching.told("going on after")


def test_on_a_full_disk_the_status_is_written_in_its_own_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = status.Board(tmp_path)
    board.show(status.Status(status.Doing.IDLE, events=True, queued=1_000_000), 0.0)
    opened = os.open

    def no_new_file(path: Any, flags: int, *more: Any, **named: Any) -> int:
        return full() if flags & os.O_CREAT else opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", no_new_file)
    board.show(status.Status(status.Doing.PAUSED, Message(OutputFault.FULL)), 1.0)
    found = status.read(tmp_path)
    assert found and found.doing is status.Doing.PAUSED and found.said == Message(OutputFault.FULL)
    board.show(status.Status(status.Doing.IDLE), 2.0)
    found = status.read(tmp_path)
    assert found and found.doing is status.Doing.IDLE and found.said is None


def test_a_machine_that_is_not_ready_is_waited_out(tmp_path: Path) -> None:
    tries: list[str] = []

    def spoil(job: Job) -> Answer | None:
        tries.append(job.id)
        said = "The model centerface is missing; run 'anonymizer models fetch'."
        return Answer(job.id, End.NOT_READY, said=said) if len(tries) == 1 else None

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        said = watching.told("The model centerface is missing")
        assert said.endswith("The watcher waits and then goes on by itself.")
        watching.done(1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputFault.FULL),
        (OSError(errno.EDQUOT, "Quota exceeded"), OutputFault.FULL),
        (OSError(errno.EROFS, "Read-only file system"), OutputFault.READ_ONLY),
        (PermissionError(errno.EACCES, "Permission denied"), OutputFault.READ_ONLY),
        (OSError(errno.EIO, "Input/output error"), OutputFault.FAULT),
    ],
)
def test_what_the_person_reads_about_the_output_folder(tmp_path: Path, error: OSError, said: str) -> None:
    private = tmp_path / ".anonymizer"
    private.mkdir()
    (private / "ledger.sqlite").touch()
    wrapped = OutputError("output.unwritable", cause="x")
    wrapped.__cause__ = error
    assert faults.explained(wrapped, tmp_path) == faults.explained(error, tmp_path) == Message(said)
    assert faults.explained(error, tmp_path / "nowhere") == Message(OutputFault.GONE)


def test_a_burst_of_thousands_is_taken_a_few_at_a_time(tmp_path: Path) -> None:
    source = tmp_path / "prepared"
    source.mkdir()
    contents = [tiny(seed) for seed in range(8)]
    for number in range(1200):
        (source / f"{number}.jpg").write_bytes(contents[number % 8])
        os.utime(source / f"{number}.jpg", (1_700_000_000, 1_700_000_000))
    most = 0
    with Watching(tmp_path) as watching:
        source.rename(tmp_path / "in" / "burst")

        def all_done() -> bool:
            nonlocal most
            most = max(most, len(watching.watcher._flying))
            return bool(watching.watcher._counts.total() == 1200)

        watching.until(all_done)
        found = watching.status()
    assert found["media"] == {"review": 8} and len(watching.worked()) == 8
    assert most <= watcher.AHEAD


@pytest.mark.parametrize("at", [0, 4_000_000_000])
def test_times_of_another_century_and_a_clock_that_is_set_change_nothing(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path / "in" / "a.jpg", 1, at=at)
    with Watching(tmp_path, poll=True) as watching:
        watching.done(1)
        monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
        monkeypatch.setattr("time.time_ns", lambda: 1_000_000_000_000_000_000)
        drop(tmp_path / "in" / "b.jpg", 2, at=at)
        watching.done(2)
        os.utime(path, (1_600_000_000, 1_600_000_000))
        watching.until(lambda: watching.status()["status"]["known"] == 1)
        scans = watching.watcher._scanner.next
        watching.until(lambda: watching.watcher._scanner.next > scans + 0.5)
        assert watching.status()["media"] == {"review": 2}
    assert watching.worked() == ["a.jpg", "b.jpg"]


def test_one_watcher_for_each_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Watching(tmp_path) as watching:
        second = Watching(tmp_path, inbox=tmp_path / "other")
        with pytest.raises(UsageError) as error:
            second.watcher.run()
        assert str(error.value) == (
            f"Another watcher works on {watching.out} already; stop it first, or choose another --out."
        )
        (tmp_path / "link").symlink_to(watching.inbox)
        third = Watching(tmp_path, inbox=tmp_path / "link", out=tmp_path / "out2")
        with pytest.raises(UsageError) as error:
            third.watcher.run()
        assert str(error.value) == (
            f"Another watcher watches {tmp_path / 'link'} already; stop it first, or choose another inbox."
        )
    with Watching(tmp_path) as third:
        assert third.status()["running"]
    assert not third.status()["running"]


def test_a_batch_at_work_keeps_the_watcher_out(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "out", QUICK, pool=HerePool(QUICK))
    with (
        engine,
        pytest.raises(OutputError, match=r"Another batch or watch is at work in .*; wait until it ends"),
    ):
        Watching(tmp_path).watcher.run()
    with Watching(tmp_path):
        pass


def test_with_wait_it_waits_for_its_folders_and_makes_none(tmp_path: Path) -> None:
    watching = Watching(tmp_path, wait=True)
    watching.inbox.rmdir()
    watching.thread.start()
    watching.told("waiting: the inbox or the output folder is not there yet")
    assert not watching.inbox.exists() and not watching.out.exists()
    watching.watcher.stop()
    watching.thread.join()
    assert watching.failure is None


def test_log_and_status_are_private_hold_nothing_of_a_source_and_rotate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "LOG_BYTES", 300)
    monkeypatch.setattr(status, "LOG_FILES", 2)

    def spoil(job: Job) -> Answer | None:
        trace = (
            'Traceback (most recent call last):\n  File "/app/work.py", line 3, in process\n    open(path)\n'
            f"ValueError: {job.source} of Mrs Musterfrau\nMusterfrau is\n"
        )
        wanted = Path(job.source).name == "Musterfrau-9.jpg"
        return (
            Answer(job.id, End.DEFECT, said=Message("work.defect", kind="ValueError"), trace=trace)
            if wanted
            else None
        )

    with Watching(tmp_path, spoil) as watching:
        (tmp_path / "in" / "Musterfrau.jpg").write_text("no photo")
        for number in range(10):
            drop(tmp_path / "in" / "Musterfrau" / f"Musterfrau-{number}.jpg", number)
        drop(tmp_path / "in" / "Musterfrau.jpg.part", 77)
        watching.done(11)
        watching.until(lambda: watching.status()["waiting"])
    private = tmp_path / "out" / ".anonymizer"
    logs = sorted(private.glob("watch.log*"))
    assert [path.name for path in logs] == ["watch.log", "watch.log.1", "watch.log.2"]
    written = b"".join(path.read_bytes() for path in [*logs, private / "watch.json"])
    assert b"usterfrau" not in written and b"usterfrau" not in "".join(watching.said).encode()
    assert b"usterfrau" not in everything_written(tmp_path / "out")
    for path in [*logs, private / "watch.json"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.stat().st_size < 800
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_of_a_defect_the_log_keeps_its_place_and_kind(tmp_path: Path) -> None:
    def spoil(job: Job) -> Answer:
        trace = 'Traceback (most recent call last):\n  File "/app/work.py", line 3, in process\nValueError: Mr X\n'
        return Answer(job.id, End.DEFECT, said=Message("work.defect", kind="ValueError"), trace=trace)

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.done(1)
    log = (tmp_path / "out" / ".anonymizer" / "watch.log").read_text()
    assert 'Internal error: please report it. | File "/app/work.py", line 3, in process | ValueError\n' in log


def test_a_defect_of_the_watcher_itself_names_nothing_on_stderr_and_its_place_in_the_log(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path / "in" / "Musterfrau.jpg")

    def broken(self: Watcher) -> None:
        raise KeyError(str(next(self.options.inbox.iterdir())))

    monkeypatch.setattr(Watcher, "_turn", broken)
    ran = run("watch", tmp_path / "in", "--out", tmp_path / "out")
    assert ran.code == 1 and ran.err.count("\n") == 1 and "KeyError" in ran.err
    assert "Musterfrau" not in ran.err and str(tmp_path) not in ran.err
    log = (tmp_path / "out" / ".anonymizer" / "watch.log").read_text()
    assert "Internal error: please report it." in log and "KeyError" in log and "Musterfrau" not in log


def test_the_file_that_takes_an_agents_errors_is_emptied_when_it_is_long_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "LOG_BYTES", 10)
    own, other = tmp_path / status.ERRORS, tmp_path / "other.txt"
    saved = os.dup(2)
    try:
        for path, content in ((own, b"short"), (own, b"long enough to go"), (other, b"long enough to go")):
            path.write_bytes(content)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
            os.dup2(handle, 2)
            os.close(handle)
            status.shorten_errors(tmp_path)
            assert path.stat().st_size == (0 if path == own and len(content) > 10 else len(content))
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def test_a_stop_undoes_what_is_in_work(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    def spoil(job: Job) -> Answer:
        began.set()
        go_on.wait(30)
        return Answer(job.id, End.PASSING, said=Message("file.empty"))

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        assert began.wait(30)
        watching.watcher.stop()
        go_on.set()
    assert tree(tmp_path / "out")["review"] == []
    with Watching(tmp_path) as again:
        assert again.done(1)["media"] == {"review": 1}


def test_what_a_person_decided_stands_when_the_watcher_starts_again(tmp_path: Path) -> None:
    from anonymizer.gate.decisions import reject
    from anonymizer.gate.folder import Gate

    drop(tmp_path / "in" / "a.jpg")
    with Watching(tmp_path) as watching:
        watching.done(1)
    with Gate(tmp_path / "out") as gate:
        (entry,) = gate.ledger.entries(State.REVIEW)
        reject(gate, entry.id, "AB", "")
    with Watching(tmp_path) as again:
        again.until(lambda: again.status()["status"]["known"] == 1)
    assert again.worked() == [] and again.status()["media"] == {"rejected": 1}


WRONG = [
    ("in", "in/out", None, "lies in the inbox, and the watcher would feed on its own results"),
    ("in", "in", None, "lies in the inbox, and the watcher would feed on its own results"),
    ("out/ready", "out", None, "lies among the results in"),
    ("nothing", "out", None, "is not a folder; create it, or check the path."),
    ("earlier", "out", None, "is the output folder of another run; choose another inbox."),
    ("in", "out", "in", "--done is the inbox itself; choose another folder for handled originals."),
    ("in", "out", "out/done", "--done: originals must not lie among what is published"),
]


@pytest.mark.parametrize(("inbox", "out", "done", "said"), WRONG)
def test_folders_that_would_feed_on_one_another_are_refused(
    tmp_path: Path, inbox: str, out: str, done: str | None, said: str
) -> None:
    for name in ("in", "out/ready", "earlier/.anonymizer"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        check(Options(tmp_path / inbox, tmp_path / out, tmp_path / done if done else None))


def test_done_must_lie_on_the_disk_of_the_inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second disk")
    (tmp_path / "in").mkdir()
    done = other / f"anonymizer-{tmp_path.name}"
    try:
        with pytest.raises(
            UsageError, match="lies on another disk than the inbox; choose a folder on the same one"
        ):
            check(Options(tmp_path / "in", tmp_path / "out", done))
    finally:
        done.rmdir()


def test_an_output_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    with pytest.raises(OutputError) as error:
        Watching(tmp_path, out=out).watcher.run()
    assert str(error.value) == f"The folder {out} cannot be written (Not a directory); check its permissions."
