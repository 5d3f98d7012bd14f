"""How many faces are hidden, at every rotation, by this program and by deface at its defaults.

    python benchmarks/recall.py ../shared/media/faces.json [--limit N] [--effort standard] [--curve]
    python benchmarks/recall.py ../shared/media/codes.json ../shared/media/text ../shared/media/skin [--quick]

and how many codes and words can still be read after redaction, and what skin loses: see legible.py. What is
scored goes by the name of the file or folder; ``--quick`` takes a sample of each that is done in a minute or two.

The labels are a JSON list of ``{"image", "boxes": [[x, y, w, h], …], "loose"}`` in pixels of the stored file. A face
counts as hidden when half of the middle of its box (the inscribed ellipse at 0.7 of its size) lies under what is
drawn: many labels take in the whole head, and of a head in profile the face is half. A loose box takes in hair or
hood: there a detection is asked for that lies mostly inside the box, and whose redaction is a tenth of it. The
falsely redacted area is the share of the picture drawn over outside all labelled boxes; some faces are unlabelled, so
it is an upper bound. Every second picture was used to fit the thresholds (docs/detection.md says how far); both
halves are reported.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import legible
import rivals
from anonymizer.core.settings import Effort, Settings
from anonymizer.core.types import Box, Pixels, Region
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.faces.fusion import View, rotated
from anonymizer.detect.models.store import Store, cache_folder, user_folders
from anonymizer.redact.photo import redaction_box

CORE, CORE_COVERED = 0.7, 0.5
LEAST = 24
QUICK = 12
"""Photos, with ``--quick``."""
CLASSES = ((24, 32), (32, 64), (64, 128), (128, 1 << 30))


@dataclass(frozen=True)
class Photo:
    path: Path
    faces: tuple[Box, ...]
    loose: bool
    tuning: bool


@dataclass
class Tally:
    """Counts of one program at one rotation."""

    seen: list[tuple[float, bool, bool]] = field(default_factory=list)
    """For each face: its lesser side, whether it was hidden, whether its photo was used for tuning."""
    false_area: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    asked: int = 0
    missed: list[str] = field(default_factory=list)

    def recall(self, keep: Callable[[tuple[float, bool, bool]], bool] = lambda face: True) -> str:
        chosen = [hidden for side, hidden, tuning in self.seen if keep((side, hidden, tuning))]
        return f"{sum(chosen) / len(chosen):.3f} ({len(chosen) - sum(chosen)})" if chosen else "–"

    def row(self, label: str) -> str:
        cells = [label, str(len(self.seen)), self.recall()]
        cells += [self.recall(lambda f: f[2]), self.recall(lambda f: not f[2])]
        cells += [self.recall(lambda f, lo=lo, hi=hi: lo <= f[0] < hi) for lo, hi in CLASSES]  # type: ignore[misc]
        cells += [f"{100 * statistics.mean(self.false_area):.1f} %", str(self.asked)]
        cells += [f"{1000 * statistics.median(self.seconds):.0f}"]
        return "| " + " | ".join(cells) + " |"


HEAD = (
    "| program, turn | faces | hidden (missed) | tuning half | other half | 24–31 px | 32–63 | 64–127 | ≥ 128 "
    "| falsely redacted | photos with a doubt | ms/photo |\n" + "|---" * 12 + "|"
)


def read(labels: Path, limit: int | None) -> list[Photo]:
    entries = json.loads(labels.read_text(encoding="utf-8"))
    photos = []
    for number, entry in enumerate(entries[:limit]):
        faces = tuple(Box(*box) for box in entry["boxes"])
        photos.append(Photo(labels.parent / entry["image"], faces, bool(entry.get("loose")), number % 2 == 0))
    return photos


def ellipse(x: NDArray[np.floating], y: NDArray[np.floating], box: Box) -> NDArray[np.bool_]:
    """Which points lie in the ellipse inscribed in the box."""
    cx, cy = box.centre
    return ((x - cx) / max(box.w / 2, 1e-6)) ** 2 + ((y - cy) / max(box.h / 2, 1e-6)) ** 2 <= 1


def hidden(face: Box, drawn: Sequence[Box], found: Sequence[Box], loose: bool) -> bool:
    """See the module's docstring; ``drawn`` are the redactions' boxes, ``found`` the detections'."""
    if loose:
        pairs = zip(found, drawn, strict=True)
        return any(f.covered_by(face) >= 0.5 and np.pi / 4 * d.area >= 0.1 * face.area for f, d in pairs)
    core = face.scaled(CORE)
    y, x = np.mgrid[:40, :40]
    px, py = core.x + (x + 0.5) / 40 * core.w, core.y + (y + 0.5) / 40 * core.h
    inside = ellipse(px, py, core)
    under = np.zeros_like(inside)
    for box in drawn:
        under |= ellipse(px, py, box)
    return bool(under[inside].mean() >= CORE_COVERED)


