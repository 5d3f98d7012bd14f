"""A process that dies at one of its calls to the file system or the ledger, wherever a test asks for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anonymizer.gate.ledger import Ledger

CALLS = (
    *((os, name) for name in ("fsync", "link", "utime", "unlink", "replace", "mkdir", "rename")),
    *((Path, name) for name in ("replace", "unlink")),
    *((Ledger, name) for name in ("claim", "update", "decide")),
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")


def killed_after(steps: int, prepare: Callable[[], Callable[[], object]]) -> bool:
    """In a forked process: prepare, then do what that returned, and die at that call. Was it reached?"""
    child = os.fork()
    if child == 0:  # pragma: no cover - the child never returns
        left = [steps]

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)
                return real(*arguments, **named)

            return call

        try:
            act = prepare()
            for owner, name in CALLS:
                setattr(owner, name, dying(getattr(owner, name)))
            act()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), "the child's work failed"
    return code == 9
