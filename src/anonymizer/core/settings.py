"""What to hide, how, and within which limits: the settings of a run, and what follows from them.

Their keys stand in :mod:`anonymizer.core.settings_keys`. Where they come from: :mod:`anonymizer.core.settings_file`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator
from pydantic_core import PydanticCustomError

from anonymizer.core import known
from anonymizer.core.choices import BEST_JPEG as BEST_JPEG
from anonymizer.core.choices import JOURNAL_DPI as JOURNAL_DPI
from anonymizer.core.choices import LONGEST as LONGEST
from anonymizer.core.choices import PERSON as PERSON
from anonymizer.core.choices import SAFE_GRID as SAFE_GRID
from anonymizer.core.choices import SAFE_MARGIN as SAFE_MARGIN
from anonymizer.core.choices import SAFE_NOISE as SAFE_NOISE
from anonymizer.core.choices import SERIES as SERIES
from anonymizer.core.choices import About as About
from anonymizer.core.choices import AudioPolicy as AudioPolicy
from anonymizer.core.choices import Background as Background
from anonymizer.core.choices import Cover as Cover
from anonymizer.core.choices import CropPart as CropPart
from anonymizer.core.choices import DrawnRegion as DrawnRegion
from anonymizer.core.choices import Effort as Effort
from anonymizer.core.choices import FillColour as FillColour
from anonymizer.core.choices import HdrPolicy as HdrPolicy
from anonymizer.core.choices import Limits as Limits
from anonymizer.core.choices import OutlineValue as OutlineValue
from anonymizer.core.choices import Part as Part
from anonymizer.core.choices import Purpose as Purpose
from anonymizer.core.choices import RectValue as RectValue
from anonymizer.core.choices import TextPolicy as TextPolicy
from anonymizer.core.errors import SettingsError
from anonymizer.core.face_parts import FacePart, KeptPart
from anonymizer.core.output_name import NumberedName, output_name
from anonymizer.core.settings_keys import SettingsKeys
from anonymizer.core.types import Shape, Style


class Settings(SettingsKeys):
    """Everything a run can be told. Frozen; two equal settings give the same treatment."""

    @model_validator(mode="before")
    @classmethod
    def _crop_by_name(cls, values: Any) -> Any:
        """A crop may be given by the name of a part."""
        if isinstance(values, dict) and isinstance(values.get("crop"), str):
            return {key: value for key, value in values.items() if key != "crop"} | {
                "crop_to": values["crop"]
            }
        return values

    @field_validator("same_patient", mode="before")
    @classmethod
    def _series(cls, value: Any) -> Any:
        if isinstance(value, str) and not SERIES.fullmatch(value):
            raise PydanticCustomError("series", "no series")
        return value

    @field_validator("known", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known.read(Path(value)).entries if isinstance(value, str | Path) else value

    @property
    def kept_parts(self) -> tuple[KeptPart, ...]:
        """The parts of faces that are to stay in view, the short word's among them."""
        mouth = (KeptPart(part=FacePart.MOUTH),) if self.keep_mouth else ()
        return tuple(dict.fromkeys((*self.keep_part, *mouth)))

    @property
    def longest_side(self) -> int:
        """Pixels of the output's longer side at most; 0: as it comes."""
        return self.max_side or LONGEST.get(self.purpose, 0)

    @property
    def quality(self) -> int:
        """Quality of a written JPEG."""
        return min(self.jpeg_quality, BEST_JPEG.get(self.purpose, 100))

    @property
    def dots_per_inch(self) -> int:
        """That are noted in a photo; 0: none."""
        return JOURNAL_DPI if self.purpose is Purpose.JOURNAL else 0

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
        if self.output_name and self.keep_name:
            raise SettingsError("settings.name-kept")
        return self

    @property
    def output_name(self) -> NumberedName | None:
        """The names of outputs that are asked for; None for random ones. Raises :class:`SettingsError`."""
        return output_name(self.name, self.date, self.case, self.known)
