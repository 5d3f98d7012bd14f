"""ExifTool as a second opinion, where it is installed. Alone it proves nothing: it calls a JPEG with another
JPEG behind its end valid. What it lists must be on the list of mere structure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.confinement.apply import CANNOT_CONFINE
from anonymizer.core.confinement.launch import launch
from anonymizer.core.message import Message
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


PERL = ("/usr/share/perl", "/usr/share/perl5", "/usr/local/share/perl", "/etc/perl")
"""Where a system's Perl looks for modules beside its libraries."""


def command() -> list[str]:
    """How ExifTool is called, without a file; nothing where it is not there.

    On Linux by Perl, so that it can be confined: nothing as well where ExifTool is no Perl script.
    """
    program = shutil.which("exiftool")
    if program is None or sys.platform != "linux":
        return [program] if program else []
    with Path(program).open("rb") as file:
        first = file.readline(200)
    perl = shutil.which("perl")
    return (
        [perl, str(Path(program).resolve())] if perl and first.startswith(b"#!") and b"perl" in first else []
    )


def run(*arguments: str, path: Path | None = None) -> subprocess.Popen[bytes]:
    """Start ExifTool, confined where the system can; it reads ``path`` as its standard input. Raises OSError."""
    called = command()
    named = os.environ.get("PERL5LIB", "")
    own = [Path(called[-1]), Path(called[-1]).parent / "lib", *map(Path, PERL), *_folders(named)]
    with Path(path or os.devnull).open("rb") as file:
        return launch(
            [*called, *arguments, *(["-"] if path else [])],
            stdin=file,
            seconds=SECONDS,
            read=own,
            variables={"PERL5LIB": named} if named else {},
        )


def _folders(named: str) -> list[Path]:
    return [Path(folder).resolve() for folder in named.split(os.pathsep) if folder]


def start(path: Path) -> Callable[[], Check]:
    """Start ExifTool beside the other checks; call the answer to wait for its verdict."""
    if shutil.which("exiftool") is None:
        said = Message("check.exiftool-missing")
        return lambda: Check("second-opinion", Result.SKIPPED, said)
    if not command():
        no_script = Message("check.exiftool-no-script")
        return lambda: Check("second-opinion", Result.SKIPPED, no_script)
    process = run("-json", "-a", "-G1", "-u", "-ee", "-api", "requestall=3", path=path)

    def answer() -> Check:
        try:
            output, _ = process.communicate(timeout=SECONDS)
            tags = json.loads(output)[0]
        except (subprocess.TimeoutExpired, ValueError, IndexError):
            process.kill()
            process.wait()
            confined = process.returncode != CANNOT_CONFINE
            wrong = Message("check.exiftool-failed" if confined else "check.exiftool-unconfined")
            return Check("second-opinion", Result.FAIL, wrong)
        odd = [tag for tag in tags if not _structure(tag)]
        if odd:
            said = Message("check.exiftool-tags", count=len(odd))
            return Check("second-opinion", Result.FAIL, said, {"tags": odd[:20]})
        return Check("second-opinion", Result.PASS, Message("check.exiftool-passed"), {"tags": len(tags)})

    return answer


def _structure(tag: str) -> bool:
    group, _, name = tag.partition(":")
    if group == "PNG":
        return name in PNG_TAGS
    if group == "File":
        return name not in FILE_TAGS
    return group in ALLOWED
