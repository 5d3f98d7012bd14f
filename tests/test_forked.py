"""Decoding processes out of a server: one for each file, none of which knows of another, and how each ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import stand_in
from anonymizer.read import forked
from anonymizer.read.forked import ForkedProcess, ForkServer
from anonymizer.read.process import Child, end

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process is started by itself")
WORK = """
import os, time
loaded = os.getpid()
def prepare(): pass
def work(inside, outside):
    for word in inside.read().decode().split():
        if word == "who":
            outside.write(f"{loaded} {os.getpid()} ".encode())
        elif word == "open":
            outside.write(" ".join(os.listdir("/dev/fd")).encode())
        elif word == "sleep":
            outside.flush()
            time.sleep(600)
        elif word == "abort":
            os.abort()
        else:
            return int(word)
    outside.flush()
    return 0
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    server = stand_in.server(monkeypatch, tmp_path, WORK)
    yield server
    server.close()


@contextlib.contextmanager
def told(server: ForkServer, words: str) -> Iterator[Child]:
    process = server.fork()
    assert process.stdin
    process.stdin.write(words.encode())
    process.stdin.close()
    try:
        yield process
    finally:
        end(process)


def said(process: Child) -> str:
    assert process.stdout
    return process.stdout.read().decode()


def test_each_is_a_process_of_its_own_with_the_servers_imports(server: ForkServer) -> None:
    with told(server, "who") as first, told(server, "who") as second:
        (loaded, one), (again, other) = (map(int, said(process).split()) for process in (first, second))
        assert isinstance(first, ForkedProcess) and isinstance(second, ForkedProcess)
        assert loaded == again and len({loaded, one, other, os.getpid()}) == 4
        assert (first.pid, second.pid) == (one, other)
        assert first.wait(30) == second.wait(30) == 0


@pytest.mark.parametrize(("words", "code"), [("0", 0), ("70", 70), ("abort", -6), ("x", 1)])
def test_how_it_ended(server: ForkServer, words: str, code: int) -> None:
    with told(server, words) as process:
        assert process.wait(30) == code == process.poll() == process.returncode


def test_it_is_ended_at_once_and_others_go_on(server: ForkServer) -> None:
    with told(server, "who sleep") as other, told(server, "sleep") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        assert process.poll() is None
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        process.kill()
        assert other.poll() is None
        with told(server, "5") as third:
            assert third.wait(30) == 5


def test_nothing_of_another_one_is_open_in_it(server: ForkServer) -> None:
    with told(server, "sleep"), told(server, "sleep"), told(server, "open") as process:
        # The fourth is the listing's own.
        assert len(said(process).split()) == 4


def test_it_sees_the_end_of_what_it_is_told_though_others_were_forked_meanwhile(server: ForkServer) -> None:
    first = server.fork()
    with told(server, "sleep"):
        assert first.stdin
        first.stdin.write(b"3")
        first.stdin.close()
        assert first.wait(30) == 3
    end(first)


def test_a_server_that_was_killed_is_followed_by_another(server: ForkServer) -> None:
    with told(server, "sleep") as process:
        before = psutil.Process(process.pid).parent()
        assert before
        before.kill()
        before.wait(30)
        with told(server, "who") as following:
            assert int(said(following).split()[0]) not in (before.pid, os.getpid())
            assert isinstance(following, ForkedProcess)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL


def test_where_no_server_can_be_had_each_is_started_by_itself(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "SERVER", "no.such.module")
    for _ in range(2):
        with told(server, "who") as process:
            loaded, itself = map(int, said(process).split())
            assert loaded == itself == process.pid
    server.ready()
    assert server._spare is not None
    spare = server._spare
    server.close()
    assert spare.poll() is not None


def test_a_module_that_lacks_a_library_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = WORK.replace("prepare(): pass", "prepare(): import no_such_library")
    server = stand_in.server(monkeypatch, tmp_path, missing)
    with told(server, "70") as process:
        assert process.wait(30) == 70 and not isinstance(process, ForkedProcess)
    server.close()


def test_a_server_ends_with_its_program_and_when_nobody_asks(tmp_path: Path) -> None:
    (tmp_path / "standing_in.py").write_text(WORK)
    program = (
        "import os, sys\n"
        "from anonymizer.read import forked\n"
        "server = forked.ForkServer('standing_in')\n"
        "process = server.fork()\n"
        "print(server._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True
    )
    (number,) = map(int, done.stdout.split())
    give_up = time.monotonic() + 30
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up, "it outlived its program"
        time.sleep(0.02)


def test_a_server_that_was_idle_has_ended_and_another_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = "from anonymizer.read import fork_server\nfork_server.IDLE_SECONDS = 0.05\n"
    monkeypatch.setattr(forked, "SERVER", "idle_soon")
    (tmp_path / "idle_soon.py").write_text(soon + "raise SystemExit(fork_server.main())\n")
    server = stand_in.server(monkeypatch, tmp_path, WORK)
    for _ in range(2):
        with told(server, "9") as process:
            assert process.wait(30) == 9
        if isinstance(process, ForkedProcess):
            assert server._process
            server._process.wait(30)
    assert isinstance(process, ForkedProcess)
    server.close()
