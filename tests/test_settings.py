"""Settings: who wins, and that a mistake is named with its key and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonymizer.core.errors import ExitCode, SettingsError
from anonymizer.core.settings import Effort, Limits, Settings, TextPolicy
from anonymizer.core.settings_file import load
from anonymizer.core.types import Kind, Shape, Style


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "anonymizer.toml"


def test_flags_win_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    file.write_text('style = "pixelate"\nmargin = 1.6\ndetector = "fast"\n')
    assert load() == Settings()
    from_file = load(file)
    assert (from_file.style, from_file.margin, from_file.detector) == (Style.PIXELATE, 1.6, Effort.FAST)
    both = load(file, {"style": Style.FILL, "margin": None, "text": TextPolicy.NONE})
    assert (both.style, both.margin, both.text) == (Style.FILL, 1.6, TextPolicy.NONE)


def test_a_flag_that_says_no_wins_too(file: Path) -> None:
    file.write_text("codes = true\nkeep_name = true\n")
    both = load(file, {"codes": False, "keep_name": False})
    assert not both.codes and not both.keep_name


def test_tables_and_regions_come_from_the_file(file: Path) -> None:
    file.write_text(
        "[limits]\nmax_pixels = 1000\n\n[[regions]]\nrect = [1, 2, 3, 4]\n[[regions]]\nrect = [5, 6, 7, 8]\n"
        'kind = "face"\n'
    )
    found = load(file)
    assert found.limits == Limits(max_pixels=1000)
    assert [r.rect for r in found.regions] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    assert [r.kind for r in found.regions] == [Kind.DRAWN, Kind.FACE]


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("# a comment\nstlye = 'blur'\n", 2, "stlye", "unknown setting"),
        ("grid = 4\n\nmargin = 9\n", 3, "margin", "less than or equal to 4"),
        ("style = 'smear'\n", 1, "style", "'smear' is unknown; known are blur, pixelate, fill."),
        ("grid = 4.5\n", 1, "grid", "integer"),
        ("jpeg_quality = 5\n", 1, "jpeg_quality", "greater than or equal to 70"),
        ("grid = 8\n[limits]\n\nmax_pixels = 0\n", 4, "limits.max_pixels", "greater than 0"),
        ("[limits]\nmax_pixels = 7\npixels = 8\n", 3, "limits.pixels", "unknown setting"),
        ("[[regions]]\nrect = [0, 0, 0, 5]\n", 2, "regions.0.rect.2", "greater than 0"),
        ("[[regions]]\nrect = [0, 0, 3, 5]\ncolour = 'red'\n", 3, "regions.0.colour", "unknown setting"),
    ],
)
def test_a_mistake_is_named_with_key_and_line(file: Path, text: str, line: int, key: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    message = str(caught.value)
    assert f"{file}, line {line}: {key}: " in message
    assert said in message
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_wrong_flag_is_named_without_a_line(file: Path) -> None:
    file.write_text("margin = 1.5\n")
    with pytest.raises(SettingsError, match=r"^margin: input should be less than or equal to 4\.$"):
        load(file, {"margin": 7.0})


@pytest.mark.parametrize("content", [b"style = \n", b"\xff\xfe\x00", b"[limits"])
def test_a_file_that_does_not_parse_is_one_sentence(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="settings file"):
        load(file)


def test_a_missing_file_is_an_error_and_not_the_defaults(file: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(file)


@pytest.mark.parametrize(
    ("weak", "named"),
    [({"grid": 5}, "grid"), ({"noise": 799.9}, "noise"), ({"margin": 1.1}, "margin")],
)
def test_a_strength_below_the_safe_bound_needs_its_own_flag(weak: dict[str, float], named: str) -> None:
    with pytest.raises(SettingsError, match=f"^{named}: weaker.*--unsafe-strength.*review/"):
        load(overrides=dict(weak))
    allowed = load(overrides={**weak, "unsafe_strength": True})
    assert allowed.below_safe_bound() == [named]


def test_grid_and_noise_do_not_weaken_a_fill() -> None:
    assert load(overrides={"style": "fill", "grid": 30, "noise": 0.0}).below_safe_bound() == []


def test_a_face_has_no_quadrilateral() -> None:
    with pytest.raises(SettingsError, match=r"shape.*ellipse or a box"):
        load(overrides={"shape": Shape.QUAD})


def test_not_a_number_is_no_strength() -> None:
    """A NaN compares false with every bound, so it must not slip below one."""
    for key in ("noise", "margin"):
        with pytest.raises(SettingsError):
            load(overrides={key: float("nan")})


@pytest.mark.parametrize("rect", ["[nan, 0, 5, 5]", "[0, -inf, 5, 5]", "[0, 0, inf, 5]", "[0, 0, 5]"])
def test_a_rectangle_is_four_finite_numbers(file: Path, rect: str) -> None:
    for text in (f"keep = [{rect}]\n", f"[[regions]]\nrect = {rect}\n"):
        file.write_text(text)
        with pytest.raises(SettingsError, match="line"):
            load(file)
