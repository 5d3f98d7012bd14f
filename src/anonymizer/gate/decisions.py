"""A person's word on one medium: approve, reject, take back.

Each decision moves the medium to another folder and rewrites its report. The report comes first and settles
the matter: a run that is killed half way is brought by the next one to where the report on the disk sends the
medium (:mod:`anonymizer.gate.folder`). The more careful of the two pages stands longer: on the way to ``ready/`` the
page for people is replaced last, on the way out of it first. What fails is undone, and nothing was decided.

The note of a person is free text and may name the patient, so it goes into the private ledger alone.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from anonymizer.core import durable
from anonymizer.core.errors import DecisionError, OutputError
from anonymizer.core.message import Message
from anonymizer.core.signing import SignatureStatus
from anonymizer.core.types import Result, Verdict
from anonymizer.gate import files
from anonymizer.gate.files import companion_of, file_sha256
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import APPROVED, REJECTED, REOPENED, Decision, LedgerEntry, State, now
from anonymizer.gate.removal import drop_overview
from anonymizer.report.file import read, signed_files
from anonymizer.report.schema import ChangesRecord, DecisionRecord, Report
from anonymizer.verify.photo import audit

MAX_INITIALS = 12
MAX_NOTE = 1000
MUST_NOT = Message("decision.rejected")
UNDECIDED = Message("decision.reopened")


def approve(gate: Gate, id: str, initials: str, note: str = "") -> Path:
    """Let a medium out of ``review/`` into ``ready/``; its final path.

    The file is examined once more on the way. Raises :class:`DecisionError` where it does not wait for a
    person (any more), is not the file of its report, or fails a check: such a file nobody can approve. Raises
    :class:`OutputError` where the folder cannot be written.
    """
    who, said = person(initials), _note(note)
    entry = _entry(gate, id, State.REVIEW)
    report = read_report(gate, id)
    path = _same_file(gate, entry, report)
    failed = [check.evidence for check in report.checks if check.result is Result.FAIL]
    if not failed:
        keep_name = bool(report.settings.get("keep_name"))
        both = [path, *([companion_of(path)] if entry.companion else [])]
        checks = (check for one in both for check in audit(one, keep_name))
        failed = [check.evidence for check in checks if check.result is Result.FAIL]
    if failed:
        raise DecisionError("decision.check-failed", why=failed[0])
    taken = _decision(entry, APPROVED, who, said, changes(report))
    record = _record(report, taken)
    new = report.model_copy(update={"verdict": Verdict.READY, "reasons": [], "decision": record})
    return _decide(gate, entry, State.READY, report, new, taken)


def reject(gate: Gate, id: str, initials: str, note: str = "") -> Path:
    """Keep a medium from being published: out of ``review/`` into the private folder. Raises as :func:`approve`."""
    who, said = person(initials), _note(note)
    entry = _entry(gate, id, State.REVIEW)
    report = read_report(gate, id)
    _same_file(gate, entry, report)
    taken = _decision(entry, REJECTED, who, said, changes(report))
    record = _record(report, taken)
    new = report.model_copy(update={"verdict": Verdict.FAILED, "reasons": [MUST_NOT], "decision": record})
    return _decide(gate, entry, State.REJECTED, report, new, taken)


def reopen(gate: Gate, id: str, initials: str, note: str = "") -> Path:
    """Take a decision back, or a medium that is ready by itself: to ``review/``. Raises as :func:`approve`."""
    who, said = person(initials), _note(note)
    entry = _entry(gate, id, State.READY, State.RELEASED, State.REJECTED)
    report = read_report(gate, id)
    _same_file(gate, entry, report)
    reasons = report.decision.reasons if report.decision else []
    update = {"verdict": Verdict.REVIEW, "reasons": reasons or [UNDECIDED], "decision": None}
    new = report.model_copy(update=update)
    taken = _decision(entry, REOPENED, who, said, ChangesRecord())
    return _decide(gate, entry, State.REVIEW, report, new, taken)


def read_report(gate: OutputFolder, id: str) -> Report:
    """The report of one output.

    Raises :class:`DecisionError` where there is none, none that parses, or one that was changed: a decision signs it
    anew, and must not make good what somebody wrote into it. One that another user's key signed is taken.
    """
    try:
        found = read((gate.reports / f"{id}.json").read_bytes(), gate.public_keys)
    except (OSError, ValueError) as error:
        raise DecisionError("report.damaged") from error
    if found.signature is SignatureStatus.CHANGED or not found.signed:
        raise DecisionError("report.changed")
    return found.report


def changes(report: Report) -> ChangesRecord:
    """What a person changed by hand, from the settings that the report was made with."""
    used = report.settings
    return ChangesRecord(
        drawn=len(used.get("regions") or ()),
        dismissed=len(used.get("dismiss") or ()),
        kept=len(used.get("keep") or ()),
        keep_mouth=bool(used.get("keep_mouth")),
    )


def person(initials: str) -> str:
    """A person's initials, tidied. Raises :class:`DecisionError` where they are none."""
    who = initials.strip()
    if not 0 < len(who) <= MAX_INITIALS or not all(c.isalnum() or c in ".-' " for c in who):
        raise DecisionError("decision.initials", most=MAX_INITIALS)
    return who


