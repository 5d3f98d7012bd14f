"""Files of an output folder: their names, their hashes, and how they come to stand there whole and durable."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import unicodedata
from pathlib import Path

from anonymizer.core import durable
from anonymizer.gate.permissions import restrict, widen

NEUTRAL_TIME = 946_684_800
"""Modification time of every output: 2000-01-01T00:00:00Z, seconds."""
ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 12
"""12 of 32 characters: 60 random bits, so that an id says nothing and two never meet."""
COMPANION = ".dcm"
"""Suffix of the DICOM beside a picture."""
_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")


def new_id() -> str:
    """A random id for one output."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def is_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None


def companion_of(medium: Path) -> Path:
    """Where the DICOM of a picture stands: beside it, under the same name."""
    return medium.with_name(f"{medium.name.rpartition('.')[0]}{COMPANION}")


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(*contents: bytes) -> str:
    """SHA-256 (hex) of several contents in their order: of the two files of a report."""
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


def safe_name(name: str) -> str:
    """A source's stem made safe to write on every system, for ``keep_name`` alone."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    text = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ" or c == " ")
    text = re.sub(r'[<>:"/\\|?*]', "_", text).strip(" .").lstrip("-")[:100]
    reserved = re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text)
    return f"_{text}" if reserved else text or "unnamed"


def place(staged: Path, final: Path, mode: int) -> None:
    """Move a file to a name that nothing has yet, and give it a mode; FileExistsError where something has the name.

    A hard link claims the name and fails where it exists, which a rename does not; where the volume has
    no links, an exclusively created empty file claims it.
    """
    restrict(staged, mode)
    try:
        os.link(staged, final)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(final, os.O_CREAT | os.O_EXCL, durable.PRIVATE))
        try:
            staged.replace(final)
        except BaseException:
            final.unlink(missing_ok=True)
            raise
    else:
        staged.unlink()
    widen(final, mode)
