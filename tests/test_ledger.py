"""The ledger: private, durable, careful with what it does not know."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from anonymizer.core.errors import OutputError
from anonymizer.gate.database import VERSION
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import State
from conftest import plain
from folders import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_a_row_lives_from_start_to_finish(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("/x/one.jpg"), "settings", "run-1")
    row = ledger.get("a")
    assert row is not None
    assert (row.state, row.source, row.owner, row.name) == (State.WORKING, Path("/x/one.jpg"), "run-1", "")
    ledger.update("a", sha256="beef")
    ledger.finish("a", State.REVIEW, name="a.jpg", output="cafe", reason=[plain("A face.")])
    ledger.close()
    again = opened(path)
    (row,) = again.entries()
    assert (row.state, row.sha256, row.name, row.output, row.reason) == (
        State.REVIEW, "beef", "a.jpg", "cafe", (plain("A face."),),
    )  # fmt: skip
    assert row.ended >= row.started > ""
    again.close()


def test_rows_are_found_by_state_and_by_content_oldest_first(path: Path) -> None:
    ledger = opened(path)
    for id in "cab":
        ledger.start(id, Path(id), "s", "run")
        ledger.update(id, sha256="same")
    ledger.finish("a", State.READY)
    assert [row.id for row in ledger.by_source("same")] == ["c", "a", "b"]
    assert [row.id for row in ledger.entries(State.WORKING)] == ["c", "b"]
    assert [row.id for row in ledger.latest((State.READY, State.WORKING), 2)] == ["b", "a"]
    assert [row.id for row in ledger.latest((State.WORKING,), 9)] == ["b", "c"]
    ledger.forget("c")
    assert ledger.get("c") is None
    ledger.close()


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_only_the_owner_may_read_it_whatever_the_mask(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        ledger = opened(path)
        ledger.start("a", Path("x"), "s", "run")
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
        ledger.close()
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows' file names are Unicode")
def test_any_name_the_system_allows_comes_back_unchanged(path: Path) -> None:
    odd = Path(os.fsdecode(b"/x/\xff\xfe\n'; DROP TABLE media; --.jpg"))
    ledger = opened(path)
    ledger.start("a", odd, "s", "run")
    row = ledger.get("a")
    assert row is not None and row.source == odd
    ledger.close()


def test_a_newer_schema_is_refused_and_left_as_it_is(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(OutputError, match="newer version"):
        opened(path)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    db.close()


def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"holiday pictures, not a database, and quite long at that" * 9)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="cannot be"):
        opened(path)
    assert path.read_bytes() == before


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        opened(tmp_path / "missing" / "ledger.sqlite")


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("x"), "s", "run")
    with pytest.raises(OutputError, match="cannot be written"):
        ledger.start("a", Path("y"), "s", "run")
    assert [row.source for row in ledger.entries()] == [Path("x")]
    with pytest.raises(RuntimeError), ledger.transaction() as db:
        db.execute("DELETE FROM media")
        raise RuntimeError
    assert len(ledger.entries()) == 1
    ledger.close()


def test_two_runs_may_hold_it_at_once(path: Path) -> None:
    one, other = opened(path), opened(path)
    one.start("a", Path("x"), "s", "run-1")
    other.start("b", Path("y"), "s", "run-2")
    assert [row.id for row in one.entries()] == [row.id for row in other.entries()] == ["a", "b"]
    one.close()
    other.close()


def test_a_full_disk_is_said_as_it_is_and_the_ledger_goes_on_after(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("x"), "s", "run")
    (pages,) = ledger.rows("PRAGMA page_count")[0]
    ledger.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(
        OutputError, match=r"The disk of the ledger .* is full; free space, and run it again; of what"
    ):
        ledger.start("b", Path("y" * 100_000), "s", "run")
    ledger.rows("PRAGMA max_page_count = 1000000")
    ledger.start("b", Path("y"), "s", "run")
    assert [row.id for row in ledger.entries()] == ["a", "b"]
    ledger.close()


def test_who_only_looks_makes_nothing_and_changes_nothing(path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        Ledger(path)
    assert not path.exists()
    ledger = opened(path)
    ledger.start("a", Path("x"), "s", "run")
    looking = Ledger(path)
    with pytest.raises(OutputError, match="cannot be written"):
        looking.forget("a")
    assert [row.id for row in looking.entries()] == ["a"]
    looking.close()
    ledger.close()


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE media (mine TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(OutputError, match="is not a ledger"):
        opened(path)
    assert path.read_bytes() == before


def test_a_row_that_makes_no_sense_is_said_with_where_it_is(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("x"), "s", "run")
    ledger.update("a", state="nonsense")
    with pytest.raises(OutputError, match=r"The ledger is damaged \(at a: .*\); restore it from a copy"):
        ledger.entries()
    ledger.close()
