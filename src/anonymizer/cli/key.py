"""``anonymizer key``: show the key that signs, hand out its public half."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anonymizer.cli.options import takes_language
from anonymizer.cli.parser import Command, Group
from anonymizer.core.errors import UsageError

key = typer.Typer(name="key", cls=Group)


@key.callback()
@takes_language
def group() -> None:
    """The key that signs your reports: show it, hand out its public half."""


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
) -> None:
    """The public half, for whoever verifies your reports: anonymizer verify FILE --key PUB."""
    from anonymizer.core.signing import own_key

    content = own_key().pem()
    if file is None:
        print(content.decode(), end="")
        return
    try:
        with file.open("xb") as opened:
            opened.write(content)
    except FileExistsError as error:
        raise UsageError("key.exists", path=file) from error
    except OSError as error:
        raise UsageError("key.not-written", path=file, cause=error.strerror or error) from error
