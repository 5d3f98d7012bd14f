"""One source into one staged, examined medium: everything on the road before the gate.

It knows no output folder and no ledger, only the path that it is told to write to, so it can run in another
process, or on another machine, than the one that publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anonymizer.core.errors import MediumError, SettingsError
from anonymizer.core.machine import own_threads
from anonymizer.core.message import Message
from anonymizer.core.noise_secret import own_secret
from anonymizer.core.settings import Background, Cover, Settings
from anonymizer.core.settings_file import with_sidecar
from anonymizer.core.types import Processed, Progress, Region
from anonymizer.detect.faces.head import HeadFinder
from anonymizer.detect.faces.mesh import FaceMesh
from anonymizer.detect.finder import Finder
from anonymizer.detect.models.store import Store
from anonymizer.detect.person import PersonFinder
from anonymizer.detect.runtime import keep_memory
from anonymizer.read import together
from anonymizer.read.bundle.paths import member
from anonymizer.read.bundle.reader import bring
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.sniff import Format
from anonymizer.read.source import Source, take
from anonymizer.road import photo, series
from anonymizer.road.background import Persons
from anonymizer.road.face_parts import PartsOfFaces
from anonymizer.road.framing import framed
from anonymizer.road.heads import Heads
from anonymizer.road.known import traces_with
from anonymizer.verify.exiftool import KeptOpen

BROUGHT = "brought"
"""Private folder, beside what is staged, of a clip that was taken out of its bundle."""


@dataclass(frozen=True, slots=True)
class Worked:
    """A staged medium, the SHA-256 (hex) of its source, and the settings that held for it, sidecar included."""

    processed: Processed
    sha256: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Opened:
    """A source whose kind and settings are known; of a photo the SHA-256 (hex) and the picture, of a clip None.

    ``found`` is what the finders say of the picture, None where they were not asked yet.
    """

    path: Path
    form: Format
    settings: Settings
    photo: tuple[str, Still] | None
    found: tuple[Region, ...] | None = None
    crop: tuple[float, float, float, float] | None = None
    """Where it was searched so: what is to be taken of it."""
    said: tuple[Message, ...] = ()
    """Of how it was framed like others."""


Framed = tuple[Settings, tuple[Message, ...]]
"""The settings of a photo of a series, and what is said of them."""


class Worker:
    """Models loaded once, a decoding process ready. Use it from one thread, but for :meth:`open` and :meth:`search`,
    which one other may call; close it, or use ``with``.

    Raises :class:`anonymizer.core.errors.ModelError` where a model cannot be had and
    :class:`anonymizer.core.errors.NotReadyError` where the noise secret cannot.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.checked()
        # The process starts while the models are loaded.
        self.decoder = Decoder(self.settings.limits)
        try:
            self.secret = own_secret()
            self.tool = KeptOpen()
            self.finder = Finder(self.settings)
            self.parts = PartsOfFaces(lambda: FaceMesh(Store()))
            self.heads = Heads(lambda: HeadFinder(Store()))
            self.persons = Persons(lambda: PersonFinder(Store()))
            if self.settings.kept_parts and self.settings.faces:
                # Said now, and not of the first face.
                self.parts.mesh  # noqa: B018
            if self.settings.background is not Background.KEEP:
                self.persons.finder  # noqa: B018
            if self.settings.cover is Cover.HEAD and self.settings.faces:
                self.heads.finder  # noqa: B018
        except BaseException:
            self.decoder.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.decoder.close()
        self.tool.close()

    def open(self, path: Path, settings: Settings | None = None) -> Opened:
        """Read one source, a photo's pixels with it; for :meth:`process_opened`, in this thread or a later one.

        ``settings`` stand in for the worker's own and for those beside the source: a person's corrections.
        They must ask for the same detectors. Raises :class:`MediumError` where the source cannot be processed.
        """
        form, source = take(path, (settings or self.settings).limits)
        try:
            settings = settings.checked() if settings else with_sidecar(self.settings, path)
            settings = series.resolved(settings, path, self.secret)
        except SettingsError as error:
            raise MediumError(str(error)) from error
        if source is None:
            return Opened(path, form, settings, None)
        return Opened(
            path, form, settings, (source.sha256, open_still(source, settings.limits, self.decoder))
        )

    def alike(self, paths: Sequence[Path]) -> dict[Path, Framed]:
        """The settings of each photo of one patient's series, framed like the others; of what cannot be opened none.

        Clips are not framed: of them the look alone is the same.
        """
        own = series.resolved(self.settings, paths[0], self.secret).same_patient
        found: dict[Path, tuple[Settings, series.FacePlace | None]] = {}
        for path in dict.fromkeys(paths):
            try:
                opened = self.open(path)
            except MediumError:
                continue  # It is opened once more on its road, and said there.
            if opened.photo:
                whole = opened.photo[1].pixels
                small, factor = series.shrunk(whole)
                seen = series.place_of(small, self.finder.faces(small), self.parts.mesh)
                place = seen.times(1 / factor, whole.shape[1], whole.shape[0]) if seen else None
                found[path] = opened.settings.model_copy(update={"same_patient": own}), place
        alike = series.framed_alike(
            [place for _, place in found.values()], [settings for settings, _ in found.values()]
        )
        return dict(zip(found, alike, strict=True))

    def search(self, path: Path, alike: Framed | None = None) -> Opened:
        """What :meth:`open` gives, of a photo with what the finders say of it: while the one before is checked.

        ``alike``: settings of a series, in place of the worker's own. Not in a process that was told to keep to one
        thread. Raises as :meth:`open`.
        """
        opened = self.open(path, alike[0]) if alike else self.open(path)
        if alike:
            opened = replace(opened, said=alike[1])
        if not opened.photo or own_threads() == 1:
            return opened
        keep_memory(True)
        cropped = self._cropped(opened.photo[1], opened.settings)
        found = tuple(self.finder.find(framed(opened.photo[1].pixels, cropped).view))
        return replace(opened, found=found, crop=cropped.crop)

    def process(
        self, path: Path, staged: Path, progress: Progress | None = None, settings: Settings | None = None
    ) -> Worked:
        """Take one source down the road; the clean file is written to ``staged`` plus its suffix.

        ``settings``: see :meth:`open`. Raises :class:`MediumError` where the source cannot be processed and
        :class:`anonymizer.core.errors.OutputError` where nothing can be written.
        """
        return self.process_opened(self.open(path, settings), staged, progress)

    def process_opened(self, opened: Opened, staged: Path, progress: Progress | None = None) -> Worked:
        """Take a source down the road that is open already. Raises as :meth:`process`."""
        worked = self._worked(opened, staged, progress)
        processed = worked.processed
        if opened.said:
            asked = tuple(one for one in opened.said if one.code in series.ASKED)
            told = tuple(one for one in opened.said if one.code not in series.ASKED)
            processed = replace(
                processed, reasons=(*processed.reasons, *asked), notes=(*processed.notes, *told)
            )
            worked = replace(worked, processed=processed)
        if said := together.notes(opened.path, processed.traces.kinds):
            return replace(worked, processed=replace(processed, notes=(*processed.notes, *said)))
        return worked

    def _worked(self, opened: Opened, staged: Path, progress: Progress | None) -> Worked:
        if opened.photo:
            sha256, still = opened.photo
            return self._photo(still, sha256, staged, opened.settings, opened.found, opened.crop)
        from anonymizer.read.clip.reader import PROCESSES

        keep_memory(False)
        # The server of the decoding processes starts while what is needed here is imported.
        PROCESSES.ready()
        from anonymizer.road.clip import process as clip

        path = opened.path
        if member(path):
            # Decoded from a file: beside what is staged, private, and gone with it.
            path, _ = bring(path, staged.parent / BROUGHT, opened.settings.limits)
        processed, sha256 = clip.process(
            path,
            opened.form,
            self.finder,
            opened.settings,
            staged,
            series.series_secret(opened.settings, self.secret),
            progress,
            self.parts,
            self.heads,
            self.persons,
        )
        return Worked(processed, sha256, opened.settings)

    def process_read(self, source: Source, staged: Path, settings: Settings) -> Worked:
        """Take a photo down the road that is read already, maybe on another machine. Raises as :meth:`process`."""
        still = open_still(source, settings.limits, self.decoder)
        settings = series.resolved(settings, source.path, self.secret)
        return self._photo(still, source.sha256, staged, settings)

    def _photo(
        self,
        still: Still,
        sha256: str,
        staged: Path,
        settings: Settings,
        found: Sequence[Region] | None = None,
        crop: tuple[float, float, float, float] | None = None,
    ) -> Worked:
        keep_memory(True)
        still = replace(still, traces=traces_with(still.traces, settings))
        used = settings.model_copy(update={"crop": crop}) if crop else self._cropped(still, settings)
        processed = photo.process(
            still,
            sha256,
            self.finder,
            used,
            staged,
            series.series_secret(used, self.secret),
            found,
            self.parts,
            self.heads,
            self.persons,
            self.tool,
        )
        return Worked(replace(processed, crop=used.crop), sha256, settings)

    def _cropped(self, still: Still, settings: Settings) -> Settings:
        """The settings with a crop to a part of a face in pixels. Raises :class:`MediumError` where there is none."""
        if settings.crop or not settings.crop_to:
            return settings
        crop = self.parts.crop(still.pixels, self.finder.find(still.pixels), settings.crop_to)
        return settings.model_copy(update={"crop": crop})
