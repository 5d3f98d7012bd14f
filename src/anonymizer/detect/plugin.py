"""Anyone's own ONNX detector, described by its entry in ``models.toml``: docs/add-a-detector.md."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from anonymizer.core.errors import ModelError
from anonymizer.core.geometry import scaled_size
from anonymizer.core.types import Action, Box, Evidence, Kind, Model, Pixels, Region
from anonymizer.detect.faces.fusion import View, rotated, suppress
from anonymizer.detect.models.manifest import ModelEntry
from anonymizer.detect.models.store import Store
from anonymizer.detect.runtime import Network, Tensor

VERIFICATION_MORE = 0.1
"""The verification pass searches the mirrored picture, from a score this much higher."""
SLACK = 1e-3
"""A score may be so much beyond 0 to 1: rounding."""
SHARE = 1.5
"""Coordinates up to this are shares of the input: a box may reach a little beyond it."""
MOST = 1000
"""Candidates, best first, that a picture can have."""
FILL = 114
"""Grey beside a letterboxed picture, as YOLO is trained with."""
Rows = NDArray[np.float32]


class Output(StrEnum):
    """How a detector's numbers are laid out; docs/add-a-detector.md has each in full."""

    YOLOV5 = "yolov5"
    YOLOV8 = "yolov8"
    SSD = "ssd"
    ROWS6 = "rows6"
    ROWS7 = "rows7"
    TORCHVISION = "torchvision"


_Share = Annotated[float, Field(ge=0, le=1)]
_Three = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
_Divisor = Annotated[FiniteFloat, Field(gt=0)]
_Side = Annotated[int, Field(ge=16, le=4096)]


