"""A small disk of a test's own, mounted where this user may mount anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

MEGABYTE = 1 << 20


class SmallDisk:
    """A file system in memory, mounted in a mount namespace: commands run within see it, tests look in from outside."""

    def __init__(self, folder: Path, size: int, holder: subprocess.Popen[str], enter: list[str]) -> None:
        self.inside = folder
        self.path = Path(f"/proc/{holder.pid}/root{folder}")
        self.size = size
        self._enter = ["nsenter", "--target", str(holder.pid), *enter, "--"]

    def enter(self, *command: str | Path) -> list[str]:
        """A command that is run where the disk is mounted."""
        return [*self._enter, *map(str, command)]

    def command(self, *arguments: str | Path) -> list[str]:
        """A call of the program there."""
        return self.enter(sys.executable, "-m", "anonymizer", *arguments)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)

    def fill(self, leave: int = 0) -> None:
        """Take all room but so many bytes, whatever others write or free meanwhile."""
        with (self.path / "ballast").open("wb", buffering=0) as file:
            while (free := shutil.disk_usage(self.path).free - leave) > 0:
                with contextlib.suppress(OSError):
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)

    def make_room(self) -> None:
        (self.path / "ballast").unlink()

    def outputs(self) -> list[str]:
        """Media where somebody would look for them."""
        out = self.path / "out"
        found = [path for name in ("ready", "review") for path in (out / name).glob("*")]
        return sorted(path.name for path in found if not path.name.endswith(".txt"))


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    """A full disk to be; its size in bytes is the test's parameter."""
    size: int = getattr(request, "param", 8 * MEGABYTE)
    folder = tmp_path / "disk"
    folder.mkdir()
    tried = []
    ways = [([], ["--mount"])] if os.geteuid() == 0 else []
    for more, enter in [
        *ways,
        (["--user", "--map-root-user"], ["--user", "--preserve-credentials", "--mount"]),
    ]:
        script = f'mount -t tmpfs -o size={size} tmpfs "$1" && echo mounted && exec cat'
        try:
            holder = subprocess.Popen(
                ["unshare", *more, "--mount", "sh", "-c", script, "sh", folder],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        except OSError as error:
            pytest.skip(f"no disk can be mounted here: {error}")
        with holder:
            try:
                if _line(holder.stdout) == "mounted\n":
                    yield SmallDisk(folder, size, holder, enter)
                    return
                tried.append(holder.communicate()[1].strip())
            finally:
                holder.kill()
    pytest.skip(f"no disk can be mounted here: {'; '.join(tried)}")


def _line(stream: IO[str] | None) -> str:
    assert stream
    return stream.readline()
