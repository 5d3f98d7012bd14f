"""What corrections would come to, before anything is applied: made in memory by what the road itself hides with.

A photo is searched as the road searches it, and what was found later in its last output counts too. Of a clip the frame
that is looked at is shown, with what was found over time. Nothing of it is written, and nothing of it is verified.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

import cv2
import numpy as np
from PIL import Image

from anonymizer.core.message import Message
from anonymizer.core.noise_secret import own_secret
from anonymizer.core.settings import Cover, CropPart, Settings
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region, Shape, Style
from anonymizer.detect.faces.head import HeadFinder
from anonymizer.detect.faces.mesh import FaceMesh
from anonymizer.detect.models.store import Store
from anonymizer.detect.person import PersonFinder
from anonymizer.gate.records import LedgerEntry
from anonymizer.read.sniff import sniff_file
from anonymizer.redact.photo import redaction_box
from anonymizer.report.schema import RegionRecord, Report
from anonymizer.review.clips import Films
from anonymizer.review.detectors import Detectors
from anonymizer.review.edits import EditPlace, Edits, meant
from anonymizer.review.listing import by_person, ways
from anonymizer.review.photos import Pictures, jpeg
from anonymizer.review.placing import Placing
from anonymizer.road.background import Persons, without_room
from anonymizer.road.clip.process import cropped_to_part
from anonymizer.road.face_parts import PartsOfFaces
from anonymizer.road.framing import Framing, framed
from anonymizer.road.heads import Heads
from anonymizer.road.photo import drawn_regions, heeded, hidden
from anonymizer.road.series import FacePlace, framed_alike, place_of, series_secret, shrunk

P = ParamSpec("P")
T = TypeVar("T")
SEARCHED = 8
"""Pictures of which is kept what was found in them."""
SAME = 0.5
"""Of what was drawn over for one thing and for the same once more (intersection over union)."""
INSIDE = 0.8
"""Share of what was drawn over that lies within a place of the last output, which may be a whole head's."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A medium with corrections: what its output was made with, ``used``, and what the next one would be, ``settings``;
    where both lie in the source."""

    entry: LedgerEntry
    report: Report
    edits: Edits
    used: Settings
    settings: Settings
    old: Placing
    new: Placing


@dataclass(frozen=True, slots=True)
class Preview:
    """JPEG bytes of what would be handed out, and what is said of what was not found."""

    picture: bytes
    said: tuple[Message, ...]


@dataclass
class Previews:
    """One thread with detectors of its own: a person who looks does not wait for what is being processed."""

    pictures: Pictures
    films: Films
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "preview"), init=False)
    _detectors: Detectors = field(default_factory=Detectors, init=False)
    _parts: PartsOfFaces = field(default_factory=lambda: PartsOfFaces(lambda: FaceMesh(Store())), init=False)
    _heads: Heads = field(default_factory=lambda: Heads(lambda: HeadFinder(Store())), init=False)
    _persons: Persons = field(default_factory=lambda: Persons(lambda: PersonFinder(Store())), init=False)
    _found: dict[tuple[object, ...], list[Region]] = field(default_factory=dict, init=False)

    def close(self) -> None:
        self._thread.submit(self._detectors.close)
        self._thread.shutdown(wait=True, cancel_futures=False)

    async def ask(self, task: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run one of the following on the thread, after those that were asked before."""
        return await asyncio.wrap_future(self._thread.submit(task, *args, **named))

    def photo(self, wanted: Tried, side: int) -> Preview:
        """A photo as it would be handed out, made smaller than it is where its longer side is over ``side`` pixels.

        Raises :class:`anonymizer.core.errors.MediumError`, and :class:`anonymizer.core.errors.ModelError` where a model
        cannot be had.
        """
        entry, settings = wanted.entry, wanted.settings
        frame = framed(self.pictures.pixels(entry.source, entry.sha256), settings)
        in_view = self._searched(entry.sha256, frame, settings)
        seen = frame.inside(in_view)
        seen += _missing(seen, wanted)
        pixels, said = self._hidden(frame, in_view, seen, settings, drawn_regions(settings))
        return Preview(jpeg(_small(pixels, side)), said)

    def frame(self, wanted: Tried, seconds: float) -> Preview:
        """A clip's frame at this moment as it would be handed out. Raises as :meth:`photo`."""
        entry, new = wanted.entry, wanted.new
        size = (
            self.films.size(entry.source, entry.sha256)
            if wanted.used.crop
            else (wanted.old.width, wanted.old.height)
        )
        shown = self.films.frame(entry.source, entry.sha256, seconds, size, wanted.settings)
        with Image.open(io.BytesIO(shown), formats=("JPEG",)) as image:
            pixels = np.asarray(image.convert("RGB"), np.uint8)
        # From here on all is in pixels of this picture.
        scale = pixels.shape[1] / new.width, pixels.shape[0] / new.height
        settings = _scaled(wanted.settings, *scale)
        regions = [
            replace(one, box=new.of(wanted.old, one.box).times(*scale)) for one in _at(wanted, seconds)
        ]
        if wanted.used.cover is Cover.HEAD:
            regions = _faces(regions, self._detectors.worker(settings).finder.find(pixels))
        frame = Framing(pixels, pixels, 0, 0, cropped=False, smaller=False)
        # A clip's fills are boxes, whatever the outline of what is blurred.
        shape = Shape.BOX if settings.style is Style.FILL else None
        shown_now, said = self._hidden(frame, regions, regions, settings, (), shape)
        return Preview(jpeg(Image.fromarray(shown_now)), said)

    def crop(
        self, entry: LedgerEntry, settings: Settings, part: CropPart, *, clip: bool
    ) -> tuple[float, ...]:
        """The crop about a part of the largest face of a source: x, y, w, h in its pixels.

        Raises :class:`anonymizer.core.errors.UnsupportedError` where it is not found surely.
        """
        wanted = settings.model_copy(update={"crop": None, "crop_to": part})
        finder = self._detectors.worker(wanted).finder
        if clip:
            path = self.films.lying(entry.source, entry.sha256)
            found = cropped_to_part(path, sniff_file(path), finder, wanted, None, self._parts)
            assert found.crop
            return found.crop
        pixels = self.pictures.pixels(entry.source, entry.sha256)
        whole = framed(pixels, wanted.model_copy(update={"max_side": 0}))
        return self._parts.crop(pixels, self._searched(entry.sha256, whole, wanted), part)

    def alike(
        self, members: Sequence[tuple[LedgerEntry, Settings]]
    ) -> list[tuple[Settings, tuple[Message, ...]]]:
        """The settings of each photo of one patient, framed like the others, and what is said of that.

        Raises :class:`anonymizer.core.errors.MediumError` where one cannot be read any more.
        """
        places: list[FacePlace | None] = []
        for entry, settings in members:
            whole = self.pictures.pixels(entry.source, entry.sha256)
            small, factor = shrunk(whole)
            seen = place_of(small, self._detectors.worker(settings).finder.faces(small), self._parts.mesh)
            places.append(seen.times(1 / factor, whole.shape[1], whole.shape[0]) if seen else None)
        return framed_alike(places, [settings for _, settings in members])

    def _hidden(
        self,
        frame: Framing,
        in_view: Sequence[Region],
        seen: Sequence[Region],
        settings: Settings,
        drawn: Sequence[Region],
        shape: Shape | None = None,
    ) -> tuple[Pixels, tuple[Message, ...]]:
        """The output of a view, and what is said of what was not found: the regions that are ``seen`` in it and not
        taken off, and those that are ``drawn``, hidden."""
        room = without_room(frame, in_view, settings, self._persons)
        regions = [*heeded(room.beside(seen, settings), settings), *drawn]
        secret = series_secret(settings, own_secret())
        made = hidden(frame, room.frame.output, regions, settings, secret, self._parts, self._heads, shape)
        return made.pixels, (*made.unsure, *room.reasons)

    def _searched(self, sha256: str, frame: Framing, settings: Settings) -> list[Region]:
        """What the detectors find in a view; it is the same for every way to hide it."""
        asked = (
            settings.detector,
            settings.faces,
            settings.text,
            settings.codes,
            settings.marks,
            settings.known,
        )
        key = (sha256, frame.view.shape, frame.left, frame.top, frame.output.shape, settings.crop, *asked)
        if key not in self._found:
            while len(self._found) >= SEARCHED:
                self._found.pop(next(iter(self._found)))
            self._found[key] = list(self._detectors.worker(settings).finder.find(frame.view))
        return self._found[key]


