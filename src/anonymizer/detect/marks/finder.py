"""Suggest likely tattoos: where a network sees ink, or rules about colour do and the network does not object.

To the rules ink is bluer or greyer than skin, darker, sharply bounded, and skin is all around it.

A suggestion only: there is no free detector to rely on, and a lesion that is blurred by mistake destroys the
case. Everything found here is a doubt (``Action.ASK``), which sends the file to a person. Naevi, crusts and
rashes are brown or red, so colour tells most of them apart; by the same rule red ink is not seen.
docs/detection.md has the measurements behind the numbers here.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.detect import trunk
from anonymizer.detect.marks import network
from anonymizer.detect.marks.skin import skin
from anonymizer.detect.models.store import Store

SIDE = 640
"""Long side of the picture that is looked at: hair is too thin to be seen, a tattoo is not."""
NAME = "ink on skin"
SEEN_TOO = 0.3
"""The network's highest word inside a place of the rules, without which it is none."""
SAME = 0.4
"""Two boxes that overlap so much (IoU) are one place."""
BLUER, LESS_RED, DARKER = 4.0, 3.0, 7.0
"""By so much less yellow (b* of CIE Lab), less red (a*) and darker (L*) than the skin around it a pixel may be ink …"""
GREENER = 14.0
"""… or by so much less red, if it is no brighter."""
BLUER_ALL, LESS_RED_ALL, DARKER_ALL = 7.0, 5.0, 10.0
"""The same, of the median over all of a mark …"""
GREENER_ALL = 16.0
GREYER_ALL = 0.6
"""… where, in place of the first two, less than this share of the skin's chroma is enough."""
NEAR_SKIN = 0.25
"""Share of skin in the neighbourhood without which nothing is known of the skin's colour."""
LEAST, MOST = 0.0006, 0.25
"""Share of the picture that ink covers, of what is suggested …"""
LEAST_BOX = 0.003
"""… and that its box takes up: of 130 tattoos none that only the rules see is smaller."""
SURROUNDED = 0.6
"""Share of the ring around it that is skin …"""
EACH_SIDE = 0.2
"""… and of every eighth of that ring: the gap between two fingers is open at its end."""
LONG, ENDS = 4.0, 0.5
"""From this length over width on, a mark needs this share of skin beyond either end, too: a window between two panels
of terracotta has 0.4, of 171 generated tattoos as long as that each has 0.56 and more."""
SHARP = 9.0
"""Least mean step across its border, over two pixels, in Lab."""
THICK = 0.12
"""Share of it that is left when strokes of less than three pixels are taken away: hair leaves less."""
BLACK = 0.2
"""Least L* as a share of the skin's around it: ink lies under skin and is never as dark as a gap or a pupil."""
HUES = (0.0, 76.0)
"""Hue angle, degrees, of the skin around it (median; atan2 of b* and a*). Under skin of 30 photos 19 of 20 marks
have 25 to 74; wood, earth, dough, leaves and cream-coloured paper have 62 to 105."""
ROUGH = 2.0
"""Most of the skin's own texture, L* about its local mean (median): skin has 0.2 to 1.6, scree and leaves 2.4 to 5."""
AROUND = 0.16
"""Width of what counts as around, as a share of the long side."""
TOGETHER = 9
"""Strokes with gaps up to this many pixels are one tattoo."""
PAD = 14
"""Pixels beyond a candidate that its ring needs."""
SECTORS = 8


