"""What the ledger holds of files: which medium did a source, what waits in a watched folder, what was not taken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from anonymizer.core.message import Message, packed, unpacked
from anonymizer.gate.database import Database
from anonymizer.gate.records import Sighting, now
from anonymizer.read.walk import Passed, PassedOver

SEPARATOR = os.fsencode(os.sep)


class FileRecords(Database):
    """The ledger's tables of files, by their paths."""

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

    def wait_for(self, reasons: Mapping[Path, Message]) -> None:
        """Record which files of a watched folder wait, and why, in place of what was recorded before."""
        with self.transaction() as db:
            old = {raw: (reason, since) for raw, reason, since in db.execute("SELECT * FROM waiting")}
            db.execute("DELETE FROM waiting")
            for path, message in reasons.items():
                reason = packed([message])
                known, since = old.get(os.fsencode(path), ("", ""))
                row = (os.fsencode(path), reason, since if known == reason else now())
                db.execute("INSERT INTO waiting VALUES (?,?,?)", row)

    def waiting(self, count: int = -1) -> list[tuple[Path, Message, str]]:
        """The files of a watched folder that wait: path, reason, since when; the longest first, so many if given."""
        rows = self.rows("SELECT path, reason, since FROM waiting ORDER BY since, path LIMIT ?", (count,))
        return [(Path(os.fsdecode(raw)), unpacked(reason)[0], since) for raw, reason, since in rows]

    def inboxes(self) -> list[Path]:
        """The folders that were ever watched into this one."""
        return [Path(os.fsdecode(raw)) for (raw,) in self.rows("SELECT path FROM inboxes ORDER BY path", ())]

    def mount_of(self, inbox: Path) -> str:
        """Where the disk or share of a watched folder was mounted when it was last seen; empty if it never was."""
        rows = self.rows("SELECT mount FROM inboxes WHERE path = ?", (os.fsencode(inbox),))
        return os.fsdecode(rows[0][0]) if rows else ""

    def remember_mount(self, inbox: Path, mount: str) -> None:
        """Record where the disk or share of a watched folder is mounted."""
        with self.transaction() as db:
            row = (os.fsencode(inbox), os.fsencode(mount))
            db.execute("INSERT OR REPLACE INTO inboxes VALUES (?,?)", row)

    def pass_over(self, tops: Sequence[Path], found: Sequence[PassedOver]) -> None:
        """Record what was not taken of these files and folders, in place of what was recorded of them before."""
        with self.transaction() as db:
            for top in tops:
                path = os.fsencode(top)
                below = path.rstrip(SEPARATOR) + SEPARATOR
                db.execute(
                    "DELETE FROM passed_over WHERE path = ? OR (path >= ? AND path < ?)",
                    (path, below, below[:-1] + bytes([below[-1] + 1])),
                )
            rows = (
                (os.fsencode(one.path.absolute()), one.how, one.media, packed([one.reason]), now())
                for one in found
            )
            db.executemany("INSERT OR REPLACE INTO passed_over VALUES (?,?,?,?,?)", rows)

    def passed_over(self, how: Passed, count: int = -1) -> list[PassedOver]:
        """What was not taken, by path, so many if given; media of kinds that are not taken first."""
        rows = self.rows(
            "SELECT path, how, media, reason FROM passed_over WHERE how = ? ORDER BY media DESC, path LIMIT ?",
            (how, count),
        )
        return [
            PassedOver(Path(os.fsdecode(row[0])), Passed(row[1]), unpacked(row[3])[0], bool(row[2]))
            for row in rows
        ]

    def passed_counts(self) -> dict[Passed, int]:
        """How many files and folders were not taken, and how many were skipped by rule."""
        rows = self.rows("SELECT how, count(*) FROM passed_over GROUP BY how")
        return {Passed(how): int(count) for how, count in rows}

    def seen(self, id: str) -> tuple[str, str] | None:
        """Who looked at an output first, initials where they were given, and when; None if nobody did."""
        rows = self.rows("SELECT who, at FROM seen WHERE medium = ?", (id,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def paths(self, id: str) -> list[bytes]:
        """Every path whose source is done by this row."""
        return [row[0] for row in self.rows("SELECT path FROM paths WHERE medium = ?", (id,))]
