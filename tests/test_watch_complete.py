"""When is a file complete, where does a share begin, and how an original moves without a chance of loss."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anonymizer.core.message import Message
from anonymizer.read.completeness import is_whole
from anonymizer.read.sniff import HEAD, sniff
from anonymizer.read.walk import is_temporary, skips_file
from anonymizer.watch import completeness as settle
from anonymizer.watch import done_folder as originals
from anonymizer.watch.completeness import (
    Stamp,
    WaitReason,
    examine,
    ignore_lease_signal,
)
from anonymizer.watch.events import Hints
from anonymizer.watch.inbox import Inbox
from anonymizer.watch.mounts import is_remote, parse_bsd, parse_proc, remote, type_of
from folders import tiny
from watching import Watching, drop, eventually, stamp

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX systems")


def encoded(form: str, **options: Any) -> bytes:
    image = Image.frombytes("RGB", (40, 30), bytes(index * 7 % 251 for index in range(40 * 30 * 3)))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def mp4(*, last: bool) -> bytes:
    """Boxes of an MP4, the index before or behind the pictures."""

    def box(name: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4, "big") + name + content

    index, pictures = box(b"moov", b"i" * 50), box(b"mdat", b"p" * 300)
    return box(b"ftyp", b"isom\0\0\0\0isom") + (pictures + index if last else index + pictures)


def element(name: str, content: bytes, *, size: bytes = b"") -> bytes:
    """An element of a Matroska, its size in two bytes or as given."""
    return bytes.fromhex(name) + (size or (0x4000 | len(content)).to_bytes(2, "big")) + content


OPEN = b"\x01" + b"\xff" * 7
"""The size of an element that a recorder had not finished."""
HEADER = element("1a45dfa3", b"h" * 20)
CLUSTER = element("e7", b"\0") + element("a3", b"p" * 90) + element("a3", b"p" * 70)
THUMBNAIL = encoded("JPEG")
WHOLE = {
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "jpeg with a preview": THUMBNAIL[:2]
    + b"\xff\xe1"
    + (len(THUMBNAIL) + 2).to_bytes(2, "big")
    + THUMBNAIL
    + THUMBNAIL[2:],
    "png": encoded("PNG"),
    "webp": encoded("WEBP"),
    "mp4": mp4(last=False),
    "recorded mp4": mp4(last=True),
    "mkv": HEADER + element("18538067", element("1549a966", b"i" * 9) + element("1f43b675", CLUSTER)),
    "avi": b"RIFF" + (204).to_bytes(4, "little") + b"AVI " + b"x" * 200,
}
RESERVED_UNSEEN = ("webp", "mp4", "recorded mp4", "mkv", "avi")
"""Lengths at the front: only stillness tells."""


def whole(content: bytes) -> bool:
    return is_whole(io.BytesIO(content), sniff(content[:HEAD]), len(content))


@pytest.mark.parametrize("name", WHOLE)
def test_a_finished_file_is_whole_and_none_of_its_beginnings_is(name: str) -> None:
    content = WHOLE[name]
    assert whole(content)
    wrong = [end for end in range(16, len(content) - 1) if whole(content[:end])]
    assert wrong == []


@pytest.mark.parametrize("name", WHOLE)
def test_space_that_was_reserved_and_is_not_filled_yet_is_not_whole(name: str) -> None:
    content = WHOLE[name]
    for end in range(32, len(content) - 16, 37):
        if name not in RESERVED_UNSEEN:
            assert not whole(content[:end] + bytes(len(content) - end))


def test_a_recording_of_open_size_ends_with_a_whole_element() -> None:
    cluster = element("1f43b675", CLUSTER, size=OPEN)
    content = HEADER + element("18538067", cluster + cluster, size=OPEN)
    assert whole(content) and whole(content[: -len(cluster)])
    assert not any(whole(content[:-cut]) for cut in range(1, 70))


def test_a_long_avi_has_several_parts_and_may_have_a_tail() -> None:
    content = WHOLE["avi"] + WHOLE["avi"].replace(b"AVI ", b"AVIX")
    assert whole(content) and whole(content + b"JUNKJUNKJUNK")
    assert not any(whole(content[:-cut]) for cut in range(1, 200))


@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=200), st.integers(0, 400))
def test_no_content_is_too_odd_to_be_looked_at(name: str, noise: bytes, at: int) -> None:
    content = WHOLE[name]
    mixed = content[:16] + content[16:at] + noise + content[at + len(noise) :]
    assert is_whole(io.BytesIO(mixed), sniff(content[:HEAD]), len(mixed)) in (True, False)


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg.part",
        "a.crdownload",
        "A.JPG.TMP",
        "~$letter.jpg",
        "a.jpg~",
        "a.icloud",
        "a.part.jpg",
        "x.!sync",
        "a.filepart",
    ],
)
def test_temporary_names(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize(
    "name", ["a.jpg", "party.jpg", "tmp.jpg", "download.png", "a~b.jpg", "part", "lock.jpeg"]
)
def test_names_that_only_look_temporary(name: str) -> None:
    assert not is_temporary(name) and skips_file(name) is None


@pytest.mark.parametrize("name", [".DS_Store", "._a.jpg", "Thumbs.db", ".a.jpg.Xy12Ab"])
def test_names_that_no_person_gave(name: str) -> None:
    assert skips_file(name) is not None


def examined(path: Path) -> WaitReason | None:
    return examine(path, stamp(path))


def why(path: Path) -> str:
    return str(Message(examined(path) or ""))


def test_why_a_file_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"")
    assert why(path) == "it has no content yet"
    path.write_bytes(tiny(1)[:-20])
    assert why(path) == "its end is missing: the copy is under way, or was cut off and must be made again"
    path.write_bytes(bytes(5000))
    assert examined(path) is WaitReason.UNFINISHED, "reserved, nothing written yet"
    path.write_bytes(tiny(1))
    assert examined(path) is None
    before = stamp(path)
    path.write_bytes(tiny(2) + b"..")
    assert str(Message(examine(path, before) or "")) == "it was changed a moment ago"
    (tmp_path / "a.txt").write_text("Dear colleague")
    assert examined(tmp_path / "a.txt") is WaitReason.FOREIGN
    (tmp_path / "b.jpg").write_text("Dear colleague")
    assert examined(tmp_path / "b.jpg") is None, "the road says what is wrong with it"
    with pytest.raises(FileNotFoundError):
        examine(tmp_path / "gone.jpg", before)


def test_what_cannot_be_read_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(tmp_path / "a.jpg")

    def refuse(*_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert why(path) == "it cannot be read: check its permissions and its disk"


def test_on_windows_a_writer_keeps_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = drop(tmp_path / "a.jpg")

    def refuse(*_: Any) -> int:
        error = PermissionError(errno.EACCES, "The process cannot access the file")
        error.winerror = 32  # type: ignore[attr-defined,unused-ignore]
        raise error

    monkeypatch.setattr(os, "open", refuse)
    assert why(path) == "another program has it open"


@POSIX
@pytest.mark.parametrize("lock", [fcntl.flock, fcntl.lockf])
def test_a_locked_file_waits(tmp_path: Path, lock: Any) -> None:
    path = drop(tmp_path / "a.jpg")
    # In another process: a process does not keep itself out by the second kind.
    code = (
        f"import fcntl, sys; f = open({str(path)!r}, 'r+b'); fcntl.{lock.__name__}(f, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        assert why(path) == "another program has it open"
        other.communicate()
    assert examined(path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="leases of Linux")
def test_a_file_that_is_open_for_writing_waits(tmp_path: Path) -> None:
    path = drop(tmp_path / "a.jpg")
    code = (
        "import sys; from pathlib import Path; from anonymizer.watch.completeness import *\n"
        "ignore_lease_signal(); path = Path(sys.argv[1]); stamp = Stamp.of(path.lstat())\n"
        "with open(path, 'r+b'): print(examine(path, stamp))\n"
        "with open(path, 'rb'): print(examine(path, stamp))\n"
    )
    said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    if said.stdout.splitlines()[0] == "None":
        pytest.skip("this file system has no leases")
    assert said.stdout.splitlines() == ["wait.open", "None"]
    assert callable(ignore_lease_signal)


def test_a_placeholder_of_a_cloud_drive_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        st_file_attributes = 0x400000
        st_flags = 0

    assert settle.in_the_cloud(Found())  # type: ignore[arg-type]
    Found.st_file_attributes, Found.st_flags = 0, 0x40000000
    assert settle.in_the_cloud(Found())  # type: ignore[arg-type]
    Found.st_flags = 0
    assert not settle.in_the_cloud(Found())  # type: ignore[arg-type]
    monkeypatch.setattr("anonymizer.watch.inbox.in_the_cloud", lambda found: True)
    monkeypatch.setattr("anonymizer.watch.inbox.examine", lambda *_: pytest.fail("it was read"))
    drop(tmp_path / "a.jpg")
    inbox = Inbox(tmp_path, quiet=1)
    inbox.scan(0)
    assert inbox.next(5) is None
    reason = "its content is not on this computer but in the cloud: have it downloaded"
    assert {path: str(why) for path, why in inbox.waiting(100, 1).items()} == {tmp_path / "a.jpg": reason}


def test_an_inbox_hands_out_the_oldest_first_and_each_once(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, quiet=5)
    inbox.scan(0)
    drop(tmp_path / "a.jpg", 1)
    inbox.hint(tmp_path / "a.jpg", 1)
    drop(tmp_path / "b.jpg", 2)
    inbox.hint(tmp_path / "b.jpg", 2)
    assert inbox.next(5.9) is None and inbox.due() == 6
    first = inbox.next(100)
    second = inbox.next(100)
    assert first and second and [first.path.name, second.path.name] == ["a.jpg", "b.jpg"]
    inbox.scan(200)
    assert inbox.next(300) is None, "both are handed out"
    inbox.finish(first.path, first.stamp)
    inbox.postpone(second.path, Message(WaitReason.AGAIN), 300)
    inbox.scan(300)
    assert inbox.next(304) is None
    assert inbox.next(305) == second
    inbox.postpone(second.path, Message(WaitReason.AGAIN), 305)
    assert inbox.due() == 315, "twice as long"
    (tmp_path / "b.jpg").unlink()
    assert inbox.next(400) is None and not inbox.counts()


def test_a_file_that_keeps_growing_is_not_handed_out(tmp_path: Path) -> None:
    inbox, path = Inbox(tmp_path, quiet=5), tmp_path / "a.jpg"
    content = tiny(1)
    for number in range(10):
        path.write_bytes(content[: 100 * (number + 1)])
        os.utime(path, ns=(number, number))
        inbox.hint(path, 4.0 * number)
        assert inbox.next(4.0 * number) is None
    path.write_bytes(content)
    assert inbox.next(41) is None
    assert inbox.next(46) is not None


def test_another_output_folder_in_the_inbox_is_not_entered(tmp_path: Path) -> None:
    drop(tmp_path / "old" / "ready" / "a.jpg")
    (tmp_path / "old" / ".anonymizer").mkdir()
    drop(tmp_path / "@eaDir" / "b.jpg")
    drop(tmp_path / ".trash" / "c.jpg")
    drop(tmp_path / "skipped" / "d.jpg")
    inbox = Inbox(tmp_path, quiet=0, skip=[tmp_path / "skipped"])
    inbox.scan(0)
    for path in tmp_path.rglob("*.jpg"):
        inbox.hint(path, 0)
    inbox.hint(tmp_path.parent / "elsewhere.jpg", 0)
    assert not inbox.counts()


MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
//server/photos /mnt/photo\040share cifs rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/local tmpfs rw 0 0
/dev/sdb1 /media/stick fuseblk rw 0 0
sshfs /mnt/ssh fuse.sshfs rw 0 0
""".strip()


