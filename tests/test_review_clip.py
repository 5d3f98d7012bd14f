"""A clip on the page, in a real browser: play, step, draw what was missed, find it in ready/."""

from __future__ import annotations

import hashlib
import io
import itertools
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from anonymizer.core.errors import UnreadableError
from anonymizer.core.settings import Limits, Settings, TextPolicy
from anonymizer.detect.finder import Finder
from anonymizer.report.schema import Report
from anonymizer.review.clips import Films
from anonymizer.road.pipeline import Session
from anonymizer.verify.photo import audit
from chromium import in_browser
from clips import make_clip, number_of, numbered
from conftest import SAMPLES, sentences
from review_server import serving
from review_window import Window, reports, rows
from views import View

BLIND = Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False)
PLAYS = (
    "() => document.querySelectorAll('.pane .picture').length === 2 && !document.querySelector('.message')"
    " && [...document.querySelectorAll('.pane .picture')]"
    ".every(p => p.tagName === 'IMG' ? p.naturalWidth : p.readyState >= 2)"
)


def short(path: Path) -> Path:
    """Two seconds of the sample clip at half its size: the same movement, a fifth of the work."""
    with av.open(str(SAMPLES / "interview.mp4")) as container:
        frames = [
            frame.reformat(frame.width // 2, frame.height // 2, "rgb24").to_ndarray()
            for frame in itertools.islice(container.decode(video=0), 50)
        ]
    return make_clip(path, frames)


@pytest.fixture(scope="module")
def missed(tmp_path_factory: pytest.TempPathFactory, finders: Callable[[Settings], Finder]) -> Path:
    """An output folder with a clip whose face nobody found, for nobody was asked to look."""
    folder = tmp_path_factory.mktemp("missed")
    patch = pytest.MonkeyPatch()
    try:
        patch.setattr("anonymizer.road.worker.Finder", finders)
        with Session(folder / "out", BLIND) as session:
            session.run(short(folder / "interview.mp4"))
    finally:
        patch.undo()
    return folder / "out"


def middle(path: Path, number: int) -> Any:
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                return frame.to_ndarray(format="rgb24").astype(int)
    raise AssertionError("too short")


@in_browser
def test_a_missed_face_is_hidden_for_a_time_approved_and_ready(
    browser: Any, missed: Path, tmp_path: Path, loaded_once: None, view: View
) -> None:
    out = shutil.copytree(missed, tmp_path / "out")
    (report,) = [Report.model_validate(one) for one in reports(out).values()]
    assert report.regions == [] and report.medium.duration
    (before,) = (out / "review").glob("*.mp4")
    late = round(report.medium.frames * 0.8)
    bare, bare_late = middle(before, 5), middle(before, late)
    with serving(out, BLIND) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait(PLAYS)
        assert window.title() == "interview.mp4"
        window.side_by_side()
        # It steps, plays and can be scrubbed; both show the same moment.
        clock = page.text_content(".clock")
        for _ in range(5):
            page.keyboard.press(".")
        assert page.input_value("#scrub") == "5" and page.text_content(".clock") != clock
        page.keyboard.press(",")
        assert page.input_value("#scrub") == "4"
        page.keyboard.press("p")
        window.wait("() => Number(document.querySelector('#scrub').value) > 8")
        page.keyboard.press("p")
        page.focus("#scrub")
        page.keyboard.press("Home")
        assert page.input_value("#scrub") == "0"
        # A place over the whole middle, from the start to one second.
        page.keyboard.press("h")
        page.focus("#stage")
        box = window.on_screen(page.locator(".pane").first.locator(".picture"))
        across, down = box["width"], box["height"]
        window.drag(box["x"] + across * 0.1, box["y"] + down * 0.1, across * 0.8, down * 0.8)
        assert page.locator(".track .drawn.asked").count() == 1
        page.click("#way-hold")
        page.fill("#place-end", "1")
        page.keyboard.press("Enter")
        point = {"en": ".", "fr": ","}[view.language]
        window.says(f"0:00{point}0 – 0:01{point}0")
        page.keyboard.press("Escape")
        # It is outlined while it is hidden, and no longer.
        assert page.locator(".pane").first.locator(".region.drawn").count() == 1
        page.focus("#scrub")
        page.keyboard.press("End")
        assert page.locator(".pane").first.locator(".region.drawn").count() == 0
        page.click("#apply")
        window.tells("done.review")
        window.wait(PLAYS)
        assert page.locator(".track .drawn").count() == 1
        page.fill("#initials", "AB")
        page.press("#initials", "Enter")
        window.tells("done.approved", name="interview.mp4")
        assert rows(window, "ready") == ["interview.mp4"]
        window.context.close()
        # A thumbnail may be asked for at the very moment at which its clip is replaced.
        assert [said for said in window.errors if "Failed to load resource" not in said] == []
    (final,) = (out / "ready").glob("*.mp4")
    assert all(check.result != "fail" for check in audit(final))
    (report,) = [Report.model_validate(one) for one in reports(out).values()]
    (region,) = report.regions
    assert region.first_seconds == 0 and region.last_seconds and region.last_seconds <= 1
    left, top, right, bottom = region.box
    inside = np.s_[top:bottom, left:right]
    assert np.abs(middle(final, 5) - bare)[inside].mean() > 10
    assert np.abs(middle(final, late) - bare_late)[inside].mean() < 10


@in_browser
def test_a_missed_face_is_followed_both_ways_from_where_it_was_drawn(
    browser: Any, missed: Path, tmp_path: Path, loaded_once: None, view: View
) -> None:
    out = shutil.copytree(missed, tmp_path / "out")
    with serving(out, BLIND) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait(PLAYS)
        for _ in range(10):
            page.keyboard.press(".")
        page.keyboard.press("h")
        picture = page.locator(".pane").first.locator(".picture").first
        box = window.on_screen(picture)
        across, down = box["width"], box["height"]
        window.drag(box["x"] + across * 0.4, box["y"] + down * 0.2, across * 0.2, down * 0.25)
        assert page.get_attribute("#way-follow", "aria-pressed") == "true"
        window.flawless("a clip that is corrected")
        page.click("#apply")
        window.wait(PLAYS + " && document.querySelector('.track .drawn:not(.asked)') !== null")
        window.says(window.sentence("ask.followed", seconds=0.4, first=0.0, last=9.9).partition("9")[0])
        # Its outline goes where the thing went.
        outline = page.locator(".pane").first.locator(".region.drawn .over")
        there = outline.bounding_box()
        page.focus("#scrub")
        page.keyboard.press("End")
        assert abs(outline.bounding_box()["x"] - there["x"]) > 4
        # Drawn anew from here, it is followed from here.
        page.keyboard.press("Escape")
        middle = window.on_screen(outline)
        window.drag(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2, 12, 0)
        assert page.locator(".track .drawn.asked").count() == 1
        page.keyboard.press("Control+z")
        assert page.locator(".track .drawn.asked").count() == 0
        window.context.close()
    (report,) = [Report.model_validate(one) for one in reports(out).values()]
    (region,) = report.regions
    (drawn,) = report.settings["regions"]
    assert 0.4 < drawn["follow"] < 0.44
    assert region.first_seconds == 0 and region.last_seconds and region.last_seconds > 1.5
    assert region.interpolated == (region.frames or 0) - 1
    assert region.path and len(region.path) > 2
    assert report.verdict == "review" and "was followed" in " ".join(sentences(report.reasons))
    assert all(check.result != "fail" for check in report.checks)


@in_browser
def test_an_uneven_clip_that_no_browser_plays_is_stepped_and_corrected_by_its_own_frames(
    browser: Any, tmp_path: Path, loaded_once: None, view: View
) -> None:
    at = [0, 33, 50, 120, 500, 533, 1400, 1433, 1466, 1500, 1533, 1600]
    form: dict[str, Any] = {"codec": "mjpeg", "pix_fmt": "yuvj420p", "time_base": Fraction(1, 1000)}
    source = make_clip(tmp_path / "old.mkv", numbered(len(at)), pts=at, **form)
    with Session(tmp_path / "out", BLIND) as session:
        session.run(source)
    with serving(tmp_path / "out", BLIND) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.wait(PLAYS)
        picture = page.locator(".pane").first.locator(".picture").first
        assert picture.evaluate("node => node.tagName") == "IMG"
        first = picture.get_attribute("src")
        for clock in ("0:00.0", "0:00.1", "0:00.1", "0:00.5"):
            page.keyboard.press(".")
            assert page.text_content(".clock").replace(",", ".").startswith(clock)
        window.wait("old => document.querySelector('.pane img').src !== old", first)

        # One place is held in frames 4 to 6, another followed from frame 6.
        def draw(left: float) -> None:
            page.keyboard.press("h")
            box = window.on_screen(picture)
            across, down = box["width"], box["height"]
            window.drag(box["x"] + across * left, box["y"] + down * 0.4, across * 0.3, down * 0.4)

        draw(0.1)
        page.click("#way-hold")
        page.click("#here-start")
        page.fill("#place-end", "1.42")
        page.keyboard.press("Enter")
        page.focus("#stage")
        page.keyboard.press(".")
        page.keyboard.press(".")
        assert page.input_value("#scrub") == "6"
        draw(0.6)
        page.click("#apply")
        window.tells("done.review")
        window.context.close()
    (report,) = [Report.model_validate(one) for one in reports(tmp_path / "out").values()]
    still, followed = report.settings["regions"]
    assert (still["start"], still["end"], still["follow"]) == (0.5, 1.4, None)
    assert 1.4 < followed["follow"] < 1.433
    kept = next(one for one in report.regions if one.first_seconds == 0.5)
    assert (kept.last_seconds, kept.frames) == (1.4, 3)


def test_a_written_clip_tells_when_its_frames_are_shown(tmp_path: Path) -> None:
    at = [0, 40, 80, 120, 500, 533, 1400]
    source = make_clip(tmp_path / "a.mp4", numbered(len(at)), pts=at, time_base=Fraction(1, 1000))
    with Session(tmp_path / "out", BLIND) as session:
        session.run(source)
    with serving(tmp_path / "out", BLIND) as client:
        client.enter()
        (item,) = client.get("api/list/review").json()
        told = client.get(f"api/media/{item['id']}/times").json()
        steps = np.repeat(told["runs"][1::2], told["runs"][::2])
        assert (np.cumsum(steps) * 1000 / told["ticks"]).tolist() == at[1:]
        assert len(told["runs"]) == 2 * 4
        (written,) = (tmp_path / "out" / "review").glob("*.mp4")
        written.write_bytes(written.read_bytes()[:-1])
        refused = client.get(f"api/media/{item['id']}/times")
        assert refused.status == 409 and "process it again" in refused.json()["error"]


def test_frames_are_those_of_the_moment(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mkv", numbered(30), codec="ffv1")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    films = Films(Limits())
    with av.open(str(source)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    for number in (0, 1, 17, 16, 29):
        content = films.frame(source, digest, times[number] - times[0] + 0.01, (160, 96), Settings())
        assert number_of(np.asarray(Image.open(io.BytesIO(content)))) == number
    assert films.playable(source, digest) == "video/webm"
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(UnreadableError, match="changed"):
        films.playable(source, digest)


def test_the_original_is_given_in_ranges_and_small_views_from_the_result(missed: Path) -> None:
    with serving(missed, BLIND) as client:
        client.enter()
        (item,) = client.get("api/list/review").json()
        answer = client.send(
            "GET", client.path(f"api/media/{item['id']}/film"), client.headers | {"Range": "bytes=4-11"}
        )
        assert answer.status == 206
        assert answer.body == missed.with_name("interview.mp4").read_bytes()[4:12]
        assert answer.headers["cache-control"] == "no-store"
        assert client.get(f"api/media/{item['id']}/small").body[:2] == b"\xff\xd8"
        assert client.get(f"api/media/{item['id']}/frame/500").body[:2] == b"\xff\xd8"
