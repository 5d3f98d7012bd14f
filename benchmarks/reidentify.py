"""How often a hidden face is matched to the right person: by a face recogniser, and by what an attacker learns.

    python benchmarks/reidentify.py ../shared/media/identities ../shared/weights/MobileFaceNet.tflite \\
        [--others ../shared/media/faces] [--secrets 8] [--copies 10] [--rival-python …]

The folder holds photos and ``identities.json``, a list of ``{"image", "person"}``; each photo's largest face is the
person. The program and its rivals hide all faces of every photo; nobody but the attacker knows the landmarks of the
clear face, by which every crop is aligned (112 × 112): that helps him. A match is right when the nearest of all other
photos (cosine) is of the same person. Chance depends on how many photos a person has; it is printed.

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
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import openvino
from numpy.typing import NDArray

import rivals
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Pixels, Region, Style
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.models.store import Store, cache_folder, user_folders
from anonymizer.redact.photo import redact

Floats = NDArray[np.float64]
SIDE = 112
PLACES = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
"""Where MobileFaceNet's training put eyes, nose tip and mouth corners (InsightFace's template)."""
COARSE = 14
HALVES = 60
RIDGE = 30.0
LEAST = 48
"""Pixels of a training face of ``--others``."""


@dataclass(frozen=True)
class Photo:
    """A photo of one person; ``face`` is among ``regions`` and has landmarks."""

    person: int
    pixels: Pixels
    regions: tuple[Region, ...]
    face: Region


Hide = Callable[[Photo, int], Pixels]
"""A photo's output, by the number of the secret; a negative number: without noise."""


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
    options = parser.parse_args()
    for needed in (options.identities, options.recogniser):
        if not needed.exists():
            raise SystemExit(f"{needed} is not here: photos and recogniser are not part of the project.")
    finder = FaceFinder(Store(folders=user_folders()))
    photos = known(options.identities, finder)
    lab = Lab(photos, Recogniser(options.recogniser), options, finder)
    people, counts = np.unique(lab.people, return_counts=True)
    chance = float(((counts - 1) * counts).sum() / len(photos) / (len(photos) - 1))
    print(
        f"{len(photos)} photos, {len(people)} people: chance {chance:.3f} for a photo, "
        f"{1 / len(people):.3f} for a person; clear photos are matched at "
        f"{lab.rank(lab.clear, lab.clear):.2f}. {len(lab.other_crops)} faces of other people for training.\n"
    )
    print(HEAD)
    for style in (Style.BLUR, Style.PIXELATE, Style.FILL):
        lab.row(f"{style} (default)" if style is Settings().style else style.value, ours(style))
    if not options.no_rival:
        python = options.rival_python or rivals.environment(cache_folder().parent / "rival-deface")
        for way in ("blur", "mosaic"):
            lab.row(f"deface 1.5.0, {way}", Deface(python, photos, way))
    lab.row("blur, the secret known", lambda photo, _: ours(Style.BLUR)(photo, -1))
    lab.row("nothing hidden", lambda photo, _: photo.pixels)


HEAD = (
    "| hidden by | one: clear | parrot | parrot, bare | shape | inverter "
    "| ten: parrot | shape | inverter | photos: parrot | parrot, bare | shape | inverter |\n"
    + "|---" * 13
    + "|"
)


def known(folder: Path, finder: FaceFinder) -> list[Photo]:
    """The labelled photos, and the faces that the program finds in them."""
    photos = []
    for entry in json.loads((folder / "identities.json").read_text(encoding="utf-8")):
        pixels = read(folder / entry["image"])
        if (photo := found(pixels, entry["person"], finder)) is not None:
            photos.append(photo)
    return photos


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


def ours(style: Style) -> Hide:
    """This program at its defaults. Negative secrets: no noise at all, which it refuses without --unsafe-strength."""
    with_noise = Settings(style=style)
    bare = with_noise.model_copy(update={"noise": 0.0})

    def hide(photo: Photo, secret: int) -> Pixels:
        value = abs(secret).to_bytes(32, "big")
        return redact(photo.pixels, photo.regions, bare if secret < 0 else with_noise, value)[0]

    return hide


