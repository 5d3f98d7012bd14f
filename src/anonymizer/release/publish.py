"""Hand out what is publishable: copies that were checked again on their way, and a signed list of them.

    DIR/photo.jpg            the media
    DIR/photo.dcm            the DICOM beside a picture, where there is one
    DIR/reports/…            their reports, data and page
    DIR/manifest.json        what belongs to the release: names, sizes, hashes, signed

Each medium is copied into a hidden folder of DIR, examined there as ``anonymizer verify`` does, and only then gets
its name, after its reports. The manifest comes last, so what a release that was cut off left behind it is not one yet:
run it again.
"""

from __future__ import annotations

import json
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonymizer.core import signing as sign
from anonymizer.core.durable import new_file, replace, sync_folder
from anonymizer.core.errors import AnonymizerError, OutputError, UsageError
from anonymizer.core.message import Message
from anonymizer.core.signing import Key, PublicKeys, SignatureStatus
from anonymizer.core.types import Verdict
from anonymizer.core.version import __version__
from anonymizer.gate.chain import decision_flaws
from anonymizer.gate.decisions import objection
from anonymizer.gate.files import companion_of, file_sha256, place
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder, check_output_folder
from anonymizer.gate.permissions import ANYBODY
from anonymizer.gate.records import APPROVED, RELEASED, REOPENED, Decision, LedgerEntry, State, now
from anonymizer.read.walk import is_system_file
from anonymizer.release.check import examine
from anonymizer.verify.exiftool import KeptOpen
from anonymizer.verify.naming import Standing
from anonymizer.write.photo import neutralise

MANIFEST = "manifest.json"
REPORTS = "reports"
PURPOSE = "manifest"
SCHEMA = "anonymizer-manifest/1"
CONSENT = Message("release.consent")
QUESTIONS = ("consent", "caption", "colleagues", "useful", "account")
"""What somebody answers before a release, as dental councils advise it: the patient's consent covers this use; the
caption changes circumstances, places and identities; colleagues who are shown or tagged agreed; it is useful to those
who will read it; it goes out from a professional account."""
HIDDEN = ".releasing-"
MANIFEST_EVERY = 5.0
"""Seconds between two writings of the manifest, at least; 20 times as long as the last one took."""
TAKEN_BACK = Message("release.taken-back")


class HeldBackError(AnonymizerError):
    """One medium is not handed out, and why; the others are."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release came to: names that were copied, names that were there already, and what was held back, each
    with a message that says why. ``manifest`` is None where nothing is in the release at all."""

    copied: tuple[str, ...]
    there: tuple[str, ...]
    held: tuple[tuple[str, Message], ...]
    manifest: Path | None
    unseen: int = 0
    """Of what was handed out: how many nobody has looked at."""


def release(
    out: Path,
    to: Path,
    *,
    initials: str = "",
    ids: Collection[str] | None = None,
    answers: Collection[str] = (),
    only_seen: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Released:
    """Copy what is publishable in the output folder ``out`` into ``to``, where an earlier release may be.

    ``ids`` chooses some; ``tell`` is given each name that was dealt with. ``answers`` are those of :data:`QUESTIONS`
    that were answered with yes: the ledger has them beside the initials. With ``only_seen`` what nobody has looked at
    is held back. Nothing that is there is overwritten. Raises
    :class:`UsageError` where ``to`` cannot serve and :class:`OutputError` where it cannot be written.
    """
    check_output_folder(out)
    if to.resolve().is_relative_to(out.resolve()):
        raise UsageError("release.inside", path=to)
    if out.resolve().is_relative_to(to.resolve()):
        raise UsageError("release.around", path=to)
    with Gate(out) as gate, KeptOpen() as tool:
        for said in decision_flaws(gate.ledger.links(), gate.key.public):
            if said.signature is SignatureStatus.CHANGED:
                raise OutputError("release.ledger-changed", why=said.said)
        listed = _listed(to, gate.key)
        copied: list[str] = []
        there: list[str] = []
        held: list[tuple[str, Message]] = []
        due = 0.0
        unseen, blind = gate.ledger.unseen(), 0
        try:
            (to / REPORTS).mkdir(parents=True, exist_ok=True)
            held += _withdrawn(gate, to, listed)
            for entry in gate.ledger.each(State.READY, State.RELEASED):
                if ids is not None and entry.id not in ids:
                    continue
                if only_seen and entry.id in unseen:
                    held.append((entry.name, Message("release.unseen")))
                    continue
                try:
                    new = _copied(gate, entry, to, tool)
                except AnonymizerError as error:
                    held.append((entry.name, error.message))
                else:
                    if (entry.state is State.READY or new) and not _recorded(gate, entry, initials, answers):
                        held.append((entry.name, _taken_back(to, entry, new=new)))
                        continue
                    listed |= {part: _record(to, entry, part, sha256) for part, sha256 in _parts(entry)}
                    (copied if new else there).append(entry.name)
                    blind += entry.id in unseen
                    if time.monotonic() >= due:
                        due = _write_manifest(to, listed, gate.key)
                if tell:
                    tell(entry.name)
            if copied or there:
                _write_manifest(to, listed, gate.key)
        except OSError as error:
            raise OutputError("release.not-written", path=to, cause=error.strerror or error) from error
        finally:
            for left in to.glob(f"{HIDDEN}*"):
                shutil.rmtree(left, ignore_errors=True)
        manifest = to / MANIFEST
        listing = manifest if manifest.is_file() else None
        return Released(tuple(copied), tuple(there), tuple(held), listing, blind)


def _withdrawn(gate: Gate, to: Path, listed: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Message]]:
    """Take off the list what was released before and has been taken back, rejected or corrected since."""
    gone = []
    for name, record in listed.items():
        entry = gate.ledger.get(Path(str(record["report"])).stem)
        if entry and entry.state in (State.REVIEW, State.REJECTED, State.FORGOTTEN, State.REPLACED):
            gone.append(name)
    for name in gone:
        del listed[name]
        if (to / name).exists():
            yield name, TAKEN_BACK
    if gone:
        _write_manifest(to, listed, gate.key)


