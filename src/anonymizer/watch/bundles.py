"""Which sources a file in the inbox stands for: itself, or the members of a bundle, which is done when all are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.core.types import Verdict
from anonymizer.read.bundle.reader import expanded
from anonymizer.read.walk import PassedOver
from anonymizer.road.pipeline import Outcome


@dataclass(slots=True)
class Flight:
    """A file of the inbox on its way: ``left`` are its sources without an outcome. ``again`` is why it is to be tried
    again, ``stays`` whether something of it was not done."""

    path: Path
    left: set[Path]
    again: Message | None = None
    stays: bool = False


class Bundles:
    """The files that are on their way, by their sources, and what was not taken of bundles that are there."""

    def __init__(self) -> None:
        self._flights: dict[Path, Flight] = {}
        self._passed: dict[Path, tuple[PassedOver, ...]] = {}

    def begin(self, path: Path, limits: Limits) -> tuple[Path, ...]:
        """The sources that a complete file stands for; none where it is a bundle in which nothing is taken."""
        found = expanded(path, limits)
        self._passed.pop(path, None)
        if found.passed:
            self._passed[path] = found.passed
        missed = any(one.media for one in found.passed)
        flight = Flight(path, set(found.members), stays=missed)
        self._flights |= dict.fromkeys(found.members, flight)
        return found.members

    def settle(self, outcome: Outcome) -> Flight | None:
        """Take note of what became of a source: its file, once that was the last of it."""
        flight = self._flights.pop(outcome.source)
        flight.left.discard(outcome.source)
        if outcome.passing:
            flight.again = outcome.reasons[0]
        flight.stays = flight.stays or outcome.verdict is Verdict.FAILED
        return None if flight.left else flight

    def clear(self) -> None:
        """What was on its way comes again."""
        self._flights.clear()

    def passed_over(self, there: Callable[[Path], bool]) -> Iterator[PassedOver]:
        """What was not taken of the bundles that are still there."""
        for path in [path for path in self._passed if not there(path)]:
            del self._passed[path]
        for passed in self._passed.values():
            yield from passed
