"""The services that start a watcher: their texts, where they lie, how they are switched on and off."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from anonymizer.cli.options import Given
from anonymizer.cli.watch import wanted_service
from anonymizer.core.errors import NotReadyError
from anonymizer.watch.options import Options
from anonymizer.watch.service import Service, service, switch_off, switch_on, systemd_quote, watch_command
from conftest import Ran

INBOX, OUT = Path("/home/anna/in box 100%"), Path('/home/anna/"out" $x')
COMMAND = ["/usr/bin/python3", "-m", "anonymizer", "watch", str(INBOX), "--out", str(OUT)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ANONYMIZER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    return tmp_path


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANONYMIZER_MODELS", '/mo dels/$a "b" 5%')


def test_the_systemd_unit(home: Path, models: None) -> None:
    unit = service(COMMAND, INBOX, OUT, "linux")
    assert unit.path == home / ".config" / "systemd" / "user" / f"{unit.name}.service"
    text = unit.content.decode()
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert lines["ExecStart"] == (
        '"/usr/bin/python3" "-m" "anonymizer" "watch" "/home/anna/in box 100%%" "--out" '
        '"/home/anna/\\"out\\" $$x"'
    )
    assert lines["Environment"] == '"ANONYMIZER_MODELS=/mo dels/$a \\"b\\" 5%%"'
    assert lines["Restart"] == "on-failure" and lines["RestartPreventExitStatus"] == "2 5"
    assert lines["WantedBy"] == "default.target"
    assert unit.on[-1] == ("systemctl", "--user", "restart", f"{unit.name}.service")


def test_systemd_itself_finds_the_unit_right(
    tmp_path: Path, models: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    command = [sys.executable, *COMMAND[1:]]
    path = tmp_path / "test.service"
    path.write_bytes(service(command, INBOX, OUT, "linux").content)
    verify = ["systemd-analyze", "--user", "verify", str(path)]

    def complaints() -> list[str]:
        said = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
        return [line for line in said.stderr.splitlines() if "test.service" in line]

    assert complaints() == []
    path.write_text("[Service]\nExecStart=relative\nNonsense=1\n")
    assert complaints(), "it would have said so"


@pytest.mark.parametrize(
    "word", ["plain", "two words", 'a"b', "a\\b", "100%", "$HOME", "a\nb", "'", "ümlaut"]
)
def test_a_word_of_a_unit_reads_back_as_it_was(word: str) -> None:
    """By the rules of a shell's double quotes, which are those of systemd but for its two doubled characters."""
    quoted = systemd_quote(word).replace("$$", "\0")
    assert "\n" not in quoted
    inner = quoted.replace("\0", "$").replace("%%", "%").replace("\\n", "\n")
    assert shlex.split(inner) == [word]


def test_the_launchd_agent(home: Path, models: None) -> None:
    agent = service(COMMAND, INBOX, OUT, "darwin")
    said = plistlib.loads(agent.content)
    assert agent.path == home / "Library" / "LaunchAgents" / f"{said['Label']}.plist"
    assert said["ProgramArguments"] == COMMAND
    assert said["RunAtLoad"] is True and said["KeepAlive"] == {"SuccessfulExit": False}
    assert said["EnvironmentVariables"] == {"ANONYMIZER_MODELS": '/mo dels/$a "b" 5%'}
    assert agent.on[0][:2] == ("launchctl", "bootstrap") and agent.off[0][1] == "bootout"
    assert agent.before == agent.off, "an earlier one ends first"


def test_the_scheduled_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERDOMAIN", "PRACTICE")
    monkeypatch.setenv("USERNAME", "anna & co")
    command = ["C:\\Program Files\\Python\\pythonw.exe", *COMMAND[1:4], "D:\\in box", "--out", "D:\\a & b"]
    task = service(command, Path("D:\\in box"), Path("D:\\a & b"), "win32")
    root = ElementTree.fromstring(task.content.decode("utf-16"))
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}

    def text(path: str) -> str:
        return root.findtext(path, namespaces=space) or ""

    assert text(".//t:Exec/t:Command") == command[0]
    assert text(".//t:Exec/t:Arguments") == '-m anonymizer watch "D:\\in box" --out "D:\\a & b"'
    assert text(".//t:LogonTrigger/t:UserId") == "PRACTICE\\anna & co"
    assert text(".//t:ExecutionTimeLimit") == "PT0S" and text(".//t:RunLevel") == "LeastPrivilege"
    assert task.on[0][:2] == ("schtasks", "/Create") and task.off[-1][:2] == ("schtasks", "/Delete")
    assert task.before == (("schtasks", "/End", "/TN", task.name),)
    assert watch_command(["x"], platform="win32")[0].endswith("pythonw.exe")


