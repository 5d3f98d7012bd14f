"""In how many frames is a face left uncovered: by this program and by deface at its defaults, in one run.

    python benchmarks/leaks.py ../shared/media/video [--clips d11 d19 …|all] [--variants plain turned …] [--every 4]
        [--keep FOLDER]

The reference is a stronger search than either program makes: every frame (or every n-th, said in the table) of
the clip as it is given to both, at full size, with the whole ensemble at all rotations and the effort
``thorough``. What CenterFace gives :data:`FIRM` or more at some size and rotation, with 24 pixels or more, counts as a
face (below, collars and chins begin: both programs' misses at .15 to .24 were looked at, and none was a face).
It is left uncovered when more than :data:`RETAINED` of its
detail is still there: the frame of the output at the same time is compared with the source, both band-passed
between one pixel and an eighth of the face's width, inside the ellipse of 0.7 of its box.

The reference takes most of the time and does not depend on what is compared with it: ``--keep`` names a folder in which
what it saw of a clip is kept for the next run.

Beside it stands the share of the picture that was changed where no face, text or code is, mean and worst of every
:data:`AREA_EVERY`. frame that is looked at: cells of a hundred-and-sixtieth of the long side, and of three pixels at
least, whose colours differ by more than :data:`CHANGED` on average. A face is whatever the reference would hide, its
box grown by :data:`FACE_GROUND`; text is what can be read, codes what can be decoded, at full size, with a line's
height about them.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

import rivals
from anonymizer.core.settings import Effort, Settings
from anonymizer.core.types import Box, Pixels, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.faces import centerface
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.finder import Finder
from anonymizer.detect.models.store import Store, cache_folder
from anonymizer.detect.text import evidence

CORE, LEAST = 0.7, 24
RETAINED = 0.5
"""Share of a face's detail that counts as uncovered: re-encoding alone leaves .8 and more, a redaction under .1 on
large faces, and by its coarse grid and the luck of its noise up to .36 on one of 60 pixels."""
FIRM = 0.3
AREA_EVERY = 5
CELLS, LEAST_CELL, CHANGED = 160, 3.0, 12.0
"""Re-encoding alone changes a cell by 3 to 6 grey levels, but single pixels by more."""
FACE_GROUND = 1.7
"""This program's covers are 1.4 times a face's box with a soft rim, deface's 1.3 times."""
CLIPS = ("d11", "d19", "carphone_pristine", "mv_with_2_top_shots")
VARIANTS = {
    "plain": "",
    "turned": "transpose=1",
    "upside down": "hflip,vflip",
    "flickering": "eq=brightness='0.22*sin(2.2*n)':eval=frame",
    "low light": "eq=brightness=-0.28:contrast=0.55,noise=alls=9:allf=t",
    "cut": "",
}
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


@dataclass
class Score:
    """Faces that the reference saw and the frames they stand in, and of both those left uncovered."""

    faces: int = 0
    frames: int = 0
    bare_faces: int = 0
    bare_frames: list[int] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    """The shares of the picture that were changed where nothing is to be hidden."""

    @property
    def said_beside(self) -> str:
        mean, worst = (100 * f(self.beside) for f in (np.mean, np.max)) if self.beside else (0.0, 0.0)
        return f"{mean:.2f} % ({worst:.1f} %)"

    @property
    def said(self) -> str:
        share = len(self.bare_frames) / self.frames if self.frames else 0.0
        return f"{100 * share:.1f} % ({len(self.bare_frames)})"


