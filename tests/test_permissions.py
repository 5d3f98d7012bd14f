"""What waits for a person is its owner's alone; what is ready is anybody's whom the user's mask lets."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anonymizer.gate import decisions
from anonymizer.gate.folder import Gate
from anonymizer.gate.permissions import usual
from anonymizer.gate.records import State
from anonymizer.release.publish import release
from anonymizer.road.pipeline import Session
from conftest import QUICK
from review_server import serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")


@pytest.fixture(params=[0o002, 0o027], ids=["mask 002", "mask 027"])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def too_open(out: Path) -> dict[str, str]:
    """Everything outside ``ready/`` and ``reports/`` that somebody else may read, enter or write."""
    return {
        str(path.relative_to(out)): oct(mode(path))
        for path in out.rglob("*")
        if path.relative_to(out).parts[0] not in ("ready", "reports") and mode(path) & 0o077
    }


def photo(folder: Path, name: str = "photo.png") -> Path:
    path = folder / name
    Image.fromarray(np.random.default_rng(len(name)).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    return path


def test_what_waits_is_private_and_what_is_ready_is_as_the_mask_says(tmp_path: Path, mask: int) -> None:
    out = tmp_path / "out"
    with Session(out, QUICK) as session:
        outcome = session.run(photo(tmp_path))
        assert outcome.output and outcome.output.parent == out / "review"
        assert mode(out / "review") == 0o700
        assert too_open(out) == {}
    with Gate(out) as gate:
        for _ in range(2):
            ready = decisions.approve(gate, outcome.id, "AB", "")
            assert mode(ready) == 0o666 & ~mask
            assert {mode(path) for path in (out / "reports").iterdir()} == {0o666 & ~mask}
            waiting = decisions.reopen(gate, outcome.id, "AB", "")
            assert mode(waiting) == 0o600
        assert mode(decisions.reject(gate, outcome.id, "AB", "")) == 0o600
    assert too_open(out) == {}
    assert mode(out / "ready") == 0o777 & ~mask


def test_a_folder_of_an_earlier_version_is_closed(tmp_path: Path, mask: int) -> None:
    (tmp_path / "out" / "review").mkdir(parents=True)
    (tmp_path / "out" / "review").chmod(0o755)
    with Gate(tmp_path / "out"):
        assert mode(tmp_path / "out" / "review") == 0o700


def test_a_release_is_as_the_mask_says(tmp_path: Path, mask: int) -> None:
    out = tmp_path / "out"
    with Session(out, QUICK) as session:
        outcome = session.run(photo(tmp_path))
    with Gate(out) as gate:
        decisions.approve(gate, outcome.id, "AB", "")
    assert release(out, tmp_path / "release", initials="AB").copied
    files = [path for path in (tmp_path / "release").rglob("*") if path.is_file()]
    assert len(files) >= 4 and {mode(path) for path in files} == {0o666 & ~mask}


def test_what_is_dropped_on_the_page_is_private(tmp_path: Path, mask: int) -> None:
    out = tmp_path / "out"
    with serving(out, QUICK) as client:
        client.enter()
        client.upload("photo.png", photo(tmp_path).read_bytes())
        client.finish()
        assert too_open(out) == {}
    with Gate(out) as gate:
        assert gate.ledger.counts() == {State.REVIEW: 1}
    assert too_open(out) == {}


def test_the_usual_mode_leaves_nothing(tmp_path: Path, mask: int) -> None:
    assert usual(tmp_path) == 0o666 & ~mask
    assert list(tmp_path.iterdir()) == []
