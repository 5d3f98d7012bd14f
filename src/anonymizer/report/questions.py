"""What a report asks a person to look at, and where."""

from __future__ import annotations

from anonymizer.report.schema import QuestionRecord, Report


def asked(report: Report) -> dict[str, QuestionRecord]:
    """The open questions, by the reason that each is; reasons that point at no place are not among them."""
    known = {one.text: one for one in report.questions}
    return {reason: known[reason] for reason in report.reasons if reason in known}
