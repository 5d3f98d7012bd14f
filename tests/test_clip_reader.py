"""The reader of clips: every container and codec that is taken, frame for frame, and nothing that leads elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anonymizer.errors import LimitError
from anonymizer.media.clip import Reading, frames, open_clip
from anonymizer.media.sniff import sniff_file
from anonymizer.settings import Limits
from clips import make_clip, numbered
from conftest import FAST, Ran


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("max_clip_bytes = 1000", "limits.max_clip_bytes"),
        ("max_clip_seconds = 1.5", "limits.max_clip_seconds"),
    ],
)
def test_a_limit_is_one_sentence_before_the_work_begins(
    run: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    source = make_clip(tmp_path / "a.mp4", numbered(50))
    table = tmp_path / "own.toml"
    table.write_text(f"[limits]\n{limit}\n", encoding="utf-8")

    def searched(*_: object) -> None:
        raise AssertionError("nothing may be searched")

    monkeypatch.setattr("anonymizer.clip.search", searched)
    out = tmp_path / "out"
    ran = run("blur", source, "--out", out, "--settings", table, *FAST)
    assert ran.code == 4 and says in ran.err and ran.err.count("\n") == 1, ran.err
    assert not list((out / "ready").iterdir()) and not list((out / "review").iterdir())


def test_a_clip_that_does_not_say_how_long_it_is_ends_at_the_limit(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", numbered(50), container_options={"live": "1"})
    limits = Limits(max_clip_seconds=1.0)
    form = sniff_file(source)
    clip = open_clip(source, form, limits)
    assert clip.seconds == 0
    with (
        pytest.raises(LimitError, match="max_clip_seconds"),
        Reading(source, form, limits, "full") as reading,
    ):
        for _ in frames(clip, reading):
            pass
