"""What is done to a network before it runs leaves its answers as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from anonymizer.core.pixels import halved, shrunk
from anonymizer.detect import runtime


def doubling(side: int, stride: int) -> Any:
    """A network that enlarges five channels to three by transposed convolution, with windows of this side."""
    from openvino import Model
    from openvino import opset13 as ops

    taken = ops.parameter([1, 5, -1, -1], np.float32)
    weights = np.random.default_rng(1).normal(size=(5, 3, side, side)).astype(np.float32)
    enlarged = ops.convolution_backprop_data(taken, ops.constant(weights), strides=[stride, stride])
    return Model([ops.relu(enlarged)], [taken])


def answer(model: Any, given: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.asarray(runtime.openvino().Core().compile_model(model, "CPU", exact)([given])[0])


@pytest.mark.parametrize(("side", "stride", "replaced"), [(2, 2, True), (3, 2, False), (2, 1, False)])
def test_what_enlarges_two_by_two_is_replaced_and_says_the_same(
    side: int, stride: int, replaced: bool
) -> None:
    given = np.random.default_rng(2).normal(size=(1, 5, 4, 7)).astype(np.float32)
    model = doubling(side, stride)
    before = answer(model, given)
    runtime._without_transposed(model)
    kinds = {op.get_type_name() for op in model.get_ordered_ops()}
    assert ("ConvolutionBackpropData" in kinds) is not replaced
    assert_allclose(answer(model, given), before, atol=1e-5)


@pytest.mark.parametrize("size", [(301, 222), (1200, 900), (640, 480), (96, 70)])
def test_a_picture_that_was_halved_is_made_smaller_to_the_same_pixels(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    copy = halved(picture, 96)
    assert 96 <= max(copy.shape[:2]) < 192
    for side in (96, 60, 17):
        wide, high = side, round(side * size[1] / size[0])
        assert (shrunk(copy, wide, high) == shrunk(picture, wide, high)).all()


def test_a_network_that_was_let_go_says_the_same_again() -> None:
    content = (Path(__file__).parents[1] / "models" / "ink.onnx").read_bytes()
    network = runtime.Network(content, pictures=False, exact=True, lanes=2)
    sides = [side.get_length() if side.is_static else 9 for side in network._compiled.input().partial_shape]
    given = np.random.default_rng(4).normal(size=sides).astype(np.float32)
    before, device = network.run(given), network.device
    network.let_go()
    network.let_go()
    network.rest()
    assert network.device == device and network.takes(sides)
    network.let_go()
    for answers in network.run_all([given] * 3):
        for one, other in zip(answers, before, strict=True):
            assert_allclose(one, other, atol=1e-5)
    network.let_go()
    with_several = network.run_inputs([given])
    assert all(one.shape == other.shape for one, other in zip(with_several, before, strict=True))


TOGETHER = """
import sys, threading
from pathlib import Path
from anonymizer.detect import runtime

core = runtime.openvino().Core()
model = core.read_model(model=Path(sys.argv[1]).read_bytes(), weights=b"")
constants = [op for op in model.get_ordered_ops() if op.get_type_name() == "Constant"][:4]
started, begin = threading.Semaphore(0), []

def read(constant):
    started.release()
    while not begin:
        pass
    constant.data

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=read, args=(one,)) for one in constants]
for thread in threads:
    thread.start()
for _ in threads:
    started.acquire()
begin.append(True)
for thread in threads:
    thread.join()
"""


def test_threads_may_read_a_networks_numbers_at_once_in_a_new_process() -> None:
    """Where the first two readings fell together, each thread waited for the other for ever, one time in four."""
    network = Path(__file__).parents[1] / "models" / "ink.onnx"
    command = [sys.executable, "-c", TOGETHER, str(network)]
    together = [subprocess.Popen(command) for _ in range(4)]
    try:
        assert [one.wait(120) for one in together] == [0] * 4
    finally:
        for one in together:
            one.kill()
            one.wait()
