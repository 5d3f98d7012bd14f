"""Worker processes under supervision: one job each, killed and replaced when it dies or hangs."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Protocol

from anonymizer.core.errors import NotReadyError
from anonymizer.core.machine import machine, workers_for
from anonymizer.core.settings import Settings
from anonymizer.engine.worker_process import Answer, End, Job, serve

START_SECONDS = 300.0
"""Time to load the models."""
STARTS = 3
"""Workers in a row that may die before they are ready."""


class Pool(Protocol):
    """Where jobs are done. Use it from one thread."""

    size: int

    def room(self, job: Job) -> bool:
        """Whether this job can start now."""

    def start(self, job: Job) -> None:
        """Start a job for which there is room."""

    def wait(self, timeout: float) -> list[Answer]:
        """The jobs that ended, as soon as one did; empty when the time is up. Raises
        :class:`anonymizer.core.errors.NotReadyError` where no worker can start."""

    def progress(self) -> dict[str, tuple[str, int, int]]:
        """Of each job that said so: its stage, frames done, frames in all (0: unknown)."""

    def close(self) -> None:
        """End every worker at once; what was under way is lost."""


@dataclass
class _Bench:
    """One worker process and what it does. ``alive`` is the second at which it last gave a sign of life."""

    process: SpawnProcess
    pipe: connection.Connection
    alive: float
    ready: bool = False
    job: Job | None = None
    said: tuple[str, int, int] | None = None


@dataclass
class LocalPool:
    """Worker processes on this machine: at most ``size``, started when there is work for them.

    ``memory`` is what all jobs together may take, in bytes: a big job waits until it fits, or is alone.
    """

    settings: Settings
    size: int = 0
    memory: int = 0
    _benches: list[_Bench] = field(default_factory=list)
    _failed_starts: int = 0

    def __post_init__(self) -> None:
        here = machine()
        self.size = workers_for(here, self.size or None)
        self.memory = self.memory or here.memory
        # One worker alone has the machine to itself.
        self._threads = max(1, here.cores // self.size) if self.size > 1 else 0

    def room(self, job: Job) -> bool:
        busy = [bench.job for bench in self._benches if bench.job]
        fits = not busy or sum(one.memory for one in busy) + job.memory <= self.memory
        return len(busy) < self.size and fits

    def start(self, job: Job) -> None:
        idle = next((bench for bench in self._benches if not bench.job), None) or self._hire()
        idle.job = job
        if idle.ready:
            self._hand(idle)

    def wait(self, timeout: float) -> list[Answer]:
        until = time.monotonic() + timeout
        while True:
            answers = [answer for bench in list(self._benches) for answer in self._hear(bench)]
            left = until - time.monotonic()
            if answers or left <= 0 or not self._benches:
                return answers
            waiting = [item for bench in self._benches for item in (bench.pipe, bench.process.sentinel)]
            connection.wait(waiting, min(left, max(0.0, self._next_deadline() - time.monotonic()) + 0.01))

    def progress(self) -> dict[str, tuple[str, int, int]]:
        return {bench.job.id: bench.said for bench in self._benches if bench.job and bench.said}

    def close(self) -> None:
        for bench in self._benches:
            bench.process.kill()
        for bench in self._benches:
            _bury(bench)
        self._benches.clear()

    def _hire(self) -> _Bench:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.settings, self._threads), daemon=True)
        process.start()
        theirs.close()
        bench = _Bench(process, ours, time.monotonic())
        self._benches.append(bench)
        return bench

    def _hand(self, bench: _Bench) -> None:
        bench.alive = time.monotonic()
        try:
            bench.pipe.send(bench.job)
        except OSError:
            # It died idle: its sentinel says so, and the job is given to its successor.
            bench.ready = False

    def _hear(self, bench: _Bench) -> Iterator[Answer]:
        """What a worker said since, or that it is no more."""
        try:
            while bench.pipe.poll():
                kind, said = bench.pipe.recv()
                bench.alive = time.monotonic()
                if kind == "ready":
                    bench.ready, self._failed_starts = True, 0
                    if bench.job:
                        self._hand(bench)
                elif kind == "progress":
                    bench.said = said
                elif kind == "answer":
                    bench.job = bench.said = None
                    yield said
                else:
                    raise NotReadyError(said)
        except (EOFError, OSError):
            yield from self._lost(bench, End.DIED)
            return
        if time.monotonic() > self._deadline(bench):
            yield from self._lost(bench, End.HUNG)

    def _lost(self, bench: _Bench, end: End) -> Iterator[Answer]:
        bench.process.kill()
        _bury(bench)
        self._benches.remove(bench)
        if bench.ready:
            if bench.job:
                yield Answer(bench.job.id, end, said=_how(bench, end))
            return
        # It was never given its job: that one is not to blame.
        self._failed_starts += 1
        if self._failed_starts >= STARTS:
            raise NotReadyError(
                f"A worker process cannot start ({_how(bench, end)}); run 'anonymizer doctor', or use fewer --workers."
            )
        if bench.job:
            self._hire().job = bench.job

    def _deadline(self, bench: _Bench) -> float:
        if not bench.ready:
            return bench.alive + START_SECONDS
        return bench.alive + bench.job.settings.limits.work_seconds if bench.job else float("inf")

    def _next_deadline(self) -> float:
        return min((self._deadline(bench) for bench in self._benches), default=float("inf"))


def _bury(bench: _Bench) -> None:
    bench.process.join()
    bench.pipe.close()


def _how(bench: _Bench, end: End) -> str:
    """How a process ended, in words."""
    if end is End.HUNG:
        return "it gave no sign of life within its time"
    code = bench.process.exitcode or 0
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with status {code}"
