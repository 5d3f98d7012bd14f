"""Files that are on the disk when the program goes on: whole or not there at all, whatever ends it in between."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

PRIVATE = 0o600
"""Readable and writable by the owner alone."""


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


def replace(
    path: Path, content: bytes, temporary: Path, *, mode: int = PRIVATE, time: float | None = None
) -> None:
    """Write a file whole in place of what may stand there: no reader ever sees half of it.

    ``temporary`` is a name of its own on the same disk; ``time`` (seconds since 1970) is what the file's times are
    set to. The folder's names are the caller's to sync.
    """
    with new_file(temporary, mode) as file:
        file.write(content)
    try:
        if time is not None:
            os.utime(temporary, (time, time))
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
