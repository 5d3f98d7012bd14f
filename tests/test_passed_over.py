"""Nothing that is put in is passed over without a word, and nothing that was thrown away is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anonymizer.gate.output import OutputFolder
from anonymizer.i18n import speaker
from anonymizer.read.walk import Passed, PassedOver, walk
from conftest import FAST, Ran
from folders import tiny
from watching import Watching

Run = Callable[..., Ran]
BINS = (
    *("#recycle", "@Recycle", "$RECYCLE.BIN", "RECYCLER", ".Trash-1000", ".Trashes", "@eaDir", "lost+found"),
    *(".thumbnails", "__MACOSX", "System Volume Information", "#snapshot", ".hidden"),
)
KINDS = {
    "lecture.rm": b".RMF" + bytes(60),
    "theatre.rmvb": b".RMF" + bytes(60),
    "lesson.swf": b"FWS" + bytes(60),
    "zipped.swf": b"CWS" + bytes(60),
    "drawing.xcf": b"gimp xcf" + bytes(60),
    "poster.psb": b"8BPS" + bytes(60),
}
OTHERS = {"consent.rtf": b"{\\rtf1", "notes.txt": b"notes", "photos.rar": b"Rar!\x1a\x07\0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo, and all that may lie beside one on network storage."""
    folder = tmp_path / "nas"
    for name in (*BINS, "case"):
        (folder / name).mkdir(parents=True)
        (folder / name / "photo.jpg").write_bytes(tiny(len(name)))
    for name, content in (KINDS | OTHERS).items():
        (folder / name).write_bytes(content)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "copy.jpg.part"):
        (folder / name).write_bytes(tiny(7))
    return folder


def test_one_walk_tells_of_everything(folder: Path) -> None:
    found = list(walk(folder))
    assert [one for one in found if isinstance(one, Path)] == [folder / "case" / "photo.jpg"]
    passed = {one.path.name: one for one in found if isinstance(one, PassedOver)}
    assert set(passed) == {*BINS, *KINDS, *OTHERS, "Thumbs.db", "desktop.ini", ".DS_Store", "copy.jpg.part"}
    assert {name for name, one in passed.items() if one.how is Passed.NOT_TAKEN} == {*KINDS, *OTHERS}
    assert {name for name, one in passed.items() if one.media and one.how is Passed.NOT_TAKEN} == set(KINDS)
    say = speaker("en")
    assert all("export it as JPEG, PNG or MP4" in say(passed[name].reason) for name in KINDS)
    assert "RealMedia" in say(passed["theatre.rmvb"].reason) and "bin" in say(passed["#recycle"].reason)


@pytest.mark.parametrize("command", ["blur", "batch"])
def test_a_run_accounts_for_every_file(run: Run, folder: Path, tmp_path: Path, command: str) -> None:
    out, settings = tmp_path / "out", tmp_path / "quick.toml"
    settings.write_text('faces = false\ntext = "none"\ncodes = false\nmarks = false\n')
    more = ("--workers", "1") if command == "batch" else ()
    ran = run(command, folder, "--out", out, "--settings", settings, "--json", *more)
    said = [json.loads(line) for line in ran.out.splitlines()]
    verdicts = {Path(one["source"]).name: one["verdict"] for one in said}
    assert verdicts["photo.jpg"] == "review" and ran.code == 3
    assert all(verdicts[name] == "not taken" for name in (*KINDS, *OTHERS))
    assert all(verdicts[name] == "skipped" for name in (*BINS, "Thumbs.db", "copy.jpg.part"))
    with OutputFolder(out) as opened:
        assert {one.path.name for one in opened.ledger.passed_over(Passed.NOT_TAKEN)} == {*KINDS, *OTHERS}
        assert sum(opened.ledger.passed_counts().values()) == len(said) - 1
        assert sum(opened.ledger.counts().values()) == 1, "nothing of a bin was taken"
    index = (out / "reports" / "index.html").read_text()
    assert "RealMedia" in index and "theatre" not in index and "consent.rtf" not in index
    told = run("status", out).out
    assert "theatre.rmvb" in told and "9 not taken" in told


def test_what_was_not_taken_is_told_once_more_only_while_it_is_there(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("blur", folder, "--out", out, *FAST)
    for name in KINDS:
        (folder / name).unlink()
    run("blur", folder, "--out", out, *FAST)
    with OutputFolder(out) as opened:
        assert {one.path.name for one in opened.ledger.passed_over(Passed.NOT_TAKEN)} == set(OTHERS)


def test_nothing_but_media_of_other_kinds_is_no_success(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "lecture.rm").write_bytes(KINDS["lecture.rm"])
    ran = run("blur", folder, "--out", tmp_path / "out", *FAST)
    assert ran.code == 6 and "lecture.rm" in ran.err and "RealMedia" in ran.err
    (folder / "lecture.rm").rename(folder / "notes.txt")
    (folder / "notes.txt").write_text("notes")
    assert run("blur", folder, "--out", tmp_path / "out", *FAST).code == 0, "no medium is missed"


def test_a_watcher_tells_what_it_does_not_take(folder: Path, tmp_path: Path) -> None:
    with Watching(tmp_path, inbox=folder, out=tmp_path / "out") as watching:
        watching.done(1)

        def told() -> Any:
            found = watching.status()
            names = {Path(one["path"]).name for one in found["not_taken"]}
            return {*KINDS, *OTHERS} <= names and found["passed_over"]

        counted = watching.until(told)
    assert counted["skipped"] >= len(BINS)
    assert watching.worked() == ["photo.jpg"]
