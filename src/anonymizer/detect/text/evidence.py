"""From a line that the finder saw to what is done with it: hide it, ask a person, or leave it.

The finder's own score does not tell print from a row of teeth, stitches or coins. Reading does. But not everything
that is print can be read: a script the recogniser does not know, embossed or mirrored letters, an out-of-focus name.
So a large place that nobody can read is not dropped for that: a person is asked, unless a detector of other training
sees nothing there either. A small one is hidden unread, for nobody misses it, unless there are so many on one texture
that they are the texture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import cv2
import numpy as np

from anonymizer.core.geometry import area, inside, outline
from anonymizer.core.known import KnownNames, folded
from anonymizer.core.types import Action, Box, Kind, Region
from anonymizer.detect.text.ppocr import TextLine

LARGE_AREA = 0.01
"""A place of more than this share of the picture …"""
LARGE_HEIGHT = 0.05
"""… and higher than this share of its long side would destroy the case if it is no text: it must be read."""
VERY_LARGE_AREA = 0.05
READ, READ_VERY_LARGE = 0.6, 0.9
"""Least mean chance of the characters of a reading that proves a large, a very large place; a very large one that is
read as a large one must be is hidden and asked about …"""
DIFFERENT = 2
"""… and how many different letters or digits it must have: teeth are read as "111", stitches as "+++"."""
REFUTED, BARELY_READ = 0.05, 0.4
"""A large place is left to which the second detector gives less than the one, mean chance over the place, and of which
no reading with :data:`DIFFERENT` letters has a mean of the other; in a very large place, lawn or cloth, a chance like
that is met in one of four directions, and says nothing. Of 243 true lines four were lost so, three embossed
watermarks and a script on a shirt; of 23 pictures that were asked about 14 still are."""
SAME_PLACE = 0.5
"""Doubts of which the smaller lies so far in the larger are one question."""
COVERED = 0.7
"""A place of which so much is hidden already, by lines that are text, is their paragraph."""
MANY = 20
"""From so many small places that touch each other's surroundings …"""
FEW_READ = 0.1
"""… of which less than this share is read, they are one texture, and one question: of a pyjama's 216 places 7 % were
read, of true text 17 to 89 %."""
SAMPLE = 24
"""Places of such a group that are read, evenly out of all."""
TOUCH = 1.0
"""Places belong to one group whose boxes, grown by so many of their heights, meet."""
FAINT_DIFFERENT, FAINT_READ = 3, 0.6
"""So many different letters at this mean prove a place that only a stretch of contrast shows …"""
FAINT_SECOND = 0.3
"""… or this much of the second detector: what else is found in the grain of skin and walls is left."""
SIGN_AREA, SIGNS = 0.0025, 12
"""A small place of this share of the picture, if there are so few of them, is read whether it is a lone sign …"""
SIGN = 0.85
"""… that is one character, read with this chance: a star on a flag, a ring. A line has more."""
MEASURED = 512
"""Long side, pixels, of the map in which covered area is counted."""


Read = Callable[[Region], Sequence[TextLine]]
"""The readings of a place in each direction that it may run."""
SecondOpinion = Callable[[Region], float]
"""What a detector of other training gives a place, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who is asked about the places of one picture: the reader, the second detector, and what the practice knows.

    ``size`` is the picture's height and width.
    """

    size: tuple[int, int]
    read: Read
    second_opinion: SecondOpinion
    known: KnownNames = field(default_factory=KnownNames)


def is_large(region: Region, size: tuple[int, int]) -> bool:
    """Whether a place in a picture of this size (height, width) would destroy the case were it hidden in error."""
    return share(region, size) > LARGE_AREA and least_side(region) > LARGE_HEIGHT * max(size)


def share(region: Region, size: tuple[int, int]) -> float:
    """The part of the picture that a region's outline takes up."""
    return area(outline(region)) / (size[0] * size[1])


def least_side(region: Region) -> float:
    points = np.array(outline(region))
    return float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).min())


def is_read(reading: TextLine, share: float) -> bool:
    """Whether a reading proves that a place of this share of the picture is text."""
    needed = READ_VERY_LARGE if share > VERY_LARGE_AREA else READ
    return letters(reading) >= DIFFERENT and reading.mean >= needed


