"""Text and codes on their way through a clip: followed as quadrilaterals, checked against each new sighting.

A label lies on something that moves, tilts and turns, and half a name beside a cover is still a name. So it is
followed by the flow of its own corners (:mod:`anonymizer.track.flow`), and where that is doubtful, or it has moved at
all, whoever searches is asked to look at the place again (:attr:`Live.restless`). Quadrilaterals are float64
``(4, 2)``, in pixels of the upright frame unless they are said to be small: in those of its small copy.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from anonymizer.core.geometry import area, corners_of, inside, outline, outline_iou
from anonymizer.core.machine import own_threads
from anonymizer.core.types import Action, Box, Evidence, Kind, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.codes.finder import LARGE_HELD as LARGE_CODE
from anonymizer.detect.text.evidence import is_large, share
from anonymizer.track.flow import Quad, aligned, moved, scaled
from anonymizer.track.live import Live, nearness
from anonymizer.track.template import FOLLOWED_CORRELATION, GROWTH, Grey, follow, template

LABELS = frozenset({Kind.TEXT, Kind.CODE})
ROOMY = 1.6
"""A line of text keeps the larger of two extents that differ by less than this in area."""
SAME = 0.15
"""Two outlines that share so much (intersection over union) may show one label."""
AGREED = 0.85
"""Where the way forwards and the way back share so much, both say the same."""
LOOKS = 3
"""Closer looks at a label, at different moments …"""
PROOFS, PROVED_AREA = 12, 0.0005
"""… at so many labels in one frame at most; nobody misses what takes up less than this share of it."""
FOUND = 1 / 3
"""Share of the searches in which a large label is found."""
SIDE_BY_SIDE = 4
"""So many labels are followed by two threads: what that takes is the library's time, not Python's."""
UPRIGHT = 0.02
"""A side is level or plumb that leaves its direction by less than this share of its length."""


def quad_of(region: Region) -> Quad:
    """A region's outline, its corners in order."""
    return np.array(outline(region), np.float64)


def box_of(quad: Quad) -> Box:
    """The smallest upright box about a quadrilateral."""
    (x, y), (right, bottom) = quad.min(axis=0).tolist(), quad.max(axis=0).tolist()
    return Box(x, y, right - x, bottom - y)


def is_upright(quad: Quad) -> bool:
    """Whether a quadrilateral is as good as its upright box."""
    sides = np.abs(np.roll(quad, -1, axis=0) - quad)
    return bool((sides.min(axis=1) <= np.maximum(0.5, UPRIGHT * sides.max(axis=1))).all())


def joined(one: Quad, other: Quad) -> Quad:
    """The smallest rectangle that holds both: an upright one if both are, else at any angle."""
    if is_upright(one) and is_upright(other):
        return np.array(corners_of(box_of(np.vstack([one, other]))), np.float64)
    return np.asarray(cv2.boxPoints(cv2.minAreaRect(np.vstack([one, other]).astype(np.float32))), np.float64)


def likeness(live: Live, region: Region) -> float:
    """How likely a sighting shows this thing, which is of its kind; 0 for not."""
    if live.kind not in LABELS:
        return nearness(region.box, live.box)
    shared = outline_iou(standing(live)[-1].tolist(), outline(region))
    return 1 + shared if shared >= SAME else 0.0


def pieces(quad: Quad, region: Region) -> Quad | None:
    """The rectangle of both where what was sighted is a part of the line that stands there, or holds it; else None."""
    own, sighted = quad.tolist(), outline(region)
    both = joined(quad, quad_of(region))
    if max(inside(sighted, own), inside(own, sighted)) <= 0.5:
        return None
    return both if area(both.tolist()) <= ROOMY * max(area(own), area(sighted)) + 1e-3 else None


def carry(live: Live, grey: Grey, scale: tuple[float, float]) -> bool:
    """Add where a label is in the next frame, before anybody has looked; whether it could be followed there."""
    quads = standing(live)
    found = _followed(live, grey)
    if found is None:
        live.restless = live.doubtful = True
        quads.append(scaled(quads[-1], 1 + GROWTH))
    else:
        quad, still = found
        if not still:
            live.restless, live.anchor = True, (grey, quad)
        quads.append(
            np.asarray(quad / scale, np.float64) if not still or live.marks[-1] == "H" else quads[-1]
        )
    live.boxes.append(box_of(quads[-1]))
    live.marks.append("H" if found is None else "F")
    return found is not None


