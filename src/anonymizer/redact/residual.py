"""How far one place in a picture lies under redactions, measured on their outlines, and what is left of it beside them.

A line of text that runs aslant fills little of its upright box, and the line beside it lies in the same box:
whoever compares boxes takes a line in plain sight for a hidden one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import inside, outline, scaled_size
from anonymizer.core.settings import PERSON
from anonymizer.core.types import Box, Kind, Pixels, Redaction, Region, Shape, Style
from anonymizer.redact.photo import coverage, rim_of

MEASURED = 256
"""Longer side, pixels, of the copy in which a place is measured, whatever its size."""
HIDDEN_SHARE = 0.5
"""A re-found region counts as hidden when this share of it lies under the redactions, and nothing legible beside
them."""
LEGIBLE = frozenset({Kind.TEXT, Kind.CODE})
"""Half a name beside a bar is still a name, as half a face is none."""
EDGE = 2
"""Pixels about a redaction that are not looked at for strokes."""
LEAST = 64
"""Pixels, at least, in which there can be anything to read."""
STROKE, STROKES = 0.3, (5, 31)
"""Most width of a stroke, as a share of its line's height, and its bounds in pixels."""
GROWN = 1.6
"""A detector of text gives the core of a line, grown by area times this over circumference on each side."""
A_BAR = 0.6
"""Share of every piece of a core, each as long as it is high, under fills from which what was found is these fills."""
CONTRAST, DENSE = 40, 0.06
"""Least difference between a stroke and what is beside it, of 255, and share of the rest that strokes cover."""


def hidden(region: Region, redactions: Sequence[Redaction]) -> float:
    """The share of a region's outline, 0 to 1, that lies under the redactions as they were drawn, each pixel once."""
    box = region.box
    step = max(1.0, box.w / MEASURED, box.h / MEASURED)
    xs, ys = np.arange(box.x + step / 2, box.right, step), np.arange(box.y + step / 2, box.bottom, step)
    own = _within(region, xs, ys)
    return float(_over(redactions, xs, ys)[own].mean()) if own.any() else 0.0


def share_hidden(redactions: Sequence[Redaction], width: int, height: int) -> float:
    """The share of a picture, 0 to 1, of which the redactions take the greater part away, each pixel once.

    So a soft ellipse counts to the middle of its rim.
    """
    if not redactions:
        return 0.0
    step = max(1.0, max(width, height) / MEASURED)
    across, down = np.arange(step / 2, width, step), np.arange(step / 2, height, step)
    return float(_over([_with_half_its_rim(one) for one in redactions], across, down).mean())


def unredacted(regions: Sequence[Region], redactions: Sequence[Redaction]) -> list[Region]:
    """The regions that no redaction hides: less than half of each lies under what was drawn."""
    return [region for region in regions if hidden(region, redactions) < HIDDEN_SHARE]


def left_over(
    found: Sequence[Region],
    redactions: Sequence[Redaction],
    pixels: Pixels,
    detect: Callable[[Pixels], list[Region]],
    *,
    again: bool,
) -> list[Region]:
    """Of what was found in a written picture, what the redactions do not hide: bare, or legible beside them.

    ``again``: what an earlier search of the output had found is hidden by now. Of what is then still legible beside
    the redactions, only what ``detect`` finds without them counts: see :func:`still_legible`. Not so the first time,
    but for a fill that was itself found for a line: it passes over one half-covered line in twenty.
    """
    bare = unredacted(found, redactions)
    beside = [r for r in found if r not in bare and legible_beside(r, redactions, pixels)]
    if again:
        return bare + still_legible(beside, redactions, pixels, detect)
    fills = [r for r in [*bare, *beside] if _is_a_fill(r, redactions)]
    sure = [r for r in [*bare, *beside] if r not in fills]
    return sure + still_legible(fills, redactions, pixels, detect)


