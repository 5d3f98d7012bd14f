"""``anonymizer watch`` and ``anonymizer status``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from anonymizer.core.errors import ExitCode
from anonymizer.core.message import Message, from_json, with_sentence
from anonymizer.core.settings import Settings
from anonymizer.engine.scheduler import Engine
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import State
from anonymizer.i18n import Say
from anonymizer.read.walk import Passed
from anonymizer.watch import status
from anonymizer.watch.completeness import ignore_lease_signal
from anonymizer.watch.locks import alive
from anonymizer.watch.options import Options, check
from anonymizer.watch.service import Service, service, switch_on, watch_command
from anonymizer.watch.watcher import Watcher

NAMED = 100
"""Files that wait, and files that failed, that are named at most: those that wait longest, those that failed last."""


def watch(options: Options, settings: Settings, say: Callable[[Message], None]) -> ExitCode:
    """Watch until SIGTERM or Ctrl-C, which is its regular end.

    Raises :class:`anonymizer.core.errors.AnonymizerError` where the watching cannot begin.
    """
    status.shorten_errors(options.out / ".anonymizer")
    watcher = Watcher(options, lambda: Engine(options.out, settings, options.workers), say)

    def end(number: int, frame: FrameType | None) -> None:
        watcher.stop()

    before = {}
    if threading.current_thread() is threading.main_thread():
        # SIGHUP: the terminal was closed.
        numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before = {number: signal.signal(number, end) for number in numbers}
        ignore_lease_signal()
    try:
        watcher.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return ExitCode.OK


def wanted_service(options: Options, settings_file: Path | None, language: str = "") -> Service:
    """The service that runs this very watch: all paths absolute, and waiting for folders that are away."""
    arguments = [str(options.inbox), "--out", str(options.out), "--wait"]
    if options.done:
        arguments += ["--done", str(options.done)]
    if settings_file:
        arguments += ["--settings", str(settings_file.absolute())]
    arguments += ["--poll"] if options.poll else []
    arguments += ["--settle", f"{options.quiet:g}", "--rescan", f"{options.rescan:g}"]
    arguments += ["--workers", str(options.workers)]
    return service(watch_command(arguments, language), options.inbox, options.out)


def install(options: Options, settings: Settings, settings_file: Path | None) -> Service:
    """Make the output folder, for the service will create none, then write the service and switch it on."""
    check(options)
    settings.checked()
    with Gate(options.out):
        pass
    wanted = wanted_service(options, settings_file, settings.language)
    switch_on(wanted)
    return wanted


def watch_status(out: Path) -> dict[str, Any]:
    """Everything that can be told about the watcher of an output folder.

    ``running``, ``status`` (or None), ``media`` (state → count), ``passed_over`` (not taken, skipped → count),
    ``waiting``, ``not_taken`` and ``failed``: these three name sources,
    at most :data:`NAMED` each, and are for the eyes of the person who asks. Raises :class:`UsageError` where the
    folder is none.
    """
    with OutputFolder(out) as folder:
        media = folder.ledger.counts()
        waiting = folder.ledger.waiting(NAMED)
        failed = folder.ledger.latest((State.FAILED,), NAMED)
        passed = folder.ledger.passed_over(Passed.NOT_TAKEN, NAMED)
        left = folder.ledger.passed_counts()
    said = status.read(folder.private)
    return {
        "running": alive(out),
        "status": status.facts(said) if said else None,
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
    if (more := found["media"].get(State.FAILED.value, 0) - len(found["failed"])) > 0:
        yield say("status.more-failed", count=more)
