"""Independent checks on the written bytes, by code that shares nothing with the writer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.kept import KeptArea
from anonymizer.core.message import Message
from anonymizer.core.types import Check, Pixels, Redaction, Result, Traces
from anonymizer.verify import background, canary, dicom, exiftool, integrity, jpeg, naming, png, strength
from anonymizer.verify.jpeg import StructureError

WALKERS: dict[str, Callable[[bytes], dict[str, int]]] = {"JPEG": jpeg.walk, "PNG": png.walk}
"""The structure audit of each format that is written."""

KEPT_RIM = 2
"""Pixels about what was kept in view that are not measured in a JPEG: at quality 70 its edge reaches so far."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the written photo must be, by what the road did: ``size`` is (width, height) in pixels.

    ``source`` is the picture that was redacted: what a redaction still says about it is measured.
    """

    format: str
    size: tuple[int, int]
    redactions: Sequence[Redaction]
    kept: Sequence[KeptArea]
    source_sha256: str
    traces: Traces
    keep_name: bool
    bound: strength.Bound
    source: Pixels
    replaced: background.Replaced | None = None
    """What of it must be replaced, where the room was."""


def decode(path: Path) -> Pixels:
    """The written photo as others will see it, for the residual search; an empty array if it does not
    decode, which the integrity check then says."""
    return integrity.decoded(path.read_bytes())


def examine(
    path: Path, expected: Expected, pixels: Pixels, tool: exiftool.KeptOpen | None = None
) -> list[Check]:
    """Every check of a photo that can be made without a detector, in the order of the report.

    ``pixels`` is what :func:`decode` gave for this path; ``tool`` an ExifTool that is running already.
    """
    data = path.read_bytes()
    second_opinion = tool.start(data, path) if tool else exiftool.start(path)
    # A clean picture in which nothing is to be hidden, an output given again, is written as the very bytes that it was;
    # that these are clean the other checks say.
    same = bool(expected.redactions) and hashlib.sha256(data).hexdigest() == expected.source_sha256
    checks = [structure(data, expected.format), integrity.check(data, pixels, expected.size, same)]
    if pixels.size:
        checks.append(
            strength.check(
                pixels,
                expected.redactions,
                expected.kept,
                expected.bound,
                strength.brightness(expected.source, expected.redactions),
                rim=KEPT_RIM if expected.format == "JPEG" else 0,
            )
        )
    if pixels.size and expected.replaced:
        exact = expected.format == "PNG"
        checks.append(
            background.check(pixels, expected.replaced, expected.redactions, expected.kept, exact=exact)
        )
    checks.append(naming.check(path, expected.keep_name))
    checks.append(canary.check("canaries", data, expected.traces.strings))
    checks.append(second_opinion())
    return checks


def audit(
    path: Path,
    keep_name: bool = False,
    standing: naming.Standing = naming.Standing.NEW,
    tool: exiftool.KeptOpen | None = None,
) -> list[Check]:
    """What a published photo, clip or DICOM can be asked with neither source nor report at hand; ``tool`` as of
    :func:`examine`."""
    with path.open("rb") as file:
        head = file.read(132)
    if head[4:8] == b"ftyp":
        # Imported here: photos do not need the second reader.
        from anonymizer.verify import clip

        return clip.audit(path, keep_name, standing)
    if head[128:] == b"DICM":
        return dicom.audit(path, keep_name, standing)
    data = path.read_bytes()
    second_opinion = tool.start(data, path) if tool else exiftool.start(path)
    form = "PNG" if data.startswith(png.SIGNATURE) else "JPEG"
    pixels = integrity.decoded(data)
    checks = [structure(data, form), integrity.check(data, pixels, None, same=False)]
    return [*checks, naming.check(path, keep_name, standing), second_opinion()]


def structure(data: bytes, form: str) -> Check:
    """The structure audit as a check."""
    try:
        facts = WALKERS[form](data)
    except StructureError as error:
        return Check("structure", Result.FAIL, Message("check.structure.failed", format=form, why=error))
    said = Message("check.structure.photo-passed", format=form)
    return Check("structure", Result.PASS, said, facts)


def scan_bytes(data: bytes, strings: frozenset[str]) -> Check:
    """The canary scan over any bytes; see :mod:`anonymizer.verify.canary`."""
    return canary.check("canaries", data, strings)
