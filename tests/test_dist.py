"""What `make dist` builds: whether an index would take it, and whether a new user's machine has all it needs from it.

The packages that the program depends on come from the package index; nothing else of a network is used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from anonymizer import __version__
from anonymizer.detect.models.manifest import models_version, read_manifest, shipped_manifest
from clips import make_clip, numbered
from conftest import ROOT, SAMPLES

BIN = Path(sys.executable).parent
PROGRAM = f"clinical_anonymizer-{__version__}-py3-none-any.whl"
MODELS = f"clinical_anonymizer_models-{models_version()}-py3-none-any.whl"
INDEX = (
    "UV_",
    "PIP_",
    "SSL_",
    "REQUESTS_",
    "HTTP",
    "http",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "LANG",
    "OPENBLAS_",
)
"""Variables that say where packages come from, or what kind of processor this is."""


def called(*words: str | Path, cwd: Path = ROOT, **more: str) -> str:
    environment = os.environ | more
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True, timeout=240, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    called(sys.executable, "-m", "hatchling", "build", "-d", folder)
    called(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT / "models")
    return folder


def test_an_index_would_take_what_is_built(dist: Path) -> None:
    files = sorted(dist.iterdir())
    assert [path.name for path in files] == [PROGRAM, f"clinical_anonymizer-{__version__}.tar.gz", MODELS]
    assert (
        called(sys.executable, "-m", "twine", "--no-color", "check", "--strict", *files).count("PASSED") == 3
    )
    called(BIN / "check-wheel-contents", *dist.glob("*.whl"))


def test_the_wheel_of_the_models_has_each_with_its_hash_and_its_licence(dist: Path, tmp_path: Path) -> None:
    needed = {one.file: one for one in read_manifest(shipped_manifest()) if not one.optional}
    with zipfile.ZipFile(dist / MODELS) as wheel:
        wheel.extractall(tmp_path)
        said = wheel.read(
            f"clinical_anonymizer_models-{models_version()}.dist-info/licenses/licences/README.md"
        ).decode()
    folder = tmp_path / "anonymizer_models"
    assert called("sha256sum", "--check", "SHA256SUMS", cwd=folder).count(": OK") == len(needed)
    assert {path.name for path in folder.iterdir()} == {*needed, "SHA256SUMS", "__init__.py"}
    for file, entry in needed.items():
        (line,) = (line for line in said.splitlines() if f"`{file}`" in line)
        assert f"[{entry.licence}]" in line


def test_the_list_of_parts_names_what_is_needed_and_nothing_else(tmp_path: Path) -> None:
    called(sys.executable, ROOT / ".ci" / "sbom.py", tmp_path)
    (path,) = tmp_path.iterdir()
    parts = json.loads(path.read_text(encoding="utf-8"))["components"]
    libraries = {one["name"] for one in parts if one["type"] == "library"}
    assert {"numpy", "opencv-python-headless", "markupsafe"} <= libraries
    assert not libraries & {"pytest", "mkdocs", "distributed", "matplotlib", "mediapipe"}
    models = {
        one["name"]: one["hashes"][0]["content"] for one in parts if one["type"] == "machine-learning-model"
    }
    assert models == {entry.name: entry.sha256 for entry in read_manifest(shipped_manifest())}
    assert all(one.get("licenses") for one in parts)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, dist: Path) -> Path:
    """The home of a new user who has run the README's command for the set-up in the folder with the wheels."""
    home = tmp_path_factory.mktemp("home")
    if not (uv := BIN / "uv").exists():
        pytest.skip("no uv here")
    tools = home / "tools"
    tools.mkdir()
    shutil.copy(uv, tools)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    (uv tool install .*)$", text, re.MULTILINE)
    words = command.split()
    assert words[3:] == [f"./{PROGRAM}", "--with", f"./{MODELS}"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run(
        [tools / "uv", *words[1:], "--python", python],
        cwd=dist,
        env=environment(home),
        check=True,
        timeout=240,
    )
    return home


def environment(home: Path) -> dict[str, str]:
    """Of somebody who has just been given this machine: no make, no git, no cache; and no graphics library."""
    masked = home / "masked"
    masked.mkdir(exist_ok=True)
    for name in ("libGL.so.1", "libEGL.so.1", "libgthread-2.0.so.0"):
        (masked / name).write_text("not a library: to load it is an error\n")
    kept = {name: value for name, value in os.environ.items() if name.startswith(INDEX)}
    python = Path(sys.executable).resolve().parent
    path = f"{home}/.local/bin:{home}/tools:{python}"
    return kept | {"HOME": str(home), "PATH": path, "LD_LIBRARY_PATH": str(masked)}


def program(home: Path, *words: str | Path, codes: tuple[int, ...] = (0,), offline: bool = True) -> str:
    """Call the installed program; ``offline``, where this machine allows it, without any network."""
    command = [home / ".local/bin/anonymizer", *words]
    unshare = shutil.which("unshare")
    if (
        offline
        and unshare
        and subprocess.run([unshare, "--net", "true"], capture_output=True).returncode == 0
    ):
        command = [unshare, "--net", *command]
    done = subprocess.run(
        list(map(str, command)), cwd=home, env=environment(home), capture_output=True, text=True, timeout=200
    )
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="masks libraries as Linux finds them")


@needs_linux
def test_a_new_user_is_ready_without_a_network(home: Path) -> None:
    said = program(home, "doctor", codes=(0,))
    assert "This machine is ready." in said
    assert program(home, "--version") == f"anonymizer {__version__}, models {models_version()}\n"
    assert not (home / ".cache" / "anonymizer").exists(), "nothing had to be fetched"


@needs_linux
def test_a_new_user_publishes_a_photo_and_a_clip_and_verifies_them(home: Path) -> None:
    cases = home / "cases"
    cases.mkdir()
    shutil.copy(SAMPLES / "portrait.jpg", cases)
    make_clip(cases / "clip.mp4", numbered(8))
    program(home, "blur", cases, "--out", home / "out", codes=(0, 3))
    found = {path for name in ("ready", "review") for path in (home / "out" / name).glob("*.[jm]p*")}
    assert {path.suffix for path in found} == {".jpg", ".mp4"}
    said = program(home, "verify", *found, "--reports", home / "out" / "reports", codes=(0, 3))
    assert len(re.findall("^(?:valid|review) ", said, re.MULTILINE)) == 2


@needs_linux
def test_a_new_user_opens_the_page(home: Path) -> None:
    command = [str(home / ".local/bin/anonymizer"), "app", "out", "--no-browser"]
    with subprocess.Popen(
        command, cwd=home, env=environment(home), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            link = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)))[0]
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with opener.open(link, timeout=30) as answer:
                assert answer.status == 200 and b"<html" in answer.read()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
