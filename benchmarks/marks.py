"""Codes, text and marks: what a reader other than ours still gets out of redacted photos.

    python benchmarks/marks.py ../shared/media [--only codes text skin marks time] [--limit N]

codes   photos listed in ``codes.json``, at four turns: how many of those that ZXing-C++ or OpenCV can decode
        (at full, half and double size) neither can decode after redaction.
text    the pictures of ``text/``, and generated pages of names and dates (fonts, sizes from 8 px, angles,
        colours, on photo-like grounds): the words of three letters or more that Debian's tesseract reads
        before and after. Pages: ``--pages N``.
skin    the photos of ``skin/``: share of each picture that text and code finders redact.
time    milliseconds for 12 megapixels, find and recheck, per finder.
marks   how many photos of ``skin/`` the suggester of tattoos sends to review, and how many of the generated tattoos
        on the same skin it sees.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from anonymizer.detect import RegionFinder
from anonymizer.detect.codes import CodeFinder
from anonymizer.detect.faces import FaceFinder
from anonymizer.detect.marks import MarkFinder
from anonymizer.detect.skin import skin as skin_mask
from anonymizer.detect.text import TextFinder
from anonymizer.detect.weights import Store
from anonymizer.photo import unveiled
from anonymizer.redact import redact
from anonymizer.settings import Settings
from anonymizer.types import Pixels, Region

SETTINGS = Settings()


def load(path: Path) -> Pixels:
    """The picture on white, as the program opens it."""
    with Image.open(path) as image:
        if image.mode in ("RGBA", "LA", "P", "PA"):
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(ground, image).convert("RGB"), np.uint8)
        return np.asarray(image.convert("RGB"), np.uint8)


def hide(pixels: Pixels, *finders: RegionFinder) -> tuple[Pixels, list[Region]]:
    """As the program does it: find, redact, and redact again what the second look still finds."""
    regions = [r for finder in finders for r in finder.find(pixels) if r.certain]
    hidden, _ = redact(pixels, regions, SETTINGS)
    again = [r for finder in finders for r in finder.recheck(hidden) if r.certain]
    return redact(pixels, regions + again, SETTINGS)[0], regions + again


# Codes ------------------------------------------------------------------------------------------------


def decodable(pixels: Pixels) -> bool:
    """Whether either reader decodes anything, at full, half or double size."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    for factor in (1.0, 0.5, 2.0):
        if factor > 1 and max(grey.shape) > 1600:
            continue
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        view = grey if factor == 1 else cv2.resize(grey, None, fx=factor, fy=factor, interpolation=how)
        if any(code.text for code in zxingcpp.read_barcodes(np.ascontiguousarray(view))):
            return True
        if cv2.QRCodeDetector().detectAndDecode(view)[0]:
            return True
        read, texts, *_ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(view)
        if read and any(texts):
            return True
    return False


def codes(folder: Path, limit: int | None) -> None:
    entries = json.loads((folder / "codes.json").read_text(encoding="utf-8"))[:limit]
    finder = CodeFinder()
    before = after = silent = 0
    left: list[str] = []
    area: list[float] = []
    for entry in entries:
        stored = load(folder / entry["image"])
        for turns in range(4):
            pixels = np.ascontiguousarray(np.rot90(stored, turns))
            hidden, regions = hide(pixels, finder)
            area.append(float((hidden != pixels).any(axis=2).mean()))
            if not decodable(pixels):
                silent += not regions
                continue
            before += 1
            if decodable(hidden):
                after += 1
                left.append(f"{entry['image']} at {90 * turns}°")
    views = 4 * len(entries)
    print(f"codes: {len(entries)} photos at four turns = {views} views")
    print(f"  decodable before, by ZXing-C++ or OpenCV: {before}")
    print(f"  of those no longer after: {before - after} = {(before - after) / max(1, before):.4f}")
    print(f"  of all {views} views not decodable after: {(views - after) / views:.4f}")
    print(f"  views that no reader decodes, and in which nothing is hidden: {silent} of {views - before}")
    print(f"  share of the picture hidden, mean: {100 * statistics.mean(area):.1f} %")
    print("".join(f"  left: {name}\n" for name in left), end="")


# Text -------------------------------------------------------------------------------------------------


def words(pixels: Pixels, vocabulary: frozenset[str] | None = None) -> set[str]:
    """Words of three letters or more that tesseract reads, lower case; of the vocabulary where one is given,
    else those of which it is sure (confidence of 70 and more: it "reads" any texture with less).

    A picture is shown at its size and enlarged: tesseract wants letters of some 30 pixels.
    """
    found: set[str] = set()
    for factor in (1, 2) if max(pixels.shape) <= 1700 else (1,):
        view = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        ok, png = cv2.imencode(".png", view[:, :, ::-1])
        assert ok
        said = subprocess.run(
            ["tesseract", "-", "-", "--psm", "11", "tsv"],
            input=png.tobytes(),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        ).stdout.decode("utf-8", "replace")
        for line in said.splitlines()[1:]:
            cells = line.split("\t")
            if vocabulary is not None or float(cells[10]) >= 70:
                found |= {word.lower() for word in re.findall(r"[^\W\d_]{3,}", cells[11])}
    return found if vocabulary is None else found & vocabulary


