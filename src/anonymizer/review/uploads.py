"""Files that were dropped on the page: kept in the private folder until somebody deletes them.

A browser hands over bytes, not a place on the disk, so a dropped file has to be stored to have an original at
all. It lies in ``OUT/.anonymizer/inbox/`` (mode 0700), is never handed out, and can be deleted from the page.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from anonymizer.core.durable import new_file, sync, sync_folder
from anonymizer.core.errors import AnonymizerError, OutputError
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.gate.files import new_id, safe_name
from anonymizer.gate.forgetting import stored_in
from anonymizer.gate.output import OutputFolder
from anonymizer.read.bundle.reader import expanded
from anonymizer.read.sniff import HEAD, ZIP, sniff
from anonymizer.read.walk import (
    TEMPORARY,
    Passed,
    PassedOver,
    foreign,
    is_temporary,
    skips_file,
    skips_folder,
)

RECEIVING = ".receiving"
"""Name of an upload until all of it is there."""
SPARE = 256 << 20
"""Bytes that stay free on the disk whatever is uploaded."""


class NotTakenError(AnonymizerError):
    """A file that is not processed: ``passed`` says what it is, and why. Its path is a name for the list, no file."""

    def __init__(self, passed: PassedOver) -> None:
        super().__init__(passed.reason)
        self.passed = passed


def skipped(name: str, within: str, inbox: Path) -> PassedOver | None:
    """The rule by which a dropped file is not taken; None if none. ``within`` are the folders that it was dropped with.

    A folder that is skipped is one thing with all that is in it, as it is wherever folders are walked.
    """
    *_, last = re.split(r"[/\\]", name)
    # A browser's "." and ".." are nobody's names.
    folders = [part for part in re.split(r"[/\\]", within) if part.strip(".")]
    rules = [(part, skips_folder(part)) for part in folders]
    if last.strip("."):
        rules.append((last, skips_file(last) or (TEMPORARY if is_temporary(last) else None)))
    named = next(((part, rule) for part, rule in rules if rule), None)
    return PassedOver(inbox / _mark(b"") / _printable(named[0]), Passed.SKIPPED, named[1]) if named else None


async def receive(name: str, chunks: AsyncIterator[bytes], inbox: Path, limits: Limits) -> Path:
    """Store an upload, chunk by chunk; its path, durable. ``name`` is a label: no part of it is a folder.

    Raises :class:`NotTakenError` as soon as the first bytes are no photo and no clip, there are more bytes than the
    limits allow, or the disk has no room for them. What was stored is then removed.
    """
    folder = inbox / new_id()
    path, part = folder / _label(name), folder / RECEIVING
    head = b""
    try:
        inbox.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        with new_file(part) as file:
            size, most = 0, 0
            async for chunk in chunks:
                if len(head) < HEAD:
                    head += chunk[: HEAD - len(head)]
                size += len(chunk)
                if not most and len(head) >= HEAD:
                    most = _most(head, path.name, inbox, limits)
                if size > (most or limits.max_bytes):
                    large = Message("review.upload-too-large", mib=(most or limits.max_bytes) >> 20)
                    raise NotTakenError(_refused(head, path.name, inbox, large))
                if shutil.disk_usage(inbox).free < SPARE + len(chunk):
                    raise NotTakenError(_refused(head, path.name, inbox, Message("review.disk-nearly-full")))
                file.write(chunk)
            _most(head, path.name, inbox, limits)
            await run_in_threadpool(sync, file)
        part.replace(path)
        sync_folder(folder)
        sync_folder(inbox)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            said = Message("review.not-stored", cause=error.strerror or error)
            raise NotTakenError(_refused(head, path.name, inbox, said)) from error
        raise
    return path


def listed_as(path: Path, inbox: Path) -> Path:
    """The path by which a stored upload would be on the list, had it been refused before."""
    with path.open("rb") as file:
        return inbox / _mark(file.read(HEAD)) / path.name


def _refused(head: bytes, name: str, inbox: Path, why: Message) -> PassedOver:
    return PassedOver(inbox / _mark(head) / name, Passed.NOT_TAKEN, why, media=True)


def left_over(gate: OutputFolder, inbox: Path, limits: Limits) -> list[Path]:
    """Uploads that were acknowledged and that nothing became of, because the page was killed, of bundles their members;
    half ones are removed."""
    for part in inbox.glob(f"*/{RECEIVING}"):
        shutil.rmtree(part.parent, ignore_errors=True)
    stored = [path for path in sorted(inbox.glob("*/*")) if path.is_file() and not gate.ledger.by_path(path)]
    sources = [source for path in stored for source in expanded(path, limits, named=True).members]
    return [source for source in sources if not gate.ledger.by_path(source)]


def discard(source: Path, inbox: Path) -> bool:
    """Delete an uploaded original with its folder; False where the source is none, or is gone already. With a member
    goes all of its bundle."""
    folder = stored_in(source, inbox)
    if folder is None or not folder.is_dir():
        return False
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputError("review.not-deleted", cause=error.strerror or error) from error
    return True


def _most(head: bytes, name: str, inbox: Path, limits: Limits) -> int:
    """How many bytes such a file may have. Raises :class:`NotTakenError`."""
    if passed := foreign(inbox / _mark(head) / name, head):
        raise NotTakenError(passed)
    form = sniff(head)
    return limits.max_clip_bytes if form.is_clip or form is ZIP else limits.max_bytes


def _mark(head: bytes) -> str:
    """A folder's name for what is not stored: one file dropped twice is one, two of the same name are two."""
    return hashlib.sha256(head).hexdigest()[:12]


def _printable(name: str) -> str:
    """A name as it is, for the list alone."""
    return "".join(c for c in name if c.isprintable())[:100] or "unnamed"


def _label(name: str) -> str:
    """A file name for the disk out of whatever the browser said."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    if not dot or not re.fullmatch(r"[A-Za-z0-9]{1,5}", suffix):
        return safe_name(last)
    return f"{safe_name(stem)}.{suffix}"
