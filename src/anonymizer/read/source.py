"""The bytes of a source, read once: everything that follows works on them, never on the path."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import DamagedError, LimitError, UnreadableError
from anonymizer.read.sniff import open_regular


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, its SHA-256 (hex), and where it lay: for the canaries alone."""

    content: bytes
    sha256: str
    path: Path


def read(path: Path, max_bytes: int) -> Source:
    """Read a file whole.

    Raises :class:`UnreadableError` where it cannot be read, is no regular file, or changes meanwhile;
    :class:`LimitError` where it is larger than ``max_bytes``; :class:`DamagedError` where it is empty.
    """
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        if before.st_size > max_bytes:
            raise LimitError("file.too-large", mib=before.st_size >> 20, limit=max_bytes >> 20)
        try:
            # One byte more than announced: a file that grew meanwhile shows it.
            content = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
        except OSError as error:
            raise UnreadableError("file.not-read", cause=error.strerror or error) from error
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not unchanged or len(content) != before.st_size:
        raise UnreadableError("file.changed")
    if not content:
        raise DamagedError("file.empty")
    return Source(content, hashlib.sha256(content).hexdigest(), path)
