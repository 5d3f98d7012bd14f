"""From what the road made of a medium to the report that is handed out with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Check, Evidence, Processed, Verdict
from anonymizer.core.version import __version__
from anonymizer.report.schema import (
    CheckRecord,
    CompanionRecord,
    EvidenceRecord,
    MediumRecord,
    ModelRecord,
    ProgramRecord,
    QuestionRecord,
    RegionRecord,
    Report,
)

LIBRARIES = ("av", "numpy", "opencv-python-headless", "openvino", "pillow", "pillow-heif", "zxing-cpp")
"""Libraries that took part in decoding, detecting or encoding."""

NOT_CHECKED = (
    Message("not-checked.scars"),
    Message("not-checked.sensor"),
    Message("not-checked.rare"),
    Message("not-checked.consent"),
)
NOT_CHECKED_CLIP = (Message("not-checked.gait"),)


def build(
    processed: Processed,
    settings: Settings,
    *,
    id: str,
    name: str,
    sha256: str,
    size: int,
    verdict: Verdict,
    reasons: Sequence[Message],
    checks: Sequence[Check],
    companion: CompanionRecord | None = None,
) -> Report:
    """The report on one written medium; ``sha256`` (hex) and ``size`` (bytes) are the written file's, ``companion``
    what lies beside it."""
    clip = processed.type == "clip"
    return Report(
        id=id,
        created=_created(settings),
        program=ProgramRecord(name="anonymizer", version=__version__, libraries=dict(_libraries())),
        medium=MediumRecord(
            name=name,
            type="clip" if clip else "photo",
            format=processed.format,
            width=processed.width,
            height=processed.height,
            bytes=size,
            sha256=sha256,
            frames=processed.frames,
            duration=processed.duration,
        ),
        companion=companion,
        verdict=verdict,
        reasons=list(reasons),
        questions=[
            QuestionRecord(
                message=one.message,
                kind=one.kind,
                hidden=one.hidden,
                box=(
                    round(one.box.x, 1),
                    round(one.box.y, 1),
                    round(one.box.right, 1),
                    round(one.box.bottom, 1),
                ),
                seconds=one.seconds,
            )
            for one in processed.questions
        ],
        notes=list(processed.notes) + ([Message("notes.name-kept")] if settings.keep_name else []),
        checks=[
            CheckRecord(name=c.name, result=c.result, evidence=c.evidence, data=dict(c.data)) for c in checks
        ],
        regions=_regions(processed),
        source_traces=sorted(processed.traces.kinds),
        models=[
            ModelRecord(name=m.name, sha256=m.sha256, licence=m.licence, device=m.device)
            for m in processed.models
        ],
        settings=settings.model_dump(mode="json", exclude={"limits", "crop"}),
        not_checked=[*NOT_CHECKED, *(NOT_CHECKED_CLIP if clip else ()), *_switched_off(settings)],
    )


def _created(settings: Settings) -> str:
    """This day, for the hour may tie a photo to a visit; this second where the settings ask for it. UTC, ISO 8601."""
    moment = datetime.now(UTC)
    return moment.isoformat(timespec="seconds") if settings.report_time else moment.date().isoformat()


def _switched_off(settings: Settings) -> list[Message]:
    off = []
    if not settings.faces:
        off.append(Message("not-checked.faces"))
    if settings.text == "none":
        off.append(Message("not-checked.text"))
    if settings.text == "identifying":
        off.append(Message("not-checked.identifying"))
    if not settings.codes:
        off.append(Message("not-checked.codes"))
    if not settings.marks:
        off.append(Message("not-checked.marks"))
    return off


def _regions(processed: Processed) -> list[RegionRecord]:
    photo = [
        RegionRecord(
            kind=v.kind, shape=v.shape, style=v.style, box=v.box, grid=v.grid, found_by=_evidence(v.evidence)
        )
        for v in processed.redactions
    ]
    tracks = [
        RegionRecord(
            kind=t.kind,
            shape=t.shape,
            style=t.style,
            box=t.box,
            grid=t.grid,
            found_by=_evidence(t.evidence),
            first_seconds=round(t.first, 3),
            last_seconds=round(t.last, 3),
            frames=t.frames,
            interpolated=t.interpolated,
            path=list(t.path),
        )
        for t in processed.tracks
    ]
    return photo + tracks


def _evidence(evidence: Sequence[Evidence]) -> list[EvidenceRecord]:
    return [EvidenceRecord(detector=e.detector, score=round(e.score, 3)) for e in evidence]


@cache
def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