class DetectorSpec(BaseModel):
    """The keys of an entry that say how to ask the detector and how to read its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: tuple[_Side, _Side]
    """Width and height that the network takes, pixels."""
    layout: Literal["nchw", "nhwc", "chw"] = "nchw"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: _Three = (0, 0, 0)
    scale: tuple[_Divisor, _Divisor, _Divisor] = (255, 255, 255)
    """Each value, 0 to 255, becomes ``(value - mean) / scale``."""
    resize: Literal["letterbox", "stretch"] = "letterbox"
    turns: tuple[Annotated[int, Field(ge=0, le=3)], ...] = Field((0,), min_length=1)
    """Quarter turns at which to search; the key that users write."""
    output: Output
    units: Literal["pixels", "share"] = "pixels"
    """Coordinates in pixels of the input, or from 0 to 1."""
    background: Annotated[int, Field(ge=0)] | None = None
    """A class that means nothing is there."""
    classes: dict[
        Annotated[str, Field(pattern=r"^(0|[1-9]\d*)$")], Literal["mark", "text", "code", "face"]
    ] = {}
    """Kind by class number; empty: every class is a mark. A class that is not named is ignored."""
    threshold: _Share = 0.4
    ask: _Share | None = None
    """From this score up to the threshold, a person is asked."""
    overlap: _Share = 0.45
    action: Literal["redact", "ask"] = "ask"

    @model_validator(mode="after")
    def _asks_below_the_threshold(self) -> DetectorSpec:
        if self.ask is not None and self.ask > self.threshold:
            raise ValueError("may not be below ask")
        return self

    @property
    def least(self) -> float:
        """The score from which a candidate counts at all."""
        return self.threshold if self.ask is None else min(self.ask, self.threshold)


class PluginFinder:
    """One detector; see :class:`anonymizer.detect.base.RegionFinder`.

    Raises :class:`ModelError` where its entry has an unknown or missing key, its file cannot be had, or its
    answer does not have the shape that the entry announces.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.entry: ModelEntry = store.entry(name)
        self.spec = detector_spec(self.entry)
        try:
            # Exact: nobody has measured what half precision does to a network that we do not know.
            self.network = Network(store.load(name), pictures=False, exact=True)
        except ModelError as error:
            raise ModelError("model.plugin-cause", name=self.entry.name, cause=error) from error
        wide, high = self.spec.input
        shape = {"nchw": (1, 3, high, wide), "nhwc": (1, high, wide, 3), "chw": (3, high, wide)}[
            self.spec.layout
        ]
        if not self.network.takes(shape):
            raise self._wrong(f"takes {self.network.input}, and input and layout say {shape}")

    def models(self) -> list[Model]:
        return [self.entry.used_on(self.network.device)]

    def find(self, pixels: Pixels) -> list[Region]:
        rows = np.concatenate([self._detect(pixels, rotations) for rotations in self.spec.turns])
        return self._regions(rows, 0.0, pixels)

    def verification_pass(self, pixels: Pixels) -> list[Region]:
        rows = self._detect(np.ascontiguousarray(pixels[:, ::-1]), self.spec.turns[0])
        rows[:, [0, 2]] = pixels.shape[1] - rows[:, [2, 0]]
        return self._regions(rows, VERIFICATION_MORE, pixels)

    def _detect(self, pixels: Pixels, rotations: int) -> Rows:
        """Every candidate as ``(left, top, right, bottom, score, class)`` in the picture's pixels."""
        height, width = pixels.shape[:2]
        shown, scale, (left, top) = fitted(rotated(pixels, rotations), self.spec)
        try:
            rows = candidates(self.network.run(tensor(shown, self.spec)), self.spec)
        except RuntimeError as error:
            raise self._wrong("stopped in the middle of its work") from error
        except ValueError as error:
            raise self._wrong(str(error)) from error
        rows[:, [0, 2]] = (rows[:, [0, 2]] - left) / scale[0]
        rows[:, [1, 3]] = (rows[:, [1, 3]] - top) / scale[1]
        back = View(width, height, rotations)
        for row in rows:
            box = back.box_back(Box(row[0], row[1], row[2] - row[0], row[3] - row[1]))
            row[:4] = box.x, box.y, box.right, box.bottom
        return rows

    def _regions(self, rows: Rows, more: float, pixels: Pixels) -> list[Region]:
        r = self.spec
        height, width = pixels.shape[:2]
        rows = rows[rows[:, 4] >= r.least + more]
        regions = []
        for number in np.unique(rows[:, 5]):
            named = r.classes.get(str(int(number))) if r.classes else "mark"
            if named is None:
                continue
            own = rows[rows[:, 5] == number]
            boxes = np.column_stack([own[:, :2], own[:, 2:4] - own[:, :2]])
            for index in suppress(boxes, own[:, 4], r.overlap):
                box = Box(*(float(v) for v in boxes[index])).within(width, height)
                if box.area <= 0:
                    continue
                score = float(own[index, 4])
                sure = r.action == "redact" and score >= r.threshold + more
                action = Action.HIDE if sure else Action.ASK
                evidence = (Evidence(self.entry.name, round(min(1.0, score), 3)),)
                regions.append(Region(box, Kind(named), evidence, action=action))
        return regions

    def _wrong(self, said: str) -> ModelError:
        return ModelError("model.plugin-wrong", name=self.entry.name, why=said)


def detector_spec(entry: ModelEntry) -> DetectorSpec:
    """The entry's own keys, checked; :class:`ModelError` names the first that is wrong."""
    try:
        return DetectorSpec.model_validate(dict(entry.extra))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part != "[key]") or "threshold"
        said = (
            "unknown key"
            if first["type"] == "extra_forbidden"
            else first["msg"].lower().removeprefix("value error, ")
        )
        said = "classes are named by their number" if first["type"] == "string_pattern_mismatch" else said
        raise ModelError("model.plugin-entry", name=entry.name, key=key, why=said) from error


def fitted(view: Pixels, r: DetectorSpec) -> tuple[Pixels, tuple[float, float], tuple[int, int]]:
    """The picture at the network's size, the scale across and down, and where its top left corner lies."""
    wide, high = r.input
    height, width = view.shape[:2]
    if r.resize == "stretch":
        w, h = wide, high
    else:
        factor = min(wide / width, high / height)
        w, h = scaled_size(width, height, factor)
    scale = (w / width, h / height)
    how = cv2.INTER_AREA if scale[0] < 1 else cv2.INTER_LINEAR
    left, top = (wide - w) // 2, (high - h) // 2
    shown = np.full((high, wide, 3), FILL, np.uint8)
    shown[top : top + h, left : left + w] = cv2.resize(view, (w, h), interpolation=how)
    return shown, scale, (left, top)


