"""How often a hidden face is matched to the right person: by a face recogniser, and by what an attacker learns.

    python benchmarks/reidentify.py ../shared/media/identities ../shared/weights/MobileFaceNet.tflite \\
        [--others ../shared/media/faces] [--secrets 8] [--copies 10] [--rival-python …]

The folder holds photos and ``identities.json``, a list of ``{"image", "person"}``; each photo's largest face is the
person. Its faces are found in the whole photo; then it is cut out with what is about it, and all faces in the cut-out
are hidden, by the program and by its rival. Nobody but the attacker knows the landmarks of the clear face, by which
every crop is aligned (112 × 112): that helps him. A match is right when the nearest of all other photos (cosine) is of
the same person. Chance depends on how many photos a person has; it is printed.

Attacks, by column:

- clear: the recogniser, hidden photo against clear gallery.
- parrot: the gallery is hidden with the same program and another secret; ``bare``: hidden without any noise, which an
  attacker can do who knows the program.
- shape: brightness of the aligned crop on 14 × 14 points, whitened by how photos of *other* people differ, against the
  gallery without noise. It looks for what a coarse grid keeps, which a recogniser was never trained on.
- inverter: ridge regression from the hidden crop (14 × 14 × 3) to the clear face's embedding, trained on the faces of
  ``--others`` (without them: on all people but the one tested, which are too few), matched to the clear gallery.

Each by one output of a photo; by ten outputs (every photo re-encoded, made smaller and cropped at random, its faces
found and hidden anew, crops averaged); and by several photos of one person (the mean of a random half of his photos
against the mean of the other half; the nearest of all people; chance is one in as many).

"nothing of the face" is grey under noise: what its row shows comes from hair, outline and background. The last rows
are what the default gives away beyond a fill and beyond that, with standard errors. Below: how alike the noise is that
was drawn on a photo and on its copies. All of it takes some ten minutes on two cores.

With ``--in-view``: the same attacks where a part of the face stays in view by the program's own outlines, with the face
or the whole head hidden, and where a photo is cropped to a third of the face with nothing hidden in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray

import rivals
from anonymizer.core.face_outlines import Outline, outlines
from anonymizer.core.face_parts import FacePart
from anonymizer.core.pixels import averages
from anonymizer.core.settings import SAFE_GRID, SAFE_NOISE, FillColour, Settings
from anonymizer.core.types import Box, Pixels, Region, Style
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.faces.head import HeadFinder
from anonymizer.detect.faces.mesh import FaceMesh, Mesh, sure
from anonymizer.detect.models.store import Store, cache_folder, user_folders
from anonymizer.redact.photo import BRIGHTNESS, grid_size, redact, redaction_box, restore
from anonymizer.road.heads import hiding
from anonymizer.verify import outline

Floats = NDArray[np.float64]
SIDE = 112
PLACES = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Where MobileFaceNet's training put eyes, nose tip and mouth corners (InsightFace's template)."""
COARSE = 14
HALVES = 60
RESAMPLED = 2000
RIDGE = 30.0
LEAST = 48
"""Pixels of a training face of ``--others``."""
AROUND = 2.5
"""Size of a cut-out, of the face's box."""
BEGAN = time.monotonic()


@dataclass(frozen=True)
class Photo:
    """A face of one person with what is about it, cut out of a photo.

    ``regions``: all that was found, in pixels of the cut-out. ``face``: the person's, with landmarks.
    """

    person: int
    pixels: Pixels
    regions: tuple[Region, ...]
    face: Region