@dataclass
class Read:
    """What an OCR read before and after, over some pictures."""

    pictures: int = 0
    before: int = 0
    after: int = 0
    left: list[str] = field(default_factory=list)
    area: list[float] = field(default_factory=list)

    def add(self, name: str, pixels: Pixels, hidden: Pixels, before: set[str], after: set[str]) -> None:
        self.pictures += 1
        self.before += len(before)
        # A word that it reads only in the redacted picture is a bar or a crease, not what stood there.
        kept = before & after
        self.after += len(kept)
        self.area.append(float((hidden != pixels).any(axis=2).mean()))
        if kept:
            self.left.append(f"{name}: {len(kept)} of {len(before)} ({', '.join(sorted(kept)[:5])})")

    def line(self, name: str) -> str:
        return (
            f"  {name}: {self.pictures} pictures, words read before {self.before}, after {self.after}; "
            f"hidden {100 * statistics.mean(self.area):.1f} % of the picture"
        )


FIRST = ["Martha", "Heinrich", "Ayse", "Jonathan", "Ingrid", "Pauline", "Wilhelm", "Katarzyna", "Giovanni"]
LAST = ["Mustermann", "Kowalski", "Schneider", "Fitzgerald", "Lindqvist", "Rodriguez", "Petersen", "Oyelaran"]
VOCABULARY = frozenset(word.lower() for word in [*FIRST, *LAST, "born", "ward", "patient"])


def fonts() -> list[Path]:
    """The system's fonts, matplotlib's where that is installed; Pillow's own where there are none."""
    folders = [Path("/usr/share/fonts")]
    try:
        import matplotlib

        folders.append(Path(matplotlib.__file__).parent / "mpl-data" / "fonts" / "ttf")
    except ImportError:
        print("  (matplotlib's fonts are not here)")
    named = re.compile(
        r"DejaVu(Sans|Serif|SansMono)(-Bold|-Oblique|-Italic)?\.ttf$|Liberation.*Regular\.ttf$"
    )
    return sorted(
        p for folder in folders if folder.is_dir() for p in folder.rglob("*.ttf") if named.search(p.name)
    )


