"""The de-identified DICOM beside a picture: made of the examined picture itself, and examined like it.

It is made where the output folder is, not where a picture is worked on: on a cluster too, all identifiers follow from
one secret, and what belonged to one study still does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.message import Message
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Check, Processed
from anonymizer.gate.files import companion_of
from anonymizer.verify import dicom as audit


@dataclass(frozen=True, slots=True)
class Companion:
    """A staged DICOM and what its examination found."""

    path: Path
    checks: tuple[Check, ...]


def wanted(processed: Processed, settings: Settings) -> bool:
    """Whether a DICOM is to lie beside a medium: it was asked for, and the source is one."""
    return settings.dicom and processed.dicom is not None


def notes(processed: Processed, settings: Settings) -> list[Message]:
    """What a reader of the report should know of the DICOM that was asked for."""
    if not settings.dicom:
        return []
    if processed.dicom is None:
        return [Message("notes.dicom-clip" if processed.type == "clip" else "notes.dicom-none")]
    return [Message("notes.dicom")]


def make(processed: Processed, settings: Settings, sha256: str, secret: bytes) -> Companion:
    """Write the DICOM beside a staged picture, and examine it; ``sha256`` (hex) is the source's.

    Raises :class:`anonymizer.core.errors.OutputError` where it cannot be written.
    """
    # Imported here: whoever does not ask for a DICOM need not wait for pydicom.
    from anonymizer.write.dicom import write_dicom

    assert processed.dicom
    picture = processed.path.read_bytes()
    path = companion_of(processed.path)
    path.unlink(missing_ok=True)
    write_dicom(
        picture,
        (processed.width, processed.height),
        processed.dicom,
        sha256,
        secret,
        path,
        words_hidden=settings.text is not TextPolicy.NONE,
    )
    return Companion(path, tuple(audit.examine(path, picture, processed.traces.strings)))
