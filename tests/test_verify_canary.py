"""The canary scan: every spelling is found, nothing is quoted, and clean files raise no alarm."""

from __future__ import annotations

import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymizer.core.types import Pixels, Result
from anonymizer.verify import canary
from anonymizer.write.photo import write_photo

NAMES = ["Müller_Anna", "Mustermann", "SN-4711-0815", "Дмитрий", "山田太郎さん", "naïve café"]


@pytest.fixture(scope="module")
def files(portrait: Pixels, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Clean outputs: a face, noise and a flat picture, as JPEG and as PNG."""
    folder = tmp_path_factory.mktemp("clean")
    noise = np.random.default_rng(5).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    found = []
    for number, pixels in enumerate([portrait, noise, np.full((300, 300, 3), 40, np.uint8)]):
        for form in ("JPEG", "PNG"):
            path = folder / f"{number}.{form}"
            write_photo(pixels, path, form, 95)
            found.append(path.read_bytes())
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
@given(before=st.binary(max_size=50), after=st.binary(max_size=50))
def test_a_string_is_found_in_every_spelling(name: str, encoding: str, before: bytes, after: bytes) -> None:
    try:
        spelt = name.encode(encoding)
    except UnicodeEncodeError:
        return
    check = canary.check("canaries", before + spelt + after, [name, "another string"])
    assert check.result is Result.FAIL
    assert check.data["found"] >= 1
    assert name not in str(check.evidence) and name not in str(check.data)


@given(st.text(min_size=5, max_size=40), st.binary(max_size=200), st.integers(0, 200))
def test_whatever_is_planted_is_found(text: str, around: bytes, at: int) -> None:
    for spelt in canary.spellings(text):
        if len(spelt) >= 5:
            assert canary.hits(around[:at] + spelt + around[at:], [text]) >= 1


@given(st.lists(st.binary(min_size=5, max_size=9), max_size=6), st.binary(max_size=400))
def test_the_fast_search_agrees_with_the_plain_one(forms: list[bytes], data: bytes) -> None:
    data += b"".join(forms[::2])
    strings = [form.decode("latin-1") for form in forms]
    spelt = {spelling for text in strings for spelling in canary.spellings(text)}
    assert canary.hits(data, strings) == sum(one in data for one in spelt)


def test_short_strings_are_not_looked_for() -> None:
    assert canary.hits(b"anna anna", ["anna"]) == 0


@pytest.mark.parametrize("data", [b"", b"a", b"abc", b"abcd"])
def test_little_or_no_data(data: bytes) -> None:
    assert canary.hits(data, ["abcdefgh"]) == 0


def test_no_false_alarm_on_clean_outputs(files: list[bytes]) -> None:
    rng = np.random.default_rng(11)
    letters = np.array(list(string.ascii_letters + string.digits))
    strings = ["".join(rng.choice(letters, int(rng.integers(8, 20)))) for _ in range(1000)]
    for data in files:
        assert canary.check("canaries", data, strings).result is Result.PASS


def test_no_canaries_at_all_passes_and_says_so(tmp_path: Path) -> None:
    check = canary.check("canaries", b"anything", [])
    assert check.result is Result.PASS and "0 strings" in str(check.evidence)
