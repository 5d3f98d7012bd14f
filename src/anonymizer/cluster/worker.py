"""What runs on the workers of a Dask cluster: one job each, for the driver in :mod:`anonymizer.cluster.pool`."""

from __future__ import annotations

import faulthandler
import os
import secrets
import socket
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer.core.errors import ModelError, NotReadyError, UnreadableError
from anonymizer.core.machine import own_threads
from anonymizer.core.settings import Settings
from anonymizer.core.version import __version__
from anonymizer.engine.worker_process import GRACE, Answer, Job, answer, keep_to
from anonymizer.gate.files import file_sha256
from anonymizer.read.source import Source
from anonymizer.road.fingerprint import fingerprint, same, with_settings
from anonymizer.road.worker import Worked, Worker


@dataclass(frozen=True, slots=True)
class Sent:
    """A job for a worker. ``source`` is its content where the worker cannot see the driver's folders.

    ``mark`` is a file with ``token`` in it, in the driver's folder: who can read it shares that folder. ``fingerprint``
    is what the ledger will say that the output was made with. Dask writes what a failed task was given into its
    logs: nothing of a source may be in the text of this.
    """

    job: Job = field(repr=False)
    mark: str = field(repr=False)
    token: str = field(repr=False)
    fingerprint: str
    source: Source | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself: the program's version and fingerprint, and whether it sees the driver's folder."""

    version: str
    fingerprint: str
    shares: bool


@dataclass(frozen=True, slots=True)
class Returned:
    """A worker's answer; ``content`` is the clean file where it could not be put into its place, ``sha256`` (hex)
    that of the file that was examined."""

    answer: Answer
    content: bytes = b""
    sha256: str = ""


_TURN = threading.Lock()
"""A worker may have several threads; networks and the decoder serve one at a time."""
_WORKERS: dict[str, tuple[Worker, str]] = {}
"""A worker with its models loaded, and its fingerprint."""


def examine(mark: str, token: str, settings: Settings) -> WorkerFacts:
    """This program as it is there, and whether the driver's folder can be seen."""
    try:
        made = fingerprint(settings)
    except ModelError:
        made = ""
    return WorkerFacts(__version__, made, _shares(mark, token))


def _shares(mark: str, token: str) -> bool:
    try:
        return Path(mark).read_text(encoding="ascii") == token
    except (OSError, ValueError):
        return False


def work(sent: Sent) -> Returned:
    """Do one job on a worker of the cluster. A job that gives no sign of life in time ends its process."""
    job = sent.job
    limit = job.settings.limits.work_seconds + GRACE
    last = 0.0

    with _TURN, Path(os.devnull).open("wb") as nowhere, tempfile.TemporaryDirectory() as own:

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > 1:
                last = time.monotonic()
                faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)

        def done() -> Worked:
            worker, made = _worker(job.settings)
            # It may have joined the cluster after the others were asked.
            if not same(with_settings(made, job.settings), sent.fingerprint):
                raise NotReadyError("cluster.other-models", worker=socket.gethostname())
            if sent.source is not None:
                return worker.process_read(sent.source, Path(own) / job.id, job.settings)
            if not _shares(sent.mark, sent.token):
                raise UnreadableError("cluster.folder-unseen")
            # A name of its own: a worker that was given up may have left a part of its file, or be at it still.
            staged = job.staged.with_name(f"{job.staged.name}-{secrets.token_hex(4)}")
            return worker.process(Path(job.source), staged, progress, job.settings)

        faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
        try:
            found = answer(job, done)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if found.worked is None:
            return Returned(found)
        path = found.worked.processed.path
        content = path.read_bytes() if sent.source is not None else b""
        return Returned(found, content, file_sha256(path))


def _worker(settings: Settings) -> tuple[Worker, str]:
    """The models, loaded once for each way of looking, and what they make; a job's own places do not count."""
    key = settings.model_dump_json(
        include={"detector", "faces", "text", "codes", "marks", "limits"}
    ) + "\n".join(settings.known)
    if key not in _WORKERS:
        for other, _ in _WORKERS.values():
            other.close()
        _WORKERS.clear()
        if not own_threads():
            keep_to(_threads())
        _WORKERS[key] = Worker(settings), fingerprint(settings)
    return _WORKERS[key]


def _threads() -> int:
    """The threads that this Dask worker was started with; 0 outside of one."""
    from distributed import get_worker

    try:
        return int(get_worker().state.nthreads)
    except ValueError:
        return 0
