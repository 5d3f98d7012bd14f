"""What this machine offers: cores, memory, and how many workers that feeds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

THREADS_VARIABLE = "ANONYMIZER_THREADS"
"""Environment variable: threads that one process may keep busy. The pool sets it for its workers."""
WORKER_BYTES = 1200 << 20
"""Memory of one worker with its decoding processes at a photo of 12 megapixels (benchmarks/scale.py)."""
SPARE_BYTES = 1 << 30
"""Memory left to the rest of the machine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """``cores`` that this process may use, ``memory`` in bytes that is free for workers."""

    cores: int
    memory: int


def machine() -> Machine:
    """This machine, or what a container leaves of it."""
    return Machine(_cores(), max(0, min(psutil.virtual_memory().available, _allowance()) - SPARE_BYTES))


def workers_for(machine: Machine, wanted: int | None = None) -> int:
    """How many workers to start: those ``wanted``, else one for each core as far as memory goes; at least 1."""
    return wanted or max(1, min(machine.cores, machine.memory // WORKER_BYTES))


def own_threads() -> int:
    """The threads that this process was told to keep to; 0 where it was told nothing."""
    said = os.environ.get(THREADS_VARIABLE, "")
    return int(said) if said.isdecimal() else 0


def _cores() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _words("/sys/fs/cgroup/cpu.max")
    if len(quota) == 2 and quota[0].isdecimal() and int(quota[1]):
        cores = min(cores, -(-int(quota[0]) // int(quota[1])))
    return max(1, cores)


def _allowance() -> int:
    """Bytes that a container may still take (cgroup v2), or more than any machine has."""
    limit = _words("/sys/fs/cgroup/memory.max")
    used = _words("/sys/fs/cgroup/memory.current")
    if limit and limit[0].isdecimal() and used:
        return int(limit[0]) - int(used[0])
    return 1 << 62


def _words(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").split()
    except OSError:
        return []
