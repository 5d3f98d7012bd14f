"""Likely tattoos and other places that a person is asked about; how long each finder takes.

    python benchmarks/marks.py ../shared/media [--only real marks asked time] [--quick]

real    how many of the boxes about real tattoos in ``tattoo/`` are pointed at, that is, hold at least half of a place
        that is asked about; and which clinical pictures, photos of skin and of faces are pointed at.
marks   how many pictures the suggester of tattoos sends to review (photos of skin, of faces, pictures without
        skin), and how many of the generated tattoos on the same skin it sees.
asked   how many photos of ``skin/`` and ``faces/`` wait for a person because of a face that is only half believed.
time    milliseconds for 12 megapixels, find and verification pass, per finder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from anonymizer.core.types import Box, Pixels
from anonymizer.detect.codes.finder import CodeFinder
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.marks.finder import MarkFinder
from anonymizer.detect.marks.skin import skin as skin_mask
from anonymizer.detect.models.store import Store
from anonymizer.detect.text.finder import TextFinder
from anonymizer.redact.photo import redact
from anonymizer.redact.residual import unredacted
from legible import SETTINGS, fonts, load

INKS = {
    "black": (25, 28, 35),
    "blue": (35, 50, 75),
    "green": (30, 65, 60),
    "faded": (70, 80, 85),
    "red": (120, 40, 45),
}
DESIGNS = ("word", "star", "outline", "spiral", "band", "thorns", "dots")


def tattooed(
    pixels: Pixels, rng: np.random.Generator, design: str, ink: str
) -> tuple[Pixels, NDArray[np.bool_]] | None:
    """The photo with a design drawn into a wide stretch of skin, and where the ink is; None without room."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    mask = cv2.morphologyEx(skin_mask(pixels).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    room = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    # Somewhere with about as much room as there is at most.
    places = np.argwhere(room >= 0.8 * room.max())
    y, x = (int(v) for v in places[int(rng.integers(len(places)))])
    size = int(min(side * rng.uniform(0.1, 0.3), 1.5 * room[y, x]))
    if size < 0.08 * side:
        return None
    layer = Image.new("L", (width, height))
    draw(ImageDraw.Draw(layer), rng, design, x, y, size)
    turned = layer.rotate(float(rng.uniform(-40, 40)), center=(x, y))
    drawn = np.asarray(turned).astype(np.float32) / 255
    # The skin above the ink softens it and lets some of its own colour and light through.
    alpha = cv2.GaussianBlur(drawn, (0, 0), max(0.6, side / 900))[:, :, None] * rng.uniform(0.6, 0.9)
    light = pixels.mean(axis=2, keepdims=True) / max(1.0, float(pixels[mask > 0].mean()))
    colour = np.array(INKS[ink], np.float32) * light
    mixed = np.clip(pixels * (1 - alpha) + colour * alpha, 0, 255).astype(np.uint8)
    return mixed, np.asarray(alpha[:, :, 0] > 0.3)


