"""An output folder as it stands: where everything lies, and what the ledger says of it; nothing is changed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Self

from anonymizer.core import durable
from anonymizer.core.errors import OutputError, UsageError
from anonymizer.core.message import Message
from anonymizer.core.signing import PublicKeys, present_key
from anonymizer.gate.files import NEUTRAL_TIME, companion_of, digest, file_sha256
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.records import LedgerEntry, State

LEDGER = "ledger.sqlite"
OVERVIEW = "index.html"


class OutputFolder:
    """An output folder with its ledger open for reading.

    Use as a context manager, from one thread. Raises :class:`UsageError` where there is none, and
    :class:`OutputError` where its ledger cannot be opened.
    """

    usual_mode = durable.PRIVATE
    """What a new file gets by the user's mask, once this is open for a run."""

    def __init__(self, root: Path) -> None:
        check_output_folder(root)
        self._name(root)
        self.ledger = Ledger(self.private / LEDGER)

    def _name(self, root: Path) -> None:
        self.root = root.absolute()
        self.ready = self.root / "ready"
        self.review = self.root / "review"
        self.reports = self.root / "reports"
        self.private = self.root / ".anonymizer"
        self.rejected = self.private / "rejected"
        self.altered = self.private / "altered"
        self.sheets = self.private / "sheets"
        self.thumbnails = self.private / "thumbnails"
        self.drawings = self.private / "drawings"
        self.inbox = self.private / "inbox"

    def contact_sheet(self, id: str) -> bytes:
        """A clip's contact sheet, JPEG; empty where it has none. Raises OSError."""
        path = self.sheets / f"{id}.jpg"
        return path.read_bytes() if path.is_file() else b""

    def thumbnail(self, id: str) -> bytes:
        """The small picture of an output, JPEG; empty where it has none."""
        try:
            return (self.thumbnails / f"{id}.jpg").read_bytes()
        except OSError:
            return b""

    @cached_property
    def public_keys(self) -> PublicKeys:
        """This user's own public key, to check reports with; none where no key was ever made."""
        key = present_key()
        return key.public if key else {}

    def mode(self, path: Path) -> int:
        """Who may read a file at this place: everybody whom the user's mask lets, in ``ready/`` and ``reports/``."""
        return self.usual_mode if path.parent in (self.ready, self.reports) else durable.PRIVATE

    def close(self) -> None:
        """Let the ledger go."""
        self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def folder(self, state: State) -> Path:
        """Where a medium in this state stands. Raises KeyError for a state without a file."""
        folders = {
            State.READY: self.ready,
            State.RELEASED: self.ready,
            State.REVIEW: self.review,
            State.REJECTED: self.rejected,
        }
        return folders[state]

    def flaw(self, entry: LedgerEntry) -> Message | None:
        """What is wrong with a finished medium's file or report, as a part of a sentence; None if nothing.

        Size and time tell whether somebody wrote to them since (nothing else has the neutral time);
        where they do, or where they say nothing, the hashes decide.
        """
        medium = self.folder(entry.state) / entry.name
        pages = [self.reports / f"{entry.id}.{suffix}" for suffix in ("json", "html")]
        try:
            status = medium.stat()
            touched = status.st_size != entry.bytes or status.st_mtime != NEUTRAL_TIME
            if touched and file_sha256(medium) != entry.output:
                return Message("folder.file-altered")
            beside = companion_of(medium)
            touched = bool(entry.companion) and beside.stat().st_mtime != NEUTRAL_TIME
            if touched and file_sha256(beside) != entry.companion:
                return Message("folder.companion-altered")
        except OSError:
            return Message("folder.file-missing")
        try:
            touched = any(page.stat().st_mtime != NEUTRAL_TIME for page in pages) or not entry.report
            if touched and self.report_digest(entry.id) != entry.report:
                return Message("folder.report-altered")
        except OSError:
            return Message("folder.report-missing")
        return None

    def report_digest(self, id: str) -> str:
        """The hash (hex) of a medium's report as it is on the disk. Raises OSError."""
        return digest(*((self.reports / f"{id}.{suffix}").read_bytes() for suffix in ("json", "html")))


def check_output_folder(root: Path) -> None:
    """Raises :class:`UsageError` where a folder is not there, or no run ever wrote into it."""
    if not root.exists():
        raise UsageError("path.missing", path=root)
    if not is_output_folder(root):
        raise UsageError("path.no-output-folder-name", path=root)


def is_output_folder(root: Path) -> bool:
    """Whether a folder is one that a run wrote into."""
    return (root / ".anonymizer" / LEDGER).is_file()


def output_error(root: Path, error: OSError) -> OutputError:
    """What the system says against an output folder, as a sentence."""
    return OutputError("folder.not-written", path=root, cause=error.strerror or error)
