"""What is handed out of a medium, and how it is hidden, chosen on the page: the preview shows what applying gives."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from anonymizer.core.settings import DrawnRegion, Settings
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region, Shape, Style
from anonymizer.gate.output import OutputFolder
from anonymizer.report.schema import EvidenceRecord, RegionRecord, Report
from anonymizer.review.edits import EditPlace, Edits, Look, to_settings
from anonymizer.review.placing import placing, placing_shown
from anonymizer.review.previews import Tried, _at, _faces, _missing
from anonymizer.road.pipeline import Session
from chromium import in_browser
from clips import make_clip
from conftest import QUICK
from review_server import Client, serving
from review_window import Window, reports, rows
from views import View
from watching import eventually

SIDE = 512
FACE = (181.0, 55.0, 88.0, 116.0)
"""Of the portrait at this size."""
OUTLINE = [[0.0, 0.0], [200.0, 0.0], [200.0, 150.0], [0.0, 150.0]]
"""About what stays, in the pixels of the crop of which the next one is made."""
LOOK = Look().model_dump(mode="json")
LOOKS: dict[str, dict[str, Any]] = {
    "parts": {"keep_part": ["eyes", "nose@225,113"], "style": "fill", "fill": "tone", "background": "plain"},
    "cropped": {"crop": [100, 20, 300, 200], "keep_part": ["mouth"], "cover": "head"},
    "small": {"max_side": 300, "style": "pixelate", "background": "plain", "background_outline": [OUTLINE]},
}


@pytest.fixture(scope="module")
def small(portrait: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(portrait).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@pytest.fixture(scope="module")
def made(small: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with two photos and a clip in which a person marked the face."""
    folder = tmp_path_factory.mktemp("framing")
    Image.fromarray(small).save(folder / "case.png")
    Image.fromarray(np.roll(255 - (255 - small) // 2, 24, axis=1)).save(folder / "seen.png")
    make_clip(folder / "case.mp4", [np.roll(small, 2 * n, axis=1) for n in range(6)])
    settings = QUICK.model_copy(update={"regions": (DrawnRegion(rect=FACE, kind=Kind.FACE),)})
    with Session(folder / "out", settings) as session:
        for name in ("case.mp4", "case.png", "seen.png"):
            session.run(folder / name)
    return folder / "out"


@pytest.fixture(scope="module")
def client(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(shutil.copytree(made, tmp_path_factory.mktemp("served") / "out"), QUICK) as client:
        client.enter()
        yield client


def opened(client: Client, name: str) -> dict[str, Any]:
    (item,) = [one for one in client.get("api/list/review").json() if one["source"] == name]
    return dict(client.get(f"api/media/{item['id']}").json())


def looking(medium: dict[str, Any], **look: Any) -> dict[str, Any]:
    return medium["edits"] | {"look": medium["edits"]["look"] | look}


def preview(client: Client, medium: dict[str, Any], edits: Any, **more: Any) -> tuple[Pixels, dict[str, Any]]:
    answer = client.post(f"api/media/{medium['id']}/preview", {"edits": edits, **more})
    assert answer.status == 200, answer.body
    told = answer.json()
    with Image.open(io.BytesIO(base64.b64decode(told["picture"]))) as image:
        return np.asarray(image.convert("RGB")).astype(int), told


def applied(client: Client, medium: dict[str, Any], edits: Any) -> tuple[Pixels, dict[str, Any]]:
    """The first frame of what was made, and the medium."""
    assert client.post(f"api/media/{medium['id']}/apply", {"edits": edits}).status == 202
    job = client.finish()[-1]
    assert job["stage"] == "done", job
    now = dict(client.get(f"api/media/{job['id']}").json())
    path = client.page.runner.out / now["state"] / now["name"]
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int), now
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int), now


def test_the_preview_of_a_photo_is_what_applying_gives_and_places_go_with_it(client: Client) -> None:
    out = client.page.runner.out
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name, look in LOOKS.items():
        medium = opened(client, "case.png")
        edits = looking(medium, **LOOK | look)
        seen, told = preview(client, medium, edits)
        if name == "parts":
            now = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
            assert now == before, "nothing is written"
        got, medium = applied(client, medium, edits)
        assert seen.shape == got.shape and told["size"] == [medium["width"], medium["height"]], name
        difference = np.abs(seen - got).mean(axis=2)
        assert difference.mean() < 2.5 and difference.max() < 60, name
        assert {key: medium["edits"]["look"][key] for key in look if key != "background_outline"} == {
            key: value for key, value in look.items() if key != "background_outline"
        }, name
    assert medium["placing"] == [0, 0, 300 / SIDE, 300 / SIDE]
    # The outline went with its place in the source, and beyond it nothing is left but one grey.
    (outline,) = medium["edits"]["look"]["background_outline"]
    factor = 300 / SIDE
    expected = (np.array(OUTLINE) + np.array([100, 20])) * factor
    assert np.abs(np.array(outline) - expected).max() < 0.2
    assert got[int(180 * factor) :].std() < 6 < got[int(30 * factor) : int(160 * factor)].std()
    # After a crop, a smaller size, and back: the face is where it was.
    _, medium = applied(client, medium, looking(medium, **LOOK))
    (place,) = medium["edits"]["regions"]
    grown = Box(*FACE).scaled(QUICK.margin)
    assert np.abs(np.array(place["rect"]) - [grown.x, grown.y, grown.w, grown.h]).max() < 2
    assert medium["edits"]["look"] == LOOK and medium["placing"] == [0, 0, 1, 1]


def test_the_preview_of_a_clip_is_the_frame_that_applying_gives(client: Client) -> None:
    look = {
        "crop": [90, 0, 300, 240],
        "cover": "head",
        "keep_part": ["eyes"],
        "style": "fill",
        "fill": "black",
    }
    medium = opened(client, "case.mp4")
    edits = looking(medium, **look)
    seen, told = preview(client, medium, edits, seconds=0.01)
    got, medium = applied(client, medium, edits)
    assert seen.shape == got.shape and told["size"] == [medium["width"], medium["height"]] == [300, 240]
    difference = np.abs(seen - got).mean(axis=2)
    # A clip's heads are taken a little larger than in one frame, and it is compressed.
    assert difference.mean() < 6 and (difference > 40).mean() < 0.04
    assert {key: medium["edits"]["look"][key] for key in look} == look


def test_a_crop_about_a_part_is_proposed_or_refused_with_a_sentence(client: Client, small: Pixels) -> None:
    medium = opened(client, "case.png")
    refused = client.post(f"api/media/{medium['id']}/crop", {"part": "eyes"})
    assert refused.status == 409 and "eyes" in refused.json()["error"], "no face was looked for"
    outside = looking(medium, crop=[5000, 0, 100, 100])
    for asked in ("preview", "apply"):
        refused = client.post(f"api/media/{medium['id']}/{asked}", {"edits": outside})
        assert refused.status == 409 and "outside" in refused.json()["error"].lower(), refused.body
    for wrong in (
        {"crop": [0, 0, 0, 0]},
        {"max_side": -1},
        {"cover": "all"},
        {"keep_part": ["chin"]},
        {"limits": {}},
    ):
        assert (
            client.post(f"api/media/{medium['id']}/preview", {"edits": looking(medium, **wrong)}).status
            == 400
        )
    assert client.post("api/media/abc/preview", {"edits": medium["edits"]}).status == 404
    assert client.post(f"api/media/{medium['id']}/crop", {"part": "chin"}).status == 400


def test_pictures_of_one_patient_are_framed_alike(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Region(Box(*FACE), Kind.FACE, (Evidence("scene", 0.9),))]
    monkeypatch.setattr("anonymizer.detect.finder.Finder.faces", lambda *_: found)
    with serving(shutil.copytree(made, tmp_path / "out"), QUICK) as client:
        client.enter()
        ids = [opened(client, name)["id"] for name in ("case.png", "seen.png")]
        for wrong in ({"ids": ids[:1]}, {"ids": ids, "path": "/"}):
            assert client.post("api/one-patient", wrong).status == 400
        assert client.post("api/one-patient", {"ids": [ids[0], "abc"]}).status == 404
        assert client.post("api/one-patient", {"ids": ids, "initials": "AB"}).status == 202
        assert {job["stage"] for job in client.finish()} == {"done"}
        one, two = (opened(client, name) for name in ("case.png", "seen.png"))
    # The second was moved by 24 pixels: so much less is left of both, and what was drawn went with it.
    for medium in (one, two):
        assert (medium["width"], medium["height"]) == (one["width"], one["height"])
        assert SIDE - 32 < one["width"] < SIDE - 16
    shift = one["placing"][0] - two["placing"][0]
    assert abs(shift + 24) < 4
    assert one["name"].split("-")[0] == two["name"].split("-")[0]
    lefts = [medium["edits"]["regions"][0]["rect"][0] for medium in (one, two)]
    assert abs(lefts[0] - lefts[1] + shift) < 1
    settings = [one["settings"]["same_patient"] for one in reports(tmp_path / "out").values()]
    assert sorted(settings, key=str)[0] is False and len({one for one in settings if one}) == 1


def test_what_is_drawn_on_one_output_lies_in_the_same_place_of_the_next() -> None:
    used = Settings(max_side=400)
    old = placing(used, 1600, 1200, clip=False)
    assert (old.width, old.height, old.across) == (400, 300, 0.25)
    assert placing_shown(used, 400, 300) is None, "the size alone does not tell"
    look = Look(
        crop=(400, 200, 800, 600),
        max_side=400,
        keep_part=("eyes@150,100", "nose@10,10", "mouth"),
        background_outline=(((100, 50), (150, 50), (100, 100)),),
    )
    edits = Edits(
        regions=(EditPlace(rect=(150, 100, 40, 20)), EditPlace(rect=(0, 0, 20, 20))),
        dismiss=(EditPlace(rect=(110, 60, 40, 20), kind=Kind.TEXT),),
        keep=((390, 290, 10, 10),),
        look=look,
    )
    new = placing(to_settings(edits, used), 1600, 1200, clip=False)
    settings = to_settings(edits, used, (old, new))
    assert [one.rect for one in settings.regions] == [(100, 100, 80, 40)], "what lies outside is left out"
    assert settings.dismiss[0].rect == (20, 20, 80, 40) and settings.keep == ()
    assert [str(one) for one in settings.keep_part] == ["eyes@100,100", "mouth"]
    assert settings.background_outline == (((0, 0), (100, 0), (0, 100)),)
    clip = placing(Settings(crop=(101, 51, 301, 201)), 640, 480, clip=True)
    assert (clip.left, clip.top, clip.width, clip.height) == (102, 52, 300, 200)


def test_what_the_last_output_hid_counts_in_a_preview(made: Path) -> None:
    """What its second search had found; of a clip, what was there at that moment; of whole heads, their faces."""
    with OutputFolder(made) as folder:
        entry = next(one for one in folder.ledger.each() if one.source.name == "case.png")
        report = Report.model_validate_json((folder.reports / f"{entry.id}.json").read_bytes())
    found = RegionRecord(
        kind=Kind.TEXT, shape=Shape.BOX, style=Style.FILL, box=(100, 300, 160, 330), grid=(1, 1),
        found_by=[EvidenceRecord(detector="scene", score=0.9)],
    )  # fmt: skip
    here = placing(QUICK, SIDE, SIDE, clip=False)
    wanted = Tried(
        entry,
        report.model_copy(update={"regions": [*report.regions, found]}),
        Edits(),
        QUICK,
        QUICK,
        here,
        here,
    )
    (missing,) = _missing([], wanted)
    assert missing.kind is Kind.TEXT and _missing([missing], wanted) == []
    path = [(0.0, 100, 300, 160, 330), (2.0, 140, 300, 200, 330)]
    moving = found.model_copy(update={"first_seconds": 0.0, "last_seconds": 2.0, "path": path})
    clip = wanted.report.model_copy(update={"regions": [moving]})
    drawn = Edits(regions=(EditPlace(rect=(5, 5, 20, 20), start=1, end=3),))
    over = Tried(entry, clip, drawn, QUICK, QUICK, here, here)
    assert [one.kind for one in _at(over, 1.0)] == [Kind.TEXT, Kind.DRAWN]
    assert _at(over, 1.0)[0].box.centre == (150, 315) and [one.kind for one in _at(over, 2.5)] == [Kind.DRAWN]
    off = Edits(dismiss=(EditPlace(rect=(100, 300, 60, 30), kind=Kind.TEXT),))
    assert _at(Tried(entry, clip, off, QUICK, QUICK, here, here), 1.0) == []
    evidence = (Evidence("scene", 0.9),)
    head, face = (Region(Box(*rect), Kind.FACE, evidence) for rect in ((0, 0, 90, 100), (20, 30, 40, 50)))
    assert _faces([head], [face]) == [face] and _faces([head], []) == [head]


SHOWN = """() => {
    const said = document.querySelector('#preview-said');
    const pane = [...document.querySelectorAll('.pane')].at(-1);
    const preview = pane.querySelector('.picture.foreseen');
    return said && said.textContent && !said.textContent.includes('…') && preview?.complete && preview.naturalWidth > 0;
}"""


@in_browser
def test_tools_with_a_preview_by_keyboard(
    browser: Any, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: View
) -> None:
    with serving(shutil.copytree(made, tmp_path / "out"), QUICK) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.pick("seen.png")
        window.side_by_side()
        panes = page.locator(".pane")
        # A frame is drawn, moved and resized by keyboard, and taken back.
        page.focus("#stage")
        page.keyboard.press("c")
        page.keyboard.press("Enter")
        frame = panes.first.locator(".region.crop .over")
        first = frame.bounding_box()
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Alt+ArrowDown")
        window.wait(SHOWN)
        second = frame.bounding_box()
        assert second["x"] > first["x"] + 5 and second["height"] > first["height"]
        assert panes.nth(1).inner_text() == window.word("view.preview")
        shown, result = (
            panes.nth(1).locator(".picture:not([hidden])").all()[-1].bounding_box(),
            panes.nth(1).locator(".region.crop .over").bounding_box(),
        )
        for side in ("x", "y", "width", "height"):
            assert abs(shown[side] - result[side]) < 5, "it shows what is left"
        for _ in range(3):
            page.keyboard.press("Control+z")
        assert (
            frame.count() == 0
            and page.locator("#changes").is_hidden()
            and panes.nth(1).inner_text() == window.word("view.result")
        )
        # Parts that stay in view, the whole head, another fill, a smaller size; kept through a reload.
        page.check("#part-mouth")
        page.check("#cover")
        page.select_option("#fill", "fill.tone")
        page.fill("#max-side", "300")
        page.keyboard.press("Tab")
        found = Region(Box(*FACE), Kind.FACE, (Evidence("scene", 0.9),))
        with monkeypatch.context() as patch:
            patch.setattr("anonymizer.review.previews.Previews._searched", lambda *_: [found])
            page.click("#crop-eyes")
            window.wait("() => document.querySelector('.region.crop') !== null")
        window.wait(SHOWN)
        drawings = tmp_path / "out" / ".anonymizer" / "drawings"
        eventually(lambda: any('"crop":[' in path.read_text() for path in drawings.glob("*.json")))
        page.reload()
        window.pick("seen.png")
        window.wait(SHOWN)
        assert page.is_checked("#part-mouth") and page.is_checked("#cover") and frame.count() == 1
        assert (page.input_value("#fill"), page.input_value("#max-side")) == ("fill.tone", "300")
        window.tells("parts.all")
        window.flawless("framing")
        # Approved with the same key, it is looked at first all the same.
        page.fill("#initials", "AB")
        page.keyboard.press("Escape")
        page.keyboard.press("a")
        jobs = client.page.runner.jobs
        eventually(lambda: any(job.why for job in list(jobs.values())) and not client.page.runner.busy)
        assert [job.why.code for job in jobs.values() if job.why] == ["review.look-otherwise"]
        page.reload()
        window.pick("seen.png")
        assert rows(window, "review").count("seen.png") == 1
        (report,) = [one for one in reports(tmp_path / "out").values() if one["settings"]["cover"] == "head"]
        assert (
            report["settings"]["keep_mouth"]
            and max(report["medium"]["width"], report["medium"]["height"]) <= 300
        )
        assert page.locator("#crop-none").is_enabled() and frame.count() == 0
        # Back to the whole picture: the preview is larger than what is shown.
        page.click("#crop-none")
        window.wait(SHOWN)
        whole = panes.nth(1).locator(".picture.foreseen").bounding_box()
        cut = panes.first.locator(".picture").bounding_box()
        assert whole["width"] > 1.5 * cut["width"] and whole["x"] < cut["x"]
        # Both photos are one patient's.
        page.keyboard.press("Control+z")
        page.keyboard.press("g")
        for name in ("case.png", "seen.png"):
            page.locator(".card", has_text=name).locator("input").check()
        page.click("#one-patient")
        eventually(
            lambda: (
                len([one for one in reports(tmp_path / "out").values() if one["settings"]["same_patient"]])
                == 2
            )
        )
        eventually(lambda: not client.page.runner.busy)
        window.context.close()
        assert window.errors == []


@in_browser
def test_an_outline_is_drawn_about_what_stays(browser: Any, made: Path, tmp_path: Path, view: View) -> None:
    """By clicks, in one line and by keyboard; the preview shows it, a reload keeps it, and the road heeds it."""
    with serving(shutil.copytree(made, tmp_path / "out"), QUICK) as client:
        window = Window(browser, client, view)
        page = window.open()
        window.pick("seen.png")
        window.side_by_side()
        first = page.locator(".pane").first
        outline = first.locator(".region.outline .over")

        def point(x: float, y: float) -> tuple[float, float]:
            picture = window.on_screen(first.locator(".picture").first)
            return picture["x"] + x * picture["width"], picture["y"] + y * picture["height"]

        def click(x: float, y: float) -> None:
            page.mouse.click(*point(x, y))

        # Corner by corner: one is taken back, and the first one closes it.
        page.focus("#stage")
        page.keyboard.press("d")
        for x, y in ((0.2, 0.2), (0.8, 0.2), (0.5, 0.5)):
            click(x, y)
        page.keyboard.press("Backspace")
        for x, y in ((0.8, 0.8), (0.2, 0.8), (0.2, 0.2)):
            click(x, y)
        assert outline.count() == 1 and page.input_value("#background") == "plain"
        picture, about = first.locator(".picture").first.bounding_box(), outline.bounding_box()
        assert abs(about["width"] - 0.6 * picture["width"]) < 6
        window.wait(SHOWN)
        window.flawless("an outline")
        # A corner is moved by hand, and back.
        window.drag(*point(0.8, 0.8), 0.1 * picture["width"], 0)
        assert outline.bounding_box()["width"] > about["width"] + 5
        page.keyboard.press("Control+z")
        assert abs(outline.bounding_box()["width"] - about["width"]) < 1
        # With the room as it is, it would say nothing.
        page.select_option("#background", "keep")
        assert outline.count() == 0
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        assert outline.count() == 0 and page.locator("#changes").is_hidden()
        # In one line.
        page.keyboard.press("d")
        page.mouse.move(*point(0.3, 0.3))
        page.mouse.down()
        for x, y in ((0.6, 0.25), (0.7, 0.5), (0.5, 0.8), (0.3, 0.6)):
            page.mouse.move(*point(x, y), steps=4)
        page.mouse.up()
        assert outline.count() == 1
        page.keyboard.press("Delete")
        assert outline.count() == 0
        # By keyboard: an oval, moved and resized, and one of its corners.
        page.focus("#stage")
        page.keyboard.press("d")
        page.keyboard.press("Enter")
        before = outline.bounding_box()
        for _ in range(3):
            page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("Alt+Shift+ArrowRight")
        after = outline.bounding_box()
        assert after["y"] < before["y"] - 20 and after["width"] > before["width"] + 5
        corners = first.locator(".corner")
        corners.first.focus()
        for key in ("Shift+ArrowRight", "Enter", "Delete"):
            page.keyboard.press(key)
            assert page.evaluate("document.activeElement.classList.contains('corner')"), key
        assert outline.bounding_box()["width"] > after["width"] + 5
        window.wait(SHOWN)
        drawings = tmp_path / "out" / ".anonymizer" / "drawings"
        eventually(
            lambda: any('"background_outline":[[' in path.read_text() for path in drawings.glob("*.json"))
        )
        kept = outline.get_attribute("d")
        page.reload()
        window.pick("seen.png")
        assert len(outline.get_attribute("d").split("L")) == len(kept.split("L"))
        page.keyboard.press("Control+Enter")
        eventually(
            lambda: [
                one for one in reports(tmp_path / "out").values() if one["settings"]["background"] == "plain"
            ]
        )
        eventually(lambda: not client.page.runner.busy)
        window.context.close()
        assert window.errors == []
    (report,) = [
        one for one in reports(tmp_path / "out").values() if one["settings"]["background"] == "plain"
    ]
    assert len(report["settings"]["background_outline"][0]) == len(kept.split("L"))
    assert report["verdict"] == "review", "somebody looks whether the finding is all there"
