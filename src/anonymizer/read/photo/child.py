"""The decoding process: bytes in, pixels out. Forked, or run as ``python -m anonymizer.read.photo.child``.

It takes one job on standard input and answers on standard output, then ends: a decoder that a hostile file
has taken over gets nothing else to see. Before the file's first byte arrives the process is confined
(:mod:`anonymizer.core.confinement`): nothing is left to it but to compute, and to answer.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine
from anonymizer.read.channel import read_exactly, read_message, write_message, write_refusal
from anonymizer.read.process import CANNOT_START


def prepare() -> None:
    """The imports that cost time, which every job needs. Raises ImportError."""
    from anonymizer.read.photo import decode, decoded  # noqa: F401
    from anonymizer.read.traces import harvest  # noqa: F401


def main() -> int:
    try:
        prepare()
    except ImportError:
        return CANNOT_START
    return work(sys.stdin.buffer, sys.stdout.buffer)


def work(inside: BinaryIO, outside: BinaryIO) -> int:
    """Do the one job that comes; the exit status."""
    from anonymizer.core.errors import AnonymizerError, LimitError
    from anonymizer.core.message import as_json
    from anonymizer.read.photo import decode, decoded
    from anonymizer.read.traces import harvest as traces

    try:
        job = read_message(inside)
    except EOFError:
        return 0
    try:
        decode.prepare(job["format"], job.get("rare", False), job.get("numbered", False))
    except ImportError:
        return CANNOT_START
    except AnonymizerError as error:
        write_refusal(outside, error)
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
        write_refusal(outside, error)
    except MemoryError:
        write_refusal(outside, LimitError(decode.TOO_MUCH))
    else:
        height, width = picture.pixels.shape[:2]
        answer = {
            "width": width,
            "height": height,
            "frames": picture.frames,
            "notes": [as_json(note) for note in picture.notes],
            "kinds": list(found.kinds),
            "strings": sorted(found.strings),
            "dicom": picture.dicom,
        }
        write_message(outside, answer)
        for strip in decoded.strips(picture):
            outside.write(strip)
    outside.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
