"""The de-identified DICOM beside a picture: a Secondary Capture with that very picture in it, and what PS3.15's Basic
Application Level Confidentiality Profile leaves.

Nothing is taken off a source's data set: a new one is made, of the attributes of :class:`DicomSource`, constants, and
what follows from the picture. It is a Secondary Capture (PS3.3, A.8) whatever the source was, because that is what a
picture of 8 bits with places drawn over is: as a CT or a radiograph its numbers would be taken for measured ones.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, JPEGBaseline8Bit, SecondaryCaptureImageStorage

from anonymizer.core.dicom import PAIRED, DicomSource
from anonymizer.core.durable import new_file, sync
from anonymizer.write.photo import failed, neutralise

PROGRAM = UID("2.25.201751467676818727946366965549693846293")
"""What wrote the file (Implementation Class UID): this program, in any version."""
NAME = "ANONYMIZER"
METHOD = "PS3.15 Basic Application Level Confidentiality Profile"
PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
"""Codes of PS3.16, CID 7050. "Clean Descriptors" (113105) is not among them: no description is kept, cleaned or not."""
EMPTY = ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientName", "PatientBirthDate",
         "PatientSex", "StudyID")  # fmt: skip
"""What a Secondary Capture must have and the profile empties (its action Z)."""


def write_dicom(
    picture: bytes,
    size: tuple[int, int],
    source: DicomSource,
    source_sha256: str,
    secret: bytes,
    path: Path,
    *,
    words_hidden: bool,
) -> None:
    """Write a picture, a baseline JPEG of ``size`` (width, height) in three components, as a DICOM file.

    ``source_sha256`` (hex) is that of the source's content, ``secret`` the installation's, from which the new
    identifiers follow: what belonged to one study or series still does, and nobody else can say to which.
    ``words_hidden`` tells whether the picture was searched for text, which is then said of its pixels. ``path`` must
    not exist yet; on any failure it is removed. Raises :class:`anonymizer.core.errors.OutputError`. No JPEG has a side
    that is too long for DICOM.
    """
    data = _dataset(picture, size, source, source_sha256, secret, words_hidden=words_hidden)
    buffer = io.BytesIO()
    dcmwrite(buffer, data, enforce_file_format=True)
    try:
        with new_file(path) as file:
            file.write(buffer.getbuffer())
            # Whatever is written later would set its time anew.
            sync(file)
            neutralise(path)
    except OSError as error:
        raise failed(error) from error


def _dataset(
    picture: bytes,
    size: tuple[int, int],
    source: DicomSource,
    source_sha256: str,
    secret: bytes,
    *,
    words_hidden: bool,
) -> Dataset:
    # What says nothing of itself is a study of its own.
    study = source.study or f"study of {source_sha256}"
    series = f"{study} {source.series or f'series of {source_sha256}'}"
    instance = f"{source.instance} {source_sha256} {hashlib.sha256(picture).hexdigest()}"
    data = Dataset()
    for name in EMPTY:
        setattr(data, name, "")
    data.SOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = _identifier(secret, "instance", instance)
    data.StudyInstanceUID = _identifier(secret, "study", study)
    data.SeriesInstanceUID = _identifier(secret, "series", series)
    # Of the study, not of the patient: two studies are not led back to one person, nor two persons taken for one.
    data.PatientID = base64.b32encode(_keyed(secret, "patient", study)[:10]).decode()
    data.ImageType = ["DERIVED", "SECONDARY"]
    data.Modality = source.modality or "OT"
    data.ConversionType = "WSD"
    data.SeriesNumber, data.InstanceNumber = source.series_number, source.number
    data.PatientOrientation = source.orientation.split("\\") if source.orientation else ""
    if source.body_part:
        data.BodyPartExamined = source.body_part
    if source.side:
        data.ImageLaterality = source.side
    elif not source.body_part or source.body_part in PAIRED:
        # PS3.3, C.7.3.1: not there of a part that has no side, empty where the side is not known.
        data.Laterality = ""
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = METHOD
    codes = (PROFILE, CLEAN_PIXELS) if words_hidden else (PROFILE,)
    data.DeidentificationMethodCodeSequence = [_code(*code) for code in codes]
    data.LongitudinalTemporalInformationModified = "REMOVED"
    if words_hidden:
        data.BurnedInAnnotation = "NO"
    _pixels(data, picture, size)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.file_meta.ImplementationClassUID = PROGRAM
    data.file_meta.ImplementationVersionName = NAME
    return data


def _pixels(data: Dataset, picture: bytes, size: tuple[int, int]) -> None:
    data.Columns, data.Rows = size
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    # PS3.3, C.7.6.3.1.2: so of every JPEG in YCbCr, whichever way its colours are sampled.
    data.PhotometricInterpretation = "YBR_FULL_422"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    data.LossyImageCompression = "01"
    data.LossyImageCompressionRatio = f"{3 * size[0] * size[1] / len(picture):.2f}"
    data.LossyImageCompressionMethod = "ISO_10918_1"
    data.PixelData = encapsulate([picture], has_bot=False)
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _keyed(secret: bytes, what: str, text: str) -> bytes:
    """32 bytes that follow from a text, for who has the secret."""
    return hmac.new(secret, f"anonymizer DICOM {what}\0{text}".encode(), hashlib.sha256).digest()


def _identifier(secret: bytes, what: str, text: str) -> UID:
    """A unique identifier made of a UUID (PS3.5, B.2) of 121 bits of ours (RFC 9562, version 8): always 39 digits."""
    value = int.from_bytes(_keyed(secret, what, text)[:16]) | 1 << 127
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(3 << 62) | 2 << 62
    return UID(f"2.25.{value}")
