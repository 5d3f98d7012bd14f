"""Handled originals: moved to the folder that the user named, never deleted, never over another file.

The folder lies on the same volume as the inbox, so that a move is a change of name and no copy can go wrong.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from anonymizer.core.durable import sync_folder
from anonymizer.watch.completeness import Stamp


def move(original: Path, stamp: Stamp, inbox: Path, done: Path) -> Path | None:
    """Move an original to the same place below ``done`` that it has below ``inbox``; its new path.

    None where it is no longer the file of ``stamp``: it then stays, or is put back. Raises OSError where the
    folder cannot be written or the file is held open (Windows).
    """
    folder = done / original.parent.relative_to(inbox)
    folder.mkdir(parents=True, exist_ok=True)
    if not _same(original, stamp):
        return None
    target = _claim(folder / original.name)
    try:
        # Whatever bears the name at this moment is moved whole: nothing is ever removed.
        original.replace(target)
    except OSError:
        target.unlink()
        raise
    if not _same(target, stamp):
        target.replace(_claim(original))
        return None
    sync_folder(folder)
    sync_folder(original.parent)
    return target


def _claim(path: Path) -> Path:
    """A name that nothing else has, held by an empty file; an empty one that a killed run left serves too."""
    for name in _names(path):
        try:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            found = name.lstat()
            if found.st_size or not name.is_file() or name.is_symlink():
                continue
        return name
    raise AssertionError("unreachable")


def _same(path: Path, stamp: Stamp) -> bool:
    """By size and time of writing: a change of name changes the inode's time too."""
    found = path.lstat()
    return (found.st_size, found.st_mtime_ns) == (stamp.size, stamp.modified)


def _names(path: Path) -> Iterator[Path]:
    """A path, then the same with a number: ``a.jpg``, ``a-2.jpg``, ``a-3.jpg`` …"""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
