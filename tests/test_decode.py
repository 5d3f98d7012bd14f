"""Broken and hostile pictures: refused in one sentence, within limits, by a process that can do nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from PIL import Image

from anonymizer.core.errors import DamagedError, LimitError, MediumError, NotReadyError, UnsupportedError
from anonymizer.core.settings import Limits
from anonymizer.read import process
from anonymizer.read.channel import LENGTH, read_message
from anonymizer.read.forked import ForkServer
from anonymizer.read.photo import reader
from anonymizer.read.photo.decode import decode, prepare
from anonymizer.read.photo.reader import Decoder, Still, open_still
from anonymizer.read.source import Source
from conftest import sentences
from leaky import LEAKY, chunk, jpeg, picture, saved

PLAIN = {
    "JPEG": jpeg(picture()),
    "PNG": saved(picture(), "PNG"),
    "WebP": saved(picture(), "WEBP"),
    "TIFF": saved(picture(), "TIFF"),
    "BMP": saved(picture(), "BMP"),
    "GIF": saved(picture(), "GIF"),
    "HEIF": LEAKY["exif.heic"].content,
    "AVIF": saved(picture(), "AVIF"),
}


@pytest.fixture(autouse=True)
def _pillows_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What :func:`decode` sets for its own process is put back in this one."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(Limits()) as one:
        yield one


def opened(content: bytes, decoder: Decoder, limits: Limits | None = None) -> Still:
    source = Source(content, hashlib.sha256(content).hexdigest(), Path("/x/photo"))
    return open_still(source, limits or decoder.limits, decoder)


def within(content: bytes, **limits: float) -> Still:
    """Open with small limits, in a process that is held to them."""
    bound = Limits.model_validate(limits)
    with Decoder(bound) as one:
        return opened(content, one)


# A PNG with data behind its picture may be refused as damaged or opened: either is safe.
@pytest.mark.parametrize("name", sorted(set(LEAKY) - {"surplus.png"}))
def test_every_leaky_file_opens_with_its_traces(name: str, decoder: Decoder) -> None:
    leak = LEAKY[name]
    photo = opened(leak.content, decoder)
    assert photo.format_name == leak.form
    assert photo.pixels.shape == (240, 320, 3) and photo.pixels.dtype == np.uint8
    assert leak.kinds <= set(photo.traces.kinds)
    assert leak.strings <= photo.traces.strings


@pytest.mark.parametrize("form", PLAIN)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused(form: str, share: float, decoder: Decoder) -> None:
    content = PLAIN[form]
    with pytest.raises((DamagedError, UnsupportedError)):
        opened(content[: int(len(content) * share)], decoder)


@given_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(sorted(PLAIN)), data=st.data())
def test_damaged_bytes_are_refused_or_opened_and_nothing_else(form: str, data: st.DataObject) -> None:
    damaged = bytearray(PLAIN[form])
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    prepare(form)
    try:
        found = decode(bytes(damaged), form, 1_000_000)
    except MediumError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        height, width, channels = found.pixels.shape
        assert channels == 3 and height * width <= 1_000_000


def announcing(width: int, height: int, depth: int = 1, colour: int = 0) -> bytes:
    """A PNG that announces a size and holds hardly any of it: no decoder may begin to make room for more."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(bytes(100_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(40_000, 30_000), (2**31 - 1, 2**31 - 1), (201_000, 1000)])
def test_a_bomb_is_refused_before_it_is_inflated(size: tuple[int, int], decoder: Decoder) -> None:
    with pytest.raises((LimitError, DamagedError)):
        opened(announcing(*size), decoder)


def test_the_pixel_limit_itself_is_allowed_and_one_more_is_not() -> None:
    content = saved(picture(100, 80), "PNG")
    assert within(content, max_pixels=8000).pixels.shape == (80, 100, 3)
    with pytest.raises(LimitError, match=r"limits\.max_pixels"):
        within(content, max_pixels=7999)


@pytest.mark.parametrize("form", PLAIN)
def test_the_pixel_limit_holds_for_every_format(form: str) -> None:
    prepare(form)
    with pytest.raises(LimitError):
        decode(PLAIN[form], form, 1000)


def test_a_compressed_text_that_explodes_is_bounded(decoder: Decoder) -> None:
    plain = PLAIN["PNG"]
    text = chunk(b"zTXt", b"c\0\0" + zlib.compress(b"A" * 50_000_000, 9))
    try:
        photo = opened(plain[:33] + text + plain[33:], decoder)
    except MediumError:
        return
    assert photo.pixels.shape == (240, 320, 3)


def test_a_gif_of_twenty_thousand_frames_does_not_take_for_ever() -> None:
    gif = saved(picture(16, 16).convert("P"), "GIF")
    head = gif[: gif.index(b",")]
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    try:
        photo = within(head + frame * 20_000 + b";", decode_seconds=20)
    except LimitError:
        return
    assert photo.frames == 20_000
    assert any("20000 pictures" in note for note in sentences(photo.notes))


def test_an_animation_is_said_to_be_one(decoder: Decoder) -> None:
    photo = opened(LEAKY["comment.gif"].content, decoder)
    assert photo.frames == 2
    assert any("only the first" in note for note in sentences(photo.notes))


def test_a_decoder_that_takes_too_long_is_ended() -> None:
    # 144 million pixels in 17 kB: no process, however warm, has them ready in a hundredth of a second.
    with pytest.raises(LimitError, match=r"limits\.decode_seconds"):
        within(saved(Image.new("1", (12_000, 12_000)), "PNG"), decode_seconds=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_a_decoder_that_needs_too_much_memory_is_refused() -> None:
    large = announcing(19_000, 19_000, 8, 2)
    with pytest.raises(LimitError, match="memory"):
        within(large, decode_memory=1 << 20, max_pixels=400_000_000)


class Lying(io.BytesIO):
    """A decoding process's answer, as a hostile one might give it."""

    def __init__(self, answer: object, pixels: bytes = b"") -> None:
        body = json.dumps(answer).encode()
        super().__init__(LENGTH.pack(len(body)) + body + pixels)


@pytest.mark.parametrize(
    "answer",
    [
        {"width": 10**6, "height": 10**6},
        {"width": -5, "height": -5},
        {"width": 2, "height": 2},
        {"width": "two", "height": None},
        {"error": "SystemExit", "said": "x"},
        {},
        [],
        "text",
    ],
)
def test_a_process_that_a_file_has_taken_over_is_not_believed(
    answer: object, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong sizes, missing pixels, unknown errors: a refusal of this one file."""
    real = process.read_message
    monkeypatch.setattr(process, "read_message", lambda stream: real(Lying(answer)))
    with pytest.raises(MediumError):
        opened(jpeg(picture(8, 8)), decoder)


def test_a_message_that_never_ends_is_not_read() -> None:
    with pytest.raises(ValueError, match="too long"):
        read_message(io.BytesIO(LENGTH.pack(1 << 60)))


def test_a_process_that_cannot_start_says_where_to_look(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PROCESSES", ForkServer("anonymizer.read.photo.child"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises((NotReadyError, MediumError)), Decoder(Limits()) as broken:
        opened(PLAIN["JPEG"], broken)
