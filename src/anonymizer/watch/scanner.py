"""Keeps an inbox's list true: events as they come, and a scan of the whole folder every now and then."""

from __future__ import annotations

import math
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.gate.file_records import FileRecords
from anonymizer.watch.events import Hints
from anonymizer.watch.inbox import Inbox, InboxGoneError, InboxUnmountedError
from anonymizer.watch.mounts import mount_point, remote, unmounted
from anonymizer.watch.options import Options

SHARE_OF_TIME = 200
"""Scanning the folder may take one of so many parts of a processor's time."""


class Scanner:
    """Scans the inbox of ``options``. ``wake`` is set by events; ``tell`` gets a message now and then."""

    def __init__(
        self,
        options: Options,
        inbox: Inbox,
        wake: threading.Event,
        tell: Callable[[Message], None],
        clock: Callable[[], float],
    ) -> None:
        self._options = options
        self._inbox = inbox
        self._wake = wake
        self._tell = tell
        self._clock = clock
        self._hints: Hints | None = None
        self._root: tuple[int, int] | None = None
        self._next_listen = self.next = -math.inf
        """``next`` is when the next scan of the whole folder is due."""

    @property
    def events(self) -> bool:
        """Whether the system tells of changes."""
        return self._hints is not None and self._hints.alive

    def learn(self, now: float, records: FileRecords) -> None:
        """What is new: from a scan of the whole folder if that is due, else from the events.

        ``records`` remembers where the inbox's disk is mounted. Raises :class:`InboxGoneError`; what comes back may be
        mounted anew, and is listened to anew.
        """
        paths, many = self._hints.drain() if self._hints else (set[Path](), False)
        if now < self.next and not many and not self.gone():
            for path in paths:
                self._inbox.hint(path, now)
            return
        try:
            self._find_mounted(records)
            self._listen(now)
            began, worked = self._clock(), time.thread_time()
            self._inbox.scan(now)
        except InboxGoneError:
            self._root = None
            raise
        usual = self._options.rescan if self.events else self._options.every
        spent = max(SHARE_OF_TIME * (time.thread_time() - worked), 5 * (self._clock() - began))
        self.next = now + max(usual, spent)

    def gone(self) -> bool:
        """Whether the inbox is not there, or another folder than it was at the last scan, which no event tells of."""
        try:
            found = self._options.inbox.stat()
        except OSError:
            return True
        return not stat.S_ISDIR(found.st_mode) or (found.st_dev, found.st_ino) != self._root

    def _find_mounted(self, records: FileRecords) -> None:
        """Raises :class:`InboxUnmountedError` where the inbox is but the place at which a share was mounted."""
        inbox = self._options.inbox
        before = records.mount_of(inbox)
        if unmounted(inbox, before) and self._inbox.empty():
            raise InboxUnmountedError
        if inbox.is_dir() and (here := mount_point(inbox)) != before:
            records.remember_mount(inbox, here)

    def _listen(self, now: float) -> None:
        """Listen for events, anew where the inbox is another folder than before, or the listening ended."""
        try:
            found = self._options.inbox.stat()
        except OSError as error:
            raise InboxGoneError(str(error.strerror or error)) from error
        root = (found.st_dev, found.st_ino)
        same = root == self._root
        if same and (now < self._next_listen or self.events):
            return
        self.close()
        self._root, self._next_listen = root, now + self._options.rescan
        kind = remote(self._options.inbox)
        if not self._options.poll and not kind:
            self._hints = Hints(self._options.inbox, self._wake)
        elif not same:
            why = Message("watch.network", kind=kind) if kind else Message("watch.as-requested")
            self._tell(Message("watch.rescanning", seconds=self._options.every, why=why))

    def close(self) -> None:
        if self._hints:
            self._hints.close()
            self._hints = None
