"""How a clip's frames take the one form that is searched, hidden in and encoded. Runs in the decoding process.

Whatever the source was (10 bit, 4:4:4, BT.601, full range, HLG or PQ, interlaced, turned), a frame leaves here
upright as 8-bit BT.709 4:2:0, or, where high dynamic range is kept, as 10-bit BT.2020 4:2:0. Frames that are so
already are not touched. One of more light or more colours comes with 10 bits and the table that maps it
(:mod:`anonymizer.read.clip.wide_gamut`): not all of it is needed in each pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.error import EOFError as AvEOFError
from av.filter import Graph

from anonymizer.core.message import Message
from anonymizer.core.yuv import AnyPlanes, Colour
from anonymizer.read.clip.orientation import orientation_of, slants, stretch_of, upright
from anonymizer.read.clip.picture import ShapeChanged, VideoTrack
from anonymizer.read.clip.shape import WHOLE, Crop, FrameShape, fitted
from anonymizer.read.clip.wide_gamut import Wide, wide
from anonymizer.read.colorimetry import BT601, BT709, BT2020, MATRICES, NTSC, P3, PRIMARIES

UNSPECIFIED = 2
EVEN = 0.02
"""Ratios of sides that differ by less are one."""
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


class Forms:
    """The forms of a clip's frames, one after the other: a new one wherever a frame is unlike the one before.

    ``keep_hdr``, ``deep`` and ``canvas`` as in :func:`anonymizer.read.clip.frames.pictures`; ``crop``: what the
    container cuts off; ``ground``: as in :func:`on_white`.
    """

    def __init__(
        self,
        stream: Any,
        track: VideoTrack,
        canvas: tuple[int, int] | None,
        *,
        keep_hdr: bool = False,
        deep: bool = False,
        crop: Crop = WHOLE,
        ground: int | None = None,
    ) -> None:
        self.stream, self.track, self.canvas = stream, track, canvas
        self.keep_hdr, self.deep, self.crop, self.ground = keep_hdr, deep, crop, ground
        self._first: FrameShape | None = None
        self._interlaced = False

    def converted(self, decoded: Iterator[Any]) -> Iterator[tuple[Any, FrameForm]]:
        """Each frame in the one form, and that form, which makes its planes. Raises :class:`ShapeChanged`."""
        form: FrameForm | None = None
        for frame in decoded:
            key = self._key(frame)
            # Once is enough: a filter that weaves and one that does not differ by a frame's delay.
            woven = bool(frame.interlaced_frame) and not self._interlaced
            if form is None or key != form.key or woven:
                self._interlaced = self._interlaced or woven
                if form:
                    yield from ((ready, form) for ready in form.flushed())
                form = self._begun(frame, key, decoded)
            for ready in form.converted(frame):
                yield ready, form
        if form:
            yield from ((ready, form) for ready in form.flushed())

    def _key(self, frame: Any) -> tuple[object, ...]:
        return (
            (frame.width, frame.height, frame.format.name),
            (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc),
            orientation_of(frame),
            self.stream.codec_context.sample_aspect_ratio,
        )

    def _shape(self, frame: Any) -> FrameShape:
        coded = self.stream.codec_context.sample_aspect_ratio
        known = self._first
        # The container's word, until the pictures' own changes.
        aspect = self.stream.sample_aspect_ratio if known is None or coded == known.coded else coded
        stretch, taken = stretch_of(frame)
        if stretch != 1 and not slants(frame):
            named = aspect and abs(aspect / taken - 1) > EVEN
            aspect = aspect * stretch if named else stretch
        return FrameShape.of(frame, self.crop, known, aspect, coded)

    def _begun(self, frame: Any, key: tuple[object, ...], decoded: Iterator[Any]) -> FrameForm:
        track, shape = self.track, self._shape(frame)
        size = shape.shown(self._first or shape)
        if self._first is None:
            self._first, track.aspect = shape, shape.aspect
            track.width, track.height = self.canvas or size
            if size != shape.upright:
                track.notes[Message("clip.made-even")] = None
            if self.crop != WHOLE:
                track.notes[Message("clip.cropped")] = None
            if slants(frame):
                track.notes[Message("clip.slanting")] = None
        elif self.canvas is None and size != (track.width, track.height):
            raise ShapeChanged(self._largest(size, decoded))
        if self.canvas and size != self.canvas:
            width, height = self.canvas
            track.notes[Message("clip.size-changed", width=width, height=height)] = None
        return FrameForm(
            frame,
            self.stream,
            track,
            shape,
            key,
            keep_hdr=self.keep_hdr,
            deep=self.deep,
            woven=self._interlaced,
            ground=self.ground,
        )

    def _largest(self, size: tuple[int, int], decoded: Iterator[Any]) -> tuple[int, int]:
        """The least size that all frames fit in."""
        width, height = max(size[0], self.track.width), max(size[1], self.track.height)
        for frame in decoded:
            assert self._first
            w, h = self._shape(frame).shown(self._first)
            width, height = max(width, w), max(height, h)
        return width, height


class FrameForm:
    """How frames of one kind become upright planes in the one form: decided by the first of them.

    ``keep_hdr`` and ``deep`` as in :func:`anonymizer.read.clip.frames.pictures`; ``woven``: some may be interlaced;
    ``ground``: as in :func:`on_white`.
    """

    def __init__(
        self,
        frame: Any,
        stream: Any,
        track: VideoTrack,
        shape: FrameShape,
        key: tuple[object, ...],
        *,
        keep_hdr: bool = False,
        deep: bool = False,
        woven: bool = False,
        ground: int | None = None,
    ) -> None:
        self.shape, self.key, self.ground = shape, key, ground
        self.track = track
        self.stream = stream
        self.hdr = frame.color_trc in HDR_TRANSFERS
        # What the first frame is decides what is written: others are mapped to that.
        keeps = self.hdr and keep_hdr and (track.colour is not None or not track.frames)
        if keeps:
            track.colour = track.colour or Colour(BT2020, int(frame.color_trc), BT2020)
            track.notes[Message("clip.hdr-kept")] = None
        elif self.hdr:
            track.notes[Message("clip.hdr-mapped")] = None
        self.deep = deep and track.colour is not None
        self.transparent = is_transparent(frame)
        if self.transparent:
            track.notes[Message("clip.transparent-white")] = None
            frame = on_white(frame, self._source_space(frame), self.ground)
        self.format = frame.format.name
        self.wide = None if self.deep else self._wide(frame)
        if self.wide and not self.hdr:
            track.notes[Message("clip.colours-mapped")] = None
        self.interlaced = woven
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

    def _source_space(self, frame: Any) -> int:
        """The matrix of a frame, where it says so, or as players guess it."""
        if frame.colorspace != UNSPECIFIED:
            return int(frame.colorspace)
        hd = any(side >= sd for side, sd in zip(sorted((frame.width, frame.height))[::-1], SD, strict=True))
        return BT709 if hd else BT601

    def _steps(self, frame: Any) -> list[tuple[str, str]]:
        """To 8-bit 4:2:0 in BT.709, limited range."""
        space = self._source_space(frame)
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
            scale += f":in_color_matrix={NAMES[space]}"
        return [("scale", scale), ("format", PLAIN)]

    def converted(self, frame: Any) -> Iterator[Any]:
        """The frame in the one form; none or several at a time where a filter looks ahead."""
        if self.transparent:
            frame = on_white(frame, self._source_space(frame), self.ground)
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
        """The three planes, upright, with even sides, in the middle of the track's size."""
        left, top, width, height = self.shape.stored
        kind: Any = np.uint16 if self.deep or self.wide else np.uint8
        parts = []
        for number, plane in enumerate(frame.planes[:3]):
            half = int(number > 0)
            lines = np.frombuffer(plane, kind).reshape(-1, plane.line_size // kind().itemsize)
            rows, columns = (
                (top >> half, (top + height + half) >> half),
                (left >> half, (left + width + half) >> half),
            )
            part = upright(lines[slice(*rows), slice(*columns)], self.shape.orientation)
            h, w = (side + side % 2 >> half for side in self.shape.upright[::-1])
            if part.shape != (h, w):
                part = np.pad(part, ((0, h - part.shape[0]), (0, w - part.shape[1])), mode="edge")
            parts.append(np.ascontiguousarray(part))
        size = self.track.width, self.track.height
        if parts[0].shape != size[::-1]:
            parts = fitted(parts, size, float(self.shape.aspect / self.track.aspect))
        return parts[0], parts[1], parts[2]


def is_transparent(frame: Any) -> bool:
    """Whether a frame's pixels may be transparent."""
    return any(part.is_alpha for part in frame.format.components)


def on_white(frame: Any, space: int, ground: int | None) -> Any:
    """A frame as RGB, drawn on white; ``space`` is the number of its matrix. ``ground``: the grey level on which its
    half transparent colours were drawn beforehand, None where they were not."""
    rgba = frame.reformat(
        format="rgba",
        src_colorspace=space,
        src_color_range=frame.color_range or 1,
        dst_color_range=FULL_RANGE,
    ).to_ndarray()
    alpha = rgba[..., 3:].astype(np.uint16)
    if ground is None:
        pixels = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    else:
        # The part that the ground has in it goes; what then is more than a colour can give was hidden.
        own = np.clip(rgba[..., :3].astype(np.int32) - (ground * (255 - alpha) + 127) // 255, 0, alpha)
        pixels = own + (255 - alpha)
    flat = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels, np.uint8), "rgb24")
    flat.pts, flat.time_base, flat.duration = frame.pts, frame.time_base, frame.duration
    flat.color_primaries, flat.color_trc = frame.color_primaries, frame.color_trc
    return flat
