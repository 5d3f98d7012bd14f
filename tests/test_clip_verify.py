"""A published clip is asked again: with its report, before a person lets it out, and after somebody changed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anonymizer.core.errors import DamagedError, DecisionError
from anonymizer.core.types import Result, Verdict
from anonymizer.gate.decisions import approve
from anonymizer.gate.folder import Gate
from anonymizer.release.check import verify
from clips import make_clip, numbered
from conftest import FAST, Ran


@pytest.fixture
def waiting(run: Callable[..., Ran], tmp_path: Path) -> tuple[Path, Path]:
    """An output folder with one clip in ``review/``, and that clip."""
    source = make_clip(tmp_path / "a.mp4", numbered(12), sound=0.5)
    out = tmp_path / "out"
    assert run("blur", source, "--out", out, *FAST).code == 3
    (clip,) = (out / "review").glob("*.mp4")
    return out, clip


def test_a_person_lets_a_clip_out_and_it_verifies(waiting: tuple[Path, Path]) -> None:
    out, clip = waiting
    with Gate(out) as gate:
        path = approve(gate, clip.stem, "MM")
    assert path.parent.name == "ready"
    report = verify(path)
    assert report.verdict is Verdict.READY
    assert {"structure", "second-reader"} <= {c.name for c in report.checks if c.result is Result.PASS}


def test_a_clip_of_another_program_is_not_valid(tmp_path: Path) -> None:
    report = verify(make_clip(tmp_path / "a.mp4", numbered(3)))
    assert report.verdict is Verdict.FAILED
    assert any(c.name == "structure" and c.result is Result.FAIL for c in report.checks)


def test_a_film_in_a_form_that_is_never_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="never writes"):
        verify(make_clip(tmp_path / "a.mkv", numbered(3)))


def test_what_was_changed_cannot_be_let_out(waiting: tuple[Path, Path]) -> None:
    out, clip = waiting
    with clip.open("ab") as file:
        file.write(b"\0\0\0\x0cfree\0\0\0\0")
    with Gate(out) as gate, pytest.raises(DecisionError):
        approve(gate, clip.stem, "MM")
