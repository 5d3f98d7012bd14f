"""The list of models, ``models.toml``: its entries, and what is wrong with one. docs/models.md explains the keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from anonymizer.core.errors import ModelError
from anonymizer.core.types import Model
from anonymizer.detect.models.fetch import Wheel

MANIFEST = "models.toml"
PLUGIN = "plugin"
"""The kind of a model of the user's own."""
_Needed = Annotated[str, StringConstraints(min_length=1)]
_NAMELESS = "without a name"
_NO_WHEEL = "wheel needs a [wheels] table of that name, and member"
_FAULTS = {
    "missing": "{key} is missing",
    "string_too_short": "{key} is missing",
    "extra_forbidden": "{key}: unknown key",
    "unexpected_keyword_argument": "{key}: unknown key",
    "string_type": "{key} must be a text in quotes",
    "int_type": "{key} must be a whole number",
    "bool_type": "{key} must be true or false",
    "dataclass_type": _NO_WHEEL,
    "model_type": "each [[model]] must be a table",
}


class ModelEntry(BaseModel):
    """One model of the manifest. A plug-in's has further keys, which say how to ask it and read its answer."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: _Needed
    kind: str = PLUGIN
    """``face``, ``text`` or ``plugin``."""
    file: _Needed
    """A plain file name."""
    sha256: _Needed
    """64 lower-case hex digits."""
    size: Annotated[StrictInt, Field(ge=0)] = 0
    """Bytes; 0 where nobody says."""
    licence: _Needed
    purpose: str = ""
    wheel: Wheel | None = None
    """Where the file is ``member``; in the manifest, the name of a ``[wheels]`` table."""
    member: str = ""
    url: str = ""
    optional: StrictBool = False
    """True for a model that a run uses where its file is here, and does without where it is not."""

    def used_on(self, device: str) -> Model:
        """What a report says of it once it ran there."""
        return Model(self.name, self.sha256, self.licence, device)

    @property
    def extra(self) -> Mapping[str, Any]:
        """A plug-in's further keys."""
        return self.model_extra or {}

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        return _held(name, name.isprintable(), "name may hold no line break or other control character")

    @field_validator("sha256")
    @classmethod
    def _digest(cls, digest: str) -> str:
        good = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        return _held(digest, good, "sha256 must be 64 lower-case hex digits")

    @field_validator("file")
    @classmethod
    def _plain(cls, file: str) -> str:
        good = file.isascii() and file[:1].isalnum() and file.translate(_PUNCTUATION).isalnum()
        return _held(file, good, "file must be a plain file name")

    @field_validator("url")
    @classmethod
    def _encrypted(cls, url: str) -> str:
        return _held(url, not url or url.startswith("https://"), "url must begin with https://")

    @model_validator(mode="after")
    def _whole(self) -> ModelEntry:
        if self.wheel and not self.member:
            raise ValueError(_NO_WHEEL)
        if self.kind != PLUGIN and self.extra:
            key = next(iter(self.extra))
            raise ValueError(f'{key}: unknown key (of a detector of your own, kind must be "{PLUGIN}")')
        return self


_PUNCTUATION = str.maketrans("", "", "._-")


def _held(value: str, good: bool, said: str) -> str:
    if not good:
        raise ValueError(said)
    return value


def shipped_manifest() -> Path:
    """The program's own manifest: beside the package when installed, in ``models`` in a checkout."""
    package = Path(__file__).resolve().parents[2]
    for place in (package / MANIFEST, package.parents[1] / "models" / MANIFEST):
        if place.is_file():
            return place
    raise ModelError("model.list-missing")


def models_version() -> str:
    """The version of the models that this program uses, as the shipped manifest says."""
    return str(_table(shipped_manifest()).get("version", ""))


def read_manifest(path: Path) -> list[ModelEntry]:
    """The entries of a manifest; :class:`ModelError` says which key of which entry is wrong."""
    values = _table(path)
    wheels = values.get("wheels", {})
    models = values.get("model", [])
    if (
        not isinstance(wheels, dict)
        or not isinstance(models, list)
        or values.keys() - {"version", "wheels", "model"}
    ):
        raise ModelError("model.list-tables", path=path)
    return [_entry(path, raw, wheels) for raw in models]


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError("model.list-unreadable", path=path, cause=error) from error


def _entry(path: Path, raw: Any, wheels: Mapping[str, Any]) -> ModelEntry:
    name = _NAMELESS
    if isinstance(raw, dict):
        name = str(raw.get("name", _NAMELESS))
        name = name if name.isprintable() else _NAMELESS
        if isinstance(raw.get("wheel"), str):
            raw = raw | {"wheel": wheels.get(raw["wheel"], raw["wheel"])}
    try:
        return ModelEntry.model_validate(raw)
    except ValidationError as error:
        why = _said(error.errors(include_url=False)[0])
        raise ModelError("model.entry-wrong", path=path, name=name, why=why) from error


def _said(fault: ErrorDetails) -> str:
    """What pydantic found, said for a person."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    return _FAULTS.get(fault["type"], "{key}: " + fault["msg"].lower()).format(key=key)
