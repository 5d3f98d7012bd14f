"""The settings that a report was made with."""

from __future__ import annotations

import json

from pydantic import ValidationError

from anonymizer.core.errors import DecisionError
from anonymizer.core.settings import Settings
from anonymizer.report.schema import Report


def used_settings(report: Report, crop: str) -> Settings:
    """The settings that a report was made with; ``crop``, which no report tells, as the ledger has it.

    Raises :class:`DecisionError` where they are no settings.
    """
    own = {"crop": json.loads(crop)} if crop else {}
    try:
        return Settings.model_validate(report.settings | own).checked()
    except ValidationError as error:
        raise DecisionError("report.settings-unknown") from error
