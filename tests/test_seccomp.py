"""The list of system calls, for both processors, on whichever this runs: its numbers, and what the filter says."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from anonymizer.core.confinement import seccomp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a filter of Linux")

# fmt: off
ARM64 = {
    "getcwd": 17, "dup": 23, "fcntl": 25, "faccessat": 48, "openat": 56, "close": 57, "lseek": 62,
    "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67, "ppoll": 73, "newfstatat": 79,
    "fstat": 80, "exit": 93, "exit_group": 94, "set_tid_address": 96, "futex": 98, "set_robust_list": 99,
    "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
    "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "tgkill": 131, "sigaltstack": 132,
    "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "uname": 160,
    "getrusage": 165, "prctl": 167, "getcpu": 168, "gettimeofday": 169, "getpid": 172, "getuid": 174,
    "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215,
    "mremap": 216, "clone": 220, "execve": 221, "mmap": 222, "fadvise64": 223, "mprotect": 226,
    "madvise": 233, "prlimit64": 261, "seccomp": 277, "getrandom": 278, "membarrier": 283, "rseq": 293,
}
# fmt: on
"""What ``include/uapi/asm-generic/unistd.h`` of Linux 6.1 says of the calls that are listed and that arm64 has."""
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
LISTED = {**seccomp._COMPUTE, **seccomp._LOADING, **seccomp._CONDITIONAL}
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000


def test_the_numbers_for_arm64_are_the_kernels() -> None:
    ours = {name: arm for name, (_, arm) in LISTED.items() if arm >= 0}
    assert ours | {"seccomp": seccomp._SECCOMP["aarch64"]} == ARM64


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_this_machines_headers(machine: str) -> None:
    """A call that an architecture has not is missing in its header too."""
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} is not installed")
    said = dict(re.findall(r"^#define (__NR\w+)\s+(\w+)", header.read_text(), re.MULTILINE)[::-1])

    def number(name: str) -> int:
        value = said.get(f"__NR_{name}", "")
        while value in said:
            value = said[value]
        return int(value) if value.isdigit() else -1

    column = ARCHITECTURES[machine][0]
    assert {name: numbers[column] for name, numbers in LISTED.items()} == {
        name: number(name) for name in LISTED
    }
    assert number("seccomp") == seccomp._SECCOMP[machine]


def answer(program: list[seccomp.Instruction], data: dict[int, int]) -> int:
    """What a classic BPF program says of a call: ``data`` holds the words of ``struct seccomp_data`` by their place."""
    at = value = 0
    while True:
        operation, yes, no, operand = program[at]
        at += 1
        if operation == 0x20:
            value = data.get(operand, 0)
        elif operation == 0x54:
            value &= operand
        elif operation == 0x06:
            return operand
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[operation]
            at += yes if holds else no


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=request.param))
    return str(request.param)


def said(machine: str, number: int, *arguments: int, loads: bool, of: str = "") -> int:
    words = {0: number, 4: ARCHITECTURES[of or machine][1]}
    for place, value in enumerate(arguments):
        words |= {16 + 8 * place: value & 0xFFFFFFFF, 20 + 8 * place: value >> 32}
    return answer(seccomp.program(loads=loads), words)


@pytest.mark.parametrize("loads", [False, True])
def test_what_is_not_listed_is_refused_and_another_architecture_ends_it(machine: str, loads: bool) -> None:
    column = ARCHITECTURES[machine][0]
    plain = {**seccomp._COMPUTE, **(seccomp._LOADING if loads else {})}
    allowed = {numbers[column] for numbers in plain.values()}
    conditional = {numbers[column] for numbers in seccomp._CONDITIONAL.values()}
    for number in sorted(set(range(600)) - conditional):
        no = REFUSE | (errno.ENOSYS if number >= 424 else errno.EPERM)
        assert said(machine, number, loads=loads) == (ALLOW if number in allowed else no), number
    other = "aarch64" if machine == "x86_64" else "x86_64"
    assert said(machine, next(iter(allowed)), loads=loads, of=other) == KILL


def test_what_can_do_harm_with_some_arguments_is_refused_with_these(machine: str) -> None:
    column, no = ARCHITECTURES[machine][0], REFUSE | errno.EPERM
    number = {name: numbers[column] for name, numbers in seccomp._CONDITIONAL.items()}
    thread, new_process = 0x003D0F00, 0x01200011
    readable, executable, writes, creates = 1, 5, 0o1, 0o100
    cases = [
        ("clone", (thread,), (new_process,)),
        ("mmap", (0, 4096, readable), (0, 4096, executable)),
        ("mprotect", (0, 4096, readable), (0, 4096, executable)),
        ("tgkill", (os.getpid(), 1, 6), (os.getppid(), 1, 6)),
        ("prlimit64", (0, 7, 0), (0, 7, 1 << 32)),
        ("prctl", (15,), (38,)),
        ("fcntl", (0, 3), (0, 8)),
    ]
    for name, harmless, harmful in cases:
        assert said(machine, number[name], *harmless, loads=False) == ALLOW, name
        assert said(machine, number[name], *harmful, loads=False) == no, name
    assert said(machine, number["openat"], 0, 0, 0, loads=False) == no, "nothing is opened by name"
    assert said(machine, number["openat"], 0, 0, 0, loads=True) == ALLOW
    for flags in (writes, 0o2, creates, 0o1000):
        assert said(machine, number["openat"], 0, 0, flags, loads=True) == no
