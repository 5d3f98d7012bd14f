"""DICOM files of several frames (ultrasound, endoscopy, angiography), and those that hold a video, as clips.

Frame times: DICOM PS3.3, C.7.6.5 (cine) and C.7.6.16.2.2 (frame content). Runs in the decoding process; importing this
module loads every decoder that it may need.
"""

from __future__ import annotations

import io
import math
import statistics
import warnings
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from anonymizer.core.errors import AnonymizerError, DamagedError, LimitError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read.clip import frames as streams
from anonymizer.read.clip.animated import FINEST, planes_of
from anonymizer.read.clip.containers import MAX_SIDE
from anonymizer.read.clip.frames import MAX_FRAMES
from anonymizer.read.clip.picture import ClipPicture, VideoTrack
from anonymizer.read.photo import dicom
from anonymizer.read.photo.colour import plan
from anonymizer.read.sniff import HEAD, sniff

ASSUMED = Fraction(10)
"""Frames a second where the file says nothing: slow enough to see each."""
SAMPLED = 24
"""Frames whose values are looked at for what is black and white, where the file names no window."""
LONGEST = 3600
"""Seconds for which a frame may be shown; what says more is taken for an error."""
_VECTOR, _FRAME_TIME = 0x00181065, 0x00181063
_SLICES = ("CT", "MR", "PT", "NM")


def pictures(
    file: BinaryIO,
    max_pixels: int,
    threads: int,
    track: VideoTrack,
    *,
    keep_hdr: bool = False,
    deep: bool = False,
    canvas: tuple[int, int] | None = None,
) -> Iterator[ClipPicture]:
    """Every frame for as long as the file says; ``track`` and the rest are those of :func:`streams.pictures`.

    Raises :class:`DamagedError`, :class:`LimitError` and :class:`UnsupportedError`.
    """
    Image.MAX_IMAGE_PIXELS = max_pixels
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dicom.dataset_of(file)
            syntax, video = dicom.supported(dataset, max_pixels)
            for remark in _remarks(dataset):
                track.notes[remark] = None
            if video:
                stream = io.BytesIO(_joined(dataset))
                rate = _rate(dataset)
                del dataset
                yield from _video(
                    stream, rate, max_pixels, threads, track, keep_hdr=keep_hdr, deep=deep, canvas=canvas
                )
            else:
                yield from _frames(dataset, syntax, max_pixels, track)
        except AnonymizerError:
            raise
        except dicom.PARSING as error:
            raise DamagedError(dicom.DAMAGED) from error


def stream_of(file: BinaryIO) -> tuple[BinaryIO, str] | None:
    """The video that the file holds, and its demuxer; None where it holds frames, or none that is known."""
    file.seek(0)
    try:
        dataset = dicom.dataset_of(file)
        if not dicom.supported(dataset, MAX_SIDE * MAX_SIDE)[1]:
            return None
        stream = _joined(dataset)
        return io.BytesIO(stream), sniff(stream[:HEAD]).demuxer
    except (*dicom.PARSING, AnonymizerError):
        return None


def _joined(dataset: Dataset) -> bytes:
    """A video's bytes: all fragments, behind the table of offsets that comes first (PS3.5, A.4)."""
    fragments = io.BytesIO(dataset.PixelData)
    parse_basic_offsets(fragments)
    return b"".join(generate_fragments(fragments))


def _remarks(dataset: Dataset) -> list[Message]:
    notes = dicom.remarks(dataset)
    if str(dataset.get("Modality") or "").strip().upper() in _SLICES:
        notes.append(Message("dicom.slices"))
    return notes


def _video(
    stream: io.BytesIO, rate: Fraction | None, max_pixels: int, threads: int, track: VideoTrack, **more: Any
) -> Iterator[ClipPicture]:
    """The frames of an MPEG-2, H.264 or HEVC stream, bare or in the container that the standard has for it."""
    try:
        form = sniff(stream.getbuffer()[:HEAD].tobytes())
    except AnonymizerError as error:
        raise UnsupportedError("dicom.video") from error
    if not form.demuxer:
        raise UnsupportedError("dicom.video")
    yield from streams.pictures(stream, form.demuxer, max_pixels, threads, track, rate=rate, **more)


