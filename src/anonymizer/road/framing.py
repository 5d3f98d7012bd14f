"""What of a photo is handed out: all of it, or a crop, at the size that it is wanted in.

A crop is searched with a margin about it: a face or a name that its edge cuts is not known by what is left of it
alone. The margin stays in memory; nothing of it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from anonymizer.core import kept
from anonymizer.core.errors import UnsupportedError
from anonymizer.core.face_outlines import Outline
from anonymizer.core.geometry import corners_of, scaled_size
from anonymizer.core.kept import KeptArea
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Kind, Pixels, QuestionKind, Redaction, Region

MARGIN = 0.5
"""Width of the margin on each side, in longer sides of the crop: a face of which a third is left lies in it whole."""
LEAST_MARGIN = 64
"""Pixels of it at least."""
LEAST = 16
"""Pixels that a crop must have of the picture, both ways."""
AROUND = 1.4
"""Size of a crop to a part of a face, in sizes of the part."""
SHAPE = 0.6
"""Its shorter side, at least, in longer sides."""
PART = 0.5
"""A crop shows a part of a face, and is no picture of it, where less than this share of the face is in it, and the face
takes up more than this share of it: hidden, nothing would be left, so a person is asked."""

LARGE = 0.4
"""Share of the picture that a hidden face takes up where a crop to what stays in view is proposed …"""
WORTH = 0.5
"""… and of the picture that such a crop is less than."""


@dataclass(frozen=True, slots=True)
class Framing:
    """``output``, the pixels that are handed out, not yet redacted, lies at ``(left, top)`` of ``view``, the pixels
    that are searched. ``cropped`` and ``smaller`` tell whether it is less than the source."""

    view: Pixels
    output: Pixels
    left: int
    top: int
    cropped: bool
    smaller: bool

    def inside(self, regions: Sequence[Region]) -> list[Region]:
        """The regions of the view that reach into the output, in its pixels."""
        if not self.cropped:
            return list(regions)
        height, width = self.output.shape[:2]
        crop = Box(0, 0, width, height)
        found = []
        for one in regions:
            moved = shifted(one, -self.left, -self.top)
            if moved.box.intersection(crop).area > 0:
                found.append(_part(moved, crop))
        return found

    def around(self, written: Pixels, view: Pixels) -> Pixels:
        """A picture that was written in the place from which it comes, in a view whose margin is redacted."""
        if not self.cropped or written.shape != self.output.shape:
            return written
        height, width = written.shape[:2]
        whole = view.copy()
        whole[self.top : self.top + height, self.left : self.left + width] = written
        return whole

    def notes(self) -> list[Message]:
        """What a reader of the report should know."""
        return [
            *([Message("notes.cropped")] if self.cropped else []),
            *([Message("notes.smaller")] if self.smaller else []),
        ]


def framed(pixels: Pixels, settings: Settings) -> Framing:
    """What the settings ask for of a picture ``(h, w, 3)``; a crop that reaches beyond it ends at its edge.

    Raises :class:`UnsupportedError` where the crop lies outside of it.
    """
    height, width = pixels.shape[:2]
    whole = 0, 0, width, height
    left, top, right, bottom = crop_of(settings, width, height) or whole
    cropped = (left, top, right, bottom) != whole
    part = pixels[top:bottom, left:right]
    longest = max(right - left, bottom - top)
    factor = min(1.0, settings.longest_side / longest) if settings.longest_side else 1.0
    output = _resized(part, factor)
    if not cropped:
        return Framing(output, output, 0, 0, cropped, factor < 1)
    margin = max(LEAST_MARGIN, round(MARGIN * longest))
    x0, y0 = max(0, left - margin), max(0, top - margin)
    view = _resized(pixels[y0 : min(height, bottom + margin), x0 : min(width, right + margin)], factor)
    at = [
        min(round((inner - outer) * factor), most)
        for inner, outer, most in (
            (left, x0, view.shape[1] - output.shape[1]),
            (top, y0, view.shape[0] - output.shape[0]),
        )
    ]
    return Framing(view, np.ascontiguousarray(output), max(0, at[0]), max(0, at[1]), cropped, factor < 1)


def crop_of(settings: Settings, width: int, height: int) -> tuple[int, int, int, int] | None:
    """``(left, top, right, bottom)`` of the crop in a picture of this size, in whole pixels; None without one.

    Raises :class:`UnsupportedError` where it lies outside of it.
    """
    if settings.crop is None:
        return None
    left, top, right, bottom = Box(*settings.crop).pixels(width, height)
    if right - left < min(LEAST, width) or bottom - top < min(LEAST, height):
        raise UnsupportedError(
            "road.crop-outside", crop=Box(*settings.crop), width=width, height=height, least=LEAST
        )
    return left, top, right, bottom


def shifted(region: Region, dx: float, dy: float) -> Region:
    """The region elsewhere, landmarks and corners with it."""
    box = region.box
    return replace(
        region,
        box=Box(box.x + dx, box.y + dy, box.w, box.h),
        landmarks=tuple((x + dx, y + dy) for x, y in region.landmarks),
        corners=tuple((x + dx, y + dy) for x, y in region.corners),
    )


def _part(region: Region, crop: Box) -> Region:
    """A face of which the crop shows a part is asked about as a part."""
    if (
        region.kind is not Kind.FACE
        or not region.hidden
        or region.box.covered_by(crop) >= PART
        or crop.covered_by(region.box) <= PART
    ):
        return region
    return _asked(region, crop)


def known_as_parts(found: Sequence[Region], seen: Sequence[Region]) -> list[Region]:
    """What a search of the output found, by what was ``seen`` before: about a mouth that stays in view a redacted face
    looks like a smaller one, and is the face that was asked about as a part."""
    parts = [one.box for one in seen if one.question is QuestionKind.FACE_PART]
    return [
        _asked(one, one.box)
        if one.kind is Kind.FACE and one.hidden and any(one.box.covered_by(part) >= PART for part in parts)
        else one
        for one in found
    ]


def _asked(face: Region, crop: Box) -> Region:
    return Region(
        face.box.intersection(crop),
        Kind.FACE,
        face.evidence,
        action=Action.ASK,
        question=QuestionKind.FACE_PART,
    )


def _resized(pixels: Pixels, factor: float) -> Pixels:
    if factor >= 1:
        return np.ascontiguousarray(pixels)
    size = scaled_size(pixels.shape[1], pixels.shape[0], factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def proposed(
    redactions: Sequence[Redaction], kept_areas: Sequence[KeptArea], width: int, height: int
) -> list[Message]:
    """That a crop would show less, and which one, in pixels of the output: where a hidden face takes up most of it and
    something of it was kept or marked. Nothing anywhere else."""
    picture = Box(0, 0, width, height)
    faces = [Box.between(*one.box).intersection(picture) for one in redactions if one.kind is Kind.FACE]
    if not kept_areas or max((one.area for one in faces), default=0) < LARGE * picture.area:
        return []
    edges = [kept.bounds(area) for area in kept_areas]
    x, y, wide, high = about([corners_of(Box.between(*one)) for one in edges])
    # As the flag takes it, in whole pixels.
    left, top, right, bottom = Box(x, y, wide, high).pixels(width, height)
    if (right - left) * (bottom - top) >= WORTH * picture.area:
        return []
    return [Message("road.crop-proposed", crop=f"{left},{top},{right - left},{bottom - top}")]


def about(shown: Sequence[Outline]) -> tuple[float, float, float, float]:
    """The crop about the outlines of a part: x, y, w, h in pixels, in the shape of a slide, more or less."""
    corners = np.array([corner for outline in shown for corner in outline])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    wide, high = (AROUND * float(side) for side in (right - left, bottom - top))
    wide, high = max(wide, SHAPE * high, LEAST), max(high, SHAPE * wide, LEAST)
    return float(left + right - wide) / 2, float(top + bottom - high) / 2, wide, high
