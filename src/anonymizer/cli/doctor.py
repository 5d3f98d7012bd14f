"""``anonymizer doctor``: is this machine ready? One finding per thing that a run needs, or would be better with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from anonymizer.cli.failures import OPENCV_CURE
from anonymizer.cli.language import say
from anonymizer.cli.options import AsJson, takes_language
from anonymizer.cli.output import emit, out_console, print_line, shown
from anonymizer.core.confinement.launch import launch
from anonymizer.core.errors import ExitCode, ModelError
from anonymizer.core.message import Message
from anonymizer.core.version import __version__
from anonymizer.read.process import end, start
from anonymizer.verify import dcmdump, exiftool

SECONDS = 60
"""How long a program may take to say who it is."""


@dataclass(frozen=True, slots=True)
class MachineFinding:
    """``needed`` findings that are not ``ok`` mean that the machine is not ready."""

    what: str | Message
    ok: bool
    needed: bool
    said: str | Message


@takes_language
def doctor(
    out: Annotated[
        Path | None,
        typer.Argument(
            parser=Path,
            metavar="[OUT]",
            help="An output folder, to be told whether another version wrote it.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Is this machine ready: libraries, models, runtime device, outside checkers. Exit 5 if not."""
    findings = examine() + ([_folder(out)] if out else [])
    ready = all(finding.ok or not finding.needed for finding in findings)
    for finding in findings:
        if as_json:
            emit(
                {
                    "what": str(finding.what),
                    "ok": finding.ok,
                    "needed": finding.needed,
                    "said": str(finding.said),
                }
            )
        else:
            mark = "[green]ok  [/]" if finding.ok else "[red]no  [/]" if finding.needed else "[yellow]none[/]"
            out_console.print(f"{mark} {_text(finding.what):18} {escape(shown(_text(finding.said)))}")
    if not as_json:
        print_line(say("cli.ready" if ready else "cli.not-ready"))
    return ExitCode.OK if ready else ExitCode.NOT_READY


def _text(said: str | Message) -> str:
    return say(said) if isinstance(said, Message) else said


def examine() -> list[MachineFinding]:
    """Everything at once; nothing is fetched and nothing is written."""
    python = ".".join(map(str, sys.version_info[:3]))
    version = Message("doctor.version", version=__version__, python=python)
    findings = [MachineFinding(Message("doctor.program"), True, True, version)]
    findings += [_library(name) for name in ("numpy", "pillow", "pillow-heif", "av", "zxing-cpp")]
    findings += [_opencv(), _runtime(), *_models(), _confinement(), _ffmpeg(), _exiftool(), _dcmdump()]
    return findings


def _folder(out: Path) -> MachineFinding:
    """Whether this version of the program wrote an output folder last. An older one may not read what a newer wrote."""
    from anonymizer.gate.output import OutputFolder
    from anonymizer.gate.records import State

    placed = (State.READY, State.RELEASED, State.REVIEW, State.REJECTED)
    with OutputFolder(out.absolute()) as folder:
        last = folder.ledger.latest(placed, 1)
    made = last[0].settings.partition("/")[0] if last else __version__
    ours, theirs = _order(__version__), _order(made)
    code = (
        "doctor.folder-same"
        if theirs == ours
        else "doctor.folder-newer"
        if theirs > ours
        else "doctor.folder-older"
    )
    said = Message(code, path=out, made=made, version=__version__)
    return MachineFinding("folder", code != "doctor.folder-newer", False, said)


def _order(release: str) -> tuple[int, ...]:
    """A release's numbers, to compare it by."""
    return tuple(int(part) for part in re.findall(r"\d+", release))


def _library(name: str) -> MachineFinding:
    try:
        return MachineFinding(name, True, True, version(name))
    except PackageNotFoundError:
        return MachineFinding(name, False, True, Message("doctor.not-installed"))


def _opencv() -> MachineFinding:
    """Three packages write the folder ``cv2``; what counts is that it imports, also without libGL."""
    try:
        import cv2
    except ImportError as error:
        return MachineFinding(
            "opencv", False, True, Message("doctor.does-not-load", cause=error, cure=OPENCV_CURE)
        )
    return MachineFinding("opencv", True, True, cv2.__version__)