def tensor(shown: Pixels, r: DetectorSpec) -> Tensor:
    """The network's input: float32, ``(1, 3, h, w)``, ``(1, h, w, 3)`` or ``(3, h, w)``."""
    picture = shown[:, :, ::-1] if r.colour == "bgr" else shown
    values = (picture.astype(np.float32) - np.array(r.mean, np.float32)) / np.array(r.scale, np.float32)
    if r.layout == "nhwc":
        return np.ascontiguousarray(values[None])
    planes = np.ascontiguousarray(values.transpose(2, 0, 1))
    return planes if r.layout == "chw" else planes[None]


def candidates(answers: list[Tensor], r: DetectorSpec) -> Rows:
    """The network's answer as rows ``(left, top, right, bottom, score, class)`` in pixels of its input.

    Raises ValueError, as part of a sentence, where the answer has another shape than announced or holds what
    cannot be a score or a box: a network that is misread finds nothing, which would look like a clean photo.
    """
    values = [np.asarray(answer, np.float32) for answer in answers]
    if r.output is Output.TORCHVISION:
        rows = _torchvision(answers)
    elif r.output is Output.SSD:
        rows = _best(*_ssd(values), r)
    else:
        one = max(values, key=lambda v: v.size)
        if one.ndim < 2 or one.size != np.prod(one.shape[-2:]):
            raise ValueError(f"gives an answer of shape {one.shape}, not that of {r.output.value}")
        one = one.reshape(one.shape[-2:])
        rows = _ROWS[r.output](one) if r.output in _ROWS else _best(*_SCORED[r.output](one), r)
    if r.background is not None:
        rows = rows[rows[:, 5] != r.background]
    scores = rows[:, 4]
    if not np.isfinite(scores).all() or (len(scores) and (scores.min() < -SLACK or scores.max() > 1 + SLACK)):
        raise ValueError("gives scores beyond 0 to 1, so its output needs a sigmoid or a softmax")
    rows = rows[scores >= r.least]
    if not np.isfinite(rows).all():
        raise ValueError("gives boxes that are no numbers")
    _units_fit(rows, r)
    if r.units == "share":
        rows[:, :4] *= np.array([*r.input, *r.input], np.float32)
    rows = rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])]
    return np.ascontiguousarray(rows[np.argsort(-rows[:, 4])[:MOST]])


def _units_fit(rows: Rows, r: DetectorSpec) -> None:
    """ValueError where coordinates are plainly in the other unit: such boxes would be specks, or lie outside."""
    furthest = float(rows[:, :4].max()) if len(rows) else None
    if furthest is not None and r.units == "pixels" and furthest <= SHARE:
        raise ValueError('gives boxes from 0 to 1, so units must be "share"')
    if furthest is not None and r.units == "share" and furthest > 2 * SHARE:
        raise ValueError('gives boxes in pixels, so units must be "pixels"')


def _best(boxes: Rows, scores: Rows, r: DetectorSpec) -> Rows:
    """Rows of the best class for each box, of those that the entry names: ``scores`` is ``(n, classes)``.

    A box may score higher in a class that nobody asked for, and is still one of the class that somebody did.
    """
    count = scores.shape[1]
    named = [int(number) for number in r.classes] or [n for n in range(count) if n != r.background]
    if beyond := [n for n in (*named, *([] if r.background is None else [r.background])) if n >= count]:
        raise ValueError(f"has {count} classes from 0 on, and its entry names class {beyond[0]}")
    if not named:
        raise ValueError("has no class but the background")
    wanted = scores[:, named]
    # A score that makes no sense is one in any class.
    wrong = (
        ~np.isfinite(scores).all(axis=1) | (scores.max(axis=1) > 1 + SLACK) | (scores.min(axis=1) < -SLACK)
    )
    best = np.where(wrong, np.nan, wanted.max(axis=1))
    return np.column_stack([boxes, best, np.array(named)[wanted.argmax(axis=1)]]).astype(np.float32)


