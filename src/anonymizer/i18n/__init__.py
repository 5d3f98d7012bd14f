"""What people read, in their language: English in the code, the others in gettext catalogues, ``*.po``.

A sentence is made in English where it belongs, with its names and numbers in it, and put into another language where
it is shown: the catalogue's ``msgid`` is the sentence with ``{0}``, ``{1}`` … in the places of what varies, and is
matched against what is to be said. So no module but those that speak to people knows of languages, what programs
read (JSON, exit codes) stays as it is, and another language is one file more.
"""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import polib

from anonymizer.core.errors import UsageError

FOLDER = Path(__file__).parent
ENGLISH = "en"
_PLACE = re.compile(r"\{(\w*)\}")
_END = re.compile(r"(?<=[.?!]) (?=[A-Z{])")
DEEPEST = 3
"""A sentence may stand in another one, and that one in a third."""
TELLING = 8
"""Letters that a pattern needs to be looked for within another sentence: a file may be called "letter of Jane"."""


def languages() -> tuple[str, ...]:
    """Every language at hand, English first."""
    return (ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po")))


def chosen(wanted: str | None = None) -> str:
    """The language to speak: the one that is asked for, else the system's, else English.

    Raises :class:`UsageError` for one that there is no catalogue for.
    """
    known = languages()
    if wanted is not None and wanted not in known:
        raise UsageError(f"--lang {wanted}: there is {', '.join(known)}.")
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    said = next((name for name in names if name), "") or locale.getlocale()[0] or ""
    system = said.replace("-", "_").split("_")[0].split(".")[0].lower()
    return wanted or (system if system in known else ENGLISH)


def speaker(language: str) -> Callable[[str], str]:
    """What puts an English sentence into a language; what is not in the catalogue stays as it is."""
    if language in ("", ENGLISH):
        return str
    whole, patterns = _catalogue(language)

    def one(text: str, depth: int) -> str | None:
        if text in whole:
            return whole[text]
        for pattern, names, said, letters in patterns:
            if depth and letters < TELLING:
                continue
            if found := pattern.fullmatch(text):
                parts = {name: inner(part, depth) for name, part in zip(names, found.groups(), strict=True)}
                return _filled(said, parts)
        return None

    def inner(text: str, depth: int) -> str:
        return say(text, depth + 1) if depth < DEEPEST else text

    def say(text: str, depth: int = 0) -> str:
        said = one(text, depth)
        if said is not None:
            return said
        sentences = _END.split(text)
        return text if len(sentences) == 1 else " ".join(one(part, depth) or part for part in sentences)

    return say


def page_words(language: str, english: Mapping[str, str]) -> dict[str, str]:
    """The review page's words by key, in a language; English where its catalogue has none.

    In the catalogue each has its key as context: ``msgctxt "page help.title"``. A language with more plural forms than
    English has keys of its own, like ``hidden.many``.
    """
    words = dict(english)
    if language != ENGLISH:
        context = "page "
        words |= {
            entry.msgctxt.removeprefix(context): entry.msgstr
            for entry in polib.pofile(str(FOLDER / f"{language}.po"))
            if entry.msgstr and entry.msgctxt and entry.msgctxt.startswith(context)
        }
    return words


def _filled(said: str, parts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: parts[place[1]], said)


@lru_cache(maxsize=4)
def _catalogue(
    language: str,
) -> tuple[dict[str, str], list[tuple[re.Pattern[str], list[str], str, int]]]:
    """Sentences without a place in them, and patterns for those that have one, the longest first."""
    whole: dict[str, str] = {}
    patterns = []
    for entry in polib.pofile(str(FOLDER / f"{language}.po")):
        if not entry.msgstr or entry.msgctxt:
            continue
        names = _PLACE.findall(entry.msgid)
        if not names:
            whole[entry.msgid] = entry.msgstr
            continue
        pattern = "(.+?)".join(re.escape(part) for part in _PLACE.split(entry.msgid)[::2])
        letters = sum(map(str.isalpha, _PLACE.sub("", entry.msgid)))
        patterns.append((re.compile(pattern, re.DOTALL), names, entry.msgstr, letters))
    # The one with the most words of its own first: "{0}: {1}." would fit nearly all.
    patterns.sort(key=lambda item: -len(item[0].pattern))
    return whole, patterns
