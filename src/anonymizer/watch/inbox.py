"""What lies in the inbox and is not done yet: inspected until it is complete, then handed out, oldest first.

Time is a number of seconds on a clock that only goes forward, and comes from outside. Nothing is concluded from a
file's absence, except that there is nothing to do for it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.read.walk import (
    PRIVATE,
    RESULTS,
    Passed,
    PassedOver,
    is_temporary,
    not_taken,
    skips_file,
    skips_folder,
)
from anonymizer.watch.completeness import (
    Stamp,
    WaitReason,
    examine,
    in_the_cloud,
)
from anonymizer.watch.faults import OutputFault

LONGEST = 600.0
"""Seconds between two inspections of a file that keeps waiting, at most; any change to it is seen at once."""
EXAMINED_AT_ONCE = 50
"""Files that are inspected in one go."""
NEVER = float("inf")


class InboxGoneError(Exception):
    """The inbox cannot be listed: its disk or share is away."""

    fault = OutputFault.INBOX


class InboxUnmountedError(InboxGoneError):
    """The inbox is the empty folder that a share leaves where it is not mounted."""

    fault = OutputFault.UNMOUNTED


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete file that is to be taken, as it looked while it was still."""

    path: Path
    stamp: Stamp


_SETTLING = Message(WaitReason.SETTLING)


@dataclass(slots=True)
class _Pending:
    stamp: Stamp
    since: float
    """When this stamp was seen first."""
    due: float
    """When to inspect it again."""
    why: Message | None = _SETTLING
    """None once it is complete and handed out."""
    delay: float = 0.0
    """Seconds of the last wait, which the next one doubles; 0 before the first."""
    known: bool = False


