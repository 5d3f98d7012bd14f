"""The files that the page is made of: its shell, scripts, styles and icons, and its words in each language.

The shell is plain HTML and no template: no value ever stands in it. What it says is filled in by the page's script, for
the language can be changed in the middle of a correction, when nothing must be loaded anew.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files

from anonymizer.i18n import languages, page_words

WORDS = "strings.json"
"""The page's words in English; the catalogues have them in other languages."""
TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


@lru_cache(maxsize=1)
def static_files() -> dict[str, bytes]:
    """Every file of the page by name, read from the package once."""
    folder = files("anonymizer.review") / "static"
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}


def page_file(name: str) -> bytes | None:
    """One of them, or the words of a language, ``strings.LANGUAGE.json``; None where there is no such file."""
    if not name.startswith("strings."):
        return static_files().get(name)
    language = name.removeprefix("strings.").removesuffix(".json")
    if language not in languages():
        return None
    return json.dumps(page_words(language, json.loads(static_files()[WORDS])), ensure_ascii=False).encode()
