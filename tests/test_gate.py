"""The gate: a report before its medium, all or nothing, whatever breaks and wherever a run is killed."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core import durable
from anonymizer.core.errors import ExitCode, OutputError
from anonymizer.core.message import Message
from anonymizer.core.signing import Key, as_file, signed
from anonymizer.core.types import Verdict
from anonymizer.gate import folder as gate_module
from anonymizer.gate.files import ID_ALPHABET, ID_LENGTH, NEUTRAL_TIME, file_sha256, new_id, safe_name
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from anonymizer.release.ledger_check import chain_flaws
from anonymizer.road.pipeline import Session
from broken import full, no_place
from conftest import QUICK, plain
from folders import photos
from killed import killed_after, needs_fork

CONTENT = b"the redacted picture"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def stage(gate: Gate, source: str = "/x/portrait.jpg") -> tuple[str, Path]:
    id = gate.begin(Path(source), "settings")
    staged = gate.staging(id).with_suffix(".jpg")
    staged.write_bytes(CONTENT)
    os.utime(staged, (NEUTRAL_TIME, NEUTRAL_TIME))
    return id, staged


def report_of(sha256: str, verdict: Verdict, key: Key) -> bytes:
    return as_file(signed({"verdict": verdict, "medium": {"sha256": sha256}}, "report", key))


def admit(
    gate: Gate,
    id: str,
    staged: Path,
    verdict: Verdict = Verdict.READY,
    name: str = "",
    companion: Path | None = None,
) -> Path:
    reasons = [] if verdict is Verdict.READY else [plain("There may be a face."), plain("Look twice.")]
    sha256 = file_sha256(staged)
    report = {"json": report_of(sha256, verdict, gate.key), "html": b"<p>"}
    name = name or f"{id}.jpg"
    return gate.admit(id, staged, name, sha256, verdict, report, reasons, companion=companion)


def handed_out(out: Path) -> list[str]:
    found = []
    for folder in ("ready", "review", "reports"):
        found += [f"{folder}/{path.name}" for path in sorted((out / folder).glob("*"))]
    return found


def private(out: Path) -> list[str]:
    """What a run leaves or holds in the private folder, besides the ledger and an empty folder."""
    assert not list((out / ".anonymizer" / "rejected").iterdir())
    names = (path.name for path in (out / ".anonymizer").iterdir())
    return sorted(name for name in names if "sqlite" not in name and name != "rejected")


def test_what_is_ready_stands_beside_its_report(out: Path) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        final = admit(gate, id, staged)
        assert final == out / "ready" / f"{id}.jpg"
        row = gate.ledger.get(id)
        assert row is not None
        assert (row.state, row.name, row.output) == (State.READY, final.name, file_sha256(final))
    assert handed_out(out) == [f"ready/{id}.jpg", f"reports/{id}.html", f"reports/{id}.json"]
    assert final.read_bytes() == CONTENT
    assert final.stat().st_nlink == 1, "no second name for it is left"
    assert private(out) == []


def test_what_waits_for_a_person_has_its_reasons_beside_it(out: Path) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        final = admit(gate, id, staged, Verdict.REVIEW)
    assert final.parent.name == "review"
    assert (final.parent / f"{id}.reasons.txt").read_text() == "There may be a face.\nLook twice.\n"
    assert not list((out / "ready").iterdir())


def test_everything_handed_out_has_the_neutral_time(out: Path) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        admit(gate, id, staged, Verdict.REVIEW)
        gate.write_index(b"index")
    for folder in ("review", "reports"):
        for path in (out / folder).iterdir():
            assert path.stat().st_mtime == NEUTRAL_TIME, path.name


def test_work_folder_is_private(out: Path) -> None:
    with Gate(out) as gate:
        _, staged = stage(gate)
        for folder in (gate.private, gate.work, staged.parent):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_report_is_on_the_disk_before_the_medium_appears(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    place = gate_module.place

    def watched(staged: Path, final: Path, mode: int) -> None:
        seen.append(handed_out(out))
        place(staged, final, mode)

    monkeypatch.setattr(gate_module, "place", watched)
    with Gate(out) as gate:
        id, staged = stage(gate)
        admit(gate, id, staged)
    assert seen == [[f"reports/{id}.html", f"reports/{id}.json"]]


@pytest.mark.parametrize("verdict", [Verdict.READY, Verdict.REVIEW])
@pytest.mark.parametrize("broken", ["fsync", "link and open", "utime", "replace"])
def test_a_full_disk_publishes_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch, broken: str, verdict: Verdict
) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        with monkeypatch.context() as patch:
            if broken == "link and open":
                no_place(patch)
            elif broken == "replace":
                patch.setattr(Path, "replace", full)
            else:
                patch.setattr(os, broken, full)
            with pytest.raises(OutputError, match=r"No space left.*nothing was published") as caught:
                admit(gate, id, staged, verdict)
        assert caught.value.exit_code is ExitCode.FAILED
        assert str(out) in str(caught.value)
        assert handed_out(out) == []
        gate.abandon(id)
        assert gate.ledger.entries() == []


def test_a_failing_sync_after_placing_leaves_no_medium_without_report(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's sync comes last: when it fails, medium and report must go together."""
    with Gate(out) as gate:
        id, staged = stage(gate)
        calls = []

        def sync(folder: Path) -> None:
            calls.append(folder.name)
            if folder.name == "ready":
                full()

        with monkeypatch.context() as patch:
            patch.setattr(durable, "sync_folder", sync)
            with pytest.raises(OutputError):
                admit(gate, id, staged)
        assert calls == ["reports", "ready"]
        assert handed_out(out) == []


