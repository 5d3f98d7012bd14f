"""What is ready, on its way out of the page: which output is which, looked through, saved, and the five lines before
a release."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.settings import Settings
from anonymizer.gate.output import OutputFolder
from anonymizer.gate.records import State
from anonymizer.road.pipeline import Session
from chromium import in_browser
from conftest import QUICK
from review_server import Client, serving
from review_window import Window

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


def test_chosen_ones_alone_are_released(client: Client, out: Path) -> None:
    one, *_ = ready(client)
    done = client.post("api/release", {"initials": "AB", "consent": True, "ids": [one["id"]]}).json()
    assert (done["copied"], done["held"]) == (1, [])
    with OutputFolder(out) as folder:
        assert [entry.id for entry in folder.ledger.each(State.RELEASED)] == [one["id"]]


@in_browser
def test_which_is_which_is_seen_searched_and_looked_through(browser: Any, out: Path) -> None:
    with serving(out, SETTINGS) as client:
        window = Window(browser, client)
        page = window.open()
        window.wait("() => document.querySelectorAll('#tabs button').length > 1")
        page.locator("#tabs button").nth(1).click()
        window.shown("Muster_Anna.png")
        with OutputFolder(out) as folder:
            name = {entry.source.name: entry.name for entry in folder.ledger.each()}
        assert page.inner_text("#medium-output") == f"→ {name['Muster_Anna.png']}"
        page.fill("#search", name["IMG_0413.png"][:6].upper())
        assert page.locator("#items strong").all_inner_texts() == ["IMG_0413.png"]
        page.fill("#search", "photo img")
        assert page.locator("#items strong").all_inner_texts() == ["IMG_0414.png", "IMG_0413.png"]
        page.fill("#search", "clip")
        window.says("Nothing found.")
        page.fill("#search", "")
        page.fill("#initials", "AB")
        window.says("Nobody has looked at 3 of these yet.")
        page.click("#look-begin")
        window.says("1 of 3.")
        assert page.locator("#queue").is_hidden() and page.locator(".region:not(.quiet)").count() == 0
        window.flawless("looking through")
        page.keyboard.press("ArrowRight")
        window.says("2 of 3.")
        page.keyboard.press("r")
        window.says("2 of 2.")
        window.shown("IMG_0413.png")
        page.keyboard.press("ArrowRight")
        window.says("2 were looked at.")
        window.says("All of these were looked at.")
        with page.expect_download() as download:
            page.click("#facts >> text=Save as")
        assert download.value.suggested_filename == name["IMG_0413.png"]
        window.context.close()
        assert window.errors == []
    with OutputFolder(out) as folder:
        assert folder.ledger.unseen() == set() and len(folder.ledger.entries(State.READY)) == 2
