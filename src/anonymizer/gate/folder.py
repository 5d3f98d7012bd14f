"""The output folder and its gate: nothing stands in ``ready/`` before its report is on the disk.

    OUT/ready/      what passed every check
    OUT/review/     what waits for a person, with the reasons beside it
    OUT/reports/    one JSON and one page per medium, and the overview
    OUT/.anonymizer/  private: the ledger, each run's work folder, what a person rejected, what the page was given

A medium is written and examined in the work folder (same volume, mode 0700), then its report is moved into
``reports/``, then the medium into ``ready/`` or ``review/``, each step fsynced. A run that was killed
leaves at most a work folder and a ``working`` row; the next run removes both.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from pathlib import Path

from filelock import FileLock, Timeout

from anonymizer.core import durable
from anonymizer.core.errors import OutputError
from anonymizer.core.signing import SignatureStatus, file_signature_status, own_key
from anonymizer.core.types import Verdict
from anonymizer.gate.ledger import RELEASED, Decision, Ledger, LedgerEntry, State
from anonymizer.gate.permissions import ANYBODY, PRIVATE_FOLDER, private_folder, restrict, usual, widen

NEUTRAL_TIME = 946_684_800
"""Modification time of every output: 2000-01-01T00:00:00Z, seconds."""
ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 12
"""12 of 32 characters: 60 random bits, so that an id says nothing and two never meet."""
OLD_LOCK = 3600.0
"""Seconds after which a lock file without a work folder is nobody's."""
_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_STATE = {Verdict.READY: State.READY, Verdict.REVIEW: State.REVIEW, Verdict.FAILED: State.FAILED}


def new_id() -> str:
    """A random id for one output."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """A source's stem made safe to write on every system, for ``keep_name`` alone."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ" or c == " ")
    text = re.sub(r'[<>:"/\\|?*]', "_", text).strip(" .").lstrip("-")[:100]
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text)
    return f"_{text}" if reserved else text or "unnamed"


