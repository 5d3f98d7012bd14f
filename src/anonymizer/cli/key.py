"""``anonymizer key``: show the key that signs, hand out its public half."""

from __future__ import annotations

from pathlib import Path

import click

from anonymizer.cli.options import PATH, lang_option
from anonymizer.cli.parser import Group, argument
from anonymizer.core.errors import UsageError


@click.group(cls=Group)
@lang_option
def key() -> None:
    """The key that signs your reports: show it, hand out its public half."""


@key.command("show")
@lang_option
def show() -> None:
    """The key's id and the place of its private half; made now if there is none yet."""
    from anonymizer.core.signing import key_path, own_key

    print(f"{own_key().id}  {key_path()}")


@key.command("export")
@argument(
    "file",
    type=PATH,
    required=False,
    metavar="[FILE]",
    help="Where to write it; default: standard output.",
)
@lang_option
def export(file: Path | None) -> None:
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
