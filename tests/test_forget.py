"""What goes by age, and what never does; and the backup of the key."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from anonymizer.core import key_backup, noise_secret
from anonymizer.core import signing as sign
from anonymizer.core.errors import UsageError
from anonymizer.gate import forgetting
from anonymizer.gate.decisions import approve, reject
from anonymizer.gate.folder import Gate
from anonymizer.gate.forgetting import forget, forgettable, moment
from anonymizer.gate.records import Sighting, State, now
from anonymizer.release.ledger_check import chain_flaws
from conftest import FAST, SAMPLES, Ran

Run = Callable[..., Ran]
LATER = "9999-01-01T00:00:00+00:00"
PASSPHRASE = "zwölf graue Elefanten"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where :func:`out` is made for the first of the tests, which take copies of it."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def out(tmp_path: Path, made: Path, run: Run) -> Path:
    """Three media: one approved, one rejected whose original was dropped on the page, one that waits."""
    sources = [made / name for name in ("meyer.jpg", "schulz.jpg", "x.jpg")]
    if not sources[0].exists():
        for source, sample in zip(sources, ("no-face", "close-up-mask", "group"), strict=True):
            shutil.copy(SAMPLES / f"{sample}.jpg", source)
        assert run("blur", *sources, "--out", made / "out", *FAST).code == 3
        with Gate(made / "out") as gate:
            first, second, _ = gate.ledger.entries()
            approve(gate, first.id, "AB")
            reject(gate, second.id, "AB")
    out = Path(shutil.copytree(made / "out", tmp_path / "out"))
    dropped = out / ".anonymizer" / "inbox" / ("a" * 20) / "schulz.jpg"
    dropped.parent.mkdir(parents=True)
    shutil.copy(sources[1], dropped)
    with Gate(out) as gate:
        gate.ledger.update(gate.ledger.entries()[1].id, source=os.fsencode(dropped))
    return out


def test_what_is_settled_goes_and_the_chain_tells(out: Path) -> None:
    with Gate(out) as gate:
        settled = gate.ledger.entries()[0]
        gate.ledger.sight(Path("/elsewhere/meyer-again.jpg"), Sighting(settled.sha256, 1, 1, settled.id))
        chosen = forgettable(gate, LATER)
        assert [(one.entry.state, one.original, one.output, one.link) for one in chosen] == [
            (State.READY, False, False, True),
            (State.REJECTED, True, True, True),
        ]
        assert forgettable(gate, "2020-01-01T00:00:00+00:00") == []
        assert forget(gate, chosen, "CD") == 2
        gate.ledger.wipe(LATER)
        ready, rejected, waits = gate.ledger.entries()
        assert (ready.state, rejected.state, waits.state) == (State.READY, State.FORGOTTEN, State.REVIEW)
        assert waits.source.name == "x.jpg" and ready.source == rejected.source == Path()
        assert [one.action for one in gate.ledger.decisions()][2:] == ["forgotten", "forgotten"]
        assert json.loads(gate.ledger.decisions(rejected.id)[-1].changes) == {
            "originals": 1,
            "outputs": 1,
            "links": 1,
        }
        assert list(chain_flaws(gate, gate.public_keys)) == []
        assert forgettable(gate, LATER) == [], "once is enough"
        objection = gate.ledger.objection(rejected.sha256)
        assert objection and objection.action == "rejected", "what was rejected stays so"
    private = out / ".anonymizer"
    assert not any((private / "rejected").iterdir()) and not any((private / "inbox").iterdir())
    assert len(list((out / "ready").iterdir())) == 1 and len(list((out / "reports").glob("*.json"))) == 2
    ledger = b"".join(path.read_bytes() for path in private.glob("ledger.sqlite*"))
    assert b"meyer" not in ledger and b"schulz" not in ledger and b"x.jpg" in ledger


def test_the_same_picture_stays_rejected(out: Path, tmp_path: Path, run: Run) -> None:
    with Gate(out) as gate:
        forget(gate, forgettable(gate, LATER))
    again = shutil.copy(SAMPLES / "close-up-mask.jpg", tmp_path / "again.jpg")
    ran = run("batch", again, "--out", out, "--json", *FAST)
    assert ran.code == 4 and "rejected" in ran.out
    assert not any(path.name == "again.jpg" for path in (out / "ready").iterdir())


def test_what_was_taken_back_meanwhile_stays(out: Path) -> None:
    with Gate(out) as gate:
        chosen = forgettable(gate, LATER)
        gate.ledger.update(chosen[1].entry.id, state=State.REVIEW)
        assert forget(gate, chosen) == 1
    assert any((out / ".anonymizer" / "inbox").iterdir())


def test_an_original_that_a_correction_still_needs_stays(out: Path) -> None:
    with Gate(out) as gate:
        rejected = forgettable(gate, LATER)[1].entry
        id = gate.begin(rejected.source, "x", rejected.id)
        gate.ledger.finish(id, State.REVIEW)
        assert [one.entry.state for one in forgettable(gate, LATER)] == [State.READY]


def test_nobody_is_asked_and_nothing_goes(out: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is no age" in run("forget", out, "--older", "soon").err
    assert run("forget", out, "--older", "1d", "--yes").out.count("nothing was settled") == 1
    monkeypatch.setattr(forgetting, "moment", lambda age: LATER)
    ran = run("forget", out, "--older", "1d")
    assert ran.code == 2 and "--yes" in ran.err
    assert run("forget", out, "--older", "1d", "--yes", "--lang", "fr").out.count("pour de bon") == 1
    assert "forgotten" in run("log", out).out


def test_ages() -> None:
    assert moment("0d") <= now() and moment("1y") < moment("90d") < moment("12w") < moment("1d")


def test_the_doctor_says_which_version_wrote_a_folder(out: Path, run: Run) -> None:
    def said() -> str:
        found = [json.loads(line) for line in run("doctor", out, "--json").out.splitlines()]
        return next(one["said"] for one in found if one["what"] == "folder")

    assert "by this version" in said()
    with Gate(out) as gate:
        for entry in gate.ledger.entries():
            gate.ledger.update(entry.id, settings="99.0.0/" + entry.settings.partition("/")[2])
    assert "99.0.0, newer than this one" in said()


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workstation of its own, without a key so far."""
    monkeypatch.setenv(sign.VARIABLE, str(tmp_path / "first" / sign.FILE))
    monkeypatch.setenv(noise_secret.VARIABLE, str(tmp_path / "first" / noise_secret.FILE))
    monkeypatch.setattr(key_backup, "COST", 1 << 10)
    return tmp_path


