"""What the practice knows of the case, on the road: searched for in what is written. It is said how much of it,
never which."""

from __future__ import annotations

from dataclasses import replace

from anonymizer.core.known import KnownNames
from anonymizer.core.message import Message
from anonymizer.core.settings import Settings
from anonymizer.core.types import Check, Result, Traces


def traces_with(traces: Traces, settings: Settings) -> Traces:
    """The source's traces and the known strings: every search of written bytes and of reports looks for both."""
    return replace(traces, strings=traces.strings | KnownNames(settings.known).spellings())


def known_check(settings: Settings) -> tuple[Check, ...]:
    """That they were searched for; what the searches found, the residual check and the canaries say."""
    if not settings.known:
        return ()
    count = len(settings.known)
    said = Message("check.known", count=count)
    return (Check("known", Result.PASS, said, {"searched": count}),)
