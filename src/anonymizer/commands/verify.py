"""``anonymizer verify``: what was published, and whether it is still what was signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.errors import AnonymizerError
from anonymizer.published import examine
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
    """Each path in turn. What cannot be read is a finding like any other."""
    for path in paths:
        yield file(path, reports, keys)


def file(path: Path, reports: Path | None, keys: PublicKeys) -> Finding:
    """One published file."""
    try:
        found = examine(path, reports, keys)
    except AnonymizerError as error:
        return Finding(path, Verdict.FAILED, Standing.UNKNOWN, (str(error),), error=True)
    report = found.report
    key = report.signature.key if report.signature else ""
    return Finding(path, report.verdict, found.standing, tuple(report.reasons), report.id, key)
