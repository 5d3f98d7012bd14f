"""What people read, in their language: a message becomes a sentence here, where it is shown.

English is the table in :mod:`anonymizer.core.sentences`; every other language is a gettext catalogue in this folder,
``LANGUAGE.po``, in which each entry has a message's code as its context (``msgctxt "clip.too-long"``), so that a
sentence that is reworded in English keeps its translation until somebody has looked at it. What programs read (JSON,
exit codes) stays English. The words of the review page have contexts of their own, ``msgctxt "page help.title"``.
"""

from __future__ import annotations

import gettext
import locale
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import polib

from anonymizer.core.errors import UsageError
from anonymizer.core.message import Given, Message, english, told

FOLDER = Path(__file__).parent
ENGLISH = "en"
PAGE = "page "
"""What the contexts of the review page's words begin with."""


class Say(Protocol):
    """Puts a message, or the message with this code and these values, into words."""

    def __call__(self, what: Message | str, /, **values: Given) -> str: ...


def languages() -> tuple[str, ...]:
    """Every language at hand, English first."""
    return (ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po")))


def chosen(wanted: str | None = None) -> str:
    """The language to speak: the one that is asked for, else the system's, else English.

    Raises :class:`UsageError` for one that there is no catalogue for.
    """
    known = languages()
    if wanted is not None and wanted not in known:
        raise UsageError("cli.language", language=wanted, known=known)
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    said = next((name for name in names if name), "") or locale.getlocale()[0] or ""
    system = said.replace("-", "_").split("_")[0].split(".")[0].lower()
    return wanted or (system if system in known else ENGLISH)


def speaker(language: str) -> Say:
    """What puts messages into a language; English for one that there is no catalogue for, or that lacks a sentence."""
    if language in languages() and language != ENGLISH:
        sentences, form = _catalogue(language)
    else:
        sentences, form = {}, int

    def template(code: str, count: float | None) -> str | None:
        forms = sentences.get(code)
        if not forms:
            return english(code, count)
        return forms[min(form(count), len(forms) - 1)] if count is not None else forms[-1]

    def say(what: Message | str, /, **values: Given) -> str:
        return told(what if isinstance(what, Message) else Message(what, **values), template)

    return say


def page_words(language: str, english: Mapping[str, str]) -> dict[str, str]:
    """The review page's words by key, in a language; English where its catalogue has none.

    A language with more plural forms than English has keys of its own, like ``hidden.many``.
    """
    words = dict(english)
    if language != ENGLISH:
        words |= {
            entry.msgctxt.removeprefix(PAGE): entry.msgstr
            for entry in _entries(language)
            if entry.msgstr and entry.msgctxt and entry.msgctxt.startswith(PAGE)
        }
    return words


@lru_cache(maxsize=8)
def words(language: str, context: str) -> Mapping[str, str]:
    """What the command line's own catalogue has under a context ("help", "parser"), by the English; empty for that."""
    path = FOLDER / "command_line" / f"{language}.po"
    if not path.is_file():
        return {}
    entries = polib.pofile(str(path))
    return {entry.msgid: entry.msgstr for entry in entries if entry.msgstr and entry.msgctxt == context}


def _entries(language: str) -> polib.POFile:
    return polib.pofile(str(FOLDER / f"{language}.po"))


@lru_cache(maxsize=4)
def _catalogue(language: str) -> tuple[dict[str, tuple[str, ...]], Callable[[float], int]]:
    """The sentences of a language by code, each in its forms, and which form a number takes."""
    entries = _entries(language)
    sentences = {}
    for entry in entries:
        forms = tuple(entry.msgstr_plural[n] for n in sorted(entry.msgstr_plural)) or (entry.msgstr,)
        if entry.msgctxt and not entry.msgctxt.startswith(PAGE) and all(forms):
            sentences[entry.msgctxt] = forms
    rule = entries.metadata.get("Plural-Forms", "nplurals=2; plural=n != 1;").rpartition("plural=")[2]
    return sentences, _form(rule.rstrip("; "))


def _form(rule: str) -> Callable[[float], int]:
    """Which form of a sentence a number takes, by a catalogue's rule in the language of gettext."""
    whole: Callable[[int], int] = gettext.c2py(rule)
    return lambda count: whole(int(count))
