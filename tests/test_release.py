"""Handing out: what is copied, what is held back, and what shows when somebody changes a release or the ledger."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from anonymizer.core.signing import own_key
from anonymizer.gate.chain import link
from anonymizer.gate.decisions import approve, reject, reopen
from anonymizer.gate.files import NEUTRAL_TIME
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import Decision, LedgerEntry, State
from anonymizer.release import publish as releases
from anonymizer.release.publish import release
from anonymizer.verify.exiftool import KeptOpen
from conftest import Ran, sentences
from folders import flip, with_approved

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with two approved photos and one that waits, to be copied."""
    return with_approved(tmp_path_factory.mktemp("made"), 3, approved=2)


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "out")


def media(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.jpg"))


def said_of(run: Run, folder: Path, *more: str | Path) -> dict[str, list[str]]:
    ran = run("verify", folder, "--json", *more)
    found = [json.loads(line) for line in ran.out.splitlines()]
    bad = {
        Path(one["file"]).name: sentences(one["reasons"])
        for one in found
        if one["signature"] != "valid" or sentences(one["reasons"])
    }
    assert (ran.code == 0) is (not bad)
    return bad


def test_what_is_ready_is_copied_with_its_reports_and_a_signed_list(
    run: Run, out: Path, tmp_path: Path
) -> None:
    to = tmp_path / "website"
    ran = run("release", out, "--to", to, "--consent", "--initials", "AB")
    assert ran.code == 0 and "2 copied" in ran.out and "does not replace the patient's consent" in ran.out
    assert media(to) == media(out / "ready") and len(media(to)) == 2
    assert sorted(path.name for path in to.iterdir()) == sorted([*media(to), "manifest.json", "reports"])
    for name in media(to):
        assert (to / name).read_bytes() == (out / "ready" / name).read_bytes()
        assert (to / name).stat().st_mtime == NEUTRAL_TIME
    assert said_of(run, to) == {} and said_of(run, out) == {}
    with Gate(out) as gate:
        assert gate.ledger.counts()[State.RELEASED] == 2
        assert [one.action for one in gate.ledger.decisions()][-2:] == ["released", "released"]
    assert run("verify", to / media(to)[0]).code == 0


def test_a_second_release_adds_what_is_new_and_touches_nothing_else(out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    first = release(out, to)
    before = {path: path.stat().st_mtime_ns for path in to.rglob("*.jpg")}
    assert len(first.copied) == 2 and first.there == ()
    with Gate(out) as gate:
        (waiting,) = gate.ledger.entries(State.REVIEW)
        approve(gate, waiting.id, "AB")
    second = release(out, to)
    assert len(second.copied) == 1 and len(second.there) == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(json.loads((to / "manifest.json").read_bytes())["media"]) == 3


def test_what_was_changed_is_held_back_by_name(run: Run, out: Path, tmp_path: Path) -> None:
    name, other = media(out / "ready")
    flip(out / "ready" / name, 300)
    ran = run("release", out, "--to", tmp_path / "website", "--consent")
    assert ran.code == 4 and f"held back {name}" in ran.err.replace("\n", " ")
    assert media(tmp_path / "website") == [other]
    assert set(said_of(run, out)) >= {name, "ledger.sqlite"}


def test_without_consent_nothing_happens(run: Run, out: Path, tmp_path: Path) -> None:
    ran = run("release", out, "--to", tmp_path / "website")
    assert ran.code == 2 and "consent" in ran.err and not (tmp_path / "website").exists()


@pytest.mark.parametrize(("answer", "code"), [("Oui", 0), ("y", 0), ("non", 2), ("", 2)])
def test_at_a_terminal_consent_is_asked_for(
    run: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    ran = run("release", out, "--to", tmp_path / "website", "--lang", "fr")
    assert ran.code == code and "A-t-il été donné pour chaque patient montré ? [o/N]" in ran.err
    assert (tmp_path / "website").exists() == (code == 0)


def test_folders_that_cannot_serve_are_one_sentence(run: Run, out: Path, tmp_path: Path) -> None:
    assert "no output folder" in run("release", tmp_path, "--to", tmp_path / "w", "--consent").err
    assert "lies in the output folder" in run("release", out, "--to", out / "w", "--consent").err
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "manifest.json").write_text("{}", encoding="utf-8")
    assert "no manifest of this program" in run("release", out, "--to", tmp_path / "w", "--consent").err


def test_another_file_of_that_name_is_never_overwritten(run: Run, out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    to.mkdir()
    name = media(out / "ready")[0]
    (to / name).write_bytes(b"somebody else's")
    ran = run("release", out, "--to", to, "--consent", "--json")
    assert ran.code == 4 and [one["name"] for one in json.loads(ran.out)["held"]] == [name]
    assert (to / name).read_bytes() == b"somebody else's"


def test_a_copy_that_went_wrong_is_not_in_the_release(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = releases._copy

    def torn(source: Path, target: Path) -> None:
        real(source, target)
        if target.suffix == ".jpg":
            flip(target, 400)

    monkeypatch.setattr(releases, "_copy", torn)
    done = release(out, tmp_path / "website")
    assert done.copied == () and len(done.held) == 2 and "did not pass" in str(done.held[0][1])
    assert [path.name for path in (tmp_path / "website").iterdir()] == ["reports"]


def test_what_a_person_takes_back_while_it_is_copied_is_not_in_the_release(
    run: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, to = releases._copied, tmp_path / "website"
    taken: list[str] = []

    def copied(gate: Gate, entry: LedgerEntry, to: Path, tool: KeptOpen) -> bool:
        new = real(gate, entry, to, tool)
        if not taken:
            taken.append(entry.name)
            with Gate(out) as other:
                reopen(other, entry.id, "AB")
        return new

    monkeypatch.setattr(releases, "_copied", copied)
    done = release(out, to)
    assert [name for name, _ in done.held] == taken and len(done.copied) == 1
    assert media(to) == list(done.copied) and len(list((to / "reports").iterdir())) == 2
    with Gate(out) as gate:
        assert taken[0] in [entry.name for entry in gate.ledger.entries(State.REVIEW)]
    assert said_of(run, to) == {}


@pytest.mark.parametrize("what", ["medium", "report", "page", "manifest", "missing", "added"])
def test_a_changed_release_is_noticed_and_named(run: Run, out: Path, tmp_path: Path, what: str) -> None:
    to = tmp_path / "website"
    release(out, to)
    name = media(to)[0]
    id = Path(name).stem
    changed = {
        "medium": to / name,
        "report": to / "reports" / f"{id}.json",
        "page": to / "reports" / f"{id}.html",
        "manifest": to / "manifest.json",
    }
    if what in changed:
        flip(changed[what], 200)
    elif what == "missing":
        (to / name).unlink()
    else:
        (to / "holiday.jpg").write_bytes((to / name).read_bytes())
    bad = said_of(run, to)
    named = {
        "report": {f"{id}.json"},
        "page": {name},
        "manifest": {"manifest.json"},
        "added": {"holiday.jpg"},
    }
    assert named.get(what, {name}) <= set(bad)


def test_a_release_is_verified_with_the_public_key_alone(
    run: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, public = tmp_path / "website", tmp_path / "practice.pem"
    release(out, to)
    public.write_bytes(own_key().pem())
    monkeypatch.setenv("ANONYMIZER_KEY", str(tmp_path / "elsewhere" / "key.pem"))
    assert run("verify", to).code == 4
    assert run("verify", to, "--key", public).code == 0


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE decisions SET who = 'AC' WHERE number = 1", "Decision 1"),
        ("UPDATE decisions SET at = '2020-01-01T00:00:00+00:00' WHERE number = 2", "Decision 2"),
        ("DELETE FROM decisions WHERE number = 1", "Decision 2"),
        ("DELETE FROM decisions WHERE number = 2", "tells of a decision that the ledger does not have"),
        ("UPDATE decisions SET signature = substr(signature, 5) WHERE number = 2", "not signed"),
        ("UPDATE media SET output = 'b' || substr(output, 2)", "speaks of another file"),
        ("UPDATE media SET report = 'b' || substr(report, 2)", "not the one that the ledger knows"),
    ],
)
def test_a_changed_ledger_is_noticed_and_named(run: Run, out: Path, statement: str, named: str) -> None:
    assert run("verify", out).code == 0
    with sqlite3.connect(out / ".anonymizer" / "ledger.sqlite") as ledger:
        ledger.execute(statement)
    ledger.close()
    bad = said_of(run, out)
    assert any(named in reason for reason in bad["ledger.sqlite"])


def test_an_upload_script_is_stopped_by_what_has_no_pass(run: Run, out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "upload"
    shutil.copytree(out / "ready", folder)
    shutil.copytree(out / "reports", folder / "reports")
    (folder / "reports" / "index.html").unlink(missing_ok=True)
    assert run("verify", folder).code == 7, "without a list nothing shows that all are there"
    (folder / "notes.html").write_text("Martha", encoding="utf-8")
    assert list(said_of(run, folder)) == ["notes.html", "upload"]
    assert run("verify", folder).code == 4
    (folder / "notes.html").unlink()
    (folder / "below").mkdir()
    Image.new("RGB", (40, 30)).save(folder / "below" / "patient.jpg")
    (folder / "away").symlink_to(tmp_path)
    assert set(said_of(run, folder)) == {"patient.jpg", "away", "upload"}
    Image.new("RGB", (40, 30)).save(folder / "holiday.jpg")
    assert "holiday.jpg" in said_of(run, folder)
    (folder / "empty").mkdir()
    assert run("verify", folder / "empty").code == 4


def test_a_copy_with_other_times_is_still_what_was_signed(run: Run, out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    release(out, to)
    copy, name = tmp_path / "copy", media(to)[0]
    shutil.copytree(to, copy, copy_function=shutil.copyfile)
    assert (copy / name).stat().st_mtime != NEUTRAL_TIME
    said = run("verify", copy)
    assert (
        said.code == 0 and said.out.count("its time is not the one it was written with, as on any copy") == 2
    )
    found = [json.loads(line) for line in run("verify", copy, "--json").out.splitlines()]
    assert [one["remarks"][0]["code"] for one in found] == ["check.naming.copied"] * 2
    assert "remarks" in json.loads(run("verify", to / name, "--json").out)
    assert run("verify", copy / name).code == 0, "alone too, as an attachment"
    back = tmp_path / "back"
    shutil.copytree(out, back, copy_function=shutil.copyfile)
    assert run("verify", back).code == 0
    assert len(release(back, tmp_path / "again").copied) == 2
    assert {path.stat().st_mtime for path in (tmp_path / "again").glob("*.jpg")} == {NEUTRAL_TIME}


def test_a_release_never_hands_out_a_time_that_says_when(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "neutralise", lambda path: None)
    done = release(out, tmp_path / "website")
    assert done.copied == () and len(done.held) == 2


ATTRIBUTES = {
    "user.xdg.origin.url": b"https://portal.example/patient/4711",
    "user.xdg.referrer.url": b"https://portal.example/patients",
    "user.com.apple.quarantine": b"0083;65f2a1c4;Mail;6F2C0D6E",
}
"""What Firefox, Chromium, Mail and others put on a file that they save."""


def mark(path: Path) -> None:
    try:
        for name, value in ATTRIBUTES.items():
            os.setxattr(path, name, value)
    except (AttributeError, OSError) as error:
        pytest.skip(f"this file system keeps no extended attributes ({error})")


def attributes(path: Path) -> set[str]:
    return {name for name in os.listxattr(path) if name.startswith("user.")}


def test_what_a_browser_puts_on_a_copy_is_named_and_does_not_fail(
    run: Run, out: Path, tmp_path: Path
) -> None:
    to = tmp_path / "website"
    release(out, to)
    name = media(to)[0]
    mark(to / name)
    for said in (run("verify", to), run("verify", to / name)):
        assert said.code == 0 and said.out.count("put extended attributes on it") == 1
        assert all(attribute in said.out for attribute in ATTRIBUTES) and "4711" not in said.out
    found = [json.loads(line) for line in run("verify", to, "--json").out.splitlines()]
    remarked = next(one for one in found if Path(one["file"]).name == name)["remarks"]
    assert [one["values"]["what"][0]["code"] for one in remarked] == ["check.attributes-of-copy"]
    assert run("verify", to, "--lang", "fr").out.count("y a mis des attributs étendus") == 1


def test_what_lies_in_ready_has_no_attributes_and_none_are_handed_on(
    run: Run, out: Path, tmp_path: Path
) -> None:
    names = media(out / "ready")
    assert names and not any(attributes(out / "ready" / name) for name in names)
    mark(out / "ready" / names[0])
    for what in (out, out / "ready" / names[0]):
        said = run("verify", what)
        assert said.code == 4 and "which this program never writes" in said.out
        assert "user.xdg.origin.url" in said.out and "4711" not in said.out
    to = tmp_path / "website"
    assert set(release(out, to).copied) == set(names)
    assert not any(attributes(path) for path in (*to.glob("*.jpg"), *to.glob("reports/*")))
    assert run("verify", to).code == 0


def apple_double() -> bytes:
    """What a Mac writes on a stick beside a file from the web: Finder's data with extended attributes, and an empty
    resource fork (RFC 1740; the layout of macOS 14)."""
    entries = struct.pack(">H", 2) + struct.pack(">6I", 9, 50, 3760, 2, 3810, 286)
    value = ATTRIBUTES["user.com.apple.quarantine"]
    name = b"com.apple.quarantine\0"
    attribute = struct.pack(">2IHB", 172, len(value), 0, len(name)) + name
    table = b"ATTR" + struct.pack(">4I12xHH", 0, 3810, 172, len(value), 0, 1) + attribute
    head = b"\0\5\x16\7\0\2\0\0" + b"Mac OS X        " + entries
    return (head + bytes(34) + table).ljust(172, b"\0").ljust(3810, b"\0") + bytes(286)


def test_what_a_mac_leaves_beside_a_photo_is_the_systems(run: Run, out: Path, tmp_path: Path) -> None:
    double = apple_double()
    assert len(double) == 4096
    (out / "ready" / f"._{media(out / 'ready')[0]}").write_bytes(double)
    assert run("verify", out).code == 0
    to = tmp_path / "website"
    release(out, to)
    assert not [path for path in to.rglob("*") if path.name.startswith("._")], "handed on"
    stick = tmp_path / "stick"
    shutil.copytree(to, stick)
    beside = [path.with_name(f"._{path.name}") for path in stick.rglob("*") if path.is_file()]
    for path in beside:
        path.write_bytes(double)
    said = run("verify", stick)
    assert said.code == 0 and all(said.out.count(f"skipped {path}") == 1 for path in beside)
    (stick / "manifest.json").unlink()
    assert run("verify", stick).code == 7, "nor without the list"


def test_the_name_of_an_apple_double_excuses_nothing_else(run: Run, out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    release(out, to)
    shutil.copy(to / media(to)[0], to / "._photo.jpg")
    said = run("verify", to)
    assert said.code == 4 and "._photo.jpg" in said.out
    (to / "._photo.jpg").write_text("Marie Durand, 12 March")
    assert run("verify", to).code == 4, "nor a note"
    (to / "._photo.jpg").unlink()
    (to / "._photo.jpg").symlink_to(to / media(to)[0])
    assert run("verify", to).code == 4


SYSTEMS = {
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    ".DS_Store": b"\0\0\0\x01Bud1" + bytes(600),
    "Desktop.ini": b"[.ShellClassInfo]\r\n",
}


def test_the_systems_own_files_are_named_do_not_fail_and_are_not_released(
    run: Run, out: Path, tmp_path: Path
) -> None:
    for name, content in SYSTEMS.items():
        (out / "ready" / name).write_bytes(content)
    assert run("verify", out).code == 0
    to = tmp_path / "website"
    assert len(release(out, to).copied) == 2
    assert not any((to / name).exists() for name in SYSTEMS)
    for name, content in SYSTEMS.items():
        (to / name).write_bytes(content)
        (to / "reports" / name).write_bytes(content)
    ran = run("verify", to)
    assert ran.code == 0
    assert all(
        ran.out.count(f"skipped {folder / name}") == 1 for name in SYSTEMS for folder in (to, to / "reports")
    )
    found = [json.loads(line) for line in run("verify", to, "--json").out.splitlines()]
    assert [one["verdict"] for one in found].count("skipped") == 6
    assert len(release(out, to).there) == 2 and run("verify", to).code == 0


@pytest.mark.parametrize("what", ["photo", "raw", "link"])
def test_a_systems_name_excuses_neither_a_photo_nor_a_link(
    run: Run, out: Path, tmp_path: Path, what: str
) -> None:
    to = tmp_path / "website"
    release(out, to)
    path = to / "Thumbs.db"
    if what == "photo":
        shutil.copy(to / media(to)[0], path)
    elif what == "raw":
        path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(600))
    else:
        path.symlink_to(tmp_path)
    ran = run("verify", to)
    assert ran.code == 4 and "Thumbs.db" in ran.out + ran.err


def test_without_its_list_a_folder_is_not_valid(run: Run, out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    release(out, to)
    (to / "manifest.json").unlink()
    name = media(to)[0]
    for gone in (to / name, *(to / "reports").glob(f"{Path(name).stem}.*")):
        gone.unlink()
    ran = run("verify", to)
    assert ran.code == 7 and "whether all are there cannot be shown" in ran.out
    assert f"unknown {to}\n" in ran.out and f"valid {to / media(to)[0]}" in ran.out
    last = json.loads(run("verify", to, "--json").out.splitlines()[-1])
    assert (last["verdict"], last["signature"]) == ("review", "unknown")


@pytest.mark.parametrize("signer", ["", "0" * 32])
def test_a_chain_written_anew_without_the_key_is_noticed(run: Run, out: Path, signer: str) -> None:
    path, before = out / ".anonymizer" / "ledger.sqlite", ""
    with sqlite3.connect(path) as ledger:
        rows = ledger.execute(
            "SELECT number, medium, action, who, note, changes, output, at, source FROM decisions"
        )
        for number, *values in rows.fetchall():
            forged = Decision(*values[:3], "not what was written", *values[4:])
            before = link(before, number, forged)
            new = (forged.note, before, signer, "AAAA" if signer else "", number)
            ledger.execute(
                "UPDATE decisions SET note = ?, chain = ?, signer = ?, signature = ? WHERE number = ?", new
            )
    ledger.close()
    (reason, *_) = said_of(run, out)["ledger.sqlite"]
    assert ("unknown key" if signer else "is not signed") in reason


def test_decisions_that_were_cut_off_or_lost_their_medium_are_noticed(run: Run, out: Path) -> None:
    with Gate(out) as gate:
        (waiting,) = gate.ledger.entries(State.REVIEW)
        reject(gate, waiting.id, "AB")
    assert said_of(run, out) == {}
    path = out / ".anonymizer" / "ledger.sqlite"
    whole = path.read_bytes()
    for statement, named in (
        ("DELETE FROM decisions WHERE number = 3", "its report tells of a decision"),
        (f"DELETE FROM media WHERE id = '{waiting.id}'", "does not have it any more"),
        ("UPDATE media SET state = 'reviex'", "damaged"),
    ):
        with sqlite3.connect(path) as ledger:
            ledger.execute(statement)
        ledger.close()
        assert any(named in reason for reason in said_of(run, out)["ledger.sqlite"])
        path.write_bytes(whole)


def test_one_byte_of_the_ledgers_decisions(run: Run, out: Path) -> None:
    path = out / ".anonymizer" / "ledger.sqlite"
    with sqlite3.connect(path) as ledger:
        ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (first,) = ledger.execute(
            "SELECT medium, chain, signature, output || at FROM decisions LIMIT 1"
        ).fetchall()
    ledger.close()
    whole = path.read_bytes()
    for text in (f"{first[0]}approvedAB", first[1], first[2], first[3]):
        assert text.encode() in whole
        flip(path, whole.index(text.encode()) + len(text) - 1)
        assert "ledger.sqlite" in said_of(run, out), text
        path.write_bytes(whole)
    flip(path, 0)
    ran = run("verify", out)
    assert ran.code == 4 and "ledger" in ran.out + ran.err


def test_what_was_taken_back_is_taken_off_the_list(run: Run, out: Path, tmp_path: Path) -> None:
    to = tmp_path / "website"
    first = release(out, to)
    with Gate(out) as gate:
        one = gate.ledger.entries(State.RELEASED)[0]
        reopen(gate, one.id, "AB")
    again = release(out, to)
    assert [name for name, _ in again.held] == [one.name] and set(again.there) == set(first.copied) - {
        one.name
    }
    assert one.name in said_of(run, to)
    for path in (to / one.name, *(to / "reports").glob(f"{one.id}.*")):
        path.unlink()
    assert release(out, to).held == () and said_of(run, to) == {}
