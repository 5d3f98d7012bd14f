"""Flat patches that somebody drew on skin: a black bar over the eyes says that a face is there.

A bar alone hides little (a face recogniser still tells .98 of the faces behind one), and it takes the eyes away that
the networks look for. Black background, nostrils and pupils are told from it by their outline, which is neither a
rectangle nor an ellipse, by their edge, which is soft, or by what is around them, which is not skin.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Box, Pixels
from anonymizer.detect.marks.skin import skin

SIDE = 480
"""Long side of the copy that is looked at, pixels."""
FLAT, BLACK = 10, 24
"""Most difference within three by three pixels, and most brightness of any channel, of a drawn patch, of 255."""
LEAST, MOST = 0.008, 0.25
"""Share of the picture that a bar covers."""
THIN = 6
"""Least side of a bar, pixels of the copy."""
WHOLE = 0.7
"""Share of a patch that stays when whatever is thinner than five pixels is taken away."""
RECTANGLE, ELLIPSE = 0.88, (0.72, 0.85)
"""Share of the smallest rectangle about it that a patch fills; an ellipse fills a quarter of pi."""
CONVEX, CONVEX_ELLIPSE = 0.95, 0.90
"""Share of its convex hull that it fills."""
ON_SKIN, ON_SKIN_ELLIPSE = 0.45, 0.85
"""Share of the ring around it that has the colour of skin: hair and shadow may take up half about a rectangle."""
AT_EDGE = 0.97
"""A bar that the picture's edge cuts must fill its rectangle by this share, and lie in skin as an ellipse must."""
PAD = 12


def bars(pixels: Pixels) -> list[Box]:
    """The bars and ellipses that were drawn on skin in a picture ``(h, w, 3)`` uint8 RGB, in its pixels."""
    height, width = pixels.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = scaled_size(width, height, factor)
    shown = shrunk(pixels, *size)
    three = np.ones((3, 3), np.uint8)
    spread = (cv2.dilate(shown, three) - cv2.erode(shown, three)).max(axis=2)
    flat = (spread <= FLAT) & (shown.max(axis=2) <= BLACK)
    if flat.mean() < LEAST or not (skinned := skin(shown)).any():
        return []
    count, labels, stats, _ = cv2.connectedComponentsWithStats(flat.astype(np.uint8), connectivity=4)
    found = []
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        if LEAST <= area / flat.size <= MOST and min(w, h) >= THIN and _drawn(labels == label, skinned, area):
            found.append(Box(x, y, w, h).times(1 / factor, 1 / factor).within(width, height))
    return found


def _drawn(patch: NDArray[np.bool_], skinned: NDArray[np.bool_], area: int) -> bool:
    """Whether a flat patch has a drawn outline and lies on skin."""
    rows, columns = np.nonzero(patch)
    high, wide = patch.shape
    at_edge = bool(
        rows.min() <= 1 or columns.min() <= 1 or rows.max() >= high - 2 or columns.max() >= wide - 2
    )
    if np.ptp(rows) >= high - 4 or np.ptp(columns) >= wide - 4:
        return False  # from edge to edge: a border of the picture
    room = cv2.copyMakeBorder(patch.astype(np.uint8), PAD, PAD, PAD, PAD, cv2.BORDER_CONSTANT)
    solid = cv2.morphologyEx(room, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    if solid.sum() < WHOLE * area:
        return False
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    inner = cv2.contourArea(outline)
    _, (w, h), _ = cv2.minAreaRect(outline)
    # A contour runs through the middles of the outermost pixels: half a pixel is missing on each side.
    filled = (inner + cv2.arcLength(outline, True) / 2) / ((w + 1) * (h + 1))
    convex = inner / max(1.0, cv2.contourArea(cv2.convexHull(outline)))
    ring = (cv2.dilate(solid, np.ones((17, 17), np.uint8)) > 0) & ~(
        cv2.dilate(solid, np.ones((7, 7), np.uint8)) > 0
    )
    ring = ring[PAD:-PAD, PAD:-PAD]
    around = float(skinned[ring].mean()) if ring.any() else 0.0
    if at_edge:
        return filled >= AT_EDGE and around >= ON_SKIN_ELLIPSE
    rectangle = filled >= RECTANGLE and convex >= CONVEX and around >= ON_SKIN
    ellipse = ELLIPSE[0] <= filled <= ELLIPSE[1] and convex >= CONVEX_ELLIPSE and around >= ON_SKIN_ELLIPSE
    return rectangle or ellipse
