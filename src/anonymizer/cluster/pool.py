"""A batch's workers on other machines: a Dask cluster stands in for the processes of this one.

A worker is given one source and gives back one clean, examined file; the ledger and the output folder are the
driver's alone. Where every worker sees the driver's folders (a shared file system) it reads and writes there, and
only a few words travel; where they do not, a photo's bytes go out and come back in memory, over connections that
are as private as the cluster's own (TLS is the cluster's to set up: docs/scale.md).
"""

from __future__ import annotations

import importlib
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anonymizer.cluster.worker import Returned, Sent, WorkerFacts, examine, work
from anonymizer.core.errors import NotReadyError, OutputError, UnreadableError, UsageError
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.version import __version__
from anonymizer.engine.worker_process import ALONE, Answer, End, Job, answer
from anonymizer.gate.files import file_sha256
from anonymizer.read.source import Source, take
from anonymizer.road.fingerprint import fingerprint, same, with_settings
from anonymizer.road.worker import Worked
from anonymizer.write.photo import neutralise

CONNECT_SECONDS = 30
COUNT_SECONDS = 10
"""Between two counts of the workers."""
AHEAD = 2
"""Jobs that are with the cluster for each worker: one being processed, one behind it."""
MARK = "cluster"


class ClusterPool:
    """A Dask cluster as a :class:`anonymizer.engine.pool.Pool`. ``folder`` is where clean files are staged.

    Raises :class:`UsageError` for what is no address, and :class:`NotReadyError` where the cluster cannot be
    reached, has no workers, or workers that would do another work.
    """

    def __init__(self, settings: Settings, address: str, folder: Path) -> None:
        if not re.fullmatch(r"[a-z]+://.+", address):
            raise UsageError("cluster.no-address", address=address)
        self.settings = settings
        self._fingerprint = fingerprint(settings)
        self._mark = folder / f"{MARK}-{secrets.token_hex(8)}"
        self._token = secrets.token_hex(16)
        self._jobs: dict[str, tuple[Job, Any]] = {}
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise NotReadyError("cluster.no-distributed") from error
        self._dask = distributed
        self._config: Any = importlib.import_module("dask.config")
        try:
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise NotReadyError("cluster.no-scheduler", address=address) from error
        try:
            self._mark.write_text(self._token, encoding="ascii")
            self._mark.chmod(0o600)
            self._look_at_workers(address)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise OutputError("cluster.folder-unwritable", cause=error.strerror or error) from error
            raise

    def _look_at_workers(self, address: str) -> None:
        """How many there are, whether all can do the same work, and whether all see this folder."""
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            given = (str(self._mark), self._token, self.settings)
            found = self._client.run(examine, *given, on_error="return")
        except (TimeoutError, OSError) as error:
            raise NotReadyError("cluster.no-workers", address=address) from error
        for worker, said in found.items():
            if wrong := unfit(worker, said, self._fingerprint):
                raise NotReadyError(wrong)
        self._shared = all(said.shares for said in found.values())
        self.size = len(found)
        self._counted = time.monotonic()

    def _count(self) -> None:
        """Workers come and go: on a busy cluster the first may be there long before the others."""
        if time.monotonic() >= self._counted + COUNT_SECONDS:
            with self._connected():
                self.size = max(1, len(self._client.nthreads()))
            self._counted = time.monotonic()

    def room(self, job: Job) -> bool:
        self._count()
        # A worker's death is laid at the door of every file that is with it: a suspect is tried by itself.
        if job.memory >= ALONE or any(other.memory >= ALONE for other, _ in self._jobs.values()):
            return not self._jobs
        return len(self._jobs) < AHEAD * self.size

    def start(self, job: Job) -> None:
        sent = Sent(job, str(self._mark), self._token, with_settings(self._fingerprint, job.settings))
        if not self._shared:
            try:
                sent = replace(sent, source=self._carried(job))
            except Exception as error:  # noqa: BLE001  whatever it is becomes this job's answer
                refused = error
                self._jobs[job.id] = job, _Answered(answer(job, lambda: _raise(refused)))
                return
        # The key is what the cluster's own pages and logs show: it says nothing.
        key = f"anonymizer-{job.id}-{secrets.token_hex(4)}"
        # A photo's bytes travel with its job on purpose: Dask need not warn of it.
        with self._config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}), self._connected():
            self._jobs[job.id] = job, self._client.submit(work, sent, key=key, pure=False)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """What happens while the cluster goes says nothing of the files: they wait for the next run."""
        try:
            yield
            gone = self._client.status not in ("running", "connecting")
        except (CancelledError, OSError):
            # Nobody takes a job back but a scheduler that goes, and the client may learn that later than its futures.
            gone = True
        except Exception:
            if self._client.status == "running":
                raise
            gone = True
        if gone:
            raise NotReadyError(GONE)

    def _carried(self, job: Job) -> Source:
        path = Path(job.source)
        _, source = take(path, job.settings.limits)
        if source is None:
            # Of the passing kind: where the folders are shared, or without the cluster, it can be done.
            raise UnreadableError("cluster.clip-needs-shared")
        return source

    def wait(self, timeout: float) -> list[Answer]:
        until = time.monotonic() + timeout
        while True:
            with self._connected():
                ended = [id for id, (_, future) in self._jobs.items() if future.done()]
                answers = [self._answer(*self._jobs[id]) for id in ended]
            for id in ended:
                del self._jobs[id]
            if answers or not self._jobs or time.monotonic() >= until:
                return answers
            time.sleep(min(0.02, max(0.0, until - time.monotonic())))

    def _answer(self, job: Job, future: Any) -> Answer:
        if isinstance(future, _Answered):
            return future.answer
        if future.status == "finished":
            returned: Returned = future.result()
            done = returned.answer
            return _arrived(returned, done.worked, job) if done.worked else done
        if future.status == "error":
            error = future.exception()
            if isinstance(error, self._dask.scheduler.KilledWorker):
                return Answer(job.id, End.DIED, said=Message("cluster.workers-died"))
            if isinstance(error, ImportError):
                raise NotReadyError("cluster.worker-lacks", cause=error)
            return Answer(
                job.id,
                End.DEFECT,
                said=Message("cluster.defect", kind=type(error).__name__),
                trace=repr(error),
            )
        # Taken back, which nobody did but a scheduler that went, maybe to come back without its memory.
        raise NotReadyError(GONE)

    def progress(self) -> dict[str, tuple[str, int, int]]:
        return {}

    def close(self) -> None:
        futures = [future for _, future in self._jobs.values() if not isinstance(future, _Answered)]
        self._jobs.clear()
        try:
            if futures and self._client.status == "running":
                # A cluster that goes meanwhile takes them with it.
                with suppress(CancelledError, OSError):
                    self._client.cancel(futures, force=True)
            self._client.close()
        finally:
            self._mark.unlink(missing_ok=True)


