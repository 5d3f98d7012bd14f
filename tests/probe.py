"""What a decoder that was taken over would try, in Python and in Perl: each try, and whether it succeeded."""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH116, PTH208, PTH211

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECRET = "a secret of the environment"
VARIABLE = "A_SECRET"
FILES = ("read", "truncate", "delete", "rename", "mode", "times")
"""Files that a test lays out for it to try."""

TRIES = frozenset(
    {
        "open a file", "list a folder", "write a file", "truncate a file", "delete a file", "rename a file",
        "change a mode", "change times", "make a link", "make a folder", "ask for a file's size", "open a socket",
        "fork", "run a program", "signal the parent", "look into the parent", "raise a limit", "read the environment",
        "make memory executable", "make a file in memory", "open a descriptor that was left open",
    }
)  # fmt: skip
IN_PERL = TRIES - {"make memory executable"}
"""A program that was started has to load its libraries, so it may make memory executable."""


def lay_out(folder: Path) -> None:
    """The victims."""
    for name in FILES:
        (folder / name).write_text("of another patient")
        (folder / name).chmod(0o600)


def untouched(folder: Path) -> bool:
    """Whether all victims are as they were laid out, and nothing was added."""
    there = {path.name: path for path in folder.iterdir()}
    return set(there) == set(FILES) and all(
        path.read_text() == "of another patient"
        and path.stat().st_mode & 0o777 == 0o600
        and path.stat().st_mtime > 1e9
        for path in there.values()
    )


def tries(folder: str, left_open: int) -> dict[str, str]:
    """Try everything; what succeeded, and what it brought. Where a program can be run, this one is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.syscall
    call.restype = ctypes.c_long
    arm = platform.machine() == "aarch64"

    def checked(result: int) -> int:
        if result < 0:
            raise OSError(ctypes.get_errno(), "refused")
        return result

    def fork() -> int:
        child = os.fork()
        if not child:
            os._exit(0)
        return os.waitpid(child, 0)[0]

    def run() -> int:
        os.execv("/bin/true", ["/bin/true"])

    def look() -> int:
        attach = 0x4206  # PTRACE_SEIZE, which does not stop it
        return checked(call(117 if arm else 101, attach, os.getppid(), 0, 0))

    def write() -> int:
        handle = os.open(f"{folder}/written", os.O_CREAT | os.O_WRONLY)
        return os.write(handle, b"x")

    def in_memory() -> int:
        return checked(call(279 if arm else 319, b"x", 0))

    def more() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE))

    def environment() -> str:
        if VARIABLE in os.environ:
            return os.environ[VARIABLE]
        raise KeyError(VARIABLE)

    wanted: dict[str, Callable[[], Any]] = {
        "open a file": lambda: os.open(f"{folder}/read", os.O_RDONLY),
        "list a folder": lambda: os.listdir(folder),
        "write a file": write,
        "truncate a file": lambda: os.truncate(f"{folder}/truncate", 0),
        "delete a file": lambda: os.unlink(f"{folder}/delete"),
        "rename a file": lambda: os.rename(f"{folder}/rename", f"{folder}/renamed"),
        "change a mode": lambda: os.chmod(f"{folder}/mode", 0o666),
        "change times": lambda: os.utime(f"{folder}/times", (0, 0)),
        "make a link": lambda: os.symlink("/etc/passwd", f"{folder}/link"),
        "make a folder": lambda: os.mkdir(f"{folder}/made"),
        "ask for a file's size": lambda: os.stat(f"{folder}/read").st_size,
        "open a socket": lambda: socket.socket().fileno(),
        "fork": fork,
        "signal the parent": lambda: os.kill(os.getppid(), 0),
        "look into the parent": look,
        "raise a limit": more,
        "read the environment": environment,
        "make memory executable": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
        "make a file in memory": in_memory,
        "open a descriptor that was left open": lambda: os.read(left_open, 1),
        "run a program": run,
    }
    succeeded = {}
    for name, one in wanted.items():
        try:
            succeeded[name] = repr(one())
        except (OSError, KeyError, PermissionError, ValueError):
            continue
    assert set(wanted) == TRIES
    return succeeded


PERL = r"""
my ($folder, $left_open, $arm) = @ARGV;
my %done;
sub try_ { my ($name, $what) = @_; my $got = eval { $what->() }; $done{$name} = 1 if $got; }
try_("open a file", sub { open(my $f, "<", "$folder/read") });
try_("list a folder", sub { opendir(my $d, $folder) or return 0; readdir($d) });
try_("write a file", sub { open(my $f, ">", "$folder/written") });
try_("truncate a file", sub { truncate("$folder/truncate", 0) });
try_("delete a file", sub { unlink("$folder/delete") });
try_("rename a file", sub { rename("$folder/rename", "$folder/renamed") });
try_("change a mode", sub { chmod(0666, "$folder/mode") });
try_("change times", sub { utime(0, 0, "$folder/times") });
try_("make a link", sub { symlink("/etc/passwd", "$folder/link") });
try_("make a folder", sub { mkdir("$folder/made") });
try_("ask for a file's size", sub { -s "$folder/read" });
try_("open a socket", sub { socket(my $s, 2, 1, 0) });
try_("fork", sub { my $p = fork(); exit 0 if defined $p && !$p; defined $p });
try_("signal the parent", sub { kill(0, getppid()) });
try_("look into the parent", sub { syscall($arm ? 117 : 101, 0x4206, getppid(), 0, 0) != -1 });
try_("raise a limit", sub { my $l = "\0" x 16; syscall($arm ? 261 : 302, 0, 6, $l, 0) != -1 });
try_("read the environment", sub { exists $ENV{A_SECRET} });
try_("make a file in memory", sub { my $n = "x"; syscall($arm ? 279 : 319, $n, 0) != -1 });
try_("open a descriptor that was left open", sub { open(my $f, "<&=", $left_open) });
print join("\n", map { "$_" } sort keys %done), "\n.\n";
{ no warnings; exec { "/bin/true" } "/bin/true"; }
print "still here\n";
"""
"""The same tries for a program that was started. It says "still here" where it could not become another program."""
