"""From paths on the command line to a list of media: folders are walked, the program's own output is not."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import UsageError
from anonymizer.core.settings import Limits
from anonymizer.read.bundle.reader import expanded
from anonymizer.read.walk import PRIVATE, Passed, PassedOver, walk

RESULTS = frozenset({"ready", "review", "reports", PRIVATE})


@dataclass(frozen=True, slots=True)
class Inputs:
    """What lies in the given files and folders: the media to process, and all else with why it is not taken."""

    media: tuple[Path, ...]
    passed: tuple[PassedOver, ...] = ()


def collect(paths: Sequence[Path], out: Path, limits: Limits | None = None) -> Inputs:
    """Every file of these files and folders, in a stable order, and in place of a bundle its members.

    A file that is named is taken whatever it is (the road says what is wrong with it); of a folder, what
    :mod:`anonymizer.read.walk` takes. The output folder is left out. Bundles are opened under the ``limits``.
    Raises :class:`UsageError` where a path is missing, a folder holds no medium or, at whatever depth, cannot be read,
    or the output folder is one of the inputs.
    """
    media: dict[Path, None] = {}
    passed: dict[Path, PassedOver] = {}
    limits = limits or Limits()
    out = out.resolve()
    if within := results(out):
        raise UsageError("path.out-among-results", out=out, folder=within)
    for path in paths:
        try:
            for one in _found(path, out):
                if isinstance(one, PassedOver):
                    passed[one.path] = one
                else:
                    inside = expanded(one, limits, named=one == path)
                    media |= dict.fromkeys(inside.members)
                    passed |= {other.path: other for other in inside.passed}
        except (OSError, ValueError) as error:
            where = getattr(error, "filename", None) or path
            said = getattr(error, "strerror", None) or error
            raise UsageError("path.unreadable", path=where, cause=said) from error
    return Inputs(tuple(media), tuple(one for one in passed.values() if one.path not in media))


def _found(path: Path, out: Path) -> list[Path | PassedOver]:
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
    found = list(walk(path, lambda folder: folder.resolve() == out))
    if all(isinstance(one, PassedOver) and one.how is Passed.SKIPPED for one in found):
        raise UsageError("path.folder-empty", path=path)
    return found


def results(path: Path) -> Path | None:
    """The output folder among whose results an absolute path lies; None where it lies in none."""
    above = zip(path.parents, [path, *path.parents], strict=False)
    return next((out for out, below in above if below.name in RESULTS and (out / PRIVATE).is_dir()), None)
