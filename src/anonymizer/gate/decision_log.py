"""Who decided what and when, what was changed, and whether that is still what was recorded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.core.errors import ExitCode
from anonymizer.core.message import with_sentence
from anonymizer.core.signing import PublicKeys, SignatureStatus
from anonymizer.gate.chain import LedgerFlaw, decision_flaws
from anonymizer.gate.output import OutputFolder

COLUMNS = (
    "number",
    "at",
    "action",
    "who",
    "name",
    "source",
    "changes",
    "note",
    "medium",
    "sha256",
    "recorded",
)


@dataclass(frozen=True, slots=True)
class LogRow:
    """One decision. ``source`` and ``note`` may name the patient: they are for the eyes of whoever asks."""

    number: int
    at: str
    action: str
    who: str
    note: str
    medium: str
    name: str
    source: str
    changes: dict[str, int]
    sha256: str
    """Of the file that was decided on."""
    recorded: SignatureStatus
    """Whether this is what was recorded: ``UNKNOWN`` where no known key says so."""

    def facts(self) -> dict[str, Any]:
        """For a program."""
        return {column: getattr(self, column) for column in COLUMNS}

    @property
    def changed(self) -> str:
        """What a person changed by hand, in a few words: ``2 drawn, 1 kept``; empty if nothing."""
        return ", ".join(
            f"{count} {what}" if count is not True else what.replace("_", " ")
            for what, count in self.changes.items()
            if count
        )


@dataclass(frozen=True, slots=True)
class Log:
    """Every decision on an output folder, in order, and what is wrong with their record."""

    rows: tuple[LogRow, ...]
    flaws: tuple[LedgerFlaw, ...]

    @property
    def chain(self) -> dict[str, Any]:
        """For a program: is the chain ``valid``, ``broken`` (at which decision), or ``unknown``, and why."""
        broken = next((flaw for flaw in self.flaws if flaw.signature is SignatureStatus.CHANGED), None)
        flaw = broken or next(iter(self.flaws), None)
        state = "broken" if broken else "unknown" if flaw else "valid"
        return {
            "chain": state,
            "at": flaw.number if flaw else None,
            "reason": with_sentence(flaw.said) if flaw else None,
        }

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.OK if self.chain["chain"] == "valid" else ExitCode.FAILED


def read(out: Path, keys: PublicKeys) -> Log:
    """The decisions on an output folder. Raises :class:`anonymizer.core.errors.AnonymizerError`."""
    with OutputFolder(out) as folder:
        links = list(folder.ledger.links())
        flaws = tuple(decision_flaws(links, keys))
        # What follows a break stands on it.
        broken = min((f.number or 1 for f in flaws if f.signature is SignatureStatus.CHANGED), default=None)
        unknown = max((f.number or 0 for f in flaws if f.signature is SignatureStatus.UNKNOWN), default=0)
        rows = []
        for one in links:
            entry = folder.ledger.get(one.decision.medium)
            status = SignatureStatus.UNKNOWN if one.number <= unknown else SignatureStatus.VALID
            if broken is not None and one.number >= broken:
                status = SignatureStatus.CHANGED
            decided = one.decision
            rows.append(
                LogRow(
                    one.number,
                    decided.at,
                    decided.action,
                    decided.who,
                    decided.note,
                    decided.medium,
                    entry.name if entry else "",
                    str(entry.source) if entry else "",
                    _changes(decided.changes),
                    decided.output,
                    status,
                )
            )
    return Log(tuple(rows), flaws)


def as_csv(rows: Iterable[LogRow]) -> str:
    """A table for a spreadsheet, with a line of headings."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        facts = row.facts() | {"changes": row.changed}
        writer.writerow([_harmless(facts[column]) for column in COLUMNS])
    return text.getvalue()


def _harmless(value: object) -> object:
    """Text that no spreadsheet takes for a formula: a note begins with what somebody typed."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _changes(text: str) -> dict[str, int]:
    try:
        made = json.loads(text)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}
