"""Launchers: a menu entry that opens the page, and an entry where a system offers programs for photos and clips.

Everything is the current user's own, and no administrator is needed. Texts are made for every system on every system,
so that they can be tested; :func:`set_up` puts them in their places.
"""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath, PureWindowsPath

import platformdirs

from anonymizer.core.errors import NotReadyError
from anonymizer.desktop.icon import icon

NAME = "anonymizer"
FOLDER = "Anonymised"
"""Of the page's outputs, among the user's documents."""
TYPES = (
    "image/jpeg", "image/png", "image/heic", "image/heif", "image/avif", "image/webp", "image/tiff", "image/bmp",
    "image/gif", "application/dicom", "video/mp4", "video/quicktime", "video/3gpp", "video/x-matroska", "video/webm",
    "video/x-msvideo", "video/mp2t", "application/zip", "application/pdf",
)  # fmt: skip
"""What the program takes, as systems name it."""
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Entries:
    """``files`` (path → content and mode), ``on``, commands to be run once they are there, ``off``, once they are gone;
    those of a tool that is missing are passed over unless ``needed``. ``shown`` are the places that a person sees.
    ``gone`` are further files and folders that go with them."""

    files: tuple[tuple[Path, bytes, int], ...]
    shown: tuple[Path, ...]
    on: tuple[tuple[str, ...], ...] = ()
    off: tuple[tuple[str, ...], ...] = ()
    needed: bool = False
    gone: tuple[Path, ...] = ()


def default_folder() -> Path:
    """The page's output folder where nobody names one: among the user's documents."""
    return platformdirs.user_documents_path() / FOLDER


def open_command(out: PurePath, language: str, platform: str = sys.platform) -> list[str]:
    """This very program, by its full path, with what a launcher calls; on Windows without a window."""
    python: PurePath = Path(sys.executable)
    if platform == "win32":
        python = PureWindowsPath(sys.executable).with_name("pythonw.exe")
    spoken = ["--lang", language] if language else []
    return [str(python), "-m", NAME, *spoken, "desktop", "open", "--out", str(out)]


def entries(out: PurePath, language: str, platform: str = sys.platform) -> Entries:
    """What belongs where, for a page on ``out`` that speaks a language."""
    command = open_command(out, language, platform)
    if platform == "win32":
        return _windows(command)
    return _macos(command) if platform == "darwin" else _linux(command)


def set_up(wanted: Entries) -> None:
    """Write the files and run what makes the system see them. Raises :class:`NotReadyError` where that fails."""
    for path, content, mode in wanted.files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        except OSError as error:
            raise NotReadyError("desktop.not-written", path=path, cause=error.strerror or error) from error
    _run(wanted.on, wanted.needed)


def take_away(wanted: Entries) -> bool:
    """Remove the files; False where there were none."""
    found = False
    for path in (*(path for path, _, _ in wanted.files), *wanted.gone):
        found = found or path.exists()
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    _run(wanted.off, False)
    return found


def _run(commands: Sequence[Sequence[str]], needed: bool) -> None:
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            if needed:
                raise NotReadyError("desktop.not-run", command=command[0], cause=error) from error


def desktop_quote(word: str) -> str:
    """One word of an Exec line (Desktop Entry Specification 1.4, "The Exec key", on top of "Values of type string")."""
    text = "".join(f"\\{sign}" if sign in '"`$\\' else sign for sign in word).replace("%", "%%")
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t") + '"'


def _linux(command: Sequence[str]) -> Entries:
    share = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    menu = share / "applications"
    line = " ".join(desktop_quote(word) for word in command)
    common = f"""\
[Desktop Entry]
Type=Application
Version=1.4
Icon={NAME}
Terminal=false
StartupNotify=false
"""
    page = f"""\
{common}Name=Anonymizer
Comment=Make clinical photos and clips publishable
Comment[fr]=Rendre publiables des photos et des vidéos cliniques
Exec={line}
Categories=Graphics;Photography;
Keywords=privacy;blur;face;EXIF;
"""
    send = f"""\
{common}Name=Anonymise
Name[fr]=Anonymiser
Exec={line} %F
MimeType={";".join(TYPES)};
NoDisplay=true
"""
    icons = share / "icons" / "hicolor" / "scalable" / "apps" / f"{NAME}.svg"
    drawn = files("anonymizer.review").joinpath("static/icon.svg").read_bytes()
    update = (("update-desktop-database", str(menu)),)
    entry = menu / f"{NAME}.desktop"
    return Entries(
        (
            (entry, page.encode(), 0o644),
            (menu / f"{NAME}-open.desktop", send.encode(), 0o644),
            (icons, drawn, 0o644),
        ),
        (entry,),
        update,
        update,
    )


