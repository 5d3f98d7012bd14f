"""``anonymizer key``: show the key that signs, hand out its public half, back it up and restore it."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from anonymizer.cli.language import say
from anonymizer.cli.options import takes_language
from anonymizer.cli.output import print_line, shown
from anonymizer.cli.parser import Command, Group
from anonymizer.core.errors import UsageError

key = typer.Typer(name="key", cls=Group)


@key.callback()
@takes_language
def group() -> None:
    """The key that signs your reports: show it, hand out its public half, back it up, restore it."""


@key.command("show", cls=Command)
@takes_language
def show() -> None:
    """The key's id and the place of its private half; made now if there is none yet."""
    from anonymizer.core.signing import key_path, own_key

    print(f"{own_key().id}  {key_path()}")


@key.command("export", cls=Command)
@takes_language
def export(
    file: Annotated[
        Path | None,
        typer.Argument(parser=Path, metavar="[FILE]", help="Where to write it; default: standard output."),
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private",
            help="A backup of the private half instead, sealed with a passphrase that is asked for.",
        ),
    ] = False,
) -> None:
    """The public half, for whoever verifies your reports: anonymizer verify FILE --key PUB."""
    if private:
        from anonymizer.core.key_backup import sealed

        content = sealed(_passphrase(new=True))
    else:
        from anonymizer.core.signing import own_key

        content = own_key().pem()
    if file is None:
        print(content.decode(), end="")
        return
    try:
        with open(file, "xb", opener=_owners if private else None) as opened:
            opened.write(content)
    except FileExistsError as error:
        raise UsageError("key.exists", path=file) from error
    except OSError as error:
        raise UsageError("key.not-written", path=file, cause=error.strerror or error) from error


@key.command("import", cls=Command)
@takes_language
def restore(
    file: Annotated[
        Path, typer.Argument(parser=Path, metavar="FILE", help="What 'key export --private' wrote.")
    ],
) -> None:
    """Restore a backup of the private half on a new workstation; a key that is there already is never overwritten."""
    from anonymizer.core.key_backup import restored
    from anonymizer.core.signing import key_path

    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise UsageError("path.missing", path=file) from error
    except OSError as error:
        raise UsageError("key.unreadable", path=file, cause=error.strerror or error) from error
    id = restored(content, _passphrase(new=False))
    print_line(say("key.restored", id=id, path=shown(key_path())))


def _passphrase(new: bool) -> str:
    """The passphrase of a backup: asked for at the terminal, twice for a ``new`` one, else the standard input's first
    line. Raises :class:`UsageError` where the two are not one."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    said = getpass.getpass(f"{say('key.passphrase')} ")
    if new and getpass.getpass(f"{say('key.passphrase-again')} ") != said:
        raise UsageError("key.passphrases-differ")
    return said


def _owners(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