def test_a_new_workstation_signs_with_the_old_key(
    own: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anonymizer.cli.key._passphrase", lambda new: PASSPHRASE)
    backup = own / "backup.json"
    assert run("key", "export", backup, "--private").code == 0
    assert backup.stat().st_mode & 0o777 == 0o600
    id, secret = sign.own_key().id, noise_secret.own_secret()
    assert secret.hex() not in backup.read_text() and "PRIVATE" not in backup.read_text()
    monkeypatch.setenv(sign.VARIABLE, str(own / "second" / sign.FILE))
    monkeypatch.setenv(noise_secret.VARIABLE, str(own / "second" / noise_secret.FILE))
    assert id in run("key", "import", backup).out
    assert (sign.own_key().id, noise_secret.own_secret()) == (id, secret)
    assert sign.key_path().stat().st_mode & 0o777 == 0o600
    assert run("key", "import", backup).code == 0, "the same once more changes nothing"


def test_a_backup_opens_for_nobody_else_and_overwrites_nothing(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="at least 12"):
        key_backup.sealed("short")
    content = key_backup.sealed(PASSPHRASE)
    with pytest.raises(UsageError, match="does not open"):
        key_backup.restored(content, PASSPHRASE + "!")
    changed = json.loads(content) | {"id": "0" * 32}
    with pytest.raises(UsageError, match="was changed"):
        key_backup.restored(json.dumps(changed).encode(), PASSPHRASE)
    with pytest.raises(UsageError, match="not a backup"):
        key_backup.restored(b"-----BEGIN PRIVATE KEY-----", PASSPHRASE)
    monkeypatch.setenv(sign.VARIABLE, str(own / "other" / sign.FILE))
    other = sign.own_key().id
    with pytest.raises(UsageError, match="another one"):
        key_backup.restored(content, PASSPHRASE)
    assert sign.own_key().id == other
