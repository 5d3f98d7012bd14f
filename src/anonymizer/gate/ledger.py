"""The private ledger of one output folder: the only place that links a source to its output.

SQLite in ``OUT/.anonymizer/ledger.sqlite``, readable by its owner alone. Each medium has one row, from the
moment work on it starts until a person releases it; nothing here is ever copied into a report.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

from anonymizer.core.errors import OutputError
from anonymizer.core.message import Message, packed, unpacked
from anonymizer.core.signing import Key
from anonymizer.gate.chain import PURPOSE, broken_at, link
from anonymizer.gate.file_records import SEPARATOR, FileRecords
from anonymizer.gate.records import (
    APPROVED,
    FORGOTTEN,
    RELEASED,
    Decision,
    LedgerEntry,
    Link,
    State,
    now,
)

PAGE = 500
"""Rows that are held at once where all are gone through."""
_COLUMNS = ", ".join(field.name for field in fields(LedgerEntry))
_DECIDED = ", ".join(field.name for field in fields(Decision))


class Ledger(FileRecords):
    """The open ledger. Use it from one thread; other connections, here and in other processes, may be open too.

    ``key`` signs the decisions that are recorded. Raises :class:`OutputError` as
    :class:`anonymizer.gate.database.Database` does.
    """

    def __init__(self, path: Path, key: Key | None = None, like: Path | None = None) -> None:
        self._key = key
        super().__init__(path, like)

    def check(self) -> None:
        """Raises :class:`OutputError` where the file is damaged, or a decision is not what was recorded.

        Cheap enough for every opening; ``anonymizer verify`` looks at all of the file.
        """
        if not self.sound(whole=False):
            raise OutputError("ledger.damaged", path=self.path)
        for flaw in broken_at(self.links()):
            raise OutputError("ledger.changed", path=self.path, why=flaw.said)

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

    def reserve(self, id: str, name: str, once: bool = False, /, **values: str | int) -> bool:
        """Give a row the name of its output, and other columns with it: False, and nothing is changed, where
        another row has that name already, case apart. So no two runs can ever mean the same file.

        With ``once`` a name never comes again: nor where any row ever had it, whatever its suffix."""
        folded = name.casefold()
        # All names that begin with the stem and a point: "/" comes after ".".
        stem = folded.rpartition(".")[0]
        where, wanted = (
            ("folded >= ? AND folded < ?", (f"{stem}.", f"{stem}/"))
            if once
            else ("folded = ? AND state NOT IN (?, ?)", (folded, State.FAILED, State.REPLACED))
        )
        with self.transaction() as db:
            if db.execute(f"SELECT 1 FROM media WHERE id != ? AND {where} LIMIT 1", (id, *wanted)).fetchone():
                return False
            columns = {"name": name, "folded": folded, **values}
            db.execute(
                f"UPDATE media SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
                (*columns.values(), id),
            )
            return True

    def stems(self, before: str) -> Iterator[str]:
        """The names, without suffix, that any row ever had and that begin so; in small letters."""
        rows = self.rows(
            "SELECT folded FROM media WHERE folded >= ? AND folded < ?", (before, before + "\U0010ffff")
        )
        return (str(row[0]).rpartition(".")[0] for row in rows)

    def finish(
        self,
        id: str,
        state: State,
        *,
        name: str = "",
        output: str = "",
        reason: Sequence[Message] = (),
        passing: int = 0,
    ) -> None:
        """Record the end of the work on one medium."""
        self.update(
            id, state=state, name=name, output=output, reason=packed(reason), passing=passing, ended=now()
        )

    def claim(self, id: str, state: State, owner: str, pending: Decision | None = None) -> bool:
        """Take a row that stands in ``state`` to decide on it: False where somebody else has it, or had it.

        ``pending`` is the decision: whoever finds the row after a crash, and a report that tells of it, records it.
        """
        with self.transaction() as db:
            changed = db.execute(
                "UPDATE media SET state = ?, owner = ?, pending = ? WHERE id = ? AND state = ?",
                (State.WORKING, owner, json.dumps(asdict(pending)) if pending else "", id, state),
            )
            return changed.rowcount == 1

    def unclaim(self, id: str, state: State) -> None:
        """Give back a row that was claimed: nothing was decided."""
        self.update(id, state=state, pending="")

    def decide(self, decision: Decision, state: State, reason: Sequence[Message], report: str) -> None:
        """Record a decision, the state that it leads to and the hash of its new report: all or nothing."""
        with self.transaction() as db:
            self._append(db, decision)
            db.execute(
                "UPDATE media SET state = ?, reason = ?, report = ?, pending = '' WHERE id = ?",
                (state, packed(reason), report, decision.medium),
            )

    def look(self, id: str, who: str) -> None:
        """Record that a person has looked at an output; the first who did stays."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO seen VALUES (?,?,?)", (id, who, now()))

    def unseen(self, ids: Collection[str] | None = None) -> set[str]:
        """The ids of what is ready and nobody has looked at, or approved; of these if given."""
        rows = self.rows(
            "SELECT id FROM media WHERE state = ? AND id NOT IN (SELECT medium FROM seen) "
            "AND id NOT IN (SELECT medium FROM decisions WHERE action = ?)",
            (State.READY, APPROVED),
        )
        found = {str(row[0]) for row in rows}
        return found if ids is None else found & set(ids)

    def objection(self, sha256: str) -> Decision | None:
        """The decision that keeps a source of this content from being published without a person: the last one on
        any of its outputs, where that is not an approval."""
        found = self.rows(
            f"SELECT {_DECIDED} FROM decisions WHERE source = ? AND source != '' AND action NOT IN (?, ?) "
            "ORDER BY number DESC LIMIT 1",
            (sha256, RELEASED, FORGOTTEN),
        )
        last = Decision(*found[0]) if found else None
        return last if last and last.action != APPROVED else None

    def decisions(self, id: str | None = None) -> list[Decision]:
        """Every decision in the order in which they were taken; of one medium if given."""
        where, values = ("WHERE medium = ?", (id,)) if id else ("", ())
        rows = self.rows(f"SELECT {_DECIDED} FROM decisions {where} ORDER BY number", values)
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

    def unlink(self, decision: Decision, stood: State, to: State) -> bool:
        """Take the paths of a medium's source out of the ledger, and record that; False, and nothing is changed, where
        it does not stand as it did."""
        with self.transaction() as db:
            # What is deleted is overwritten: SQLite otherwise leaves it in the file until the place is needed.
            db.execute("PRAGMA secure_delete = ON")
            changed = db.execute(
                "UPDATE media SET source = x'', state = ?, mirrored = '' WHERE id = ? AND state = ?",
                (to, decision.medium, stood),
            )
            if changed.rowcount != 1:
                return False
            db.execute("DELETE FROM paths WHERE medium = ?", (decision.medium,))
            self._append(db, decision)
            return True

    def wipe(self, before: str) -> None:
        """Forget the files that were not taken before a moment, and have what was deleted leave the disk's copy of the
        ledger too."""
        with self.transaction() as db:
            db.execute("PRAGMA secure_delete = ON")
            db.execute("DELETE FROM passed_over WHERE seen < ?", (before,))
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def _append(self, db: sqlite3.Connection, decision: Decision) -> None:
        last = db.execute("SELECT number, chain FROM decisions ORDER BY number DESC LIMIT 1").fetchone()
        number, before = (last[0] + 1, last[1]) if last else (1, "")
        chain = link(before, number, decision)
        signer = self._key.id if self._key else ""
        signature = self._key.sign(PURPOSE + chain.encode()) if self._key else ""
        row = (number, *astuple(decision), chain, signer, signature)
        db.execute(
            f"INSERT INTO decisions (number, {_DECIDED}, chain, signer, signature) "
            f"VALUES ({','.join('?' * len(row))})",
            row,
        )

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
                raise OutputError("ledger.decisions-damaged", path=self.path)
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
        """What waits for a person and needs it most, at most so many; of equals the oldest first."""
        return self._query("WHERE state = ? ORDER BY priority DESC, rowid LIMIT ?", (State.REVIEW, count))

    def passing(self) -> list[LedgerEntry]:
        """Failures that may pass by themselves."""
        return self._query("WHERE state = ? AND passing = 1 ORDER BY rowid", (State.FAILED,))

    def get(self, id: str) -> LedgerEntry | None:
        """The row with this id."""
        return next(iter(self._query("WHERE id = ?", (id,))), None)

    def by_source(self, sha256: str) -> list[LedgerEntry]:
        """Every row of a source with this content, oldest first."""
        return self._query("WHERE sha256 = ? ORDER BY rowid", (sha256,))

    def by_path(self, path: Path | str) -> list[LedgerEntry]:
        """Every row of a source at this path, oldest first."""
        return self._query("WHERE source = ? ORDER BY rowid", (os.fsencode(path),))

    def below(self, folder: Path) -> list[LedgerEntry]:
        """Every row of a source below this folder, oldest first."""
        start = os.fsencode(folder).rstrip(SEPARATOR) + SEPARATOR
        end = start[:-1] + bytes([start[-1] + 1])
        return self._query("WHERE source >= ? AND source < ? ORDER BY rowid", (start, end))

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


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    values = dict(zip((field.name for field in fields(LedgerEntry)), row, strict=True))
    try:
        own = {
            "source": Path(os.fsdecode(values["source"])),
            "state": State(values["state"]),
            "reason": unpacked(values["reason"]),
        }
    except (TypeError, ValueError) as error:
        raise OutputError("ledger.row-damaged", id=values["id"], cause=error) from error
    return LedgerEntry(**values | own)
