"""Another language is one file: every sentence is in it, and what varies comes through."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polib
import pytest
from PIL import Image

import anonymizer
from anonymizer.core.errors import UsageError
from anonymizer.gate.records import State
from anonymizer.i18n import FOLDER, chosen, languages, speaker
from anonymizer.report import page
from anonymizer.watch.completeness import WaitReason
from anonymizer.watch.status import Doing
from conftest import FAST, Ran

PACKAGE = Path(anonymizer.__file__).parent
PLACE = re.compile(r"\{\w*\}")
CATALOGUES = sorted(FOLDER.glob("*.po"))
NOT_SAID = ("SELECT", "UPDATE", "DELETE", "WHERE")
"""SQL looks like sentences."""
HELP = "main.py"
"""Help texts stay English."""


def template(node: ast.expr) -> str | None:
    """A string as the catalogue has it: places numbered."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts, count = [], 0
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts.append(str(value.value))
            else:
                parts.append(f"{{{count}}}")
                count += 1
        return "".join(parts)
    return None


def sentences() -> Iterator[tuple[str, str]]:
    """Every sentence in the code that a person may read, with its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name in (HELP, "sentences.py"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inner = {id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values}
        for node in ast.walk(tree):
            text = template(node) if isinstance(node, ast.expr) else None
            if not text or id(node) in alone | inner or len(text) <= 15 or " " not in text.strip():
                continue
            like = text.rstrip()[-1:] in (".", "?") and (text[0].isupper() or text[0] == "{")
            if like and not text.startswith(NOT_SAID):
                yield path.name, text


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_every_sentence_is_in_every_catalogue(path: Path) -> None:
    known = {entry.msgid for entry in polib.pofile(str(path)) if entry.msgstr}
    assert [f"{module}: {text}" for module, text in sentences() if text not in known] == []
    words = [*page.CHECKS.values(), *page.MEANINGS.values(), *page.KINDS.values(), page.FOOTER]
    words += [*WaitReason, *State, "nothing yet", *(f"{doing.capitalize()} since {{0}}." for doing in Doing)]
    words += [text for pair in page.VERDICTS.values() for text in pair]
    assert [word for word in words if word not in known] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_every_translation_has_the_same_places_and_end(path: Path) -> None:
    for entry in polib.pofile(str(path)):
        assert sorted(PLACE.findall(entry.msgid)) == sorted(PLACE.findall(entry.msgstr)), entry.msgid
        if " " in entry.msgid:
            assert (entry.msgid[-1] == ".") is (entry.msgstr[-1] == "."), entry.msgid


def test_names_and_numbers_come_through() -> None:
    say = speaker("fr")
    assert (
        say("/tmp/Ärzte {0}/x does not exist; check the path.")
        == "/tmp/Ärzte {0}/x n'existe pas ; vérifiez le chemin."
    )
    named = say("/tmp/a letter of Jane does not exist; check the path.")
    assert named == "/tmp/a letter of Jane n'existe pas ; vérifiez le chemin."
    inner = say(
        "The report itself: None of 48 strings from the source's metadata, name and folders is in it."
    )
    assert "48" in inner
    two = say("Faces were not looked for, as requested. There was nothing to hide.")
    assert two == "Les visages n'ont pas été cherchés, comme demandé. Il n'y avait rien à masquer."
    assert say("something nobody translated") == "something nobody translated"
    assert speaker("en")("Ready to publish") == "Ready to publish"


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
    assert report["reasons"] == ["Faces were not looked for, as requested."]
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
