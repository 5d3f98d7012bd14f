"""The command line: words into calls, outcomes into words and exit codes. Each command has a file of its own here."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from anonymizer.cli import failures
from anonymizer.cli.app import app
from anonymizer.cli.batch import batch
from anonymizer.cli.blur import blur
from anonymizer.cli.doctor import doctor
from anonymizer.cli.key import key
from anonymizer.cli.language import choose, say, teach_the_parser
from anonymizer.cli.log import log
from anonymizer.cli.models import models
from anonymizer.cli.options import lang_option
from anonymizer.cli.output import err_console
from anonymizer.cli.parser import CONTEXT, Group, option
from anonymizer.cli.release import release
from anonymizer.cli.status import status
from anonymizer.cli.verify import verify
from anonymizer.cli.watch import watch
from anonymizer.core.errors import ExitCode
from anonymizer.core.version import __version__

NAME = "anonymizer"
COMMANDS: tuple[click.Command, ...] = (
    blur, batch, verify, release, app, watch, status, log, doctor, models, key,
)  # fmt: skip

# Without it, Python prints a worker's defect, traceback and all.
logging.getLogger(NAME).addHandler(logging.NullHandler())


def _say_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        print(f"{NAME} {__version__}")
        ctx.exit()


@click.group(name=NAME, cls=Group, commands=COMMANDS, context_settings=CONTEXT, no_args_is_help=True)
@option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_version,
    help="Show the version and leave.",
)
@lang_option
@option(
    "--debug",
    is_flag=True,
    help="For an internal error, show where in the program it happened; this may name your files.",
)
@click.pass_context
def root(ctx: click.Context, debug: bool) -> None:
    """Make clinical photos and clips publishable: find, hide, clean, verify, and say why."""
    failures.debug.set(debug)
    if debug:
        # Workers hand their defects over as log records; by default nobody listens.
        logger, handler = logging.getLogger(NAME), logging.StreamHandler()
        logger.addHandler(handler)
        # A second call in this process, with a standard error of its own, is not to meet this one's.
        ctx.call_on_close(lambda: logger.removeHandler(handler))


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
    teach_the_parser()
    try:
        with _terminated_as_interrupted():
            choose(words)
            code = root.main(words, NAME, standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        code = ExitCode.INTERRUPTED
        err_console.print(say("cli.stopped"))
    except BrokenPipeError:
        # Whoever read our output has left: nobody is there to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001  whatever it is, a traceback may name a patient's file
        code = failures.told(error, words)
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