def check_output(gate: OutputFolder, entry: LedgerEntry, tool: KeptOpen | None = None) -> None:
    """Whether a medium in ``ready/`` is still what was found publishable. Raises :class:`HeldBackError`, which says
    what is not."""
    source = gate.folder(entry.state) / entry.name
    found = examine(source, gate.reports, gate.public_keys, id=entry.id, tool=tool)
    if found.signature is not SignatureStatus.VALID or found.report.verdict is not Verdict.READY:
        why = found.report.reasons
        raise HeldBackError(Message("release.reasons", reasons=why) if why else Message("release.no-pass"))
    for part, sha256 in _parts(entry):
        if not source.with_name(part).is_file() or file_sha256(source.with_name(part)) != sha256:
            raise HeldBackError("release.other-file")
    if gate.report_digest(entry.id) != entry.report:
        raise HeldBackError("release.other-report")
    if said := _objected(gate, entry):
        raise HeldBackError(said)


def _copied(gate: Gate, entry: LedgerEntry, to: Path, tool: KeptOpen) -> bool:
    """Bring one medium and its reports over; False where they are there already. Raises :class:`HeldBackError`."""
    check_output(gate, entry, tool)
    source = gate.folder(entry.state) / entry.name
    names = [f"{entry.id}.json", f"{entry.id}.html"]
    there = [part for part, _ in _parts(entry) if (to / part).exists()]
    if any(file_sha256(to / part) != sha256 for part, sha256 in _parts(entry) if part in there):
        raise HeldBackError("release.name-taken")
    if len(there) == len(_parts(entry)) and all(
        _alike(gate.reports / name, to / REPORTS / name) for name in names
    ):
        return False
    hidden = to / f"{HIDDEN}{secrets.token_hex(6)}"
    (hidden / REPORTS).mkdir(mode=0o700, parents=True)
    for part, _ in _parts(entry):
        _copy(source.with_name(part), hidden / part)
    for name in names:
        _copy(gate.reports / name, hidden / REPORTS / name)
    again = examine(hidden / entry.name, hidden / REPORTS, gate.key.public, Standing.NEW, entry.id, tool)
    if again.signature is not SignatureStatus.VALID or again.report.verdict is not Verdict.READY:
        raise HeldBackError("release.copy-failed")
    for name in names:
        (hidden / REPORTS / name).replace(to / REPORTS / name)
    sync_folder(to / REPORTS)
    for part, _ in _parts(entry):
        copy = hidden / part
        if part in there:
            copy.unlink()
        else:
            # The user's mask made it so.
            place(copy, to / part, stat.S_IMODE(copy.stat().st_mode))
    sync_folder(to)
    shutil.rmtree(hidden, ignore_errors=True)
    return True


def _parts(entry: LedgerEntry) -> list[tuple[str, str]]:
    """Name and SHA-256 (hex) of each file of an output: the DICOM beside a picture first, so where the picture is both
    are."""
    beside = [(companion_of(Path(entry.name)).name, entry.companion)] if entry.companion else []
    return [*beside, (entry.name, entry.output)]


def _objected(gate: OutputFolder, entry: LedgerEntry) -> Message | None:
    """Why a medium stays, because somebody rejected another output of the same source since; None if nobody did.

    What a person approved goes out: the rejection of another version is not this one's.
    """
    approved = [one for one in gate.ledger.decisions(entry.id) if one.action in (APPROVED, REOPENED)]
    if approved and approved[-1].action == APPROVED:
        return None
    found = objection(gate, entry.sha256)
    return found[0] if found else None


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, new_file(target, ANYBODY) as write:
        shutil.copyfileobj(read, write, 1 << 20)
    neutralise(target)


