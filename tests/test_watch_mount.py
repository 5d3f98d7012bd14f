"""An inbox on a share that is not mounted is an empty folder: nobody may take it for an empty inbox."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anonymizer.core.message import Message
from anonymizer.watch import mounts
from anonymizer.watch import status as watching
from anonymizer.watch.faults import OutputFault
from anonymizer.watch.mounts import mount_point, unmounted
from conftest import FAST, SAMPLES
from disks import SmallDisk
from watching import Watching, drop, eventually, impatient  # noqa: F401

SAID = "The inbox is empty, and the disk or share on which it lay is not mounted: connect it"


@contextmanager
def watcher(disk: SmallDisk, out: Path) -> Iterator[None]:
    command = disk.command(
        "watch", disk.inside, "--out", out, "--settle", "0.2", "--rescan", "1", "--quiet", *FAST
    )
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def doing(out: Path) -> tuple[str, str]:
    said = watching.read(out / ".anonymizer")
    return (str(said.doing), said.said.code if said.said else "") if said else ("", "")


def test_an_inbox_whose_share_is_not_mounted_is_not_empty(disk: SmallDisk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copy(SAMPLES / "no-face.jpg", disk.path / "a.jpg")
    paused, idle = ("paused", OutputFault.UNMOUNTED), ("idle", "")

    def reviewed(count: int) -> Callable[[], bool]:
        return lambda: len(list((out / "review").glob("*.jpg"))) == count

    with watcher(disk, out):
        eventually(reviewed(1))
        eventually(lambda: doing(out) == idle)
        subprocess.run(disk.enter("umount", disk.inside), check=True)
        eventually(lambda: doing(out) == paused)
        assert SAID in disk.run("status", out).stdout
    with watcher(disk, out):
        eventually(lambda: doing(out) == paused)
        subprocess.run(disk.enter("mount", "-t", "tmpfs", "tmpfs", disk.inside), check=True)
        shutil.copy(SAMPLES / "portrait.jpg", disk.path / "b.jpg")
        eventually(reviewed(2))
        eventually(lambda: doing(out) == idle)
    log = (out / ".anonymizer" / "watch.log").read_text()
    assert SAID in log and str(disk.inside) not in log


def test_what_was_a_share_may_become_a_plain_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = [("/", "ext4"), (str((tmp_path / "in").resolve()), "cifs")]
    monkeypatch.setattr(mounts, "_mounted", lambda: list(table))
    with Watching(tmp_path, rescan=0.3, poll=True) as watching:
        drop(tmp_path / "in" / "a.jpg", 1)
        watching.done(1)
        (tmp_path / "in" / "a.jpg").unlink()
        watching.until(lambda: watching.status()["status"]["doing"] == "idle")
        table.pop()
        watching.told(str(Message(OutputFault.UNMOUNTED)))
        drop(tmp_path / "in" / "b.jpg", 2)
        watching.told("going on after")
        watching.done(2)
        (tmp_path / "in" / "b.jpg").unlink()
        watching.until(lambda: watching.status()["status"]["doing"] == "idle")
    assert watching.said.count(str(Message(OutputFault.UNMOUNTED))) == 1


TABLE = [("/", "ext4"), ("/mnt/praxis", "nfs4"), ("/mnt", "ext4")]


@pytest.mark.parametrize(
    ("folder", "before", "away"),
    [
        ("/mnt/praxis/in", "/mnt/praxis", False),
        ("/mnt/nas/in", "/mnt/nas", True),
        ("/mnt/nas", "/mnt/nas", True),
        ("/mnt/nas", "/", False),
        ("/mnt/nas", "/srv/nas", False),
        ("/mnt/nas", "", False),
    ],
)
def test_whether_a_share_is_away(
    folder: str, before: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_mounted", lambda: TABLE)
    monkeypatch.setattr("os.path.realpath", lambda path: str(path))
    assert unmounted(Path(folder), before) is away


def test_where_no_table_of_mounts_can_be_read_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> list[tuple[str, str]]:
        raise FileNotFoundError

    monkeypatch.setattr(mounts, "_mounted", none)
    assert mount_point(Path("/mnt")) == "" and not unmounted(Path("/mnt"), "/mnt")
