"""The pictures of a PDF document, each as a reader of it sees them. Runs in the confined process.

A picture is never taken out as it is stored: what the page hides of it (a clip, a mask, a bar drawn over it) would come
to light, and its colours, its turn and what is written on it are the page's to say. So the part of the page that it
fills is drawn, in the picture's own number of pixels: where it lies straight on the page its pixels come out as they
are. Pictures that overlap or touch (the strips of a scan, its layers) are one. The whole page is drawn where they fill
it, where it has no picture, and where a stamp is on it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

from anonymizer.core.errors import DamagedError, LimitError, UnsupportedError

MOST_PAGES = 1000
MOST_PIXELS = 64_000_000
"""Of one drawing, if the limits do not say less."""
TEXT_SCALE = 200 / 72
"""Pixels to a point of a page that is not made of pictures: 200 to an inch."""
LEAST_SCALE = 100 / 72
"""The same of any whole page, at least."""
WHOLE = 0.8
"""Share of the page's area from which on a picture is the page."""
NEAR = 1.0
"""Points between two pictures that count as one."""
SMALL_SIDE, SMALL_SHARE = 64, 0.005
"""A picture of fewer pixels on a side, or of a smaller share of the page, is a logo, a line or a dot."""
MOST_DEPTH, MOST_OBJECTS = 12, 200_000
"""Of forms in forms, and of objects on a page, that are looked at."""
_INSIDE = 0.005
"""Pixels by which a drawing keeps inside of its own edge: rounded outwards it would be one pixel more."""
_PASSWORD, _SECURITY = 4, 5
_STAMP = 13

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in points, from the top left of the page as it is shown."""
Matrix = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A picture on a page: where it lies, and how many pixels it has to a point."""

    box: Box
    scale: float
    pixels: float
    """Of its shorter side."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What is drawn of a page: its parts in order; none where it is empty. ``small`` pictures are left out."""

    parts: tuple[Excerpt, ...]
    small: int


UNREADABLE = LookedAt((Excerpt((0, 0, 1, 1), 1, 1),), 0)
"""A page that is a source, so that drawing it says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn part: rows of blue, green and red bytes from the top, each filled up to a multiple of four."""

    width: int
    height: int
    rows: bytes


class Document:
    """An open document. Raises :class:`MediumError` where it is protected, damaged or has too many pages."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._document = pdfium.FPDF_LoadMemDocument64(content, len(content), None)
        if not self._document:
            protected = pdfium.FPDF_GetLastError() in (_PASSWORD, _SECURITY)
            raise UnsupportedError("bundle.password") if protected else DamagedError("bundle.no-document")
        self.count = pdfium.FPDF_GetPageCount(self._document)
        if self.count < 1:
            raise DamagedError("bundle.no-document")
        if self.count > MOST_PAGES:
            raise LimitError("bundle.too-many-pages", most=MOST_PAGES)

    @property
    def attached(self) -> int:
        """How many files are attached to it."""
        return max(0, int(pdfium.FPDFDoc_GetAttachmentCount(self._document)))

    def page(self, number: int) -> LookedAt:
        """What is drawn of a page, counted from 1; all of it where it cannot be read, which drawing it will say."""
        page = pdfium.FPDF_LoadPage(self._document, number - 1)
        if not page:
            return UNREADABLE
        try:
            return _looked_at(page)
        except DamagedError:
            return UNREADABLE
        finally:
            pdfium.FPDF_ClosePage(page)

    def draw(self, number: int, which: int, most: int) -> Drawing:
        """Draw a page's part, counted from 0, with at most so many pixels. Raises :class:`MediumError`."""
        if not 1 <= number <= self.count:
            raise DamagedError("bundle.no-member")
        page = pdfium.FPDF_LoadPage(self._document, number - 1)
        if not page:
            raise DamagedError("bundle.page-damaged")
        try:
            parts = _looked_at(page).parts
            if which >= len(parts):
                raise DamagedError("bundle.no-member")
            return _drawn(page, parts[which], min(most, MOST_PIXELS))
        finally:
            pdfium.FPDF_ClosePage(page)


def _looked_at(page: Any) -> LookedAt:
    width, height = float(pdfium.FPDF_GetPageWidthF(page)), float(pdfium.FPDF_GetPageHeightF(page))
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise DamagedError("bundle.page-damaged")
    sheet = (0.0, 0.0, width, height)
    groups = _grouped([part for part in _pictures(page, sheet) if part.box[0] < part.box[2]])
    large = [part for part in groups if not _is_small(part, sheet)]
    small = len(groups) - len(large)
    if any(_share(part, sheet) >= WHOLE for part in large) or (large and _stamped(page)):
        scale = max(LEAST_SCALE, max(part.scale for part in large))
        return LookedAt((Excerpt(sheet, scale, min(width, height) * scale),), 0)
    if large:
        return LookedAt(tuple(large), small)
    if not pdfium.FPDFPage_CountObjects(page) and not pdfium.FPDFPage_GetAnnotCount(page):
        return LookedAt((), 0)
    return LookedAt((Excerpt(sheet, TEXT_SCALE, min(width, height) * TEXT_SCALE),), 0)


def _stamped(page: Any) -> bool:
    """Whether a stamp, which may be a picture, was put on the page."""
    for number in range(min(pdfium.FPDFPage_GetAnnotCount(page), MOST_OBJECTS)):
        note = pdfium.FPDFPage_GetAnnot(page, number)
        if note:
            kind = pdfium.FPDFAnnot_GetSubtype(note)
            pdfium.FPDFPage_CloseAnnot(note)
            if kind == _STAMP:
                return True
    return False


