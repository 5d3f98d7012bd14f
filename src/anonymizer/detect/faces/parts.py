"""Parts of faces that are no face to any detector: an eye bar that somebody drew says that a face is there.

A patient is known by a part, too, so a person is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, QuestionKind, Region
from anonymizer.detect.faces.bars import bars

BAR = "bar drawn on skin"


def parts(pixels: Pixels, regions: Sequence[Region]) -> list[Region]:
    """Questions about parts of faces in a picture ``(h, w, 3)`` uint8 RGB, beside the regions that were found."""
    hidden = [region.box.scaled(1.4) for region in regions if region.hidden]
    return [
        _question(box, BAR, 1.0) for box in bars(pixels) if all(box.covered_by(face) < 0.5 for face in hidden)
    ]


def _question(box: Box, detector: str, score: float) -> Region:
    return Region(
        box,
        Kind.FACE,
        (Evidence(detector, round(score, 3)),),
        action=Action.ASK,
        question=QuestionKind.FACE_PART,
    )
