"""The documentation against the code: a page that is wrong is worse than none."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from anonymizer.core.errors import ExitCode
from anonymizer.core.message import Message
from anonymizer.core.sentences import ENGLISH
from anonymizer.core.settings import Limits, Settings
from anonymizer.core.settings_file import load, with_sidecar
from anonymizer.core.types import Style

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "sample_media" / "README.md", *DOCS.glob("*.md")])
NOT_FOR_PHOTOS = {"coverage", "second-reader", "speech", "timing"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table(text: str, columns: int) -> list[list[str]]:
    """The cells of every table row with so many columns, without heads and rules."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return [row for row in rows if len(row) == columns and not row[0].startswith("---")]


def examples() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", page("settings.md"), re.DOTALL)


def test_every_setting_is_described_with_its_default() -> None:
    rows = {row[0].strip("`"): row[1].strip("`") for row in table(page("settings.md"), 5)[1:]}

    def keys(model: type[BaseModel], prefix: str) -> dict[str, object]:
        return {
            prefix + name: field.default for name, field in model.model_fields.items() if name != "limits"
        }

    expected = keys(Settings, "") | keys(Limits, "limits.")
    assert rows.keys() == expected.keys()
    for name, default in expected.items():
        if default in ((), "", None):
            assert rows[name] == "none"
        else:
            assert type(default)(tomllib.loads(f"x = {quoted(rows[name])}")["x"]) == default, name


def quoted(word: str) -> str:
    return word if re.fullmatch(r"true|false|[\d.]+", word) else f'"{word}"'


def test_the_table_of_settings_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not: python docs/settings_table.py."""
    monkeypatch.syspath_prepend(str(DOCS))
    written = importlib.import_module("settings_table").page(page("settings.md"))
    assert written == page("settings.md")


def test_the_example_settings_load(tmp_path: Path) -> None:
    file = tmp_path / "anonymizer.toml"
    file.write_text(examples()[0], encoding="utf-8")
    settings = load(file)
    assert (settings.grid, settings.limits.max_pixels) == (3, 50_000_000)
    file.write_text(examples()[2], encoding="utf-8")
    named = load(file).output_name
    assert named and f"{named.with_number(2)}.png" in page("settings.md")
    assert settings.regions[0].rect == (3400, 2900, 632, 124)


def test_the_example_of_a_photos_own_file_loads(tmp_path: Path) -> None:
    (tmp_path / "case.jpg.toml").write_text(examples()[1], encoding="utf-8")
    settings = with_sidecar(Settings(), tmp_path / "case.jpg")
    assert settings.keep_mouth
    assert settings.regions[0].rect == (120, 40, 300, 80)


def test_the_python_example_of_the_readme_names_what_there_is() -> None:
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, object] = {}
    exec("\n".join(line for line in example.splitlines() if re.match(r"from|import", line)), names)
    called = set(re.findall(r"\b([A-Za-z]\w*)\(", example)) - {"print"}
    assert called >= {"anonymize", "verify"}
    assert all(callable(names[name]) for name in called)
    assert Settings(style=Style("fill")).style is Style.FILL


def test_every_exit_code_is_described() -> None:
    rows = [(int(row[0]), row[1]) for row in table(page("exit-codes.md"), 4)[1:]]
    assert rows == [(code.value, code.name) for code in ExitCode]


def test_every_check_is_described_under_its_names() -> None:
    rows = {row[1].strip("`"): row[0] for row in table(page("verification.md"), 4)[1:]}
    names = {
        code.removeprefix("check-name."): str(Message(code)) for code in ENGLISH if "check-name." in code
    }
    assert rows == {name: names[name] for name in names if name not in NOT_FOR_PHOTOS}


def test_the_architecture_page_names_every_module_and_none_that_is_not_there() -> None:
    """A name without a folder lies in that of its row. The command line's files are named after its commands."""
    named: set[str] = set()
    for first, second in table(page("architecture.md").split("## Modules")[1].split("\n## ")[0], 2)[1:]:
        (folder,) = {path.rpartition("/")[0] for path in re.findall(r"`(\w[\w/]*/)", first)}
        named |= {
            f"{folder}/{path.rpartition('/')[2]}" for path in re.findall(r"`([\w/]+\.py)`", first + second)
        }
    package = ROOT / "src" / "anonymizer"
    there = {path.relative_to(package).as_posix() for path in package.rglob("*.py")}
    there = {path for path in there if not path.startswith("cli/") and "__" not in path}
    assert named == there


def test_no_two_classes_have_one_name() -> None:
    found: dict[str, list[str]] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name.lstrip("_"), []).append(path.relative_to(ROOT).as_posix())
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_every_dependency_is_described_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    # The runtime that a benchmark compares with, in an environment of its own: not in the lock.
    for requirement in extras.pop("mediapipe"):
        assert f"| {requirement.split('>')[0]} |" in page("dependencies.md")
    groups = [project["project"]["dependencies"], *extras.values(), *project["dependency-groups"].values()]
    said = page("dependencies.md")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for requirement in (one for group in groups for one in group):
        name = re.split(r"[\[<>=!~ ]", requirement)[0]
        pinned = re.findall(rf"^{name}==(\S+)", lock, re.MULTILINE)
        assert pinned, name
        assert name in said and pinned[0] in said, f"{name} {pinned[0]}"


def test_the_lock_names_no_host_and_every_line_has_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    packages = re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 40
    assert all("--hash=sha256:" in package for package in packages)


def test_the_only_opencv_is_the_one_that_needs_no_graphics_library() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"^(opencv\S*)==", lock, re.MULTILINE) == ["opencv-python-headless"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_calls_a_picture_anonymous(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\banonymous\b(?!\")", text, re.IGNORECASE)


@pytest.mark.parametrize("program", ["scheduler", "worker"])
def test_dask_has_every_option_that_the_page_on_scale_writes(program: str) -> None:
    command = pytest.importorskip(f"distributed.cli.dask_{program}", reason="needs anonymizer[cluster]").main
    known = {
        option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    calls = re.findall(rf"dask {program} ((?:[^\n#]|\\\n)*)", page("scale.md").replace("\\\n", " "))
    written = {option for call in calls for option in re.findall(r"--[\w-]+", call)}
    assert len(calls) == 2 and written and written <= known
