"""The gate's parts by value: the work on one medium, what of a folder is as it was, what is made of a dead run's."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock

from anonymizer.core import durable, signing
from anonymizer.core.errors import DamagedError, DecisionError, OutputError, UnreadableError, UsageError
from anonymizer.core.message import Message, packed
from anonymizer.core.signing import SignatureStatus
from anonymizer.core.types import Verdict
from anonymizer.gate import database, decision_log, decisions, files, permissions, recovery, removal
from anonymizer.gate import folder as folder_module
from anonymizer.gate import output as output_module
from anonymizer.gate.chain import LedgerFlaw
from anonymizer.gate.decision_log import Log, LogRow
from anonymizer.gate.files import NEUTRAL_TIME, digest, file_sha256, is_id, new_id, place
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.output import OutputFolder, check_output_folder, is_output_folder, output_error
from anonymizer.gate.records import APPROVED, REJECTED, REOPENED, Decision, LedgerEntry, State, now
from anonymizer.gate.work import Work
from anonymizer.report.schema import Report
from conftest import plain, signed_report

CONTENT = b"the redacted picture"
SHA256 = "7ab1c9b0d1bfb0d9d5c4c9a2ed6bb4a7a0b1c6d0f9a9d1c6bbd8c5d5bb0f0b5c"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with Gate(tmp_path / "out") as found:
        yield found


def write(path: Path, content: bytes = CONTENT, at: int = NEUTRAL_TIME) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def entry(gate: OutputFolder, id: str) -> LedgerEntry:
    found = gate.ledger.get(id)
    assert found is not None
    return found


def finished(gate: Gate, id: str = "a", state: State = State.READY, **values: Any) -> LedgerEntry:
    """A medium as a run leaves it: its file, its report and its row."""
    medium = write(gate.folder(state) / f"{id}.jpg")
    for suffix in ("json", "html"):
        write(gate.reports / f"{id}.{suffix}", b"report")
    gate.ledger.start(id, "/x/a.jpg", "settings", gate.run)
    known = {
        "name": medium.name,
        "output": file_sha256(medium),
        "bytes": len(CONTENT),
        "report": gate.report_digest(id),
    }
    gate.ledger.update(id, state=state, **(known | values))
    return entry(gate, id)


# The work on one medium


def test_work_that_ends_well_leaves_what_was_admitted(gate: Gate) -> None:
    with Work(gate, Path("/x/a.jpg"), "settings") as work:
        write(work.staging())
        assert work.staging().parent == gate.work / work.id
        gate.ledger.finish(work.id, State.READY)
    assert entry(gate, work.id).state is State.READY and not (gate.work / work.id).exists()


@pytest.mark.parametrize(
    ("error", "passing"), [(DamagedError("file.empty"), 0), (UnreadableError("file.empty"), 1)]
)
def test_a_medium_that_is_the_cause_has_failed(gate: Gate, error: Exception, passing: int) -> None:
    with pytest.raises(type(error)), Work(gate, "/x/a.jpg", "settings") as work:
        write(work.staging())
        raise error
    found = entry(gate, work.id)
    assert (found.state, found.reason, found.passing) == (State.FAILED, (Message("file.empty"),), passing)
    assert not (gate.work / work.id).exists()


@pytest.mark.parametrize("error", [OutputError("output.full"), KeyboardInterrupt(), RuntimeError()])
def test_what_fails_for_another_cause_was_never_begun(gate: Gate, error: BaseException) -> None:
    with pytest.raises(type(error)), Work(gate, "/x/a.jpg", "settings") as work:
        write(work.staging())
        raise error
    assert gate.ledger.get(work.id) is None and not (gate.work / work.id).exists()


def test_where_failures_leave_no_row_there_is_none(gate: Gate) -> None:
    with pytest.raises(DamagedError), Work(gate, "/x/a.jpg", "settings", fails=False) as work:
        raise DamagedError("file.empty")
    assert gate.ledger.get(work.id) is None


def test_what_is_to_be_tried_again_goes_back_into_the_queue(gate: Gate) -> None:
    work = Work(gate, "/x/a.jpg", "settings")
    for attempts in (2, 3):
        with work:
            write(work.staging())
            work.again()
        found = entry(gate, work.id)
        assert (found.state, found.attempts) == (State.QUEUED, attempts)
        assert not (gate.work / work.id).exists()
    with work:
        pass
    assert gate.ledger.get(work.id) is None, "once it does not go on it is undone"


def test_an_error_after_the_word_to_try_again_counts(gate: Gate) -> None:
    with pytest.raises(DamagedError), Work(gate, "/x/a.jpg", "settings") as work:
        work.again()
        raise DamagedError("file.empty")
    assert entry(gate, work.id).state is State.FAILED


def test_everything_that_touches_the_gate_is_done_where_it_is_asked_for(gate: Gate) -> None:
    done: list[object] = []

    def there(task: Callable[[], Any]) -> Any:
        done.append(task)
        return task()

    with Work(gate, "/x/a.jpg", "settings", on=there) as work:
        work.staging()
        work.fail(plain("x"), passing=True)
    assert len(done) == 5 and entry(gate, work.id).passing == 1


# A folder as it stands


@pytest.mark.parametrize(
    ("content", "at", "said"),
    [
        (CONTENT, NEUTRAL_TIME, None),
        (CONTENT, NEUTRAL_TIME + 1, None),
        (CONTENT + b"x", NEUTRAL_TIME, "folder.file-altered"),
        (b"x" + CONTENT[1:], NEUTRAL_TIME + 1, "folder.file-altered"),
        (None, 0, "folder.file-missing"),
    ],
)
def test_a_file_that_was_written_to_is_told_by_its_hash(
    gate: Gate, content: bytes | None, at: int, said: str | None
) -> None:
    found = finished(gate)
    if content is None:
        (gate.ready / "a.jpg").unlink()
    else:
        write(gate.ready / "a.jpg", content, at)
    flaw = gate.flaw(found)
    assert (flaw.code if flaw else None) == said


@pytest.mark.parametrize("suffix", ["json", "html"])
@pytest.mark.parametrize(
    ("content", "at", "said"),
    [
        (b"report", NEUTRAL_TIME + 1, None),
        (b"other!", NEUTRAL_TIME + 1, "folder.report-altered"),
        (None, 0, "folder.report-missing"),
    ],
)
def test_a_report_that_was_written_to_is_told_by_its_hash(
    gate: Gate, suffix: str, content: bytes | None, at: int, said: str | None
) -> None:
    found = finished(gate)
    if content is None:
        (gate.reports / f"a.{suffix}").unlink()
    else:
        write(gate.reports / f"a.{suffix}", content, at)
    flaw = gate.flaw(found)
    assert (flaw.code if flaw else None) == said


def test_what_has_its_size_and_time_is_not_read(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    found = finished(gate)
    for name in ("file_sha256", "digest"):
        monkeypatch.setattr(output_module, name, lambda *_: pytest.fail("it was read"))
    assert gate.flaw(found) is None
    with pytest.raises(pytest.fail.Exception):
        gate.flaw(dataclasses.replace(found, report=""))


def test_a_report_whose_hash_was_never_recorded_is_not_known(gate: Gate) -> None:
    flaw = gate.flaw(finished(gate, report=""))
    assert flaw and flaw.code == "folder.report-altered"


def test_a_folder_is_an_output_folder_once_a_run_wrote_into_it(gate: Gate, tmp_path: Path) -> None:
    assert is_output_folder(gate.root) and not is_output_folder(tmp_path)
    check_output_folder(gate.root)
    for folder, code in ((tmp_path / "nowhere", "path.missing"), (tmp_path, "path.no-output-folder-name")):
        with pytest.raises(UsageError) as raised:
            OutputFolder(folder)
        assert raised.value.message.code == code


def test_who_looks_lets_the_ledger_go(gate: Gate) -> None:
    with OutputFolder(gate.root) as looking:
        assert looking.ledger.entries() == []
    with pytest.raises(OutputError):
        looking.ledger.entries()


def test_where_everything_stands(gate: Gate) -> None:
    assert [gate.folder(state) for state in (State.READY, State.RELEASED, State.REVIEW, State.REJECTED)] == [
        gate.ready, gate.ready, gate.review, gate.rejected,
    ]  # fmt: skip
    with pytest.raises(KeyError):
        gate.folder(State.FAILED)
    assert [gate.mode(folder / "a") for folder in (gate.ready, gate.reports, gate.review)] == [
        gate.usual_mode, gate.usual_mode, 0o600,
    ]  # fmt: skip
    assert gate.contact_sheet("a") == b""
    write(gate.sheets / "a.jpg", b"frames")
    assert gate.contact_sheet("a") == b"frames"


def test_whose_key_a_folder_is_read_with(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutputFolder(gate.root) as looking:
        assert looking.public_keys == gate.key.public
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "elsewhere" / "key.pem"))
    with OutputFolder(gate.root) as looking:
        assert looking.public_keys == {} and not (tmp_path / "elsewhere").exists()


def test_what_the_system_says_is_told(tmp_path: Path) -> None:
    assert output_error(tmp_path, OSError(28, "No space left")).message.values["cause"] == "No space left"
    assert output_error(tmp_path, OSError("odd")).message.values["cause"] == "odd"


# Names, hashes and places


def test_an_id_is_twelve_letters_and_digits_of_its_own() -> None:
    assert is_id(new_id()) and is_id("abcdefghijkm")
    for other in (
        "",
        "abcdefghijk",
        "abcdefghijkmn",
        "abcdefghijkl",
        "abcdefghijk1",
        "Abcdefghijkm",
        "abcdefghijkm\n",
    ):
        assert not is_id(other)


def test_a_digest_tells_the_contents_and_their_order() -> None:
    found = {digest(*one) for one in ((b"a", b"b"), (b"b", b"a"), (b"ab",), (b"ab", b""), (b"", b"ab"), ())}
    assert len(found) == 6 and all(len(one) == 64 for one in found)


def test_a_file_is_placed_with_its_mode_and_under_one_name(tmp_path: Path) -> None:
    staged = write(tmp_path / "staged")
    staged.chmod(0o666)
    place(staged, tmp_path / "final", 0o640)
    assert stat.S_IMODE((tmp_path / "final").stat().st_mode) == 0o640 and not staged.exists()
    again = write(tmp_path / "staged")
    with pytest.raises(FileExistsError):
        place(again, tmp_path / "final", 0o640)
    assert again.exists()


def refusing(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Modes cannot be changed, as on a colleague's file; what was tried."""
    tried: list[tuple[Path, int]] = []

    def chmod(path: Path, mode: int) -> None:
        tried.append((path, mode))
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", chmod)
    return tried


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_mode_is_touched_only_where_it_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = write(tmp_path / "private"), write(tmp_path / "public")
    private.chmod(0o600)
    public.chmod(0o664)
    closed, opened = tmp_path / "closed", tmp_path / "opened"
    permissions.private_folder(closed / "deep")
    opened.mkdir(mode=0o755)
    tried = refusing(monkeypatch)
    permissions.restrict(private, 0o640)
    permissions.private_folder(closed / "deep")
    assert tried == []
    with pytest.raises(PermissionError):
        permissions.restrict(public, 0o640)
    permissions.private_folder(opened)
    permissions.widen(public, 0o640)
    assert tried == [(public, 0o640), (opened, 0o700), (public, 0o640)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_usual_mode_is_the_masks(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        assert permissions.usual(tmp_path) == 0o666 & ~mask and list(tmp_path.iterdir()) == []
    finally:
        os.umask(before)


# An output that goes


def test_an_output_goes_with_all_that_was_written_of_it(gate: Gate) -> None:
    finished(gate, state=State.REVIEW)
    write(gate.review / "a.reasons.txt")
    write(gate.sheets / "a.jpg")
    gate.retire("a")
    assert entry(gate, "a").state is State.REPLACED
    for folder in (gate.review, gate.reports, gate.sheets):
        assert list(folder.iterdir()) == []
    gate.retire("nobody")


@pytest.mark.parametrize("state", [State.READY, State.RELEASED, State.REVIEW, State.REJECTED])
def test_an_output_goes_from_wherever_it_stands(gate: Gate, state: State) -> None:
    finished(gate, state=state)
    gate.retire("a")
    assert entry(gate, "a").state is State.REPLACED and not list(gate.folder(state).glob("*.jpg"))


@pytest.mark.parametrize("state", [State.WORKING, State.QUEUED, State.FAILED, State.REPLACED])
def test_what_is_no_output_is_left_alone(gate: Gate, state: State) -> None:
    finished(gate, state=State.READY)
    gate.ledger.update("a", state=state)
    gate.retire("a")
    assert entry(gate, "a").state is state and (gate.ready / "a.jpg").exists()


def test_an_output_that_this_run_holds_is_not_claimed_again(gate: Gate) -> None:
    finished(gate, state=State.REVIEW)
    assert gate.ledger.claim("a", State.REVIEW, gate.run)
    gate.retire("a")
    assert entry(gate, "a").state is State.WORKING, "somebody may be deciding on it"
    gate.retire("a", State.REVIEW)
    assert entry(gate, "a").state is State.REPLACED and not (gate.review / "a.jpg").exists()


def test_an_altered_file_is_set_aside_and_one_that_is_gone_is_no_matter(gate: Gate) -> None:
    finished(gate)
    write(gate.ready / "a.jpg", b"somebody's")
    gate.retire("a")
    (aside,) = gate.altered.iterdir()
    assert aside.read_bytes() == b"somebody's" and aside.name.endswith("-a.jpg")
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600 and stat.S_IMODE(gate.altered.stat().st_mode) == 0o700
    finished(gate, "b")
    (gate.ready / "b.jpg").unlink()
    gate.retire("b")
    assert entry(gate, "b").state is State.REPLACED and len(list(gate.altered.iterdir())) == 1


def test_a_file_of_another_row_stays(gate: Gate) -> None:
    finished(gate, name="One.jpg")
    write(gate.ready / "One.jpg", b"another's")
    finished(gate, "b", name="one.jpg", output=file_sha256(gate.ready / "One.jpg"))
    assert removal.of_others(gate, entry(gate, "a")) == {entry(gate, "b").output}
    gate.retire("a")
    assert (gate.ready / "One.jpg").read_bytes() == b"another's"


def test_where_a_file_cannot_go_the_row_is_given_back(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(gate)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OutputError, match="Permission denied"):
            gate.retire("a")
    assert entry(gate, "a").state is State.READY and (gate.reports / "a.json").exists()


# What a dead run left


def decided(action: str) -> Decision:
    return Decision("a", action, "AB", "", "{}", "cafe", "2026-01-02T03:04:05+00:00")


def told(verdict: str = "ready", action: str | None = None, sha256: str = SHA256) -> bytes:
    decision = {"decision": {"action": action}} if action else {"decision": None}
    return signed_report({"verdict": verdict, "medium": {"sha256": sha256}} | decision)


@pytest.mark.parametrize(
    ("said", "pending", "state", "carried_out"),
    [
        (("ready",), "", State.READY, ""),
        (("review",), "", State.REVIEW, ""),
        # Only a person rejects: a report of a failure without a decision is none of an output's.
        (("failed",), "", State.REVIEW, ""),
        (("failed", REJECTED), "", State.REJECTED, ""),
        (("failed", REJECTED), REJECTED, State.REJECTED, REJECTED),
        (("failed", REJECTED), APPROVED, State.REJECTED, ""),
        (("ready", APPROVED), APPROVED, State.READY, APPROVED),
        (("ready", APPROVED), REJECTED, State.READY, ""),
        # A report that waits tells of no decision: only taking one back leads there.
        (("review",), REOPENED, State.REVIEW, REOPENED),
        (("review",), APPROVED, State.REVIEW, ""),
        (("ready",), REOPENED, State.READY, ""),
        (("ready", APPROVED, "another file"), APPROVED, State.REVIEW, ""),
        ((), APPROVED, State.REVIEW, ""),
        (("ready",), "no JSON", State.REVIEW, ""),
    ],
)
def test_where_a_report_sends_a_medium(
    gate: Gate, said: tuple[str, ...], pending: str, state: State, carried_out: str
) -> None:
    if said:
        write(gate.reports / "a.json", told(*said))
    gate.ledger.start("a", "/x/a.jpg", "settings", "run-dead")
    text = (
        json.dumps(dataclasses.asdict(decided(pending)))
        if pending in (APPROVED, REJECTED, REOPENED)
        else pending
    )
    gate.ledger.update("a", output=SHA256, pending=text)
    found, decision = recovery._reported(gate, entry(gate, "a"))
    assert (found, decision.action if decision else "") == (state, carried_out)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"verdict": "ready", "medium": {"sha256": "%s"}}' % SHA256.encode()]
)
def test_a_report_that_our_key_did_not_sign_sends_it_to_a_person(gate: Gate, content: bytes) -> None:
    write(gate.reports / "a.json", content)
    gate.ledger.start("a", "/x/a.jpg", "settings", "run-dead")
    gate.ledger.update("a", output=SHA256)
    assert recovery._reported(gate, entry(gate, "a")) == (State.REVIEW, None)
    write(gate.reports / "a.json", told("review").replace(b'"review"', b'"ready"'))
    assert recovery._reported(gate, entry(gate, "a")) == (State.REVIEW, None)