GONE = Message("cluster.gone")


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer that needed no worker."""

    answer: Answer

    def done(self) -> bool:
        return True


def unfit(worker: str, said: Any, wanted: str) -> Message | None:
    """What is wrong with a worker that said this of itself, for a driver with this fingerprint; None if nothing."""
    if not isinstance(said, WorkerFacts):
        return Message("cluster.no-version", worker=worker, kind=type(said).__name__, version=__version__)
    if said.version != __version__:
        return Message("cluster.other-version", worker=worker, there=said.version, here=__version__)
    return None if same(said.fingerprint, wanted) else Message("cluster.other-models", worker=worker)


def _arrived(returned: Returned, worked: Worked, job: Job) -> Answer:
    """The clean file on the driver's disk, put there where it came back in memory: the very one that was examined."""
    path = worked.processed.path
    try:
        if returned.content:
            path = job.staged.with_name(f"{job.staged.name}{path.suffix}")
            path.write_bytes(returned.content)
            neutralise(path)
        arrived = file_sha256(path)
    except FileNotFoundError:
        return Answer(job.id, End.DIED, said=Message("cluster.no-result"))
    except OSError as error:
        raise OutputError("cluster.output-unwritable", cause=error.strerror or error) from error
    if arrived != returned.sha256:
        return Answer(job.id, End.DIED, said=Message("cluster.result-damaged"))
    return replace(returned.answer, worked=replace(worked, processed=replace(worked.processed, path=path)))


def _raise(error: Exception) -> Worked:
    raise error
