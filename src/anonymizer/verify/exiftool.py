"""ExifTool as a second opinion, where it is installed. Alone it proves nothing: it calls a JPEG with another
JPEG behind its end valid. What it lists must be on the list of mere structure."""

from __future__ import annotations

import json
import os
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

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


ASKED = ("-json", "-a", "-G1", "-u", "-ee", "-api", "requestall=3")
"""Every tag, those that occur twice, that are not known and that are embedded, by its group of family 1."""
SERVER = r"""
use strict; use warnings; use Image::ExifTool;
binmode STDIN; binmode STDOUT; $| = 1;
my $tool = Image::ExifTool->new;
$tool->Options(Duplicates => 1, Unknown => 1, ExtractEmbedded => 1, RequestAll => 3);
while ((read(STDIN, my $head, 8) // 0) == 8) {
    my ($size, $data) = (unpack('Q>', $head), '');
    while (length $data < $size) { read(STDIN, $data, $size - length $data, length $data) or exit 1 }
    my $found = $tool->ImageInfo(\$data);
    print map({ $tool->GetGroup($_, 1) . ':' . Image::ExifTool::GetTagName($_) . "\n" } keys %$found), "\n";
}
"""
"""Reads a size (8 bytes, the highest first) and so many bytes, lists what :data:`ASKED` lists, a tag a line and an
empty one at the end; ends with its input. ExifTool's own ``-stay_open`` would go on for ever where this program is
killed."""
FILES = 100
"""So many files one process is asked about: its processor time is limited as a whole."""


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
    with Path(path or os.devnull).open("rb") as file:
        return _launch([*command(), *arguments, *(["-"] if path else [])], file)


def _launch(called: list[str], stdin: IO[bytes] | int) -> subprocess.Popen[bytes]:
    tool = Path(command()[-1])
    named = os.environ.get("PERL5LIB", "")
    return launch(
        called,
        stdin=stdin,
        seconds=SECONDS,
        read=[tool, tool.parent / "lib", *map(Path, PERL), *_folders(named)],
        variables={"PERL5LIB": named} if named else {},
    )


def _folders(named: str) -> list[Path]:
    return [Path(folder).resolve() for folder in named.split(os.pathsep) if folder]


def start(path: Path) -> Callable[[], Check]:
    """Start ExifTool beside the other checks; call the answer to wait for its verdict."""
    if missing := _missing():
        return lambda: missing
    process = run(*ASKED, path=path)

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
        return _verdict(tags)

    return answer


class KeptOpen:
    """ExifTool for many photos, started once, for its start costs most of its time.

    Use it from one thread; close it, or use ``with``.

    Where it is no Perl script, and wherever it does not answer, it is called for the file alone, as by :func:`start`.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = 0

    def __enter__(self) -> KeptOpen:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, data: bytes, path: Path) -> Callable[[], Check]:
        """As :func:`start`, of a file at ``path`` whose bytes are these."""
        if missing := _missing():
            return lambda: missing
        if len(command()) == 1:
            return start(path)
        if self._process is None or self._asked >= FILES:
            self.close()
            perl, tool = command()
            called = [perl, "-I", str(Path(tool).parent / "lib"), "-e", SERVER]
            self._process = _launch(called, subprocess.PIPE)
        self._asked += 1
        process = self._process
        # It reads while the other checks are made.
        writer = threading.Thread(target=_tell, args=(process, data), daemon=True)
        writer.start()

        def answer() -> Check:
            tags = _listed(process)
            if "File:FileType" not in tags:
                self.close()
                return start(path)()
            return _verdict(tags)

        return answer

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process, self._asked = None, 0


def _tell(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    # A process that ended does not answer, which is seen there.
    with suppress(OSError, ValueError):
        for left in (memoryview(struct.pack(">Q", len(data))), memoryview(data)):
            while left:
                left = left[process.stdin.write(left) or 0 :]


def _listed(process: subprocess.Popen[bytes]) -> list[str]:
    """The tags that the process names before an empty line; none where it ends or stays silent before that."""
    assert process.stdout
    said, until = b"", time.monotonic() + SECONDS
    while not said.endswith(b"\n\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, until - time.monotonic()))
        more = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not more:
            return []
        said += more
    return said.decode("utf-8", "replace").split("\n")[:-2]


def _missing() -> Check | None:
    """The check where there is no ExifTool that can be asked."""
    if shutil.which("exiftool") is None:
        return Check("second-opinion", Result.SKIPPED, Message("check.exiftool-missing"))
    if not command():
        return Check("second-opinion", Result.SKIPPED, Message("check.exiftool-no-script"))
    return None


def _verdict(tags: Iterable[str]) -> Check:
    tags = list(tags)
    odd = [tag for tag in tags if not _structure(tag)]
    if odd:
        said = Message("check.exiftool-tags", count=len(odd))
        return Check("second-opinion", Result.FAIL, said, {"tags": odd[:20]})
    return Check("second-opinion", Result.PASS, Message("check.exiftool-passed"), {"tags": len(tags)})


def _structure(tag: str) -> bool:
    group, _, name = tag.partition(":")
    if group == "PNG":
        return name in PNG_TAGS
    if group == "File":
        return name not in FILE_TAGS
    return group in ALLOWED
