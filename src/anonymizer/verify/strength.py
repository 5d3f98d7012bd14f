"""Measured on the output's pixels: a redacted region carries no more than its grid's worth of information.

A redaction that says "four by four averages, drawn smooth" spans a linear space of 16 dimensions per channel. The
nearest picture in that space is found by least squares from up to 256 by 256 pixels spread over the region; what is
left over is detail that the redaction does not account for. Clear skin, a Gaussian blur of 5 % of the face's width or
a sixteen-cell mosaic leave several times more than JPEG does (docs/verification.md). It is judged three ways: over
the whole region, by its largest values, and tile by tile, so that one clear eye or a small face under a large
redaction is not averaged away.

What lies within the grid is judged by the source: its own averages of brightness, at the same places, must not
explain the drawn ones. What they leave unexplained is the noise, which must be there; what they explain must be small.
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
from anonymizer.verify import outline

LINES = 256
"""Rows and columns looked at per region; sampled, not averaged, so that fine detail counts in full."""
RMS = 4.0
"""Largest root mean square of what is left over, of 255. JPEG at quality 95 leaves under 2."""
SMALL = 24
"""Pixels of a region's lesser side under which every JPEG block of it also holds what is outside."""
SMALL_RMS = 6.0
"""Largest root mean square of such a region: beside pure noise, JPEG at quality 95 leaves up to 5.2; a clear
face of ten pixels leaves over 20."""
RIDGE = 1e-6
"""Keeps the equations solvable where no sampled pixel sees one of the averages."""
PEAK = 24.0
"""Largest 99th percentile of it."""
TILES = 16
"""Tiles along a region's side."""
TILE = 16
"""Least side of a tile, pixels: two JPEG blocks, so that none consists of its edge's ringing alone."""
TILE_RMS = 7.0
"""Largest root mean square in any one tile. JPEG at quality 95 leaves up to 4.6 beside pure noise."""
GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue in brightness (ITU-R BT.601)."""


DRAWN_NOISE = 12.0
"""Standard deviation, of 255, of the noise as it is drawn (the redaction's own constant, repeated on purpose)."""
NOISE_KEPT = 0.8
"""Share of it that hue and limits of brightness may cost."""
UNLIKELY = 4.75
"""Standard deviations of a normal quantity that one redaction in a million exceeds."""
SEEN = 0.15
"""A cell is judged where it weighs so much in the picture, against the one that weighs most."""
FEWEST = 6
"""Cells under which there is nothing to judge: such a redaction says less than one that passes."""
FLAT = 2.0
"""Standard deviation of a source's averages under which the place has no features to tell."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a redaction may hold: averages along a side, and the noise on each, σ in steps of 255 of the source."""

    grid: int
    noise: float


@dataclass(frozen=True, slots=True, eq=False)
class SourceAverages:
    """What the source holds under a redaction: ``averages`` of brightness float32 ``(rows, columns)``, as the output
    would show them. ``scale``: the output's steps for one of 255 there."""

    averages: NDArray[np.float32]
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Remainder:
    """What a redaction's model does not explain, in grey levels of 255.

    ``rms`` over the whole region, ``peak`` the 99th percentile of the absolute values, ``tile`` the largest
    root mean square of one tile (0 where the region is too small for tiles), ``count`` the pixels looked at.
    """

    rms: float
    peak: float
    tile: float
    count: int


def check(
    pixels: Pixels,
    redactions: Sequence[Redaction],
    kept: Sequence[KeptArea],
    bound: Bound,
    sources: Sequence[SourceAverages | None],
    edge: int = 0,
    rim: int = 0,
) -> Check:
    """Every redaction against its bound; ``kept`` areas, which a person must judge anyway, are left out.

    ``sources``: what the source holds in the place of each redaction, see :func:`brightness`; None where that is not
    compared: for a fill. ``edge`` is how many pixels at a region's edge are left out: none for a photo, some for a
    frame of a clip; ``rim`` how many more about what was kept, whose edge a coarse JPEG carries outwards.
    """
    worst, measured = 0.0, 0
    for number, (redaction, source) in enumerate(zip(redactions, sources, strict=True)):
        left, top, right, bottom = redaction.box
        where: dict[str, int] = {
            "region": number + 1,
            **{"left": left, "top": top, "right": right, "bottom": bottom},
        }
        facts: dict[str, float] = {"region": number + 1}
        if redaction.style is not Style.FILL and max(redaction.grid) > bound.grid:
            said = Message("check.strength.detail", **where, cells=max(redaction.grid), allowed=bound.grid)
            return Check("strength", Result.FAIL, said, facts)
        over = remainder(pixels, redaction, redactions[number + 1 :], kept, edge, rim)
        if over is None:
            continue
        measured += 1
        worst = max(worst, over.rms)
        sides = redaction.box[2] - redaction.box[0], redaction.box[3] - redaction.box[1]
        # A strip that later redactions leave is as narrow as a small region.
        small = min(sides) < SMALL or over.count < SMALL * min(LINES, max(sides))
        if over.rms > (SMALL_RMS if small else RMS) or over.peak > PEAK or over.tile > TILE_RMS:
            said = Message("check.strength.failed", **where)
            facts |= {"rms": round(over.rms, 2), "tile": round(over.tile, 2), "peak": round(over.peak, 1)}
            return Check("strength", Result.FAIL, said, facts)
        if source is not None and redaction.style is not Style.FILL:
            told = _told(pixels, redaction, source.averages, redactions[number + 1 :], kept, edge, rim)
            if told is not None and not _bounded(told, bound, source.scale):
                said = Message("check.strength.noise", **where)
                facts |= {"noise": round(told.noise, 2), "slope": round(told.slope, 2)}
                return Check("strength", Result.FAIL, said, facts)
    if not redactions:
        return Check("strength", Result.PASS, Message("check.nothing-hidden"), {"regions": 0})
    said = Message("check.strength.passed", count=len(redactions), rms=worst, most=RMS, small=SMALL_RMS)
    return Check(
        "strength",
        Result.PASS,
        said,
        {"regions": len(redactions), "measured": measured, "rms": round(worst, 2)},
    )


def brightness(source: Pixels, redactions: Sequence[Redaction]) -> list[SourceAverages | None]:
    """The averages of a photo's brightness on each redaction's grid.

    None for a fill, and where nothing of it lies in the picture.
    """
    height, width = source.shape[:2]
    found: list[SourceAverages | None] = []
    for one in redactions:
        left, top = max(0, one.box[0]), max(0, one.box[1])
        right, bottom = min(width, one.box[2]), min(height, one.box[3])
        if one.style is Style.FILL or right <= left or bottom <= top:
            found.append(None)
            continue
        part = cv2.resize(source[top:bottom, left:right], one.grid, interpolation=cv2.INTER_AREA)
        grey = part.reshape(one.grid[1], one.grid[0], 3).astype(np.float32) @ GREY
        found.append(SourceAverages(np.asarray(grey, np.float32)))
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """How the drawn averages follow the source's: ``slope`` of the line through them, and what lies beside it.

    ``noise`` is the root mean square beside the line, by ``degrees`` of freedom; ``spread`` the standard deviation of
    the source's averages, all in steps of 255.
    """

    slope: float
    noise: float
    degrees: int
    spread: float


def _told(
    pixels: Pixels,
    redaction: Redaction,
    source: NDArray[np.float32],
    later: Sequence[Redaction],
    kept: Sequence[KeptArea],
    edge: int,
    rim: int = 0,
) -> _Told | None:
    """What the drawn averages tell of the source's; None where too few of them are seen."""
    seen = _seen_part(pixels, redaction, later, kept, edge, rim)
    if seen is None or redaction.grid[0] * redaction.grid[1] < FEWEST:
        return None
    values, inside, rows, columns = seen
    grey = values @ GREY if values.shape[2] == 3 else values[:, :, 0]
    fitted = _fitted(grey[:, :, None], inside, rows, columns)[:, :, 0]
    weight = (rows * rows).T @ inside.astype(np.float64) @ (columns * columns)
    cells = weight >= SEEN * weight.max()
    count = int(cells.sum())
    if count < FEWEST:
        return None
    drawn, there = fitted[cells], source[cells].astype(np.float64)
    drawn, there = drawn - drawn.mean(), there - there.mean()
    spread = float(there.std())
    slope = float(drawn @ there / (there @ there)) if spread > FLAT else 0.0
    degrees = count - 2 if spread > FLAT else count - 1
    beside = drawn - slope * there
    return _Told(slope, float(np.sqrt(beside @ beside / degrees)), degrees, spread)


def _bounded(told: _Told, bound: Bound, scale: float) -> bool:
    """Whether noise of the bound's strength, drawn at :data:`DRAWN_NOISE`, gives what was measured.

    One honest redaction in a million does not (Wilson and Hilferty 1931, for the least of a sum of squares).
    """
    drawn = min(bound.noise, DRAWN_NOISE) * scale
    share = scale * min(1.0, DRAWN_NOISE / bound.noise) if bound.noise else scale
    step = 2 / (9 * told.degrees)
    least = max(0.0, 1 - step - UNLIKELY * np.sqrt(step)) ** 1.5
    if told.noise < NOISE_KEPT * drawn * least:
        return False
    error = drawn / (max(told.spread, FLAT) * np.sqrt(told.degrees + 2))
    return bool(told.slope <= share + UNLIKELY * error)


def remainder(
    pixels: Pixels,
    redaction: Redaction,
    later: Sequence[Redaction],
    kept: Sequence[KeptArea],
    edge: int = 0,
    rim: int = 0,
) -> Remainder | None:
    """What the redaction's model leaves unexplained of ``pixels`` ``(h, w, 3)``; None where nothing is seen of it.

    Pixels under a redaction drawn later, or under its rim, are that redaction's to check.
    """
    seen = _seen_part(pixels, redaction, later, kept, edge, rim)
    if seen is None:
        return None
    values, inside, rows, columns = seen
    count = int(inside.sum())
    if count <= redaction.grid[0] * redaction.grid[1]:
        # Fewer pixels than averages: the region is its own bound.
        return Remainder(0.0, 0.0, 0.0, 1)
    over = (values - _model(values, inside, rows, columns)) * inside[:, :, None]
    squares = np.asarray((over * over).mean(axis=2), np.float32)
    height, width = pixels.shape[:2]
    high = min(height, redaction.box[3]) - max(0, redaction.box[1])
    wide = min(width, redaction.box[2]) - max(0, redaction.box[0])
    return Remainder(
        rms=float(np.sqrt(squares.sum() / count)),
        peak=float(np.percentile(np.abs(over[inside]), 99)),
        tile=_worst_tile(squares, inside, high, wide),
        count=count,
    )


_Part = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]


