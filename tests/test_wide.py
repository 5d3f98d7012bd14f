"""Clips of more light or colours than BT.709 has: what every screen shows stays, and looks as ffmpeg maps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.filter import Graph
from numpy.typing import NDArray

from anonymizer.core import hdr, yuv
from anonymizer.core.settings import Limits
from anonymizer.read.clip.reader import Reading, frames, open_clip, search_frames
from anonymizer.read.clip.wide_gamut import wide
from anonymizer.read.sniff import sniff_file
from clips import make_clip, numbered
from conftest import sentences

COLOURS = {
    "white": (255, 255, 255),
    "mid grey": (118, 118, 118),
    "black": (0, 0, 0),
    "pale skin": (230, 190, 170),
    "skin": (200, 150, 125),
    "dark skin": (90, 60, 45),
    "a rash": (190, 80, 75),
    "a bruise": (110, 70, 120),
    "iodine": (150, 90, 20),
    "green cloth": (40, 130, 90),
}
RGB = np.array(list(COLOURS.values()), np.float32)
BLOCK = 16
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
"""From BT.709's primaries: BT.2087, and the usual one of Display P3."""


def signal(rgb: NDArray[Any], transfer: int, times: float = 1.0) -> NDArray[np.uint16]:
    """Ordinary colours ``(n, 3)`` as 10-bit Y, U, V of BT.2020 in this curve, white at 203 cd/m², and brighter."""
    light = np.clip((rgb / 255) ** 2.4 * times @ TO_2020.T * 203, 0, 1000)
    if transfer == hdr.PQ:
        power = (light / 10_000) ** (2610 / 16384)
        coded = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        shown = light / 1000
        luminance = shown @ (0.2627, 0.6780, 0.0593)
        scene = shown * np.maximum(luminance, 1e-9)[:, None] ** (1 / 1.2 - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            upper = 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073
        coded = np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)
    return coded_as(coded, 0.2627, 0.0593)


def coded_as(rgb: NDArray[Any], red: float, blue: float) -> NDArray[np.uint16]:
    """R, G, B of 0 to 1 as 10-bit Y, U, V, limited range."""
    r, g, b = rgb.T
    y = red * r + (1 - red - blue) * g + blue * b
    planes = 64 + 876 * y, 512 + 448 * (b - y) / (1 - blue), 512 + 448 * (r - y) / (1 - red)
    return np.rint(np.stack(planes, axis=-1)).astype(np.uint16)


def unchanged(found: NDArray[np.float64]) -> None:
    """Greys and skin within 4 levels of 255, strong colours, of which the table has few, within 6."""
    for name, was, now in zip(COLOURS, yuv.colours(RGB), found, strict=True):
        most = 4 if "skin" in name or np.ptp(RGB[list(COLOURS).index(name)]) == 0 else 6
        assert np.abs(was - now).max() < most, f"{name}: {was} became {now}"


