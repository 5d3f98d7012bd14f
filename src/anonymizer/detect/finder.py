"""All finders as one: what the settings ask for, in one table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial, reduce

import numpy as np

from anonymizer.core.known import KnownNames
from anonymizer.core.machine import own_threads
from anonymizer.core.settings import AudioPolicy, Background, Cover, Settings, TextPolicy
from anonymizer.core.types import Action, Box, Model, Pixels, Question, Region
from anonymizer.detect.base import (
    FaceRegionFinder,
    FindsBeside,
    LetsGo,
    Proof,
    ProvesLabels,
    RegionFinder,
    ReleasesMemory,
)
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import hand_back


def _faces(settings: Settings, store: Store) -> list[RegionFinder]:
    from anonymizer.detect.faces.finder import FaceFinder

    return [FaceFinder(store, settings.detector)] if settings.faces else []


def _text(settings: Settings, store: Store) -> list[RegionFinder]:
    from anonymizer.detect.text.finder import TextFinder

    wanted = settings.text is not TextPolicy.NONE
    return [TextFinder(store, settings.text, settings.detector, KnownNames(settings.known))] if wanted else []


def _codes(settings: Settings, store: Store) -> list[RegionFinder]:
    from anonymizer.detect.codes.finder import CodeFinder

    return [CodeFinder()] if settings.codes else []


def _marks(settings: Settings, store: Store) -> list[RegionFinder]:
    from anonymizer.detect.marks.finder import MarkFinder

    return [MarkFinder(store)] if settings.marks else []


def _plugins(settings: Settings, store: Store) -> list[RegionFinder]:
    from anonymizer.detect.plugin import PluginFinder

    entries = [e for e in store.entries("plugin") if store.present(e.name) or not e.optional]
    return [PluginFinder(store, entry.name) for entry in entries]


TABLE: tuple[Callable[[Settings, Store], list[RegionFinder]], ...] = (
    _faces,
    _text,
    _codes,
    _marks,
    _plugins,
)
"""Every family of detectors. Each is imported when it is first wanted: the command line starts quickly."""


def models_needed(settings: Settings) -> list[str]:
    """The models that a run with these settings cannot do without."""
    faces = ["centerface", "blazeface-short", "blazeface-full", "face-parts"] if settings.faces else []
    wanted = settings.text is not TextPolicy.NONE
    text = ["ppocr-detection", "ppocr-detection-v4", "ppocr-recognition"] if wanted else []
    marks = ["centerface", "ink"] if settings.marks else []
    speech = ["silero-vad"] if settings.audio is AudioPolicy.MUTE_SPEECH else []
    parts = ["face-mesh"] if settings.kept_parts and settings.faces else []
    heads = settings.cover is Cover.HEAD and settings.faces
    head = ["person"] if heads or settings.background is not Background.KEEP else []
    return list(dict.fromkeys(faces + text + marks + speech + parts + head))


def models_used(settings: Settings, store: Store) -> list[str]:
    """Name and hash of every model that takes part with these settings and that this machine can have, and how
    a model of the user's own is asked and read.

    Raises :class:`anonymizer.core.errors.ModelError` where a manifest names none of a model that is needed.
    """
    extra = [e.name for e in store.entries("plugin") if store.present(e.name) or not e.optional]
    # Whether an optional face network takes part, the face finder decides by its plan.
    extra += [
        e.name for e in store.entries("face") if settings.faces and e.optional and store.present(e.name)
    ]
    names = dict.fromkeys([*models_needed(settings), *extra])
    told = []
    for entry in (store.entry(name) for name in names):
        keys = f" {json.dumps(dict(entry.extra), sort_keys=True, default=str)}" if entry.extra else ""
        told.append(f"{entry.name} {entry.sha256}{keys}")
    return told


def check_entries(store: Store) -> None:
    """Read every entry of the user's own as a run does. Raises :class:`anonymizer.core.errors.ModelError`."""
    from anonymizer.detect.plugin import detector_spec

    for entry in store.entries("plugin"):
        detector_spec(entry)


