"""When is a file complete? When it has been still for a while, bears no temporary name, nobody has it open for
writing, and its content reaches its own end. There is no last try: what is not complete waits, and says why.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from anonymizer.core.errors import UnreadableError, UnsupportedError
from anonymizer.read.completeness import is_whole
from anonymizer.read.sniff import HEAD, open_regular, sniff, suffix_of_medium

if sys.platform != "win32":
    import fcntl


class WaitReason(StrEnum):
    """Why a file is not taken yet, by the code of its message."""

    SETTLING = "wait.settling"
    NAME = "wait.name"
    EMPTY = "wait.empty"
    CLOUD = "wait.cloud"
    OPEN = "wait.open"
    UNFINISHED = "wait.unfinished"
    UNREADABLE = "wait.unreadable"
    FOREIGN = "wait.foreign"
    AGAIN = "wait.again"
    SPACE = "wait.space"
    UNMOVED = "wait.unmoved"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes whenever a file is written: bytes, and its times in ns since 1970 (compared, never ordered).

    ``changed`` is the inode's time, which a program cannot set back; on Windows it is the creation time.
    """

    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    @classmethod
    def at(cls, path: Path) -> Stamp | None:
        """The one of what lies at a path; None where nothing does."""
        try:
            return cls.of(path.lstat())
        except OSError:
            return None


def in_the_cloud(found: os.stat_result) -> bool:
    """A placeholder whose content would be fetched by reading it: OneDrive (Windows), iCloud Drive (macOS).

    FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN, _RECALL_ON_DATA_ACCESS of winnt.h; SF_DATALESS of sys/stat.h.
    """
    attributes = getattr(found, "st_file_attributes", 0)
    return bool(attributes & (0x1000 | 0x40000 | 0x400000) or getattr(found, "st_flags", 0) & 0x40000000)


def examine(path: Path, stamp: Stamp) -> WaitReason | None:
    """Why a file that has been still is not complete all the same; None where it may be taken.

    ``stamp`` is what it looked like while it was still. Raises FileNotFoundError where it is gone.
    """
    if stamp.size == 0:
        return WaitReason.EMPTY
    try:
        with open_regular(path) as file:
            # Asked of the open file: a network file system may have answered from its memory before.
            found = os.fstat(file.fileno())
            if in_the_cloud(found):
                return WaitReason.CLOUD
            if Stamp.of(found) != stamp:
                return WaitReason.SETTLING
            return _content(file, path, stamp)
    except UnreadableError as error:
        return _unreadable(error)
    except OSError:
        return WaitReason.UNREADABLE


def _content(file: BinaryIO, path: Path, stamp: Stamp) -> WaitReason | None:
    if held_open(file):
        return WaitReason.OPEN
    head = file.read(HEAD)
    if not head.strip(b"\0"):
        return WaitReason.UNFINISHED
    try:
        form = sniff(head)
    except UnsupportedError:
        # One that is called a picture goes down the road, which says what is wrong with it.
        return None if suffix_of_medium(path) else WaitReason.FOREIGN
    return None if is_whole(file, form, stamp.size) else WaitReason.UNFINISHED


def _unreadable(error: UnreadableError) -> WaitReason:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        raise cause
    # ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION: on Windows a writer keeps others out.
    return WaitReason.OPEN if getattr(cause, "winerror", 0) in (32, 33) else WaitReason.UNREADABLE


def held_open(file: BinaryIO) -> bool:
    """Whether another program has locked a file or, where Linux tells us, has it open for writing.

    Advisory locks of both kinds are tried, shared and without waiting. A read lease (fcntl(2), F_SETLEASE) is
    granted only while nobody writes; the system announces its breaking by SIGIO, which ends a program
    that does not ignore it, so it is asked for only where that is so (:func:`ignore_lease_signal`).
    """
    if sys.platform == "win32":
        return False  # opening it has failed already
    handle = file.fileno()
    try:
        for lock in (fcntl.flock, fcntl.lockf):
            lock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            lock(handle, fcntl.LOCK_UN)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False  # a file system without locks
    if sys.platform != "linux" or signal.getsignal(signal.SIGIO) is not signal.SIG_IGN:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # somebody else's file, or a file system without leases
    return False


def ignore_lease_signal() -> None:
    """Let :func:`held_open` ask for leases in this process. Call it from the main thread."""
    if sys.platform == "linux":
        signal.signal(signal.SIGIO, signal.SIG_IGN)