def mapped(values: NDArray[np.uint16], primaries: int, transfer: int, matrix: int) -> NDArray[np.float64]:
    """What the table makes of colours ``(n, 3)``, each a block of its own."""
    y, u, v = (
        np.kron(part, np.ones((BLOCK, BLOCK), np.uint16)).astype(np.uint16) for part in values.T[:, None]
    )
    planes = wide(primaries, transfer, matrix).planes((y, u[::2, ::2].copy(), v[::2, ::2].copy()))
    y, u, v = planes[0][:, BLOCK // 2 :: BLOCK], *(part[:, BLOCK // 4 :: BLOCK // 2] for part in planes[1:])
    return np.stack([y[8], u[4], v[4]], axis=-1).astype(float)


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_a_colour_that_every_screen_shows_stays_what_it_was(transfer: int) -> None:
    found = mapped(signal(RGB, transfer), 9, transfer, 9)
    unchanged(found)


def test_high_dynamic_range_looks_as_the_ffmpeg_library_maps_it() -> None:
    """Also where skin and a window are twice as bright as an ordinary screen can show."""
    values = np.concatenate([signal(RGB, hdr.HLG), signal(RGB, hdr.HLG, 2.0)])
    found, wanted = mapped(values, 9, hdr.HLG, 9), by_ffmpeg(values)
    apart = np.abs(found - wanted)
    assert apart[: len(RGB)].max() < 4 and apart.max() < 9, np.column_stack([found, wanted]).round()
    _, u, v = found[len(RGB) + 3]
    assert v > 138 and u < 122, "bright skin does not turn white"


def by_ffmpeg(values: NDArray[np.uint16]) -> NDArray[np.float64]:
    """The same by libswscale, at full size."""
    frame = av.VideoFrame(len(values), 2, "yuv444p10le")
    for plane, part in zip(frame.planes, values.T, strict=True):
        lines = np.zeros((2, plane.line_size // 2), np.uint16)
        lines[:, : len(values)] = part
        plane.update(lines.tobytes())
    frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, 18, 9, 1
    graph = Graph()
    last = graph.add_buffer(width=frame.width, height=2, format=frame.format, time_base=1)
    to = "out_color_matrix=bt709:out_range=tv:out_primaries=bt709:out_transfer=bt709"
    for name, arguments in [("scale", to), ("format", "yuv444p10le"), ("buffersink", None)]:
        node = graph.add(name, arguments)
        last.link_to(node)
        last = node
    graph.configure()
    graph.push(frame)
    planes = graph.pull().planes
    lines = [np.frombuffer(plane, np.uint16)[: len(values)] / 4 for plane in planes]
    return np.stack(lines, axis=-1)


def test_every_step_of_grey_is_brighter_than_the_one_before_and_has_no_colour() -> None:
    table = wide(9, hdr.HLG, 9)
    y = np.arange(64, 940, dtype=np.uint16)[None].repeat(2, axis=0)
    none = np.full((1, 438), 512, np.uint16)
    luma, u, v = table.planes((y, none, none))
    assert (np.diff(luma[0].astype(int)) >= 0).all() and luma[0, 0] == 16 and luma[0, -1] == 235
    assert (u == 128).all() and (v == 128).all()


def test_detail_in_a_colour_stays() -> None:
    """Colour has half the size, brightness does not: fine lines on skin come through at their whole contrast."""
    pair = signal(np.array([[200, 150, 125], [170, 125, 103]], np.float32), hdr.HLG)
    chroma = [np.full((16, 16), int(pair[:, part].mean()), np.uint16) for part in (1, 2)]
    lines = np.tile(pair[:, 0], (32, 16))
    luma, _, _ = wide(9, hdr.HLG, 9).planes((lines, chroma[0], chroma[1]))
    wanted = yuv.colours(np.array([[200, 150, 125], [170, 125, 103]], np.float32))[:, 0]
    assert np.abs(luma[16, 8:10] - wanted).max() < 3


@pytest.mark.parametrize(
    ("primaries", "matrix", "to", "shares"),
    [(12, 1, TO_P3, (0.2126, 0.0722)), (12, 6, TO_P3, (0.299, 0.114)), (9, 9, TO_2020, (0.2627, 0.0593))],
)
def test_ordinary_video_in_wider_primaries_keeps_its_colours(
    primaries: int, matrix: int, to: NDArray[np.float64], shares: tuple[float, float]
) -> None:
    coded = coded_as(np.clip((RGB / 255) ** 2.4 @ to.T, 0, 1) ** (1 / 2.4), *shares)
    unchanged(mapped(coded, primaries, 1, matrix))


def test_a_clip_in_wider_primaries_is_mapped_and_said(tmp_path: Path) -> None:
    """In both passes: a red of P3 is a stronger red in BT.709."""
    colour = {"space": 1, "trc": 1, "primaries": 12, "range": 1}
    source = make_clip(tmp_path / "a.mkv", numbered(2), colour=colour)
    form = sniff_file(source)
    clip = open_clip(source, form, Limits())
    with Reading(source, form, Limits(), "full") as reading:
        (whole, _) = (frame.planes for frame in frames(clip, reading))
    assert reading.ending
    assert any("Colours that not every screen shows" in note for note in sentences(reading.ending.notes))
    with Reading(source, form, Limits(), "search", whole_every=1) as reading:
        (look, _) = search_frames(clip, reading, (160, 96))
    assert look.whole is not None
    for one, other in zip(whole, look.whole, strict=True):
        assert (one == other).all(), "both passes see the same"
    shown = yuv.pixels(look.whole)
    assert np.abs(look.small[80:90, 5:35].astype(int) - shown[80:90, 5:35]).mean() < 4
    was = yuv.colours(np.array([220, 30, 30], np.float32))
    assert float(whole[2][40:46, 3:17].mean()) > was[2] + 5
