"""What the system says has changed in a folder: hints alone, for it may forget, repeat or reorder them.

Network file systems tell nobody of changes made elsewhere: :func:`anonymizer.watch.mounts.remote` says whether a
folder lies on one.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from watchfiles import watch

GROUPED = 500
"""Milliseconds for which changes are gathered before they are told."""
STEP = 250
"""Milliseconds between two polls of the library for what came in: fewer polls, less work when nothing happens."""
MOST = 20_000
"""Paths that are kept until somebody asks; of more than that, only that there were many."""


class Hints:
    """Listens in a thread of its own. ``wake`` is set whenever there is something to :meth:`drain`."""

    def __init__(self, root: Path, wake: threading.Event) -> None:
        self.root = root
        # macOS tells of the place that a link leads to.
        self._real = root.resolve()
        self._wake = wake
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._paths: set[Path] = set()
        self._many = False
        self._thread = threading.Thread(target=self._listen, name="events", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def drain(self) -> tuple[set[Path], bool]:
        """The paths since the last call, and whether there were too many to keep."""
        with self._lock:
            paths, many = self._paths, self._many
            self._paths, self._many = set(), False
        return paths, many

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _named(self, path: Path) -> Path:
        """A path as the one who asks calls it."""
        return self.root / path.relative_to(self._real) if path.is_relative_to(self._real) else path

    def _listen(self) -> None:
        # The system's limit of watched folders is reached, or the folder is gone: scanning goes on.
        with contextlib.suppress(OSError, RuntimeError):
            for changes in watch(
                self._real,
                watch_filter=None,
                debounce=GROUPED,
                step=STEP,
                stop_event=self._stop,
                raise_interrupt=False,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                with self._lock:
                    self._paths |= {self._named(Path(path)) for _, path in changes}
                    if len(self._paths) > MOST:
                        self._paths, self._many = set(), True
                self._wake.set()
        self._wake.set()
