"""Open a photo: the parent's side of the decoding process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np

from anonymizer import errors
from anonymizer.errors import DamagedError, LimitError, MediumError
from anonymizer.media.child import read_message, write_message
from anonymizer.media.sniff import HEAD, sniff
from anonymizer.media.source import Source
from anonymizer.media.traces import path_strings
from anonymizer.settings import Limits
from anonymizer.types import Pixels, Traces

_REFUSALS = {name: getattr(errors, name) for name in ("DamagedError", "LimitError", "UnsupportedError")}


@dataclass(frozen=True, slots=True)
class Still:
    """An opened photo: upright sRGB pixels, what identified the source, and what a reader should know."""

    pixels: Pixels
    format_name: str
    traces: Traces
    notes: tuple[str, ...]


class Decoder:
    """Starts decoding processes, one per file, and keeps one spare that has its imports behind it.

    Not thread-safe. Close it, or use it as a context manager: the spare is a process.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._spare: subprocess.Popen[bytes] | None = self._start()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the spare process."""
        if self._spare:
            _end(self._spare)
            self._spare = None

    @contextlib.contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process for one file; killed on the way out, and at the latest when the time is up."""
        process, self._spare = self._spare or self._start(), None
        # The next file's process starts now, while this one decodes.
        self._spare = self._start()
        clock = threading.Timer(self.limits.decode_seconds, process.kill)
        clock.daemon = True
        clock.start()
        try:
            yield process
        finally:
            clock.cancel()
            _end(process)

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "anonymizer.media.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def open_still(source: Source, limits: Limits, decoder: Decoder) -> Still:
    """Decode a photo in a process of its own.

    Raises :class:`MediumError` (one of its classes) where the content is no supported picture, is damaged,
    or costs more than the limits allow.
    """
    form = sniff(source.content[:HEAD])
    job = {
        "format": form.name,
        "bytes": len(source.content),
        "max_pixels": limits.max_pixels,
        "memory": limits.decode_memory,
        "seconds": limits.decode_seconds,
    }
    with decoder.process() as process:
        try:
            inside, outside = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
            write_message(inside, job)
            inside.write(source.content)
            inside.close()
            answer = read_message(outside)
            if "error" in answer:
                raise _REFUSALS.get(answer["error"], DamagedError)(str(answer["said"]))
            pixels = _read_pixels(outside, answer, limits)
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise _cut_off(process, limits) from error
    traces = Traces(
        tuple(str(kind) for kind in answer["kinds"]),
        frozenset(str(text) for text in answer["strings"]) | path_strings(source.path),
    )
    return Still(pixels, form.name, traces, tuple(str(note) for note in answer["notes"]))


def _read_pixels(stream: BinaryIO, answer: dict[str, Any], limits: Limits) -> Pixels:
    """Exactly the pixels that were announced, into one array, after checking the announcement."""
    width, height = int(answer["width"]), int(answer["height"])
    if width < 1 or height < 1 or width * height > limits.max_pixels:
        raise ValueError("impossible size")
    pixels = np.empty((height, width, 3), np.uint8)
    view = pixels.reshape(-1).data
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return pixels


def _cut_off(process: subprocess.Popen[bytes], limits: Limits) -> MediumError:
    """Why a decoding process gave no whole answer."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        code = 0
    if code in (-9, -24):  # killed by our clock, or by the kernel at the limit of processor time
        return LimitError(
            f"Decoding took more than {limits.decode_seconds:g} s or too much memory; the file may be made "
            "to do harm; raise limits.decode_seconds in the settings file if you trust it."
        )
    return DamagedError("The decoder gave up on this file; it is damaged or made to do harm.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
