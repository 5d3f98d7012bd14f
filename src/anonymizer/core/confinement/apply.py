"""Confine this process before it reads what somebody else wrote: nothing is left to it but to compute and to answer.

Four fences, each of which holds without the others as far as it goes: limits of the system; no privilege to gain and
no look into this process; no file, socket or other process (Landlock); no system call that computing does not need
(seccomp). Where the kernel offers one and it cannot be put up, the process must not go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

from anonymizer.core.confinement import kernel, landlock, seccomp

if sys.platform != "win32":
    import resource  # before a fence keeps its file away

CANNOT_CONFINE = 71
"""Exit status of a child that could not be confined (EX_OSERR of sysexits.h)."""
KEPT = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "PYTHONHOME",
    "SYSTEMROOT",
    "WINDIR",
)
"""What a child's environment keeps: where its libraries lie, and what no program on Windows starts without."""
_MOST_DESCRIPTORS = 1024
_UNKNOWN_SIZE = 1 << 30


class Confinement(NamedTuple):
    """What holds a process: the system's limits, Landlock's version (0 for none), and a list of system calls."""

    limits: bool
    landlock: int
    calls: bool


def environment(**more: str) -> dict[str, str]:
    """A child's environment: nothing of the user's but what :data:`KEPT` names."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | more


def confine(memory: int, seconds: float, keep: Iterable[int] = ()) -> Confinement:
    """Confine this process for good, all of its threads; what holds it then.

    ``memory``: bytes of address space beside what the interpreter has taken; ``seconds`` of processor time; ``keep``:
    the descriptors that stay open beside standard input, output and error. Raises OSError where the kernel offers
    a fence that cannot be put up: end with :data:`CANNOT_CONFINE`.
    """
    close_others({0, 1, 2, *keep})
    mapped, own = _mapped(), threads()
    held = 0
    if sys.platform == "linux":
        kernel.give_up_privileges(dumpable=False)
        held = landlock.apply()
    limits = _limit(memory + mapped, seconds, descriptors=0)
    calls = sys.platform == "linux" and seccomp.apply(seccomp.program(loads=False))
    if held and own > 1 and not calls:
        # Landlock holds a thread and those that it starts; one that is there already would go free.
        raise OSError(errno.EBUSY, "a thread cannot be confined")
    return Confinement(limits, held, calls)


def confine_program(read: Iterable[str], execute: Iterable[str], seconds: float) -> Confinement:
    """Confine this process to become a program: it may read at or below ``read``, and run ``execute`` alone.

    Raises as :func:`confine` does.
    """
    close_others({0, 1, 2})
    held = 0
    if sys.platform == "linux":
        kernel.give_up_privileges(dumpable=True)
        held = landlock.apply(read=read, execute=execute)
    limits = _limit(None, seconds, descriptors=32)
    calls = sys.platform == "linux" and seccomp.apply(seccomp.program(loads=True))
    return Confinement(limits, held, calls)


def _limit(memory: int | None, seconds: float, descriptors: int) -> bool:
    """Set the system's limits; False on Windows, which has none and leaves it to the parent's clock."""
    if sys.platform == "win32":
        return False
    wanted = {
        resource.RLIMIT_CPU: int(seconds) + 1,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        # No new file, socket or pipe: those that are open stay open.
        resource.RLIMIT_NOFILE: descriptors,
    }
    if memory is not None:
        wanted[resource.RLIMIT_AS] = memory
    for what, value in wanted.items():
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (value, value))
        except (ValueError, OSError):
            # macOS refuses RLIMIT_AS; the parent's clock and the limit of pixels still hold.
            if what != resource.RLIMIT_AS or sys.platform == "linux":
                raise
    return True


def close_others(keep: set[int]) -> None:
    """Close every descriptor that is not to be kept."""
    if sys.platform == "win32":
        return
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208  pathlib would open one itself
    except OSError:
        numbers = list(range(_MOST_DESCRIPTORS))
    for number in numbers:
        if number not in keep:
            with contextlib.suppress(OSError):
                os.close(number)


def _mapped() -> int:
    """Bytes of address space that the interpreter and its libraries take, mostly without using them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  spares a decoding process pathlib
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _UNKNOWN_SIZE


def threads() -> int:
    """How many threads this process has; 1 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208
    except OSError:
        return 1
