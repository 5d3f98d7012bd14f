"""What the program says: a code and its values. The sentence is made where a person reads it.

Every error, reason, note, piece of evidence and status is a :class:`Message`. Its code is a key of
:data:`anonymizer.core.sentences.ENGLISH`, the one table of all sentences; its values fill the places of the
sentence. A message travels through processes, reports and the ledger as data (:func:`as_json`), and becomes a
sentence in the reader's language at the end (:func:`anonymizer.i18n.speaker`); ``str(message)`` is English.

Whatever of a message may come from outside the program (a path, what the system said, a number that was measured) is
in its values and nowhere else: the sentences themselves are the program's own, the same for every source. So whoever
audits what is published for a source's strings looks at :func:`texts` alone, and a value that goes into a report must
be a count, a place, a time or a word of this program, never a name or a value of the source's metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, Union

from anonymizer.core.box import Box
from anonymizer.core.sentences import ENGLISH

Value: TypeAlias = Union[str, int, float, Box, "Message", tuple["Value", ...]]
"""What fills a place: a text, a number (seconds, bytes, a count), a box in pixels, a message, or several of these."""
Given: TypeAlias = Value | os.PathLike[str] | BaseException | Sequence["Given"]
"""What may be given for one: a path becomes its text, an error what it says, a list a tuple."""
Template = Callable[[str, float | None], str | None]
"""The sentence of a code, for a ``count``; None for a code that is not known."""
COUNT = "count"
"""The value that decides between singular and plural."""
AS_IT_IS = "as-it-is"
"""The code of a text that has no code of its own: a sentence out of a report of version 1."""
DEEPEST = 8
"""Messages within messages, of what is read from a file."""


@dataclass(frozen=True, init=False)
class Message:
    """One thing to say. Equal to another with the same code and values; can be hashed and pickled.

    The values are given by name: ``Message("clip.too-long", seconds=1200.0)``. ``count`` decides between singular and
    plural, a :class:`Box` is told as a place, a message as what it says, several values one after the other.
    """

    code: str
    items: tuple[tuple[str, Value], ...]
    """The values with their names, sorted by name."""

    def __init__(self, code: str, /, **values: Given) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "items", tuple((name, _value(values[name])) for name in sorted(values)))

    @property
    def values(self) -> dict[str, Value]:
        """The values by name, a copy."""
        return dict(self.items)

    def __str__(self) -> str:
        """The sentence in English, for logs, for programs and for whoever has chosen no language."""
        return told(self, english)


def english(code: str, count: float | None = None) -> str | None:
    """The English sentence of a code, with its places in it; None for a code that is not known."""
    found = ENGLISH.get(code)
    return found if found is None or isinstance(found, str) else found[0 if count == 1 else 1]


def told(message: Message, template: Template) -> str:
    """A message as a sentence, with its values in the places that the template of its code has for them.

    This never fails: what is said goes wrong last. A message of another version of the program, whose code or values
    are not known here, is told as its code with its values.
    """
    values = message.values
    count = values.get(COUNT)
    text = template(message.code, count if isinstance(count, int | float) else None)
    shown = {name: _shown(value, template) for name, value in values.items()}
    if text is None:
        return _plain(message.code, shown)
    try:
        said = text.format_map(shown)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return _plain(message.code, shown)
    first = values.get(text[1:].partition("}")[0]) if text.startswith("{") else None
    # Where one message begins with another, that one's first word begins the sentence.
    return said[:1].upper() + said[1:] if isinstance(first, Message) and text.endswith(".") else said


def texts(message: Message) -> Iterator[str]:
    """Every text and number that a message holds, its values' values included: all of it that may not be the
    program's own words."""
    for _, value in message.items:
        yield from _texts(value)


def as_json(message: Message) -> dict[str, Any]:
    """A message for a JSON document; :func:`from_json` makes it again."""
    return {"code": message.code, "values": {name: _as_json(value) for name, value in message.items}}


def with_sentence(message: Message) -> dict[str, Any]:
    """A message for a program that shows it to somebody: code, values, and the sentence in English."""
    return as_json(message) | {"text": str(message)}


def from_json(found: object, depth: int = 0) -> Message:
    """A message out of a JSON document; a plain text, as reports of version 1 have it, is told as it is.

    Raises ValueError for what is neither.
    """
    if isinstance(found, str):
        return Message(AS_IT_IS, text=found)
    if isinstance(found, Message):
        return found
    if not isinstance(found, dict) or set(found) - {"text"} != {"code", "values"} or depth > DEEPEST:
        raise ValueError("not a message")
    code, values = found["code"], found["values"]
    if not isinstance(code, str) or not isinstance(values, dict):
        raise ValueError("not a message")
    return _made(code, {str(name): _from_json(value, depth + 1) for name, value in values.items()})


def packed(messages: Sequence[Message]) -> str:
    """Messages as one text, for the ledger; empty for none."""
    return json.dumps([as_json(one) for one in messages], ensure_ascii=False) if messages else ""


def unpacked(text: str) -> tuple[Message, ...]:
    """The messages that :func:`packed` made a text of. Raises ValueError for another text."""
    found = json.loads(text) if text else []
    if not isinstance(found, list):
        raise ValueError("not messages")
    return tuple(from_json(one) for one in found)


def _made(code: str, values: Mapping[str, Given]) -> Message:
    return Message(code, **values)


def _value(given: Given) -> Value:
    if isinstance(given, str):
        return str(given)  # A member of an enumeration is told as its value.
    if isinstance(given, Box | Message | int | float):
        return given
    if isinstance(given, os.PathLike):
        return os.fspath(given)
    if isinstance(given, BaseException):
        said = getattr(given, "message", None)
        return said if isinstance(said, Message) else str(given)
    return tuple(_value(one) for one in given)


def _shown(value: Value, template: Template) -> str | int | float:
    if isinstance(value, Message):
        return told(value, template)
    if isinstance(value, Box):
        return told(Message("place", x=value.x, y=value.y, w=value.w, h=value.h), template)
    if isinstance(value, tuple):
        parts = [str(_shown(one, template)) for one in value]
        return (" " if all(part.endswith(".") for part in parts) else ", ").join(parts)
    return value


def _texts(value: Value) -> Iterator[str]:
    if isinstance(value, Message):
        yield from texts(value)
    elif isinstance(value, Box):
        yield from (str(number) for number in (value.x, value.y, value.w, value.h))
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


def _plain(code: str, shown: Mapping[str, str | int | float]) -> str:
    values = ", ".join(f"{name} = {value}" for name, value in shown.items())
    return f"{code} ({values})" if values else code


def _as_json(value: Value) -> Any:
    if isinstance(value, Message):
        return as_json(value)
    if isinstance(value, Box):
        return {"x": value.x, "y": value.y, "w": value.w, "h": value.h}
    return [_as_json(one) for one in value] if isinstance(value, tuple) else value


def _from_json(found: object, depth: int) -> Value:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(found, str | int | float):
        return found
    if isinstance(found, list):
        return tuple(_from_json(one, depth + 1) for one in found)
    if isinstance(found, dict) and set(found) == {"x", "y", "w", "h"}:
        if not all(isinstance(number, int | float) for number in found.values()):
            raise ValueError("not a box")
        return Box(**found)
    return from_json(found, depth)
