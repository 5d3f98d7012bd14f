"""Barcodes and matrix codes, level and aslant, with ZXing-C++: also those it sees and cannot decode, for a better
reader could."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from anonymizer.core.geometry import area, inside, outline_iou
from anonymizer.core.pixels import shrunk
from anonymizer.core.types import Action, Box, Detection, Evidence, Kind, Model, Pixels, Point, Region
from anonymizer.detect.base import Proof
from anonymizer.detect.codes.bars import are_bars, digits, full_height, one_way
from anonymizer.detect.codes.slanting import levelled
from anonymizer.detect.text.strokes import BLOCK, crowded

SIDES = (0, 1200, 800)
"""Long sides at which the reader searches (0: as it is): blur and moiré vanish at some and appear at others."""
SMALL = 800
"""A picture up to this long side is looked at in half and double size as well."""
MAX_SIDE = 3600
"""A larger photo is halved until it is no larger …"""
LARGE_SIDE = 2400
"""… and beyond this long side it is searched once more, at its own size, where there may be a small code."""
ROUNDS = 6
"""Searches at most, each in what the one before has left."""
QR_SIDE = 1200
"""OpenCV's two detectors join up to this long side: they take as long as everything else beyond it."""
QR_ALONG, BARS_ALONG = 0.35, 0.3
"""Where edges run one way by more than this, a small part of a photo holds no QR code; by less, no bars: of 85 real
codes QR had 0.12 at most, bars 0.52 at least; hair and leaves 0.3 to 0.7."""
MATRIX_CONTRAST = 60
"""Between dark and light, of 255, in a matrix code that was seen and not decoded."""
CONTRAST, DENSE = 40, 0.25
"""For that, thin strokes of so much contrast fill so much of each square …"""
LEAST, MOST = 3, 80
"""… of so many at least and at most, across and down …"""
QUIET_SQUARES = 5
"""… are looked at with so much ground around them, which readers need …"""
CLOSE = 24
"""… in so many places, the fullest first."""
SQUAT, SLIM = 0.3, 0.08
"""Its height at least, as a share of its width; that of a PDF417, whose few rows are long."""
READ, BARS, LIKE_BARS = 0.9, 0.5, 0.4
"""Scores of what OpenCV points at: bars that it reads, bars that it does not, which are asked about as well where they
are large, and what looks like bars at one size only, such as a row of teeth, which is only asked about then."""
WRITTEN = "written-beside-bars"
"""The detector's name of what is written beside bars, which shares their fate; it has no score of its own."""
SMALLER = 0.35
"""Size of the copy in which bars must be bars as well, for half of the sizes at which they are seen: of 16 codes that
no reader reads 15 are, rows of teeth and of bottles are not."""
SHORT = 100.0
"""Their length in that copy, pixels, at most."""
SHORTEST = 160.0
"""Up to this length, pixels, they are that small already: 43 bars are not seen in less."""
LARGE = 0.01
"""A share of the picture: what is larger would destroy the case if it is no code."""
LARGE_HELD = 0.02
"""What is likelier one is hidden, and asked about only from this share on."""
SAME = 0.3
INSIDE = 0.95
"""A view that lies so far in a larger view of the same code adds nothing; any other is hidden too."""
PROOF_GROUND, PROOF_SIDES = 0.2, (640, 320)
"""Ground about a code that is looked at closely, as a share of its longer side, and the long sides at which it is."""
QUIET = 0.06
"""Growth of a code on each side, as a share of its longer side: ZXing's corners lie a little inside."""


