"""Commands, options and arguments that speak the language of the call: click's, with their words from the catalogue.

An option may name the part of the help in which it stands (``part``): a command that takes every setting has many.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from anonymizer.cli.language import help_text, parser_word

Function = TypeVar("Function", bound=Callable[..., Any])


class Decorator(Protocol):
    """Gives a function that becomes a command an option or argument, and leaves it as it is."""

    def __call__(self, function: Function, /) -> Function: ...


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


class _Helpful:
    """Its ``help``, given in English, is read in the language of the call."""

    _help: str | None = None

    @property
    def help(self) -> str | None:
        return help_text(self._help) if self._help else self._help

    @help.setter
    def help(self, text: str | None) -> None:
        self._help = text


class Option(_Helpful, click.Option):
    """An option; ``part`` is the heading in the command's help under which it stands, ``bounds`` the values allowed."""

    def __init__(self, *declarations: Any, part: str = "", bounds: str = "", **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.part = part
        self.bounds = bounds

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        if self.bounds:
            extra["range"] = self.bounds
        return extra

    def make_metavar(self, ctx: click.Context) -> str:
        return parser_word(super().make_metavar(ctx))


class Argument(_Helpful, click.Argument):
    """An argument, described like an option."""

    def make_metavar(self, ctx: click.Context) -> str:
        return parser_word(super().make_metavar(ctx))


class Command(_Helpful, click.Command):
    """A command whose help lists its options part by part."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        found = super().get_help_option(ctx)
        if found:
            # click makes it once, with the words of the language of that moment.
            found.help = parser_word("Show this message and exit.")
        return found

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence, whole: lists of commands are wrapped."""
        return re.split(r"(?<=[.:;]) |\n\n", self.help or "")[0].rstrip(".:;")

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [parser_word(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        parts: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and not isinstance(parameter, click.Argument):
                parts.setdefault(getattr(parameter, "part", ""), []).append(record)
        # What belongs to the command alone comes first, the settings after it.
        for part in sorted(parts, key=bool):
            with formatter.section(help_text(part) if part else parser_word("Options")):
                formatter.write_dl(parts[part])


class Group(Command, click.Group):
    """Commands under one name."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def option(*declarations: str, **attributes: Any) -> Decorator:
    """Decorator: :class:`Option`."""
    made: Decorator = click.option(*declarations, cls=Option, **attributes)
    return made


def argument(name: str, **attributes: Any) -> Decorator:
    """Decorator: :class:`Argument`."""
    made: Decorator = click.argument(name, cls=Argument, **attributes)
    return made
