"""The tracker's rules by value, at their borders: what is one thing, how far it is trusted, when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.types import Action, Box, Evidence, Kind, Pixels, Region
from anonymizer.track import template as look
from anonymizer.track.ground import came_up, has_gone
from anonymizer.track.labels import ROOMY
from anonymizer.track.live import (
    SURE,
    Live,
    asked_faces,
    between,
    bridged,
    drifted,
    nearness,
    refuted,
    score_of,
    seen,
    trimmed,
)
from anonymizer.track.template import follow, template
from anonymizer.track.tracker import Tracker
from anonymizer.track.tracks import Track, steady

SIZE, SMALL = (640, 360), (320, 180)
BOX = Box(300, 100, 40, 40)
GREY = np.full((180, 320), 90, np.uint8)
PICTURE: Pixels = np.full((180, 320, 3), 90, np.uint8)


def live(
    marks: str = "S", *, kind: Kind = Kind.FACE, box: Box = BOX, boxes: Sequence[Box] = (), first: int = 0,
    since: int = 0, good: int = 0, best: float = 0.9, sightings: int = 1, **more: Any,
) -> Live:  # fmt: skip
    return Live(
        kind,
        first,
        list(boxes) or [box] * len(marks),
        list(marks),
        None,
        since,
        good,
        best,
        sightings,
        **more,
    )


def tracker(*lives: Live, frame: int = 100) -> Tracker:
    """One of 25 frames a second that is at this frame with these things in view."""
    made = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
    made._live = list(lives)
    made._frame = frame
    return made


def region(box: Box, kind: Kind = Kind.FACE, score: float = 0.9, **more: Any) -> Region:
    return Region(box, kind, (Evidence("a", score),), **more)


# Two boxes


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        (Box(0, 0, 10, 10), Box(0, 0, 10, 10), 2.0),
        (Box(0, 0, 23, 10), Box(17, 0, 23, 10), 1.15),
        (Box(0, 0, 23, 10), Box(17.5, 0, 23, 10), 0.0),
        # Hardly over each other: about one middle, and of half the area at least.
        (Box(-24.5, -0.5, 49, 1), Box(-0.5, -49.5, 1, 99), 1.0),
        (Box(-0.5, -49.5, 1, 99), Box(-24.5, -0.5, 49, 1), 1.0),
        (Box(-24.5, -0.5, 49, 1), Box(-0.5, -50, 1, 100), 0.0),
        (Box(-0.5, -50, 1, 100), Box(-24.5, -0.5, 49, 1), 0.0),
        # Within three fifths of the lesser side.
        (Box(-30, -2.5, 60, 5), Box(-2.5, -28, 5, 60), 0.6),
        (Box(-30, -2.5, 60, 5), Box(-2.5, -27, 5, 60), 0.0),
        (Box(0, 0, 10, 10), Box(500, 0, 10, 10), 0.0),
    ],
)
def test_how_near_two_boxes_are(one: Box, other: Box, near: float) -> None:
    assert nearness(one, other) == pytest.approx(near)


def test_a_box_between_two() -> None:
    assert between(Box(0, 10, 20, 30), Box(10, 0, 40, 10), 0.5) == Box(5, 5, 30, 20)


# The ends of a track


def tenths(seconds: float) -> int:
    return round(seconds * 10)


@pytest.mark.parametrize(
    ("marks", "best", "sightings", "kind", "kept"),
    [
        # A sure one is followed for three seconds, a faint one for so long as it was sighted.
        ("F" * 40 + "S" + "F" * 40, SURE, 1, Kind.FACE, (10, 71)),
        ("F" * 40 + "S" + "F" * 40, 0.3, 1, Kind.FACE, (38, 43)),
        ("F" * 40 + "S" + "F" * 40, 0.3, 6, Kind.FACE, (33, 48)),
        ("F" * 40 + "S" + "F" * 40, 0.3, 99, Kind.FACE, (10, 71)),
        ("F" * 40 + "S" + "F" * 40, 0.3, 1, Kind.TEXT, (0, 81)),
        # What cannot be followed is held for as long as it was sighted, for less than a second, a faint one for less.
        ("H" * 20 + "S" * 7 + "H" * 20, 0.9, 7, Kind.FACE, (14, 33)),
        ("H" * 20 + "S" * 8 + "H" * 20, 0.9, 8, Kind.FACE, (14, 34)),
        ("H" * 20 + "S" * 4 + "H" * 20, 0.9, 4, Kind.FACE, (17, 27)),
        ("H" * 20 + "S" * 4 + "H" * 20, 0.3, 1, Kind.FACE, (19, 25)),
        ("H" * 20 + "S" + "H" * 20, 0.9, 1, Kind.FACE, (20, 21)),
        ("H" * 20 + "S" + "H" * 20, 0.9, 1, Kind.TEXT, (14, 27)),
        # And is held again where it was followed meanwhile.
        ("H" * 20 + "F" + "HH" + "S" * 3 + "HH" + "F" + "H" * 20, 0.9, 3, Kind.FACE, (18, 31)),
        ("S", 0.9, 1, Kind.FACE, (0, 1)),
        ("FFSFF", 0.9, 1, Kind.FACE, (0, 5)),
        ("S" + "H" * 20 + "S", 0.9, 2, Kind.FACE, (0, 22)),
    ],
)
def test_how_far_a_track_is_trusted(
    marks: str, best: float, sightings: int, kind: Kind, kept: tuple[int, int]
) -> None:
    boxes = [Box(float(n), 0, 1, 1) for n in range(len(marks))]
    found = trimmed(live(marks, boxes=boxes, kind=kind, best=best, sightings=sightings, first=100), tenths)
    assert (found.first - 100, found.first - 100 + len(found.marks)) == kept
    assert "".join(found.marks) == marks[slice(*kept)] and found.boxes == boxes[slice(*kept)]
    assert found.over


def test_a_track_that_nobody_saw_or_that_is_settled_is_left_as_it_is() -> None:
    assert len(trimmed(live("F" * 90), tenths).marks) == 90
    assert len(trimmed(live("S" + "F" * 90, over=True), tenths).marks) == 91


# Two tracks


def bridging(early: Live, *late: Live) -> list[Live]:
    return bridged([*late, early], tenths)


@pytest.mark.parametrize(("gap", "tracks"), [(-1, 2), (0, 1), (1, 1), (20, 1), (21, 2)])
def test_a_gap_of_two_seconds_is_bridged(gap: int, tracks: int) -> None:
    found = bridging(live("SS"), live("SS", first=2 + gap))
    assert len(found) == tracks
    if tracks == 1:
        assert "".join(found[0].marks) == "SS" + "H" * gap + "SS" and len(found[0].boxes) == 4 + gap


def test_the_way_over_a_gap_is_straight_and_a_little_larger() -> None:
    (found,) = bridging(live(box=Box(0, 0, 10, 10)), live(box=Box(4, 0, 10, 10), first=4))
    assert found.boxes[1:4] == [Box(n, 0, 10, 10).scaled(1.1) for n in (1, 2, 3)]


def test_only_things_of_one_kind_and_place_are_one() -> None:
    assert len(bridging(live(), live(first=1, kind=Kind.TEXT))) == 2
    assert len(bridging(live(), live(first=1, box=Box(0, 0, 40, 40)))) == 2


def test_the_nearest_of_several_goes_on_and_of_equal_ones_the_first() -> None:
    for order in ((310, 301), (301, 310)):
        found = bridged([*(live(box=Box(x, 100, 40, 40)) for x in order), live(first=1)], tenths)
        assert {one.boxes[0].x: len(one.marks) for one in found} == {310: 1, 301: 2}
    one, same = live(), live()
    bridged([one, same, live(first=1)], tenths)
    assert (len(one.marks), len(same.marks)) == (2, 1)


def test_what_was_known_of_both_is_known_of_the_one() -> None:
    early = live(evidence={"a": 0.5, "b": 0.9})
    late = live(first=1, evidence={"a": 0.7, "c": 0.2})
    (found,) = bridging(early, late)
    assert found.evidence == {"a": 0.7, "b": 0.9, "c": 0.2}


@pytest.mark.parametrize(
    ("early", "late", "total", "added"),
    [(2, 3, 5.0, 2), (None, 3, 3.0, 1), (2, None, 2.0, 1), (None, None, None, 0), (2, "other", 2.0, 1)],
)
def test_colours_of_both_are_added_where_they_have_one_size(
    early: Any, late: Any, total: float | None, added: int
) -> None:
    def colours(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        return {
            "total": np.full((2, 2, 3), 3.0) if value == "other" else np.full((4, 4, 3), float(value)),
            "added": 1,
        }

    (found,) = bridging(live(**colours(early)), live(first=1, **colours(late)))
    assert found.added == added
    assert (
        (found.total is None) if total is None else (found.total is not None and (found.total == total).all())
    )


# The tracker


@pytest.mark.parametrize(
    ("one", "pace"),
    [
        (None, 3),
        # Not sighted when it was last looked for; sighted often and just now; sighted but once or twice.
        (live(since=96, best=SURE, sightings=9), 1),
        (live(since=97, best=SURE, sightings=9), 3),
        (live(since=100, sightings=2), 1),
        (live(since=100, sightings=3), 3),
        # A faint one: twice as often as in calm, and not for longer than a moment.
        (live(since=100 - 18, best=0.3, sightings=9), 2),
        (live(since=100 - 19, best=0.3, sightings=9), 3),
        (live(since=100, best=0.3, sightings=1), 2),
        (live(since=100 - 19, best=SURE, sightings=9), 1),
        (live(since=96, kind=Kind.TEXT), 3),
    ],
)
def test_how_often_faces_are_looked_for(one: Live | None, pace: int) -> None:
    assert tracker(*([one] if one else [])).pace() == pace


def test_one_sure_face_among_faint_ones_sets_the_pace() -> None:
    faint = live(since=99, best=0.3)
    assert tracker(faint, live(since=96), faint).pace() == 1 and tracker(faint, faint).pace() == 2


@pytest.mark.parametrize(
    ("ago", "more", "seen", "losing"),
    [
        (1, {}, [], False),
        (2, {}, [], True),
        (5, {}, [], True),
        (6, {}, [], False),
        (2, {"best": SURE}, [], True),
        (2, {"best": SURE - 0.01}, [], False),
        (2, {"kind": Kind.MARK}, [], False),
        (2, {}, [BOX], False),
        (2, {}, [Box(0, 0, 40, 40)], True),
        (2, {}, [Box(0, 0, 40, 40), BOX], False),
    ],
)
def test_when_a_face_is_being_lost(ago: int, more: dict[str, Any], seen: list[Box], losing: bool) -> None:
    assert tracker(live(since=100 - ago, **more)).losing(seen) is losing


def test_places_are_of_their_kinds_and_known() -> None:
    made = tracker(
        live("S", kind=Kind.TEXT, box=Box(1, 0, 9, 9)),
        live("F", kind=Kind.CODE, box=Box(2, 0, 9, 9)),
        live("SH", kind=Kind.TEXT),
        live("S", kind=Kind.FACE),
    )
    assert made.places(frozenset({Kind.TEXT, Kind.CODE})) == [Box(1, 0, 9, 9), Box(2, 0, 9, 9)]


@pytest.mark.parametrize(
    ("kind", "stands", "found", "known"),
    [
        (Kind.FACE, Box(0, 0, 7, 10), Box(0, 0, 10, 10), False),
        (Kind.FACE, Box(0, 0, 7.1, 10), Box(0, 0, 10, 10), True),
        (Kind.FACE, Box(0, 0, 10, 10), Box(0, 0, 7, 10), True),
        (Kind.TEXT, Box(5, 0, 10, 10), Box(0, 0, 10, 10), False),
        (Kind.TEXT, Box(4.9, 0, 10, 10), Box(0, 0, 10, 10), True),
        # Both together may be so much larger than the larger one, and not more.
        (Kind.TEXT, Box(0, 0, 10, 10), Box(2.8, 2.5, 10, 10), True),
        (Kind.TEXT, Box(0, 0, 10, 10), Box(2.9, 2.5, 10, 10), False),
        (Kind.TEXT, Box(0, 0, 20, 2), Box(0, -1.5, 2, 3.5), False),
    ],
)
def test_a_second_sighting_begins_no_track_of_its_own(
    kind: Kind, stands: Box, found: Box, known: bool
) -> None:
    assert Box(0, 0, 10, 10).union(Box(2.8, 2.5, 10, 10)).area == ROOMY * 100, "the border itself"
    one = live(kind=kind, box=stands, since=100, first=100)
    made = tracker(one)
    assert made._known(region(found, kind), PICTURE, GREY) is known
    if known and kind is Kind.TEXT:
        assert one.box == stands.union(found), "a line widens"
    other = Kind.TEXT if kind is Kind.FACE else Kind.CODE
    assert not made._known(region(stands, other), PICTURE, GREY)


@pytest.mark.parametrize(
    ("kind", "stood", "box"),
    [
        (Kind.TEXT, Box(300, 100, 15, 10), Box(300, 100, 15, 10)),
        (Kind.TEXT, Box(300, 100, 16, 10), Box(300, 100, 10, 10)),
        (Kind.FACE, Box(300, 100, 15, 10), Box(300, 100, 10, 10)),
    ],
)
def test_a_line_keeps_its_last_letter(kind: Kind, stood: Box, box: Box) -> None:
    one = live("SF", kind=kind, box=stood, first=99, since=99)
    tracker(one)._attest(one, region(Box(300, 100, 10, 10), kind), PICTURE, GREY)
    assert one.box == box and one.marks == ["S", "S"] and (one.since, one.good) == (100, 100)


def test_between_two_sightings_the_followed_way_and_the_straight_one_are_hidden() -> None:
    boxes = [Box(0, 0, 10, 10), Box(0, 20, 10, 10), Box(0, 20, 10, 10), Box(0, 20, 10, 10)]
    one = live("SFFF", boxes=boxes, first=97, since=97)
    tracker(one)._attest(one, region(Box(30, 0, 10, 10)), PICTURE, GREY)
    assert one.boxes == [Box(0, 0, 10, 10), Box(0, 0, 20, 30), Box(0, 0, 30, 30), Box(30, 0, 10, 10)]


def test_a_face_that_is_sighted_where_it_was_followed_to_went_that_way() -> None:
    boxes = [Box(0, 0, 10, 10), Box(40, 30, 10, 10), Box(0, 0, 12, 12), Box(30, 0, 10, 10)]
    one = live("SFHF", boxes=boxes, first=97, since=97)
    tracker(one)._attest(one, region(Box(32, 0, 10, 10)), PICTURE, GREY)
    assert one.boxes == [boxes[0], boxes[1], Box(0, 0, 31.333333333333332, 12), Box(32, 0, 10, 10)]
    assert one.marks == ["S", "C", "H", "S"], "where it was only held, both ways are hidden"


FACE = {"kind": Kind.FACE, "looks": 3, "sightings": 9}
WIDE = Box(300, 100, 49, 48)
"""A little more than a hundredth of the frame."""


@pytest.mark.parametrize(
    ("box", "best", "more", "gone"),
    [
        (WIDE, 0.34, {"closest": 0.24}, True),
        (WIDE, 0.34, {"closest": 0.25}, False),
        (WIDE, 0.35, {"closest": 0.0}, False),
        (Box(300, 100, 48, 48), 0.34, {"closest": 0.0}, False),
        (WIDE, 0.34, {"closest": 0.0, "looks": 2}, False),
        (WIDE, 0.34, {"closest": 0.0, "looks": 2, "sightings": 2}, True),
        (WIDE, 0.34, {"closest": 0.0, "kind": Kind.TEXT}, False),
        (Box(300, 100, 20, 20), 0.29, {"refuted": 3, "sightings": 3, "closest": 0.3}, True),
        (Box(300, 100, 20, 20), 0.29, {"refuted": 2, "sightings": 3}, False),
        (Box(300, 100, 20, 20), 0.29, {"refuted": 4, "sightings": 4}, False),
        (Box(300, 100, 20, 20), 0.3, {"refuted": 3, "sightings": 3}, False),
        (WIDE, 0.1, {"sightings": 0, "looks": 0}, False),
    ],
)
def test_a_faint_face_that_would_hide_much_is_borne_out_by_a_closer_look(
    box: Box, best: float, more: dict[str, Any], gone: bool
) -> None:
    assert refuted(live(box=box, best=best, **(FACE | more)), SIZE) == gone


def test_a_face_that_is_not_borne_out_is_asked_about_if_it_does_more_than_flicker() -> None:
    one = live("SS", **FACE, box=WIDE, best=0.34, since=1, evidence={"centerface": 0.34})
    sure, flicker = live(box=WIDE, best=0.35, **FACE), live(box=WIDE, best=0.2, refuted=1, looks=1)
    (asked,) = asked_faces([one, sure, flicker], SIZE)
    assert (asked[0], asked[1].box, asked[1].action) == (1, WIDE, Action.ASK)


def test_closer_looks_are_counted_where_a_face_was_just_sighted() -> None:
    here, there = live(box=WIDE, since=100), live(box=BOX, since=99)
    made = tracker(here, there)
    made.looked({WIDE: 0.2, BOX: 0.01}, 0.05)
    made.looked({WIDE: 0.01}, 0.05)
    assert (here.looks, here.closest, here.refuted) == (2, 0.2, 1)
    assert (there.looks, there.refuted) == (0, 0)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"best": 0.2, "sightings": 2}, True),
        ({"best": 0.34, "sightings": 9, "looks": 2, "closest": 0.24}, True),
        ({"best": 0.34, "sightings": 9, "looks": 3}, False),
        ({"best": 0.34, "sightings": 9, "closest": 0.25}, False),
        ({"best": 0.35, "sightings": 9}, False),
    ],
)
def test_faint_faces_are_looked_at_closely_until_they_are_borne_out(
    more: dict[str, Any], wanted: bool
) -> None:
    assert tracker(live(box=WIDE, **more)).unconfirmed(WIDE) == wanted


@pytest.mark.parametrize(
    ("scores", "sure"),
    [
        ({"centerface": 0.3, "blazeface-full": 0.79}, 0.3),
        ({"centerface": 0.3, "blazeface-full": 0.8}, 0.8),
        ({"mine": 0.6}, 0.6),
        ({}, 0.0),
    ],
)
def test_how_sure_a_sighting_is_says_the_network_that_decides(scores: dict[str, float], sure: float) -> None:
    evidence = tuple(Evidence(name, score) for name, score in scores.items())
    assert score_of(Region(BOX, Kind.FACE, evidence)) == sure


def test_what_is_sighted_is_recorded() -> None:
    one = live("F", first=100, since=100, best=0.4, sightings=2, evidence={"a": 0.4, "b": 0.3})
    tracker(one)._attest(one, Region(BOX, Kind.FACE, (Evidence("a", 0.2), Evidence("c", 0.6))), PICTURE, GREY)
    assert (one.best, one.sightings, one.evidence) == (0.6, 3, {"a": 0.4, "b": 0.3, "c": 0.6})
    assert one.added == 1 and one.total is not None and (one.total == 90).all()
    tracker(one)._attest(one, Region(BOX, Kind.FACE, ()), PICTURE, GREY)
    assert (one.best, one.added) == (0.6, 2) and (one.total == 180).all()


@pytest.mark.parametrize(("x", "y"), [(-90, 100), (700, 100), (300, -90), (300, 400)])
def test_beside_the_picture_there_are_no_colours(x: int, y: int) -> None:
    one = live(box=Box(x, y, 40, 40))
    tracker(one)._take_colours(one, PICTURE)
    assert (one.total, one.added) == (None, 0)


@pytest.mark.parametrize(
    ("kind", "past", "back"), [(Kind.FACE, 60, 60), (Kind.FACE, 100, 75), (Kind.MARK, 100, 100)]
)
def test_a_new_thing_is_looked_for_in_the_frames_before(kind: Kind, past: int, back: int) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (180, 320), np.uint8)
    made = tracker()
    made._past.extend([picture] * past)
    one = live(kind=kind, first=100)
    one.appearance = template(picture, made._small(BOX))
    made._look_back(one)
    assert one.first == 100 - back and "".join(one.marks) == "F" * back + "S"


def test_before_it_can_be_known_again_it_is_held_for_a_moment() -> None:
    made = tracker()
    made._past.extend(np.random.default_rng(n).integers(0, 255, (180, 320), np.uint8) for n in range(40))
    one = live(first=100)
    made._look_back(one)
    assert "".join(one.marks) == "H" * 18 + "S" and one.first == 82
    assert one.boxes[0].w > one.boxes[17].w > one.box.w, "nobody knows where it was"


@pytest.mark.parametrize(
    ("at", "step", "moves"),
    [
        (Box(10, 150, 40, 40), (-4, 2), True),
        (Box(590, 150, 40, 40), (4, 2), True),
        (Box(300, 10, 40, 40), (2, -4), True),
        (Box(300, 310, 40, 40), (2, 4), True),
        # At an edge, and not on its way over it.
        (Box(10, 150, 40, 40), (4, 2), False),
        (Box(10, 150, 40, 40), (0, 2), False),
        (Box(590, 150, 40, 40), (-4, 2), False),
        (Box(590, 150, 40, 40), (0, 2), False),
        (Box(300, 10, 40, 40), (2, 4), False),
        (Box(300, 10, 40, 40), (2, 0), False),
        (Box(300, 310, 40, 40), (2, -4), False),
        (Box(300, 310, 40, 40), (2, 0), False),
        # In the middle of the picture.
        (Box(300, 150, 40, 40), (-4, -4), False),
        (Box(300, 150, 40, 40), (4, 4), False),
    ],
)
def test_what_is_held_moves_on_where_it_was_leaving_the_picture(
    at: Box, step: tuple[int, int], moves: bool
) -> None:
    boxes = [Box(at.x + n * step[0], at.y + n * step[1], at.w, at.h) for n in range(-5, 1)]
    grown = at.scaled(1 + look.GROWTH)
    on = grown.union(Box(grown.x + step[0], grown.y + step[1], grown.w, grown.h))
    assert drifted(live("FFFFFF", boxes=boxes), 5, SIZE) == (on if moves else grown)
    # Held before, or too short a while in view to tell: it only grows.
    assert drifted(live("FFFFFH", boxes=boxes), 5, SIZE) == grown
    assert drifted(live("FFFFF", boxes=boxes[1:]), 5, SIZE) == grown


@pytest.mark.parametrize(
    ("shown", "left", "gone"),
    [
        # So many grey levels off in one sixteenth of its place: while it is there, and after it.
        (24, 8, True),
        (23, 8, False),
        (24, 9, False),
        (100, 0, True),
    ],
)
def test_when_a_thing_has_gone_that_came_up_before_a_ground(shown: int, left: int, gone: bool) -> None:
    def grey(value: int) -> NDArray[np.uint8]:
        frame = GREY.copy()
        frame[50:55, 150:155] += value
        return frame

    one = live("HSSHH", since=99, good=99, first=97)
    past = [GREY, grey(shown), grey(0)]
    came_up(one, past[:1])
    assert one.ground is GREY
    assert has_gone(one, past, grey(left), 101, (0.5, 0.5)) is gone
    # What came by could be followed back, or what was remembered since has been forgotten: nobody knows.
    assert not has_gone(one, past[2:], grey(left), 101, (0.5, 0.5))
    for marks, before in (("FS", past), ("S", past), ("HS", [])):
        came_up(one := live(marks), before)
        assert one.ground is None and not has_gone(one, past, grey(left), 101, (0.5, 0.5))


def test_a_cover_ends_where_its_thing_has_gone() -> None:
    def frames(some: float) -> float:
        return max(1, round(some * 25))

    one = trimmed(live("HHHHSFSFHHHH", gone=True), frames)  # type: ignore[arg-type]
    assert "".join(one.marks) == "SFSF" and one.first == 4
    assert tracker()._ended(live("SH", first=99, since=99, good=99, gone=True), frozenset())
    seen_again = live("SH", first=99, since=99, good=99, gone=True)
    at = tracker(seen_again)
    at._attest(seen_again, region(BOX), PICTURE, GREY)
    assert not seen_again.gone and not at._ended(seen_again, frozenset())


@pytest.mark.parametrize(
    ("kind", "since", "good", "searched", "ended"),
    [
        (Kind.FACE, 100, 0, True, False),
        (Kind.FACE, 99, 82, False, False),
        (Kind.FACE, 99, 81, False, True),
        (Kind.FACE, 25, 100, False, False),
        (Kind.FACE, 24, 100, False, True),
        (Kind.TEXT, 24, 100, True, False),
        (Kind.TEXT, 24, 82, True, False),
        (Kind.TEXT, 24, 81, True, True),
        (Kind.TEXT, 24, 81, False, False),
    ],
)
def test_when_a_track_has_ended(kind: Kind, since: int, good: int, searched: bool, ended: bool) -> None:
    one = live(kind=kind, since=since, good=good)
    assert tracker(one)._ended(one, frozenset({kind} if searched else set())) is ended


def test_the_nearest_sighting_is_a_tracks_and_each_goes_to_one() -> None:
    left, right = (live(box=Box(x, 100, 40, 40), first=100, since=100) for x in (100, 130))
    sightings = [region(Box(x, 100, 40, 40)) for x in (128, 104, 106, 400)]
    sightings.append(region(Box(100, 100, 40, 40), Kind.MARK))
    left_over = tracker(left, right)._linked(sightings, PICTURE, GREY)
    assert left_over == sightings[2:] and (left.box, right.box) == (sightings[1].box, sightings[0].box)


def test_a_thing_that_is_found_afterwards_is_seen_in_its_frame_alone() -> None:
    made = tracker(frame=99)
    made.sight(50, region(BOX), np.full((4, 4, 3), 70, np.float32), 100)
    made.sight(95, region(Box(10, 10, 40, 40)), np.full((4, 4, 3), 70, np.float32), 100)
    first, last = made.tracks()
    assert (first.first, first.last, last.first, last.last) == (32, 68, 77, 99)
    assert np.flatnonzero(first.seen).tolist() == [18] and first.guessed is not None
    assert np.flatnonzero(~first.guessed).tolist() == [18] and (first.colours == 70).all()


def test_without_colours_a_track_is_grey() -> None:
    made = tracker()
    assert (made._finished(live("SFH")).colours == 128).all()
    found = made._finished(live("SFH", total=np.full((4, 4, 3), 60.0), added=2))
    assert (found.colours == 30).all() and found.guessed is not None
    assert found.guessed.tolist() == [False, False, True] and found.seen.tolist() == [True, False, False]


def test_between_two_near_sightings_it_is_seen() -> None:
    assert seen("SFFSFFFS", 3).tolist() == [True] * 4 + [False] * 3 + [True]


def test_what_a_track_says_of_a_frame() -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    seen: NDArray[np.bool_] = np.ones(2, np.bool_)
    track = Track(Kind.FACE, 10, boxes, seen, (), np.zeros((1, 1, 3), np.float32))
    assert (track.last, track.box(11)) == (11, Box(5, 6, 7, 8))
    assert len(steady(boxes[:0], 3)) == 0


# Following


def noise(height: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (height, width), np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "known"), [(4, 9, True), (3, 9, False), (9, 4, True), (9, 3, False)]
)
def test_four_pixels_are_enough_to_be_known_by(width: int, height: int, known: bool) -> None:
    assert (template(noise(60, 60), Box(10, 10, width, height)) is not None) is known


@pytest.mark.parametrize("turned", [False, True])
def test_what_fills_the_picture_from_edge_to_edge_is_followed(turned: bool) -> None:
    wide = noise(20, 120)
    moved = np.roll(wide, 3, axis=1)
    box, there = Box(40, 0, 30, 20), Box(43, 0, 30, 20)
    if turned:
        wide, moved, box, there = wide.T.copy(), moved.T.copy(), Box(0, 40, 20, 30), Box(0, 43, 20, 30)
    known = template(wide, box)
    assert known
    found, correlation = follow(known, moved, box)
    assert found == there and correlation > 0.99


@pytest.mark.parametrize(("x", "y"), [(500, 40), (40, 500), (-500, 40), (40, -500), (-112, 40), (40, -112)])
def test_what_has_left_the_picture_stays_where_it_was(x: int, y: int) -> None:
    picture, box = noise(180, 320), Box(x, y, 80, 80)
    known = template(picture, Box(40, 40, 80, 80))
    assert known and known.factor < 1
    assert follow(known, picture, box) == (box, 0.0)


@pytest.mark.parametrize(("by", "same"), [(0, 1.0), (2, 1.0), (look.STILL, None), (4, None)])
def test_what_has_hardly_changed_has_not_moved(by: float, same: float | None) -> None:
    window = np.full((20, 20), 100, np.uint8)
    patch = np.full((10, 10), 100 + int(by), np.uint8)
    assert look._unmoved(patch, window, 5, 5) == same
    assert look._unmoved(patch, window, 15, 5) is None, "a part of it would lie outside"