def dead(gate: Gate, *places: str, report: bytes | None = None, **values: Any) -> None:
    """A row that a run died over, its file in these folders, and its report."""
    for where in places:
        write(gate.root / where / "a.jpg")
    sha256 = digest_of(CONTENT)
    if report is None:
        report = told(sha256=sha256)
    for suffix in ("json", "html"):
        write(gate.reports / f"a.{suffix}", report)
    gate.ledger.start("a", "/x/a.jpg", "settings", "run-dead")
    gate.ledger.update(
        "a", **({"name": "a.jpg", "output": sha256, "reason": packed([plain("why")])} | values)
    )


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def settle(gate: Gate) -> None:
    recovery.settle_dead_runs(gate, gate.run)


@pytest.mark.parametrize(
    "places", [("ready",), ("review",), ("ready", "review"), (".anonymizer/rejected", "ready")]
)
@pytest.mark.parametrize("verdict", [Verdict.READY, Verdict.REVIEW])
def test_a_medium_is_brought_to_where_its_report_sends_it(
    gate: Gate, places: tuple[str, ...], verdict: Verdict
) -> None:
    write(gate.review / "a.reasons.txt", b"why\n")
    dead(gate, *places, report=told(verdict, sha256=digest_of(CONTENT)))
    settle(gate)
    stands = [where for where in (gate.ready, gate.review, gate.rejected) if (where / "a.jpg").exists()]
    assert stands == [gate.ready if verdict is Verdict.READY else gate.review]
    found = entry(gate, "a")
    assert (found.state.value, found.report) == (verdict.value, gate.report_digest("a"))
    assert found.reason == (() if verdict is Verdict.READY else (plain("why"),))
    assert (gate.review / "a.reasons.txt").exists() is (verdict is Verdict.REVIEW)


