"""Paths of members: how they continue their bundle's, and what a member is called."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

SUFFIXES = (".zip", ".pdf")
MOST_BYTES = 200
"""Of one part of a member's path: a folder's and a file's names may have 255 on every system."""
_PAGE = re.compile(r"page ([1-9]\d{0,5})(?: \(([1-9]\d{0,3})\))?")


class Member(NamedTuple):
    """A bundle that lies on the disk, and what one of its members is called in it."""

    bundle: Path
    label: str


def member(path: Path) -> Member | None:
    """The bundle and the label that a path names; None where it is no path of a member.

    Nothing lies at a member's own path, and the next thing above that is there is a regular file.
    """
    for above in (path, *path.parents):
        try:
            mode = above.lstat().st_mode
        except (OSError, ValueError):
            continue
        inside = above != path and stat.S_ISREG(mode)
        return Member(above, path.relative_to(above).as_posix()) if inside else None
    return None


def spoken(path: Path) -> str:
    """What a source is called among others: its name, of a member with its bundle's (``case.zip, IMG_2.jpg``)."""
    bundle = next((one for one in path.parents if one.suffix.casefold() in SUFFIXES), None)
    return f"{bundle.name}, {path.relative_to(bundle).as_posix()}" if bundle else path.name


def stem(path: Path) -> str:
    """The same without a suffix, for an output that is to keep its source's name."""
    bundle = next((one for one in path.parents if one.suffix.casefold() in SUFFIXES), None)
    return f"{bundle.stem} {path.stem}" if bundle else path.stem


def labels(names: Sequence[str]) -> list[str]:
    """What the members of an archive that have these names are called: a relative path each, no two the same.

    Whatever a name says, its label leads nowhere: no part of it is empty, ``.`` or ``..``, none holds a separator, a
    drive's colon or a character without a picture.
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        parts = [_part(part) for part in re.split(r"[/\\]", name) if part.strip(" .")]
        label = wanted = "/".join(parts) or "unnamed"
        number = 1
        while label in taken:
            number += 1
            path = PurePosixPath(wanted)
            label = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        taken.add(label)
        found.append(label)
    return found


def _part(text: str) -> str:
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in text)
    plain = plain.lstrip(" ").rstrip(" .") or "_"
    if len(plain.encode()) <= MOST_BYTES:
        return plain
    _, dot, tail = plain.rpartition(".")
    end = f"{dot}{tail}" if dot and len(tail) <= 5 else ""
    return plain.encode()[: MOST_BYTES - len(end.encode())].decode(errors="ignore").rstrip(" .") + end


def page_label(page: int, number: int = 0) -> str:
    """What a page is called, counted from 1; with a number, one of several pictures on it."""
    return f"page {page} ({number})" if number else f"page {page}"


def page_of(label: str) -> tuple[int, int] | None:
    """The page and the number in a label of :func:`page_label`; None in any other."""
    found = _PAGE.fullmatch(label)
    return (int(found[1]), int(found[2] or 0)) if found else None
