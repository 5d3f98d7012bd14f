"""Odd names, links, pipes and vanishing files: each ends in an outcome, and nobody's original is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anonymizer.core.errors import DefectError, OutputError, UsageError
from anonymizer.core.settings import Limits
from anonymizer.core.types import Verdict
from anonymizer.gate.records import State
from anonymizer.read.inputs import collect
from anonymizer.read.photo import reader
from anonymizer.road.pipeline import Session, anonymize
from anonymizer.road.worker import Opened
from anonymizer.write.photo import write_photo
from conftest import FAST, QUICK, Ran, everything_written, fingerprints, plain, sentences
from leaky import jpeg, picture

Run = Callable[..., Ran]
GOOD = jpeg(picture())


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path / "out", QUICK) as one:
        yield one


NAMES = [
    "with space.jpg", "Müller_Anna_1970-01-01.jpg", "Mu\u0308ller.jpg", "山田太郎さん.jpg", "smile 🙂 here.jpg",
    "line\nbreak.jpg", "tab\there.jpg", "-rf.jpg", "--out.jpg", "seq%03d.jpg", "=HYPERLINK(x).jpg",
    "<img src=x onerror=alert(1)>.jpg", "a\u202egpj.exe", "[red]markup[blink].jpg", "quote'\"$(id)`id`.jpg",
    "x" * 200 + ".jpg", "trailing-dot..jpg", "CON.jpg", "file:stream.jpg", "back\\slash.jpg", ".hidden.jpg",
    "no-suffix", os.fsdecode(b"invalid-\xff\xfe.jpg"),
]  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses most of these names itself")
@pytest.mark.parametrize("kept", [False, True])
def test_any_name_the_system_allows(run: Run, tmp_path: Path, kept: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(GOOD)
    before = fingerprints(folder)
    paths = [folder / name for name in NAMES]
    ran = run("blur", "--out", tmp_path / "out", *FAST, *(["--keep-name"] if kept else []), "--", *paths)
    assert ran.code == 3, ran.err
    assert f"{len(NAMES)} in review." in ran.out
    assert "\u202e" not in ran.out and "line\nbreak" not in ran.out, "no control character reaches a terminal"
    media = [p for p in (tmp_path / "out" / "review").iterdir() if p.suffix == ".jpg"]
    assert len(media) == len(NAMES)
    assert fingerprints(folder) == before
    if not kept:
        written = everything_written(tmp_path / "out")
        for telling in (
            "Müller",
            "Mu\u0308ller",
            "山田太郎",
            "smile",
            "onerror",
            "HYPERLINK",
            "slash",
            "invalid-",
        ):
            assert telling.encode() not in written, telling


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
def test_a_hostile_kept_name_stays_inside_the_folder_and_a_page_stays_a_page(
    run: Run, tmp_path: Path
) -> None:
    source = tmp_path / "<script>alert(1)<script>.jpg"
    source.write_bytes(GOOD)
    run("blur", source, "--out", tmp_path / "out", *FAST, "--keep-name")
    pages = list((tmp_path / "out" / "reports").glob("*.html"))
    assert pages
    for page in pages:
        assert "<script>alert" not in page.read_text()


def test_a_folder_is_walked_without_following_links_or_taking_debris(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub" / ".thumbnails").mkdir(parents=True)
    for name in ("b.jpg", "a.jpg", "sub/c.jpg", "sub/.thumbnails/t.jpg", ".hidden.jpg", "Thumbs.db"):
        (folder / name).write_bytes(GOOD)
    (folder / "notes.txt").write_text("notes")
    (folder / "link.jpg").symlink_to(folder / "a.jpg")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    found = collect([folder], tmp_path / "out").media
    assert [str(path.relative_to(folder)) for path in found] == ["a.jpg", "b.jpg", "sub/c.jpg"]


def test_a_path_named_twice_is_done_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(GOOD)
    assert collect([path, tmp_path, path], tmp_path / "out").media == (path,)


def test_an_output_folder_among_the_inputs_is_refused_however_it_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(GOOD)
    monkeypatch.chdir(tmp_path)
    for spelt in (Path("in"), Path("./in"), Path("in/../in"), tmp_path / "in"):
        with pytest.raises(UsageError, match="also an input"):
            collect([spelt], (tmp_path / "in").absolute())


def test_links_pipes_and_folders_given_by_name_fail_alone(session: Session, tmp_path: Path) -> None:
    good, link, pipe, folder = (tmp_path / name for name in ("a.jpg", "link.jpg", "pipe.jpg", "d.jpg"))
    good.write_bytes(GOOD)
    link.symlink_to(good)
    os.mkfifo(pipe)
    folder.mkdir()
    outcomes = list(session.run_all([link, pipe, folder, tmp_path / "gone.jpg", Path("/dev/zero"), good]))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.FAILED] * 5 + [Verdict.REVIEW]
    for outcome in outcomes[:5]:
        assert outcome.output is None and outcome.report is None
        assert str(outcome.reasons[0]).endswith(".")
    assert "symbolic link" in str(outcomes[0].reasons[0])


def test_outcomes_come_in_the_order_of_the_inputs(session: Session, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(7)]
    for number, path in enumerate(paths):
        path.write_bytes(GOOD if number % 3 else b"")
    outcomes = list(session.run_all(paths))
    assert [outcome.source for outcome in outcomes] == paths
    assert [outcome.verdict is Verdict.FAILED for outcome in outcomes] == [n % 3 == 0 for n in range(7)]
    assert not list(session.gate.work.iterdir()), "no unfinished copy is left"


def test_who_stops_a_run_does_not_wait_for_the_next_photo_to_be_read(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a.jpg", tmp_path / "b.jpg"
    first.write_bytes(GOOD)
    second.write_bytes(GOOD)
    worker, plain, first_read = session.worker, session.worker.open, threading.Event()
    silent = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def opening(path: Path) -> Opened:
        if path == second:
            first_read.wait()
            worker.decoder.close()
            monkeypatch.setattr(reader.PROCESSES, "fork", lambda: silent)
        opened = plain(path)
        first_read.set()
        return opened

    monkeypatch.setattr(worker, "open", opening)
    run = session.run_all([first, second])
    assert next(run).source == first
    run.close()
    assert silent.returncode is not None, "it was ended, and waited for"
    assert [Path(entry.source) for entry in session.gate.ledger.entries()] == [first]
    monkeypatch.undo()
    assert [outcome.verdict for outcome in session.run_all([second])] == [Verdict.REVIEW]


def test_limits_are_outcomes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(GOOD)
    for limit in ({"max_bytes": 100}, {"max_pixels": 100}):
        settings = QUICK.model_copy(update={"limits": Limits.model_validate(limit)})
        outcome = anonymize(path, settings, tmp_path / "out")
        assert outcome.verdict is Verdict.FAILED
        assert f"limits.{next(iter(limit))}" in str(outcome.reasons[0])
        assert outcome.exit_code == 4


def test_a_disk_that_fills_up_stops_the_run_and_undoes_what_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    paths = [folder / f"{number}.jpg" for number in range(5)]
    for path in paths:
        path.write_bytes(GOOD)
    before = fingerprints(folder)
    calls = []

    def filling(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OutputError("output.unwritable", cause="No space left on device")
        write_photo(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("anonymizer.road.photo.write_photo", filling)
    out = tmp_path / "out"
    with Session(out, QUICK) as session:
        done = []
        with pytest.raises(OutputError, match="No space left"):
            for outcome in session.run_all(paths):
                done.append(outcome)
        assert {entry.state for entry in session.gate.ledger.entries()} <= {State.REVIEW}
        assert len(session.gate.ledger.entries()) == len(done) < 3
        assert not list(session.gate.work.iterdir())
    media = list((out / "review").glob("*.jpg"))
    assert len(media) == len(done) == len(list((out / "reports").glob("*.json")))
    assert not list((out / "ready").iterdir())
    assert fingerprints(folder) == before


def test_a_defect_in_the_program_publishes_nothing_of_its_medium(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(GOOD)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("anonymizer.road.photo.examine", broken)
    out = tmp_path / "out"
    said = r"a\.jpg: internal error \(ZeroDivisionError\)"
    with Session(out, QUICK) as session, pytest.raises(DefectError, match=said) as error:
        session.run(path)
    assert isinstance(error.value.__cause__, ZeroDivisionError)
    for folder in ("ready", "review", "reports"):
        assert not list((out / folder).iterdir())
    assert not list((out / ".anonymizer").glob("run-*"))


def test_a_report_never_raises_a_false_alarm_for_ordinary_words(tmp_path: Path) -> None:
    """Folder and file names of every day, and words that stand in the report anyway."""
    folder = tmp_path / "verification report" / "software" / "January" / "ellipse"
    folder.mkdir(parents=True)
    path = folder / "portrait face blurred.jpg"
    path.write_bytes(GOOD)
    outcome = anonymize(path, QUICK, tmp_path / "out")
    assert sentences(outcome.reasons) == ["Faces were not looked for, as requested."]


def test_a_sources_own_string_in_a_report_keeps_it_from_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anonymizer.road import pipeline

    build = pipeline.build

    def leaking(processed: object, *arguments: object, **named: object) -> object:
        report = build(processed, *arguments, **named)  # type: ignore[arg-type]
        return report.model_copy(update={"notes": [plain("Photo of Mustermann.")]})

    monkeypatch.setattr(pipeline, "build", leaking)
    path = tmp_path / "Mustermann.jpg"
    path.write_bytes(GOOD)
    outcome = anonymize(path, QUICK, tmp_path / "out")
    assert outcome.verdict is Verdict.REVIEW
    assert any("The report itself" in reason for reason in sentences(outcome.reasons))
