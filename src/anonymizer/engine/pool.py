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
from anonymizer.core.message import Message
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
class _WorkerProcess:
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
    _workers: list[_WorkerProcess] = field(default_factory=list)
    _failed_starts: int = 0

    def __post_init__(self) -> None:
        here = machine()
        self.size = workers_for(here, self.size or None)
        self.memory = self.memory or here.memory
        # One worker alone has the machine to itself.
        self._threads = max(1, here.cores // self.size) if self.size > 1 else 0

    def room(self, job: Job) -> bool:
        busy = [worker.job for worker in self._workers if worker.job]
        fits = not busy or sum(one.memory for one in busy) + job.memory <= self.memory
        return len(busy) < self.size and fits

    def start(self, job: Job) -> None:
        idle = next((worker for worker in self._workers if not worker.job), None) or self._spawn()
        idle.job = job
        if idle.ready:
            self._hand(idle)

    def wait(self, timeout: float) -> list[Answer]:
        until = time.monotonic() + timeout
        while True:
            answers = [answer for worker in list(self._workers) for answer in self._poll(worker)]
            left = until - time.monotonic()
            if answers or left <= 0 or not self._workers:
                return answers
            waiting = [item for worker in self._workers for item in (worker.pipe, worker.process.sentinel)]
            connection.wait(waiting, min(left, max(0.0, self._next_deadline() - time.monotonic()) + 0.01))

    def progress(self) -> dict[str, tuple[str, int, int]]:
        return {worker.job.id: worker.said for worker in self._workers if worker.job and worker.said}

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            _reap(worker)
        self._workers.clear()

    def _spawn(self) -> _WorkerProcess:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.settings, self._threads), daemon=True)
        process.start()
        theirs.close()
        worker = _WorkerProcess(process, ours, time.monotonic())
        self._workers.append(worker)
        return worker

    def _hand(self, worker: _WorkerProcess) -> None:
        worker.alive = time.monotonic()
        try:
            worker.pipe.send(worker.job)
        except OSError:
            # It died idle: its sentinel says so, and the job is given to its successor.
            worker.ready = False

    def _poll(self, worker: _WorkerProcess) -> Iterator[Answer]:
        """What a worker said since, or that it is no more."""
        try:
            while worker.pipe.poll():
                kind, said = worker.pipe.recv()
                worker.alive = time.monotonic()
                if kind == "ready":
                    worker.ready, self._failed_starts = True, 0
                    if worker.job:
                        self._hand(worker)
                elif kind == "progress":
                    worker.said = said
                elif kind == "answer":
                    worker.job = worker.said = None
                    yield said
                else:
                    raise NotReadyError(said)
        except (EOFError, OSError):
            yield from self._lost(worker, End.DIED)
            return
        if time.monotonic() > self._deadline(worker):
            yield from self._lost(worker, End.HUNG)

    def _lost(self, worker: _WorkerProcess, end: End) -> Iterator[Answer]:
        worker.process.kill()
        _reap(worker)
        self._workers.remove(worker)
        if worker.ready:
            if worker.job:
                yield Answer(worker.job.id, end, said=_how(worker, end))
            return
        # It was never given its job: that one is not to blame.
        self._failed_starts += 1
        if self._failed_starts >= STARTS:
            raise NotReadyError("worker.no-start", how=_how(worker, end))
        if worker.job:
            self._spawn().job = worker.job

    def _deadline(self, worker: _WorkerProcess) -> float:
        if not worker.ready:
            return worker.alive + START_SECONDS
        return worker.alive + worker.job.settings.limits.work_seconds if worker.job else float("inf")

    def _next_deadline(self) -> float:
        return min((self._deadline(worker) for worker in self._workers), default=float("inf"))


def _reap(worker: _WorkerProcess) -> None:
    worker.process.join()
    worker.pipe.close()


def _how(worker: _WorkerProcess, end: End) -> Message:
    """How a process ended, in words."""
    if end is End.HUNG:
        return Message("worker.silent")
    code = worker.process.exitcode or 0
    return Message("worker.killed", signal=-code) if code < 0 else Message("worker.ended", status=code)
