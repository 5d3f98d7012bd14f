"""What a person decides: recorded, durable, undone where it fails, and never a file in ready/ unexamined."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core import durable
from anonymizer.core.errors import DecisionError, OutputError
from anonymizer.core.message import Message, as_json
from anonymizer.core.types import Verdict
from anonymizer.gate.decisions import MUST_NOT, UNDECIDED, approve, read_report, reject, reopen
from anonymizer.gate.files import NEUTRAL_TIME, file_sha256
from anonymizer.gate.folder import Gate
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from anonymizer.release.check import verify
from anonymizer.review.edits import EditPlace, Edits
from anonymizer.review.instructions import Correction
from anonymizer.review.jobs import JobRunner
from anonymizer.road.pipeline import Session
from anonymizer.road.worker import Worker
from broken import full, no_place
from conftest import QUICK, plain, signed_report
from folders import photos
from killed import killed_after, needs_fork

REASON = "Faces were not looked for, as requested."
NO_FACES = Message("road.no-faces")


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An output folder with one photo in review/, to be copied, and the photo's id."""
    folder = tmp_path_factory.mktemp("waiting")
    pixels = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "source.png")
    with Session(folder / "out", QUICK) as session:
        outcome = session.run(folder / "source.png")
    assert outcome.verdict is Verdict.REVIEW
    return folder / "out", outcome.id


