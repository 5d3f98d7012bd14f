"""Is this machine ready? One finding per thing that a run needs, or would be better with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from anonymizer.core.confinement.launch import launch
from anonymizer.core.errors import ModelError
from anonymizer.core.version import __version__
from anonymizer.read.process import end, start
from anonymizer.verify import exiftool

SECONDS = 60
"""How long a program may take to say who it is."""
OPENCV_CURE = "pip install --force-reinstall --no-deps opencv-python-headless==5.0.0.93"


@dataclass(frozen=True, slots=True)
class MachineFinding:
    """``needed`` findings that are not ``ok`` mean that the machine is not ready."""

    what: str
    ok: bool
    needed: bool
    said: str


def examine() -> list[MachineFinding]:
    """Everything at once; nothing is fetched and nothing is written."""
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [MachineFinding("program", True, True, f"anonymizer {__version__}, Python {python}")]
    findings += [
        _library(name) for name in ("numpy", "pillow", "pillow-heif", "mediapipe", "av", "zxing-cpp")
    ]
    findings += [_opencv(), _runtime(), *_models(), _confinement(), _ffmpeg(), _exiftool()]
    return findings


def _library(name: str) -> MachineFinding:
    try:
        return MachineFinding(name, True, True, version(name))
    except PackageNotFoundError:
        return MachineFinding(name, False, True, "not installed; run the set-up again")


def _opencv() -> MachineFinding:
    """Three packages write the folder ``cv2``; what counts is that it imports, also without libGL."""
    try:
        import cv2
    except ImportError as error:
        return MachineFinding("opencv", False, True, f"does not load ({error}); run: {OPENCV_CURE}")
    return MachineFinding("opencv", True, True, cv2.__version__)


def _runtime() -> MachineFinding:
    if find_spec("openvino") is None:
        return MachineFinding("openvino", False, True, "not installed; run the set-up again")
    from anonymizer.detect.runtime import devices

    found = devices()
    return MachineFinding("openvino", bool(found), True, "; ".join(found) or "no device to compute on")


def _models() -> list[MachineFinding]:
    from anonymizer.detect.finder import check_entries
    from anonymizer.detect.models.store import FileState, Store

    try:
        states = (store := Store()).check()
        check_entries(store)
    except ModelError as error:
        return [MachineFinding("models", False, True, str(error))]
    findings = []
    for entry, state in states:
        said = {
            FileState.OK: "here, hash right",
            FileState.MISSING: f"not here; run 'anonymizer models fetch {entry.name}'",
            FileState.WRONG: "its file has a wrong hash; delete it and fetch it again",
        }[state]
        findings.append(
            MachineFinding(f"model {entry.name}", state is FileState.OK, not entry.optional, said)
        )
    return findings


def _confinement() -> MachineFinding:
    """What holds a process that reads what somebody else wrote: tried, not asked for."""
    process = start("anonymizer.core.confinement")
    try:
        said, _ = process.communicate(timeout=SECONDS)
        level = json.loads(said)
        limits, landlock, calls = level["limits"], level["landlock"], level["calls"]
    except (ValueError, KeyError, subprocess.TimeoutExpired):
        return MachineFinding(
            "confinement",
            False,
            True,
            "the kernel offers it and it fails: no file will be opened on this machine",
        )
    finally:
        end(process)
    held = [
        *(["limits of memory, time and descriptors"] if limits else []),
        *([f"no file, socket or other process (Landlock {landlock})"] if landlock else []),
        *(["a list of system calls (seccomp)"] if calls else []),
    ]
    if landlock and calls and not level["open"]:
        return MachineFinding("confinement", True, False, f"full: {', '.join(held)}")
    kind = "partial" if held else "none but the parent's clock"
    more = "open only files that you trust (docs/threat-model.md)"
    return MachineFinding("confinement", False, False, "; ".join([f"{kind}: {', '.join(held)}", more]))


def _ffmpeg() -> MachineFinding:
    try:
        import imageio_ffmpeg

        process = launch(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-version"], stdin=subprocess.DEVNULL, seconds=SECONDS
        )
        said, _ = process.communicate(timeout=SECONDS)
    except (ImportError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return MachineFinding("ffmpeg", False, True, f"not found ({error}); run the set-up again")
    found = re.match(r"ffmpeg version (\S+)", said.decode("utf-8", "replace"))
    if process.returncode or found is None:
        wrong = f"does not start confined (status {process.returncode}); run the set-up again"
        return MachineFinding("ffmpeg", False, True, wrong)
    return MachineFinding("ffmpeg", True, True, f"second reader of clips: {found[1]}")


def _exiftool() -> MachineFinding:
    found = shutil.which("exiftool")
    if found is None:
        return MachineFinding("exiftool", False, False, "not installed; an optional outside checker")
    if not exiftool.command():
        return MachineFinding(
            "exiftool", False, False, f"{found} is no Perl script: it cannot be confined and is not used"
        )
    try:
        process = exiftool.run("-ver")
        said, _ = process.communicate(timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return MachineFinding("exiftool", False, True, f"{found} cannot be started ({error})")
    if process.returncode:
        wrong = f"{found} does not start confined (status {process.returncode}), so every file would wait"
        return MachineFinding("exiftool", False, True, wrong)
    return MachineFinding("exiftool", True, False, f"{found} {said.decode('ascii', 'replace').strip()}")
