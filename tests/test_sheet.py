"""Ready outputs side by side: nothing that is not ready is joined, and the page goes down the road itself."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.road.pipeline import Session
from anonymizer.road.sheet import TAKEN, CaptionedFinder
from anonymizer.verify import pdf
from anonymizer.verify.jpeg import StructureError
from anonymizer.write.pdf import as_pdf
from anonymizer.write.sheet import SIZES, SheetPage, compose
from clips import make_clip
from conftest import Ran

EASY = 'detector = "fast"\ncodes = false\nmarks = false\n'


def scene(seed: int, width: int = 300, height: int = 240) -> Pixels:
    blocks = np.random.default_rng(seed).integers(60, 200, (height // 60, width // 60, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, 60, 0), 60, 1)


@pytest.mark.parametrize("page", list(SheetPage))
@pytest.mark.parametrize("count", [2, 5])
def test_each_picture_stands_whole_in_its_cell(page: SheetPage, count: int) -> None:
    colours = [(20 * n, 255 - 20 * n, 90) for n in range(count)]
    pictures = [np.full((60 + n, 90, 3), colour, np.uint8) for n, colour in enumerate(colours)]
    sheet = compose(pictures, ["w" * 80, "", "12 mm, à gauche"], page)
    high, wide = sheet.pixels.shape[:2]
    assert (wide, high) in SIZES[page] and len(sheet.captions) == (2 if count > 2 else 1)
    for picture, colour in zip(pictures, colours, strict=True):
        ys, xs = np.nonzero((sheet.pixels == colour).all(axis=2))
        assert len(ys) == (ys.max() + 1 - ys.min()) * (xs.max() + 1 - xs.min()), "nothing lies over it"
        assert (xs.max() + 1 - xs.min()) / (ys.max() + 1 - ys.min()) == pytest.approx(
            90 / picture.shape[0], rel=0.03
        )
    for strip in sheet.captions:
        left, top, right, bottom = strip.pixels(wide, high)
        part = sheet.pixels[top:bottom, left:right]
        assert part.min() < 200 and (part[:, :2] == 255).all() and (part[:, -2:] == 255).all()


def test_text_in_a_caption_is_a_persons_own_and_all_else_is_found() -> None:
    class Finds:
        def find(self, pixels: Pixels) -> list[Region]:
            return [
                Region(Box(*at), kind, (Evidence("one", 0.9),))
                for at, kind in (
                    ((110, 105, 50, 20), Kind.TEXT),
                    ((110, 80, 50, 40), Kind.TEXT),
                    ((110, 105, 50, 20), Kind.FACE),
                )
            ]

        verification_pass = quick_find_others = find

        def models(self) -> list[Model]:
            return []

    finder = CaptionedFinder(Finds(), (Box(100, 100, 80, 30),))  # type: ignore[arg-type]
    wanted = [((110, 80), Kind.TEXT), ((110, 105), Kind.FACE)]
    for how in (finder.find, finder.verification_pass, finder.quick_find_others):
        found = how(scene(1))
        assert [((one.box.x, one.box.y), one.kind) for one in found] == wanted
        assert all(one.action is Action.ASK for one in found), "a person judges what was not found before"
    assert set(TAKEN) <= set(Settings.model_fields)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_pdf_holds_the_picture_and_not_one_byte_more(form: str) -> None:
    out = io.BytesIO()
    Image.fromarray(scene(2)).save(out, form)
    content = out.getvalue()
    data = as_pdf(content, 300, 240)
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    assert pdf.holds(data, pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pdf.picture(data)))), pixels)
    assert not pdf.holds(data, pixels[:-1]) and not pdf.holds(data, 255 - pixels)
    for place in (int(n) for n in re.findall(rb"(\d{10}) 00000 n", data)):
        assert re.match(rb"\d 0 obj\n", data[place:]), "the table tells where each object is"
    assert data[int(re.findall(rb"startxref\n(\d+)", data)[0]) :].startswith(b"xref")
    assert data.count(b"108.00") == 2 and data.count(b"86.40") == 2, "200 pixels an inch"
    info = b"6 0 obj\n<</Author(Smith)>>\nendobj\n"
    for bad in (
        data + b"\n",
        b" " + data,
        data.replace(b"xref\n0", info + b"xref\n0", 1),
        data.replace(b"/Root 1 0 R", b"/Root 1 0 R/Info 6 0 R"),
        data.replace(b"/Length", b"/Length 1/Length", 1),
    ):
        with pytest.raises(StructureError):
            pdf.holds(bad, pixels)
    wider = data.replace(b"/Columns 300", b"/Columns 301")
    if wider != data:
        with pytest.raises(StructureError):
            pdf.picture(wider)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """An output folder with two photos and a clip that are ready, and a photo that waits."""
    folder = tmp_path_factory.mktemp("sheet")
    names = ["mueller.png", "after.jpg", "third.png"]
    for number, name in enumerate(names):
        Image.fromarray(scene(number)).save(folder / name)
    (folder / "third.png.toml").write_text(
        "keep = [[0, 0, 50, 50]]\nregions = [{ rect = [10, 10, 60, 60] }]\n"
    )
    make_clip(folder / "clip.mp4", [scene(1, 180, 120)] * 3)
    quiet = Settings.model_validate({"detector": "fast", "text": "none", "codes": False, "marks": False})
    with Session(folder / "out", quiet) as session:
        found = [outcome.output for outcome in session.run_all([folder / n for n in (*names, "clip.mp4")])]
    return folder / "out", [path for path in found if path]


def test_before_and_after_on_one_page(
    outputs: tuple[Path, list[Path]], run: Callable[..., Ran], tmp_path: Path
) -> None:
    out, (one, other, *_) = outputs
    (tmp_path / "easy.toml").write_text(EASY)
    said = run(
        "sheet",
        one,
        other,
        "-o",
        tmp_path / "case.pdf",
        "--page",
        "16:9",
        "--caption",
        "Before: 12 mm",
        "--caption",
        "After 3 weeks",
        "--settings",
        tmp_path / "easy.toml",
        "--json",
    )
    facts = json.loads(said.out)
    assert said.code == 0 and facts["verdict"] == "ready" and facts["copy"] == str(tmp_path / "case.pdf"), (
        said
    )
    report = json.loads(Path(facts["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    assert not report["regions"] and report["medium"]["width"] == 1920
    made = Path(facts["output"])
    assert made.parent == out / "ready" and pdf.holds(
        (tmp_path / "case.pdf").read_bytes(), np.asarray(Image.open(made))
    )
    words = b"".join(path.read_bytes() for path in (made, Path(facts["report"]), tmp_path / "case.pdf"))
    assert b"mueller" not in words and b"Before" not in words
    alone = run("sheet", made, "-o", tmp_path / "again.png")
    assert alone.code == 0 and (tmp_path / "again.png").read_bytes() == made.read_bytes()


def test_what_cannot_be_joined_is_said(
    outputs: tuple[Path, list[Path]], run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, (one, other, waiting, clip) = outputs
    assert waiting.parent.name == "review" and clip.parent.name == "ready"
    (tmp_path / "there.png").touch()
    away = tmp_path / "else" / "ready" / one.name
    away.parent.mkdir(parents=True)
    away.write_bytes(one.read_bytes())
    stranger = out / "ready" / "stranger.png"
    stranger.write_bytes(one.read_bytes())
    monkeypatch.setattr("anonymizer.road.sheet._joined", None)
    pair = (one, other)
    for words, text in (
        ((one, waiting), "waits in review/"),
        ((one,), "2 to 12 pictures"),
        ((one,) * 13, "2 to 12 pictures"),
        ((one, clip), "is a clip"),
        ((one, out / "ready" / "no.png"), "does not exist"),
        ((one, away), "no output that is ready"),
        ((one, stranger), "no output that is ready"),
        ((*pair, "-o", tmp_path / "there.png"), "is there already"),
        ((*pair, "-o", tmp_path / "x.gif"), "PNG or PDF"),
        ((*pair, "-o", tmp_path / "no" / "x.pdf"), "does not exist"),
        ((*pair, "--page", "a5"), "no page that a sheet can have"),
        ((*pair, "--caption", "Mme Mueller, après"), "holds a word of an original's name"),
        ((*pair, "--caption", "x" * 81), "at most 80"),
        ((*pair, *("--caption", "x") * 3), "3 captions for 2 pictures"),
        ((other, "-o", tmp_path / "x.png"), "is a JPEG"),
    ):
        said = run("sheet", *words)
        assert said.code == 2 and text in said.err, (words, said)
    changed = bytearray(one.read_bytes())
    whole = bytes(changed)
    changed[-20] ^= 1
    try:
        one.write_bytes(changed)
        said = run("sheet", one, other)
        assert said.code == 2 and "is not joined" in said.err, said
    finally:
        one.write_bytes(whole)
        stranger.unlink()
