"""The output folder and its gate: nothing stands in ``ready/`` before its report is on the disk.

    OUT/ready/      what passed every check
    OUT/review/     what waits for a person, with the reasons beside it
    OUT/reports/    one JSON and one page per medium, and the overview
    OUT/.anonymizer/  private: the ledger, each run's work folder, what a person rejected, what the page
                      was given, clips' contact sheets

A medium is written and examined in the work folder (same volume, mode 0700), then its report is moved into
``reports/``, then the medium into ``ready/`` or ``review/``, each step fsynced. A run that was killed
leaves at most a work folder and a ``working`` row; the next run removes both (:mod:`anonymizer.gate.recovery`).
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from filelock import FileLock

from anonymizer.core import durable
from anonymizer.core.errors import OutputError
from anonymizer.core.message import Message, packed
from anonymizer.core.noise_secret import own_secret
from anonymizer.core.output_name import NumberedName
from anonymizer.core.signing import own_key
from anonymizer.core.types import Verdict
from anonymizer.gate import removal
from anonymizer.gate.files import (
    COMPANION,
    NEUTRAL_TIME,
    companion_of,
    digest,
    file_sha256,
    is_id,
    new_id,
    place,
)
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.output import LEDGER, OVERVIEW, OutputFolder, output_error
from anonymizer.gate.permissions import ANYBODY, PRIVATE_FOLDER, private_folder, restrict, usual
from anonymizer.gate.records import Beginning, State
from anonymizer.gate.recovery import settle_dead_runs
from anonymizer.i18n import ENGLISH, speaker

_STATE = {Verdict.READY: State.READY, Verdict.REVIEW: State.REVIEW, Verdict.FAILED: State.FAILED}


class Gate(OutputFolder):
    """An output folder, opened for one run. Use as a context manager; from one thread.

    Raises :class:`OutputError`, naming the folder, where it cannot be created or written or its ledger is not what was
    recorded, and :class:`anonymizer.core.errors.NotReadyError` where the key that signs or the noise
    secret cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self._name(root)
        self.key = own_key(self.root)
        self.public_keys = self.key.public
        # Made, if need be, before workers ask for it; never where it would be handed on.
        own_secret(self.root)
        self.run = f"run-{new_id()}"
        self.work = self.private / self.run
        self._listed: dict[Path, tuple[int, set[str]]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        try:
            for folder in (self.ready, self.reports):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.review, self.private, self.rejected):
                private_folder(folder)
            self._lock = FileLock(self.private / f"{self.run}.lock", mode=0o600)
            # First the lock: a work folder without one is a dead run's.
            self._lock.acquire(timeout=0)
            self.work.mkdir(mode=PRIVATE_FOLDER)
            self.usual_mode = usual(self.work)
        except OSError as error:
            raise output_error(self.root, error) from error
        try:
            new = not (self.private / LEDGER).exists()
            self.ledger = Ledger(self.private / LEDGER, self.key, Path(self._lock.lock_file))
            try:
                if new:
                    durable.sync_folder(self.private)
                self.ledger.check()
                settle_dead_runs(self, self.run)
            except BaseException:
                self.ledger.close()
                raise
        except BaseException as error:
            self._dismantle()
            if isinstance(error, OSError):
                raise output_error(self.root, error) from error
            raise

    def close(self) -> None:
        """Let the folder go; what was under way is undone by the next run."""
        super().close()
        self._dismantle()

    def begin(self, source: Path | str, settings: str, replaces: str = "", **more: Unpack[Beginning]) -> str:
        """Start the work on a source: its new id, already in the ledger (see :meth:`Ledger.start`).

        ``replaces`` is the id of the output that this one is to succeed; :meth:`retire` removes it then.
        """
        id = new_id()
        self.ledger.start(id, source, settings, self.run, replaces, **more)
        return id

    def staging(self, id: str) -> Path:
        """Where a medium is written before it is examined, without suffix; private, on the same volume."""
        folder = self.work / id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / id

    def fail(self, id: str, reason: Message, *, passing: bool = False) -> None:
        """Record that a medium could not be processed; nothing of it is kept.

        ``passing`` says that another time may do: the file was locked, its share gone.
        """
        self.withdraw(id)
        self.ledger.finish(id, State.FAILED, reason=[reason], passing=int(passing))

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

    def take_name(
        self, id: str, stem: str, suffix: str, *, companion: bool = False, **values: str | int
    ) -> str:
        """A name for an output that no other one has or is to have, wherever it stands and whatever the case: a
        number is added. With a ``companion`` no other has it whatever its suffix. From now on the ledger keeps it for
        this row; ``values`` are columns to set with it."""
        folders = (self.ready, self.review, self.rejected)
        if is_id(stem):
            # Random and in small letters: nothing but this very name can be in its way.
            taken = {f"{stem}.{suffix}" for folder in folders if (folder / f"{stem}.{suffix}").exists()}
        else:
            taken = {name for folder in folders for name in self._names(folder)}
        for number in itertools.count(1):
            name = f"{stem}.{suffix}" if number == 1 else f"{stem}-{number}.{suffix}"
            beside = name.rpartition(".")[0] + COMPANION
            free = name.casefold() not in taken and not (companion and beside.casefold() in taken)
            if free and self.ledger.reserve(id, name, companion, **values):
                return name
        raise AssertionError("unreachable")

    def take_number(self, id: str, form: NumberedName, suffix: str, **values: str | int) -> str:
        """A name of this form, with the number after the highest that any output of this folder ever had in it: names
        never come again. ``values`` as for :meth:`take_name`."""

        def highest() -> int:
            return max(map(form.number_of, self.ledger.stems(form.before)), default=0)

        folders = (self.ready, self.review, self.rejected)
        taken = {name.rpartition(".")[0] for folder in folders for name in self._names(folder)}
        number = self._numbers.get((form.before, form.after)) or highest()
        while True:
            number += 1
            if (stem := form.with_number(number)) in taken:
                continue
            if self.ledger.reserve(id, f"{stem}.{suffix}", True, **values):
                self._numbers[form.before, form.after] = number
                return f"{stem}.{suffix}"
            number = max(number, highest())

    def _names(self, folder: Path) -> set[str]:
        """The names in a folder, case apart: listed again only where somebody else changed it."""
        changed = folder.stat().st_mtime_ns
        at, names = self._listed.get(folder, (0, set()))
        if at != changed:
            names = {path.name.casefold() for path in folder.iterdir()}
            self._listed[folder] = changed, names
        return names

    def _note_names(self, folder: Path, came: set[str], before: int) -> None:
        """Names of ours came into a folder that had this time before: it need not be listed for that."""
        at, names = self._listed.get(folder, (0, set()))
        if at == before:
            names |= {name.casefold() for name in came}
            self._listed[folder] = folder.stat().st_mtime_ns, names

    def publish_reasons(self, id: str, reasons: Sequence[Message], language: str) -> None:
        """Write beside a medium that needs review why that is so."""
        say = speaker(language)
        text = "".join(f"{say(one)}\n" for one in reasons)
        self.publish(text.encode(), self.review / f"{id}.reasons.txt")

    def admit(
        self,
        id: str,
        staged: Path,
        name: str,
        sha256: str,
        verdict: Verdict,
        report: dict[str, bytes],
        reasons: Sequence[Message],
        regions: int = 0,
        priority: float = 0.0,
        *,
        language: str = ENGLISH,
        contact_sheet: bytes = b"",
        thumbnail: bytes = b"",
        companion: Path | None = None,
    ) -> Path:
        """Publish the report, then the medium, to where the verdict sends it; the medium's final path.

        ``report`` maps suffixes (``json``, ``html``) to bytes; ``sha256`` (hex) is the medium's, ``regions`` how
        many places are hidden in it, ``priority`` how urgently a person should look at it. The reasons are written
        beside what needs review, in ``language``; a clip's ``contact_sheet`` (JPEG) is kept for the day on which its
        page is written again, a ``thumbnail`` (JPEG) for the overview. ``companion`` is the staged DICOM that is to
        stand beside the medium: it gets there first, so where the medium stands both do. An existing file is never
        replaced: where ``name`` is taken meanwhile, :class:`OutputError`.
        """
        final = (self.ready if verdict is Verdict.READY else self.review) / name
        status = staged.stat()
        beside = companion_of(final) if companion else None
        identity = companion.stat().st_ino if companion else 0
        seal = digest(*report.values())
        try:
            if contact_sheet:
                self.sheets.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
                self.publish(contact_sheet, self.sheets / f"{id}.jpg")
            if thumbnail:
                self.thumbnails.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
                # Lost, it is missed on the overview alone: nothing waits for the disk.
                (self.work / f"{id}.jpg").write_bytes(thumbnail)
                restrict(self.work / f"{id}.jpg", durable.PRIVATE)
                (self.work / f"{id}.jpg").replace(self.thumbnails / f"{id}.jpg")
            for suffix, content in report.items():
                self.publish(content, self.reports / f"{id}.{suffix}")
            if verdict is not Verdict.READY:
                self.publish_reasons(id, reasons, language)
            durable.sync_folder(self.reports)
            # From here on a restart recognises the medium by its name and hash, wherever the kill strikes.
            known: dict[str, str | float] = {
                "bytes": status.st_size,
                "regions": regions,
                "priority": priority,
                "report": seal,
                "reason": packed(reasons),
                "companion": file_sha256(companion) if companion else "",
            }
            self.ledger.update(id, name=name, output=sha256, **known)
            before = final.parent.stat().st_mtime_ns
            if companion and beside:
                place(companion, beside, self.mode(beside))
                durable.sync_folder(beside.parent)
            place(staged, final, self.mode(final))
            durable.sync_folder(final.parent)
            self._note_names(final.parent, {name, *([beside.name] if beside else [])}, before)
            self.ledger.finish(id, _STATE[verdict], name=name, output=sha256, reason=reasons)
        except BaseException as error:
            # The medium goes before its report; a file of that name which is not ours stays.
            for path, ours in ((final, status.st_ino), (beside, identity)):
                with contextlib.suppress(OSError):
                    if path and path.stat().st_ino == ours:
                        path.unlink()
            self.withdraw(id)
            if isinstance(error, OSError):
                raise output_error(self.root, error) from error
            raise
        return final

    def withdraw(self, id: str) -> None:
        """Remove what the gate wrote about a medium that did not get through."""
        removal.withdraw(self, id)

    def retire(self, id: str, held: State | None = None) -> None:
        """Remove an output whose successor is on the disk (see :func:`anonymizer.gate.removal.retire`)."""
        removal.retire(self, self.run, id, held)

    def write_index(self, content: bytes) -> Path:
        """Replace the run's overview page."""
        try:
            self.publish(content, self.reports / OVERVIEW)
        except OSError as error:
            raise output_error(self.root, error) from error
        return self.reports / OVERVIEW

    def publish(self, content: bytes, path: Path) -> None:
        """Write a file whole and durable, or not at all, in place of what may stand there."""
        open_to = ANYBODY if path.parent in (self.ready, self.reports) else durable.PRIVATE
        durable.replace(path, content, self.work / f"{new_id()}.tmp", mode=open_to, stamp=NEUTRAL_TIME)

    def _dismantle(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)
