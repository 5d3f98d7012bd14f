"""Files of every format, a hundred (``ANONYMIZER_LONG_TESTS=1``: four hundred), through one batch: each is accounted
for, and none is called damaged that is whole."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image

from anonymizer.core.types import Verdict
from anonymizer.engine.scheduler import Engine
from anonymizer.gate.folder import Gate
from anonymizer.read import sniff, together
from anonymizer.read.inputs import collect
from anonymizer.read.walk import Passed
from bundles import archive, jpeg
from clips import make_clip, numbered
from conftest import QUICK
from folders import HerePool, tree
from leaky import saved
from test_dicom import PLANES, made, stored
from test_numbered_colours import cicp, deep, png
from test_rare_stills import SHOWN, dng, psd, tiff

COPIES = 16 if os.environ.get("ANONYMIZER_LONG_TESTS") else 4
"""Of each file, in as many folders and under other names: the same bytes are worked on once, each has its row."""


def _heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(SHOWN)).save(buffer, quality=90)
    return buffer.getvalue()


def _stills() -> dict[str, bytes]:
    """A whole file of each format of stills, by the name of the format."""
    picture = Image.fromarray(SHOWN)
    return {
        "JPEG": saved(picture, "JPEG"),
        "PNG": saved(picture, "PNG"),
        "WebP": saved(picture, "WEBP"),
        "TIFF": saved(picture, "TIFF"),
        "BMP": saved(picture, "BMP"),
        "GIF": saved(picture, "GIF"),
        "HEIF": _heic(),
        "AVIF": saved(picture, "AVIF"),
        "DICOM": stored(made(PLANES, "RGB")),
        "JPEG XL": bytes(imagecodecs.jpegxl_encode(SHOWN, lossless=True)),
        "JPEG 2000": saved(picture, "JPEG2000"),
        "PSD": psd(SHOWN),
        # Like a TIFF from its first byte on, and developed.
        "raw": dng(),
    }


def _rare() -> dict[str, bytes]:
    """Kinds of them that have a reader of their own."""
    return {
        "JPEG-LS": bytes(imagecodecs.jpegls_encode(SHOWN)),
        "planes apart": tiff(np.moveaxis(SHOWN, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
        "fractions": tiff((SHOWN / 255).astype(np.float32), photometric="rgb"),
        "numbered": png(deep(SHOWN / 255), cicp(9, 16)),
        "big TIFF": tiff(SHOWN, photometric="rgb", bigtiff=True),
    }


def test_four_hundred_files_of_every_format_are_each_accounted_for(tmp_path: Path) -> None:
    whole = {**_stills(), **_rare()}
    kinds = {
        form.name
        for form in vars(sniff).values()
        if isinstance(form, sniff.Format) and not (form.is_clip or form.bundle)
    }
    assert kinds <= set(whole), "a format of stills without a file here"
    clips = {"MOV": make_clip(tmp_path / "clip.mov", numbered(3)).read_bytes()}
    cut = {
        f"half a {name}": whole[name][: len(whole[name]) // 2] for name in ("JPEG", "PNG", "HEIF", "JPEG XL")
    }
    other = {
        "text.txt": b"no picture",
        "form.pdf": b"%PDF-1.7" + bytes(64),
        "broken.jpg": b"",
    }
    packed = archive(tmp_path / "case.zip", {"IMG.jpg": jpeg(7), "notes.txt": b"no picture"}).read_bytes()
    inbox, out = tmp_path / "in", tmp_path / "out"
    for copy in range(COPIES):
        folder = inbox / f"case {copy}"
        folder.mkdir(parents=True)
        for number, content in enumerate([*whole.values(), *clips.values(), *cut.values()]):
            # The name says nothing: every other file is called something else than it is.
            (folder / f"{number:02}.{('jpg', 'tif', 'dcm', 'mov')[(number + copy) % 4]}").write_bytes(content)
        (folder / "case.zip").write_bytes(packed)
        for name, content in other.items():
            (folder / name).write_bytes(content)
    assert sum(path.is_file() for path in inbox.rglob("*")) >= 25 * COPIES
    found = collect([inbox], out)
    with Engine(out, QUICK, pool=HerePool(QUICK)) as engine:
        outcomes = list(engine.run_all(found.media))
        engine.gate.ledger.pass_over([inbox], found.passed)
    told = {outcome.source for outcome in outcomes} | {one.path for one in found.passed}
    files = {path for path in inbox.rglob("*") if path.is_file() and path.name != "case.zip"}
    inside = {path / name for path in inbox.rglob("case.zip") for name in ("IMG.jpg", "notes.txt")}
    assert told == files | inside
    assert len(outcomes) + len(found.passed) == len(told)
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    assert verdicts == {
        Verdict.REVIEW: COPIES * (len(whole) + len(clips) + 1),
        Verdict.FAILED: COPIES * (len(cut) + 2),
    }, {str(outcome.reasons[0]) for outcome in outcomes if outcome.verdict is Verdict.FAILED}
    said = {outcome.reasons[0].code for outcome in outcomes if outcome.verdict is Verdict.FAILED}
    assert said == {"photo.damaged", "file.empty", "bundle.no-document"}
    assert Counter(one.how for one in found.passed) == {Passed.NOT_TAKEN: 2 * COPIES}
    with Gate(out) as gate:
        assert len(list(gate.ledger.passed_over(Passed.NOT_TAKEN))) == 2 * COPIES
    assert (
        len([name for name in tree(out)["review"] if name.endswith((".jpg", ".png", ".mp4"))])
        == len(whole) + len(clips) + 1
    )


def test_the_halves_of_a_live_photo_are_told_of_each_other(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "IMG_1.MOV", "IMG_2.JPG", "IMG_3.MOV", "note.txt", "note.mov"):
        (tmp_path / name).touch()

    def codes(name: str, *kinds: str) -> list[str]:
        return [note.code for note in together.notes(tmp_path / name, kinds)]

    assert codes("IMG_1.HEIC") == ["together.clip"]
    assert codes("IMG_1.MOV") == ["together.photo"]
    assert codes("IMG_2.JPG") == codes("IMG_3.MOV") == codes("note.mov") == []
    assert codes("IMG_2.JPG", "motion photo video") == ["together.inside"]
