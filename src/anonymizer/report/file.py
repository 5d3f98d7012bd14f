"""A report as the two files that are handed out: the signed JSON, and the page whose hash stands in it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from anonymizer.core import signing as sign
from anonymizer.core.signing import Key, PublicKeys, SignatureStatus
from anonymizer.report.page import render
from anonymizer.report.schema import Report, SignatureRecord

PURPOSE = "report"


@dataclass(frozen=True, slots=True)
class ReadReport:
    """A report as it stands on the disk, and what its signature says of it."""

    report: Report
    signature: SignatureStatus

    @property
    def signed(self) -> bool:
        return self.report.signature is not None


def signed_files(report: Report, contact_sheet: bytes, key: Key) -> dict[str, bytes]:
    """The files of a report, by suffix: ``json``, signed, and ``html``. The same report gives the same bytes."""
    unsigned = SignatureRecord(algorithm=sign.ALGORITHM, key=key.id, value="")
    report = report.model_copy(update={"signature": unsigned, "page_sha256": ""})
    page = render(report, contact_sheet).encode()
    report = report.model_copy(update={"page_sha256": hashlib.sha256(page).hexdigest()})
    document = sign.signed(json.loads(report.model_dump_json()), PURPOSE, key)
    return {"json": sign.as_file(document), "html": page}


def read(content: bytes, keys: PublicKeys) -> ReadReport:
    """A report from its JSON. Raises ValueError where it is none, or one of another version."""
    try:
        report = Report.model_validate_json(content)
    except ValidationError as error:
        raise ValueError("not a report") from error
    return ReadReport(report, sign.file_signature_status(content, PURPOSE, keys))
