"""A watcher in a thread of the test, with times of tenths of a second and a pool that needs no processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anonymizer.cli.status import watch_status
from anonymizer.core.settings import Settings
from anonymizer.engine.scheduler import Engine
from anonymizer.engine.worker_process import Answer, Job
from anonymizer.watch import locks, watcher
from anonymizer.watch.completeness import Stamp
from anonymizer.watch.options import Options
from anonymizer.watch.watcher import Watcher
from conftest import QUICK
from folders import OLD, HerePool, tiny

PATIENCE = 60.0
"""Seconds until a condition counts as never met: generous, for the machine may be busy."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For the tests that import it: a watcher that waits tenths of a second, and locks of its own."""
    monkeypatch.setattr(locks, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(watcher, "FIRST", 0.2)
    monkeypatch.setattr(watcher, "LONGEST", 0.4)
    monkeypatch.setattr(watcher, "TELL_AFTER", 0.0)
    monkeypatch.setattr(watcher, "TELL_EVERY", 0.0)


def eventually(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until a condition holds; its value."""
    until = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < until, what or "it never happened"
        time.sleep(0.02)
    return found


class Watching:
    """A watcher at work for the length of a ``with``. ``said`` is what it told."""

    def __init__(
        self,
        folder: Path,
        spoil: Callable[[Job], Answer | None] | None = None,
        settings: Settings = QUICK,
        **options: Any,
    ) -> None:
        inbox = options.pop("inbox", folder / "in")
        self.out: Path = options.pop("out", folder / "out")
        inbox.mkdir(exist_ok=True)
        self.inbox = inbox
        self.said: list[str] = []
        self.pools: list[HerePool] = []
        self.failure: BaseException | None = None
        values = {"quiet": 0.2, "every": 0.2, "rescan": 30.0} | options

        def engine() -> Engine:
            self.pools.append(HerePool(settings, spoil))
            return Engine(self.out, settings, pool=self.pools[-1])

        self.watcher = Watcher(
            Options(inbox, self.out, **values), engine, lambda message: self.said.append(str(message))
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.watcher.run()
        except BaseException as error:
            self.failure = error
            raise

    def __enter__(self) -> Watching:
        self.thread.start()
        self.until(lambda: "watching" in " ".join(self.said), "it never began")
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        assert self.failure is None

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        return eventually(
            lambda: self.failure or condition(), what or f"it never happened; said: {self.said}"
        )

    def worked(self) -> list[str]:
        """The names of the sources that were worked on, in order."""
        return [Path(job.source).name for pool in self.pools for job in pool.seen]

    def told(self, word: str) -> Any:
        """Wait until a sentence with this word was told; it."""
        return self.until(
            lambda: next((said for said in self.said if word in said), None), f"never told: {word}"
        )

    def done(self, count: int) -> dict[str, Any]:
        """Wait until so many media stand in ready, review and failed together; what status says then."""

        def enough() -> Any:
            found = self.status()
            return sum(found["media"].get(s, 0) for s in ("ready", "review", "failed")) >= count and found

        return self.until(enough, f"never {count} done: {self.said}")

    def status(self) -> dict[str, Any]:
        return watch_status(self.out)


def drop(path: Path, seed: int = 1, at: int = OLD) -> Path:
    """Put a finished tiny photo in place at once, as a move does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(tiny(seed))
    os.utime(beside, (at, at))
    return beside.rename(path)


def stamp(path: Path) -> Stamp:
    return Stamp.of(path.lstat())
