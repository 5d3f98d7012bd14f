"""ExifTool as a second opinion, where it is installed. Alone it proves nothing: it calls a JPEG with another
JPEG behind its end valid. What it lists must be on the list of mere structure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from functools import lru_cache
from pathlib import Path

from anonymizer.types import Check, Result

SECONDS = 60
ARGUMENTS = (b"-json", b"-a", b"-G1", b"-u", b"-ee", b"-api", b"requestall=3")
ALLOWED = frozenset({"SourceFile", "ExifTool", "System", "File", "JFIF", "PNG", "Composite", "QuickTime",
                     *(f"Track{n}" for n in range(1, 3))})  # fmt: skip
"""Groups (family 1) that hold structure alone in a file of ours; tags within PNG and video are listed below."""
PNG_TAGS = frozenset(
    {"ImageWidth", "ImageHeight", "BitDepth", "ColorType", "Compression", "Filter", "Interlace"}
)
FILE_TAGS = frozenset({"Comment", "ExifByteOrder", "CurrentIPTCDigest"})
"""Tags of the group File that are not structure."""


class _Running:
    """One ExifTool that stays open: starting Perl anew takes longer than every other check of a photo."""

    def __init__(self, program: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [program, "-stay_open", "True", "-@", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def tags(self, path: Path) -> list[str]:
        """The names of every tag it lists, with their groups. Raises OSError or ValueError where it fails."""
        inside, outside = self._process.stdin, self._process.stdout
        assert inside and outside
        name = os.fsencode(path.absolute())
        with self._lock:
            clock = threading.Timer(SECONDS, self._process.kill)
            clock.start()
            try:
                inside.write(b"\n".join([*ARGUMENTS, name, b"-execute", b""]))
                inside.flush()
                lines = []
                while (line := outside.readline()) and line.strip() != b"{ready}":
                    lines.append(line)
            finally:
                clock.cancel()
        return list(json.loads(b"".join(lines))[0])


_running = lru_cache(maxsize=1)(_Running)


def check(path: Path) -> Check:
    """What ExifTool says of a written file; skipped, saying so, where it is not installed."""
    program = shutil.which("exiftool")
    if program is None:
        said = "ExifTool is not installed; the program's own audit does not need it."
        return Check("second-opinion", Result.SKIPPED, said)
    if "\n" in str(path.absolute()):
        said = "ExifTool cannot be asked about a folder with a line break in its name."
        return Check("second-opinion", Result.SKIPPED, said)
    try:
        tags = _running(program).tags(path)
    except (OSError, ValueError, IndexError):
        _running.cache_clear()
        return Check("second-opinion", Result.FAIL, "ExifTool could not read the written file.")
    odd = [tag for tag in tags if not _structure(tag)]
    if odd:
        said = f"ExifTool lists {len(odd)} tags that are more than structure."
        return Check("second-opinion", Result.FAIL, said, {"tags": odd[:20]})
    return Check("second-opinion", Result.PASS, "ExifTool lists structure only.", {"tags": len(tags)})


def _structure(tag: str) -> bool:
    group, _, name = tag.partition(":")
    if group == "PNG":
        return name in PNG_TAGS
    if group == "File":
        return name not in FILE_TAGS
    return group in ALLOWED
