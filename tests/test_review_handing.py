"""What is ready, on its way out of the page: which output is which, looked through, saved, and the five lines before
a release."""

from __future__ import annotations

import base64
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.message import Message
from anonymizer.core.settings import DrawnRegion, Settings
from anonymizer.gate.decisions import reopen
from anonymizer.gate.files import file_sha256
from anonymizer.gate.folder import Gate
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import State, now
from anonymizer.report.thumbnail import LARGEST, SIDE
from anonymizer.road.pipeline import Session
from anonymizer.watch import status
from anonymizer.watch.locks import take_output
from chromium import in_browser
from conftest import QUICK, Ran
from review_server import Client, serving
from review_window import Window
from views import View
from watching import eventually

SETTINGS = QUICK.model_copy(update={"faces": True})
NAMES = ("IMG_0413.png", "IMG_0414.png", "Muster_Anna.png")


class Nothing:
    """A detector that finds nothing."""

    def __init__(self, _: Settings) -> None:
        pass

    def find(self, pixels: Any) -> list[Any]:
        return []

    verification_pass = find

    def models(self) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An output folder in which three photos are ready."""
    folder = tmp_path_factory.mktemp("handing")
    patch = pytest.MonkeyPatch()
    patch.setattr("anonymizer.road.worker.Finder", Nothing)
    with Session(folder / "out", SETTINGS) as session:
        for number, name in enumerate(NAMES):
            pixels = np.random.default_rng(number).integers(60, 190, (90, 120, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name)
            session.run(folder / name)
    yield folder / "out"
    patch.undo()


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "out")


@pytest.fixture
def client(out: Path, request: pytest.FixtureRequest) -> Iterator[Client]:
    with serving(out, SETTINGS.model_copy(update=getattr(request, "param", {}))) as client:
        client.enter()
        yield client


def ready(client: Client) -> list[dict[str, Any]]:
    return list(client.get("api/list/ready").json())


def test_outputs_are_saved_under_their_neutral_names(client: Client, out: Path) -> None:
    one, two, three = ready(client)
    answer = client.get(f"api/media/{one['id']}/save")
    assert answer.headers["content-disposition"] == f'attachment; filename="{one["name"]}"'
    assert answer.body == (out / "ready" / one["name"]).read_bytes()
    answer = client.post("api/save", {"ids": [one["id"], two["id"]]})
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == [one["name"], two["name"]]
        assert archive.read(two["name"]) == (out / "ready" / two["name"]).read_bytes()
        assert {member.date_time[0] for member in archive.infolist()} == {2000}
    assert b"IMG_" not in answer.body
    # With the DICOM beside it, one is two files.
    beside = (out / "ready" / one["name"]).with_suffix(".dcm")
    beside.write_bytes(b"a DICOM")
    with Gate(out) as gate:
        gate.ledger.update(one["id"], companion=file_sha256(beside))
    answer = client.get(f"api/media/{one['id']}/save")
    assert answer.headers["content-disposition"] == f'attachment; filename="{one["id"]}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == [one["name"], beside.name]
    beside.write_bytes(b"another")
    assert client.get(f"api/media/{one['id']}/save").status == 409
    # A file that is not the one that was verified is not handed out.
    (out / "ready" / three["name"]).write_bytes(b"another")
    assert client.get(f"api/media/{three['id']}/save").status == 409
    assert client.post("api/save", {"ids": [one["id"], three["id"]]}).status == 409
    assert client.post("api/save", {"ids": []}).status == 404
    client.post(f"api/media/{two['id']}/reopen", {"initials": "AB"})
    assert client.get(f"api/media/{two['id']}/save").status == 404, "what waits is not handed out"
    assert client.post("api/save", {"ids": [two["id"]]}).status == 404
    assert not [path for path in (out / ".anonymizer").iterdir() if path.suffix == ".zip"]


def test_the_system_is_asked_to_show_this_programs_folders_alone(
    client: Client, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("typer.launch", lambda path: asked.append(path) or len(asked) - 1)
    assert client.post("api/open", {"folder": "ready"}).status == 200
    assert asked == [str(out / "ready")]
    assert client.post("api/open", {"folder": "ready"}).status == 409, "the system could not"
    assert client.post("api/open", {"folder": "release"}).status == 409, "there is none yet"
    for other in ("/etc", "..", "", None):
        assert client.post("api/open", {"folder": other}).status == 400
    assert len(asked) == 2


@pytest.mark.parametrize("client", [{"release_seen": True, "release_answers": True}], indirect=True)
def test_settings_demand_a_look_and_five_answers(client: Client, out: Path) -> None:
    one, two, _ = ready(client)
    assert [item["seen"] for item in (one, two)] == [False, False]
    assert client.post(f"api/media/{one['id']}/seen", {"initials": "AB"}).status == 200
    (seen,) = client.get(f"api/media/{one['id']}").json()["history"]
    assert (seen["action"], seen["who"]) == ("seen", "AB") and seen["at"]
    client.post(f"api/media/{two['id']}/reopen", {"initials": "AB"})
    client.post(f"api/media/{two['id']}/approve", {"initials": "CD"})
    assert client.get("api/poll").json()["counts"]["unseen"] == 1, "who approves has looked"
    word: dict[str, Any] = {"initials": "AB", "consent": True, "answers": ["caption", "colleagues", "useful"]}
    assert "release_answers" in client.post("api/release", word).json()["error"]
    word["answers"].append("account")
    assert client.post("api/release", word | {"answers": ["consent", "else"]}).status == 400
    done = client.post("api/release", word).json()
    assert done["copied"] == 2
    assert [held["reason"] for held in done["held"]] == [
        "Nobody has looked at it, and the settings ask for that (release_seen)."
    ]
    with OutputFolder(out) as folder:
        taken = [one for one in folder.ledger.decisions() if one.action == "released"]
        assert {one.who for one in taken} == {"AB"}
        assert all(one.changes.count("true") == 5 for one in taken)


def test_the_settings_ask_for_answers_and_a_look_as_on_the_page(
    run: Callable[..., Ran], out: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("release_seen = true\nrelease_answers = true\n")
    wanted = ("release", out, "--to", tmp_path / "w", "--consent", "--settings", rules)
    answers = [word for one in ("caption", "colleagues", "useful", "account") for word in ("--answer", one)]
    some = run(*wanted, *answers[:4])
    assert some.code == 2 and "--answer useful --answer account" in some.err and not (tmp_path / "w").exists()
    assert "known are consent, caption" in run(*wanted, "--answer", "x").err
    with Gate(out) as gate:
        one, *_ = gate.ledger.entries(State.READY)
        gate.ledger.look(one.id, "EF")
    ran = run(*wanted, *answers)
    assert ran.code == 4 and "1 copied" in ran.out and "Nobody has looked at it" in ran.err
    with OutputFolder(out) as folder:
        assert folder.ledger.decisions(one.id)[-1].changes.count("true") == 5
    ran = run(*wanted, *answers, "--no-only-seen")
    assert ran.code == 0 and "Nobody has looked at 2 of these" in ran.err


def test_chosen_ones_alone_are_released(client: Client, out: Path) -> None:
    one, *_ = ready(client)
    done = client.post("api/release", {"initials": "AB", "consent": True, "ids": [one["id"]]}).json()
    assert (done["copied"], done["held"]) == (1, [])
    with OutputFolder(out) as folder:
        assert [entry.id for entry in folder.ledger.each(State.RELEASED)] == [one["id"]]


def test_names_that_a_person_gives_hold_for_what_is_added_from_then_on(client: Client, out: Path) -> None:
    def added(seed: int) -> str:
        data = io.BytesIO()
        Image.fromarray(np.full((30, 40, 3), seed, np.uint8)).save(data, "PNG")
        assert client.upload(f"{seed}.png", data.getvalue()).status == 202
        job = client.finish()[-1]
        with OutputFolder(out) as folder:
            entry = folder.ledger.get(job["id"])
        assert entry is not None
        return entry.name

    assert client.get("api/session").json()["names"]["example"] == ""
    wanted = {"name": "{date}-{case}-{number:03}", "date": "2026", "case": "Implant Été"}
    assert client.post("api/names/try", wanted).json()["example"] == "2026-implant-ete-001.jpg"
    assert client.post("api/names/try", wanted | {"case": "a/b"}).json()["error"].startswith("case: 'a/b'")
    assert len(added(71)) == len("abcdefghijkm.png"), "trying changes nothing"
    assert client.post("api/names", wanted | {"name": "x"}).status == 409
    assert client.post("api/names", wanted).json() == client.get("api/session").json()["names"]
    assert added(72) == "2026-implant-ete-001.png"
    assert client.post("api/names", {}).json()["example"] == ""
    assert client.post("api/names", wanted | {"path": "/"}).status == 400
    assert len(added(73)) == len("abcdefghijkm.png")


def pictures(text: str) -> list[bytes]:
    return [base64.b64decode(one) for one in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)]


def test_the_overview_has_pictures_of_what_is_ready_and_of_nothing_else(client: Client, out: Path) -> None:
    runner, overview = client.page.runner, out / "reports" / "index.html"

    def written() -> list[bytes]:
        runner.touched()
        runner.call_gate(runner.write_index)
        return pictures(overview.read_text())

    small = written()
    assert len(small) == 3 and all(len(one) <= LARGEST for one in small)
    with Image.open(io.BytesIO(small[0])) as picture:
        assert max(picture.size) == SIDE and not picture.getexif()
    one, two, _ = ready(client)
    taken = (out / ".anonymizer" / "thumbnails" / f"{one['id']}.jpg").read_bytes()
    assert taken in small
    client.post(f"api/media/{one['id']}/reopen", {"initials": "AB"})
    assert not overview.exists() or taken not in pictures(overview.read_text()), "before it left ready/"
    assert sorted(written()) == sorted(set(small) - {taken})
    client.post(f"api/media/{one['id']}/reject", {"initials": "AB"})
    assert taken not in written()
    # Taken back by somebody else while the page was written: it is written again, without it.
    real = Gate.write_index
    turns: list[int] = []

    def meanwhile(gate: Gate, content: bytes) -> Path:
        path = real(gate, content)
        turns.append(len(pictures(content.decode())))
        if len(turns) == 1:
            reopen(gate, two["id"], "CD")
            real(gate, content)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "write_index", meanwhile)
        assert len(written()) == 1 and turns == [2, 1]


def test_a_picture_on_the_overview_is_made_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.road.worker.Finder", Nothing)
    pixels = np.full((224, 224, 3), 255, np.uint8)
    pixels[::2] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    settings = SETTINGS.model_copy(update={"regions": (DrawnRegion(rect=(0, 0, 224, 112)),)})
    with Session(tmp_path / "out", settings) as session:
        outcome = session.run(tmp_path / "a.png")
        small = session.gate.thumbnail(outcome.id)
    with Image.open(io.BytesIO(small)) as picture:
        shown = np.asarray(picture.convert("L"))
    with Image.open(str(outcome.output)) as picture:
        hidden = np.asarray(picture.convert("L"))[:108]
    assert shown.shape == (112, 112) and hidden.std() == 0
    assert abs(shown[:54].astype(int) - hidden[0, 0]).max() < 12


def watched(out: Path, doing: status.Doing, **more: Any) -> None:
    """What a watcher beside the page writes of itself."""
    status.write(out / ".anonymizer", status.Status(doing, since=now(), updated=now(), **more))


def test_the_page_says_what_the_watcher_beside_it_does(client: Client, out: Path) -> None:
    assert client.get("api/poll").json()["watcher"] is None and client.get("api/watcher").json() is None
    with Gate(out) as gate:
        gate.ledger.remember_mount(Path("/in/box"), "/")
        gate.ledger.wait_for({Path("/in/box/a/b.mp4"): Message("wait.unfinished")})
    watched(out, status.Doing.PAUSED, waiting=1, said=Message("fault.full"))
    assert client.get("api/poll").json()["watcher"]["doing"] == "stopped", (
        "it was killed: nobody holds its lock"
    )
    assert client.get("api/watcher").json()["files"] == []
    lock = take_output(out)
    try:
        told = client.get("api/poll").json()["watcher"]
        assert (told["doing"], told["waiting"]) == ("paused", 1)
        full = client.get("api/watcher").json()
        assert full["said"] and full["inboxes"] == ["/in/box"]
        assert [one["name"] for one in full["files"]] == ["a/b.mp4"]
        assert full["files"][0]["reason"] == str(Message("wait.unfinished"))
    finally:
        lock.release()


@in_browser
def test_names_and_the_watcher(browser: Any, out: Path, view: View) -> None:
    with Gate(out) as gate:
        gate.ledger.wait_for({Path("/in/box/a/b.mp4"): Message("wait.unfinished")})
    watched(out, status.Doing.IDLE, waiting=1)
    lock = take_output(out)
    with serving(out, SETTINGS) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait("() => document.querySelector('#below .watcher b')?.textContent === '1'")
        page.click("#below .watcher")
        window.wait("() => document.querySelector('#watcher[open]')")
        window.says("a/b.mp4")
        window.tells("watcher.waiting.one", n=1)
        window.flawless("watcher")
        page.click("#watcher .primary")
        page.click("#below button:first-child")
        page.select_option("#names-template", index=3)
        page.fill("#names-case", "")
        window.tells("names.missing")
        assert page.is_disabled("#names-go")
        page.fill("#names-case", "Cas 390.")
        window.wait("() => document.querySelector('#names-said.error')")
        page.fill("#names-case", "Cas 390")
        window.tells("names.example", example="cas-390-001.jpg")
        window.flawless("names")
        page.click("#names-go")
        window.tells("names.now", example="cas-390-001.jpg")
        window.context.close()
        assert window.errors == []
        assert client.page.runner.settings.case == "Cas 390"
    lock.release()


@in_browser
def test_which_is_which_is_seen_searched_and_looked_through(
    browser: Any, out: Path, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[str] = []
    monkeypatch.setattr("typer.launch", lambda path: launched.append(path) or 0)
    with serving(out, SETTINGS) as client:
        window = Window(browser, client, view, permissions=["clipboard-read", "clipboard-write"])
        page = window.open()
        window.tab("ready")
        window.shown("Muster_Anna.png")
        with OutputFolder(out) as folder:
            name = {entry.source.name: entry.name for entry in folder.ledger.each()}
        assert page.inner_text("#medium-output") == f"→ {name['Muster_Anna.png']}"
        page.fill("#search", name["IMG_0413.png"][:6].upper())
        assert page.locator("#items strong").all_inner_texts() == ["IMG_0413.png"]
        page.fill("#search", f"{window.word('kind.photo')} img")
        assert page.locator("#items strong").all_inner_texts() == ["IMG_0414.png", "IMG_0413.png"]
        page.fill("#search", window.word("kind.clip"))
        window.tells("queue.unfound")
        page.fill("#search", "")
        page.fill("#initials", "AB")
        window.tells("look.unseen.other", n=3)
        page.click("#look-begin")
        window.tells("look.at", n=1, of=3)
        assert page.locator("#queue").is_hidden() and page.locator(".region:not(.quiet)").count() == 0
        window.flawless("looking through")
        page.keyboard.press("ArrowRight")
        window.tells("look.at", n=2, of=3)
        page.keyboard.press("r")
        window.tells("look.at", n=2, of=2)
        window.shown("IMG_0413.png")
        page.keyboard.press("ArrowRight")
        window.tells("look.done.other", n=2)
        window.tells("look.all")
        with page.expect_download() as download:
            window.click("save", "#facts")
        assert download.value.suggested_filename == name["IMG_0413.png"]
        window.click("copy", "#facts")
        window.tells("done.copied", name=name["IMG_0413.png"])
        copied = "navigator.clipboard.read().then(all => all.flatMap(one => one.types))"
        assert page.evaluate(copied) == ["image/png"]
        window.click("folder.open", "#facts")
        eventually(lambda: launched == [str(out / "ready")])
        window.context.close()
        assert window.errors == []
    with OutputFolder(out) as folder:
        assert folder.ledger.unseen() == set() and len(folder.ledger.entries(State.READY)) == 2