def carry_all(lives: Sequence[Live], grey: Grey, scale: tuple[float, float], frame: int) -> None:
    """Add where labels are in the next frame, whose number is ``frame``: see :func:`carry`."""
    if len(lives) < SIDE_BY_SIDE or own_threads() == 1:
        followed = [carry(live, grey, scale) for live in lives]
    else:
        with ThreadPoolExecutor(2) as beside:
            followed = list(beside.map(lambda live: carry(live, grey, scale), lives))
    for live, found in zip(lives, followed, strict=True):
        live.good = frame if found else live.good


def _followed(live: Live, grey: Grey) -> tuple[Quad, bool] | None:
    """Where a label is in another small frame, and whether it has not moved since its anchor; None if nobody knows."""
    if live.anchor is None:
        return None
    before, quad = live.anchor
    if (by_flow := moved(before, grey, quad)) is not None:
        return by_flow.quad, by_flow.still
    box = box_of(quad)
    if (look := template(before, box)) is None:
        return None
    there, correlation = follow(look, grey, box)
    if correlation < FOLLOWED_CORRELATION:
        return None
    return np.asarray(quad + np.array((there.x - box.x, there.y - box.y)), np.float64), there == box


def region_of(live: Live, frame: int, action: Action = Action.HIDE) -> Region:
    """A label as it stands in one frame of its track."""
    corners = tuple((float(x), float(y)) for x, y in standing(live)[frame - live.first])
    evidence = tuple(Evidence(name, score) for name, score in live.evidence.items())
    return Region(live.boxes[frame - live.first], live.kind, evidence, corners=corners, action=action)


def unproved(lives: Sequence[Live], frame: int, size: tuple[int, int]) -> list[tuple[Live, Region]]:
    """The labels at which a closer look is due in this frame of this size (width, height), the largest first."""
    least = PROVED_AREA * size[0] * size[1]
    due = [
        (live, region_of(live, frame))
        for live in lives
        if live.kind in LABELS and live.looks < LOOKS and live.marks[-1] != "H" and live.box.area >= least
    ]
    due = [
        (live, region)
        for live, region in due
        if live.proof is Proof.NONE or (live.proof < Proof.CERTAIN and costs_much(region, size))
    ]
    return sorted(due, key=lambda one: -one[1].box.area)[:PROOFS]


def looked(live: Live, proof: Proof) -> None:
    """Note what a closer look at a label said."""
    live.proof = max(live.proof, proof)
    live.looks += 1
    live.reads += proof >= Proof.READ


def verdict(live: Live, size: tuple[int, int]) -> Action:
    """What is done with a label along its whole track, after :data:`LOOKS` closer looks at different moments; before
    that it is hidden.

    What is small is hidden if any of them saw anything. What is large would destroy the case if it is no label: most of
    them must have read it, and it must be found in a third of the searches, or a person is asked: an arcade is read
    as "nnn" now and then. A code that was once decoded, and a known name that was once read, are hidden.
    """
    if live.kind not in LABELS or live.looks < LOOKS or live.proof is Proof.CERTAIN:
        return Action.HIDE
    if live.proof is Proof.NONE:
        return Action.LEAVE
    found = live.searches < LOOKS or FOUND * live.searches <= live.sightings
    if (2 * live.reads > live.looks and found) or not costs_much(region_of(live, live.since), size):
        return Action.HIDE
    return Action.ASK


def costs_much(region: Region, size: tuple[int, int]) -> bool:
    """Whether a label would destroy the case were it hidden in error."""
    if region.kind is Kind.CODE:
        return share(region, size[::-1]) > LARGE_CODE
    return is_large(region, size[::-1])


