"""How urgently a person should look at a medium: read from its report."""

from __future__ import annotations

from anonymizer.core.types import Kind, Result
from anonymizer.report.questions import asked
from anonymizer.report.schema import Report

FAILED_WEIGHT = 100.0
STILL_FOUND = 40.0
"""The second search still found something: it may be in plain view."""
FACE_WEIGHT = 10.0
OTHER_WEIGHT = 4.0
"""Doubts add up: a crowd before a single smudge."""
ASKED_WEIGHT = 1.0
"""What somebody asked for (keep clear, no faces) is the least surprising."""


def review_priority(report: Report) -> float:
    """How urgently a person should look: larger is more doubtful."""
    weight = 0.0
    for check in report.checks:
        if check.result is Result.FAIL:
            weight += FAILED_WEIGHT
        elif check.result is Result.REVIEW:
            weight += STILL_FOUND
    evidence = {check.evidence for check in report.checks}
    questions = {one.message: one for one in asked(report)}
    for reason in report.reasons:
        if one := questions.get(reason):
            weight += FACE_WEIGHT if one.kind.kind is Kind.FACE else OTHER_WEIGHT
        elif reason not in evidence:
            weight += ASKED_WEIGHT
    return weight
