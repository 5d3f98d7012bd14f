"""The ledger's file under several connections: what one process acknowledged, no other may take away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anonymizer.core.errors import OutputError
from anonymizer.gate import database
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import Decision, State
from folders import opened

LOOK = "from pathlib import Path; from anonymizer.gate.ledger import Ledger; Ledger(Path({!r})).close()"
DECIDE = """
import os, subprocess, sys
from pathlib import Path
from anonymizer.gate import database
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import Decision, State
path = Path({path!r})
deciding = Ledger(path, like=path.with_name("run.lock"))
looking = Ledger(path)
deciding.start("a", Path("/x/a.jpg"), "s", "run")
deciding.finish("a", State.REVIEW)
for number in range(3):
    subprocess.run([sys.executable, "-c", {look!r}], check=True)
    at = f"2026-01-01T00:00:0{{number}}+00:00"
    deciding.decide(Decision("a", "approved", "AB", "", "{{}}", "cafe", at), State.READY, "", "")
    print(number, flush=True)
os._exit(9)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def look(path: Path) -> None:
    """What ``anonymizer status`` does with the ledger, in a process of its own."""
    subprocess.run([sys.executable, "-c", LOOK.format(str(path))], check=True)


def test_another_process_that_looks_and_leaves_takes_nothing_away(path: Path) -> None:
    """SQLite's locks are the process's: two connections here, and one there that believes to be the last."""
    one, other = opened(path), Ledger(path)
    one.start("a", Path("/x/a.jpg"), "s", "run")
    log = path.with_name("ledger.sqlite-wal")
    before = log.stat().st_ino
    look(path)
    assert log.exists() and log.stat().st_ino == before, "the log that this process writes to was removed"
    one.finish("a", State.REVIEW)
    assert [row.state for row in other.entries()] == [State.REVIEW]
    one.close()
    other.close()


def test_decisions_that_were_acknowledged_outlive_a_kill_while_others_look(path: Path) -> None:
    opened(path).close()
    script = DECIDE.format(path=str(path), look=LOOK.format(str(path)))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 9, ran.stderr
    assert ran.stdout.split() == ["0", "1", "2"]
    ledger = Ledger(path)
    assert [one.at[-8:-6] for one in ledger.decisions("a")] == ["00", "01", "02"]
    assert ledger.sound(whole=True)
    ledger.close()


@pytest.mark.parametrize("harm", ["page", "decision", "decision left out"])
def test_a_ledger_that_is_not_what_was_recorded_is_not_worked_with(path: Path, harm: str) -> None:
    ledger = opened(path)
    for number in range(300):
        ledger.start(f"{number:03}", Path(f"/x/{number}.jpg"), "s", "run")
    for number in range(3):
        ledger.decide(
            Decision("000", "approved", "AB", "", "{}", "cafe", f"at {number}"), State.READY, "", ""
        )
    ledger.check()
    ledger.close()
    if harm == "page":
        content = bytearray(path.read_bytes())
        content[3 * 4096 : 3 * 4096 + 200] = bytes(200)
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as db:
            db.execute(
                "UPDATE decisions SET who = 'XY' WHERE number = 2"
                if harm == "decision"
                else "DELETE FROM decisions WHERE number = 2"
            )
        db.close()
    ledger = opened(path)
    with pytest.raises(
        OutputError, match=r"damaged; restore it" if harm == "page" else r"was changed: Decision [23]"
    ):
        ledger.check()
    ledger.close()


def test_an_index_that_does_not_follow_its_table_is_found_where_all_is_looked_at(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("/x/a.jpg"), "s", "run")
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA writable_schema = ON")
        index = db.execute("SELECT * FROM sqlite_schema WHERE name = 'media_by_state'").fetchone()
        db.execute("DELETE FROM sqlite_schema WHERE name = 'media_by_state'")
    db.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE media SET state = 'review'")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_schema VALUES (?,?,?,?,?)", index)
    db.close()
    ledger = opened(path)
    ledger.check()
    assert ledger.sound(whole=False) and not ledger.sound(whole=True)
    ledger.close()


def test_a_commit_into_a_ledger_that_was_moved_away_is_not_acknowledged(path: Path) -> None:
    ledger = opened(path)
    ledger.start("a", Path("/x/a.jpg"), "s", "run")
    path.rename(path.with_name("elsewhere.sqlite"))
    with pytest.raises(OutputError, match="was moved, deleted or replaced"):
        ledger.start("b", Path("/x/b.jpg"), "s", "run")
    path.with_name("elsewhere.sqlite").rename(path)
    ledger.start("b", Path("/x/b.jpg"), "s", "run")
    assert [row.id for row in ledger.entries()] == ["a", "b"]
    ledger.close()


def test_every_connection_writes_through_to_the_disk(path: Path) -> None:
    ledger = opened(path)
    assert ledger.rows("PRAGMA journal_mode") == [("wal",)]
    assert ledger.rows("PRAGMA synchronous") == [(2,)]
    assert ledger.rows("PRAGMA busy_timeout")[0][0] >= 10_000
    ledger.close()


def test_many_threads_may_open_a_new_ledger_at_once(path: Path) -> None:
    """Each has a connection of its own; all of them find one schema."""
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            ledger = opened(path)
            ledger.start(str(number), Path("x"), "s", "run")
            ledger.close()
        except BaseException as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    ledger = Ledger(path)
    assert len(ledger.entries()) == 8
    ledger.close()


def test_who_looks_at_a_ledger_that_is_just_being_made_waits_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch(mode=0o600)
    making = threading.Timer(0.3, lambda: opened(path).close())
    making.start()
    ledger = Ledger(path)
    assert ledger.entries() == []
    ledger.close()
    making.join()
    path.unlink()
    path.touch(mode=0o600)
    monkeypatch.setattr(database, "BEING_MADE", 0.1)
    with pytest.raises(OutputError, match="is empty"):
        Ledger(path)
