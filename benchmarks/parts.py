"""Whether the parts of a face that stay in view lie where they are, and stand still in clips.

    python benchmarks/parts.py --yunet ../shared/weights --photos ../shared/media/identities ../shared/media/faces \\
        [--faces 100] [--clips ../shared/media/video/….mp4 …]

Of each photo the largest face that YuNet, which has no part in the mesh, sees upright: its word on the middle of mouth
and eyes is the truth. The photo is searched at each quarter turn as ``--detector fast`` does; of the face that is found
there a part is claimed, or asked about. A claim is right when the true middle lies inside of the outline, as it would
be drawn. Of clips: how far the middle of each outline lies from the mean of the frames before and after it, in widths
of the face, and in how many frames of a face's track a part is in view.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from anonymizer.core.face_outlines import POINTS, outlines
from anonymizer.core.face_parts import FacePart
from anonymizer.core.settings import Effort, Settings
from anonymizer.core.types import Kind, Pixels, Point, Region
from anonymizer.detect.faces import yunet
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.faces.mesh import FaceMesh, sure
from anonymizer.detect.finder import Finder
from anonymizer.detect.models.store import Store, user_folders
from anonymizer.read.sniff import sniff_file
from anonymizer.road.clip.face_parts import followed_parts
from anonymizer.road.clip.search import begun, search
from anonymizer.road.face_parts import PartsOfFaces

SIDE, LEAST, SCORE = 800, 56, 0.85
SUFFIXES = {".jpg", ".jpeg", ".png"}
PARTS = (FacePart.MOUTH, FacePart.RIGHT_EYE, FacePart.LEFT_EYE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yunet", type=Path, required=True, help="folder with YuNet's file")
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    store = Store(folders=user_folders())
    mesh = FaceMesh(store)
    if options.photos:
        judge = yunet.YuNet(Store(folders=(options.yunet,)))
        photos_told(known(options.photos, judge, options.faces), FaceFinder(store, Effort.FAST), mesh)
    if options.clips:
        print("\n| clip | part | faces' frames | in view | jitter, half | jitter, 95 of 100 | jitter, most |")
        print("|---|---|---|---|---|---|---|")
    for clip in options.clips:
        clip_told(clip, mesh)


def known(
    folders: Sequence[Path], judge: yunet.YuNet, most: int
) -> Iterator[tuple[Pixels, dict[FacePart, Point]]]:
    """Photos with the true places of their largest face."""
    count = 0
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        if path.suffix.lower() not in SUFFIXES or count == most:
            continue
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image).convert("RGB")
            image.thumbnail((SIDE, SIDE))
            picture = np.asarray(image, np.uint8)
        seen = [d for d in judge.detect([picture], SCORE)[0] if min(d.box.w, d.box.h) >= LEAST]
        if not seen:
            continue
        right, left, _, corner, other = max(seen, key=lambda d: d.box.area).landmarks
        mouth = ((corner[0] + other[0]) / 2, (corner[1] + other[1]) / 2)
        count += 1
        yield picture, {FacePart.MOUTH: mouth, FacePart.RIGHT_EYE: right, FacePart.LEFT_EYE: left}


def photos_told(
    photos: Iterator[tuple[Pixels, dict[FacePart, Point]]], finder: FaceFinder, mesh: FaceMesh
) -> None:
    counts: Counter[tuple[FacePart, str]] = Counter()
    turns: Counter[tuple[int, str]] = Counter()
    for picture, truth in photos:
        for turn in range(4):
            shown = np.ascontiguousarray(np.rot90(picture, turn))
            places = {
                part: turned(place, picture.shape[1], picture.shape[0], turn) for part, place in truth.items()
            }
            middle = np.mean(list(places.values()), axis=0)
            faces = [
                r for r in finder.find(shown) if r.kind is Kind.FACE and r.hidden and r.box.holds(*middle)
            ]
            face = max(faces, key=lambda r: r.box.area, default=None)
            for part, outcome in judged(shown, face, places, mesh):
                counts[part, outcome] += 1
                if part is FacePart.MOUTH:
                    turns[turn, outcome] += 1
    print("| part | claimed | of these right | asked | face not found |\n|---|---|---|---|---|")
    for name, one in (*((str(part), (counts, part)) for part in PARTS),
                      *((f"mouth, turned {90 * t}°", (turns, t)) for t in range(4))):  # fmt: skip
        table, key = one
        right, wrong, asked, lost = (table[key, word] for word in ("right", "wrong", "asked", "lost"))  # type: ignore[index]
        share = right / (right + wrong) if right + wrong else float("nan")
        print(f"| {name} | {right + wrong} | {share:.3f} | {asked} | {lost} |")


def judged(
    picture: Pixels, face: Region | None, places: dict[FacePart, Point], mesh: FaceMesh
) -> Iterator[tuple[FacePart, str]]:
    found = mesh.look(picture, face) if face else None
    for part in PARTS:
        if face is None:
            yield part, "lost"
        elif found is None or not sure(picture, face, found, part):
            yield part, "asked"
        else:
            shapes = [np.array(one, np.float32) for one in outlines(found.points, part)]
            inside = any(cv2.pointPolygonTest(shape, places[part], False) >= 0 for shape in shapes)
            yield part, "right" if inside else "wrong"


def turned(place: Point, width: int, height: int, turns: int) -> Point:
    """A point of a picture after so many quarter turns anticlockwise."""
    x, y = place
    for _ in range(turns):
        x, y, width, height = y, width - 1 - x, height, width
    return x, y


def clip_told(path: Path, mesh: FaceMesh) -> None:
    settings = Settings(keep_part=("mouth", "eyes", "nose"), text="none", codes=False, marks=False)
    finder = Finder(settings)
    with begun(path, sniff_file(path), settings) as (clip, reading):
        tracks = search(clip, reading, finder, settings, None).tracker.tracks()
    parts, _ = followed_parts(clip, tracks, settings, PartsOfFaces(lambda: mesh), None)
    for number, part in enumerate((FacePart.MOUTH, FacePart.RIGHT_EYE, FacePart.LEFT_EYE, FacePart.NOSE)):
        off: list[float] = []
        frames = shown = 0
        for one in parts:
            frames, shown = frames + len(one.shown), shown + int(one.shown[:, number].sum())
            track = max((t for t in tracks if t.first == one.first), key=lambda t: float(t.boxes[:, 2].max()))
            own = [one.indices.index(index) for index in one.indices if index in POINTS[part]]
            middles = one.points[:, own].mean(axis=1)
            still = one.shown[:-2, number] & one.shown[1:-1, number] & one.shown[2:, number]
            jump = np.hypot(*(middles[1:-1] - (middles[:-2] + middles[2:]) / 2).T)
            off += (jump / track.boxes[1:-1, 2])[still].tolist()
        told = np.percentile(off, (50, 95, 100)) if off else [float("nan")] * 3
        print(
            f"| {path.stem} | {part} | {frames} | {shown} | {told[0]:.4f} | {told[1]:.4f} | {told[2]:.4f} |"
        )


if __name__ == "__main__":
    main()
