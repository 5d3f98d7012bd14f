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
class Finding:
    """``needed`` findings that are not ``ok`` mean that the machine is not ready."""

    what: str
    ok: bool
    needed: bool
    said: str


def examine() -> list[Finding]:
    """Everything at once; nothing is fetched and nothing is written."""
    python = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding("program", True, True, f"anonymizer {__version__}, Python {python}")]
    findings += [
        _library(name) for name in ("numpy", "pillow", "pillow-heif", "mediapipe", "av", "zxing-cpp")
    ]
    findings += [_opencv(), _runtime(), *_models(), _ffmpeg(), _exiftool()]
    return findings


def _library(name: str) -> Finding:
    try:
        return Finding(name, True, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, True, "not installed; run the set-up again")


def _opencv() -> Finding:
    """Three packages write the folder ``cv2``; what counts is that it imports, also without libGL."""
    try:
        import cv2
    except ImportError as error:
        return Finding("opencv", False, True, f"does not load ({error}); run: {OPENCV_CURE}")
    return Finding("opencv", True, True, cv2.__version__)


def _runtime() -> Finding:
    if find_spec("openvino") is None:
        return Finding("openvino", False, True, "not installed; run the set-up again")
    from anonymizer.detect.runtime import devices

    found = devices()
    return Finding("openvino", bool(found), True, "; ".join(found) or "no device to compute on")


def _models() -> list[Finding]:
    from anonymizer.detect.finder import check_entries
    from anonymizer.detect.models.store import State, Store

    try:
        states = (store := Store()).check()
        check_entries(store)
    except ModelError as error:
        return [Finding("models", False, True, str(error))]
    findings = []
    for entry, state in states:
        said = {
            State.OK: "here, hash right",
            State.MISSING: f"not here; run 'anonymizer models fetch {entry.name}'",
            State.WRONG: "its file has a wrong hash; delete it and fetch it again",
        }[state]
        findings.append(Finding(f"model {entry.name}", state is State.OK, not entry.optional, said))
    return findings


def _ffmpeg() -> Finding:
    try:
        import imageio_ffmpeg

        return Finding("ffmpeg", True, True, f"second reader of clips: {imageio_ffmpeg.get_ffmpeg_version()}")
    except (ImportError, RuntimeError) as error:
        return Finding("ffmpeg", False, True, f"not found ({error}); run the set-up again")


def _exiftool() -> Finding:
    found = shutil.which("exiftool")
    return Finding("exiftool", bool(found), False, found or "not installed; an optional outside checker")