def judged(lines: Sequence[Region], witnesses: Witnesses) -> list[Region]:
    """The lines that are to be hidden, and those to be asked about; groups as one question."""
    size, read, known = witnesses.size, witnesses.read, witnesses.known
    large = [line for line in lines if is_large(line, size)]
    small = [line for line in lines if not is_large(line, size)]
    small = _without_lone_signs(small, witnesses)
    kept, asked = _textures(small, size, read, known)
    proved: list[Region] = []
    likely: list[Region] = []
    doubtful: list[Region] = []
    for line in large:
        readings = read(line)
        if any(is_read(r, share(line, size)) or known.near(r.text) for r in readings):
            proved.append(line)
        elif any(is_read(r, 0.0) for r in readings):
            likely.append(replace(line, action=Action.HIDE_AND_ASK))
        elif (
            share(line, size) <= VERY_LARGE_AREA
            and any(letters(r) >= DIFFERENT and r.mean >= BARELY_READ for r in readings)
        ) or witnesses.second_opinion(line) >= REFUTED:
            doubtful.append(line)
    paragraphs = [line for line in doubtful if _covered(line, [*kept, *proved, *likely], size) >= COVERED]
    doubtful = [line for line in doubtful if line not in paragraphs]
    hidden = [*_without_parts(kept, doubtful, read, known), *proved, *likely]
    asked += _apart(doubtful)
    return [*hidden, *paragraphs, *asked]


def _without_parts(
    small: Sequence[Region], doubtful: Sequence[Region], read: Read, known: KnownNames
) -> list[Region]:
    """The small places without those that are parts of a large doubt, such as three stitches of a row, and unread as
    it is: they are one question with it."""
    kept = list(small)
    for whole in doubtful:
        parts = [line for line in kept if inside(outline(line), outline(whole)) >= COVERED]
        sample = _sample(parts)
        proofs = [any(is_read(r, 0.0) or known.near(r.text) for r in read(line)) for line in sample]
        if sum(proofs) < FEW_READ * len(sample):
            kept = [line for line in kept if line not in parts]
            kept += [line for line, proof in zip(sample, proofs, strict=True) if proof]
    return kept


def _sample(places: Sequence[Region]) -> list[Region]:
    """At most :data:`SAMPLE` places, evenly out of all."""
    if not places:
        return []
    return [places[int(n)] for n in np.linspace(0, len(places) - 1, min(SAMPLE, len(places)))]


def judged_faint(lines: Sequence[Region], witnesses: Witnesses) -> list[Region]:
    """Of lines that only a stretch of contrast shows: those to hide, and the large ones that nobody can read to ask
    about. Everything is of the stretched picture, the witnesses too."""
    hidden: list[Region] = []
    doubtful: list[Region] = []
    for line in lines:
        readings = witnesses.read(line)
        if any(
            (letters(r) >= FAINT_DIFFERENT and r.mean >= FAINT_READ) or witnesses.known.near(r.text)
            for r in readings
        ):
            hidden.append(line)
        elif witnesses.second_opinion(line) >= FAINT_SECOND:
            (doubtful if is_large(line, witnesses.size) else hidden).append(line)
    return [*hidden, *_apart([line for line in doubtful if _covered(line, hidden, witnesses.size) < COVERED])]


def _apart(doubtful: Sequence[Region]) -> list[Region]:
    """The doubts, the largest first, without those that lie in another."""
    kept: list[Region] = []
    for line in sorted(doubtful, key=lambda one: -area(outline(one))):
        if all(inside(outline(line), outline(other)) < SAME_PLACE for other in kept):
            kept.append(replace(line, action=Action.ASK))
    return kept


def letters(reading: TextLine) -> int:
    """How many different letters or digits a reading has; those that readers take for one another are one."""
    return len({c for c in folded(reading.text) if c.isalnum()})


