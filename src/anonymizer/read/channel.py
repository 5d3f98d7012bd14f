"""What a decoding process and its parent say to each other.

A message is a length (8 bytes, big-endian) and JSON of that length; a job's or an answer's bytes follow it.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from anonymizer.core.errors import AnonymizerError
from anonymizer.core.message import as_json

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


def write_refusal(stream: IO[bytes], error: AnonymizerError) -> None:
    """The answer of a process that cannot do its job; :func:`anonymizer.read.process.answer` raises it again."""
    write_message(stream, {"error": type(error).__name__, "said": as_json(error.message)})
