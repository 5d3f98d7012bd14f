"""The decoding process of a clip: a file in, frames out. Forked, or run as ``python -m anonymizer.read.clip.child``.

It takes one job on standard input, opens the file, and is then confined (:mod:`anonymizer.core.confinement`):
nothing is left to it but to read this file, to compute, and to answer (a playlist in a clip's clothes has nothing to
open). On standard output: a message that says what the clip is, then one record per
frame, then a message that says how it ended. The parent's clock ends it when no frame comes for too long.

Mode ``search`` sends a small RGB copy of each frame, and the whole frame at the start, where the picture changes
at once (a cut), and at a regular distance, some of them marked to be searched in full; mode ``full`` sends whole
frames, where high dynamic range is kept with 10 bits; mode ``sound`` sends samples.
"""

from __future__ import annotations

import contextlib
import struct
import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, Any, BinaryIO

from anonymizer.core.confinement.apply import CANNOT_CONFINE, confine
from anonymizer.core.message import as_json
from anonymizer.read.channel import read_message, write_message, write_refusal
from anonymizer.read.process import CANNOT_START

RECORD = struct.Struct(">BqqBBI")
"""A frame: :data:`FRAME`, pts, duration, flags, 0, and how many bytes follow."""
FRAME, END = 1, 0
WHOLE, CUT, CORRUPT, FULL = 1, 2, 4, 8
MOST_JOINS = 10_000
"""Jumps of the clock that are told."""
CPU_SECONDS = 24 * 3600.0
"""Bound on processor time; the parent watches the clock frame by frame."""
LIKENESS = 0.55
"""Two frames whose outlines correlate less than this belong to different shots (docs/video.md)."""
STRUCTURE = 3.0
"""Standard deviation, grey levels, under which a frame is too dark or empty to compare."""


def main() -> int:
    try:
        prepare()
    except ImportError:
        return CANNOT_START
    return work(sys.stdin.buffer, sys.stdout.buffer)


def work(inside: BinaryIO, outside: BinaryIO) -> int:
    """Do the one job that comes; the exit status."""
    from anonymizer.core.errors import AnonymizerError, LimitError
    from anonymizer.read.sniff import open_regular

    try:
        job = read_message(inside)
    except EOFError:
        return 0
    try:
        from pathlib import Path

        with open_regular(Path(job["path"])) as file:
            if job["format"] == "DICOM":
                import anonymizer.read.clip.dicom
                import anonymizer.read.traces.dicom  # noqa: F401
            try:
                confine(job["memory"], CPU_SECONDS, keep=[file.fileno()])
            except OSError:
                return CANNOT_CONFINE
            if job["mode"] == "sound":
                _sound(file, job, outside)
            else:
                _frames(file, job, outside)
    except AnonymizerError as error:
        write_refusal(outside, error)
    except MemoryError:
        write_refusal(outside, LimitError("clip.no-memory"))
    except BrokenPipeError:
        return 0
    outside.flush()
    return 0


def prepare() -> None:
    """Import what decoding needs: afterwards no file can be opened, not even Python's own. Raises ImportError."""
    import codecs
    import importlib
    import pkgutil

    import av
    import cv2

    av.logging.set_level(None)
    for name in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "ascii"):
        codecs.lookup(name)
    for own in (
        "read.clip.animated",
        "read.clip.containers",
        "read.clip.crop",
        "read.clip.frames",
        "read.clip.part",
        "read.clip.sound_child",
        "read.clip.traces",
        "core.yuv",
    ):
        importlib.import_module(f"anonymizer.{own}")
    # PyAV imports a kind of stream, codec or side data when it first meets one.
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith(("__main__", "datasets")):
            importlib.import_module(module.name)
    cv2.setNumThreads(1)


def _pictures(file: BinaryIO, job: dict[str, Any], track: Any) -> Iterator[Any]:
    canvas = tuple(job["canvas"]) if job["canvas"] else None
    if job["format"] == "DICOM":
        from anonymizer.read.clip import dicom

        return dicom.pictures(
            file,
            job["max_pixels"],
            job["threads"],
            track,
            keep_hdr=job["keep_hdr"],
            deep=job["keep_hdr"] and job["mode"] == "full",
            canvas=canvas,
        )
    if job["demuxer"]:
        from anonymizer.read.clip import frames as clip_frames

        return clip_frames.pictures(
            file,
            job["demuxer"],
            job["max_pixels"],
            job["threads"],
            track,
            keep_hdr=job["keep_hdr"],
            deep=job["keep_hdr"] and job["mode"] == "full",
            canvas=canvas,
        )
    from anonymizer.read.clip import animated

    return animated.pictures(file, job["format"], job["max_pixels"], track)


def _frames(file: BinaryIO, job: dict[str, Any], outside: IO[bytes]) -> None:
    from anonymizer.core.errors import DamagedError
    from anonymizer.read.clip.containers import RESTARTING
    from anonymizer.read.clip.picture import VideoTrack

    track = VideoTrack()
    search = _SearchMode(job) if job["mode"] == "search" else None
    canvas: list[tuple[int, int]] = []
    pictures = _until_reshaped(_pictures(file, job, track), canvas)
    first = list(islice(pictures, 1))
    if not first and not canvas:
        raise DamagedError("clip.no-frame")
    # A clock that begins anew, or jumps, makes a container announce any length.
    if job["demuxer"] not in RESTARTING:
        _check_seconds(track.seconds, job)
    from anonymizer.read.clip.part import PicturePart

    wanted = PicturePart.of(track.width, track.height, job["crop"], job["longest"])
    write_message(outside, _description(file, job, track, wanted.size))
    with _refusing(outside):
        for number, picture in enumerate(chain(first, pictures)):
            _check_seconds(float(picture.pts * track.time_base), job)
            flags = CORRUPT if picture.corrupt else 0
            parts = []
            picture = wanted.taken(picture)
            if search:
                small, extra = search.at(number, picture, track, wanted.size)
                flags |= extra
                parts = [small.data]
            else:
                flags |= WHOLE
            if flags & WHOLE:
                parts += [plane.data for plane in picture.whole()]
            size = sum(part.nbytes for part in parts)
            outside.write(RECORD.pack(FRAME, picture.pts, picture.duration, flags, 0, size))
            for part in parts:
                outside.write(part)
    outside.write(RECORD.pack(END, 0, 0, 0, 0, 0))
    write_message(outside, {"canvas": canvas[0]} if canvas else _summary(track))


