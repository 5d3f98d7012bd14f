"""The verification report's schema, version 2.

A report is handed out with its medium, so nothing here may come from the source: no name, no time, no
hash, no value of a tag. What the source held is said by kind ("GPS position"), never by value.

What it says is messages, codes with values (:mod:`anonymizer.core.message`); the page beside it has the sentences.
Version 1 had the sentences themselves: such a report is read, and what it says is told as it stands there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from anonymizer.core.message import Message, as_json, from_json
from anonymizer.core.types import Kind, QuestionKind, Result, Shape, Style, Verdict


class _MessageSchema:
    """How a message stands in the JSON; without it pydantic would look into the message itself."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            from_json, serialization=core_schema.plain_serializer_function_ser_schema(as_json)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"code": {"type": "string"}, "values": {"type": "object"}},
            "required": ["code", "values"],
        }


Said = Annotated[Message, _MessageSchema]
"""A message: ``{"code": "clip.broken-off", "values": {"count": 12}}``. A box among its values is an object of ``x``,
``y``, ``w``, ``h`` in pixels, a message in it an object like itself."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProgramRecord(_Record):
    """Which program wrote the report, and the libraries that decoded, detected and encoded."""

    name: str
    version: str
    libraries: dict[str, str]


class MediumRecord(_Record):
    """The written file. ``name`` is its neutral name; sizes in pixels and bytes; ``duration`` in seconds."""

    name: str
    type: Literal["photo", "clip"]
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    frames: int = 1
    duration: float | None = None


class CompanionRecord(_Record):
    """The de-identified DICOM beside a photo, of the same pixels: its name is the medium's but for the suffix."""

    name: str
    format: Literal["DICOM"] = "DICOM"
    bytes: int
    sha256: str


class EvidenceRecord(_Record):
    detector: str
    score: float


class RegionRecord(_Record):
    """A redacted region of the output, ``box`` = left, top, right, bottom in whole pixels."""

    kind: Kind
    shape: Shape
    style: Style
    box: tuple[int, int, int, int]
    grid: tuple[int, int]
    found_by: list[EvidenceRecord]
    first_seconds: float | None = None
    last_seconds: float | None = None
    frames: int | None = None
    interpolated: int | None = None
    path: list[tuple[float, int, int, int, int]] | None = None
    """Of a clip: seconds and box of what is drawn over, wherever it leaves the straight way between two of them."""


class QuestionRecord(_Record):
    """A place that a person is asked to look at: ``box`` = left, top, right, bottom in pixels of the output."""

    message: Said
    """The reason that asks it."""
    kind: QuestionKind
    hidden: bool = False
    """Whether it is drawn over until somebody has decided."""
    box: tuple[float, float, float, float]
    seconds: float | None = None
    """Of a clip: the time of the frame in which it was seen, from the first one."""

    @model_validator(mode="before")
    @classmethod
    def _version_1(cls, found: Any) -> Any:
        """In version 1 the reason was a sentence, ``text``."""
        if isinstance(found, dict) and "text" in found and "message" not in found:
            return {("message" if name == "text" else name): value for name, value in found.items()}
        return found


class CheckRecord(_Record):
    """``evidence`` is for a person, ``data`` the same for a program."""

    name: str
    result: Result
    evidence: Said
    data: dict[str, Any] = Field(default_factory=dict)


class ModelRecord(_Record):
    name: str
    sha256: str
    licence: str
    device: str


class ChangesRecord(_Record):
    """How many places a person changed by hand before deciding."""

    drawn: int = 0
    """Hidden by a person, or moved or resized."""
    dismissed: int = 0
    """Found by a detector and taken off by a person."""
    kept: int = 0
    """Kept clear on purpose, mouths apart."""
    keep_mouth: bool = False


class DecisionRecord(_Record):
    """What a person decided. Their note is free text that may name the patient: it stays in the ledger."""

    action: Literal["approved", "rejected"]
    initials: str
    """Empty unless the settings ask for it."""
    decided: str
    """UTC, ISO 8601: the day; to the second where the settings ask for it."""
    reasons: list[Said]
    """What the person was asked to judge."""
    changes: ChangesRecord = ChangesRecord()


class SignatureRecord(_Record):
    """Who vouches for the report: :mod:`anonymizer.core.signing` says what is signed."""

    algorithm: Literal["Ed25519"]
    key: str
    """The public key's id."""
    value: str
    """Base64."""


class Report(_Record):
    """Everything that was checked and found on one written medium. It never says "anonymous"."""

    schema_version: Literal[2] = 2
    id: str
    created: str
    """UTC, ISO 8601: the day on which the check ended; to the second where the settings ask for it."""
    program: ProgramRecord
    medium: MediumRecord
    companion: CompanionRecord | None = None
    """What lies beside the medium and belongs to it; None where nothing does."""
    verdict: Verdict
    reasons: list[Said]
    """Why the medium is not in ``ready/``; empty when it is."""
    questions: list[QuestionRecord] = Field(default_factory=list)
    """Those of the reasons that point at a place, decided or not; empty in a report from before they were listed."""
    notes: list[Said]
    """What a reader should know even when all is well (first frame of an animation only, name kept …)."""
    checks: list[CheckRecord]
    regions: list[RegionRecord]
    source_traces: list[str]
    """Kinds of metadata the source held ("GPS position", "embedded thumbnail"), all left behind."""
    models: list[ModelRecord]
    settings: dict[str, Any]
    not_checked: list[Said]
    """What no check here can see: for the person who publishes."""
    decision: DecisionRecord | None = None
    """Who let a medium through, or not; None where nobody was asked or nobody has answered."""
    page_sha256: str = ""
    """SHA-256 (hex) of the report's page, the HTML beside the JSON."""
    signature: SignatureRecord | None = None
    """Over all of the above; None in a report from before reports were signed."""

    @model_validator(mode="before")
    @classmethod
    def _version_1(cls, found: Any) -> Any:
        return (
            found | {"schema_version": 2}
            if isinstance(found, dict) and found.get("schema_version") == 1
            else found
        )
