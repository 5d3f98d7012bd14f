"""Operations of MediaPipe's own that stand in its TFLite networks, as OpenVINO's.

OpenVINO's frontend leaves such a node as it is when it converts a network in part; here each is replaced by the
operations that it consists of. What they do follows MediaPipe's sources (``mediapipe/util/tflite/operations``,
Apache-2.0): the second versions of ``Landmarks2TransformMatrix``, ``TransformTensorBilinear`` and
``TransformLandmarks``, and ``Convolution2DTransposeBias``. They are known by the names of the tensors that they make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NAMES = (b"Landmarks2TransformMatrix", b"Convolution2DTransposeBias")
"""Operations by which a file is known to hold such."""
SIDE = 16
"""Rows and columns of what a face's part is cut out to, of the network's map of the whole face."""
SCALE = 1.5
"""Size of that cut, in sizes of the part."""


def _points(listed: str) -> tuple[int, ...]:
    """Numbers of the mesh's points, from single ones and spans."""
    spans = (one.split("-") for one in listed.split())
    return tuple(number for span in spans for number in range(int(span[0]), int(span[-1]) + 1))


LIPS = _points(
    "0 11-17 37-42 61 62 72-74 76-78 80-82 84-91 95 96 146 178-181 183-185 191 267-272 291 292 302-304 306-308 "
    "310-312 314-321 324 325 375 402-405 407-409 415"
)
RIGHT_EYE = _points(
    "7 22-31 33 35 46 52 53 55 56 63 65 66 70 105 107 110-113 117-121 124 128 130 133 143-145 153-161 163 173 189 "
    "190 193 221-226 228-233 243-247"
)
LEFT_EYE = _points(
    "249 252-261 263 265 276 282 283 285 286 293 295 296 300 334 336 339-342 346-350 353 357 359 362 372-374 "
    "380-388 390 398 413 414 417 441-446 448-453 463-467"
)


@dataclass(frozen=True, slots=True)
class _PartCut:
    """What a face's part is cut out by: the points of the mesh about which, and the two that lie on its axis."""

    points: tuple[int, ...]
    begin: int
    end: int


_MATRIX = "landmarks_to_transform_matrix_v2"
_CUTS = {
    _MATRIX: _PartCut(LIPS, 61, 291),
    f"{_MATRIX}_1": _PartCut(RIGHT_EYE, 33, 133),
    f"{_MATRIX}_2": _PartCut(LEFT_EYE, 362, 263),
}


def read(ov: Any, file: Path) -> Any:
    """The network of a TFLite file, MediaPipe's own operations in OpenVINO's. Raises :class:`RuntimeError` where it
    holds one that is not known here."""

    frontend = ov.frontend.FrontEndManager().load_by_framework("tflite")
    model = frontend.convert_partially(frontend.load(str(file)))
    for node in model.get_ordered_ops():
        if node.get_type_name() != "TFFrameworkNode":
            continue
        names = node.output(0).get_names()
        made = next((make for name in names if (make := _operation(name))), None)
        if made is None:
            raise RuntimeError(f"unknown operation for {', '.join(sorted(names))}")
        output = made(ov, [node.input_value(number) for number in range(node.get_input_size())])
        output.set_names(names)
        node.output(0).replace(output)
    model.validate_nodes_and_infer_types()
    return model


def _operation(name: str) -> Callable[[Any, list[Any]], Any] | None:
    if name in _CUTS:
        return lambda ov, inputs: _transform_matrix(ov, inputs[0], _CUTS[name])
    if name.startswith("transform_tensor_bilinear"):
        return lambda ov, inputs: _sampled(ov, *inputs)
    if name.startswith("transform_landmarks"):
        return lambda ov, inputs: _transformed(ov, *inputs)
    if name == "segment":
        return lambda ov, inputs: _transposed_convolution(ov, *inputs)
    return None


