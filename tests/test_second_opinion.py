"""ExifTool, where it is there: what it lists is structure or fails the file; it is started confined or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anonymizer.core.confinement.apply import CANNOT_CONFINE
from anonymizer.core.types import Check, Result
from anonymizer.verify import exiftool

STRUCTURE = {
    "SourceFile": "-", "ExifTool:ExifToolVersion": 13, "System:FileSize": "1 kB", "File:ImageWidth": 8,
    "JFIF:JFIFVersion": 1.01, "PNG:BitDepth": 8, "Composite:ImageSize": "8x8", "QuickTime:MajorBrand": "isom",
    "Track1:TrackID": 1, "Track2:TrackID": 2,
}  # fmt: skip


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is on the path, with an ExifTool and a Perl in it; neither is ever run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("exiftool", "#!/usr/bin/env perl\n"), ("perl", "\x7fELF")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("PERL5LIB", raising=False)
    return folder


@pytest.fixture
def answering(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Check]:
    """ExifTool's verdict on a file where it says this and ends with this code."""

    def verdict(said: str, code: int = 0) -> Check:
        def launch(command: list[str], **_: Any) -> subprocess.Popen[bytes]:
            program = f"import sys; print({said!r}); sys.exit({code})"
            return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)

        monkeypatch.setattr(exiftool, "launch", launch)
        medium = tmp_path / "a.jpg"
        medium.write_bytes(b"a photo")
        return exiftool.start(medium)()

    return verdict


def test_what_lists_structure_alone_passes(answering: Callable[..., Check]) -> None:
    check = answering(json.dumps([STRUCTURE]))
    assert (check.result, check.evidence.code) == (Result.PASS, "check.exiftool-passed")
    assert check.data == {"tags": len(STRUCTURE)}


@pytest.mark.parametrize(
    "tag",
    ["IFD0:Make", "GPS:GPSLatitude", "PNG:Comment", "File:Comment", "File:ExifByteOrder", "Track3:TrackID",
     "ICC_Profile:ProfileCreator", "Unknown"],
)  # fmt: skip
def test_anything_else_fails_and_is_named(answering: Callable[..., Check], tag: str) -> None:
    check = answering(json.dumps([STRUCTURE | {tag: "CANARY"}]))
    assert (check.result, check.evidence.code) == (Result.FAIL, "check.exiftool-tags")
    assert check.data == {"tags": [tag]}
    assert "CANARY" not in str(check)


@pytest.mark.parametrize("said", ["", "no JSON", "[]"])
def test_what_it_cannot_read_fails(answering: Callable[..., Check], said: str) -> None:
    check = answering(said, 1)
    assert (check.result, check.evidence.code) == (Result.FAIL, "check.exiftool-failed")


def test_where_it_cannot_be_confined_it_was_not_started(answering: Callable[..., Check]) -> None:
    check = answering("", CANNOT_CONFINE)
    assert (check.result, check.evidence.code) == (Result.FAIL, "check.exiftool-unconfined")


def test_where_it_is_missing_it_is_passed_over(installed: Path, tmp_path: Path) -> None:
    (installed / "exiftool").unlink()
    assert exiftool.command() == []
    check = exiftool.start(tmp_path)()
    assert (check.result, check.evidence.code) == (Result.SKIPPED, "check.exiftool-missing")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is called as it is")
@pytest.mark.parametrize("first", ["#!/bin/sh\n# exiftool, no perl", "perl\n", "\x7fELF perl"])
def test_what_is_no_perl_script_is_not_started(installed: Path, tmp_path: Path, first: str) -> None:
    (installed / "exiftool").write_text(first)
    assert exiftool.command() == []
    check = exiftool.start(tmp_path)()
    assert (check.result, check.evidence.code) == (Result.SKIPPED, "check.exiftool-no-script")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is called as it is")
def test_without_perl_it_is_not_started(installed: Path) -> None:
    assert exiftool.command() == [str(installed / "perl"), str(installed / "exiftool")]
    (installed / "perl").unlink()
    assert exiftool.command() == []


