"""What a report asks a person to look at, and where."""

from __future__ import annotations

from anonymizer.report.schema import QuestionRecord, Report


def asked(report: Report) -> list[QuestionRecord]:
    """The open questions: those that stand among the reasons; what was decided is asked no more."""
    open_ = set(report.reasons)
    return [one for one in report.questions if one.message in open_]
