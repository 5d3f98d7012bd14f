"""Hide regions so that what is left carries no more than a bound, whatever the attacker does with it.

``blur`` and ``pixelate`` are one operation: the grown box of a region becomes a grid of at most 4×4 averages of
brightness, moved by Gaussian noise that follows from a secret and the place's look
(:mod:`anonymizer.redact.noise`), in the one mean colour of the place; then its contrast is lowered until the noise
is faint, and it is drawn smooth (blur) or as cells (pixelate). ``fill`` is one constant colour. The grid bounds what a
deblurring network can get back; the noise defeats the "parrot" attacker who obfuscates his own gallery the same way
(McPherson et al. 2016, arXiv:1609.00408; Fan 2018, DP-Pix). Lowering contrast afterwards takes nothing from the
attacker and nothing from the bound: it is for the eye. Text and codes are always filled: blurred text can be solved.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core import kept
from anonymizer.core.kept import KeptArea
from anonymizer.core.pixels import averages
from anonymizer.core.settings import FillColour, Settings
from anonymizer.core.types import Box, Kind, Pixels, Point, Redaction, Region, Shape, Style
from anonymizer.redact.noise import SIDE, look, noise

MIN_CELL = 5
"""Least side of a grid cell, pixels: a small face gets fewer cells, so that each still averages an area."""
FEATHER = 0.04
"""Width of the soft rim of an ellipse, as a share of the grown box; it lies outside the ellipse."""
DRAWN_NOISE = 12.0
"""Standard deviation, of 255, of the noise as it is drawn: faint enough to look at, far above rounding and JPEG."""
HEADROOM = 2.5
"""Standard deviations of it that the mean stays away from black and white."""
BRIGHTNESS = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue (ITU-R BT.601). Together 1: grey stays grey."""
FILL_COLOUR = (0, 0, 0)
"""Codes and text: a constant that says nothing about what was there."""
TONE_STEP = 16
"""Steps, of 255, in which a mean colour is told."""
TEXT_PAD = 0.15
"""Growth of a text or code box on each side, as a share of its height: ascenders and quiet zones."""


def redaction_box(region: Region, settings: Settings) -> tuple[int, int, int, int]:
    """The whole-pixel rectangle ``(left, top, right, bottom)`` that is drawn over; it may leave the picture.

    See :func:`redaction_boxes`.
    """
    box = region.box
    left, top, right, bottom = redaction_boxes(
        np.array([[box.x, box.y, box.w, box.h]]), region.kind, settings
    )[0]
    return int(left), int(top), int(right), int(bottom)


def redaction_boxes(boxes: NDArray[np.floating], kind: Kind, settings: Settings) -> NDArray[np.int64]:
    """Of boxes ``(n, 4)``, x, y, w, h, the rectangles ``(n, 4)`` that are drawn over: left, top, right, bottom.

    A face's box grows by the margin about its centre (at the default 1.4 the ellipse passes through the
    corners of the face's own box). Text and codes grow by a share of their lesser side. What a person drew
    is taken as drawn.
    """
    x, y, w, h = np.asarray(boxes, np.float64).T
    if kind in (Kind.FACE, Kind.MARK):
        across, down = w * (settings.margin - 1) / 2, h * (settings.margin - 1) / 2
    elif kind in (Kind.TEXT, Kind.CODE):
        across = down = np.maximum(2.0, TEXT_PAD * np.minimum(w, h))
    else:
        across = down = np.zeros_like(w)
    left, top = np.floor(x - across), np.floor(y - down)
    right, bottom = np.ceil(x + w + across), np.ceil(y + h + down)
    edges = [left, top, np.maximum(left + 1, right), np.maximum(top + 1, bottom)]
    return np.column_stack(edges).astype(np.int64)


def style_of(region: Region, settings: Settings) -> Style:
    """Faces and marks as the settings say; text, codes and whatever a person drew are filled."""
    return settings.style if region.kind in (Kind.FACE, Kind.MARK) else Style.FILL


def shape_of(region: Region, settings: Settings) -> Shape:
    """Faces and marks take the settings' shape; text its quadrilateral where known; the rest their box."""
    if region.kind in (Kind.FACE, Kind.MARK):
        return settings.shape
    return Shape.QUAD if region.kind in (Kind.TEXT, Kind.CODE) and len(region.corners) == 4 else Shape.BOX


def fill_of(kind: Kind, seen: NDArray[np.floating], settings: Settings) -> NDArray[np.uint8]:
    """The one colour, RGB, of a fill over a place with these averages ``(rows, columns, 3)``: black, or of a face its
    mean, coarsely, where the settings ask for that."""
    if kind not in (Kind.FACE, Kind.MARK) or settings.fill is not FillColour.TONE:
        return np.array(FILL_COLOUR, np.uint8)
    mean = seen.reshape(-1, 3).mean(axis=0)
    return np.asarray(np.clip(np.rint(mean / TONE_STEP) * TONE_STEP, 0, 255), np.uint8)