class Finder:
    """Every finder that the settings ask for, answering as one :class:`RegionFinder`.

    Raises :class:`anonymizer.core.errors.ModelError` where a model that is needed cannot be had.
    """

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        store = store or Store()
        with ThreadPoolExecutor(2) as beside:
            # To compile a network keeps one core busy.
            built = list(beside.map(lambda build: build(settings, store), TABLE))
        self.finders: list[RegionFinder] = [finder for some in built for finder in some]

    def find(self, pixels: Pixels) -> list[Region]:
        faces, others = _side_by_side([partial(self.faces, pixels), partial(self.others, pixels)])
        return faces + others

    def faces(self, pixels: Pixels) -> list[Region]:
        """What :meth:`find` says of faces alone."""
        return [r for finder in self._of_faces() for r in finder.find(pixels)]

    def others(self, pixels: Pixels, known: Sequence[Box] = ()) -> list[Region]:
        """What :meth:`find` says of everything but faces; less close a search of places that are known to be hidden."""
        found: list[Region] = []
        for finder in self._of_others():
            if isinstance(finder, FindsBeside):
                found += finder.find_beside(pixels, known)
            else:
                found += finder.find(pixels)
        return found

    def rest(self) -> None:
        """Give back the memory that a search takes, several hundred megabytes."""
        for finder in self.finders:
            if isinstance(finder, ReleasesMemory):
                finder.rest()
        hand_back()

    def let_go(self) -> None:
        """What :meth:`rest` does, and give back what networks keep for pictures of every shape that they were shown."""
        for finder in self.finders:
            if isinstance(finder, LetsGo):
                finder.let_go()
        self.rest()

    def make_room(self) -> None:
        """Let finders take turns with the memory: :meth:`rest` where several take as much, nothing for one alone."""
        if sum(isinstance(finder, ReleasesMemory) for finder in self.finders) > 1:
            self.rest()

    def quick_find(
        self, pictures: Sequence[Pixels], rotations: tuple[int, ...] = (0,), side: int = 640
    ) -> list[list[Region]]:
        """Quick detection, between full searches: the faces of each of several small frames.

        ``rotations`` are the quarter turns at which to search, ``side`` the long side for that in pixels.
        """
        answers = [finder.quick_find(pictures, rotations, side) for finder in self._of_faces()]
        return [[r for answer in answers for r in answer[number]] for number in range(len(pictures))]

    def close_look(self, pixels: Pixels, box: Box) -> float:
        """The best score for a face of a place that is cut out and enlarged."""
        return max((finder.close_look(pixels, box) for finder in self._of_faces()), default=1.0)

    def quick_find_around(self, pixels: Pixels, rotations: Sequence[int]) -> list[Region]:
        """Quick detection: the faces of a small frame at all four rotations, with most care at these."""
        return [r for finder in self._of_faces() for r in finder.quick_find_around(pixels, rotations)]

    def quick_find_others(self, pixels: Pixels) -> list[Region]:
        """Quick detection of everything but faces, between full searches."""
        calls = [partial(finder.verification_pass, pixels) for finder in self._of_others()]
        return [r for found in _side_by_side(calls) for r in found]

    def labels_near(self, pixels: Pixels, labels: Sequence[Region]) -> list[Region]:
        """Quick detection of text and codes at the places of these labels alone, each with some ground about it."""
        parts = parts_about([one.box for one in labels], pixels.shape[1], pixels.shape[0])
        calls = [partial(_found_in, finder, pixels, parts, labels) for finder in self._of_labels()]
        found = [_of_whole(r, pixels) for some in _side_by_side(calls) for r in some]
        # What stands at the edge of a part is cut off by it, and not what was asked for.
        return [r for r in found if any(r.box.intersection(one.box).area > 0 for one in labels)]

    def proof(self, pixels: Pixels, region: Region) -> Proof:
        """What a closer look says of a place that was found for text or a code."""
        told = (finder.proof(pixels, region) for finder in self._of_labels())
        return max((one for one in told if one is not None), default=Proof.SEEN)

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        searches = self.verification_pass_faces, self.quick_find_others
        faces, others = _side_by_side([partial(search, pixels) for search in searches])
        return faces + others

    def verification_pass_faces(self, pixels: Pixels) -> list[Region]:
        """What :meth:`verification_pass` says of faces alone."""
        return [r for finder in self._of_faces() for r in finder.verification_pass(pixels)]

    def verification_pass_near(
        self, pixels: Pixels, places: Sequence[Box], rotations: Sequence[int]
    ) -> list[Region]:
        """The faces at and about these places: searching a part of the picture costs less than all of it."""
        return [
            r for finder in self._of_faces() for r in finder.verification_pass_near(pixels, places, rotations)
        ]

    def models(self) -> list[Model]:
        return [model for finder in self.finders for model in finder.models()]

    def _of_faces(self) -> list[FaceRegionFinder]:
        return [finder for finder in self.finders if isinstance(finder, FaceRegionFinder)]

    def _of_labels(self) -> list[ProvesLabels]:
        return [finder for finder in self.finders if isinstance(finder, ProvesLabels)]

    def _of_others(self) -> list[RegionFinder]:
        return [finder for finder in self.finders if not isinstance(finder, FaceRegionFinder)]


