"""The one place that runs networks: OpenVINO behind a small class, so that another runtime can stand in.

OpenVINO's Python package reports its use to a server when it is imported (``openvino_telemetry``). Nothing
here may open a connection, so that module is kept from loading before OpenVINO is; OpenVINO then takes its
own silent stub.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.errors import ModelError, NotReadyError
from anonymizer.core.machine import own_threads
from anonymizer.detect import mediapipe_ops

DEVICE_VARIABLE = "ANONYMIZER_DEVICE"
LAYERS_KEPT = "800"
"""For how many layers OpenVINO keeps at most what it prepares for each shape of picture (5000 if not told); labels that
move in a clip have dozens of shapes, of some 8 MB each. With 200 a clip's search takes an eighth longer."""
TFLITE = b"TFL3"
"""The identifier of TFLite's FlatBuffers schema, at byte 4."""
Tensor = NDArray[Any]


_first = threading.Lock()


def openvino() -> Any:
    """The openvino module without its telemetry. Raises :class:`NotReadyError` if it does not load."""
    with _first:
        return _openvino()


@cache
def _openvino() -> Any:
    # Threads share what the C library has for all of them: in arenas of their own a tenth more lies idle.
    _libc("mallopt", _M_ARENA_MAX, 2)
    if "openvino" not in sys.modules:
        # None in sys.modules makes every later import of this name an ImportError.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import openvino as module
    except (ImportError, OSError) as error:
        raise NotReadyError("model.no-openvino", cause=error) from error
    # The first array that it gives initialises NumPy's interface under a lock of C++, and lets go of Python's in
    # between: of two threads that ask for their first at once, each can wait for the other for ever.
    _ = module.op.Constant(np.zeros(1, np.float32)).data
    return module


def device() -> str:
    """Where networks run: what ``ANONYMIZER_DEVICE`` says, else AUTO where there is more than a CPU."""
    return os.environ.get(DEVICE_VARIABLE) or ("CPU" if devices() == ["CPU"] else "AUTO")


def devices() -> list[str]:
    """OpenVINO's names of what this machine offers, such as ``CPU`` and ``GPU``."""
    return list(openvino().Core().available_devices)


