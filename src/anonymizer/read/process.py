"""A decoding process from outside: how it is started, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from anonymizer.core import version


def start(module: str) -> subprocess.Popen[bytes]:
    """A process that runs a module: no terminal, no working folder of the user's, no import from where it runs (-P)."""
    package = str(Path(version.__file__).parents[2])
    search = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor or None,
        env={**os.environ, "PYTHONPATH": search},
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End it, whatever it is doing, and let go of its pipes."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