def _is_a_fill(region: Region, redactions: Sequence[Redaction]) -> bool:
    """Whether what was found for text is what was drawn over text: there is no room in it for a letter that shows.

    A black bar on a light ground, or one between two lines, is a sign to the detector, larger than itself.
    """
    fills = [one for one in redactions if one.style is Style.FILL and one.kind in LEGIBLE]
    if region.kind is not Kind.TEXT or len(region.corners) != 4:
        return False
    points = np.array(region.corners)
    sides = points[1] - points[0], points[3] - points[0]
    along, down = sorted(sides, key=lambda side: -float(np.linalg.norm(side)))
    length, height = float(np.linalg.norm(along)), float(np.linalg.norm(down))
    if not height or not any(region.box.intersection(Box.between(*one.box)).area for one in fills):
        return False
    core_length, core_height = _core(length, height)
    along, down = along / length * core_length, down / height * core_height
    count = max(1, round(core_length / core_height))
    first = points.mean(axis=0) - (along + down) / 2
    for number in range(count):
        start, end = first + along * (number / count), first + along * ((number + 1) / count)
        corners = tuple((float(x), float(y)) for x, y in (start, end, end + down, start + down))
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        box = Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
        if hidden(replace(region, box=box, corners=corners), fills) < A_BAR:
            return False
    return True


def _core(length: float, height: float) -> tuple[float, float]:
    """Length and height of a line's core, of which the line was grown: ``length = w + 2 g``, ``height = h + 2 g``
    with ``g = w h · GROWN / (2 (w + h))``."""
    low, high = 0.0, height
    for _ in range(30):
        h = (low + high) / 2
        w = length - height + h
        low, high = (h, high) if h + w * h * GROWN / (w + h) < height else (low, h)
    return length - height + low, low


def under_faces(region: Region, faces: Sequence[Redaction]) -> bool:
    """Whether found text or a found code has no pixel outside these redactions of faces, which replace all of them.

    A black bar on top would only show where an eye or a mouth was taken for a word. What a person drew is none of it.
    """
    return (
        region.kind in LEGIBLE
        and all(evidence.detector != PERSON for evidence in region.evidence)
        and hidden(region, faces) >= 1
    )


def legible_beside(region: Region, redactions: Sequence[Redaction], pixels: Pixels) -> bool:
    """Whether a line of text or a code in a written picture may be read in part beside the redactions."""
    return region.kind in LEGIBLE and strokes_beside(region, redactions, pixels)


def still_legible(
    regions: Sequence[Region],
    redactions: Sequence[Redaction],
    pixels: Pixels,
    detect: Callable[[Pixels], list[Region]],
) -> list[Region]:
    """Of the regions that :func:`legible_beside` names, those at which ``detect`` finds something without the
    redactions.

    A redaction between two straps is a dark bar on a light ground, and found for a line of text; hidden wider, it is
    found wider. So whoever has hidden what was found, and finds it again, looks once more with the redactions painted
    over in the colours about them.
    """
    if not regions:
        return []
    plain = pixels.copy()
    for region in regions:
        _paint_over(plain, redactions, region.box.scaled(2.0))
    seen = [
        found
        for found in detect(plain)
        if found.kind in LEGIBLE
        and (hidden(found, redactions) < 0.5 or strokes_beside(found, redactions, pixels))
    ]
    return [region for region in regions if any(inside(outline(region), outline(s)) > 0 for s in seen)]


def _paint_over(pixels: Pixels, redactions: Sequence[Redaction], place: Box) -> None:
    """Paint the redactions within a place of a picture in what surrounds them, smoothly."""
    left, top, right, bottom = place.pixels(pixels.shape[1], pixels.shape[0])
    if right <= left or bottom <= top:
        return
    part = pixels[top:bottom, left:right]
    covered = _over(redactions, np.arange(left + 0.5, right), np.arange(top + 0.5, bottom)).astype(np.uint8)
    over = cv2.dilate(covered, np.ones((2 * EDGE + 1,) * 2, np.uint8))
    f = min(1.0, MEASURED / max(part.shape[:2]))
    size = scaled_size(part.shape[1], part.shape[0], f)
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    mask = cv2.dilate(cv2.resize(over, size, interpolation=cv2.INTER_NEAREST), np.ones((3, 3), np.uint8))
    smooth = cv2.inpaint(small, mask, 3, cv2.INPAINT_TELEA)
    part[over > 0] = cv2.resize(smooth, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)[over > 0]


