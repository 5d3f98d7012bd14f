"""Start the watcher with the user's session: a systemd user unit, a launchd agent, a Windows Scheduled Task.

The texts are made here and put where each system looks for them; no administrator is needed, and nothing but the
current user's own files is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import plistlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from anonymizer.core.errors import NotReadyError
from anonymizer.core.message import Message
from anonymizer.watch.status import ERRORS

NAME = "anonymizer-watch"
RETRY_SECONDS = 30
"""After a crash. Wrong use and a machine that is not ready (exit codes 2 and 5) are not tried again."""
VARIABLES = "ANONYMIZER_"
"""Variables of the environment whose names begin so are the service's too: where the models and the key lie."""


@dataclass(frozen=True, slots=True)
class Service:
    """A text, where it belongs, and the commands that switch it on and off. Those of ``before`` end an earlier
    one of the same name, which would go on as it was; they may fail, for mostly there is none."""

    name: str
    path: Path
    content: bytes
    on: tuple[tuple[str, ...], ...]
    off: tuple[tuple[str, ...], ...]
    before: tuple[tuple[str, ...], ...] = ()


def service_name(inbox: Path, out: Path) -> str:
    """One name for each pair of folders; it tells nothing about them."""
    folders = b"\0".join(os.fsencode(folder) for folder in (inbox, out))
    return f"{NAME}-{hashlib.sha256(folders).hexdigest()[:8]}"


def service(command: Sequence[str], inbox: Path, out: Path, platform: str = sys.platform) -> Service:
    """What ``command`` needs to run in the current user's session on a platform (``sys.platform``)."""
    name = service_name(inbox, out)
    if platform == "win32":
        return _task(name, command)
    if platform == "darwin":
        return _agent(name, command, out)
    return _unit(name, command)


def systemd_quote(word: str) -> str:
    """One word of an ExecStart line (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers")."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + text.replace("%", "%%").replace("$", "$$") + '"'


def _variables() -> dict[str, str]:
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)}


def _unit(name: str, command: Sequence[str]) -> Service:
    words = " ".join(systemd_quote(word) for word in command)
    # Unlike in ExecStart, a dollar means itself here.
    variables = "".join(
        f"Environment={systemd_quote(f'{name}={value}').replace('$$', '$')}\n"
        for name, value in _variables().items()
    )
    text = f"""\
[Unit]
Description=anonymizer: watch a folder
StartLimitIntervalSec=0

[Service]
Type=simple
{variables}ExecStart={words}
Restart=on-failure
RestartSec={RETRY_SECONDS}
RestartPreventExitStatus=2 5
KillMode=mixed
TimeoutStopSec=120
Nice=10
IOSchedulingClass=idle
UMask=0077

[Install]
WantedBy=default.target
"""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    file = f"{name}.service"
    run = ("systemctl", "--user")
    return Service(
        name,
        home / "systemd" / "user" / file,
        text.encode(errors="surrogateescape"),
        # Restarted, not only started: it may be at work as it was installed before.
        on=((*run, "daemon-reload"), (*run, "enable", file), (*run, "restart", file)),
        off=((*run, "disable", "--now", file),),
    )


def _agent(name: str, command: Sequence[str], out: Path) -> Service:
    label = f"local.{name}"
    value = {
        "Label": label,
        "ProgramArguments": list(command),
        "EnvironmentVariables": _variables(),
        "RunAtLoad": True,
        # Again after a crash, not after a regular end.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": RETRY_SECONDS,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Umask": 0o077,
        "ExitTimeOut": 120,
        "StandardErrorPath": str(out / ".anonymizer" / ERRORS),
    }
    path = Path.home() / "Library" / "LaunchAgents" / f"{label}.plist"
    domain = f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"
    return Service(
        name,
        path,
        plistlib.dumps(value),
        on=(("launchctl", "bootstrap", domain, str(path)),),
        off=(("launchctl", "bootout", f"{domain}/{label}"),),
        before=(("launchctl", "bootout", f"{domain}/{label}"),),
    )


def _task(name: str, command: Sequence[str]) -> Service:
    """A task of the Task Scheduler, schema 1.2; at log-on, without a time limit, also on battery."""
    user = escape("\\".join(filter(None, (os.environ.get("USERDOMAIN"), os.environ.get("USERNAME", "")))))
    text = f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>anonymizer: watch a folder</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>{user}</UserId></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RestartOnFailure><Interval>PT1M</Interval><Count>255</Count></RestartOnFailure>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <Hidden>true</Hidden>
    <Enabled>true</Enabled>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(command[0])}</Command>
      <Arguments>{escape(subprocess.list2cmdline(command[1:]))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    # The scheduler keeps its own copy; ours only has to be there while it reads it.
    path = Path(tempfile.gettempdir()) / f"{name}.xml"
    return Service(
        name,
        path,
        text.encode("utf-16"),
        on=(("schtasks", "/Create", "/F", "/TN", name, "/XML", str(path)), ("schtasks", "/Run", "/TN", name)),
        off=(("schtasks", "/End", "/TN", name), ("schtasks", "/Delete", "/F", "/TN", name)),
        before=(("schtasks", "/End", "/TN", name),),
    )


def watch_command(arguments: Sequence[str], language: str = "", platform: str = sys.platform) -> list[str]:
    """This very program, by its full path, with ``watch`` and its arguments; on Windows without a window.

    The system's language may be another one for a service: it is given the one that its user was spoken to in.
    """
    python = Path(sys.executable)
    if platform == "win32":
        python = python.with_name("pythonw.exe")
    spoken = ["--lang", language] if language else []
    return [str(python), "-m", "anonymizer", *spoken, "watch", *arguments]


def switch_on(wanted: Service, platform: str = sys.platform) -> None:
    """Write the text and switch the service on. Raises :class:`NotReadyError` with what to do by hand."""
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    wanted.path.write_bytes(wanted.content)
    try:
        for command in wanted.before:
            with contextlib.suppress(NotReadyError):
                _call(command, Message("service.not-disabled"))
        for command in wanted.on:
            _call(command, Message("service.not-enabled", path=wanted.path))
    finally:
        if platform == "win32":
            wanted.path.unlink(missing_ok=True)


def switch_off(wanted: Service, platform: str = sys.platform) -> bool:
    """Switch the service off and take its text away; False where there was none."""
    if platform != "win32" and not wanted.path.exists():
        return False
    failures = []
    for command in wanted.off:
        try:
            _call(command, Message("service.not-disabled"))
        except NotReadyError as error:
            failures.append(error)
    if platform == "win32":
        return len(failures) < len(wanted.off)
    wanted.path.unlink()
    if failures:
        raise failures[0]
    return True


def _call(command: Sequence[str], what: Message) -> None:
    shown = subprocess.list2cmdline(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotReadyError("service.no-command", what=what, command=command[0], shown=shown) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:200]
        why = said or Message("model.exit-code", status=done.returncode)
        raise NotReadyError("service.failed", what=what, why=why, shown=shown)
