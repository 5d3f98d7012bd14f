"""Commands that speak the language of the call: typer's, with their help and what is wrong with a call said by us.

typer brings a copy of click that speaks English alone, in the private package ``typer._click``. The classes of its
parser's errors, its context and its help formatter have no public names: they are imported here and nowhere else.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any

import typer
from pydantic import ValidationError
from typer._click import Command as AnyCommand
from typer._click import Context, HelpFormatter
from typer._click.exceptions import BadOptionUsage, BadParameter, MissingParameter, NoSuchOption
from typer._click.exceptions import UsageError as ParserError
from typer._click.shell_completion import CompletionItem
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from anonymizer.cli.language import help_text, parser_word
from anonymizer.core.errors import ExitCode, UsageError
from anonymizer.core.message import Message
from anonymizer.core.settings_file import fault_said

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class CallError(UsageError):
    """The words of a call are none that its command takes."""


class _Speaking(AnyCommand):
    """What commands and groups share: help made of our words, and errors with messages of our own."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except ParserError as error:
            raise CallError(_said(error, self)) from error

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence, whole: lists of commands are wrapped."""
        return re.split(r"(?<=[.:;]) |\n\n", help_text(self.help or ""))[0].rstrip(".:;")

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        arguments = [one.metavar or "" for one in self.params if isinstance(one, TyperArgument)]
        return [parser_word(piece) for piece in ("[OPTIONS]", *arguments)]

    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{parser_word('Usage:')} ")

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(help_text(self.help or ""))

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Arguments; then the options, part by part: an option's part is its ``rich_help_panel``."""
        parameters = self.get_params(ctx)
        parts: dict[str, list[tuple[str, str]]] = {}
        for one in parameters:
            if isinstance(one, TyperArgument):
                row = parser_word(one.metavar or ""), help_text(one.help or "")
                parts.setdefault(parser_word("Positional arguments"), []).append(row)
        # What belongs to the command alone comes first, the settings after it.
        options = [one for one in parameters if isinstance(one, TyperOption)]
        for option in sorted(options, key=lambda one: bool(one.rich_help_panel)):
            part = help_text(option.rich_help_panel) if option.rich_help_panel else parser_word("Options")
            parts.setdefault(part, []).append((_names(option), _help(option)))
        for part, rows in parts.items():
            with formatter.section(part):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            item.help = help_text(item.help or "")
        return found


class Command(_Speaking, TyperCommand):
    """A command."""

    # Too many arguments are let through by typer, whose sentence would be English, and refused here.
    allow_extra_args = True

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise CallError("cli.extra-arguments", word=rest[0])
        return rest


class Group(_Speaking, TyperGroup):
    """Commands under one name. Without any word after it, it shows its help."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            raise typer.Exit(ExitCode.USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, AnyCommand | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            near = get_close_matches(name, self.list_commands(ctx), n=1)
            if near:
                raise CallError("cli.no-command-but", name=repr(name), near=repr(near[0]))
            raise CallError("cli.no-command", name=repr(name))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Context) -> Any:
        try:
            return super().invoke(ctx)
        except ParserError as error:
            # All else that can be wrong was said by what parses.
            raise CallError("cli.missing-command") from error

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx)[:1], parser_word("COMMAND [ARGS]...")]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section(parser_word("Commands")):
            formatter.write_dl([(name, one.get_short_help_str()) for name, one in self.commands.items()])


def _names(option: TyperOption) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if not option.is_flag:
        return f"{names} {parser_word(option.metavar or '')}"
    return " / ".join([names, *option.secondary_opts])


def _help(option: TyperOption) -> str:
    """The help of an option, with its default, bounds, and whether it must be given."""
    facts = []
    if default := _default(option):
        facts.append(parser_word("default: {default}").format(default=default))
    if option.min is not None and option.max is not None:
        facts.append(f"{option.min:g}–{option.max:g}")
    elif option.min is not None:
        facts.append(f"≥ {option.min:g}")
    if option.required:
        facts.append(parser_word("required"))
    text = help_text(option.help or "")
    return f"{text}  [{'; '.join(facts)}]" if facts else text


def _default(option: TyperOption) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    if not option.show_default or not option.default:
        # Left out, it is off; port 0 is explained by its help.
        return ""
    if option.is_flag:
        return option.opts[0]
    return f"{option.default:g}" if isinstance(option.default, int | float) else str(option.default)


def _said(error: ParserError, command: AnyCommand) -> Message:
    """What is wrong with a call."""
    match error:
        case NoSuchOption(possibilities=[nearest, *_]):
            # The nearest alone: the others are guesses.
            return Message("cli.no-option-but", name=repr(error.option_name), near=repr(nearest))
        case NoSuchOption():
            return Message("cli.no-option", name=repr(error.option_name))
        case BadOptionUsage():
            name = error.option_name
            flag = any(
                isinstance(one, TyperOption) and one.is_flag and name in (*one.opts, *one.secondary_opts)
                for one in command.params
            )
            return Message("cli.option-no-value" if flag else "cli.option-value", name=repr(name))
        case MissingParameter(param=TyperArgument(metavar=str(metavar))):
            return Message("cli.missing-argument", name=repr(parser_word(metavar)))
        case MissingParameter(param=TyperOption(opts=[name, *_])):
            return Message("cli.missing-option", name=repr(name))
        case BadParameter(param=TyperOption(opts=[name, *_]), __cause__=ValidationError() as cause):
            return Message("cli.wrong-value", name=repr(name), why=fault_said(cause.errors()[0], []))
    return Message("cli.wrong-call", cause=error.format_message())