def _missing(seen: Sequence[Region], wanted: Tried) -> list[Region]:
    """What was hidden in the last output and is not among what was found now: its second search had found it."""
    drawn = [Box.between(*redaction_box(one, wanted.settings)) for one in seen if one.hidden]
    missing = []
    for record in wanted.report.regions:
        place = _region(record, record.box, wanted.used)
        if by_person(record) or not wanted.new.shows(wanted.new.of(wanted.old, place.box)):
            continue
        over = wanted.new.of(wanted.old, Box.between(*record.box))
        if not any(over.iou(one) >= SAME or one.covered_by(over) >= INSIDE for one in drawn):
            missing.append(replace(place, box=wanted.new.of(wanted.old, place.box)))
    return missing


def _region(record: RegionRecord, box: tuple[int, int, int, int], used: Settings) -> Region:
    """The thing that was drawn over so, in pixels of the output in which it was."""
    left, top, right, bottom = box
    place = EditPlace(rect=(left, top, max(1, right - left), max(1, bottom - top)), kind=record.kind)
    evidence = tuple(Evidence(one.detector, one.score) for one in record.found_by)
    return Region(Box(*meant(place, used).rect), record.kind, evidence)


def _at(wanted: Tried, seconds: float) -> list[Region]:
    """What is hidden of a clip at a moment, in pixels of its last output: what was found and not taken off, and what
    was drawn."""
    off = {(place.kind, place.rect) for place in wanted.edits.dismiss}
    regions = []
    for record in wanted.report.regions:
        left, top, right, bottom = record.box
        taken_off = (record.kind, (left, top, right - left, bottom - top)) in off
        if by_person(record) or taken_off or not record.path:
            continue
        if (record.first_seconds or 0) - 1e-3 <= seconds <= (record.last_seconds or 0) + 1e-3:
            regions.append(_region(record, _between(record.path, seconds), wanted.used))
    for place, way in zip(wanted.edits.regions, ways(wanted.report, wanted.edits), strict=True):
        start, end = (way["start"], way["end"]) if way else (place.start, place.end)
        if start - 1e-3 <= seconds and (end is None or seconds <= end + 1e-3):
            rect = meant(place, wanted.used).rect
            if way:
                left, top, right, bottom = _between(way["path"], seconds)
                moved = place.model_copy(
                    update={"rect": (left, top, max(1, right - left), max(1, bottom - top))}
                )
                rect = meant(moved, wanted.used).rect
            regions.append(Region(Box(*rect), place.kind, ()))
    return regions


