"""Hand out what is publishable: copies that were checked again on their way, and a signed list of them.

    DIR/photo.jpg            the media
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
from anonymizer.core.signing import Key, PublicKeys, SignatureStatus
from anonymizer.core.types import Verdict
from anonymizer.core.version import __version__
from anonymizer.gate.chain import decision_flaws
from anonymizer.gate.decisions import objection
from anonymizer.gate.files import file_sha256, place
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import check_output_folder
from anonymizer.gate.permissions import ANYBODY
from anonymizer.gate.records import APPROVED, RELEASED, REOPENED, Decision, LedgerEntry, State, now
from anonymizer.release.check import examine
from anonymizer.write.photo import neutralise

MANIFEST = "manifest.json"
REPORTS = "reports"
PURPOSE = "manifest"
SCHEMA = "anonymizer-manifest/1"
CONSENT = "Blurring does not replace the patient's consent where the law asks for it."
HIDDEN = ".releasing-"
MANIFEST_EVERY = 5.0
"""Seconds between two writings of the manifest, at least; 20 times as long as the last one took."""
TAKEN_BACK = "It was released, and taken back or corrected since; delete it and its report there."


@dataclass(frozen=True, slots=True)
class Released:
    """What a release came to: names that were copied, names that were there already, and what was held back, each
    with a sentence that says why. ``manifest`` is None where nothing is in the release at all."""

    copied: tuple[str, ...]
    there: tuple[str, ...]
    held: tuple[tuple[str, str], ...]
    manifest: Path | None


def release(
    out: Path,
    to: Path,
    *,
    initials: str = "",
    ids: Collection[str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Released:
    """Copy what is publishable in the output folder ``out`` into ``to``, where an earlier release may be.

    ``ids`` chooses some; ``tell`` is given each name that was dealt with. Nothing that is there is overwritten. Raises
    :class:`UsageError` where ``to`` cannot serve and :class:`OutputError` where it cannot be written.
    """
    check_output_folder(out)
    if to.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{to} lies in the output folder; release into another one.")
    if out.resolve().is_relative_to(to.resolve()):
        raise UsageError(f"The output folder lies in {to}; release into a folder of its own.")
    with Gate(out) as gate:
        for said in decision_flaws(gate.ledger.links(), gate.key.public):
            if said.signature is SignatureStatus.CHANGED:
                raise OutputError(f"{said.said} Nothing was released; restore the ledger from a copy.")
        listed = _listed(to, gate.key)
        copied: list[str] = []
        there: list[str] = []
        held: list[tuple[str, str]] = []
        due = 0.0
        try:
            (to / REPORTS).mkdir(parents=True, exist_ok=True)
            held += _withdrawn(gate, to, listed)
            for entry in gate.ledger.each(State.READY, State.RELEASED):
                if ids is not None and entry.id not in ids:
                    continue
                try:
                    new = _copied(gate, entry, to)
                except (AnonymizerError, ValueError) as error:
                    held.append((entry.name, str(error)))
                else:
                    if (entry.state is State.READY or new) and not _recorded(gate, entry, initials):
                        held.append((entry.name, _taken_back(to, entry, new=new)))
                        continue
                    listed[entry.name] = _record(to, entry)
                    (copied if new else there).append(entry.name)
                    if time.monotonic() >= due:
                        due = _write_manifest(to, listed, gate.key)
                if tell:
                    tell(entry.name)
            if copied or there:
                _write_manifest(to, listed, gate.key)
        except OSError as error:
            raise OutputError(
                f"The folder {to} cannot be written ({error.strerror or error}); what its manifest lists is whole, "
                "run the release again for the rest."
            ) from error
        finally:
            for left in to.glob(f"{HIDDEN}*"):
                shutil.rmtree(left, ignore_errors=True)
        manifest = to / MANIFEST
        return Released(tuple(copied), tuple(there), tuple(held), manifest if manifest.is_file() else None)


def _withdrawn(gate: Gate, to: Path, listed: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Take off the list what was released before and has been taken back, rejected or corrected since."""
    gone = []
    for name, record in listed.items():
        entry = gate.ledger.get(Path(str(record["report"])).stem)
        if entry and entry.state in (State.REVIEW, State.REJECTED, State.REPLACED):
            gone.append(name)
    for name in gone:
        del listed[name]
        if (to / name).exists():
            yield name, TAKEN_BACK
    if gone:
        _write_manifest(to, listed, gate.key)


def _copied(gate: Gate, entry: LedgerEntry, to: Path) -> bool:
    """Bring one medium and its reports over; False where they are there already. ValueError says why not."""
    source = gate.folder(entry.state) / entry.name
    names = [f"{entry.id}.json", f"{entry.id}.html"]
    found = examine(source, gate.reports, gate.key.public)
    if found.signature is not SignatureStatus.VALID or found.report.verdict is not Verdict.READY:
        raise ValueError(" ".join(found.report.reasons) or "It has no valid pass.")
    if file_sha256(source) != entry.output:
        raise ValueError("The ledger speaks of another file; process the original again.")
    if gate.report_digest(entry.id) != entry.report:
        raise ValueError("Its report is not the one that the ledger knows; process the original again.")
    if said := _objected(gate, entry):
        raise ValueError(said)
    final = to / entry.name
    if final.exists():
        if file_sha256(final) != entry.output:
            raise ValueError("Another file has its name in the release; move that one away.")
        if all(_alike(gate.reports / name, to / REPORTS / name) for name in names):
            return False
    hidden = to / f"{HIDDEN}{secrets.token_hex(6)}"
    (hidden / REPORTS).mkdir(mode=0o700, parents=True)
    copy = hidden / entry.name
    _copy(source, copy)
    for name in names:
        _copy(gate.reports / name, hidden / REPORTS / name)
    again = examine(copy, hidden / REPORTS, gate.key.public)
    if again.signature is not SignatureStatus.VALID or again.report.verdict is not Verdict.READY:
        raise ValueError("Its copy did not pass; check the disk and release it again.")
    for name in names:
        (hidden / REPORTS / name).replace(to / REPORTS / name)
    sync_folder(to / REPORTS)
    if final.exists():
        copy.unlink()
    else:
        # The user's mask made it so.
        place(copy, final, stat.S_IMODE(copy.stat().st_mode))
    sync_folder(to)
    shutil.rmtree(hidden, ignore_errors=True)
    return True


