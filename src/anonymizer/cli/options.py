"""The options of the command line: every setting by its own flag, made from what :mod:`anonymizer.core.settings`
says of it, and the few that several commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from anonymizer.cli.language import FLAG, language
from anonymizer.cli.parser import Decorator, option
from anonymizer.core.errors import SettingsError, UsageError
from anonymizer.core.message import Message
from anonymizer.core.settings import Described, Settings, described
from anonymizer.core.settings_file import load
from anonymizer.core.types import Kind
from anonymizer.i18n import languages

DEFAULT_FILE = Path("anonymizer.toml")

json_option = option(
    "--json", "as_json", is_flag=True, help="One JSON object per line on standard output, for scripts."
)
quiet_option = option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
lang_option = option(
    FLAG,
    expose_value=False,
    metavar="LANGUAGE",
    help="Language of messages and reports; default: the system's.",
)
"""For a command that takes no settings. It is obeyed before the options are read."""


class PathType(click.ParamType[Path]):
    """A path, whatever lies there: whether it can be used is found out, and said, by who uses it."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


PATH = PathType()


class _Value(click.ParamType[str]):
    """A setting's value as it was written: flags and files are checked in one place, and alike."""

    name = "value"

    def __init__(self, choices: Iterable[str]) -> None:
        self.choices = tuple(choices)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


@dataclass(frozen=True)
class Given:
    """What was said about settings: the file, and every flag as it was written, by its option."""

    file: Path | None
    flags: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Defaults, then the file, then the flags. Raises :class:`SettingsError` and :class:`UsageError`."""
        overrides: dict[str, Any] = {}
        for one in described():
            if one.flag in self.flags:
                table = overrides
                for key in one.keys[:-1]:
                    table = table.setdefault(key, {})
                table[one.keys[-1]] = _value(one, self.flags[one.flag])
        settings = load(self.file, overrides)
        if settings.language and settings.language not in languages():
            known = ", ".join(languages())
            why = Message("settings.unknown-value", value=repr(settings.language), known=known)
            raise SettingsError("settings.wrong", key="language", why=why)
        return settings if settings.language else settings.model_copy(update={"language": language()})

    def arguments(self) -> list[str]:
        """The same once more as words of a command line, but for the language: what an installed watcher is started
        with."""
        words = ["--settings", str(self.file.absolute())] if self.file else []
        for one in described():
            value = self.flags.get(one.flag) if one.flag != FLAG else None
            if isinstance(value, bool):
                words.append(one.flag if value else _no(one.flag))
            elif value is not None:
                words += [word for part in _parts(value) for word in (one.flag, part)]
        return words


def takes_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command has ``--settings`` and a flag for every setting, and is called with ``given``."""

    @functools.wraps(command)
    def called(*arguments: Any, settings_file: Path | None, **values: Any) -> Any:
        flags = {one.flag: values.pop(_name(one)) for one in described()}
        told = {flag: value for flag, value in flags.items() if value is not None and value != ()}
        here = DEFAULT_FILE if DEFAULT_FILE.is_file() else None
        return command(*arguments, given=Given(settings_file or here, told), **values)

    # click's decorators are applied from the last to the first.
    for one in reversed(list(described())):
        called = _option(one)(called)
    return option(
        "--settings", "settings_file", type=PATH, metavar="FILE",
        help="Settings file; default: anonymizer.toml in this folder, if it is there. Flags win over it.",
    )(called)  # fmt: skip


def _option(one: Described) -> Decorator:
    """The flag of one setting."""
    about, default = one.about, one.field.default
    shared: dict[str, Any] = {"part": about.part.value, "help": about.help, "default": None}
    if isinstance(default, bool):
        # Both ways: a flag that is left out leaves the file's word as it is.
        shared["show_default"] = one.flag if default else False
        return option(f"{one.flag}/{_no(one.flag)}", _name(one), **shared)
    if not one.many and default != "":
        shared["show_default"] = _shown_default(one)
    least, most = one.bounds
    if least is not None and most is not None:
        shared["bounds"] = f"{least:g}–{most:g}"
    metavar = about.value or (f"[{'|'.join(one.choices)}]" if one.choices else "NUMBER")
    return option(
        one.flag, _name(one), type=_Value(one.choices), metavar=metavar, multiple=one.many, **shared
    )


def _shown_default(one: Described) -> str:
    default = one.field.default
    return f"{default:g}" if isinstance(default, float) else str(default)


def _name(one: Described) -> str:
    return "_".join(("setting", *one.keys))


def _no(flag: str) -> str:
    return flag.replace("--", "--no-", 1)


def _parts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, tuple) else [str(value)]


def _value(one: Described, value: Any) -> Any:
    """What was written, as a settings file would hold it."""
    if not one.many:
        return value
    if one.keys == ("keep",):
        return tuple(rectangle(text) for text in value)
    places = tuple(place(text) for text in value)
    if one.keys == ("dismiss",):
        for text, found in zip(value, places, strict=True):
            if "kind" not in found:
                raise UsageError("cli.dismiss-kind", text=repr(text), place=text)
    return places


def place(text: str) -> dict[str, Any]:
    """``x,y,w,h``; before it what it is, ``face:x,y,w,h``; after it, in a clip, the seconds in which it stands:
    ``x,y,w,h@start-end``, or ``x,y,w,h@start-`` to the last frame. Raises :class:`UsageError`."""
    kind, colon, rest = text.rpartition(":")
    if colon and kind not in tuple(Kind):
        raise UsageError("cli.place-kind", text=repr(text), kind=repr(kind), known=", ".join(Kind))
    where, at, times = rest.partition("@")
    found: dict[str, Any] = {"kind": kind} if colon else {}
    if not at:
        return found | {"rect": rectangle(where)}
    start, dash, end = times.partition("-")
    wrong = Message("cli.region-seconds", text=repr(text), place=where)
    try:
        first, last = float(start or 0), float(end) if end else None
    except ValueError as error:
        raise UsageError(wrong) from error
    if not dash or (last is not None and not last > first):
        raise UsageError(wrong)
    return found | {"rect": rectangle(where), "start": first, "end": last}


def rectangle(text: str) -> tuple[float, float, float, float]:
    """``x,y,w,h`` in pixels of the upright picture. Raises :class:`UsageError`."""
    try:
        x, y, w, h = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError("cli.no-rectangle", text=repr(text)) from error
    if not all(math.isfinite(value) for value in (x, y, w, h)):
        raise UsageError("cli.rectangle-numbers", text=repr(text))
    if w <= 0 or h <= 0:
        raise UsageError("cli.rectangle-empty", text=repr(text))
    return x, y, w, h
