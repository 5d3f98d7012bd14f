"""Files that are on the disk when the program goes on: whole or not there at all, whatever ends it in between."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

PRIVATE = 0o600
"""Readable and writable by the owner alone."""
HELD = (5, 32, 33)
"""Windows' ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION: what an open file answers."""
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between tries to replace a file that another program holds: one and a half in all."""


def sync(file: IO[bytes]) -> None:
    """Have what was written to an open file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_path(path: Path) -> None:
    """Have what another hand wrote to a file on the disk, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable; Windows does this by itself and cannot open folders."""
    if os.name != "nt":
        sync_path(folder)


@contextlib.contextmanager
def new_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A file where none was, open for writing: on the disk when the block ends, gone where it fails.

    Never an existing file's bytes, never through a link: raises FileExistsError, and OSError as writing does.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            sync(file)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def _put(temporary: Path, path: Path) -> None:
    """Rename over what may stand there. On Windows a file that somebody has open cannot be replaced, and a virus
    scanner or an indexer opens each new one for a moment: that is waited out."""
    for pause in PAUSES:
        try:
            temporary.replace(path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD:
                raise
            time.sleep(pause)
        else:
            return
    temporary.replace(path)


def replace(
    path: Path, content: bytes, temporary: Path, *, mode: int = PRIVATE, stamp: float | None = None
) -> None:
    """Write a file whole in place of what may stand there: no reader ever sees half of it.

    ``temporary`` is a name of its own on the same disk; ``stamp`` (seconds since 1970) is what the file's times are
    set to. The folder's names are the caller's to sync.
    """
    with new_file(temporary, mode) as file:
        file.write(content)
    try:
        if stamp is not None:
            os.utime(temporary, (stamp, stamp))
        _put(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