@dataclass(frozen=True)
class Way:
    """A way of hiding: outputs of cut-outs, by the number of the secret; a negative number: without noise.

    ``fixed``: no secret changes anything.
    """

    name: str
    hide: Callable[[Sequence[Photo], int], Iterable[Pixels]]
    fixed: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("identities", type=Path, help="folder with identities.json")
    parser.add_argument("recogniser", type=Path, help="MobileFaceNet.tflite")
    parser.add_argument("--others", type=Path, help="folder of photos of other people, to train the inverter")
    parser.add_argument("--secrets", type=int, default=8, help="how many secrets each number is the mean of")
    parser.add_argument("--copies", type=int, default=10, help="outputs of one photo; 0 leaves that out")
    parser.add_argument("--rival-python", type=Path, help="Python of an environment that has deface")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument(
        "--in-view", action="store_true", help="instead, what parts of a face that stay in view give away"
    )
    options = parser.parse_args()
    for needed in (options.identities, options.recogniser):
        if not needed.exists():
            raise SystemExit(f"{needed} is not here: photos and recogniser are not part of the project.")
    finder = FaceFinder(Store(folders=user_folders()))
    photos, *copies = known(options.identities, finder, options.copies)
    recogniser = Recogniser(options.recogniser)
    strangers = others(options.others, finder) if options.others else []
    lab = Lab(photos, copies, strangers, recogniser, options.secrets)
    people, counts = np.unique(lab.people, return_counts=True)
    chance = float(((counts - 1) * counts).sum() / len(photos) / (len(photos) - 1))
    print(
        f"{len(photos)} photos, {len(people)} people: chance {chance:.3f} for a photo, "
        f"{1 / len(people):.3f} for a person; clear photos are matched at "
        f"{lab.rank(lab.clear, lab.clear).mean():.2f}. {len(strangers)} faces of other people for training.\n"
    )
    print(HEAD, flush=True)
    if options.in_view:
        lab.row(ours(Style.FILL, FillColour.TONE))
        for way in in_view(Store(folders=user_folders())):
            lab.row(way)
        return
    for style in (Style.BLUR, Style.PIXELATE, Style.FILL):
        lab.row(ours(style))
    lab.row(ours(Style.FILL, FillColour.TONE))
    lab.row(NOTHING_OF_IT)
    if not options.no_rival:
        python = options.rival_python or rivals.environment(cache_folder().parent / "rival-deface")
        for replacement in ("blur", "mosaic"):
            lab.row(deface(python, replacement))
    blurred = ours(Style.BLUR)
    lab.row(Way("blur, the secret known", lambda photos, _: blurred.hide(photos, -1), fixed=True))
    lab.row(Way("nothing hidden", lambda photos, _: (photo.pixels for photo in photos), fixed=True))
    lab.compare(blurred.name, Style.FILL.value)
    lab.compare(blurred.name, NOTHING_OF_IT.name)
    print("\nHow alike the drawn noise is on a photo and on its copies (correlation; 1: the same):\n")
    print("| hidden by | median | one in twenty is below | worst |\n|---|---|---|---|")
    for name, values in lab.alike.items():
        print(f"| {name} | {np.median(values):.3f} | {np.quantile(values, 0.05):.3f} | {values.min():.3f} |")
    told = bits(photos)
    print(
        f"\nBeyond its mean colour a redaction tells {np.median(told):.3f} bits (median of {len(told)} faces; "
    )
    print(
        f"the most: {told.max():.3f}), however it is attacked: the Gaussian channel's bound, noise σ {SAFE_NOISE:g}."
    )
    tell("done")


HEAD = (
    "| hidden by | one: clear | parrot | parrot, bare | shape | inverter "
    "| ten: parrot | parrot, bare | shape | inverter | photos: parrot | parrot, bare | shape | inverter |\n"
    + "|---" * 14
    + "|"
)


def tell(said: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.0f} s  {said}", file=sys.stderr, flush=True)


def known(folder: Path, finder: FaceFinder, copies: int) -> list[list[Photo]]:
    """The labelled photos, cut out about the faces that the program finds in them; then each copy of all of them."""
    random = np.random.default_rng(7)
    sets: list[list[Photo]] = [[] for _ in range(1 + copies)]
    for entry in json.loads((folder / "identities.json").read_text(encoding="utf-8")):
        photo = found(read(folder / entry["image"]), entry["person"], finder)
        if photo is None:
            tell(f"{entry['image']}: no face with landmarks was found; left out")
            continue
        sets[0].append(cut(photo))
        for number in range(copies):
            sets[1 + number].append(cut(altered(photo, finder, random)))
        tell(f"{len(sets[0])} photos and their copies are ready")
    return sets


