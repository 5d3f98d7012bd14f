"""How urgently a person should look at a medium, and where: read from its report."""

from __future__ import annotations

import re

from anonymizer.detect.finder import doubtful_place
from anonymizer.report.schema import Report
from anonymizer.types import Box, Kind, Result

FAILED_WEIGHT = 100.0
STILL_FOUND = 40.0
"""The second search still found something: it may be in plain view."""
FACE_WEIGHT = 10.0
OTHER_WEIGHT = 4.0
"""Doubts add up: a crowd before a single smudge."""
ASKED_WEIGHT = 1.0
"""What somebody asked for (keep clear, no faces) is the least surprising."""


_MOMENT = re.compile(r"(.+?) (\d+(?:\.\d+)?) s into the clip, at (x .+)", re.DOTALL)


def doubt(report: Report) -> float:
    """How urgently a person should look: larger is more doubtful."""
    weight = 0.0
    for check in report.checks:
        if check.result is Result.FAIL:
            weight += FAILED_WEIGHT
        elif check.result is Result.REVIEW:
            weight += STILL_FOUND
    evidence = {check.evidence for check in report.checks}
    for reason in report.reasons:
        if place := pointed_at(reason):
            weight += FACE_WEIGHT if place[0] is Kind.FACE else OTHER_WEIGHT
        elif reason not in evidence:
            weight += ASKED_WEIGHT
    return weight


def pointed_at(reason: str) -> tuple[Kind, Box, float | None] | None:
    """What a doubt points at, in a clip with its second; None for a reason that points at nothing."""
    moment = _MOMENT.fullmatch(reason)
    place = doubtful_place(f"{moment[1]} at {moment[3]}" if moment else reason)
    return (*place, float(moment[2]) if moment else None) if place else None
