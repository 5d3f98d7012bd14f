"""What was published, file by file and folder by folder, and whether it is still what was signed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.core.errors import AnonymizerError, OutputError, UsageError
from anonymizer.core.message import Message, with_sentence
from anonymizer.core.signing import PublicKeys, SignatureStatus
from anonymizer.core.types import Verdict
from anonymizer.gate.output import LEDGER, OutputFolder, is_output_folder
from anonymizer.read.walk import OWN, Passed, is_system_file
from anonymizer.release.check import examine
from anonymizer.release.ledger_check import chain_flaws
from anonymizer.release.publish import MANIFEST, contents, flaws
from anonymizer.report.file import read
from anonymizer.verify.exiftool import KeptOpen
from anonymizer.verify.naming import Standing

NOTHING = Message("verify.no-such-path")
UNLISTED = Message("verify.unlisted")
READY = "ready"


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """What was found on one path. ``signature`` is what the signature says, ``verdict`` what may be done with it."""

    path: Path
    verdict: Verdict | Passed
    """``SKIPPED`` for a file of the system's own, which is no part of what was published."""
    signature: SignatureStatus
    reasons: tuple[Message, ...]
    id: str = ""
    key: str = ""
    error: bool = False
    """It could not be examined at all."""
    remarks: tuple[Message, ...] = ()
    """What is worth knowing and no reason against it."""
    unlisted: bool = False
    """A folder whose signed list is missing: all that is there was examined, but nobody can tell what is not."""

    @property
    def word(self) -> str:
        """In one word, for a person: the code of its message."""
        if self.unlisted:
            return "signature.unknown"
        if self.verdict is Passed.SKIPPED:
            return "state.skipped"
        if self.verdict is Verdict.READY or (self.signature is not SignatureStatus.VALID and not self.error):
            return f"signature.{self.signature}"
        return f"state.{self.verdict}"

    def facts(self) -> dict[str, Any]:
        """For a program."""
        return {
            "file": str(self.path),
            "verdict": self.verdict,
            "signature": self.signature,
            "key": self.key,
            "id": self.id,
            "reasons": [with_sentence(one) for one in self.reasons],
            "remarks": [with_sentence(one) for one in self.remarks],
        }


def examined(paths: Sequence[Path], reports: Path | None, keys: PublicKeys) -> Iterator[VerifiedFile]:
    """Each path in turn, a folder's media one by one. What is not there or cannot be read is a finding like any other.

    Raises :class:`UsageError` where ``reports`` is no folder.
    """
    if reports and not reports.is_dir():
        raise UsageError("verify.reports-no-folder", path=reports)
    for path in paths:
        if path.is_dir():
            yield from folder(path, reports, keys)
        elif not os.path.lexists(path):
            yield VerifiedFile(path, Verdict.FAILED, SignatureStatus.UNKNOWN, (NOTHING,), error=True)
        else:
            yield file(path, reports, keys)


def folder(path: Path, reports: Path | None, keys: PublicKeys) -> Iterator[VerifiedFile]:
    """A release: all that its manifest lists, nothing else. An output folder: what is in ``ready/``, and the ledger.
    Any other folder: every file in it and below it must be a medium with a valid pass, or a report that is signed; last
    comes the folder itself, for no signed list says what belongs to it. The system's own files are skipped."""
    with KeptOpen() as tool:
        if is_output_folder(path):
            yield from _output_folder(path, keys, tool)
            return
        release = (path / MANIFEST).is_file()
        bad = list(flaws(path, keys)) if release else []
        for flaw in bad:
            yield VerifiedFile(path / flaw.name, Verdict.FAILED, flaw.signature, (flaw.said,))
        named = {path / flaw.name for flaw in bad}
        media = 0
        for one in contents(path):
            if one in named or (release and one == path / MANIFEST):
                continue
            if is_system_file(one):
                yield _skipped(one)
            elif one.is_symlink() or not one.is_file():
                said = Message("verify.not-a-file")
                yield VerifiedFile(one, Verdict.FAILED, SignatureStatus.UNKNOWN, (said,), error=True)
            elif one.suffix in (".json", ".html"):
                if not release and (finding := _paper(one, keys)):
                    yield finding
            else:
                media += 1
                yield file(one, reports, keys, tool)
        if not media:
            said = Message("verify.no-medium")
            yield VerifiedFile(path, Verdict.FAILED, SignatureStatus.UNKNOWN, (said,), error=True)
        elif not release:
            yield VerifiedFile(path, Verdict.REVIEW, SignatureStatus.UNKNOWN, (UNLISTED,), unlisted=True)


def _skipped(path: Path) -> VerifiedFile:
    return VerifiedFile(path, Passed.SKIPPED, SignatureStatus.UNKNOWN, (OWN,))


def _paper(path: Path, keys: PublicKeys) -> VerifiedFile | None:
    """What is wrong with a report, or its page, that lies beside media; None where it is signed."""
    try:
        said = read(path.with_suffix(".json").read_bytes(), keys)
        page = (
            path.suffix == ".json" or hashlib.sha256(path.read_bytes()).hexdigest() == said.report.page_sha256
        )
    except (OSError, ValueError):
        reason = Message("verify.not-a-report")
        return VerifiedFile(path, Verdict.FAILED, SignatureStatus.UNKNOWN, (reason,), error=True)
    if said.signature is SignatureStatus.VALID and page:
        return None
    reason = Message("verify.not-the-report" if page else "verify.not-the-page")
    signature = SignatureStatus.CHANGED if not page else said.signature
    return VerifiedFile(path, Verdict.FAILED, signature, (reason,))


def _output_folder(path: Path, keys: PublicKeys, tool: KeptOpen) -> Iterator[VerifiedFile]:
    ledger = path / ".anonymizer" / LEDGER
    for one in contents(path / READY) if (path / READY).is_dir() else ():
        yield _skipped(one) if is_system_file(one) else file(one, None, keys, tool)
    try:
        with OutputFolder(path) as folder:
            found = list(chain_flaws(folder, keys))
    except OutputError as error:
        yield VerifiedFile(ledger, Verdict.FAILED, SignatureStatus.UNKNOWN, (error.message,), error=True)
        return
    signature = (
        SignatureStatus.CHANGED
        if any(f.signature is SignatureStatus.CHANGED for f in found)
        else SignatureStatus.UNKNOWN
    )
    if found:
        yield VerifiedFile(ledger, Verdict.FAILED, signature, tuple(flaw.said for flaw in found))
    else:
        yield VerifiedFile(ledger, Verdict.READY, SignatureStatus.VALID, ())


def file(path: Path, reports: Path | None, keys: PublicKeys, tool: KeptOpen | None = None) -> VerifiedFile:
    """One published file. In an output folder's ``ready/`` nobody but the program has anything to put on it."""
    here = path.absolute().parent
    own = here.name == READY and is_output_folder(here.parent)
    try:
        found = examine(path, reports, keys, Standing.KEPT if own else Standing.COPY, tool=tool)
    except AnonymizerError as error:
        return VerifiedFile(path, Verdict.FAILED, SignatureStatus.UNKNOWN, (error.message,), error=True)
    report = found.report
    key = report.signature.key if report.signature else ""
    return VerifiedFile(
        path,
        report.verdict,
        found.signature,
        tuple(report.reasons),
        report.id,
        key,
        remarks=found.remarks,
    )