def _windows(command: Sequence[str]) -> Entries:
    """Shortcuts are binary files of the shell's own: PowerShell has the shell make them."""
    roaming = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    shell = roaming / "Microsoft" / "Windows"
    links = (
        shell / "Start Menu" / "Programs" / "Anonymizer.lnk",
        platformdirs.user_desktop_path() / "Anonymizer.lnk",
        shell / "SendTo" / "Anonymizer.lnk",
    )
    drawn = roaming / NAME / f"{NAME}.ico"
    script = ["$ErrorActionPreference = 'Stop'", "$shell = New-Object -ComObject WScript.Shell"]
    for link in links:
        script += [
            f"$link = $shell.CreateShortcut({powershell_quote(str(link))})",
            f"$link.TargetPath = {powershell_quote(command[0])}",
            f"$link.Arguments = {powershell_quote(subprocess.list2cmdline(command[1:]))}",
            f"$link.IconLocation = {powershell_quote(str(drawn))}",
            f"$link.WorkingDirectory = {powershell_quote(str(Path.home()))}",
            "$link.Save()",
        ]
    run = ("powershell", "-NoProfile", "-NonInteractive", "-Command", "\n".join(script))
    return Entries(((drawn, icon("ICO"), 0o644),), links, (run,), needed=True, gone=links)


def powershell_quote(word: str) -> str:
    """A word in single quotes, in which nothing but the quote itself means anything (about_Quoting_Rules). PowerShell
    takes four typographic quotes for one, too."""
    return "'" + "".join(sign * 2 if sign in "'\u2018\u2019\u201a\u201b" else sign for sign in word) + "'"


def _macos(command: Sequence[str]) -> Entries:
    bundle = Path.home() / "Applications" / "Anonymizer.app"
    service = Path.home() / "Library" / "Services" / "Anonymise.workflow"
    call = " ".join(shlex.quote(word) for word in command)
    about = {
        "CFBundleName": "Anonymizer",
        "CFBundleIdentifier": f"local.{NAME}",
        "CFBundleExecutable": NAME,
        "CFBundleIconFile": f"{NAME}.icns",
        "CFBundlePackageType": "APPL",
        "CFBundleInfoDictionaryVersion": "6.0",
        "CFBundleVersion": "1",
        # Without a window and without a place in the Dock: the page is in the browser.
        "LSUIElement": True,
    }
    offered = {
        "NSServices": [
            {
                "NSMenuItem": {"default": "Anonymise"},
                "NSMessage": "runWorkflowAsService",
                "NSSendFileTypes": ["public.image", "public.movie", "public.zip-archive", "com.adobe.pdf"],
                "NSRequiredContext": {"NSApplicationIdentifier": "com.apple.finder"},
            }
        ]
    }
    contents = bundle / "Contents"
    return Entries(
        (
            (contents / "Info.plist", plistlib.dumps(about), 0o644),
            (contents / "MacOS" / NAME, f"#!/bin/sh\nexec {call}\n".encode(), 0o755),
            (contents / "Resources" / f"{NAME}.icns", icon("ICNS"), 0o644),
            (service / "Contents" / "Info.plist", plistlib.dumps(offered), 0o644),
            (service / "Contents" / "document.wflow", plistlib.dumps(_workflow(call)), 0o644),
        ),
        (bundle,),
        (("/System/Library/CoreServices/pbs", "-update"),),
        gone=(bundle, service),
    )


def _workflow(call: str) -> dict[str, object]:
    """A Quick Action of Automator with one step, "Run Shell Script", which is given the files as arguments."""
    step = {
        "action": {
            "ActionBundlePath": "/System/Library/Automator/Run Shell Script.action",
            "ActionName": "Run Shell Script",
            "ActionParameters": {
                "COMMAND_STRING": f'{call} "$@" >/dev/null 2>&1 &',
                "inputMethod": 1,
                "shell": "/bin/sh",
                "CheckedForUserDefaultShell": True,
                "source": "",
            },
            "BundleIdentifier": "com.apple.RunShellScript",
            "Class Name": "RunShellScriptAction",
        }
    }
    return {
        "AMApplicationVersion": "2.10",
        "AMDocumentVersion": "2",
        "actions": [step],
        "connectors": {},
        "workflowMetaData": {
            "serviceInputTypeIdentifier": "com.apple.Automator.fileSystemObject",
            "serviceApplicationBundleID": "com.apple.finder",
            "workflowTypeIdentifier": "com.apple.Automator.servicesMenu",
        },
    }
