"""Open a photo: the parent's side of the decoding process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from anonymizer.core.dicom import DicomSource
from anonymizer.core.errors import DamagedError, LimitError, NotReadyError, UnsupportedError
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits
from anonymizer.core.streams import fill, widen
from anonymizer.core.types import Pixels, Traces
from anonymizer.read import believed
from anonymizer.read.channel import write_message
from anonymizer.read.forked import ForkServer
from anonymizer.read.photo.numbered import colours_of
from anonymizer.read.photo.variant import needs_another_reader
from anonymizer.read.process import Child, answer, cut_off, end
from anonymizer.read.sniff import HEAD, sniff
from anonymizer.read.source import Source
from anonymizer.read.traces.harvest import path_strings


@dataclass(frozen=True, slots=True)
class Still:
    """An opened photo: upright sRGB pixels, what identified the source, and what a reader should know.

    ``frames`` is how many pictures the source holds; ``pixels`` are the first one's (the primary one's).
    ``dicom`` is what a de-identified DICOM of it may be made of, None for a source that is no DICOM.
    """

    pixels: Pixels
    format_name: str
    traces: Traces
    notes: tuple[Message, ...]
    frames: int = 1
    dicom: DicomSource | None = None


PROCESSES = ForkServer("anonymizer.read.photo.child")


class Decoder:
    """Starts decoding processes, one per file. Threads may share it. Close it, or use it as a context manager.

    Raises OSError where none can be started.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._busy: list[Child] = []
        PROCESSES.ready()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the processes that decode: who reads from them in another thread is told so."""
        with self._lock:
            for process in self._busy:
                process.kill()

    @contextlib.contextmanager
    def process(self) -> Iterator[Child]:
        """A process for one file; killed on the way out, and at the latest when the time is up."""
        # Under the lock, so that nobody closes this between a process's start and its being known.
        with self._lock:
            try:
                process = PROCESSES.fork()
            except OSError as error:
                raise NotReadyError("read.no-process") from error
            self._busy.append(process)
        assert process.stdin and process.stdout
        widen(process.stdin)
        widen(process.stdout)
        clock = threading.Timer(self.limits.decode_seconds, process.kill)
        clock.daemon = True
        clock.start()
        try:
            yield process
        finally:
            clock.cancel()
            with self._lock:
                self._busy.remove(process)
            end(process)


def open_still(source: Source, limits: Limits, decoder: Decoder) -> Still:
    """Decode a photo in a process of its own.

    The parent holds the source's bytes and 3 bytes per pixel, the process the bytes again and what its
    decoder needs (docs/input.md). Raises :class:`MediumError` (one of its classes) where the content is no
    supported picture, is damaged, or costs more than the limits allow, and :class:`NotReadyError` where
    the process cannot be started at all.
    """
    form = sniff(source.content[:HEAD])
    if form.is_clip:
        raise UnsupportedError("photo.is-clip", format=form.name)
    if form.bundle:
        raise UnsupportedError("bundle.several")
    job = {
        "format": form.name,
        "rare": needs_another_reader(source.content, form.name),
        "numbered": colours_of(source.content, form.name) is not None,
        "bytes": len(source.content),
        "max_pixels": limits.max_pixels,
        "memory": limits.decode_memory,
        "seconds": limits.decode_seconds,
    }
    with decoder.process() as process:
        assert process.stdin and process.stdout
        try:
            with contextlib.suppress(BrokenPipeError):
                # A process that has refused already does not read on; its answer says why.
                write_message(process.stdin, job)
                process.stdin.write(source.content)
                process.stdin.close()
            told = answer(process.stdout)
            pixels = _read_pixels(process.stdout, told, limits)
            traces = Traces(
                believed.kinds(told["kinds"]),
                frozenset(str(text) for text in told["strings"]) | path_strings(source.path),
            )
            notes = believed.messages(told["notes"])
            source_says = believed.dicom(told["dicom"]) if form.name == "DICOM" else None
            frames = believed.numbers(told, ["frames"])["frames"]
            return Still(pixels, form.name, traces, notes, frames, source_says)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            too_slow = LimitError("photo.too-slow", seconds=limits.decode_seconds)
            raise cut_off(process, DamagedError("photo.gave-up"), too_slow) from error
        except MemoryError as error:
            raise LimitError("photo.too-large-for-memory") from error


def _read_pixels(stream: IO[bytes], told: dict[str, Any], limits: Limits) -> Pixels:
    """Exactly the pixels that were announced, into one array, after checking the announcement."""
    width, height = int(told["width"]), int(told["height"])
    if width < 1 or height < 1 or width * height > limits.max_pixels:
        raise ValueError("impossible size")
    pixels = np.empty((height, width, 3), np.uint8)
    if not fill(stream, pixels.reshape(-1).data):
        raise EOFError
    return pixels
