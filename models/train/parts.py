"""Train face-parts.onnx: is a part of a face in view? A head on what CenterFace's trunk computes.

    python models/train/parts.py --media ../shared/media --skimage PATH --out models/face-parts.onnx \\
        [--apart ../shared/media/clinical] [--seed 0]

needs PyTorch and onnx besides this project; neither is a dependency of the product. ``--media`` holds ``faces/``,
``faces.json`` and ``skin/`` (CC BY 4.0, see models/face-parts.md), ``--skimage`` is the folder ``skimage/data`` of a
scikit-image wheel. Nothing else is learned from: no clinical pictures, no tattoos.

Positives are crops in which an eye, the nose or a corner of the mouth of a known face is well inside; negatives are
crops without any face of skin, clothes, rooms and things, and drawings: skin with folds, rows of teeth. Each kind of
source is held back once and its AUC printed, before the network is trained on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from training import Apart, Head, export, fit, parser, read

from anonymizer.core.types import Box, Pixels, Point
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.models.store import Store
from anonymizer.detect.trunk import Trunk, coarser

SIDE = 256
CHANNELS = 416
SKIN_WITHOUT_FACE = [
    "01",
    "02",
    "04",
    "05",
    "06",
    "07",
    "09",
    "10",
    "11",
    "13",
    "14",
    "16",
    "17",
    "18",
    "19",
    "21",
    "22",
    "27",
    "28",
]
THINGS = [
    "coffee",
    "chelsea",
    "cell",
    "rocket",
    "coins",
    "hubble_deep_field",
    "retina",
    "brick",
    "grass",
    "gravel",
    "motorcycle_left",
    "ihc",
    "moon",
    "page",
    "text",
]
WEIGHT = {
    "darkpool": (0.25, 0.3),
    "darun": (1, 0.5),
    "saltyfish": (0.35, 0.3),
    "skin": (2.5, 4),
    "samples": (6, 1),
}
"""How often a kind of source is drawn from, for positives and for negatives: few people fill ``darkpool``."""


@dataclass(frozen=True)
class Source:
    pixels: Pixels
    kind: str
    faces: list[tuple[Box, NDArray[np.float64]]]
    """Faces of 70 pixels and more with five landmarks."""
    avoid: list[Box]
    """Every place that may be a face."""
    negative: bool


def known_faces(
    finder: FaceFinder, pixels: Pixels
) -> tuple[list[tuple[Box, NDArray[np.float64]]], list[Box]]:
    regions = [r for r in finder.find(pixels) if r.hidden]
    faces = []
    for region in regions:
        b = region.box
        guess: Sequence[Point] = [(b.x + b.w * u, b.y + b.h * v) for u, v in _USUAL]
        if min(b.w, b.h) >= 70:
            faces.append((b, np.array((region.landmarks or guess)[:5], float)))
    return faces, [r.box for r in regions]


_USUAL = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.58), (0.35, 0.78), (0.65, 0.78))


def sources(media: Path, things: Path, apart: Path | None) -> list[Source]:
    finder = FaceFinder(Store())
    held = Apart(apart)
    labels = {Path(row["image"]).name: row["boxes"] for row in json.loads((media / "faces.json").read_text())}
    found = []
    for path in sorted((media / "skin").glob("*.jpg")):
        pixels, without = read(path), path.stem[5:7] in SKIN_WITHOUT_FACE
        if held.has(pixels):
            continue
        faces, avoid = ([], []) if without else known_faces(finder, pixels)
        found.append(Source(pixels, "skin", faces, avoid, without))
    for path in sorted((media / "faces").glob("*.jpg")):
        pixels = read(path)
        faces, avoid = known_faces(finder, pixels)
        avoid += [Box(*box) for box in labels.get(path.name, [])]
        found.append(Source(pixels, path.name.split("-")[0], faces, avoid, True))
    for name in ["astronaut", *THINGS]:
        (path,) = things.glob(f"{name}.*")
        pixels = read(path)
        faces, avoid = known_faces(finder, pixels) if name == "astronaut" else ([], [])
        found.append(Source(pixels, "samples", faces, avoid, True))
    found.append(
        Source(read(Path(__file__).parents[2] / "sample_media/no-face.jpg"), "samples", [], [], True)
    )
    return found


def crop(
    pixels: Pixels, centre: NDArray[np.float64], side: float, angle: float, rng: np.random.Generator
) -> tuple[Pixels, NDArray[np.float64]]:
    """A square of ``side`` pixels about a point, turned, at 256 pixels; and the map from the picture to it."""
    factor = SIDE / side
    move = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, factor)
    move[:, 2] += SIDE / 2 - centre
    if factor < 0.6:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.4 / factor), np.uint8)
    mode = cv2.BORDER_REPLICATE if rng.random() < 0.3 else cv2.BORDER_CONSTANT
    value = (0, 0, 0) if rng.random() < 0.7 else (255, 255, 255)
    how = cv2.INTER_LINEAR if factor < 1 else cv2.INTER_CUBIC
    made = cv2.warpAffine(pixels, move, (SIDE, SIDE), flags=how, borderMode=mode, borderValue=value)
    return np.asarray(made, np.uint8), np.asarray(move)


def varied(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Other colour, light, sharpness, noise and compression."""
    x = picture.astype(np.float32)
    grey = x.mean(axis=2, keepdims=True)
    if rng.random() < 0.25:
        x = np.repeat(grey, 3, axis=2)
    elif rng.random() < 0.7:
        x = (grey + (x - grey) * rng.uniform(0.5, 1.7)) * rng.uniform(0.8, 1.2, 3).astype(np.float32)
    x = (x / 255).clip(0, 1) ** rng.uniform(0.6, 1.7) * 255
    x = (x - x.mean()) * rng.uniform(0.7, 1.2) + x.mean() + rng.uniform(-15, 15)
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 3))
    if rng.random() < 0.25:
        few = (int(rng.integers(48, 160)),) * 2
        how = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
        x = cv2.resize(cv2.resize(x, few, interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=how)
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(2, 10), x.shape)
    made = np.asarray(x.clip(0, 255), np.uint8)
    if rng.random() < 0.4:
        packed = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[1]
        made = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return made


