"""Many sources into one folder: each once, whatever came before, and a sentence for whatever fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anonymizer.core.errors import NotReadyError, OutputError
from anonymizer.core.settings import DrawnRegion, Limits, Settings
from anonymizer.core.types import Verdict
from anonymizer.engine.scheduler import Engine
from anonymizer.engine.worker_process import Answer, End, Job
from anonymizer.gate.decisions import approve, reject
from anonymizer.gate.files import NEUTRAL_TIME
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
from anonymizer.road.pipeline import Outcome
from conftest import QUICK, plain, sentences
from folders import OLD, HerePool, photos, tiny, tree

OTHER = QUICK.model_copy(update={"jpeg_quality": 90})
Spoil = Callable[[Job], Answer | None]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def go(
    out: Path, paths: list[Path], settings: Settings = QUICK, spoil: Spoil | None = None, retry: bool = False
) -> list[Outcome]:
    """One run over these sources, in this process."""
    with Engine(out, settings, pool=HerePool(settings, spoil), retry=retry) as engine:
        found = list(engine.run_all(paths))
        assert engine.pending == 0
    assert tree(out)["left"] == []
    return found


def rows(out: Path) -> dict[State, int]:
    with Gate(out) as gate:
        return gate.ledger.counts()


def test_every_source_is_done_once_and_known_the_next_time(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 5)
    first = go(out, paths)
    assert [o.fresh for o in first] == [True] * 5 and len({o.id for o in first}) == 5
    before = tree(out)
    again = go(out, paths)
    assert {o.id for o in again} == {o.id for o in first}
    assert {(o.fresh, str(o.note), o.verdict) for o in again} == {(False, "already done", Verdict.REVIEW)}
    assert all(o.output and o.output.is_file() and o.report and o.report.is_file() for o in again)
    assert tree(out) == before


def test_the_next_time_reads_no_source_again(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = photos(tmp_path / "in", 3)
    go(out, paths)

    def refuse(path: Path, *_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("anonymizer.engine.known.inspect", refuse)
    assert len(go(out, paths)) == 3
    os.utime(paths[0], (OLD + 1, OLD + 1))
    with pytest.raises(AssertionError, match="it was read"):
        go(out, paths)


def test_the_same_photo_twice_is_recognised(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 2)
    twin = tmp_path / "in" / "twin.jpg"
    twin.write_bytes(paths[0].read_bytes())
    found = {o.source.name: o for o in go(out, [*paths, twin])}
    assert found["twin.jpg"].id == found["photo00000.jpg"].id
    assert str(found["twin.jpg"].note) == "the same content as another file: done once"
    assert not found["twin.jpg"].fresh
    assert len(tree(out)["review"]) == 4, "two media, each with its reasons"
    with Gate(out) as gate:
        assert len(gate.ledger.paths(found["twin.jpg"].id)) == 2
    assert {str(o.note) for o in go(out, [*paths, twin])} == {"already done"}


def test_a_file_that_was_replaced_by_another_is_done_and_the_old_output_stays(
    tmp_path: Path, out: Path
) -> None:
    """Cameras use their file names again."""
    (path,) = photos(tmp_path / "in", 1)
    (old,) = go(out, [path])
    path.write_bytes(tiny(99))
    (new,) = go(out, [path])
    assert new.fresh and new.id != old.id
    assert old.output and old.output.is_file() and new.output and new.output.is_file()


def test_changed_settings_do_it_again_in_place_of_the_old(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 2)
    twin = tmp_path / "in" / "twin.jpg"
    twin.write_bytes(paths[0].read_bytes())
    first = {o.id for o in go(out, [*paths, twin])}
    again = go(out, [*paths, twin], OTHER)
    notes = {o.source.name: str(o.note) for o in again}
    assert notes["photo00000.jpg"] == notes["photo00001.jpg"] == "done again: the settings were changed"
    ids = {o.id for o in again}
    assert len(ids) == 2 and not ids & first
    assert {Path(name).stem.split(".")[0] for name in tree(out)["review"]} == ids, "the old ones are gone"
    assert rows(out) == {State.REVIEW: 2, State.REPLACED: 2}
    assert {o.fresh for o in go(out, [*paths, twin], OTHER)} == {False}


def test_newer_models_do_it_again(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = photos(tmp_path / "in", 1)
    go(out, paths)
    monkeypatch.setattr("anonymizer.road.fingerprint.models_used", lambda settings, store: ["centerface 2"])
    (again,) = go(out, paths)
    assert str(again.note) == "done again: the models were changed" and again.fresh


def test_other_limits_do_only_again_what_failed(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    small = QUICK.model_copy(update={"limits": Limits(max_pixels=100)})
    (failed,) = go(out, paths, small)
    assert failed.verdict is Verdict.FAILED
    (known,) = go(out, paths, small)
    assert not known.fresh and "failed before" in str(known.note)
    (done,) = go(out, paths)
    assert done.verdict is Verdict.REVIEW and str(done.note) == "done again: it failed before"
    assert rows(out) == {State.REVIEW: 1}, "the failure is forgotten"
    (kept,) = go(out, paths, small)
    assert not kept.fresh and kept.verdict is Verdict.REVIEW


def test_what_failed_before_fails_again_unless_asked_to_retry(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff and nothing more")
    (first,) = go(out, [path])
    assert first.verdict is Verdict.FAILED and "damaged" in str(first.reasons[0]) and first.fresh
    (known,) = go(out, [path])
    assert known.reasons == first.reasons and not known.fresh
    assert str(known.note) == "it failed before, in the same way as it would now; --retry tries again"
    (again,) = go(out, [path], retry=True)
    assert again.fresh and str(again.note) == "done again: it failed before"
    assert rows(out) == {State.FAILED: 1}
    path.write_bytes(tiny(1))
    (mended,) = go(out, [path])
    assert mended.verdict is Verdict.REVIEW and rows(out) == {State.REVIEW: 1}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("medium gone", "its file is missing"),
        ("medium altered", "its file was altered"),
        ("report gone", "its report is missing"),
        ("report altered", "its report was altered"),
        ("page altered", "its report was altered"),
    ],
)
def test_a_missing_or_altered_output_is_done_again(tmp_path: Path, out: Path, harm: str, said: str) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    assert first.output
    what, how = harm.split()
    target = {
        "medium": first.output,
        "report": out / "reports" / f"{first.id}.json",
        "page": out / "reports" / f"{first.id}.html",
    }[what]
    if how == "gone":
        target.unlink()
    else:
        target.write_bytes(target.read_bytes() + b"!")
    (again,) = go(out, paths)
    assert again.fresh and str(again.note) == f"done again: {said}"
    names = tree(out)
    assert names["review"] == [f"{again.id}.jpg", f"{again.id}.reasons.txt"]
    assert names["reports"] == [f"{again.id}.html", f"{again.id}.json"]
    (known,) = go(out, paths)
    assert str(known.note) == "already done"


def test_an_altered_file_is_set_aside_not_deleted(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    assert first.output
    first.output.write_bytes(b"cropped by hand")
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        list(engine.run_all(paths))
    (kept,) = (out / ".anonymizer" / "altered").iterdir()
    assert kept.read_bytes() == b"cropped by hand"


def test_a_touched_but_unchanged_output_is_believed(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    assert first.output and first.output.stat().st_mtime == NEUTRAL_TIME
    for path in (first.output, out / "reports" / f"{first.id}.json"):
        os.utime(path, (OLD, OLD))
    assert not go(out, paths)[0].fresh


def test_what_a_person_rejected_is_never_done_again(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    with Gate(out) as gate:
        reject(gate, first.id, "MM")
    (known,) = go(out, paths, OTHER)
    assert not known.fresh and str(known.note).startswith("MM rejected it on 20")
    assert "must not be published" in str(known.reasons[0])
    assert tree(out)["ready"] == tree(out)["review"] == []


def test_what_a_person_approved_stands_until_the_settings_change(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    with Gate(out) as gate:
        approve(gate, first.id, "MM")
    (known,) = go(out, paths)
    assert (known.fresh, known.verdict, str(known.note)) == (False, Verdict.READY, "already done")
    (again,) = go(out, paths, OTHER)
    assert again.fresh and again.verdict is Verdict.REVIEW
    assert tree(out)["ready"] == []


def test_a_persons_corrections_outlive_changed_settings(tmp_path: Path, out: Path) -> None:
    """A place that a person drew must be hidden in every later output too."""
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    drawn = QUICK.model_copy(update={"regions": (DrawnRegion(rect=(4, 4, 20, 20)),)})
    (corrected,) = correct(out, paths[0], first.id, drawn)
    (known,) = go(out, paths)
    assert (known.id, str(known.note)) == (corrected, "already done")
    (again,) = go(out, paths, OTHER)
    assert again.fresh and again.redacted == 1
    assert tree(out)["review"] == [f"{again.id}.jpg", f"{again.id}.reasons.txt"]
    (known,) = go(out, paths, OTHER)
    assert not known.fresh


def test_lost_corrections_send_it_to_a_person(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 1)
    (first,) = go(out, paths)
    drawn = QUICK.model_copy(update={"regions": (DrawnRegion(rect=(4, 4, 20, 20)),)})
    (corrected,) = correct(out, paths[0], first.id, drawn)
    (out / "reports" / f"{corrected}.json").unlink()
    (again,) = go(out, paths)
    assert any("corrections are lost" in reason for reason in sentences(again.reasons))


def correct(out: Path, path: Path, id: str, settings: Settings) -> Iterator[str]:
    """What the page does when a person draws a place: the id of the corrected output."""
    import time

    from anonymizer.road.fingerprint import fingerprint
    from anonymizer.road.pipeline import admit
    from anonymizer.road.worker import Worker

    with Gate(out) as gate, Worker(settings) as worker:
        new = gate.begin(path, fingerprint(settings), id)
        admit(gate, new, path, worker.process(path, gate.staging(new), None, settings), time.monotonic())
        gate.retire(id)
        gate.sweep(new)
        yield new


def test_a_sidecar_counts_as_settings(tmp_path: Path, out: Path) -> None:
    paths = photos(tmp_path / "in", 2)
    twin = tmp_path / "in" / "twin.jpg"
    twin.write_bytes(paths[0].read_bytes())
    go(out, [*paths, twin])
    twin.with_name("twin.jpg.toml").write_text("regions = [{ rect = [1, 1, 9, 9] }]\n")
    found = {o.source.name: o for o in go(out, [*paths, twin])}
    assert found["twin.jpg"].fresh and found["twin.jpg"].redacted == 1
    assert found["photo00000.jpg"].output and found["photo00000.jpg"].output.is_file()
    assert {o.fresh for o in go(out, [*paths, twin])} == {False}, "the two do not push each other out"
    twin.with_name("twin.jpg.toml").write_text("regions = nonsense\n")
    (bad,) = go(out, [twin])
    assert bad.verdict is Verdict.FAILED and "not valid TOML" in str(bad.reasons[0])


@pytest.mark.parametrize("end", [End.DIED, End.HUNG])
def test_a_source_costs_two_workers_at_most(tmp_path: Path, out: Path, end: End) -> None:
    paths = photos(tmp_path / "in", 3)

    def spoil(job: Job) -> Answer | None:
        return (
            Answer(job.id, end, said=plain("it was ended by signal 11"))
            if "00001" in str(job.source)
            else None
        )

    with Engine(out, QUICK, pool=(pool := HerePool(QUICK, spoil))) as engine:
        found = {o.source.name: o for o in engine.run_all(paths)}
    assert [Path(job.source).name for job in pool.seen].count("photo00001.jpg") == 2
    failed = found["photo00001.jpg"]
    assert failed.verdict is Verdict.FAILED
    if end is End.DIED:
        assert str(failed.reasons[0]).startswith(
            "Two worker processes were lost on this file (it was ended by signal 11)"
        )
    else:
        assert str(failed.reasons[0]).startswith("Nothing moved for 600 s, twice")
    assert found["photo00000.jpg"].verdict is found["photo00002.jpg"].verdict is Verdict.REVIEW
    with Gate(out) as gate:
        (row,) = gate.ledger.entries(State.FAILED)
        assert row.attempts == 2


def test_an_innocent_source_survives_the_loss_of_its_worker(tmp_path: Path, out: Path) -> None:
    lost: list[str] = []

    def spoil(job: Job) -> Answer | None:
        if lost:
            return None
        lost.append(job.id)
        return Answer(job.id, End.DIED, said=plain("it was ended by signal 9"))

    (done,) = go(out, photos(tmp_path / "in", 1), spoil=spoil)
    assert done.verdict is Verdict.REVIEW and lost


def test_a_defect_fails_its_source_alone(tmp_path: Path, out: Path) -> None:
    def spoil(job: Job) -> Answer | None:
        if "00000" not in str(job.source):
            return None
        said = plain("Internal error (ValueError); nothing was published. Report it.")
        return Answer(job.id, End.DEFECT, said=said, trace="Traceback …")

    found = go(out, photos(tmp_path / "in", 2), spoil=spoil)
    assert sorted(o.verdict for o in found) == [Verdict.FAILED, Verdict.REVIEW]


def test_an_unreadable_source_is_tried_again_the_next_time(tmp_path: Path, out: Path) -> None:
    (path,) = photos(tmp_path / "in", 1)
    content = path.read_bytes()
    path.unlink()
    (gone,) = go(out, [path])
    assert (
        gone.verdict is Verdict.FAILED
        and gone.passing
        and sentences(gone.reasons) == ["The file is gone; it was moved or deleted meanwhile."]
    )
    path.write_bytes(content)
    (back,) = go(out, [path])
    assert back.verdict is Verdict.REVIEW and rows(out) == {State.REVIEW: 1}


def test_a_source_that_changes_under_the_work_is_looked_at_again(tmp_path: Path, out: Path) -> None:
    (path,) = photos(tmp_path / "in", 1)
    contents = iter([tiny(7), tiny(8), None])

    def spoil(job: Job) -> Answer | None:
        if content := next(contents, None):
            path.write_bytes(content)
        return None

    (done,) = go(out, [path], spoil=spoil)
    assert done.verdict is Verdict.REVIEW and rows(out) == {State.REVIEW: 1}

    def restless(job: Job) -> Answer | None:
        path.write_bytes(tiny(hash(job.id)))
        return None

    path.write_bytes(tiny(5))
    (failed,) = go(out, [path], spoil=restless)
    assert sentences(failed.reasons) == [
        "The file keeps changing while it is read; wait until it is complete and try again.",
    ]
    assert failed.passing


@pytest.mark.parametrize(
    ("end", "kind"), [(End.OUTPUT, OutputError), (End.NOT_READY, NotReadyError)], ids=["full", "no model"]
)
def test_what_stops_everything_is_raised_and_the_source_waits(
    tmp_path: Path, out: Path, end: End, kind: type[Exception]
) -> None:
    broken = [True]

    def spoil(job: Job) -> Answer | None:
        return Answer(job.id, end, said=plain("The disk is full.")) if broken else None

    with Engine(out, QUICK, pool=HerePool(QUICK, spoil)) as engine:
        engine.submit(photos(tmp_path / "in", 1)[0])
        with pytest.raises(kind, match="The disk is full"):
            list(engine.outcomes())
        assert engine.pending == 1
        broken.clear()
        (done,) = engine.outcomes()
    assert done.verdict is Verdict.REVIEW and rows(out) == {State.REVIEW: 1}


def test_closing_undoes_what_is_under_way(tmp_path: Path, out: Path) -> None:
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        for path in photos(tmp_path / "in", 3):
            engine.submit(path)
        while not engine._working:
            engine._consider_all()
            engine._dispatch()
    assert rows(out) == {} and tree(out)["left"] == []


def test_one_engine_at_a_time(tmp_path: Path, out: Path) -> None:
    with (
        Engine(out, QUICK, pool=HerePool(QUICK)),
        pytest.raises(OutputError, match=r"Another batch or watch is at work in .*wait until it ends"),
    ):
        Engine(out, QUICK, pool=HerePool(QUICK))
    Engine(out, QUICK, pool=HerePool(QUICK)).close()


def test_one_source_alone_can_be_given_up(tmp_path: Path, out: Path) -> None:
    class Slow(HerePool):
        def wait(self, timeout: float) -> list[Answer]:
            return []

        def progress(self) -> dict[str, tuple[str, int, int]]:
            return {"x": ("searching", 1, 2)}

    def stop(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    paths = photos(tmp_path / "in", 1)
    with Engine(out, QUICK, pool=Slow(QUICK)) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.run(paths[0], stop)
        assert engine.pending == 0
        engine.pool = HerePool(QUICK)
        assert engine.run(paths[0]).verdict is Verdict.REVIEW


def test_what_is_said_of_a_half_written_successor_is_not_held_against_a_file(
    tmp_path: Path, out: Path
) -> None:
    """It was whole when it was looked at; the worker met the beginning of what replaced it."""
    (path,) = photos(tmp_path / "in", 1)
    whole = tiny(5)

    def spoil(job: Job) -> None:
        if path.read_bytes() != whole:
            path.write_bytes(whole if path.stat().st_size == len(whole) // 2 else whole[: len(whole) // 2])

    (found,) = go(out, [path], spoil=spoil)
    assert found.verdict is Verdict.REVIEW
    assert rows(out) == {State.REVIEW: 1}


def test_a_source_that_is_asked_for_as_it_was_is_not_done_as_another(tmp_path: Path, out: Path) -> None:
    (path,) = photos(tmp_path / "in", 1)
    was = path.stat()
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        engine.submit(path, (was.st_size, was.st_mtime_ns))
        (first,) = engine.outcomes()
        path.write_bytes(tiny(7))
        engine.submit(path, (was.st_size, was.st_mtime_ns))
        (second,) = engine.outcomes()
    assert first.verdict is Verdict.REVIEW and second.passing
    assert sentences(second.reasons) == [
        "The file keeps changing while it is read; wait until it is complete and try again.",
    ]


def test_the_overview_comes_from_the_ledger_and_an_altered_report_does_not_stop_it(
    tmp_path: Path, out: Path
) -> None:
    inbox = photos(tmp_path / "in", 3)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        done = [*engine.run_all([*inbox, tmp_path / "in" / "broken.jpg"])]
        assert done[0].report
        done[0].report.with_suffix(".json").write_text("{")
        text = engine.write_index().read_text(encoding="utf-8")
    assert [text.count(f"{one.id}.html") for one in done] == [1, 1, 1, 0]
    assert text.index(str(done[3].reasons[0])) < text.index(done[0].id)
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", text) == ["0", "3", "1", "0"]