@pytest.mark.parametrize("error", [OutputError("output.full"), KeyboardInterrupt()])
def test_an_end_that_the_ledger_does_not_take_leaves_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A full disk or Ctrl-C after the medium was placed, before its row says so."""
    with Gate(out) as gate:
        id, staged = stage(gate)

        def fail(*_: object, **__: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "finish", fail)
            with pytest.raises(type(error)):
                admit(gate, id, staged)
        gate.abandon(id)
        assert handed_out(out) == [] and gate.ledger.entries() == []


def test_what_is_done_cannot_be_abandoned(out: Path) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        admit(gate, id, staged)
        gate.abandon(id)
        row = gate.ledger.get(id)
        assert row is not None and row.state is State.READY
    assert len(handed_out(out)) == 3


def test_a_claimed_name_is_given_back_when_the_medium_cannot_be_moved(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        replace = Path.replace

        def only_reports(self: Path, target: Path) -> Path:
            return full() if target.suffix == ".jpg" else replace(self, target)

        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(Path, "replace", only_reports)
        with pytest.raises(OutputError, match="No space left"):
            admit(gate, id, staged)
        assert handed_out(out) == []


def test_a_volume_without_links_still_never_replaces_a_file(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with Gate(out) as gate:
        id, staged = stage(gate)
        assert admit(gate, id, staged, name="a.jpg").read_bytes() == CONTENT
        other, staged = stage(gate)
        (out / "ready" / "a.jpg").write_bytes(b"somebody else's")
        with pytest.raises(OutputError):
            admit(gate, other, staged, name="a.jpg")
    assert (out / "ready" / "a.jpg").read_bytes() == b"somebody else's"
    assert not (out / "reports" / f"{other}.json").exists()


def test_an_existing_name_is_never_replaced(out: Path) -> None:
    with Gate(out) as gate:
        (out / "ready" / "a.jpg").write_bytes(b"somebody else's")
        id, staged = stage(gate)
        with pytest.raises(OutputError):
            admit(gate, id, staged, name="a.jpg")
    assert (out / "ready" / "a.jpg").read_bytes() == b"somebody else's"
    assert handed_out(out) == ["ready/a.jpg"]


def test_free_names_count_up_whatever_the_case_and_the_folder(out: Path) -> None:
    with Gate(out) as gate:

        def name(stem: str, suffix: str = "jpg") -> str:
            id, _ = stage(gate)
            found = gate.take_name(id, stem, suffix)
            gate.abandon(id)
            return found

        assert name("Photo") == "Photo.jpg"
        (out / "ready" / "PHOTO.JPG").touch()
        assert name("photo") == "photo-2.jpg"
        (out / "review" / "Photo-2.jpg").touch()
        assert name("photo") == "photo-3.jpg"
        assert name("photo", "png") == "photo.png"
        (out / "ready" / "STRASSE.jpg").touch()
        assert name("straße") == "straße-2.jpg"


def test_a_name_that_another_run_is_to_use_is_not_free_though_no_file_has_it(out: Path) -> None:
    with Gate(out) as one, Gate(out) as other:
        first, _ = stage(one)
        assert one.take_name(first, "Straße", "jpg") == "Straße.jpg"
        second, _ = stage(other)
        assert other.take_name(second, "STRASSE", "jpg") == "STRASSE-2.jpg"
        one.fail(first, plain("It is damaged."))
        assert other.take_name(second, "strasse", "jpg") == "strasse.jpg"


def test_failing_and_abandoning_leave_no_trace_but_the_reason(out: Path) -> None:
    with Gate(out) as gate:
        failed, _ = stage(gate)
        gate.fail(failed, Message("file.empty"))
        gate.sweep(failed)
        dropped, _ = stage(gate)
        gate.abandon(dropped)
        gate.sweep(dropped)
        (row,) = gate.ledger.entries()
        assert (row.id, row.state, row.reason) == (failed, State.FAILED, (Message("file.empty"),))
        assert not list(gate.work.iterdir())
    assert handed_out(out) == []


def begun(out: Path, verdict: Verdict) -> Callable[[], Path]:
    """What becomes ready has a DICOM beside it."""
    gate = Gate(out)
    id, staged = stage(gate)
    beside = staged.with_suffix(".dcm") if verdict is Verdict.READY else None
    if beside:
        beside.write_bytes(b"a DICOM")
        os.utime(beside, (NEUTRAL_TIME, NEUTRAL_TIME))
    return functools.partial(admit, gate, id, staged, verdict, companion=beside)


def beside(out: Path) -> list[str]:
    return [name for name in handed_out(out) if name.endswith(".dcm")]


@needs_fork
@pytest.mark.parametrize("verdict", [Verdict.READY, Verdict.REVIEW])
def test_a_run_killed_anywhere_is_finished_or_undone_by_the_next(out: Path, verdict: Verdict) -> None:
    finished, halves = [], 0
    for steps in range(1, 60):
        shutil.rmtree(out, ignore_errors=True)
        killed = killed_after(steps, functools.partial(begun, out, verdict))
        placed = [name for name in handed_out(out) if name.endswith(".jpg")]
        halves += len(beside(out)) > len(placed)
        for name in placed:
            assert f"reports/{Path(name).stem}.json" in handed_out(out), "a medium without its report"
        with Gate(out) as gate:
            rows = gate.ledger.entries()
            assert private(out) == sorted([gate.work.name, f"{gate.work.name}.lock"])
        names = handed_out(out)
        if placed:
            (row,) = rows
            assert row.state.value == verdict.value
            (medium,) = placed
            assert medium == f"{verdict.value}/{row.name}"
            assert (out / medium).read_bytes() == CONTENT
            assert (out / medium).stat().st_nlink == 1
            assert f"reports/{row.id}.html" in names
            assert beside(out) == [f"{verdict.value}/{row.id}.dcm"] * (verdict is Verdict.READY)
        else:
            assert rows == [] and names == []
        finished.append(bool(placed))
        if not killed:
            break
    else:
        pytest.fail("the child never came to its end")
    assert len(finished) > 8, "the run was killed at too few places to mean anything"
    assert not finished[0] and finished[-1]
    assert bool(halves) is (verdict is Verdict.READY), "a DICOM comes first"


@pytest.mark.parametrize("signer", ["our key", "another key", "nobody", "our key, before a change"])
def test_what_a_killed_run_left_is_ready_only_by_a_report_that_our_key_signed(out: Path, signer: str) -> None:
    with Gate(out) as gate:
        id, staged = stage(gate)
        sha256 = file_sha256(admit(gate, id, staged, Verdict.REVIEW))
        key = Key(Ed25519PrivateKey.generate()) if signer == "another key" else gate.key
        said = report_of(sha256, Verdict.READY, key)
        if signer == "nobody":
            said = json.dumps({"verdict": "ready", "medium": {"sha256": sha256}}).encode()
        elif signer == "our key, before a change":
            said = report_of(sha256, Verdict.REVIEW, key).replace(b'"review"', b'"ready"')
        (gate.reports / f"{id}.json").write_bytes(said)
        gate.ledger.update(id, state=State.WORKING, owner="run-that-was-killed")
    state = State.READY if signer == "our key" else State.REVIEW
    with Gate(out) as gate:
        assert [row.state for row in gate.ledger.entries()] == [state]
    assert [path.name for path in (out / state).glob("*.jpg")] == [f"{id}.jpg"]


def test_a_killed_run_that_only_claimed_a_name_is_undone(out: Path) -> None:
    """On volumes without links the name is claimed by an empty file first."""
    with Gate(out) as gate:
        ledger = gate.ledger
        ledger.start("dead", Path("x"), "s", "run-dead")
        ledger.update("dead", name="dead.jpg", output=file_sha256(Path(__file__)))
        (gate.private / "run-dead").mkdir()
    (out / "ready" / "dead.jpg").touch()
    (out / "reports" / "dead.json").touch()
    with Gate(out) as gate:
        assert gate.ledger.entries() == []
    assert handed_out(out) == []


@needs_fork
@pytest.mark.parametrize("same", [False, True], ids=["another photo", "the very same photo"])
def test_what_one_run_published_outlives_another_that_was_killed_over_the_same_name(
    out: Path, tmp_path: Path, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one has a name and dies before its file gets it; meanwhile a second one wants that name."""
    settings = QUICK.model_copy(update={"keep_name": True})
    for folder, seed in (("a", 1), ("b", 1 if same else 2)):
        photos(tmp_path / folder, 1, seed)
    child = os.fork()
    if child == 0:  # pragma: no cover - the child never returns
        try:
            gate_module.place = lambda staged, final, mode: os._exit(9)
            with Session(out, settings) as session:
                session.run(tmp_path / "a" / "photo00000.jpg")
        finally:
            os._exit(1)
    # The name is given before the first run is seen to be dead, as where both are at work.
    with monkeypatch.context() as patch:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        patch.setattr(gate_module, "settle_dead_runs", lambda *_: None)
        with Session(out, settings) as session:
            outcome = session.run(tmp_path / "b" / "photo00000.jpg")
    assert outcome.output is not None
    content = outcome.output.read_bytes()
    with Gate(out) as gate:
        (row,) = gate.ledger.entries()
        assert (row.id, row.state.value, gate.flaw(row)) == (outcome.id, outcome.verdict.value, None)
        assert list(chain_flaws(gate, gate.key.public)) == []
    assert outcome.output.read_bytes() == content
    assert sorted(handed_out(out)) == sorted(
        [f"review/{outcome.output.name}", f"review/{outcome.id}.reasons.txt"]
        + [f"reports/{outcome.id}.{suffix}" for suffix in ("html", "json")]
    )