def _runtime() -> MachineFinding:
    if find_spec("openvino") is None:
        return MachineFinding("openvino", False, True, Message("doctor.not-installed"))
    try:
        from anonymizer.detect.runtime import devices
    except ImportError as error:
        return MachineFinding("openvino", False, True, Message("doctor.after-the-others", cause=error))
    found = devices()
    return MachineFinding("openvino", bool(found), True, "; ".join(found) or Message("doctor.no-device"))


def _models() -> list[MachineFinding]:
    from anonymizer.detect.finder import check_entries
    from anonymizer.detect.models.store import FileState, Store

    try:
        states = (store := Store()).check()
        check_entries(store)
    except ImportError as error:
        return [MachineFinding("models", False, True, Message("doctor.after-the-others", cause=error))]
    except ModelError as error:
        return [MachineFinding("models", False, True, error.message)]
    findings = []
    for entry, state in states:
        said = {
            FileState.OK: Message("doctor.model-here"),
            FileState.MISSING: Message("doctor.model-missing", name=entry.name),
            FileState.WRONG: Message("doctor.model-wrong"),
        }[state]
        findings.append(
            MachineFinding(
                Message("doctor.model", name=entry.name), state is FileState.OK, not entry.optional, said
            )
        )
    return findings


def _confinement() -> MachineFinding:
    """What holds a process that reads what somebody else wrote: tried, not asked for."""
    process = start("anonymizer.core.confinement")
    try:
        answer, _ = process.communicate(timeout=SECONDS)
        level = json.loads(answer)
        limits, landlock, calls = level["limits"], level["landlock"], level["calls"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return MachineFinding(
            Message("doctor.confinement"),
            False,
            True,
            Message("doctor.confined-broken"),
        )
    finally:
        end(process)
    held = [
        *([Message("doctor.confined-limits")] if limits else []),
        *([Message("doctor.confined-landlock", version=landlock)] if landlock else []),
        *([Message("doctor.confined-calls")] if calls else []),
    ]
    if landlock and calls and not level["open"]:
        return MachineFinding(
            Message("doctor.confinement"), True, False, Message("doctor.confined-full", held=held)
        )
    said = Message("doctor.confined-partly", held=held) if held else Message("doctor.confined-not")
    return MachineFinding(Message("doctor.confinement"), False, False, said)


def _ffmpeg() -> MachineFinding:
    try:
        import imageio_ffmpeg

        process = launch(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-version"], stdin=subprocess.DEVNULL, seconds=SECONDS
        )
        said, _ = process.communicate(timeout=SECONDS)
    except (ImportError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return MachineFinding("ffmpeg", False, True, Message("doctor.not-found", cause=error))
    found = re.match(r"ffmpeg version (\S+)", said.decode("utf-8", "replace"))
    if process.returncode or found is None:
        wrong = Message("doctor.ffmpeg-unconfined", status=process.returncode)
        return MachineFinding("ffmpeg", False, True, wrong)
    return MachineFinding("ffmpeg", True, True, Message("doctor.second-reader", version=found[1]))


def _dcmdump() -> MachineFinding:
    found = shutil.which("dcmdump")
    if found is None:
        return MachineFinding("dcmdump", False, False, Message("doctor.optional"))
    try:
        said, status = dcmdump.run(found, "--version")
    except (OSError, subprocess.TimeoutExpired) as error:
        return MachineFinding(
            "dcmdump", False, True, Message("doctor.dcmdump-no-start", path=found, cause=error)
        )
    version = re.search(rb"dcmdump v(\S+)", said)
    if status or version is None:
        wrong = Message("doctor.dcmdump-unconfined", path=found, status=status)
        return MachineFinding("dcmdump", False, True, wrong)
    return MachineFinding("dcmdump", True, False, f"{found} {version[1].decode('ascii', 'replace')}")


def _exiftool() -> MachineFinding:
    found = shutil.which("exiftool")
    if found is None:
        return MachineFinding("exiftool", False, False, Message("doctor.optional"))
    if not exiftool.command():
        return MachineFinding("exiftool", False, False, Message("doctor.exiftool-no-script", path=found))
    try:
        process = exiftool.run("-ver")
        said, _ = process.communicate(timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return MachineFinding(
            "exiftool", False, True, Message("doctor.exiftool-no-start", path=found, cause=error)
        )
    if process.returncode:
        wrong = Message("doctor.exiftool-unconfined", path=found, status=process.returncode)
        return MachineFinding("exiftool", False, True, wrong)
    return MachineFinding("exiftool", True, False, f"{found} {said.decode('ascii', 'replace').strip()}")
