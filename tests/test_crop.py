"""A crop holds nothing of what lies outside of it, and is searched with a margin about it; the output's size."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from anonymizer.core.errors import UnsupportedError
from anonymizer.core.settings import Purpose, Settings
from anonymizer.core.settings_file import with_sidecar
from anonymizer.core.types import (
    Action,
    Box,
    Evidence,
    Kind,
    Model,
    Pixels,
    Processed,
    Redaction,
    Region,
    Shape,
    Style,
    Traces,
)
from anonymizer.detect.faces.mesh import FaceMesh
from anonymizer.detect.finder import Finder
from anonymizer.detect.models.store import Store
from anonymizer.gate.output import OutputFolder
from anonymizer.read.clip.part import PicturePart
from anonymizer.read.clip.picture import ClipPicture
from anonymizer.read.photo.reader import Still
from anonymizer.read.sniff import sniff_file
from anonymizer.report.schema import Report
from anonymizer.report.used import used_settings
from anonymizer.road.clip.process import cropped_to_part
from anonymizer.road.face_parts import PartsOfFaces
from anonymizer.road.framing import framed, proposed
from anonymizer.road.photo import process
from clips import make_clip
from conftest import FAST, Ran


def noise(width: int = 400, height: int = 300) -> Pixels:
    return np.random.default_rng(5).integers(0, 255, (height, width, 3), np.uint8)


class Found:
    """A finder that finds these regions in each picture that it is shown, and remembers the pictures."""

    def __init__(self, *first: Region, then: Sequence[Region] = ()) -> None:
        self.first, self.then, self.seen = list(first), list(then), list[Pixels]()

    def find(self, pixels: Pixels) -> list[Region]:
        self.seen.append(pixels.copy())
        return list(self.first)

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        self.seen.append(pixels.copy())
        return list(self.then)

    def models(self) -> list[Model]:
        return []


def face(x: float, y: float, w: float, h: float) -> Region:
    return Region(Box(x, y, w, h), Kind.FACE, (Evidence("centerface", 0.9),))


def taken(pixels: Pixels, finder: Found, folder: Path, **settings: object) -> tuple[Processed, Pixels]:
    done = process(
        Still(pixels, "PNG", Traces(), ()),
        "0" * 64,
        finder,
        Settings.model_validate(settings),
        folder / "out",
        b"s" * 32,
    )
    with Image.open(done.path) as image:
        return done, np.asarray(image.convert("RGB"), np.uint8)


def test_what_is_written_is_the_crop_to_the_pixel(tmp_path: Path) -> None:
    pixels, finder = noise(), Found()
    done, written = taken(pixels, finder, tmp_path, crop=(100, 80, 120, 90))
    assert (written == pixels[80:170, 100:220]).all() and (done.width, done.height) == (120, 90)
    assert [one.code for one in done.notes] == ["notes.cropped"] and not done.reasons
    # 64 pixels of margin, the least, in both searches: the second sees what was written in its place.
    assert [one.shape for one in finder.seen] == [(218, 248, 3)] * 2
    assert all((one == pixels[16:234, 36:284]).all() for one in finder.seen)


def test_a_face_that_the_edge_cuts_is_hidden_as_far_as_it_is_in_view(tmp_path: Path) -> None:
    # In the view, which begins at (36, 16): half of it left of the crop.
    finder = Found(face(44, 84, 40, 50))
    done, written = taken(noise(), finder, tmp_path, crop=(100, 80, 120, 90))
    (hidden,) = done.redactions
    assert hidden.box[0] < 0 < hidden.box[2] <= 30
    middle, source = (hidden.box[1] + hidden.box[3]) // 2, noise()[80:170, 100:220]
    assert (written[middle - 5 : middle + 5, :10] != source[middle - 5 : middle + 5, :10]).mean() > 0.9
    assert (written[:, 40:] == source[:, 40:]).all()
    # The margin that the second search sees has no face any more either.
    assert (finder.seen[1][95:120, 55:64] != finder.seen[0][95:120, 55:64]).mean() > 0.9
    assert {check.name: check.result for check in done.checks}["strength"] == "pass"


def test_a_crop_within_a_face_stays_in_view_and_is_asked_about(tmp_path: Path) -> None:
    finder = Found(face(20, 0, 220, 218))
    done, written = taken(noise(), finder, tmp_path, crop=(100, 80, 120, 90))
    assert not done.redactions and (written == noise()[80:170, 100:220]).all()
    (asked,) = done.questions
    assert asked.kind == "face-part" and (asked.box.w, asked.box.h) == (120, 90) and not asked.hidden


def test_a_face_whole_in_the_crop_is_hidden(tmp_path: Path) -> None:
    done, _ = taken(noise(), Found(face(70, 70, 90, 80)), tmp_path, crop=(100, 80, 120, 90))
    assert len(done.redactions) == 1


def test_what_the_second_search_finds_at_the_edge_is_hidden_too(tmp_path: Path) -> None:
    finder = Found(then=[face(44, 84, 40, 50)])
    done, _ = taken(noise(), finder, tmp_path, crop=(100, 80, 120, 90))
    assert len(done.redactions) == 1 and len(finder.seen) == 3


def test_what_lies_in_the_margin_alone_is_nobody_s_business(tmp_path: Path) -> None:
    away = [face(2, 2, 40, 40), Region(Box(200, 2, 30, 9), Kind.TEXT, (), action=Action.ASK)]
    done, _ = taken(noise(), Found(*away, then=away), tmp_path, crop=(100, 80, 120, 90))
    assert not done.redactions and not done.questions and not done.reasons


@pytest.mark.parametrize("crop", [(400, 0, 50, 50), (-60, 10, 50, 50), (390, 10, 200, 50), (0, 0, 4, 4)])
def test_a_crop_outside_the_picture(crop: tuple[float, float, float, float]) -> None:
    with pytest.raises(UnsupportedError, match="outside of this picture, which is 400 by 300"):
        framed(noise(), Settings(crop=crop))
    with pytest.raises(UnsupportedError, match="outside of this picture, which is 400 by 300"):
        PicturePart.of(400, 300, list(crop), 0)


def test_a_crop_that_reaches_beyond_the_edge_ends_there() -> None:
    assert framed(noise(), Settings(crop=(300, 200, 500, 500))).output.shape == (100, 100, 3)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (Settings(max_side=100), (75, 100)),
        (Settings(max_side=900), (300, 400)),
        (Settings(purpose=Purpose.WEB), (300, 400)),
        (Settings(purpose=Purpose.SLIDES, max_side=40), (30, 40)),
        (Settings(crop=(100, 100, 100, 50), max_side=50), (25, 50)),
    ],
)
def test_the_longer_side(settings: Settings, size: tuple[int, int]) -> None:
    frame = framed(noise(), settings)
    assert frame.output.shape[:2] == size
    height, width = size
    around = frame.view[frame.top : frame.top + height, frame.left : frame.left + width].astype(int)
    assert np.abs(around - frame.output).mean() < 12, "the output lies in the view where it says"


def test_presets() -> None:
    assert (Settings(purpose=Purpose.WEB).longest_side, Settings(purpose=Purpose.WEB).quality) == (1600, 85)
    assert Settings(purpose=Purpose.SLIDES, jpeg_quality=80).quality == 80
    assert Settings().quality == 95 and Settings().longest_side == Settings().dots_per_inch == 0


def test_from_the_command_line(run: Callable[..., Ran], tmp_path: Path) -> None:
    Image.fromarray(noise()).save(tmp_path / "a.jpg", quality=95)
    out = tmp_path / "out"
    options = ("--out", out, "--crop", "100,80,120,90", "--for", "journal")
    assert run("blur", tmp_path / "a.jpg", *options, *FAST).code == 3
    (written,) = (out / "review").rglob("*.jpg")
    with Image.open(written) as image:
        assert image.size == (120, 90) and image.info["dpi"] == (300, 300)
    (report,) = [json.loads(path.read_text()) for path in (out / "reports").glob("*.json")]
    assert report["notes"][0]["code"] == "notes.cropped" and "crop" not in report["settings"]
    assert all(check["result"] in ("pass", "skipped") for check in report["checks"]), report["checks"]
    with OutputFolder(out) as folder:
        (entry,) = folder.ledger.entries()
    assert used_settings(Report.model_validate(report), entry.crop).crop == (100, 80, 120, 90)
    wrong = run("blur", tmp_path / "a.jpg", "--out", out, "--crop", "900,80,120,90", *FAST)
    assert wrong.code == 4 and "a.jpg" in wrong.err + wrong.out
    assert "choose a crop inside it" in " ".join((wrong.err + wrong.out).split())
    assert run("blur", tmp_path / "a.jpg", "--out", out, "--crop", "a,b", *FAST).code == 2


def test_to_a_part_of_a_face(run: Callable[..., Ran], portrait: Pixels, tmp_path: Path) -> None:
    Image.fromarray(portrait[:512, 192:704]).save(tmp_path / "a.png")
    out = tmp_path / "out"
    options = ("--out", out, "--text", "none", "--no-codes", "--no-marks")
    # About a mouth, a face that is filled looks like a smaller one.
    assert run("blur", tmp_path / "a.png", *options, "--crop", "mouth", "--style", "fill").code == 3
    (written,) = (out / "review").rglob("*.png")
    with Image.open(written) as image:
        shown = np.asarray(image.convert("RGB"), np.uint8)
    (report,) = [json.loads(path.read_text()) for path in (out / "reports").glob("*.json")]
    with OutputFolder(out) as folder:
        (entry,) = folder.ledger.entries()
    left, top, right, bottom = Box(*json.loads(entry.crop)).pixels(512, 512)
    x, y, w, h = left, top, right - left, bottom - top
    assert shown.shape == (h, w, 3)
    # The mouth's middle, and neither eyes nor chin.
    assert x < 447 - 192 < x + w and y < 287 < y + h and y > 225 and y + h < 350 and 0.55 < h / w < 0.7
    source = portrait[:512, 192:704][y : y + h, x : x + w].astype(int)
    assert np.abs(shown - source)[3:-3, 3:-3].mean() < 12
    assert (
        "notes.cropped" in [one["code"] for one in report["notes"]]
        and report["settings"]["crop_to"] == "mouth"
    )
    assert [one["kind"] for one in report["questions"]] == ["face-part"]
    Image.fromarray(noise()).save(tmp_path / "b.png")
    refused = run("blur", tmp_path / "b.png", *options, "--crop", "eyes")
    assert refused.code == 4 and "pair of eyes that this was to be cropped to" in refused.err + refused.out


def test_a_clip_to_a_part_of_a_face(
    finders: Callable[[Settings], Finder], portrait: Pixels, tmp_path: Path
) -> None:
    part = portrait[64:320, 320:576]
    frames = [np.ascontiguousarray(np.roll(part, 2 * number, axis=1)) for number in range(8)]
    source = make_clip(tmp_path / "a.mp4", frames)
    settings = Settings.model_validate({"crop": "mouth", "text": "none", "codes": False, "marks": False})
    assert settings.crop is None and settings.crop_to == "mouth"
    parts = PartsOfFaces(lambda: FaceMesh(Store()))
    x, y, w, h = cropped_to_part(
        source, sniff_file(source), finders(settings), settings, None, parts
    ).crop or (
        0,
        0,
        0,
        0,
    )
    # From the mouth of the first frame to that of the last, seven steps of two pixels on.
    assert x < 447 - 320 - 35 and x + w > 447 - 320 + 35 + 14 and y < 287 - 64 < y + h and w < 180 and h < 120
    nobody = make_clip(tmp_path / "b.mp4", [np.full_like(part, 90)] * 3)
    with pytest.raises(UnsupportedError, match="nose"):
        cropped_to_part(
            nobody,
            sniff_file(nobody),
            finders(settings),
            settings.model_copy(update={"crop_to": "nose"}),
            None,
            parts,
        )


def test_the_photo_s_own_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg.toml").write_text("crop = [1, 2, 30, 40]\n")
    assert with_sidecar(Settings(crop=(9, 9, 99, 99)), tmp_path / "a.jpg").crop == (1, 2, 30, 40)
    assert with_sidecar(Settings(crop=(9, 9, 99, 99)), tmp_path / "b.jpg").crop == (9, 9, 99, 99)
    (tmp_path / "c.jpg.toml").write_text('crop = "nose"\n')
    named = with_sidecar(Settings(crop=(9, 9, 99, 99)), tmp_path / "c.jpg")
    assert named.crop is None and named.crop_to == "nose"


def test_planes_of_a_clip_shrink_to_whole_samples_of_colour() -> None:
    part = PicturePart.of(100, 60, [11, 7, 50, 40], 0)
    assert part.crop == (12, 8, 60, 46) and part.size == (48, 38)
    y = np.arange(6000, dtype=np.uint8).reshape(60, 100)
    u = np.arange(1500, dtype=np.uint8).reshape(30, 50)
    planes = part.taken(ClipPicture((y, u, u), 0, 1, False)).planes
    assert (planes[0] == y[8:46, 12:60]).all() and (planes[1] == u[4:23, 6:30]).all()
    small = PicturePart.of(100, 60, [11, 7, 50, 40], 20)
    assert small.size == (20, 16)
    assert [p.shape for p in small.taken(ClipPicture((y, u, u), 0, 1, False)).planes] == [
        (16, 20),
        (8, 10),
        (8, 10),
    ]


def test_a_clip_is_cropped_in_every_frame_and_waits(run: Callable[..., Ran], tmp_path: Path) -> None:
    still = np.zeros((96, 160, 3), np.uint8)
    still[:, :80], still[:, 80:] = (200, 30, 30), (30, 30, 200)
    source = make_clip(tmp_path / "a.mp4", [still] * 4)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, "--crop", "81,10,60,50", "--max-side", "40", *FAST).code == 3
    (written,) = (out / "review").rglob("*.mp4")
    with av.open(str(written)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 4 and {frame.shape for frame in frames} == {(34, 40, 3)}
    assert all((frame[..., 2] > 120).all() and (frame[..., 0] < 90).all() for frame in frames), "blue alone"
    (report,) = [json.loads(path.read_text()) for path in (out / "reports").glob("*.json")]
    assert "road.clip-cropped" in [one["code"] for one in report["reasons"]]
    assert [one["code"] for one in report["notes"]].count("notes.cropped") == 1
    assert all(check["result"] in ("pass", "skipped") for check in report["checks"]), report["checks"]


def test_a_crop_is_proposed_where_a_face_fills_the_picture_and_a_part_of_it_stays() -> None:
    large = Redaction(Kind.FACE, Shape.ELLIPSE, Style.BLUR, (40, -20, 340, 320), (4, 4), ())
    small = replace(large, box=(40, 20, 140, 140))
    text = replace(large, kind=Kind.TEXT)
    mouth = ((150.0, 200.0), (210.0, 195.0), (220.0, 215.0), (180.0, 230.0))
    (said,) = proposed([small, large], [mouth], 400, 300)
    assert said.code == "road.crop-proposed"
    x, y, w, h = (int(part) for part in str(said).rpartition(" ")[2].split(","))
    assert x < 150 and y < 195 and x + w > 220 and y + h > 230 and w * h < 0.1 * 400 * 300
    for redactions, areas in (
        ([small], [mouth]),
        ([text], [mouth]),
        ([large], []),
        ([large], [Box(10, 10, 380, 280)]),
    ):
        assert not proposed(redactions, areas, 400, 300)
