"""What the values of settings may be: words to choose from, places that a person draws, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from anonymizer.core.types import Kind

SAFE_GRID = 4
"""Most area averages along a side of a blurred or pixelated face (docs/redaction.md: parrot attack)."""
SAFE_NOISE = 800.0
"""Least standard deviation, of 255, of the noise that moves each average (Fan 2018, DP-Pix); all is drawn fainter.
Sixteen averages of a face (their own standard deviation is about 30) then tell 16 · ½ log2(1 + (30 / 800)²) = .016 bits
(Shannon 1948, the Gaussian channel), however they are looked at (docs/redaction.md)."""
SAFE_MARGIN = 1.2
"""Least growth of a face's box: below it hair line, chin and ears come into view."""


class Effort(StrEnum):
    """How hard to search."""

    FAST = "fast"
    STANDARD = "standard"
    THOROUGH = "thorough"


class TextPolicy(StrEnum):
    """Which text to hide: all of it, all but what is clearly harmless (a ruler, a scale, L and R), or none."""

    ALL = "all"
    IDENTIFYING = "identifying"
    NONE = "none"


_Side = Annotated[FiniteFloat, Field(gt=0)]
_Coordinate = Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]
MAX_OUTLINES = 50
"""Outlines about what stays of one picture, and the corners of one of them: a hand's line has less."""
MAX_CORNERS = 1000
OutlineValue = Annotated[
    tuple[tuple[_Coordinate, _Coordinate], ...], Field(min_length=3, max_length=MAX_CORNERS)
]
SERIES = re.compile(r"series-[a-km-np-z2-9]{12}")
"""How one patient's series is told from another's: a random id, or one that follows from the secret."""
RectValue = tuple[FiniteFloat, FiniteFloat, _Side, _Side]


class AudioPolicy(StrEnum):
    """What becomes of a clip's sound: a voice identifies, so keeping it sends the clip to a person."""

    DROP = "drop"
    KEEP = "keep"
    MUTE_SPEECH = "mute-speech"


class HdrPolicy(StrEnum):
    """What becomes of a clip's high dynamic range: mapped to what every screen shows, or kept, with 10 bits."""

    MAP = "map"
    KEEP = "keep"


class FillColour(StrEnum):
    """What a face is filled with."""

    BLACK = "black"
    TONE = "tone"


class Cover(StrEnum):
    """How much of a person's head is hidden."""

    FACE = "face"
    HEAD = "head"


class Background(StrEnum):
    """What becomes of all that is neither the person nor marked."""

    KEEP = "keep"
    PLAIN = "plain"
    BLUR = "blur"


class CropPart(StrEnum):
    """A part of a face that is cropped to."""

    MOUTH = "mouth"
    EYES = "eyes"
    NOSE = "nose"


class Purpose(StrEnum):
    """What an output is for: its size and quality follow from it."""

    ORIGINAL = "original"
    WEB = "web"
    SLIDES = "slides"
    JOURNAL = "journal"


LONGEST = {Purpose.WEB: 1600, Purpose.SLIDES: 1920}
"""Pixels of the longer side, at most."""
BEST_JPEG = {Purpose.WEB: 85, Purpose.SLIDES: 90}
"""Quality of a JPEG, at most. A journal takes all there is."""


JOURNAL_DPI = 300
"""What journals ask of photographs."""


class Part(StrEnum):
    """A heading of the command line's help."""

    SEARCH = "What to look for"
    HIDE = "How faces are hidden"
    PLACES = "Places of your own"
    WRITE = "What is written"
    LIMITS = "Limits"


@dataclass(frozen=True, slots=True)
class About:
    """What people read about a setting.

    ``help`` is one sentence, ``more`` what docs/settings.md says on top of it (Markdown). ``flag`` is the option where
    it is not the key with hyphens, ``value`` what its help shows in the place of the value, ``unsafe`` the values that
    need ``--unsafe-strength``, ``choices`` those of an enumeration that are allowed here, if not all.
    """

    part: Part
    help: str
    more: str = ""
    flag: str = ""
    value: str = ""
    unsafe: str = ""
    choices: tuple[str, ...] = ()


PERSON = "a person"
"""Who found what somebody drew, in reports."""


class DrawnRegion(BaseModel):
    """A person's region: ``x, y, w, h`` in pixels of the upright picture.

    Filled like text by default, because nobody says what is in it; ``kind = "face"`` has it blurred. In a
    clip it stands from ``start`` to ``end``, seconds from the first frame: to the last one unless given. With
    ``follow``, the moment at which the place is where ``rect`` says, it goes where what it lies on goes, both ways.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rect: RectValue
    kind: Kind = Kind.DRAWN
    start: float = Field(0.0, ge=0)
    end: float | None = Field(None, ge=0)
    follow: float | None = Field(None, ge=0)


class Limits(BaseModel):
    """Bounds against decompression bombs and broken decoders. Raise them in the settings file if you must."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: Annotated[int, Field(gt=0), About(Part.LIMITS, "Pixels of one picture or frame.")] = (
        200_000_000
    )
    max_bytes: Annotated[int, Field(gt=0), About(Part.LIMITS, "Bytes of one photo.")] = 1 << 30
    decode_seconds: Annotated[
        float,
        Field(gt=0),
        About(Part.LIMITS, "Time to decode one photo, or to wait for one frame of a clip, in seconds."),
    ] = 60
    decode_memory: Annotated[
        int, Field(gt=0), About(Part.LIMITS, "Memory of the decoding process, in bytes.")
    ] = 4 << 30
    work_seconds: Annotated[
        float,
        Field(gt=0),
        About(
            Part.LIMITS,
            "Time for one photo, or in which a clip must move on, in seconds.",
            "In `batch`, `watch` and the page; then its process is ended and replaced.",
        ),
    ] = 600
    max_clip_bytes: Annotated[int, Field(gt=0), About(Part.LIMITS, "Bytes of one clip.")] = 32 << 30
    max_clip_seconds: Annotated[
        float, Field(gt=0), About(Part.LIMITS, "Duration of one clip, in seconds.")
    ] = 4 * 3600