def frames(path: Path) -> Iterator[tuple[float, Pixels]]:
    """``(seconds, RGB)`` of each frame, turned as the container says."""
    with av.open(f"file:{path.absolute()}") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        first: float | None = None
        for frame in container.decode(stream):
            seconds = float(frame.pts * stream.time_base)
            first = seconds if first is None else first
            picture = frame.to_ndarray(format="rgb24")
            yield seconds - first, np.ascontiguousarray(np.rot90(picture, frame.rotation // 90))


def make(source: Path, name: str, folder: Path, other: Path) -> Path:
    """A variant of a clip, without loss that matters, for both programs alike."""
    out = folder / f"{source.stem}-{name.replace(' ', '-')}.mp4"
    head = [FFMPEG, "-nostdin", "-v", "error", "-y"]
    tail = ["-an", "-c:v", "libx264", "-preset", "fast", "-crf", "12", "-fps_mode", "passthrough", out]
    if name == "plain":
        # The one track that plays: deface would choose the largest.
        tail[1:-3] = ["-c:v", "copy"]
        subprocess.run([*head, "-i", source, "-map", "0:v:0", "-an", "-c:v", "copy", out], check=True)
    elif name == "cut":
        # Hard cuts between two clips, every half second of each.
        pieces = []
        for clip, start in ((source, 0), (other, 0), (source, 0.5), (other, 0.5), (source, 1), (other, 1)):
            pieces += ["-ss", str(start), "-t", "0.5", "-i", clip]
        joined = "".join(
            f"[{i}:v:0]scale=512:512:force_original_aspect_ratio=decrease,pad=512:512:-1:-1,fps=25,setsar=1[v{i}];"
            for i in range(6)
        )
        joined += "".join(f"[v{i}]" for i in range(6)) + "concat=n=6:v=1[out]"
        subprocess.run([*head, *pieces, "-filter_complex", joined, "-map", "[out]", *tail], check=True)
    else:
        subprocess.run([*head, "-i", source, "-map", "0:v:0", "-vf", VARIANTS[name], *tail], check=True)
    return out


@dataclass(frozen=True)
class Seen:
    """What the stronger search finds in a frame. ``places``: where anything is to be hidden, with some ground about it,
    reduced to cells; None where the area is not measured."""

    number: int
    faces: list[Box]
    places: NDArray[np.bool_] | None


def reference(path: Path, finder: FaceFinder, labels: Finder, every: int, keep: Path | None) -> list[Seen]:
    """What the stronger search finds in each frame it looks at, as it was kept of this very clip if it was."""
    kept = keep / f"{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}-{every}.pickle" if keep else None
    if kept and kept.is_file():
        return list(pickle.loads(kept.read_bytes()))
    seen: list[Seen] = []
    for number, (_, picture) in enumerate(frames(path)):
        if number % every:
            continue
        found = finder.find(picture)
        places = None
        if len(seen) % AREA_EVERY == 0:
            grown = [r.box.scaled(FACE_GROUND) for r in found if r.hidden]
            lines = [r for r in labels.others(picture) if labels.proof(picture, r) >= Proof.READ]
            grown += [r.box.padded(evidence.least_side(r)) for r in lines]
            places = cells_of(grown, picture)
        seen.append(Seen(number, [r.box for r in found if is_face(r)], places))
    if kept:
        kept.write_bytes(pickle.dumps(seen))
    return seen


def _factor(picture: Pixels) -> float:
    """Cells to a pixel of a picture."""
    return min(CELLS / max(picture.shape[:2]), 1 / LEAST_CELL)


def cells(picture: Pixels) -> NDArray[np.float32]:
    """A picture reduced to cells, ``(rows, columns, 3)``."""
    height, width = picture.shape[:2]
    factor = _factor(picture)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def cells_of(boxes: Sequence[Box], picture: Pixels) -> NDArray[np.bool_]:
    """Which cells of a picture these boxes touch."""
    height, width = picture.shape[:2]
    factor = _factor(picture)
    touched = np.zeros((max(1, round(height * factor)), max(1, round(width * factor))), np.bool_)
    for box in boxes:
        left, top, right, bottom = (
            box.times(factor, factor).padded(1).pixels(touched.shape[1], touched.shape[0])
        )
        touched[top:bottom, left:right] = True
    return touched


def changed_beside(source: Pixels, output: Pixels, places: NDArray[np.bool_]) -> float:
    """The share of a picture, 0 to 1, that was changed where nothing is to be hidden."""
    changed = cells(cv2.absdiff(source, output)).max(axis=2) > CHANGED
    return float((changed & ~places).mean())


def is_face(region: Region) -> bool:
    """Whether the reference counts a region as a face: see the module's docstring."""
    score = max((e.score for e in region.evidence if e.detector == centerface.NAME), default=0.0)
    return region.hidden and score >= FIRM and min(region.box.w, region.box.h) >= LEAST


def detail(patch: NDArray[np.uint8], width: float) -> NDArray[np.float32]:
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.GaussianBlur(grey, (0, 0), 1.0)
    return np.asarray(fine - cv2.GaussianBlur(grey, (0, 0), max(2.0, width / 8)), np.float32)


def retained(source: Pixels, output: Pixels, box: Box) -> float:
    """The share of a face's detail that is still there: the output's on the source's, by least squares."""
    height, width = source.shape[:2]
    left, top, right, bottom = box.pixels(width, height)
    if right - left < 8 or bottom - top < 8:
        return 0.0
    before = detail(source[top:bottom, left:right], box.w)
    after = detail(output[top:bottom, left:right], box.w)
    y, x = np.mgrid[: bottom - top, : right - left]
    cx, cy = box.centre[0] - left, box.centre[1] - top
    a, b = CORE * box.w / 2, CORE * box.h / 2
    inside = ((x + 0.5 - cx) / a) ** 2 + ((y + 0.5 - cy) / b) ** 2 <= 1
    whole = float((before[inside] ** 2).sum())
    return float((before[inside] * after[inside]).sum()) / whole if whole > 0 else 0.0


def score(seen: Sequence[Seen], source: Path, output: Path) -> Score:
    """Compare an output with the reference; a frame that is not there is compared with the nearest in time."""
    result = Score()
    written = iter(frames(output))
    now = next(written)
    ahead = next(written, None)
    looked_at = {one.number: one for one in seen}
    for number, (seconds, picture) in enumerate(frames(source)):
        if number not in looked_at:
            continue
        one = looked_at[number]
        boxes = one.faces
        while ahead and abs(ahead[0] - seconds) <= abs(now[0] - seconds):
            now, ahead = ahead, next(written, None)
        height, width = picture.shape[:2]
        shown = now[1] if now[1].shape == picture.shape else cv2.resize(now[1], (width, height))
        if one.places is not None:
            result.beside.append(changed_beside(picture, np.asarray(shown, np.uint8), one.places))
        if not boxes:
            continue
        bare = sum(retained(picture, np.asarray(shown, np.uint8), box) > RETAINED for box in boxes)
        result.faces += len(boxes)
        result.frames += 1
        result.bare_faces += bare
        if bare:
            result.bare_frames.append(number)
    return result


def ours(path: Path, folder: Path) -> tuple[Path, float]:
    out = folder / f"ours-{path.stem}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "anonymizer", "blur", str(path), "--quiet", "--out", str(out)]
    code = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - start
    media = [*(out / "ready").glob("*.mp4"), *(out / "review").glob("*.mp4")]
    if len(media) != 1:
        raise SystemExit(f"{path.name}: the program ended with code {code} and wrote {len(media)} clips.")
    return media[0], seconds


def theirs(python: Path, path: Path, folder: Path) -> tuple[Path, float]:
    out = folder / f"deface-{path.stem}.mp4"
    start = time.perf_counter()
    command = [str(python.parent / "deface"), str(path), "--output", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", nargs="*", default=CLIPS)
    parser.add_argument("--variants", nargs="*", choices=tuple(VARIANTS), default=tuple(VARIANTS))
    parser.add_argument("--every", type=int, default=1, help="reference: look at every n-th frame only")
    parser.add_argument("--keep", type=Path, help="folder for what the reference saw")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--where", action="store_true", help="list the frames that were left uncovered")
    options = parser.parse_args()
    if options.clips == ["all"]:
        options.clips = sorted(path.stem for path in options.folder.glob("*.mp4"))
    sources = [options.folder / f"{name}.mp4" for name in options.clips]
    if missing := [path.name for path in sources if not path.is_file()]:
        raise SystemExit(
            f"{', '.join(missing)}: not in {options.folder}; the clips are not part of the project."
        )
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    finder = FaceFinder(Store(), Effort.THOROUGH)
    labels = Finder(Settings(faces=False, marks=False))
    python = None if options.no_rival else rivals.environment(cache_folder().parent / "deface")
    print(
        f"Reference: effort thorough, every {options.every}. frame at full size; left uncovered: > {RETAINED:g}\n"
    )
    print(
        "| clip | variant | frames with a face | this program: uncovered | changed beside, mean (worst) "
        "| deface 1.5.0: uncovered | changed beside |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    own_beside: list[float] = []
    rivals_beside: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for number, source in enumerate(sources):
            for name in options.variants:
                clip = make(source, name, folder, sources[(number + 1) % len(sources)])
                seen = reference(clip, finder, labels, options.every, options.keep)
                own = score(seen, clip, ours(clip, folder)[0])
                rival = score(seen, clip, theirs(python, clip, folder)[0]) if python else None
                own_beside += own.beside
                rivals_beside += rival.beside if rival else []
                theirs_said = f"{rival.said} | {rival.said_beside}" if rival else "– | –"
                print(
                    f"| {source.stem} | {name} | {own.frames} | {own.said} | {own.said_beside} | {theirs_said} |",
                    flush=True,
                )
                if options.where and own.bare_frames:
                    print(f"  uncovered at {own.bare_frames}", flush=True)
    print(
        f"\nChanged where nothing is to be hidden: {Score(beside=own_beside).said_beside} of the picture"
        + (f"; deface {Score(beside=rivals_beside).said_beside}" if rivals_beside else "")
    )


if __name__ == "__main__":
    main()