def test_a_decision_that_was_written_is_recorded_and_no_other(gate: Gate) -> None:
    pending = json.dumps(dataclasses.asdict(decided(APPROVED)))
    dead(gate, "review", report=told("ready", APPROVED, digest_of(CONTENT)), pending=pending)
    settle(gate)
    assert entry(gate, "a").state is State.READY and entry(gate, "a").pending == ""
    assert gate.ledger.decisions() == [decided(APPROVED)]


def test_a_decision_that_was_not_written_is_none(gate: Gate) -> None:
    pending = json.dumps(dataclasses.asdict(decided(APPROVED)))
    dead(gate, "review", report=told("review", None, digest_of(CONTENT)), pending=pending)
    settle(gate)
    assert entry(gate, "a").state is State.REVIEW and entry(gate, "a").pending == ""
    assert gate.ledger.decisions() == []


@pytest.mark.parametrize("known_by", ["nothing", "a decision", "a copy elsewhere", "its successor"])
def test_what_is_gone_is_forgotten_unless_something_speaks_of_it(gate: Gate, known_by: str) -> None:
    dead(gate, mirrored="somewhere" if known_by == "a copy elsewhere" else "")
    if known_by == "a decision":
        gate.ledger.decide(decided(APPROVED), State.WORKING, [], "")
    elif known_by == "its successor":
        gate.ledger.start("new", "/x/a.jpg", "settings", gate.run, "a")
    settle(gate)
    found = gate.ledger.get("a")
    assert (found.state if found else None) is (None if known_by == "nothing" else State.REPLACED)
    assert list(gate.reports.iterdir()) == []


