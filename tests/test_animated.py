"""Pictures that move are clips, every frame for as long as browsers show it; those that stand still are photos."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anonymizer.read.moving_image import durations, is_moving
from anonymizer.read.sniff import sniff_file
from clips import number_of, numbered
from conftest import FAST, Ran

FORMS = ("gif", "webp", "png", "avif")
MS = [40, 100, 30, 70, 200, 500]


def animation(form: str, count: int = 6, **more: Any) -> bytes:
    """An animation whose frames carry their numbers; ``more`` goes to Pillow."""
    frames = [Image.fromarray(pixels) for pixels in numbered(count)]
    if form == "gif":
        frames = [frame.quantize(64) for frame in frames]
    own: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "avif": {"speed": 10}}
    given: dict[str, Any] = {"duration": MS[:count]} | own.get(form, {}) | more
    file = io.BytesIO()
    frames[0].save(file, form.upper(), save_all=True, append_images=frames[1:], **given)
    return file.getvalue()


def shown(path: Path) -> tuple[list[Fraction], list[int], Fraction]:
    """Times, numbers, and the length of a written clip."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None and stream.duration is not None
        frames = list(container.decode(stream))
        return (
            [frame.pts * stream.time_base for frame in frames if frame.pts is not None],
            [number_of(frame.to_ndarray(format="rgb24")) for frame in frames],
            stream.duration * stream.time_base,
        )


def times(lasting: list[Fraction]) -> list[Fraction]:
    return [sum(lasting[:number], Fraction(0)) for number in range(len(lasting))]


def written(out: Path) -> Path:
    (path,) = (out / "review").glob("*.mp4")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_it_goes_the_clips_road_frame_for_frame(run: Callable[..., Ran], tmp_path: Path, form: str) -> None:
    source = tmp_path / f"a.{form}"
    source.write_bytes(animation(form))
    ran = run("blur", source, "--out", tmp_path / "out", *FAST)
    assert ran.code == 3, ran.err
    lasting = [Fraction(one, 1000) for one in MS]
    assert shown(written(tmp_path / "out")) == (times(lasting), list(range(6)), sum(lasting))


@pytest.mark.parametrize("form", FORMS)
def test_one_that_stands_still_is_a_photo(run: Callable[..., Ran], tmp_path: Path, form: str) -> None:
    source = tmp_path / f"a.{form}"
    source.write_bytes(animation(form, 1))
    assert not sniff_file(source).is_clip
    assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    assert not list((tmp_path / "out" / "review").glob("*.mp4"))
    assert len(list((tmp_path / "out" / "review").glob(f"*.{'png' if form == 'png' else 'jpg'}"))) == 1


def test_the_picture_before_a_png_s_animation_is_not_part_of_it(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(animation("png", default_image=True, duration=MS[1:]))
    assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    lasting = [Fraction(one, 1000) for one in MS[1:]]
    assert shown(written(tmp_path / "out")) == (times(lasting), [1, 2, 3, 4, 5], sum(lasting))


def test_times_of_a_png_are_fractions(run: Callable[..., Ran], tmp_path: Path) -> None:
    content = bytearray(animation("png", 3, duration=[33, 33, 33]))
    for number, (above, below) in enumerate([(1, 30), (1001, 24000), (7, 13)]):
        at = -1
        for _ in range(number + 1):
            at = content.index(b"fcTL", at + 1)
        content[at + 24 : at + 28] = above.to_bytes(2, "big") + below.to_bytes(2, "big")
        content[at + 30 : at + 34] = _crc(bytes(content[at : at + 30]))
    source = tmp_path / "a.png"
    source.write_bytes(content)
    assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    lasting = [Fraction(1, 30), Fraction(1001, 24000), Fraction(7, 13)]
    assert shown(written(tmp_path / "out")) == (times(lasting), [0, 1, 2], sum(lasting))


def _crc(chunk: bytes) -> bytes:
    import zlib

    return zlib.crc32(chunk).to_bytes(4, "big")


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_that_asks_for_no_time_lasts_as_long_as_in_a_browser(form: str) -> None:
    asked = [0, 10, 20, 10]
    file = io.BytesIO(animation(form, 4, duration=asked))
    assert durations(file)[0] == [Fraction(one, 1000) if one > 10 else Fraction(1, 10) for one in asked]


@pytest.mark.parametrize("form", FORMS)
def test_half_an_animation_is_never_published(run: Callable[..., Ran], tmp_path: Path, form: str) -> None:
    whole = animation(form)
    for number, keep in enumerate((len(whole) * 2 // 3, len(whole) - 16)):
        source = tmp_path / f"{number}.{form}"
        source.write_bytes(whole[:keep])
        out = tmp_path / f"out{number}"
        ran = run("blur", source, "--out", out, *FAST)
        assert ran.code == 4 or (ran.code == 3 and "broke off" in ran.out), ran.out + ran.err
        assert "Traceback" not in ran.err and not list((out / "ready").iterdir())


def test_what_a_frame_leaves_uncovered_shows_the_frame_before(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    base = Image.fromarray(np.full((96, 160, 3), (200, 40, 40), np.uint8))
    patch = Image.new("RGBA", (160, 96), (0, 0, 0, 0))
    patch.paste((40, 200, 40, 255), (0, 0, 80, 96))
    source = tmp_path / "a.webp"
    base.save(source, save_all=True, append_images=[patch], duration=[100, 100], lossless=True)
    assert run("blur", source, "--out", tmp_path / "out", *FAST).code == 3
    with av.open(str(written(tmp_path / "out"))) as container:
        second = list(container.decode(video=0))[1].to_ndarray(format="rgb24")
    assert np.abs(second[48, 40].astype(int) - (40, 200, 40)).max() < 12
    with Image.open(source) as image:
        image.seek(1)
        wanted = np.asarray(image.convert("RGB"))[48, 120]
    assert np.abs(second[48, 120].astype(int) - wanted).max() < 12


@given(st.sampled_from(FORMS), st.data())
def test_any_bytes_are_looked_at_without_an_error(form: str, data: st.DataObject) -> None:
    content = bytearray(_CONTENT[form])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    file = io.BytesIO(bytes(content[: data.draw(st.integers(0, len(content)))]))
    lasting, _ = durations(file)
    assert all(one > 0 for one in lasting)
    assert is_moving(file) == (len(lasting) > 1)


_CONTENT = {form: animation(form, 3) for form in FORMS}
