"""What of a DICOM file identifies besides its picture: kinds by group, tag and value representation; strings."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pydicom
from pydicom.charset import decode_bytes
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag

from anonymizer.core.types import Traces
from anonymizer.read.traces.collector import TraceCollector

PATIENT = "DICOM patient data"
PEOPLE = "DICOM names of staff or institution"
DATES = "DICOM dates and times"
UIDS = "DICOM unique identifiers"
DESCRIPTIONS = "DICOM descriptions"
PRIVATE = "DICOM private data"
OVERLAY = "DICOM overlay"
OTHER = "other DICOM data"
_KINDS = {
    0x00080070: "device make and model",
    0x00081090: "device make and model",
    0x00181020: "software",
    0x00181000: "serial number",
    0x00181002: "serial number",
    0x00181010: "computer name",
    0x00081010: "computer name",
    0x00080080: PEOPLE,
    0x00080081: PEOPLE,
    0x00081040: PEOPLE,
    0x00080050: PATIENT,  # accession number
    0x00282000: "colour profile",
    0x00880200: "embedded thumbnail",
}
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_TEXT = frozenset({"LO", "SH", "PN", "LT", "ST", "UT", "UC", "UR", "DA", "DT", "TM", "UI", "AE"})
_BYTES = frozenset({"OB", "OW", "UN", "OB or OW", "US or OW", "OL", "OD", "OF", "OV"})
_STANDARD = "1.2.840.10008."
_DEPTH = 16
_BROKEN = (
    BytesLengthException,
    InvalidDicomError, ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, RuntimeError,
    NotImplementedError, ArithmeticError, AssertionError, struct.error, zlib.error,
)  # fmt: skip


def harvest(content: bytes) -> Traces:
    """The kinds of data the file holds about people and devices, and the strings to look for in outputs.

    Never raises on damaged bytes: what cannot be parsed is searched as plain bytes.
    """
    found = TraceCollector()
    if content[:128].strip(b"\0"):
        found.kind("unknown segment or chunk")
        found.binary(content[:128])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(content), force=True)
            _walk(dataset.file_meta, found, 0)
            _walk(dataset, found, 0)
        except _BROKEN:
            found.kind("damaged metadata")
            found.binary(content, 1 << 18)
    return Traces(tuple(found.kinds), frozenset(found.strings))


def _walk(dataset: Dataset, found: TraceCollector, depth: int) -> None:
    for tag in sorted(dataset.keys()):
        if tag in _PIXELS:
            continue
        try:
            element = dataset[tag]
        except _BROKEN:
            # A value that does not fit its representation still is what somebody wrote.
            found.kind("damaged metadata")
            found.binary(bytes(getattr(dataset.get_item(tag), "value", b"") or b""))
            continue
        if element.VR == "SQ":
            _kind(element, found)
            for item in element.value if depth < _DEPTH else ():
                _walk(item, found, depth + 1)
        elif not element.is_empty:
            _kind(element, found)
            _strings(element, dataset, found)


def _kind(element: DataElement, found: TraceCollector) -> None:
    tag: BaseTag = element.tag
    values = list(_values(element))
    if int(tag) in _KINDS:
        found.kind(_KINDS[int(tag)])
    elif tag.group == 0x0010 and element.VR != "SQ":
        found.kind(PATIENT)
    elif tag.is_private:
        found.kind(PRIVATE)
    elif 0x6000 <= tag.group <= 0x601E:
        found.kind(OVERLAY)
    elif element.VR == "PN":
        found.kind(PEOPLE)
    elif element.VR in ("DA", "DT", "TM"):
        found.kind(DATES)
    elif element.VR == "UI" and any(not str(v).startswith(_STANDARD) for v in values):
        found.kind(UIDS)
    elif element.VR in ("LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE"):
        found.kind(DESCRIPTIONS)
    elif element.VR in _BYTES and tag.group not in (0x0002, 0x0028):
        found.kind(OTHER)


def _strings(element: DataElement, dataset: Dataset, found: TraceCollector) -> None:
    if element.VR in _TEXT:
        for value in _values(element):
            text = str(value)
            if text.startswith(_STANDARD):
                continue
            found.text(text)
            if element.VR == "PN":
                # "Doe^John=…": its parts, and as people write it.
                for group in text.split("="):
                    parts = [part for part in group.split("^") if part]
                    for words in (parts, reversed(parts)):
                        found.text(" ".join(words))
                    found.text(", ".join(parts))
    elif element.VR in _BYTES:
        for value in _values(element):
            if isinstance(value, bytes):
                found.binary(value)
                if len(value) < 1 << 12:
                    found.text(_decoded(value, dataset))


def _decoded(value: bytes, dataset: Dataset) -> str:
    """A short value of unknown representation in the file's own character set."""
    encodings = dataset._character_set
    chosen = [encodings] if isinstance(encodings, str) else list(encodings or ["latin-1"])
    try:
        text = decode_bytes(value, chosen, {0x5C, 0x0A, 0x0C, 0x0D})
    except _BROKEN:
        return ""
    return text if text.isprintable() else ""


def _values(element: DataElement) -> Iterator[Any]:
    value = element.value
    if isinstance(value, str | bytes) or not isinstance(value, Iterable) or element.VR == "PN":
        yield from value if isinstance(value, pydicom.multival.MultiValue) else (value,)
    else:
        yield from value
