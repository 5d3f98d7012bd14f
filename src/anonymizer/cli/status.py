"""``anonymizer status``: what a watcher is doing, what waits, what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, OutFolder, takes_language
from anonymizer.cli.output import emit, print_line, shown
from anonymizer.core.errors import ExitCode
from anonymizer.core.message import Message, from_json, with_sentence
from anonymizer.i18n import Say
from anonymizer.read.walk import Passed

NAMED = 100
"""Files that wait, and files that failed, that are named at most: those that wait longest, those that failed last."""


@takes_language
def status(out: OutFolder = Path("anonymized"), as_json: AsJson = False) -> int:
    """What the watcher of an output folder is doing, and what waits or failed. Exit 5 if none is running."""
    found = watch_status(out.absolute())
    if as_json:
        emit(json.loads(json.dumps(found, default=shown)))
    else:
        for sentence in sentences(found, say):
            print_line(sentence)
    return ExitCode.OK if found["running"] else ExitCode.NOT_READY


def watch_status(out: Path) -> dict[str, Any]:
    """Everything that can be told about the watcher of an output folder.

    ``running``, ``status`` (or None), ``media`` (state → count), ``passed_over`` (not taken, skipped → count),
    ``waiting``, ``not_taken`` and ``failed``: these three name sources,
    at most :data:`NAMED` each, and are for the eyes of the person who asks. Raises :class:`UsageError` where the
    folder is none.
    """
    from anonymizer.gate.output import OutputFolder
    from anonymizer.gate.records import State
    from anonymizer.watch import status as watching
    from anonymizer.watch.locks import alive

    with OutputFolder(out) as folder:
        media = folder.ledger.counts()
        waiting = folder.ledger.waiting(NAMED)
        failed = folder.ledger.latest((State.FAILED,), NAMED)
        passed = folder.ledger.passed_over(Passed.NOT_TAKEN, NAMED)
        left = folder.ledger.passed_counts()
    said = watching.read(folder.private)
    return {
        "running": alive(out),
        "status": watching.facts(said) if said else None,
        "media": {state.value: media[state] for state in State if state in media},
        "waiting": [
            {"path": path, "reason": with_sentence(why), "since": since} for path, why, since in waiting
        ],
        "failed": [
            {"id": entry.id, "source": entry.source, "reason": [with_sentence(one) for one in entry.reason]}
            for entry in failed
        ],
        "not_taken": [
            {"path": one.path, "reason": with_sentence(one.reason), "media": one.media} for one in passed
        ],
        "passed_over": {how.value: left[how] for how in Passed if how in left},
    }


def sentences(found: dict[str, Any], say: Say) -> Iterator[str]:
    """What :func:`watch_status` found, in words."""
    said = found["status"]
    if not found["running"] and said:
        yield say("status.none-running-since", updated=said["updated"])
    elif not found["running"]:
        yield say("status.none-running")
    elif said is None:
        yield say("status.no-status")
    else:
        how = Message("status.events" if said["events"] else "status.rescans")
        yield say("status.running", started=said["started"], pid=said["pid"], how=how)
        doing = say(f"status.{said['doing']}", since=said["since"])
        yield f"{doing} {say(from_json(said['said']))}" if said["said"] else doing
        yield say("status.inbox", queued=said["queued"], waiting=said["waiting"])
    counted = found["media"] | {how.replace(" ", "-"): count for how, count in found["passed_over"].items()}
    media = [
        Message("state.count", count=count, state=Message(f"state.{state}"))
        for state, count in counted.items()
    ]
    yield say("status.in-all", media=media or Message("status.nothing"))
    for one in found["waiting"]:
        why = say(from_json(one["reason"])).rstrip(".")
        yield say("status.waiting", since=one["since"], path=one["path"], why=why)
    for one in found["not_taken"]:
        yield f"{say('state.not-taken')}: {one['path']}: {say(from_json(one['reason']))}"
    for one in found["failed"]:
        why = " ".join(say(from_json(reason)) for reason in one["reason"])
        yield say("status.failed", source=one["source"], why=why)
    if (more := found["media"].get("failed", 0) - len(found["failed"])) > 0:
        yield say("status.more-failed", count=more)
