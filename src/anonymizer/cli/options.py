"""The options of the command line: every setting by its own flag, made from what :mod:`anonymizer.core.settings`
says of it, and the few that several commands share."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from anonymizer.cli.language import FLAG, language
from anonymizer.core.described import Described, described
from anonymizer.core.errors import SettingsError, UsageError
from anonymizer.core.message import Message
from anonymizer.core.settings import CropPart, Settings
from anonymizer.core.settings_file import load
from anonymizer.core.types import Kind
from anonymizer.i18n import languages

DEFAULT_FILE = Path("anonymizer.toml")

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON object per line on standard output, for scripts.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


def _settings_option(*default: Any) -> Any:
    return typer.Option(
        *default, "--settings", parser=Path, metavar="FILE",
        help="Settings file; default: anonymizer.toml in this folder, if it is there. Flags win over it.",
    )  # fmt: skip


SettingsFile = Annotated[Path | None, _settings_option()]


def folder_option(flag: str, said: str) -> Any:
    """An option that names a folder."""
    return typer.Option(flag, parser=Path, metavar="FOLDER", help=said)


def pattern_option(flag: str, said: str) -> Any:
    """An option that names files by their paths, and may be given several times."""
    return typer.Option(flag, parser=str, metavar="PATTERN", help=said)


OutFolder = Annotated[
    Path,
    typer.Argument(parser=Path, metavar="[OUT]", help="Output folder; default: 'anonymized' in this folder."),
]
"""``parser=Path``, here and wherever a path is given: a path, whatever lies there. Whether it can be used is found
out, and said, by who uses it."""
Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        parser=Path,
        metavar="PUB",
        help="Public key of whoever signed; default: your own. Repeatable.",
    ),
]


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


def default_file() -> Path | None:
    """The settings file of this folder, where there is one."""
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def takes_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command has ``--settings`` and a flag for every setting, and is called with ``given``."""
    file = _settings_option(None)

    def given(settings_file: Path | None, **values: Any) -> dict[str, Any]:
        flags = {one.flag: values[_name(one)] for one in described()}
        told = {
            flag: tuple(value) if isinstance(value, list) else value
            for flag, value in flags.items()
            if value is not None
        }
        return {"given": Given(settings_file or default_file(), told)}

    return _taking(
        command, [_parameter("settings_file", Path | None, file), *map(_of_setting, described())], given
    )


def takes_language(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a command that takes no settings has ``--lang``, which is obeyed before the options are read."""
    option = typer.Option(
        None,
        FLAG,
        parser=str,
        metavar="LANGUAGE",
        help="Language of messages and reports; default: the system's.",
    )
    return _taking(command, [_parameter("lang", str | None, option)], lambda lang: {})


def _taking(
    command: Callable[..., Any], more: list[inspect.Parameter], taken: Callable[..., dict[str, Any]]
) -> Callable[..., Any]:
    """The command with more options, of which it gets what ``taken`` makes of them: typer reads the signature."""
    names = {one.name for one in more}
    signature = inspect.signature(command, eval_str=True)
    own = [one for name, one in signature.parameters.items() if name != "given"]

    @functools.wraps(command)
    def called(**values: Any) -> Any:
        extra = taken(**{name: values.pop(name) for name in names})
        return command(**values, **extra)

    called.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in (*own, *more)}
    return called


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _of_setting(one: Described) -> inspect.Parameter:
    """The flag of one setting. Its value stays as it was written: flags and files are checked in one place, alike."""
    about, default = one.about, one.field.default
    shared: dict[str, Any] = {"rich_help_panel": about.part.value, "help": about.help}
    if isinstance(default, bool):
        # Both ways: a flag that is left out leaves the file's word as it is.
        shown = one.flag if default else False
        option = typer.Option(None, f"{one.flag}/{_no(one.flag)}", show_default=shown, **shared)
        return _parameter(_name(one), bool | None, option)
    shown = _shown_default(one) if not one.many and default not in ("", None) else False
    least, most = one.bounds
    option = typer.Option(
        None,
        one.flag,
        parser=str,
        metavar=about.value or (f"[{'|'.join(one.choices)}]" if one.choices else "NUMBER"),
        show_default=shown,
        min=least,
        max=most,
        autocompletion=_completion(one.choices) if one.choices else None,
        **shared,
    )
    return _parameter(_name(one), list[str] | None if one.many else str | None, option)


def _completion(choices: Iterable[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [str(choice) for choice in choices if choice.startswith(incomplete)]

    return complete


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
    if one.keys == ("crop",):
        return value if value in tuple(CropPart) else rectangle(value)
    if not one.many:
        return value
    if one.keys == ("keep_part",):
        return tuple(value)
    if one.keys == ("background_outline",):
        return tuple(corners(text) for text in value)
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


def corners(text: str) -> tuple[tuple[float, float], ...]:
    """``x,y x,y x,y``: the corners of an outline in order. Raises :class:`UsageError`."""
    try:
        found = tuple((float(x), float(y)) for x, y in (pair.split(",") for pair in text.split()))
    except ValueError as error:
        raise UsageError("cli.no-outline", text=repr(text)) from error
    if len(found) < 3 or not all(math.isfinite(value) for pair in found for value in pair):
        raise UsageError("cli.no-outline", text=repr(text))
    return found


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