def false_area(size: tuple[int, int], faces: Iterable[Box], drawn: Iterable[Box]) -> float:
    """The share of the picture under a redaction and outside every labelled box grown by the margin."""
    width, height = size
    step = max(1.0, max(size) / 240)
    y, x = np.mgrid[: round(height / step), : round(width / step)]
    px, py = (x + 0.5) * step, (y + 0.5) * step
    under = np.zeros(px.shape, bool)
    for box in drawn:
        under |= ellipse(px, py, box)
    for face in faces:
        b = face.scaled(1.6)
        under &= ~((px >= b.x) & (px < b.right) & (py >= b.y) & (py < b.bottom))
    return float(under.mean())


def load(path: Path, rotations: int) -> tuple[Pixels, View]:
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if stored is None:
        raise SystemExit(f"{path} cannot be read.")
    height, width = stored.shape[:2]
    return rotated(np.asarray(stored[:, :, ::-1], np.uint8), rotations), View(width, height, rotations)


def score(tally: Tally, photo: Photo, view: View, drawn: list[Box], found: list[Box]) -> None:
    """Add one photo; boxes are in the turned picture's pixels."""
    drawn, found = [view.box_back(b) for b in drawn], [view.box_back(b) for b in found]
    for face in photo.faces:
        side = min(face.w, face.h)
        if side >= LEAST:
            good = hidden(face, drawn, found, photo.loose)
            tally.seen.append((side, good, photo.tuning))
            if not good:
                where = ",".join(f"{v:.0f}" for v in (face.x, face.y, face.w, face.h))
                tally.missed.append(f"{photo.path.name} at {where}")
    tally.false_area.append(false_area((view.width, view.height), photo.faces, drawn))


def ours(finder: FaceFinder, photos: Sequence[Photo], rotations: int, certain: bool = True) -> Tally:
    """``certain=False`` counts the doubts as drawn over: a person who says yes to each."""
    tally, settings = Tally(), Settings()
    for photo in photos:
        pixels, view = load(photo.path, rotations)
        start = time.perf_counter()
        regions = finder.find(pixels)
        tally.seconds.append(time.perf_counter() - start)
        tally.asked += any(region.asked for region in regions)
        chosen = [region for region in regions if region.hidden or not certain]
        score(tally, photo, view, [redaction(r, settings) for r in chosen], [r.box for r in chosen])
    return tally


def redaction(region: Region, settings: Settings) -> Box:
    left, top, right, bottom = redaction_box(region, settings)
    return Box(left, top, right - left, bottom - top)