def _yolov5(one: Rows) -> tuple[Rows, Rows]:
    """``(n, 5 + classes)``: centre x, centre y, width, height, objectness, class scores."""
    if not 6 <= one.shape[1] <= one.shape[0]:
        raise ValueError(f"gives an answer of shape {one.shape}, not (boxes, 5 + classes) as yolov5 does")
    return _edges(one[:, :4]), one[:, 5:] * one[:, 4:5]


def _yolov8(one: Rows) -> tuple[Rows, Rows]:
    """``(4 + classes, n)``: centre x, centre y, width, height, class scores."""
    if not 5 <= one.shape[0] <= one.shape[1]:
        raise ValueError(f"gives an answer of shape {one.shape}, not (4 + classes, boxes) as yolov8 does")
    return _edges(one[:4].T), one[4:].T


def _rows6(one: Rows) -> Rows:
    """``(n, 6)``: left, top, right, bottom, score, class."""
    if one.shape[1] != 6:
        raise ValueError(f"gives {one.shape[1]} numbers for a box, not six")
    return one.copy()


def _rows7(one: Rows) -> Rows:
    """``(n, 7)``: picture, class, score, left, top, right, bottom; a negative picture ends the list."""
    if one.shape[1] != 7:
        raise ValueError(f"gives {one.shape[1]} numbers for a box, not seven")
    return one[one[:, 0] >= 0][:, [3, 4, 5, 6, 2, 1]]


_SCORED = {Output.YOLOV5: _yolov5, Output.YOLOV8: _yolov8}
_ROWS = {Output.ROWS6: _rows6, Output.ROWS7: _rows7}


def _ssd(values: list[Rows]) -> tuple[Rows, Rows]:
    """Two answers: ``(1, n, 4)`` left, top, right, bottom, and ``(1, n, classes)`` scores.

    In any order, unless there are four classes: then boxes come first.
    """
    boxes = [v for v in values if v.ndim == 3 and v.shape[2] == 4]
    scores = [v for v in values if v.ndim == 3 and not any(v is box for box in boxes[:1])]
    if len(values) != 2 or not boxes or not scores or boxes[0].shape[:2] != scores[0].shape[:2]:
        shapes = " and ".join(str(v.shape) for v in values)
        raise ValueError(f"gives answers of shape {shapes}, not boxes (1, n, 4) and scores (1, n, classes)")
    return boxes[0][0], scores[0][0]


def _torchvision(answers: list[Tensor]) -> Rows:
    """Boxes ``(n, 4)`` left, top, right, bottom, whole-numbered classes ``(n,)`` and scores ``(n,)``.

    Their order differs from model to model; masks and the like are passed over.
    """
    boxes = [a for a in answers if a.ndim == 2 and a.shape[1] == 4]
    labels = [a for a in answers if a.ndim == 1 and np.issubdtype(a.dtype, np.integer)]
    scores = [a for a in answers if a.ndim == 1 and np.issubdtype(a.dtype, np.floating)]
    counts = {len(boxes), len(labels), len(scores)}
    if counts != {1} or not len(boxes[0]) == len(labels[0]) == len(scores[0]):
        shapes = " and ".join(f"{a.dtype} {a.shape}" for a in answers)
        raise ValueError(
            f"gives answers of {shapes}, not boxes (n, 4), whole-numbered labels (n,) and scores (n,)"
        )
    return np.column_stack([boxes[0], scores[0], labels[0]]).astype(np.float32)


def _edges(boxes: Rows) -> Rows:
    """Centre, width and height to left, top, right, bottom."""
    half = boxes[:, 2:] / 2
    return np.column_stack([boxes[:, :2] - half, boxes[:, :2] + half]).astype(np.float32)
