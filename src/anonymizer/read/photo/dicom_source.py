"""What of a DICOM file its de-identified copy may be made of, as plain text: the child's side, which parses it."""

from __future__ import annotations

from pydicom.dataset import Dataset

_NAMES = {
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instance": "SOPInstanceUID",
    "modality": "Modality",
    "body_part": "BodyPartExamined",
    "side": "Laterality",
    "orientation": "PatientOrientation",
    "series_number": "SeriesNumber",
    "number": "InstanceNumber",
}


def told(dataset: Dataset) -> dict[str, str]:
    """Its elements by the names of :class:`anonymizer.core.dicom.DicomSource`; what cannot be read is not there."""
    found = {}
    for name, keyword in _NAMES.items():
        found[name] = _text(dataset, keyword)
    # A picture's own side stands before that of its series.
    found["side"] = _text(dataset, "ImageLaterality") or found["side"]
    return found


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
        several = isinstance(value, list | tuple) or (value is not None and hasattr(value, "__iter__"))
        text = "\\".join(map(str, value)) if several and not isinstance(value, str) else str(value)
    except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, ArithmeticError):
        return ""
    return "" if value is None else text.strip("\0 ")
