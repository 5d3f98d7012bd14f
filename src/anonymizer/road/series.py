"""Pictures of one patient, before and after, or of five visits: one look, one framing, names with a common beginning.

Which series a picture belongs to is an id that follows from the installation's secret and the folder, or that was
given. The noise on the patient's face follows from secret and series alone, so it is the same in all pictures: their
mean holds as much of it as each of them. Photos are cropped to what all of them show, as the face lies in each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.output_name import NumberedName
from anonymizer.core.settings import RectValue, Settings
from anonymizer.core.types import Box, Kind, Pixels, Region
from anonymizer.detect.faces.mesh import PRESENCE, FaceMesh
from anonymizer.gate.files import ID_ALPHABET, ID_LENGTH

BEGINNING = "series-"
LOOKED_AT = 1280
"""Longer side, pixels, of the copy in which a face is looked for."""
MARKS = (33, 133, 263, 362, 168, 1, 61, 291)
"""Points of the mesh by which faces are aligned: corners of the eyes and the mouth, root and tip of the nose."""
SHOWN = 0.5
"""Share of each picture that a framing which nobody asked for must leave, or a person looks at it."""
LEAST = 0.1
"""Share of a picture that is too little to be framed alike at all."""

ASKED = frozenset({"series.much-cropped"})
"""What a person looks at; all else is told."""


@dataclass(frozen=True, slots=True)
class FacePlace:
    """Where a face lies in a picture of ``width`` × ``height`` pixels: the middle of its marks, and their spread."""

    x: float
    y: float
    spread: float
    width: int
    height: int

    def times(self, factor: float, width: int, height: int) -> FacePlace:
        """The same in a picture so many times as large."""
        return FacePlace(self.x * factor, self.y * factor, self.spread * factor, width, height)


def resolved(settings: Settings, path: Path, secret: bytes) -> Settings:
    """The settings with the id of the series that a source belongs to, where they ask for one: that of its folder."""
    if settings.same_patient is not True:
        return settings
    return settings.model_copy(update={"same_patient": series_of(path.absolute().parent, secret)})


def series_of(folder: Path, secret: bytes) -> str:
    """The id of the series of a folder: it says nothing of it to anybody without the secret."""
    drawn = hashlib.sha256(b"anonymizer series 1\n" + secret + str(folder).encode("utf-8", "surrogateescape"))
    return BEGINNING + "".join(ID_ALPHABET[byte % 32] for byte in drawn.digest()[:ID_LENGTH])


def series_secret(settings: Settings, secret: bytes) -> bytes:
    """The secret that noise follows from: of a series one of its own."""
    if not settings.same_patient:
        return secret
    own = str(settings.same_patient).encode()
    return hashlib.sha256(b"anonymizer noise of a series 1\n" + secret + own).digest()


def series_name(settings: Settings) -> NumberedName | None:
    """The names of a series: its id's characters and a number."""
    if not isinstance(settings.same_patient, str):
        return None
    return NumberedName(f"{settings.same_patient.removeprefix(BEGINNING)}-", "", 1, "")


def place_of(pixels: Pixels, regions: Sequence[Region], mesh: FaceMesh) -> FacePlace | None:
    """Where the largest face of a picture lies; None where the mesh is not sure of it."""
    faces = [one for one in regions if one.kind is Kind.FACE and one.hidden]
    face = max(faces, key=lambda one: one.box.area, default=None)
    seen = mesh.look(pixels, face) if face else None
    if seen is None or seen.presence < PRESENCE:
        return None
    points = seen.points[list(MARKS)]
    middle = points.mean(axis=0)
    spread = float(np.sqrt(((points - middle) ** 2).sum(axis=1).mean()))
    height, width = pixels.shape[:2]
    return FacePlace(float(middle[0]), float(middle[1]), spread, width, height)


def shrunk(pixels: Pixels) -> tuple[Pixels, float]:
    """A copy in which faces are looked for, and its size in sizes of the picture."""
    factor = min(1.0, LOOKED_AT / max(pixels.shape[:2]))
    if factor == 1:
        return pixels, 1.0
    size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), factor