def _seen_part(
    pixels: Pixels,
    redaction: Redaction,
    later: Sequence[Redaction],
    kept: Sequence[KeptArea],
    edge: int,
    rim: int = 0,
) -> _Part | None:
    """The pixels that are looked at, float32 ``(h, w, c)``, which of them count, and how much each row and column of
    averages weighs in them; None where nothing of the redaction is seen."""
    height, width = pixels.shape[:2]
    left, top = max(0, redaction.box[0]), max(0, redaction.box[1])
    right, bottom = min(width, redaction.box[2]), min(height, redaction.box[3])
    if right <= left or bottom <= top:
        return None
    ys, xs = lines(top, bottom), lines(left, right)
    inside = outline.inside(redaction, (left, top, right, bottom), ys, xs, edge)
    for one in later:
        inside &= ~outline.touched(one, ys, xs, edge)
    if kept:
        stays = kept_mask(kept, (left, top, right, bottom), edge + rim)
        inside &= ~stays[np.ix_(ys - top, xs - left)]
    if not inside.any():
        return None
    rows = _basis(redaction.grid[1], bottom - top, redaction.style)[ys - top]
    columns = _basis(redaction.grid[0], right - left, redaction.style)[xs - left]
    return pixels[np.ix_(ys, xs)].astype(np.float32), inside, rows, columns