@pytest.fixture
def out(waiting: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(waiting[0], tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def id(waiting: tuple[Path, str]) -> str:
    return waiting[1]


def present(out: Path) -> list[str]:
    """Where media and reasons stand, the private folder for rejected ones included."""
    folders = {"ready": "ready", "review": "review", "rejected": ".anonymizer/rejected"}
    return [f"{name}/{path.name}" for name, at in folders.items() for path in sorted((out / at).iterdir())]


def verdict(out: Path, id: str) -> Verdict:
    return Verdict(json.loads((out / "reports" / f"{id}.json").read_bytes())["verdict"])


def page(out: Path, id: str) -> str:
    return (out / "reports" / f"{id}.html").read_text(encoding="utf-8")


def test_what_is_approved_is_ready_and_says_who_and_when(out: Path, id: str) -> None:
    with Gate(out) as gate:
        final = approve(gate, id, " A.B. ", "Seen with Dr Meier")
        row = gate.ledger.get(id)
        (taken,) = gate.ledger.decisions(id)
        report = read_report(gate, id)
    assert final == out / "ready" / f"{id}.png"
    assert present(out) == [f"ready/{id}.png"]
    assert row is not None and (row.state, row.reason) == (State.READY, ())
    assert (taken.action, taken.who, taken.note) == ("approved", "A.B.", "Seen with Dr Meier")
    assert taken.output == file_sha256(final) and taken.at
    assert report.verdict is Verdict.READY and report.reasons == []
    assert report.decision is not None
    assert (report.decision.initials, report.decision.decided) == ("", taken.at[:10]), "the ledger has both"
    assert "A.B." not in page(out, id) and len(report.created) == 10
    assert report.decision.reasons == [NO_FACES]
    assert "Ready to publish" in page(out, id)
    assert verify(final).verdict is Verdict.READY
    assert final.stat().st_mtime == (out / "reports" / f"{id}.json").stat().st_mtime == NEUTRAL_TIME


def test_initials_and_hours_stand_in_the_report_where_the_settings_ask_for_them(tmp_path: Path) -> None:
    (source,) = photos(tmp_path, 1)
    asked = QUICK.model_copy(update={"report_time": True, "report_initials": True})
    with Session(tmp_path / "out", asked) as session:
        id = session.run(source).id
        approve(session.gate, id, "AB")
        (taken,) = session.gate.ledger.decisions(id)
        report = read_report(session.gate, id)
    assert report.decision and (report.decision.initials, report.decision.decided) == ("AB", taken.at)
    assert len(report.created) == len(taken.at)


def test_a_clips_contact_sheet_stays_in_the_page(out: Path, id: str) -> None:
    with Gate(out) as gate:
        gate.sheets.mkdir()
        gate.publish(b"\xff\xd8 redacted frames", gate.sheets / f"{id}.jpg")
        approve(gate, id, "AB")
        frames = base64.b64encode(b"\xff\xd8 redacted frames").decode()
        assert re.findall('data:image/jpeg;base64,([^"]+)', page(out, id)) == [frames]
        reopen(gate, id, "AB")
        assert re.findall('data:image/jpeg;base64,([^"]+)', page(out, id)) == [frames]
        gate.retire(id)
        assert not list(gate.sheets.iterdir())


def test_the_note_stays_private(out: Path, id: str) -> None:
    with Gate(out) as gate:
        approve(gate, id, "AB", "Anna Muster, born 1984")
    for path in (out / "reports").iterdir():
        assert b"Muster" not in path.read_bytes()


def test_what_is_rejected_leaves_review_and_can_be_taken_back(out: Path, id: str) -> None:
    with Gate(out) as gate:
        reject(gate, id, "AB")
        assert present(out) == [f"rejected/{id}.png"]
        row = gate.ledger.get(id)
        assert row is not None and (row.state, row.reason) == (State.REJECTED, (MUST_NOT,))
        assert verdict(out, id) is Verdict.FAILED
        reopen(gate, id, "CD")
        assert present(out) == [f"review/{id}.png", f"review/{id}.reasons.txt"]
        assert (out / "review" / f"{id}.reasons.txt").read_text() == f"{REASON}\n"
        assert [taken.action for taken in gate.ledger.decisions(id)] == ["rejected", "reopened"]
        assert read_report(gate, id).reasons == [NO_FACES]
        approve(gate, id, "AB")
    assert present(out) == [f"ready/{id}.png"]


def test_what_was_approved_can_be_taken_back(out: Path, id: str) -> None:
    with Gate(out) as gate:
        approve(gate, id, "AB")
        reopen(gate, id, "AB")
        report = read_report(gate, id)
    assert present(out) == [f"review/{id}.png", f"review/{id}.reasons.txt"]
    assert (report.verdict, report.decision, report.reasons) == (Verdict.REVIEW, None, [NO_FACES])


def test_what_was_ready_by_itself_and_is_taken_back_has_a_reason(out: Path, id: str) -> None:
    with Gate(out) as gate:
        report = read_report(gate, id).model_copy(update={"verdict": Verdict.READY, "reasons": []})
        gate.publish(signed_report(report.model_dump(mode="json")), gate.reports / f"{id}.json")
        (gate.review / f"{id}.png").rename(gate.ready / f"{id}.png")
        gate.ledger.update(id, state=State.READY)
        reopen(gate, id, "AB")
        assert read_report(gate, id).reasons == [UNDECIDED]


@pytest.mark.parametrize("initials", ["", "   ", "a" * 13, "A<b>", "A\nB", "../x"])
def test_without_initials_nothing_is_decided(out: Path, id: str, initials: str) -> None:
    with Gate(out) as gate, pytest.raises(DecisionError, match="initials"):
        approve(gate, id, initials)
    assert present(out) == [f"review/{id}.png", f"review/{id}.reasons.txt"]


def test_a_note_without_end_is_refused(out: Path, id: str) -> None:
    with Gate(out) as gate, pytest.raises(DecisionError, match="too long"):
        approve(gate, id, "AB", "x" * 1001)


@pytest.mark.parametrize("other", ["unknown", "../../etc/passwd", ""])
def test_what_does_not_wait_cannot_be_decided(out: Path, id: str, other: str) -> None:
    with Gate(out) as gate:
        with pytest.raises(DecisionError, match="not there any more"):
            approve(gate, other, "AB")
        approve(gate, id, "AB")
        for decide in (approve, reject):
            with pytest.raises(DecisionError, match="not there any more"):
                decide(gate, id, "AB")


def test_two_people_decide_once(out: Path, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw it waiting; the second comes too late."""
    with Gate(out) as first, Gate(out) as second:
        seen = second.ledger.get(id)
        approve(first, id, "AB")
        monkeypatch.setattr(second.ledger, "get", lambda _: seen)
        with pytest.raises(DecisionError):
            reject(second, id, "CD")
    assert present(out) == [f"ready/{id}.png"]
    assert verdict(out, id) is Verdict.READY


@pytest.mark.parametrize(
    "what", ["medium", "report's hash", "report", "medium gone", "other name", "other id"]
)
def test_what_was_changed_since_it_was_checked_cannot_be_approved(out: Path, id: str, what: str) -> None:
    report = out / "reports" / f"{id}.json"
    medium = out / "review" / f"{id}.png"
    said = json.loads(report.read_bytes())
    if what == "medium":
        medium.write_bytes(medium.read_bytes() + b"x")
    elif what == "report's hash":
        said["medium"]["sha256"] = "0" * 64
    elif what == "report":
        report.write_bytes(b"{")
    elif what == "medium gone":
        medium.unlink()
    elif what == "other name":
        said["medium"]["name"] = "another.png"
    else:
        said["id"] = "another"
    if what.startswith(("report's", "other")):
        report.write_bytes(signed_report(said))
    with Gate(out) as gate:
        with pytest.raises(DecisionError, match="process"):
            approve(gate, id, "AB")
        row = gate.ledger.get(id)
        assert row is not None and row.state is State.REVIEW
    assert not list((out / "ready").iterdir())


def test_a_failed_check_cannot_be_approved_but_rejected(out: Path, id: str) -> None:
    path = out / "reports" / f"{id}.json"
    said = json.loads(path.read_bytes())
    said["checks"][0] |= {"result": "fail", "evidence": as_json(plain("Something of the source is in it."))}
    path.write_bytes(signed_report(said))
    with Gate(out) as gate:
        with pytest.raises(DecisionError, match="Something of the source"):
            approve(gate, id, "AB")
        reject(gate, id, "AB")


def test_the_file_is_examined_again_on_the_way(out: Path, id: str) -> None:
    """Hash, ledger and report agree on a file that holds a comment: the structure audit still sees it."""
    medium = out / "review" / f"{id}.png"
    Image.open(medium).save(medium, pnginfo=_comment())
    os.utime(medium, (NEUTRAL_TIME, NEUTRAL_TIME))
    path = out / "reports" / f"{id}.json"
    said = json.loads(path.read_bytes())
    said["medium"]["sha256"] = file_sha256(medium)
    path.write_bytes(signed_report(said))
    with Gate(out) as gate:
        gate.ledger.update(id, output=file_sha256(medium))
        with pytest.raises(DecisionError, match="chunks are not"):
            approve(gate, id, "AB")
    assert not list((out / "ready").iterdir())


def _comment() -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Author", "Anna Muster")
    return info


@pytest.mark.parametrize("broken", ["fsync", "utime", "link and open", "sync_folder", "ledger", "interrupt"])
@pytest.mark.parametrize("action", [approve, reject])
def test_a_decision_that_cannot_be_written_is_none(
    out: Path, id: str, monkeypatch: pytest.MonkeyPatch, broken: str, action: Callable[..., Path]
) -> None:
    monkeypatch.setattr("anonymizer.gate.decisions.audit", lambda *_: [])
    before = {path.name: path.read_bytes() for path in (out / "reports").iterdir()}
    with Gate(out) as gate:
        with monkeypatch.context() as patch:
            if broken == "sync_folder":
                patch.setattr(durable, "sync_folder", full)
            elif broken == "link and open":
                no_place(patch)
            elif broken in ("ledger", "interrupt"):
                error: BaseException = (
                    OutputError("output.full") if broken == "ledger" else KeyboardInterrupt()
                )

                def fail(*_: object) -> None:
                    raise error

                patch.setattr(Ledger, "decide", fail)
            else:
                patch.setattr(os, broken, full)
            with pytest.raises((OutputError, KeyboardInterrupt)):
                action(gate, id, "AB")
        assert not list((out / "ready").iterdir())
        assert [path for path in present(out) if path.endswith("png")] == [f"review/{id}.png"]
    with Gate(out) as gate:
        row = gate.ledger.get(id)
        assert row is not None and row.state is State.REVIEW
        assert gate.ledger.decisions() == []
        assert {path.name: path.read_bytes() for path in (out / "reports").iterdir()} == before
        action(gate, id, "AB")


@pytest.mark.parametrize("what", ["a word", "a space", "unsigned"])
def test_a_report_that_was_changed_is_not_signed_anew(out: Path, id: str, what: str) -> None:
    path = out / "reports" / f"{id}.json"
    said = json.loads(path.read_bytes())
    if what == "a word":
        path.write_bytes(path.read_bytes().replace(b"review", b"failed", 1))
    elif what == "a space":
        path.write_bytes(path.read_bytes() + b" ")
    else:
        path.write_text(json.dumps(said | {"signature": None}))
    with Gate(out) as gate, pytest.raises(DecisionError, match="report was changed"):
        approve(gate, id, "AB")
    assert not list((out / "ready").iterdir())


def begun(out: Path, id: str, action: Callable[..., Path]) -> Callable[[], Path]:
    return functools.partial(action, Gate(out), id, "AB")


@needs_fork
@pytest.mark.parametrize("action", [approve, reject, reopen])
def test_a_decision_killed_anywhere_is_finished_or_undone(
    waiting: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Callable[..., Path]
) -> None:
    monkeypatch.setattr("anonymizer.gate.decisions.audit", lambda *_: [])
    start, id = waiting
    if action is reopen:
        start = shutil.copytree(start, tmp_path / "start")
        with Gate(start) as gate:
            approve(gate, id, "AB")
    first = State.READY if action is reopen else State.REVIEW
    last = {approve: State.READY, reject: State.REJECTED, reopen: State.REVIEW}[action]
    seen = []
    for steps in range(1, 60):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(start, out)
        killed = killed_after(steps, functools.partial(begun, out, id, action))
        if list((out / "ready").iterdir()):
            assert verdict(out, id) is Verdict.READY or action is reopen
        with Gate(out) as gate:
            (row,) = gate.ledger.entries()
            taken = gate.ledger.decisions(id)
            assert row.state in (first, last)
            stands = [name for name in present(out) if name.endswith(".png")]
            assert stands == [f"{row.state.value}/{id}.png"]
            said = verdict(out, id)
            assert said is {"rejected": Verdict.FAILED}.get(row.state.value, Verdict(said))
            assert (said is Verdict.READY) is (row.state is State.READY)
            assert ("Ready to publish" in page(out, id)) <= (row.state is State.READY), (
                "the page claims too much"
            )
            if row.state is last and action is not reopen:
                (one,) = taken
                assert (one.action, one.who) == ("approved" if action is approve else "rejected", "AB")
        seen.append(row.state is last)
        if not killed:
            break
    else:
        pytest.fail("the child never came to its end")
    assert len(seen) > 8, "killed at too few places to mean anything"
    assert not seen[0] and seen[-1]
    assert seen == sorted(seen), "once taken, a decision stays taken"


def test_a_successor_takes_the_place_of_the_old_output(out: Path, id: str, tmp_path: Path) -> None:
    """Killed after the new output was let in and before the old one went: the next run removes it."""
    with Gate(out) as gate:
        new = gate.begin(tmp_path / "source.png", "settings", replaces=id)
        assert gate.ledger.overtaken() == [], "the old one stays while the new one is not finished"
        staged = gate.staging(new).with_suffix(".png")
        staged.write_bytes(b"new")
        gate.admit(new, staged, f"{new}.png", file_sha256(staged), Verdict.READY, {"json": b"{}"}, [])
    with Gate(out) as gate:
        old = gate.ledger.get(id)
        assert old is not None and old.state is State.REPLACED
    assert present(out) == [f"ready/{new}.png"]
    assert [path.name for path in (out / "reports").iterdir()] == [f"{new}.json"]


def test_a_correction_does_not_undo_what_somebody_else_decided_meanwhile(
    out: Path, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages on one folder: while one corrects a photo, the other approves it."""
    process = Worker.process

    def slow(self: Worker, *arguments: Any, **named: Any) -> Any:
        worked = process(self, *arguments, **named)
        with Gate(out) as other:
            approve(other, id, "CD")
        return worked

    with JobRunner(out, QUICK) as runner:
        monkeypatch.setattr(Worker, "process", slow)
        job = asyncio.run(
            runner.correct(id, Correction(edits=Edits(regions=(EditPlace(rect=(5, 5, 20, 20)),))))
        )
        while runner.busy:
            time.sleep(0.01)
        assert "somebody else may have decided" in str(job.error)
    assert present(out) == [f"ready/{id}.png"]
    with Gate(out) as gate:
        (row,) = gate.ledger.entries()
        assert row.state is State.READY and gate.flaw(row) is None


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Ledger, "decide", fail)


@pytest.mark.parametrize(
    ("error", "cause"), [(OSError(28, "No space left"), "No space left"), (OSError("odd"), "odd")]
)
def test_why_a_decision_could_not_be_written_is_said(
    out: Path, id: str, monkeypatch: pytest.MonkeyPatch, error: OSError, cause: str
) -> None:
    failing(monkeypatch, error)
    with Gate(out) as gate, pytest.raises(OutputError) as raised:
        reject(gate, id, "AB")
    assert raised.value.message.values["cause"] == cause


def test_somebodys_file_in_the_way_of_a_decision_stays(out: Path, id: str) -> None:
    (out / "ready" / f"{id}.png").write_bytes(b"somebody's")
    with Gate(out) as gate, pytest.raises(OutputError):
        approve(gate, id, "AB")
    assert (out / "ready" / f"{id}.png").read_bytes() == b"somebody's"
    assert (out / "review" / f"{id}.png").is_file() and verdict(out, id) is Verdict.REVIEW


def test_the_more_careful_page_stands_longer_when_a_decision_is_undone_too(
    out: Path, id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back to review/: its page first. Back to ready/: its page last."""
    written: list[str] = []
    publish = Gate.publish

    def watched(self: Gate, content: bytes, path: Path) -> None:
        written.append(path.suffix)
        publish(self, content, path)

    with Gate(out) as gate:
        with monkeypatch.context() as patch:
            failing(patch, OutputError("output.full"))
            patch.setattr(Gate, "publish", watched)
            with pytest.raises(OutputError):
                approve(gate, id, "AB")
        assert written == [".json", ".html", ".html", ".json"]
        approve(gate, id, "AB")
        written.clear()
        failing(monkeypatch, OutputError("output.full"))
        monkeypatch.setattr(Gate, "publish", watched)
        with pytest.raises(OutputError):
            reopen(gate, id, "AB")
        assert [suffix for suffix in written if suffix != ".txt"] == [".html", ".json", ".json", ".html"]