def _between(path: Sequence[tuple[float, int, int, int, int]], seconds: float) -> tuple[int, int, int, int]:
    """Where a path is at a moment, on the straight way between the two moments about it."""
    times = [one[0] for one in path]
    left, top, right, bottom = (
        round(float(np.interp(seconds, times, [one[side] for one in path]))) for side in (1, 2, 3, 4)
    )
    return left, top, right, bottom


def _faces(regions: Sequence[Region], found: Sequence[Region]) -> list[Region]:
    """The regions, each whole head with the face that is found in it."""
    faces = [one for one in found if one.kind is Kind.FACE and one.hidden]

    def face(one: Region) -> Region:
        inside = [face for face in faces if face.box.covered_by(one.box) >= SAME]
        return max(inside, key=lambda face: face.box.area) if inside and one.kind is Kind.FACE else one

    return [face(one) for one in regions]


def _scaled(settings: Settings, across: float, down: float) -> Settings:
    """The settings for a picture of another size than the output: places with it, and none drawn by hand."""
    parts = tuple(
        one.model_copy(update={"at": (one.at[0] * across, one.at[1] * down)}) if one.at else one
        for one in settings.keep_part
    )
    outlines = tuple(
        tuple((x * across, y * down) for x, y in outline) for outline in settings.background_outline
    )
    boxes = (Box(*rect).times(across, down) for rect in settings.keep)
    keep = tuple((box.x, box.y, box.w, box.h) for box in boxes)
    update = {"keep": keep, "keep_part": parts, "background_outline": outlines, "regions": (), "dismiss": ()}
    return settings.model_copy(update=update)


def _small(pixels: Pixels, side: int) -> Image.Image:
    factor = min(1.0, side / max(pixels.shape[:2]))
    if factor < 1:
        size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Image.fromarray(pixels)
