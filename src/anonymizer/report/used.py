"""The settings that a report was made with."""

from __future__ import annotations

from pydantic import ValidationError

from anonymizer.core.errors import DecisionError
from anonymizer.core.settings import Settings
from anonymizer.report.schema import Report


def used_settings(report: Report) -> Settings:
    """The settings that a report was made with. Raises :class:`DecisionError` where they are no settings."""
    try:
        return Settings.model_validate(report.settings).checked()
    except ValidationError as error:
        raise DecisionError("report.settings-unknown") from error