class MarkFinder:
    """Suggests places; see :class:`anonymizer.detect.base.RegionFinder`.

    Raises :class:`anonymizer.core.errors.ModelError` if a model cannot be had.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._network = network.InkNetwork(store)

    def find(self, pixels: Pixels) -> list[Region]:
        """Places that look like ink on skin, none of them certain."""
        height, width = pixels.shape[:2]
        factor = min(1.0, SIDE / max(height, width))
        size = scaled_size(width, height, factor)
        shown = shrunk(pixels, *size)
        if not skin(shown).any():
            return []
        small = network.reduced(shown)
        seen = self._network.map(small)
        back = size[0] / small.shape[1], size[1] / small.shape[0]
        sure, shadows = network.places(seen, small)
        by_rules = [
            (box.times(1 / back[0], 1 / back[1]), score)
            for box, score in suggestions(shown)
            if _highest(seen, box.times(1 / back[0], 1 / back[1])) >= SEEN_TOO
        ]
        # A piece of a shadow is none either.
        by_rules = [(box, score) for box, score in by_rules if _own_place(box, shadows)]
        chosen = [(box, NAME, score) for box, score in by_rules]
        for place in sure:
            pieces = [box for box, _ in by_rules if _within(box, place.box)]
            if not any(box.iou(place.box) >= SAME for box, _ in by_rules):
                # Two tattoos side by side are one place to the network: each that the rules see is one of its own.
                rest = network.rest_of(seen, small, place, pieces) if pieces else [place]
                chosen += [(one.box, network.NAME, one.score) for one in rest]
        return [
            Region(
                box.times(back[0] / factor, back[1] / factor).within(width, height),
                Kind.MARK,
                (Evidence(name, round(score, 3)),),
                action=Action.ASK,
            )
            for box, name, score in chosen
        ]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        """Nothing: a suggestion is never drawn over, so there is nothing that may have been left."""
        return []

    def rest(self) -> None:
        """Give back the memory that a search took."""
        self._network.rest()

    def models(self) -> list[Model]:
        entries = [self._store.entry(name) for name in (trunk.NAME, network.NAME)]
        return [e.used_on(self._network.device) for e in entries]


def _within(box: Box, other: Box) -> bool:
    return box.covered_by(other.scaled(1.2)) >= 0.5


def _own_place(box: Box, others: Sequence[Box]) -> bool:
    """Whether a place lies in none of the others, or is one of them as a whole and not a piece of it."""
    return all(not _within(box, other) or box.iou(other) >= SAME for other in others)


def _highest(seen: NDArray[np.float32], box: Box) -> float:
    """The network's highest word inside a box, in pixels of its copy."""
    cells = box.times(1 / network.STRIDE, 1 / network.STRIDE)
    left, top, right, bottom = cells.pixels(seen.shape[1], seen.shape[0])
    inside = seen[top:bottom, left:right]
    return float(inside.max()) if inside.size else 0.0


