"""What stops a command, as one sentence and an exit code; a traceback only where ``--debug`` asks for one."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Sequence
from contextvars import ContextVar

from anonymizer.cli.language import say
from anonymizer.cli.output import print_error
from anonymizer.cli.parser import CallError
from anonymizer.core.errors import AnonymizerError, ExitCode
from anonymizer.core.message import Message

debug: ContextVar[bool] = ContextVar("debug", default=False)
"""Whether this call shows tracebacks, which may name a patient's file."""

OPENCV_CURE = "pip install --force-reinstall --no-deps opencv-python-headless"
"""What mends OpenCV where another of its builds was installed over this one, and needs a graphics library."""

_OF_A_PATH = frozenset(
    {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
)


def told(error: Exception, arguments: Sequence[str]) -> ExitCode:
    """Print what the error means for whoever called, with these arguments; the exit code to leave with."""
    if isinstance(error, AnonymizerError):
        code = error.exit_code
        hint = f" {say('cli.try-help')}" if isinstance(error, CallError) else ""
        print_error(say(error.message) + hint)
    elif isinstance(error, ImportError) and (said := _not_loaded(error)):
        code = ExitCode.NOT_READY
        print_error(say(said))
    elif isinstance(error, OSError) and (of_system := _system_said(error, arguments)):
        said, code = of_system
        print_error(say(said))
    else:
        # Its own words may name a file, and stderr may be a file that others read.
        code = ExitCode.UNEXPECTED
        print_error(say("cli.defect", kind=_kind(error)))
    if code == ExitCode.UNEXPECTED and debug.get():
        traceback.print_exception(error)
    return code


def _kind(error: Exception) -> Message | str:
    """Which error it is, and what the system said, if it did, without the path."""
    kind = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return Message("cli.system-said", kind=kind, cause=error.strerror)
    return kind


def _not_loaded(error: ImportError) -> Message | None:
    """A library that is not there, or cannot be loaded on this machine; None for a defect of the program's own."""
    name = (error.name or "").partition(".")[0]
    said = str(error).partition(":")[0]
    if "libGL" in str(error) or name == "cv2":
        return Message("cli.no-opencv", cause=said, cure=OPENCV_CURE)
    if not name or name == "anonymizer":
        return None
    return Message("cli.no-library", name=name, cause=said)


def _system_said(error: OSError, arguments: Sequence[str]) -> tuple[Message, ExitCode] | None:
    """What the system says against a path that was given, or against what is printed: no defect of the program."""
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        said = Message("cli.output-unwritable", cause=error.strerror or error)
        return said, ExitCode.FAILED
    if error.errno not in _OF_A_PATH or not isinstance(error.filename, str):
        return None
    found = os.path.abspath(error.filename)  # noqa: PTH100  a Path of it may not even be made
    for given in arguments:
        whole = os.path.abspath(given)  # noqa: PTH100
        if found == whole or found.startswith(whole + os.sep):
            said = Message("cli.path-unusable", path=given, cause=error.strerror or error)
            return said, ExitCode.USAGE
    return None
