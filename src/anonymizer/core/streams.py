"""Reading from a pipe, which gives what it has and not what was asked for."""

from __future__ import annotations

import contextlib
import sys
from typing import IO

PIPE = 1 << 20
"""Bytes that a pipe holds, where the system lets us say: a picture is megabytes, and 64 KB at a time are many turns."""


def widen(stream: IO[bytes]) -> None:
    """Let a pipe hold :data:`PIPE` bytes. Nothing happens where there is no such thing, or no more to be had."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE)


def fill(stream: IO[bytes], view: memoryview) -> bool:
    """Read into the whole of ``view``; False where the stream ends before."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True
