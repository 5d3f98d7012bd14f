"""The second reader: the ffmpeg program, in a process of its own, decodes what the first library wrote.

It is driven through ffmpeg-python and comes with imageio-ffmpeg, so it is there wherever the program is. It is given
that one file as its standard input and opens no other (``fd:``, one demuxer, one protocol; on Linux the system keeps
it to that, :mod:`anonymizer.core.confinement.launch`), and stops at the first error.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from anonymizer.core.confinement.apply import CANNOT_CONFINE
from anonymizer.core.confinement.launch import launch
from anonymizer.core.errors import DamagedError, NotReadyError
from anonymizer.core.streams import fill, widen

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
HARMLESS = frozenset({"major_brand", "minor_version", "compatible_brands", "vendor_id", "handler_name"})
"""What the program lists as metadata of any MP4: :mod:`anonymizer.verify.mp4` holds their values to constants."""
_STREAM = re.compile(r"Stream #0:\d+.*?: (\w+): ?(\w*)")
_DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+\.\d+)")
_KEY = re.compile(r"^\s+([\w.©-]+)\s*: ")
MOST = 1 << 16
"""Bytes of the program's messages that are kept."""
CPU_SECONDS = 24 * 3600.0
"""Bound on processor time; whoever reads on watches the clock."""


@dataclass(slots=True)
class SecondReading:
    """What the second reader saw: filled when :func:`sampled` has ended.

    ``frames`` that it decoded, ``kinds`` of streams ("Video", "Audio", …) in order, ``codecs`` likewise,
    ``keys`` of metadata, ``complete``: the program ended without an error.
    """

    frames: int = 0
    kinds: list[str] = field(default_factory=list)
    codecs: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    seconds: float = 0.0
    complete: bool = False


def sampled(
    path: Path, wanted: Container[int], size: tuple[int, int], read: SecondReading, *, sound: bool = False
) -> Iterator[tuple[int, Planes]]:
    """Decode an MP4 end to end and yield ``(number, planes)`` of the frames that are wanted.

    ``size`` is (width, height), even; planes are 8-bit 4:2:0, not writable. ``sound``: there is a sound track, and
    it is decoded as well. ``read`` is complete when the iterator ends. Raises :class:`DamagedError` where the
    program cannot be started, and :class:`NotReadyError` where it cannot be confined.
    """
    width, height = size
    luma, chroma = width * height, width * height // 4
    process = _start(path, size, sound)
    assert process.stdout
    assert process.stderr
    said: list[bytes] = []
    listener = threading.Thread(target=_listen, args=(process.stderr, said), daemon=True)
    listener.start()
    try:
        while True:
            buffer = np.empty(luma + 2 * chroma, np.uint8)
            if not fill(process.stdout, buffer.data):
                break
            if read.frames in wanted:
                half = (height // 2, width // 2)
                yield (
                    read.frames,
                    (
                        buffer[:luma].reshape(height, width),
                        buffer[luma : luma + chroma].reshape(half),
                        buffer[luma + chroma :].reshape(half),
                    ),
                )
            read.frames += 1
        code = process.wait()
        if code == CANNOT_CONFINE:
            raise NotReadyError("check.reader-unconfined")
        listener.join(timeout=5)
        _understand(b"".join(said).decode("utf-8", "replace"), read)
        read.complete = code == 0
    finally:
        process.kill()
        with contextlib.suppress(OSError):
            process.stdout.close()
        process.wait()
        listener.join(timeout=5)
        process.stderr.close()


def _start(path: Path, size: tuple[int, int], sound: bool) -> subprocess.Popen[bytes]:
    source = ffmpeg.input(
        "fd:",
        format="mov",
        protocol_whitelist="fd",
        format_whitelist="mov,mp4,m4a,3gp,3g2,mj2",
        err_detect="explode",
    )
    out = source.video.output(
        "pipe:", format="rawvideo", pix_fmt="yuv420p", s=f"{size[0]}x{size[1]}", fps_mode="passthrough"
    )
    if sound:
        out = ffmpeg.merge_outputs(out, source.audio.output("-", format="null"))
    command: list[Any] = out.global_args(
        "-nostdin", "-xerror", "-hide_banner", "-nostats", "-copy_unknown"
    ).compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    try:
        with path.open("rb") as file:
            process = launch(command, stdin=file, seconds=CPU_SECONDS, stderr=subprocess.PIPE)
    except OSError as error:
        raise DamagedError("check.reader-no-start") from error
    assert process.stdout
    widen(process.stdout)
    return process


def _listen(stream: IO[bytes], said: list[bytes]) -> None:
    kept = 0
    while block := stream.read(1 << 12):
        if kept < MOST:
            said.append(block)
            kept += len(block)


def _understand(text: str, read: SecondReading) -> None:
    """Streams, duration and keys of metadata from what the program says of its input."""
    said = text.split("Output #0")[0].split("Stream mapping:")[0]
    for line in said.splitlines():
        if stream := _STREAM.search(line):
            read.kinds.append(stream.group(1))
            read.codecs.append(stream.group(2))
        elif duration := _DURATION.search(line):
            hours, minutes, seconds = duration.groups()
            read.seconds = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        elif line.strip() not in ("Metadata:", "Side data:") and (key := _KEY.match(line)):
            read.keys.add(key.group(1))
