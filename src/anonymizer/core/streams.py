"""Reading from a pipe, which gives what it has and not what was asked for."""

from __future__ import annotations

from typing import IO


def fill(stream: IO[bytes], view: memoryview) -> bool:
    """Read into the whole of ``view``; False where the stream ends before."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True
