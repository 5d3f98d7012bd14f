"""One watcher for each inbox, and one for each output folder: locks that the system drops however a process ends."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from filelock import FileLock, Timeout

from anonymizer.core.errors import OutputError, UsageError
from anonymizer.core.folders import cache_folder
from anonymizer.core.message import Message

LOCK = "watch.lock"


def take_inbox(inbox: Path) -> FileLock:
    """The lock on a watched folder, held. It lies in the user's cache, for an inbox is only read.

    Raises :class:`UsageError` where another watcher of this user holds it, :class:`OutputError` where it
    cannot be written.
    """
    name = hashlib.sha256(os.fsencode(inbox.resolve())).hexdigest()[:16]
    lock = FileLock(cache_folder() / f"watch-{name}.lock", mode=0o600)
    _take(lock, Message("watch.inbox-taken", path=inbox))
    return lock


def take_output(out: Path) -> FileLock:
    """The lock on an output folder, held; the folder is made if need be. Raises as :func:`take_inbox` does."""
    lock = _output(out)
    _take(lock, Message("watch.out-taken", path=out), out)
    return lock


def alive(out: Path) -> bool:
    """Whether a watcher is at work on this output folder."""
    lock = _output(out)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _output(out: Path) -> FileLock:
    return FileLock(out / ".anonymizer" / LOCK, mode=0o600)


def _take(lock: FileLock, taken: Message, shown: Path | None = None) -> None:
    folder = Path(lock.lock_file).parent
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        # Two seconds, for `anonymizer status` tries the lock for an instant.
        lock.acquire(timeout=2)
    except TimeoutError as error:
        raise UsageError(taken) from error
    except OSError as error:
        raise OutputError(
            "watch.folder-unwritable", path=shown or folder, cause=error.strerror or error
        ) from error
