"""Disks and shares: on which one a folder lies, and whether that is here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

REMOTE = frozenset(
    {
        *("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs", "ncpfs"),
        *("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "afs", "ceph", "glusterfs", "lustre"),
        *("gpfs", "beegfs", "ocfs2", "gfs2", "autofs", "macfuse", "osxfuse", "fuse"),
    }
)
"""Types without events for what others change: network shares, and folders lent to a virtual machine."""
DRIVE_REMOTE = 4
"""What GetDriveTypeW of Windows says of a network drive."""


def remote(folder: Path) -> str:
    """The type of the network file system that a folder lies on; empty where it lies on this computer.

    Unknown systems count as local: the rescan finds everything there too, only later.
    """
    path = os.path.realpath(folder)
    if sys.platform == "win32":
        return _windows(path)
    try:
        if sys.platform == "darwin":
            said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=10, check=True)
            table = parse_bsd(said.stdout)
        else:
            table = _mounted()
    except (OSError, subprocess.SubprocessError):
        return ""
    kind = type_of(path, table)
    return kind if is_remote(kind) else ""


def mount_point(folder: Path) -> str:
    """Where the disk or share that a folder lies on is mounted, links followed; empty where Linux does not say so.

    Elsewhere a share that is not connected leaves no empty folder behind: its letter, or its folder, is gone.
    """
    try:
        return _innermost(os.path.realpath(folder), _mounted())[0]
    except OSError:
        return ""


def unmounted(folder: Path, before: str) -> bool:
    """Whether a folder lay on a disk or share that was mounted at ``before``, and nothing is mounted there now."""
    if not before or not _inside(os.path.realpath(folder), before):
        return False
    try:
        return all(point != before for point, _ in _mounted())
    except OSError:
        return False


def is_remote(kind: str) -> bool:
    """FUSE file systems are remote but for ``fuseblk``, a local disk (NTFS, exFAT)."""
    return kind in REMOTE or (kind.startswith("fuse.") and kind != "fuse.portal")


def type_of(path: str, table: list[tuple[str, str]]) -> str:
    """The type of the innermost mount above a path; the last of two at one place hides the first."""
    return _innermost(path, table)[1]


def _innermost(path: str, table: list[tuple[str, str]]) -> tuple[str, str]:
    above = [(point, kind) for point, kind in table if _inside(path, point)]
    # sorted() is stable: of equally long points the one mounted last stays last.
    return sorted(above, key=lambda mount: len(mount[0].rstrip("/")))[-1] if above else ("", "")


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _mounted() -> list[tuple[str, str]]:
    return parse_proc(Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape"))


def parse_proc(text: str) -> list[tuple[str, str]]:
    """Mount points and types out of ``/proc/mounts`` (proc_mounts(5)), where ``\\040`` stands for a space."""
    rows = [line.split(" ") for line in text.splitlines()]
    return [(_unescape(row[1]), row[2]) for row in rows if len(row) > 2]


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def parse_bsd(text: str) -> list[tuple[str, str]]:
    """Mount points and types out of what ``mount`` prints on macOS: ``… on /Volumes/x (smbfs, nodev)``."""
    return re.findall(r"^.+? on (/.*) \(([^,)]+)[^)]*\)$", text, re.MULTILINE)


def _windows(path: str) -> str:
    if sys.platform != "win32":
        return ""
    if path.startswith("\\\\") and not path.startswith(("\\\\?\\", "\\\\.\\")):
        return "share"
    if path.upper().startswith("\\\\?\\UNC\\"):
        return "share"
    import ctypes

    drive = os.path.splitdrive(path)[0] + "\\"
    return "share" if ctypes.windll.kernel32.GetDriveTypeW(drive) == DRIVE_REMOTE else ""
