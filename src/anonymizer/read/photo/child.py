"""The decoding process: bytes in, pixels out. Run as ``python -m anonymizer.read.photo.child``.

It takes one job on standard input and answers on standard output, then ends: a decoder that a hostile file
has taken over gets nothing else to see. Before the file's first byte arrives the process is confined
(:mod:`anonymizer.core.confinement`): nothing is left to it but to compute, and to answer. The frame of both
messages: a length (8 bytes, big-endian), JSON of that length, then the bytes.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import IO, Any

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine
from anonymizer.read.process import CANNOT_START

LENGTH = struct.Struct(">Q")
MAX_MESSAGE = 1 << 26
"""Bytes of a message's JSON that are believed."""


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    """So many bytes; EOFError where the stream ends early."""
    data = stream.read(count)
    if data is None or len(data) < count:
        raise EOFError
    return data


def read_message(stream: IO[bytes], most: int = MAX_MESSAGE) -> dict[str, Any]:
    """The JSON part of a message. Raises EOFError, or ValueError for one that is too long or none."""
    (length,) = LENGTH.unpack(read_exactly(stream, LENGTH.size))
    if length > most:
        raise ValueError("message too long")
    message = json.loads(read_exactly(stream, length))
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def write_message(stream: IO[bytes], message: dict[str, Any]) -> None:
    body = json.dumps(message).encode("ascii")
    stream.write(LENGTH.pack(len(body)) + body)


def main() -> int:
    inside, outside = sys.stdin.buffer, sys.stdout.buffer
    # The imports that cost time, before the job comes: a spare process waits with them done.
    try:
        from anonymizer.core.errors import AnonymizerError
        from anonymizer.core.message import as_json
        from anonymizer.read.photo import decode, decoded
        from anonymizer.read.traces import harvest as traces
    except ImportError:
        return CANNOT_START

    try:
        job = read_message(inside)
    except EOFError:
        return 0
    try:
        decode.prepare(job["format"])
    except ImportError:
        return CANNOT_START
    except AnonymizerError as error:
        write_message(outside, {"error": type(error).__name__, "said": as_json(error.message)})
        return 0
    try:
        confine(job["memory"], job["seconds"])
    except OSError:
        return CANNOT_CONFINE
    try:
        content = read_exactly(inside, job["bytes"])
        picture = decode.decode(content, job["format"], job["max_pixels"])
        found = traces.harvest(content, job["format"], picture.flags)
        del content
    except AnonymizerError as error:
        write_message(outside, {"error": type(error).__name__, "said": as_json(error.message)})
    except MemoryError:
        write_message(outside, {"error": "LimitError", "said": as_json(decode.TOO_MUCH)})
    else:
        height, width = picture.pixels.shape[:2]
        answer = {
            "width": width,
            "height": height,
            "frames": picture.frames,
            "notes": [as_json(note) for note in picture.notes],
            "kinds": list(found.kinds),
            "strings": sorted(found.strings),
        }
        write_message(outside, answer)
        for strip in decoded.strips(picture):
            outside.write(strip)
    outside.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