def framed_alike(
    places: Sequence[FacePlace | None], settings: Sequence[Settings]
) -> list[tuple[Settings, tuple[Message, ...]]]:
    """The settings of each photo of a series, with a crop that shows in each what the others show, about the face.

    A crop of the first that has a face is the crop of all. A photo without a face that was surely seen keeps its own
    settings. With each what a person should know or be asked.
    """
    known = [number for number, place in enumerate(places) if place]
    alone: list[tuple[Settings, tuple[Message, ...]]] = [
        (one, ()) if places[n] else (one, (Message("series.no-face"),)) for n, one in enumerate(settings)
    ]
    if len(known) < 2:
        return alone
    extents: list[NDArray[np.float64]] = []
    for number in known:
        extent = np.array([0, 0, _place(places, number).width, _place(places, number).height], np.float64)
        extents.append(_by_face(extent, _place(places, number)))
    asked = next((settings[number].crop for number in known if settings[number].crop), None)
    if asked:
        first = next(number for number in known if settings[number].crop)
        box = Box(*asked)
        extents.append(_by_face(np.array([box.x, box.y, box.right, box.bottom]), _place(places, first)))
    shared = np.array(
        [*np.max([one[:2] for one in extents], axis=0), *np.min([one[2:] for one in extents], axis=0)]
    )
    crops = {number: _in_picture(shared, _place(places, number)) for number in known}
    shares = [crops[n].area / (_place(places, n).width * _place(places, n).height) for n in known]
    if min(one.w for one in crops.values()) < 16 or (not asked and min(shares) < LEAST):
        return [(one, (*said, Message("series.not-framed"))) for one, said in alone]
    longest = min(round(max(one.w, one.h)) for one in crops.values())
    found = alone
    for number, share in zip(known, shares, strict=True):
        crop, own = crops[number], settings[number]
        side = min(longest, own.longest_side or longest)
        update = {"crop": (crop.x, crop.y, crop.w, crop.h), "crop_to": None, "max_side": side}
        said: tuple[Message, ...] = ()
        if not asked and share < SHOWN:
            said = (Message("series.much-cropped"),)
        found[number] = (
            own.model_copy(update=update | _places_moved(own, crop, side, _place(places, number))),
            said,
        )
    return found


def _places_moved(own: Settings, crop: Box, side: int, place: FacePlace) -> dict[str, object]:
    """The places of a photo's settings, which are in pixels of what it would have been, in those of the new crop."""
    before = (
        Box(*own.crop).within(place.width, place.height) if own.crop else Box(0, 0, place.width, place.height)
    )
    was = min(1.0, own.longest_side / max(before.w, before.h)) if own.longest_side else 1.0
    factor = min(1.0, side / max(crop.w, crop.h)) / was

    def point(x: float, y: float) -> tuple[float, float]:
        return (x + (before.x - crop.x) * was) * factor, (y + (before.y - crop.y) * was) * factor

    def rect(value: RectValue) -> RectValue:
        return *point(value[0], value[1]), value[2] * factor, value[3] * factor

    return {
        "regions": tuple(one.model_copy(update={"rect": rect(one.rect)}) for one in own.regions),
        "dismiss": tuple(one.model_copy(update={"rect": rect(one.rect)}) for one in own.dismiss),
        "keep": tuple(rect(one) for one in own.keep),
        "keep_part": tuple(
            one.model_copy(update={"at": point(*one.at)}) if one.at else one for one in own.keep_part
        ),
        "background_outline": tuple(tuple(point(x, y) for x, y in one) for one in own.background_outline),
    }


def _place(places: Sequence[FacePlace | None], number: int) -> FacePlace:
    place = places[number]
    assert place
    return place


def _by_face(edges: NDArray[np.float64], place: FacePlace) -> NDArray[np.float64]:
    """Left, top, right, bottom in spreads of the face's marks from their middle."""
    return np.asarray((edges - np.array([place.x, place.y] * 2)) / place.spread, np.float64)


def _in_picture(edges: NDArray[np.float64], place: FacePlace) -> Box:
    left, top, right, bottom = edges * place.spread + np.array([place.x, place.y] * 2)
    # Of one size in all of them: the place is rounded, not each edge.
    return Box(round(left), round(top), round(right - left), round(bottom - top)).within(
        place.width, place.height
    )
