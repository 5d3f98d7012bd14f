"""Small files that their owner alone may read: made whole or not at all, and refused where others can read them."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.durable import new_file
from anonymizer.core.errors import NotReadyError, UsageError
from anonymizer.core.folders import config_folder


def kept_at(variable: str, name: str) -> Path:
    """Where such a file is: the one that an environment variable names, or one in the user's configuration folder."""
    if named := os.environ.get(variable):
        return Path(named).expanduser().absolute()
    return config_folder() / name


def content_of(path: Path, make: Callable[[], bytes], what: str, variable: str, out: Path | None) -> bytes:
    """What the file holds, which is made when it is asked for the first time.

    ``what`` begins the codes of what is said of it: ``key.unusable``. Raises :class:`UsageError` where it would lie in
    the output folder ``out``, which is handed on and copied, and :class:`NotReadyError` where it cannot be made or
    read, or can be read by others.
    """
    if out is not None and path.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{what}.in-output", path=path, variable=variable)
    try:
        if not path.exists():
            create(path, make())
        if path.is_dir():
            raise NotReadyError(f"{what}.is-folder", path=path, variable=variable)
        if _open_to_others(path):
            raise NotReadyError(f"{what}.readable", path=path)
        return path.read_bytes()
    except OSError as error:
        cause = error.strerror or error
        raise NotReadyError(f"{what}.unusable", path=path, cause=cause, variable=variable) from error


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


def _open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may read or write it, as far as the file's mode says."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
