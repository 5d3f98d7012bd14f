"""Where a network sees ink: the project's own, on what CenterFace's trunk computes (models/ink.md).

It sees what rules about colour cannot: sleeves, red and coloured ink, ink that the picture's edge cuts off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.geometry import scaled_size
from anonymizer.core.types import Box, Pixels
from anonymizer.detect.marks.skin import skin
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network
from anonymizer.detect.trunk import coarser, finer, shared

NAME = "ink"
SIDE = 320
"""Long side of the copy that is looked at, pixels."""
STRIDE = 8
MAY_BE, SURE = 0.5, 0.86
"""A cell may be ink from here on; a place is pointed at where its surest cells are as sure as this on the average …"""
SUREST = 4
"""… so many of them, for in a shadow one cell is sure and the others waver."""
LEAST = 0.015
"""Share of the picture's cells that a place takes up."""
SHADOW_SATURATION, SHADOW_HUE = 1.2, 10.0
"""A shadow on skin, a gap between fingers, a lip are skin with less light: their darker half has skin's hue, within so
many degrees, and chroma over lightness (CIE Lab) so many times skin's or more. Ink has less, or another hue: of 130
tattoos none is taken for a shadow."""
GAP = 0.2
"""What is darker than this share of skin's lightness is a gap or cloth, by the rules as well: ink lies under skin."""
FEWEST = 30
"""Pixels of skin around a place from which its colour is known; with fewer, that of all skin counts."""
AROUND, ON_SKIN = 33, 0.2
"""Width, pixels of the copy, of what is around a place, and the share of it (or of the place) that is skin."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that the network is sure of: its cells ``(rows, columns)``, its box in pixels of the copy, its score."""

    cells: NDArray[np.bool_]
    box: Box
    score: float


class InkNetwork:
    """Raises :class:`anonymizer.core.errors.ModelError` if a model cannot be had."""

    def __init__(self, store: Store) -> None:
        self._trunk = shared(store)
        self._head = Network(store.load(NAME), pictures=False, exact=True)

    @property
    def device(self) -> str:
        """Where the network runs."""
        return self._head.device

    def rest(self) -> None:
        """Give back the memory that a search took."""
        self._trunk.network.rest()

    def map(self, shown: Pixels) -> NDArray[np.float32]:
        """How sure it is of ink, 0 to 1, in each cell of 8 pixels of a picture of at most :data:`SIDE` pixels.

        The logits of the picture and its mirror image are averaged: what is ink is ink in both.
        """
        high, wide = -(-shown.shape[0] // STRIDE), -(-shown.shape[1] // STRIDE)
        across = wide * STRIDE - shown.shape[1]
        whole = cv2.copyMakeBorder(shown, 0, 0, 0, across, cv2.BORDER_REPLICATE)
        pictures = [np.asarray(one, np.uint8) for one in (whole, cv2.flip(whole, 1))]
        one, mirrored = (self._cells(each)[:high, :wide] for each in self._trunk.features(pictures))
        mean = (_logits(one) + _logits(mirrored[:, ::-1])) / 2
        return np.asarray(1 / (1 + np.exp(-mean)), np.float32)

    def _cells(self, features: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        fine, middle, coarse, deep = features
        stacked = np.concatenate([coarser(fine, 2), middle, finer(coarse, 2), finer(deep, 4)])
        return np.asarray(self._head.run(stacked[None])[0][0, 0], np.float32)


def _logits(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    bounded = np.clip(chances, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(bounded / (1 - bounded)), np.float32)


def reduced(pixels: Pixels) -> Pixels:
    """The picture at a long side of :data:`SIDE` pixels, enlarged fourfold at most."""
    height, width = pixels.shape[:2]
    factor = min(SIDE / max(height, width), 4.0)
    size = scaled_size(width, height, factor)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)


def places(ink: NDArray[np.float32], shown: Pixels) -> tuple[list[Place], list[Box]]:
    """The places that :meth:`InkNetwork.map` is sure of; and the boxes of those that are shadows."""
    height, width = shown.shape[:2]
    # One tattoo has gaps of skin: pieces with a cell or two between them are one place.
    joined = cv2.morphologyEx((ink > MAY_BE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    skinned = skin(shown) if count > 1 else np.zeros((height, width), bool)
    lab = np.asarray(cv2.cvtColor(shown.astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)
    found: list[Place] = []
    shadows: list[Box] = []
    for label in range(1, count):
        if stats[label, 4] < LEAST * ink.size:
            continue
        own = labels == label
        solid = finer(own.astype(np.uint8)[None], STRIDE)[0, :height, :width]
        ring = (cv2.dilate(solid, np.ones((AROUND, AROUND), np.uint8)) > 0) & (solid == 0)
        around = float(skinned[ring].mean()) if ring.any() else 0.0
        beside = skinned & ring
        if beside.sum() < FEWEST:
            beside = skinned & (solid == 0)
        if max(around, float(skinned[solid > 0].mean())) < ON_SKIN:
            continue
        place = _place(ink, own, width, height)
        if _is_shadow(lab[solid > 0], lab[beside]):
            shadows.append(place.box)
        elif place.score >= SURE:
            found.append(place)
    return found, shadows


def rest_of(ink: NDArray[np.float32], shown: Pixels, place: Place, pieces: Sequence[Box]) -> list[Place]:
    """What is left of a place beside pieces of it, boxes in pixels of the copy, and is as large and as sure."""
    left = place.cells.copy()
    for piece in pieces:
        x, y, right, bottom = piece.times(1 / STRIDE, 1 / STRIDE).pixels(left.shape[1], left.shape[0])
        left[y:bottom, x:right] = False
    count, labels, stats, _ = cv2.connectedComponentsWithStats(left.astype(np.uint8))
    large = [number for number in range(1, count) if stats[number, 4] >= LEAST * ink.size]
    found = [_place(ink, labels == number, shown.shape[1], shown.shape[0]) for number in large]
    return [one for one in found if one.score >= SURE]


def _place(ink: NDArray[np.float32], cells: NDArray[np.bool_], width: int, height: int) -> Place:
    x, y, w, h = cv2.boundingRect(cells.astype(np.uint8))
    box = Box(x, y, w, h).times(STRIDE, STRIDE).within(width, height)
    return Place(cells, box, float(np.sort(ink[cells])[-SUREST:].mean()))


def _is_shadow(own: NDArray[np.floating], beside: NDArray[np.floating]) -> bool:
    """Whether pixels ``(n, 3)`` of a place, CIE Lab, are the skin ``beside`` it with less light, or none."""
    if len(beside) < FEWEST:
        return False
    dark = own[own[:, 0] <= np.median(own[:, 0])]
    if np.median(dark[:, 0]) < GAP * np.median(beside[:, 0]):
        return True
    turn = (_hue(dark) - _hue(beside) + 180) % 360 - 180
    return bool(abs(turn) <= SHADOW_HUE) and _saturation(dark) >= SHADOW_SATURATION * _saturation(beside)


def _hue(lab: NDArray[np.floating]) -> float:
    return float(np.degrees(np.arctan2(np.median(lab[:, 2]), np.median(lab[:, 1]))))


def _saturation(lab: NDArray[np.floating]) -> float:
    return float(np.median(np.hypot(lab[:, 1], lab[:, 2]) / np.maximum(lab[:, 0], 5)))
