"""What stands over a clip, as on the screen of an ultrasound or an endoscope, is covered for as long as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anonymizer.core.message import from_json
from anonymizer.core.settings import Settings
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.detect.base import RegionFinder
from anonymizer.detect.finder import Finder
from anonymizer.road.clip import process
from anonymizer.road.clip.writing import Written, write_again
from clips import make_clip
from conftest import FAST, QUICK, Ran, sentences
from test_clip import decoded, report_of, written

LINE = np.s_[30:52, 44:230]
"""Where the name's letters are."""


def ultrasound(count: int, named: range) -> list[Pixels]:
    """Moving speckle in a fan, and a name that stands at the top in the frames ``named``."""
    rng = np.random.default_rng(2)
    speckle = cv2.GaussianBlur(rng.integers(0, 255, (700, 900), np.uint8), (0, 0), 3)
    fan: Pixels = np.zeros((360, 640), np.uint8)
    cv2.ellipse(fan, (320, 60), (280, 280), 0, 40, 140, 1, -1)
    frames = []
    for number in range(count):
        grey = speckle[2 * number : 2 * number + 360, 3 * number : 3 * number + 640] // 2 * fan
        if number in named:
            cv2.putText(grey, "MUSTERFRAU M", (40, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 235, 2)
        frames.append(np.asarray(cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2RGB), np.uint8))
    return frames


def legible(picture: Pixels) -> bool:
    """Strokes are bright and thin; a bar that lies over them is not."""
    return float(picture[LINE].astype(np.float32).std()) > 25


def covered(run: Callable[..., Ran], tmp_path: Path, frames: list[Pixels]) -> list[bool]:
    """For each frame whether the name is no longer legible."""
    source, out = make_clip(tmp_path / "a.mp4", frames, fps=5), tmp_path / "out"
    run("blur", source, "--out", out, "--no-codes", "--no-marks", "--no-faces")
    return [not legible(picture) for _, picture in decoded(written(out, "review"))]


