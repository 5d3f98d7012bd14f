"""DCMTK's dcmdump as a second reader of DICOM, where it is installed: it must find the same elements, and no fault."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from anonymizer.core.confinement.apply import CANNOT_CONFINE
from anonymizer.core.confinement.launch import launch
from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result

SECONDS = 60
DICTIONARIES = ("usr/share/libdcmtk*", "usr/share/dcmtk*", "usr/local/share/dcmtk*")
"""Where a system's dcmdump has its names of elements."""
_AMISS = re.compile(rb"^[WEF]: ", re.MULTILINE)
_ITEMS = b"fffe"
_ELEMENT = re.compile(rb"^\(([0-9a-f]{4}),([0-9a-f]{4})\) ", re.MULTILINE)


def check(path: Path, tags: Sequence[int]) -> Check:
    """Whether dcmdump reads a file without fault, and its elements outside of sequences are these, in this order."""
    program = shutil.which("dcmdump")
    if program is None:
        return Check("dicom-second-reader", Result.SKIPPED, Message("check.dcmdump-missing"))
    try:
        # A file, not a bare data set; no pixels, and nothing of a file that is damaged.
        output, status = run(program, "+fo", "-M", path=path)
    except (OSError, subprocess.TimeoutExpired):
        output, status = b"", 1
    if status == CANNOT_CONFINE:
        return Check("dicom-second-reader", Result.FAIL, Message("check.dcmdump-unconfined"))
    found = [int(group + number, 16) for group, number in _ELEMENT.findall(output) if group != _ITEMS]
    # What it finds amiss it says, and goes on.
    if status or _AMISS.search(output) or found != list(tags):
        return Check("dicom-second-reader", Result.FAIL, Message("check.dcmdump-failed"))
    said = Message("check.dcmdump-passed", count=len(found))
    return Check("dicom-second-reader", Result.PASS, said, {"elements": len(found)})


def run(program: str, *arguments: str, path: Path | None = None) -> tuple[bytes, int]:
    """What it prints, of a file if given, and its exit status. Raises OSError and :class:`subprocess.TimeoutExpired`.

    It takes no file as its standard input, so it is given the path: it may read that one file, its names of elements,
    and nothing else.
    """
    own = [path.absolute()] if path else []
    names = [folder for pattern in DICTIONARIES for folder in Path("/").glob(pattern)]
    process = launch(
        [program, *arguments, *map(str, own)],
        stdin=subprocess.DEVNULL,
        seconds=SECONDS,
        read=[*own, *names],
        stderr=subprocess.STDOUT,
    )
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    return output, process.returncode