def _without_lone_signs(small: Sequence[Region], witnesses: Witnesses) -> list[Region]:
    """The small places without those that are one sign each: no letter, or a letter with nothing beside it.

    Letters far apart, a column of characters, are places of one sign each, too, but have each other beside them.
    """
    places = [line for line in small if share(line, witnesses.size) > SIGN_AREA]
    if len(places) > SIGNS:
        return list(small)
    signs: list[tuple[Region, bool]] = []
    for line in places:
        readings = witnesses.read(line)
        surest = max(readings, key=lambda r: r.mean, default=None)
        if (
            surest
            and len(surest.text.strip()) == 1
            and surest.mean >= SIGN
            and not any(letters(r) >= DIFFERENT and r.mean >= BARELY_READ for r in readings)
            and not any(witnesses.known.near(r.text) for r in readings)
            and witnesses.second_opinion(line) < REFUTED
        ):
            signs.append((line, surest.text.strip().isalnum()))
    rest = [line for line in small if (line, False) not in signs]
    alone = [line for line, letter in signs if letter and _is_alone(line, rest)]
    return [line for line in rest if line not in alone]


def _is_alone(line: Region, others: Sequence[Region]) -> bool:
    around = line.box.padded(TOUCH * least_side(line))
    return all(
        other is line
        or other.box.covered_by(line.box) > SAME_PLACE
        or not around.intersection(other.box).area
        for other in others
    )


def _textures(
    small: Sequence[Region], size: tuple[int, int], read: Read, known: KnownNames
) -> tuple[list[Region], list[Region]]:
    """The small places to hide, and a question for each group of them that is a texture."""
    kept: list[Region] = []
    asked: list[Region] = []
    for group in _groups(small, size):
        places = _places(group)
        if len(places) < MANY:
            kept += group
            continue
        chosen = _sample(places)
        readings = [read(line) for line in chosen]
        proofs = [any(is_read(r, 0.0) or known.near(r.text) for r in each) for each in readings]
        if sum(proofs) >= FEW_READ * len(chosen):
            kept += group
            continue
        kept += [line for line, proof in zip(chosen, proofs, strict=True) if proof]
        evidence = max(group, key=lambda line: max(e.score for e in line.evidence)).evidence
        box = reduce(Box.union, (line.box for line in group))
        asked.append(Region(box, Kind.TEXT, evidence, action=Action.ASK))
    return kept, asked


def _places(group: Sequence[Region]) -> list[Region]:
    """A group's lines without those that lie in a larger one: other views of the same."""
    found: list[Region] = []
    for line in sorted(group, key=lambda one: -area(outline(one))):
        if all(inside(outline(line), outline(other)) < SAME_PLACE for other in found):
            found.append(line)
    return sorted(found, key=lambda one: (one.box.y, one.box.x))


def _groups(lines: Sequence[Region], size: tuple[int, int]) -> list[list[Region]]:
    """Lines whose surroundings meet, in order of the picture's rows."""
    if len(lines) < MANY:
        return [list(lines)] if lines else []
    scale = MEASURED / max(size)
    ground = np.zeros((int(size[0] * scale) + 2, int(size[1] * scale) + 2), np.uint8)
    for line in lines:
        grown = line.box.padded(TOUCH * least_side(line)).times(scale, scale)
        left, top, right, bottom = grown.pixels(ground.shape[1], ground.shape[0])
        ground[top:bottom, left:right] = 1
    _, labels = cv2.connectedComponents(ground)
    groups: dict[int, list[Region]] = {}
    for line in sorted(lines, key=lambda one: (one.box.y, one.box.x)):
        x, y = line.box.centre
        row = min(labels.shape[0] - 1, max(0, int(y * scale)))
        column = min(labels.shape[1] - 1, max(0, int(x * scale)))
        groups.setdefault(int(labels[row, column]), []).append(line)
    return list(groups.values())


def _covered(line: Region, hidden: Sequence[Region], size: tuple[int, int]) -> float:
    """The share of a line's outline that lies under others."""
    scale = MEASURED / max(size)
    shape = (int(size[0] * scale) + 2, int(size[1] * scale) + 2)
    own, over = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(own, np.rint(np.array(outline(line)) * scale).astype(np.int32), 1)
    for other in hidden:
        cv2.fillConvexPoly(over, np.rint(np.array(outline(other)) * scale).astype(np.int32), 1)
    return float(over[own > 0].mean()) if own.any() else 0.0
