"""A person's corrections outlive the output that they were made on: what is done again keeps them."""

from __future__ import annotations

from pydantic import ValidationError

from anonymizer.core.errors import DecisionError
from anonymizer.core.message import Message
from anonymizer.core.settings import Background, Cover, Settings
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import LedgerEntry
from anonymizer.report.schema import Report
from anonymizer.report.used import used_settings

LOST = Message("ask.corrections-lost")


def carried(gate: Gate, prior: LedgerEntry, settings: Settings) -> tuple[Settings, Message | None]:
    """The settings with the places that a person drew, kept or took off on an earlier output.

    The second value is a reason for ``review/`` where they cannot be read any more, else None.
    """
    if prior.settings == prior.asked:
        return settings, None
    try:
        text = (gate.reports / f"{prior.id}.json").read_bytes()
        used = used_settings(Report.model_validate_json(text), prior.crop)
    except (OSError, ValidationError, DecisionError):
        return settings, LOST
    if settings.crop not in (None, used.crop):
        # What was drawn lies in the pixels of another crop.
        return settings, LOST
    # Who corrected an output saw what was left of the picture then: never more of it comes out by itself.
    update = {
        "crop": used.crop,
        "crop_to": used.crop_to,
        "max_side": used.max_side,
        "purpose": used.purpose,
        "background": used.background if settings.background is Background.KEEP else settings.background,
        "background_outline": settings.background_outline or used.background_outline,
        "same_patient": used.same_patient or settings.same_patient,
        "cover": max(settings.cover, used.cover, key=list(Cover).index),
        "regions": tuple(dict.fromkeys((*settings.regions, *used.regions))),
        "dismiss": tuple(dict.fromkeys((*settings.dismiss, *used.dismiss))),
        "keep": tuple(dict.fromkeys((*settings.keep, *used.keep))),
        "keep_mouth": settings.keep_mouth or used.keep_mouth,
        "keep_part": tuple(dict.fromkeys((*settings.keep_part, *used.keep_part))),
    }
    return settings.model_copy(update=update), None
