"""deface at its defaults, in an environment of its own: its detector and its mask, box by box.

Run as a program by that environment's Python: reads paths of pictures, one per line, writes one JSON line
for each: the boxes that it would draw over (x, y, w, h) and the seconds it took. Imports nothing of ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from pathlib import Path

REQUIREMENTS = ("deface==1.5.0", "onnxruntime", "onnx")
THRESHOLD = 0.2
MASK_SCALE = 1.3
"""deface's defaults for --thresh and --mask-scale."""


def environment(folder: Path, requirements: Iterable[str] = REQUIREMENTS) -> Path:
    """The Python of an environment with deface, or what else is required, in it, made if it is not there yet."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
    return python


def deface(python: Path, pictures: Iterable[Path]) -> list[tuple[list[list[float]], float]]:
    """For each picture: the boxes that deface draws its ellipses in, and its seconds."""
    lines = "".join(f"{picture}\n" for picture in pictures)
    done = subprocess.run(
        [python, __file__], input=lines, stdout=subprocess.PIPE, text=True, check=True, encoding="utf-8"
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [(answer["boxes"], answer["seconds"]) for answer in answers]


def main() -> None:
    import imageio.v2 as imageio
    from deface.centerface import CenterFace
    from deface.deface import scale_bb

    detector = CenterFace(in_shape=None, backend="auto")
    for line in sys.stdin:
        picture = imageio.imread(line.rstrip("\n"))
        start = time.perf_counter()
        found, _ = detector(picture, threshold=THRESHOLD)
        seconds = time.perf_counter() - start
        boxes = []
        for face in found:
            x1, y1, x2, y2 = (float(v) for v in scale_bb(*face[:4].astype(int), MASK_SCALE))
            boxes.append([x1, y1, x2 - x1, y2 - y1])
        print(json.dumps({"boxes": boxes, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
