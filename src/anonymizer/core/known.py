"""What a practice knows of a case: names, dates of birth, numbers. A reading that comes close to one is proof.

Nothing of it is ever written, shown or said: neither in a report nor in an error.

A reader makes mistakes: it loses accents and spaces, takes O for 0 and rn for m. So both sides are folded to the
same plain letters before they are compared, and a long word may differ by a letter or two.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anonymizer.core.errors import SettingsError

OTHERS = 0o077
"""Bits of a file's mode that let anybody but its owner read or change it."""
MOST_BYTES = 1 << 20
"""Of a file of known strings: more is another file, named by mistake."""
LEAST_WORD = 3
"""Letters of a word that names somebody by itself; initials and titles do not."""
LEAST_BYTES = 6
"""Characters of a spelling that is looked for in bytes: a shorter one stands in compressed pixels by chance."""
LEAST_DIGITS = 4
"""Digits of a number that is looked for; a ward's "12" stands in any picture."""
LETTERS_PER_MISTAKE = 5
"""A word may be read with one letter wrong for each so many that it has: Meier and Weier, not Ott and Out."""
DIGITS_PER_MISTAKE = 7

_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
_ALIKE = str.maketrans("oq|!ij1szb", "00lllll528")
"""What readers take for one another, once it is lower case: O, Q, 0; I, l, J, 1; S, 5; Z, 2; B, 8."""
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_MONTHS = (
    "jan genn ene",
    "feb fev fevr",
    "mar maer mrz",
    "apr avr abr",
    "may mai mag",
    "jun juin giu",
    "jul juil lug",
    "aug aou ago",
    "sep set",
    "oct okt ott out",
    "nov",
    "dec dez dic",
)
"""How the months begin in English, German, French, Italian, Spanish and Portuguese, without accents."""


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Strings that identify a patient, one for each line of the practice's file."""

    entries: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def near(self, reading: str) -> bool:
        """Whether a reading holds one of them, or what a reader would make of it."""
        return any(_holds(entry, reading) for entry in self.entries)

    def spellings(self) -> frozenset[str]:
        """The strings as files may hold them: whole, by words and numbers, in capitals, without accents, dates in
        the usual orders."""
        forms = (form for entry in self.entries for form in _spelled(entry))
        return frozenset(form for form in forms if len(form) >= LEAST_BYTES)


def read(path: Path) -> KnownNames:
    """The known strings of a file, UTF-8, one a line; empty lines and lines that begin with # are left out.

    Raises :class:`SettingsError`, which names the file and quotes nothing of it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SettingsError("known.unreadable", path=path, cause=error.strerror or error) from error
    if os.name == "posix" and mode & OTHERS:
        raise SettingsError("known.open-to-others", path=path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or len(data) > MOST_BYTES:
        raise SettingsError("known.no-list", path=path)
    return parsed(text)


def parsed(text: str) -> KnownNames:
    """The known strings of a text, one a line. Raises :class:`SettingsError` for a line that cannot be found."""
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    kept = [(number, line) for number, line in lines if line and not line.startswith("#")]
    for number, line in kept:
        if not (_words(line) or _number(line) or _date(line)):
            raise SettingsError("known.too-short", line=number, letters=LEAST_WORD, digits=LEAST_DIGITS)
    return KnownNames(tuple(dict.fromkeys(line for _, line in kept)))


def folded(text: str) -> str:
    """Lower case without accents, and one letter for all that readers take for one another."""
    return _confused(_plain(text))


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(c for c in apart if not unicodedata.combining(c)).translate(_LETTERS)


def _confused(plain: str) -> str:
    for pair, single in _PAIRS:
        plain = plain.replace(pair, single)
    return plain.translate(_ALIKE)


# Readings ---------------------------------------------------------------------------------------------


def _holds(entry: str, reading: str) -> bool:
    if date := _date(entry):
        return _holds_date(date, reading)
    if number := _number(entry):
        wanted = _confused(number)
        digits = "".join(c for c in folded(reading) if c.isalnum())
        return _distance(wanted, digits) <= len(wanted) // DIGITS_PER_MISTAKE
    words = [folded(word) for word in re.findall(r"[^\W_]+", _plain(reading))]
    joined = "".join(words)
    return any(_holds_word(folded(word), words, joined) for word in _words(entry))


def _holds_word(wanted: str, words: Sequence[str], joined: str) -> bool:
    """A short word must stand as a word; a long one may run into others, and have mistakes."""
    if len(wanted) < LETTERS_PER_MISTAKE:
        return wanted in words
    return _distance(wanted, joined) <= len(wanted) // LETTERS_PER_MISTAKE


def _distance(pattern: str, text: str) -> int:
    """The least number of insertions, deletions and changes that make the pattern of a part of the text.

    Sellers 1980: the table of edit distances with a first row of nought.
    """
    row = list(range(len(pattern) + 1))
    best = row[-1]
    for letter in text:
        above = row[:]
        for n, own in enumerate(pattern, start=1):
            row[n] = min(above[n - 1] + (own != letter), above[n] + 1, row[n - 1] + 1)
        best = min(best, row[-1])
    return best


def _holds_date(dates: Sequence[datetime.date], reading: str) -> bool:
    parts = _numbered(reading)
    spelled = {form for date in dates for form in _orders(date)}
    if any(tuple(three) in spelled for three in zip(parts, parts[1:], parts[2:], strict=False)):
        return True
    # Without anything between: 19880515, 15051988, 150588. What a reader takes for a digit is one.
    digits = "".join(c for c in _confused(_plain(reading)).replace("l", "1") if c.isalnum())
    return any("".join(form) in digits for date in dates for form in _padded(date))


def _numbered(reading: str) -> list[str]:
    """The groups of digits of a reading, without leading noughts; a month's name stands as its number."""
    parts = []
    for word in re.findall(r"[^\W\d_]+|\d+", _plain(reading)):
        if word.isdigit():
            parts.append(word.lstrip("0") or "0")
        elif number := _month(word):
            parts.append(str(number))
        elif fixed := _confused(word).replace("l", "1"):
            parts += [fixed.lstrip("0") or "0"] if fixed.isdigit() and len(fixed) <= 4 else []
    return parts


