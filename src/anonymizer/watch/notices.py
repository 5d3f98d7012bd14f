"""Notices on the desktop: how many are ready and how many need somebody, once the watcher has come to rest.

They say counts and nothing else: a desktop shows its notices to whoever passes by, and keeps them. What shows them is
desktop-notifier (the extra ``notices``); without it, or without a desktop, there are none, and nothing else changes.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from anonymizer.core.message import Message
from anonymizer.i18n import Say

QUIET = 15.0
"""Seconds without another outcome after which the notice comes."""
LONGEST = 300.0
"""Seconds after the first outcome when it comes although more are coming."""
OUTCOME = "watch.outcome."
KINDS = ("ready", "review", "failed")


class Alarm(Protocol):
    """What :class:`threading.Timer` is to this module."""

    def start(self) -> None: ...

    def cancel(self) -> None: ...


class Notices:
    """Listens to what a watcher tells and sends a notice of it. :meth:`hear` is called from one thread."""

    def __init__(
        self,
        send: Callable[[str], None],
        say: Say,
        alarm: Callable[[float, Callable[[], None]], Alarm] = threading.Timer,
    ) -> None:
        self._send = send
        self._say = say
        self._new_alarm = alarm
        self._alarm: Alarm | None = None
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._postponed = 0.0

    def hear(self, message: Message) -> None:
        """Take note of what the watcher said: an outcome is counted, a fault is told at once."""
        if message.code.startswith("fault."):
            # Beside the watcher, which does not wait for a desktop.
            self._started(0.0, lambda: self._send(self._say("notice.paused")))
            return
        outcome = message.values.get("outcome") if message.code == f"{OUTCOME}noted" else message
        kind = outcome.code.removeprefix(OUTCOME) if isinstance(outcome, Message) else ""
        if kind not in KINDS:
            return
        with self._lock:
            self._counts[kind] += 1
            if self._alarm and self._postponed + QUIET > LONGEST:
                return
            self._postponed += QUIET if self._alarm else 0.0
            self._begin()

    def _begin(self) -> None:
        if self._alarm:
            self._alarm.cancel()
        self._alarm = self._started(QUIET, self._tell)

    def _started(self, seconds: float, what: Callable[[], None]) -> Alarm:
        alarm = self._new_alarm(seconds, what)
        if isinstance(alarm, threading.Thread):
            alarm.daemon = True
        alarm.start()
        return alarm

    def _tell(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._alarm, self._postponed = None, 0.0
        ready, review, failed = (counts[kind] for kind in KINDS)
        said = [
            Message("notice.ready", count=ready),
            Message("notice.review", count=review),
            Message("notice.failed", count=failed),
        ]
        parts = [one for one in said if one.values["count"]]
        if parts:
            self._send(self._say("notice.done", parts=parts))

    def close(self) -> None:
        """Send nothing more."""
        with self._lock:
            if self._alarm:
                self._alarm.cancel()


def desktop(title: str) -> Callable[[str], None] | None:
    """What shows a notice on this desktop; None where desktop-notifier is not installed.

    A notice that cannot be shown (no desktop, no bus) is no fault of the watcher's: the log has its kind.
    """
    try:
        from desktop_notifier.sync import DesktopNotifierSync
    except ImportError:
        return None
    # It logs a traceback where there is no desktop, of which nobody was promised one.
    logging.getLogger("desktop_notifier").setLevel(logging.CRITICAL)
    notifier = None
    one_at_a_time = threading.Lock()

    def show(text: str) -> None:
        nonlocal notifier
        try:
            with one_at_a_time:
                notifier = notifier or DesktopNotifierSync(app_name=title, app_icon=None)
                notifier.send(title=title, message=text)
        except Exception as error:  # noqa: BLE001  each desktop has errors of its own
            logging.getLogger(__name__).warning("No notice could be shown: %s", type(error).__name__)

    return show
