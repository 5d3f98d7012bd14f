"""A disk that is full: a real one, of some megabytes, mounted for each test where this user may mount anything."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anonymizer.watch import status as watching
from anonymizer.watch.faults import SPARE, OutputFault
from anonymizer.watch.status import Doing
from conftest import FAST, SAMPLES, fingerprints
from disks import MEGABYTE, SmallDisk
from watching import eventually


@pytest.mark.parametrize(
    ("medium", "leave"), [("portrait.jpg", 0), ("portrait.jpg", 160 << 10), ("interview.mp4", 300 << 10)]
)
def test_on_a_full_disk_nothing_is_published_and_afterwards_all_is(
    disk: SmallDisk, tmp_path: Path, medium: str, leave: int
) -> None:
    source = tmp_path / "in" / medium
    source.parent.mkdir()
    shutil.copy(SAMPLES / medium, source)
    before = fingerprints(source.parent)
    disk.fill(leave)
    ran = disk.run("blur", source, "--out", disk.inside / "out", *FAST)
    assert ran.returncode == 4 and "is full; free space" in ran.stderr and ran.stderr.count("\n") == 1
    assert disk.outputs() == [] and fingerprints(source.parent) == before
    disk.make_room()
    ran = disk.run("blur", source, "--out", disk.inside / "out", *FAST)
    assert ran.returncode == 3 and len(disk.outputs()) == 1, ran.stderr
    assert fingerprints(source.parent) == before


def test_a_batch_keeps_what_it_finished_before_the_disk_was_full_and_then_goes_on(
    disk: SmallDisk, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    shutil.copytree(SAMPLES, folder, ignore=lambda _, names: {n for n in names if not n.endswith(".jpg")})
    before = fingerprints(folder)
    disk.fill(1100 << 10)
    command = ("batch", folder, "--out", disk.inside / "out", "--workers", "1", *FAST)
    ran = disk.run(*command)
    assert ran.returncode == 4 and "is full; free space" in ran.stderr
    assert "of what was under way nothing was published" in ran.stderr
    first = disk.outputs()
    assert 0 < len(first) < len(before) and fingerprints(folder) == before
    assert disk.run("verify", disk.inside / "out").returncode == 0, "what is there is whole"
    disk.make_room()
    ran = disk.run(*command)
    assert ran.returncode == 3 and set(first) < set(disk.outputs()), ran.stderr
    assert len(disk.outputs()) == len(before) and fingerprints(folder) == before


def test_a_full_disk_keeps_nobody_from_reading_what_was_decided(disk: SmallDisk) -> None:
    out = disk.inside / "out"
    assert disk.run("blur", SAMPLES / "portrait.jpg", "--out", out, *FAST).returncode == 3
    # A process that is killed leaves its last commits in the log.
    script = (
        "import os, sys; from pathlib import Path; from anonymizer.gate.folder import Gate\n"
        "from anonymizer.gate.decisions import approve\n"
        "gate = Gate(Path(sys.argv[1])); approve(gate, gate.ledger.entries()[0].id, 'AB')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run(disk.enter(sys.executable, "-c", script, out), check=False)
    private = disk.path / "out" / ".anonymizer"
    assert (private / "ledger.sqlite-wal").stat().st_size
    (private / "ledger.sqlite-shm").unlink()
    disk.fill()
    log = disk.run("log", out, "--json")
    assert log.returncode == 0 and '"approved"' in log.stdout, log.stderr
    assert disk.run("verify", out).returncode == 0
    status = json.loads(disk.run("status", out, "--json").stdout)
    assert status["media"] == {"ready": 1}
    ran = disk.run("blur", SAMPLES / "group.jpg", "--out", out, *FAST)
    assert ran.returncode == 4 and "is full; free space, and run it again" in ran.stderr


def test_a_release_onto_a_full_disk_says_so_and_can_be_made_again(disk: SmallDisk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert disk.run("blur", SAMPLES / "portrait.jpg", "--out", out, *FAST).returncode == 3
    script = (
        "import sys; from pathlib import Path; from anonymizer.gate.folder import Gate\n"
        "from anonymizer.gate.decisions import approve\n"
        "with Gate(Path(sys.argv[1])) as gate: approve(gate, gate.ledger.entries()[0].id, 'AB')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(out)], check=True)
    disk.fill(100 << 10)
    command = ("release", out, "--to", disk.inside / "website", "--consent")
    ran = disk.run(*command)
    assert ran.returncode == 4 and "No space left on device" in ran.stderr
    assert not list((disk.path / "website").glob("*.jpg"))
    disk.make_room()
    assert disk.run(*command).returncode == 0
    assert disk.run("verify", disk.inside / "website").returncode == 0


@pytest.mark.parametrize("disk", [SPARE + 16 * MEGABYTE], indirect=True)
def test_a_watcher_waits_for_room_and_goes_on_by_itself(disk: SmallDisk, tmp_path: Path) -> None:
    inbox, out = tmp_path / "in", disk.inside / "out"
    inbox.mkdir()
    private = disk.path / "out" / ".anonymizer"
    command = disk.command("watch", inbox, "--out", out, "--settle", "0.2", "--rescan", "1", *FAST)
    shutil.copy(SAMPLES / "no-face.jpg", inbox / "a.jpg")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            eventually(lambda: len(disk.outputs()) == 1)
            disk.fill()
            shutil.copy(SAMPLES / "portrait.jpg", inbox / "b.jpg")
            before = fingerprints(inbox)

            def paused() -> bool:
                said = watching.read(private)
                return bool(said and said.doing is Doing.PAUSED and said.said)

            eventually(paused)
            ran = disk.run("status", out)
            assert ran.returncode == 0 and "The disk of the output folder is full: free space" in ran.stdout
            assert len(disk.outputs()) == 1 and fingerprints(inbox) == before
            disk.make_room()
            eventually(lambda: len(disk.outputs()) == 2)
            assert fingerprints(inbox) == before
        finally:
            watcher.send_signal(signal.SIGTERM)
        said, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 0 and str(OutputFault.FULL) not in said
    assert "The disk of the output folder is full" in said and "going on after" in said
    assert disk.run("verify", out).returncode == 0