def _objected(gate: Gate, entry: LedgerEntry) -> str:
    """Why a medium stays, because somebody rejected another output of the same source since; empty if nobody did.

    What a person approved goes out: the rejection of another version is not this one's.
    """
    approved = [one for one in gate.ledger.decisions(entry.id) if one.action in (APPROVED, REOPENED)]
    if approved and approved[-1].action == APPROVED:
        return ""
    found = objection(gate, entry.sha256)
    return found[0] if found else ""


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, new_file(target, ANYBODY) as write:
        shutil.copyfileobj(read, write, 1 << 20)
    neutralise(target)


def _alike(one: Path, other: Path) -> bool:
    return other.is_file() and file_sha256(one) == file_sha256(other)


def _record(to: Path, entry: LedgerEntry) -> dict[str, Any]:
    report = f"{REPORTS}/{entry.id}.json"
    return {
        "name": entry.name,
        "sha256": entry.output,
        "bytes": (to / entry.name).stat().st_size,
        "report": report,
        "report_sha256": file_sha256(to / report),
    }


def _recorded(gate: Gate, entry: LedgerEntry, initials: str) -> bool:
    return gate.ledger.release(
        Decision(entry.id, RELEASED, initials, "", "{}", entry.output, now(), entry.sha256)
    )


def _taken_back(to: Path, entry: LedgerEntry, *, new: bool) -> str:
    """Somebody decided on a medium while it was copied: what was just copied goes again. A sentence that says so."""
    if not new:
        return TAKEN_BACK
    (to / entry.name).unlink(missing_ok=True)
    for suffix in ("json", "html"):
        (to / REPORTS / f"{entry.id}.{suffix}").unlink(missing_ok=True)
    return "It was taken back while it was copied; its copy was removed."


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
        raise UsageError(f"{path} is no manifest of this program; release into another folder.") from error
    if sign.file_signature_status(content, PURPOSE, key.public) is not SignatureStatus.VALID:
        raise UsageError(f"{path} was changed, or signed with another key; release into another folder.")
    return known


def _write_manifest(to: Path, listed: dict[str, dict[str, Any]], key: Key) -> float:
    """The monotonic second before which it need not be written again: a long one takes long."""
    began = time.monotonic()
    document = {
        "schema": SCHEMA,
        "program": f"anonymizer {__version__}",
        "created": now(),
        "consent": CONSENT,
        "media": [listed[name] for name in sorted(listed)],
    }
    content = sign.as_file(sign.signed(document, PURPOSE, key))
    replace(to / MANIFEST, content, to / f"{HIDDEN}{secrets.token_hex(6)}.tmp", mode=ANYBODY)
    sync_folder(to)
    ended = time.monotonic()
    return ended + max(MANIFEST_EVERY, 20 * (ended - began))


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a folder that must not be published as it is: what, and a sentence that says why."""

    name: str
    said: str
    signature: SignatureStatus = SignatureStatus.CHANGED


def flaws(folder: Path, keys: PublicKeys) -> Iterator[Flaw]:
    """What is wrong with a release beyond its media, which :func:`anonymizer.release.check.examine` judges one by one:
    the manifest, what it lists that is not there or is another, and what is there that it does not list."""
    path = folder / MANIFEST
    content = path.read_bytes()
    said = sign.file_signature_status(content, PURPOSE, keys)
    if said is not SignatureStatus.VALID:
        why = (
            "The manifest was changed since it was signed."
            if said is SignatureStatus.CHANGED
            else "The manifest was signed with an unknown key; give its public half with --key."
        )
        yield Flaw(MANIFEST, why, said)
        return
    listed = json.loads(content)["media"]
    known = {MANIFEST}
    for one in listed:
        report = str(one["report"])
        known |= {one["name"], report, report.removesuffix(".json") + ".html"}
        if not (folder / one["name"]).is_file():
            yield Flaw(one["name"], "The manifest lists it, but it is not there.")
        elif file_sha256(folder / one["name"]) != one["sha256"]:
            yield Flaw(one["name"], "It is not the file that the manifest lists.")
        if not (folder / report).is_file():
            yield Flaw(report, "The manifest lists it, but it is not there.")
        elif file_sha256(folder / report) != one["report_sha256"]:
            yield Flaw(report, "It is not the report that the manifest lists.")
        if not (folder / report).with_suffix(".html").is_file():
            yield Flaw(report.removesuffix(".json") + ".html", "The page of a report is not there.")
    for found in contents(folder):
        name = found.relative_to(folder).as_posix()
        if found.is_symlink():
            yield Flaw(name, "It is a link, which may lead anywhere.")
        elif name not in known:
            yield Flaw(name, "It does not belong to the release: the manifest does not list it.")


def contents(folder: Path) -> list[Path]:
    """All that lies in a folder and below it, but for folders themselves: files, links, whatever else."""
    return sorted(found for found in folder.rglob("*") if found.is_symlink() or not found.is_dir())
