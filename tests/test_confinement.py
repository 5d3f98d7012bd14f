"""A process that reads what somebody else wrote can do nothing but compute: tried from within each of the four."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import probe
import stand_in
from anonymizer.core.confinement import landlock, seccomp
from anonymizer.core.confinement.apply import CANNOT_CONFINE, environment
from anonymizer.core.confinement.launch import launch
from anonymizer.core.errors import NotReadyError
from anonymizer.core.settings import Limits
from anonymizer.core.types import Result
from anonymizer.read.channel import write_message
from anonymizer.read.clip.reader import open_clip
from anonymizer.read.forked import ForkedProcess
from anonymizer.read.photo.reader import Decoder, open_still
from anonymizer.read.process import start
from anonymizer.read.sniff import MP4
from anonymizer.read.source import read
from anonymizer.verify import exiftool, second_reader

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not seccomp.known() or not seccomp.offered() or not landlock.version(),
    reason="needs Linux with Landlock and seccomp on x86-64 or arm64",
)
PERL = shutil.which("perl")
SYSTEM_PERL = [Path("/usr/share/perl"), Path("/usr/share/perl5"), Path("/etc/perl")]


@pytest.fixture
def victims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "victims"
    folder.mkdir()
    probe.lay_out(folder)
    monkeypatch.setenv(probe.VARIABLE, probe.SECRET)
    return folder


def in_perl(victims: Path, left_open: int) -> str:
    """The tries in Perl."""
    arm = "1" if platform.machine() == "aarch64" else ""
    return f"@ARGV = ('{victims}', {left_open}, '{arm}');\n{probe.PERL}"


def judged(said: bytes, victims: Path) -> None:
    """Nothing succeeded but what Landlock knows no right for (docs/threat-model.md): a loader needs that call."""
    done, _, stayed = said.decode().partition(".\n")
    assert set(done.split("\n")) - {""} <= {"ask for a file's size"}
    assert stayed == "still here\n"
    assert probe.untouched(victims)


@pytest.fixture
def left_open(victims: Path) -> Iterator[int]:
    """A descriptor that a program would inherit."""
    handle = os.open(victims / "read", os.O_RDONLY)
    os.set_inheritable(handle, True)
    yield handle
    os.close(handle)


@pytest.mark.skipif(PERL is None, reason="needs Perl, of which the probe is written")
def test_second_reader(victims: Path, left_open: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def taken_over(command: list[str], *, read: Sequence[Path] = (), **more: Any) -> subprocess.Popen[bytes]:
        assert str(medium) not in " ".join(command)
        own = [PERL or "", "-e", in_perl(victims, left_open)]
        process = launch(own, read=[*read, *SYSTEM_PERL], **more)
        said.append(process.communicate(timeout=60)[0])
        return launch(own, read=[*read, *SYSTEM_PERL], **more)

    medium = victims.parent / "clip.mp4"
    medium.write_bytes(b"a clip")
    monkeypatch.setattr(second_reader, "launch", taken_over)
    list(second_reader.sampled(medium, (), (2, 2), second_reader.SecondReading()))
    judged(said[0], victims)


@pytest.mark.skipif(PERL is None, reason="needs Perl, of which the probe is written")
def test_exiftool(victims: Path, left_open: int, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = victims.parent / "bin"
    folder.mkdir()
    tool = folder / "exiftool"
    tool.write_text(f"#!{PERL}\n{in_perl(victims, left_open)}")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    said, _ = exiftool.run(path=tool).communicate(timeout=60)
    judged(said, victims)
    assert exiftool.start(tool)().result is Result.FAIL


def test_exiftool_that_cannot_be_confined_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "exiftool"
    tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert exiftool.start(tool)().result is Result.SKIPPED
    assert not (tmp_path / "ran").exists()


CHILDREN = {
    "photo": """
from anonymizer.read.photo import child, decode
decode.decode = taken_over
""",
    "clip": """
