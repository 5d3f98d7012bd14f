"""Names of outputs by a person's template: from a number, a date and a label that the person gives, and nothing else.

A template is words with fields in braces: ``{number}``, once (``{number:03}`` has three digits at least), ``{date}``
and ``{case}``. What comes of it is lower case, digits and hyphens, so that it is a file's name everywhere and two names
that differ only in case cannot be. Which numbers are taken is the ledger's to say
(:meth:`anonymizer.gate.folder.Gate.take_number`).
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anonymizer.core.errors import SettingsError
from anonymizer.core.known import KnownNames

FIELDS = "{number}, {date}, {case}"
EXAMPLE = "{date}-{number}"
TODAY = "today"
MOST = 60
"""Characters of a name, its number and its suffix apart."""
TELLING = 5
"""Letters and digits of a string that is looked for in a name: shorter ones stand there by chance."""
_FIELD = re.compile(r"\{([^{}:]*)(?::0?([1-9]))?\}")


@dataclass(frozen=True, slots=True)
class NumberedName:
    """A name but for its number: what stands before and behind it, and its least digits. ``words`` is all of it that
    is neither number nor date."""

    before: str
    after: str
    digits: int
    words: str

    def with_number(self, number: int) -> str:
        """The name, without a suffix, that has this number."""
        return f"{self.before}{number:0{self.digits}}{self.after}"

    def number_of(self, stem: str) -> int:
        """The number in a name, without its suffix, of this form; 0 in any other."""
        inner = stem.removeprefix(self.before).removesuffix(self.after)
        plain = inner.isascii() and inner.isdigit() and self.with_number(int(inner)) == stem
        return int(inner) if plain else 0

    def holds(self, strings: Iterable[str], source: Path) -> bool:
        """Whether its words hold one of these strings of a source, or are a word of its file's or folder's name:
        case, accents and what stands between letters apart."""
        words = _letters(self.words)
        if any(len(part) >= TELLING and part in words for part in map(_letters, strings)):
            return True
        named = {one for part in (source.stem, source.parent.name) for one in _words(part)}
        return not named.isdisjoint(_words(self.words))


def output_name(
    template: str, date: str = "", case: str = "", known: tuple[str, ...] = ()
) -> NumberedName | None:
    """The names that a template asks for; None where it is empty. ``known`` are the names that are known of the case.

    Raises :class:`SettingsError`, in one sentence, for a template that cannot be.
    """
    template, case = template.strip(), case.strip()
    given = {"date": date, "case": case}
    for key, value in given.items():
        if value and f"{{{key}}}" not in template:
            raise SettingsError("settings.name-unused", key=key, field=f"{{{key}}}", example="{number}")
    if not template:
        return None
    values = {"date": _day(date), "case": _plain("case", case)}
    before, words, digits, last = "", "", 0, 0
    parts = ["", ""]
    for found in _FIELD.finditer(template):
        field, width = found[1], found[2]
        literal = template[last : found.start()]
        last = found.end()
        parts[-1] += literal
        words += f"{literal} "
        if field == "number":
            if digits:
                raise SettingsError("settings.name-number", field="{number}", example=EXAMPLE)
            digits = int(width or 1)
            before, parts[-1] = parts[-1], ""
        elif field in values and not width:
            if not given[field]:
                raise SettingsError("settings.name-no-value", field=found[0], key=field, flag=f"--{field}")
            parts[-1] += values[field]
            words += f"{values[field]} " if field == "case" else ""
        else:
            raise SettingsError("settings.name-field", field=found[0], known=FIELDS)
    rest = template[last:]
    if "{" in _FIELD.sub("", template) or "}" in _FIELD.sub("", template):
        raise SettingsError("settings.name-braces", value=template, known=FIELDS)
    if not digits:
        raise SettingsError("settings.name-number", field="{number}", example=EXAMPLE)
    made = NumberedName(_plain("name", before), _plain("name", parts[-1] + rest), digits, words + rest)
    if made.before.startswith("-"):
        raise SettingsError("settings.name-characters", key="name", value=template)
    if len(made.before + made.after) > MOST:
        raise SettingsError("settings.name-long", most=MOST)
    if re.fullmatch(r"(com|lpt)\d", made.with_number(1)):
        raise SettingsError("settings.name-reserved", name=made.with_number(1))
    if KnownNames(known).near(re.sub("[^a-z0-9]+", " ", plain_word(made.words))):
        raise SettingsError("settings.name-known")
    return made


def _day(text: str) -> str:
    """A year, a month or a day as it was given, today's for ``today``. Raises :class:`SettingsError`."""
    if text == TODAY:
        return datetime.date.today().isoformat()
    if text:
        try:
            if not re.fullmatch(r"\d{4}(-\d\d){0,2}", text):
                raise ValueError(text)
            datetime.date.fromisoformat(f"{text}-01-01"[:10])
        except ValueError as error:
            raise SettingsError("settings.name-date", value=repr(text)) from error
    return text


def _plain(key: str, text: str) -> str:
    """Words as they stand in a name: lower case, no accents, a hyphen for a space. Raises :class:`SettingsError`."""
    plain = re.sub(r"[\s_]+", "-", plain_word(text))
    if not re.fullmatch("[a-z0-9-]*", plain):
        raise SettingsError("settings.name-characters", key=key, value=repr(text))
    return plain


def plain_word(text: str) -> str:
    """A word in small letters, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


def _words(text: str) -> set[str]:
    return set(re.findall("[^\\W\\d_]{3,}", plain_word(text)))


def _letters(text: str) -> str:
    return "".join(c for c in plain_word(text) if c.isalnum())