def strokes_beside(region: Region, redactions: Sequence[Redaction], pixels: Pixels) -> bool:
    """Whether what the redactions leave of a region in a written picture holds strokes, as letters and bars have.

    A black bar on paper looks like a line of text itself: what is left about it is plain.
    """
    left, top, right, bottom = region.box.pixels(pixels.shape[1], pixels.shape[0])
    xs, ys = np.arange(left + 0.5, right), np.arange(top + 0.5, bottom)
    if not len(xs) or not len(ys):
        return False
    # A redaction's edge, which JPEG makes ring, is no stroke.
    covered = (
        cv2.dilate(_over(redactions, xs, ys).astype(np.uint8), np.ones((2 * EDGE + 1,) * 2, np.uint8)) > 0
    )
    rest = _within(region, xs, ys) & ~covered
    if rest.sum() < LEAST:
        return False
    grey = np.asarray(cv2.cvtColor(pixels[top:bottom, left:right], cv2.COLOR_RGB2GRAY), np.uint8)
    grey[covered] = np.median(grey[rest])
    points = np.array(outline(region))
    height = float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).min())
    kernel = np.ones((int(np.clip(height * STROKE, *STROKES)) | 1,) * 2, np.uint8)
    thin = [cv2.morphologyEx(grey, how, kernel) for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)]
    return bool((cv2.max(*thin)[rest] > CONTRAST).mean() > DENSE)


def _within(region: Region, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points of a lattice, ``(rows, columns)``, lie in a region's outline."""
    own: NDArray[np.uint8] = np.zeros((len(ys), len(xs)), np.uint8)
    if own.size:
        step = np.array([(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in (xs, ys)])
        points = (np.array(outline(region)) - (xs[0], ys[0])) / step
        cv2.fillConvexPoly(own, np.rint(points).astype(np.int32), 1)
    return own > 0


def _over(
    redactions: Sequence[Redaction], xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which points of a lattice any redaction is drawn over."""
    over: NDArray[np.bool_] = np.zeros((len(ys), len(xs)), np.bool_)
    for redaction in redactions:
        left, top, right, bottom = redaction.box
        if left <= xs[-1] and right > xs[0] and top <= ys[-1] and bottom > ys[0]:
            over |= _under(redaction, xs, ys)
    return over


def _with_half_its_rim(redaction: Redaction) -> Redaction:
    rim = round(rim_of(redaction.box, redaction.shape, redaction.style) / 2)
    left, top, right, bottom = redaction.box
    return replace(redaction, box=(left - rim, top - rim, right + rim, bottom + rim))


def _under(redaction: Redaction, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points of a lattice, ``(rows, columns)``, a redaction is drawn over."""
    left, top, right, bottom = redaction.box
    across, down = (xs >= left) & (xs < right), (ys >= top) & (ys < bottom)
    over = down[:, None] & across[None, :]
    if redaction.shape is Shape.ELLIPSE:
        x, y = (xs - (left + right) / 2) * 2 / (right - left), (ys - (top + bottom) / 2) * 2 / (bottom - top)
        return np.asarray(over & ((x * x)[None, :] + (y * y)[:, None] <= 1))
    if redaction.shape is Shape.QUAD:
        drawn = coverage(redaction.shape, redaction.box, redaction.corners, 0) >= 1
        over[np.ix_(down, across)] = drawn[np.ix_(ys[down].astype(int) - top, xs[across].astype(int) - left)]
    return over