@pytest.mark.parametrize(
    ("path", "kind", "far"),
    [
        ("/var/inbox", "ext4", False),
        ("/mnt/photo share/inbox", "cifs", True),
        ("/mnt/photo shared", "ext4", False),
        ("/home/anna", "nfs4", True),
        ("/home/local/inbox", "tmpfs", False),
        ("/media/stick", "fuseblk", False),
        ("/mnt/ssh/x", "fuse.sshfs", True),
    ],
)
def test_a_share_is_recognised(path: str, kind: str, far: bool) -> None:
    assert type_of(path, parse_proc(MOUNTS)) == kind
    assert is_remote(kind) is far


def test_a_share_is_recognised_on_a_mac(tmp_path: Path) -> None:
    said = (
        "/dev/disk1s1 on / (apfs, local)\n//anna@server/photos on /Volumes/My photos (smbfs, nodev, nosuid)\n"
    )
    assert parse_bsd(said) == [("/", "apfs"), ("/Volumes/My photos", "smbfs")]
    assert isinstance(remote(tmp_path), str)


def test_events_tell_of_what_changes_until_they_are_closed(tmp_path: Path) -> None:
    import threading

    wake = threading.Event()
    hints = Hints(tmp_path, wake)
    found: set[Path] = set()

    def heard() -> bool:
        # The listening may begin a moment later.
        drop(tmp_path / "a.jpg")
        found.update(hints.drain()[0])
        return tmp_path / "a.jpg" in found

    eventually(heard)
    assert wake.is_set() and hints.alive
    hints.close()
    assert not hints.alive


