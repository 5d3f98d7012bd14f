"""From what networks see at one place to what is done with it.

What a candidate needs depends on what a mistake costs. A small one is hidden on little evidence: a face missed is a
patient shown, and a small blur too many hides nothing of the finding. A large one would hide the very skin that the
photo is about: soles, bellies and shoulders have scores up to 0.5, and true faces go down to 0.16. So it is hidden
outright where two looks at it are sure; where they half agree it is hidden, and a person is asked; where the close
look sees nothing it is a question, if something else speaks for a face, and otherwise left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from anonymizer.core.types import Action, Box, Detection, Region
from anonymizer.detect.faces import centerface
from anonymizer.detect.faces.fusion import clusters, fused, same_face

TINY = 7.0
"""Least side of a face that is reported, pixels of the picture. Nobody is recognised by ten, but boxes are tight."""
LARGE_SHARE = 0.2
LARGE_SIDE = 80.0
MIDDLING_SHARE = 0.01
"""A candidate of less than this share of the picture is hidden on one look's word: nobody misses so little. A true face
that is not small in pixels either, :data:`LARGE_SIDE`, is seen at more than one of the sizes and turns …"""
MANY = 8
"""So many faces in one picture, none of them plain, may be a texture: bottles, foliage, gloves and helmets."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The evidence that each action needs; scores are CenterFace's where nothing else is said."""

    small: float = 0.15
    """Hides a candidate that is not large."""
    large: float = 0.12
    """Makes a large one a candidate: more than a fifth of the picture's lesser side, and 80 pixels …"""
    second: float = 0.60
    """… or BlazeFace's or YuNet's score does."""
    proof: float = 0.60
    """A large candidate is a face by the search alone …"""
    plain: float = 0.35
    """… or by this score in the search …"""
    confirmed: float = 0.65
    """… and this in the close look."""
    likely: float = 0.45
    """Search and close look together: hidden, and asked about …"""
    seen: float = 0.25
    """… where the close look gives this at least (and so it must of a middling one that one look sees), or …"""
    strong: float = 0.40
    """… the search this by itself."""
    alone: float = 0.80
    """BlazeFace's or YuNet's score at which a person is asked though CenterFace sees nothing."""
    ghost: float = 0.30
    """A small candidate below this, half under the redaction of a plain face of twice its area, is that face again."""
    tiny_picture: float = 0.45
    """BlazeFace's score for a candidate below 80 pixels that takes up most of its picture."""


def asked_once_where_few_are_plain(regions: Sequence[Region], rules: Rules) -> list[Region]:
    """The regions; where fewer than one in :data:`MANY` that are hidden has the score of a proof, the largest other one
    is asked about.

    Among so many true faces some are plain. What only resembles them, again and again, takes the case away piece by
    piece, and nobody would be asked: no single piece is large.
    """
    hidden = [region for region in regions if region.hidden]
    faint = [region for region in hidden if all(e.score < rules.proof for e in region.evidence)]
    plain = len(hidden) - len(faint)
    if len(hidden) < MANY or plain * MANY >= len(hidden) or any(region.asked for region in hidden):
        return list(regions)
    largest = max(faint, key=lambda region: region.box.area)
    return [replace(r, action=Action.HIDE_AND_ASK) if r is largest else r for r in regions]


def best(detections: Sequence[Detection], name: str) -> float:
    """The best score of one network, 0 if it saw nothing."""
    return max((d.score for d in detections if d.detector == name), default=0.0)


def best_other(detections: Sequence[Detection]) -> float:
    """The best score of the networks beside CenterFace, 0 if they saw nothing."""
    return max((d.score for d in detections if d.detector != centerface.NAME), default=0.0)


def decide(
    candidates: Sequence[Detection],
    size: tuple[int, int],
    close_look: Callable[[Box], list[Detection]],
    rules: Rules,
) -> list[Region]:
    """One region for each face, with what is to be done with it; ``Action.LEAVE`` among them.

    ``size`` is the picture's ``(width, height)``. ``close_look`` says what every network sees of a place that is cut
    out and enlarged; it is asked about large doubts alone.
    """
    width, height = size
    regions: list[Region] = []
    doubts: list[list[Detection]] = []
    once: list[list[Detection]] = []
    for group in clusters(candidates):
        side = min(group[0].box.w, group[0].box.h)
        if side < TINY or fused(group).box.within(width, height).area <= 0:
            continue
        large = side >= LARGE_SIDE and side >= LARGE_SHARE * min(width, height)
        main, second = best(group, centerface.NAME), best_other(group)
        if not large and _by_one_look(group, size, rules):
            once.append(group)
        elif main >= (rules.proof if large else rules.small):
            region = fused(group)
            if not (main < rules.ghost and _is_ghost(region, regions, rules)):
                regions.append(region)
        elif large and max(main / rules.large, second / rules.second) >= 1:
            doubts.append(group)
        elif side < LARGE_SIDE and side >= 0.5 * min(width, height) and second >= rules.tiny_picture:
            regions.append(fused(group))
    for group in once:
        closer = close_look(fused(group).box)
        seen = best(closer, centerface.NAME) >= rules.seen
        regions.append(fused([*group, *closer], Action.HIDE if seen else Action.LEAVE))
    judged: list[Region] = []
    for group in doubts:
        box = fused(group).box
        if best(group, centerface.NAME) < rules.plain and any(
            r.hidden and box.covered_by(r.box.scaled(1.2)) > 0.5 for r in regions
        ):
            continue
        closer = close_look(box)
        region = fused([*group, *closer])
        judged.append(replace(region, action=_action(group, closer, rules)))
    return [*regions, *_joined(judged)]


def _by_one_look(group: Sequence[Detection], size: tuple[int, int], rules: Rules) -> bool:
    """Whether a weak candidate that a mistake would be seen of was seen by one look of CenterFace's alone."""
    box = group[0].box
    looks = [d for d in group if d.detector == centerface.NAME]
    return (
        len(looks) == 1
        and rules.small <= looks[0].score < rules.plain
        and min(box.w, box.h) >= LARGE_SIDE
        and box.area > MIDDLING_SHARE * size[0] * size[1]
    )


def _is_ghost(region: Region, regions: Sequence[Region], rules: Rules) -> bool:
    """Whether a weak candidate is hair or an ear of a plain face, which is drawn over for the greater part."""
    return any(
        max(e.score for e in one.evidence) >= rules.proof
        and region.box.area <= 0.5 * one.box.area
        and region.box.covered_by(one.box.scaled(1.2)) > 0.5
        for one in regions
    )


def _joined(doubts: Sequence[Region]) -> list[Region]:
    """The doubts; two that are hidden for a person to judge and mean one face are one, about both boxes."""
    kept: list[Region] = []
    for doubt in doubts:
        same = next(
            (
                one
                for one in kept
                if {one.action, doubt.action} == {Action.HIDE_AND_ASK} and same_face(one.box, doubt.box)
            ),
            None,
        )
        if same:
            kept.remove(same)
            doubt = replace(same, box=same.box.union(doubt.box))
        kept.append(doubt)
    return kept


def _action(group: Sequence[Detection], closer: Sequence[Detection], rules: Rules) -> Action:
    """What is done with a large doubt."""
    main, look = best(group, centerface.NAME), best(closer, centerface.NAME)
    if main >= rules.plain and look >= rules.confirmed:
        return Action.HIDE
    if main + look >= rules.likely and (look >= rules.seen or main >= rules.strong):
        return Action.HIDE_AND_ASK
    if best_other([*group, *closer]) >= rules.alone:
        return Action.ASK
    return Action.LEAVE
