"""What other systems lack, taken away here; docs/platforms.md says what is proven where."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.cli import main as cli
from anonymizer.core import durable
from anonymizer.gate.files import safe_name
from anonymizer.read import sniff
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


def test_what_a_code_page_has_no_sign_for_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output that goes into a file on Windows is in an old code page, which has no σ and no arrow."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "cp1252") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    for words, code in ((["--lang", "fr", "blur", "--help"], 0), (["--lang", "fr", "verify", "a→b.jpg"], 4)):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert left.value.code == code
    for stream in (out, err):
        stream.flush()
    said = out.buffer.getvalue() + err.buffer.getvalue()
    assert b"\\u03c3" in said and b"a\\u2192b.jpg" in said and "é".encode("cp1252") in said


def test_a_path_that_is_too_long_for_windows_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    long = str(tmp_path / ("x" * 250))
    for path, code in ((long, "file.path-too-long"), (str(tmp_path / "a"), "file.gone")):
        error = sniff.unreachable(FileNotFoundError(2, "The system cannot find the path specified", path))
        assert error.message.code == code


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
