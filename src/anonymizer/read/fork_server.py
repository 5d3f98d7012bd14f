"""A process that has a decoding process's imports behind it and forks one for each file, in some milliseconds.

Run as ``python -m anonymizer.read.fork_server MODULE`` with a socket as standard input; :mod:`anonymizer.read.forked`
is the other side. ``MODULE`` has ``prepare()``, which imports what its work needs, and ``work(inside, outside)``, which
does one job and confines itself before it reads a byte of the file; it returns the exit status. The server itself never
sees a file.

A request is one byte with three descriptors: the new process's standard input, its standard output, and a pipe on
which the server writes its exit status (``int``, as :attr:`subprocess.Popen.returncode` counts). The answer is its
number (``int``) with a descriptor of the process itself (pidfd), by which it is ended and no other one that got its
number. The server ends when the socket is closed, or when it was asked nothing for :data:`IDLE_SECONDS` and no process
of its runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
from typing import Any

from anonymizer.core.confinement.apply import close_others, threads

IDLE_SECONDS = 120.0
NUMBER = struct.Struct("=i")


def main() -> int:
    module = importlib.import_module(sys.argv[1])
    try:
        module.prepare()
    except ImportError:
        # Who asks starts the module by itself, which then says what is missing.
        return 1
    if sys.platform != "linux" or threads() > 1:
        # fork() copies one thread alone: a lock that another one holds would stay locked.
        return 1
    # What was imported is shared with each process: its pages are not to be copied for a mark of the collector.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as control:
        return _serve(control, module)


def _serve(control: socket.socket, module: Any) -> int:
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [], IDLE_SECONDS)
        if not ready and not running:
            return 0
        if woken in ready:
            os.read(woken, 512)
            _reap(running)
        if control.fileno() in ready:
            asked, handles, *_ = socket.recv_fds(control, 1, 3)
            if not asked:
                return 0
            inside, outside, ended = handles
            number = os.fork()
            if not number:
                _become(module, inside, outside)
            os.close(inside)
            os.close(outside)
            running[number] = ended
            itself = os.pidfd_open(number)
            try:
                socket.send_fds(control, [NUMBER.pack(number)], [itself])
            finally:
                os.close(itself)


def _reap(running: dict[int, int]) -> None:
    """Tell how those ended that have."""
    while running:
        number, status = os.waitpid(-1, os.WNOHANG)
        if not number:
            return
        ended = running.pop(number)
        with contextlib.suppress(BrokenPipeError):
            os.write(ended, NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(ended)


def _become(module: Any, inside: int, outside: int) -> None:
    """In the new process: nothing is left of the server's, then the work; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(inside, 0)
        os.dup2(outside, 1)
        close_others({0, 1, 2})
        with open(0, "rb", closefd=False) as taken, open(1, "wb", closefd=False) as told:
            code = module.work(taken, told)
    finally:
        # Not sys.exit: what the server would do at its own end is none of this process's business.
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
