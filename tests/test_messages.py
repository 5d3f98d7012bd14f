"""A message is a code with values; each code has its sentence in every language, is said somewhere, and only it is."""

from __future__ import annotations

import ast
import importlib
import json
import pickle
import pkgutil
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polib
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anonymizer
from anonymizer.core.box import Box
from anonymizer.core.errors import AnonymizerError, MediumError
from anonymizer.core.face_parts import FacePart
from anonymizer.core.message import (
    Message,
    Value,
    as_json,
    from_json,
    packed,
    texts,
    unpacked,
    with_sentence,
)
from anonymizer.core.sentences import ENGLISH
from anonymizer.core.signing import SignatureStatus
from anonymizer.core.types import Kind, QuestionKind, Result, Style, Verdict
from anonymizer.detect.models.store import FileState, Store
from anonymizer.gate.records import APPROVED, FORGOTTEN, REJECTED, RELEASED, REOPENED, State
from anonymizer.i18n import FOLDER, PAGE, speaker
from anonymizer.report.page import trace
from anonymizer.watch.completeness import WaitReason
from anonymizer.watch.faults import OutputFault
from anonymizer.watch.status import Doing

PACKAGE = Path(anonymizer.__file__).parent
CATALOGUES = sorted(FOLDER.glob("*.po"))
FROM_ENUMERATIONS = {
    *(f"kind.{kind}" for kind in Kind),
    *(f"style.{style}" for style in Style),
    *(f"result.{result}" for result in Result),
    *(f"verdict.{verdict}" for verdict in Verdict),
    *(f"verdict.{verdict}.why" for verdict in Verdict),
    *(f"index.{verdict}" for verdict in Verdict),
    *(f"state.{state}" for state in State),
    *(f"signature.{status}" for status in SignatureStatus),
    *(f"status.{doing}" for doing in Doing),
    *(f"watch.outcome.{verdict}" for verdict in Verdict),
    *(f"ask.{kind}{hidden}" for kind in QuestionKind for hidden in ("", ".hidden")),
    *(f"model.state.{state}" for state in FileState),
    *(f"model.purpose.{entry.name}" for entry in Store().entries() if entry.kind != "plugin"),
    *(f"cli.{stage}" for stage in ("searching", "hiding", "checking")),
    *(f"report.kind.{kind}" for kind in ("photo", "clip")),
    *(f"report.{action}" for action in ("approved", "rejected")),
    *(f"report.by-hand.{what}" for what in ("drawn", "dismissed", "kept", "mouth")),
    *(
        f"{kept}.{why}"
        for kept in ("key", "noise")
        for why in ("in-output", "is-folder", "readable", "unusable")
    ),
    *(f"part.{part}" for part in FacePart),
    *(f"report.month.{month}" for month in range(1, 13)),
    *(f"report.{column}" for column in ("number", "kind", "drawn", "seconds", "found-by")),
    *(f"log.{head}" for head in ("number", "when", "what", "who", "file", "source", "changed", "note")),
    *(f"log.action.{action}" for action in (APPROVED, REJECTED, REOPENED, RELEASED, FORGOTTEN)),
    *WaitReason,
    *OutputFault,
}
"""Codes that are put together, from what."""
CHECK_NAMES = re.compile(r"check-(name|why)\.")
TRACES = re.compile(r"trace\.")


def forms(code: str) -> tuple[str, ...]:
    found = ENGLISH[code]
    return (found,) if isinstance(found, str) else found


def places(text: str) -> set[str]:
    """The places of a sentence, each with the form that a number takes there."""
    return {f"{name}:{spec}" for _, name, spec, _ in string.Formatter().parse(text) if name is not None}


def names(code: str) -> set[str]:
    return {place.partition(":")[0] for text in forms(code) for place in places(text)}


@cache
def trees() -> dict[str, ast.Module]:
    """The program's own modules, but for the table itself, by their path."""
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "sentences.py"
    }


