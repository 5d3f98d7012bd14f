"""What a report asks a person to look at, and where: reports from before places were listed say it in words alone."""

from __future__ import annotations

import re

from anonymizer.detect.finder import WORDS
from anonymizer.report.schema import QuestionRecord, Report

_KINDS = {words: kind for kind, words in WORDS.items()}
_SAID = re.compile(
    rf"({'|'.join(map(re.escape, _KINDS))})(?: (\d+\.\d) s into the clip,)?"
    r" at x (-?\d+), y (-?\d+), (\d+) by (\d+) pixels: please look\."
)


def asked(report: Report) -> dict[str, QuestionRecord]:
    """The open questions, by the reason that each is; reasons that point at no place are not among them."""
    known = {one.text: one for one in report.questions}
    told = ((reason, known.get(reason) if known else _read(reason)) for reason in report.reasons)
    return {reason: one for reason, one in told if one}


def _read(reason: str) -> QuestionRecord | None:
    if not (match := _SAID.fullmatch(reason)):
        return None
    x, y, w, h = (float(number) for number in match.groups()[2:])
    seconds = float(match[2]) if match[2] else None
    return QuestionRecord(text=reason, kind=_KINDS[match[1]], box=(x, y, x + w, y + h), seconds=seconds)
