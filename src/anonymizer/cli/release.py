"""``anonymizer release``: what is ready, copied to where it goes out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, Given, SettingsFile, default_file, folder_option, takes_language
from anonymizer.cli.output import emit, err_console, print_line, shown
from anonymizer.core.errors import ExitCode, UsageError
from anonymizer.core.message import Message, with_sentence


@takes_language
def release(
    out: Annotated[Path, typer.Argument(parser=Path, metavar="OUT", help="Output folder.")],
    to: Annotated[
        Path,
        folder_option("--to", "Folder to copy into; a release of yours may be there already."),
    ],
    initials: Annotated[
        str,
        typer.Option("--initials", parser=str, metavar="TEXT", help="Who releases: goes into the ledger."),
    ] = "",
    consent: Annotated[
        bool,
        typer.Option(
            "--consent", help="Say that every patient's consent is there, where the law asks for it."
        ),
    ] = False,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--answer",
            parser=str,
            metavar="QUESTION",
            help="Say yes to a question beside consent: caption, colleagues, useful or account. Repeatable.",
        ),
    ] = None,
    seen: Annotated[
        bool | None,
        typer.Option(
            "--only-seen/--no-only-seen",
            help="Release only what somebody has looked at or approved; default: release_seen of the settings file.",
            show_default=False,
        ),
    ] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> int:
    """Copy what is in ready/, checked once more on its way, with its reports and a signed list, to where it goes out.

    Exit codes: 0 all copied, 4 something was held back, 2 wrong use.
    """
    from anonymizer.release.publish import CONSENT, QUESTIONS
    from anonymizer.release.publish import release as publish

    rules = Given(settings_file or default_file()).settings()
    if unknown := [one for one in answers or () if one not in QUESTIONS]:
        raise UsageError("cli.no-question", text=repr(unknown[0]), known=QUESTIONS)
    given = {"consent", *(answers or ())}
    if missing := [one for one in QUESTIONS if rules.release_answers and one not in given]:
        raise UsageError(
            "cli.unanswered", missing=missing, flags=" ".join(f"--answer {one}" for one in missing)
        )
    if not consent:
        _ask_for(CONSENT)
    only_seen = rules.release_seen if seen is None else seen
    done = publish(out.absolute(), to.absolute(), initials=initials, answers=given, only_seen=only_seen)
    if as_json:
        held = [{"name": name, "reason": with_sentence(said)} for name, said in done.held]
        emit({"copied": list(done.copied), "there": list(done.there), "held": held, "unseen": done.unseen})
        return ExitCode.FAILED if done.held else ExitCode.OK
    for name, said in done.held:
        err_console.print(f"[red]{say('cli.held-back')}[/] {escape(shown(name))}: {escape(shown(say(said)))}")
    if done.unseen and not only_seen:
        err_console.print(f"[yellow]{escape(say('cli.unseen', count=done.unseen))}[/]")
    copied, there, held_back = (len(names) for names in (done.copied, done.there, done.held))
    print_line(say("cli.release-done", copied=copied, there=there, held=held_back, consent=CONSENT))
    if done.manifest:
        print_line(say("cli.manifest", path=shown(done.manifest)))
    return ExitCode.FAILED if done.held else ExitCode.OK


def _ask_for(consent: Message) -> None:
    """Have somebody say that the patients' consent is there. Raises :class:`UsageError` where nobody does."""
    if not (sys.stdin.isatty() and err_console.is_terminal):
        raise UsageError("cli.consent-flag", consent=consent)
    err_console.print(f"[yellow]{say(consent)}[/]")
    answer = err_console.input(f"{escape(say('cli.consent-question'))} ")
    if answer.strip().lower() not in say("cli.yes").split():
        raise UsageError("cli.release-nothing")
