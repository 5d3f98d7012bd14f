"""A file system that fails: a full disk, and a name that cannot be claimed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

PUBLIC = ("ready", "review", "rejected")


def full(*_: object, **__: object) -> Any:
    """Stands in for any call that writes."""
    raise OSError(errno.ENOSPC, "No space left on device")


def no_place(patch: pytest.MonkeyPatch) -> None:
    """Reports can be written; a medium's place cannot be claimed, by a link or by a new file."""
    opened = os.open

    def claim(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and Path(os.fsdecode(path)).parent.name in PUBLIC:
            full()
        return opened(path, flags, *more, **named)

    patch.setattr(os, "link", full)
    patch.setattr(os, "open", claim)
