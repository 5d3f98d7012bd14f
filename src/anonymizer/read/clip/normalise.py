"""How a clip's frames take the one form that is searched, hidden in and encoded. Runs in the decoding process.

Whatever the source was (10 bit, 4:4:4, BT.601, full range, HLG or PQ, interlaced, turned), a frame leaves here
upright as 8-bit BT.709 4:2:0, or, where high dynamic range is kept, as 10-bit BT.2020 4:2:0. Frames that are so
already are not touched. One of more light or more colours comes with 10 bits and the table that maps it
(:mod:`anonymizer.read.clip.wide_gamut`): not all of it is needed in each pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from av.error import EOFError as AvEOFError
from av.filter import Graph
from av.sidedata.sidedata import Type as SideData

from anonymizer.core.message import Message
from anonymizer.core.yuv import AnyPlanes, Colour
from anonymizer.read.clip.orientation import UPRIGHT, Matrix, matrix, swaps, upright
from anonymizer.read.clip.picture import VideoTrack
from anonymizer.read.clip.wide_gamut import BT601, BT709, BT2020, MATRICES, NTSC, P3, PRIMARIES, Wide, wide

UNSPECIFIED = 2
NAMES = {BT709: "bt709", BT601: "bt601", NTSC: "bt601", BT2020: "bt2020"}
"""Of matrices, as libswscale calls them."""
FULL_RANGE = 2
HDR_TRANSFERS = (16, 18)
"""PQ and HLG (ITU-T H.273)."""
SD = (1280, 577)
"""Unmarked video is taken for BT.601 where its long side is shorter than the first and its short side than the second,
for BT.709 else, as players do (mpv's ``mp_csp_guess_colorspace``)."""
QUICK = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
QUICK_MATRICES = {BT709: "bt709", BT601: "bt470bg", NTSC: "smpte170m", 7: "smpte240m", BT2020: "bt2020ncl"}
"""What FFmpeg's ``colorspace`` filter takes: on a 1080p frame six times as fast as ``scale``, and within half a grey
level of the formula, where ``scale`` is up to nine off."""
PLAIN, DEEP = "yuv420p", "yuv420p10le"


class FrameForm:
    """How this clip's frames become upright planes in the one form: decided by the first frame.

    ``keep_hdr`` and ``deep`` as in :func:`anonymizer.read.clip.frames.pictures`.
    """

    def __init__(
        self, frame: Any, stream: Any, track: VideoTrack, *, keep_hdr: bool = False, deep: bool = False
    ) -> None:
        self.orientation: Matrix = UPRIGHT
        for side in frame.side_data:
            if side.type == SideData.DISPLAYMATRIX:
                self.orientation = matrix(bytes(side))
        self.size = (frame.width, frame.height)
        self.format = frame.format.name
        self.track = track
        self.stream = stream
        width, height = self.size[::-1] if swaps(self.orientation) else self.size
        track.width, track.height = width + width % 2, height + height % 2
        if (track.width, track.height) != (width, height):
            track.notes[Message("clip.made-even")] = None
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if not Fraction(1, 10) < aspect < 10:
            aspect = Fraction(1)
        track.aspect = 1 / aspect if swaps(self.orientation) else aspect
        self.hdr = frame.color_trc in HDR_TRANSFERS
        if self.hdr and keep_hdr:
            track.colour = Colour(BT2020, int(frame.color_trc), BT2020)
            track.notes[Message("clip.hdr-kept")] = None
        elif self.hdr:
            track.notes[Message("clip.hdr-mapped")] = None
        self.deep = deep and track.colour is not None
        if any(part.is_alpha for part in frame.format.components):
            track.notes[Message("clip.transparency")] = None
        self.wide = None if self.deep else self._wide(frame)
        if self.wide and not self.hdr:
            track.notes[Message("clip.colours-mapped")] = None
        self.interlaced = bool(frame.interlaced_frame)
        if self.interlaced:
            track.notes[Message("clip.interlaced")] = None
        self.graph = self._built(frame)

    def _built(self, frame: Any) -> Graph | None:
        """The filters between the decoder's frames and the one form, None where there is nothing to do."""
        steps: list[tuple[str, str]] = []
        if self.interlaced:
            steps.append(("yadif", "mode=send_frame:deint=interlaced"))
        if self.deep:
            steps += self._deep_steps(frame)
        elif self.wide:
            steps += self._wide_steps(frame)
        else:
            steps += self._steps(frame)
        if not steps:
            return None
        graph = Graph()
        last = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or self.stream.time_base,
        )
        for name, arguments in [*steps, ("buffersink", "")]:
            node = graph.add(name, arguments) if arguments else graph.add(name)
            last.link_to(node)
            last = node
        graph.configure()
        return graph

    def _deep_steps(self, frame: Any) -> list[tuple[str, str]]:
        """To 10-bit 4:2:0 in BT.2020, limited range; light and its curve stay as they are."""
        if (
            self.format == DEEP
            and frame.color_range != FULL_RANGE
            and frame.colorspace in (BT2020, UNSPECIFIED)
        ):
            return []
        scale = "out_color_matrix=bt2020:out_range=tv:out_primaries=bt2020"
        if frame.colorspace == UNSPECIFIED and self.format.startswith("yuv"):
            scale += ":in_color_matrix=bt2020"
        return [("scale", scale), ("format", DEEP)]

    def _wide(self, frame: Any) -> Wide | None:
        """The table for the clip's colours, where they are more than BT.709's."""
        primaries = int(frame.color_primaries)
        if self.hdr:
            primaries = primaries if primaries in PRIMARIES else BT2020
        elif primaries not in (BT2020, *P3):
            return None
        return wide(primaries, int(frame.color_trc), self._matrix(frame))

    def _wide_steps(self, frame: Any) -> list[tuple[str, str]]:
        """To 10-bit 4:2:0, limited range; everything else stays as it is."""
        known = frame.colorspace in (*MATRICES, UNSPECIFIED)
        if self.format == DEEP and frame.color_range != FULL_RANGE and known:
            return []
        matrix = NAMES[self._matrix(frame)]
        scale = f"out_color_matrix={matrix}:out_range=tv"
        if frame.colorspace == UNSPECIFIED and self.format.startswith("yuv"):
            scale += f":in_color_matrix={matrix}"
        return [("scale", scale), ("format", DEEP)]

    def _matrix(self, frame: Any) -> int:
        """The matrix of a clip of more light or colours, as it is or is made: one of :data:`MATRICES`."""
        if frame.colorspace in MATRICES:
            return int(frame.colorspace)
        return BT709 if not self.hdr and frame.color_primaries in P3 else BT2020

    def _steps(self, frame: Any) -> list[tuple[str, str]]:
        """To 8-bit 4:2:0 in BT.709, limited range."""
        hd = any(side >= sd for side, sd in zip(sorted((frame.width, frame.height))[::-1], SD, strict=True))
        space = (BT709 if hd else BT601) if frame.colorspace == UNSPECIFIED else frame.colorspace
        if self.format == PLAIN and frame.color_range != FULL_RANGE and space == BT709:
            return []
        even = frame.width % 2 == frame.height % 2 == 0
        if self.format in QUICK and even and space in QUICK_MATRICES:
            full = frame.color_range == FULL_RANGE or self.format.startswith("yuvj")
            quick = "space=bt709:trc=bt709:primaries=bt709:range=tv:itrc=bt709:iprimaries=bt709:fast=1"
            quick += f":ispace={QUICK_MATRICES[space]}:irange={'pc' if full else 'tv'}"
            return [("colorspace", f"{quick}:format={PLAIN}")]
        scale = "out_color_matrix=bt709:out_range=tv"
        if frame.colorspace == UNSPECIFIED and self.format.startswith("yuv"):
            scale += f":in_color_matrix={'bt709' if hd else 'bt601'}"
        return [("scale", scale), ("format", PLAIN)]

    def converted(self, frame: Any) -> Iterator[Any]:
        """The frame in the one form; none or several at a time where a filter looks ahead."""
        if (frame.width, frame.height) != self.size or frame.format.name != self.format:
            self.track.notes[Message("clip.scaled")] = None
            other = frame.reformat(*self.size, format=self.format)
            other.pts, other.time_base = frame.pts, frame.time_base
            other.duration = frame.duration
            frame = other
        if self.graph is None:
            yield frame
            return
        self.graph.push(frame)
        yield from self._pulled()

    def flushed(self) -> Iterator[Any]:
        """What a filter still holds when the last frame is in."""
        if self.graph is not None:
            self.graph.push(None)
            yield from self._pulled()

    def _pulled(self) -> Iterator[Any]:
        assert self.graph is not None
        while True:
            try:
                yield self.graph.pull()
            except (BlockingIOError, AvEOFError):
                return

    def planes(self, frame: Any) -> AnyPlanes:
        """The three planes, upright, with even sides."""
        height, width = self.track.height, self.track.width
        kind: Any = np.uint16 if self.deep or self.wide else np.uint8
        parts = []
        for number, plane in enumerate(frame.planes[:3]):
            lines = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind().itemsize)
            stored = lines[: plane.height, : plane.width]
            part = upright(stored, self.orientation)
            h, w = (height, width) if number == 0 else (height // 2, width // 2)
            if part.shape != (h, w):
                part = np.pad(part, ((0, h - part.shape[0]), (0, w - part.shape[1])), mode="edge")
            parts.append(np.ascontiguousarray(part))
        return parts[0], parts[1], parts[2]