@pytest.mark.parametrize("values", [{"name": ""}, {"output": ""}])
def test_before_its_name_and_hash_are_known_nothing_of_it_stands_anywhere(
    gate: Gate, values: dict[str, str]
) -> None:
    dead(gate, "ready", **values)
    settle(gate)
    assert gate.ledger.get("a") is None and (gate.ready / "a.jpg").exists()


def test_what_stands_under_its_name_is_its_own_anothers_or_nobodys(gate: Gate) -> None:
    dead(gate)
    write(gate.ready / "a.jpg", b"")
    write(gate.review / "a.jpg", b"nobody's")
    write(gate.rejected / "a.jpg", b"another's")
    finished(gate, "b", output=digest_of(b"another's"), name="A.jpg")
    settle(gate)
    assert not (gate.ready / "a.jpg").exists() and not (gate.review / "a.jpg").exists()
    assert (gate.rejected / "a.jpg").read_bytes() == b"another's"
    assert [path.read_bytes() for path in gate.altered.iterdir()] == [b"nobody's"]


@pytest.mark.parametrize(
    ("old", "folder", "stays"), [(True, False, False), (False, False, True), (True, True, True)]
)
def test_a_lock_that_nobody_holds_goes_once_it_is_old(
    gate: Gate, old: bool, folder: bool, stays: bool
) -> None:
    lock = gate.private / "run-abc.lock"
    if folder:
        # Of a run at work: another process holds its lock.
        (gate.private / "run-abc").mkdir()
    age = recovery.OLD_LOCK + 10 if old else 10
    write(lock, b"", int(time.time() - age))
    folder_ = OutputFolder(gate.root)
    try:
        if folder:
            with FileLock(lock):
                settle(gate)
        else:
            settle(gate)
    finally:
        folder_.close()
    assert lock.exists() is stays and (gate.private / "run-abc").exists() is folder