def _transform_matrix(ov: Any, landmarks: Any, cut: _PartCut) -> Any:
    """``(1, 4, 4)``: from places of the cut, 16 × 16, to those of the map; of landmarks ``(1, 468, 3)``.

    The cut is turned as its axis is, and :data:`SCALE` times as large as the upright box about its points there.
    """
    op = ov.opset13

    def number(value: Any) -> Any:
        return op.constant(np.array(value, np.float32))

    def taken(values: Any, indices: Any, axis: int) -> Any:
        return op.gather(values, op.constant(np.array(indices, np.int64)), op.constant(np.int64(axis)))

    def coordinate(values: Any, axis: int) -> Any:
        return taken(values, axis, 2)

    ends = taken(landmarks, [cut.begin, cut.end], 1)
    across = op.subtract(taken(ends, [1], 1), taken(ends, [0], 1))
    dx, dy = coordinate(across, 0), coordinate(across, 1)
    length = op.sqrt(op.add(op.multiply(dx, dx), op.multiply(dy, dy)))
    length = op.maximum(length, number(1e-6))
    cos, sin = op.divide(dx, length), op.divide(dy, length)
    points = taken(landmarks, cut.points, 1)
    x, y = coordinate(points, 0), coordinate(points, 1)
    along = op.add(op.multiply(x, cos), op.multiply(y, sin))
    down = op.subtract(op.multiply(y, cos), op.multiply(x, sin))
    axis = op.constant(np.array([1], np.int64))
    spans = [
        (op.reduce_min(v, axis, keep_dims=True), op.reduce_max(v, axis, keep_dims=True))
        for v in (along, down)
    ]
    (left, right), (top, bottom) = spans
    middle_x, middle_y = (op.multiply(op.add(a, b), number(0.5)) for a, b in spans)
    wide = op.multiply(op.subtract(right, left), number(SCALE / SIDE))
    high = op.multiply(op.subtract(bottom, top), number(SCALE / SIDE))
    half = number(SIDE / 2)
    a, b = op.multiply(cos, wide), op.negative(op.multiply(sin, high))
    c, d = op.multiply(sin, wide), op.multiply(cos, high)
    at_x = op.subtract(op.multiply(middle_x, cos), op.multiply(middle_y, sin))
    at_y = op.add(op.multiply(middle_x, sin), op.multiply(middle_y, cos))
    shift_x = op.subtract(at_x, op.multiply(half, op.add(a, b)))
    shift_y = op.subtract(at_y, op.multiply(half, op.add(c, d)))
    nought = op.subtract(a, a)
    one = op.add(nought, number(1))
    rows = (
        (a, b, nought, shift_x),
        (c, d, nought, shift_y),
        (nought, nought, one, nought),
        (nought, nought, nought, one),
    )
    flat = op.concat([value for row in rows for value in row], 1)
    return op.reshape(flat, op.constant(np.array([1, 4, 4], np.int64)), special_zero=False).output(0)


def _rows(ov: Any, matrix: Any) -> tuple[Any, Any]:
    """Of a matrix ``(1, 4, 4)``, what a place is multiplied by ``(1, 2, 2)`` and what is added ``(1, 1, 2)``."""
    op = ov.opset13

    def indices(*values: int) -> Any:
        return op.constant(np.array(values, np.int64))

    two = op.gather(matrix, indices(0, 1), op.constant(np.int64(1)))
    factor = op.gather(two, indices(0, 1), op.constant(np.int64(2)))
    shift = op.transpose(op.gather(two, indices(3), op.constant(np.int64(2))), indices(0, 2, 1))
    return factor, shift


def _transformed(ov: Any, landmarks: Any, matrix: Any) -> Any:
    """Landmarks ``(1, n, 2)`` of a cut as places in the face."""
    op = ov.opset13
    factor, shift = _rows(ov, matrix)
    return op.add(op.matmul(landmarks, factor, False, True), shift).output(0)


def _sampled(ov: Any, features: Any, matrix: Any) -> Any:
    """The cut ``(1, 16, 16, c)`` of a map ``(1, h, w, c)``, between its cells as on a straight line; nought outside.

    A cell's middle is half a cell from its corner: so are the matrix's places counted.
    """
    op = ov.opset13
    _, height, width, _ = (int(side) for side in features.get_shape())
    factor, shift = _rows(ov, matrix)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    places = op.constant(np.stack([x, y], axis=-1).reshape(1, -1, 2).astype(np.float32))
    at = op.subtract(op.add(op.matmul(places, factor, False, True), shift), op.constant(np.float32(0.5)))
    most = op.constant(np.array([width - 1, height - 1], np.float32))
    zero, one, two = (op.constant(np.float32(value)) for value in (0, 1, 2))
    within = op.logical_and(op.greater_equal(at, zero), op.less_equal(at, most))
    within = op.reduce_logical_and(within, op.constant(np.array([2], np.int64)), keep_dims=False)
    shape = op.constant(np.array([1, SIDE, SIDE, 2], np.int64))
    grid = op.reshape(op.subtract(op.divide(op.multiply(at, two), most), one), shape, special_zero=False)
    order = op.constant(np.array([0, 3, 1, 2], np.int64))
    found = op.grid_sample(
        op.transpose(features, order),
        grid,
        {"align_corners": True, "mode": "bilinear", "padding_mode": "border"},
    )
    mask = op.reshape(within, op.constant(np.array([1, 1, SIDE, SIDE], np.int64)), special_zero=False)
    found = op.multiply(found, op.convert(mask, "f32"))
    return op.transpose(found, op.constant(np.array([0, 2, 3, 1], np.int64))).output(0)


def _transposed_convolution(ov: Any, values: Any, kernel: Any, bias: Any) -> Any:
    """Twice the height and width ``(1, 2h, 2w, out)`` of ``(1, h, w, in)``: steps of 2, kernel ``(out, 2, 2, in)``."""
    op = ov.opset13
    first = op.transpose(values, op.constant(np.array([0, 3, 1, 2], np.int64)))
    weights = op.transpose(kernel, op.constant(np.array([3, 0, 1, 2], np.int64)))
    made = op.convolution_backprop_data(first, weights, [2, 2])
    last = op.transpose(made, op.constant(np.array([0, 2, 3, 1], np.int64)))
    return op.add(last, bias).output(0)
