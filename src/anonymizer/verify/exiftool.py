"""ExifTool as a second opinion, where it is installed. Alone it proves nothing: it calls a JPEG with another
JPEG behind its end valid. What it lists must be on the list of mere structure."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.types import Check, Result

SECONDS = 60
ALLOWED = frozenset({"SourceFile", "ExifTool", "System", "File", "JFIF", "PNG", "Composite", "QuickTime",
                     *(f"Track{n}" for n in range(1, 3))})  # fmt: skip
"""Groups (family 1) that hold structure alone in a file of ours; tags within PNG and video are listed below."""
PNG_TAGS = frozenset(
    {"ImageWidth", "ImageHeight", "BitDepth", "ColorType", "Compression", "Filter", "Interlace"}
)
FILE_TAGS = frozenset({"Comment", "ExifByteOrder", "CurrentIPTCDigest"})
"""Tags of the group File that are not structure."""


def start(path: Path) -> Callable[[], Check]:
    """Start ExifTool beside the other checks; call the answer to wait for its verdict."""
    program = shutil.which("exiftool")
    if program is None:
        said = "ExifTool is not installed; the program's own audit does not need it."
        return lambda: Check("second-opinion", Result.SKIPPED, said)
    command = [program, "-json", "-a", "-G1", "-u", "-ee", "-api", "requestall=3", str(path.absolute())]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )

    def answer() -> Check:
        try:
            output, _ = process.communicate(timeout=SECONDS)
            tags = json.loads(output)[0]
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            process.kill()
            return Check("second-opinion", Result.FAIL, "ExifTool could not read the written file.")
        odd = [tag for tag in tags if not _structure(tag)]
        if odd:
            said = f"ExifTool lists {len(odd)} tags that are more than structure."
            return Check("second-opinion", Result.FAIL, said, {"tags": odd[:20]})
        return Check("second-opinion", Result.PASS, "ExifTool lists structure only.", {"tags": len(tags)})

    return answer


def _structure(tag: str) -> bool:
    group, _, name = tag.partition(":")
    if group == "PNG":
        return name in PNG_TAGS
    if group == "File":
        return name not in FILE_TAGS
    return group in ALLOWED