def test_a_name_that_stands_all_the_time_is_covered_in_every_frame(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    frames = ultrasound(45, range(45))
    assert all(legible(frame) for frame in frames)
    assert all(covered(run, tmp_path, frames))


def test_a_name_that_comes_at_a_cut_is_covered_while_it_stands(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """Nothing is searched on a schedule when it comes, 0.6 s in; the cut asks for it. It goes at the next."""
    blotches = np.random.default_rng(1).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    wall = np.asarray(cv2.resize(blotches, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)
    frames = [wall] * 3 + ultrasound(6, range(6)) + [wall] * 4
    assert all(covered(run, tmp_path, frames)[3:9])


def test_a_name_that_comes_up_out_of_an_empty_start_is_covered(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """Frames without anything in them, then a picture with a name that is gone before the next scheduled look."""
    empty: Pixels = np.full((360, 640, 3), 12, np.uint8)
    frames = [empty] * 3 + ultrasound(9, range(6))
    hidden = covered(run, tmp_path, frames)
    assert all(hidden[3:9])


@contextmanager
def also(finder: Finder, detector: RegionFinder) -> Iterator[None]:
    """A detector beside the others, until the block ends."""
    before = list(finder.finders)
    finder.finders.append(detector)
    try:
        yield
    finally:
        finder.finders[:] = before


class RedAsked:
    """A detector that asks about what is red, in whatever way it is shown a frame."""

    def find(self, pixels: Pixels) -> list[Region]:
        red = (pixels[..., 0] > 180) & (pixels[..., 1] < 80)
        box = Box(200, 150, 50, 20)
        return [Region(box, Kind.MARK, (Evidence("red", 0.4),), action=Action.ASK)] if red.any() else []

    verification_pass = find

    def models(self) -> list[Model]:
        return []


def test_what_a_detector_asks_about_between_the_full_searches_and_in_the_written_clip_is_asked(
    run: Callable[..., Ran], finders: Callable[[Settings], Finder], tmp_path: Path
) -> None:
    """It shows from 1.6 s to 3.6 s: the full searches, at 0 s and at 6 s, do not see it."""
    wall: Pixels = np.full((360, 640, 3), 120, np.uint8)
    marked = wall.copy()
    marked[150:170, 200:250] = (220, 30, 40)
    source = make_clip(tmp_path / "a.mp4", [marked if 8 <= n < 18 else wall for n in range(31)], fps=5)
    with also(finders(QUICK), RedAsked()):
        assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    report = report_of(tmp_path / "out")
    asked = [said for said in sentences(report["reasons"]) if "please look" in said]
    assert len(asked) == 1 and "2.0 s into the clip, at x 200, y 150" in asked[0]
    (one,) = report["questions"]
    assert (str(from_json(one["message"])), one["kind"], one["seconds"]) == (asked[0], "mark", 2.0)
    assert one["box"] == [200, 150, 250, 170]


class SeesPart:
    """A detector that finds the first part of the name, and all of it in the written clip as in any other look."""

    def find(self, pixels: Pixels) -> list[Region]:
        return [Region(Box(40, 28, 125, 28), Kind.TEXT, (Evidence("part", 0.9),))]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return [Region(Box(40, 28, 194, 28), Kind.TEXT, (Evidence("whole", 0.9),))]

    def models(self) -> list[Model]:
        return []


def test_half_a_name_beside_a_cover_is_still_a_name(
    run: Callable[..., Ran], finders: Callable[[Settings], Finder], tmp_path: Path
) -> None:
    """More than half of what the search of the written clip finds is covered; the rest can be read."""
    source = make_clip(tmp_path / "a.mp4", ultrasound(5, range(5)), fps=5)
    with also(finders(QUICK), SeesPart()):
        assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    shown = [picture[LINE][:, 124:] for _, picture in decoded(written(tmp_path / "out", "review"))]
    assert len(shown) == 5 and all(float(part.astype(np.float32).std()) < 10 for part in shown)


class SeesBars:
    """A detector that sees words in bars alone: from such a bar's left end to ``end``, or so many pixels beyond it."""

    def __init__(self, *, end: int = 0, beyond: int = 0) -> None:
        self.end, self.beyond = end, beyond

    def find(self, pixels: Pixels) -> list[Region]:
        return [Region(Box(40, 28, 125, 28), Kind.TEXT, (Evidence("part", 0.9),))]

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        black = np.flatnonzero((pixels[36:46] < 40).all(axis=(0, 2)))
        if len(black) < 60:
            return []
        left, right = int(black[0]), max(self.end, int(black[-1]) + self.beyond)
        return [Region(Box(left, 28, right - left, 28), Kind.TEXT, (Evidence("bar", 0.9),))]

    def models(self) -> list[Model]:
        return []


def test_a_name_beside_a_bar_that_is_not_found_without_it_is_hidden_all_the_same(
    run: Callable[..., Ran], finders: Callable[[Settings], Finder], tmp_path: Path
) -> None:
    paper: Pixels = np.full((360, 640, 3), 200, np.uint8)
    cv2.putText(paper, "MUSTERFRAU M", (40, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (30, 30, 30), 2)
    assert legible(paper)
    source = make_clip(tmp_path / "a.mp4", [paper] * 5, fps=5)
    with also(finders(QUICK), SeesBars(end=236)):
        assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    shown = [picture[LINE] for _, picture in decoded(written(tmp_path / "out", "review"))]
    assert len(shown) == 5 and all(float(part.astype(np.float32).std()) < 10 for part in shown)


def test_what_is_found_beside_our_own_bars_alone_makes_a_clip_be_written_once_more_and_no_oftener(
    run: Callable[..., Ran],
    finders: Callable[[Settings], Finder],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Straps behind a bar are strokes beside it: it is found wider, hidden wider, and found wider again."""
    straps: Pixels = np.full((360, 640, 3), 200, np.uint8)
    straps[:, (np.arange(640) % 12) < 4] = 110
    source = make_clip(tmp_path / "a.mp4", [straps] * 5, fps=5)
    writings: list[int] = []

    def counted(*arguments: Any) -> Written:
        writings.append(len(arguments[-1]))
        return write_again(*arguments)

    monkeypatch.setattr(process, "write_again", counted)
    with also(finders(QUICK), SeesBars(beyond=24)):
        assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    assert writings == [5], "the frames that were written anew, once"
    checks = {check["name"]: check["result"] for check in report_of(tmp_path / "out")["checks"]}
    assert checks["residual"] == "pass"
