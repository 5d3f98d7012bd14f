"""From paths on the command line to a list of media: folders are walked, the program's own output is not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from anonymizer.core.errors import UsageError
from anonymizer.read.sniff import is_medium

IGNORED = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})
"""Files that systems put into photo folders by themselves; names starting with a dot are left out too."""

PRIVATE = ".anonymizer"
"""The private folder: what has one is an output folder."""
RESULTS = frozenset({"ready", "review", "reports", PRIVATE})


def collect(paths: Sequence[Path], out: Path) -> list[Path]:
    """Every medium to process, in a stable order.

    A file that is named is taken whatever it is (the road says what is wrong with it). In a folder, files
    whose content is no picture or clip are passed over, symbolic links are not followed, and the output
    folder is left out. Raises :class:`UsageError` where a path is missing, a folder holds no medium or, at
    whatever depth, cannot be read, or the output folder is one of the inputs.
    """
    found: list[Path] = []
    out = out.resolve()
    if within := results(out):
        raise UsageError("path.out-among-results", out=out, folder=within)
    for path in paths:
        try:
            found += _media(path, out)
        except (OSError, ValueError) as error:
            where = getattr(error, "filename", None) or path
            said = getattr(error, "strerror", None) or error
            raise UsageError("path.unreadable", path=where, cause=said) from error
    return list(dict.fromkeys(found))


def _media(path: Path, out: Path) -> list[Path]:
    if path.resolve() == out:
        raise UsageError("path.out-is-input", path=path)
    if results(path.resolve()) == out:
        raise UsageError("path.among-results", path=path)
    if path.is_symlink():
        return [path]
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError("path.missing", path=path) from error
    if not stat.S_ISDIR(mode):
        return [path]
    media = list(_walk(path, out))
    if not media:
        raise UsageError("path.folder-empty", path=path)
    return media


def results(path: Path) -> Path | None:
    """The output folder among whose results an absolute path lies; None where it lies in none."""
    above = zip(path.parents, [path, *path.parents], strict=False)
    return next((out for out, below in above if below.name in RESULTS and (out / PRIVATE).is_dir()), None)


def _walk(folder: Path, out: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        # Left out without a word, its photos would be missed by nobody.
        raise error

    for current, folders, names in os.walk(folder, onerror=refuse):
        here = Path(current)
        if here.resolve() == out or (here / PRIVATE).is_dir():
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or name.casefold() in IGNORED or path.is_symlink():
                continue
            if path.is_file() and is_medium(path):
                yield path
