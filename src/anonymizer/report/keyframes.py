"""Where a redaction lies from moment to moment, in few numbers: for the report, and for the outlines on the review
page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STEP = 0.2
"""Seconds between two places of a path before those that go without saying are left out."""
MOST = 300
"""Places of one path at most."""
OFF = 0.04
"""How far a left out place may be from the straight line between its neighbours, as a share of its size."""

Keyframes = tuple[tuple[float, int, int, int, int], ...]
"""``(seconds, left, top, right, bottom)``, in between in a straight line."""


def keyframes(seconds: NDArray[np.float64], boxes: NDArray[np.int32]) -> Keyframes:
    """A path through boxes ``(n, 4)`` at these moments ``(n,)``, both ends included."""
    if not len(seconds):
        return ()
    length = float(seconds[-1] - seconds[0])
    step = max(STEP, length / MOST)
    last = len(seconds) - 1
    # arange may overshoot its end by a rounding error, beyond which there is no place.
    at = np.searchsorted(seconds, np.arange(seconds[0], seconds[-1], step)).clip(max=last)
    some = np.unique(np.append(at, last))
    kept = _needed(seconds[some], boxes[some].astype(np.float64))
    chosen = some[kept]
    return tuple(
        (round(float(seconds[i]), 3), *(int(v) for v in boxes[i]))  # type: ignore[misc]
        for i in chosen
    )


def _needed(seconds: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices without which the rest could not be told by straight lines (Douglas and Peucker's way)."""
    keep = {0, len(seconds) - 1}
    open_ = [(0, len(seconds) - 1)]
    while open_:
        first, last = open_.pop()
        if last - first < 2:
            continue
        inner = np.arange(first + 1, last)
        share = (seconds[inner] - seconds[first]) / max(1e-9, seconds[last] - seconds[first])
        straight = boxes[first] + share[:, None] * (boxes[last] - boxes[first])
        size = np.maximum(1.0, (boxes[inner, 2:] - boxes[inner, :2]).min(axis=1))
        off = np.abs(boxes[inner] - straight).max(axis=1) / size
        worst = int(off.argmax())
        if off[worst] > OFF:
            middle = int(inner[worst])
            keep.add(middle)
            open_ += [(first, middle), (middle, last)]
    return np.array(sorted(keep), np.intp)
