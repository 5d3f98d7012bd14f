"""A detector of one's own: a tiny network, written here byte by byte, in every layout of answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anonymizer.core.errors import ModelError
from anonymizer.core.settings import Settings, TextPolicy
from anonymizer.core.types import Box, Kind, Pixels, Region
from anonymizer.detect.finder import Finder, check_entries, questions
from anonymizer.detect.models.manifest import MANIFEST, ModelEntry
from anonymizer.detect.models.store import Store
from anonymizer.detect.plugin import (
    DetectorSpec,
    Output,
    PluginFinder,
    candidates,
    detector_spec,
    fitted,
    tensor,
)
from anonymizer.road.fingerprint import changed, fingerprint

# A few messages of the ONNX format (onnx.proto): enough for a network of five nodes.


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, body: bytes | str) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return varint(field << 3 | 2) + varint(len(body)) + body


def constant(name: str, values: NDArray[Any]) -> bytes:
    kind = 7 if values.dtype == np.int64 else 1
    dims = b"".join(number(1, side) for side in values.shape)
    return message(5, dims + number(2, kind) + message(8, name) + message(9, values.tobytes()))


def node(what: str, inputs: str, output: str, **attributes: int | list[int]) -> bytes:
    body = b"".join(message(1, name) for name in inputs.split())
    body += message(2, output) + message(4, what)
    for name, value in attributes.items():
        if isinstance(value, int):
            body += message(5, message(1, name) + number(3, value) + number(20, 2))
        else:
            body += message(5, message(1, name) + b"".join(number(8, v) for v in value) + number(20, 7))
    return message(1, body)


def port(field: int, name: str, shape: tuple[int, ...], element: int = 1) -> bytes:
    dims = b"".join(message(1, number(1, side)) for side in shape)
    kind = message(1, number(1, element) + message(2, dims))
    return message(field, message(1, name) + message(2, kind))


SIDE, CELL = 64, 8
N = (SIDE // CELL) ** 2


def onnx(output: str) -> bytes:
    """Finds what is red: the score of each cell of 8 pixels is its mean red less its mean green, 0 to 1."""
    y, x = np.mgrid[:SIDE:CELL, :SIDE:CELL].reshape(2, -1).astype(np.float32)
    centred = np.stack([x + 4, y + 4, np.full(N, 8), np.full(N, 8)]).astype(np.float32)
    edges = np.stack([x, y, x + 8, y + 8]).astype(np.float32)
    shape = (3, SIDE, SIDE) if output == "torchvision" else (1, 3, SIDE, SIDE)
    nodes = node("Reshape", "x batch", "picture")
    nodes += node("AveragePool", "picture", "pooled", kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    nodes += node("Conv", "pooled weight", "red", kernel_shape=[1, 1]) + node("Relu", "red", "plus")
    nodes += node("Reshape", "plus row", "scores")  # (1, 1, N)
    weight = np.array([1, -1, 0], np.float32).reshape(1, 3, 1, 1)
    constants = constant("weight", weight) + constant("row", np.array([1, 1, N], np.int64))
    constants += constant("batch", np.array([1, 3, SIDE, SIDE], np.int64))
    outputs = port(12, "y", (1, 5, N))
    if output == "yolov8":
        constants += constant("boxes", centred[None])
        nodes += node("Concat", "boxes scores", "y", axis=1)
    elif output == "yolov5":
        constants += constant("boxes", centred[None]) + constant("one", np.ones((1, 1, N), np.float32))
        nodes += node("Concat", "boxes one scores", "z", axis=1) + node("Transpose", "z", "y", perm=[0, 2, 1])
        outputs = port(12, "y", (1, N, 6))
    elif output == "rows6":
        constants += constant("boxes", edges[None]) + constant("zero", np.zeros((1, 1, N), np.float32))
        nodes += node("Concat", "boxes scores zero", "z", axis=1) + node(
            "Transpose", "z", "y", perm=[0, 2, 1]
        )
        outputs = port(12, "y", (1, N, 6))
    elif output == "rows7":
        constants += constant("boxes", edges[None] / SIDE)
        constants += constant("zero", np.zeros((1, 1, N), np.float32))
        constants += constant("four", np.array([1, 1, N, 7], np.int64))
        nodes += node("Concat", "zero zero scores boxes", "z", axis=1)
        nodes += node("Transpose", "z", "t", perm=[0, 2, 1]) + node("Reshape", "t four", "y")
        outputs = port(12, "y", (1, 1, N, 7))
    elif output == "torchvision":
        constants += constant("boxes", edges.T.copy()) + constant("flat", np.array([N], np.int64))
        constants += constant("classes", np.ones(N, np.int64))
        nodes += node("Identity", "boxes", "places") + node("Identity", "classes", "labels")
        nodes += node("Reshape", "scores flat", "y")
        outputs = port(12, "places", (N, 4)) + port(12, "labels", (N,), 7) + port(12, "y", (N,))
    else:
        constants += constant("boxes", edges.T[None].copy() / SIDE)
        constants += constant("half", np.full((1, N, 1), 0.05, np.float32))
        nodes += node("Transpose", "scores", "t", perm=[0, 2, 1]) + node("Concat", "half t", "y", axis=2)
        nodes += node("Identity", "boxes", "places")
        outputs = port(12, "y", (1, N, 2)) + port(12, "places", (1, N, 4))
    graph = nodes + message(2, "red") + constants + port(11, "x", shape) + outputs
    return number(1, 8) + message(7, graph) + message(8, message(1, "") + number(2, 13))


KEYS = {
    "yolov8": {},
    "yolov5": {},
    "rows6": {},
    "rows7": {"units": "share"},
    "ssd": {"units": "share", "background": 0, "classes": {"1": "mark"}},
    "torchvision": {"layout": "chw", "classes": {"1": "mark"}},
}


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Store]:
    def build(output: str, /, **more: Any) -> Store:
        content = onnx(output)
        (tmp_path / "red.onnx").write_bytes(content)
        keys: dict[str, Any] = {
            "input": [SIDE, SIDE],
            "output": output,
            "action": "redact",
            **KEYS[output],
            **more,
        }
        classes = keys.pop("classes", None)
        lines = ["[[model]]", 'name = "red"', 'kind = "plugin"', 'file = "red.onnx"', 'licence = "MIT"']
        lines += [f'sha256 = "{hashlib.sha256(content).hexdigest()}"']
        lines += [f"{key} = {value!r}".replace("'", '"') for key, value in keys.items()]
        if classes:
            lines += ["[model.classes]", *(f'"{key}" = "{value}"' for key, value in classes.items())]
        (tmp_path / MANIFEST).write_text("\n".join(lines), encoding="utf-8")
        return Store(folders=[tmp_path])

    return build


def scene(width: int = 320, height: int = 160) -> tuple[Pixels, Box]:
    pixels = np.full((height, width, 3), 120, np.uint8)
    pixels[40:80, 200:240] = (250, 10, 30)
    return pixels, Box(200, 40, 40, 40)


def on(regions: list[Region], box: Box) -> bool:
    found = Box(0, 0, 0, 0)
    for number_, region in enumerate(regions):
        found = region.box if number_ == 0 else found.union(region.box)
    return found.iou(box) > 0.9


@pytest.mark.parametrize("output", list(KEYS))
def test_every_layout_finds_the_same(output: str, store: Callable[..., Store]) -> None:
    pixels, box = scene()
    finder = PluginFinder(store(output), "red")
    regions = finder.find(pixels)
    assert on(regions, box) and all(r.hidden and r.kind is Kind.MARK for r in regions)
    assert [evidence.detector for evidence in regions[0].evidence] == ["red"]
    assert on(finder.verification_pass(pixels), box)
    assert finder.find(np.full((90, 120, 3), 128, np.uint8)) == []
    assert finder.models()[0].name == "red"


@pytest.mark.parametrize("more", [{"turns": [1]}, {"turns": [0, 2, 3]}, {"resize": "stretch"}])
def test_turned_and_stretched(more: dict[str, Any], store: Callable[..., Store]) -> None:
    pixels, box = scene(320, 320)
    regions = PluginFinder(store("yolov8", **more), "red").find(pixels)
    assert on(regions, box)
    assert len(regions) == 1


def test_what_is_between_asking_and_redacting_is_a_doubt(store: Callable[..., Store]) -> None:
    pixels, _ = scene()
    pixels[40:80, 200:240] = (140, 50, 30)  # red by 0.35
    (region,) = PluginFinder(store("yolov8", threshold=0.5, ask=0.2), "red").find(pixels)
    assert not region.hidden and "please look" in str(questions([region])[0].message)
    assert PluginFinder(store("yolov8", threshold=0.5), "red").find(pixels) == []
    pixels, _ = scene()
    assert not any(r.hidden for r in PluginFinder(store("yolov8", action="ask"), "red").find(pixels))


def test_classes_have_kinds_and_others_are_ignored(store: Callable[..., Store]) -> None:
    pixels, _ = scene()
    assert PluginFinder(store("yolov8", classes={"0": "text"}), "red").find(pixels)[0].kind is Kind.TEXT
    with pytest.raises(ModelError, match="has 1 classes from 0 on, and its entry names class 3"):
        PluginFinder(store("yolov8", classes={"3": "text"}), "red").find(pixels)
    assert PluginFinder(store("rows6", classes={"3": "text"}), "red").find(pixels) == []


def test_a_box_that_scores_higher_in_a_class_nobody_asked_for_is_still_found() -> None:
    answer = np.zeros((1, 6, 8), np.float32)
    answer[0, :, 2] = (20, 20, 8, 8, 0.6, 0.9)
    keys = {"input": (64, 64), "output": "yolov8"}
    (row,) = candidates([answer], DetectorSpec.model_validate({**keys, "classes": {"0": "text"}}))
    assert row[5] == 0 and row[4] == pytest.approx(0.6)
    (row,) = candidates([answer], DetectorSpec.model_validate(keys))
    assert row[5] == 1


@pytest.mark.parametrize(("output", "units"), [("ssd", "pixels"), ("yolov8", "share")])
def test_boxes_in_another_unit_than_announced_stop_the_run(
    output: str, units: str, store: Callable[..., Store]
) -> None:
    with pytest.raises(ModelError, match="so units must be"):
        PluginFinder(store(output, units=units), "red").find(scene()[0])


def test_another_way_to_read_a_detector_is_another_fingerprint(store: Callable[..., Store]) -> None:
    settings = Settings(faces=False, text=TextPolicy.NONE, codes=False, marks=False)
    one = fingerprint(settings, store("yolov8"))
    assert fingerprint(settings, store("yolov8")) == one
    other = fingerprint(settings, store("yolov8", threshold=0.3))
    assert str(changed(one, other)) == "the models were changed"


WRONG = {
    'size = "big"': "size must be a whole number",
    'optional = "false"': "optional must be true or false",
    "url = 5": "url must be a text in quotes",
    'kind = "plug-in"': 'kind must be "plugin"',
    'kind = "face"': 'kind must be "plugin"',
    'name = "a\\nb"': "name may hold no line break",
    "scale = [0, 1, 1]": "scale.0: input should be greater than 0",
    "mean = [nan, 0, 0]": "mean.0: input should be a finite number",
    "background = -1": "background: input should be",
    "ask = 0.9": "threshold: may not be below ask",
    'classes = {plate = "text"}': "classes.plate: classes are named by their number",
    'classes = {0 = "plate"}': "classes.0: input should be",
    "= 5": "cannot be read",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_every_mistake_in_an_entry_is_one_sentence(
    wrong: str, store: Callable[..., Store], tmp_path: Path
) -> None:
    store("yolov8")
    manifest = tmp_path / MANIFEST
    key = wrong.split(" = ")[0]
    lines = [
        one for one in manifest.read_text(encoding="utf-8").splitlines() if not one.startswith(f"{key} ")
    ]
    manifest.write_text("\n".join([*lines, wrong]), encoding="utf-8")
    with pytest.raises(ModelError) as error:
        check_entries(Store(folders=[tmp_path]))
    said = str(error.value)
    assert WRONG[wrong] in said and MANIFEST in said and said.endswith(".") and "\n" not in said


@pytest.mark.parametrize(("old", "new"), [("[[model]]", "[[models]]"), ("[[model]]", "")])
def test_entries_under_another_heading_are_not_passed_over(
    old: str, new: str, store: Callable[..., Store], tmp_path: Path
) -> None:
    store("yolov8")
    manifest = tmp_path / MANIFEST
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match=r"expected \[wheels.name\] tables and \[\[model\]\] entries"):
        Store(folders=[tmp_path])
    manifest.write_text(text, encoding="utf-8-sig")  # as an editor on Windows writes it
    check_entries(Store(folders=[tmp_path]))


def test_it_takes_part_in_every_run(store: Callable[..., Store]) -> None:
    pixels, box = scene()
    finder = Finder(Settings(faces=False, text=TextPolicy.NONE, codes=False), store("yolov8"))
    assert on([r for r in finder.find(pixels) if r.evidence[0].detector == "red"], box)
    assert "red" in [model.name for model in finder.models()]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"output": "yolov8", "treshold": 0.4}, "treshold: unknown key"),
        ({"output": "yolov9"}, "output: input should be"),
        ({"output": "yolov8", "threshold": 3}, "threshold: input should be less"),
        ({"output": "yolov8", "turns": []}, "turns"),
    ],
)
def test_a_wrong_key_is_named(more: dict[str, Any], said: str) -> None:
    needed = {"name": "red", "file": "f", "sha256": "0" * 64, "licence": "MIT"}
    wrong = ModelEntry.model_validate({**needed, "input": [64, 64], **more})
    with pytest.raises(ModelError, match="the model red") as error:
        detector_spec(wrong)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("announced", "given"),
    [("ssd", "yolov8"), ("rows6", "yolov8"), ("rows7", "yolov5"), ("torchvision", "yolov8")],
)
def test_another_answer_than_announced_stops_the_run(
    announced: str, given: str, store: Callable[..., Store]
) -> None:
    with pytest.raises(ModelError, match=r"The model red .*models\.toml"):
        PluginFinder(store(given, output=announced), "red").find(scene()[0])


def test_another_input_than_announced_stops_the_run(store: Callable[..., Store]) -> None:
    with pytest.raises(
        ModelError, match=r"red takes f32 \[1,3,64,64\], and input and layout say \(1, 3, 96, 96\)"
    ):
        PluginFinder(store("yolov8", input=[96, 96]), "red")
    with pytest.raises(ModelError, match="input and layout"):
        PluginFinder(store("yolov8", layout="nhwc"), "red")


def test_a_file_that_is_no_network_is_refused(store: Callable[..., Store], tmp_path: Path) -> None:
    made = store("yolov8")
    (tmp_path / "red.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="its SHA-256 is not"):
        PluginFinder(made, "red")
    digest = hashlib.sha256(b"no network").hexdigest()
    listed = (tmp_path / MANIFEST).read_text(encoding="utf-8")
    (tmp_path / MANIFEST).write_text(re.sub(r"[0-9a-f]{64}", digest, listed), encoding="utf-8")
    with pytest.raises(ModelError, match="red: A model cannot be run"):
        PluginFinder(Store(folders=[tmp_path]), "red")


def test_a_missing_file_stops_the_run_unless_it_is_optional(
    store: Callable[..., Store], tmp_path: Path
) -> None:
    store("yolov8")
    (tmp_path / "red.onnx").unlink()
    settings = Settings(faces=False, text=TextPolicy.NONE, codes=False)
    with pytest.raises(ModelError, match="red could not be fetched"):
        Finder(settings, Store(folders=[tmp_path], cache=tmp_path / "cache"))
    manifest = tmp_path / MANIFEST
    text = manifest.read_text(encoding="utf-8").replace("[[model]]", "[[model]]\noptional = true")
    manifest.write_text(text, encoding="utf-8")
    found = Finder(settings, Store(folders=[tmp_path], cache=tmp_path / "cache")).models()
    assert "red" not in [model.name for model in found]


def test_the_input_is_prepared_as_asked() -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[..., 0] = 200
    asked = DetectorSpec.model_validate(
        {
            "input": (64, 32),
            "output": "yolov8",
            "colour": "bgr",
            "layout": "nhwc",
            "mean": (1, 2, 3),
            "scale": (2, 2, 2),
        }
    )
    shown, scale, corner = fitted(pixels, asked)
    assert shown.shape == (32, 64, 3) and scale == (1.6, 1.6) and corner == (0, 0)
    given = tensor(shown, asked)
    assert given.shape == (1, 32, 64, 3) and given[0, 5, 5].tolist() == [-0.5, -1.0, 98.5]
    assert np.allclose(given[0, 5, 5], [(0 - 1) / 2, (0 - 2) / 2, (200 - 3) / 2])
    assert tensor(shown, asked.model_copy(update={"layout": "nchw"})).shape == (1, 3, 32, 64)


ROWS6 = DetectorSpec.model_validate({"input": (64, 64), "output": "rows6"})


def test_boxes_without_an_inside_are_dropped() -> None:
    rows = np.array([[0, 0, 9, 9, 0.9, 0], [9, 9, 0, 0, 0.9, 0], [1, 1, 5, 5, 0.1, 0]], np.float32)
    assert len(candidates([rows], ROWS6)) == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([0, 0, 9, 9, np.nan, 0], "sigmoid"),
        ([0, 0, 9, 9, 4.2, 0], "sigmoid"),
        ([0, 0, 9, 9, -3.0, 0], "sigmoid"),
        ([0, 0, np.nan, 9, 0.9, 0], "no numbers"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_clean_photo(row: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        candidates([np.array([[0, 0, 5, 5, 0.5, 0], row], np.float32)], ROWS6)


def test_torchvision_s_answers_are_told_apart_whatever_their_order() -> None:
    r = DetectorSpec(input=(64, 64), output=Output.TORCHVISION)
    boxes, labels = np.array([[1, 2, 30, 40], [5, 5, 9, 9]], np.float32), np.array([3, 1], np.int64)
    scores, masks = np.array([0.5, 0.9], np.float32), np.zeros((2, 1, 64, 64), np.float32)
    for answers in ([boxes, labels, scores], [boxes, scores, labels, masks]):
        assert candidates(answers, r)[:, 5].tolist() == [1, 3]
    assert len(candidates([boxes[:0], scores[:0], labels[:0]], r)) == 0
    with pytest.raises(ValueError, match="not boxes"):
        candidates([boxes, scores, scores], r)
    with pytest.raises(ValueError, match="not boxes"):
        candidates([boxes, scores[:1], labels], r)


@pytest.mark.parametrize(("output", "shape"), [("yolov8", (1, 84, 6)), ("yolov5", (1, 6, 84))])
def test_boxes_that_lie_the_other_way_round_are_refused(output: str, shape: tuple[int, ...]) -> None:
    asked = DetectorSpec.model_validate({"input": (64, 64), "output": output})
    with pytest.raises(ValueError, match=rf"not \(.* as {output} does"):
        candidates([np.full(shape, 0.1, np.float32)], asked)


def test_the_example_of_the_docs_is_a_valid_entry(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "add-a-detector.md").read_text(encoding="utf-8")
    example = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0].replace("…", "0" * 64)
    (tmp_path / MANIFEST).write_text(example, encoding="utf-8")
    (entry,) = Store(folders=[tmp_path]).entries("plugin")
    assert detector_spec(entry).classes and entry.licence
    named = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    assert named >= set(DetectorSpec.model_fields) | {kind.value for kind in Output}
