"""Where settings come from: the defaults, then ``anonymizer.toml``, then flags; and one photo's own file.

Every mistake is one sentence that names the key and, from a file, the line; an unknown key is told the nearest known
one, an unknown value which ones are known.
"""

from __future__ import annotations

import errno
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from anonymizer.core.described import described
from anonymizer.core.errors import SettingsError
from anonymizer.core.message import Message
from anonymizer.core.settings import DrawnRegion, Limits, Settings

SIDECAR_KEYS = frozenset(
    {
        *("regions", "keep", "keep_mouth", "keep_part", "dismiss", "crop", "crop_to"),
        *("background", "background_outline", "same_patient"),
    }
)


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a TOML file, then from flags.

    ``overrides`` maps keys to values, a table's to a mapping of its own; None values are flags that were not given.
    Raises :class:`SettingsError` naming the key and, from the file, the line.
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
    given = _given(overrides or {})
    try:
        return Settings.model_validate(_merged(values, given)).checked()
    except ValidationError as error:
        raise SettingsError(_explained(error, path, text, given)) from error


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
            "keep_part": tuple(dict.fromkeys((*settings.keep_part, *own.keep_part))),
            "crop": own.crop or (None if own.crop_to else settings.crop),
            "crop_to": own.crop_to or settings.crop_to,
            "background": own.background if "background" in own.model_fields_set else settings.background,
            "background_outline": own.background_outline or settings.background_outline,
            "same_patient": own.same_patient or settings.same_patient,
        }
    )


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Without the flags that were not given, nor tables in which none was."""
    given = {key: _given(value) if isinstance(value, Mapping) else value for key, value in overrides.items()}
    return {key: value for key, value in given.items() if value is not None and value != {}}


def _merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` wins, key by key of a table too."""
    both = {
        key: _merged(value, over[key])
        for key, value in values.items()
        if isinstance(value, Mapping) and isinstance(over.get(key), Mapping)
    }
    return {**values, **over, **both}


def _explained(error: ValidationError, path: Path | None, text: str, given: Mapping[str, Any]) -> Message:
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"]]
    key = ".".join(keys) or "settings"
    said = fault_said(first, keys)
    if path is None or _flagged(keys, given):
        return Message("settings.wrong", key=key, why=said)
    return Message("settings.wrong-at", path=path, line=_line(text, keys), key=key, why=said)


def _flagged(keys: list[str], given: Mapping[str, Any]) -> bool:
    """Whether the value at fault came from a flag."""
    if not keys or keys[0] not in given:
        return False
    inner = given[keys[0]]
    return not isinstance(inner, Mapping) or _flagged(keys[1:], inner)


def fault_said(fault: ErrorDetails, keys: list[str]) -> Message | str:
    """What pydantic found, said for a person."""
    given, bound = fault["input"], fault.get("ctx", {})
    match fault["type"]:
        case "extra_forbidden":
            near = get_close_matches(keys[-1], _table(keys).model_fields, n=1)
            return Message("settings.nearest", near=near[0]) if near else Message("settings.unknown-key")
        case "enum":
            known = ", ".join(_known(keys, bound["expected"]))
            return Message("settings.unknown-value", value=repr(given), known=known)
        case "int_parsing" | "int_type" | "int_from_float":
            return Message("settings.no-integer", value=repr(given))
        case "float_parsing" | "float_type":
            return Message("settings.no-number", value=repr(given))
        case "finite_number":
            return Message("settings.not-finite")
        case "bool_parsing" | "bool_type":
            return Message("settings.no-truth", value=repr(given))
        case "less_than_equal":
            return Message("settings.at-most", bound=bound["le"])
        case "greater_than_equal":
            return Message("settings.at-least", bound=bound["ge"])
        case "greater_than":
            return Message("settings.more-than", bound=bound["gt"])
        case "string_pattern_mismatch":
            return Message("settings.no-language", value=repr(given))
        case "series":
            return Message("settings.no-series")
        case "missing":
            return Message("settings.missing")
        case "tuple_type":
            return Message("settings.no-list")
        case "model_type":
            return Message("settings.no-table")
    return fault["msg"].lower()


def _known(keys: list[str], expected: str) -> Sequence[str]:
    """The values that a setting knows; of what is no setting of its own those that pydantic expected."""
    return next(
        (one.choices for one in described() if list(one.keys) == keys), re.findall("'([^']+)'", expected)
    )


def _table(keys: list[str]) -> type[BaseModel]:
    """The table in which an unknown key stands."""
    tables: dict[str, type[BaseModel]] = {"limits": Limits, "regions": DrawnRegion, "dismiss": DrawnRegion}
    return tables.get(keys[0], Settings) if len(keys) > 1 else Settings


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
