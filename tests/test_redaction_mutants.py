"""A redaction that was drawn wrongly is noticed in what was written, and named: every check here can fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anonymizer.core.message import from_json
from anonymizer.core.types import Pixels
from anonymizer.core.yuv import AnyPlanes
from anonymizer.redact import clip as drawing
from anonymizer.redact.clip import TrackRedaction
from clips import make_clip
from conftest import FAST, Ran

SIZE = (192, 128)
FACE = 'regions = [{ rect = [50, 30, 64, 72], kind = "face" }]'
Paint = Callable[..., int]


def scene() -> Pixels:
    """Broad light and dark blocks: something that a redaction has to hide, and no face that is found beside it."""
    blocks = np.random.default_rng(2).integers(30, 226, (8, 12, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, SIZE[1] // 8, 0), SIZE[0] // 12, 1)


def checks_of(out: Path) -> dict[str, dict[str, Any]]:
    (report,) = (out / "reports").glob("*.json")
    return {check["name"]: check for check in json.loads(report.read_text(encoding="utf-8"))["checks"]}


@pytest.fixture
def clip_checks(run: Callable[..., Ran], tmp_path: Path) -> Callable[[], dict[str, dict[str, Any]]]:
    """What a clip's report says of its checks, and that it is not ready unless all pass."""

    def checks() -> dict[str, dict[str, Any]]:
        source = make_clip(tmp_path / "a.mp4", [scene()] * 10)
        source.with_name("a.mp4.toml").write_text(FACE, encoding="utf-8")
        run("blur", source, "--out", tmp_path / "out", *FAST)
        found = checks_of(tmp_path / "out")
        if found["strength"]["result"] != "pass" or found["coverage"]["result"] != "pass":
            assert not list((tmp_path / "out" / "ready").glob("*"))
        return found

    return checks


def painted(monkeypatch: pytest.MonkeyPatch, how: Callable[[Paint], Paint]) -> None:
    monkeypatch.setattr("anonymizer.road.clip.writing.paint", how(drawing.paint))


def with_boxes(change: Callable[[NDArray[np.int32]], NDArray[np.int32]]) -> Callable[[Paint], Paint]:
    """Painting that draws every redaction in other boxes (left, top, right, bottom) than it was told to."""

    def how(paint: Paint) -> Paint:
        def wrong(planes: AnyPlanes, redactions: Sequence[TrackRedaction], *more: Any) -> int:
            moved = [replace(one, boxes=change(one.boxes).astype(np.int32)) for one in redactions]
            return paint(planes, moved, *more)

        return wrong

    return how


def test_a_clip_that_was_hidden_as_it_should_be_passes(
    clip_checks: Callable[[], dict[str, dict[str, Any]]],
) -> None:
    found = clip_checks()
    assert found["strength"]["result"] == found["coverage"]["result"] == "pass"
    assert found["strength"]["data"]["regions"] == 1


def test_a_redaction_that_one_frame_lacks_is_noticed(
    clip_checks: Callable[[], dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def how(paint: Paint) -> Paint:
        def dropped(planes: AnyPlanes, redactions: Sequence[TrackRedaction], frame: int, *more: Any) -> int:
            # It says that it drew them all.
            return len(redactions) if frame == 5 else paint(planes, redactions, frame, *more)

        return dropped

    painted(monkeypatch, how)
    found = clip_checks()
    assert found["coverage"]["result"] == "fail"
    assert "the first at frame 5" in str(from_json(found["coverage"]["evidence"]))


@pytest.mark.parametrize("by", [(24, 0), (-24, 0), (0, 24)])
def test_a_shifted_redaction_is_noticed(
    clip_checks: Callable[[], dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, by: tuple[int, int]
) -> None:
    painted(monkeypatch, with_boxes(lambda boxes: boxes + np.array([*by, *by])))
    found = clip_checks()
    assert found["coverage"]["result"] == "fail"
    assert "not where it must be, the first at frame 0" in str(from_json(found["coverage"]["evidence"]))


def test_a_shrunk_redaction_is_noticed(
    clip_checks: Callable[[], dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    painted(monkeypatch, with_boxes(lambda boxes: boxes + np.array([16, 20, -16, -20])))
    found = clip_checks()
    assert "fail" in (found["coverage"]["result"], found["strength"]["result"])


def without_noise(grid: NDArray[np.float32], *_: object) -> NDArray[np.float32]:
    return grid


def test_a_redaction_without_noise_is_noticed_in_a_clip(
    clip_checks: Callable[[], dict[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.redact.clip.bounded", without_noise)
    found = clip_checks()
    assert found["coverage"]["result"] == "pass", "it lies where it must"
    assert found["strength"]["result"] == "fail"
    assert "noise is missing" in str(from_json(found["strength"]["evidence"]))


@pytest.mark.parametrize("honest", [True, False])
def test_a_redaction_without_noise_is_noticed_in_a_photo(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, honest: bool
) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(scene()).save(source)
    source.with_name("a.png.toml").write_text(FACE, encoding="utf-8")
    if not honest:
        monkeypatch.setattr("anonymizer.redact.photo.bounded", without_noise)
    run("blur", source, "--out", tmp_path / "out", *FAST)
    strength = checks_of(tmp_path / "out")["strength"]
    assert strength["result"] == ("pass" if honest else "fail"), strength
    if not honest:
        assert "noise is missing" in str(from_json(strength["evidence"]))
        assert not list((tmp_path / "out" / "ready").glob("*"))


def test_the_same_photo_looks_the_same_twice(run: Callable[..., Ran], tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(scene()).save(source)
    source.with_name("a.png.toml").write_text(FACE, encoding="utf-8")
    made = []
    for out in (tmp_path / "one", tmp_path / "two"):
        run("blur", source, "--out", out, *FAST)
        (picture,) = [*(out / "ready").glob("*.png"), *(out / "review").glob("*.png")]
        made.append(picture)
    assert made[0].name != made[1].name
    assert np.array_equal(*(np.asarray(Image.open(picture)) for picture in made))
