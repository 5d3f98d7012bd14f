"""Worker processes that meet what no real file does on purpose: imported by the processes that the pool starts."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import connection
from pathlib import Path
from typing import Any

from anonymizer.core.settings import Settings

LOADED = "TEST_LOADED"
"""Variable of the environment: a file that gets a line for each time that models are loaded."""


def serve(pipe: connection.Connection, settings: Settings, threads: int) -> None:
    """As the real one, but a source called ``fatal`` kills its process and one called ``stuck`` never ends."""
    from anonymizer.engine import worker_process
    from anonymizer.road import worker as work

    load, process = work.Worker.__init__, work.Worker.process

    def loaded(self: work.Worker, settings: Settings) -> None:
        with Path(os.environ[LOADED]).open("a") as file:
            file.write(f"{os.getpid()}\n")
        load(self, settings)

    def met(self: work.Worker, path: Path, *more: Any) -> work.Worked:
        if path.stem == "fatal":
            os.kill(os.getpid(), signal.SIGKILL)
        if path.stem == "stuck":
            time.sleep(3600)
        return process(self, path, *more)

    setattr(work.Worker, "__init__", loaded)  # noqa: B010
    setattr(work.Worker, "process", met)  # noqa: B010
    worker_process.serve(pipe, settings, threads)


def fall(pipe: connection.Connection, settings: Settings, threads: int) -> None:
    """Ends before it is ready, as for want of memory."""
    os._exit(3)
