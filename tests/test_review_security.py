"""A hostile page, a hostile program, a hostile file: each gets nothing out of the page, and changes nothing."""

from __future__ import annotations

import hashlib
import socket
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.settings import Limits
from anonymizer.gate import decisions as decide
from anonymizer.i18n import languages
from anonymizer.review.security import HEADERS, Keys
from anonymizer.road.pipeline import Session
from conftest import QUICK, fingerprints
from review_server import Client, serving

TINY = QUICK.model_copy(update={"limits": Limits(max_bytes=200_000, max_clip_bytes=300_000)})
SECRET = "Anna_Muster"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An output folder with one photo in review/, and its id."""
    folder = tmp_path_factory.mktemp("page")
    pixels = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f"{SECRET}.png")
    with Session(folder / "out", QUICK) as session:
        return folder / "out", session.run(folder / f"{SECRET}.png").id


@pytest.fixture(scope="module")
def server(folder: tuple[Path, str]) -> Iterator[Client]:
    with serving(folder[0], TINY) as client:
        client.enter()
        yield client


@pytest.fixture
def client(server: Client) -> Client:
    return Client(
        server.page, server.server, server.port, server.link, server.cookie, {"Cookie": server.cookie}
    )


def routes(id: str, *, clip: bool = True) -> list[tuple[str, str]]:
    posts = [
        f"api/media/{id}/{what}"
        for what in ("apply", "draft", "approve", "reject", "reopen", "discard", "seen")
    ]
    gets = [
        f"api/media/{id}{what}"
        for what in ("", "/original", "/result", "/film", "/small", "/small-original", "/report")
    ]
    gets += [f"api/media/{id}/{what}" for what in ("times", "frame/0", "save")] if clip else []
    gets += ["", "static/main.js", "api/session", "api/poll", "api/list/review"]
    return [("GET", path) for path in gets] + [
        ("POST", path) for path in (*posts, "api/release", "api/save", "api/open", "api/uploads")
    ]


ATTACKS = {
    "no cookie": ({"Cookie": ""}, 403),
    "wrong cookie": ({"Cookie": "anonymizer=" + "A" * 43}, 403),
    "broken cookie": ({"Cookie": "anonymizer; ]["}, 403),
    "other host": ({"Host": "evil.example"}, 421),
    "rebound name": ({"Host": "evil.example:{port}"}, 421),
    "other port": ({"Host": "127.0.0.1:1"}, 421),
    "no port": ({"Host": "127.0.0.1"}, 421),
    "all addresses": ({"Host": "0.0.0.0:{port}"}, 421),
    "cross site": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "same site": ({"Sec-Fetch-Site": "same-site"}, 403),
}
POST_ATTACKS = {
    "other origin": ({"Origin": "https://evil.example"}, 403),
    "null origin": ({"Origin": "null"}, 403),
    "no origin": ({"Origin": ""}, 403),
    "other port's origin": ({"Origin": "http://127.0.0.1:1"}, 403),
    "https": ({"Origin": "https://127.0.0.1:{port}"}, 403),
    "form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "plain": ({"Content-Type": "text/plain"}, 415),
    "multipart": ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
}


@pytest.mark.parametrize("attack", [*ATTACKS, *POST_ATTACKS])
def test_a_hostile_page_gets_nothing(client: Client, folder: tuple[Path, str], attack: str) -> None:
    out, id = folder
    before = fingerprints(out / "review") | fingerprints(out / "reports")
    headers, status = (ATTACKS | POST_ATTACKS)[attack]
    for method, path in routes(id):
        if method == "GET" and attack in POST_ATTACKS:
            continue
        good = {}
        if method == "POST":
            kind = "application/octet-stream" if path == "api/uploads" else "application/json"
            good = {"Origin": client.origin, "Content-Type": kind}
        sent = good | {name: value.format(port=client.port) for name, value in headers.items()}
        body = b'{"initials": "AB"}' if method == "POST" else None
        answer = client.send(method, client.path(path), sent, body)
        assert answer.status == status, (method, path)
        assert SECRET.encode() not in answer.body and len(answer.body) < 200
        assert "set-cookie" not in answer.headers
    assert fingerprints(out / "review") | fingerprints(out / "reports") == before
    assert not list((out / "ready").iterdir())
    assert not (out / ".anonymizer" / "inbox").exists()


def test_the_same_requests_are_answered_when_the_page_sends_them(
    client: Client, folder: tuple[Path, str]
) -> None:
    """What the attacks above change is what stops them."""
    _, id = folder
    for method, path in routes(id, clip=False):
        if method == "GET":
            headers = {"Sec-Fetch-Site": "same-origin"}
            assert client.send("GET", client.path(path), headers).status == 200, path
    assert client.post(f"api/media/{id}/approve", {"initials": ""}).status == 409
    assert "initials" in client.post(f"api/media/{id}/approve", {"initials": ""}).json()["error"]


def test_the_program_speaks_the_pages_language(client: Client, folder: tuple[Path, str]) -> None:
    _, id = folder
    client.headers |= {"Accept-Language": "fr"}
    assert "initiales" in client.post(f"api/media/{id}/approve", {"initials": ""}).json()["error"]
    said = {language: client.get(f"static/strings.{language}.json").json() for language in languages()}
    assert client.get("api/session").json()["languages"] == list(languages())
    assert said["fr"]["decide.approve"] == "Approuver"
    client.headers |= {"Accept-Language": "en"}
    checks = client.get(f"api/media/{id}").json()["checks"]
    client.headers |= {"Accept-Language": "fr"}
    # Sentences are in French; what a script reads is not.
    for one, other in zip(checks, client.get(f"api/media/{id}").json()["checks"], strict=True):
        assert one["text"] != other["text"]
        assert one["name"] == other["name"]
    for unknown in ("xx", "..", "fr.po", "../fr"):
        assert client.get(f"static/strings.{unknown}.json").status == 404


def test_the_link_opens_once(folder: tuple[Path, str]) -> None:
    keys = Keys()
    assert not keys.open("x" * 32) and not keys.open("")
    assert keys.open(keys.token)
    assert not keys.open(keys.token)


def test_a_used_link_serves_only_who_has_its_cookie(client: Client) -> None:
    entry = client.link.removeprefix(client.origin)
    client.headers = {}
    assert client.send("GET", entry).status == 403
    assert client.send("GET", "/open/guess").status == 403
    assert client.send("POST", entry).status == 405
    client.headers = {"Cookie": client.cookie}
    answer = client.send("GET", entry)
    assert (answer.status, answer.headers["location"]) == (303, client.page.keys.path + "/")
    flags = answer.headers["set-cookie"].lower()
    assert (
        "httponly" in flags
        and "samesite=strict" in flags
        and f"path={client.page.keys.path.lower()}" in flags
    )


def test_the_cookie_opens_its_own_path_alone(client: Client) -> None:
    for path in ("/", "/api/poll", "/static/main.js", "/" + "A" * 16 + "/", client.page.keys.path):
        assert client.send("GET", path).status == 404, path


TRICKS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/ledger.sqlite",
    "/etc/passwd",
    "..\\..\\ledger.sqlite",
    "%00",
    "ledger.sqlite",
    "' OR 1=1 --",
    "*",
    "a" * 5000,
]


@pytest.mark.parametrize("trick", TRICKS, ids=range(len(TRICKS)))
def test_no_path_is_taken(client: Client, trick: str) -> None:
    trick = trick.replace(" ", "%20")
    for path in (
        f"static/{trick}", f"api/media/{trick}", f"api/media/{trick}/original", f"api/media/{trick}/result",
        f"api/media/{trick}/report", f"api/media/{trick}/small", f"api/list/{trick}", trick,
    ):  # fmt: skip
        answer = client.get(path)
        assert answer.status in (400, 404, 403), path
        assert b"root:" not in answer.body and b"SQLite" not in answer.body and len(answer.body) < 200
    assert client.post("api/save", {"ids": [trick[:40]]}).status == 404
    assert client.post("api/open", {"folder": trick}).status == 400
    bodies = {"apply": {"edits": {}}, "draft": {"draft": None}}
    for what in ("approve", "apply", "draft", "reject", "reopen", "discard", "seen"):
        answer = client.post(f"api/media/{trick}/{what}", bodies.get(what, {"initials": "AB"}))
        assert answer.status in (400, 403, 404, 405, 409)


def test_what_is_answered_is_hardened_whatever_it_is(client: Client, folder: tuple[Path, str]) -> None:
    _, id = folder
    answers = [client.get(path) for path in ("", "static/main.js", f"api/media/{id}/original", "nothing")]
    answers.append(client.send("GET", "/", {"Host": "evil.example"}))
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, name
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert "server" not in answer.headers
    policy = answers[0].headers["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    report = client.get(f"api/media/{id}/report").headers["content-security-policy"]
    assert "script-src" not in report and "default-src 'none'" in report and "sandbox" in report


def test_the_page_asks_nobody_else_and_has_no_script_within() -> None:
    from anonymizer.review.page_files import static_files

    for name, content in static_files().items():
        text = content.decode()
        assert "https://" not in text and "//cdn" not in text, name
        addresses = text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in addresses, name
        assert "innerHTML" not in text and "eval(" not in text, name
    shell = static_files()["index.html"].decode()
    assert " on" not in shell.replace(" only", "") and "style=" not in shell and "<style" not in shell


def test_the_vendored_library_is_what_was_published() -> None:
    from anonymizer.review.page_files import static_files

    found = hashlib.sha256(static_files()["superfine.js"]).hexdigest()
    said = (Path(__file__).parents[1] / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert f"`{found}`" in said


def test_only_this_machine_is_listened_to(client: Client) -> None:
    outside = socket.gethostbyname(socket.gethostname())
    if outside.startswith("127."):
        pytest.skip("this machine has no other address")
    with pytest.raises(OSError):
        socket.create_connection((outside, client.port), timeout=2)


def inbox(out: Path) -> list[Path]:
    folder = out / ".anonymizer" / "inbox"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_a_huge_upload_is_cut_off_and_leaves_nothing(client: Client, folder: tuple[Path, str]) -> None:
    jpeg = b"\xff\xd8\xff\xe0" + bytes(1_000_000)
    answer = client.upload("huge.jpg", jpeg)
    assert answer.status == 409 and "limit" in answer.json()["error"]
    # Without a length, as a stream that might never end.
    chunks = (
        b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (jpeg[:100_000], jpeg[100_000:400_000]))
        + b"0\r\n\r\n"
    )
    headers = {
        "Origin": client.origin, "Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked",
    }  # fmt: skip
    assert client.send("POST", client.path("api/uploads"), headers, chunks).status == 409
    assert inbox(folder[0]) == []
    assert client.get("api/poll").json()["jobs"] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"MZ\x90",
        b"#!/bin/sh\n",
        b"ffconcat version 1.0\nfile /etc/passwd",
    ],
)
def test_what_is_no_medium_is_refused(client: Client, folder: tuple[Path, str], content: bytes) -> None:
    answer = client.upload("photo.jpg", content)
    assert answer.status == 409 and answer.json()["error"]
    assert inbox(folder[0]) == []


def test_a_huge_instruction_is_refused(client: Client, folder: tuple[Path, str]) -> None:
    _, id = folder
    for value in ({"keep": [[0, 0, 9, 9]] * 20_000}, {"initials": "x" * 300_000}):
        assert client.post(f"api/media/{id}/apply", value).status == 413
    nested = b"[" * 100_000
    headers = {"Origin": client.origin, "Content-Type": "application/json"}
    assert client.send("POST", client.path(f"api/media/{id}/apply"), headers, nested).status == 400


@pytest.mark.parametrize(
    "value",
    [
        {"unknown": 1},
        {"regions": [{"rect": [0, 0, -5, 5]}]},
        {"regions": [{"rect": [0, 0, "nan", 5]}]},
        {"regions": [{"rect": [0, 0, 1e30, 5]}]},
        {"regions": [{"rect": [0, 0, 5, 5], "kind": "source"}]},
        {"regions": [{"rect": [0, 0, 5, 5], "path": "/etc/passwd"}]},
        {"keep": [[0, 0, 5, 5]] * 501},
        {"grid": 64},
        {"limits": {"max_pixels": 1}},
        {"look": {"background_outline": [[[0, 0], [9, 9]]]}},
        {"look": {"background_outline": [[[0, 0], [9, 0], [9, 9]]] * 51}},
        {"look": {"background_outline": [[[0, 0], [9, 0], [9, 9]] * 334]}},
        {"look": {"background_outline": [[[0, 0], [9, 0], [9, "nan"]]]}},
        {"look": {"background_outline": [[[0, 0], [9, 0], [9, 1e30]]]}},
        {"look": {"background_outline": [[[0, 0, 0], [9, 0, 0], [9, 9, 0]]]}},
        {"look": {"background_outline": [{"points": "/etc/passwd"}]}},
        [],
        "text",
    ],
    ids=str,
)  # fmt: skip
def test_corrections_can_say_nothing_but_places(
    client: Client, folder: tuple[Path, str], value: object
) -> None:
    id = folder[1]
    assert client.post(f"api/media/{id}/apply", {"edits": value}).status == 400
    assert client.post(f"api/media/{id}/draft", {"draft": {"edits": value}}).status == 400
    assert not (folder[0] / ".anonymizer" / "drawings").exists()


def test_drawings_that_come_late_do_not_bring_back_what_was_taken_back(
    client: Client, folder: tuple[Path, str]
) -> None:
    drawings, id = folder[0] / ".anonymizer" / "drawings", folder[1]
    drawn = {"edits": {"regions": [{"rect": [0, 0, 5, 5]}]}}
    for draft, at, left in ((drawn, 1, 1), (None, 3, 0), (drawn, 2, 0), (drawn, 4, 1), (None, 4, 0)):
        assert client.post(f"api/media/{id}/draft", {"draft": draft, "at": at}).status == 200
        assert len(list(drawings.glob("*.json"))) == left, (draft, at)


@pytest.mark.parametrize(
    "name", ["../../evil.jpg", "C:\\evil.jpg", "/etc/cron.d/evil", "..", "%2e%2e%2fx.png", "a\x00b.png"]
)
def test_an_uploads_name_is_a_label(tmp_path: Path, name: str) -> None:
    from urllib.parse import quote

    Image.new("RGB", (40, 30), "grey").save(tmp_path / "x.png")
    with serving(tmp_path / "out", TINY) as client:
        client.enter()
        assert client.upload(quote(name), (tmp_path / "x.png").read_bytes()).status == 202
        client.finish()
        (stored,) = inbox(tmp_path / "out")
        assert stored.parent.parent == tmp_path / "out" / ".anonymizer" / "inbox"
        assert stat.S_IMODE(stored.stat().st_mode) == 0o600
        assert stat.S_IMODE(stored.parent.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.png"]


def test_a_page_on_which_somebody_draws_is_in_use(client: Client) -> None:
    # The clock may have begun a minute ago: a day before now is below zero then.
    client.page.used = yesterday = time.monotonic() - 86400
    assert client.get("api/poll").json()["left"] == 0
    assert client.page.used == yesterday
    assert client.get("api/poll?active").json()["left"] > 0
    assert client.page.used > yesterday


@pytest.fixture
def held_decision(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """A decision says by the first that it has begun, and is written when the second is set."""
    reached, go_on = threading.Event(), threading.Event()
    real = decide._write

    def slow(*arguments: Any, **named: Any) -> None:
        reached.set()
        assert go_on.wait(30)
        real(*arguments, **named)

    monkeypatch.setattr(decide, "_write", slow)
    return reached, go_on


def test_nobody_waits_for_a_decision_to_see_the_next_medium(
    tmp_path: Path, held_decision: tuple[threading.Event, threading.Event]
) -> None:
    with Session(tmp_path / "out", QUICK) as session:
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
            session.run(tmp_path / f"{number}.png")
    reached, go_on = held_decision
    with serving(tmp_path / "out", TINY) as client, ThreadPoolExecutor() as pool:
        client.enter()
        first, second = (item["id"] for item in client.get("api/list/review").json())
        decided = pool.submit(client.post, f"api/media/{first}/approve", {"initials": "AB"})
        try:
            assert reached.wait(20)
            for what in ("", "/original", "/result", "/small", "/report"):
                assert client.get(f"api/media/{second}{what}").status == 200, what
                # What is being decided is nowhere until that is done.
                assert client.get(f"api/media/{first}{what}").status == 404, what
            assert [item["id"] for item in client.get("api/list/review").json()] == [second]
            before = client.get("api/poll").json()["revision"]
        finally:
            go_on.set()
        assert decided.result(30).status == 200
        assert client.get("api/poll").json()["revision"] != before
        assert [item["id"] for item in client.get("api/list/ready").json()] == [first]
        assert client.get(f"api/media/{first}/result").status == 200


def test_ended_during_a_decision_it_ends_quietly_and_the_decision_stands(
    tmp_path: Path,
    held_decision: tuple[threading.Event, threading.Event],
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Session(tmp_path / "out", QUICK) as session:
        Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "0.png")
        session.run(tmp_path / "0.png")
    reached, go_on = held_decision
    with ThreadPoolExecutor() as pool, serving(tmp_path / "out", TINY) as client:
        client.server.config.timeout_graceful_shutdown = 1
        client.enter()
        (item,) = client.get("api/list/review").json()
        decided = pool.submit(client.post, f"api/media/{item['id']}/approve", {"initials": "AB"})
        assert reached.wait(20)
        client.server.should_exit = True
        # The page's patience ends before the decision is written.
        assert decided.result(20).status == 500
        go_on.set()
    assert [path.stem for path in (tmp_path / "out" / "ready").iterdir()] == [item["id"]]
    assert "Traceback" not in capfd.readouterr().err


def test_a_forgotten_page_closes_itself(tmp_path: Path) -> None:
    from threading import active_count

    with serving(tmp_path / "out", QUICK, idle_seconds=0.5) as client:
        client.enter()
        server_threads = active_count()
        assert server_threads > 1
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                # A page that only asks how things stand does not keep it open.
                client.get("api/poll")
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it is still there")
