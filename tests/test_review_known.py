"""What is corrected on the page is searched for the names of the case again, whatever the first run was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from anonymizer.gate.folder import Gate
from conftest import QUICK
from folders import tiny
from review_server import Client, serving

KNOWN = QUICK.model_copy(update={"known": ("Marie Durand", "4711-0815")})
EDITS = {
    "regions": [{"rect": [4, 4, 20, 12], "kind": "drawn"}],
    "dismiss": [],
    "keep": [],
    "keep_mouth": False,
}


def searched(out: Path, id: str) -> int | None:
    """How many names the report says were searched for; None where it says nothing of it."""
    report = json.loads((out / "reports" / f"{id}.json").read_bytes())
    return next((one["data"]["searched"] for one in report["checks"] if one["name"] == "known"), None)


def corrected(client: Client, id: str) -> dict[str, Any]:
    """Apply a correction; the job that did it."""
    answer = client.post(f"api/media/{id}/apply", {"edits": EDITS})
    assert answer.status == 202, answer.body
    return next(job for job in client.finish() if job["number"] == answer.json()["number"])


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An output folder with one photo that was searched for the names, and its id."""
    out = tmp_path_factory.mktemp("known") / "out"
    with serving(out, KNOWN) as client:
        client.enter()
        client.upload("photo.jpg", tiny(1))
        (job,) = client.finish()
    assert searched(out, job["id"]) == 2
    return out, job["id"]


@pytest.fixture
def made(once: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """A copy of it; the photo itself lies where it was dropped."""
    out, id = once
    return shutil.copytree(out, tmp_path / "out"), id


def test_a_correction_is_searched_for_the_names_too(made: tuple[Path, str]) -> None:
    out, id = made
    with serving(out, KNOWN) as client:
        client.enter()
        for _ in range(2):
            job = corrected(client, id)
            assert job["stage"] == "done" and searched(out, job["id"]) == 2
            id = job["id"]


def test_the_pages_own_list_is_the_one_that_counts(made: tuple[Path, str]) -> None:
    out, id = made
    with serving(
        out, KNOWN.model_copy(update={"known": ("Jeanne Petit", "Paul Martin", "Lyon Est")})
    ) as client:
        client.enter()
        assert searched(out, corrected(client, id)["id"]) == 3


def test_without_the_list_nothing_is_made_again_that_had_one(made: tuple[Path, str]) -> None:
    out, id = made
    with serving(out, QUICK) as client:
        client.enter()
        answer = client.post(f"api/media/{id}/apply", {"edits": EDITS})
        assert answer.status == 409 and "start it with --known" in answer.json()["error"]
        client.upload("other.jpg", tiny(2))
        other = next(job["id"] for job in client.finish() if job["source"] == "other.jpg")
        assert searched(out, corrected(client, other)["id"]) is None
    with Gate(out) as gate:
        entry = gate.ledger.get(id)
    assert entry and entry.state == "review"


def test_the_names_are_in_nothing_that_is_handed_out(made: tuple[Path, str]) -> None:
    out, id = made
    with serving(out, KNOWN) as client:
        client.enter()
        corrected(client, id)
        written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"Durand" not in written and b"4711-0815" not in written
