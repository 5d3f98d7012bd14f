"""Hide tracks in the planes of a clip's frames: the same bounded grids as in photos, one for each track.

A track has one grid, averaged over all its frames and noised once, by the installation's secret and by what it looks
like on average: the same clip, processed again, looks the same. A mosaic that were computed anew in every
frame would leak a little more with each (multi-frame super-resolution, averaging of the noise); this one says
the same thing in every frame, however many there are. Only the rectangles of the planes that hold a track are
written; the rest of the frame stays what the decoder gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import hdr, kept
from anonymizer.core.kept import KeptArea
from anonymizer.core.settings import Settings
from anonymizer.core.types import Box, Kind, Redaction, Region, Shape, Style
from anonymizer.core.yuv import AnyPlane, AnyPlanes, Plane, colours
from anonymizer.redact.photo import (
    ALIKE,
    FEATHER,
    TEXT_PAD,
    bounded,
    coverage,
    drawn,
    fill_of,
    grid_size,
    redaction_boxes,
    shape_of,
    style_of,
)
from anonymizer.track.tracks import Track

Rect = tuple[int, int, int, int]
STEP = 8
"""Pixels: widths and heights of redactions are multiples of it …"""
COARSE = 16
"""… or of a power of two at most so many times smaller than they: a large face's redaction keeps its size for long."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackRedaction:
    """What is drawn over one track: ``grid`` float32 ``(rows, columns, 3)`` in 8-bit Y, U, V; one cell for a fill.

    ``boxes`` int32 ``(n, 4)``: left, top, right, bottom in each of the track's frames; they may leave the picture.
    """

    track: Track
    style: Style
    shape: Shape
    grid: NDArray[np.float32]
    boxes: NDArray[np.int32]


