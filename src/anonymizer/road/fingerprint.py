"""What an output was made with, as one short text in the ledger: does a source have to be done again?

A fingerprint is ``program/settings/models/limits``: the program's version, then 16 hex digits each of a SHA-256 of
the settings, of the models that take part, and of the limits. Limits decide only whether something can be
done, so they matter for what failed alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.version import __version__
from anonymizer.detect.finder import models_used
from anonymizer.detect.models.store import Store

_ASIDE = {"limits", "language", "name", "date", "case", "release_seen", "release_answers"}
"""Settings that nothing is done again for: the language of reports, what a release asks for, and names, for an output
that may have gone out keeps its own."""
_PARTS = ("recipe.program", "recipe.settings", "recipe.models")


def fingerprint(settings: Settings, store: Store | None = None, program: str = __version__) -> str:
    """The fingerprint of a run. Raises :class:`anonymizer.core.errors.ModelError` where a model's manifest is not
    valid."""
    models = "\n".join(sorted(models_used(settings, store or Store())))
    return "/".join(
        (program, _treatment(settings), _short(models), _short(settings.limits.model_dump_json()))
    )


def with_settings(made: str, settings: Settings) -> str:
    """The fingerprint of the same run for one source with settings of its own (its sidecar, a person's corrections)."""
    program, _, models, _ = _split(made)
    return "/".join((program, _treatment(settings), models, _short(settings.limits.model_dump_json())))


def same(made: str, wanted: str, *, limits: bool = False) -> bool:
    """Whether an output made with one fingerprint serves where another is wanted; for failures, mind the ``limits``."""
    count = 4 if limits else 3
    return _split(made)[:count] == _split(wanted)[:count]


def changed(made: str, wanted: str) -> Message:
    """Why an output must be made again: a part of a sentence."""
    pairs = zip(_PARTS, _split(made), _split(wanted), strict=False)
    what = [Message(code) for code, old, new in pairs if old != new]
    return Message("recipe.changed", what=what or Message("recipe.limits"))


def _treatment(settings: Settings) -> str:
    """What decides how the output looks."""
    known = "\n".join(settings.known)
    # Which series it is follows from where it lies.
    settings = settings.model_copy(update={"same_patient": bool(settings.same_patient)})
    return _short(settings.model_dump_json(exclude=_ASIDE) + known)


def _split(made: str) -> list[Any]:
    parts = made.split("/")
    # Rows of older programs hold something else: they match nothing.
    return parts if len(parts) == 4 else [made, "", "", ""]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