def beside_model(
    values: NDArray[np.float32],
    inside: NDArray[np.bool_],
    size: tuple[int, int],
    cells: tuple[int, int],
    style: Style,
    ys: NDArray[np.intp],
    xs: NDArray[np.intp],
) -> NDArray[np.float32]:
    """What no drawing of ``cells`` (columns, rows) averages over a picture of ``size`` (height, width) explains.

    ``values`` ``(h, w, c)`` are its pixels at the rows ``ys`` and columns ``xs``, of which those ``inside`` are fitted.
    """
    rows = _basis(cells[1], size[0], style)[ys]
    columns = _basis(cells[0], size[1], style)[xs]
    return np.asarray(values - _model(values, inside, rows, columns), np.float32)


def _model(
    values: NDArray[np.float32],
    inside: NDArray[np.bool_],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The drawing of a grid that comes nearest to the values inside; of a single colour it is their mean."""
    if rows.shape[1] == columns.shape[1] == 1:
        return np.asarray(values[inside].mean(axis=0), np.float32)
    found = _fitted(values, inside, rows, columns)
    drawn = np.einsum("yr,rcn,xc->yxn", rows, found, columns, optimize=True)
    return np.asarray(drawn, np.float32)


def lines(start: int, end: int) -> NDArray[np.intp]:
    """Up to :data:`LINES` whole numbers from ``start`` up to ``end``, evenly spread."""
    count = min(LINES, end - start)
    return np.asarray(start + (np.arange(count) * (end - start)) // count, np.intp)


def _fitted(
    values: NDArray[np.float32],
    inside: NDArray[np.bool_],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The averages ``(rows, columns, 3)`` whose drawing comes nearest to the values inside.

    A pixel's weights are a product, one factor by its row and one by its column, so the normal equations
    over all pixels are sums along one axis and then the other: no matrix of pixels by averages is made.
    """
    high, wide = rows.shape[1], columns.shape[1]
    mask = inside.astype(np.float64)
    across = mask @ (columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1)
    down = (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    by_pairs = (down.T @ across).reshape(high, high, wide, wide)
    square = by_pairs.transpose(0, 2, 1, 3).reshape(high * wide, high * wide)
    square[np.diag_indices_from(square)] += RIDGE
    seen = values * mask[:, :, None]
    wanted = np.einsum("yr,yxn,xc->rcn", rows, seen, columns, optimize=True)
    found = np.linalg.solve(square, wanted.reshape(high * wide, -1))
    return np.asarray(found, np.float64).reshape(high, wide, -1)


def _worst_tile(squares: NDArray[np.float32], inside: NDArray[np.bool_], height: int, width: int) -> float:
    """The largest root mean square over any tile, at any place, of which half lies inside the region."""
    tile_h = max(TILE, height // TILES) * squares.shape[0] // height
    tile_w = max(TILE, width // TILES) * squares.shape[1] // width
    if tile_h > squares.shape[0] or tile_w > squares.shape[1]:
        return 0.0

    def mean(of: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(of, cv2.CV_32F, (tile_w, tile_h), borderType=cv2.BORDER_CONSTANT))

    share = mean(inside.astype(np.float32))
    dense = share >= 0.5
    if not dense.any():
        return 0.0
    return float(np.sqrt((mean(squares)[dense] / share[dense]).max()))


def _basis(count: int, length: int, style: Style) -> NDArray[np.float64]:
    """How much each of ``count`` averages weighs at each of ``length`` pixels when drawn: ``(length, count)``."""
    how = cv2.INTER_NEAREST if style is Style.PIXELATE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.eye(count), (count, length), interpolation=how), np.float64).reshape(
        length, count
    )