def _alike(one: Path, other: Path) -> bool:
    return other.is_file() and file_sha256(one) == file_sha256(other)


def _record(to: Path, entry: LedgerEntry, part: str, sha256: str) -> dict[str, Any]:
    report = f"{REPORTS}/{entry.id}.json"
    return {
        "name": part,
        "sha256": sha256,
        "bytes": (to / part).stat().st_size,
        "report": report,
        "report_sha256": file_sha256(to / report),
    }


def _recorded(gate: Gate, entry: LedgerEntry, initials: str, answers: Collection[str]) -> bool:
    said = json.dumps({name: name in answers for name in QUESTIONS} if answers else {})
    return gate.ledger.release(
        Decision(entry.id, RELEASED, initials, "", said, entry.output, now(), entry.sha256)
    )


def _taken_back(to: Path, entry: LedgerEntry, *, new: bool) -> Message:
    """Somebody decided on a medium while it was copied: what was just copied goes again."""
    if not new:
        return TAKEN_BACK
    for part, _ in _parts(entry):
        (to / part).unlink(missing_ok=True)
    for suffix in ("json", "html"):
        (to / REPORTS / f"{entry.id}.{suffix}").unlink(missing_ok=True)
    return Message("release.taken-back-meanwhile")


def _listed(to: Path, key: Key) -> dict[str, dict[str, Any]]:
    """What an earlier release into this folder lists. Raises :class:`UsageError` where that is not one's own."""
    path = to / MANIFEST
    if not path.exists():
        return {}
    try:
        content = path.read_bytes()
        document = sign.parse(content)
        known = {str(one["name"]): dict(one) for one in document["media"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError("release.no-manifest", path=path) from error
    if sign.file_signature_status(content, PURPOSE, key.public) is not SignatureStatus.VALID:
        raise UsageError("release.manifest-not-own", path=path)
    return known


def _write_manifest(to: Path, listed: dict[str, dict[str, Any]], key: Key) -> float:
    """The monotonic second before which it need not be written again: a long one takes long."""
    began = time.monotonic()
    document = {
        "schema": SCHEMA,
        "program": f"anonymizer {__version__}",
        "created": now(),
        "consent": str(CONSENT),
        "media": [listed[name] for name in sorted(listed)],
    }
    content = sign.as_file(sign.signed(document, PURPOSE, key))
    replace(to / MANIFEST, content, to / f"{HIDDEN}{secrets.token_hex(6)}.tmp", mode=ANYBODY)
    sync_folder(to)
    ended = time.monotonic()
    return ended + max(MANIFEST_EVERY, 20 * (ended - began))


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a folder that must not be published as it is: what, and why."""

    name: str
    said: Message
    signature: SignatureStatus = SignatureStatus.CHANGED


def flaws(folder: Path, keys: PublicKeys) -> Iterator[Flaw]:
    """What is wrong with a release beyond its media, which :func:`anonymizer.release.check.examine` judges one by one:
    the manifest, what it lists that is not there or is another, and what is there that it does not list, but for the
    system's own files."""
    path = folder / MANIFEST
    content = path.read_bytes()
    said = sign.file_signature_status(content, PURPOSE, keys)
    if said is not SignatureStatus.VALID:
        why = (
            Message("release.manifest-changed")
            if said is SignatureStatus.CHANGED
            else Message("release.manifest-unknown-key")
        )
        yield Flaw(MANIFEST, why, said)
        return
    listed = json.loads(content)["media"]
    known = {MANIFEST}
    for one in listed:
        report = str(one["report"])
        known |= {one["name"], report, report.removesuffix(".json") + ".html"}
        if not (folder / one["name"]).is_file():
            yield Flaw(one["name"], Message("release.listed-missing"))
        elif file_sha256(folder / one["name"]) != one["sha256"]:
            yield Flaw(one["name"], Message("release.listed-other"))
        if not (folder / report).is_file():
            yield Flaw(report, Message("release.listed-missing"))
        elif file_sha256(folder / report) != one["report_sha256"]:
            yield Flaw(report, Message("release.report-other"))
        if not (folder / report).with_suffix(".html").is_file():
            yield Flaw(report.removesuffix(".json") + ".html", Message("release.page-missing"))
    for found in contents(folder):
        name = found.relative_to(folder).as_posix()
        if found.is_symlink():
            yield Flaw(name, Message("release.link"))
        elif name not in known and not is_system_file(found):
            yield Flaw(name, Message("release.not-listed"))


def contents(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, but for folders themselves: files, links, whatever else."""
    return sorted(found for found in folder.rglob("*") if found.is_symlink() or not found.is_dir())
