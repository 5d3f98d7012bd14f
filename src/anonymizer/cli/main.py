"""The command line: words into calls, outcomes into words and exit codes. Each command has a file of its own here."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
import typer.main

from anonymizer.cli import failures
from anonymizer.cli.app import app
from anonymizer.cli.batch import batch
from anonymizer.cli.blur import blur
from anonymizer.cli.desktop import desktop
from anonymizer.cli.doctor import doctor
from anonymizer.cli.forget import forget
from anonymizer.cli.key import key
from anonymizer.cli.language import choose, say
from anonymizer.cli.log import log
from anonymizer.cli.models import models
from anonymizer.cli.options import takes_language
from anonymizer.cli.output import err_console, escape_what_has_no_sign
from anonymizer.cli.parser import CONTEXT, Command, Group
from anonymizer.cli.release import release
from anonymizer.cli.sheet import sheet
from anonymizer.cli.status import status
from anonymizer.cli.verify import verify
from anonymizer.cli.watch import watch
from anonymizer.core.errors import ExitCode
from anonymizer.core.version import __version__

NAME = "anonymizer"
COMMANDS = (blur, batch, sheet, verify, release, app, watch, status, log, forget, doctor)

# Without it, Python prints a worker's defect, traceback and all.
logging.getLogger(NAME).addHandler(logging.NullHandler())


program = typer.Typer(
    name=NAME, cls=Group, context_settings=CONTEXT, rich_markup_mode=None, pretty_exceptions_enable=False
)
for command in COMMANDS:
    program.command(cls=Command)(command)
for group in (models, key, desktop):
    program.add_typer(group)


def _say_version(wanted: bool) -> None:
    if wanted:
        from anonymizer.detect.models.manifest import models_version

        print(f"{NAME} {__version__}, models {models_version()}")
        raise typer.Exit


@program.callback()
@takes_language
def before_every_command(
    ctx: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_say_version, help="Show the version and leave."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="For an internal error, show where in the program it happened; this may name your files.",
        ),
    ] = False,
) -> None:
    """Make clinical photos and clips publishable: find, hide, clean, verify, and say why."""
    failures.debug.set(debug)
    if debug:
        # Workers hand their defects over as log records; by default nobody listens.
        logger, handler = logging.getLogger(NAME), logging.StreamHandler()
        logger.addHandler(handler)
        # A second call in this process, with a standard error of its own, is not to meet this one's.
        ctx.call_on_close(lambda: logger.removeHandler(handler))


root = typer.main.get_command(program)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Within it SIGTERM ends what is under way as Ctrl-C does; a command may set a handler of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every error is one sentence and an exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    failures.debug.set(False)
    escape_what_has_no_sign()
    try:
        with _terminated_as_interrupted():
            choose(words)
            code = root.main(words, NAME, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left: nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001  whatever it is, a traceback may name a patient's file
        code = failures.told(error, words)
    if code == ExitCode.INTERRUPTED:
        # typer makes it of Ctrl-C; no command leaves with it.
        err_console.print(say("cli.stopped"))
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
