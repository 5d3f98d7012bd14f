"""Names by a person's template: what they are made of, that none comes again, that none says anything of a source."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anonymizer.core.errors import SettingsError
from anonymizer.core.output_name import output_name
from anonymizer.core.settings import Settings
from anonymizer.core.settings_file import load
from anonymizer.gate.folder import Gate
from anonymizer.gate.records import State
from anonymizer.road.fingerprint import fingerprint
from anonymizer.road.pipeline import Session
from conftest import QUICK


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"template": "{number}"}, "7"),
        ({"template": "{date}-{number}", "date": "2026-11"}, "2026-11-7"),
        ({"template": "{date}_{case} {number:03}", "date": "2026", "case": "Implant Été"}, "2026-implant-ete-007"),
        ({"template": "Case{number}b"}, "case7b"),
        ({"template": "{date}-{number}", "date": "today"}, f"{datetime.date.today().isoformat()}-7"),
    ],
)  # fmt: skip
def test_a_name_is_made_of_what_a_person_gave(given: dict[str, str], name: str) -> None:
    form = output_name(**given)
    assert form is not None and form.with_number(7) == name
    assert form.number_of(name) == 7
    assert form.number_of(name + "x") == form.number_of("x") == form.number_of("") == 0
    assert output_name("") is None


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"name": "x"}, "settings.name-number", "{number}"),
        ({"name": "{number}-{number}"}, "settings.name-number", "once"),
        ({"name": "{original}-{number}"}, "settings.name-field", "Nothing of the original"),
        ({"name": "{number.real}"}, "settings.name-field", "{number.real}"),
        ({"name": "{number:x}"}, "settings.name-braces", "brace"),
        ({"name": "{number"}, "settings.name-braces", "brace"),
        ({"name": "{number}}"}, "settings.name-braces", "brace"),
        ({"name": "../{number}"}, "settings.name-characters", "../"),
        ({"name": "-{number}"}, "settings.name-characters", "beginning"),
        ({"name": "{number}\0"}, "settings.name-characters", ""),
        ({"name": "лицо{number}"}, "settings.name-characters", "лицо"),
        ({"name": "{case}{number}", "case": "a.b"}, "settings.name-characters", "case: 'a.b'"),
        ({"name": "x" * 61 + "{number}"}, "settings.name-long", "60"),
        ({"name": "LPT{number}"}, "settings.name-reserved", "lpt1"),
        ({"name": "{date}-{number}", "date": "30.11.2026"}, "settings.name-date", "2026-11-30"),
        ({"name": "{date}-{number}", "date": "2026-02-30"}, "settings.name-date", "no date"),
        ({"name": "{date}-{number}"}, "settings.name-no-value", "--date"),
        ({"name": "{number}", "case": "a"}, "settings.name-unused", "{case}"),
        ({"date": "2026"}, "settings.name-unused", "{date}"),
        ({"name": "{number}", "keep_name": True}, "settings.name-kept", "exclude"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_has_its_sentence(given: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(None, given)
    assert caught.value.message.code == code and said in str(caught.value)


def test_a_label_that_is_known_of_the_case_is_refused(tmp_path: Path) -> None:
    settings = Settings(name="{case}-{number}", case="Müster", known=("Anna Muster",))
    with pytest.raises(SettingsError, match="comes close"):
        settings.checked()


def photo(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(60, 190, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def named(settings: Settings, **update: str) -> Settings:
    return settings.model_copy(update=update)


def test_no_name_comes_again(tmp_path: Path) -> None:
    settings = named(QUICK, name="{case}-{number}", case="implant")
    out = tmp_path / "out"
    (out / "ready").mkdir(parents=True)
    # Somebody's own file, of another kind: its name is not taken either.
    (out / "ready" / "Implant-2.pdf").touch()
    with Session(out, settings) as session:
        names = [session.run(photo(tmp_path / f"{seed}.png", seed)).output for seed in range(3)]
        assert [one.name for one in names if one] == ["implant-1.png", "implant-3.png", "implant-4.png"]
        (first, _, last) = session.gate.ledger.entries()
        # What was replaced, and what is gone, keeps its number; so does what another run has just begun.
        session.gate.retire(last.id)
        assert not session.gate.ledger.reserve(first.id, "implant-4.jpg", True)
        with Gate(out) as other:
            form = settings.output_name
            assert form is not None
            id = other.begin("/x.jpg", "s")
            assert other.take_number(id, form, "jpg") == "implant-5.jpg"
            assert session.run(photo(tmp_path / "9.jpg", 9)).output == out / "review" / "implant-6.jpg"
            assert other.take_number(other.begin("/y.jpg", "s"), form, "mp4") == "implant-7.mp4"
        # Another label has numbers of its own.
        session.worker.settings = named(settings, case="Bridge")
        outcome = session.run(photo(tmp_path / "10.jpg", 10))
        assert outcome.output == out / "review" / "bridge-1.jpg"
        assert outcome.report is not None
        report = json.loads(outcome.report.with_suffix(".json").read_bytes())
        assert report["medium"]["name"] == "bridge-1.jpg" and report["settings"]["case"] == "Bridge"
        assert "notes.name-given" in [note["code"] for note in report["notes"]]
    assert fingerprint(settings) == fingerprint(QUICK), "a name is no reason to do something again"


@pytest.mark.parametrize("where", ["Muster_Anna/1.jpg", "Muster.jpg", "x/Anna.jpg", "exif"])
def test_a_label_out_of_the_original_is_not_used(tmp_path: Path, where: str) -> None:
    path = photo(tmp_path / ("x.jpg" if where == "exif" else where), 1)
    if where == "exif":
        exif = Image.Exif()
        exif[0x013B] = "Dr Muster"
        Image.open(path).save(path, exif=exif)
    settings = named(QUICK, name="{case}-{number}", case="muster-anna")
    with Session(tmp_path / "out", settings) as session:
        outcome = session.run(path)
        assert outcome.output and outcome.output.stem == outcome.id
        (entry,) = session.gate.ledger.entries(State.REVIEW)
    assert outcome.report is not None
    text = outcome.report.with_suffix(".json").read_text().casefold()
    report = json.loads(text)
    assert "muster" not in text and "anna" not in text
    assert "notes.name-not-given" in [note["code"] for note in report["notes"]]
    assert all(check["result"] != "fail" for check in report["checks"]), "it can be approved"
    assert entry.name == outcome.output.name
