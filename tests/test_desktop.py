"""Launchers: their texts on every system, and what happens where a person clicks on them."""

from __future__ import annotations

import configparser
import io
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

import pytest
from PIL import Image

from anonymizer import __main__ as front
from anonymizer.core.errors import NotReadyError
from anonymizer.desktop.icon import icon
from anonymizer.desktop.launchers import (
    Entries,
    desktop_quote,
    entries,
    open_command,
    powershell_quote,
    set_up,
    take_away,
)
from conftest import SAMPLES, Ran

Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, folder in {
        "HOME": "", "XDG_DATA_HOME": "share", "APPDATA": "roaming", "XDG_DOCUMENTS_DIR": "Documents"
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(tmp_path / folder))
    return tmp_path


def files(of: Entries) -> dict[str, bytes]:
    return {path.name: content for path, content, _ in of.files}


def words(entry: bytes, key: str = "Exec") -> list[str]:
    """An Exec line as the specification has it read: escapes of a string first, then a shell's double quotes."""
    read = configparser.RawConfigParser(delimiters=("=",), strict=True)
    read.optionxform = str  # type: ignore[assignment, method-assign]
    read.read_string(entry.decode())
    line = re.sub(
        r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), read["Desktop Entry"][key]
    )
    found = re.findall(r'"((?:\\.|[^"\\])*)"|(\S+)', line)
    return [(re.sub(r"\\(.)", r"\1", quoted) or bare).replace("%%", "%") for quoted, bare in found]


@pytest.mark.parametrize(
    "word", ["plain", "two words", 'a"b', "a\\b", "100%", "$HOME", "`id`", "ümlaut", "a'b"]
)
def test_a_word_of_a_menu_entry_reads_back_as_it_was(word: str) -> None:
    assert words(f"[Desktop Entry]\nExec={desktop_quote(word)}\n".encode()) == [word]


def test_the_entries_of_linux(home: Path) -> None:
    out = home / 'An "out" $x 100%'
    made = entries(out, "fr", "linux")
    page, send = files(made)["anonymizer.desktop"], files(made)["anonymizer-open.desktop"]
    called = [sys.executable, "-m", "anonymizer", "--lang", "fr", "desktop", "open", "--out", str(out)]
    assert words(page) == called and words(send) == [*called, "%F"]
    assert "video/mp4" in words(send, "MimeType")[0] and b"MimeType" not in page
    assert made.shown == (home / "share" / "applications" / "anonymizer.desktop",)


@pytest.mark.skipif(not shutil.which("desktop-file-validate"), reason="no desktop-file-validate here")
def test_the_entries_are_what_the_specification_asks_for(home: Path) -> None:
    made = entries(home / "out", "", "linux")
    set_up(made)
    for path in (path for path, _, _ in made.files if path.suffix == ".desktop"):
        said = subprocess.run(["desktop-file-validate", path], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout) == (0, "")


def test_the_shortcuts_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", r"C:\Users\Anna O'Hara\uv\python.exe")
    out = PureWindowsPath(r"C:\Users\Anna O'Hara\Documents\Anonymised")
    made = entries(out, "", "win32")
    assert made.needed and {path.parent.name for path in made.shown} >= {"Programs", "SendTo"}
    assert made.gone == made.shown
    ((*program, script),) = made.on
    assert program == ["powershell", "-NoProfile", "-NonInteractive", "-Command"]
    assert script.count("CreateShortcut") == script.count("$link.Save()") == 3
    assert r"$link.TargetPath = 'C:\Users\Anna O''Hara\uv\pythonw.exe'" in script
    assert (
        r"""$link.Arguments = '-m anonymizer desktop open --out "C:\Users\Anna O''Hara\Documents\Anonymised"'"""
        in script
    )
    assert Image.open(io.BytesIO(files(made)["anonymizer.ico"])).format == "ICO"
    assert powershell_quote("a’b") == "'a’’b'"


