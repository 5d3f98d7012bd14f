"""What was put into a report besides the program's own words: all of it that could hold something of the source.

A report is codes and values. The sentences belong to the program and are the same for every source, so whoever audits
a report for a source's strings looks at the values alone; else a name that is also a word of a sentence ("Green",
"Young") could not be told from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from anonymizer.core import settings as settings_module
from anonymizer.core.message import texts
from anonymizer.core.settings import Settings
from anonymizer.read.believed import KINDS, WORDS
from anonymizer.report.schema import Report


def values(report: Report) -> Iterator[str]:
    """Every text and number that was put in, but for what the program computed: id, hashes, times, boxes, libraries.

    (A five-digit number of a source may stand in a hash by chance.) A value that as a whole is one of the program's
    own words (a format, a kind of trace, a choice of a setting) is none of the source's. Questions stand among the
    reasons.
    """
    for value in _values(report):
        if value not in own_words():
            yield value


def _values(report: Report) -> Iterator[str]:
    medium = report.medium
    yield from _leaves([medium.format, medium.width, medium.height, medium.frames, medium.duration])
    for message in (*report.reasons, *report.notes, *report.not_checked):
        yield from texts(message)
    for check in report.checks:
        yield from texts(check.evidence)
        yield from _leaves(check.data)
    yield from report.source_traces
    # The date in a name is one that a person gave, whatever dates the source holds.
    yield from _leaves({key: value for key, value in report.settings.items() if key != "date"})


def _leaves(value: Any) -> Iterator[str]:
    """The texts and numbers in what a JSON document may hold; the names of its members are the program's."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str | int | float):
        yield str(value)


@lru_cache(maxsize=1)
def own_words() -> frozenset[str]:
    """The values that are the program's own, each as a whole."""
    choices = {
        str(member.value)
        for kind in vars(settings_module).values()
        if isinstance(kind, type) and issubclass(kind, Enum)
        for member in kind
    }
    return KINDS | WORDS | choices | frozenset(_leaves(Settings().model_dump(mode="json")))
