"""A photo and a clip taken as one: Live Photos (two files of one name) and motion photos (a clip in the photo)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anonymizer.core.message import Message

_STILLS = (".heic", ".heif", ".jpg", ".jpeg")
_CLIPS = (".mov",)
MOTION = "motion photo video"
"""The kind of trace that a motion photo's clip is."""


def notes(path: Path, kinds: Sequence[str]) -> tuple[Message, ...]:
    """What is said of a source at this path, whose traces are of these kinds, and of its other half."""
    said = []
    if MOTION in kinds:
        said.append(Message("together.inside"))
    suffix = path.suffix.casefold()
    if suffix in _STILLS and _beside(path, _CLIPS):
        said.append(Message("together.clip"))
    elif suffix in _CLIPS and _beside(path, _STILLS):
        said.append(Message("together.photo"))
    return tuple(said)


def _beside(path: Path, suffixes: Sequence[str]) -> bool:
    """Whether a file of this name, but for its suffix, lies in the same folder."""
    try:
        return any(path.with_suffix(form).is_file() for one in suffixes for form in (one, one.upper()))
    except OSError:
        return False