def _month(word: str) -> int:
    return next(
        (n for n, starts in enumerate(_MONTHS, start=1) if any(word.startswith(s) for s in starts.split())), 0
    )


def _orders(date: datetime.date) -> Iterator[tuple[str, ...]]:
    day, month = str(date.day), str(date.month)
    for year in (str(date.year), str(date.year % 100)):
        yield from itertools.permutations((year, month, day))


def _padded(date: datetime.date) -> Iterator[tuple[str, ...]]:
    day, month, year = f"{date.day:02}", f"{date.month:02}", f"{date.year:04}"
    yield from ((year, month, day), (day, month, year), (month, day, year))
    yield from ((day, month, year[2:]), (year[2:], month, day), (month, day, year[2:]))


# Entries ----------------------------------------------------------------------------------------------


def _words(entry: str) -> list[str]:
    return [
        word
        for word in re.findall(r"[^\W_]+", _plain(entry))
        if len(word) >= LEAST_WORD and not word.isdigit()
    ]


def _number(entry: str) -> str:
    """The digits and letters of a number such as a case's, "A-690 4777"; empty for what is none."""
    plain = "".join(c for c in _plain(entry) if c.isalnum())
    digits = sum(c.isdigit() for c in plain)
    return plain if digits >= LEAST_DIGITS and 2 * digits >= len(plain) else ""


def _date(entry: str) -> list[datetime.date]:
    """What days an entry may mean: 3/4/1961 is one in March and one in April. Empty for what is no date."""
    plain = _plain(entry)
    if any(word and not _month(word) for word in re.findall(r"[^\W\d_]+", plain)):
        return []
    parts = _numbered(entry)
    if len(parts) == 1 and re.fullmatch(r"(19|20)\d{6}", parts[0]):
        parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
    if len(parts) != 3 or not any(len(part) == 4 for part in parts):
        return []
    year = next(int(part) for part in parts if len(part) == 4)
    rest = [int(part) for part in parts if len(part) != 4]
    found = []
    for month, day in itertools.permutations(rest) if len(rest) == 2 else ():
        try:
            found.append(datetime.date(year, month, day))
        except ValueError:
            continue
    return found


def _spelled(entry: str) -> Iterator[str]:
    yield from _cased(entry)
    for date in _date(entry):
        day, month, year = f"{date.day:02}", f"{date.month:02}", f"{date.year:04}"
        for mark in ("-", ".", "/", ":", " ", "_", ""):
            yield from (
                mark.join(order) for order in ((year, month, day), (day, month, year), (month, day, year))
            )
    if _date(entry):
        return
    for word in re.findall(r"[^\W_]+", entry):
        yield from _cased(word)
    if number := _number(entry):
        yield from _cased(number)


def _cased(text: str) -> Iterator[str]:
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for form in {unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text), bare}:
        yield from (form, form.upper(), form.lower(), form.title())