from anonymizer.read.clip import child
child._frames = taken_over
""",
}
CHILD = """
import fcntl, json, os, sys
sys.path.insert(0, {tests!r})
import probe
# A number that is not given again to the medium.
left_open = fcntl.fcntl(os.open({victims!r} + "/read", os.O_RDONLY), fcntl.F_DUPFD, 100)
def taken_over(*_):
    os.write(1, json.dumps(sorted(probe.tries({victims!r}, left_open))).encode())
    os._exit(7)
{child}
prepare, work = child.prepare, child.work
"""


def in_python(
    kind: str, victims: Path, monkeypatch: pytest.MonkeyPatch, before: str = "", forked: bool = True
) -> tuple[set[str], int]:
    """The tries in a decoding process, in place of its decoder; what succeeded, and the exit status."""
    child = CHILDREN[kind] + before
    module = CHILD.format(tests=str(Path(__file__).parent), victims=str(victims), child=child)
    server = stand_in.server(monkeypatch, victims.parent, module)
    process = server.fork() if forked else start(server.module)
    assert isinstance(process, ForkedProcess) == forked
    medium = victims.parent / "medium"
    medium.write_bytes(b"a picture")
    job = {
        "format": "JPEG" if kind == "photo" else "MP4",
        "bytes": 9,
        "max_pixels": 1000,
        "memory": 1 << 30,
        "seconds": 20,
        "path": str(medium),
        "mode": "full",
    }
    assert process.stdin and process.stdout
    write_message(process.stdin, job)
    process.stdin.write(b"a picture")
    process.stdin.close()
    said = process.stdout.read()
    process.stdout.close()
    code = process.wait(timeout=60)
    server.close()
    return set(json.loads(said)), code


@pytest.mark.parametrize(("kind", "forked"), [("photo", True), ("clip", True), ("photo", False)])
def test_decoding_process(kind: str, forked: bool, victims: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, code = in_python(kind, victims, monkeypatch, forked=forked)
    assert done == set()
    assert code == 7, "it could become another program"
    assert probe.untouched(victims)


@pytest.mark.skipif(
    sys.platform != "linux" or landlock.version() < 6, reason="needs a Landlock that knows signals"
)
def test_landlock_alone_keeps_files_and_processes(victims: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = "from anonymizer.core.confinement import seccomp\nseccomp.apply = lambda _: False"
    done, code = in_python("photo", victims, monkeypatch, without)
    other = {"change a mode", "change times", "ask for a file's size", "fork", "raise a limit"}
    assert done <= other | {"make memory executable", "make a file in memory"}
    assert code == 7


def test_the_list_of_calls_alone_keeps_everything(victims: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = "from anonymizer.core.confinement import landlock\nlandlock.apply = lambda: 0"
    assert in_python("photo", victims, monkeypatch, without) == (set(), 7)


def test_environment_of_children_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    assert environment(A="b") == {"LD_LIBRARY_PATH": "/opt/lib", "A": "b"} | {
        name: os.environ[name] for name in ("PYTHONHOME",) if name in os.environ
    }


@pytest.mark.parametrize("module", ["read.photo.child", "read.clip.child"])
def test_nothing_is_opened_unconfined(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fence that the kernel offers and does not put up: the child ends before it reads a byte."""
    code = (
        f"import anonymizer.{module} as child; from anonymizer.core.confinement import seccomp\n"
        "def refused(_): raise OSError(22, 'no')\n"
        "seccomp.apply = refused\nprepare, work = child.prepare, child.work"
    )
    stand_in.replace(monkeypatch, tmp_path, code)
    path = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(path)
    limits = Limits()
    with pytest.raises(NotReadyError, match="cannot be confined"):
        if "clip" in module:
            open_clip(path, MP4, limits)
        else:
            with Decoder(limits) as decoder:
                open_still(read(path, limits.max_bytes), limits, decoder)


def test_a_program_that_cannot_be_confined_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonymizer.core.confinement.launch._loader", lambda _: ["/a\0b"])
    process = launch(["/bin/echo", "started"], stdin=subprocess.DEVNULL, seconds=5)
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == (b"", CANNOT_CONFINE)