def track_redaction(
    track: Track,
    settings: Settings,
    size: tuple[int, int],
    secret: bytes,
    transfer: int = 0,
    *,
    patient: bool = False,
) -> TrackRedaction:
    """A track's redaction in a picture of ``size`` (width, height); its noise follows from ``secret``.

    ``transfer``: the curve of high dynamic range (:mod:`anonymizer.core.hdr`) that the frames have, 0 for none.
    ``patient``: its noise is that of the patient's other pictures.
    """

    def planes(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
        return hdr.colours(rgb, transfer) if transfer else colours(rgb)

    like = Region(track.box(track.first), track.kind, track.evidence)
    style = style_of(like, settings)
    shape = Shape.BOX if style is Style.FILL else shape_of(like, settings)
    boxes = _boxes(track, settings)
    if style is Style.FILL and track.quads is not None:
        shape, boxes = Shape.QUAD, _boxes_about(track.quads)
    if style is Style.FILL:
        colour = fill_of(track.kind, track.colours, settings).astype(np.float32)
        return TrackRedaction(track, style, shape, planes(colour.reshape(1, 1, 3)), boxes)
    largest = int((track.boxes[:, 2] * track.boxes[:, 3]).argmax())
    left, top, right, bottom = _seen(_rect(boxes[largest]), size)
    cells = grid_size(right - left, bottom - top, settings.grid)
    known = track.colours
    if (known.shape[1], known.shape[0]) != cells:
        interpolation = cv2.INTER_AREA if known.shape[0] >= cells[1] else cv2.INTER_LINEAR
        shrunk = cv2.resize(known, cells, interpolation=interpolation)
        known = np.asarray(shrunk, np.float32).reshape(cells[1], cells[0], 3)
    seen = ALIKE if patient else track.colours
    grid = planes(bounded(np.asarray(known, np.float32), seen, settings.noise, secret))
    return TrackRedaction(track, style, shape, grid, boxes)


def redaction_at(one: TrackRedaction, frame: int, size: tuple[int, int]) -> Redaction | None:
    """What the redaction draws in a frame, for whoever checks it; None where nothing of it is in the picture."""
    box = _rect(one.boxes[frame - one.track.first])
    seen = _seen(box, size)
    if seen[2] <= seen[0] or seen[3] <= seen[1]:
        return None
    shown = box if one.shape is Shape.ELLIPSE else seen
    grid = one.grid.shape[1], one.grid.shape[0]
    corners = one.track.corners(frame) if one.shape is Shape.QUAD else ()
    return Redaction(one.track.kind, one.shape, one.style, shown, grid, one.track.evidence, corners)


def shown(one: TrackRedaction, size: tuple[int, int]) -> NDArray[np.bool_]:
    """In which of its track's frames ``(n,)`` the redaction draws anything: where :func:`redaction_at` is one."""
    left, top, right, bottom = one.boxes.T
    return np.asarray((right > 0) & (bottom > 0) & (left < size[0]) & (top < size[1]))


def paint(
    planes: AnyPlanes,
    redactions: Sequence[TrackRedaction],
    frame: int,
    settings: Settings,
    keep: Sequence[KeptArea],
) -> int:
    """Hide tracks of this frame in ``planes``, in place and in the order given; how many redactions were drawn.

    ``keep`` stays as it was.
    """
    height, width = planes[0].shape
    stay = _kept(planes, keep)
    count = 0
    for one in redactions:
        found = redaction_at(one, frame, (width, height))
        if found:
            _draw(planes, one, found)
            count += 1
    for plane, (top, bottom, left, right), part, inside in stay:
        plane[top:bottom, left:right][inside] = part[inside]
    return count


def _boxes(track: Track, settings: Settings) -> NDArray[np.int32]:
    """The redaction's boxes in all frames, grown to whole steps: they do not tremble with every frame."""
    left, top, right, bottom = redaction_boxes(track.boxes, track.kind, settings).T
    if track.kind is not Kind.DRAWN or not track.seen.all():
        # At an even place, for colour is half as fine.
        left, top = left & ~1, top & ~1
        coarse = np.minimum(right - left, bottom - top) // COARSE
        # The largest power of 2 that is no more, 0 for 0.
        step = np.maximum(STEP, (1 << np.frexp(coarse)[1].astype(np.int64)) // 2)
        wide, high = -(right - left) % step, -(bottom - top) % step
        across, down = right - left + wide, bottom - top + high
        left, top = left - ((wide // 2) & ~1), top - ((high // 2) & ~1)
        right, bottom = left + across, top + down
    return np.column_stack([left, top, right, bottom]).astype(np.int32)


def _boxes_about(quads: NDArray[np.float32]) -> NDArray[np.int32]:
    """The rectangles ``(n, 4)`` that hold quadrilaterals ``(n, 4, 2)`` as they are drawn: grown by a share of their
    lesser side, and to an even place and size, for colour is half as fine."""
    sides = np.linalg.norm(quads - np.roll(quads, 1, axis=1), axis=2).min(axis=1)
    pad = np.maximum(2, np.rint(TEXT_PAD * sides))[:, None] + 1
    low, high = np.floor(quads.min(axis=1) - pad), np.ceil(quads.max(axis=1) + pad)
    low -= low % 2
    high += high % 2
    return np.concatenate([low, high], axis=1).astype(np.int32)


def _rect(box: NDArray[np.int32]) -> Rect:
    left, top, right, bottom = box.tolist()
    return left, top, right, bottom


def _seen(box: Rect, size: tuple[int, int]) -> Rect:
    return Box(box[0], box[1], box[2] - box[0], box[3] - box[1]).pixels(*size)


def halved(rect: Rect) -> Rect:
    """The samples of colour, at half size, that a rectangle of the brightness plane touches."""
    return rect[0] // 2, rect[1] // 2, (rect[2] + 1) // 2, (rect[3] + 1) // 2


def _draw(planes: AnyPlanes, one: TrackRedaction, found: Redaction) -> None:
    """One redaction over the luma rectangle and its half-size counterparts."""
    height, width = planes[0].shape
    box = found.box
    if one.style is Style.FILL and found.shape is Shape.QUAD:
        _fill_quad(planes, one, found)
        return
    if one.style is Style.FILL:
        _fill(planes, one, _seen(box, (width, height)))
        return
    soft = one.shape is Shape.ELLIPSE and one.style is not Style.PIXELATE
    feather = max(1, round(FEATHER * min(box[2] - box[0], box[3] - box[1]))) if soft else 0
    # Even edges: a sample of colour belongs to four of brightness.
    x0, y0 = (box[0] - feather) & ~1, (box[1] - feather) & ~1
    place = _Outline(one.shape, box[2] - box[0], box[3] - box[1], feather, box[0] - x0, box[1] - y0)
    seen = _seen(box, (width, height))
    luma, chroma = _alphas(place)
    _blend(planes[0], (x0, y0), seen, one.grid[:, :, :1], luma, one.style)
    small = halved(seen)
    for number in (1, 2):
        _blend(
            planes[number], (x0 // 2, y0 // 2), small, one.grid[:, :, number : number + 1], chroma, one.style
        )


def _fill(planes: AnyPlanes, one: TrackRedaction, seen: Rect) -> None:
    """One colour over ``seen``, and over every sample of colour that touches it."""
    half = halved(seen)
    for plane, (left, top, right, bottom), value in zip(
        planes, (seen, half, half), one.grid.ravel(), strict=True
    ):
        # With 10 bits: four steps to one of 8.
        plane[top:bottom, left:right] = np.rint(value) * (1 if plane.dtype == np.uint8 else 4)


def _fill_quad(planes: AnyPlanes, one: TrackRedaction, found: Redaction) -> None:
    """One colour over a quadrilateral as :func:`anonymizer.redact.photo.coverage` draws it, and over every sample of
    colour that touches it."""
    height, width = planes[0].shape
    left, top, right, bottom = found.box
    x0, y0, x1, y1 = left & ~1, top & ~1, min(width, right + right % 2), min(height, bottom + bottom % 2)
    luma = coverage(Shape.QUAD, (x0, y0, x1, y1), found.corners, 0) > 0
    high, wide = luma.shape[0] // 2 * 2, luma.shape[1] // 2 * 2
    chroma = luma[:high, :wide].reshape(high // 2, 2, wide // 2, 2).any(axis=(1, 3))
    half = x0 // 2, y0 // 2
    for plane, (x, y), mask, value in zip(
        planes, ((x0, y0), half, half), (luma, chroma, chroma), one.grid.ravel(), strict=True
    ):
        part = plane[y : y + mask.shape[0], x : x + mask.shape[1]]
        part[mask] = np.rint(value) * (1 if plane.dtype == np.uint8 else 4)


@dataclass(frozen=True, slots=True)
class _Outline:
    """A redaction's outline in a rectangle of even size; ``dx`` and ``dy`` are where its box begins there."""

    shape: Shape
    width: int
    height: int
    feather: int
    dx: int
    dy: int


_Alpha = tuple[NDArray[np.float32], NDArray[np.float32]]
"""How much of each pixel is the redaction's and how much stays: ``(h, w)`` each, together 1."""


@lru_cache(maxsize=12)
def _alphas(place: _Outline) -> tuple[_Alpha, _Alpha]:
    """For brightness and for colour; a face's box keeps its size for many frames, so they are kept too.

    A sample of colour is replaced as much as the most replaced of its four pixels.
    """
    whole = coverage(place.shape, (0, 0, place.width, place.height), (), place.feather)
    top, left = place.dy - place.feather, place.dx - place.feather
    height, width = whole.shape
    luma = np.pad(whole, ((top, (top + height) % 2), (left, (left + width) % 2)))
    rows = np.maximum(luma[::2], luma[1::2])
    chroma = np.maximum(rows[:, ::2], rows[:, 1::2])
    return (luma, 1 - luma), (chroma, 1 - chroma)


def _blend(
    plane: AnyPlane,
    origin: tuple[int, int],
    seen: Rect,
    grid: NDArray[np.float32],
    alpha: _Alpha,
    style: Style,
) -> None:
    """The grid over ``seen``, its edge colours on outwards, as much as ``alpha`` says, which begins at ``origin``."""
    over, stays = alpha
    left, top = max(0, origin[0]), max(0, origin[1])
    right, bottom = (
        min(plane.shape[1], origin[0] + over.shape[1]),
        min(plane.shape[0], origin[1] + over.shape[0]),
    )
    cut = slice(top - origin[1], bottom - origin[1]), slice(left - origin[0], right - origin[0])
    patch = _patch(grid.tobytes(), grid.shape[:2], (seen[2] - seen[0], seen[3] - seen[1]), style)
    above, below = max(0, seen[1] - top), max(0, bottom - seen[3])
    before, after = max(0, seen[0] - left), max(0, right - seen[2])
    wide = np.asarray(cv2.copyMakeBorder(patch, above, below, before, after, cv2.BORDER_REPLICATE), np.uint8)
    y, x = max(0, top - seen[1]), max(0, left - seen[0])
    wide = np.ascontiguousarray(wide[y : y + bottom - top, x : x + right - left])
    target = plane[top:bottom, left:right]
    # Where alpha is 1 the redaction's own value comes out, to the last bit: its weight is all there is.
    weights = np.ascontiguousarray(over[cut]), np.ascontiguousarray(stays[cut])
    if plane.dtype == np.uint8:
        np.copyto(target, cv2.blendLinear(wide, np.ascontiguousarray(target), *weights))
    else:
        # With 10 bits: four steps to one of 8.
        mixed = cv2.blendLinear(4 * wide.astype(np.float32), target.astype(np.float32), *weights)
        np.copyto(target, np.rint(mixed).astype(np.uint16))


@lru_cache(maxsize=36)
def _patch(grid: bytes, cells: tuple[int, int], size: tuple[int, int], style: Style) -> Plane:
    """One plane of a redaction, drawn at ``size`` (width, height); the same in frame after frame, so it is kept."""
    values = np.frombuffer(grid, np.float32).reshape(*cells, 1)
    return drawn(values, *size, style)[:, :, 0]


def _kept(
    planes: AnyPlanes, keep: Sequence[KeptArea]
) -> list[tuple[AnyPlane, Rect, AnyPlane, NDArray[np.bool_]]]:
    """Copies of what must stay clear and which samples of them; of colour only those that lie wholly inside."""
    height, width = planes[0].shape
    parts: list[tuple[AnyPlane, Rect, AnyPlane, NDArray[np.bool_]]] = []
    for area in keep:
        left, top, right, bottom = Box.between(*kept.bounds(area)).pixels(width, height)
        # Whole samples of colour, of which some may lie outside of the area.
        left, top, right, bottom = left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2
        inside = kept.mask([area], (left, top, right, bottom))
        halves = inside.reshape(inside.shape[0] // 2, 2, inside.shape[1] // 2, 2).all(axis=(1, 3))
        for number, plane in enumerate(planes):
            rows, columns = (top, bottom), (left, right)
            if number:
                rows, columns = (top // 2, bottom // 2), (left // 2, right // 2)
            part = plane[rows[0] : rows[1], columns[0] : columns[1]].copy()
            mask = np.asarray(halves if number else inside)[: part.shape[0], : part.shape[1]]
            if mask.any():
                parts.append((plane, (*rows, *columns), part, mask))
    return parts
