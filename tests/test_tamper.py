"""Tampering, through the command line: one changed byte of medium, report or page is noticed and named."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from PIL import Image

from anonymizer.core import signing as sign
from anonymizer.gate.files import NEUTRAL_TIME, file_sha256
from anonymizer.release import check as published
from conftest import Ran, sentences, signed_report
from folders import flip, with_approved

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with one approved photo, to be copied."""
    return with_approved(tmp_path_factory.mktemp("made"), 1, approved=1)


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "out")


@pytest.fixture
def medium(out: Path) -> Path:
    (path,) = (out / "ready").iterdir()
    return path


@pytest.fixture
def report(out: Path, medium: Path) -> Path:
    return out / "reports" / f"{medium.stem}.json"


def checked(run: Run, medium: Path, *more: str | Path) -> dict[str, object]:
    ran = run("verify", medium, "--json", *more)
    said: dict[str, object] = json.loads(ran.out)
    assert (ran.code == 0) is (said["signature"] == "valid" and said["verdict"] == "ready")
    return said | {"code": ran.code}


def test_what_nobody_touched_is_valid(run: Run, medium: Path) -> None:
    ran = run("verify", medium)
    assert ran.code == 0 and ran.out.startswith("valid")


def test_one_byte_of_the_medium(run: Run, medium: Path) -> None:
    content = medium.read_bytes()
    for at in (*random.Random(1).sample(range(4, len(content)), 6), len(content) - 1):
        flip(medium, at)
        said = checked(run, medium)
        assert (said["signature"], said["code"]) == ("changed", 4), at
        assert str(published.MEDIUM_CHANGED) in sentences(said["reasons"])
        medium.write_bytes(content)
    flip(medium, 0)
    assert checked(run, medium)["code"] == 4, "no photo any more"


def test_one_byte_of_the_report(run: Run, medium: Path, report: Path) -> None:
    content = report.read_bytes()
    for at in [*random.Random(2).sample(range(len(content)), 8), len(content) - 1]:
        flip(report, at, 1 if chr(content[at]).isalnum() else 2)
        said = checked(run, medium)
        assert (said["signature"], said["code"]) == ("changed", 4), content[max(0, at - 20) : at + 20]
        assert str(published.REPORT_CHANGED) in sentences(said["reasons"])
        report.write_bytes(content)


def test_every_kind_of_lie_in_a_report(run: Run, medium: Path, report: Path) -> None:
    said = json.loads(report.read_bytes())
    lies = (
        said | {"verdict": "review"},
        said | {"reasons": ["x"]},
        said | {"regions": [], "checks": []},
        said | {"not_checked": []},
        said | {"decision": None},
        said | {"decision": said["decision"] | {"initials": "XY"}},
        said | {"medium": said["medium"] | {"sha256": "0" * 64}},
        said | {"medium": said["medium"] | {"name": "other.jpg"}},
        said | {"page_sha256": ""},
        said | {"patient": "Martha"},
    )
    for lie in lies:
        report.write_bytes(sign.as_file(lie))
        answer = checked(run, medium)
        assert (answer["signature"], answer["code"]) == ("changed", 4), lie


def test_one_byte_of_the_page(run: Run, medium: Path, report: Path) -> None:
    page = report.with_suffix(".html")
    for at in (0, page.stat().st_size // 2, page.stat().st_size - 1):
        flip(page, at)
        said = checked(run, medium)
        assert (said["signature"], said["code"]) == ("changed", 4)
        assert sentences(said["reasons"]) == [str(published.PAGE_CHANGED)]
        flip(page, at)
    page.unlink()
    assert checked(run, medium)["code"] == 0, "a report without its page is whole"


def test_another_medium_under_a_good_report(run: Run, medium: Path, tmp_path: Path) -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(medium)
    os.utime(medium, (NEUTRAL_TIME, NEUTRAL_TIME))
    assert sentences(checked(run, medium)["reasons"]) == [str(published.MEDIUM_CHANGED)]


def test_on_another_machine_with_the_public_key(
    run: Run, medium: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pub, id = tmp_path / "pub.pem", sign.own_key().id
    assert run("key", "export", pub).code == 0
    assert run("key", "show").out.split()[0] == id
    monkeypatch.setenv(sign.VARIABLE, str(tmp_path / "elsewhere" / "key.pem"))
    said = checked(run, medium)
    assert (said["signature"], said["verdict"], said["code"]) == ("unknown", "failed", 4)
    assert id in str(said["reasons"]) and "--key" in str(said["reasons"])
    assert not (tmp_path / "elsewhere").exists(), "to verify makes no key"
    assert checked(run, medium, "--key", pub)["code"] == 0
    other = tmp_path / "other.pem"
    assert run("key", "export", other).code == 0
    assert checked(run, medium, "--key", other)["signature"] == "unknown"
    assert checked(run, medium, "--key", other, "--key", pub)["code"] == 0
    assert run("key", "export", pub).code == 2, "nothing is overwritten"
    assert run("verify", medium, "--key", medium).code == 2


def test_who_signs_a_lie_with_his_own_key_is_unknown(run: Run, medium: Path, report: Path) -> None:
    key = sign.Key(ed25519.Ed25519PrivateKey.generate())
    lie = sign.signed(json.loads(report.read_bytes()) | {"reasons": []}, "report", key)
    report.write_bytes(sign.as_file(lie))
    assert checked(run, medium)["signature"] == "unknown"
    report.write_bytes(sign.as_file(lie | {"signature": lie["signature"] | {"key": sign.own_key().id}}))
    assert checked(run, medium)["signature"] == "changed"
    report.write_bytes(sign.as_file(lie | {"signature": None}))
    said = checked(run, medium)
    assert (said["signature"], said["code"]) == ("unknown", 4) and str(published.NOT_SIGNED) in sentences(
        said["reasons"]
    )


def test_a_report_that_is_gone(run: Run, medium: Path, report: Path) -> None:
    report.unlink()
    said = checked(run, medium)
    assert (said["signature"], sentences(said["reasons"])) == ("unknown", [str(published.NO_REPORT)])


def test_the_report_of_the_same_bytes_under_another_name_is_not_preferred(
    run: Run, medium: Path, report: Path
) -> None:
    """Two sources may give the same bytes; the one with the file's own name counts."""
    said = json.loads(report.read_bytes())
    other = said | {"id": "a", "verdict": "review", "medium": said["medium"] | {"name": "a.jpg"}}
    (report.parent / "a.json").write_bytes(signed_report(other))
    assert checked(run, medium)["code"] == 0
    assert file_sha256(medium) == said["medium"]["sha256"]
