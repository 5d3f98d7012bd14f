"""The mutation check itself: it forgets no module, its table is true, and what it puts in place is what runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mutants
from mutants import EXPLAINED, PACKAGE, ROOT, TESTS
from mutants import mutants as mutants_of

PACKAGES = ("verify", "gate", "redact", "track")


def text_of(module: str) -> str:
    return (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_with_something_to_break_stands_in_the_table(package: str) -> None:
    folder = ROOT / PACKAGE / package
    found = {str(path.relative_to(ROOT / PACKAGE).with_suffix("")) for path in folder.rglob("*.py")}
    assert {module for module in found if any(mutants_of(module, text_of(module)))} == {
        module for module in TESTS if module.startswith(f"{package}/")
    }


def test_every_test_file_of_the_table_is_there() -> None:
    assert {name for names in TESTS.values() for name in names} <= {
        path.stem for path in (ROOT / "tests").glob("test_*.py")
    }


def test_every_explanation_is_of_a_mutant_that_there_is() -> None:
    names = [one.name for module in TESTS for one in mutants_of(module, text_of(module))]
    assert len(set(names)) == len(names), "a name says which one"
    for patterns in EXPLAINED.values():
        for pattern in patterns:
            assert any(mutants.is_like(name, pattern) for name in names), f"nothing is like {pattern}"


MODULE = '''
def plain(a: int, b: int) -> bool:
    """Whether both are in order."""
    return 0 <= a < b and b != 7


class Thing:
    @property
    def size(self) -> int | None:
        return self.made() if self else None

    @staticmethod
    def made() -> list[int]:
        return [n for n in range(3) if n > 1]
'''


def test_what_is_turned() -> None:
    assert [one.name.partition(" ")[2] for one in mutants_of("m", MODULE)] == [
        "returns True",
        "returns False",
        "«0 <= a < b and b != 7» as «0 <= a < b or b != 7»",
        "«0 <= a < b» as «0 < a < b»",
        "«0 <= a < b» as «0 <= a <= b»",
        "«b != 7» as «b == 7»",
        "returns None",
        "if «self» as «not self»",
        "returns []",
        "«n > 1» as «n >= 1»",
    ]
    for one in mutants_of("m", MODULE):
        assert ast.dump(ast.parse(one.text)) != ast.dump(ast.parse(MODULE))
    assert not list(mutants_of("m", "def f() -> bool:\n    return True"))
    assert mutants.is_like("m:f «(a)» as «b»", "m:f «a»*") and not mutants.is_like("m:g «a»", "m:f «a»*")


def test_a_mutant_is_what_runs_once_it_is_in_place(tmp_path: Path) -> None:
    place = tmp_path / "module_to_break.py"
    place.write_text(MODULE)
    made: dict[str, object] = {}
    exec(compile(MODULE, str(place), "exec"), made)
    plain, thing = made["plain"], made["Thing"]
    assert callable(plain) and callable(thing)
    assert plain(0, 1) and not plain(0, 7) and thing().size == [2]
    standing = mutants.standing_functions(place)
    by_name = {one.name: one.text for one in mutants_of("m", MODULE)}
    for name, answers in (
        ("m:plain «0 <= a < b» as «0 < a < b»", (False, False, [2])),
        ("m:plain «b != 7» as «b == 7»", (False, True, [2])),
        ("m:Thing.made «n > 1» as «n >= 1»", (True, False, [1, 2])),
        ("m:Thing.size if «self» as «not self»", (True, False, None)),
    ):
        mutants.put_in_place(standing, MODULE, by_name[name])
        assert (plain(0, 1), plain(0, 7), thing().size) == answers, name
        mutants.put_in_place(standing, MODULE, MODULE)
        assert (plain(0, 1), plain(0, 7), thing().size) == (True, False, [2])


def test_a_mark_notes_which_test_came_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = mutants.marked("m", MODULE)
    marks = tmp_path / "marks.txt"
    monkeypatch.setenv(mutants.MARKS, str(marks))
    monkeypatch.setattr(mutants, "_touched", set())
    made: dict[str, object] = {}
    exec(compile(marked, "marked", "exec"), made)
    thing = made["Thing"]
    assert callable(thing)
    assert thing().size == thing().size == [2]
    here = "tests/test_mutants.py::test_a_mark_notes_which_test_came_by (call)"
    assert marks.read_text().splitlines() == [f"m:Thing.size\t{here}", f"m:Thing.made\t{here}"]
