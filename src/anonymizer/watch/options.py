"""What a watcher is told, and which folders it may watch together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Options:
    """What a watcher is told. Times are in seconds."""

    inbox: Path
    out: Path
    done: Path | None = None
    """Where handled originals go; None: they stay."""
    poll: bool = False
    """Do without events even where the inbox lies on this computer."""
    quiet: float = 5.0
    """How long a file must be unchanged."""
    every: float = 5.0
    """Between two scans of the folder where there are no events."""
    rescan: float = 60.0
    """Between two where there are."""
    wait: bool = False
    """Wait for an inbox or output folder that is not there, and never create one."""
    workers: int = 1
    notify: bool = True
    """Tell the desktop how many are ready and how many need somebody."""


def check(options: Options) -> None:
    """Refuse folders that would feed on one another. Raises :class:`UsageError`."""
    inbox, out, done = options.inbox, options.out, options.done
    if not inbox.is_dir() and not options.wait:
        raise UsageError("watch.no-inbox", path=inbox)
    if _within(out, inbox):
        raise UsageError("watch.out-in-inbox", path=out)
    if any(_within(inbox, out / name) for name in ("ready", "review", "reports", ".anonymizer")):
        raise UsageError("watch.inbox-in-out", path=inbox, out=out)
    if (inbox / ".anonymizer").is_dir():
        raise UsageError("watch.inbox-is-out", path=inbox)
    if done is None:
        return
    if _within(inbox, done) and _within(done, inbox):
        raise UsageError("watch.done-is-inbox")
    if _within(done, out) or _within(out, done):
        raise UsageError("watch.done-in-out")
    if inbox.is_dir():
        done.mkdir(parents=True, exist_ok=True)
        if done.stat().st_dev != inbox.stat().st_dev:
            raise UsageError("watch.done-other-disk", path=done)


def _within(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or lies in it, whatever they are called: links, case, drive letters."""
    path, folder = path.resolve(), folder.resolve()
    if path.is_relative_to(folder):
        return True
    return folder.exists() and any(part.exists() and part.samefile(folder) for part in [path, *path.parents])