def test_a_system_without_room_for_more_watches_is_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "OS file watch limit reached.")

    monkeypatch.setattr("anonymizer.watch.events.watch", refuse)
    monkeypatch.setattr("anonymizer.watch.locks.cache_folder", lambda: tmp_path / "cache")
    with Watching(tmp_path, rescan=3000) as watching:
        eventually(lambda: not watching.watcher._scanner.events)
        drop(tmp_path / "in" / "a.jpg")
        assert not watching.done(1)["status"]["events"]


def test_an_original_that_is_replaced_while_it_moves_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path / "in" / "a.jpg", 1)
    done, was = tmp_path / "done", stamp(path)
    claim = originals._claim

    def claim_late(name: Path) -> Path:
        if name.parent == done:
            drop(path, 2, at=1_700_000_500)
        return claim(name)

    monkeypatch.setattr(originals, "_claim", claim_late)
    assert originals.move(path, was, tmp_path / "in", done) is None
    assert path.read_bytes() == tiny(2) and list(done.iterdir()) == []
    assert originals.move(path, was, tmp_path / "in", done) is None, "another file: it stays"
    assert path.read_bytes() == tiny(2)


def test_a_claim_that_a_killed_run_left_serves_the_next(tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.mkdir()
    (done / "a.jpg").touch()
    path = drop(tmp_path / "in" / "a.jpg", 1)
    assert originals.move(path, stamp(path), tmp_path / "in", done) == done / "a.jpg"
    assert (done / "a.jpg").read_bytes() == tiny(1)
    other = drop(tmp_path / "in" / "a.jpg", 2)
    assert originals.move(other, stamp(other), tmp_path / "in", done) == done / "a-2.jpg"
    with pytest.raises(FileNotFoundError):
        originals.move(path, Stamp(1, 1, 1), tmp_path / "in", done)
