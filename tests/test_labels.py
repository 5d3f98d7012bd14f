"""Labels that move and tilt: followed as quadrilaterals, hidden as such, and proved over their frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from anonymizer.core.geometry import inside
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.codes.finder import CodeFinder
from anonymizer.detect.finder import Finder, parts_about
from anonymizer.detect.text.finder import TextFinder
from anonymizer.redact.clip import paint, redaction_at, track_redaction
from anonymizer.road.clip.frames_to_check import wanted_frames
from anonymizer.road.clip.in_place import redactions_in_place
from anonymizer.road.clip.plan import RedactionPlan
from anonymizer.track import labels
from anonymizer.track.cuts import Cuts
from anonymizer.track.flow import Quad, aligned, moved
from anonymizer.track.live import Live
from anonymizer.track.tracker import Tracker
from anonymizer.track.tracks import Track

SIZE, SMALL = (640, 360), (320, 180)
LABELS = frozenset({Kind.TEXT, Kind.CODE})
LINE: Quad = np.array([(230, 150), (410, 150), (410, 190), (230, 190)], np.float64)
"""Where the line of print stands at first, in full-size pixels."""


def turned(quad: Quad, degrees: float, by: tuple[float, float] = (0, 0), size: float = 1.0) -> Quad:
    """A quadrilateral turned and grown about its middle, and moved."""
    middle = quad.mean(axis=0)
    a = np.radians(degrees)
    matrix = size * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return np.asarray((quad - middle) @ matrix.T + middle + np.array(by), np.float64)


def frame(quad: Quad | None, ground: int = 5) -> Pixels:
    """A small frame with a white label on a textured wall; its line of print fills the quadrilateral (full size)."""
    wall = np.random.default_rng(ground).integers(100, 130, (18, 32, 1)).astype(np.uint8)
    picture = np.asarray(cv2.resize(wall, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
    if quad is not None:
        paper = np.full((60, 200), 240, np.uint8)
        cv2.putText(paper, "MOREAU JP 1954", (10, 42), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 20, 2)
        corners = np.array([(10, 10), (190, 10), (190, 50), (10, 50)], np.float32)
        there = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
        over = cv2.warpPerspective(paper, there, SIZE)
        mask = cv2.warpPerspective(np.full_like(paper, 255), there, SIZE)
        picture = np.where(mask > 127, over, picture)
    small = cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)


def line(quad: Quad, kind: Kind = Kind.TEXT) -> Region:
    corners = tuple((float(x), float(y)) for x, y in quad)
    return Region(labels.box_of(quad), kind, (Evidence("a", 0.9),), corners=corners)


def tracked(path: Sequence[Quad], sighted: Sequence[int]) -> Track:
    tracker = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
    for number, quad in enumerate(path):
        found = [line(quad)] if number in sighted else []
        tracker.add(frame(quad), found, cut=False, searched=LABELS if found else frozenset())
    (track,) = tracker.tracks()
    return track


def covered(track: Track, number: int, quad: Quad) -> float:
    """The share of a quadrilateral that lies in what the track hides in a frame."""
    return inside(quad.tolist(), track.corners(number))


TILTING = [turned(LINE, 1.6 * n, (2.0 * n, -0.8 * n), 1 - 0.004 * n) for n in range(40)]


@pytest.mark.parametrize("sighted", [[0], [39], [20], [0, 39], [3, 17, 30]])
def test_a_label_that_tilts_and_moves_is_hidden_in_every_frame(sighted: list[int]) -> None:
    track = tracked(TILTING, sighted)
    assert (track.first, track.last) == (0, 39)
    assert min(covered(track, n, quad) for n, quad in enumerate(TILTING)) > 0.95
    # And not as the upright box about it, which is three times as large by now.
    last = track.quads[39] if track.quads is not None else np.zeros((4, 2))
    assert cv2.contourArea(last.astype(np.float32)) < 1.6 * cv2.contourArea(TILTING[39].astype(np.float32))


def test_a_label_that_stands_still_keeps_its_upright_box() -> None:
    track = tracked([LINE] * 20, [0, 10])
    assert track.quads is None and track.corners(5) == ()
    assert np.ptp(track.boxes, axis=0).max() < 0.01 and track.box(7).iou(labels.box_of(LINE)) > 0.95


def test_a_label_that_shears_as_it_tilts_away_is_followed() -> None:
    def away(share: float) -> Quad:
        return np.asarray(LINE + share * np.array([(14, 10), (-4, -12), (-4, 2), (14, -8)]), np.float64)

    path = [away(n / 20) for n in range(21)]
    track = tracked(path, [0])
    assert min(covered(track, n, quad) for n, quad in enumerate(path)) > 0.96


def grey(picture: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def test_what_has_gone_is_not_followed_and_what_stands_still_has_not_moved() -> None:
    before, small = grey(frame(LINE)), LINE / 2
    still = moved(before, before, small)
    assert still and still.still and (still.quad == small).all()
    assert moved(before, grey(frame(None)), small) is None
    found = moved(before, grey(frame(turned(LINE, 4, (6, 3)))), small)
    assert found and not found.still
    assert np.abs(found.quad - turned(LINE, 4, (6, 3)) / 2).max() < 1.0


def test_a_label_is_looked_for_again_where_it_has_moved_or_is_lost() -> None:
    tracker = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
    tracker.add(frame(LINE), [line(LINE)], cut=False, searched=LABELS)
    tracker.add(frame(LINE), [], cut=False, searched=frozenset())
    assert tracker.restless(moved=True) == []
    tracker.add(frame(TILTING[2]), [], cut=False, searched=frozenset())
    assert len(tracker.restless(moved=True)) == 1 and tracker.restless(moved=False) == []
    tracker.add(frame(None, 8), [], cut=False, searched=frozenset())
    assert len(tracker.restless(moved=False)) == 1
    tracker.add(frame(TILTING[3]), [line(TILTING[3])], cut=False, searched=LABELS)
    assert tracker.restless(moved=True) == []


def test_corners_are_kept_in_the_order_in_which_they_lie_nearest() -> None:
    other = np.roll(LINE[::-1], 3, axis=0)
    assert (aligned(other, LINE) == LINE).all()


# What closer looks prove

SMALL_LINE, LARGE_LINE = Box(10, 10, 60, 20), Box(100, 100, 200, 90)


@pytest.mark.parametrize(
    ("box", "looks", "reads", "best", "searches", "sightings", "action"),
    [
        (SMALL_LINE, 2, 0, Proof.NONE, 5, 1, Action.HIDE),
        (SMALL_LINE, 3, 0, Proof.NONE, 5, 1, Action.LEAVE),
        (SMALL_LINE, 3, 0, Proof.SEEN, 5, 1, Action.HIDE),
        (LARGE_LINE, 3, 0, Proof.NONE, 5, 5, Action.LEAVE),
        (LARGE_LINE, 3, 0, Proof.SEEN, 5, 5, Action.ASK),
        (LARGE_LINE, 3, 1, Proof.READ, 5, 5, Action.ASK),
        (LARGE_LINE, 3, 2, Proof.READ, 5, 5, Action.HIDE),
        (LARGE_LINE, 2, 0, Proof.NONE, 5, 5, Action.HIDE),
        # Read, but found in one of four searches.
        (LARGE_LINE, 3, 3, Proof.READ, 4, 1, Action.ASK),
        (LARGE_LINE, 3, 3, Proof.READ, 3, 1, Action.HIDE),
        (LARGE_LINE, 3, 1, Proof.CERTAIN, 9, 1, Action.HIDE),
    ],
)
def test_what_is_done_with_a_label(
    box: Box, looks: int, reads: int, best: Proof, searches: int, sightings: int, action: Action
) -> None:
    one = Live(Kind.TEXT, 0, [box], ["S"], None, 0, 0, 0.9, sightings)
    one.looks, one.reads, one.proof, one.searches = looks, reads, best, searches
    assert labels.verdict(one, SIZE) is action


def test_a_label_that_no_closer_look_confirms_is_left_and_a_large_one_asked_about() -> None:
    short: Quad = np.array([(230, 150), (330, 150), (330, 174), (230, 174)], np.float64)
    large: Quad = np.array([(150, 100), (450, 100), (450, 220), (150, 220)], np.float64)
    answers: dict[Proof, Callable[[Region], Proof]] = {
        Proof.NONE: lambda _: Proof.NONE,
        Proof.SEEN: lambda _: Proof.SEEN,
        Proof.READ: lambda _: Proof.READ,
    }
    for quad, proof, tracks, asked in (
        (short, Proof.NONE, 0, 0),
        (short, Proof.SEEN, 1, 0),
        (large, Proof.READ, 1, 0),
        (large, Proof.SEEN, 0, 1),
    ):
        tracker = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
        for number in range(30):
            tracker.add(frame(quad), [line(quad)] if not number else [], cut=False, searched=frozenset())
            if number % 10 == 5:
                tracker.prove(answers[proof])
        found = tracker.tracks()
        assert (len(found), len(tracker.asked())) == (tracks, asked), (quad, proof)
        assert all(region.action is Action.ASK and frame_ == 0 for frame_, region in tracker.asked())


def test_what_was_not_found_where_it_is_followed_back_to_is_asked_about() -> None:
    large: Quad = np.array([(150, 100), (450, 100), (450, 220), (150, 220)], np.float64)
    asked = []
    for first in (0, 24):
        tracker = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
        for number in range(40):
            seen = [line(large)] if number == first else []
            tracker.add(frame(large), seen, cut=False, searched=LABELS if number % 8 == 0 else frozenset())
            if number >= first:
                tracker.prove(lambda _: Proof.READ)
        tracker.tracks()
        asked.append(len(tracker.asked()))
    assert asked == [1, 1]  # One of five searches found it, whichever it was.


# Shots


class LargeInItsPart:
    """A detector that sees one line of fixed size in whatever it is shown, and asks about it."""

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        return [Region(Box(20, 40, 80, 30), Kind.TEXT, (Evidence("text", 0.8),), action=Action.HIDE_AND_ASK)]

    find = verification_pass

    def look_near(self, view: Pixels, labels: Sequence[Region]) -> list[Region]:
        return self.verification_pass(view)

    def proof(self, pixels: Pixels, region: Region) -> Proof:
        return Proof.READ

    def models(self) -> list[Model]:
        return []


@pytest.mark.parametrize(("size", "said"), [((1920, 1080), Action.HIDE), ((400, 240), Action.HIDE_AND_ASK)])
def test_a_place_that_is_large_only_in_the_part_that_is_looked_at_is_no_question(
    size: tuple[int, int], said: Action
) -> None:
    finder = Finder(Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False))
    finder.finders.append(LargeInItsPart())
    label = Region(Box(130, 90, 60, 30), Kind.TEXT, ())
    found = finder.labels_near(np.zeros((size[1], size[0], 3), np.uint8), [label])
    assert [region.action for region in found] == [said]


def test_a_known_label_is_looked_for_at_the_size_of_its_print(monkeypatch: pytest.MonkeyPatch) -> None:
    view = np.zeros((200, 400, 3), np.uint8)
    shares: list[float] = []

    def verified(_: TextFinder, __: Pixels, part: float) -> list[Region]:
        shares.append(part)
        return []

    monkeypatch.setattr(TextFinder, "_verified", verified)
    finder = object.__new__(TextFinder)
    for heights in ([64], [30], [64, 30], [8]):
        labels = [Region(Box(10, 10, 150, height), Kind.TEXT, ()) for height in heights]
        assert finder.look_near(view, labels) == []
    # 200 pixels wide at half its size, 427 at a little more than its own, and no larger than usual.
    assert [round(832 * share) for share in shares] == [288, 576, 576, 832]
    assert finder.look_near(view, [Region(Box(0, 0, 90, 90), Kind.CODE, ())]) == [] and shares[-1] == 1


def test_codes_are_looked_for_about_codes_alone() -> None:
    code = np.asarray(zxingcpp.create_barcode("4711", zxingcpp.BarcodeFormat.QRCode).to_image(scale=6))
    view = np.full((200, 400, 3), 255, np.uint8)
    view[20 : 20 + code.shape[0], 20 : 20 + code.shape[1]] = code[:, :, None]
    label = Region(Box(20, 20, code.shape[1], code.shape[0]), Kind.CODE, ())
    assert [found.kind for found in CodeFinder().look_near(view, [label])] == [Kind.CODE]
    assert CodeFinder().look_near(view, [replace(label, kind=Kind.TEXT)]) == []


def test_places_are_looked_at_whole_and_in_few_shapes() -> None:
    rng = np.random.default_rng(3)
    width, height, shapes = 1920, 1080, set()
    for _ in range(300):
        places = [
            Box(*(rng.random(2) * (width, height)), *(10 + rng.random(2) * (300, 80))) for _ in range(3)
        ]
        parts = parts_about(places, width, height)
        for left, top, right, bottom in (part.pixels(width, height) for part in parts):
            shapes.add((right - left, bottom - top))
        for place in places:
            seen = place.within(width, height)
            assert max((seen.covered_by(part) for part in parts), default=0.0) > 0.999 or not seen.area
    assert len(shapes) < 40  # The sides of 128 to 1080 pixels, and the widths of joined places.


def test_what_looked_like_cuts_may_be_a_flash_or_a_camera_that_is_swung_round() -> None:
    one, other, third = (np.random.default_rng(n).integers(0, 255, (180, 320), np.uint8) for n in range(3))
    flash = Cuts(6)
    flash.add(10, one, other)
    flash.add(13, other, one)
    assert not flash.between(9, 13) and not flash.between(2, 9) and not flash.between(13, 20)
    assert flash.between(9, 12), "nobody is in both"
    assert flash.between(2, 13), "too long for a flash"
    cut = Cuts(6)
    cut.add(10, one, other)
    cut.add(13, other, third)
    assert cut.between(9, 13) and cut.between(9, 10)
    swung = Cuts(6)
    for number in (10, 11, 12):
        swung.add(number, one, other)
    assert not swung.between(9, 12) and swung.between(4, 12)


def test_a_face_does_not_reach_over_two_cuts_to_somebody_else() -> None:
    tracker = Tracker(SIZE, SMALL, 25.0, 4, 1.4)
    for number in range(24):
        ground = number // 8
        face = Region(Box(200, 100, 60, 60), Kind.FACE, (Evidence("a", 0.9),))
        noise = np.random.default_rng(ground).integers(0, 255, (SMALL[1], SMALL[0], 3), np.uint8)
        shown = [face] if ground != 1 else []
        tracker.add(noise, shown, cut=number in (8, 16), searched=frozenset({Kind.FACE}))
    assert [(track.first, track.last) for track in tracker.tracks()] == [(0, 7), (16, 23)]


# Hiding and checking


def planes(level: int = 150) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    width, height = SIZE
    texture = np.random.default_rng(4).integers(level - 40, level + 40, (height, width), np.uint8)
    colour: NDArray[np.uint8] = np.full((height // 2, width // 2), 100, np.uint8)
    return texture, colour, colour.copy()


def plan_of(quads: Sequence[Quad], sighted: Sequence[int] = (0,)) -> RedactionPlan:
    drawn = np.array(quads, np.float32)
    boxes = np.concatenate([drawn.min(axis=1), np.ptp(drawn, axis=1)], axis=1)
    seen = np.isin(np.arange(len(drawn)), sighted)
    colours = np.full((1, 1, 3), 128, np.float32)
    track = Track(Kind.TEXT, 0, boxes, seen, (Evidence("a", 0.9),), colours, quads=drawn)
    return RedactionPlan((track_redaction(track, Settings(), SIZE, b"x" * 32),), Settings(), SIZE)


@pytest.mark.parametrize("by", [(0, 0), (-260, -40), (240, 170)])
def test_a_tilted_label_is_drawn_over_as_it_lies(by: tuple[float, float]) -> None:
    quad = turned(LINE, 33, by)
    plan = plan_of([quad])
    frame_planes = planes()
    before = [plane.copy() for plane in frame_planes]
    assert not redactions_in_place(frame_planes, plan, 0), "it is not there yet"
    assert paint(frame_planes, plan.at(0), 0, plan.settings, ()) == 1
    assert redactions_in_place(frame_planes, plan, 0)
    mask: NDArray[np.uint8] = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(quad).astype(np.int32), 1)
    black = frame_planes[0][0, 0] * 0 + np.rint(plan.redactions[0].grid[0, 0, 0])
    assert (frame_planes[0][mask > 0] == black).all()
    assert (frame_planes[1][mask[::2, ::2] > 0] == 128).all(), "colour as well"
    # What lies well beside it, in its upright box or not, is as it was.
    beside = cv2.dilate(mask, np.ones((25, 25), np.uint8)) == 0
    assert (frame_planes[0][beside] == before[0][beside]).all()
    found = redaction_at(plan.redactions[0], 0, SIZE)
    assert found and len(found.corners) == 4


def test_the_output_is_searched_along_a_label_that_moves() -> None:
    def looked_at(plan: RedactionPlan) -> list[int]:
        return sorted(wanted_frames(plan, 40, 25.0, ()).labels)

    assert looked_at(plan_of(TILTING)) == [0, 12, 24, 36, 39]
    # Where the first search sighted it there is nothing to be guessed.
    assert looked_at(plan_of(TILTING, [0, 25])) == [0, 12, 36, 39]
    standing = plan_of([LINE] * 40).redactions[0].track
    still = Track(standing.kind, 0, standing.boxes, standing.seen, (), standing.colours)
    only = RedactionPlan((track_redaction(still, Settings(), SIZE, b"x" * 32),), Settings(), SIZE)
    assert looked_at(only) == []
