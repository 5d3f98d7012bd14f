"""A decoding process from outside: how it is started, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
from pathlib import Path

from anonymizer.core import version
from anonymizer.core.confinement.apply import CANNOT_CONFINE, environment
from anonymizer.core.errors import NotReadyError

CANNOT_START = 70
"""Exit status of a child that a library is missing for (EX_SOFTWARE of sysexits.h)."""


def start(module: str) -> subprocess.Popen[bytes]:
    """A process that runs a module: no terminal, no environment of the user's, no import from where it runs (-P)."""
    package = str(Path(version.__file__).parents[2])
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    search = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")]), *own])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor or None,
        # A thread that a library starts before the process is confined could not be confined with it.
        env=environment(PYTHONPATH=search, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        start_new_session=True,
    )


def not_ready(code: int) -> NotReadyError | None:
    """What a child's exit status says of this machine; None where it says nothing of it."""
    if code == CANNOT_START:
        return NotReadyError("read.no-process")
    if code == CANNOT_CONFINE:
        return NotReadyError("read.unconfined")
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """End it, whatever it is doing, and let go of its pipes."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