def attest(
    live: Live, region: Region, grey: Grey, past: Sequence[Grey], frame: int, scale: tuple[float, float]
) -> None:
    """Put a label where it was sighted in this frame, and the frames since the last sighting right.

    ``past``: the small frames before this one, the latest last. The larger of what is sighted and what was followed
    stays, within reason: a quick detection finds the line, and not always its last letter.
    """
    quads = standing(live)
    stood = quads[-1]
    quad = aligned(quad_of(region), stood)
    agreed = outline_iou(quad.tolist(), stood.tolist()) >= 0.5
    confirmed = not live.doubtful and inside(quad.tolist(), stood.tolist()) >= AGREED
    both = joined(quad, stood)
    if live.marks[-1] != "H" and area(both.tolist()) < ROOMY * area(quad.tolist()):
        quad = aligned(both, stood)
    gap = frame - live.since
    live.anchor = grey, np.asarray(quad * scale, np.float64)
    if gap > 1:
        # Where it was followed surely, and is found in the very place, the way back would say the same.
        back = _way_back(live, gap, past, scale) if live.restless and not confirmed else []
        _between(live, quad, gap, back, agreed=agreed)
    quads[-1] = quad
    live.restless = live.doubtful = False


def _between(live: Live, quad: Quad, gap: int, back: Sequence[Quad], *, agreed: bool) -> None:
    """Hide the frames between two sightings wherever the label may have been: forwards, backwards, or in between.

    ``back``: where it was by the way back, the latest frame first.
    """
    quads, start = standing(live), live.since - live.first
    first = quads[start]
    for step in range(1, gap):
        at = start + step
        behind = back[gap - step - 1] if gap - step <= len(back) else None
        straight = np.asarray(first + (quad - first) * (step / gap), np.float64)
        forwards = quads[at] if live.marks[at] != "H" else None
        if forwards is not None and behind is not None:
            same = outline_iou(forwards.tolist(), behind.tolist()) >= AGREED
            quads[at] = forwards if same else joined(forwards, behind)
        elif behind is not None:
            quads[at], live.marks[at] = behind, "F"
        elif forwards is None or not agreed or not live.restless:
            quads[at] = joined(quads[at], straight)
        live.boxes[at] = box_of(quads[at])


def _way_back(live: Live, most: int, past: Sequence[Grey], scale: tuple[float, float]) -> list[Quad]:
    """Where a label was before, the latest frame first, as far as it can be followed back; at most so many less one."""
    found: list[Quad] = []
    kept = live.anchor
    for grey in itertools.islice(reversed(past), most - 1):
        place = _followed(live, grey)
        if place is None:
            break
        quad, still = place
        if not still:
            live.anchor = grey, quad
        found.append(np.asarray(quad / scale, np.float64))
    live.anchor = kept
    return found


def look_back(live: Live, past: Sequence[Grey], held: int, scale: tuple[float, float]) -> None:
    """Follow a new label back through the frames before it; where it cannot be followed it is held for a while."""
    quads: list[Quad] = []
    marks: list[str] = []
    kept, quad = live.anchor, standing(live)[0]
    missed = 0
    for grey in reversed(past):
        place = _followed(live, grey)
        if place is None:
            missed += 1
            if missed > held:
                break
            quad = scaled(quad, 1 + GROWTH)
        else:
            missed = 0
            small, still = place
            if not still:
                live.anchor = grey, small
            quad = np.asarray(small / scale, np.float64)
        quads.append(quad)
        marks.append("H" if missed else "F")
    live.anchor = kept
    live.quads[:0] = quads[::-1]
    live.boxes[:0] = [box_of(one) for one in quads[::-1]]
    live.marks[:0] = marks[::-1]
    live.first -= len(quads)


def standing(live: Live) -> list[Quad]:
    """A label's quadrilaterals, one for each of its boxes."""
    if len(live.quads) != len(live.boxes):
        live.quads[:] = [np.array(corners_of(box), np.float64) for box in live.boxes]
    return live.quads


def padded(quad: Quad, pixels: float) -> Quad:
    """A rectangle at any angle, grown by so many pixels on each side."""
    centre, (w, h), angle = cv2.minAreaRect(quad.astype(np.float32))
    return aligned(
        np.asarray(cv2.boxPoints((centre, (w + 2 * pixels, h + 2 * pixels), angle)), np.float64), quad
    )
