"""A decoder that was taken over answers what it likes: nothing of it is published but the program's own words."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import anonymizer.read
import stand_in
from anonymizer.core.errors import DamagedError, LimitError
from anonymizer.core.message import Message, as_json
from anonymizer.core.sentences import ENGLISH
from anonymizer.core.settings import Limits
from anonymizer.read import believed
from anonymizer.read.clip.reader import opened
from anonymizer.read.photo.reader import Decoder, open_still
from anonymizer.read.sniff import MP4
from anonymizer.read.source import read
from anonymizer.read.traces.harvest import harvest
from clips import make_clip, numbered
from leaky import LEAKY

READ = Path(anonymizer.read.__file__).parent
INSIDE = [
    *(READ / "bundle" / f"{name}.py" for name in ("archive", "child", "document")),
    *(
        READ / "clip" / f"{name}.py"
        for name in ("animated", "child", "containers", "crop", "dicom", "frames", "normalise", "sound_child")
    ),
    *(
        READ / "photo" / f"{name}.py"
        for name in ("child", "coded", "colour", "decode", "decoded", "dicom", "numbered", "tiff", "variant")
    ),
]
"""The modules that speak within a decoding process, and the one function of :mod:`anonymizer.read.sniff` there."""
AT_OPENING = {
    "file.empty", "file.gone", "file.link", "file.not-regular", "file.path-too-long", "file.unreadable"
}  # fmt: skip
SECRET = "Marie Blanc"


def codes(path: Path) -> set[str]:
    """Every code that a module mentions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and text in ENGLISH}


def test_every_code_of_a_decoding_process_is_on_the_list_and_no_other() -> None:
    assert set().union(*map(codes, INSIDE)) | AT_OPENING == believed.CODES


def test_every_kind_of_trace_is_on_the_list() -> None:
    for leak in LEAKY.values():
        assert set(believed.kinds(harvest(leak.content, leak.form).kinds)) >= leak.kinds


@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        {"code": SECRET, "values": {}},
        {"code": "review.decided", "values": {}},
        {"code": "photo.damaged", "values": {"format": SECRET}},
        {"code": "photo.pictures-which", "values": {"count": 2, "which": {"code": "x", "values": {}}}},
        {"code": "photo.pictures-which", "values": {"count": [SECRET], "which": 1}},
        {"code": "clip.video-tracks", "values": {"count": 10**40}},
        {"code": "clip.video-tracks", "values": {"count": float("nan")}},
        {"code": "clip.video-tracks", "values": {"count": None}},
        None,
        7,
    ],
    ids=repr,
)
def test_nothing_else_is_believed(said: Any) -> None:
    with pytest.raises(ValueError):
        believed.message(said)


def test_what_is_on_the_lists_is_believed() -> None:
    said = Message("photo.pictures-which", count=2, which=Message("photo.first"))
    assert believed.messages([as_json(said)]) == (said,)
    said = Message("photo.damaged", format="JPEG 2000")
    assert believed.message(as_json(said)) == said


@pytest.mark.parametrize("value", [-1, 1.5, "7", None, 1 << 60], ids=repr)
def test_counts_are_counts(value: Any) -> None:
    with pytest.raises(ValueError):
        believed.numbers({"frames": value}, ["frames"])


LYING = """
from anonymizer.read.photo import child
told = child.write_message
def lying(stream, message):
    told(stream, message | {more!r})
child.write_message = lying
prepare, work = child.prepare, child.work
"""


@pytest.mark.parametrize(
    "more",
    [
        {"notes": [SECRET]},
        {"notes": [{"code": SECRET, "values": {}}]},
        {"kinds": [SECRET]},
        {"error": "LimitError", "said": SECRET},
        {"error": "LimitError", "said": {"code": "photo.damaged", "values": {"format": SECRET}}},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("kind", ["photo", "clip"])
def test_a_lying_process_gets_nothing_said(
    kind: str, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = LYING.replace("read.photo", f"read.{kind}").format(more=more)
    stand_in.replace(monkeypatch, tmp_path, code)
    limits = Limits()
    with pytest.raises((DamagedError, LimitError)) as refused:
        if kind == "photo":
            path = tmp_path / "photo.png"
            Image.new("RGB", (8, 8)).save(path)
            with Decoder(limits) as decoder:
                open_still(read(path, limits.max_bytes), limits, decoder)
        else:
            path = make_clip(tmp_path / "clip.mp4", numbered(3))
            with opened(path, MP4, limits, "full") as (_, reading):
                list(reading.records())
    assert SECRET not in str(refused.value)