def ground(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Something like a photo: smooth blotches of skin, cloth or wall, with a camera's noise."""
    base = rng.choice(
        np.array([(205, 160, 135), (120, 85, 70), (225, 225, 220), (60, 90, 120), (40, 40, 45)])
    )
    blotches = rng.normal(0, 1, (height // 40 + 2, width // 40 + 2, 3)) * 14
    smooth = cv2.resize(blotches.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(base + smooth + noise, 0, 255).astype(np.uint8))


def line_of(rng: np.random.Generator) -> str:
    """A name and a date of birth."""
    born = date(1930, 1, 1) + timedelta(days=int(rng.integers(33_000)))
    return f"{rng.choice(LAST)}, {rng.choice(FIRST)}  born {born:%d.%m.%Y}"


def pages(count: int) -> Iterator[tuple[str, int, Pixels]]:
    """What it is, its angle, and a page of names and dates, 1000 by 800 pixels."""
    faces = fonts()
    rng = np.random.default_rng(4)
    for number in range(count):
        size = (8, 9, 10, 12, 16, 24, 40, 64)[number % 8]
        angle = (0, 5, 90, 180, -20, 270)[number // 8 % 6]
        page = ground(rng, 1000, 800)
        ink = rng.integers(0, 60, 3) if np.asarray(page).mean() > 128 else rng.integers(200, 255, 3)
        layer = Image.new("L", page.size)
        pen = ImageDraw.Draw(layer)
        face = faces[int(rng.integers(len(faces)))] if faces else None
        letters = ImageFont.truetype(str(face), size) if face else ImageFont.load_default(size)
        for place in range(6):
            pen.text((float(rng.integers(20, 200)), 40 + 120 * place), line_of(rng), fill=255, font=letters)
        layer = layer.rotate(angle, resample=Image.Resampling.BICUBIC)
        page.paste(Image.new("RGB", page.size, tuple(int(v) for v in ink)), mask=layer)
        yield f"page {number}, {size} px at {angle}°", angle, np.asarray(page, np.uint8)


def text(folder: Path, limit: int | None, count: int) -> None:
    if not shutil.which("tesseract"):
        raise SystemExit("tesseract is not here: apt-get install tesseract-ocr.")
    finders: list[RegionFinder] = [TextFinder(Store()), CodeFinder()]
    print("text, read by tesseract: words of three letters or more")
    real = Read()
    for path in sorted((folder / "text").iterdir())[:limit]:
        if path.suffix in (".png", ".jpg"):
            pixels = load(path)
            hidden, _ = hide(pixels, *finders)
            real.add(path.name, pixels, hidden, words(pixels), words(hidden))
    print(real.line("pictures of text/"), *(f"\n    left: {name}" for name in real.left), flush=True)
    made = Read()
    for name, angle, pixels in pages(count):
        hidden, _ = hide(pixels, *finders)
        # Tesseract is given the page as it was written, for it reads no turned lines.
        back = [
            np.asarray(Image.fromarray(p).rotate(-angle, Image.Resampling.BICUBIC, True))
            for p in (pixels, hidden)
        ]
        made.add(name, pixels, hidden, words(back[0], VOCABULARY), words(back[1], VOCABULARY))
    print(made.line("generated pages"), *(f"\n    left: {name}" for name in made.left))


# Skin and time ----------------------------------------------------------------------------------------


def skin(folder: Path, limit: int | None) -> None:
    finders = {"text": TextFinder(Store()), "codes": CodeFinder()}
    shares: dict[str, list[float]] = {name: [] for name in finders}
    hit: list[str] = []
    for path in sorted((folder / "skin").iterdir())[:limit]:
        pixels = load(path)
        for name, finder in finders.items():
            hidden, regions = hide(pixels, finder)
            shares[name].append(float((hidden != pixels).any(axis=2).mean()))
            if regions:
                hit.append(f"{path.name}: {name}, {len(regions)} regions, {100 * shares[name][-1]:.2f} %")
    for name, values in shares.items():
        print(f"skin: {name} hide {100 * statistics.mean(values):.2f} % of {len(values)} pictures on average")
    print("".join(f"  {line}\n" for line in hit), end="")


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
    cover = cv2.GaussianBlur(drawn, (0, 0), max(0.6, side / 900))[:, :, None] * rng.uniform(0.6, 0.9)
    light = pixels.mean(axis=2, keepdims=True) / max(1.0, float(pixels[mask > 0].mean()))
    colour = np.array(INKS[ink], np.float32) * light
    mixed = np.clip(pixels * (1 - cover) + colour * cover, 0, 255).astype(np.uint8)
    return mixed, np.asarray(cover[:, :, 0] > 0.3)


def draw(pen: ImageDraw.ImageDraw, rng: np.random.Generator, design: str, x: int, y: int, size: int) -> None:
    """One design about ``(x, y)``, ``size`` pixels across, in white."""
    line = max(2, size // 14)

    def ring(radii: NDArray[np.floating], turns: float = 1.0) -> list[tuple[float, float]]:
        angles = np.linspace(0, 2 * np.pi * turns, len(radii))
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


def marks(folder: Path, limit: int | None) -> None:
    finder, faces = MarkFinder(), FaceFinder(Store())
    for name in ("skin", "faces"):
        paths = sorted((folder / name).iterdir())[:limit]
        alone, sent = 0, []
        for path in paths:
            pixels = load(path)
            if found := finder.find(pixels):
                alone += 1
                _, veils = redact(pixels, [r for r in faces.find(pixels) if r.certain], SETTINGS)
                sent += [path.name] if unveiled(found, veils) else []
        print(
            f"marks: {len(paths)} photos of {name}/, {alone} with a suggestion, {len(sent)} sent to review by it"
        )
        print(f"  (not under a face's veil): {', '.join(sent)}", flush=True)
    rng = np.random.default_rng(2)
    seen: dict[str, list[bool]] = {}
    for path in sorted((folder / "skin").iterdir())[:limit]:
        pixels = load(path)
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


def clock(folder: Path) -> None:
    sample = Path(__file__).parents[1] / "sample_media" / "group.jpg"
    pixels = np.asarray(Image.open(sample).convert("RGB").resize((4032, 3024)), np.uint8)
    noise = np.random.default_rng(1).normal(0, 4, (3024, 4032, 1))
    pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    for name, finder in {
        "text": TextFinder(Store()),
        "codes": CodeFinder(),
        "marks": MarkFinder(),
        "faces": FaceFinder(Store()),
    }.items():
        for verb, run in (("find", finder.find), ("recheck", finder.recheck)):
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
        "codes": lambda: codes(options.folder, options.limit),
        "text": lambda: text(options.folder, options.limit, options.pages),
        "skin": lambda: skin(options.folder, options.limit),
        "marks": lambda: marks(options.folder, options.limit),
        "time": lambda: clock(options.folder),
    }
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--pages", type=int, default=48)
    options = parser.parse_args()
    if not options.folder.is_dir():
        raise SystemExit(f"{options.folder} is not here: the photos are not part of the project.")
    for name in options.only:
        parts[name]()


if __name__ == "__main__":
    main()
