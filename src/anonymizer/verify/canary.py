"""Look for the source's own strings in the written bytes: the check that catches what nobody thought of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result

MIN_LENGTH = 5


def spellings(text: str) -> set[bytes]:
    """The bytes a string may stand as: UTF-8, UTF-16 either way round, Latin-1 where that is possible."""
    forms = {
        text.encode("utf-8", "replace"),
        text.encode("utf-16-le", "replace"),
        text.encode("utf-16-be", "replace"),
    }
    return forms | ({text.encode("latin-1")} if all(ord(c) < 256 for c in text) else set())


def hits(data: bytes, strings: Iterable[str]) -> int:
    """How many of the strings (five characters or more) stand in the bytes, in any spelling."""
    wanted = [s for s in strings if len(s) >= MIN_LENGTH]
    return found(data, {form for text in wanted for form in spellings(text)})


def found(data: bytes, forms: set[bytes]) -> int:
    """How many of these byte strings, four bytes or longer, stand in the data.

    A table look-up on the two bytes at each place, and another on the two after them, leave a few candidates in a
    million places; those are compared in full. One pass whatever the number of strings: an alternation of
    thousands of strings took seconds on a photo of 12 megapixels, this takes hundredths.
    """
    if not forms:
        return 0
    by_prefix: dict[bytes, list[bytes]] = {}
    for form in forms:
        by_prefix.setdefault(form[:4], []).append(form)
    first: NDArray[np.bool_] = np.zeros(1 << 16, np.bool_)
    second = first.copy()
    for prefix in by_prefix:
        first[int.from_bytes(prefix[:2], "little")] = True
        second[int.from_bytes(prefix[2:], "little")] = True
    hits = set()
    for start in (0, 1):
        pairs = np.frombuffer(memoryview(data)[start : start + (len(data) - start) // 2 * 2], "<u2")
        here = np.flatnonzero(first[pairs[:-1]])
        for place in (2 * here[second[pairs[here + 1]]] + start).tolist():
            for form in by_prefix.get(data[place : place + 4], ()):
                if data.startswith(form, place):
                    hits.add(form)
    return len(hits)


def check(name: str, data: bytes, strings: Iterable[str]) -> Check:
    """The canary scan as a check; its evidence counts and never quotes."""
    listed = list(strings)
    return verdict(name, listed, hits(data, listed))


def verdict(name: str, listed: list[str], found: int) -> Check:
    """The check that says how many of the listed strings were found."""
    facts = {"strings": len(listed), "found": found}
    if found:
        said = Message("check.canaries.found", found=found, count=len(listed))
        return Check(name, Result.FAIL, said, facts)
    said = Message("check.canaries.passed", count=len(listed))
    return Check(name, Result.PASS, said, facts)