def _frames(dataset: Dataset, syntax: UID, max_pixels: int, track: VideoTrack) -> Iterator[ClipPicture]:
    count = max(1, min(int(dataset.get("NumberOfFrames") or 1), MAX_FRAMES))
    lasting = _lasting(dataset, count, track)
    track.expected, track.seconds = count, float(sum(lasting))
    track.time_base = Fraction(1, min(math.lcm(*{one.denominator for one in lasting}), FINEST))
    track.rate = Fraction(count) / sum(lasting, Fraction(0))
    decoder = get_decoder(syntax)
    span = _span(dataset, decoder, count)
    end = Fraction(0)
    decoded = decoder.iter_array(dataset)
    for number in range(count):
        try:
            image = dicom.shown(*next(decoded), dataset, span)
            pixels = _pixels(image, dataset, max_pixels, track)
        except MemoryError:
            raise
        except (*dicom.PARSING, StopIteration, DamagedError) as error:
            if not number:
                raise DamagedError(dicom.DAMAGED) from error
            track.lost, track.broken_off = count - number, True
            return
        begin, end = track.last, end + lasting[number]
        track.frames, track.last = track.frames + 1, max(begin + 1, round(end / track.time_base))
        yield ClipPicture(planes_of(pixels, track.width, track.height), begin, track.last - begin, False)


def _pixels(image: Image.Image, dataset: Dataset, max_pixels: int, track: VideoTrack) -> Any:
    """One frame's RGB with square pixels. Sets the track's size by the first one."""
    shaped = dicom.square(image, dataset, max_pixels)
    width, height = shaped.size
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise LimitError("clip.too-wide", width=width, height=height)
    if not track.width:
        track.width, track.height = width + width % 2, height + height % 2
        if (track.width, track.height) != (width, height):
            track.notes[Message("clip.made-even")] = None
        if shaped is not image:
            track.notes[Message("dicom.not-square")] = None
    profile = dataset.get("ICCProfile")
    profile = profile if isinstance(profile, bytes) and shaped.mode == "RGB" else None
    return np.asarray(plan(shaped, profile, [], [])(shaped))


def _span(dataset: Dataset, decoder: Any, count: int) -> tuple[float, float] | None:
    """One range of values for all frames, so that brightness does not jump from one to the next."""
    if str(dataset.PhotometricInterpretation) not in dicom.GREY:
        return None
    spans = []
    for index in sorted({round(part * (count - 1) / max(1, SAMPLED - 1)) for part in range(SAMPLED)}):
        try:
            values, _ = decoder.as_array(dataset, index=index)
            span = dicom.span_of(values, dataset)
        except dicom.PARSING:
            continue
        if span is None:
            return None
        spans.append(span)
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None


def _lasting(dataset: Dataset, count: int, track: VideoTrack) -> list[Fraction]:
    """Seconds for which each frame is shown: by a time for each, one for all, or a rate; else assumed, and said."""
    for told in (_by_vector(dataset, count), _by_moment(dataset, count)):
        if told and all(0 < one <= LONGEST for one in told):
            # What the last frame lasts nobody says: as long as most.
            return [*told, statistics.median(told)]
    rate = _rate(dataset)
    if rate is None:
        rate = ASSUMED
        track.notes[Message("clip.no-clock", rate=float(rate))] = None
    return [1 / rate] * count


def _by_vector(dataset: Dataset, count: int) -> list[Fraction]:
    """From each frame to the next one (FrameTimeVector: thousandths since the one before, the first is 0)."""
    vector = dataset.get("FrameTimeVector")
    if vector is None or dataset.get("FrameIncrementPointer") == _FRAME_TIME or count < 2:
        return []
    times = [vector] if isinstance(vector, int | float) else list(vector)
    if len(times) != count or not all(math.isfinite(float(one)) for one in times):
        return []
    return [_exact(one) / 1000 for one in times[1:]]


def _by_moment(dataset: Dataset, count: int) -> list[Fraction]:
    """From each frame's moment of acquisition to the next one's, where each has one, one after the other."""
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if len(groups) != count or count < 2:
        return []
    moments = []
    for group in groups:
        content = list(group.get("FrameContentSequence") or [])
        told = str((content[0].get("FrameAcquisitionDateTime") if content else None) or "")
        form = "%Y%m%d%H%M%S.%f" if "." in told else "%Y%m%d%H%M%S"
        try:
            moments.append(datetime.strptime(told.split("+")[0].split("-")[0], form))
        except ValueError:
            return []
    return [Fraction((b - a).total_seconds()).limit_denominator(FINEST) for a, b in pairwise(moments)]


def _rate(dataset: Dataset) -> Fraction | None:
    """Frames a second, by the time of one or by what a player is told; None where nothing does."""
    for name in ("FrameTime", "ActualFrameDuration"):
        told = dataset.get(name)
        if isinstance(told, int | float) and math.isfinite(told) and 0 < told <= LONGEST * 1000:
            return 1000 / _exact(told)
    for name in ("RecommendedDisplayFrameRate", "CineRate"):
        told = dataset.get(name)
        if isinstance(told, int | float) and math.isfinite(told) and 0 < told <= 1000:
            return _exact(told)
    return None


def _exact(number: Any) -> Fraction:
    """A decimal string as it stands, to six places."""
    return Fraction(float(number)).limit_denominator(FINEST)
