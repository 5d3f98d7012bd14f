"""Start a program of others confined: ffmpeg, the second reader, and ExifTool.

On Linux a small Python process confines itself and becomes the program. The program may read its own libraries and
what it is given as standard input, and nothing else; it may write to its standard output, and nowhere else. Other
systems have nothing that confines a program without installing something: there it starts as it is.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from anonymizer.core.confinement.apply import environment

LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.preload",
             "/nix/store", "/gnu/store", "/dev/null")  # fmt: skip
"""Where the systems' loaders look for libraries, and the empty file that Perl opens."""
_CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from anonymizer.core.confinement.become import main; main()"
)
_PROGRAM_INTERPRETER = 3
"""The header of an ELF file that names its loader (``include/uapi/linux/elf.h``)."""


def launch(
    command: Sequence[str],
    *,
    stdin: IO[bytes] | int,
    seconds: float,
    read: Sequence[Path] = (),
    stderr: int = subprocess.DEVNULL,
    variables: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program, confined where the system can: no argument of it may name a file that it is to read,
    but for what ``read`` lists.

    ``command``: the program's own path, then its arguments; ``stdin``: what it reads; ``seconds`` of processor time;
    ``read``: files and folders beside the system's libraries that are the program's own; ``variables`` of its
    environment. It ends with :data:`~anonymizer.core.confinement.apply.CANNOT_CONFINE` where it cannot be confined.
    Raises OSError where it, or what is to confine it, cannot be started.
    """
    if sys.platform == "linux":
        program = Path(command[0]).resolve()
        own = [str(path) for path in (*_libraries(program), *read)]
        told = {"read": own, "execute": [str(program), *_loader(program)], "seconds": seconds}
        package = str(Path(__file__).parents[3])
        command = [sys.executable, "-I", "-S", "-c", _CODE, package, json.dumps(told), *command]
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=0,
        cwd=Path(sys.executable).anchor or None,
        env=environment(**(variables or {})),
        start_new_session=True,
    )


def _libraries(program: Path) -> list[Path]:
    """Where a program's libraries lie: the system's folders, those of the environment, and beside the program."""
    named = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    beside = program.parent.parent / "lib"
    return [*map(Path, LIBRARIES), *(Path(folder).resolve() for folder in named if folder), beside]


def _loader(program: Path) -> list[str]:
    """The loader that an ELF program names, which the kernel runs as well; nothing where it names none."""
    with program.open("rb") as file:
        head = file.read(64)
        if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
            return []
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        for number in range(count):
            file.seek(table + number * size)
            kind, _, offset, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == _PROGRAM_INTERPRETER:
                file.seek(offset)
                return [os.fsdecode(file.read(length).rstrip(b"\0"))]
    return []