def test_a_file_of_a_killed_run_that_is_not_what_was_verified_is_set_aside(out: Path) -> None:
    """Torn by a power cut, or put there by somebody: it must not stay in ready/, nor be lost."""
    with Gate(out) as gate:
        gate.ledger.start("dead", Path("x"), "s", "run-dead")
        gate.ledger.update("dead", name="dead.jpg", output=file_sha256(Path(__file__)))
    (out / "ready" / "dead.jpg").write_bytes(b"half a pict")
    with Gate(out) as gate:
        assert gate.ledger.entries() == []
        (aside,) = gate.altered.iterdir()
        assert aside.read_bytes() == b"half a pict"
    assert handed_out(out) == []


def test_a_successor_never_takes_its_own_file_for_the_one_that_it_replaces(out: Path) -> None:
    """Somebody deleted the earlier output, and the new one has the same content and wants the same name."""
    with Gate(out) as gate:
        old, staged = stage(gate)
        admit(gate, old, staged, name=gate.take_name(old, "a", "jpg")).unlink()
        new, staged = stage(gate)
        final = admit(gate, new, staged, name=gate.take_name(new, "a", "jpg"))
        gate.retire(old)
        assert final.read_bytes() == CONTENT
        row = gate.ledger.get(old)
        assert row is not None and row.state is State.REPLACED
        assert not (gate.reports / f"{old}.json").exists() and (gate.reports / f"{new}.json").exists()


