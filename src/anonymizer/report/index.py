"""The overview of an output folder: counts, and one line for each medium, linked to its report."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from anonymizer.core.message import Message
from anonymizer.core.types import Result, Verdict
from anonymizer.i18n import ENGLISH, Say, speaker
from anonymizer.report.document import document
from anonymizer.report.page import RESULTS

MOST = 10_000
"""Lines that a browser still shows with ease; of more media than that the page gives the number alone."""
_RESULT = {Verdict.READY: Result.PASS, Verdict.REVIEW: Result.REVIEW, Verdict.FAILED: Result.FAIL}


@dataclass(frozen=True, slots=True)
class IndexLine:
    """A medium on the overview. ``folder`` is where it stands; empty where it stands in none that is handed out,
    ``reported`` whether it has a report: a source that could not be processed has none, and no ``name``."""

    id: str
    verdict: Verdict
    name: str = ""
    folder: str = ""
    hidden: int = 0
    reasons: tuple[Message, ...] = ()
    reported: bool = True
    thumbnail: bytes = b""
    """A JPEG of the output; of what is ready alone."""


def render_index(
    counts: Mapping[Verdict, int],
    lines: Sequence[IndexLine],
    language: str = ENGLISH,
    passed: Mapping[Message, int] | None = None,
) -> str:
    """The overview page, with the ``lines`` in their order. Links are relative: the folder can be moved.

    ``passed`` is how many files were not taken for each reason: no name of one, for the page may be handed out.
    """
    say = speaker(language)
    shown = (Verdict.READY, Verdict.REVIEW, Verdict.FAILED)
    left = sum((passed or {}).values())
    return document(
        "index.html",
        language,
        counts=[
            *((say(f"index.{verdict}"), str(counts.get(verdict, 0))) for verdict in shown),
            (say("index.not-taken"), str(left)),
        ],
        lines=[_line(line, say) for line in lines],
        pictured=any(line.thumbnail for line in lines),
        more=sum(counts.values()) - len(lines),
        passed=[(number, say(reason)) for reason, number in (passed or {}).items()],
    )


def _line(line: IndexLine, say: Say) -> dict[str, str]:
    css, sign = RESULTS[_RESULT[line.verdict]]
    return {
        "css": css,
        "sign": sign,
        "verdict": say(f"verdict.{line.verdict}" if line.reported else "index.failed"),
        "name": line.name or line.id,
        "link": f"../{line.folder}/{quote(line.name)}" if line.folder else "",
        "hidden": str(line.hidden) if line.reported else "–",
        "why": " ".join(say(one) for one in line.reasons),
        "report": f"{quote(line.id)}.html" if line.reported else "",
        "picture": base64.b64encode(line.thumbnail).decode(),
    }
