"""The watch folder: what is complete is done once, whatever happens to inbox, disk, clock and names."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from anonymizer.bench import Answer, End, Job
from anonymizer.engine import Engine
from anonymizer.errors import OutputError, UsageError
from anonymizer.ledger import Ledger, State
from anonymizer.watch import status, trouble, watcher
from anonymizer.watch.options import Options, check
from anonymizer.watch.settle import Why
from anonymizer.watch.trouble import Trouble
from conftest import QUICK, everything_written
from folders import HerePool, tiny, tree
from watching import Watching, drop, eventually


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "FIRST", 0.2)
    monkeypatch.setattr(watcher, "LONGEST", 0.4)
    monkeypatch.setattr(watcher, "TELL_AFTER", 0.0)
    monkeypatch.setattr(watcher, "TELL_EVERY", 0.0)


def test_what_is_there_at_the_start_and_what_comes_is_done_and_stays(tmp_path: Path) -> None:
    first = drop(tmp_path / "in" / "first.jpg", 1)
    with Watching(tmp_path) as watching:
        watching.done(1)
        drop(tmp_path / "in" / "2026" / "march" / "second.jpg", 2)
        assert watching.done(2)["media"] == {"review": 2}
        watching.until(lambda: watching.look()["status"]["doing"] == "idle")
    assert first.is_file() and (tmp_path / "in" / "2026" / "march" / "second.jpg").is_file()
    assert len(tree(tmp_path / "out")["review"]) == 4, "two media, each with its reasons"
    assert "index.html" in tree(tmp_path / "out")["reports"]
    assert watching.said[-1] == "stopped"


def test_polling_finds_what_no_event_tells(tmp_path: Path) -> None:
    with Watching(tmp_path, poll=True) as watching:
        drop(tmp_path / "in" / "a.jpg")
        found = watching.done(1)
        assert not found["status"]["events"]
    assert "looking through the inbox every 0.2 s: as asked" in watching.said


def test_a_network_share_is_polled_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "remote", lambda folder: "cifs")
    with Watching(tmp_path) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.done(1)
    assert "looking through the inbox every 0.2 s: the inbox lies on the network (cifs)" in watching.said


def test_a_rescan_finds_what_the_events_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher.Hints, "drain", lambda self: (set(), False))
    with Watching(tmp_path, rescan=0.3) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.done(1)


def test_a_folder_that_is_moved_in_whole_is_found_by_its_event(tmp_path: Path) -> None:
    drop(tmp_path / "beside" / "inner" / "a.jpg")
    with Watching(tmp_path, rescan=3000) as watching:
        (tmp_path / "beside").rename(tmp_path / "in" / "moved")
        watching.done(1)


def test_the_next_watcher_knows_what_was_done_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        drop(tmp_path / "in" / f"{number}.jpg", number)
    with Watching(tmp_path) as watching:
        watching.done(3)

    def refuse(*_: Any) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("anonymizer.lookup.look", refuse)
    monkeypatch.setattr("anonymizer.watch.inbox.examine", refuse)
    with Watching(tmp_path) as again:
        again.until(lambda: again.look()["status"]["known"] == 3)
    assert again.worked() == []


def test_changed_settings_do_it_again_and_say_so(tmp_path: Path) -> None:
    drop(tmp_path / "in" / "a.jpg")
    with Watching(tmp_path) as watching:
        watching.done(1)
    other = QUICK.model_copy(update={"jpeg_quality": 90})
    with Watching(tmp_path, settings=other) as again:
        again.told("done again: the settings were changed")
        found = again.done(1)
    assert found["media"] == {"review": 1, "replaced": 1}


def test_the_same_photo_dropped_twice_is_recognised(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        drop(tmp_path / "in" / "a.jpg", 7)
        watching.done(1)
        drop(tmp_path / "in" / "b.jpg", 7)
        watching.until(lambda: watching.look()["status"]["known"] == 1)
        (tmp_path / "in" / "a.jpg").rename(tmp_path / "in" / "c.jpg")
        watching.until(lambda: watching.look()["status"]["known"] == 2)
        assert watching.look()["media"] == {"review": 1}
    assert watching.worked() == ["a.jpg"]


def test_a_file_that_is_replaced_is_new(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        drop(tmp_path / "in" / "a.jpg", 2, at=1_700_000_100)
        assert watching.done(2)["media"] == {"review": 2}, "cameras use their names again"


def test_a_copy_under_way_waits_and_says_so(tmp_path: Path) -> None:
    whole = tiny(3)
    path = tmp_path / "in" / "slow.jpg"
    with Watching(tmp_path) as watching:
        path.write_bytes(whole[: len(whole) // 2])
        watching.until(lambda: watching.look()["waiting"])
        (waits,) = watching.look()["waiting"]
        assert waits["path"] == path and waits["reason"] == Why.UNFINISHED
        with path.open("ab") as file:
            file.write(whole[len(whole) // 2 :])
        assert watching.done(1)["media"] == {"review": 1}
        watching.until(lambda: not watching.look()["waiting"])
    assert watching.worked() == ["slow.jpg"]


def test_a_temporary_name_waits_for_its_real_one(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        part = drop(tmp_path / "in" / "a.jpg.part")
        watching.until(lambda: watching.look()["waiting"])
        assert watching.look()["waiting"][0]["reason"] == Why.NAME
        part.rename(tmp_path / "in" / "a.jpg")
        watching.done(1)
    assert watching.worked() == ["a.jpg"]


def test_what_is_no_medium_is_left_alone_and_a_broken_photo_is_set_aside(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        (tmp_path / "in" / "letter.txt").write_text("Dear colleague")
        (tmp_path / "in" / "photo.jpg").write_text("no photo at all")
        (tmp_path / "in" / ".hidden.jpg").write_bytes(tiny(1))
        (tmp_path / "in" / "link.jpg").symlink_to(tmp_path / "in" / "photo.jpg")
        found = watching.done(1)
        (failed,) = found["failed"]
        assert failed["source"] == tmp_path / "in" / "photo.jpg"
        assert failed["reason"] == (
            "The content is a text file, not a photo that the program opens; export it as JPEG or PNG."
        )
        drop(tmp_path / "in" / "good.jpg", 5)
        assert watching.done(2)["media"] == {"review": 1, "failed": 1}
        (tmp_path / "in" / "photo.jpg").unlink()
        drop(tmp_path / "in" / "photo.jpg", 6)
        watching.until(lambda: watching.look()["media"] == {"review": 2}, "the repaired one took its place")


def test_a_passing_failure_is_tried_again_and_leaves_no_trace(tmp_path: Path) -> None:
    said = "The file cannot be read (Stale file handle); check its permissions and that its disk is there."
    tries: list[str] = []

    def spoil(job: Job) -> Answer | None:
        tries.append(job.id)
        return Answer(job.id, End.PASSING, said=said) if len(tries) < 3 else None

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.until(lambda: watching.look()["waiting"])
        assert watching.look()["waiting"][0]["reason"] == said
        assert watching.done(1)["media"] == {"review": 1}
    assert len(tries) == 3
    assert not any("failed" in said for said in watching.said)


def test_what_changes_while_it_is_in_work_is_done_as_it_is_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.jpg"
    tries: list[str] = []

    def spoil(job: Job) -> None:
        tries.append(job.id)
        if len(tries) == 1:
            drop(path, 2, at=1_700_000_200)

    with Watching(tmp_path, spoil) as watching:
        drop(path, 1)
        watching.done(1)
        watching.until(lambda: watching.look()["status"]["queued"] == 0)
        assert watching.look()["media"] == {"review": 1}
    ledger = Ledger(tmp_path / "out" / ".anonymizer" / "ledger.sqlite")
    (row,) = ledger.entries()
    ledger.close()
    assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_vanishes_while_it_waits_its_turn_leaves_no_trace(tmp_path: Path) -> None:
    def spoil(job: Job) -> None:
        Path(job.source).unlink()

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.until(lambda: watching.worked() and watching.look()["status"]["doing"] == "idle")
        watching.until(lambda: watching.look()["media"] == {})


def test_handled_originals_move_where_they_are_told_to(tmp_path: Path) -> None:
    done = tmp_path / "done"
    drop(done / "2026" / "a.jpg", 99)
    drop(tmp_path / "in" / "2026" / "a.jpg", 1)
    (tmp_path / "in" / "2026" / "a.jpg.toml").write_text("keep_mouth = false\n")
    (tmp_path / "in" / "bad.jpg").write_text("no photo at all")
    with Watching(tmp_path, done=done) as watching:
        watching.done(2)
        eventually((done / "2026" / "a-2.jpg").is_file)
        drop(tmp_path / "in" / "again.jpg", 1)
        eventually((done / "again.jpg").is_file)
    assert (done / "2026" / "a.jpg").read_bytes() == tiny(99), "never over another file"
    assert (done / "2026" / "a-2.jpg").read_bytes() == tiny(1)
    assert (done / "2026" / "a.jpg.toml").is_file(), "its own settings go with it"
    assert (tmp_path / "in" / "bad.jpg").is_file(), "what failed stays for the person to see"
    assert watching.look()["media"] == {"review": 1, "failed": 1}


def test_an_original_that_cannot_be_moved_stays_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = Path.replace, []

    def replace(self: Path, target: Any) -> Path:
        if self.name == "a.jpg" and not refused:
            refused.append(target)
            raise PermissionError(errno.EACCES, "The file is open in another program")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    done = tmp_path / "done"
    with Watching(tmp_path, done=done) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.until(lambda: watching.look()["waiting"])
        assert watching.look()["waiting"][0]["reason"] == Why.UNMOVED
        eventually((done / "a.jpg").is_file)
    assert list(done.iterdir()) == [done / "a.jpg"] and len(watching.worked()) == 1


def test_the_inbox_may_vanish_and_come_back(tmp_path: Path) -> None:
    with Watching(tmp_path, rescan=0.3) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        (tmp_path / "in").rename(tmp_path / "away")
        watching.told(Trouble.INBOX)
        assert watching.look()["status"]["said"] == Trouble.INBOX
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
        watching.until(lambda: watching.look()["status"]["doing"] == "idle")
        (tmp_path / "out").rename(tmp_path / "away")
        drop(tmp_path / "in" / "b.jpg", 2)
        watching.told(Trouble.GONE)
        assert not (tmp_path / "out").exists()
        (tmp_path / "away").rename(tmp_path / "out")
        watching.told("going on after")
        assert watching.done(2)["media"] == {"review": 2}
        assert watching.look()["running"]
    assert tree(tmp_path / "out")["left"] == ["watch.json", "watch.lock", "watch.log"]


def test_a_full_disk_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = [usage.free]
    monkeypatch.setattr(trouble.shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with Watching(tmp_path) as watching:
        free[0] = 1 << 20
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.told(Trouble.FULL)
        assert (
            watching.look()["status"]["doing"] == "paused"
            and watching.look()["status"]["said"] == Trouble.FULL
        )
        assert watching.worked() == []
        free[0] = trouble.SPARE + 100
        watching.told("going on after")
        watching.until(lambda: watching.look()["waiting"])
        assert watching.look()["waiting"][0]["reason"] == Why.SPACE
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
        watching.told(Trouble.FULL)
        watching.told("going on after")
        assert watching.done(1)["media"] == {"review": 1}
    assert tree(tmp_path / "out")["left"] == ["watch.json", "watch.lock", "watch.log"]


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
        (OSError(errno.ENOSPC, "No space left on device"), Trouble.FULL),
        (OSError(errno.EDQUOT, "Quota exceeded"), Trouble.FULL),
        (OSError(errno.EROFS, "Read-only file system"), Trouble.READ_ONLY),
        (PermissionError(errno.EACCES, "Permission denied"), Trouble.READ_ONLY),
        (OSError(errno.EIO, "Input/output error"), Trouble.FAULT),
    ],
)
def test_what_the_person_reads_about_the_output_folder(tmp_path: Path, error: OSError, said: str) -> None:
    private = tmp_path / ".anonymizer"
    private.mkdir()
    (private / "ledger.sqlite").touch()
    wrapped = OutputError("The output folder cannot be written.")
    wrapped.__cause__ = error
    assert trouble.sentence(wrapped, tmp_path) == trouble.sentence(error, tmp_path) == said
    assert trouble.sentence(error, tmp_path / "nowhere") == Trouble.GONE


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
        found = watching.look()
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
        watching.until(lambda: watching.look()["status"]["known"] == 1)
        scans = watching.watcher._next_scan
        watching.until(lambda: watching.watcher._next_scan > scans + 0.5)
        assert watching.look()["media"] == {"review": 2}
    assert watching.worked() == ["a.jpg", "b.jpg"]


def test_one_watcher_for_each_output_folder(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        second = Watching(tmp_path)
        with pytest.raises(UsageError) as error:
            second.watcher.run()
        assert str(error.value) == (
            f"Another watcher works on {watching.out} already; stop it first, or choose another --out."
        )
    with Watching(tmp_path) as third:
        assert third.look()["running"]
    assert not third.look()["running"]


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
        return Answer(job.id, End.DEFECT, said="The program met a defect.", trace=trace) if wanted else None

    with Watching(tmp_path, spoil) as watching:
        (tmp_path / "in" / "Musterfrau.jpg").write_text("no photo")
        for number in range(10):
            drop(tmp_path / "in" / "Musterfrau" / f"Musterfrau-{number}.jpg", number)
        drop(tmp_path / "in" / "Musterfrau.jpg.part", 77)
        watching.done(11)
        watching.until(lambda: watching.look()["waiting"])
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
        return Answer(job.id, End.DEFECT, said="The program met a defect.", trace=trace)

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.done(1)
    log = (tmp_path / "out" / ".anonymizer" / "watch.log").read_text()
    assert 'A defect: please report it. | File "/app/work.py", line 3, in process | ValueError\n' in log


def test_a_stop_undoes_what_is_in_work(tmp_path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    def spoil(job: Job) -> Answer:
        began.set()
        go_on.wait(30)
        return Answer(job.id, End.PASSING, said="It was cut off.")

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        assert began.wait(30)
        watching.watcher.stop()
        go_on.set()
    assert tree(tmp_path / "out")["review"] == []
    with Watching(tmp_path) as again:
        assert again.done(1)["media"] == {"review": 1}


def test_what_a_person_decided_stands_when_the_watcher_starts_again(tmp_path: Path) -> None:
    from anonymizer.decide import reject
    from anonymizer.gate import Gate

    drop(tmp_path / "in" / "a.jpg")
    with Watching(tmp_path) as watching:
        watching.done(1)
    with Gate(tmp_path / "out") as gate:
        (entry,) = gate.ledger.entries(State.REVIEW)
        reject(gate, entry.id, "AB", "")
    with Watching(tmp_path) as again:
        again.until(lambda: again.look()["status"]["known"] == 1)
    assert again.worked() == [] and again.look()["media"] == {"rejected": 1}


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
