"""Barcodes and matrix codes, with ZXing-C++: also those it sees and cannot decode, for a better reader could."""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from anonymizer.types import Box, Detection, Evidence, Kind, Model, Pixels, Point, Region

SIDES = (0, 1200, 800)
"""Long sides at which the reader looks (0: as it is): blur and moiré vanish at some and appear at others."""
MAX_SIDE = 2400
"""A larger photo is searched at this size at most; a code whose bars are lost there is lost to a phone too."""
ROUNDS = 6
"""Searches at most, each in what the one before has left."""
QR_SIDE = 1200
"""OpenCV's two detectors join up to this long side: they take as long as everything else beyond it."""
SAME = 0.3
INSIDE = 0.95
"""A view that lies so far in a larger view of the same code adds nothing; any other is hidden too."""
ALIKE = 0.5
"""Rows whose profile correlates so well with the line that was read belong to the same bars."""
GAP = 0.06
"""… and gaps of this share of the line's length (a glare, a crease) do not end them."""
QUIET = 0.06
"""Growth of a code on each side, as a share of its longer side: ZXing's corners lie a little inside."""


class CodeFinder:
    """Finds codes; see :class:`anonymizer.detect.RegionFinder`. It has no model to load."""

    def find(self, pixels: Pixels) -> list[Region]:
        return self._search(pixels, SIDES)

    def recheck(self, pixels: Pixels) -> list[Region]:
        """The same readers at sizes in between."""
        return self._search(pixels, (1600,))

    def models(self) -> list[Model]:
        return []

    def _search(self, pixels: Pixels, sides: tuple[int, ...]) -> list[Region]:
        grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
        long_side = max(grey.shape)
        sizes = list(dict.fromkeys(min(side or long_side, MAX_SIDE, long_side) for side in sides))
        found: list[Detection] = []
        for number in range(ROUNDS):
            new = [d for size in sizes for d in _at_size(grey, size)]
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
        return [_region(group) for group in _grouped(found)]


def _at_size(grey: NDArray[np.uint8], size: int) -> list[Detection]:
    """What the readers see with the long side shrunk to ``size``, in the pixels of the picture given."""
    factor = size / max(grey.shape)
    shown = np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    return [_scaled(d, 1 / factor) for d in _read(shown)]


def _read(grey: NDArray[np.uint8]) -> list[Detection]:
    """Every code that either reader sees in a grey picture, in its pixels."""
    detections = []
    for code in zxingcpp.read_barcodes(np.ascontiguousarray(grey), return_errors=True):
        p = code.position
        quad = np.array(
            [(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)], np.float64
        )
        linear = code.format in _LINEAR
        # With an error, linear readers "see" codes in any texture; matrix codes need their finder patterns.
        if not code.valid and linear:
            continue
        if linear:
            quad = _full_height(grey, quad)
        detections.append(_detection(_grown(quad), "zxing-cpp", 1.0 if code.valid else 0.6))
    if max(grey.shape) > QR_SIDE:
        return detections
    ok, quads = cv2.QRCodeDetector().detectMulti(grey)
    if ok and quads is not None:
        detections += [
            _detection(_grown(np.asarray(q, np.float64)), "opencv-qr", 0.7) for q in quads if _convex(q)
        ]
    # Unlike finder patterns, parallel edges are everywhere: its word counts where it can read the code.
    ok, texts, quads, _ = cv2.barcode.BarcodeDetector().detectAndDecodeMulti(grey)
    if ok and quads is not None:
        for text, quad in zip(texts, quads, strict=True):
            if text and _convex(quad):
                detections.append(_detection(_grown(np.asarray(quad, np.float64)), "opencv-barcode", 0.9))
    return detections


_LINEAR = frozenset(zxingcpp.barcode_formats_list(zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.AllLinear)))


def _full_height(grey: NDArray[np.uint8], quad: NDArray[np.float64]) -> NDArray[np.float64]:
    """A linear code's quadrilateral from the lines that were read to the full height of its bars.

    The picture around it is turned so that the bars stand upright; rows above and below belong to the code
    as long as their profile correlates with the profile of the rows that were read.
    """
    left, right = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    along = right - left
    length = float(np.hypot(*along))
    if length < 8:
        return quad
    along /= length
    normal = np.array([-along[1], along[0]])
    reach = int(length) + 1
    width = int(length)
    # Row r of the strip lies r - reach pixels along the normal from the middle line.
    matrix = np.array([[along[0], normal[0], left[0] - normal[0] * reach],
                       [along[1], normal[1], left[1] - normal[1] * reach]])  # fmt: skip
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    strip = cv2.warpAffine(grey, matrix, (width, 2 * reach + 1), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    rows = strip.astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    middle = rows[reach - 1 : reach + 2].mean(axis=0)
    alike = rows @ (middle / (np.linalg.norm(middle) + 1e-6)) >= ALIKE
    up, down = _extent(alike[reach::-1], length), _extent(alike[reach:], length)
    return np.array(
        [left - normal * up, right - normal * up, right + normal * down, left + normal * down], np.float64
    )


def _higher(detection: Detection, share: float) -> Detection:
    """The detection with this share of its length added to its height, both above and below."""
    quad = np.array(detection.corners)
    along = (quad[1] + quad[2] - quad[0] - quad[3]) / 2
    normal = np.array([-along[1], along[0]]) * share
    return _detection(
        quad + np.array([-normal, -normal, normal, normal]), detection.detector, detection.score
    )


def _extent(alike: NDArray[np.bool_], length: float) -> float:
    """How far from the middle row the code reaches, bridging short gaps."""
    last = 0
    for row, good in enumerate(alike.tolist()):
        if good:
            last = row
        elif row - last > max(3.0, GAP * length):
            break
    return last + 2.0


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
    return Detection(
        Box(d.box.x * f, d.box.y * f, d.box.w * f, d.box.h * f), d.score, d.kind, d.detector, corners=corners
    )


def _grouped(found: list[Detection]) -> list[list[Detection]]:
    groups: list[list[Detection]] = []
    for detection in sorted(found, key=lambda d: -d.box.area):
        for group in groups:
            if detection.box.iou(group[0].box) >= SAME and detection.box.covered_by(group[0].box) >= INSIDE:
                group.append(detection)
                break
        else:
            groups.append([detection])
    return groups


def _region(group: list[Detection]) -> Region:
    """The largest view of a code: it holds what the others saw of it."""
    best: dict[str, float] = {}
    for d in group:
        best[d.detector] = max(best.get(d.detector, 0.0), d.score)
    evidence = tuple(Evidence(name, score) for name, score in best.items())
    return Region(group[0].box, Kind.CODE, evidence, corners=group[0].corners)