def _pictures(page: Any, sheet: Box) -> Iterator[Excerpt]:
    """Every picture on a page, those in forms too, as far as it lies on the page; empty where it does not."""
    shown = _to_sheet(page, sheet)
    count = pdfium.FPDFPage_CountObjects(page)
    waiting = [(pdfium.FPDFPage_GetObject(page, n), shown, 0) for n in range(min(count, MOST_OBJECTS))]
    waiting.reverse()
    for _ in range(MOST_OBJECTS):
        if not waiting:
            return
        item, above, depth = waiting.pop()
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MOST_DEPTH:
            inner = _times(_matrix(item), above)
            count = min(max(0, pdfium.FPDFFormObj_CountObjects(item)), MOST_OBJECTS)
            waiting += [
                (pdfium.FPDFFormObj_GetObject(item, n), inner, depth + 1) for n in reversed(range(count))
            ]
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            yield _part(item, _times(_matrix(item), above), sheet)


def _part(item: Any, placed: Matrix, sheet: Box) -> Excerpt:
    a, b, c, d, e, f = placed
    xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
    box = max(min(xs), 0.0), max(min(ys), 0.0), min(max(xs), sheet[2]), min(max(ys), sheet[3])
    if not all(map(math.isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
        return Excerpt((0, 0, 0, 0), 0, 0)
    wide, high = ctypes.c_uint(), ctypes.c_uint()
    if not pdfium.FPDFImageObj_GetImagePixelSize(item, wide, high):
        return Excerpt(box, LEAST_SCALE, SMALL_SIDE)
    across, down = max(math.hypot(a, b), 1e-3), max(math.hypot(c, d), 1e-3)
    return Excerpt(box, max(wide.value / across, high.value / down), min(wide.value, high.value))


def _grouped(parts: list[Excerpt]) -> list[Excerpt]:
    """Pictures that overlap or touch made one, in the order in which the first of each is drawn."""
    found: list[Excerpt] = []
    for part in parts:
        joined, place = part, len(found)
        while True:
            near = [one for one in found if _touch(one.box, joined.box)]
            if not near:
                break
            place = min(place, found.index(near[0]))
            found = [one for one in found if one not in near]
            boxes = [joined.box, *(one.box for one in near)]
            box = (
                min(box[0] for box in boxes),
                min(box[1] for box in boxes),
                max(box[2] for box in boxes),
                max(box[3] for box in boxes),
            )
            scale = max(joined.scale, *(one.scale for one in near))
            joined = Excerpt(box, scale, min(box[2] - box[0], box[3] - box[1]) * scale)
        found.insert(place, joined)
    return found


def _touch(one: Box, other: Box) -> bool:
    return (
        one[0] <= other[2] + NEAR
        and other[0] <= one[2] + NEAR
        and one[1] <= other[3] + NEAR
        and other[1] <= one[3] + NEAR
    )


def _share(part: Excerpt, sheet: Box) -> float:
    left, top, right, bottom = part.box
    return (right - left) * (bottom - top) / (sheet[2] * sheet[3])


def _is_small(part: Excerpt, sheet: Box) -> bool:
    return part.pixels < SMALL_SIDE or _share(part, sheet) < SMALL_SHARE


def _to_sheet(page: Any, sheet: Box) -> Matrix:
    """From the page's own points, upwards from wherever, to those of the page as it is shown, turned if it is."""
    area = pdfium.FS_RECTF()
    if not pdfium.FPDF_GetPageBoundingBox(page, area):
        raise DamagedError("bundle.page-damaged")
    left, bottom, right, top = area.left, area.bottom, area.right, area.top
    turned: dict[int, Matrix] = {
        0: (1, 0, 0, -1, -left, top),
        1: (0, 1, 1, 0, -bottom, -left),
        2: (-1, 0, 0, 1, right, -bottom),
        3: (0, -1, -1, 0, top, right),
    }
    return turned[pdfium.FPDFPage_GetRotation(page) % 4]


def _matrix(item: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return (1, 0, 0, 1, 0, 0)
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _times(first: Matrix, then: Matrix) -> Matrix:
    """One matrix for the first and then the other (ISO 32000-1, 8.3.4)."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)


def _drawn(page: Any, part: Excerpt, most: int) -> Drawing:
    left, top, right, bottom = part.box
    scale = part.scale
    if (area := (right - left) * (bottom - top) * scale * scale) > most:
        scale *= math.sqrt(most / area)
    width = max(1, math.ceil((right - left) * scale - 0.01))
    height = max(1, math.ceil((bottom - top) * scale - 0.01))
    while width * height > most:
        width, height = max(1, width - 1), max(1, height - 1)
    canvas = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGR, None, 0)
    if not canvas:
        raise LimitError("photo.no-memory")
    try:
        pdfium.FPDFBitmap_FillRect(canvas, 0, 0, width, height, 0xFFFFFFFF)
        scale *= 1 - 4 * _INSIDE / max(width, height)
        onto = pdfium.FS_MATRIX(scale, 0, 0, scale, _INSIDE - left * scale, _INSIDE - top * scale)
        clip = pdfium.FS_RECTF(0, 0, width, height)
        pdfium.FPDF_RenderPageBitmapWithMatrix(canvas, page, onto, clip, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(canvas)
        rows = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(canvas), stride * height)
    finally:
        pdfium.FPDFBitmap_Destroy(canvas)
    wanted = (3 * width + 3) // 4 * 4
    if stride != wanted:
        rows = b"".join(rows[y * stride : y * stride + 3 * width].ljust(wanted, b"\0") for y in range(height))
    return Drawing(width, height, rows)
