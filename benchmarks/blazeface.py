"""Whether BlazeFace, run by OpenVINO and read by this program, says what MediaPipe says of the same pictures.

    python benchmarks/blazeface.py ../shared/media/faces [--mediapipe-python …]

MediaPipe runs in an environment of its own (made in the user's cache, as the extra ``mediapipe`` would install it), on
the same pictures at a longer side of 512 pixels, upright and turned. A detection of one is matched to the nearest of
the other; where one has none at the threshold, the other's score tells how clear a case it was.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

import rivals

if TYPE_CHECKING:
    from anonymizer.core.types import Box

REQUIREMENTS = ("mediapipe>=1.2.2,<2",)
LEAST = 0.2
"""The detectors' own threshold; one that lies so near it that the other is below says nothing."""
SIDE = 512
TURNS = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--mediapipe-python", type=Path, help="Python of an environment that has mediapipe")
    options = parser.parse_args()
    # Not at the top: the environment of the reference has nothing of ours.
    from anonymizer.core.types import Box
    from anonymizer.detect.faces.blazeface import FULL, SHORT, BlazeFace
    from anonymizer.detect.models.store import Store, cache_folder, user_folders

    store = Store(folders=user_folders())
    python = options.mediapipe_python or rivals.environment(
        cache_folder().parent / "reference-mediapipe", REQUIREMENTS
    )
    with tempfile.TemporaryDirectory() as scratch:
        paths = small_pictures(options.photos, Path(scratch))
        pictures = [np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1]) for path in paths]
        print("| network | pictures | detections of both | only MediaPipe (most) | only ours (most) "
              "| score apart, mean (most) | overlap, least |\n|---|---|---|---|---|---|---|")  # fmt: skip
        for name in (SHORT, FULL):
            network = Path(scratch) / f"{name}.tflite"
            network.write_bytes(store.load(name))
            theirs = [
                [(Box(*box), score) for box, score in found] for found in reference(python, network, paths)
            ]
            ours = [
                [(d.box, d.score) for d in found] for found in BlazeFace(store, name).detect(pictures, LEAST)
            ]
            print(row(name, ours, theirs), flush=True)


def row(name: str, ours: Sequence[list[tuple[Box, float]]], theirs: Sequence[list[tuple[Box, float]]]) -> str:
    """What one network's detections of all pictures have in common, as a line of the table."""
    apart, overlaps, ours_alone, theirs_alone = [], [], [], []
    for mine, other in zip(ours, theirs, strict=True):
        left = list(other)
        for box, score in mine:
            best = max(left, key=lambda one: box.iou(one[0]), default=None)
            if best is None or box.iou(best[0]) < 0.5:
                ours_alone.append(score)
                continue
            left.remove(best)
            apart.append(abs(score - best[1]))
            overlaps.append(box.iou(best[0]))
        theirs_alone += [score for _, score in left]

    def alone(scores: list[float]) -> str:
        return f"{len(scores)} ({max(scores, default=0):.2f})"

    return (
        f"| {name} | {len(ours)} | {len(apart)} | {alone(theirs_alone)} | {alone(ours_alone)} "
        f"| {np.mean(apart):.4f} ({max(apart):.4f}) | {min(overlaps):.3f} |"
    )


def small_pictures(folder: Path, to: Path) -> list[Path]:
    """Every photo, at four turns, as PNG with a longer side of :data:`SIDE` at most."""
    made = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
            continue
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        scale = min(1.0, SIDE / max(picture.shape[:2]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for number, turn in enumerate(TURNS):
            made.append(to / f"{len(made):05}-{number}.png")
            cv2.imwrite(str(made[-1]), small if turn is None else cv2.rotate(small, turn))
    return made


def reference(python: Path, network: Path, pictures: Sequence[Path]) -> list[list[tuple[list[float], float]]]:
    """What MediaPipe's face detector says of each picture, in that environment: x, y, w, h and score of each face."""
    lines = "".join(f"{path}\n" for path in (network, *pictures))
    done = subprocess.run(
        [python, __file__, "--reference"], input=lines, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def as_reference() -> None:
    """Run by that environment's Python: reads the network's path and then pictures, writes one JSON line for each."""
    import mediapipe
    from mediapipe.tasks.python.core.base_options import BaseOptions
    from mediapipe.tasks.python.vision import FaceDetector, FaceDetectorOptions

    network, *pictures = sys.stdin.read().splitlines()
    options = FaceDetectorOptions(
        base_options=BaseOptions(model_asset_buffer=Path(network).read_bytes()),
        min_detection_confidence=LEAST,
    )
    detector = FaceDetector.create_from_options(options)
    for path in pictures:
        pixels = np.ascontiguousarray(cv2.imread(path)[:, :, ::-1])
        found = detector.detect(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        ).detections
        boxes = [
            ((b.origin_x, b.origin_y, b.width, b.height), one.categories[0].score)
            for one in found
            for b in (one.bounding_box,)
        ]
        print(json.dumps(boxes), flush=True)
    detector.close()


if __name__ == "__main__":
    as_reference() if sys.argv[1:] == ["--reference"] else main()