def theirs(python: Path, photos: Sequence[Photo], rotations: int) -> Tally:
    tally = Tally()
    # deface reads files, so a turned copy is written, without loss, where the system keeps such things.
    with tempfile.TemporaryDirectory() as folder:
        paths, views = [], []
        for number, photo in enumerate(photos):
            pixels, view = load(photo.path, rotations)
            path = Path(folder) / f"{number}.png"
            cv2.imwrite(str(path), pixels[:, :, ::-1])
            paths.append(path)
            views.append(view)
        for photo, view, (boxes, seconds) in zip(photos, views, rivals.deface(python, paths), strict=True):
            drawn = [Box(*box) for box in boxes]
            tally.seconds.append(seconds)
            # What deface draws is its detection grown by 1.3 on each side: 1.6 times as large.
            score(tally, photo, view, drawn, [box.scaled(1 / 1.6) for box in drawn])
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, nargs="+", help="faces.json, codes.json, text/, skin/")
    parser.add_argument("--quick", action="store_true", help="a sample of each")
    parser.add_argument("--pages", type=int, help="generated pages of names and dates; 48, or 8 with --quick")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--effort", type=Effort, default=Effort.STANDARD)
    parser.add_argument("--rotations", type=int, nargs="*", default=[0, 1, 2, 3])
    parser.add_argument("--yunet", type=Path, help="folder that holds yunet_n_dynamic.onnx, or the file")
    parser.add_argument("--rival-python", type=Path, help="Python of an environment that has deface")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--curve", action="store_true", help="recall against falsely redacted area")
    parser.add_argument("--misses", action="store_true", help="name every missed face")
    options = parser.parse_args()
    for labels in options.labels:
        if not labels.exists():
            raise SystemExit(f"{labels} is not here: the labelled photos are not part of the project.")
        limit = options.limit or (QUICK if options.quick else None)
        if labels.name.startswith("codes"):
            legible.codes(labels, limit)
        elif labels.is_dir() and labels.name == "text":
            legible.text(labels, limit, options.pages or (8 if options.quick else 48))
        elif labels.is_dir() and labels.name == "skin":
            legible.skin(labels, limit)
        else:
            faces(labels, limit, options)


def faces(labels: Path, limit: int | None, options: argparse.Namespace) -> None:
    """The share of faces that are hidden, ours and deface's, at the turns asked for."""
    photos = read(labels, limit)
    folders = user_folders()
    if options.yunet:
        folders.append(options.yunet if options.yunet.is_dir() else options.yunet.parent)
    finder = FaceFinder(Store(folders=folders), options.effort)
    if options.curve:
        curve(finder, photos)
        return
    print(f"{len(photos)} photos, models: {', '.join(model.name for model in finder.models())}\n\n{HEAD}")
    finder.find(load(photos[0].path, 0)[0])
    python = None
    if not options.no_rival:
        python = options.rival_python or rivals.environment(cache_folder().parent / "rival-deface")
    missed: list[str] = []
    for rotations in options.rotations:
        tally = ours(finder, photos, rotations)
        print(tally.row(f"anonymizer, {options.effort}, {90 * rotations}°"), flush=True)
        missed += [f"{90 * rotations}°: {face}" for face in tally.missed]
        if python:
            print(theirs(python, photos, rotations).row(f"deface 1.5.0, {90 * rotations}°"), flush=True)
    if options.misses:
        print("\nMissed:", *missed, sep="\n")


def curve(finder: FaceFinder, photos: Sequence[Photo]) -> None:
    """Recall, area and doubts as the score that a redaction needs is moved; the rest as it is."""
    print(
        "| score asked of a small / large candidate | hidden | tuning half | other half "
        "| falsely redacted | photos with a doubt |"
    )
    print("|---|---|---|---|---|---|")
    for small, large in (
        (0.1, 0.15),
        (0.15, 0.2),
        (0.2, 0.2),
        (0.25, 0.25),
        (0.3, 0.3),
        (0.4, 0.4),
        (0.5, 0.5),
    ):
        rules = replace(finder.rules, small=small, large=large)
        tally = ours(finder.with_rules(rules), photos, 0)
        area = f"{100 * statistics.mean(tally.false_area):.1f} %"
        halves = f"{tally.recall(lambda f: f[2])} | {tally.recall(lambda f: not f[2])}"
        print(f"| {small} / {large} | {tally.recall()} | {halves} | {area} | {tally.asked} |", flush=True)


if __name__ == "__main__":
    main()
