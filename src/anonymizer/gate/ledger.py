"""The private ledger of one output folder: the only place that links a source to its output.

SQLite in ``OUT/.anonymizer/ledger.sqlite``, readable by its owner alone. Each medium has one row, from the
moment work on it starts until a person releases it; nothing here is ever copied into a report.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from anonymizer.core.errors import OutputError
from anonymizer.core.signing import Key

VERSION = 6
"""``PRAGMA user_version`` of the schema below; :data:`MIGRATIONS` lead from each version to the next."""

MIGRATIONS = (
    """
    CREATE TABLE media (
        id        TEXT PRIMARY KEY,       -- the output's neutral id
        source    BLOB NOT NULL,          -- the source's path, as the system's own bytes
        sha256    TEXT NOT NULL,          -- of the source's content, empty until it was read
        settings  TEXT NOT NULL,          -- what it was made with (road/fingerprint.py)
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
    """
    ALTER TABLE media ADD COLUMN asked TEXT NOT NULL DEFAULT '';     -- the run's own fingerprint
    ALTER TABLE media ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;   -- of the output
    ALTER TABLE media ADD COLUMN regions INTEGER NOT NULL DEFAULT 0; -- hidden in it
    ALTER TABLE media ADD COLUMN report TEXT NOT NULL DEFAULT '';    -- SHA-256 of its report, data and page
    ALTER TABLE media ADD COLUMN passing INTEGER NOT NULL DEFAULT 0; -- 1: a failure that may pass by itself
    ALTER TABLE media ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;  -- not used
    UPDATE media SET asked = settings;
    CREATE INDEX media_by_path ON media (source);
    CREATE INDEX media_by_replaced ON media (replaces);
    CREATE TABLE paths (
        path      BLOB PRIMARY KEY,       -- where a source was seen, as the system's own bytes
        sha256    TEXT NOT NULL,          -- of its content then
        size      INTEGER NOT NULL,
        modified  INTEGER NOT NULL,       -- nanoseconds
        medium    TEXT NOT NULL,          -- the id of the row that it is done by
        seen      TEXT NOT NULL
    );
    CREATE INDEX paths_by_medium ON paths (medium);
    """,
    """
    CREATE TABLE waiting (
        path      BLOB PRIMARY KEY,       -- of a file in a watched folder, as the system's own bytes
        reason    TEXT NOT NULL,          -- why it is not taken yet
        since     TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE decisions ADD COLUMN chain TEXT NOT NULL DEFAULT '';     -- SHA-256 of this row and the chain before it
    ALTER TABLE decisions ADD COLUMN signer TEXT NOT NULL DEFAULT '';    -- id of the key that signed the chain here
    ALTER TABLE decisions ADD COLUMN signature TEXT NOT NULL DEFAULT ''; -- of the chain, base64
    """,
    """
    ALTER TABLE media ADD COLUMN folded TEXT NOT NULL DEFAULT '';    -- the output's name, case apart
    ALTER TABLE media ADD COLUMN priority REAL NOT NULL DEFAULT 1000; -- how urgently a person should look at it
    ALTER TABLE media ADD COLUMN mirrored TEXT NOT NULL DEFAULT '';  -- what of it lies at which address
    CREATE INDEX media_by_name ON media (folded);
    CREATE INDEX media_by_priority ON media (state, priority);
    CREATE INDEX decisions_by_medium ON decisions (medium);
    """,
)
PAGE = 500
"""Rows that are held at once where all are gone through."""
FOLDED = 6
"""The version from which a name is looked for case apart."""
CHAINED = 5
"""The version from which decisions are chained; those of before were chained when the ledger was brought up to it."""
RELEASED = "released"
"""The action by which a medium was handed out."""
PURPOSE = b"anonymizer decision 1\n"
"""What a signature on the chain begins with, so that it can serve for nothing else."""


