"""Who may read what lies in an output folder: what waits for a person is its owner's alone."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

ANYBODY = 0o666
"""What a new file in ``ready/`` and ``reports/`` asks for: the user's mask takes away from it."""
PRIVATE_FOLDER = 0o700


def usual(folder: Path) -> int:
    """The mode that a new file gets by the user's mask. Raises OSError where none can be made in this folder."""
    trial = folder / f"mode-{os.getpid()}"
    # A process has one mask, and asking for it sets it: a file says it without disturbing another thread.
    handle = os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, ANYBODY)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        trial.unlink()


def private_folder(folder: Path) -> None:
    """Make a folder that nobody else may enter; one that is there, and this user's, is closed to others.

    Raises OSError where it cannot be made.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if os.name != "nt" and stat.S_IMODE(folder.stat().st_mode) & ~PRIVATE_FOLDER:
        # A volume without modes, or a colleague's folder.
        with contextlib.suppress(OSError):
            folder.chmod(PRIVATE_FOLDER)


def restrict(path: Path, mode: int) -> None:
    """Take from a file what others may do beyond ``mode``. Raises OSError where that cannot be done."""
    found = stat.S_IMODE(path.stat().st_mode)
    if os.name != "nt" and found & ~mode:
        path.chmod(found & mode)


def widen(path: Path, mode: int) -> None:
    """Let others do what ``mode`` says, where the volume has modes."""
    if os.name != "nt":
        with contextlib.suppress(OSError):
            path.chmod(mode)
