"""Containers of clips: each opened by its own demuxer alone, and what of it plays. Runs in the decoding process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from typing import Any, BinaryIO

import av
from av.error import FFmpegError
from av.stream import Disposition

from anonymizer.core.errors import DamagedError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.read.clip.picture import VideoTrack
from anonymizer.read.completeness import is_whole
from anonymizer.read.sniff import (
    ASF,
    AVI,
    DV,
    FLV,
    H264,
    HEVC,
    MATROSKA,
    MP4,
    MPEG_VIDEO,
    MPEGPS,
    MPEGTS,
    MXF,
    OGG,
)
from anonymizer.read.traces.isobmff import walk

MAX_SIDE = 8192
MAX_STREAMS = 64
DEMUXERS = {
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "avi": "avi",
    "mpegts": "mpegts",
    "mpeg": "mpeg",
    "mpegvideo": "mpegvideo",
    "asf": "asf",
    "flv": "flv",
    "dv": "dv",
    "mxf": "mxf",
    "ogg": "ogg",
    "h264": "h264",
    "hevc": "hevc",
}
"""A demuxer's short name and all its names, as libavformat's allow-list wants them."""
BY_DEMUXER = {
    form.demuxer: form
    for form in (MP4, MATROSKA, AVI, MPEGTS, MPEGPS, MPEG_VIDEO, ASF, FLV, DV, MXF, OGG, H264, HEVC)
}
CLOCKLESS = frozenset({"h264", "hevc"})
"""Bare streams: nothing says when a frame is shown."""
TRANSPORT = (188, 192)
"""Bytes of a packet of MPEG-TS, and of one with a time in front (M2TS)."""
TAPE = (120_000, 144_000)
"""Bytes of a frame of DV at 60 and 50 fields a second, at 25 Mbit/s; at 50 and 100 a multiple of that."""
ONE_FOR_ALL = frozenset({"asf", "flv"})
"""Containers that announce one length for all their tracks."""
ROUGH = frozenset({"mov", "mpegts", "mpeg", "mpegvideo", "asf"})
"""Containers whose word on their length is a rough one: edit lists, clocks that begin anew, a lead-in."""
LOOKED_AT = 1 << 20
"""Bytes at the start in which signs of encryption are looked for."""
RESTARTING = frozenset({"mpegts", "mpeg", "mpegvideo", "flv", "asf"})
"""Containers of recorders and broadcast: their clocks begin anew wherever a recording does, so that their word on the
length of the whole says little."""
RESTARTED = 0.25
"""Seconds by which time runs backwards at least when a recorder's clock has begun anew."""
JUMP = 10.0
"""Seconds without a frame that are a jump of the clock in such a container (FFmpeg's ``-dts_delta_threshold``): no
camera makes so long a pause …"""
PAUSE = 3600.0
"""… but by a recorded screen on which nothing moves, in the other containers."""
_TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that read the second picture that a WebM stores beside each: how transparent it is."""
_ALPHA_MESSAGE = b"\x4e\x01\xa5"
"""How a unit begins that says "alpha channel information": a message (39) of layer 0, of type 165."""
_FIRST = 8
"""Packets from the start that such a message is looked for in."""
_MOST_CHUNKS = 4_000_000
_TO_ENTRIES = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_PROTECTED_ASF = (
    # Content Encryption, Extended Content Encryption, Advanced Content Encryption: ASF specification 10.1.
    bytes.fromhex("fbb31122 23bdd211 b4b700a0c955fc6e"),
    bytes.fromhex("14e68a29 2226174c b935dae07ee9289c"),
    bytes.fromhex("33850543 6916e649 9b74ad12cb86d58c"),
)


def open_container(file: BinaryIO, demuxer: str, max_pixels: int) -> Any:
    """The container by its one demuxer, kept to the one file. Raises :class:`DamagedError` where it is none."""
    chosen = {
        "protocol_whitelist": "file",
        "format_whitelist": DEMUXERS[demuxer],
        "max_streams": str(MAX_STREAMS),
        "max_pixels": str(min(max_pixels, MAX_SIDE * MAX_SIDE)),
    }
    if demuxer == "mov":
        chosen |= {"enable_drefs": "0", "use_absolute_path": "0"}
    try:
        return av.open(file, format=demuxer, options=chosen, buffer_size=1 << 18, metadata_errors="replace")
    except (FFmpegError, ValueError, OSError) as error:
        raise DamagedError("clip.damaged") from error


def playing(container: Any, track: VideoTrack) -> Any:
    """The video stream that a player shows: the first one that is enabled and is no cover picture.

    Raises :class:`UnsupportedError` where there is none.
    """
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        raise UnsupportedError("clip.sound-alone" if container.streams.audio else "clip.no-video")
    enabled = [s for s in streams if s.disposition & Disposition.default]
    if len(streams) > 1:
        track.notes[Message("clip.video-tracks", count=len(streams))] = None
    return (enabled or streams)[0]


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a still picture that stands for the clip."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def decoder_of(file: BinaryIO, demuxer: str, max_pixels: int, stream: Any, threads: int) -> Any:
    """What decodes a video stream: its own decoder, or one that reads transparency where a WebM says there is some.

    Raises :class:`UnsupportedError` where none here does: what is transparent would come to light.
    """
    context = stream.codec_context
    name = _TRANSPARENT.get(context.name, "") if stream.metadata.get("alpha_mode") == "1" else ""
    if name:
        try:
            context = av.CodecContext.create(name, "r")
        except ValueError as error:
            raise UnsupportedError("clip.transparency-unread") from error
        context.extradata = stream.codec_context.extradata
    elif context.name == "hevc" and _has_alpha_layer(file, demuxer, max_pixels, stream):
        raise UnsupportedError("clip.transparency-unread")
    context.thread_type, context.thread_count = "AUTO", threads
    return context


def _has_alpha_layer(file: BinaryIO, demuxer: str, max_pixels: int, stream: Any) -> bool:
    """Whether HEVC's pictures have a second layer that says how transparent they are: the library reads one alone.

    A message says so (ITU-T H.265, F.14.2.8), among the parameters or before the first picture. The file's place is
    what it was.
    """
    parameters = bytes(stream.codec_context.extradata or b"")
    if _ALPHA_MESSAGE in parameters:
        return True
    place = file.tell()
    file.seek(0)
    lengths = (parameters[21] & 3) + 1 if parameters[:1] == b"\1" and len(parameters) > 21 else 0
    found = False
    with contextlib.suppress(FFmpegError, OSError), open_container(file, demuxer, max_pixels) as container:
        packets = islice(container.demux(container.streams[stream.index]), _FIRST)
        found = any(
            unit[:3] == _ALPHA_MESSAGE for packet in packets for unit in _units(bytes(packet), lengths)
        )
    file.seek(place)
    return found


def _units(content: bytes, lengths: int) -> Iterable[bytes]:
    """The units of a packet, with a length of so many bytes before each, or with start codes where that is 0."""
    if not lengths:
        yield from content.split(b"\0\0\1")
        return
    at = 0
    while at + lengths < len(content):
        size = int.from_bytes(content[at : at + lengths], "big")
        yield content[at + lengths : at + lengths + size]
        at += lengths + size


def is_encrypted(file: BinaryIO, demuxer: str, stream: Any) -> bool:
    """Whether the pictures are encrypted: the decoder would make noise of them. The file's place is what it was."""
    if "enc_key_id" in stream.metadata:
        return True  # in Matroska, the demuxer tells of a key
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(LOOKED_AT)
    protected = demuxer == "mov" and _sample_entries(file, 0, size) & {b"encv", b"drmi"}
    file.seek(place)
    if protected:
        return True
    if demuxer == "asf":
        return any(mark in head[: int.from_bytes(head[16:20], "little")] for mark in _PROTECTED_ASF)
    if demuxer == "mpeg":
        return _most(_scrambled_packets(head))
    if demuxer == "mpegts":
        size = TRANSPORT[head[:1] != b"G"]
        lead = size - TRANSPORT[0]
        return _most(packet & 0xC0 != 0 for packet in head[lead + 3 :: size])
    return False