class Deface:
    """deface at its defaults, or with its mosaic: the program itself, on a copy of each photo."""

    def __init__(self, python: Path, photos: Sequence[Photo], way: str) -> None:
        self._made: dict[bytes, Pixels] = {}
        self._python, self._way = python, way
        self.prepare(photos)

    def prepare(self, photos: Sequence[Photo]) -> None:
        """Hide these photos in one go: its start takes a second."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{number}.png" for number in range(len(photos))]
            for path, photo in zip(paths, photos, strict=True):
                cv2.imwrite(str(path), photo.pixels[:, :, ::-1])
            program = shutil.which("deface", path=self._python.parent) or "deface"
            command = [program, *map(str, paths), "--replacewith", self._way, "--backend", "onnxrt"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for path, photo in zip(paths, photos, strict=True):
                made = read(path.with_name(f"{path.stem}_anonymized.png"))
                self._made[photo.pixels.tobytes()] = made

    def __call__(self, photo: Photo, secret: int) -> Pixels:
        return self._made[photo.pixels.tobytes()]


class Recogniser:
    """MobileFaceNet: aligned crops RGB ``(112, 112, 3)`` to unit vectors."""

    def __init__(self, path: Path) -> None:
        core = openvino.Core()
        model = core.read_model(path)
        self._batch = int(model.inputs[0].partial_shape[0].get_length())
        self._run = core.compile_model(model, "CPU")

    def __call__(self, crops: NDArray[np.floating]) -> Floats:
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


def coarse(crops: NDArray[np.floating]) -> Floats:
    """Aligned crops ``(n, 112, 112, 3)`` as ``(n, 14, 14, 3)``, each without its mean."""
    step = SIDE // COARSE
    means = np.asarray(crops, np.float64).reshape(-1, COARSE, step, COARSE, step, 3).mean(axis=(2, 4))
    return np.asarray(means - means.mean(axis=(1, 2), keepdims=True), np.float64)


def brightness(crops: NDArray[np.floating]) -> Floats:
    return coarse(crops).mean(axis=3).reshape(len(crops), -1)


class Lab:
    """The attacker, and what he knows."""

    def __init__(
        self, photos: list[Photo], recogniser: Recogniser, options: argparse.Namespace, finder: FaceFinder
    ) -> None:
        self.photos, self.recogniser, self.options = photos, recogniser, options
        self.people = np.array([photo.person for photo in photos])
        self.clear = recogniser(np.array([aligned(photo.pixels, photo.face) for photo in photos]))
        self.others = others(options.others, finder) if options.others else []
        crops = [aligned(photo.pixels, photo.face) for photo in self.others]
        self.other_crops = recogniser(np.array(crops)) if crops else np.zeros((0, self.clear.shape[1]))
        random = np.random.default_rng(7)
        self.copies = [[altered(photo, finder, random) for photo in photos] for _ in range(options.copies)]

    def crops(self, hide: Hide, secret: int, photos: Sequence[Photo] | None = None) -> NDArray[np.uint8]:
        chosen = self.photos if photos is None else photos
        return np.array([aligned(hide(photo, secret), photo.face) for photo in chosen])

    def rank(self, probes: Floats, gallery: Floats) -> float:
        """The share of photos whose nearest other photo is of the same person."""
        likeness = unit(probes) @ unit(gallery).T
        return self._right(likeness)

    def _right(self, likeness: Floats) -> float:
        likeness = likeness.copy()
        np.fill_diagonal(likeness, -np.inf)
        return float((self.people[likeness.argmax(1)] == self.people).mean())

    def person_rank(
        self, probes: Floats, gallery: Floats, score: Callable[[Floats, Floats, int], Floats]
    ) -> float:
        """Random halves of each person's photos, averaged, against the others; the share of people matched."""
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
            hits.append(np.mean(np.array(best) == np.arange(len(names))))
        return float(np.mean(hits))

    def row(self, name: str, hide: Hide) -> None:
        """Print one way of hiding."""
        fixed = isinstance(hide, Deface)
        secrets = range(1, 2 if fixed else self.options.secrets + 1)
        mine = [self.crops(hide, secret) for secret in secrets]
        other = [self.recogniser(self.crops(hide, 1000 + secret)) for secret in secrets]
        bare_crops = self.crops(hide, -1)
        bare, bare_shape = self.recogniser(bare_crops), brightness(bare_crops)
        probes = [self.recogniser(crops) for crops in mine]
        inverters = self._inverters(hide)
        whiten = self._whiteners(bare_shape)

        def shape_rank(shapes: Floats) -> float:
            likeness = np.zeros((len(shapes), len(shapes)))
            for person, (middle, root) in whiten.items():
                rows = np.flatnonzero(self.people == person)
                likeness[rows] = unit((shapes[rows] - middle) @ root) @ unit((bare_shape - middle) @ root).T
            return self._right(likeness)

        def restored(crops: NDArray[np.floating]) -> Floats:
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
            if isinstance(hide, Deface):
                hide.prepare([photo for copy in self.copies for photo in copy])
            many = [np.mean([self.crops(hide, s, copy) for copy in self.copies], axis=0) for s in secrets]
            theirs = [
                np.mean([self.crops(hide, 1000 + s, copy) for copy in self.copies], axis=0) for s in secrets
            ]
            cells += [
                mean(
                    self.rank(self.recogniser(a), self.recogniser(b))
                    for a, b in zip(many, theirs, strict=True)
                ),
                mean(shape_rank(brightness(a)) for a in many),
                mean(self.rank(restored(a), centred) for a in many),
            ]
        else:
            cells += [float("nan")] * 3
        cells += [
            mean(self.person_rank(a, b, plainly) for a, b in zip(probes, other, strict=True)),
            mean(self.person_rank(a, bare, plainly) for a in probes),
            mean(self.person_rank(a, bare_shape, whitened) for a in shapes),
            mean(self.person_rank(a, centred, plainly) for a in back),
        ]
        print(
            f"| {name} | " + " | ".join("–" if np.isnan(v) else f"{v:.2f}" for v in cells) + " |", flush=True
        )

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

    def _inverters(self, hide: Hide) -> dict[int, Floats]:
        """For each person the regression that all others give, hidden without noise and with the attacker's own."""
        if isinstance(hide, Deface) and self.others:
            hide.prepare(self.others)
        draws = (-1, *range(2001, 2004))
        known = [coarse(self.crops(hide, draw)).reshape(len(self.photos), -1) for draw in draws]
        more = [coarse(self.crops(hide, draw, self.others)) for draw in draws] if self.others else []
        extra = [values.reshape(len(self.others), -1) for values in more]
        made = {}
        for person in np.unique(self.people).tolist():
            kept = self.people != person
            if extra:
                values, wanted = np.concatenate(extra), np.concatenate([self.other_crops] * len(extra))
            else:
                values = np.concatenate([v[kept] for v in known])
                wanted = np.concatenate([self.clear[kept]] * len(draws))
            # Embeddings have a mean that says nothing.
            values, wanted = self._features(values), wanted - wanted.mean(0)
            square = values.T @ values + RIDGE * np.eye(values.shape[1])
            made[person] = np.linalg.solve(square, values.T @ wanted)
        return made


def others(folder: Path, finder: FaceFinder) -> list[Photo]:
    """Every face of some size in these photos, as a photo of its own with what is about it."""
    made = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        pixels = read(path)
        for region in finder.find(pixels):
            if len(region.landmarks) == 5 and region.hidden and min(region.box.w, region.box.h) >= LEAST:
                left, top, right, bottom = region.box.scaled(2.5).pixels(pixels.shape[1], pixels.shape[0])
                marks = tuple((x - left, y - top) for x, y in region.landmarks)
                box = Box(region.box.x - left, region.box.y - top, region.box.w, region.box.h)
                face = replace(region, box=box, landmarks=marks)
                part = np.ascontiguousarray(pixels[top:bottom, left:right])
                made.append(Photo(-1, part, (face,), face))
    return made


def mean(values: object) -> float:
    return float(np.mean(list(values)))  # type: ignore[call-overload]


if __name__ == "__main__":
    main()
