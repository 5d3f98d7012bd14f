"""Pictures side by side on one page, each with a line below it, as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from anonymizer.core.types import Box, Pixels

EDGE, GAP = 0.03, 0.015
"""Of the page's longer side: what stays free about all, and between two pictures."""
LETTERS = 0.016
"""Height of the letters, of the page's longer side."""
LINE, APART = 2.4, 0.8
"""Height of a caption's line, in heights of its letters, and what of it stays free below the picture: a detector of
text takes what lies closer for one thing."""
ENLARGED = 2.0
"""A picture is enlarged at most so much: more shows no more."""
INK, PAPER = (30, 30, 30), 255


class SheetPage(StrEnum):
    """What a sheet is for: paper, or a slide."""

    A4 = "a4"
    WIDE = "16:9"


SIZES = {SheetPage.A4: ((1654, 2339), (2339, 1654)), SheetPage.WIDE: ((1920, 1080),)}
"""Width and height in pixels, in each of the ways in which a page may lie: A4 at 200 dots per inch."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The page ``(h, w, 3)``, and where its captions stand: nothing else is drawn there."""

    pixels: Pixels
    captions: tuple[Box, ...]


def compose(pictures: Sequence[Pixels], captions: Sequence[str], page: SheetPage) -> Sheet:
    """The pictures in rows, as large as the page has room for in the order given, with the captions of those that
    have one."""
    layouts = [
        (_covered(pictures, size, columns, bool(any(captions))), size, columns)
        for size in SIZES[page]
        for columns in range(1, len(pictures) + 1)
    ]
    _, (width, height), columns = max(layouts)
    sheet = np.full((height, width, 3), PAPER, np.uint8)
    strips = []
    letters = round(LETTERS * max(width, height))
    for number, picture in enumerate(pictures):
        cell = _cell(len(pictures), number, (width, height), columns)
        text = captions[number] if number < len(captions) else ""
        line = round(LINE * letters) if any(captions) else 0
        wide, high = _fitted(picture, cell.w, cell.h - line)
        how = cv2.INTER_AREA if wide <= picture.shape[1] else cv2.INTER_CUBIC
        x, y = round(cell.x + (cell.w - wide) / 2), round(cell.y + (cell.h - line - high) / 2)
        sheet[y : y + high, x : x + wide] = cv2.resize(picture, (wide, high), interpolation=how)
        if text:
            free = round(APART * letters)
            strip = Box(cell.x, y + high + free, cell.w, line - free)
            _write(sheet, text, strip, letters)
            strips.append(strip)
    return Sheet(sheet, tuple(strips))


def _cell(count: int, number: int, size: tuple[int, int], columns: int) -> Box:
    """Where a picture and its caption stand; the last row stands in the middle."""
    longest, rows = max(size), -(-count // columns)
    edge, gap = EDGE * longest, GAP * longest
    wide = (size[0] - 2 * edge - (columns - 1) * gap) / columns
    high = (size[1] - 2 * edge - (rows - 1) * gap) / rows
    row, column = divmod(number, columns)
    inside = min(columns, count - row * columns)
    left = edge + (columns - inside) * (wide + gap) / 2
    return Box(left + column * (wide + gap), edge + row * (high + gap), wide, high)


def _fitted(picture: Pixels, wide: float, high: float) -> tuple[int, int]:
    factor = min(wide / picture.shape[1], high / picture.shape[0], ENLARGED)
    return max(1, int(picture.shape[1] * factor)), max(1, int(picture.shape[0] * factor))


def _covered(pictures: Sequence[Pixels], size: tuple[int, int], columns: int, captioned: bool) -> float:
    """How much of the page the least of the pictures fills, and then all of them."""
    line = LINE * LETTERS * max(size) if captioned else 0
    areas = []
    for number, picture in enumerate(pictures):
        cell = _cell(len(pictures), number, size, columns)
        if cell.w < 8 or cell.h - line < 8:
            return 0.0
        wide, high = _fitted(picture, cell.w, cell.h - line)
        areas.append(wide * high / (size[0] * size[1]))
    return min(areas) + 0.1 * sum(areas)


def _write(sheet: Pixels, text: str, strip: Box, letters: int) -> None:
    """A line of text in the middle of a strip, smaller where it is too long."""
    face = cv2.FontFace("sans")
    size = (sheet.shape[1], sheet.shape[0])
    while True:
        left, _, wide, _ = cv2.getTextSize(size, text, (0, 0), face, letters)
        if wide <= strip.w - 4 or letters <= 3:
            break
        letters -= 1
    at = round(strip.x + (strip.w - wide) / 2 - left), round(strip.y + 0.72 * strip.h)
    cv2.putText(sheet, text, at, INK, face, letters)
