"""The words that a report may hold whatever the source was: they are the program's own, so no canaries."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from anonymizer.core.settings import Settings
from anonymizer.detect.models.store import Store
from anonymizer.report import build


@lru_cache(maxsize=1)
def vocabulary() -> bytes:
    """Every text that the program's own code holds, with the names and hashes of libraries and models.

    A name that is also a word of the code ("Black") would not be noticed in a report; it would have to get
    there first, past code that puts nothing of the source into it.
    """
    package = Path(build.__file__).parents[1]
    sources = [
        path.read_bytes()
        for kind in ("*.py", "*.po", "*.html", "*.css")
        for path in sorted(package.rglob(kind))
    ]
    models = [f"{e.name} {e.sha256} {e.licence}".encode() for e in Store().entries()]
    libraries = [f"{name} {number}".encode() for name, number in build._libraries().items()]
    plain = Settings().model_dump_json().encode()
    return b"\n".join([*sources, *models, *libraries, plain])