def test_the_bundle_and_the_quick_action_of_macos(home: Path) -> None:
    made = entries(home / "a b", "", "darwin")
    modes = {path.name: mode for path, _, mode in made.files}
    call = shlex.join(open_command(home / "a b", ""))
    assert files(made)["anonymizer"].decode() == f"#!/bin/sh\nexec {call}\n" and modes["anonymizer"] == 0o755
    plists = [
        plistlib.loads(content) for path, content, _ in made.files if path.suffix in (".plist", ".wflow")
    ]
    bundle, service, workflow = plists
    assert bundle["CFBundleExecutable"] == "anonymizer" and bundle["CFBundleIconFile"] in files(made)
    assert service["NSServices"][0]["NSSendFileTypes"][:2] == ["public.image", "public.movie"]
    (step,) = workflow["actions"]
    assert step["action"]["ActionParameters"]["COMMAND_STRING"].startswith(f'{call} "$@"')
    assert Image.open(io.BytesIO(files(made)["anonymizer.icns"])).format == "ICNS"


def test_the_icon_is_the_page_s_mark() -> None:
    mark = Image.open(io.BytesIO(icon("PNG"))).convert("RGBA")
    assert mark.size == (256, 256)
    assert mark.getpixel((0, 0))[3] == 0 and mark.getpixel((128, 8))[:3] == (14, 102, 114)
    assert mark.getpixel((128, 104))[:3] == (255, 255, 255), "the bar over the face"


@pytest.fixture
def opened(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Stands in for a browser that stays open; gives the address that it was asked to open."""
    script, seen = home / "browser", home / "address"
    script.write_text(f'#!/bin/sh\necho "$1" > "{seen}.part"; mv "{seen}.part" "{seen}"; sleep 20\n')
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(script))

    def address() -> str:
        for _ in range(600):
            if seen.exists():
                return seen.read_text().strip()
            time.sleep(0.1)
        raise AssertionError("no browser was opened")

    yield address


@pytest.mark.skipif(sys.platform != "linux", reason="this system's launcher is another")
def test_a_click_opens_the_page_and_what_was_sent_waits_there(
    home: Path, run: Run, opened: Callable[[], str]
) -> None:
    assert "anonymizer.desktop" in run("desktop", "install", "--lang", "fr", "--out", home / "out").out
    entry = home / "share" / "applications" / "anonymizer-open.desktop"
    (home / "anonymizer.toml").write_text('faces = false\ntext = "none"\ncodes = false\nmarks = false\n')
    photo = shutil.copy(SAMPLES / "no-face.jpg", home / "photo.jpg")
    command = [*words(entry.read_bytes())[:-1], str(photo)]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL) as process:
        try:
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with opener.open(opened(), timeout=15) as answer:
                assert answer.status == 200 and b"anonymizer" in answer.read()
            assert len(list((home / "out" / "review").glob("*.jpg"))) == 1
        finally:
            process.terminate()
            process.wait(30)
    assert "supprimé" in run("desktop", "uninstall", "--lang", "fr", "--out", home / "out").out
    assert not entry.exists() and "no launcher" in run("desktop", "uninstall", "--lang", "en").out


def test_what_cannot_be_set_up_is_said(home: Path) -> None:
    (home / "share").write_text("a file where a folder belongs")
    with pytest.raises(NotReadyError, match="no launcher was set up"):
        set_up(entries(home / "out", "", "linux"))
    missing = Entries((), (), (("no-such-program",),), needed=True)
    with pytest.raises(NotReadyError, match="no-such-program failed"):
        set_up(missing)
    assert take_away(missing) is False


@pytest.mark.parametrize(
    ("given", "expected"), [([], ["desktop", "open"]), (["--version"], None)], ids=["alone", "with words"]
)
def test_alone_and_without_a_terminal_the_page_is_opened(
    given: list[str], expected: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str] | None] = []

    def noted(arguments: list[str] | None = None) -> None:
        print("this goes nowhere")
        called.append(arguments)

    monkeypatch.setattr("anonymizer.cli.main.main", noted)
    monkeypatch.setattr(sys, "argv", ["anonymizer", *given])
    with monkeypatch.context() as windowed:
        windowed.setattr(sys, "stdout", None)
        windowed.setattr(sys, "stderr", None)
        front.main()
    assert called == [expected]
