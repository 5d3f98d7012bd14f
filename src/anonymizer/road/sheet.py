"""Outputs that are ready, side by side on one page: a new picture, which goes down the road itself.

What is not ready is never joined: each file is checked as before a release, and the bytes that are joined are those
that were checked. Of the page everything is searched but the lines that were drawn below the pictures: what stands
there is a person's own words.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anonymizer.core.durable import new_file, sync
from anonymizer.core.errors import AnonymizerError, OutputError, UsageError
from anonymizer.core.known import KnownNames
from anonymizer.core.message import Message
from anonymizer.core.output_name import NumberedName, plain_word
from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Kind, Model, Pixels, Region, Verdict
from anonymizer.detect.finder import Finder
from anonymizer.gate.files import new_id
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder, is_output_folder
from anonymizer.gate.records import LedgerEntry, State
from anonymizer.read.photo.reader import open_still
from anonymizer.read.sniff import HEAD, sniff
from anonymizer.read.source import Source, read
from anonymizer.release.publish import check_output
from anonymizer.road.pipeline import Outcome, Session
from anonymizer.verify import integrity, pdf
from anonymizer.verify.jpeg import StructureError
from anonymizer.write.pdf import as_pdf
from anonymizer.write.photo import failed, neutralise, write_photo
from anonymizer.write.sheet import SheetPage, compose

MOST = 12
"""Pictures on a sheet."""
LONGEST = 80
"""Characters of a caption."""
HARMLESS = frozenset(
    re.findall(
        r"\w+",
        "before after start end final initial follow control visit day days week weeks month months year "
        "years left right front side upper lower view detail case photo picture image lesion wound tooth "
        "teeth mouth smile face eye nose avant apres debut fin controle visite jour jours semaine semaines "
        "mois ans gauche droite profil haut bas vue cas photographie plaie dent dents bouche sourire visage "
        "oeil nez post pre and the ",
    )
)
"""Words that originals and captions both have, and that name nobody."""
OWN = 0.75
"""Share of a found text that must lie in a caption to be one."""
TAKEN = (
    *("detector", "faces", "codes", "marks", "known", "style", "fill", "shape", "margin", "grid", "noise"),
    *("language", "report_time", "report_initials", "limits", "unsafe_strength"),
)
"""Settings that hold for a sheet; text is looked for in any case."""


@dataclass(frozen=True, slots=True)
class CaptionedFinder:
    """Finds what a finder finds, but for text in the captions: these are a person's own words.

    All else a person is asked about, and it is left in view until they have decided: each picture was searched before,
    so what is found in it now is mostly a texture, and may be the case. Until then the sheet is in nobody's hands.
    """

    finder: Finder
    captions: tuple[Box, ...]

    def find(self, pixels: Pixels) -> list[Region]:
        return self._beside(self.finder.find(pixels))

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return self._beside(self.finder.verification_pass(pixels))

    def quick_find_others(self, pixels: Pixels) -> list[Region]:
        return self._beside(self.finder.quick_find_others(pixels))

    def models(self) -> Sequence[Model]:
        return self.finder.models()

    def _beside(self, found: Sequence[Region]) -> list[Region]:
        return [
            replace(one, action=Action.ASK) if one.hidden else one
            for one in found
            if one.kind is not Kind.TEXT or all(one.box.covered_by(strip) < OWN for strip in self.captions)
        ]


def make_sheet(
    paths: Sequence[Path],
    settings: Settings | None = None,
    *,
    captions: Sequence[str] = (),
    page: SheetPage = SheetPage.A4,
    to: Path | None = None,
) -> Outcome:
    """Join ready outputs of one output folder to a sheet in it; where that is ready, ``to`` is a copy, PNG or PDF.

    One output alone is copied as it is. Raises :class:`UsageError` for what cannot be joined, with a sentence that
    names the file, and as :func:`anonymizer.road.pipeline.anonymize`.
    """
    settings = settings or Settings()
    root = _folder(paths, alone=to is not None)
    if to is not None:
        _check_target(to)
    with OutputFolder(root) as folder:
        joined = [_ready(folder, path, settings) for path in paths]
    said = [_caption(text, [entry for entry, _ in joined], settings) for text in captions]
    if len(said) > len(paths):
        raise UsageError("sheet.captions", count=len(said), files=len(paths))
    if len(joined) == 1:
        entry, source = joined[0]
        outcome = Outcome(
            source.path, Verdict.READY, entry.id, source.path, None, (), 0.0, entry.regions, fresh=False
        )
    else:
        with Session(root, _own(settings)) as session:
            outcome = _joined(session, [source for _, source in joined], said, page)
            session.write_index()
    if to is not None and outcome.verdict is Verdict.READY and outcome.output:
        _hand_out(outcome.output, to)
    return outcome


def _folder(paths: Sequence[Path], *, alone: bool) -> Path:
    """The output folder of all of them. Raises :class:`UsageError`."""
    if not (1 if alone else 2) <= len(paths) <= MOST:
        raise UsageError("sheet.count", count=len(paths), most=MOST)
    roots = []
    for path in paths:
        folder = path.absolute().parent
        if not path.exists():
            raise UsageError("path.missing", path=path)
        if not is_output_folder(folder.parent) or folder.name not in ("ready", "review"):
            raise UsageError("sheet.no-output", path=path)
        if folder.name == "review":
            raise UsageError("sheet.in-review", path=path)
        roots.append(folder.parent.resolve())
    if len(set(roots)) > 1:
        raise UsageError(
            "sheet.one-folder", one=roots[0], other=next(one for one in roots if one != roots[0])
        )
    return roots[0]


def _ready(folder: OutputFolder, path: Path, settings: Settings) -> tuple[LedgerEntry, Source]:
    """An output and its bytes, which are those that were checked. Raises :class:`UsageError` where it is not ready."""
    known = [one for one in folder.ledger.named(path.name) if one.state in (State.READY, State.RELEASED)]
    if not known:
        raise UsageError("sheet.no-output", path=path)
    try:
        check_output(folder, known[0])
        source = read(folder.ready / known[0].name, settings.limits.max_bytes)
    except AnonymizerError as error:
        raise UsageError("sheet.not-ready", path=path, why=error.message) from error
    if hashlib.sha256(source.content).hexdigest() != known[0].output:
        raise UsageError("sheet.not-ready", path=path, why=Message("release.other-file"))
    if sniff(source.content[:HEAD]).is_clip:
        raise UsageError("sheet.clip", path=path)
    return known[0], source


def _caption(text: str, entries: Sequence[LedgerEntry], settings: Settings) -> str:
    """A line that may be published. Raises :class:`UsageError` for one that tells what the originals are called."""
    text = " ".join(text.split())
    if len(text) > LONGEST or not text.isprintable():
        raise UsageError("sheet.caption", text=repr(text), most=LONGEST)
    telling = [word for word in re.findall(r"[^\W_]+", text) if plain_word(word) not in HARMLESS]
    words = NumberedName("", "", 1, " ".join(telling))
    told = any(words.holds((), entry.source) for entry in entries)
    if told or KnownNames(settings.known).near(re.sub(r"\W+", " ", text)):
        raise UsageError("sheet.caption-tells", text=repr(text))
    return text


def _own(settings: Settings) -> Settings:
    """Of the settings what holds for a sheet: how it is searched and how faces are hidden; no places."""
    return Settings().model_copy(update={key: getattr(settings, key) for key in TAKEN})


def _joined(session: Session, sources: Sequence[Source], captions: Sequence[str], page: SheetPage) -> Outcome:
    pixels = [open_still(one, session.settings.limits, session.worker.decoder).pixels for one in sources]
    sheet = compose(pixels, captions, page)
    original = _kept(session.gate, sheet.pixels)
    finder = session.worker.finder
    session.worker.finder = CaptionedFinder(finder, sheet.captions)  # type: ignore[assignment]
    try:
        return session.run(original)
    finally:
        session.worker.finder = finder


def _kept(gate: Gate, pixels: Pixels) -> Path:
    """The page before it goes down the road, where what is dropped on the program's page lies."""
    folder = gate.inbox / new_id()
    try:
        gate.inbox.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise failed(error) from error
    path = folder / "sheet.png"
    write_photo(pixels, path, "PNG", 95)
    return path


def _check_target(to: Path) -> None:
    if to.suffix.lower() not in (".png", ".pdf"):
        raise UsageError("sheet.suffix", path=to)
    if to.exists() or to.is_symlink():
        raise UsageError("sheet.exists", path=to)
    if not to.absolute().parent.is_dir():
        raise UsageError("path.missing", path=to.absolute().parent)


def _hand_out(output: Path, to: Path) -> None:
    """A copy of a ready picture, as it is or as the page of a PDF, which is examined before it gets its name."""
    content = output.read_bytes()
    pixels = integrity.decoded(content)
    if to.suffix.lower() == ".pdf":
        content = as_pdf(content, pixels.shape[1], pixels.shape[0])
        try:
            good = pdf.holds(content, pixels)
        except StructureError:
            good = False
        if not good:
            raise OutputError("sheet.pdf-failed", path=to)
    elif not content.startswith(b"\x89PNG"):
        raise UsageError("sheet.only-pdf", path=to, output=output)
    try:
        with new_file(to) as file:
            file.write(content)
            sync(file)
        neutralise(to)
    except OSError as error:
        raise failed(error) from error
