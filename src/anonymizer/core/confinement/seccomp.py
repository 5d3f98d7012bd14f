"""A list of the system calls that a process may still make (seccomp, Linux 3.17), for x86-64 and arm64.

It is a list of what is allowed: everything else fails with an error number, so that a library that asks for
something newer takes its own way round, and nothing that a later kernel adds is open. The numbers are those of
``arch/x86/entry/syscalls/syscall_64.tbl`` and ``include/uapi/asm-generic/unistd.h`` (arm64); the structures those
of ``include/uapi/linux/filter.h`` and ``seccomp.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from anonymizer.core.confinement.kernel import call

Instruction = tuple[int, int, int, int]
"""Of a classic BPF program: operation, jump if true, jump if false, operand."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Where ``struct seccomp_data`` holds the call's number, the architecture and the arguments, 8 bytes each."""
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_SET_MODE_FILTER, _ACTION_AVAILABLE, _ALL_THREADS = 1, 2, 1
_UNIFIED = 424
"""From this number on, Linux 5.1, every architecture has the same one; a C library knows the way round each."""

_CLONE_THREAD = 0x00010000
_OPEN_CHANGES = 0o3 | 0o100 | 0o1000
"""O_ACCMODE, O_CREAT and O_TRUNC of ``open``: none of them set is an opening for reading alone."""


class Condition(NamedTuple):
    """What one argument of a call must be: one of ``values``, after ``mask``, as 32 bits."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


# name: (x86-64, arm64); -1 where an architecture has no such call.
_COMPUTE = {
    # What is there already: its pipes and its memory.
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "poll": (7, -1),
    "ppoll": (271, 73),
    "futex": (202, 98),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    # Its threads.
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "gettid": (186, 178),
    "getpid": (39, 172),
    "getcpu": (309, 168),
    "exit": (60, 93),
    "exit_group": (231, 94),
    # Signals that it has to itself.
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    # The clock, chance, and how much of the machine it has used.
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sysinfo": (99, 179),
    "uname": (63, 160),
}
_LOADING = {
    # What a program asks for between its start and its first line: the loader's and the interpreter's calls.
    "access": (21, -1),
    "faccessat": (269, 48),
    "stat": (4, -1),
    "lstat": (6, -1),
    "newfstatat": (262, 79),
    "getcwd": (79, 17),
    "fadvise64": (221, 223),
    "arch_prctl": (158, -1),
    "set_tid_address": (218, 96),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "dup": (32, 23),
    # Which program: Landlock says it.
    "execve": (59, 221),
}
_CONDITIONAL = {
    "fcntl": (72, 25),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "clone": (56, 220),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "prctl": (157, 167),
    "open": (2, -1),
    "openat": (257, 56),
}
_AUDIT = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables, and the kernel's name for the architecture (``include/uapi/linux/audit.h``)."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PROT_EXEC = 4


def known() -> bool:
    """Whether the calls of this machine's architecture are listed here, for a 64-bit program."""
    return os.uname().machine in _AUDIT and ctypes.sizeof(ctypes.c_void_p) == 8


def program(*, loads: bool) -> list[Instruction]:
    """The filter. ``loads``: for a program that has yet to be started, with its libraries.

    Without, nothing can be opened by name, and no memory made executable.
    """
    column, architecture = _AUDIT[os.uname().machine]
    plain = {**_COMPUTE, **(_LOADING if loads else {})}
    numbers = [number[column] for number in plain.values() if number[column] >= 0]
    rules: list[tuple[int, Sequence[Condition]]] = [(number, ()) for number in numbers]
    for name, conditions in _conditions(loads).items():
        if (number := _CONDITIONAL[name][column]) >= 0:
            rules.append((number, conditions))
    built: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for number, conditions in rules:
        body = [*_checks(conditions), (_RETURN, 0, 0, _ALLOW)]
        built += [(_EQUAL, 0, len(body), number), *body]
    return [
        *built,
        # A library takes "no such call" for an older kernel, and "not permitted" for a failure.
        (_AT_LEAST, 0, 1, _UNIFIED),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
    ]


def _conditions(loads: bool) -> dict[str, Sequence[Condition]]:
    """Which arguments the calls may have that can do harm with others."""
    own = os.getpid()
    get_name, set_name = 16, 15
    found: dict[str, Sequence[Condition]] = {
        # F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC: none of those that make the kernel send signals.
        "fcntl": [Condition(1, (1, 2, 3, 1030))],
        "clone": [Condition(0, (_CLONE_THREAD,), _CLONE_THREAD)],
        # abort() sends itself a signal. A program has the same number before and after it is started.
        "tgkill": [Condition(0, (own,))],
        # Asking for its own limits; a new limit is a pointer, and none is all zeros.
        "prlimit64": [Condition(0, (0, own)), Condition(2, (0,))],
        "prctl": [Condition(0, (get_name, set_name))],
        "mmap": [] if loads else [Condition(2, (0,), _PROT_EXEC)],
        "mprotect": [] if loads else [Condition(2, (0,), _PROT_EXEC)],
    }
    if loads:
        found["open"] = [Condition(1, (0,), _OPEN_CHANGES)]
        found["openat"] = [Condition(2, (0,), _OPEN_CHANGES)]
    return found


def _checks(conditions: Sequence[Condition]) -> Iterator[Instruction]:
    """Each condition holds, or the call fails. An argument has 64 bits: it is zero only if both halves are."""
    for condition in conditions:
        for half in (4, 0) if condition.values == (0,) and condition.mask == 0xFFFFFFFF else (0,):
            yield (_LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument + half)
            if condition.mask != 0xFFFFFFFF:
                yield (_AND, 0, 0, condition.mask)
            left = len(condition.values)
            for value in condition.values:
                yield (_EQUAL, left, 0, value)
                left -= 1
            yield (_RETURN, 0, 0, _ERROR | errno.EPERM)


def offered() -> bool:
    """Whether the kernel takes such a list, and its numbers are known here."""
    if not known():
        return False
    try:
        call(_SECCOMP[os.uname().machine], _ACTION_AVAILABLE, 0, struct.pack("=I", _KILL))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            return False
        raise
    return True


def apply(built: Sequence[Instruction]) -> bool:
    """Hold every thread of this process to the list; False where :func:`offered` says no. Raises OSError."""
    if not offered():
        return False
    instructions = b"".join(struct.pack("=HBBI", *one) for one in built)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: how many, and where.
    whole = struct.pack("@HP", len(built), ctypes.addressof(buffer))
    if call(_SECCOMP[os.uname().machine], _SET_MODE_FILTER, _ALL_THREADS, whole):
        raise OSError(errno.EBUSY, "a thread cannot be held to the list of system calls")
    return True
