"""The one way in which this program opens a ledger's file, and its schema.

Nothing else may open that file, not even to create, copy or hash it: closing *any* descriptor of a file drops every
POSIX lock that the process holds on it, SQLite's among them. Another process then believes to be the last one, removes
the write-ahead log of those that are still at work, and what they commit afterwards is lost
(https://www.sqlite.org/howtocorrupt.html, section 2.2). So SQLite creates the file too, with the mode of another file.

Every connection is WAL with ``synchronous = FULL``: a commit that returned is on the disk. A connection belongs to
the thread that made it; several, in any number of processes, may be open at the same time. The index of the log, which
they share, is a file too: where the disk has no room for that either, a reader makes do with one of its own, and nobody
else can open the ledger as long as it reads.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anonymizer.core.errors import OutputError

APPLICATION = 0x616E6F6E
"""``PRAGMA application_id`` of a ledger ("anon")."""
VERSION = 1
"""``PRAGMA user_version`` of the schema below."""
PATIENCE = 30.0
"""Seconds for which a writer waits for another one."""
BEING_MADE = 5.0
"""Seconds for which a reader waits for the schema of a new ledger."""

SCHEMA = """
CREATE TABLE media (
    id        TEXT PRIMARY KEY,           -- the output's neutral id
    source    BLOB NOT NULL,              -- the source's path, as the system's own bytes
    sha256    TEXT NOT NULL,              -- of the source's content, empty until it was read
    settings  TEXT NOT NULL,              -- what it was made with
    state     TEXT NOT NULL,
    name      TEXT NOT NULL,              -- the output's name, empty until it has one
    folded    TEXT NOT NULL DEFAULT '',   -- the same, case apart
    output    TEXT NOT NULL,              -- SHA-256 of the output
    reason    TEXT NOT NULL,              -- messages, JSON
    attempts  INTEGER NOT NULL,
    owner     TEXT NOT NULL,              -- the work folder of the run that holds the row
    started   TEXT NOT NULL,
    ended     TEXT NOT NULL,
    replaces  TEXT NOT NULL DEFAULT '',   -- id of the output that this one succeeds
    asked     TEXT NOT NULL DEFAULT '',   -- the run's own settings, before a person's corrections
    bytes     INTEGER NOT NULL DEFAULT 0, -- of the output
    regions   INTEGER NOT NULL DEFAULT 0, -- hidden in it
    report    TEXT NOT NULL DEFAULT '',   -- SHA-256 of its report, data and page
    passing   INTEGER NOT NULL DEFAULT 0, -- 1: a failure that may pass by itself
    priority  REAL NOT NULL DEFAULT 1000, -- how urgently a person should look at it
    mirrored  TEXT NOT NULL DEFAULT '',   -- what of it lies at which address
    pending   TEXT NOT NULL DEFAULT '',   -- the decision that is being carried out, JSON
    crop      TEXT NOT NULL DEFAULT '',   -- what was taken of the source, JSON: no report says from where
    companion TEXT NOT NULL DEFAULT ''    -- SHA-256 of the DICOM beside the output
);
CREATE INDEX media_by_source ON media (sha256, settings);
CREATE INDEX media_by_state ON media (state);
CREATE INDEX media_by_path ON media (source);
CREATE INDEX media_by_replaced ON media (replaces);
CREATE INDEX media_by_name ON media (folded);
CREATE INDEX media_by_priority ON media (state, priority DESC);
CREATE TABLE decisions (
    number    INTEGER PRIMARY KEY,        -- in the order in which they were taken
    medium    TEXT NOT NULL,              -- its id
    action    TEXT NOT NULL,              -- approved, rejected, reopened, released
    who       TEXT NOT NULL,              -- initials
    note      TEXT NOT NULL,              -- private: free text may name the patient
    changes   TEXT NOT NULL,              -- what was changed by hand, JSON
    output    TEXT NOT NULL,              -- SHA-256 of the file that was decided on
    at        TEXT NOT NULL,
    source    TEXT NOT NULL,              -- SHA-256 of its original
    chain     TEXT NOT NULL,              -- SHA-256 of this row and the chain before it
    signer    TEXT NOT NULL,              -- id of the key that signed the chain here
    signature TEXT NOT NULL               -- of the chain, base64
);
CREATE INDEX decisions_by_medium ON decisions (medium);
CREATE INDEX decisions_by_source ON decisions (source);
CREATE TABLE paths (
    path      BLOB PRIMARY KEY,           -- where a source was seen, as the system's own bytes
    sha256    TEXT NOT NULL,              -- of its content then
    size      INTEGER NOT NULL,
    modified  INTEGER NOT NULL,           -- nanoseconds
    medium    TEXT NOT NULL,              -- the id of the row that it is done by
    seen      TEXT NOT NULL
);
CREATE INDEX paths_by_medium ON paths (medium);
CREATE TABLE waiting (
    path      BLOB PRIMARY KEY,           -- of a file in a watched folder, as the system's own bytes
    reason    TEXT NOT NULL,              -- why it is not taken yet
    since     TEXT NOT NULL
);
CREATE TABLE seen (
    medium    TEXT PRIMARY KEY,           -- id of an output that a person has looked at
    who       TEXT NOT NULL,              -- initials, where they were given
    at        TEXT NOT NULL
);
CREATE TABLE inboxes (
    path      BLOB PRIMARY KEY,           -- of a watched folder, as the system's own bytes
    mount     BLOB NOT NULL               -- where the disk or share on which it lies is mounted
);
CREATE TABLE passed_over (
    path      BLOB PRIMARY KEY,           -- of a file, or of a folder with all in it, as the system's own bytes
    how       TEXT NOT NULL,              -- not taken, skipped
    media     INTEGER NOT NULL,           -- 1: a photo or clip of a kind that is not taken
    reason    TEXT NOT NULL,              -- what it is and what to do, or the rule
    seen      TEXT NOT NULL
);
"""


class Database:
    """A connection to a ledger's file.

    With ``like``, a private file of the same folder, a ledger that is missing is made, readable by whom that one is;
    without it nothing is made and nothing can be written. Raises :class:`OutputError`, naming the file, where it cannot
    be opened, is no ledger, or comes from a newer version of the program.
    """

    def __init__(self, path: Path, like: Path | None = None) -> None:
        self.path = path
        try:
            if like:
                self._db = _connect(path, f"mode=rwc&modeof={_quoted(like)}")
                self._prepare()
            else:
                self._db = _connect_to_read(path)
                self._await_schema()
                self._db.execute("PRAGMA query_only = ON")
            self._file = _identity(path)
        except (OSError, sqlite3.Error) as error:
            self._give_up()
            if isinstance(error, sqlite3.Error) and finds_no_room(error):
                raise OutputError("ledger.no-room", path=path) from error
            raise OutputError("ledger.not-opened", path=path, cause=error) from error
        except OutputError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        if db := getattr(self, "_db", None):
            db.close()

    def _prepare(self) -> None:
        """Make the schema in a new file; refuse one that is not ours. Nothing of it is changed before that is known."""
        new = not self._known()
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        # macOS: an fsync that reaches the disk itself.
        self._db.execute("PRAGMA fullfsync = ON")
        self._db.execute("PRAGMA checkpoint_fullfsync = ON")
        if not new:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if not self._known():  # another process may have been quicker
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _known(self) -> bool:
        """Whether the file is a ledger; False where it is empty. Raises :class:`OutputError` where it is another."""
        # In one statement: between several, another process may make the schema.
        application, version, tables = self._db.execute(
            "SELECT (SELECT application_id FROM pragma_application_id),"
            " (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)"
        ).fetchone()
        if not (application or version or tables):
            return False
        if application != APPLICATION:
            raise OutputError("ledger.not-ours", path=self.path)
        if version > VERSION:
            raise OutputError("ledger.newer", path=self.path)
        return True

    def _await_schema(self) -> None:
        """A file that is empty is just being made by the first run: its schema comes in a moment."""
        until = time.monotonic() + BEING_MADE
        while not self._known():
            if time.monotonic() > until:
                raise OutputError("ledger.empty", path=self.path)
            time.sleep(0.02)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on the disk when it returns; a failed write is an :class:`OutputError`."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._still_there()
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite take it back by itself; a COMMIT that failed leaves it open.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            if finds_no_room(error):
                raise OutputError("ledger.no-room", path=self.path) from error
            raise OutputError("ledger.not-written", path=self.path, cause=error) from error

    def _still_there(self) -> None:
        """What goes into a file that has lost its name is lost: a folder that was moved, deleted or restored."""
        try:
            same = _identity(self.path) == self._file
        except OSError:
            same = False
        if not same:
            raise OutputError("ledger.replaced", path=self.path)

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What a query that changes nothing finds. Raises :class:`OutputError`."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise OutputError("ledger.not-read", path=self.path, cause=error) from error

    def sound(self, *, whole: bool) -> bool:
        """Whether SQLite finds the file in order. Unless ``whole``, the indices are not compared with their tables: for
        100 000 media that takes 1.5 seconds, all else .2, and no crash makes them differ."""
        try:
            return self._db.execute(f"PRAGMA {'integrity' if whole else 'quick'}_check(1)").fetchall() == [
                ("ok",)
            ]
        except sqlite3.DatabaseError:
            return False

    def revision(self) -> str:
        """A text that is another one after every change, by whichever process."""
        others = self.rows("PRAGMA data_version", ())[0][0]
        return f"{others}.{self._db.total_changes}"

    def close(self) -> None:
        """Let the file go."""
        self._db.close()


def _connect(path: Path, how: str) -> sqlite3.Connection:
    # isolation_level=None: transactions begin and end where this module says so.
    db = sqlite3.connect(f"file:{_quoted(path)}?{how}", uri=True, timeout=PATIENCE, isolation_level=None)
    db.execute("PRAGMA trusted_schema = OFF")
    return db


def _connect_to_read(path: Path) -> sqlite3.Connection:
    db = _connect(path, "mode=rw")
    try:
        db.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.Error as error:
        db.close()
        if not finds_no_room(error):
            raise
        db = _connect(path, "mode=rw")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
    return db


def finds_no_room(error: sqlite3.Error) -> bool:
    """Whether SQLite finds the disk full: for the file and its log, or for the index of the log."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


def _quoted(path: Path) -> str:
    """An absolute path as SQLite wants it in a URI, whatever bytes it has: with an empty authority before it."""
    text = os.fsencode(path.absolute().as_posix())
    return "//" + quote(text if text.startswith(b"/") else b"/" + text)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