class Inbox:
    """The files of a folder tree that are not done.

    ``quiet`` is how many seconds a file must be unchanged. ``known(path, stamp)`` tells whether an earlier
    watcher dealt with this very file: then it is handed out at once. Folders in ``skip`` are not entered.
    """

    def __init__(
        self,
        root: Path,
        *,
        quiet: float,
        known: Callable[[Path, Stamp], bool] = lambda path, stamp: False,
        skip: Sequence[Path] = (),
    ) -> None:
        self.root = root
        self.quiet = quiet
        self._known = known
        self._skip = frozenset(skip)
        self._pending: dict[Path, _Pending] = {}
        self._done: dict[Path, Stamp] = {}
        self._foreign: dict[Path, PassedOver] = {}
        self._skipped: dict[Path, PassedOver] = {}
        self._queue: list[tuple[float, int, Path]] = []
        self._number = itertools.count()

    def scan(self, now: float) -> None:
        """Compare the whole folder with what is done: the truth, whatever the events said.

        Raises :class:`InboxGoneError`.
        """
        unlisted: list[Path] = []
        seen = set()
        self._skipped.clear()
        for path in self._walk(self.root, unlisted):
            seen.add(path)
            self.notice(path, now)
        for listed in (self._pending, self._done, self._foreign):
            for path in listed.keys() - seen:
                # What lies in a folder that could not be listed may well be there.
                if not any(path.is_relative_to(folder) for folder in unlisted):
                    del listed[path]

    def empty(self) -> bool:
        """Whether the folder holds no file that would be looked at. Raises :class:`InboxGoneError`."""
        return next(self._walk(self.root, []), None) is None

    def hint(self, path: Path, now: float) -> None:
        """Inspect one path of which an event told: a file, or a folder that was moved in whole."""
        try:
            inner = path.relative_to(self.root)
        except ValueError:
            return
        if any(skips_folder(name) for name in inner.parts[:-1]) or self._is_foreign(path):
            return
        try:
            is_folder = stat.S_ISDIR(path.lstat().st_mode)
        except OSError:
            return
        if not is_folder:
            if not skips_file(path.name):
                self.notice(path, now)
        elif not skips_folder(path.name):
            try:
                for file in self._walk(path, []):
                    self.notice(file, now)
            except InboxGoneError:
                return  # it is gone again

    def _is_foreign(self, path: Path) -> bool:
        """Whether a path lies in a folder that is skipped, or in the output of some run."""
        above = [
            folder for folder in path.parents if folder.is_relative_to(self.root) and folder != self.root
        ]
        return any(folder in self._skip or (folder / PRIVATE).is_dir() for folder in [path, *above])

    def notice(self, path: Path, now: float) -> None:
        """Take one file into the list, unless it is done."""
        try:
            found = path.lstat()
        except OSError:
            return
        stamp = Stamp.of(found)
        pending = self._pending.get(path)
        if not stat.S_ISREG(found.st_mode) or self._done.get(path) == stamp:
            self._pending.pop(path, None)
        elif pending is None or pending.stamp != stamp:
            self._foreign.pop(path, None)
            self._pending[path] = pending = _Pending(stamp, now, now)
            if is_temporary(path.name):
                pending.why, pending.due = Message(WaitReason.NAME), NEVER  # a new name makes it another file
            else:
                pending.known = self._known(path, stamp)
                self._schedule(path, now if pending.known else now + self.quiet)

    def next(self, now: float) -> Arrival | None:
        """The next complete file; it stays in the list until :meth:`finish`, :meth:`postpone` or :meth:`drop`.

        None where there is none, or where none was found among :data:`EXAMINED_AT_ONCE` files.
        """
        for _ in range(EXAMINED_AT_ONCE):
            if self.due() > now:
                return None
            _, _, path = heapq.heappop(self._queue)
            pending = self._pending[path]
            try:
                why = None if pending.known else self._examine(path, pending, now)
            except FileNotFoundError:
                del self._pending[path]
                continue
            pending.known = False
            if not why:
                pending.why, pending.due = None, NEVER
                return Arrival(path, pending.stamp)
            if why is WaitReason.FOREIGN:
                if found := not_taken(path):
                    self._foreign[path] = found
                self.finish(path, pending.stamp)
            elif why is not WaitReason.SETTLING:
                self.postpone(path, Message(why), now)
        return None

    def _examine(self, path: Path, pending: _Pending, now: float) -> WaitReason | None:
        try:
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError
            if (stamp := Stamp.of(found)) != pending.stamp:
                self._pending[path] = _Pending(stamp, now, now)
                self._schedule(path, now + self.quiet)
                return WaitReason.SETTLING
            why = WaitReason.CLOUD if in_the_cloud(found) else examine(path, stamp)
        except FileNotFoundError:
            raise
        except OSError:
            return WaitReason.UNREADABLE
        if why is WaitReason.SETTLING:
            pending.since = now
            self._schedule(path, now + self.quiet)
        return why

    def _schedule(self, path: Path, when: float) -> None:
        self._pending[path].due = when
        heapq.heappush(self._queue, (when, next(self._number), path))

    def postpone(self, path: Path, why: Message, now: float) -> None:
        """Inspect a file again later: each time after twice as long, and at once if it changes."""
        pending = self._pending.get(path)
        if pending is not None:
            pending.why = why
            pending.delay = min(max(2 * pending.delay, self.quiet, 1.0), LONGEST)
            self._schedule(path, now + pending.delay)

    def finish(self, path: Path, stamp: Stamp) -> None:
        """A file is done with, as it looked then; whatever else bears its name is new."""
        pending = self._pending.get(path)
        if pending is not None and pending.stamp == stamp:
            del self._pending[path]
        self._done[path] = stamp

    def holds(self, path: Path) -> bool:
        """Whether a file is there, as far as is known."""
        return path in self._pending or path in self._done

    def drop(self, path: Path) -> None:
        """Forget a file: it is gone, or another one now."""
        self._pending.pop(path, None)
        self._done.pop(path, None)

    def due(self) -> float:
        """When the next inspection of a file is due; infinity if never."""
        while self._queue:
            due, _, path = self._queue[0]
            pending = self._pending.get(path)
            if pending is not None and pending.due == due:
                return due
            heapq.heappop(self._queue)  # superseded by another entry
        return NEVER

    def passed_over(self) -> tuple[PassedOver, ...]:
        """What lies in the folder and is not taken, or skipped by rule, as the last scan found it."""
        return (*self._foreign.values(), *self._skipped.values())

    def counts(self) -> Counter[str]:
        """How many files there are for each reason to wait, by its code; under the empty text those handed out."""
        return Counter(pending.why.code if pending.why else "" for pending in self._pending.values())

    def waiting(self, now: float, longer_than: float, without: Message | None = None) -> dict[Path, Message]:
        """The files that have been waiting unchanged for more than so many seconds, and why.

        With ``without``, what nobody has inspected yet, or was handed out, waits too: for want of that.
        """
        found = {}
        for path, pending in self._pending.items():
            why = pending.why if pending.why and pending.why.code != WaitReason.SETTLING else without
            if why and (why is without or now - pending.since > longer_than):
                found[path] = why
        return found

    def _walk(self, top: Path, unlisted: list[Path]) -> Iterator[Path]:
        """Every file below a folder that may be a medium; links are not followed, other outputs not entered.

        Raises :class:`InboxGoneError` where ``top`` itself cannot be listed; other folders that cannot are
        added to ``unlisted``.
        """
        folders = [top]
        while folders:
            folder = folders.pop()
            inside: list[Path] = []
            files: list[Path] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        path = folder / entry.name
                        if not entry.is_dir(follow_symlinks=False):
                            if rule := skips_file(entry.name):
                                self._skip_by(rule, path)
                            elif entry.is_file(follow_symlinks=False):
                                files.append(path)
                        elif entry.name == PRIVATE and folder != self.root:
                            inside, files = [], []
                            self._skip_by(RESULTS, folder)
                            break
                        elif rule := skips_folder(entry.name):
                            self._skip_by(rule, path)
                        else:
                            inside.append(path)
            except OSError as error:
                if folder == top:
                    raise InboxGoneError(str(error.strerror or error)) from error
                unlisted.append(folder)
                continue
            yield from files
            folders += [path for path in inside if path not in self._skip]

    def _skip_by(self, rule: Message, path: Path) -> None:
        self._skipped[path] = PassedOver(path, Passed.SKIPPED, rule)