def bits(photos: Sequence[Photo]) -> Floats:
    """What the default's averages tell of each face beyond its mean colour, in bits, at the most.

    Shannon 1948: a channel whose signal has the power of the face's own averages, and whose noise is the redaction's.
    """
    told = []
    for photo in photos:
        for region in photo.regions:
            left, top, right, bottom = redaction_box(region, Settings())
            part = photo.pixels[max(0, top) : bottom, max(0, left) : right]
            if min(part.shape[:2]):
                grid = averages(part, grid_size(part.shape[1], part.shape[0], SAFE_GRID)) @ BRIGHTNESS
                told.append(grid.size / 2 * np.log2(1 + grid.var() / SAFE_NOISE**2))
    return np.array(told, np.float64)


def read(path: Path) -> Pixels:
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if stored is None:
        raise SystemExit(f"{path} cannot be read.")
    return np.ascontiguousarray(stored[:, :, ::-1])


def found(pixels: Pixels, person: int, finder: FaceFinder) -> Photo | None:
    regions = tuple(region for region in finder.find(pixels) if region.hidden)
    marked = [region for region in regions if len(region.landmarks) == 5]
    if not marked:
        return None
    return Photo(person, pixels, regions, max(marked, key=lambda region: region.box.area))


def cut(photo: Photo) -> Photo:
    """The face with what is about it. What is drawn over a face, and what is aligned of it, lies well within."""
    left, top, right, bottom = photo.face.box.scaled(AROUND).pixels(
        photo.pixels.shape[1], photo.pixels.shape[0]
    )

    def moved(region: Region) -> Region:
        box = replace(region.box, x=region.box.x - left, y=region.box.y - top)
        return replace(region, box=box, landmarks=tuple((x - left, y - top) for x, y in region.landmarks))

    part = np.ascontiguousarray(photo.pixels[top:bottom, left:right])
    return Photo(photo.person, part, tuple(map(moved, photo.regions)), moved(photo.face))


def ours(style: Style, colour: FillColour = FillColour.BLACK) -> Way:
    """This program at its defaults. Negative secrets: no noise at all, which it refuses without --unsafe-strength."""
    with_noise = Settings(style=style, fill=colour)
    bare = with_noise.model_copy(update={"noise": 0.0})

    def hide(photos: Sequence[Photo], secret: int) -> Iterator[Pixels]:
        value = abs(secret).to_bytes(32, "big")
        for photo in photos:
            yield redact(photo.pixels, photo.regions, bare if secret < 0 else with_noise, value)[0]

    name = f"{style} (default)" if style is Settings().style else style.value
    name += ", its mean colour" if colour is FillColour.TONE else ""
    return Way(name, hide, fixed=style is Style.FILL)


def _nothing_of_it(photos: Sequence[Photo], secret: int) -> Iterator[Pixels]:
    """Grey under the default's noise, which is each photo's own: what hair, outline and background alone give away."""
    for number, photo in enumerate(photos):
        settings = Settings(noise=0.0, unsafe_strength=True) if secret < 0 else Settings()
        grey = photo.pixels.copy()
        for region in photo.regions:
            left, top, right, bottom = redaction_box(region, settings)
            grey[max(0, top) : bottom, max(0, left) : right] = 128
        value = hashlib.sha256(f"{secret} {number}".encode()).digest()
        hidden, redactions = redact(grey, photo.regions, settings, value)
        # Beside the ellipses, and on their soft rims, it is the default's output.
        plain, _ = redact(photo.pixels, photo.regions, settings, value)
        whole, ys, xs = (0, 0, *grey.shape[1::-1]), np.arange(grey.shape[0]), np.arange(grey.shape[1])
        within = np.zeros(grey.shape[:2], bool)
        for one in redactions:
            within |= outline.inside(one, whole, ys, xs, 0)
        yield np.where(within[:, :, None], hidden, plain)


