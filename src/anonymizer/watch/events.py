"""What the system says has changed in a folder: hints alone, for it may forget, repeat or reorder them.

Network file systems tell nobody of changes made elsewhere: :func:`remote` says whether a folder lies on one.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath

from watchfiles import watch

GROUPED = 500
"""Milliseconds for which changes are gathered before they are told."""
STEP = 250
"""Milliseconds between two polls of the library for what came in: fewer polls, less work when nothing happens."""
MOST = 20_000
"""Paths that are kept until somebody asks; of more than that, only that there were many."""


class Hints:
    """Listens in a thread of its own. ``wake`` is set whenever there is something to :meth:`drain`."""

    def __init__(self, root: Path, wake: threading.Event) -> None:
        self.root = root
        # macOS tells of the place that a link leads to.
        self._real = root.resolve()
        self._wake = wake
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._paths: set[Path] = set()
        self._many = False
        self._thread = threading.Thread(target=self._listen, name="events", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def drain(self) -> tuple[set[Path], bool]:
        """The paths since the last call, and whether there were too many to keep."""
        with self._lock:
            paths, many = self._paths, self._many
            self._paths, self._many = set(), False
        return paths, many

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _named(self, path: Path) -> Path:
        """A path as the one who asks calls it."""
        return self.root / path.relative_to(self._real) if path.is_relative_to(self._real) else path

    def _listen(self) -> None:
        # The system's limit of watched folders is reached, or the folder is gone: scanning goes on.
        with contextlib.suppress(OSError, RuntimeError):
            for changes in watch(
                self._real,
                watch_filter=None,
                debounce=GROUPED,
                step=STEP,
                stop_event=self._stop,
                raise_interrupt=False,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                with self._lock:
                    self._paths |= {self._named(Path(path)) for _, path in changes}
                    if len(self._paths) > MOST:
                        self._paths, self._many = set(), True
                self._wake.set()
        self._wake.set()


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
            table = parse_proc(Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, subprocess.SubprocessError):
        return ""
    kind = type_of(path, table)
    return kind if is_remote(kind) else ""


def is_remote(kind: str) -> bool:
    """FUSE file systems are remote but for ``fuseblk``, a local disk (NTFS, exFAT)."""
    return kind in REMOTE or (kind.startswith("fuse.") and kind != "fuse.portal")


def type_of(path: str, table: list[tuple[str, str]]) -> str:
    """The type of the innermost mount above a path; the last of two at one place hides the first."""
    above = [(point, kind) for point, kind in table if PurePosixPath(path).is_relative_to(point)]
    # sorted() is stable: of equally long points the one mounted last stays last.
    return sorted(above, key=lambda mount: len(mount[0].rstrip("/")))[-1][1] if above else ""


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
