"""Frame to regions: every finder answers the same two questions about one picture."""

from __future__ import annotations

from typing import Protocol

from anonymizer.types import Model, Pixels, Region


class RegionFinder(Protocol):
    """One family of detectors: faces, text, codes, marks, or a plug-in.

    ``find`` is the search before redaction. ``recheck`` looks at the redacted picture in settings other
    than ``find``'s (scale, rotation, threshold), for the residual check. Both take a picture ``(h, w, 3)``
    uint8 RGB, do not change it, and give regions in its pixels; ``certain=False`` marks a doubt that a
    person should decide. Finders are not thread-safe; one per thread.
    """

    def find(self, pixels: Pixels) -> list[Region]: ...

    def recheck(self, pixels: Pixels) -> list[Region]: ...

    def models(self) -> list[Model]: ...