@cache
def speaking() -> set[str]:
    """The names by which a message is made from a code: errors, Message itself, and what speaks it."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "anonymizer."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(kind: type) -> set[str]:
        return {kind.__name__} | {name for sub in kind.__subclasses__() for name in below(sub)}

    return below(AnonymizerError) | {"Message", "say", "_say"}


def said() -> Iterator[tuple[str, str, set[str] | None]]:
    """Every code that the code names where it makes a message, where, and with which values; None for those that are
    put together elsewhere."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0].value
            if name in speaking() and isinstance(code, str):
                given = {one.arg for one in node.keywords}
                yield code, f"{path}:{node.lineno}", None if None in given else {str(one) for one in given}


def named() -> set[str]:
    """Every text of the program that is a code, and those that its templates speak."""
    texts = {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for template in PACKAGE.rglob("templates/*.html"):
        texts |= set(re.findall(r'"([a-z0-9.-]+)"', template.read_text(encoding="utf-8")))
    return texts & set(ENGLISH)


def test_every_code_that_is_said_is_in_the_table_with_these_very_values() -> None:
    unknown = [f"{where}: {code}" for code, where, _ in said() if code not in ENGLISH]
    assert unknown == []
    wrong = [
        f"{where}: {code} is said with {sorted(given)}, its sentence has {sorted(names(code))}"
        for code, where, given in said()
        if given is not None and given != names(code) | (given & {"count"})
    ]
    assert wrong == []


def test_every_code_of_the_table_is_said() -> None:
    assert set(ENGLISH) >= FROM_ENUMERATIONS
    unsaid = set(ENGLISH) - named() - FROM_ENUMERATIONS
    assert {code for code in unsaid if not CHECK_NAMES.match(code) and not TRACES.match(code)} == set()


def test_every_check_has_a_name_and_every_trace_its_words() -> None:
    checks = {
        node.args[0].value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
        if isinstance(node.args[0], ast.Constant)
    } | {"canaries", "dicom-canaries"}
    assert checks and {f"check-name.{name}" for name in checks} == {
        code for code in ENGLISH if code.startswith("check-name.")
    }
    assert all(
        code.replace("-why.", "-name.") in ENGLISH for code in ENGLISH if code.startswith("check-why.")
    )
    reading = {
        trace(node.value).code
        for path, tree in trees().items()
        if path.startswith("read/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {code for code in ENGLISH if TRACES.match(code)} <= reading
    told = [
        node.args[0].value
        for path, tree in trees().items()
        if path.startswith("read/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "kind" and node.args
        if isinstance(node.args[0], ast.Constant)
    ]
    assert len(told) > 20 and [kind for kind in told if trace(kind).code not in ENGLISH] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_every_code_has_a_whole_sentence_with_the_same_places_in_every_language(path: Path) -> None:
    entries = polib.pofile(str(path))
    own = {entry.msgctxt: entry for entry in entries if not (entry.msgctxt or PAGE).startswith(PAGE)}
    assert set(own) == set(ENGLISH) and len(own) == len([e for e in entries if e.msgctxt in own])
    for code, entry in own.items():
        english = forms(code)
        # Whoever rewords an English sentence sees here which translations have to be looked at.
        assert (entry.msgid, entry.msgid_plural) == (english[0], english[1] if len(english) > 1 else ""), code
        translated = [*entry.msgstr_plural.values()] if len(english) > 1 else [entry.msgstr]
        assert all(text.strip() for text in translated), code
        assert {place for text in translated for place in places(text)} == {
            place for text in english for place in places(text)
        }, code
        for text in translated:
            assert " " not in text or (text[-1:] == ".") is (english[-1][-1:] == "."), code


@pytest.mark.parametrize("code", ENGLISH)
def test_a_sentence_is_one_or_a_pair_for_a_count(code: str) -> None:
    found = ENGLISH[code]
    assert isinstance(found, str) or (len(found) == 2 and "count" in names(code))
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*", code)


def test_a_sentence_is_made_from_the_values_in_the_language_of_the_reader() -> None:
    one, many = Message("clip.frames-retimed", count=1), Message("clip.frames-retimed", count=12)
    assert str(one) == "1 frame had no usable time; it was given one."
    assert str(many) == "12 frames had no usable time; they were given one."
    french = speaker("fr")
    assert french(one).startswith("1 image n'avait") and french(many).startswith("12 images n'avaient")
    assert french(Message("clip.frames-retimed", count=0)).startswith("0 image n'avait"), (
        "0 is singular there"
    )
    assert french("report.title") == "Rapport de vérification"
    assert speaker("xx")("report.title") == speaker("")("report.title") == "Verification report"


def test_names_and_numbers_come_through_as_they_are() -> None:
    path = Path("/tmp/Ärzte {0} {count}/a letter of Jane")
    said = Message("path.missing", path=path)
    assert str(said) == f"{path} does not exist; check the path."
    assert speaker("fr")(said) == f"{path} n'existe pas ; vérifiez le chemin."


def test_a_box_and_a_moment_are_values_and_stand_in_a_sentence() -> None:
    where = Message("ask.at-moment", box=Box(10.4, -4.26, 30, 40), seconds=3.2345)
    said = Message("ask.face", where=where)
    assert str(said) == (
        "There may be a face 3.2 s into the clip, at x 10, y -4, 30 by 40 pixels: please look."
    )
    assert "visage" in speaker("fr")(said) and "30 sur 40 pixels" in speaker("fr")(said)
    assert set(texts(said)) == {"3.2345", "10.4", "-4.26", "30", "40"}


def test_a_sentence_that_begins_with_another_message_begins_with_a_capital() -> None:
    searched = Message("road.searched.one")
    said = Message(
        "check.residual.found", searched=searched, kinds=[Message("kind.face"), Message("kind.text")]
    )
    assert str(said) == "One search of the output still found outside the redacted regions: face, text."


def test_an_error_is_its_message_and_is_told_within_another() -> None:
    error = MediumError("clip.too-long", seconds=1200.0)
    assert str(error) == str(error.message) and "1200 s" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is MediumError and again.message == error.message
    assert str(Message("batch.fails", why=error)) == f"fails: {error}"
    assert MediumError(error.message).message is error.message


values = st.recursive(
    st.text()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.builds(Box, *[st.floats(allow_nan=False)] * 4),
    lambda inner: st.lists(inner, max_size=3) | st.builds(lambda value: Message("x", it=value), inner),
    max_leaves=6,
)


@given(st.text(), st.dictionaries(st.text(), values, max_size=4))
def test_a_message_survives_json_the_ledger_and_other_processes(code: str, given: dict[str, Value]) -> None:
    said = Message(code, **given)
    assert from_json(json.loads(json.dumps(as_json(said)))) == said
    assert unpacked(packed([said, said])) == (said, said) and unpacked(packed([])) == ()
    again = pickle.loads(pickle.dumps(said))
    assert again == said and hash(again) == hash(said)
    # Whatever it is, saying it does not fail: an error is told last.
    assert code in ENGLISH or (code in str(said) and code in speaker("fr")(said))


def test_what_a_program_reads_has_the_sentence_too() -> None:
    said = with_sentence(Message("clip.too-many-frames"))
    assert said == {
        "code": "clip.too-many-frames",
        "values": {},
        "text": "The clip has more frames than the limit; cut it into parts.",
    }
    assert from_json(said) == Message("clip.too-many-frames")


@pytest.mark.parametrize(
    "wrong",
    [None, 7, [], {}, {"code": "x"}, {"code": 1, "values": {}}, {"code": "x", "values": {}, "more": 1},
     {"code": "x", "values": {"a": None}}, {"code": "x", "values": {"a": {"x": 1, "y": 2, "w": "3", "h": 4}}}],
)  # fmt: skip
def test_what_is_no_message_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        from_json(wrong)


def test_messages_within_messages_end_somewhere() -> None:
    deep: object = "x"
    for _ in range(30):
        deep = {"code": "x", "values": {"it": deep}}
    with pytest.raises(ValueError, match="nested too deeply"):
        from_json(deep)


def test_values_of_the_wrong_kind_are_told_all_the_same() -> None:
    """A report of another version, or one that somebody wrote, is shown and breaks nothing."""
    assert str(Message("clip.too-long", seconds="long")) == "clip.too-long (seconds = long)"
    assert str(Message("clip.too-long")) == "clip.too-long"
    assert str(Message("nobody.knows", it=3)) == "nobody.knows (it = 3)"
    assert str(from_json("A sentence of a report of version 1.")) == "A sentence of a report of version 1."