def suggestions(shown: Pixels) -> list[tuple[Box, float]]:
    """The places in a picture of at most :data:`SIDE` pixels that look like ink, with their scores, 0 to 1."""
    skinned = skin(shown)
    if not skinned.any():
        return []
    lab = np.asarray(cv2.cvtColor(shown.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)
    mask, away = ink(lab, skinned)
    joined = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((TOGETHER, TOGETHER), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    high, wide = mask.shape
    found = []
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        # What the picture's edge cuts off is mostly cloth and background.
        if (
            area < LEAST * mask.size
            or w * h < LEAST_BOX * mask.size
            or x <= 1
            or y <= 1
            or x + w >= wide - 1
            or y + h >= high - 1
        ):
            continue
        part = np.s_[max(0, y - PAD) : y + h + PAD, max(0, x - PAD) : x + w + PAD]
        own = (labels[part] == label) & mask[part]
        if LEAST <= own.sum() / mask.size <= MOST and (
            score := _score(own, skinned[part], lab[part], away[part])
        ):
            found.append((Box(x, y, w, h), score))
    return found


def ink(
    lab: NDArray[np.float32], skinned: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Pixels ``(h, w)`` whose colour may be ink's, and ``(h, w, 3)`` by how much all are below the skin around."""
    reach = max(3, round(AROUND * max(skinned.shape))) | 1
    weight = skinned.astype(np.float32)
    near = cv2.blur(weight, (reach, reach))
    around = cv2.blur(lab * weight[:, :, None], (reach, reach)) / np.maximum(near, 1e-3)[:, :, None]
    away = np.asarray(around - lab, np.float32)
    darker, less_red, bluer = np.moveaxis(away, 2, 0)
    neutral = (bluer > BLUER) & (less_red > LESS_RED) & (darker > DARKER)
    coloured = (less_red > GREENER) & (darker > 0)
    return np.asarray((neutral | coloured) & (near > NEAR_SKIN)), away


def _score(
    own: NDArray[np.bool_], skinned: NDArray[np.bool_], lab: NDArray[np.float32], away: NDArray[np.float32]
) -> float:
    """0 for what is no tattoo; else how much of the ring around it is skin.

    ``own`` is the candidate; all arrays are cut out around it, ``away`` as from :func:`ink`.
    """
    solid = own.astype(np.uint8)
    three = np.ones((3, 3), np.uint8)
    if cv2.morphologyEx(solid, cv2.MORPH_OPEN, three).sum() < THICK * solid.sum():
        return 0.0
    border = (cv2.dilate(solid, three) > 0) & ~(cv2.erode(solid, three) > 0)
    lab = np.ascontiguousarray(lab)
    # Sobel's kernel adds up four differences over two pixels.
    across, down = cv2.Sobel(lab, cv2.CV_32F, 1, 0)[border] / 4, cv2.Sobel(lab, cv2.CV_32F, 0, 1)[border] / 4
    if float(np.sqrt((across**2 + down**2).sum(axis=1)).mean()) < SHARP:
        return 0.0
    ring = cv2.dilate(solid, np.ones((13, 13), np.uint8)) > cv2.dilate(solid, np.ones((5, 5), np.uint8))
    beside = ring & skinned
    around = float(beside.sum() / max(1, ring.sum()))
    if around < SURROUNDED or not _on_each_side(ring, skinned) or _open_at_an_end(own, ring, skinned):
        return 0.0
    if not _on_skin(lab, solid, skinned):
        return 0.0
    return round(around, 3) if _coloured_as_ink(lab[own], lab[beside], away[own]) else 0.0


def _on_skin(lab: NDArray[np.float32], solid: NDArray[np.uint8], skinned: NDArray[np.bool_]) -> bool:
    """Whether what has skin's colour about a mark has its hue and is as smooth, away from the mark's border."""
    far = skinned & ~(cv2.dilate(solid, np.ones((9, 9), np.uint8)) > 0)
    if not far.any():
        return False
    light = np.ascontiguousarray(lab[:, :, 0])
    rough = float(np.median(np.abs(light - cv2.GaussianBlur(light, (0, 0), 2))[far]))
    hue = float(np.degrees(np.arctan2(np.median(lab[far][:, 2]), np.median(lab[far][:, 1]))))
    return rough <= ROUGH and HUES[0] <= hue <= HUES[1]


def _coloured_as_ink(
    own: NDArray[np.float32], beside: NDArray[np.float32], away: NDArray[np.float32]
) -> bool:
    """Whether a mark's pixels ``(n, 3)`` are on the whole ink's, given those of the skin beside it."""
    darker, less_red, bluer = (float(v) for v in np.median(away, axis=0))
    if float(np.median(own[:, 0])) < BLACK * float(np.median(beside[:, 0])):
        return False
    greyer = _chroma(own) < GREYER_ALL * _chroma(beside)
    neutral = darker > DARKER_ALL and (greyer or (bluer > BLUER_ALL and less_red > LESS_RED_ALL))
    return neutral or (less_red > GREENER_ALL and darker > 0)


def _chroma(lab: NDArray[np.float32]) -> float:
    return float(np.median(np.hypot(lab[:, 1], lab[:, 2])))


def _on_each_side(ring: NDArray[np.bool_], skinned: NDArray[np.bool_]) -> bool:
    """Whether there is skin in every direction, as seen from the middle of the ring."""
    rows, columns = np.nonzero(ring)
    y = (rows - (rows.min() + rows.max()) / 2) / max(1, np.ptp(rows))
    x = (columns - (columns.min() + columns.max()) / 2) / max(1, np.ptp(columns))
    sector = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    there = np.bincount(sector, minlength=SECTORS)
    good = np.bincount(sector, weights=skinned[ring].astype(float), minlength=SECTORS)
    return bool((good >= EACH_SIDE * np.maximum(there, 1)).all())


def _open_at_an_end(own: NDArray[np.bool_], ring: NDArray[np.bool_], skinned: NDArray[np.bool_]) -> bool:
    """Whether a mark is long and thin, and there is little skin in the part of the ring beyond one of its ends."""
    points = np.argwhere(own)[:, ::-1].astype(np.float32)
    (x, y), (w, h), angle = cv2.minAreaRect(points)
    long, short = max(w, h) + 1, min(w, h) + 1
    if long < LONG * short:
        return False
    turn = np.radians(angle if w >= h else angle + 90)
    rows, columns = np.nonzero(ring)
    along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
    ends = (skinned[ring][side * along > long / 2] for side in (1, -1))
    return any(float(end.mean()) < ENDS for end in ends if len(end))
