"""A batch's workers on other machines: a Dask cluster stands in for the processes of this one.

A worker is given one source and gives back one clean, examined file; the ledger and the output folder are the
driver's alone. Where every worker sees the driver's folders (a shared file system) it reads and writes there, and
only a few words travel; where they do not, a photo's bytes go out and come back in memory, over connections that
are as private as the cluster's own (TLS is the cluster's to set up: docs/scale.md).
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anonymizer.bench import GRACE, Answer, End, Job, answer
from anonymizer.errors import NotReadyError, OutputError, UnreadableError, UnsupportedError
from anonymizer.gate import file_sha256
from anonymizer.media.sniff import sniff_file
from anonymizer.media.source import Source, read
from anonymizer.media.write import neutralise
from anonymizer.settings import Settings
from anonymizer.work import Worked, Worker

CONNECT_SECONDS = 30
AHEAD = 2
"""Jobs that are with the cluster for each worker: one in work, one behind it."""
MARK = "cluster"


@dataclass(frozen=True, slots=True)
class Sent:
    """A job for a worker. ``source`` is its content where the worker cannot see the driver's folders.

    ``mark`` is a file with ``token`` in it, in the driver's folder: who can read it shares that folder.
    """

    job: Job
    mark: str
    token: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """A worker's answer; ``content`` is the clean file where it could not be put into its place, ``sha256`` (hex)
    that of what was examined."""

    answer: Answer
    content: bytes = b""
    sha256: str = ""


class ClusterPool:
    """A Dask cluster as a :class:`anonymizer.pool.Pool`. ``folder`` is where clean files are staged.

    Raises :class:`NotReadyError` where the cluster cannot be reached, has no workers, or is another program's.
    """

    def __init__(self, settings: Settings, address: str, folder: Path) -> None:
        self.settings = settings
        self._mark = folder / f"{MARK}-{secrets.token_hex(8)}"
        self._token = secrets.token_hex(16)
        self._jobs: dict[str, tuple[Job, Any]] = {}
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise NotReadyError(
                "This needs the package 'distributed'; install it with: pip install 'anonymizer[cluster]'."
            ) from error
        self._dask = distributed
        try:
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise NotReadyError(
                f"No Dask scheduler answers at {address}; check the address, and that it runs."
            ) from error
        try:
            self._mark.write_text(self._token, encoding="ascii")
            self._mark.chmod(0o600)
            self._look_at_workers(address)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise OutputError(f"The output folder cannot be written ({error.strerror}).") from error
            raise

    def _look_at_workers(self, address: str) -> None:
        """How many there are, whether all can do the work, and whether all see this folder."""
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            found = self._client.run(examine, str(self._mark), self._token, on_error="return")
        except (TimeoutError, OSError) as error:
            raise NotReadyError(f"The Dask cluster at {address} has no workers; start some.") from error
        from anonymizer import __version__

        for worker, said in found.items():
            if not isinstance(said, tuple) or said[0] != __version__:
                what = f"version {said[0]}" if isinstance(said, tuple) else "no anonymizer"
                raise NotReadyError(
                    f"The worker {worker} has {what}, this machine {__version__}; install the same everywhere."
                )
        self._shared = all(said[1] for said in found.values())
        self.size = len(found)

    def room(self, job: Job) -> bool:
        return len(self._jobs) < AHEAD * self.size

    def start(self, job: Job) -> None:
        sent = Sent(job, str(self._mark), self._token)
        if not self._shared:
            try:
                sent = replace(sent, source=self._carried(job))
            except Exception as error:  # noqa: BLE001  whatever it is becomes this job's answer
                refused = error
                self._jobs[job.id] = job, _Said(answer(job, lambda: _raise(refused)))
                return
        # The key is what the cluster's own pages and logs show: it says nothing.
        key = f"anonymizer-{job.id}-{secrets.token_hex(4)}"
        self._jobs[job.id] = job, self._client.submit(work, sent, key=key, pure=False)

    def _carried(self, job: Job) -> Source:
        path = Path(job.source)
        if sniff_file(path).is_clip:
            raise UnsupportedError(
                "A clip can go to the cluster's workers on a shared file system alone; put the clips and the output "
                "folder on one, or run the batch for clips on this machine."
            )
        return read(path, job.settings.limits.max_bytes)

    def wait(self, timeout: float) -> list[Answer]:
        until = time.monotonic() + timeout
        while True:
            ended = [id for id, (_, future) in self._jobs.items() if future.done()]
            if ended or not self._jobs or time.monotonic() >= until:
                return [self._answer(*self._jobs.pop(id)) for id in ended]
            if self._client.status not in ("running", "connecting"):
                raise NotReadyError(
                    "The Dask cluster no longer answers; start it again and run the same command to go on."
                )
            time.sleep(min(0.02, max(0.0, until - time.monotonic())))

    def _answer(self, job: Job, future: Any) -> Answer:
        if isinstance(future, _Said):
            return future.answer
        if future.status == "finished":
            returned: Returned = future.result()
            done = returned.answer
            if returned.content and done.worked:
                return _put(returned, done.worked, job)
            return done
        if future.status == "error":
            error = future.exception()
            if isinstance(error, self._dask.scheduler.KilledWorker):
                return Answer(job.id, End.DIED, said="its workers on the cluster died")
            return Answer(job.id, End.DEFECT, said=DEFECT.format(type(error).__name__), trace=repr(error))
        return Answer(job.id, End.DIED, said="the cluster gave it up")

    def progress(self) -> dict[str, tuple[str, int, int]]:
        return {}

    def close(self) -> None:
        futures = [future for _, future in self._jobs.values() if not isinstance(future, _Said)]
        if futures:
            self._client.cancel(futures, force=True)
        self._jobs.clear()
        self._client.close()
        self._mark.unlink(missing_ok=True)


DEFECT = "A worker of the cluster met a defect ({}); nothing was published. Report it."


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that needed no worker."""

    answer: Answer

    def done(self) -> bool:
        return True


