"""The language of one call of the command line, known before its options are read: what is wrong with them is said in
it, and so is their help."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

from anonymizer.core.message import Given, Message
from anonymizer.i18n import chosen, speaker, words

FLAG = "--lang"
_LANGUAGE: ContextVar[str] = ContextVar("language", default="")
_ASKED: ContextVar[bool] = ContextVar("asked", default=False)


def language() -> str:
    """The language of this call; the system's until :func:`choose` was called."""
    return _LANGUAGE.get() or chosen()


def spoken() -> bool:
    """Whether somebody asked for the language of this call."""
    return _ASKED.get()


def choose(arguments: Sequence[str]) -> None:
    """Speak the language that ``--lang`` names, wherever it stands among the arguments, else the system's.

    Raises :class:`anonymizer.core.errors.UsageError` for one that there is no catalogue for.
    """
    _LANGUAGE.set("")
    _ASKED.set(asked_for(arguments) is not None)
    _LANGUAGE.set(chosen(asked_for(arguments)))


def asked_for(arguments: Sequence[str]) -> str | None:
    """The value of the last ``--lang`` before ``--``; None without one."""
    found, rest = None, iter(arguments)
    for word in rest:
        if word == "--":
            break
        if word == FLAG:
            found = next(rest, found)
        elif word.startswith(f"{FLAG}="):
            found = word.removeprefix(f"{FLAG}=")
    return found


def say(what: Message | str, /, **values: Given) -> str:
    """A message, or the sentence of a code with its values, in the language of this call."""
    return speaker(language())(what, **values)


def help_text(text: str) -> str:
    """The help of a command or an option in the language of this call. Lines are joined to paragraphs first."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(words(language(), "help").get(one, one) for one in paragraphs)


def parser_word(text: str) -> str:
    """A word of the frame of help ("Usage:", "Options", "FOLDER"), in the language of this call."""
    return words(language(), "parser").get(text, text)
