"""The private ledger of one output folder: the only place that links a source to its output.

SQLite in ``OUT/.anonymizer/ledger.sqlite``, readable by its owner alone. Each medium has one row, from the
moment work on it starts until a person releases it; nothing here is ever copied into a report.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from anonymizer.errors import OutputError
from anonymizer.settings import Settings

VERSION = 2
"""``PRAGMA user_version`` of the schema below; :data:`MIGRATIONS` lead from each version to the next."""

MIGRATIONS = (
    """
    CREATE TABLE media (
        id        TEXT PRIMARY KEY,       -- the output's neutral id
        source    BLOB NOT NULL,          -- the source's path, as the system's own bytes
        sha256    TEXT NOT NULL,          -- of the source's content, empty until it was read
        settings  TEXT NOT NULL,          -- fingerprint of settings and program version
        state     TEXT NOT NULL,
        name      TEXT NOT NULL,          -- the output's name, empty until it has one
        output    TEXT NOT NULL,          -- SHA-256 of the output
        reason    TEXT NOT NULL,
        attempts  INTEGER NOT NULL,
        owner     TEXT NOT NULL,          -- the work folder of the run that holds the row
        started   TEXT NOT NULL,
        ended     TEXT NOT NULL
    );
    CREATE INDEX media_by_source ON media (sha256, settings);
    CREATE INDEX media_by_state ON media (state);
    """,
    """
    ALTER TABLE media ADD COLUMN replaces TEXT NOT NULL DEFAULT '';  -- id of the output that this one succeeds
    CREATE TABLE decisions (
        number    INTEGER PRIMARY KEY,    -- in the order in which they were taken
        medium    TEXT NOT NULL,          -- its id
        action    TEXT NOT NULL,          -- approved, rejected, reopened
        who       TEXT NOT NULL,          -- initials
        note      TEXT NOT NULL,          -- private: free text may name the patient
        changes   TEXT NOT NULL,          -- what was changed by hand, JSON
        output    TEXT NOT NULL,          -- SHA-256 of the file that was decided on
        at        TEXT NOT NULL
    );
    """,
)


class State(StrEnum):
    """Where a medium stands. ``WORKING`` is the only state that a crash can leave behind."""

    QUEUED = "queued"
    WORKING = "working"
    READY = "ready"
    REVIEW = "review"
    FAILED = "failed"
    RELEASED = "released"
    REJECTED = "rejected"
    """A person decided against it; the file lies in the private folder until somebody takes that back."""
    REPLACED = "replaced"
    """A later run on the same source, with a person's corrections, took its place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. ``source`` is the path as given; times are UTC, ISO 8601."""

    id: str
    source: Path
    sha256: str
    settings: str
    state: State
    name: str
    output: str
    reason: str
    attempts: int
    owner: str
    started: str
    ended: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one medium. ``changes`` is JSON; ``output`` the decided file's SHA-256."""

    medium: str
    action: str
    who: str
    note: str
    changes: str
    output: str
    at: str