def test_an_output_on_which_somebody_decides_at_this_moment_is_not_retired(out: Path) -> None:
    with Gate(out) as deciding, Gate(out) as gate:
        old, staged = stage(gate)
        final = admit(gate, old, staged, Verdict.REVIEW)
        assert deciding.ledger.claim(old, State.REVIEW, deciding.run)
        new = gate.begin(Path("/x/portrait.jpg"), "settings", old)
        staged = gate.staging(new).with_suffix(".jpg")
        staged.write_bytes(CONTENT + b"2")
        admit(gate, new, staged)
        gate.retire(old)
        assert final.is_file() and (gate.reports / f"{old}.json").is_file()
        deciding.ledger.update(old, state=State.REVIEW)
    with Gate(out) as gate:
        row = gate.ledger.get(old)
        assert row is not None and row.state is State.REPLACED
    assert not final.exists() and not (out / "reports" / f"{old}.json").exists()


@needs_fork
def test_a_run_killed_while_it_removes_an_overtaken_output_is_finished_by_the_next(out: Path) -> None:
    with Gate(out) as gate:
        old, staged = stage(gate)
        final = admit(gate, old, staged)
        new = gate.begin(Path("/x/portrait.jpg"), "settings", old)
        staged = gate.staging(new).with_suffix(".jpg")
        staged.write_bytes(CONTENT + b"2")
        admit(gate, new, staged)
    saved = out.with_name("saved")
    shutil.copytree(out, saved)
    for steps in range(1, 20):
        shutil.rmtree(out)
        shutil.copytree(saved, out)
        child = os.fork()
        if child == 0:  # pragma: no cover - the child never returns
            try:
                left = [steps]

                def dying(real: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
                    def call(*arguments: Any, **named: Any) -> Any:
                        left[0] -= 1
                        return os._exit(9) if left[0] == 0 else real(*arguments, **named)

                    return call

                Path.unlink = dying(Path.unlink)  # type: ignore[method-assign]
                Ledger.claim = dying(Ledger.claim)  # type: ignore[method-assign]
                Ledger.update = dying(Ledger.update)  # type: ignore[method-assign]
                Gate(out)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with Gate(out) as gate:
            row = gate.ledger.get(old)
            assert row is not None and row.state is State.REPLACED
            assert [one.name for one in gate.ready.iterdir()] == [f"{new}.jpg"]
            assert {one.stem for one in gate.reports.iterdir()} == {new}
        if code == 0:
            break
        assert code == 9
    assert steps > 5
    assert not final.exists()


def test_a_run_that_still_works_is_left_alone(out: Path) -> None:
    with Gate(out) as working:
        id, staged = stage(working)
        with Gate(out) as other:
            assert other.work != working.work
        assert staged.exists()
        assert working.ledger.get(id) is not None
        admit(working, id, staged)
    assert len(handed_out(out)) == 3


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "file"
    file.write_bytes(b"")
    yield file / "out"


def test_an_output_folder_that_cannot_be_made_is_one_sentence(blocked: Path) -> None:
    with pytest.raises(OutputError, match="choose another folder"):
        Gate(blocked)


def test_a_read_only_folder_is_one_sentence(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        Gate(out)


def test_ids_are_random_and_neutral() -> None:
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(id) == ID_LENGTH and set(id) <= set(ID_ALPHABET) for id in ids)


@given(st.text(max_size=300))
def test_a_kept_name_is_safe_on_every_system(name: str) -> None:
    safe = safe_name(name)
    assert safe and len(safe) <= 102
    assert not set(safe) & set('<>:"/\\|?*\0\n\r\u202e')
    assert not safe.startswith((".", "-", " ")) and not safe.endswith((".", " "))
    assert safe == safe_name(safe)
    safe.encode("utf-8")


@pytest.mark.parametrize("name", ["CON", "con.backup", "Nul", "com1", "LPT9.x"])
def test_names_that_windows_keeps_for_devices_are_changed(name: str) -> None:
    assert safe_name(name) == f"_{name}"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Müller_Anna", "Müller_Anna"),
        ("Mu\u0308ller", "Müller"),
        ("a\u202egpj", "agpj"),
        ("line\nbreak", "linebreak"),
        ("-rf", "rf"),
        ("..", "unnamed"),
        ("\udcff", "?".replace("?", "_")),
        ("🙂 smile", "🙂 smile"),
        ("file:stream", "file_stream"),
    ],
)
def test_kept_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe
