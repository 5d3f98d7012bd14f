"""What lies in a folder, and what of it is taken: one list of rules for every way in.

Each file ends as one of three: a medium that goes down the road; not taken, with what it is and what to do about it; or
skipped by a rule (hidden, the system's own, a bin, temporary). Nothing is left out without a word.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from anonymizer.core.errors import DamagedError, UnreadableError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read.sniff import HEAD, looks_like, open_regular, sniff, suffix_of_medium

PRIVATE = ".anonymizer"
"""The private folder: what has one is an output folder."""

BIN = Message("input.bin")
OWN = Message("input.system")
HIDDEN = Message("input.hidden")
TEMPORARY = Message("input.temporary")
RESULTS = Message("input.output")
LINK = Message("input.link")
SPECIAL = Message("input.irregular")

_BIN_FOLDERS = frozenset(
    {"#recycle", "@recycle", "$recycle.bin", "recycler", "recycled", ".trash", ".trashes"}
)
"""Of Synology, QNAP, Windows, macOS; ``.Trash-1000`` of Linux desktops by its beginning."""
_SYSTEM_FOLDERS = frozenset(
    {
        *(
            "@eadir",
            "@tmp",
            "@sharebin",
            "#snapshot",
            "lost+found",
            "__macosx",
            ".thumbnails",
            "thumbnails.db",
        ),
        *("system volume information", "network trash folder", "temporary items", ".appledouble"),
    }
)
"""Folders that systems and network storage keep for themselves; thumbnails among them."""
_SYSTEM_FILES = frozenset(
    {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", ".ds_store", "icon\r"}
)
APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0"
"""How an AppleDouble file begins (RFC 1740, appendix B): its magic number, and version 2."""
_TEMPORARY = re.compile(
    r"""
      .*\.(part|partial|crdownload|download|opdownload|filepart|tmp|temp|icloud|aria2|upload|uploading
          |!ut|!qb|!sync|bts|swp|lock|lck|incomplete|unfinished|syncing|~tmp)
    | ~\$.* | .*~
    | .*\.part\.[^.]+ | .*\.crdownload\.[^.]+
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
"""Names that browsers, office programs, copy programs and clouds give a file until it is finished."""


class Passed(StrEnum):
    """What became of a file that is not processed."""

    NOT_TAKEN = "not taken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file that is not processed, or a folder with all that is in it.

    ``media`` is true where it is, or may be, a photo or clip: somebody would miss it.
    """

    path: Path
    how: Passed
    reason: Message
    media: bool = False


def skips_folder(name: str) -> Message | None:
    """The rule by which a folder of this name is not entered; None if none."""
    folded = name.casefold()
    if folded in _BIN_FOLDERS or folded.startswith(".trash-"):
        return BIN
    if folded in _SYSTEM_FOLDERS:
        return OWN
    return HIDDEN if name.startswith(".") else None


def skips_file(name: str) -> Message | None:
    """The rule by which a file of this name is not taken, temporary names apart; None if none.

    Names that no person gave: hidden files (``._x``, ``.DS_Store``, rsync's ``.x.Ab12``), ``Thumbs.db``.
    """
    if name.casefold() in _SYSTEM_FILES:
        return OWN
    return HIDDEN if name.startswith(".") else None


def is_system_file(path: Path) -> bool:
    """Whether a file is one that a system keeps for itself beside others': ``Thumbs.db``, ``.DS_Store`` and their like,
    and the ``._x`` in which a Mac keeps beside ``x`` what a foreign disk has no place for.

    A link, a photo or clip of whatever kind, and what cannot be read is none, however it is called.
    """
    beside = path.name.startswith("._")
    if not beside and path.name.casefold() not in _SYSTEM_FILES:
        return False
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with open_regular(path) as file:
            head = file.read(HEAD)
    except (OSError, UnreadableError):
        return False
    if beside:
        return head.startswith(APPLE_DOUBLE)
    found = foreign(path, head)
    return found is not None and not found.media


def is_temporary(name: str) -> bool:
    """Whether a file has a name that says: not finished."""
    return _TEMPORARY.fullmatch(name) is not None


def judge(path: Path, mode: int | None = None) -> PassedOver | None:
    """Why a file is not taken; None where it is. ``mode`` is that of its lstat, where it is known already.

    A file whose name says picture is taken whatever it holds: the road says what is wrong with it.
    """
    if rule := skips_file(path.name):
        return PassedOver(path, Passed.SKIPPED, rule)
    if is_temporary(path.name):
        return PassedOver(path, Passed.SKIPPED, TEMPORARY, suffix_of_medium(path))
    if mode is None:
        mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return PassedOver(path, Passed.NOT_TAKEN, LINK, suffix_of_medium(path))
    if not stat.S_ISREG(mode):
        return PassedOver(path, Passed.SKIPPED, SPECIAL)
    return None if suffix_of_medium(path) else not_taken(path)


def not_taken(path: Path) -> PassedOver | None:
    """Why the content of a regular file is not taken; None where it is a photo or a clip."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except UnreadableError as error:
        # Whatever it is, somebody may miss it.
        return PassedOver(path, Passed.NOT_TAKEN, error.message, media=True)
    return foreign(path, head)


def foreign(path: Path, head: bytes) -> PassedOver | None:
    """Why a file that begins with these bytes is not taken; None where it is a photo or a clip."""
    try:
        sniff(head)
    except UnsupportedError:
        looks, media = looks_like(head, path.suffix)
        said = (
            Message("input.export", what=Message(looks))
            if media
            else Message("input.foreign", what=Message(looks))
        )
        return PassedOver(path, Passed.NOT_TAKEN, said, media)
    except DamagedError:
        return PassedOver(path, Passed.NOT_TAKEN, Message("input.empty"), suffix_of_medium(path))
    return None


def walk(top: Path, skip: Callable[[Path], bool] = lambda folder: False) -> Iterator[Path | PassedOver]:
    """Everything in and below a folder, in a stable order: media as paths, all else with why it is not taken.

    Links are not followed, output folders of this program and what ``skip`` names not entered. Raises OSError where
    a folder cannot be listed.
    """
    if (top / PRIVATE).is_dir():
        yield PassedOver(top, Passed.SKIPPED, RESULTS)
        return
    folders = [top]
    while folders:
        here = folders.pop()
        with os.scandir(here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        inside = []
        for entry in found:
            path = here / entry.name
            if not entry.is_dir(follow_symlinks=False):
                yield judge(path, entry.stat(follow_symlinks=False).st_mode) or path
            elif rule := skips_folder(entry.name):
                yield PassedOver(path, Passed.SKIPPED, rule)
            elif skip(path) or (path / PRIVATE).is_dir():
                yield PassedOver(path, Passed.SKIPPED, RESULTS)
            else:
                inside.append(path)
        folders += reversed(inside)
