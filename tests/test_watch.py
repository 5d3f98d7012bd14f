"""The watch folder: what is complete is done once, whatever happens to inbox, disk, clock and names."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest

from anonymizer.engine.worker_process import Answer, End, Job
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.watch import scanner as scanner
from anonymizer.watch.completeness import WaitReason
from conftest import QUICK, plain, sentences
from folders import tiny, tree
from watching import Watching, drop, eventually, impatient  # noqa: F401


def test_what_is_there_at_the_start_and_what_comes_is_done_and_stays(tmp_path: Path) -> None:
    first = drop(tmp_path / "in" / "first.jpg", 1)
    with Watching(tmp_path) as watching:
        watching.done(1)
        drop(tmp_path / "in" / "2026" / "march" / "second.jpg", 2)
        assert watching.done(2)["media"] == {"review": 2}
        watching.until(lambda: watching.status()["status"]["doing"] == "idle")
    assert first.is_file() and (tmp_path / "in" / "2026" / "march" / "second.jpg").is_file()
    assert len(tree(tmp_path / "out")["review"]) == 4, "two media, each with its reasons"
    assert "index.html" in tree(tmp_path / "out")["reports"]
    assert watching.said[-1] == "stopped"


def test_polling_finds_what_no_event_tells(tmp_path: Path) -> None:
    with Watching(tmp_path, poll=True) as watching:
        drop(tmp_path / "in" / "a.jpg")
        found = watching.done(1)
        assert not found["status"]["events"]
    assert "looking through the inbox every 0.2 s: as requested" in watching.said


def test_a_network_share_is_polled_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "remote", lambda folder: "cifs")
    with Watching(tmp_path) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.done(1)
    assert "looking through the inbox every 0.2 s: the inbox lies on the network (cifs)" in watching.said


def test_a_rescan_finds_what_the_events_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner.Hints, "drain", lambda self: (set(), False))
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

    monkeypatch.setattr("anonymizer.engine.known.inspect", refuse)
    monkeypatch.setattr("anonymizer.watch.inbox.examine", refuse)
    with Watching(tmp_path) as again:
        again.until(lambda: again.status()["status"]["known"] == 3)
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
        watching.until(lambda: watching.status()["status"]["known"] == 1)
        (tmp_path / "in" / "a.jpg").rename(tmp_path / "in" / "c.jpg")
        watching.until(lambda: watching.status()["status"]["known"] == 2)
        assert watching.status()["media"] == {"review": 1}
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
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert waits["path"] == path and waits["reason"]["code"] == WaitReason.UNFINISHED
        with path.open("ab") as file:
            file.write(whole[len(whole) // 2 :])
        assert watching.done(1)["media"] == {"review": 1}
        watching.until(lambda: not watching.status()["waiting"])
    assert watching.worked() == ["slow.jpg"]


def test_a_temporary_name_waits_for_its_real_one(tmp_path: Path) -> None:
    with Watching(tmp_path) as watching:
        part = drop(tmp_path / "in" / "a.jpg.part")
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert waits["reason"]["code"] == WaitReason.NAME
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
        assert sentences(failed["reason"]) == [
            "The content is a text file, not a photo or clip that the program opens; export it as JPEG, PNG or MP4."
        ]
        drop(tmp_path / "in" / "good.jpg", 5)
        assert watching.done(2)["media"] == {"review": 1, "failed": 1}
        (tmp_path / "in" / "photo.jpg").unlink()
        drop(tmp_path / "in" / "photo.jpg", 6)
        watching.until(lambda: watching.status()["media"] == {"review": 2}, "the repaired one took its place")


def test_a_passing_failure_is_tried_again_and_leaves_no_trace(tmp_path: Path) -> None:
    said = "The file cannot be read (Stale file handle); check its permissions and that its disk is there."
    tries: list[str] = []

    def spoil(job: Job) -> Answer | None:
        tries.append(job.id)
        return Answer(job.id, End.PASSING, said=plain(said)) if len(tries) < 3 else None

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert waits["reason"]["text"] == said
        watching.until(lambda: watching.status()["media"] == {"review": 1})
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
        watching.until(lambda: watching.status()["media"] == {"review": 1})
        watching.until(lambda: len(watching.worked()) == 2)
    ledger = Ledger(tmp_path / "out" / ".anonymizer" / "ledger.sqlite")
    (row,) = ledger.entries()
    ledger.close()
    assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_vanishes_while_it_waits_its_turn_leaves_no_trace(tmp_path: Path) -> None:
    def spoil(job: Job) -> None:
        Path(job.source).unlink()

    with Watching(tmp_path, spoil) as watching:
        drop(tmp_path / "in" / "a.jpg")
        watching.until(lambda: watching.worked() and watching.status()["status"]["doing"] == "idle")
        watching.until(lambda: watching.status()["media"] == {})


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
    assert watching.status()["media"] == {"review": 1, "failed": 1}


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
        (waits,) = watching.until(lambda: watching.status()["waiting"])
        assert waits["reason"]["code"] == WaitReason.UNMOVED
        eventually((done / "a.jpg").is_file)
    assert list(done.iterdir()) == [done / "a.jpg"] and len(watching.worked()) == 1


def test_a_passing_failure_that_a_killed_watcher_left_is_no_failure(tmp_path: Path) -> None:
    with Gate(tmp_path / "out") as gate:
        for source, passing in (("in/gone.jpg", True), ("in/bad.jpg", False), ("elsewhere.jpg", True)):
            gate.fail(gate.begin(tmp_path / source, "fingerprint"), plain("It failed."), passing=passing)
    with Watching(tmp_path) as watching:
        names = [failed["source"].name for failed in watching.status()["failed"]]
    assert names == ["elsewhere.jpg", "bad.jpg"], "the newest first"