def _note(note: str) -> str:
    if len(note) > MAX_NOTE:
        raise DecisionError("decision.note-too-long", most=MAX_NOTE)
    return note.strip()


def _entry(gate: Gate, id: str, *states: State) -> LedgerEntry:
    entry = gate.ledger.get(id)
    if entry is None or entry.state not in states:
        raise DecisionError("decision.gone")
    return entry


def _same_file(gate: Gate, entry: LedgerEntry, report: Report) -> Path:
    """Where the medium stands, once it is the very file that report and ledger speak of."""
    path = gate.folder(entry.state) / entry.name
    try:
        same = file_sha256(path) == entry.output == report.medium.sha256
        beside = report.companion.sha256 if report.companion else ""
        same = same and beside == entry.companion
        same = same and (not beside or file_sha256(companion_of(path)) == beside)
    except OSError as error:
        raise DecisionError("report.file-gone") from error
    if not same or report.medium.name != entry.name or report.id != entry.id:
        raise DecisionError("report.file-changed")
    return path


def _decision(entry: LedgerEntry, action: str, who: str, note: str, changed: ChangesRecord) -> Decision:
    made = json.dumps(changed.model_dump())
    return Decision(entry.id, action, who, note, made, entry.output, now(), entry.sha256)


def _record(report: Report, taken: Decision) -> DecisionRecord:
    """What the report says of a decision: who took it, and at what hour, only where its settings say so."""
    used = report.settings
    return DecisionRecord(
        action="approved" if taken.action == APPROVED else "rejected",
        initials=taken.who if used.get("report_initials") else "",
        decided=taken.at if used.get("report_time") else taken.at[:10],
        reasons=report.reasons,
        changes=changes(report),
    )


def _decide(gate: Gate, entry: LedgerEntry, to: State, old: Report, new: Report, taken: Decision) -> Path:
    """Report, medium, ledger, in this order; all undone where one fails."""
    source, final = gate.folder(entry.state) / entry.name, gate.folder(to) / entry.name
    if not gate.ledger.claim(entry.id, entry.state, gate.run, taken):
        raise DecisionError("decision.gone")
    reasons = gate.review / f"{entry.id}.reasons.txt"
    try:
        if to is not State.READY:
            drop_overview(gate)
        _write(gate, new, careful_first=to is not State.READY)
        if to is State.REVIEW:
            gate.publish_reasons(entry.id, new.reasons, str(new.settings.get("language", "")))
        for one, to_there in _pair(entry, source, final):
            files.place(one, to_there, gate.mode(to_there))
        durable.sync_folder(final.parent)
        durable.sync_folder(source.parent)
        gate.ledger.decide(taken, to, new.reasons, gate.report_digest(entry.id))
    except BaseException as error:
        _undo(gate, entry, source, final, old)
        if isinstance(error, OSError):
            raise OutputError(
                "decision.not-written", path=gate.root, cause=error.strerror or error
            ) from error
        raise
    if to is not State.REVIEW:
        # Left behind, it would only puzzle: the decision stands.
        with contextlib.suppress(OSError):
            reasons.unlink(missing_ok=True)
    return final


def _pair(entry: LedgerEntry, source: Path, final: Path) -> list[tuple[Path, Path]]:
    """What moves, from where to where: the DICOM beside a medium first, so where the medium is both are."""
    beside = [(companion_of(source), companion_of(final))] if entry.companion else []
    return [*beside, (source, final)]


def _undo(gate: Gate, entry: LedgerEntry, source: Path, final: Path, old: Report) -> None:
    """Back to where it stood. What cannot be undone now is settled by the next run, from the report on the disk."""
    for stood, went in _pair(entry, source, final):
        with contextlib.suppress(OSError):
            if not stood.exists():
                files.place(went, stood, gate.mode(stood))
            elif went.exists() and went.samefile(stood):
                went.unlink()
    with contextlib.suppress(OSError, OutputError):
        if source.exists():
            _write(gate, old, careful_first=entry.state not in (State.READY, State.RELEASED))
            gate.ledger.update(entry.id, state=entry.state, report=gate.report_digest(entry.id), pending="")


def _write(gate: Gate, report: Report, *, careful_first: bool) -> None:
    page, data = gate.reports / f"{report.id}.html", gate.reports / f"{report.id}.json"
    made = signed_files(report, gate.contact_sheet(report.id), gate.key)
    written = [(made["html"], page), (made["json"], data)]
    for content, path in written if careful_first else reversed(written):
        gate.publish(content, path)
    durable.sync_folder(gate.reports)


def objection(gate: OutputFolder, sha256: str) -> tuple[Message, Message] | None:
    """Why a source of this content (SHA-256, hex) waits for a person whatever was found in it, because somebody
    rejected it, or took a decision back: one for the report, and one that says who and when. None if nobody
    did.
    """
    found = gate.ledger.objection(sha256)
    if found is None:
        return None
    day, hour = found.at[:10], found.at[:16].replace("T", " ")
    if found.action == REJECTED:
        return (
            Message("decision.rejected-before", day=day),
            Message("decision.rejected-by", who=found.who, when=hour),
        )
    return (
        Message("decision.reopened-before", day=day),
        Message("decision.reopened-by", who=found.who, when=hour),
    )
