"""``anonymizer watch``: a folder, watched until somebody ends it, or whenever its user logs in."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from anonymizer.cli.blur import beside
from anonymizer.cli.language import say
from anonymizer.cli.options import Given, Quiet, folder_option, takes_settings
from anonymizer.cli.output import print_line, shown
from anonymizer.cli.progress import have_models
from anonymizer.core.errors import ExitCode
from anonymizer.core.message import Message
from anonymizer.i18n import speaker
from anonymizer.watch.options import Options, check

if TYPE_CHECKING:
    from anonymizer.core.settings import Settings
    from anonymizer.watch.service import Service


@takes_settings
def watch(
    given: Given,
    inbox: Annotated[
        Path, typer.Argument(parser=Path, metavar="INBOX", help="Folder to watch, with its subfolders.")
    ],
    out: Annotated[
        Path | None,
        folder_option("--out", "Output folder; default: a folder 'anonymized' beside INBOX."),
    ] = None,
    done: Annotated[
        Path | None,
        folder_option(
            "--done", "Move handled originals here (same disk); without, they stay where they are."
        ),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look every few seconds; by itself on a network share.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            "--settle",
            metavar="NUMBER",
            min=0.2,
            max=3600,
            help="Seconds for which a file must be unchanged.",
        ),
    ] = 5,
    rescan: Annotated[
        float,
        typer.Option(
            "--rescan",
            metavar="NUMBER",
            min=1,
            max=3600,
            help="Seconds between two scans of the whole folder.",
        ),
    ] = 60,
    workers: Annotated[
        int,
        typer.Option("--workers", metavar="NUMBER", min=1, help="Processes that work at the same time."),
    ] = 1,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for folders that are not there yet, and create none.")
    ] = False,
    notify: Annotated[
        bool,
        typer.Option(
            "--notify/--no-notify",
            help="Tell the desktop how many are ready and need somebody, never which; needs desktop-notifier.",
        ),
    ] = True,
    install: Annotated[
        bool, typer.Option("--install", help="Start this watch whenever you log in, from now on.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Undo --install.")] = False,
    quiet: Quiet = False,
) -> int:
    """Watch a folder: whatever is complete there is made publishable, until Ctrl-C or SIGTERM (exit code 0)."""
    options = Options(
        _plain(inbox), _plain(out or beside(inbox)), _plain(done) if done else None,
        poll=poll, quiet=settle, rescan=rescan, wait=wait, workers=workers, notify=notify,
    )  # fmt: skip
    if uninstall:
        from anonymizer.watch.service import switch_off

        removed = switch_off(wanted_service(options))
        print_line(say("cli.service-removed" if removed else "cli.no-service"))
        return ExitCode.OK
    settings = given.settings()
    have_models(settings, show=not quiet)
    if install:
        unit = install_service(options, settings, given)
        for line in say("cli.service-installed", name=unit.name, folder=shown(options.out)).splitlines():
            print_line(line)
        return ExitCode.OK
    return watch_until_told(
        options, settings, (lambda sentence: None) if quiet else lambda sentence: print_line(say(sentence))
    )


def watch_until_told(options: Options, settings: Settings, tell: Callable[[Message], None]) -> ExitCode:
    """Watch until SIGTERM or Ctrl-C, which is its regular end.

    Raises :class:`anonymizer.core.errors.AnonymizerError` where the watching cannot begin.
    """
    from anonymizer.engine.scheduler import Engine
    from anonymizer.watch import status
    from anonymizer.watch.completeness import ignore_lease_signal
    from anonymizer.watch.notices import Notices, desktop
    from anonymizer.watch.watcher import Watcher

    status.shorten_errors(options.out / ".anonymizer")
    send = desktop("anonymizer") if options.notify else None
    notices = Notices(send, speaker(settings.language)) if send else None

    def told(message: Message) -> None:
        if notices:
            notices.hear(message)
        tell(message)

    watcher = Watcher(options, lambda: Engine(options.out, settings, options.workers), told)

    def end(number: int, frame: FrameType | None) -> None:
        watcher.stop()

    before = {}
    if threading.current_thread() is threading.main_thread():
        # SIGHUP: the terminal was closed.
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {number: signal.signal(number, end) for number in numbers}
        ignore_lease_signal()
    try:
        watcher.run()
    finally:
        if notices:
            notices.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return ExitCode.OK


def wanted_service(options: Options, given: Given | None = None, language: str = "") -> Service:
    """The service that runs this very watch: all paths absolute, and waiting for folders that are away.

    The system's language may be another one for a service: it is given the one that its user was spoken to in.
    """
    from anonymizer.watch.service import service, watch_command

    arguments = [str(options.inbox), "--out", str(options.out), "--wait"]
    if options.done:
        arguments += ["--done", str(options.done)]
    arguments += given.arguments() if given else []
    arguments += ["--poll"] if options.poll else []
    arguments += ["--settle", f"{options.quiet:g}", "--rescan", f"{options.rescan:g}"]
    arguments += ["--workers", str(options.workers)]
    arguments += [] if options.notify else ["--no-notify"]
    return service(watch_command(arguments, language), options.inbox, options.out)


def install_service(options: Options, settings: Settings, given: Given) -> Service:
    """Make the output folder, for the service will create none, then write the service and switch it on."""
    from anonymizer.gate.folder import Gate
    from anonymizer.watch.service import switch_on

    check(options)
    with Gate(options.out):
        pass
    wanted = wanted_service(options, given, settings.language)
    switch_on(wanted)
    return wanted


def _plain(path: Path) -> Path:
    """Absolute and without ``..``, links as they are: a drive letter stays one."""
    return Path(os.path.normpath(path.absolute()))
