"""The worker process: one :class:`Worker`, models loaded once, jobs in and answers out over a pipe.

It never outlives the process that started it, and one job never outlives its time: a thread waits for the
parent's death, and a clock that needs no Python ends a process that is stuck in somebody's C code.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

from anonymizer.core.errors import AnonymizerError, MediumError, NotReadyError, OutputError, UnreadableError
from anonymizer.core.machine import THREADS_VARIABLE
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.road.worker import Worked, Worker

GRACE = 30.0
"""Seconds after a job's time at which its process ends by itself, if nobody has ended it."""
ALONE = 1 << 62
"""As a job's memory: it is done while no other is."""
SPOKEN = 0.3
"""Seconds between two words on a job's progress."""


class End(StrEnum):
    """How the work on one source ended."""

    DONE = "done"
    REFUSED = "refused"
    """The source cannot be processed."""
    PASSING = "passing"
    """The source cannot be read now."""
    OUTPUT = "output"
    """The output folder cannot be written: every other source would fail too."""
    NOT_READY = "not ready"
    """The machine lacks something: every other source would fail too."""
    DEFECT = "defect"
    """Internal error."""
    DIED = "died"
    """The worker process ended in the middle."""
    HUNG = "hung"
    """The worker gave no sign of life within its time."""


@dataclass(frozen=True, slots=True)
class Job:
    """One source and where its clean file is to be written; ``settings`` are the source's own.

    ``memory`` is what the work may take, in bytes. ``source`` is a path, or an address on a cluster.
    """

    id: str
    source: Path | str
    staged: Path
    settings: Settings
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a job ended. ``said`` is what went wrong, ``trace`` a defect's traceback."""

    id: str
    end: End
    worked: Worked | None = None
    said: Message | None = None
    trace: str = ""


def answer(job: Job, work: Callable[[], Worked]) -> Answer:
    """Do the work of one job; whatever comes of it is an answer."""
    try:
        return Answer(job.id, End.DONE, work())
    except UnreadableError as error:
        return Answer(job.id, End.PASSING, said=error.message)
    except MediumError as error:
        return Answer(job.id, End.REFUSED, said=error.message)
    except OutputError as error:
        return Answer(job.id, End.OUTPUT, said=error.message)
    except NotReadyError as error:
        return Answer(job.id, End.NOT_READY, said=error.message)
    except MemoryError:
        said = Message("work.no-memory")
        return Answer(job.id, End.REFUSED, said=said)
    except Exception as error:  # noqa: BLE001  one file's defect must not end the others; it is reported as one
        said = Message("work.defect", kind=type(error).__name__)
        return Answer(job.id, End.DEFECT, said=said, trace=traceback.format_exc())


def serve(pipe: connection.Connection, settings: Settings, threads: int) -> None:
    """The process's whole life: ready, then one job after the other until the pipe closes."""
    # Ctrl-C in a terminal reaches every process: the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := parent_process()) is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    keep_to(threads)
    with contextlib.suppress(BrokenPipeError, EOFError, ConnectionError):
        try:
            worker = Worker(settings)
        except AnonymizerError as error:
            pipe.send(("broken", error.message))
            return
        with worker:
            pipe.send(("ready", ""))
            while (job := pipe.recv()) is not None:
                pipe.send(("answer", _do(worker, job, pipe)))


def _do(worker: Worker, job: Job, pipe: connection.Connection) -> Answer:
    limit = job.settings.limits.work_seconds + GRACE
    last = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SPOKEN:
            last = time.monotonic()
            faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
            pipe.send(("progress", (stage, done, total)))

    with Path(os.devnull).open("wb") as nowhere:
        faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
        try:
            assert isinstance(job.source, Path)
            source = job.source
            return answer(job, lambda: worker.process(source, job.staged, progress, job.settings))
        finally:
            faulthandler.cancel_dump_traceback_later()


def keep_to(threads: int) -> None:
    """Hold the libraries to so many threads, so that workers do not fight for the cores; 0 leaves them be."""
    if not threads:
        return
    for name in (THREADS_VARIABLE, "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(threads)


def _die_with(sentinel: Any) -> None:
    connection.wait([sentinel])
    os._exit(1)
