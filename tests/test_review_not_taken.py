"""What is dropped on the page and not taken stays in its list and in the ledger, with what it is and what to do."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from anonymizer.core.errors import OutputError
from anonymizer.core.settings import Limits
from anonymizer.gate.ledger import Ledger
from anonymizer.gate.output import OutputFolder
from anonymizer.i18n import languages
from anonymizer.read.walk import Passed
from anonymizer.review import uploads
from anonymizer.road.worker import Worker
from chromium import in_browser
from conftest import QUICK, Ran
from folders import tiny
from review_server import serving
from review_window import Window, rows
from test_passed_over import KINDS, OTHERS
from views import View
from watching import eventually


def names(out: Path, how: Passed) -> set[str]:
    with OutputFolder(out) as folder:
        return {one.path.name for one in folder.ledger.passed_over(how)}


@in_browser
def test_what_is_not_taken_stays_in_the_list(
    browser: Any, run: Any, tmp_path: Path, view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    long = tmp_path / "theatre.rmvb"
    with long.open("wb") as file:
        file.write(KINDS["theatre.rmvb"])
        file.truncate(60 << 20)
    dropped = tmp_path / "consent.rtf"
    dropped.write_bytes(OTHERS["consent.rtf"])
    (tmp_path / "Thumbs.db").write_bytes(tiny(7))
    with serving(out, QUICK) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.tells("hero.first")
        assert page.locator("#tabs button").count() == 4, "no list of what there is none of"
        page.set_input_files("#files", [long, dropped, tmp_path / "Thumbs.db"])
        window.tells("untaken.other", n=2)
        assert names(out, Passed.NOT_TAKEN) == {"theatre.rmvb", "consent.rtf"}
        assert names(out, Passed.SKIPPED) == {"Thumbs.db"}, "a rule's word, no toast"
        window.flawless("not taken")
        window.click("untaken.show", ".toast")
        window.says("RealMedia")
        assert page.locator("#items .item strong").all_inner_texts() == ["theatre.rmvb", "consent.rtf"]
        # It does not go with the toast, the window, or a change of the language.
        page.reload()
        window.tab("not-taken")
        window.says({"en": "a RealMedia clip", "fr": "une vidéo RealMedia"}[view.language])
        window.speak(next(one for one in languages() if one != view.language))
        window.says({"en": "a RealMedia clip", "fr": "une vidéo RealMedia"}[window.view.language])
        window.tells("queue.not-taken")
        page.click("#items >> text=consent.rtf")
        window.wait("() => document.querySelector('.hero p').textContent === 'consent.rtf'")
        window.click("untaken.remove", "#empty")
        window.wait("() => document.querySelectorAll('#items .item').length === 1")
        assert names(out, Passed.NOT_TAKEN) == {"theatre.rmvb"}
        # Three that are taken: how many are done, and each with its stage in its own column.
        held, real = threading.Event(), Worker.process

        def process(*given: Any) -> Any:
            assert held.wait(60)
            return real(*given)

        monkeypatch.setattr(Worker, "process", process)
        for number in range(3):
            (tmp_path / f"{number}.jpg").write_bytes(tiny(20 + number))
        page.set_input_files("#files", [tmp_path / f"{number}.jpg" for number in range(3)])
        window.tells("jobs.batch", done=0, total=3)
        window.tells("jobs.queued")
        # Stored, they stand in the order in which they are worked on.
        window.wait(
            "word => !document.querySelector('#jobs').innerText.includes(word)", window.word("jobs.upload")
        )
        lines = page.locator("#jobs .line").all_inner_texts()
        assert [line.split()[0] for line in lines] == ["0.jpg", "1.jpg", "2.jpg"]
        column = page.locator("#queue").bounding_box()
        for bar in page.locator("#jobs progress").all():
            box = bar.bounding_box()
            assert column["x"] <= box["x"] and box["x"] + box["width"] <= column["x"] + column["width"]
        window.flawless("three on their way")
        held.set()
        window.wait("() => document.querySelector('#jobs').hidden")
        assert len(rows(window, "review")) == 3
        window.tab("not-taken")
        # The same file twice is one, another one of its name is not.
        page.set_input_files("#files", [long])
        window.says(window.word("failed.added", name="theatre.rmvb").split("{")[0])
        long.write_bytes(KINDS["theatre.rmvb"] + b"another")
        page.set_input_files("#files", [long])
        window.wait("() => document.querySelectorAll('#items .item').length === 2")
        window.context.close()
        assert [said for said in window.errors if "409" not in said] == []
    index = (out / "reports" / "index.html").read_text()
    assert "RealMedia" in index and "theatre" not in index
    told: Ran = run("status", out)
    assert "theatre.rmvb" in told.out


def test_the_rules_of_folders_hold_for_what_is_dropped(tmp_path: Path) -> None:
    out = tmp_path / "out"
    limits = Limits(max_bytes=200_000, max_clip_bytes=300_000)
    with serving(out, QUICK.model_copy(update={"limits": limits})) as client:
        client.enter()

        def drop(name: str, within: str, content: bytes) -> dict[str, Any]:
            headers = {
                "Origin": client.origin, "Content-Type": "application/octet-stream",
                "X-File-Name": name, "X-Folder": within,
            }  # fmt: skip
            answer = client.send("POST", client.path("api/uploads"), headers, content)
            return {"status": answer.status} | answer.json()

        for within in ("nas/%23recycle/", "$RECYCLE.BIN", "case/@eaDir/x", "..\\.hidden\\"):
            assert drop("photo.jpg", within, tiny(1)).get("how") == "skipped", within
        for name in (".hidden.jpg", "desktop.ini", "copy.jpg.part"):
            assert drop(name, "case", tiny(1)).get("how") == "skipped", name
        assert drop("empty.jpg", "", b"") | {"error": 0} == {"status": 409, "error": 0, "how": "not-taken"}
        assert "limit" in drop("huge.jpg", "", tiny(1) + bytes(300_000))["error"]
        assert drop("photo.jpg", "case/2026/", tiny(1))["status"] == 202
        client.finish()
        listed = client.get("api/list/not-taken").json()
        assert {one["source"] for one in listed} == {"empty.jpg", "huge.jpg"}
        assert client.get("api/poll").json()["counts"]["not-taken"] == 2
        assert client.post("api/passed/0000000000000000/remove").status == 404
    skipped = {"#recycle", "$RECYCLE.BIN", "@eaDir", ".hidden", ".hidden.jpg", "desktop.ini", "copy.jpg.part"}
    assert names(out, Passed.SKIPPED) == skipped


@in_browser
def test_what_another_run_did_not_take_is_listed_with_its_folder(
    browser: Any, run: Any, tmp_path: Path, view: View
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "lesson.swf").write_bytes(KINDS["lesson.swf"])
    assert run("batch", folder, "--out", out, "--workers", "1").code == 6
    with serving(out, QUICK) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.tab("not-taken")
        window.says("JPEG, PNG")
        window.says(str(folder))
        assert page.locator(f"text={window.word('untaken.remove')}").count() == 0, (
            "it goes when the file goes"
        )
        window.context.close()
        assert window.errors == []


def listed(client: Any) -> dict[str, str]:
    """The list of what was not taken: names with their reasons."""
    found = client.get("api/list/not-taken").json()
    assert client.get("api/poll").json()["counts"]["not-taken"] == len(found)
    return {one["source"]: one["reasons"][0]["text"] for one in found}


def test_what_a_full_disk_refuses_is_listed_until_it_is_dropped_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, free = tmp_path / "out", [1 << 20]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with serving(out, QUICK) as client:
        client.enter()
        answer = client.upload("photo.jpg", tiny(1))
        assert answer.status == 409 and answer.json()["how"] == "not-taken"
        assert listed(client) == {"photo.jpg": "The disk is nearly full; free space and drop the file again."}
        assert not list((out / ".anonymizer" / "inbox").rglob("*.jpg")), "nothing of it is kept"
    with serving(out, QUICK) as client:
        client.enter()
        assert listed(client).keys() == {"photo.jpg"}, "nor does it go with the page"
        free[0] = usage.free
        assert client.upload("photo.jpg", tiny(1)).status == 202
        client.finish()
        assert listed(client) == {} and client.get("api/poll").json()["counts"]["review"] == 1


@pytest.mark.parametrize("ledger_too", [False, True])
def test_what_the_work_had_no_room_for_is_listed_kept_and_tried_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger_too: bool
) -> None:
    out = tmp_path / "out"

    def full(*_: Any, **__: Any) -> Any:
        raise OutputError("output.full")

    with monkeypatch.context() as broken, serving(out, QUICK) as client:
        client.enter()
        broken.setattr(Worker, "process", full)
        if ledger_too:
            broken.setattr(Ledger, "pass_over", full)
        assert client.upload("photo.jpg", tiny(1)).status == 202
        (job,) = client.finish()
        assert (job["stage"], job["verdict"]) == ("failed", "not-taken")
        eventually(lambda: listed(client))
        (said,) = listed(client).values()
        assert said.startswith("The output folder is full; free space") and "tried again when" in said
        assert client.get("api/poll").json()["counts"]["review"] == 0
    with serving(out, QUICK) as client:
        client.enter()
        client.finish()
        assert listed(client) == {} and client.get("api/poll").json()["counts"]["review"] == 1


def test_what_was_kept_for_later_goes_with_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OutputError("output.full")

    monkeypatch.setattr(Worker, "process", full)
    with serving(tmp_path / "out", QUICK) as client:
        client.enter()
        client.upload("photo.jpg", tiny(1))
        client.finish()
        eventually(lambda: listed(client))
        stored = tmp_path / "out" / ".anonymizer" / "inbox"
        assert list(stored.rglob("*.jpg"))
        (row,) = client.get("api/list/not-taken").json()
        assert client.post(f"api/passed/{row['id']}/remove").status == 200
        assert listed(client) == {} and not list(stored.rglob("*.jpg"))
