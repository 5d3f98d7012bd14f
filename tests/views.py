"""At which sizes, in which languages and colours people see the review page: each test of it in one of them, by its
name, and with ``ANONYMIZER_LONG_TESTS=1`` in all."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import Any

import pytest

LONG = bool(os.environ.get("ANONYMIZER_LONG_TESTS"))


@dataclass(frozen=True)
class View:
    """A window's size in pixels, the language of its browser, and the colours of its system."""

    width: int
    height: int
    language: str
    colours: str

    @property
    def narrow(self) -> bool:
        """Whether the page shows one picture at a time, with all else above and below it."""
        return self.width < 860

    @property
    def context(self) -> dict[str, Any]:
        """What Playwright opens such a window with."""
        return {
            "viewport": {"width": self.width, "height": self.height},
            "locale": {"en": "en-GB", "fr": "fr-FR"}[self.language],
            "color_scheme": self.colours,
            "reduced_motion": "reduce",
        }

    def __str__(self) -> str:
        return f"{self.language}-{self.width}"


VIEWS = tuple(
    View(width, height, language, ("light", "dark")[(row + column) % 2])
    for column, (width, height) in enumerate(((1440, 900), (1024, 768), (390, 844)))
    for row, language in enumerate(("en", "fr"))
)


@pytest.fixture(params=VIEWS if LONG else None, ids=str)
def view(request: pytest.FixtureRequest) -> View:
    """How this test sees the page."""
    test = request.node.nodeid
    return getattr(request, "param", None) or VIEWS[zlib.crc32(test.encode()) % len(VIEWS)]
