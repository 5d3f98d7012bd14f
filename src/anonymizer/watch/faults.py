"""What keeps a watcher from working for a while: said in one message, waited out, and tried again."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from enum import StrEnum
from pathlib import Path

from anonymizer.core.errors import AnonymizerError, NotReadyError
from anonymizer.core.message import Message
from anonymizer.gate.database import finds_no_room
from anonymizer.gate.output import is_output_folder

SPARE = 128 << 20
"""Bytes that stay free on the output folder's disk: for the ledger, the log, and the person who works there."""


class OutputFault(StrEnum):
    """What is wrong, by the code of its message; the last words of each are the watcher's promise."""

    FULL = "fault.full"
    GONE = "fault.gone"
    READ_ONLY = "fault.read-only"
    FAULT = "fault.fault"
    INBOX = "fault.inbox"
    UNMOUNTED = "fault.unmounted"


OF_INBOX = (OutputFault.INBOX, OutputFault.UNMOUNTED)
"""Those that the inbox can have: the output folder may be well."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}


class OutputFaultError(AnonymizerError):
    """Raised where the work must pause."""


def check_room(out: Path, size: int = 0) -> bool:
    """Whether an output folder's disk has room for the work on a source of so many bytes.

    Raises :class:`OutputFaultError` where it has none for any, and OSError where it cannot be asked.
    """
    free = shutil.disk_usage(out).free
    if free < SPARE:
        raise OutputFaultError(OutputFault.FULL)
    # The clean file, a second one where the checks found something more, and the report.
    return free >= SPARE + 3 * size


def check_there(out: Path) -> None:
    """Raises :class:`OutputFaultError` where an output folder that was in use is away: it must not be made anew."""
    if not is_output_folder(out):
        raise OutputFaultError(OutputFault.GONE)


def explained(error: BaseException, out: Path) -> Message:
    """What an error means that kept a source from its place in ``out``, with what to do."""
    if isinstance(error, OutputFaultError):
        return error.message
    if isinstance(error, NotReadyError):
        return Message("fault.watcher-waits", why=error)
    numbers = _numbers(error)
    try:
        check_there(out)
        check_room(out)
    except OutputFaultError as found:
        return found.message
    except OSError:
        return Message(OutputFault.GONE)
    if numbers & _FULL:
        return Message(OutputFault.FULL)
    denied = numbers & _DENIED or not os.access(out, os.W_OK)
    return Message(OutputFault.READ_ONLY if denied else OutputFault.FAULT)


def says_full(error: BaseException) -> bool:
    """Whether what lies behind an error is a full disk, or a quota that is used up."""
    return bool(_numbers(error) & _FULL)


def _numbers(error: BaseException) -> set[int | None]:
    """The system's error numbers of an error and of all that led to it."""
    numbers: set[int | None] = set()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            numbers.add(cause.errno)
        elif isinstance(cause, sqlite3.Error):
            numbers.add(_number(cause))
        cause = cause.__cause__ or cause.__context__
    return numbers


def _number(error: sqlite3.Error) -> int:
    """The system's error number that an error of SQLite stands for; 0 if none."""
    if finds_no_room(error):
        return errno.ENOSPC
    primary = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    return errno.EROFS if primary == sqlite3.SQLITE_READONLY else 0
