"""One patient's pictures: one framing about the face, one look, names with a common beginning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.errors import SettingsError
from anonymizer.core.settings import Effort, Settings, TextPolicy
from anonymizer.core.settings_file import load
from anonymizer.core.types import Box, Evidence, Kind, Pixels, Region
from anonymizer.gate.files import new_id
from anonymizer.redact.photo import of_patient, redact
from anonymizer.road import worker
from anonymizer.road.fingerprint import fingerprint
from anonymizer.road.pipeline import anonymize_series
from anonymizer.road.series import (
    FacePlace,
    framed_alike,
    resolved,
    series_name,
    series_of,
    series_secret,
)

SERIES = Settings(same_patient="series-abcdefghijkm")
ONE, OTHER = FacePlace(200, 150, 40, 600, 400), FacePlace(500, 500, 80, 1000, 1200)


def test_a_series_follows_from_its_folder_and_the_secret(tmp_path: Path) -> None:
    asked = Settings(same_patient=True)
    first = resolved(asked, tmp_path / "a.jpg", b"s")
    assert (
        first.same_patient
        == resolved(asked, tmp_path / "b.jpg", b"s").same_patient
        == series_of(tmp_path, b"s")
    )
    assert first.same_patient != resolved(asked, tmp_path / "x" / "a.jpg", b"s").same_patient
    assert first.same_patient != resolved(asked, tmp_path / "a.jpg", b"t").same_patient
    assert (
        resolved(first, tmp_path / "x" / "a.jpg", b"s") == first
        and resolved(Settings(), tmp_path, b"s") == Settings()
    )
    assert (
        series_secret(Settings(), b"s") == b"s" != series_secret(first, b"s") != series_secret(SERIES, b"s")
    )
    form = series_name(SERIES)
    assert form and form.with_number(3) == "abcdefghijkm-3" and series_name(asked) is None
    assert Settings(same_patient=f"series-{new_id()}")
    assert fingerprint(asked) == fingerprint(first) != fingerprint(Settings())
    with pytest.raises(SettingsError, match="series' id is wanted"):
        load(overrides={"same_patient": "smith"})


def test_each_shows_what_all_show_with_the_face_in_the_same_place() -> None:
    (one, _), (other, _), (without, said) = framed_alike([ONE, OTHER, None], [SERIES] * 3)
    assert one.crop and other.crop and without == SERIES and [m.code for m in said] == ["series.no-face"]
    for crop, place in ((Box(*one.crop), ONE), (Box(*other.crop), OTHER)):
        assert crop.within(place.width, place.height) == crop
        # By the face: 5 spreads to the left, 3.75 above, 6.25 to the right and below of the second and of the first.
        by_face = [
            (place.x - crop.x) / place.spread,
            (place.y - crop.y) / place.spread,
            crop.w / place.spread,
        ]
        assert by_face == pytest.approx([5, 3.75, 11.25], abs=0.02)
    assert one.max_side == other.max_side == 450, "as large as the smallest of them"


def test_a_crop_of_one_is_the_crop_of_all_and_places_move_along() -> None:
    cropped = SERIES.model_copy(update={"crop": (160, 130, 80, 40), "keep": ((10, 10, 20, 20),)})
    kept = Settings.model_validate(
        {
            "same_patient": "series-abcdefghijkm",
            "regions": [{"rect": (450, 480, 20, 10)}],
            "keep_part": ["mouth@500,520"],
            "background_outline": [[(420, 460), (580, 460), (500, 540)]],
        }
    )
    (one, said), (other, _) = framed_alike([ONE, OTHER], [cropped, kept])
    assert one.crop == (160, 130, 80, 40) and other.crop == (420, 460, 160, 80) and not said
    assert one.keep == ((10, 10, 20, 20),), "in pixels of the same crop"
    assert other.regions[0].rect == (15, 10, 10, 5) and other.keep_part[0].at == (40, 30), "at half the size"
    assert other.background_outline == (((0, 0), (80, 0), (40, 40)),)


def test_where_they_have_too_little_in_common() -> None:
    small = FacePlace(200, 100, 4, 4000, 3000)
    (one, said), (other, also) = framed_alike([ONE, small], [SERIES] * 2)
    assert one == other == SERIES and [m.code for m in (*said, *also)] == ["series.not-framed"] * 2
    close = FacePlace(200, 150, 60, 400, 300)
    (_, said), (_, also) = framed_alike([close, OTHER], [SERIES] * 2)
    assert not said and [m.code for m in also] == ["series.much-cropped"]
    assert framed_alike([ONE, None], [SERIES] * 2)[0] == (SERIES, ())


def pattern(pixels: Pixels) -> Pixels:
    regions = [
        Region(Box(40, 40, 80, 100), Kind.FACE, (Evidence("centerface", 0.9),)),
        Region(Box(200, 40, 60, 80), Kind.FACE, (Evidence("centerface", 0.9),)),
    ]
    return redact(pixels, regions, SERIES, b"s" * 32)[0]


def test_the_patient_looks_alike_in_all_and_nobody_else_does() -> None:
    rng = np.random.default_rng(4)
    one, other = (
        pattern(np.repeat(np.repeat(rng.integers(60, 200, (10, 15, 3), np.uint8), 20, 0), 20, 1))
        for _ in range(2)
    )

    def alike(x: int, y: int, w: int, h: int) -> float:
        seen = [p[y : y + h, x : x + w].mean(axis=2).ravel() for p in (one, other)]
        return float(np.corrcoef(*seen)[0, 1])

    assert alike(45, 45, 70, 90) > 0.98 and abs(alike(205, 45, 50, 70)) < 0.9
    faces = [(Kind.TEXT, 9.0), (Kind.FACE, 2.0), (Kind.FACE, 3.0)]
    assert of_patient(faces, SERIES) == 2 and of_patient(faces, Settings()) is None
    assert of_patient(faces[:1], SERIES) is None


def test_two_visits_on_their_road(
    tmp_path: Path, portrait: Pixels, finders: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "Finder", finders)
    Image.fromarray(portrait).crop((150, 0, 750, 700)).resize((300, 350)).save(tmp_path / "before.png")
    Image.fromarray(portrait).crop((100, 0, 800, 800)).resize((280, 320)).save(tmp_path / "after.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    found = anonymize_series(
        [tmp_path / name for name in ("before.png", "after.png", "broken.jpg")],
        Settings(detector=Effort.FAST, text=TextPolicy.NONE, codes=False, marks=False),
        tmp_path / "out",
    )
    first, second, broken = found
    assert first.output and second.output and broken.output is None
    assert first.output.stem.rpartition("-")[0] == second.output.stem.rpartition("-")[0]
    assert {first.output.stem[-1], second.output.stem[-1]} == {"1", "2"}
    one, other = (
        np.asarray(Image.open(path).convert("L"), np.int16) for path in (first.output, second.output)
    )
    assert abs(np.array(one.shape) - other.shape).max() <= 1 and max(one.shape) < 330
    high, wide = min(one.shape[0], other.shape[0]), min(one.shape[1], other.shape[1])
    assert np.abs(one[:high, :wide] - other[:high, :wide]).mean() < 8, "one lies on the other"