def _put(returned: Returned, worked: Worked, job: Job) -> Answer:
    """A clean file that came back in memory, into its place on the driver's disk."""
    path = job.staged.with_name(f"{job.staged.name}{worked.processed.path.suffix}")
    try:
        path.write_bytes(returned.content)
        neutralise(path)
        arrived = file_sha256(path)
    except OSError as error:
        raise OutputError(
            f"The output folder cannot be written ({error.strerror}); free some space and run it again."
        ) from error
    if arrived != returned.sha256:
        return Answer(job.id, End.DIED, said="its result was damaged on its way")
    return replace(returned.answer, worked=replace(worked, processed=replace(worked.processed, path=path)))


def _raise(error: Exception) -> Worked:
    raise error


# What follows runs on the workers.

_TURN = threading.Lock()
"""A worker may have several threads; networks and the decoder serve one at a time."""
_WORKERS: dict[str, Worker] = {}


def examine(mark: str, token: str) -> tuple[str, bool]:
    """This program's version there, and whether the driver's folder can be seen."""
    from anonymizer import __version__

    return __version__, _shares(mark, token)


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
            worker = _worker(job.settings)
            if sent.source is not None:
                return worker.process_read(sent.source, Path(own) / job.id, job.settings)
            if not _shares(sent.mark, sent.token):
                raise UnreadableError(
                    "A worker of the cluster does not see the shared folder; check that it is mounted there."
                )
            # A name of its own: a worker that was given up may have left a part of its file, or be at it still.
            staged = job.staged.with_name(f"{job.staged.name}-{secrets.token_hex(4)}")
            return worker.process(Path(job.source), staged, progress, job.settings)

        faulthandler.dump_traceback_later(limit, exit=True, file=nowhere)
        try:
            found = answer(job, done)
        finally:
            faulthandler.cancel_dump_traceback_later()
        if sent.source is not None and found.worked:
            path = found.worked.processed.path
            return Returned(found, path.read_bytes(), file_sha256(path))
    return Returned(found)


def _worker(settings: Settings) -> Worker:
    """The models, loaded once for each way of looking; a job's own places do not count."""
    key = settings.model_dump_json(include={"detector", "faces", "text", "codes", "marks", "limits"})
    if key not in _WORKERS:
        for other in _WORKERS.values():
            other.close()
        _WORKERS.clear()
        _WORKERS[key] = Worker(settings)
    return _WORKERS[key]
