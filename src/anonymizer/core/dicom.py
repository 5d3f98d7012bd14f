"""What a de-identified DICOM may still say of its source: a few words of the standard's own lists, two numbers, and
identifiers that nobody can lead back."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MODALITIES = (
    "AR BDUS BI BMD CR CT DG DMS DX ECG EPS ES FID GM HD IO IVOCT IVUS KER LEN LS MG MR NM OAM OCT OP OPM OPT OPTBSV "
    "OPTENF OPV OSS OT PT PX RF RG SM TG US VA XA XC"
)
_PAIRED = (
    "ANKLE ARM AXILLA BREAST BUTTOCK CALCANEUS CALF CAROTID CHEEK CLAVICLE CORNEA EAR ELBOW EXTREMITY EYE EYELID "
    "FEMUR FINGER FOOT FOREARM HAND HIP HUMERUS IAC KIDNEY KNEE LEG LUNG MANDIBLE ORBIT OVARY PAROTID PATELLA RIB "
    "SACRUM SCAPULA SCROTUM SHOULDER SIJOINT TEETH TESTIS THIGH THUMB TMJ TOE TOOTH WRIST ZYGOMA"
)
_SINGLE = (
    "ABDOMEN ABDOMENPELVIS AORTA BACK BLADDER BRAIN CHEST COCCYX COLON CORONARYARTERY CSPINE CTSPINE ESOPHAGUS FACE "
    "GALLBLADDER HEAD HEADNECK HEART JAW LARYNX LIVER LSPINE LSSPINE MAXILLA MEDIASTINUM MOUTH NECK NOSE PANCREAS "
    "PELVIS PENIS PHARYNX PROSTATE RECTUM SCALP SKULL SPINE SPLEEN SSPINE STERNUM STOMACH THYROID TLSPINE TONGUE "
    "TRACHEA TSPINE UTERUS VULVA WHOLEBODY"
)
MODALITIES = frozenset(_MODALITIES.split())
"""Kinds of equipment (PS3.3, C.7.3.1.1.1)."""
PAIRED = frozenset(_PAIRED.split())
"""Parts of the body of which there is a left and a right one: a file says which, if only that it does not know."""
BODY_PARTS = PAIRED | frozenset(_SINGLE.split())
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