class Network:
    """A compiled network that takes pictures of any size.

    With ``pictures`` the one input takes uint8 ``(1, h, w, 3)`` RGB (``bgr`` for a network trained on BGR)
    and is turned into its float32 ``(1, 3, h, w)`` inside the graph, as ``(value - mean) / scale``;
    otherwise tensors are passed as they are. ``exact`` forbids bfloat16, which CPUs that have it otherwise
    use (twice as fast; docs/detection.md has what it costs). ``lanes`` is how many requests run at once.
    ``inner`` names tensors inside the network that are its outputs instead of its own; what only those need is left
    out.
    Raises :class:`ModelError` if the file is not a network.
    """

    def __init__(
        self,
        content: bytes,
        *,
        pictures: bool = True,
        bgr: bool = False,
        mean: Sequence[float] = (),
        scale: Sequence[float] = (),
        exact: bool = False,
        lanes: int = 1,
        inner: Sequence[str] = (),
    ) -> None:
        ov = openvino()
        core = ov.Core()
        where = device()
        try:
            model = _read(core, content)
            self.metadata = _metadata(model)
            if inner:
                model = _ending_at(ov, model, inner)
            _without_transposed(model)
            if pictures:
                model = _picture_input(ov, model, bgr, list(mean), list(scale))
            settings: dict[str, Any] = {"NUM_STREAMS": lanes} if where == "CPU" and lanes > 1 else {}
            settings |= {} if settings else {"PERFORMANCE_HINT": "LATENCY"}
            settings |= {"INFERENCE_PRECISION_HINT": "f32"} if exact else {}
            settings |= {"CPU_RUNTIME_CACHE_CAPACITY": LAYERS_KEPT} if where == "CPU" else {}
            threads = own_threads()
            settings |= (
                {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
                if threads and where == "CPU"
                else {}
            )
            self._compile = partial(core.compile_model, model, where, settings)
            self._lanes = lanes
            self._begin()
            taken = self._compiled.inputs[0]
            self.input = f"{taken.element_type.get_type_name()} {taken.partial_shape}"
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1]
            raise ModelError("model.no-device", device=where, cause=first) from error
        self._turn = threading.Lock()

    def _begin(self) -> None:
        self._compiled: Any = self._compile()
        self._requests: list[Any] = [self._compiled.create_infer_request() for _ in range(self._lanes)]

    def _ready(self) -> list[Any]:
        """The requests, of a network that is compiled anew after :meth:`let_go`."""
        if not self._requests:
            self._begin()
        return self._requests

    @property
    def device(self) -> str:
        """Where it runs, as OpenVINO says: ``CPU``, ``GPU`` …"""
        with self._turn:
            self._ready()
            names = self._compiled.get_property("EXECUTION_DEVICES")
        return ", ".join(names) if isinstance(names, list | tuple) else str(names)

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether its one input is float32 and can have this shape; :attr:`input` says what it is."""
        with self._turn:
            self._ready()
            taken = self._compiled.input()
        return bool(
            taken.element_type.get_type_name() == "f32"
            and taken.partial_shape.compatible(openvino().PartialShape(list(shape)))
        )

    def run(self, inputs: Tensor) -> list[Tensor]:
        """The outputs for one input, in the network's order; valid until the next call."""
        return self.run_all([inputs])[0]

    def run_inputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The outputs, as copies, of a network that has several inputs, in their order."""
        with self._turn:
            request = self._ready()[0]
            request.start_async(list(inputs), share_inputs=True)
            return _answer(request)

    def run_all(self, inputs: Sequence[Tensor]) -> list[list[Tensor]]:
        """The outputs for each input, as copies; the inputs may differ in size. Threads take turns."""
        answers: list[list[Tensor]] = []
        lanes = self._lanes
        with self._turn:
            requests = self._ready()
            for number, tensor in enumerate(inputs):
                request = requests[number % lanes]
                if number >= lanes:
                    answers.append(_answer(request))
                request.start_async([tensor], share_inputs=True)
            for number in range(max(0, len(inputs) - lanes), len(inputs)):
                answers.append(_answer(requests[number % lanes]))
        return answers

    def rest(self) -> None:
        """Give back what the largest picture so far took of memory: the next call takes what it needs."""
        with self._turn:
            if self._requests:
                self._compiled.release_memory()

    def let_go(self) -> None:
        """What :meth:`rest` does, and forget what was prepared for each shape so far: the next call compiles anew, in
        some tenths of a second."""
        with self._turn:
            self._requests, self._compiled = [], None


def hand_back() -> None:
    """Tell the C library to hand back to the system what was freed; it keeps it otherwise (glibc has the call)."""
    _libc("malloc_trim", 0)


def keep_memory(kept: bool) -> None:
    """Whether the C library keeps what is freed, for the next picture takes as much again: a photo of twelve megapixels
    has some thirty blocks of 4 to 40 MB, and fresh pages for them cost a tenth of the time (mallopt of glibc).

    Where it does not, as for clips, blocks of less than 4 MB are kept still, a frame's planes among them: without those
    a clip's search takes a sixth longer.
    """
    _libc("mallopt", _M_MMAP_THRESHOLD, (1 << 30) if kept else 1 << 22)
    _libc("mallopt", _M_TRIM_THRESHOLD, (1 << 29) if kept else 1 << 26)


@contextlib.contextmanager
def keeping_memory() -> Iterator[None]:
    """Within the block the C library keeps what is freed: see :func:`keep_memory`."""
    keep_memory(True)
    try:
        yield
    finally:
        keep_memory(False)
        hand_back()


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""


def _libc(name: str, *numbers: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            getattr(ctypes.CDLL(None), name)(*numbers)


def _read(core: Any, content: bytes) -> Any:
    """A network from its file's bytes: ONNX from memory; TFLite, which OpenVINO reads from files alone, by way of a
    file that only this user can read or change."""
    if content[4:8] != TFLITE:
        return core.read_model(model=content, weights=b"")
    # On Windows what is mapped into memory cannot be removed at once.
    with tempfile.TemporaryDirectory(prefix="anonymizer-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "network.tflite"
        file.write_bytes(content)
        if any(name in content for name in mediapipe_ops.NAMES):
            return mediapipe_ops.read(openvino(), file)
        return core.read_model(file)


def _answer(request: Any) -> list[Tensor]:
    request.wait()
    return [np.array(out.data) for out in request.output_tensors]


def _metadata(model: Any) -> dict[str, str]:
    """What an ONNX file says about itself (its ``metadata_props``), by name."""
    if not model.has_rt_info(["framework"]):
        return {}
    told = model.get_rt_info(["framework"]).value
    return {str(name): str(value) for name, value in told.items()}


def _ending_at(ov: Any, model: Any, names: Sequence[str]) -> Any:
    """The part of a model that computes these of its tensors."""
    by_name = {name: out for op in model.get_ordered_ops() for out in op.outputs() for name in out.names}
    return ov.Model([by_name[name] for name in names], model.get_parameters())


def _without_transposed(model: Any) -> None:
    """Replace what enlarges by transposed convolution, two by two at a stride of two, by a convolution of single pixels
    whose four times as many channels are the four pixels of each (Shi et al. 2016, arXiv:1609.05158).

    It is the same sum. But OpenVINO prepares a transposed convolution anew for every size of picture, which takes
    longer than a small picture itself, and computes those near the end of a network in float32 whatever it was told.
    """
    from openvino import opset13 as ops

    for op in model.get_ordered_ops():
        if op.get_type_name() != "ConvolutionBackpropData" or not _doubles(op.get_attributes()):
            continue
        weights = op.input_value(1).get_node()
        if weights.get_type_name() != "Constant" or tuple(weights.get_output_shape(0))[2:] != (2, 2):
            continue
        values = np.asarray(weights.data)
        taken, given = values.shape[:2]
        each = np.ascontiguousarray(values.transpose(2, 3, 1, 0).reshape(4 * given, taken, 1, 1))
        four = ops.convolution(op.input_value(0), ops.constant(each), [1, 1], [0, 0], [0, 0], [1, 1])
        placed = ops.depth_to_space(four, "blocks_first", 2)
        for reader in op.output(0).get_target_inputs():
            reader.replace_source_output(placed.output(0))
    model.validate_nodes_and_infer_types()


def _doubles(said: dict[str, Any]) -> bool:
    """Whether a transposed convolution's attributes say that its windows lie side by side, two pixels wide."""
    plain = {"pads_begin": [0, 0], "pads_end": [0, 0], "output_padding": [0, 0], "dilations": [1, 1]}
    return list(said["strides"]) == [2, 2] and all(
        list(said[name]) == wanted for name, wanted in plain.items()
    )


def _picture_input(ov: Any, model: Any, bgr: bool, mean: list[float], scale: list[float]) -> Any:
    """The model with a uint8 NHWC RGB input of any size."""
    from openvino.preprocess import ColorFormat, PrePostProcessor

    shape = model.input().get_partial_shape()
    if shape.rank.get_length() != 4:
        raise ModelError("model.no-picture")
    model.reshape([-1, 3, -1, -1])
    steps = PrePostProcessor(model)
    tensor = steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.RGB)
    process = steps.input().preprocess()
    if bgr:
        process.convert_color(ColorFormat.BGR)
    process.convert_element_type(ov.Type.f32)
    if mean:
        process.mean(mean)
    if scale:
        process.scale(scale)
    process.convert_layout(ov.Layout("NCHW"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()