def draw(pen: ImageDraw.ImageDraw, rng: np.random.Generator, design: str, x: int, y: int, size: int) -> None:
    """One design about ``(x, y)``, ``size`` pixels across, in white."""
    line = max(2, size // 14)

    def ring(radii: NDArray[np.floating], rotations: float = 1.0) -> list[tuple[float, float]]:
        angles = np.linspace(0, 2 * np.pi * rotations, len(radii))
        return [
            (x + float(r * np.cos(a)), y + float(r * np.sin(a))) for a, r in zip(angles, radii, strict=True)
        ]

    star = np.array([1, 0.4] * 6)[:11] * size / 2
    if design == "word":
        font = ImageFont.truetype(str(fonts()[int(rng.integers(len(fonts())))]), size // 2)
        pen.text((x, y), str(rng.choice(["Mia", "LOVE", "1987", "Tom"])), fill=255, font=font, anchor="mm")
    elif design in ("star", "outline"):
        pen.polygon(ring(star), fill=255 if design == "star" else None, outline=255, width=line)
    elif design == "spiral":
        pen.line(ring(np.linspace(0, size / 2, 80), 3), fill=255, width=line)
    elif design == "band":
        pen.rectangle((x - size // 2, y - size // 8, x + size // 2, y + size // 8), fill=255)
    elif design == "thorns":
        wave = np.array([(x + t * size, y + size / 5 * np.sin(9 * t)) for t in np.linspace(-0.5, 0.5, 40)])
        pen.line([(float(px), float(py)) for px, py in wave], fill=255, width=line)
        for px, py in wave[::5]:
            tip = (px + rng.normal(0, size / 8), py - size / 4)
            pen.polygon([(px - line, py), (px + line, py), tip], fill=255)
    else:
        for dx, dy in rng.uniform(-size / 2, size / 2, (14, 2)):
            r = size * float(rng.uniform(0.03, 0.08))
            pen.ellipse((x + dx - r, y + dy - r, x + dx + r, y + dy + r), fill=255)


def opened(folder: Path, limit: int | None) -> list[tuple[Path, Pixels]]:
    """The folder's pictures that open, or every so-many-th of them."""
    paths = sorted(folder.iterdir())
    found = []
    for path in paths[:: -(-len(paths) // limit) if limit else 1]:
        try:
            found.append((path, load(path)))
        except (OSError, SyntaxError, ValueError):
            continue  # broken on purpose, or no picture
    return found


def real(folder: Path, limit: int | None) -> None:
    finder = MarkFinder(Store())
    listed = json.loads((folder / "tattoo" / "tattoo.json").read_text(encoding="utf-8"))
    pointed, photos, places = [], 0, 0
    for row in listed[:limit]:
        found = [region.box for region in finder.find(load(folder / "tattoo" / row["image"]))]
        pointed += [any(place.covered_by(Box(*box)) >= 0.5 for place in found) for box in row["boxes"]]
        photos, places = photos + bool(found), places + len(found)
    print(
        f"real: {len(listed[:limit])} photos of tattoos, {photos} with a suggestion, {places} places; of "
        f"{len(pointed)} boxes pointed at: {sum(pointed)} = {np.mean(pointed):.3f}"
    )
    for name in ("clinical", "skin", "faces"):
        pictures = opened(folder / name, limit)
        named = [path.name for path, pixels in pictures if finder.find(pixels)]
        print(
            f"real: {len(pictures)} pictures of {name}/, pointed at {len(named)}: {', '.join(named)}",
            flush=True,
        )


def marks(folder: Path, limit: int | None) -> None:
    finder, faces = MarkFinder(Store()), FaceFinder(Store())
    for name in ("skin", "faces", "codes", "text", "metadata"):
        pictures = opened(folder / name, limit)
        alone, sent = 0, []
        for path, pixels in pictures:
            if found := finder.find(pixels):
                alone += 1
                _, redactions = redact(pixels, [r for r in faces.find(pixels) if r.hidden], SETTINGS)
                sent += [path.name] if unredacted(found, redactions) else []
        print(
            f"marks: {len(pictures)} pictures of {name}/, {alone} with a suggestion, {len(sent)} sent to review by it"
        )
        print(f"  (not under a face's redaction): {', '.join(sent)}", flush=True)
    rng = np.random.default_rng(2)
    seen: dict[str, list[bool]] = {}
    for _, pixels in opened(folder / "skin", limit):
        for design, ink in itertools.product(DESIGNS, INKS):
            if made := tattooed(pixels, rng, design, ink):
                under = np.zeros(made[1].shape, bool)
                for region in finder.find(made[0]):
                    left, top, right, bottom = region.box.pixels(pixels.shape[1], pixels.shape[0])
                    under[top:bottom, left:right] = True
                good = float(under[made[1]].mean()) > 0.5
                for key in {design, f"{ink} ink", "all", "all but red" if ink != "red" else "all"}:
                    seen.setdefault(key, []).append(good)
    said = ", ".join(f"{key} {np.mean(good):.2f} of {len(good)}" for key, good in sorted(seen.items()))
    print(f"  generated tattoos suggested: {said}")


def asked(folder: Path, limit: int | None) -> None:
    """How many photos wait because of a face, and how many have one redacted."""
    faces = FaceFinder(Store())
    for name in ("skin", "faces"):
        redacted, waiting = 0, []
        pictures = opened(folder / name, limit)
        for path, pixels in pictures:
            regions = faces.find(pixels)
            _, redactions = redact(pixels, [r for r in regions if r.hidden], SETTINGS)
            redacted += bool(redactions)
            waiting += [path.name] if any(r.asked for r in regions) else []
        print(
            f"asked: {len(pictures)} photos of {name}/, a face redacted in {redacted}, {len(waiting)} wait for a "
            f"person because of a face: {', '.join(waiting)}",
            flush=True,
        )


def clock(folder: Path) -> None:
    sample = Path(__file__).parents[1] / "sample_media" / "group.jpg"
    pixels = np.asarray(Image.open(sample).convert("RGB").resize((4032, 3024)), np.uint8)
    noise = np.random.default_rng(1).normal(0, 4, (3024, 4032, 1))
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    for name, finder in {
        "text": TextFinder(Store()),
        "codes": CodeFinder(),
        "marks": MarkFinder(Store()),
        "faces": FaceFinder(Store()),
    }.items():
        for verb, run in (("find", finder.find), ("verification_pass", finder.verification_pass)):
            run(pixels)
            took = []
            for _ in range(3):
                start = time.perf_counter()
                run(pixels)
                took.append(time.perf_counter() - start)
            print(f"time: {name}, {verb}: {1000 * min(took):.0f} ms for 12 megapixels (best of 3)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parts: dict[str, Callable[[], None]] = {
        "real": lambda: real(options.folder, options.limit),
        "marks": lambda: marks(options.folder, options.limit),
        "asked": lambda: asked(options.folder, options.limit),
        "time": lambda: clock(options.folder),
    }
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--quick", action="store_true", help="12 pictures of each folder")
    options = parser.parse_args()
    options.limit = options.limit or (12 if options.quick else None)
    if not options.folder.is_dir():
        raise SystemExit(f"{options.folder} is not here: the photos are not part of the project.")
    for name in options.only:
        parts[name]()


if __name__ == "__main__":
    main()
