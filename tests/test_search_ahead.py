"""While one photo is checked the next is searched, and each keeps what was found of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.machine import THREADS_VARIABLE
from anonymizer.core.prefetch import behind
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.road.pipeline import Session

PLAIN = Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False)
SHADES = (40, 120, 200)


class Watched:
    """A finder that hides a square whose place follows from the picture's shade; ``searched`` are the shades."""

    def __init__(self, together: bool) -> None:
        self.together = together
        self.searched: list[int] = []
        self.next_begun = threading.Event()

    def find(self, pixels: Pixels) -> list[Region]:
        shade = int(pixels.mean())
        self.searched.append(min(SHADES, key=lambda one: abs(one - shade)))
        if len(self.searched) == 2:
            self.next_begun.set()
        return [Region(Box(shade, 8, 24, 24), Kind.CODE, (Evidence("watched", 1.0),))]

    def verification_pass(self, _: Pixels) -> list[Region]:
        assert not self.together or self.next_begun.wait(20), "the next photo waits until this one is checked"
        return []

    def models(self) -> Sequence[Model]:
        return []


@pytest.mark.parametrize("threads", ["", "1"])
def test_the_next_photo_is_searched_while_one_is_checked(
    threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THREADS_VARIABLE, threads)
    paths = [tmp_path / f"{shade}.png" for shade in SHADES]
    for path, shade in zip(paths, SHADES, strict=True):
        Image.fromarray(np.full((64, 256, 3), shade, np.uint8)).save(path)
    finder = Watched(together=not threads)
    with Session(tmp_path / "out", PLAIN) as session:
        monkeypatch.setattr(session.worker, "finder", finder)
        outcomes = list(session.run_all(paths))
    assert finder.searched == list(SHADES), "each once, in order"
    assert [outcome.source for outcome in outcomes] == paths
    for outcome, shade in zip(outcomes, SHADES, strict=True):
        assert outcome.output
        written = np.asarray(Image.open(outcome.output))
        assert (written[12:28, shade + 4 : shade + 20] != shade).all(), "its own place is hidden"
        assert (written[40:] == shade).all()


def test_calls_are_made_in_their_order_behind_what_gives_them() -> None:
    made: list[int] = []
    with behind(waiting=2) as take:
        for number in range(6):
            take(partial(made.append, number))
            assert len(made) >= number - 2, "few wait"
    assert made == [*range(6)]


def test_what_a_call_behind_raises_is_raised_and_no_call_is_made_after_an_error() -> None:
    made: list[int] = []

    def fail() -> None:
        raise OSError("full")

    with pytest.raises(OSError, match="full"), behind() as take:
        take(fail)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(20)

    with pytest.raises(ValueError, match="broken"), behind() as take:
        take(slow)
        take(partial(made.append, 1))
        assert begun.wait(20)
        threading.Timer(0.1, go_on.set).start()
        raise ValueError("broken")
    assert made == []
