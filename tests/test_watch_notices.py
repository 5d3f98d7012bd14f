"""Notices on the desktop: counts once the watcher has come to rest, never a name, and never in its way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anonymizer.core.message import Message
from anonymizer.i18n import speaker
from anonymizer.watch.notices import LONGEST, QUIET, Notices


class Clock:
    """Alarms that go off when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pending: list[tuple[float, Callable[[], None]]] = []

    def alarm(self, seconds: float, what: Callable[[], None]) -> Clock._One:
        return self._One(self, (self.now + seconds, what))

    class _One:
        def __init__(self, clock: Clock, due: tuple[float, Callable[[], None]]) -> None:
            self.clock, self.due = clock, due

        def start(self) -> None:
            self.clock.pending.append(self.due)

        def cancel(self) -> None:
            if self.due in self.clock.pending:
                self.clock.pending.remove(self.due)

    def go(self, seconds: float) -> None:
        self.now += seconds
        due = [one for one in self.pending if one[0] <= self.now]
        self.pending = [one for one in self.pending if one[0] > self.now]
        for _, what in due:
            what()


def told(verdict: str, noted: bool = False) -> Message:
    outcome = Message(f"watch.outcome.{verdict}", id="abc")
    return Message("watch.outcome.noted", outcome=outcome, note=Message("known.done")) if noted else outcome


@pytest.mark.parametrize(
    ("language", "done", "one"),
    [
        ("en", "4 are ready, 1 needs you.", "1 could not be processed."),
        ("fr", "4 sont prêts, 1 vous attend.", "1 n'a pas pu être traité."),
    ],
)
def test_one_notice_with_counts_once_all_is_done(language: str, done: str, one: str) -> None:
    sent: list[str] = []
    clock = Clock()
    notices = Notices(sent.append, speaker(language), clock.alarm)
    notices.hear(Message("watch.began", version="1"))
    for verdict in ("ready", "ready", "review", "ready", "ready"):
        notices.hear(told(verdict, noted=verdict == "review"))
        clock.go(QUIET - 1)
    assert sent == []
    clock.go(1)
    assert sent == [done]
    notices.hear(told("failed"))
    clock.go(QUIET)
    assert sent[1:] == [one]
    notices.hear(told("ready"))
    notices.close()
    clock.go(LONGEST)
    assert len(sent) == 2


def test_a_notice_comes_although_more_are_coming_and_a_pause_at_once() -> None:
    sent: list[str] = []
    clock = Clock()
    notices = Notices(sent.append, speaker("en"), clock.alarm)
    for _ in range(int(1.5 * LONGEST)):
        notices.hear(told("ready"))
        clock.go(1)
    assert 1 <= len(sent) < 1.5 * LONGEST / QUIET
    notices.hear(Message("fault.full"))
    clock.go(0)
    assert sent[-1].startswith("The watcher pauses")