class CodeFinder:
    """Finds codes; see :class:`anonymizer.detect.base.RegionFinder`. It has no model to load."""

    def find(self, pixels: Pixels) -> list[Region]:
        long_side = max(pixels.shape[:2])
        more = (long_side // 2, 2 * long_side) if long_side <= SMALL else ()
        return self._search(pixels, (*SIDES, *more), close=True)

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        """The same readers at sizes in between."""
        return self._search(pixels, (1600,))

    def look_near(self, view: Pixels, labels: Sequence[Region]) -> list[Region]:
        """What :meth:`verification_pass` says of a part of a picture in which a code is known to be."""
        return self.verification_pass(view) if any(one.kind is Kind.CODE for one in labels) else []

    def proof(self, pixels: Pixels, region: Region) -> Proof | None:
        """Whether a code that was found can be decoded, or is seen again when its place is looked at alone."""
        if region.kind is not Kind.CODE:
            return None
        if max(e.score for e in region.evidence) >= READ:
            return Proof.CERTAIN
        box = region.box.padded(PROOF_GROUND * max(region.box.w, region.box.h))
        left, top, right, bottom = box.pixels(pixels.shape[1], pixels.shape[0])
        if right - left < BLOCK or bottom - top < BLOCK:
            return Proof.NONE
        seen = self._search(np.ascontiguousarray(pixels[top:bottom, left:right]), PROOF_SIDES)
        best = max((e.score for one in seen for e in one.evidence), default=0.0)
        return Proof.CERTAIN if best >= READ else Proof.SEEN if best > LIKE_BARS else Proof.NONE

    def models(self) -> list[Model]:
        return []

    def _search(self, pixels: Pixels, sides: tuple[int, ...], *, close: bool = False) -> list[Region]:
        own = grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        long_side = max(grey.shape)
        most = long_side if long_side > SMALL else 2 * long_side
        while most > MAX_SIDE:
            most //= 2
        sizes = list(dict.fromkeys(min(side or long_side, most) for side in sides))
        if long_side > (largest := max(sizes)):
            # Every size is made from the largest: reading twelve megapixels once is enough.
            grey = _resized(grey, largest)
        back = long_side / max(grey.shape)
        found: list[Detection] = []
        slanting = True
        for number in range(ROUNDS):
            new = [d for size in sizes for d in _at_size(grey, size)]
            if slanting:
                new += (aslant := _aslant(grey))
                slanting = bool(aslant)
            if not number and close and long_side > LARGE_SIDE:
                new += _close_up(own, grey)
            if number:
                # ZXing gives a linear code's place as the mean of the rows it read: with the middle hidden,
                # rows above and below still lead it there. So what is found again is made higher.
                new = [_higher(d, 0.25 * number) for d in new]
            if not new:
                break
            found += new
            # A code is hidden when no reader finds it any more: bars that lean or bend leave a legible strip
            # beside the first rectangle, which the next round then finds.
            for detection in new:
                cv2.fillConvexPoly(grey, np.rint(np.array(detection.corners)).astype(np.int32), 0)
        found = [_scaled(d, back) for d in found]
        groups = _grouped([d for d in found if d.detector != WRITTEN])
        regions = [merged_region(group, pixels.shape[0] * pixels.shape[1]) for group in groups]
        return regions + _written_beside([d for d in found if d.detector == WRITTEN], regions)


def _at_size(grey: NDArray[np.uint8], size: int) -> list[Detection]:
    """What the readers see with the long side shrunk to ``size``, in the pixels of the picture given."""
    factor = size / max(grey.shape)
    return [_scaled(d, 1 / factor) for d in _read(_resized(grey, size))]


def _close_up(own: NDArray[np.uint8], grey: NDArray[np.uint8]) -> list[Detection]:
    """What ZXing sees of small codes in a large photo at its own size, in the pixels of ``grey``, its smaller copy."""
    if min(own.shape) < BLOCK:
        return []
    joined = cv2.morphologyEx(crowded(own, CONTRAST, DENSE), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    places = [s for s in stats[1:].tolist() if min(s[2:4]) >= LEAST and max(s[2:4]) <= MOST]
    factor = own.shape[1] / grey.shape[1]
    found = []
    for x, y, w, h, _ in sorted(places, key=lambda s: -s[4])[:CLOSE]:
        left, top = (max(0, (v - QUIET_SQUARES) * BLOCK) for v in (x, y))
        right, bottom = ((v + QUIET_SQUARES) * BLOCK for v in (x + w, y + h))
        for d in _read(own[top:bottom, left:right], small=True):
            corners = np.add(d.corners, (left, top))
            found.append(_scaled(_detection(corners, d.detector, d.score), 1 / factor))
    return found


def _resized(grey: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The grey picture with a long side of ``size`` pixels."""
    factor = size / max(grey.shape)
    if factor > 1:
        bigger = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        return np.asarray(bigger, np.uint8)
    return shrunk(grey, *(max(1, round(side * factor)) for side in (grey.shape[1], grey.shape[0])))


def _read(grey: NDArray[np.uint8], *, small: bool = False) -> list[Detection]:
    """Every code that either reader sees in a grey picture, in its pixels.

    ``small``: a small part of one, of which OpenCV's detectors, slow for their size, are asked only what it may be.
    """
    detections = []
    for code in zxingcpp.read_barcodes(np.ascontiguousarray(grey), return_errors=True):
        p = code.position
        quad = np.array(
            [(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)], np.float64
        )
        linear = code.format in _LINEAR
        # With an error, linear readers "see" codes in any texture, and the one for Data Matrix in folds of skin.
        slimmest = SLIM if code.format in _SLIM else SQUAT
        if not code.valid and (linear or not _like_a_code(grey, quad, slimmest)):
            continue
        if linear:
            quad = full_height(grey, quad)
        score = 1.0 if code.valid else 0.6
        detections.append(_detection(_grown(quad), "zxing-cpp", score))
        if linear:
            detections += [_detection(one, WRITTEN, 0.0) for one in digits(grey, quad)]
    if max(grey.shape) > QR_SIDE:
        return detections
    along = one_way(grey) if small else None
    ok, quads = cv2.QRCodeDetector().detectMulti(grey) if along is None or along < QR_ALONG else (False, None)
    if ok and quads is not None:
        detections += [
            _detection(_grown(np.asarray(q, np.float64)), "opencv-qr", 0.7) for q in quads if _convex(q)
        ]
    if along is not None and along < BARS_ALONG:
        return detections
    # This one points at any parallel edges: its word counts where it can read them, or where they are bars.
    _, texts, quads, _ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(grey)
    for text, found in zip(texts or (), () if quads is None else quads, strict=False):
        quad = np.asarray(found, np.float64).reshape(4, 2)
        if _convex(quad) and (text or are_bars(grey, quad)):
            score = READ if text else BARS if _hold_up(grey, quad) else LIKE_BARS
            detections.append(_detection(_grown(quad), "opencv-barcode", score))
            detections += [_detection(one, WRITTEN, 0.0) for one in digits(grey, quad)]
    return detections


def _hold_up(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> bool:
    """Whether bars are bars in a much smaller copy too."""
    length = float(np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1).max())
    if length <= SHORTEST:
        return True
    factor = min(SMALLER, SHORT / length)
    wide, high = (max(1, round(side * factor)) for side in (grey.shape[1], grey.shape[0]))
    return are_bars(shrunk(grey, wide, high), quad * (wide / grey.shape[1], high / grey.shape[0]))


def _aslant(grey: NDArray[np.uint8]) -> list[Detection]:
    """What ZXing decodes of codes that lie aslant, in the pixels of ``grey``."""
    found: list[Detection] = []
    for level in levelled(grey):
        for code in zxingcpp.read_barcodes(level.view):
            p = code.position
            quad = np.array(
                [(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)], np.float64
            )
            if code.format in _LINEAR:
                quad = full_height(level.view, quad)
                written = (level.placed(one) for one in digits(level.view, quad))
                found += [_detection(one, WRITTEN, 0.0) for one in written]
            placed = level.placed(_grown(quad))
            found.append(_detection(placed, "zxing-cpp", 1.0))
            bars = level.edges.bars_about(placed)
            if bars is not None:
                found.append(_detection(bars, "zxing-cpp", 1.0))
    return found


_LINEAR = frozenset(zxingcpp.barcode_formats_list(zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.AllLinear)))


_SLIM = frozenset({zxingcpp.BarcodeFormat.PDF417})


def _like_a_code(grey: NDArray[np.uint8], quad: NDArray[np.float64], slimmest: float) -> bool:
    """Whether a quadrilateral that was seen and not decoded may be a matrix code: no sliver, and black on white."""
    sides = np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1)
    if not _convex(quad) or sides.min() < max(16.0, slimmest * sides.max()):
        return False
    left, top, w, h = cv2.boundingRect(quad.astype(np.int32))
    part = grey[max(0, top) : top + h, max(0, left) : left + w]
    low, high = np.percentile(part, (10, 90)) if part.size else (0, 0)
    return bool(high - low >= MATRIX_CONTRAST)


def _higher(detection: Detection, share: float) -> Detection:
    """The detection with this share of its length added to its height, both above and below."""
    quad = np.array(detection.corners)
    along = (quad[1] + quad[2] - quad[0] - quad[3]) / 2
    normal = np.array([-along[1], along[0]]) * share
    return _detection(
        quad + np.array([-normal, -normal, normal, normal]), detection.detector, detection.score
    )


def _grown(quad: NDArray[np.float64]) -> NDArray[np.float64]:
    centre = quad.mean(axis=0)
    longest = float(np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1).max())
    away = quad - centre
    return np.asarray(quad + away / (np.linalg.norm(away, axis=1, keepdims=True) + 1e-6) * QUIET * longest)


def _convex(quad: NDArray[np.floating]) -> bool:
    points = np.asarray(quad, np.float32).reshape(-1, 2)
    return len(points) == 4 and bool(cv2.isContourConvex(points)) and cv2.contourArea(points) > 64


def _detection(quad: NDArray[np.float64], detector: str, score: float) -> Detection:
    (x, y), (right, bottom) = quad.min(axis=0), quad.max(axis=0)
    corners: tuple[Point, ...] = tuple((float(px), float(py)) for px, py in quad)
    box = Box(float(x), float(y), float(right - x), float(bottom - y))
    return Detection(box, score, Kind.CODE, detector, corners=corners)


def _scaled(d: Detection, f: float) -> Detection:
    corners = tuple((x * f, y * f) for x, y in d.corners)
    return Detection(d.box.times(f, f), d.score, d.kind, d.detector, corners=corners)


def _grouped(found: list[Detection]) -> list[list[Detection]]:
    groups: list[list[Detection]] = []
    for detection in sorted(found, key=lambda d: -area(d.corners)):
        for group in groups:
            own, largest = detection.corners, group[0].corners
            if outline_iou(own, largest) >= SAME and inside(own, largest) >= INSIDE:
                group.append(detection)
                break
        else:
            groups.append([detection])
    return groups


def _written_beside(found: list[Detection], codes: list[Region]) -> list[Region]:
    """What is written beside the codes that are hidden, as it belongs to them."""
    regions = []
    for group in _grouped(found):
        written = group[0]
        # Beside a large place that nobody could read there may be more teeth.
        sure = (code for code in codes if code.action is Action.HIDE)
        own = [code for code in sure if inside(written.corners, code.corners) > 0]
        if own:
            regions.append(replace(own[0], box=written.box, corners=written.corners))
    return regions


def merged_region(group: list[Detection], size: int) -> Region:
    """The largest view of a code in a picture of so many pixels: it holds what the others saw of it."""
    best: dict[str, float] = {}
    for d in group:
        best[d.detector] = max(best.get(d.detector, 0.0), d.score)
    evidence = tuple(Evidence(name, score) for name, score in best.items())
    share = area(group[0].corners) / size
    held = sum(d.score > LIKE_BARS for d in group) / len(group)
    action = Action.HIDE
    if max(best.values()) <= BARS and held < 0.5 and share > LARGE:
        action = Action.ASK
    elif max(best.values()) < READ and share > LARGE_HELD:
        action = Action.HIDE_AND_ASK
    return Region(group[0].box, Kind.CODE, evidence, corners=group[0].corners, action=action)
