"""Look for the source's own strings in the written bytes: the check that catches what nobody thought of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from anonymizer.types import Check, Result

MIN_LENGTH = 5


def spellings(text: str) -> set[bytes]:
    """The bytes a string may stand as: UTF-8, UTF-16 either way round, Latin-1 where that is possible."""
    forms = {
        text.encode("utf-8", "replace"),
        text.encode("utf-16-le", "replace"),
        text.encode("utf-16-be", "replace"),
    }
    return forms | ({text.encode("latin-1")} if all(ord(c) < 256 for c in text) else set())


def hits(data: bytes, strings: Iterable[str], vocabulary: bytes = b"") -> int:
    """How many of the strings (five characters or more) stand in the bytes, in any spelling.

    A string that is part of ``vocabulary``, text that holds nothing of any source, does not count.
    """
    known = vocabulary.lower()
    wanted = [
        s for s in strings if len(s) >= MIN_LENGTH and s.encode("utf-8", "replace").lower() not in known
    ]
    forms = sorted({form for text in wanted for form in spellings(text)})
    if not forms:
        return 0
    # One alternation is one pass; the distinct first bytes let the engine skip the rest quickly.
    pattern = re.compile(b"|".join(re.escape(form) for form in forms))
    return len({match.group() for match in pattern.finditer(data)})


def check(name: str, data: bytes, strings: Iterable[str], vocabulary: bytes = b"") -> Check:
    """The canary scan as a check; its evidence counts and never quotes."""
    listed = list(strings)
    found = hits(data, listed, vocabulary)
    facts = {"strings": len(listed), "found": found}
    if found:
        said = f"{found} of {len(listed)} strings from the source's metadata or name were found in it."
        return Check(name, Result.FAIL, said, facts)
    said = f"None of {len(listed)} strings from the source's metadata, name and folders is in it."
    return Check(name, Result.PASS, said, facts)
