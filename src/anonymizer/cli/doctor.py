"""Is this machine ready? One finding per thing that a run needs, or would be better with."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from anonymizer.core.errors import ModelError
from anonymizer.core.version import __version__

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
    findings += [_opencv(), _runtime(), *_models(), _ffmpeg(), _exiftool()]
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


def _ffmpeg() -> MachineFinding:
    try:
        import imageio_ffmpeg

        return MachineFinding(
            "ffmpeg", True, True, f"second reader of clips: {imageio_ffmpeg.get_ffmpeg_version()}"
        )
    except (ImportError, RuntimeError) as error:
        return MachineFinding("ffmpeg", False, True, f"not found ({error}); run the set-up again")


def _exiftool() -> MachineFinding:
    found = shutil.which("exiftool")
    return MachineFinding(
        "exiftool", bool(found), False, found or "not installed; an optional outside checker"
    )
