"""The bytes of a source, read once: everything that follows works on them, never on the path."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import DamagedError, LimitError, UnreadableError
from anonymizer.core.settings import Limits
from anonymizer.read.bundle.paths import member
from anonymizer.read.bundle.reader import fetch, refusal
from anonymizer.read.sniff import Format, open_regular, sniff_file


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content, its SHA-256 (hex), and where it lay: for the canaries alone."""

    content: bytes
    sha256: str
    path: Path


def take(path: Path, limits: Limits) -> tuple[Format, Source | None]:
    """What a source is, a file or a member of a bundle, and a photo's content.

    Raises :class:`MediumError`: as :func:`read` and :func:`anonymizer.read.bundle.reader.fetch` do, and of a bundle,
    which is no source itself, why it has none or that each of them is one.
    """
    if member(path):
        found = fetch(path, limits)
        if found.content is None or found.form.is_clip:
            return found.form, None
        return found.form, Source(found.content, found.sha256, path)
    form = sniff_file(path)
    if form.bundle:
        raise refusal(path, limits)
    return form, None if form.is_clip else read(path, limits.max_bytes)


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
