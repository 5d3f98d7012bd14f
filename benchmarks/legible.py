"""Codes, text and skin: what a reader other than ours still gets out of redacted photos; benchmarks/recall.py runs it.

codes   photos listed in ``codes.json``, at four rotations: how many of those that ZXing-C++ or OpenCV can decode
        (at full, half and double size) neither can decode after redaction.
text    the pictures of ``text/``, and generated pages of names and dates (fonts, sizes from 8 px, angles,
        colours, on photo-like grounds): the words of three letters or more that Debian's tesseract reads
        before and after.
skin    the photos of ``skin/``: share of each picture that text and code finders redact, and how many wait for a
        person.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from anonymizer.core.settings import Settings
from anonymizer.core.types import Kind, Pixels, Region
from anonymizer.detect.base import RegionFinder
from anonymizer.detect.codes.finder import CodeFinder
from anonymizer.detect.finder import Finder
from anonymizer.detect.models.store import Store
from anonymizer.detect.text.finder import TextFinder
from anonymizer.redact.photo import redact
from anonymizer.redact.residual import unredacted

SETTINGS = Settings()
pillow_heif.register_heif_opener()


def load(path: Path) -> Pixels:
    """The picture on white, as the program opens it."""
    with Image.open(path) as image:
        if image.mode in ("RGBA", "LA", "P", "PA"):
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(ground, image).convert("RGB"), np.uint8)
        return np.asarray(image.convert("RGB"), np.uint8)


def hide(pixels: Pixels, *finders: RegionFinder) -> tuple[Pixels, list[Region]]:
    """As the program does it: find, redact, and redact again what the second opinion still finds."""
    regions = [r for finder in finders for r in finder.find(pixels) if r.hidden]
    hidden, _ = redact(pixels, regions, SETTINGS)
    again = [r for finder in finders for r in finder.verification_pass(hidden) if r.hidden]
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


def codes(labels: Path, limit: int | None) -> None:
    entries = json.loads(labels.read_text(encoding="utf-8"))
    entries = entries[:: -(-len(entries) // limit)] if limit else entries
    finder = CodeFinder()
    before = after = silent = 0
    left: list[str] = []
    area: list[float] = []
    for entry in entries:
        stored = load(labels.parent / entry["image"])
        for rotations in range(4):
            pixels = np.ascontiguousarray(np.rot90(stored, rotations))
            hidden, regions = hide(pixels, finder)
            area.append(float((hidden != pixels).any(axis=2).mean()))
            if not decodable(pixels):
                silent += not regions
                continue
            before += 1
            if decodable(hidden):
                after += 1
                left.append(f"{entry['image']} at {90 * rotations}°")
    views = 4 * len(entries)
    print(f"codes: {len(entries)} photos at four rotations = {views} views")
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
            f"hidden {100 * statistics.fmean(self.area or [0.0]):.1f} % of the picture"
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
        print(
            "text: tesseract is not here, so nothing was read; apt-get install tesseract-ocr, and run it again."
        )
        return
    finders: list[RegionFinder] = [TextFinder(Store()), CodeFinder()]
    print("text, read by tesseract: words of three letters or more")
    real = Read()
    for path in [p for p in sorted(folder.iterdir()) if p.suffix in (".png", ".jpg")][:limit]:
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


# Skin -------------------------------------------------------------------------------------------------


def skin(folder: Path, limit: int | None) -> None:
    """With every default detector: what is drawn over, and what waits for a person and why."""
    finder = Finder(SETTINGS)
    plain: list[float] = []
    waiting: dict[str, int] = {}
    faces = asked = count = 0
    for path in sorted(folder.iterdir())[:limit]:
        pixels = load(path)
        count += 1
        found = finder.find(pixels)
        certain = [region for region in found if region.hidden]
        hidden, redactions = redact(pixels, certain, SETTINGS)
        left = [region for region in unredacted(found, redactions) if not region.hidden]
        asked += bool(left)
        for kind in {region.kind.value for region in left}:
            waiting[kind] = waiting.get(kind, 0) + 1
        if any(region.kind is Kind.FACE for region in certain):
            faces += 1
            continue
        plain.append(float((hidden != pixels).any(axis=2).mean()))
        if certain:
            print(f"  {path.name}: {len(certain)} regions, {100 * plain[-1]:.2f} %")
    print(
        f"skin: {count} pictures, a face redacted in {faces}; of the other {len(plain)}, text and codes hide "
        f"{100 * statistics.mean(plain):.2f} % on average (captions included)"
    )
    print(f"skin: {asked} of {count} wait for a person: {waiting}", flush=True)
