"""From paths on the command line to a list of media: folders are walked, the program's own output is not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from anonymizer.errors import UsageError
from anonymizer.media.sniff import is_medium

IGNORED = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})
"""Files that systems put into photo folders by themselves; names starting with a dot are left out too."""


def collect(paths: Sequence[Path], out: Path) -> list[Path]:
    """Every medium to process, in a stable order.

    A file that is named is taken whatever it is (the road says what is wrong with it). In a folder, files
    whose content is no picture or clip are passed over, symbolic links are not followed, and the output
    folder is left out. Raises :class:`UsageError` where a path is missing, a folder holds no medium, or
    the output folder is one of the inputs.
    """
    found: list[Path] = []
    out = out.resolve()
    for path in paths:
        if path.resolve() == out:
            raise UsageError(f"The output folder {path} is also an input; choose another folder with --out.")
        if path.is_dir() and not path.is_symlink():
            media = list(_walk(path, out))
            if not media:
                raise UsageError(f"The folder {path} holds no photo and no clip; nothing was done.")
            found += media
        elif path.is_symlink() or path.exists():
            found.append(path)
        else:
            raise UsageError(f"{path} does not exist; check the path.")
    return list(dict.fromkeys(found))


def _walk(folder: Path, out: Path) -> Iterator[Path]:
    for current, folders, names in os.walk(folder):
        here = Path(current)
        if here.resolve() == out or (here / ".anonymizer").is_dir():
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or name.casefold() in IGNORED or path.is_symlink():
                continue
            if path.is_file() and is_medium(path):
                yield path
