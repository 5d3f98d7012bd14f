"""Which language is spoken, and that a run speaks it to people and English to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from anonymizer.core.errors import UsageError
from anonymizer.core.message import Message
from anonymizer.detect.models.store import Store
from anonymizer.i18n import chosen, languages
from conftest import FAST, Ran, sentences


def test_the_language_is_the_one_asked_for_or_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "fr_CH.UTF-8")
    assert chosen() == "fr" and chosen("en") == "en"
    monkeypatch.setenv("LANG", "xx_XX")
    assert chosen() == "en"
    with pytest.raises(UsageError, match="--lang xx"):
        chosen("xx")
    assert {"en", "fr"} <= set(languages())


def test_a_french_run_speaks_french_to_people_and_english_to_programs(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 48), (90, 120, 150)).save(tmp_path / "a.jpg")
    out = tmp_path / "out"
    ran = run("--lang", "fr", "blur", tmp_path / "a.jpg", "--out", out, *FAST)
    assert ran.code == 3 and "Les visages n'ont pas été cherchés" in ran.out and "à vérifier" in ran.out
    (data,) = (out / "reports").glob("*.json")
    report = json.loads(data.read_bytes())
    assert sentences(report["reasons"]) == ["Faces were not looked for, as requested."]
    text = data.with_suffix(".html").read_text(encoding="utf-8")
    assert (
        '<html lang="fr">' in text
        and "Rapport de vérification" in text
        and "À vérifier par une personne" in text
    )
    missing = run("--lang", "fr", "blur", tmp_path / "b.jpg")
    assert missing.code == 2 and "n'existe pas" in missing.err
    wrong = run("--lang", "xx", "doctor")
    assert wrong.code == 2 and "--lang xx" in wrong.err


def test_the_models_are_told_in_french_too(run: Callable[..., Ran]) -> None:
    for entry in Store().entries():
        assert entry.kind == "plugin" or str(Message(f"model.purpose.{entry.name}")) == entry.purpose
    told = run("--lang", "fr", "models", "list").out
    assert "Trouve les visages : le détecteur principal." in told and "Finds" not in told
    assert "Finds faces: the main detector." in run("--lang", "fr", "models", "list", "--json").out