def in_view(store: Store) -> Iterator[Way]:
    """The default with parts of the faces kept, with heads hidden whole, and clear photos cropped to a third of a face.

    A part that the program would not show, because the mesh is not sure of it, is not shown here either.
    """
    mesh, heads = FaceMesh(store), HeadFinder(store)
    seen: dict[int, Mesh | None] = {}

    def outlined(photo: Photo, parts: Sequence[FacePart]) -> list[Outline]:
        if id(photo) not in seen:
            seen[id(photo)] = mesh.look(photo.pixels, photo.face)
        found = seen[id(photo)]
        sure_of = [p for p in parts if found and sure(photo.pixels, photo.face, found, p)]
        return [outline for part in sure_of if found for outline in outlines(found.points, part)]

    def keeping(
        parts: Sequence[FacePart], *, whole: bool
    ) -> Callable[[Sequence[Photo], int], Iterator[Pixels]]:
        def hide(photos: Sequence[Photo], secret: int) -> Iterator[Pixels]:
            settings = Settings(noise=0.0, unsafe_strength=True) if secret < 0 else Settings()
            for photo in photos:
                regions = photo.regions
                if whole:
                    regions = tuple(
                        replace(r, box=hiding(r.box, heads.head(photo.pixels, r), settings)) for r in regions
                    )
                hidden = redact(photo.pixels, regions, settings, abs(secret).to_bytes(32, "big"))[0]
                restore(hidden, photo.pixels, outlined(photo, parts))
                yield hidden

        return hide

    def third(number: int) -> Callable[[Sequence[Photo], int], Iterator[Pixels]]:
        def crop(photos: Sequence[Photo], _: int) -> Iterator[Pixels]:
            for photo in photos:
                box = photo.face.box
                part = Box(box.x, box.y + number * box.h / 3, box.w, box.h / 3)
                left, top, right, bottom = part.pixels(photo.pixels.shape[1], photo.pixels.shape[0])
                shown = np.full_like(photo.pixels, 128)
                shown[top:bottom, left:right] = photo.pixels[top:bottom, left:right]
                yield shown

        return crop

    both = FacePart.RIGHT_EYE, FacePart.LEFT_EYE
    named: dict[str, Sequence[FacePart]] = {
        "nothing": (),
        "teeth": (FacePart.TEETH,),
        "mouth": (FacePart.MOUTH,),
        "nose": (FacePart.NOSE,),
        "right eye": both[:1],
        "both eyes": both,
        "eyes, nose and mouth": (*both, FacePart.NOSE, FacePart.MOUTH),
    }
    for whole in (False, True):
        for name, parts in named.items():
            yield Way(f"{'head' if whole else 'face'} hidden, {name} kept", keeping(parts, whole=whole))
    for number, name in enumerate(("upper", "middle", "lower")):
        yield Way(f"cropped to the {name} third", third(number), fixed=True)


NOTHING_OF_IT = Way("nothing of the face", _nothing_of_it)


