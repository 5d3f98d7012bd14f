"""What the ledger holds, as plain values: media, decisions, sightings, and the files that were not taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypedDict

from anonymizer.core.message import Message

APPROVED, REJECTED, REOPENED, RELEASED = "approved", "rejected", "reopened", "released"
FORGOTTEN = "forgotten"
"""The actions that a decision can be: what a person said of a medium, that it was handed out, and that what tells of
its original was removed."""


class State(StrEnum):
    """Where a medium stands. ``QUEUED`` and ``WORKING`` are the only states that a crash can leave behind."""

    QUEUED = "queued"
    WORKING = "working"
    READY = "ready"
    REVIEW = "review"
    FAILED = "failed"
    RELEASED = "released"
    REJECTED = "rejected"
    """A person decided against it; the file lies in the private folder until somebody takes that back."""
    FORGOTTEN = "forgotten"
    """Rejected, and its file was removed after a time; it stays rejected."""
    REPLACED = "replaced"
    """A later run on the same source, with a person's corrections, took its place."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One medium. ``source`` is the path as given; times are UTC, ISO 8601."""

    id: str
    source: Path
    sha256: str
    settings: str
    state: State
    name: str
    output: str
    reason: tuple[Message, ...]
    attempts: int
    owner: str
    started: str
    ended: str
    replaces: str = ""
    asked: str = ""
    bytes: int = 0
    regions: int = 0
    report: str = ""
    passing: int = 0
    priority: float = 0.0
    mirrored: str = ""
    pending: str = ""
    """The decision that is being carried out, JSON; empty once it is recorded or given up."""
    crop: str = ""
    """The crop among the settings that it was made with, JSON; empty without one. It stands in no report."""
    companion: str = ""
    """SHA-256 (hex) of the DICOM beside it; empty without one."""


class Beginning(TypedDict, total=False):
    """What may be known of a medium beside its source and settings when its row is made; see :meth:`Ledger.start`."""

    asked: str
    sha256: str
    state: State


@dataclass(frozen=True, slots=True)
class Sighting:
    """A source seen at a path: its SHA-256 (hex), size in bytes, time in ns, and the id it is done by."""

    sha256: str
    size: int
    modified: int
    medium: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one medium.

    ``changes`` is JSON; ``output`` and ``source`` are the SHA-256 (hex) of the file that was decided on and of its
    original, by which a rejection outlives the row that it was made on.
    """

    medium: str
    action: str
    who: str
    note: str
    changes: str
    output: str
    at: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A decision as it stands in the chain. ``signer`` and ``signature`` are empty where there was no key."""

    number: int
    decision: Decision
    chain: str
    signer: str
    signature: str


def now() -> str:
    """This moment: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
