"""What tracking gives: one thing from its first to its last hidden frame, with edges that do not flicker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.types import Box, Evidence, Kind, Point

SMOOTH = 0.15
"""Half width, seconds, of the window in which sizes are made steady."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One thing from its first to its last hidden frame.

    ``boxes`` float32 ``(n, 4)``: x, y, w, h in frame ``first + i``. ``seen`` bool ``(n,)``: a detector saw it
    there, or in the frames before and after; otherwise it was followed by its appearance, or its place is ``guessed``:
    held or interpolated. ``colours`` float32 ``(rows, columns, 3)``: the grid's RGB averages over the whole track.
    ``quads`` float32 ``(n, 4, 2)``: the corners, in order, of a label that does not
    stand upright in all of its frames; its boxes are those about them.
    """

    kind: Kind
    first: int
    boxes: NDArray[np.float32]
    seen: NDArray[np.bool_]
    evidence: tuple[Evidence, ...]
    colours: NDArray[np.float32]
    guessed: NDArray[np.bool_] | None = None
    quads: NDArray[np.float32] | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1

    def box(self, frame: int) -> Box:
        """Where the thing is in a frame of the track."""
        x, y, w, h = (float(v) for v in self.boxes[frame - self.first])
        return Box(x, y, w, h)

    def corners(self, frame: int) -> tuple[Point, ...]:
        """The corners of a label in a frame, where it does not stand upright throughout; else none."""
        if self.quads is None:
            return ()
        return tuple((float(x), float(y)) for x, y in self.quads[frame - self.first])


DRIFT = 0.1
"""How far an averaged middle may be from the one that was found, as a share of the size: more is no jitter, but a
movement that is not even, and to hold both would make the cover wide."""


def steady(
    boxes: NDArray[np.float32], half: int, sure: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Boxes ``(n, 4)`` that neither flicker in size nor ever leave a part of the given ones outside.

    The middle is averaged over ``half`` frames before and after, and the size is the largest of the window, averaged
    likewise: what moves evenly is no wider than it is. Each edge reaches as far as one frame before and after, for a
    face moves on while it is looked for, but in frames ``(n,)`` in which it is ``sure`` where it is; and what an
    average would let out is taken back in.
    """
    if len(boxes) == 0:
        return boxes
    edges = np.column_stack(
        [-boxes[:, 0], -boxes[:, 1], boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]]
    )
    sizes = boxes[:, 2:] / 2
    own = boxes[:, :2] + sizes
    drift = 2 * DRIFT * sizes
    middles = own + np.clip(_windowed(own, half).mean(axis=2) - own, -drift, drift)
    # A quarter of the window is enough to take the jitter of single sightings in.
    outer = _windowed(sizes, max(1, half // 2)).max(axis=2)
    reach = _windowed(outer, half).mean(axis=2)
    smooth = np.concatenate([reach - middles, reach + middles], axis=1)
    reached = _windowed(edges, 1).max(axis=2)
    if sure is not None:
        reached = np.where(sure[:, None], edges, reached)
    wide = np.maximum(smooth, reached)
    return np.column_stack(
        [-wide[:, 0], -wide[:, 1], wide[:, 2] + wide[:, 0], wide[:, 3] + wide[:, 1]]
    ).astype(np.float32)


def _windowed(values: NDArray[Any], half: int) -> NDArray[Any]:
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=0)
