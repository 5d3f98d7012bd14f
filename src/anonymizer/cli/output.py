"""What every command prints: sentences in the language of the call, a line for each medium, a JSON object per line."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from anonymizer.cli.language import say
from anonymizer.core.errors import ExitCode
from anonymizer.core.message import with_sentence
from anonymizer.core.types import Verdict
from anonymizer.read.walk import Passed, PassedOver

if TYPE_CHECKING:
    from anonymizer.road.pipeline import Outcome

out_console = Console(highlight=False, soft_wrap=True)
err_console = Console(stderr=True, highlight=False, soft_wrap=True)

WORDS = {Verdict.READY: "state.ready", Verdict.REVIEW: "cli.in-review", Verdict.FAILED: "state.failed"}
"""What came of media, by the codes of the words for it, in the order in which it is counted."""
COLOURS = {Verdict.READY: "green", Verdict.REVIEW: "yellow", Verdict.FAILED: "red"}


def escape_what_has_no_sign() -> None:
    """From now on what the console's or a file's encoding has no sign for is escaped (→ as \\u2192): on Windows what is
    redirected is in an old code page, and a word that it lacks would end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def shown(text: Path | str) -> str:
    """A path or a sentence for the terminal: no control, direction or surrogate character gets through."""
    printable = str(text).encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in printable)


def print_line(text: str) -> None:
    """A line as it is, without markup."""
    out_console.print(escape(shown(text)))


def print_error(text: str) -> None:
    """What stops a command, under the program's name."""
    err_console.print(f"[red]anonymizer:[/] {escape(shown(text))}")


def emit(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own."""
    print(json.dumps(value), flush=True)


def counted(counts: Mapping[Verdict, int]) -> str:
    """How many media came to what, in words; what nothing came to is left out."""
    return ", ".join(f"{counts[verdict]} {say(word)}" for verdict, word in WORDS.items() if counts[verdict])


def exit_code(counts: Counter[Verdict], passed: Sequence[PassedOver] = ()) -> ExitCode:
    """The worst counts."""
    if counts[Verdict.FAILED]:
        return ExitCode.FAILED
    if counts[Verdict.REVIEW]:
        return ExitCode.REVIEW
    return ExitCode.NOT_TAKEN if any(one.media for one in passed) else ExitCode.OK


def print_passed(passed: Sequence[PassedOver], *, as_json: bool, quiet: bool) -> None:
    """What was not taken, each with what to do; what was skipped by rule in numbers, and in full for programs."""
    for one in passed:
        if as_json:
            facts = {"verdict": one.how, "media": one.media, "reasons": [with_sentence(one.reason)]}
            emit({"source": shown(one.path)} | facts)
        elif one.how is Passed.NOT_TAKEN and (one.media or not quiet):
            console = err_console if one.media else out_console
            said = f"{escape(shown(one.path))}: {escape(say(one.reason))}"
            console.print(f"[yellow]{say('state.not-taken')}[/] {said}")
    skipped = sum(one.how is Passed.SKIPPED for one in passed)
    if skipped and not (as_json or quiet):
        out_console.print(say("cli.skipped", count=skipped))


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """What came of a medium, for a program."""
    return {
        "source": shown(outcome.source),
        "verdict": outcome.verdict,
        "id": outcome.id,
        "output": str(outcome.output) if outcome.output else None,
        "companion": str(outcome.companion) if outcome.companion else None,
        "report": str(outcome.report) if outcome.report else None,
        "reasons": [with_sentence(one) for one in outcome.reasons],
        "redacted": outcome.redacted,
        "seconds": round(outcome.seconds, 3),
    }


def print_outcome(outcome: Outcome) -> None:
    """What came of a medium, for a person: on standard error where it failed."""
    name = escape(shown(outcome.source))
    note = f" ({say(outcome.note)})" if outcome.note else ""
    if outcome.verdict is Verdict.FAILED or outcome.output is None:
        said = say(outcome.reasons[0]) if outcome.reasons else ""
        err_console.print(f"[red]{say('state.failed')}[/] {name}: {escape(shown(said + note))}")
        return
    hidden = say("cli.hidden", count=outcome.redacted) if outcome.redacted else say("cli.nothing-to-hide")
    beside = f" + {outcome.companion.suffix}" if outcome.companion else ""
    where = escape(f"{outcome.output.parent.name}/{outcome.output.name}{beside}")
    colour = COLOURS[outcome.verdict]
    out_console.print(
        f"[{colour}]{say(f'state.{outcome.verdict}')}[/] {name} → {where} ({hidden}){escape(note)}"
    )
    for reason in outcome.reasons:
        out_console.print(f"    {escape(say(reason))}")
