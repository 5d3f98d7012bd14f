"""What other systems lack, taken away here; docs/platforms.md says what is proven where."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.core import durable
from anonymizer.gate.files import safe_name
from conftest import ROOT

WINDOWS = """
import importlib, os, pkgutil, signal, sys, sysconfig
sysconfig.get_config_vars()
import av, cryptography.hazmat.primitives.serialization, cv2, distributed, ffmpeg, filelock, fsspec, imageio_ffmpeg
import jinja2, numpy, pillow_heif, PIL.Image, platformdirs, psutil, pydantic, rich.progress, sqlite3, subprocess
import pypdfium2.raw, starlette.applications, tempfile, typer, uvicorn, watchfiles, zxingcpp
import multiprocessing.context, asyncio
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_CLOEXEC", "O_PATH", "fork", "forkpty", "getuid", "geteuid",
             "getgid", "setsid", "getpgid", "killpg", "mkfifo", "sched_getaffinity", "statvfs", "listxattr", "getxattr",
             "setxattr", "removexattr", "prctl", "chown", "fchmod", "fchown", "posix_fadvise", "pipe2", "memfd_create"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGIO", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGPIPE", "SIGQUIT", "SIGSTOP"):
    if hasattr(signal, name):
        delattr(signal, name)
sys.platform = "win32"
import anonymizer
for found in pkgutil.walk_packages(anonymizer.__path__, "anonymizer."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
from anonymizer.cli.main import root
print(len(root.commands))
"""


def test_every_module_loads_without_what_windows_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WINDOWS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.parametrize("name", ["CON", "aux", "nul.txt", "COM1", "lpt9.jpg"])
def test_a_name_that_windows_keeps_for_itself_is_not_used(name: str) -> None:
    assert safe_name(name) == f"_{name}"


@pytest.mark.parametrize("times", [2, 99])
def test_a_file_that_a_virus_scanner_holds_for_a_moment_is_replaced_when_it_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """As Windows answers: PermissionError with its own number, until the other program has closed the file."""
    path, temporary = tmp_path / "index.html", tmp_path / "x.tmp"
    path.write_bytes(b"old")
    real, tries, slept = Path.replace, [], []

    def held(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) <= times:
            error = PermissionError(13, "Access is denied")
            error.winerror = 32  # type: ignore[attr-defined]
            raise error
        return real(self, target)

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr("time.sleep", slept.append)
    if times == 2:
        durable.replace(path, b"new", temporary)
        assert path.read_bytes() == b"new" and slept == list(durable.PAUSES[:2])
    else:
        with pytest.raises(PermissionError):
            durable.replace(path, b"new", temporary)
        assert path.read_bytes() == b"old" and not temporary.exists() and sum(slept) < 2
    # What is simply not allowed is not tried again.
    tries.clear()
    monkeypatch.setattr(
        Path, "replace", lambda *_: tries.append(path) or (_ for _ in ()).throw(PermissionError(13, "no"))
    )
    with pytest.raises(PermissionError):
        durable.replace(path, b"new", temporary)
    assert len(tries) == 1


def test_the_example_of_the_guide_for_contributors_finds_what_it_says() -> None:
    import numpy as np

    from anonymizer.core.types import Action

    text = (Path(ROOT) / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, type] = {}
    exec(code, names)
    finder = names["BrightCorner"]()
    dark = np.zeros((80, 160, 3), np.uint8)
    assert finder.find(dark) == finder.verification_pass(dark) == []
    dark[:10, :40] = 255
    (found,) = finder.find(dark)
    assert (found.box.w, found.box.h, found.action) == (40, 10, Action.ASK) and finder.models() == []
