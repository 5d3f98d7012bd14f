"""The decoding process: bytes in, pixels out. Run as ``python -m anonymizer.read.photo.child``.

It takes one job on standard input and answers on standard output, then ends: a decoder that a hostile file
has taken over gets nothing else to see. Before the file's first byte arrives the process gives up what it
does not need: from then on it cannot open a file or a socket, write to a disk, or use more time and memory
than its limits. The frame of both messages: a length (8 bytes, big-endian), JSON of that length, then the
bytes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import IO, Any

LENGTH = struct.Struct(">Q")
MAX_MESSAGE = 1 << 26
"""Bytes of a message's JSON that are believed."""
CANNOT_START = 70
"""Exit status when a library is missing (EX_SOFTWARE of sysexits.h)."""


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


def confine(memory: int, seconds: float) -> None:
    """Hold this process to its bounds, where the system can (Windows leaves it to the parent's clock)."""
    if os.name == "nt":
        return
    import resource

    used = _mapped()
    for what, value in (
        (resource.RLIMIT_AS, memory + used),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        # No new file, socket or pipe: the three that are open stay open.
        (resource.RLIMIT_NOFILE, 0),
    ):
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(what, (value, value))
        except (ValueError, OSError) as error:
            # macOS refuses RLIMIT_AS; the parent's clock and the pixel limits still hold.
            print(f"limit not set: {error}", file=sys.stderr)


def _mapped() -> int:
    """Bytes of address space that the interpreter and its libraries take, mostly without using them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  pathlib is not imported yet
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 1 << 30


def main() -> int:
    inside, outside = sys.stdin.buffer, sys.stdout.buffer
    # The imports that cost time, before the job comes: a spare process waits with them done.
    try:
        from anonymizer.core.errors import AnonymizerError
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
        write_message(outside, {"error": type(error).__name__, "said": str(error)})
        return 0
    confine(job["memory"], job["seconds"])
    try:
        content = read_exactly(inside, job["bytes"])
        picture = decode.decode(content, job["format"], job["max_pixels"])
        found = traces.harvest(content, job["format"], picture.flags)
        del content
    except AnonymizerError as error:
        write_message(outside, {"error": type(error).__name__, "said": str(error)})
    except MemoryError:
        write_message(outside, {"error": "LimitError", "said": decode.TOO_MUCH})
    else:
        height, width = picture.pixels.shape[:2]
        answer = {
            "width": width,
            "height": height,
            "frames": picture.frames,
            "notes": picture.notes,
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
