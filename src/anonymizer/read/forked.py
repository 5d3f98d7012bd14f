"""Decoding processes out of fork servers (:mod:`anonymizer.read.fork_server`): one for each file, in some milliseconds.

Only Linux names a process by a descriptor, without which one could be ended that is another's; elsewhere, and where a
server cannot be had, each process is started by itself, and one is kept that has its imports behind it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from typing import IO

from anonymizer.read.fork_server import NUMBER
from anonymizer.read.process import Child, end, start

SERVER = "anonymizer.read.fork_server"
ANSWER_SECONDS = 60.0
"""A server that has not answered by then is not waited for: its imports take a fraction of a second."""


class ForkedProcess:
    """What a server forked, used as :class:`subprocess.Popen` is. Threads may share it."""

    def __init__(self, pid: int, itself: int, ended: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid = pid
        self.stdin: IO[bytes] | None = stdin
        self.stdout: IO[bytes] | None = stdout
        self.returncode: int | None = None
        self._itself, self._ended = itself, ended
        self._lock = threading.Lock()
        # They stay open as long as anybody may ask: the number of a closed one is soon that of something else.
        weakref.finalize(self, os.close, itself)
        weakref.finalize(self, os.close, ended)

    def kill(self) -> None:
        """End it at once; nothing where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._itself, signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative where a signal ended it. Raises :class:`subprocess.TimeoutExpired`."""
        poll = select.poll()
        poll.register(self._itself, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        with self._lock:
            if self.returncode is None:
                told = os.read(self._ended, NUMBER.size)
                # No word: the server was killed, and how this one ended nobody knows.
                self.returncode = NUMBER.unpack(told)[0] if len(told) == NUMBER.size else -signal.SIGKILL
        return self.returncode


class ForkServer:
    """The server of one module: started when it is first wanted, and again where it has gone. Threads may share it."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._spare: Child | None = None
        self._useless = sys.platform != "linux" or not hasattr(os, "pidfd_open")
        atexit.register(self.close)

    def ready(self) -> None:
        """Start it, where it does not run. Raises OSError where that cannot be done."""
        with self._lock:
            if self._useless:
                self._spare = self._spare or start(self.module)
            elif self._process is None:
                self._start()

    def fork(self) -> Child:
        """A process for one file. Raises OSError where none can be started."""
        with self._lock:
            while not self._useless:
                # One that was idle may have ended; a new one that gives no answer will not the next time either.
                new = self._process is None
                if new:
                    self._start()
                forked = self._asked()
                if forked:
                    return forked
                self._end()
                self._useless = new
            # The next file's process starts now, while this one decodes.
            process, self._spare = self._spare or start(self.module), start(self.module)
            return process

    def close(self) -> None:
        """End it, or the process that is kept; what works on a file goes on."""
        with self._lock:
            self._end()
            if self._spare:
                end(self._spare)
            self._spare = None

    def _start(self) -> None:
        control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                self._process = start(SERVER, self.module, stdin=its.fileno())
            except BaseException:
                control.close()
                raise
        control.settimeout(ANSWER_SECONDS)
        self._control = control

    def _asked(self) -> ForkedProcess | None:
        """The process that the server forked; None where it has gone."""
        assert self._control
        handles: list[int] = []
        try:
            for _ in range(3):
                handles += os.pipe()
            inside, stdin, stdout, outside, told, ended = handles
            try:
                socket.send_fds(self._control, [b"1"], [inside, outside, ended])
                answer, itself, *_ = socket.recv_fds(self._control, NUMBER.size, 1)
            except OSError:
                return None
            if not itself:
                return None
            for mine in (stdin, stdout, told):
                handles.remove(mine)
            (number,) = NUMBER.unpack(answer)
            return ForkedProcess(number, itself[0], told, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"))
        finally:
            for handle in handles:
                os.close(handle)

    def _end(self) -> None:
        if self._control:
            self._control.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = self._control = None
