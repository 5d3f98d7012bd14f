"""Sources and outputs at an address (S3 and whatever else fsspec knows): brought here, and mirrored there.

The output folder proper, with its ledger, is always a local one. A source is brought into its private part for as
long as it is worked on; what is finished is copied to the address, reports first, each file read back and compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anonymizer.core.durable import PRIVATE
from anonymizer.core.errors import NotReadyError, OutputError, UsageError
from anonymizer.core.message import Message
from anonymizer.gate.files import companion_of, file_sha256
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OVERVIEW
from anonymizer.gate.permissions import restrict
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.read.sniff import suffix_of_medium
from anonymizer.read.walk import is_temporary, skips_file, skips_folder
from anonymizer.road.pipeline import Outcome

INCOMING = "incoming"
"""Private folder for sources that were brought here; each is removed when it has been dealt with."""
PUBLIC = ("reports", "ready", "review")
"""Folders that are mirrored."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"})
"""Stores in which an object appears when it is complete; elsewhere it gets its name last."""


def is_address(text: str) -> bool:
    """Whether a text is an address such as ``s3://bucket/folder``, not a path."""
    return bool(_ADDRESS.match(text))


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder at an address."""

    address: str
    fs: Any
    root: str

    def inside(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


@dataclass(frozen=True, slots=True)
class Distant:
    """A source at an address: its key there, where it is brought to, bytes, and a number that changes with it."""

    key: str
    local: Path
    size: int
    stamp: int


def place(address: str) -> RemoteFolder:
    """Raises :class:`NotReadyError` where this kind of address cannot be opened here."""
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise NotReadyError("address.no-package", address=address, cause=error) from error
    except (ValueError, OSError) as error:
        raise UsageError("address.unusable", address=address, cause=error) from error
    return RemoteFolder(address, fs, root)


def sources(origin: RemoteFolder, out: RemoteFolder | None, private: Path) -> list[Distant]:
    """The photos and clips below an address, by name, in a stable order.

    Raises :class:`UsageError` where there is none, or it cannot be listed.
    """
    try:
        found = origin.fs.find(origin.root, detail=True)
    except Exception as error:  # each store has errors of its own
        raise UsageError("address.not-listed", address=origin.address, cause=_said(error)) from error
    own = f"{out.root.rstrip('/')}/" if out else None
    listed = []
    for key, about in sorted(found.items()):
        parts = PurePosixPath(key).parts
        # What stands above the folder that was asked for is nobody's concern.
        *folders, name = parts[len(PurePosixPath(origin.root).parts) :] or parts[-1:]
        hidden = any(map(skips_folder, folders)) or skips_file(name) or is_temporary(name)
        if hidden or (own and f"{key}".startswith(own)) or not suffix_of_medium(Path(parts[-1])):
            continue
        below = [part for part in parts if part not in ("/", "..", "")]
        local = private.joinpath(INCOMING, origin.address.split(":")[0], *below)
        listed.append(Distant(key, local, int(about.get("size") or 0), _stamp(about)))
    if not listed:
        raise UsageError("address.nothing-there", address=origin.address)
    return listed


def bring(origin: RemoteFolder, source: Distant, failed: dict[Path, Message]) -> Path:
    """Copy a source here, private. What fails leaves no file, and why in ``failed``, without a word of the source."""
    try:
        source.local.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        origin.fs.get_file(source.key, str(source.local))
        restrict(source.local, PRIVATE)
        # As old as its content: the ledger knows it again by this.
        os.utime(source.local, ns=(source.stamp, source.stamp))
    except Exception as error:  # noqa: BLE001  each store has errors of its own
        with contextlib.suppress(OSError, ValueError):
            source.local.unlink(missing_ok=True)
        # A store's own words may hold the key, and with it a name.
        known = (
            os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        )
        failed[source.local] = Message("address.not-brought", cause=known)
    return source.local


def clear(private: Path) -> None:
    """Remove what a killed run had brought here."""
    shutil.rmtree(private / INCOMING, ignore_errors=True)


class Mirror:
    """The public part of an output folder, copied to an address."""

    def __init__(self, gate: Gate, target: RemoteFolder) -> None:
        self.gate = gate
        self.target = target

    def add(self, outcome: Outcome) -> None:
        """Copy what one outcome left, its report first. Raises :class:`OutputError`."""
        entry = self.gate.ledger.get(outcome.id)
        if entry:
            self._align(entry, None)

    def settle(self, *, listing: bool = True) -> None:
        """Make there what is here: outputs that were taken back go, what is missing or another is copied.

        The ledger says what of each medium was copied last; with ``listing``, what lies there is listed too, so that
        what somebody removed there comes again. Only names that the ledger gave are ever removed. Raises
        :class:`OutputError`.
        """
        there = self._there() if listing else None
        index = self.gate.reports / OVERVIEW
        if not index.is_file():
            # Something of what it shows was taken back: it goes there as it went here, and first.
            with contextlib.suppress(FileNotFoundError):
                self._try(lambda: self.target.fs.rm_file(self.target.inside(f"reports/{OVERVIEW}")))
        for entry in self.gate.ledger.each():
            self._align(entry, there)
        if index.is_file():
            self._copy(index)

    def _align(self, entry: LedgerEntry, there: dict[str, int] | None) -> None:
        """Make of one medium there what is here. What other runs are at work on comes later."""
        if not entry.name or entry.state in (State.QUEUED, State.WORKING):
            return
        names = [*([companion_of(Path(entry.name)).name] if entry.companion else []), entry.name]
        ready, review = ([f"{folder}/{name}" for name in names] for folder in ("ready", "review"))
        media = [*ready, *review]
        papers = [f"reports/{entry.id}.json", f"reports/{entry.id}.html", f"review/{entry.id}.reasons.txt"]
        wanted: list[str] = []
        if entry.state in (State.READY, State.RELEASED):
            wanted = [*papers[:2], *ready]
        elif entry.state is State.REVIEW:
            wanted = [*papers[:2], *review, *[one for one in papers[2:] if (self.gate.root / one).is_file()]]
        mark = self._mark(entry) if wanted else ""
        changed = mark != entry.mirrored
        # The medium goes before its report, and comes after it.
        for name in [*media, *papers]:
            unwanted = name not in wanted and (name in there if there is not None else changed)
            for left in [name] * unwanted + [f"{name}.part"] * (
                there is not None and f"{name}.part" in there
            ):
                with contextlib.suppress(FileNotFoundError):
                    self._try(lambda left=left: self.target.fs.rm_file(self.target.inside(left)))
        for name in wanted:
            path = self.gate.root / name
            try:
                if changed or (there is not None and there.get(name) != path.stat().st_size):
                    self._copy(path)
            except FileNotFoundError as error:
                if path.is_file():
                    raise self._failure(error) from error
                # Taken away or decided on by another run just now.
                return
        if changed:
            self.gate.ledger.update(entry.id, mirrored=mark)

    def _mark(self, entry: LedgerEntry) -> str:
        """What stands for a medium and its report as they are now, at this address."""
        folder = self.gate.folder(entry.state).name
        facts = "\n".join((self.target.address, folder, entry.name, entry.output, entry.report))
        return hashlib.sha256(facts.encode()).hexdigest()[:32]

    def _there(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for folder in PUBLIC:
            with contextlib.suppress(FileNotFoundError):
                self.target.fs.invalidate_cache()
                listed = self._try(
                    lambda folder=folder: self.target.fs.find(self.target.inside(folder), detail=True)
                )
                found |= {
                    f"{folder}/{PurePosixPath(k).name}": int(v.get("size") or 0) for k, v in listed.items()
                }
        return found

    def _copy(self, path: Path) -> None:
        """One file, whole or not at all; what stands there is read back and compared."""
        name = self.target.inside(f"{path.parent.name}/{path.name}")
        protocol = self.target.fs.protocol
        kinds = {protocol} if isinstance(protocol, str) else set(protocol)
        first = name if kinds & _WHOLE else f"{name}.part"

        def copy() -> None:
            self.target.fs.makedirs(name.rsplit("/", 1)[0], exist_ok=True)
            self.target.fs.put_file(str(path), first)
            with self.target.fs.open(first, "rb") as file:
                arrived = hashlib.file_digest(file, "sha256").hexdigest()
            if arrived != file_sha256(path):
                self.target.fs.rm_file(first)
                raise OSError("what arrived is not what was sent")
            if first != name:
                self.target.fs.mv(first, name)

        self._try(copy)

    def _try(self, action: Any) -> Any:
        try:
            return action()
        except FileNotFoundError:
            raise
        except Exception as error:  # each store has errors of its own
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(
            "address.not-written", address=self.target.address, cause=_said(error), folder=self.gate.root
        )


def _stamp(about: dict[str, Any]) -> int:
    """A time in ns, long past, that stands for this very version of an object."""
    tag = about.get("ETag") or about.get("etag") or about.get("md5Hash") or ""
    when = (
        about.get("LastModified") or about.get("mtime") or about.get("last_modified") or about.get("created")
    )
    digest = hashlib.sha256(f"{tag}|{when}|{about.get('size')}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10**18


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