def _sample_entries(file: BinaryIO, start: int, end: int) -> set[bytes]:
    """The four letters of all that an ISO base media file codes its tracks with; those of common encryption
    (ISO/IEC 23001-7, 14496-12, 8.12) stand in place of the codec's."""

    def head(at: int) -> bytes:
        file.seek(at)
        return file.read(16)

    found = set()
    for box in walk(head, start, end):
        if box.name in _TO_ENTRIES:
            found |= _sample_entries(file, box.body, min(box.end, end))
        elif box.name == b"stsd":
            found |= {entry.name for entry in walk(head, box.body + 8, min(box.end, end))}
    return found


def _scrambled_packets(head: bytes) -> Iterable[bool]:
    """Of each packet of pictures in a program stream, whether its content is scrambled (ISO/IEC 13818-1, 2.4.3.6)."""
    at = -1
    while (at := head.find(b"\0\0\1\xe0", at + 1)) >= 0 and at + 6 < len(head):
        if head[at + 6] & 0xC0 == 0x80:
            yield bool(head[at + 6] & 0x30)


def _most(signs: Iterable[bool]) -> bool:
    found = list(signs)
    return 2 * sum(found) > len(found)


def jump_of(demuxer: str) -> float:
    """Seconds from which a pause is a jump of the clock."""
    return JUMP if demuxer in RESTARTING else PAUSE


def empty_pictures(file: BinaryIO, stream: int) -> int:
    """How many of an AVI's chunks for a track hold nothing, which says "as before": its demuxer passes over them.

    Counted up to where its chunks make no sense any more. The file's place is what it was.
    """
    place, at, count = file.tell(), 0, 0
    wanted = f"{stream:02d}".encode()
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        if len(head) < 8 or not head[:4].strip().isalnum():
            break
        name, size = head[:4], int.from_bytes(head[4:8], "little")
        if name == b"RIFF" or (name == b"LIST" and head[8:] in (b"movi", b"rec ")):
            at += 12
            continue
        count += name[:2] == wanted and name[2:] in (b"dc", b"db") and not size
        at += 8 + size + size % 2
    file.seek(place)
    return count


def announced_seconds(container: Any, stream: Any, demuxer: str, tagged: float) -> float:
    """Seconds of the picture by the container's word: for its track, by a tag (``tagged``), or for all tracks where it
    is the only one; 0 where it says nothing."""
    if stream.duration and demuxer not in ONE_FOR_ALL:
        return float(stream.duration * (stream.time_base or Fraction(1, 1000)))
    return tagged or (float(container.duration or 0) / 1_000_000 if len(container.streams) == 1 else 0.0)


def reaches_its_end(file: BinaryIO, demuxer: str) -> bool:
    """Whether the file holds everything up to the end of its container; true where nothing tells."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(4)
    if demuxer == "mpegts":
        return size % TRANSPORT[head[:1] != b"G"] == 0
    if demuxer == "dv":
        return size % TAPE[head[3] >> 7] == 0
    return is_whole(file, BY_DEMUXER[demuxer], size)
