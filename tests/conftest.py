"""What many tests share: a real portrait, one set of loaded detectors, and a command line to call."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from anonymizer.cli import main as cli
from anonymizer.core import noise_secret
from anonymizer.core import signing as sign
from anonymizer.core.message import Message, from_json
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Pixels
from anonymizer.detect.base import RegionFinder
from anonymizer.detect.finder import TABLE, Finder
from anonymizer.detect.models.store import Store
from chromium import chromium
from disks import disk as disk
from views import view as view

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_media"

FAST = ("--no-faces", "--text", "none", "--no-codes", "--no-marks")
"""No detector at all: such a photo goes to review/, for faces were not looked for."""
QUICK = Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False)
"""The same, as settings."""
NO_DETECTORS = 'faces = false\ntext = "none"\ncodes = false\nmarks = false\n'
"""The same, as a settings file says it."""

# In the background of a shell SIGINT is ignored, and every process that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "project",
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("project")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, for many tests wait: for a browser, a watcher, a clock."""
    return 1 + (os.cpu_count() or 1)


LONGEST = [
    "review_page",
    "clip",
    "review_corrections",
    "release",
    "text",
    "clip_reader",
    "photo_outcomes",
    "watch_faults",
    "review_clip",
    "small_disk",
    "cli",
    "ledger_machine",
    "review_questions",
    "faces",
    "review_handing",
    "engine",
    "watch",
    "cluster",
    "shown",
    "clip_text",
    "dist",
    "batch",
]
"""Files of tests that take half a minute and more, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest is begun first: else one process works on it at the end while the others are idle."""
    rank = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A key and a noise secret of the tests' own: the user's are left alone."""
    path = tmp_path_factory.mktemp("key") / "anonymizer" / sign.FILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(sign.VARIABLE, str(path))
        patch.setenv(noise_secret.VARIABLE, str(path.with_name(noise_secret.FILE)))
        yield path


@pytest.fixture(scope="session")
def portrait() -> Pixels:
    """The public-domain portrait of the sample media, ``(1024, 1024, 3)``."""
    with Image.open(SAMPLES / "portrait.jpg") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """Settings without any detector: what is tested is the way, not the finding."""
    path = tmp_path / "quick.toml"
    path.write_text(NO_DETECTORS, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finders() -> Callable[[Settings], Finder]:
    """Real detectors, loaded once for each choice of them; what two choices have in common, once for both."""
    loaded: dict[tuple[object, ...], Finder] = {}
    families: dict[tuple[object, ...], list[RegionFinder]] = {}
    build = dict(zip(("faces", "text", "codes", "marks"), TABLE, strict=False))

    def finder(chosen: Settings) -> Finder:
        parts = [(family, chosen.detector, getattr(chosen, family)) for family in build]
        key = tuple(parts)
        if key not in loaded:
            for part in parts:
                if part not in families:
                    families[part] = build[part[0]](chosen, Store())
            loaded[key] = Finder(QUICK)
            loaded[key].finders = [one for part in parts for one in families[part]]
        return loaded[key]

    return finder


@pytest.fixture
def loaded_once(finders: Callable[[Settings], Finder], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions of this test take the detectors that are loaded already."""
    monkeypatch.setattr("anonymizer.road.worker.Finder", finders)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A running Chromium, for the tests that :data:`chromium.in_browser` marks."""
    with chromium() as running:
        yield running


@dataclass(frozen=True)
class Ran:
    """What a call of the command line said and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(loaded_once: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    """Call the command line in this process."""

    def call(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(int(left.value.code or 0), said.out, said.err)

    yield call


def fingerprints(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file below a folder: to show that nobody touched them."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def everything_written(out: Path) -> bytes:
    """Every byte that a run hands out: media, reports, reasons, overview and names, not the private ledger."""
    parts = []
    for folder in ("ready", "review", "reports"):
        for path in sorted((out / folder).rglob("*")):
            parts += [str(path.relative_to(out)).encode("utf-8", "surrogateescape"), path.read_bytes()]
    return b"\n".join(parts)


def signed_report(said: dict[str, Any]) -> bytes:
    """A report with a good signature, whatever it says."""
    return sign.as_file(sign.signed(said, "report", sign.own_key()))


def sentences(said: Iterable[Any]) -> list[str]:
    """What messages, or their JSON, say in English."""
    return [str(from_json(one)) for one in said]


def plain(text: str) -> Message:
    """A message that is just this text."""
    return Message("as-it-is", text=text)