NEAR_GROUND = 0.3
"""Ground about a place, on each side, as a share of its longer side."""
NEAR_SIDES = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
"""Sides of what is looked at, pixels: a network prepares itself for each new shape, which takes longer than the look,
and keeps what it prepared."""


def parts_about(places: Sequence[Box], width: int, height: int) -> list[Box]:
    """The parts of a picture that hold these places with some ground about them; parts that meet are one."""
    waiting = [place.padded(NEAR_GROUND * max(place.w, place.h)) for place in places]
    waiting = [box for box in waiting if box.within(width, height).area]
    done: list[Box] = []
    while waiting:
        box = waiting.pop()
        if meets := [other for other in done if box.intersection(other).area > 0]:
            done = [other for other in done if other not in meets]
            waiting.append(reduce(Box.union, meets, box))
        else:
            done.append(box)
    return [_in_steps(box, width, height) for box in done]


def _in_steps(box: Box, width: int, height: int) -> Box:
    """What holds a place of a picture, with sides of :data:`NEAR_SIDES` or the picture's own."""
    sides = []
    for start, side, whole in ((box.x, box.w, width), (box.y, box.h, height)):
        grown = min(whole, next((step for step in NEAR_SIDES if step >= math.ceil(side) + 1), whole))
        sides.append((min(max(0, math.floor(start + side / 2 - grown / 2)), whole - grown), grown))
    (x, w), (y, h) = sides
    return Box(x, y, w, h)


def _of_whole(region: Region, pixels: Pixels) -> Region:
    """What was found in a part of a picture, as it is in the whole: what is large in the part alone is no question."""
    # Imported here: the doctor, which reads this module, must be able to say that OpenCV does not load.
    from anonymizer.detect.text.evidence import LARGE_AREA, share

    small = share(region, pixels.shape[:2]) <= LARGE_AREA
    return replace(region, action=Action.HIDE) if small and region.hidden else region


def _shifted(region: Region, x: int, y: int) -> Region:
    box = Box(region.box.x + x, region.box.y + y, region.box.w, region.box.h)
    return replace(region, box=box, corners=tuple((px + x, py + y) for px, py in region.corners))


def _found_in(
    finder: ProvesLabels, pixels: Pixels, parts: Sequence[Box], labels: Sequence[Region]
) -> list[Region]:
    """What a quick detection finds in each of some parts of a picture, for the labels in it."""
    found: list[Region] = []
    for part in parts:
        left, top, right, bottom = part.pixels(pixels.shape[1], pixels.shape[0])
        view = np.ascontiguousarray(pixels[top:bottom, left:right])
        here = [one for one in labels if one.box.intersection(part).area > 0]
        found += [_shifted(r, left, top) for r in finder.look_near(view, here)]
    return found


def _side_by_side(searches: Sequence[Callable[[], list[Region]]]) -> list[list[Region]]:
    """What each of several searches finds. They run at once, for each alone leaves a core idle much of the time; but
    one after the other in a process that was told to keep to one thread."""
    if own_threads() == 1 or len(searches) < 2:
        return [search() for search in searches]
    with ThreadPoolExecutor(len(searches) - 1) as beside:
        others = [beside.submit(search) for search in searches[1:]]
        return [searches[0](), *(other.result() for other in others)]


def question(region: Region, seconds: float | None = None, *, hidden: bool | None = None) -> Question:
    """What a person is asked about a region, in a clip at a moment; ``hidden`` says whether it is drawn over, where
    that is another matter than what was to be done with it."""
    return Question(region.asks, region.box, seconds, region.hidden if hidden is None else hidden)


def questions(regions: Sequence[Region]) -> list[Question]:
    """One question for each region that a person must look at."""
    return [question(region) for region in regions if region.asked]
