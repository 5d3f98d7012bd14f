"""What a watcher is doing, for whoever asks: a small file of counts, and a log.

Both lie in ``OUT/.anonymizer``, readable by their owner alone. Neither the file nor the log holds anything of a source:
no name, no path, no hash; media are called by the ids of their outputs. Which
files wait, by name, is in the ledger.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anonymizer.core.message import Message, from_json, with_sentence
from anonymizer.gate.records import now

if TYPE_CHECKING:
    from anonymizer.road.pipeline import Outcome

STATUS = "watch.json"
LOG = "watch.log"
ERRORS = "watch.err"
"""Where a launchd agent's standard error goes."""
EVERY = 2.0
"""Seconds between two writings of the status file, at least, while the watcher does the same thing."""
LOG_BYTES = 1_000_000
LOG_FILES = 5
"""A log is at most :data:`LOG_BYTES` long; so many older ones are kept."""


class Doing(StrEnum):
    STARTING = "starting"
    IDLE = "idle"
    WORKING = "working"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Status:
    """A watcher's state at one moment. Times are UTC, ISO 8601; counts of outcomes are those since it started."""

    doing: Doing = Doing.STARTING
    said: Message | None = None
    """While paused: what is wrong and what happens next."""
    since: str = ""
    """When it began to do that."""
    started: str = ""
    updated: str = ""
    pid: int = 0
    events: bool = False
    """Whether the system tells of changes; otherwise the folder is scanned every few seconds."""
    queued: int = 0
    waiting: int = 0
    """Files that are not complete, or are to be tried again."""
    ready: int = 0
    review: int = 0
    failed: int = 0
    known: int = 0
    """Files whose content was handled before, under this or another name."""
    version: int = field(default=2, kw_only=True)


def facts(status: Status) -> dict[str, Any]:
    """A status for a JSON document, what it says as code, values and sentence."""
    return asdict(replace(status, said=None)) | {"said": with_sentence(status.said) if status.said else None}


def told(outcome: Outcome) -> Message:
    """What became of a source, by the id of its output."""
    code = f"watch.outcome.{outcome.verdict}"
    if outcome.note is None:
        return Message(code, id=outcome.id)
    return Message("watch.outcome.noted", outcome=Message(code, id=outcome.id), note=outcome.note)


def write(private: Path, status: Status) -> None:
    """Replace the status file, in one step if the disk has room for two. Raises OSError."""
    temporary = private / f"{STATUS}.{os.getpid()}.tmp"
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(facts(status), file, indent=1)
        temporary.replace(private / STATUS)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _write_over(private / STATUS, status)


def _write_over(path: Path, status: Status) -> None:
    """Write into the status file's own place, which a full disk still has; cut off by a kill, it reads as none."""
    content = json.dumps(facts(status), indent=1).encode()
    with path.open("r+b") as file:
        file.write(content.ljust(os.fstat(file.fileno()).st_size))


class Board:
    """Writes the status file when something has changed, and seldom while only counts do."""

    def __init__(self, private: Path) -> None:
        self._private = private
        self._last = Status(pid=os.getpid(), started=now())
        self._written = -math.inf
        self.owed = False
        """Whether something has changed that was not written yet."""

    def show(self, said: Status, clock: float) -> None:
        """Fill in the times and write. ``clock`` is in seconds and only goes forward."""
        last = self._last
        same = (said.doing, said.said) == (last.doing, last.said) and bool(last.updated)
        since = last.since if same else now()
        value = replace(said, since=since, started=last.started, pid=last.pid, updated=last.updated)
        self.owed = value != last and same and clock < self._written + EVERY
        if value == last or self.owed:
            return
        self._last, self._written = replace(value, updated=now()), clock
        # Where it cannot be written, the next medium cannot be either, and that is told in every way there is.
        try:
            write(self._private, self._last)
        except OSError:
            self._last = replace(value, updated="")


def read(private: Path) -> Status | None:
    """The last status that was written; None where there is none, or none that this version understands."""
    try:
        said: dict[str, Any] = json.loads((private / STATUS).read_bytes())
        own = {"doing": Doing(said["doing"]), "said": from_json(said["said"]) if said["said"] else None}
        return Status(**said | own)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def shorten_errors(private: Path) -> None:
    """Empty the file that standard error is written to where that is the agent's own and has grown long: launchd
    rotates nothing."""
    with contextlib.suppress(OSError):
        status = os.fstat(2)
        if status.st_size > LOG_BYTES and os.path.samestat(status, (private / ERRORS).stat()):
            os.truncate(private / ERRORS, 0)


class _PrivateLog(RotatingFileHandler):
    """A rotating log, mode 0600, that outlives a full disk: lines that cannot be written are counted."""

    lost = 0

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        self.lost += 1
        # The stream may belong to a disk that is gone: the next line opens the file anew.
        with contextlib.suppress(OSError, ValueError):
            if self.stream:
                self.stream.close()
        self.stream = None

    def emit(self, record: logging.LogRecord) -> None:
        lost = self.lost
        super().emit(record)
        if lost and self.lost == lost:
            self.lost = 0
            missing = logging.LogRecord(
                record.name, logging.WARNING, "", 0, f"{lost} lines could not be written here", (), None
            )
            super().emit(missing)


class _WithoutWords(logging.Formatter):
    """Of a traceback only places and kinds of errors are kept: their words may come from a source."""

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = super().format(record).splitlines()
        kept = [line.strip() for line in rest if line.startswith('  File "')]
        kept += [found[1] for line in rest if (found := re.match(r"([\w.]+)(:|$)", line)) and line[0] != " "]
        return " | ".join([first, *kept])


@contextlib.contextmanager
def open_log(private: Path) -> Iterator[logging.Logger]:
    """The program's log, written to the private folder alone until the end of the ``with``."""
    logger = logging.getLogger("anonymizer")
    handler = _PrivateLog(
        private / LOG, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8", delay=True
    )
    handler.setFormatter(_WithoutWords("%(asctime)s %(levelname)s %(message)s"))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.level, logger.propagate = before
