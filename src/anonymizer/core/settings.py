"""What to hide, how, and within which limits: defaults, then ``anonymizer.toml``, then flags.

Every key of :class:`Settings` is a key of the file and a flag of the command line. Unknown keys and values
out of range are refused with the key and the line.
"""

from __future__ import annotations

import errno
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator

from anonymizer.core import known
from anonymizer.core.errors import SettingsError
from anonymizer.core.message import Message
from anonymizer.core.types import Kind, Shape, Style

SAFE_GRID = 4
"""Most area averages along a side of a blurred or pixelated face (docs/redaction.md: parrot attack)."""
SAFE_NOISE = 80.0
"""Least standard deviation, of 255, of the noise that moves each average (Fan 2018, DP-Pix); all is drawn fainter."""
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
RectValue = tuple[FiniteFloat, FiniteFloat, _Side, _Side]


class AudioPolicy(StrEnum):
    """What becomes of a clip's sound: a voice identifies, so keeping it sends the clip to a person."""

    DROP = "drop"
    KEEP = "keep"


class HdrPolicy(StrEnum):
    """What becomes of a clip's high dynamic range: mapped to what every screen shows, or kept, with 10 bits."""

    MAP = "map"
    KEEP = "keep"


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

    max_pixels: int = Field(200_000_000, gt=0, description="pixels of one picture or frame")
    max_bytes: int = Field(1 << 30, gt=0, description="bytes of one photo")
    decode_seconds: float = Field(60, gt=0, description="time to decode one photo, or to wait for one frame")
    decode_memory: int = Field(4 << 30, gt=0, description="memory of the decoding process, bytes")
    work_seconds: float = Field(
        600, gt=0, description="time for one photo, or for a clip to move on, in a batch"
    )
    max_clip_bytes: int = Field(32 << 30, gt=0, description="bytes of one clip")
    max_clip_seconds: float = Field(4 * 3600, gt=0, description="duration of one clip")


class Settings(BaseModel):
    """Everything a run can be told. Frozen; two equal settings give the same treatment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Effort = Effort.STANDARD
    faces: bool = True
    text: TextPolicy = TextPolicy.ALL
    codes: bool = True
    marks: bool = True

    style: Style = Style.BLUR
    shape: Shape = Shape.ELLIPSE
    margin: float = Field(1.4, ge=1.0, le=4.0, description="growth of a face's box")
    grid: int = Field(SAFE_GRID, ge=1, le=64, description="area averages along a face's side, at most")
    noise: float = Field(SAFE_NOISE, ge=0, le=250, description="σ of the noise on each average, of 255")
    unsafe_strength: bool = Field(False, description="allow a weaker redaction; the file waits in review/")

    known: tuple[str, ...] = Field(
        (), exclude=True, repr=False, description="a file of names, dates, numbers"
    )
    """What the practice knows of the case (:mod:`anonymizer.core.known`): given as a file, or as what stood in it. It
    stands in no dump of the settings, so in no report and no log."""

    regions: tuple[DrawnRegion, ...] = ()
    keep: tuple[RectValue, ...] = ()
    keep_mouth: bool = False
    dismiss: tuple[DrawnRegion, ...] = Field((), description="found places, as drawn over, that are none")

    language: str = Field("", pattern=r"^([a-z]{2,3})?$", description="of the report's page; empty: English")
    keep_name: bool = False
    report_time: bool = Field(
        False, description="the hour of processing and of a decision in the report, not the day alone"
    )
    report_initials: bool = Field(False, description="the initials of who decided in the report")
    jpeg_quality: int = Field(95, ge=70, le=100)
    crf: int = Field(20, ge=0, le=40, description="a clip's quality: smaller is better and larger on disk")
    audio: AudioPolicy = AudioPolicy.DROP
    hdr: HdrPolicy = HdrPolicy.MAP

    limits: Limits = Limits()

    @field_validator("known", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known.read(Path(value)).entries if isinstance(value, str | Path) else value

    def below_safe_bound(self) -> list[str]:
        """The names of the strength settings that are weaker than the measured safe bound."""
        weak = []
        if self.style is not Style.FILL:
            weak += ["grid"] if self.grid > SAFE_GRID else []
            weak += ["noise"] if self.noise < SAFE_NOISE else []
        weak += ["margin"] if self.margin < SAFE_MARGIN else []
        return weak

    def checked(self) -> Settings:
        """These settings, or :class:`SettingsError` where they weaken the redaction without saying so."""
        weak = self.below_safe_bound()
        if weak and not self.unsafe_strength:
            raise SettingsError(
                "settings.weaker", keys=", ".join(weak), grid=SAFE_GRID, noise=SAFE_NOISE, margin=SAFE_MARGIN
            )
        if self.shape is Shape.QUAD:
            raise SettingsError("settings.face-shape")
        return self


def load(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, then from flags.

    ``overrides`` maps keys to values; None values are flags that were not given. Raises
    :class:`SettingsError` naming the key and, from the file, the line.
    """
    values: dict[str, Any] = {}
    text = ""
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError("settings.unreadable", path=path, cause=error) from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError("settings.no-toml", path=path, cause=error) from error
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        return Settings.model_validate(values | given).checked()
    except ValidationError as error:
        raise SettingsError(_explained(error, path, text, given)) from error


SIDECAR_KEYS = frozenset({"regions", "keep", "keep_mouth", "dismiss"})


def with_sidecar(settings: Settings, photo: Path) -> Settings:
    """The settings for one photo: with the regions of ``PHOTO.toml`` beside it (``case.jpg.toml``), if there.

    Only :data:`SIDECAR_KEYS` may stand there. Raises :class:`SettingsError` as :func:`load` does.
    """
    sidecar = photo.with_name(f"{photo.name}.toml")
    try:
        if not sidecar.is_file():
            return settings
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            # A name so long that no file can have it and five letters more.
            return settings
        raise SettingsError("settings.unreadable", path=sidecar, cause=error.strerror or error) from error
    own = load(sidecar)
    if extra := own.model_fields_set - SIDECAR_KEYS:
        allowed = ", ".join(sorted(SIDECAR_KEYS))
        raise SettingsError(
            "settings.sidecar-keys", path=sidecar, keys=", ".join(sorted(extra)), allowed=allowed
        )
    return settings.model_copy(
        update={
            "regions": (*settings.regions, *own.regions),
            "keep": (*settings.keep, *own.keep),
            "dismiss": (*settings.dismiss, *own.dismiss),
            "keep_mouth": settings.keep_mouth or own.keep_mouth,
        }
    )


def _explained(error: ValidationError, path: Path | None, text: str, given: dict[str, Any]) -> Message:
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"]]
    key = ".".join(keys) or "settings"
    said = Message("settings.unknown-key") if first["type"] == "extra_forbidden" else first["msg"].lower()
    if path is None or (keys and keys[0] in given):
        return Message("settings.wrong", key=key, why=said)
    return Message("settings.wrong-at", path=path, line=_line(text, keys), key=key, why=said)


def _line(text: str, keys: list[str]) -> int:
    """The line of a key in a TOML text: tomllib gives none, so the last plain key of the path is sought."""
    named = [key for key in keys if not key.isdigit()]
    wanted, table, current = named[-1] if named else "", named[:-1], ""
    fallback = 1
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            current = header.group(1)
            if wanted == current.split(".")[-1]:
                fallback = number
        elif re.match(rf"\s*[\"']?{re.escape(wanted)}[\"']?\s*[=.]", line):
            if not table or current == ".".join(table):
                return number
            fallback = number
    return fallback
