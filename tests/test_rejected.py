"""What a person rejected, or took back, comes out only by a person's approval: however it is put in again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from anonymizer.core.settings import Settings
from anonymizer.core.types import Processed, Result, Verdict
from anonymizer.engine.scheduler import Engine
from anonymizer.gate import decisions
from anonymizer.gate.decisions import approve, read_report, reject, reopen
from anonymizer.gate.folder import Gate
from anonymizer.i18n import speaker
from anonymizer.release.publish import release
from anonymizer.road import pipeline
from anonymizer.road.pipeline import Outcome, Session
from conftest import QUICK
from folders import HerePool, photos


@pytest.fixture(autouse=True)
def nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every photo of these tests is ready, but for what people said of it."""

    def judge(processed: Processed, checks: object) -> tuple[Verdict, list[str]]:
        return Verdict.READY, []

    monkeypatch.setattr(pipeline, "judge", judge)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (path,) = photos(tmp_path / "in", 1)
    return path


def blur(out: Path, path: Path, settings: Settings = QUICK) -> Outcome:
    with Session(out, settings) as session:
        return session.run(path)


def rejected(out: Path, photo: Path) -> Outcome:
    """A photo that was ready by itself, taken back and rejected."""
    first = blur(out, photo)
    assert first.verdict is Verdict.READY
    with Gate(out) as gate:
        reopen(gate, first.id, "AB")
        reject(gate, first.id, "CD", "the tattoo")
    return first


OTHER = QUICK.model_copy(update={"jpeg_quality": 80})


@pytest.mark.parametrize("settings", [QUICK, OTHER], ids=["the same settings", "other settings"])
def test_a_rejected_photo_that_is_dropped_again_waits_and_says_who_rejected_it(
    out: Path, photo: Path, tmp_path: Path, settings: Settings
) -> None:
    rejected(out, photo)
    copy = tmp_path / "renamed.jpg"
    shutil.copy(photo, copy)
    again = blur(out, copy, settings)
    assert again.verdict is Verdict.REVIEW and again.output and again.output.parent.name == "review"
    assert str(again.reasons[0]).startswith("CD rejected this picture on 20") and "UTC" in str(
        again.reasons[0]
    )
    assert str(again.reasons[0]) in (out / "review" / f"{again.id}.reasons.txt").read_text()
    with Gate(out) as gate:
        (reason,) = read_report(gate, again.id).reasons
    assert str(reason).startswith("A person rejected this picture on 20") and "UTC" not in str(reason)


def test_rejected_taken_back_and_processed_again_is_not_ready(out: Path, photo: Path) -> None:
    first = rejected(out, photo)
    with Gate(out) as gate:
        reopen(gate, first.id, "EF")
    again = blur(out, photo)
    assert again.verdict is Verdict.REVIEW
    assert str(again.reasons[0]).startswith("EF took back what was decided on this picture on 20")


def test_an_approval_that_was_taken_back_counts_no_more(out: Path, photo: Path) -> None:
    first = blur(out, photo)
    with Gate(out) as gate:
        reopen(gate, first.id, "AB")
        approve(gate, first.id, "AB")
        assert gate.ledger.objection(gate.ledger.get(first.id).sha256) is None  # type: ignore[union-attr]
        reopen(gate, first.id, "AB")
    assert blur(out, photo).verdict is Verdict.REVIEW


def test_an_approval_clears_it(out: Path, photo: Path) -> None:
    rejected(out, photo)
    waiting = blur(out, photo)
    with Gate(out) as gate:
        approve(gate, waiting.id, "GH")
        report = read_report(gate, waiting.id)
    assert report.decision and str(report.decision.reasons[0]).startswith("A person rejected this picture")
    assert blur(out, photo).verdict is Verdict.READY


def test_another_photo_is_not_concerned(out: Path, photo: Path, tmp_path: Path) -> None:
    rejected(out, photo)
    (other,) = photos(tmp_path / "other", 1, seed=7)
    assert blur(out, other).verdict is Verdict.READY


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_batch_leaves_it_alone_or_asks_however_its_settings_change(
    out: Path, photo: Path, taken_back: bool
) -> None:
    first = rejected(out, photo)
    if taken_back:
        with Gate(out) as gate:
            reopen(gate, first.id, "EF")
    with Engine(out, OTHER, pool=HerePool(OTHER)) as engine:
        (found,) = engine.run_all([photo])
    assert not list((out / "ready").iterdir())
    if taken_back:
        assert found.fresh and found.verdict is Verdict.REVIEW and "EF took back" in str(found.reasons[0])
    else:
        assert not found.fresh and str(found.note).startswith("CD rejected it on 20")


def test_a_release_holds_back_what_was_rejected_in_another_version(
    out: Path, photo: Path, tmp_path: Path
) -> None:
    """Put in twice, ready twice by itself, rejected once."""
    first, second = blur(out, photo), blur(out, photo)
    with Gate(out) as gate:
        reopen(gate, first.id, "AB")
        reject(gate, first.id, "CD")
    done = release(out, tmp_path / "release", initials="IJ")
    assert done.copied == ()
    (held,) = done.held
    assert second.output and held[0] == second.output.name
    assert str(speaker("en")(held[1])).startswith("A person rejected this picture on 20")
    with Gate(out) as gate:
        reopen(gate, second.id, "AB")
        approve(gate, second.id, "AB")
    assert release(out, tmp_path / "release", initials="IJ").copied == (second.output.name,)


def test_what_a_person_may_still_approve_passes_every_check(out: Path, photo: Path) -> None:
    """The objection is a reason beside the others, and no check that fails."""
    rejected(out, photo)
    waiting = blur(out, photo)
    with Gate(out) as gate:
        report = read_report(gate, waiting.id)
        assert all(check.result is not Result.FAIL for check in report.checks)
        assert decisions.objection(gate, "0" * 64) is None
