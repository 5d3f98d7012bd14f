"""``anonymizer verify``: what was published, and whether it is still what was signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.errors import AnonymizerError
from anonymizer.gate import Gate
from anonymizer.published import examine
from anonymizer.release import MANIFEST, chain_flaws, flaws
from anonymizer.sign import PublicKeys, Standing
from anonymizer.types import Verdict


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found on one path. ``standing`` is what the signature says, ``verdict`` what may be done with it."""

    path: Path
    verdict: Verdict
    standing: Standing
    reasons: tuple[str, ...]
    id: str = ""
    key: str = ""
    error: bool = False
    """It could not be examined at all."""

    @property
    def word(self) -> str:
        """In one word, for a person."""
        if self.standing is not Standing.VALID and not self.error:
            return self.standing
        return {Verdict.READY: "valid", Verdict.REVIEW: "review", Verdict.FAILED: "failed"}[self.verdict]

    def facts(self) -> dict[str, Any]:
        """For a program."""
        return {
            "file": str(self.path),
            "verdict": self.verdict,
            "signature": self.standing,
            "key": self.key,
            "id": self.id,
            "reasons": list(self.reasons),
        }


def examined(paths: Sequence[Path], reports: Path | None, keys: PublicKeys) -> Iterator[Finding]:
    """Each path in turn, a folder's media one by one. What cannot be read is a finding like any other."""
    for path in paths:
        if path.is_dir():
            yield from folder(path, reports, keys)
        else:
            yield file(path, reports, keys)


def folder(path: Path, reports: Path | None, keys: PublicKeys) -> Iterator[Finding]:
    """A release: all that its manifest lists, nothing else. An output folder: what is in ``ready/``, and the ledger.
    Any other folder: every file in it must be a medium with a valid pass."""
    if (path / ".anonymizer" / "ledger.sqlite").is_file():
        yield from _output_folder(path, keys)
        return
    if (path / MANIFEST).is_file():
        for flaw in flaws(path, keys):
            yield Finding(path / flaw.name, Verdict.FAILED, flaw.standing, (flaw.said,))
    media = sorted(one for one in path.iterdir() if one.is_file() and one.name != MANIFEST)
    for one in media:
        if one.suffix not in (".json", ".html"):
            yield file(one, reports, keys)
    if not media:
        yield Finding(
            path, Verdict.FAILED, Standing.UNKNOWN, ("There is no medium in this folder.",), error=True
        )


def _output_folder(path: Path, keys: PublicKeys) -> Iterator[Finding]:
    for one in sorted((path / "ready").iterdir()):
        yield file(one, None, keys)
    with Gate(path) as gate:
        said = list(chain_flaws(gate, keys))
        ledger = gate.ledger.path
    if said:
        yield Finding(ledger, Verdict.FAILED, Standing.CHANGED, tuple(said))
    else:
        yield Finding(ledger, Verdict.READY, Standing.VALID, ())


def file(path: Path, reports: Path | None, keys: PublicKeys) -> Finding:
    """One published file."""
    try:
        found = examine(path, reports, keys)
    except AnonymizerError as error:
        return Finding(path, Verdict.FAILED, Standing.UNKNOWN, (str(error),), error=True)
    report = found.report
    key = report.signature.key if report.signature else ""
    return Finding(path, report.verdict, found.standing, tuple(report.reasons), report.id, key)