def test_each_pair_of_folders_has_a_service_of_its_own_whose_name_tells_nothing() -> None:
    names = {service(COMMAND, INBOX / name, OUT).name for name in ("Mrs X", "Mr Y")}
    assert len(names) == 2 and not any("Mr" in name for name in names)


def test_the_service_runs_the_watch_that_was_asked_for(tmp_path: Path) -> None:
    options = Options(
        tmp_path / "in", tmp_path / "out", tmp_path / "done", poll=True, quiet=2.5, rescan=90, workers=2
    )
    flags = {"--style": "fill", "--codes": False, "--lang": "fr", "--region": ("1,2,3,4", "5,6,7,8@1-2")}
    given = Given(Path("own.toml"), flags)
    text = wanted_service(options, given).content.decode()
    if sys.platform == "linux":
        line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
        assert shlex.split(line.removeprefix("ExecStart=")) == [
            *(
                sys.executable,
                "-m",
                "anonymizer",
                "watch",
                str(tmp_path / "in"),
                "--out",
                str(tmp_path / "out"),
            ),
            *("--wait", "--done", str(tmp_path / "done"), "--settings", str(Path("own.toml").absolute())),
            *("--no-codes", "--style", "fill", "--region", "1,2,3,4", "--region", "5,6,7,8@1-2"),
            *("--poll", "--settle", "2.5", "--rescan", "90", "--workers", "2"),
        ]


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that notes how it is called."""
    if sys.platform != "linux":
        pytest.skip("the platform's own way is another")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "systemctl"
    script.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/calls"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return script


def test_install_and_uninstall(tmp_path: Path, systemctl: Path, run: Callable[..., Ran]) -> None:
    (tmp_path / "in").mkdir()
    settings = tmp_path / "own.toml"
    settings.write_text('faces = false\ntext = "none"\ncodes = false\nmarks = false\n')
    folders = ("--lang", "fr", "watch", tmp_path / "in", "--out", tmp_path / "out", "--settings", settings)
    said = run(*folders, "--install")
    assert said.code == 0 and "Installé et démarré : anonymizer-watch-" in said.out
    (unit,) = (tmp_path / ".config" / "systemd" / "user").iterdir()
    assert '"--lang" "fr" "watch"' in unit.read_text() and "--wait" in unit.read_text()
    assert (tmp_path / "out" / ".anonymizer" / "ledger.sqlite").is_file()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["--user daemon-reload", f"--user enable {unit.name}", f"--user restart {unit.name}"]
    said = run(*folders, "--uninstall")
    assert said.code == 0 and said.out == "Service supprimé.\n" and not unit.exists()
    assert (tmp_path / "calls").read_text().splitlines()[3:] == [f"--user disable --now {unit.name}"]
    assert run(*folders, "--uninstall").out == "Il n'y avait pas de service à supprimer.\n"


def test_a_service_that_cannot_be_switched_on_is_said_with_what_to_run(
    tmp_path: Path, systemctl: Path
) -> None:
    unit = service(COMMAND, INBOX, OUT, "linux")
    systemctl.write_text("#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n")
    with pytest.raises(NotReadyError) as error:
        switch_on(unit)
    assert str(error.value) == (
        f"{unit.path} was written, but could not be switched on (Failed to connect to bus); "
        "run by hand: systemctl --user daemon-reload"
    )
    with pytest.raises(NotReadyError, match="The service could not be switched off"):
        switch_off(unit)
    assert not unit.path.exists(), "it does not start again all the same"


def test_a_platform_without_its_tool_is_said(tmp_path: Path) -> None:
    nothing = Service("x", tmp_path / "x", b"", (("no-such-program-here", "a b"),), ())
    with pytest.raises(
        NotReadyError, match=r'no-such-program-here cannot be run here; run by hand: .* "a b"'
    ):
        switch_on(nothing)
    switch_on(Service("x", tmp_path / "x", b"", (), (), (("no-such-program-here",),)))
