"""A message is a code with values; each code has its sentence in every language, is said somewhere, and only it is."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import anonymizer
from anonymizer.core import errors
from anonymizer.core.sentences import ENGLISH
from anonymizer.i18n import FOLDER

PACKAGE = Path(anonymizer.__file__).parent
CATALOGUES = sorted(FOLDER.glob("*.po"))


def places(text: str) -> set[str]:
    """The places of a sentence, with the form that a number takes there."""
    found = string.Formatter().parse(text)
    return {f"{name}:{spec}" for _, name, spec, _ in found if name is not None}


def names(code: str) -> set[str]:
    forms = ENGLISH[code]
    every = (forms,) if isinstance(forms, str) else forms
    return {place.partition(":")[0] for text in every for place in places(text)}


def said() -> Iterator[tuple[str, str, set[str] | None]]:
    """Every code that the program's own code names, where, and with which values (None: not to be told from there)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "sentences.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in ENGLISH:
                yield node.value, path.name, None
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                code, keywords = node.args[0].value, {one.arg for one in node.keywords}
                if speaks(node) and isinstance(code, str) and None not in keywords:
                    yield code, f"{path.name}:{node.lineno}", {str(one) for one in keywords}


def speaks(node: ast.Call) -> bool:
    """Whether a call makes a message of its first argument."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    error = getattr(errors, name, None)
    return name in ("Message", "say", "_say") or (
        isinstance(error, type) and issubclass(error, errors.AnonymizerError)
    )