TINTS = np.array([(-5, -50, -50), (-60, -70, -70), (30, 25, 25), (-20, -70, -40)], np.float32)


def blotched(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Red, brown or pale spots over a picture, as lesions are."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    base, centre, spread = rng.uniform(3, 40), rng.uniform(0, SIDE, 2), rng.uniform(20, 120)
    for _ in range(int(rng.integers(1, 40))):
        x, y = rng.normal(centre, spread)
        axes = tuple(int(base * v) + 1 for v in rng.uniform(0.4, 1.4, 2))
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.3, 1), -1)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 6))
    tint = TINTS[int(rng.integers(len(TINTS)))] * rng.uniform(0.4, 1.3)
    return np.asarray((picture + mask[:, :, None] * tint).clip(0, 255), np.uint8)


def covered_eyes(pixels: Pixels, marks: NDArray[np.float64], rng: np.random.Generator) -> Pixels:
    """Somebody's bar, ellipses, patches or mosaic over the eyes."""
    picture, eyes = pixels.copy(), marks[:2]
    across = eyes[1] - eyes[0]
    apart, angle = float(np.hypot(*across)) + 1e-3, float(np.degrees(np.arctan2(across[1], across[0])))
    mask = np.zeros(picture.shape[:2], np.uint8)
    kind = int(rng.integers(4))
    if kind == 0:
        size = (apart * rng.uniform(1.7, 2.3), apart * rng.uniform(0.35, 0.7))
        middle = (float(eyes[:, 0].mean()), float(eyes[:, 1].mean()))
        cv2.fillPoly(mask, [cv2.boxPoints((middle, size, angle)).astype(int)], 1)
    for x, y in eyes if kind else ():
        if kind == 1:
            axes = (int(apart * 0.35), int(apart * rng.uniform(0.15, 0.35)))
            cv2.ellipse(mask, (int(x), int(y)), axes, angle, 0, 360, 1, -1)
        else:
            size = (apart * rng.uniform(0.5, 0.8), apart * rng.uniform(0.3, 0.6))
            cv2.fillPoly(mask, [cv2.boxPoints(((float(x), float(y)), size, angle)).astype(int)], 1)
    height, width = mask.shape
    cell = max(2, int(apart / rng.uniform(2, 6)))
    few = (max(1, width // cell), max(1, height // cell))
    coarse = cv2.resize(
        cv2.resize(picture, few, interpolation=cv2.INTER_AREA),
        (width, height),
        interpolation=cv2.INTER_NEAREST,
    )
    picture[mask > 0] = coarse[mask > 0] if kind == 3 else 0
    return picture


def positive(source: Source, rng: np.random.Generator) -> Pixels | None:
    """A crop in which at least one landmark of a face is well inside."""
    box, marks = source.faces[int(rng.integers(len(source.faces)))]
    size, kind = max(box.w, box.h), rng.choice(["part", "half", "whole"], p=[0.6, 0.25, 0.15])
    side = (
        size
        * {
            "part": float(np.exp(rng.uniform(np.log(0.3), np.log(0.8)))),
            "half": rng.uniform(0.7, 1.2),
            "whole": rng.uniform(1.1, 2.2),
        }[str(kind)]
    )
    centre = marks[int(rng.integers(5))] + rng.uniform(-0.4, 0.4, 2) * side
    if kind == "whole":
        centre = np.array(box.centre) + rng.uniform(-0.2, 0.2, 2) * side
    pixels = covered_eyes(source.pixels, marks, rng) if rng.random() < 0.25 else source.pixels
    made, move = crop(pixels, centre, side, rng.normal(0, 12), rng)
    there = marks @ move[:, :2].T + move[:, 2]
    if not ((there > 10) & (there < SIDE - 10)).all(axis=1).any():
        return None
    if rng.random() < 0.5:
        made = np.ascontiguousarray(made[:, ::-1])
    return varied(blotched(made, rng) if rng.random() < 0.3 else made, rng)


def negative(source: Source, rng: np.random.Generator) -> Pixels | None:
    """A crop far from every face."""
    height, width = source.pixels.shape[:2]
    side = max(height, width) * float(
        np.exp(rng.uniform(np.log(0.15 if source.faces else 0.12), np.log(1.2)))
    )
    centre = rng.uniform(0, 1, 2) * (width, height)
    if source.kind == "skin" and rng.random() < 0.3:
        centre, side = np.array([width / 2, height / 2]), max(height, width)
    box = Box(centre[0] - side / 2, centre[1] - side / 2, side, side)
    if any(box.scaled(1.1).intersection(face.scaled(1.5)).area > 0 for face in source.avoid):
        return None
    if box.within(width, height).area < 0.45 * box.area:
        return None
    made, _ = crop(source.pixels, centre, side, rng.normal(0, 25) + 90 * float(rng.integers(4)), rng)
    return varied(blotched(made, rng) if rng.random() < 0.35 else made, rng)


def drawn(rng: np.random.Generator) -> Pixels:
    """Skin with folds, or a row of teeth on something red, by arithmetic."""
    tone = rng.uniform(90, 235) * np.cumprod([1, rng.uniform(0.6, 0.85), rng.uniform(0.65, 0.95)])
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    light = 1 + rng.uniform(-0.5, 0.5) * x + rng.uniform(-0.5, 0.5) * y
    rough = cv2.GaussianBlur(rng.normal(0, 30, (SIDE, SIDE)), (0, 0), rng.uniform(1, 8)) * rng.uniform(
        0.2, 1.5
    )
    picture = np.asarray((tone * light[:, :, None] + rough[:, :, None]).clip(0, 255), np.uint8)
    if rng.random() < 0.5:
        if rng.random() < 0.6:
            picture = np.asarray(picture * (1, 0.6, 0.6), np.uint8)
        count = int(rng.integers(3, 10))
        wide = SIDE // count
        for _ in range(int(rng.integers(1, 3))):
            top = int(rng.uniform(0.15, 0.6) * SIDE)
            for tooth in range(count):
                axes = (max(2, int(wide * 0.46)), max(2, int(wide * rng.uniform(1, 1.6)) // 2))
                colour = tuple(
                    float(v) for v in (np.array([225, 215, 190]) * rng.uniform(0.75, 1.1)).clip(0, 255)
                )
                middle = (int((tooth + 0.5) * wide), top + int(10 * np.sin(tooth)))
                cv2.ellipse(picture, middle, axes, 0, 0, 360, colour, -1)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 2.5)), np.uint8)
    else:
        for _ in range(int(rng.integers(0, 4))):
            line = np.cumsum(rng.normal(0, 22, (30, 2)), 0) + rng.uniform(0, SIDE, 2)
            shade = tuple(float(v) for v in tone * 0.55)
            cv2.polylines(picture, [line.astype(np.int32)], False, shade, int(rng.integers(1, 9)))
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 5)), np.uint8)
    return varied(blotched(picture, rng) if rng.random() < 0.5 else picture, rng)


