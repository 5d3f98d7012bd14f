"""Every setting with what people read about it: for the command line, a settings file's errors, docs/settings.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from anonymizer.core.settings import About, Settings


@dataclass(frozen=True, slots=True)
class Described:
    """One setting: its keys from the outermost table inwards, what pydantic knows of it, and what people read."""

    keys: tuple[str, ...]
    field: FieldInfo
    about: About

    @property
    def flag(self) -> str:
        """Its option, for example ``--max-pixels``."""
        return self.about.flag or "--" + self.keys[-1].replace("_", "-")

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of an enumeration; empty for anything else."""
        kind = self.field.annotation
        if self.about.choices or not (isinstance(kind, type) and issubclass(kind, StrEnum)):
            return self.about.choices
        return tuple(kind)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Least and most value; a bound that is itself excluded counts as none."""
        least = next((one.ge for one in self.field.metadata if hasattr(one, "ge")), None)
        most = next((one.le for one in self.field.metadata if hasattr(one, "le")), None)
        return least, most

    @property
    def many(self) -> bool:
        """Whether it is a list of places."""
        return isinstance(self.field.default, tuple) and self.about.value != "FILE"


def described(model: type[BaseModel] = Settings, outer: tuple[str, ...] = ()) -> Iterator[Described]:
    """Every setting, in the order of the class; a table's one by one, in its place."""
    for name, field in model.model_fields.items():
        about = next((one for one in field.metadata if isinstance(one, About)), None)
        if about:
            yield Described((*outer, name), field, about)
        else:
            assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel), name
            yield from described(field.annotation, (*outer, name))