def test_a_dead_runs_work_folder_is_removed_as_soon_as_its_workers_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run-dead"
    folder.mkdir()
    waits: list[float] = []
    removing = recovery.shutil.rmtree
    monkeypatch.setattr(recovery.time, "sleep", waits.append)
    monkeypatch.setattr(
        recovery.shutil, "rmtree", lambda path, **more: removing(path, **more) if len(waits) == 2 else None
    )
    recovery._remove(folder)
    assert not folder.exists() and waits == [0.1, 0.1]


# The folder, opened for a run


def test_a_run_that_cannot_begin_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, raised in (
        (PermissionError(13, "Permission denied"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(folder_module, "settle_dead_runs", fail)
        with pytest.raises(raised):
            Gate(tmp_path / "out")
        assert [path.name for path in (tmp_path / "out" / ".anonymizer").glob("run-*")] == []


def test_a_new_ledgers_name_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durable, "sync_folder", synced.append)
    with Gate(tmp_path / "out") as gate:
        assert synced == [gate.private]
    with Gate(tmp_path / "out"):
        assert synced == [gate.private]


def test_what_nobody_began_can_be_abandoned(gate: Gate) -> None:
    gate.abandon("nobody")
    id = gate.begin("/x/a.jpg", "settings", asked="asked", sha256="beef", state=State.QUEUED)
    assert (entry(gate, id).state, entry(gate, id).owner, entry(gate, id).asked) == (
        State.QUEUED,
        gate.run,
        "asked",
    )
    gate.abandon(id)
    assert gate.ledger.get(id) is None


def named(gate: Gate, stem: str) -> str:
    return gate.take_name(gate.begin("/x/a.jpg", "settings"), stem, "jpg", sha256="beef")


def test_a_name_is_taken_with_what_else_is_known(gate: Gate) -> None:
    id = gate.begin("/x/a.jpg", "settings")
    assert gate.take_name(id, "Anna", "jpg", sha256="beef") == "Anna.jpg"
    assert (entry(gate, id).name, entry(gate, id).sha256) == ("Anna.jpg", "beef")
    write(gate.ready / "abcdefghijkm.jpg")
    assert (
        named(gate, "abcdefghijkm") == "abcdefghijkm-2.jpg"
        and named(gate, "bbcdefghijkm") == "bbcdefghijkm.jpg"
    )


def admitted(gate: Gate, name: str, verdict: Verdict = Verdict.READY, sheet: bytes = b"") -> Path:
    id = gate.begin("/x/a.jpg", "settings")
    staged = write(gate.staging(id))
    report = {"json": b"{}", "html": b"<p>"}
    return gate.admit(
        id, staged, name, file_sha256(staged), verdict, report, [plain("why")], contact_sheet=sheet
    )


def test_a_folder_is_listed_again_only_where_somebody_else_changed_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Path] = []
    iterdir = Path.iterdir

    def watched(path: Path) -> Any:
        listed.append(path)
        return iterdir(path)

    for folder in (gate.ready, gate.review, gate.rejected):
        os.utime(folder, (1000, 1000))
    monkeypatch.setattr(Path, "iterdir", watched)
    admitted(gate, named(gate, "Anna"))
    assert len(listed) == 3
    assert named(gate, "anna") == "anna-2.jpg" and len(listed) == 3, "what came into it is our own"
    os.utime(gate.ready, (2000, 2000))
    write(gate.ready / "BERTA.jpg")
    admitted(gate, "other.jpg")
    assert named(gate, "Berta") == "Berta-2.jpg", "somebody else's came before ours"
    assert named(gate, "Other") == "Other-2.jpg"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_what_is_published_is_anybodys_in_two_folders_alone(gate: Gate) -> None:
    for folder in (gate.ready, gate.reports, gate.review, gate.rejected):
        gate.publish(CONTENT, folder / "a")
        mode = stat.S_IMODE((folder / "a").stat().st_mode)
        assert mode == (gate.usual_mode if folder in (gate.ready, gate.reports) else 0o600), folder
        assert (folder / "a").stat().st_mtime == NEUTRAL_TIME


def test_a_clips_contact_sheet_is_kept_where_there_is_one(gate: Gate) -> None:
    admitted(gate, "a.jpg")
    assert not gate.sheets.exists()
    final = admitted(gate, "b.jpg", Verdict.REVIEW, b"frames")
    assert final.parent == gate.review and [path.read_bytes() for path in gate.sheets.iterdir()] == [
        b"frames"
    ]


# The decisions' log


def row(**changes: int) -> LogRow:
    return LogRow(1, "at", APPROVED, "AB", "", "a", "a.jpg", "/x", dict(changes), "", SignatureStatus.VALID)


def test_what_was_changed_by_hand_in_a_few_words() -> None:
    assert row(drawn=2, dismissed=0, kept=1, keep_mouth=True).changed == "2 drawn, 1 kept, keep mouth"
    assert row(drawn=0, keep_mouth=False).changed == "" and row(drawn=1).changed == "1 drawn"


@pytest.mark.parametrize(
    ("text", "made"), [('{"drawn": 2}', {"drawn": 2}), ("[1]", {}), ("2", {}), ("", {}), ("{", {})]
)
def test_what_was_changed_is_read_if_it_is_that(text: str, made: dict[str, int]) -> None:
    assert decision_log._changes(text) == made


def test_a_log_for_a_program_and_for_a_spreadsheet() -> None:
    facts = row(drawn=2).facts()
    assert tuple(facts) == decision_log.COLUMNS
    assert (facts["number"], facts["who"], facts["changes"], facts["recorded"]) == (
        1,
        "AB",
        {"drawn": 2},
        "valid",
    )
    lines = list(csv.reader(io.StringIO(decision_log.as_csv([row(drawn=2), row()]))))
    assert tuple(lines[0]) == decision_log.COLUMNS and len(lines) == 3
    assert dict(zip(*lines[:2], strict=True))["changes"] == "2 drawn"


@pytest.mark.parametrize("value", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(value: str) -> None:
    assert decision_log._harmless(value) == f"'{value}" and decision_log._harmless(f" {value}") == f" {value}"
    assert decision_log._harmless(-1) == -1 and decision_log._harmless("") == ""


CHANGED = LedgerFlaw(plain("changed"), SignatureStatus.CHANGED, 3)
UNKNOWN = LedgerFlaw(plain("unknown"), SignatureStatus.UNKNOWN, 2)


@pytest.mark.parametrize(
    ("flaws", "chain", "at", "reason"),
    [
        ((), "valid", None, ""),
        ((UNKNOWN,), "unknown", 2, "unknown"),
        ((UNKNOWN, CHANGED), "broken", 3, "changed"),
    ],
)
def test_what_a_chain_is(flaws: tuple[LedgerFlaw, ...], chain: str, at: int | None, reason: str) -> None:
    log = Log((), flaws)
    said = log.chain["reason"]
    assert (log.chain["chain"], log.chain["at"], said["text"] if said else "") == (chain, at, reason)
    assert log.exit_code == (0 if chain == "valid" else 4)


def test_a_log_says_of_each_decision_whether_it_is_as_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gate(tmp_path / "out") as gate:
        finished(gate)
        ours = gate.key.public
        path = gate.ledger.path
        other = signing.Key(Ed25519PrivateKey.generate())
        for number, key in enumerate((other, other, gate.key, other, gate.key)):
            writing = Ledger(path, key, Path(gate._lock.lock_file))
            writing.decide(
                dataclasses.replace(decided(APPROVED), medium="a" if number else "gone"), State.READY, [], ""
            )
            writing.close()
    V, U, C = SignatureStatus.VALID, SignatureStatus.UNKNOWN, SignatureStatus.CHANGED

    def recorded(keys: signing.PublicKeys) -> list[SignatureStatus]:
        return [one.recorded for one in decision_log.read(tmp_path / "out", keys).rows]

    log = decision_log.read(tmp_path / "out", ours)
    assert [one.name for one in log.rows] == ["", "a.jpg", "a.jpg", "a.jpg", "a.jpg"]
    assert [one.source for one in log.rows] == ["", *["/x/a.jpg"] * 4]
    assert recorded(ours) == [V] * 5, "the last signature vouches for all before it"
    assert recorded(other.public) == [U] * 5
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM decisions WHERE number = 5")
    db.close()
    assert recorded(ours) == [U] * 4 and recorded(other.public) == [V] * 4
    with sqlite3.connect(path) as db:
        db.execute("UPDATE decisions SET who = 'XY' WHERE number = 2")
    db.close()
    assert recorded(other.public) == [V, C, C, C] and recorded(ours) == [U, C, C, C]


# Decisions


@pytest.mark.parametrize("initials", ["A", "a" * 12, " A.B. ", "O'N-é", "Ö 2"])
def test_initials_that_are_taken(initials: str) -> None:
    assert decisions.person(initials) == initials.strip()


@pytest.mark.parametrize("initials", ["", " ", "a" * 13, "A;B", "A_B", "A\tB", "<b>"])
def test_initials_that_are_none(initials: str) -> None:
    with pytest.raises(DecisionError):
        decisions.person(initials)


def test_a_note_of_a_thousand_letters() -> None:
    assert decisions._note(" " + "x" * 998 + " ") == "x" * 998
    with pytest.raises(DecisionError):
        decisions._note("x" * 1001)


def test_what_a_person_changed_by_hand_is_counted() -> None:
    def made(**used: Any) -> dict[str, Any]:
        report = Report.model_construct(settings=used)
        return decisions.changes(report).model_dump()

    assert made() == {"drawn": 0, "dismissed": 0, "kept": 0, "keep_mouth": False}
    assert made(regions=[1, 2], dismiss=[1], keep=[1, 2, 3], keep_mouth=True) == {
        "drawn": 2, "dismissed": 1, "kept": 3, "keep_mouth": True,
    }  # fmt: skip
    assert made(regions=None, dismiss=None, keep=None, keep_mouth=None) == made()


def test_why_a_source_waits_for_a_person_again(gate: Gate) -> None:
    assert decisions.objection(gate, "beef") is None
    for action, said in ((REJECTED, "rejected"), (REOPENED, "reopened")):
        gate.ledger.decide(dataclasses.replace(decided(action), source="beef"), State.REVIEW, [], "")
        found = decisions.objection(gate, "beef")
        assert found == (
            Message(f"decision.{said}-before", day="2026-01-02"),
            Message(f"decision.{said}-by", who="AB", when="2026-01-02 03:04"),
        )


# The file of the ledger


def test_a_path_as_sqlite_wants_it() -> None:
    assert database._quoted(Path("/a b/ü?#%.sqlite")) == "///a%20b/%C3%BC%3F%23%25.sqlite"


@pytest.mark.parametrize(
    "what", ["PRAGMA application_id = 7", "PRAGMA user_version = 1", "CREATE TABLE mine (a)"]
)
def test_a_database_that_holds_anything_is_not_taken_for_a_new_one(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(what)
    db.close()
    opened: list[sqlite3.Connection] = []
    connect = database._connect
    monkeypatch.setattr(database, "_connect", lambda *how: opened.append(connect(*how)) or opened[-1])
    with pytest.raises(OutputError) as raised:
        Ledger(path, like=write(tmp_path / "run.lock"))
    assert raised.value.message.code == "ledger.not-ours"
    with pytest.raises(sqlite3.ProgrammingError):
        opened[0].execute("SELECT 1")


@pytest.mark.parametrize(
    ("code", "opens"),
    [
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True),
        (sqlite3.SQLITE_IOERR, False),
        (sqlite3.SQLITE_NOTADB, False),
        (None, False),
    ],
)
def test_where_a_full_disk_has_no_room_for_the_logs_index_it_is_read_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None, opens: bool
) -> None:
    Ledger(tmp_path / "ledger.sqlite", like=write(tmp_path / "run.lock")).close()
    connect = database._connect
    opened: list[Any] = []

    class Full:
        """A connection that finds no room as soon as it is asked for anything."""

        closed = False

        def execute(self, _: str) -> None:
            error = sqlite3.OperationalError("no room")
            if code is not None:
                error.sqlite_errorcode = code
            raise error

        def close(self) -> None:
            self.closed = True

    def first_full(*how: Any) -> Any:
        opened.append(connect(*how) if opened else Full())
        return opened[-1]

    monkeypatch.setattr(database, "_connect", first_full)
    if opens:
        found = database._connect_to_read(tmp_path / "ledger.sqlite")
        assert found is opened[1] and found.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)
        found.close()
    else:
        with pytest.raises(sqlite3.OperationalError):
            database._connect_to_read(tmp_path / "ledger.sqlite")
        assert len(opened) == 1
    assert opened[0].closed


def test_a_ledger_that_was_closed_is_closed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", like=write(tmp_path / "run.lock"))
    assert (tmp_path / "ledger.sqlite-wal").exists() and ledger.sound(whole=True)
    ledger.close()
    assert not (tmp_path / "ledger.sqlite-wal").exists()
    with pytest.raises(OutputError):
        ledger.entries()


def test_this_moment_is_told_to_the_second_in_utc() -> None:
    found = now()
    assert found.endswith("+00:00") and len(found) == 25
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found)).total_seconds()) < 5


def test_files_of_a_gate_are_read_and_hashed(tmp_path: Path) -> None:
    assert file_sha256(write(tmp_path / "a")) == digest_of(CONTENT)
    assert files.safe_name("a/b") == "a_b"