def grid_size(width: int, height: int, limit: int) -> tuple[int, int]:
    """``(columns, rows)`` for an area of this many pixels: at most ``limit`` a side, no cell under 5 px."""
    return (max(1, min(limit, width // MIN_CELL)), max(1, min(limit, height // MIN_CELL)))


def bounded(
    grid: NDArray[np.float32], seen: NDArray[np.float32], sigma: float, secret: bytes
) -> NDArray[np.float32]:
    """What may be drawn of a grid of averages ``(rows, columns, 3)`` RGB, 0 to 255: float32 of the same shape.

    Every average's brightness is moved by noise of ``sigma`` (of 255), which follows from ``secret`` and from the look
    of ``seen`` ``(rows, columns, 3)``, averages of the same place on any grid. The moved values are drawn together
    about the place's mean until the noise is :data:`DRAWN_NOISE`. All cells have the mean's hue.
    """
    middle = grid.reshape(-1, 3).mean(axis=0).astype(np.float64)
    level = float(middle @ BRIGHTNESS)
    moved = grid.astype(np.float64) @ BRIGHTNESS - level
    moved += sigma * noise(secret, look(seen.astype(np.float64) @ BRIGHTNESS), *moved.shape)
    moved *= min(1.0, DRAWN_NOISE / sigma) if sigma else 1.0
    # Noise that is cut off at black or white is no noise.
    room = min(HEADROOM * min(sigma, DRAWN_NOISE), 100.0)
    light = np.clip(np.clip(level, room, 255 - room) + moved, 0, 255)
    hue = middle - level
    above, below = hue[hue > 0], hue[hue < 0]
    fits = [1.0, *((255 - light.max()) / above), *(light.min() / -below)]
    return np.asarray(light[:, :, None] + min(fits) * hue, np.float32)


ALIKE: NDArray[np.float32] = np.zeros((SIDE, SIDE, 3), np.float32)
"""Stands for the look of a place whose noise follows from the secret alone, as in all pictures of one patient."""


def of_patient(regions: Sequence[tuple[Kind, float]], settings: Settings) -> int | None:
    """Of regions by kind and size, the number of that whose noise is the same in a whole series: the largest face's,
    where the settings say that it is one patient's. Two faces of one picture never have the same."""
    faces = [(size, number) for number, (kind, size) in enumerate(regions) if kind is Kind.FACE]
    return max(faces)[1] if faces and settings.same_patient else None


def drawn(grid: NDArray[np.float32], width: int, height: int, style: Style) -> NDArray[np.uint8]:
    """The grid as a patch ``(height, width, c)`` uint8: smooth for blur, cells for pixelate."""
    how = cv2.INTER_LINEAR if style is Style.BLUR else cv2.INTER_NEAREST
    patch = cv2.resize(grid, (width, height), interpolation=how)
    return np.rint(patch).astype(np.uint8).reshape(height, width, -1)


def coverage(
    shape: Shape, box: tuple[int, int, int, int], corners: Sequence[Point], feather: int
) -> NDArray[np.float32]:
    """How much of each pixel is replaced, 0 to 1, over ``box`` grown by ``feather`` pixels on each side.

    1 everywhere inside the shape; the rim fades outwards only, so no pixel of the region shows through.
    """
    left, top, right, bottom = box
    height, width = bottom - top + 2 * feather, right - left + 2 * feather
    mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    if shape is Shape.ELLIPSE:
        # Half a pixel more than inscribed: every pixel that the ellipse touches counts as inside.
        a, b = (right - left) / 2 + 0.5, (bottom - top) / 2 + 0.5
        x = (np.arange(width, dtype=np.float32) - (width / 2 - 0.5)) / a
        y = (np.arange(height, dtype=np.float32) - (height / 2 - 0.5)) / b
        radius = np.sqrt((x * x)[None, :] + (y * y)[:, None])
        if not feather:
            return np.asarray(radius <= 1, np.float32)
        fade = 1 - (radius - 1) * np.float32(min(a, b) / feather)
        return np.asarray(np.clip(fade, 0, 1), np.float32)
    if shape is Shape.QUAD and len(corners) == 4:
        points = np.array([(x - left + feather, y - top + feather) for x, y in corners])
        pad = 2 * max(2, round(TEXT_PAD * _least_side(points)))
        cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 255)
        # Dilation gives the quadrilateral the same growth that the box has.
        grown = cv2.dilate(mask, np.ones((pad + 1, pad + 1), np.uint8))
        return (grown > 0).astype(np.float32)
    mask[feather : height - feather, feather : width - feather] = 255
    return (mask > 0).astype(np.float32)


def redact(
    pixels: Pixels, regions: Iterable[Region], settings: Settings, secret: bytes | None = None
) -> tuple[Pixels, list[Redaction]]:
    """A copy of the picture with every region hidden, and what was drawn where.

    All grids are taken from the untouched picture, so overlapping regions do not depend on their order,
    and smooth regions are drawn before solid ones, so a fill is never softened. ``keep`` rectangles of the
    settings are restored by :func:`restore`, not here. ``secret`` is the installation's
    (:mod:`anonymizer.core.noise_secret`); None, for pictures that are not handed out, stands for one that is used once.
    """
    secret = secrets.token_bytes() if secret is None else secret
    height, width = pixels.shape[:2]
    out = pixels.copy()
    redactions = []
    regions = list(regions)
    patient = of_patient([(region.kind, region.box.area) for region in regions], settings)
    order = sorted(range(len(regions)), key=lambda n: style_of(regions[n], settings) is Style.FILL)
    for number in order:
        region = regions[number]
        style, shape = style_of(region, settings), shape_of(region, settings)
        box = redaction_box(region, settings)
        visible = Box(box[0], box[1], box[2] - box[0], box[3] - box[1]).pixels(width, height)
        if visible[2] <= visible[0] or visible[3] <= visible[1]:
            continue
        # The grid spans what is visible of the box: averaging pixels that do not exist would dilute it.
        grid_box = visible if shape is not Shape.ELLIPSE else box
        patch = pixels[visible[1] : visible[3], visible[0] : visible[2]]
        if style is Style.FILL:
            size = (1, 1)
            colour = fill_of(region.kind, averages(patch, (1, 1)), settings)
            drawing = np.broadcast_to(colour, patch.shape)
        else:
            size = grid_size(visible[2] - visible[0], visible[3] - visible[1], settings.grid)
            seen = averages(patch, (SIDE, SIDE)) if number != patient else ALIKE
            grid = bounded(averages(patch, size), seen, settings.noise, secret)
            drawing = drawn(grid, visible[2] - visible[0], visible[3] - visible[1], style)
        _blend(out, drawing, visible, shape, grid_box, region.corners, style)
        redactions.append(
            Redaction(region.kind, shape, style, grid_box, size, region.evidence, region.corners)
        )
    return out, redactions


def rim_of(box: tuple[int, int, int, int], shape: Shape, style: Style) -> int:
    """Width in pixels of the rim that fades outside what is drawn over; 0 where the edge is hard."""
    if shape is not Shape.ELLIPSE or style is Style.PIXELATE:
        return 0
    return max(1, round(FEATHER * min(box[2] - box[0], box[3] - box[1])))


def restore(redacted: Pixels, original: Pixels, keep: Iterable[KeptArea]) -> bool:
    """Put the original pixels back inside each ``keep`` area, in place; True if that changed any pixel."""
    height, width = redacted.shape[:2]
    changed = False
    for area in keep:
        left, top, right, bottom = Box.between(*kept.bounds(area)).pixels(width, height)
        inside = kept.mask([area], (left, top, right, bottom))
        new, old = redacted[top:bottom, left:right], original[top:bottom, left:right]
        changed = changed or bool((new != old).any(axis=2)[inside].any())
        new[inside] = old[inside]
    return changed


def _least_side(points: NDArray[np.floating]) -> float:
    sides = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    return float(min(sides))


def _blend(
    out: Pixels,
    drawing: NDArray[np.uint8],
    visible: tuple[int, int, int, int],
    shape: Shape,
    box: tuple[int, int, int, int],
    corners: Sequence[Point],
    style: Style,
) -> None:
    """Draw ``drawing`` over the visible rectangle, and its rim outside where the shape is a soft ellipse."""
    height, width = out.shape[:2]
    feather = rim_of(box, shape, style)
    alpha = coverage(shape, box, corners, feather)
    left, top = max(0, box[0] - feather), max(0, box[1] - feather)
    right, bottom = min(width, box[2] + feather), min(height, box[3] + feather)
    oy, ox = box[1] - feather, box[0] - feather
    alpha = alpha[top - oy : bottom - oy, left - ox : right - ox]
    # The rim continues the redaction's own edge colours; the original's edge is what it fades into.
    above, below = max(0, visible[1] - top), max(0, bottom - visible[3])
    before, after = max(0, visible[0] - left), max(0, right - visible[2])
    drawing = np.pad(drawing, ((above, below), (before, after), (0, 0)), mode="edge")
    target = out[top:bottom, left:right]
    inside = (alpha >= 1).astype(np.uint8)
    if feather:
        # OpenCV's own blending: a face that fills twelve megapixels took a tenth of a second with arrays.
        target[...] = cv2.blendLinear(np.ascontiguousarray(drawing), target.copy(), alpha.copy(), 1 - alpha)
    hidden = cv2.copyTo(np.ascontiguousarray(drawing), inside, target.copy())
    target[...] = hidden