class Gate:
    """An output folder, opened for one run. Use as a context manager; one per process.

    Raises :class:`OutputError`, naming the folder, where it cannot be created or written, and
    :class:`anonymizer.core.errors.NotReadyError` where the key that signs cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.key = own_key(self.root)
        self.ready = self.root / "ready"
        self.review = self.root / "review"
        self.reports = self.root / "reports"
        self.private = self.root / ".anonymizer"
        self.rejected = self.private / "rejected"
        self.altered = self.private / "altered"
        self.run = f"run-{new_id()}"
        self.work = self.private / self.run
        self._listed: dict[Path, tuple[int, set[str]]] = {}
        try:
            for folder in (self.ready, self.reports):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.review, self.private, self.rejected):
                private_folder(folder)
            self._lock = FileLock(self.private / f"{self.run}.lock", mode=0o600)
            # First the lock: a work folder without one is a dead run's.
            self._lock.acquire(timeout=0)
            self.work.mkdir(mode=PRIVATE_FOLDER)
            self._usual = usual(self.work)
        except OSError as error:
            raise _output_error(self.root, error) from error
        try:
            self.ledger = Ledger(self.private / "ledger.sqlite", self.key)
            self._clean_after_dead_runs()
        except BaseException as error:
            self._dismantle()
            if isinstance(error, OSError):
                raise _output_error(self.root, error) from error
            raise

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()
        self._dismantle()

    def begin(
        self,
        source: Path | str,
        settings: str,
        replaces: str = "",
        *,
        asked: str = "",
        sha256: str = "",
        state: State = State.WORKING,
    ) -> str:
        """Start the work on a source: its new id, already in the ledger (see :meth:`Ledger.start`).

        ``replaces`` is the id of the output that this one is to succeed; :meth:`retire` removes it then.
        """
        id = new_id()
        self.ledger.start(id, source, settings, self.run, replaces, asked=asked, sha256=sha256, state=state)
        return id

    def folder(self, state: State) -> Path:
        """Where a medium in this state stands. Raises KeyError for a state without a file."""
        folders = {
            State.READY: self.ready,
            State.RELEASED: self.ready,
            State.REVIEW: self.review,
            State.REJECTED: self.rejected,
        }
        return folders[state]

    def staging(self, id: str) -> Path:
        """Where a medium is written before it is examined, without suffix; private, on the same volume."""
        folder = self.work / id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / id

    def fail(self, id: str, reason: str, *, passing: bool = False) -> None:
        """Record that a medium could not be processed; nothing of it is kept.

        ``passing`` says that another time may do: the file was locked, its share gone.
        """
        self.withdraw(id)
        self.ledger.finish(id, State.FAILED, reason=reason, passing=int(passing))

    def abandon(self, id: str) -> None:
        """Undo the work on a medium that was cut off, as if it had never been begun; what is done stays."""
        with contextlib.suppress(OutputError):
            entry = self.ledger.get(id)
            if entry and entry.state not in (State.QUEUED, State.WORKING):
                return
        self.withdraw(id)
        with contextlib.suppress(OutputError):
            self.ledger.forget(id)

    def sweep(self, id: str) -> None:
        """Remove the staging folder of a medium, whatever became of it."""
        shutil.rmtree(self.work / id, ignore_errors=True)

    def take_name(self, id: str, stem: str, suffix: str, **values: str | int) -> str:
        """A name for an output that no other one has or is to have, wherever it stands and whatever the case: a
        number is added. From now on the ledger keeps it for this row; ``values`` are columns to set with it."""
        folders = (self.ready, self.review, self.rejected)
        if _ID.fullmatch(stem):
            # Random and in small letters: nothing but this very name can be in its way.
            taken = {f"{stem}.{suffix}" for folder in folders if (folder / f"{stem}.{suffix}").exists()}
        else:
            taken = {name for folder in folders for name in self._names(folder)}
        for number in itertools.count(1):
            name = f"{stem}.{suffix}" if number == 1 else f"{stem}-{number}.{suffix}"
            if name.casefold() not in taken and self.ledger.reserve(id, name, **values):
                return name
        raise AssertionError("unreachable")

    def _names(self, folder: Path) -> set[str]:
        """The names in a folder, case apart: listed again only where somebody else changed it."""
        changed = folder.stat().st_mtime_ns
        at, names = self._listed.get(folder, (0, set()))
        if at != changed:
            names = {path.name.casefold() for path in folder.iterdir()}
            self._listed[folder] = changed, names
        return names

    def _note_name(self, folder: Path, name: str, before: int) -> None:
        """A name of ours came into a folder that had this time before: it need not be listed for that."""
        at, names = self._listed.get(folder, (0, set()))
        if at == before:
            names.add(name.casefold())
            self._listed[folder] = folder.stat().st_mtime_ns, names

    def admit(
        self,
        id: str,
        staged: Path,
        name: str,
        sha256: str,
        verdict: Verdict,
        report: dict[str, bytes],
        reasons: list[str],
        regions: int = 0,
        priority: float = 0.0,
    ) -> Path:
        """Publish the report, then the medium, to where the verdict sends it; the medium's final path.

        ``report`` maps suffixes (``json``, ``html``) to bytes; ``sha256`` (hex) is the medium's, ``regions`` how
        many places are hidden in it, ``priority`` how urgently a person should look at it. An existing file is never
        replaced: where ``name`` is taken meanwhile, :class:`OutputError`.
        """
        final = (self.ready if verdict is Verdict.READY else self.review) / name
        status = staged.stat()
        report_digest = _digest(*report.values())
        try:
            for suffix, content in report.items():
                self.publish(content, self.reports / f"{id}.{suffix}")
            if verdict is not Verdict.READY:
                text = "".join(f"{reason}\n" for reason in reasons)
                self.publish(text.encode(), self.review / f"{id}.reasons.txt")
            durable.sync_folder(self.reports)
            # From here on a restart recognises the medium by its name and hash, wherever the kill strikes.
            known: dict[str, str | float] = {
                "bytes": status.st_size,
                "regions": regions,
                "priority": priority,
                "report": report_digest,
                "reason": " ".join(reasons),
            }
            self.ledger.update(id, name=name, output=sha256, **known)
            before = final.parent.stat().st_mtime_ns
            place(staged, final, self.mode(final))
            durable.sync_folder(final.parent)
            self._note_name(final.parent, name, before)
            self.ledger.finish(id, _STATE[verdict], name=name, output=sha256, reason=" ".join(reasons))
        except BaseException as error:
            # The medium goes before its report; a file of that name which is not ours stays.
            with contextlib.suppress(OSError):
                if final.stat().st_ino == status.st_ino:
                    final.unlink()
            self.withdraw(id)
            if isinstance(error, OSError):
                raise _output_error(self.root, error) from error
            raise
        return final

    def withdraw(self, id: str) -> None:
        """Remove what the gate wrote about a medium that did not get through."""
        left = [self.reports / f"{id}.json", self.reports / f"{id}.html", self.review / f"{id}.reasons.txt"]
        for path in left:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def flaw(self, entry: LedgerEntry) -> str:
        """What is wrong with a finished medium's file or report, as a part of a sentence; empty if nothing.

        Size and time tell whether somebody wrote to them since (nothing else has the neutral time);
        where they do, or where they say nothing, the hashes decide.
        """
        medium = self.folder(entry.state) / entry.name
        pages = [self.reports / f"{entry.id}.{suffix}" for suffix in ("json", "html")]
        try:
            status = medium.stat()
            touched = status.st_size != entry.bytes or status.st_mtime != NEUTRAL_TIME
            if touched and file_sha256(medium) != entry.output:
                return "its file was altered"
        except OSError:
            return "its file is missing"
        try:
            touched = any(page.stat().st_mtime != NEUTRAL_TIME for page in pages) or not entry.report
            if touched and self.report_digest(entry.id) != entry.report:
                return "its report was altered"
        except OSError:
            return "its report is missing"
        return ""

    def report_digest(self, id: str) -> str:
        """The hash (hex) of a medium's report as it is on the disk. Raises OSError."""
        return _digest(*((self.reports / f"{id}.{suffix}").read_bytes() for suffix in ("json", "html")))

    def retire(self, id: str, held: State | None = None) -> None:
        """Remove an output whose successor is on the disk: the medium first, then its report.

        A file that somebody has altered since is no output of ours any more: it is set aside, not deleted. Where
        somebody decides on the medium at this moment it stays, until the next run finds it overtaken. ``held`` is
        where it stood when this run claimed it.
        """
        entry = self.ledger.get(id)
        if entry is None:
            return
        stood = held or entry.state
        if stood not in (State.READY, State.RELEASED, State.REVIEW, State.REJECTED):
            return
        if not held and not self.ledger.claim(id, stood, self.run):
            return
        medium = self.folder(stood) / entry.name
        try:
            if medium.is_file() and (found := file_sha256(medium)) not in self._of_others(entry):
                if found != entry.output:
                    self._set_aside(medium)
                medium.unlink(missing_ok=True)
        except OSError as error:
            with contextlib.suppress(OutputError):
                self.ledger.update(id, state=stood)
            raise _output_error(self.root, error) from error
        self.withdraw(id)
        self.ledger.update(id, state=State.REPLACED)

    def _of_others(self, entry: LedgerEntry) -> set[str]:
        """The hashes (hex) that other rows say a file of this name has: such a file is theirs."""
        return {one.output for one in self.ledger.named(entry.name) if one.id != entry.id}

    def _set_aside(self, medium: Path) -> None:
        """Take a file that is none of ours any more out of the public folders, into the private one."""
        self.altered.mkdir(mode=0o700, exist_ok=True)
        restrict(medium, durable.PRIVATE)
        medium.replace(self.altered / f"{new_id()}-{medium.name}")

    def write_index(self, content: bytes) -> Path:
        """Replace the run's overview page."""
        try:
            self.publish(content, self.reports / "index.html")
        except OSError as error:
            raise _output_error(self.root, error) from error
        return self.reports / "index.html"

    def publish(self, content: bytes, path: Path) -> None:
        """Write a file whole and durable, or not at all, in place of what may stand there."""
        open_to = ANYBODY if path.parent in (self.ready, self.reports) else durable.PRIVATE
        durable.replace(path, content, self.work / f"{new_id()}.tmp", mode=open_to, time=NEUTRAL_TIME)

    def mode(self, path: Path) -> int:
        """Who may read a file at this place: everybody whom the user's mask lets, in ``ready/`` and ``reports/``."""
        return self._usual if path.parent in (self.ready, self.reports) else durable.PRIVATE

    def _clean_after_dead_runs(self) -> None:
        """Finish or undo what killed runs left: their lock is free, because a lock dies with its process."""
        runs = {folder.name for folder in self.private.glob("run-*") if folder.is_dir()}
        for run in (runs | self.ledger.owners()) - {self.run}:
            lock = FileLock(self.private / f"{run}.lock", mode=0o600)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                # Read under the lock: another run may have settled them while this one was on its way here.
                for entry in self.ledger.owned(run):
                    self._settle(entry)
                _remove(self.private / run)
            finally:
                lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
        for entry in self.ledger.overtaken():
            self.retire(entry.id)
        for path in self.private.glob("run-*.lock"):
            # Of a run that was killed as it took its work folder away; a young one may just be being made.
            with contextlib.suppress(OSError):
                if not path.with_suffix("").is_dir() and time.time() - path.stat().st_mtime > OLD_LOCK:
                    path.unlink()

    def _settle(self, entry: LedgerEntry) -> None:
        """Finish or undo the work on one medium, or a person's decision on it: its report says which.

        A file of its name is another run's where that run's row has its hash. What is nobody's is no output: the
        empty file that claimed the name goes, anything else is set aside, for it was never verified.
        """
        places = [self.folder(state) / entry.name for state in (State.READY, State.REVIEW, State.REJECTED)]
        theirs = self._of_others(entry) if entry.name else set()
        ours = []
        for candidate in places:
            # Before its hash is recorded nothing of it is placed anywhere.
            if not (entry.name and entry.output and candidate.is_file()):
                continue
            found = file_sha256(candidate)
            if found in theirs:
                continue
            if found == entry.output:
                ours.append(candidate)
            elif candidate.stat().st_size:
                self._set_aside(candidate)
            else:
                candidate.unlink()
        if not ours:
            self.withdraw(entry.id)
            if self.ledger.decisions(entry.id) or entry.mirrored or self.ledger.successor(entry.id):
                # It stood once, and is gone: what was decided on it, or copied of it, is still to be known.
                self.ledger.update(entry.id, state=State.REPLACED)
            else:
                self.ledger.forget(entry.id)
            return
        state, decision = self._reported(entry)
        final = self.folder(state) / entry.name
        if final not in ours:
            place(ours[0], final, self.mode(final))
        for other in set(ours) - {final}:
            other.unlink(missing_ok=True)
        durable.sync_folder(final.parent)
        if state is not State.REVIEW:
            (self.review / f"{entry.id}.reasons.txt").unlink(missing_ok=True)
        taken = [one for one in self.ledger.decisions(entry.id) if one.action != RELEASED]
        try:
            report_digest = self.report_digest(entry.id)
        except OSError:
            report_digest = ""
        reason = "" if state is State.READY else entry.reason
        if decision and (not taken or taken[-1].at != decision.at):
            self.ledger.decide(decision, state, reason, report_digest)
        else:
            self.ledger.update(entry.id, state=state, reason=reason, report=report_digest)

    def _reported(self, entry: LedgerEntry) -> tuple[State, Decision | None]:
        """Where its report sends a medium, and the decision in it.

        To a person where it cannot be read, or is not what our key signed: anybody may have written it.
        """
        from anonymizer.report.file import PURPOSE

        try:
            content = (self.reports / f"{entry.id}.json").read_bytes()
            if file_signature_status(content, PURPOSE, self.key.public) is not SignatureStatus.VALID:
                return State.REVIEW, None
            said = json.loads(content)
            state = _STATE[Verdict(said["verdict"])]
            made = said.get("decision")
            if said["medium"]["sha256"] != entry.output:
                return State.REVIEW, None
            if not made:
                return (state if state is State.READY else State.REVIEW), None
            changes = json.dumps(made["changes"])
            decision = Decision(
                entry.id, made["action"], made["initials"], "", changes, entry.output, made["decided"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return State.REVIEW, None
        return (State.REJECTED if state is State.FAILED else state), decision

    def _dismantle(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)


def place(staged: Path, final: Path, mode: int) -> None:
    """Move a file to a name that nothing has yet, and give it a mode; FileExistsError where something has the name.

    A hard link claims the name and fails where it exists, which a rename does not; where the volume has
    no links, an exclusively created empty file claims it.
    """
    restrict(staged, mode)
    try:
        os.link(staged, final)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(final, os.O_CREAT | os.O_EXCL, durable.PRIVATE))
        try:
            staged.replace(final)
        except BaseException:
            final.unlink(missing_ok=True)
            raise
    else:
        staged.unlink()
    widen(final, mode)


def _digest(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


def _remove(folder: Path) -> None:
    """Remove the work folder of a run that is dead; its workers, which die with it, may take a moment longer."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _output_error(root: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The output folder {root} cannot be written ({error.strerror or error}); "
        "free space or choose another folder with --out; nothing was published."
    )