def _until_reshaped(pictures: Iterator[Any], canvas: list[tuple[int, int]]) -> Iterator[Any]:
    """The frames up to one that does not fit in with the first; ``canvas`` then gets the size in which all do."""
    from anonymizer.read.clip.picture import ShapeChanged

    try:
        yield from pictures
    except ShapeChanged as changed:
        canvas.append(changed.size)


@contextlib.contextmanager
def _refusing(outside: IO[bytes]) -> Iterator[None]:
    """Behind frames a refusal stands where the summary would: an end, then the message."""
    from anonymizer.core.errors import AnonymizerError

    try:
        yield
    except (AnonymizerError, MemoryError):
        outside.write(RECORD.pack(END, 0, 0, 0, 0, 0))
        raise


def _check_seconds(seconds: float, job: dict[str, Any]) -> None:
    """What the clip announces is checked first, and what it turns out to be as it comes."""
    from anonymizer.core.errors import LimitError

    if seconds > job["max_seconds"]:
        raise LimitError("clip.too-long", seconds=job["max_seconds"])


def _description(file: BinaryIO, job: dict[str, Any], track: Any, size: tuple[int, int]) -> dict[str, Any]:
    """What the parent must know before the first frame."""
    from anonymizer.read.clip import traces as clip_traces

    told = {
        "width": size[0],
        "height": size[1],
        "time_base": [track.time_base.numerator, track.time_base.denominator],
        "rate": [track.rate.numerator, track.rate.denominator],
        "aspect": [track.aspect.numerator, track.aspect.denominator],
        "seconds": track.seconds,
        "expected": track.expected,
        "colour": track.colour,
        "kinds": [],
        "strings": [],
    }
    if job["traces"]:
        # Whoever decodes reads on from where it was.
        place = file.tell()
        found = clip_traces.harvest(file, job["format"], job["demuxer"], job["max_pixels"])
        file.seek(place)
        told |= {"kinds": list(found.kinds), "strings": sorted(found.strings)}
    return told


def _summary(track: Any) -> dict[str, Any]:
    kept = ("frames", "corrupt", "lost", "retimed", "last", "late", "broken_off", "expected")
    joins = [[float(at * track.time_base) for at in join] for join in track.joins[:MOST_JOINS]]
    notes = [as_json(note) for note in track.notes]
    return {key: getattr(track, key) for key in kept} | {"notes": notes, "joins": joins}


class _SearchMode:
    """The small copy of each frame, and which frames are sent whole."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.side = job["small"]
        self.every = job["whole_every"]
        self.full_every = job["full_every"]
        self.due = self.full_due = 0.0
        self.shot: Any = None

    def at(self, number: int, picture: Any, track: Any, whole: tuple[int, int]) -> tuple[Any, int]:
        """``(small RGB copy, flags)``."""
        import numpy as np

        from anonymizer.core.yuv import reduction

        size = reduction(*whole, self.side / max(whole))
        small = picture.small(size)
        outline = _outline(small)
        cut = False
        if outline is not None:
            # What comes up out of an empty frame at the very start is a first picture, too.
            cut = number > 0 and (self.shot is None or float((outline * self.shot).mean()) < LIKENESS)
            self.shot = outline
        now = float(picture.pts * track.time_base)
        flags = CUT if cut else 0
        if cut or number == 0 or now >= self.due:
            flags |= WHOLE
            # At regular times, not so long after the last one: where frames are far apart these drift away.
            late = cut or number == 0 or now >= self.due + self.every
            self.due = (now if late else self.due) + self.every
            if cut or number == 0 or now >= self.full_due - self.every / 2:
                flags |= FULL
                self.full_due = now + self.full_every
        return np.ascontiguousarray(small), flags


def _outline(small: Any) -> Any:
    """A frame as 32 by 18 greys of mean 0 and variance 1, so that light that flickers is no cut."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(cv2.resize(small, (32, 18), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    values = grey.astype(np.float32)
    spread = float(values.std())
    return (values - values.mean()) / spread if spread >= STRUCTURE else None


def _sound(file: BinaryIO, job: dict[str, Any], outside: IO[bytes]) -> None:
    from anonymizer.read.clip import sound_child as clip_sound

    kept, notes = clip_sound.which(file, job["demuxer"], job["max_pixels"])
    told = {
        "rate": job["rate"],
        "channels": clip_sound.CHANNELS,
        "kept": kept,
        "notes": [as_json(note) for note in notes],
    }
    write_message(outside, told)
    with _refusing(outside):
        for block in clip_sound.samples(file, job["demuxer"], job["max_pixels"], job["joins"], job["rate"]):
            outside.write(RECORD.pack(FRAME, 0, 0, 0, 0, block.nbytes))
            outside.write(block.data)
    outside.write(RECORD.pack(END, 0, 0, 0, 0, 0))
    write_message(outside, {})


if __name__ == "__main__":
    sys.exit(main())
