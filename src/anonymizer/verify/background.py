"""Does what was written hold anything of the room? Measured in its own pixels, outside of the person.

A replaced background is one colour, or a few smooth patches; the best such drawing is fitted to what was written, and
what it leaves unexplained is something else: the room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.kept import KeptArea
from anonymizer.core.kept import mask as kept_mask
from anonymizer.core.message import Message
from anonymizer.core.types import Check, Pixels, Redaction, Result, Style
from anonymizer.verify import outline, strength

CELLS = 8
"""Most patches along a side (the redaction's own constant, repeated on purpose)."""
RMS, TILE_RMS = 2.5, 6.0
"""Most that may be left, root mean square, of 255: over all of it, and in one tile of :data:`TILE` pixels."""
TILE = 16
SPREAD = 16
"""Pixels about the person in which a JPEG or a clip carries the edge outwards: a block of colour …"""
NEAR_RMS = 14.0
"""… and what may be left there: the room beside the person differs from its patch by more."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What must be replaced: all of ``outside`` ``(h, w)``, by at most ``cells`` patches a side."""

    outside: NDArray[np.bool_]
    cells: tuple[int, int]


def check(
    pixels: Pixels,
    wanted: Replaced,
    redactions: Sequence[Redaction],
    kept: Sequence[KeptArea] = (),
    *,
    exact: bool,
) -> Check:
    """Whether all that lies outside of the person is replaced in ``pixels`` ``(h, w, c)`` as written.

    ``redactions`` are their own check's to judge, ``kept`` areas a person's. ``exact``: the format carries no edge
    outwards.
    """
    left = unexplained(pixels, wanted, redactions, kept, exact=exact)
    facts = {"share": round(float(wanted.outside.mean()), 3)}
    if left is None:
        return Check("background", Result.FAIL, Message("check.background.failed"), facts)
    far, tile, near = left
    facts |= {"rms": round(far, 2), "tile": round(tile, 2), "edge": round(near, 2)}
    if far > RMS or tile > TILE_RMS or near > NEAR_RMS:
        return Check("background", Result.FAIL, Message("check.background.failed"), facts)
    said = Message("check.background.passed", share=100 * facts["share"], rms=far, most=RMS)
    return Check("background", Result.PASS, said, facts)


def unexplained(
    pixels: Pixels,
    wanted: Replaced,
    redactions: Sequence[Redaction],
    kept: Sequence[KeptArea],
    *,
    exact: bool,
) -> tuple[float, float, float] | None:
    """What no drawing of few patches explains: over all, in the worst tile, and at the person's edge; None where there
    are more patches than may be, or the sizes differ."""
    height, width = pixels.shape[:2]
    if max(wanted.cells) > CELLS or wanted.outside.shape != (height, width):
        return None
    ys, xs = strength.lines(0, height), strength.lines(0, width)
    outside = wanted.outside[np.ix_(ys, xs)].copy()
    for one in redactions:
        outside &= ~outline.touched(one, ys, xs, 0)
    if kept:
        outside &= ~kept_mask(kept, (0, 0, width, height), 2)[np.ix_(ys, xs)]
    far = outside
    if not exact:
        reach = np.ones((2 * SPREAD + 1, 2 * SPREAD + 1), np.uint8)
        about = cv2.dilate((~wanted.outside).astype(np.uint8), reach) > 0
        far = outside & ~about[np.ix_(ys, xs)]
    if not far.any():
        far = outside
    if not far.any():
        return 0.0, 0.0, 0.0
    values = pixels[np.ix_(ys, xs)].astype(np.float32)
    # Fitted to all of it: of a patch that is seen at the person's edge alone nothing else tells.
    over = strength.beside_model(values, outside, (height, width), wanted.cells, Style.BLUR, ys, xs)
    squares = np.asarray((over * over).mean(axis=2), np.float32)
    return (
        float(np.sqrt(squares[far].mean())),
        _worst_tile(squares, far, (height / len(ys), width / len(xs))),
        _near(squares, outside & ~far),
    )


def _near(squares: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return float(np.sqrt(squares[where].mean())) if where.any() else 0.0


def _worst_tile(squares: NDArray[np.float32], inside: NDArray[np.bool_], step: tuple[float, float]) -> float:
    """The largest root mean square in a tile of which half lies inside."""
    high, wide = (max(2, round(TILE / one)) for one in step)

    def mean(of: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(of, cv2.CV_32F, (wide, high), borderType=cv2.BORDER_CONSTANT))

    share = mean(inside.astype(np.float32))
    dense = share >= 0.5
    return float(np.sqrt((mean(squares * inside)[dense] / share[dense]).max())) if dense.any() else 0.0
