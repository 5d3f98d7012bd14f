"""Small files that their owner alone may read: made whole or not at all, and refused where others can read them."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from anonymizer.core.durable import new_file


def create(path: Path, content: bytes) -> None:
    """Write a new file whole, or leave alone the one that another process has just made. Raises OSError."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with new_file(temporary) as file:
            file.write(content)
        try:
            # A link fails where the name is taken, which a rename would not.
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:
            # A volume without links: the name is claimed, and filled at once.
            with contextlib.suppress(FileExistsError), open(path, "xb", opener=_private) as file:
                file.write(content)
    finally:
        temporary.unlink(missing_ok=True)


def open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may read or write it, as far as the file's mode says."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
