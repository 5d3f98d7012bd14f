"""A decoding process from outside: how it is started, what it answers, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Protocol

from anonymizer.core import version
from anonymizer.core.confinement.apply import CANNOT_CONFINE, environment
from anonymizer.core.errors import (
    DamagedError,
    LimitError,
    MediumError,
    NotReadyError,
    UnsupportedError,
)
from anonymizer.read import believed
from anonymizer.read.channel import read_message

CANNOT_START = 70
"""Exit status of a child that a library is missing for (EX_SOFTWARE of sysexits.h)."""


class Child(Protocol):
    """A decoding process, as :class:`subprocess.Popen` is one."""

    pid: int
    returncode: Any
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def kill(self) -> None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def start(module: str, *words: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A process that runs a module: no terminal, no environment of the user's, no import from where it runs (-P)."""
    package = str(Path(version.__file__).parents[2])
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    search = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")]), *own])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *words],
        stdin=stdin,
        stdout=subprocess.PIPE if stdin == subprocess.PIPE else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor or None,
        # A thread that a library starts before the process is confined could not be confined with it.
        env=environment(PYTHONPATH=search, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"),
        start_new_session=True,
    )


def answer(stream: IO[bytes], *more: type[MediumError]) -> dict[str, Any]:
    """The next message of a decoding process; ``more`` are refusals that it may answer besides a decoder's own.

    Raises such a refusal (a :class:`MediumError`), and EOFError, ValueError, KeyError or TypeError for no message.
    """
    message = read_message(stream)
    if "error" in message:
        kinds: tuple[type[MediumError], ...] = (LimitError, UnsupportedError, *more)
        kind = next((kind for kind in kinds if kind.__name__ == message["error"]), DamagedError)
        raise kind(believed.message(message["said"]))
    return message


def cut_off(
    process: Child, gave_up: MediumError, too_slow: MediumError | None = None
) -> MediumError | NotReadyError:
    """Why a decoding process gave no whole answer: ``too_slow`` where it was killed for that."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return gave_up
    if code == CANNOT_START:
        return NotReadyError("read.no-process")
    if code == CANNOT_CONFINE:
        return NotReadyError("read.unconfined")
    # By our clock, or by the kernel at the limit of processor time.
    return too_slow if too_slow and code in (-9, -24) else gave_up


def end(process: Child) -> None:
    """End it, whatever it is doing, and let go of its pipes."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
