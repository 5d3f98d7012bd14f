"""``anonymizer desktop``: a launcher for the page, and a way to hand photos and clips to it, without a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anonymizer.cli.app import open_page
from anonymizer.cli.blur import process
from anonymizer.cli.language import language, say
from anonymizer.cli.options import Given, folder_option, takes_language, takes_settings
from anonymizer.cli.output import print_line, shown
from anonymizer.cli.parser import Command, Group
from anonymizer.core.errors import UsageError

desktop = typer.Typer(name="desktop", cls=Group)

OutOption = Annotated[
    Path | None,
    folder_option("--out", "Output folder of the page; default: 'Anonymised' among your documents."),
]
Inbox = Annotated[
    Path | None,
    folder_option("--watch", "A folder to be watched as well, whenever you log in."),
]


@desktop.callback()
@takes_language
def group() -> None:
    """A launcher for the page in this system's menu, and in what it offers for photos and clips."""


@desktop.command("install", cls=Command)
@takes_settings
def install(given: Given, out: OutOption = None, watch: Inbox = None) -> None:
    """Put a launcher into the start menu and among what is offered for photos and clips, for you alone.

    Linux: the menu and Open with. Windows: the start menu, the desktop and Send to. macOS: Applications and Quick
    Actions.
    """
    from anonymizer.desktop.launchers import default_folder, entries, set_up

    folder = (out or default_folder()).absolute()
    made = entries(folder, language())
    if watch:
        from anonymizer.cli.watch import install_service
        from anonymizer.watch.options import Options

        service = install_service(Options(watch.absolute(), folder), given.settings(), given)
        print_line(say("cli.service-installed", name=service.name, folder=shown(folder)))
    set_up(made)
    for one in made.shown:
        print_line(say("desktop.installed", path=shown(one)))


@desktop.command("uninstall", cls=Command)
@takes_language
def uninstall(out: OutOption = None, watch: Inbox = None) -> None:
    """Take the launcher away again; what it made stays. With --watch, its watcher too."""
    from anonymizer.desktop.launchers import default_folder, entries, take_away

    folder = (out or default_folder()).absolute()
    if watch:
        from anonymizer.cli.watch import wanted_service
        from anonymizer.watch.options import Options
        from anonymizer.watch.service import switch_off

        switch_off(wanted_service(Options(watch.absolute(), folder)))
    gone = take_away(entries(folder, language()))
    print_line(say("desktop.removed" if gone else "desktop.none"))


@desktop.command("open", cls=Command)
@takes_settings
def open_files(
    given: Given,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(parser=Path, metavar="[PATH]...", help="Photos and clips, or folders of them."),
    ] = None,
    out: OutOption = None,
) -> None:
    """Make what was sent here publishable, then open the page: what the launchers call."""
    from anonymizer.desktop.launchers import default_folder

    folder, settings = (out or default_folder()).absolute(), given.settings()
    folder.parent.mkdir(parents=True, exist_ok=True)
    if paths:
        try:
            process(settings, paths, folder)
        except UsageError as error:
            # Nobody reads a terminal here: the page is opened all the same.
            print_line(say(error.message))
    open_page(settings, folder)
