"""``anonymizer log``: who decided what and when, and whether that is still what was recorded."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from anonymizer.core import signing
from anonymizer.gate.decisions import approve, reject, reopen
from anonymizer.road.pipeline import Session
from conftest import QUICK, Ran
from folders import photos

Run = Callable[..., Ran]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (source,) = photos(tmp_path / "Mrs Musterfrau", 1)
    with Session(tmp_path / "out", QUICK) as session:
        id = session.run(source).id
        reject(session.gate, id, "AB", "=the tattoo")
        reopen(session.gate, id, "CD")
        approve(session.gate, id, "EF", "consent of 3 May")
    return tmp_path / "out"


def rows(run: Run, out: Path, *more: str | Path) -> tuple[list[dict[str, object]], Ran]:
    ran = run("log", out, "--json", *more)
    return [json.loads(line) for line in ran.out.splitlines()], ran


def test_every_decision_is_told_with_who_when_and_of_what(run: Run, out: Path) -> None:
    (*found, chain), ran = rows(run, out)
    assert ran.code == 0 and chain == {"chain": "valid", "at": None, "reason": None}
    assert [(one["number"], one["action"], one["who"]) for one in found] == [
        (1, "rejected", "AB"),
        (2, "reopened", "CD"),
        (3, "approved", "EF"),
    ]
    assert all(str(one["at"]).startswith("20") and len(str(one["at"])) == 25 for one in found)
    assert all("Mrs Musterfrau" in str(one["source"]) and one["recorded"] == "valid" for one in found)
    assert found[2]["note"] == "consent of 3 May" and found[2]["changes"]
    said = run("log", out)
    assert said.code == 0 and "3 decisions; the chain is valid." in said.out and "reopened" in said.out
    assert "3 décisions ; la chaîne est valide." in run("--lang", "fr", "log", out).out


def test_a_table_for_a_spreadsheet_holds_no_formula(run: Run, out: Path) -> None:
    found = list(csv.DictReader(io.StringIO(run("log", out, "--csv").out)))
    assert [one["action"] for one in found] == ["rejected", "reopened", "approved"]
    assert found[0]["note"] == "'=the tattoo" and found[2]["note"] == "consent of 3 May"


@pytest.mark.parametrize(
    "harm", ["UPDATE decisions SET who = 'XY' WHERE number = 2", "DELETE FROM decisions WHERE number = 2"]
)
def test_a_broken_chain_says_at_which_decision(run: Run, out: Path, harm: str) -> None:
    ledger = sqlite3.connect(out / ".anonymizer" / "ledger.sqlite")
    ledger.execute(harm)
    ledger.commit()
    ledger.close()
    (*found, chain), ran = rows(run, out)
    at = 3 if harm.startswith("DELETE") else 2
    assert ran.code == 4 and (chain["chain"], chain["at"]) == ("broken", at)
    assert [one["recorded"] for one in found if int(str(one["number"])) >= at] == ["changed"] * (4 - at)
    assert found[0]["recorded"] == "valid"
    said = run("log", out)
    assert said.code == 4 and f"Decision {at}" in said.err


def test_what_another_key_signed_is_unknown_until_it_is_given(
    run: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pub = tmp_path / "pub.pem"
    assert run("key", "export", pub).code == 0
    monkeypatch.setenv(signing.VARIABLE, str(tmp_path / "elsewhere" / "key.pem"))
    (*found, chain), ran = rows(run, out)
    assert ran.code == 4 and chain["chain"] == "unknown" and {one["recorded"] for one in found} == {"unknown"}
    assert rows(run, out, "--key", pub)[1].code == 0


def test_nothing_decided_and_no_output_folder(run: Run, tmp_path: Path) -> None:
    with Session(tmp_path / "out", QUICK):
        pass
    ran = run("log", tmp_path / "out")
    assert ran.code == 0 and "0 decisions; the chain is valid." in ran.out
    assert run("log", tmp_path).code == 2
    assert run("log", tmp_path / "nowhere").code == 2
