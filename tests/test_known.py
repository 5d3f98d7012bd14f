"""What a practice knows of a case is recognised in readings with a reader's mistakes, and in bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonymizer.core.errors import SettingsError
from anonymizer.core.known import KnownNames, parsed, read
from anonymizer.core.settings import Settings
from anonymizer.core.types import Traces
from anonymizer.road.fingerprint import with_settings
from anonymizer.road.known import known_check, traces_with
from anonymizer.verify.canary import hits

CASE = parsed(
    "Jürgen Müller-Okonkwo\n1988-05-15\n64489869\nA-6904777\n\n# a remark\nÖz\n".replace("Öz\n", "")
)


@pytest.mark.parametrize(
    "reading",
    [
        "Name: JURGEN",
        "Muller",
        "Mu11er, J.",
        "MULLERJURGEN",
        "Okonkw0",
        "15.05.1988",
        "5/15/88",
        "1988 05 15",
        "15 May 1988",
        "le 15 mai 1988",
        "geb. 15.O5.1988",
        "19880515",
        "150588",
        "ID 64489869",
        "6448 9869",
        "644B9869",
        "A 690 4777",
    ],
)
def test_a_reading_that_comes_close_is_known(reading: str) -> None:
    assert CASE.near(reading)


@pytest.mark.parametrize(
    "reading",
    [
        "",
        "R",
        "10 cm",
        "Anna Schneider",
        "15.06.1988",
        "1988",
        "May 15",
        "64480000",
        "KODAK 5063",
        "mm 12 13 14",
    ],
)
def test_what_names_nobody_of_the_case_is_not(reading: str) -> None:
    assert not CASE.near(reading)


def test_a_short_name_must_stand_as_a_word() -> None:
    known = parsed("Anna Ott")
    assert known.near("Fr. Ott") and known.near("OTT, A")
    assert not known.near("botte") and not known.near("Out of focus")


def test_a_date_that_may_be_two_days_is_looked_for_as_both() -> None:
    known = parsed("3/4/1961")
    assert known.near("1961-03-04") and known.near("4 March 1961") and known.near("3. April 1961")


def test_spellings_are_those_that_files_hold() -> None:
    forms = CASE.spellings()
    assert {"Müller", "MULLER", "okonkwo", "15.05.1988", "19880515", "64489869", "a6904777"} <= forms


def test_nothing_of_it_is_shown() -> None:
    assert "ller" not in repr(CASE) and "1988" not in str(CASE)


def test_a_file_is_read_and_a_wrong_one_named_but_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "case.txt"
    file.touch(mode=0o600)
    file.write_bytes("\ufeffErika Beispiel\r\n\r\n# born\r\n1.2.1970\r\n".encode())
    assert len(read(file).entries) == 2
    file.write_text("Erika Beispiel\nab\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="Line 2") as told:
        read(file)
    assert "Erika" not in str(told.value)
    file.write_bytes(b"\x89PNG\0\0")
    with pytest.raises(SettingsError, match=r"case\.txt"):
        read(file)
    with pytest.raises(SettingsError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_no_names_are_near_nothing() -> None:
    assert not KnownNames() and not KnownNames().near("Erika Beispiel")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "case.txt"
    file.write_text("Erika Beispiel", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        read(file)


def test_settings_take_the_file_and_no_dump_of_them_holds_what_stood_in_it(tmp_path: Path) -> None:
    file = tmp_path / "case.txt"
    file.touch(mode=0o600)
    file.write_text("Erika Beispiel\n64489869\n", encoding="utf-8")
    settings = Settings.model_validate({"known": str(file)})
    assert settings.known == ("Erika Beispiel", "64489869")
    assert "Erika" not in settings.model_dump_json() + repr(settings)
    plain = with_settings("1/a/b/c", Settings())
    assert with_settings("1/a/b/c", settings) != plain, "an output made without them is made again"


def test_written_bytes_are_searched_for_them_and_the_report_says_how_many() -> None:
    settings = Settings(known=("Erika Müller", "1970-02-01"))
    strings = traces_with(Traces(strings=frozenset({"Canon EOS"})), settings).strings
    assert "Canon EOS" in strings
    for left in (b"..ERIKA M\xc3\x9cLLER..", b"x01.02.1970x", "MULLER".encode("utf-16-le"), b"Canon EOS"):
        assert hits(left, strings), left
    assert not hits(b"nothing of the case", strings)
    (check,) = known_check(settings)
    assert (
        check.data == {"searched": 2}
        and "rika" not in str(check.evidence)
        and "1970" not in str(check.evidence)
    )
    assert known_check(Settings()) == ()