def test_where_nothing_can_be_confined_it_is_called_as_it_is(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert exiftool.command() == [str(installed / "exiftool")]
    (installed / "exiftool").unlink()
    assert exiftool.command() == []


@pytest.mark.parametrize("named", ["", "one", os.pathsep.join(("one", "", "two"))])
def test_what_it_is_started_with(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """It reads the medium as its standard input, and may read its own modules, wherever they are named."""
    medium = tmp_path / "a.jpg"
    medium.write_bytes(b"a photo")
    seen: list[tuple[list[str], bytes, list[Path], Mapping[str, str]]] = []

    def launch(command: list[str], *, stdin: Any, seconds: float, read: list[Path], variables: Any) -> None:
        seen.append((command, stdin.read(), read, variables))

    monkeypatch.setattr(exiftool, "launch", launch)
    monkeypatch.chdir(tmp_path)
    if named:
        monkeypatch.setenv("PERL5LIB", named)
    exiftool.run("-json", path=medium)
    exiftool.run("-ver")
    (with_file, content, read, variables), (without, nothing, _, _) = seen
    assert with_file == [*exiftool.command(), "-json", "-"] and content == b"a photo"
    assert without == [*exiftool.command(), "-ver"] and nothing == b""
    assert read[:2] == [installed / "exiftool", installed / "lib"]
    assert read[2 + len(exiftool.PERL) :] == [
        (tmp_path / one).resolve() for one in named.split(os.pathsep) if one
    ]
    assert variables == ({"PERL5LIB": named} if named else {})


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """A clean photo, one with EXIF, one larger than a pipe holds, and a file that is none."""
    if not exiftool.command()[1:]:
        pytest.skip("ExifTool is not installed, or is no Perl script")
    made = {name: tmp_path / f"{name}.png" for name in ("clean", "exif", "large")}
    exif = Image.Exif()
    exif[0x010F] = "CANARY"
    Image.new("RGB", (8, 8)).save(made["clean"])
    Image.new("RGB", (8, 8)).save(made["exif"], exif=exif)
    Image.frombytes("RGB", (300, 300), os.urandom(270000)).save(made["large"])
    made["none"] = tmp_path / "none.png"
    made["none"].write_bytes(b"no picture")
    return made


def test_kept_open_it_says_what_it_says_when_called_for_each(
    photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    original = exiftool.launch

    def launch(command: list[str], **more: Any) -> subprocess.Popen[bytes]:
        started.append("-e" in command)
        return original(command, **more)

    monkeypatch.setattr(exiftool, "launch", launch)
    monkeypatch.setattr(exiftool, "FILES", 3)
    with exiftool.KeptOpen() as tool:
        for name in ("clean", "exif", "large", "clean"):
            path = photos[name]
            kept, alone = tool.start(path.read_bytes(), path)(), exiftool.start(path)()
            assert (kept.result, kept.evidence.code) == (alone.result, alone.evidence.code)
            if name == "exif":
                assert set(kept.data["tags"]) == set(alone.data["tags"])
            started.remove(False)
        assert started == [True, True], "another after three files"
        path = photos["none"]
        assert tool.start(path.read_bytes(), path)().evidence.code == exiftool.start(path)().evidence.code


def test_kept_open_a_process_that_does_not_answer_is_replaced(photos: dict[str, Path]) -> None:
    with exiftool.KeptOpen() as tool:
        for name in ("clean", "exif", "clean"):
            answer = tool.start(photos[name].read_bytes(), photos[name])
            if tool._process:
                tool._process.kill()
            assert answer().result is (Result.FAIL if name == "exif" else Result.PASS)


def test_kept_open_it_ends_with_this_program(photos: dict[str, Path]) -> None:
    tool = exiftool.KeptOpen()
    tool.start(photos["clean"].read_bytes(), photos["clean"])()
    process = tool._process
    assert process and process.stdin and process.poll() is None
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_kept_open_where_it_is_missing_it_is_passed_over(installed: Path, tmp_path: Path) -> None:
    (installed / "exiftool").unlink()
    check = exiftool.KeptOpen().start(b"", tmp_path)()
    assert (check.result, check.evidence.code) == (Result.SKIPPED, "check.exiftool-missing")
