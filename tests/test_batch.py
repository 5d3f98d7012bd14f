"""``anonymizer batch`` as a user runs it: whole folders, again and again, and killed at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import NO_DETECTORS, Ran, fingerprints
from folders import photos, tree

LONG = "ANONYMIZER_LONG_TESTS"


def lines(ran: Ran) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]


def test_a_folder_is_done_once_and_a_second_run_has_nothing_to_do(
    run: Callable[..., Ran], toml: Path, tmp_path: Path
) -> None:
    inbox, out = tmp_path / "cases", tmp_path / "out"
    first, *_ = photos(inbox / "one", 4)
    shutil.copy(first, inbox / "again.jpg")
    (inbox / "broken.jpg").write_bytes(first.read_bytes()[:300])
    (inbox / "notes.txt").write_text("not a photo", encoding="utf-8")
    before = fingerprints(inbox)
    command = ("batch", inbox, "--out", out, "--settings", toml, "--workers", 2, "--json")
    ran = run(*command)
    assert ran.code == 4, ran.err
    told = lines(ran)
    (passed_over,) = (one for one in told if "fresh" not in one)
    assert str(passed_over["source"]).endswith("notes.txt"), passed_over
    told.remove(passed_over)
    assert len(told) == 6 and sum(one["verdict"] == "review" for one in told) == 5
    (failed,) = (one for one in told if one["verdict"] == "failed")
    assert str(failed["source"]).endswith("broken.jpg")
    assert len(list((out / "review").glob("*.jpg"))) == 4, "the same photo twice is one"
    assert (out / "reports" / "index.html").is_file()
    assert fingerprints(inbox) == before
    made = fingerprints(out / "review")
    again = run(*command)
    assert again.code == 4 and {one.get("fresh", False) for one in lines(again)} == {False}
    assert fingerprints(out / "review") == made
    toml.write_text(NO_DETECTORS + "jpeg_quality = 80\n", encoding="utf-8")
    changed = lines(run(*command))
    assert sum("the settings were changed" in str(one.get("note")) for one in changed) >= 4
    assert len(list((out / "review").glob("*.jpg"))) == 4
    assert tree(out)["left"] == []


def test_patterns_and_a_limit_choose_and_a_dry_run_writes_nothing(
    run: Callable[..., Ran], toml: Path, tmp_path: Path
) -> None:
    inbox, out = tmp_path / "cases", tmp_path / "out"
    photos(inbox / "a", 3)
    photos(inbox / "drafts", 2, seed=1)
    command = ("batch", inbox, "--out", out, "--settings", toml)
    ran = run(*command, "--dry-run", "--exclude", "drafts/*", "--include", "*.JPG", "--json")
    assert ran.code == 0 and [one["would"]["text"] for one in lines(ran)] == ["new"] * 3
    assert not out.exists()
    assert len(lines(run(*command, "--dry-run", "--limit", 2, "--json"))) == 2
    none = run(*command, "--include", "*.png")
    assert none.code == 2 and "None of the 5 photos and clips fits the patterns" in none.err
    assert run(*command, "--limit", 1, "--workers", 1).code == 3
    said = [one["would"]["text"] for one in lines(run(*command, "--dry-run", "--json"))]
    assert sorted(str(one) for one in said) == ["already done", *["new"] * 4]


def test_a_summary_says_what_came_of_it(run: Callable[..., Ran], toml: Path, tmp_path: Path) -> None:
    photos(tmp_path / "cases", 2)
    ran = run("batch", tmp_path / "cases", "--settings", toml, "--workers", 1)
    assert ran.code == 3
    assert "in review" in ran.out and "files/s" in ran.out and "Overview:" in ran.out
    assert run("batch", tmp_path / "nowhere").code == 2


def test_a_second_batch_into_the_same_folder_is_told_to_wait(
    run: Callable[..., Ran], toml: Path, tmp_path: Path
) -> None:
    from anonymizer.engine.scheduler import Engine
    from conftest import QUICK

    photos(tmp_path / "cases", 1)
    with Engine(tmp_path / "out", QUICK, 1):
        ran = run("batch", tmp_path / "cases", "--out", tmp_path / "out", "--settings", toml)
    assert ran.code not in (0, 3) and "Another batch or watch is at work" in ran.err


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_at_random_moments_and_resumed_every_file_ends_in_one_place(
    toml: Path, tmp_path: Path
) -> None:
    """With ``ANONYMIZER_LONG_TESTS=1``: 300 files, killed 20 times, each time in the middle of the work."""
    count, kills = (300, 20) if os.environ.get(LONG) else (24, 5)
    inbox, out, temporary = tmp_path / "cases", tmp_path / "out", tmp_path / "temporary"
    photos(inbox, count)
    temporary.mkdir()
    before = fingerprints(inbox)
    command = [
        *(sys.executable, "-m", "anonymizer", "batch", str(inbox), "--out", str(out), "--quiet"),
        *("--settings", str(toml), "--workers", "2"),
    ]
    surroundings = os.environ | {"TMPDIR": str(temporary)}
    rng = random.Random(7)
    killed = 0
    for number in range(kills):
        process = subprocess.Popen(command, env=surroundings)
        # So many files more than the last time, so that there is work for every run; 0 strikes at its beginning.
        wanted = rng.randrange(number * count // (kills + 1), (number + 1) * count // (kills + 1))
        while len(list((out / "review").glob("*.jpg"))) < wanted and process.poll() is None:
            time.sleep(0.005)
        if number % 4 == 0:
            # Somewhere between taking the folder and the first file.
            while not (out / ".anonymizer" / "engine.lock").exists() and process.poll() is None:
                time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.2))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        nothing_is_half_done(out)
    assert killed == kills, "a run was done before it was killed"
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=surroundings)
    assert done.returncode == 3, done.stderr
    nothing_is_half_done(out)
    found = tree(out)
    media = [name for name in found["review"] if name.endswith(".jpg")]
    assert found["ready"] == [] and len(media) == count
    assert sorted(found["reports"]) == sorted(
        ["index.html", *(f"{Path(name).stem}.{suffix}" for name in media for suffix in ("json", "html"))]
    )
    assert found["left"] == [] and fingerprints(inbox) == before
    assert list(temporary.iterdir()) == [], "a temporary file is left"
    with sqlite3.connect(out / ".anonymizer" / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT source, state FROM media").fetchall()
    assert len(rows) == count == len({source for source, _ in rows})
    assert {state for _, state in rows} == {"review"}


def nothing_is_half_done(out: Path) -> None:
    """At whatever moment: each medium that can be seen has its whole report, and each report is whole."""
    media = [path for name in ("ready", "review") for path in (out / name).glob("*.jpg")]
    pages = set((out / "reports").glob("*.html"))
    assert all(page.read_text(encoding="utf-8").rstrip().endswith("</html>") for page in pages)
    said = {path.stem: json.loads(path.read_bytes()) for path in (out / "reports").glob("*.json")}
    for medium in media:
        assert said[medium.stem]["medium"]["sha256"] == hashlib.sha256(medium.read_bytes()).hexdigest()
        assert out / "reports" / f"{medium.stem}.html" in pages