class State(StrEnum):
    """Where a medium stands. ``QUEUED`` and ``WORKING`` are the only states that a crash can leave behind."""

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
class LedgerEntry:
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
    asked: str = ""
    bytes: int = 0
    regions: int = 0
    report: str = ""
    passing: int = 0
    priority: float = 0.0
    mirrored: str = ""


_COLUMNS = ", ".join(field.name for field in fields(LedgerEntry))


@dataclass(frozen=True, slots=True)
class Sighting:
    """A source seen at a path: its SHA-256 (hex), size in bytes, time in ns, and the id it is done by."""

    sha256: str
    size: int
    modified: int
    medium: str


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


@dataclass(frozen=True, slots=True)
class Link:
    """A decision as it stands in the chain. ``signer`` and ``signature`` are empty where there was no key."""

    number: int
    decision: Decision
    chain: str
    signer: str
    signature: str


_DECIDED = ", ".join(field.name for field in fields(Decision))


def link(before: str, number: int, decision: Decision) -> str:
    """The chain's hash (SHA-256, hex) after a decision, from that before it: no row can be changed, left out,
    put in or moved without all later ones being another's."""
    values = [getattr(decision, field.name) for field in fields(decision)]
    text = json.dumps([before, number, *values], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Ledger:
    """The open ledger. Use it from one thread; other processes may hold it open at the same time.

    ``key`` signs the decisions that are recorded.

    Raises :class:`OutputError` where the file cannot be opened or written, or comes from a newer program.
    """

    def __init__(self, path: Path, key: Key | None = None) -> None:
        self.path = path
        self._key = key
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
            if 0 < version < CHAINED:
                self._chain_old(db)
            if 0 < version < FOLDED:
                named = db.execute("SELECT id, name FROM media WHERE name != ''").fetchall()
                db.executemany(
                    "UPDATE media SET folded = ? WHERE id = ?", [(name.casefold(), id) for id, name in named]
                )
            db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; a failed write is an :class:`OutputError`."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite take it back by itself; a COMMIT that failed leaves it open.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OutputError(
                f"The ledger {self.path} cannot be written ({error}); free some space or look at its disk, and "
                "run it again."
            ) from error

    def start(
        self,
        id: str,
        source: Path | str,
        settings: str,
        owner: str,
        replaces: str = "",
        *,
        asked: str = "",
        sha256: str = "",
        state: State = State.WORKING,
    ) -> None:
        """Record that work on a source begins, before anything of it is written.

        ``replaces`` is the id of an earlier output of the same source that this one is to succeed. ``settings``
        is the fingerprint; ``asked`` the run's own where ``settings`` holds a person's corrections: by default that
        of the replaced output, else ``settings``.
        """
        with self.transaction() as db:
            if replaces and not asked:
                asked = next(iter(db.execute("SELECT asked FROM media WHERE id = ?", (replaces,))), ("",))[0]
            row = {
                "id": id, "source": os.fsencode(source), "sha256": sha256, "settings": settings, "state": state,
                "name": "", "output": "", "reason": "", "attempts": 1, "owner": owner, "started": now(),
                "ended": "", "replaces": replaces, "asked": asked or settings,
            }  # fmt: skip
            db.execute(
                f"INSERT INTO media ({','.join(row)}) VALUES ({','.join('?' * len(row))})",
                tuple(row.values()),
            )

    def update(self, id: str, **values: str | float) -> None:
        """Change columns of one row."""
        if "name" in values:
            values["folded"] = str(values["name"]).casefold()
        columns = ", ".join(f"{column} = ?" for column in values)
        with self.transaction() as db:
            db.execute(f"UPDATE media SET {columns} WHERE id = ?", (*values.values(), id))

    def reserve(self, id: str, name: str, **values: str | int) -> bool:
        """Give a row the name of its output, and other columns with it: False, and nothing is changed, where
        another row has that name already, case apart. So no two runs can ever mean the same file."""
        with self.transaction() as db:
            taken = db.execute(
                "SELECT 1 FROM media WHERE folded = ? AND id != ? AND state NOT IN (?, ?) LIMIT 1",
                (name.casefold(), id, State.FAILED, State.REPLACED),
            )
            if taken.fetchone():
                return False
            columns = {"name": name, "folded": name.casefold(), **values}
            db.execute(
                f"UPDATE media SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
                (*columns.values(), id),
            )
            return True

    def finish(
        self, id: str, state: State, *, name: str = "", output: str = "", reason: str = "", passing: int = 0
    ) -> None:
        """Record the end of the work on one medium."""
        self.update(id, state=state, name=name, output=output, reason=reason, passing=passing, ended=now())

    def claim(self, id: str, state: State, owner: str) -> bool:
        """Take a row that stands in ``state`` to decide on it: False where somebody else has it, or had it."""
        with self.transaction() as db:
            changed = db.execute(
                "UPDATE media SET state = ?, owner = ? WHERE id = ? AND state = ?",
                (State.WORKING, owner, id, state),
            )
            return changed.rowcount == 1

    def decide(self, decision: Decision, state: State, reason: str, report: str) -> None:
        """Record a decision, the state that it leads to and the hash of its new report: all or nothing."""
        with self.transaction() as db:
            self._append(db, decision)
            db.execute(
                "UPDATE media SET state = ?, reason = ?, report = ? WHERE id = ?",
                (state, reason, report, decision.medium),
            )

    def decisions(self, id: str | None = None) -> list[Decision]:
        """Every decision in the order in which they were taken; of one medium if given."""
        where, values = ("WHERE medium = ?", (id,)) if id else ("", ())
        columns = ", ".join(field.name for field in fields(Decision))
        rows = self.rows(f"SELECT {columns} FROM decisions {where} ORDER BY number", values)
        return [Decision(*row) for row in rows]

    def release(self, decision: Decision) -> bool:
        """Record that a medium was handed out; False where it has been taken back, or changed, meanwhile."""
        with self.transaction() as db:
            changed = db.execute(
                "UPDATE media SET state = ? WHERE id = ? AND state IN (?, ?) AND output = ?",
                (State.RELEASED, decision.medium, State.READY, State.RELEASED, decision.output),
            )
            if changed.rowcount != 1:
                return False
            self._append(db, decision)
            return True

    def _append(self, db: sqlite3.Connection, decision: Decision) -> None:
        last = db.execute("SELECT number, chain FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
        number, before = (last[0] + 1, last[1]) if last else (1, "")
        chain = link(before, number, decision)
        signer = self._key.id if self._key else ""
        signature = self._key.sign(PURPOSE + chain.encode()) if self._key else ""
        row = (number, *(getattr(decision, field.name) for field in fields(decision)))
        db.execute(
            f"INSERT INTO decisions (number, {_DECIDED}, chain, signer, signature) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (*row, chain, signer, signature),
        )

    def _chain_old(self, db: sqlite3.Connection) -> None:
        """Chain the decisions of an older ledger as they are now found."""
        before = ""
        for number, *values in db.execute(
            f"SELECT number, {_DECIDED} FROM decisions ORDER BY number"
        ).fetchall():
            before = link(before, number, Decision(*values))
            db.execute("UPDATE decisions SET chain = ? WHERE number = ?", (before, number))

    def links(self) -> Iterator[Link]:
        """The chain of decisions, in order, some at a time."""
        last = -1
        while True:
            rows = self.rows(
                f"SELECT number, {_DECIDED}, chain, signer, signature FROM decisions WHERE number > ? "
                "ORDER BY number LIMIT ?",
                (last, PAGE),
            )
            if any(not isinstance(value, str) for row in rows for value in row[1:]):
                raise OutputError(
                    f"The ledger {self.path} is damaged (its decisions); restore it from a copy."
                )
            yield from (Link(row[0], Decision(*row[1:-3]), *row[-3:]) for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def orphans(self) -> list[str]:
        """Ids of media that decisions speak of and that have no row."""
        query = (
            "SELECT DISTINCT medium FROM decisions WHERE medium NOT IN (SELECT id FROM media) ORDER BY medium"
        )
        return [str(row[0]) for row in self.rows(query)]

    def sound(self) -> bool:
        """Whether SQLite finds the file in order."""
        return self.rows("PRAGMA integrity_check") == [("ok",)]

    def sighting(self, path: Path | str) -> Sighting | None:
        """What was seen at a path when it was last dealt with."""
        rows = self.rows(
            "SELECT sha256, size, modified, medium FROM paths WHERE path = ?", (os.fsencode(path),)
        )
        return Sighting(*rows[0]) if rows else None

    def sight(self, path: Path | str, seen: Sighting) -> None:
        """Record that the source at a path is done by ``seen.medium``."""
        row = (os.fsencode(path), seen.sha256, seen.size, seen.modified, seen.medium, now())
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO paths VALUES (?,?,?,?,?,?)", row)

    def wait_for(self, reasons: Mapping[Path, str]) -> None:
        """Record which files of a watched folder wait, and why, in place of what was recorded before."""
        with self.transaction() as db:
            old = {raw: (reason, since) for raw, reason, since in db.execute("SELECT * FROM waiting")}
            db.execute("DELETE FROM waiting")
            for path, reason in reasons.items():
                known, since = old.get(os.fsencode(path), ("", ""))
                row = (os.fsencode(path), reason, since if known == reason else now())
                db.execute("INSERT INTO waiting VALUES (?,?,?)", row)

    def waiting(self, count: int = -1) -> list[tuple[Path, str, str]]:
        """The files of a watched folder that wait: path, reason, since when; the longest first, so many if given."""
        rows = self.rows("SELECT path, reason, since FROM waiting ORDER BY since, path LIMIT ?", (count,))
        return [(Path(os.fsdecode(raw)), reason, since) for raw, reason, since in rows]

    def paths(self, id: str) -> list[bytes]:
        """Every path whose source is done by this row."""
        return [row[0] for row in self.rows("SELECT path FROM paths WHERE medium = ?", (id,))]

    def successor(self, id: str) -> str:
        """The id of the row that took the place of this one; empty if none."""
        rows = self.rows("SELECT id FROM media WHERE replaces = ? ORDER BY rowid DESC LIMIT 1", (id,))
        return str(rows[0][0]) if rows else ""

    def overtaken(self) -> list[LedgerEntry]:
        """Outputs whose successor is finished and which have not gone yet."""
        return self._query(
            # By the few ids that have a successor: the index of states would lead through nearly all rows.
            "WHERE +state IN (?, ?, ?, ?) AND id IN (SELECT replaces FROM media INDEXED BY media_by_replaced "
            "WHERE replaces > '' AND state IN (?, ?, ?)) ORDER BY rowid",
            (
                State.READY,
                State.RELEASED,
                State.REVIEW,
                State.REJECTED,
                State.READY,
                State.REVIEW,
                State.RELEASED,
            ),
        )

    def forget(self, id: str) -> None:
        """Remove the row of a medium whose work was cut off and cleaned."""
        with self.transaction() as db:
            db.execute("DELETE FROM media WHERE id = ?", (id,))

    def each(self, *states: State) -> Iterator[LedgerEntry]:
        """Every row of these states, or of any, oldest first, some at a time: what is changed meanwhile is seen as
        it is when its turn comes."""
        after = -1
        # For one state there is an index in this order; for several, the table itself is gone through.
        where = "state = ?" if len(states) == 1 else f"+state IN ({','.join('?' * len(states))})"
        while True:
            rows = self.rows(
                f"SELECT rowid, {_COLUMNS} FROM media WHERE {where if states else '1'} AND rowid > ? "
                "ORDER BY rowid LIMIT ?",
                (*states, after, PAGE),
            )
            yield from (_entry(row[1:]) for row in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def entries(self, state: State | None = None) -> list[LedgerEntry]:
        """Every row at once, oldest first; of one state if given. Of a folder that is known to be small."""
        return list(self.each(state) if state else self.each())

    def latest(self, states: Sequence[State], count: int) -> list[LedgerEntry]:
        """The newest rows of these states, at most so many, newest first."""
        rows = [
            row
            for state in states
            for row in self.rows(
                f"SELECT rowid, {_COLUMNS} FROM media WHERE state = ? ORDER BY rowid DESC LIMIT ?",
                (state, count),
            )
        ]
        return [_entry(row[1:]) for row in sorted(rows, key=lambda row: -int(row[0]))[:count]]

    def most_urgent(self, count: int) -> list[LedgerEntry]:
        """What waits for a person and needs it most, at most so many."""
        return self._query("WHERE state = ? ORDER BY priority DESC LIMIT ?", (State.REVIEW, count))

    def passing(self) -> list[LedgerEntry]:
        """Failures that may pass by themselves."""
        return self._query("WHERE state = ? AND passing = 1 ORDER BY rowid", (State.FAILED,))

    def revision(self) -> str:
        """A text that is another one after every change, by whichever process."""
        others = self.rows("PRAGMA data_version", ())[0][0]
        return f"{others}.{self._db.total_changes}"

    def get(self, id: str) -> LedgerEntry | None:
        """The row with this id."""
        return next(iter(self._query("WHERE id = ?", (id,))), None)

    def by_source(self, sha256: str) -> list[LedgerEntry]:
        """Every row of a source with this content, oldest first."""
        return self._query("WHERE sha256 = ? ORDER BY rowid", (sha256,))

    def by_path(self, path: Path | str) -> list[LedgerEntry]:
        """Every row of a source at this path, oldest first."""
        return self._query("WHERE source = ? ORDER BY rowid", (os.fsencode(path),))

    def named(self, name: str) -> list[LedgerEntry]:
        """Every row whose output has this name, case apart, and stands or is to stand."""
        return self._query(
            "WHERE folded = ? AND state NOT IN (?, ?) ORDER BY rowid",
            (name.casefold(), State.FAILED, State.REPLACED),
        )

    def owners(self) -> set[str]:
        """The runs that hold a row: those at work, and those that were killed."""
        query = "SELECT DISTINCT owner FROM media WHERE state IN (?, ?)"
        return {str(row[0]) for row in self.rows(query, (State.QUEUED, State.WORKING))}

    def owned(self, run: str) -> list[LedgerEntry]:
        """The rows that a run holds, oldest first."""
        return self._query(
            "WHERE state IN (?, ?) AND owner = ? ORDER BY rowid", (State.QUEUED, State.WORKING, run)
        )

    def first(self, states: Sequence[State], count: int) -> list[LedgerEntry]:
        """At most so many rows, those of the first state first; in one state by id, which tells of no order."""
        found: list[LedgerEntry] = []
        for state in states:
            found += self._query("WHERE state = ? ORDER BY id LIMIT ?", (state, count - len(found)))
        return found

    def counts(self) -> dict[State, int]:
        """How many rows stand in each state."""
        return {
            State(state): int(n) for state, n in self.rows("SELECT state, count(*) FROM media GROUP BY state")
        }

    def _query(self, tail: str, values: tuple[Any, ...]) -> list[LedgerEntry]:
        return [_entry(row) for row in self.rows(f"SELECT {_COLUMNS} FROM media {tail}", values)]

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What a query that changes nothing finds. Raises :class:`OutputError`."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError(f"The ledger {self.path} cannot be read: {error}.") from error

    def close(self) -> None:
        self._db.close()


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    values = dict(zip((field.name for field in fields(LedgerEntry)), row, strict=True))
    try:
        own = {"source": Path(os.fsdecode(values["source"])), "state": State(values["state"])}
    except (TypeError, ValueError) as error:
        raise OutputError(
            f"The ledger is damaged (at {values['id']}: {error}); restore it from a copy."
        ) from error
    return LedgerEntry(**values | own)
