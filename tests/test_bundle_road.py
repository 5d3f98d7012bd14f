"""A bundle on every way in: each of its pictures once, all else accounted for, and the bundle as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from anonymizer.core.settings import Limits
from anonymizer.core.types import Verdict
from anonymizer.engine.scheduler import Engine
from anonymizer.gate.decisions import approve, reject
from anonymizer.gate.folder import Gate
from anonymizer.gate.forgetting import forget, forgettable
from anonymizer.gate.records import State
from anonymizer.read.bundle.reader import members
from anonymizer.read.inputs import collect
from anonymizer.road.pipeline import Outcome
from bundles import Sheet, archive, document, jpeg, picture, stored
from clips import make_clip, numbered
from conftest import FAST, QUICK, Ran, everything_written, fingerprints
from folders import HerePool
from review_server import serving
from watching import Watching, eventually, impatient  # noqa: F401

Run = Callable[..., Ran]
PLACED = b"q 200 0 0 150 100 400 cm /I Do Q"


def case(path: Path, *seeds: int) -> Path:
    return archive(path, {f"Brennickmeyer/IMG_{seed}.jpg": jpeg(seed) for seed in seeds})


def pages(path: Path, *seeds: int) -> Path:
    path.write_bytes(document(*(Sheet(PLACED, {"I": stored(picture(seed))}) for seed in seeds)))
    return path


def done(out: Path, *inputs: Path, **more: object) -> tuple[list[Outcome], HerePool]:
    """What a batch into a folder comes to, and the pool that worked for it."""
    pool = HerePool(QUICK)
    found = collect(inputs, out)
    with Engine(out, QUICK, pool=pool) as engine:
        engine.gate.ledger.pass_over(inputs, found.passed)
        return list(engine.run_all(found.media)), pool


def test_a_zip_and_a_pdf_through_the_command_line(tmp_path: Path) -> None:
    """The real program, once: its processes, its exit code, what it writes and where."""
    inbox, out = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    case(inbox / "case.zip", 1, 2)
    pages(inbox / "Aufklaerung.pdf", 3)
    (inbox / "empty.zip").write_bytes(b"PK\5\6" + bytes(18))
    before = fingerprints(inbox)
    command = [
        sys.executable,
        "-m",
        "anonymizer",
        "batch",
        inbox,
        "--out",
        out,
        *FAST,
        "--workers",
        "1",
        "--json",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    said = {
        Path(one["source"]).relative_to(inbox).as_posix(): one
        for one in map(json.loads, ran.stdout.splitlines())
    }
    assert ran.returncode == 3, ran.stderr
    assert {name: one["verdict"] for name, one in said.items()} == {
        "case.zip/Brennickmeyer/IMG_1.jpg": "review",
        "case.zip/Brennickmeyer/IMG_2.jpg": "review",
        "Aufklaerung.pdf/page 1": "review",
        "empty.zip": "not taken",
    }
    assert fingerprints(inbox) == before, "originals are as they were"
    written = everything_written(out)
    assert b"rennickmeyer" not in written and b"ufklaerung" not in written and b"case.zip" not in written
    assert not list((out / ".anonymizer").rglob("*IMG*")), "nothing of an original is left"


def test_a_second_run_and_a_second_copy_do_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = case(tmp_path / "case.zip", 1, 2)
    again = pages(tmp_path / "a.pdf", 3)
    assert [one.verdict for one in done(out, first, again)[0]] == [Verdict.REVIEW] * 3
    outcomes, pool = done(out, first, again)
    assert [one.fresh for one in outcomes] == [False] * 3 and pool.seen == []
    copy = case(tmp_path / "copy.zip", 2, 1)
    other = tmp_path / "b.pdf"
    other.write_bytes(again.read_bytes())
    outcomes, pool = done(out, copy, other)
    assert [one.fresh for one in outcomes] == [False] * 3 and pool.seen == []


def test_of_a_changed_bundle_what_is_new_is_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = case(tmp_path / "case.zip", 1, 2)
    done(out, path)
    with Gate(out) as gate:
        reject(gate, gate.ledger.by_path(path / "Brennickmeyer/IMG_1.jpg")[0].id, "AB")
    case(path, 1, 2, 3)
    outcomes, pool = done(out, path)
    assert [Path(job.source).name for job in pool.seen] == ["IMG_3.jpg"]
    known = {one.source.name: one.verdict for one in outcomes if not one.fresh}
    assert known == {"IMG_1.jpg": Verdict.FAILED, "IMG_2.jpg": Verdict.REVIEW}, "what was rejected stays so"


def test_what_was_cut_off_goes_on(tmp_path: Path) -> None:
    out, path = tmp_path / "out", case(tmp_path / "case.zip", 1, 2, 3)
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        outcomes = engine.run_all(members(path))
        next(outcomes)
        engine.gate.begin(path / "Brennickmeyer/IMG_3.jpg", "x")  # as a killed run leaves it
    found, pool = done(out, path)
    assert len(found) == 3 and len(pool.seen) < 3
    with Gate(out) as gate:
        assert gate.ledger.counts() == {State.REVIEW: 3}


def test_a_clip_in_an_archive_is_brought_out_for_as_long_as_it_is_worked_on(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", numbered(3)).read_bytes()
    path, out = archive(tmp_path / "Brennickmeyer.zip", {"MOV_1.mov": clip}), tmp_path / "out"
    (outcome,) = done(out, path)[0]
    assert outcome.verdict is Verdict.REVIEW and outcome.output and outcome.output.suffix == ".mp4"
    assert not list((out / ".anonymizer").rglob("*MOV*"))
    with serving(out, QUICK) as client:
        client.enter()
        media = f"api/media/{outcome.id}"
        assert client.get(f"{media}/film").body == clip
        assert client.get(f"{media}/frame/0").headers["content-type"] == "image/jpeg"
    assert not list((out / ".anonymizer").rglob("*.clip"))


def test_a_damaged_member_and_a_damaged_bundle_fail_alone(tmp_path: Path, run: Run) -> None:
    path = archive(
        tmp_path / "case.zip", {"good.jpg": jpeg(1), "bad.jpg": jpeg(2)[:500], "text.jpg": b"text"}
    )
    broken = tmp_path / "broken.zip"
    broken.write_bytes(path.read_bytes()[:-40])
    for _ in range(2):
        ran = run("blur", path, broken, "--out", tmp_path / "out", *FAST, "--json")
        said = {Path(one["source"]).name: one for one in map(json.loads, ran.out.splitlines())}
        assert {name: one["verdict"] for name, one in said.items()} == {
            "good.jpg": "review",
            "bad.jpg": "failed",
            "text.jpg": "failed",
            "broken.zip": "failed",
        }
        assert "copy it again" in said["broken.zip"]["reasons"][0]["text"] and ran.code == 4


def test_the_watcher_takes_a_bundle_when_it_is_whole_and_moves_it_when_all_is_done(tmp_path: Path) -> None:
    put_away = tmp_path / "done"
    with Watching(tmp_path, done=put_away) as watching:
        part = case(tmp_path / "case.zip", 1, 2).read_bytes()
        (watching.inbox / "cut.zip").write_bytes(part[:-10])
        (watching.inbox / "case.zip").write_bytes(part)
        archive(watching.inbox / "left.zip", {"IMG_4.jpg": jpeg(4), "more.zip": part})
        watching.done(3)
        eventually(lambda: (put_away / "case.zip").exists())
        eventually(lambda: watching.status()["waiting"])
        assert (put_away / "case.zip").read_bytes() == part
        assert (watching.inbox / "left.zip").exists(), "something in it was not taken"
        eventually(lambda: any("more.zip" in str(one) for one in watching.status()["not_taken"]))
    assert sorted(watching.worked()) == ["IMG_1.jpg", "IMG_2.jpg", "IMG_4.jpg"]


def test_a_bundle_that_is_dropped_on_the_page_is_there_until_all_of_it_is_decided(tmp_path: Path) -> None:
    out = tmp_path / "out"
    packed = archive(tmp_path / "case.zip", {"IMG_1.jpg": jpeg(1), "IMG_2.jpg": jpeg(2), "a.txt": b"text"})
    with serving(out, QUICK) as client:
        client.enter()
        assert client.upload("case.zip", packed.read_bytes()).status == 202
        eventually(lambda: client.get("api/poll").json()["counts"]["review"] == 2)
        items = client.get("api/list/review").json()
        assert sorted(one["source"] for one in items) == ["case.zip, IMG_1.jpg", "case.zip, IMG_2.jpg"]
        assert all(one["uploaded"] for one in items)
        assert client.get(f"api/media/{items[0]['id']}/original").status == 200
        assert client.get("api/poll").json()["counts"]["not-taken"] == 1
    with serving(out, QUICK) as client:
        client.enter()
        assert client.get("api/poll").json()["jobs"] == [], "nothing is done again"
        first, second = (one["id"] for one in items)
        said = {"initials": "AB", "note": ""}
        assert client.post(f"api/media/{first}/approve", said).status == 200
        assert client.post(f"api/media/{first}/discard").status == 409, "the other still needs it"
        assert client.post(f"api/media/{second}/reject", said).status == 200
        assert client.post(f"api/media/{first}/discard").json()["gone"]
    assert not list((out / ".anonymizer" / "inbox").iterdir())


def test_what_is_forgotten_of_a_dropped_bundle_goes_when_all_of_it_may(tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = out / ".anonymizer" / "inbox" / "abc"
    with Gate(out):
        folder.mkdir(parents=True)
    path = case(folder / "case.zip", 1, 2)
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        first, second = (one.id for one in engine.run_all(members(path, Limits())))
        approve(engine.gate, first, "AB")
        assert forgettable(engine.gate, "9999") == []
        approve(engine.gate, second, "AB")
        chosen = forgettable(engine.gate, "9999")
        assert [one.original for one in chosen] == [True, True] and forget(engine.gate, chosen) == 2
    assert not folder.exists()
