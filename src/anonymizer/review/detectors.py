"""One worker for a thread of the page, made anew where other detectors are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from anonymizer.core.settings import Settings
from anonymizer.road.worker import Worker


@dataclass
class Detectors:
    """Use it from one thread, and close it there."""

    _worker: Worker | None = field(default=None, init=False)

    def worker(self, settings: Settings) -> Worker:
        """The worker whose detectors these settings ask for; loading them takes a second or two.

        Raises as :class:`anonymizer.road.worker.Worker` does.
        """
        if self._worker:
            if _asked(settings) == _asked(self._worker.settings):
                return self._worker
            self.close()
        self._worker = Worker(settings)
        return self._worker

    def close(self) -> None:
        if self._worker:
            self._worker.close()
            self._worker = None


def _asked(by: Settings) -> tuple[object, ...]:
    return by.detector, by.faces, by.text, by.codes, by.marks, by.known
