"""What a de-identified DICOM may still say of its source: a few words of the standard's own lists, two numbers, and
identifiers that nobody can lead back."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODALITIES = (
    "AR BDUS BI BMD CR CT DG DMS DX ECG EPS ES FID GM HD IO IVOCT IVUS KER LEN LS MG MR NM OAM OCT OP OPM OPT OPTBSV "
    "OPTENF OPV OSS OT PT PX RF RG SM TG US VA XA XC"
)
_BODY_PARTS = (
    "ABDOMEN ABDOMENPELVIS ANKLE AORTA ARM AXILLA BACK BLADDER BRAIN BREAST BUTTOCK CALCANEUS CALF CAROTID CHEEK CHEST "
    "CLAVICLE COCCYX COLON CORNEA CORONARYARTERY CSPINE CTSPINE EAR ELBOW ESOPHAGUS EXTREMITY EYE EYELID FACE FEMUR "
    "FINGER FOOT FOREARM GALLBLADDER HAND HEAD HEADNECK HEART HIP HUMERUS IAC JAW KIDNEY KNEE LARYNX LEG LIVER LSPINE "
    "LSSPINE LUNG MANDIBLE MAXILLA MEDIASTINUM MOUTH NECK NOSE ORBIT OVARY PANCREAS PAROTID PATELLA PELVIS PENIS "
    "PHARYNX PROSTATE RECTUM RIB SACRUM SCALP SCAPULA SCROTUM SHOULDER SIJOINT SKULL SPINE SPLEEN SSPINE STERNUM "
    "STOMACH TEETH TESTIS THIGH THUMB THYROID TLSPINE TMJ TOE TONGUE TOOTH TRACHEA TSPINE UTERUS VULVA WHOLEBODY WRIST "
    "ZYGOMA"
)
MODALITIES = frozenset(_MODALITIES.split())
"""Kinds of equipment (PS3.3, C.7.3.1.1.1)."""
BODY_PARTS = frozenset(_BODY_PARTS.split())
"""Parts of the body (PS3.16, annex L), and teeth."""
SIDES = frozenset("LR")
ORIENTATION = re.compile(r"[APRLHF]{1,3}\\[APRLHF]{1,3}")
"""Where the rows and the columns of a picture lead (PS3.3, C.7.6.1.1.1)."""
NUMBER = re.compile(r"[0-9]{1,4}")
"""A number of a series or a picture: where there are more digits, it may be a date or an order's number."""


@dataclass(frozen=True, slots=True)
class DicomSource:
    """What a DICOM source says of itself that its de-identified copy is made of.

    ``study``, ``series`` and ``instance`` are its own unique identifiers, or empty: they are never written, only what
    follows from them and a secret. All else is written as it stands here; empty or None where the source says nothing,
    or another thing than the standard's lists have.
    """

    study: str = ""
    series: str = ""
    instance: str = ""
    modality: str = ""
    body_part: str = ""
    side: str = ""
    orientation: str = ""
    series_number: int | None = None
    number: int | None = None
