"""Real worker processes: loaded once, replaced when a file kills them or keeps them, and said so."""

from __future__ import annotations

import multiprocessing
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import hostile
from anonymizer.core.errors import NotReadyError
from anonymizer.core.settings import Limits
from anonymizer.core.types import Verdict
from anonymizer.engine import memory, pool
from anonymizer.engine.scheduler import Engine
from anonymizer.engine.worker_process import End, Job, answer
from anonymizer.read import sniff
from anonymizer.road.worker import Worked
from conftest import QUICK, sentences
from folders import photos, tree


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_worker_that_a_file_kills_or_keeps_is_replaced_and_that_file_alone_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "serve", hostile.serve)
    monkeypatch.setenv(hostile.LOADED, str(tmp_path / "loaded"))
    *sources, last = photos(tmp_path / "in", 7)
    fatal, stuck = sources[1].with_name("fatal.jpg"), sources[3].with_name("stuck.jpg")
    sources[1].rename(fatal)
    sources[3].rename(stuck)
    sources[1], sources[3] = fatal, stuck
    short = QUICK.model_copy(update={"limits": Limits(work_seconds=1)})
    monkeypatch.setattr(
        "anonymizer.engine.scheduler.with_sidecar", lambda own, path: short if path == stuck else own
    )
    with Engine(tmp_path / "out", QUICK, 1) as engine:
        found = {outcome.source.stem: outcome for outcome in engine.run_all(sources)}
        # So that a worker stands, whichever file was done last.
        found |= {outcome.source.stem: outcome for outcome in engine.run_all([last])}
        rows = {row.source.stem: row for row in engine.gate.ledger.entries()}
        (child,) = multiprocessing.active_children()
    assert sentences(found["fatal"].reasons) == [
        "Two worker processes were lost on this file (it was ended by signal 9): it is possibly malicious, or needs "
        "more memory than there is; nothing was published.",
    ]
    assert sentences(found["stuck"].reasons) == [
        "Nothing moved for 1 s, twice: the file is possibly malicious; raise limits.work_seconds in the settings "
        "file if you trust it.",
    ]
    assert rows["fatal"].attempts == rows["stuck"].attempts == 2
    others = [outcome.verdict for name, outcome in found.items() if name not in ("fatal", "stuck")]
    assert others == [Verdict.REVIEW] * 5 and tree(tmp_path / "out")["left"] == []
    loaded = (tmp_path / "loaded").read_text().split()
    assert len(loaded) == len(set(loaded)) == 5, "one for each process: the first, and for each that was lost"
    assert not child.is_alive() and int(loaded[-1]) == child.pid


def test_workers_that_cannot_start_are_one_sentence_and_no_file_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "serve", hostile.fall)
    with Engine(tmp_path / "out", QUICK, 1) as engine:
        with pytest.raises(NotReadyError) as error:
            list(engine.run_all(photos(tmp_path / "in", 1)))
        assert engine.pending == 1
    assert str(error.value) == (
        "A worker process cannot start (it ended with status 3); run 'anonymizer doctor', or use fewer --workers."
    )
    assert tree(tmp_path / "out") == {"ready": [], "review": [], "reports": [], "left": []}


def test_a_source_that_does_not_fit_into_memory_is_said() -> None:
    def work() -> Worked:
        raise MemoryError

    found = answer(Job("id", Path("a.jpg"), Path("staged"), QUICK), work)
    assert found.end is End.REFUSED
    assert (
        str(found.said)
        == "It does not fit into this machine's memory; close other programs or make it smaller."
    )


def test_the_memory_of_every_format_is_known() -> None:
    """A format that is taken and not on this list would end a batch. A bundle is no source: its members are."""
    formats = [one for one in vars(sniff).values() if isinstance(one, sniff.Format) and not one.bundle]
    assert len(formats) > 25
    for form in formats:
        assert memory.estimate(form, 10_000_000) > memory.estimate(form, 0) or form.is_clip
        assert form.is_clip or memory._BYTES_PER_PIXEL[form] > 0
    moving = replace(sniff.DICOM, moves=True)
    assert memory.estimate(moving, 10_000_000) > memory.estimate(moving, 0)