def fingerprint(settings: Settings, program: str) -> str:
    """What decides whether a medium must be done again: the settings and the program's version (hex)."""
    text = f"{program}\n{settings.model_dump_json(exclude={'limits'})}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Ledger:
    """The open ledger. Use it from one thread; other processes may hold it open at the same time.

    Raises :class:`OutputError` where the file cannot be opened or written, or comes from a newer program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Created by us first, so that it is never readable by others, not even for an instant.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"The ledger {path} cannot be opened: {error}.") from error

    def _migrate(self) -> None:
        with self.transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise OutputError(
                    f"The ledger {self.path} was written by a newer version of the program; "
                    "update anonymizer or choose another output folder."
                )
            for script in MIGRATIONS[version:]:
                for statement in filter(str.strip, script.split(";")):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a failed write is an :class:`OutputError`."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OutputError(f"The ledger {self.path} cannot be written: {error}.") from error

    def start(self, id: str, source: Path, settings: str, owner: str, replaces: str = "") -> None:
        """Record that work on a source begins, before anything of it is written.

        ``replaces`` is the id of an earlier output of the same source that this one is to succeed.
        """
        row = (
            id,
            os.fsencode(source),
            "",
            settings,
            State.WORKING,
            "",
            "",
            "",
            1,
            owner,
            now(),
            "",
            replaces,
        )
        with self.transaction() as db:
            db.execute(f"INSERT INTO media VALUES ({','.join('?' * len(row))})", row)

    def update(self, id: str, **values: str | int) -> None:
        """Change columns of one row."""
        columns = ", ".join(f"{column} = ?" for column in values)
        with self.transaction() as db:
            db.execute(f"UPDATE media SET {columns} WHERE id = ?", (*values.values(), id))

    def finish(self, id: str, state: State, *, name: str = "", output: str = "", reason: str = "") -> None:
        """Record the end of the work on one medium."""
        self.update(id, state=state, name=name, output=output, reason=reason, ended=now())

    def claim(self, id: str, state: State, owner: str) -> bool:
        """Take a row that stands in ``state`` to decide on it: False where somebody else has it, or had it."""
        with self.transaction() as db:
            changed = db.execute(
                "UPDATE media SET state = ?, owner = ? WHERE id = ? AND state = ?",
                (State.WORKING, owner, id, state),
            )
            return changed.rowcount == 1

    def decide(self, decision: Decision, state: State, reason: str) -> None:
        """Record a decision and the state that it leads to, both or neither."""
        row = tuple(getattr(decision, field.name) for field in fields(decision))
        with self.transaction() as db:
            db.execute(
                "INSERT INTO decisions (medium, action, who, note, changes, output, at) VALUES (?,?,?,?,?,?,?)",
                row,
            )
            db.execute(
                "UPDATE media SET state = ?, reason = ? WHERE id = ?", (state, reason, decision.medium)
            )

    def decisions(self, id: str | None = None) -> list[Decision]:
        """Every decision in the order in which they were taken; of one medium if given."""
        where, values = ("WHERE medium = ?", (id,)) if id else ("", ())
        columns = ", ".join(field.name for field in fields(Decision))
        rows = self._rows(f"SELECT {columns} FROM decisions {where} ORDER BY number", values)
        return [Decision(*row) for row in rows]

    def overtaken(self) -> list[Entry]:
        """Outputs whose successor is finished and which have not gone yet."""
        return self._query(
            "WHERE state IN (?, ?, ?) AND id IN (SELECT replaces FROM media WHERE state IN (?, ?)) ORDER BY rowid",
            (State.READY, State.REVIEW, State.REJECTED, State.READY, State.REVIEW),
        )

    def forget(self, id: str) -> None:
        """Remove the row of a medium whose work was cut off and cleaned."""
        with self.transaction() as db:
            db.execute("DELETE FROM media WHERE id = ?", (id,))

    def entries(self, state: State | None = None) -> list[Entry]:
        """Every row, oldest first; of one state if given."""
        where, values = ("WHERE state = ?", (state,)) if state else ("", ())
        return self._query(f"{where} ORDER BY rowid", values)

    def count(self, state: State) -> int:
        """How many rows stand in this state."""
        return int(self._rows("SELECT count(*) FROM media WHERE state = ?", (state,))[0][0])

    def revision(self) -> str:
        """A text that is another one after every change, by whichever process."""
        others = self._rows("PRAGMA data_version", ())[0][0]
        return f"{others}.{self._db.total_changes}"

    def get(self, id: str) -> Entry | None:
        """The row with this id."""
        return next(iter(self._query("WHERE id = ?", (id,))), None)

    def by_source(self, sha256: str) -> list[Entry]:
        """Every row of a source with this content, oldest first."""
        return self._query("WHERE sha256 = ? ORDER BY rowid", (sha256,))

    def _query(self, tail: str, values: tuple[str, ...]) -> list[Entry]:
        return [_entry(row) for row in self._rows(f"SELECT * FROM media {tail}", values)]

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"The ledger {self.path} cannot be read: {error}.") from error

    def close(self) -> None:
        self._db.close()


def _entry(row: tuple[Any, ...]) -> Entry:
    values = dict(zip((field.name for field in fields(Entry)), row, strict=True))
    return Entry(**values | {"source": Path(os.fsdecode(values["source"])), "state": State(values["state"])})