def deface(python: Path, replacement: str) -> Way:
    """deface at its defaults, or with its mosaic: the program itself, all cut-outs in one go, for it starts slowly."""
    program = shutil.which("deface", path=python.parent) or "deface"

    def hide(photos: Sequence[Photo], secret: int) -> Iterator[Pixels]:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.png" for number in range(len(photos))]
            for path, photo in zip(paths, photos, strict=True):
                cv2.imwrite(str(path), photo.pixels[:, :, ::-1])
            command = [program, *map(str, paths), "--replacewith", replacement, "--backend", "onnxrt"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for path in paths:
                yield read(path.with_name(f"{path.stem}_anonymized.png"))

    return Way(f"deface 1.5.0, {replacement}", hide, fixed=True)


class Recogniser:
    """MobileFaceNet: aligned crops RGB ``(112, 112, 3)`` to unit vectors."""

    def __init__(self, path: Path) -> None:
        core = openvino.Core()
        model = core.read_model(path)
        self._batch = int(model.inputs[0].partial_shape[0].get_length())
        self._run = core.compile_model(model, "CPU")

    def __call__(self, crops: NDArray[Any]) -> Floats:
        values = (np.asarray(crops, np.float32) - 127.5) / 128
        spare = -len(values) % self._batch
        padded = np.concatenate([values, values[:1].repeat(spare, 0)])
        parts = [self._run(padded[i : i + self._batch])[0].copy() for i in range(0, len(padded), self._batch)]
        return unit(np.concatenate(parts)[: len(values)].astype(np.float64))


def unit(rows: Floats) -> Floats:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def aligned(pixels: Pixels, face: Region) -> Pixels:
    """The face at the recogniser's places, by the nearest similarity (Umeyama 1991)."""
    marks, places = np.array(face.landmarks), np.array(PLACES)
    middle, there = marks.mean(0), places.mean(0)
    left, sizes, right = np.linalg.svd((places - there).T @ (marks - middle) / len(marks))
    signs = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = (sizes * signs).sum() / (marks - middle).var(0).sum()
    matrix = np.column_stack([scale * turn, there - scale * turn @ middle])
    return np.asarray(cv2.warpAffine(pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def altered(photo: Photo, finder: FaceFinder, random: np.random.Generator) -> Photo:
    """The same photo as somebody would hand it in again: smaller, cropped at its rim, re-encoded, faces found anew."""
    height, width = photo.pixels.shape[:2]
    cut = random.uniform(0, 0.05, 4) * [width, height, width, height]
    left, top, right, bottom = (int(v) for v in (cut[0], cut[1], width - cut[2], height - cut[3]))
    scale = random.uniform(0.6, 1.0)
    part = cv2.resize(
        photo.pixels[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    quality = int(random.integers(70, 96))
    data = cv2.imencode(".jpg", part[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    pixels = np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])
    regions = tuple(region for region in finder.find(pixels) if region.hidden)
    # The attacker's alignment is the one that he has of the whole photo.
    marks = tuple(((x - left) * scale, (y - top) * scale) for x, y in photo.face.landmarks)
    box = photo.face.box
    moved = Box((box.x - left) * scale, (box.y - top) * scale, box.w * scale, box.h * scale)
    return replace(
        photo, pixels=pixels, regions=regions, face=replace(photo.face, box=moved, landmarks=marks)
    )


def noise_likeness(ones: Sequence[NDArray[Any]], copies: Sequence[NDArray[Any]]) -> Floats:
    """How alike the noise is that was drawn on each photo and on each copy of it, ``(photos * copies,)``: the
    correlation of what a secret changes, whatever all secrets have in common being taken off."""
    own = np.array([brightness(one) for one in ones])
    theirs = np.array([[brightness(crops) for crops in copy] for copy in copies])
    own -= own.mean(axis=0)
    theirs -= theirs.mean(axis=0)
    first = own.transpose(1, 0, 2).reshape(1, own.shape[1], -1)
    second = theirs.transpose(1, 2, 0, 3).reshape(theirs.shape[1], theirs.shape[2], -1)
    return np.asarray((unit(first) * unit(second)).sum(axis=2).ravel(), np.float64)


def coarse(crops: NDArray[Any]) -> Floats:
    """Aligned crops ``(n, 112, 112, 3)`` as ``(n, 14, 14, 3)``, each without its mean."""
    step = SIDE // COARSE
    means = np.asarray(crops, np.float64).reshape(-1, COARSE, step, COARSE, step, 3).mean(axis=(2, 4))
    return np.asarray(means - means.mean(axis=(1, 2), keepdims=True), np.float64)


def brightness(crops: NDArray[Any]) -> Floats:
    return coarse(crops).mean(axis=3).reshape(len(crops), -1)


class Lab:
    """The attacker, and what he knows."""

    def __init__(
        self,
        photos: list[Photo],
        copies: list[list[Photo]],
        others: list[Photo],
        recogniser: Recogniser,
        secrets: int,
    ) -> None:
        self.photos, self.copies, self.others = photos, copies, others
        self.recogniser, self.secrets = recogniser, secrets
        self.alike: dict[str, Floats] = {}
        self.hits: dict[str, list[Floats]] = {}
        """Of each row, by column: of each photo, or each person, how often it is matched."""
        self.people = np.array([photo.person for photo in photos])
        self.clear = recogniser(np.array([aligned(photo.pixels, photo.face) for photo in photos]))
        crops = [aligned(photo.pixels, photo.face) for photo in others]
        self.other_clear = recogniser(np.array(crops)) if crops else np.zeros((0, self.clear.shape[1]))

    def crops(self, way: Way, secret: int, photos: Sequence[Photo]) -> NDArray[np.uint8]:
        outputs = way.hide(photos, secret)
        return np.array([aligned(out, photo.face) for out, photo in zip(outputs, photos, strict=True)])

    def copy_crops(self, way: Way, secret: int) -> NDArray[np.uint8]:
        """Of every copy of every photo: ``(copies, photos, 112, 112, 3)``."""
        return np.array([self.crops(way, secret, copy) for copy in self.copies])

    def rank(self, probes: Floats, gallery: Floats) -> Floats:
        """Of each photo, whether its nearest other photo is of the same person: 1 or 0."""
        return self._right(unit(probes) @ unit(gallery).T)

    def _right(self, likeness: Floats) -> Floats:
        likeness = likeness.copy()
        np.fill_diagonal(likeness, -np.inf)
        return np.asarray(self.people[likeness.argmax(1)] == self.people, np.float64)

    def person_rank(
        self, probes: Floats, gallery: Floats, score: Callable[[Floats, Floats, int], Floats]
    ) -> Floats:
        """Random halves of each person's photos, averaged, against the others; how often each person is matched."""
        random, hits = np.random.default_rng(5), []
        names = np.unique(self.people)
        for turn in range(HALVES):
            one, other = [], []
            for person in names:
                places = random.permutation(np.flatnonzero(self.people == person))
                half = (len(places) + turn % 2) // 2
                one.append(probes[places[:half]].mean(0))
                other.append(gallery[places[half:]].mean(0))
            first, second = np.array(one), np.array(other)
            best = [
                int(score(first[i : i + 1], second, int(person)).argmax()) for i, person in enumerate(names)
            ]
            hits.append(np.array(best) == np.arange(len(names)))
        return np.asarray(np.mean(hits, axis=0), np.float64)

    def row(self, way: Way) -> None:
        """Print one way of hiding."""
        secrets = range(1, 2 if way.fixed else self.secrets + 1)
        mine = [self.crops(way, secret, self.photos) for secret in secrets]
        probes = [self.recogniser(crops) for crops in mine]
        if way.fixed:
            other, bare_crops = probes, mine[0]
        else:
            other = [self.recogniser(self.crops(way, 1000 + secret, self.photos)) for secret in secrets]
            bare_crops = self.crops(way, -1, self.photos)
        bare, bare_shape = self.recogniser(bare_crops), brightness(bare_crops)
        inverters = self._inverters(way)
        whiten = self._whiteners(bare_shape)
        tell(f"{way.name}: one output of each photo is hidden")

        def shape_rank(shapes: Floats) -> Floats:
            likeness = np.zeros((len(shapes), len(shapes)))
            for person, (middle, root) in whiten.items():
                rows = np.flatnonzero(self.people == person)
                likeness[rows] = unit((shapes[rows] - middle) @ root) @ unit((bare_shape - middle) @ root).T
            return self._right(likeness)

        def restored(crops: NDArray[Any]) -> Floats:
            values, out = coarse(crops).reshape(len(crops), -1), np.zeros_like(self.clear)
            for person, weights in inverters.items():
                rows = np.flatnonzero(self.people == person)
                out[rows] = self._features(values[rows]) @ weights
            return out - out.mean(0)

        def plainly(one: Floats, many: Floats, _: int) -> Floats:
            return unit(one) @ unit(many).T

        def whitened(one: Floats, many: Floats, person: int) -> Floats:
            middle, root = whiten[person]
            return unit((one - middle) @ root) @ unit((many - middle) @ root).T

        centred = self.clear - self.clear.mean(0)
        shapes, back = [brightness(crops) for crops in mine], [restored(crops) for crops in mine]
        cells = [
            mean(self.rank(probe, self.clear) for probe in probes),
            mean(self.rank(probe, gallery) for probe, gallery in zip(probes, other, strict=True)),
            mean(self.rank(probe, bare) for probe in probes),
            mean(shape_rank(shape) for shape in shapes),
            mean(self.rank(one, centred) for one in back),
        ]
        if self.copies:
            each = [self.copy_crops(way, secret) for secret in secrets]
            many = [crops.mean(axis=0) for crops in each]
            theirs = (
                many
                if way.fixed
                else [self.copy_crops(way, 1000 + secret).mean(axis=0) for secret in secrets]
            )
            if not way.fixed:
                self.alike[way.name] = noise_likeness(mine, each)
            tell(f"{way.name}: {len(self.copies)} outputs of each photo are hidden")
            seen = [self.recogniser(crops) for crops in many]
            others_seen = seen if way.fixed else [self.recogniser(crops) for crops in theirs]
            cells += [
                mean(self.rank(a, b) for a, b in zip(seen, others_seen, strict=True)),
                mean(self.rank(a, bare) for a in seen),
                mean(shape_rank(brightness(a)) for a in many),
                mean(self.rank(restored(a), centred) for a in many),
            ]
        else:
            cells += [np.full(len(self.photos), np.nan)] * 4
        cells += [
            mean(self.person_rank(a, b, plainly) for a, b in zip(probes, other, strict=True)),
            mean(self.person_rank(a, bare, plainly) for a in probes),
            mean(self.person_rank(a, bare_shape, whitened) for a in shapes),
            mean(self.person_rank(a, centred, plainly) for a in back),
        ]
        self.hits[way.name] = cells
        print(line(way.name, [f"{cell.mean():.2f}" for cell in cells]), flush=True)

    def compare(self, one: str, other: str) -> None:
        """Print what one way of hiding gives away beyond another, with the standard error (people are resampled)."""
        random, people = np.random.default_rng(3), np.unique(self.people)
        chosen = random.integers(0, len(people), (RESAMPLED, len(people)))
        said = []
        for first, second in zip(self.hits[one], self.hits[other], strict=True):
            more = first - second
            if len(more) == len(people):
                sums, counts = more, np.ones(len(people))
            else:
                rows = self.people[:, None] == people
                sums, counts = more @ rows, rows.sum(axis=0)
            spread = (sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)).std()
            said.append(f"{more.mean():+.2f} ± {spread:.2f}")
        print(line(f"{one}, less {other}", said), flush=True)

    def _whiteners(self, shapes: Floats) -> dict[int, tuple[Floats, Floats]]:
        """For each person, by all others: their mean, and the root of how photos of one person do not differ."""
        made = {}
        for person in np.unique(self.people).tolist():
            scatter, degrees = np.zeros((shapes.shape[1],) * 2), 0
            for one in set(self.people.tolist()) - {person}:
                own = shapes[self.people == one]
                own = own - own.mean(0)
                scatter, degrees = scatter + own.T @ own, degrees + len(own) - 1
            scatter /= degrees
            scatter += (0.3 * np.trace(scatter) / len(scatter) + 1e-6) * np.eye(len(scatter))
            root = np.linalg.cholesky(np.linalg.inv(scatter))
            made[person] = (shapes[self.people != person].mean(0), root)
        return made

    @staticmethod
    def _features(values: Floats) -> Floats:
        scaled = values / (values.std(axis=1, keepdims=True) + 1.0)
        return np.column_stack([scaled, np.ones(len(scaled))])

    def _inverters(self, way: Way) -> dict[int, Floats]:
        """For each person the regression that all others give, hidden without noise and with the attacker's own."""
        draws = (1,) if way.fixed else (-1, *range(2001, 2004))
        pupils, clear = (self.others, self.other_clear) if self.others else (self.photos, self.clear)
        hidden = [coarse(self.crops(way, draw, pupils)).reshape(len(pupils), -1) for draw in draws]

        def learned(chosen: NDArray[np.bool_]) -> Floats:
            values = self._features(np.concatenate([one[chosen] for one in hidden]))
            wanted = np.concatenate([clear[chosen]] * len(draws))
            # Embeddings have a mean that says nothing.
            square = values.T @ values + RIDGE * np.eye(values.shape[1])
            return np.asarray(np.linalg.solve(square, values.T @ (wanted - wanted.mean(0))), np.float64)

        people = np.unique(self.people).tolist()
        if self.others:
            return dict.fromkeys(people, learned(np.ones(len(pupils), bool)))
        return {person: learned(self.people != person) for person in people}


def others(folder: Path, finder: FaceFinder) -> list[Photo]:
    """Every face of some size in these photos, cut out."""
    made = []
    for number, path in enumerate(sorted(folder.iterdir())):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        pixels = read(path)
        regions = tuple(region for region in finder.find(pixels) if region.hidden)
        for face in regions:
            if len(face.landmarks) == 5 and min(face.box.w, face.box.h) >= LEAST:
                made.append(cut(Photo(-1, pixels, (face,), face)))
        if number % 20 == 19:
            tell(f"{len(made)} faces of other people are ready")
    return made


def mean(values: Iterable[Floats]) -> Floats:
    """Over secrets."""
    return np.asarray(np.mean(list(values), axis=0), np.float64)


def line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join("–" if "nan" in cell else cell for cell in cells) + " |"


if __name__ == "__main__":
    main()