@dataclass
class Samples:
    x: torch.Tensor
    y: torch.Tensor
    kind: NDArray[np.str_]


def samples(found: list[Source], count: tuple[int, int], rng: np.random.Generator) -> Samples:
    trunk = Trunk(Store())
    x: list[NDArray[np.float16]] = []
    y: list[float] = []
    kinds: list[str] = []

    def keep(picture: Pixels, label: float, kind: str) -> None:
        *_, middle, deep = trunk.features([np.ascontiguousarray(picture)])[0]
        x.append(np.concatenate([coarser(middle, 2), deep]).astype(np.float16))
        y.append(label)
        kinds.append(kind)

    for label, column in ((1.0, 0), (0.0, 1)):
        usable = [s for s in found if (s.faces if label else s.negative)]
        weight = np.array([WEIGHT[s.kind][column] for s in usable])
        done = 0
        while done < count[column]:
            source = usable[int(rng.choice(len(usable), p=weight / weight.sum()))]
            made = positive(source, rng) if label else negative(source, rng)
            if made is not None:
                keep(made, label, source.kind)
                done += 1
    for _ in range(count[1] // 8):
        keep(drawn(rng), 0.0, "drawn")
    return Samples(torch.from_numpy(np.stack(x)), torch.tensor(y), np.array(kinds))


class PartsHead(Head):
    """Two layers and a word for each cell of 32 pixels; the picture's is a soft maximum of them."""

    def __init__(self, width: int = 32, drop: float = 0.3) -> None:
        super().__init__(CHANNELS)
        self.first, self.second = nn.Conv2d(CHANNELS, width, 1), nn.Conv2d(width, width, 3, padding=1)
        self.last, self.drop = nn.Conv2d(width, 1, 1), drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.dropout2d(self.scaled(x), self.drop, self.training)
        x = functional.dropout(functional.relu(self.first(x)), self.drop, self.training)
        x = functional.dropout(functional.relu(self.second(x)), self.drop, self.training)
        return self.last(x)

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        cells = self(x).flatten(1)
        return torch.logsumexp(4 * cells, 1) / 4 - np.log(cells.shape[1]) / 4


def fitted(data: Samples, index: NDArray[np.int64], epochs: int, seed: int) -> PartsHead:
    torch.manual_seed(seed)
    rng, head = np.random.default_rng(seed), PartsHead()
    head.learn_scale(data.x[rng.permutation(index)[:800]].float())
    yes, no = (index[(data.y[index] > 0.5).numpy() == side] for side in (True, False))

    def loss_of() -> torch.Tensor:
        batch = np.concatenate([rng.choice(yes, 32), rng.choice(no, 32)])
        wanted = data.y[batch] * 0.9 + 0.05
        return functional.binary_cross_entropy_with_logits(head.pooled(data.x[batch].float()), wanted)

    fit(head, epochs * len(index) // 64, 3e-3, loss_of)
    return head


def auc(data: Samples, head: PartsHead, index: NDArray[np.int64]) -> float:
    with torch.no_grad():
        score = torch.cat([head.pooled(data.x[some].float()) for some in np.array_split(index, 20)]).numpy()
    good = data.y[index].numpy() > 0.5
    return float((score[good][:, None] > score[~good]).mean())


def main() -> None:
    arguments = parser(__doc__.splitlines()[0], seed=0)
    arguments.add_argument("--count", type=int, nargs=2, default=(1500, 1200), help="positives, negatives")
    options = arguments.parse_args()
    found = sources(options.media, options.skimage, options.apart)
    data = samples(found, tuple(options.count), np.random.default_rng(options.seed))
    every = np.arange(len(data.y))
    for kind in ("skin", "darun", "saltyfish"):
        head = fitted(data, every[data.kind != kind], 8, options.seed)
        print(f"{kind} held back: AUC {auc(data, head, every[data.kind == kind]):.3f}", flush=True)
    head = fitted(data, every, 14, options.seed)
    export(head, 8, options.out, "cells")


if __name__ == "__main__":
    main()
