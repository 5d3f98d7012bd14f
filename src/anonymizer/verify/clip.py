"""Independent checks on a written clip, by code that shares nothing with the writer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anonymizer.core.message import Message
from anonymizer.core.types import Check, Result, Traces
from anonymizer.verify import canary, exiftool, h264, mp4, naming
from anonymizer.verify.jpeg import StructureError
from anonymizer.verify.second_reader import HARMLESS, SecondReading, sampled

PIECE = 1 << 22
OVERLAP = 1 << 12
LONG = 9
"""Bytes of a string that is looked for among coded pictures: by chance it stands in one of 10¹³ gigabytes."""


@dataclass(frozen=True, slots=True)
class ExpectedClip:
    """What a written clip must be: ``size`` (width, height), times int64 ``(n,)`` in units of ``time_base``."""

    size: tuple[int, int]
    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    time_base: Fraction
    source_sha256: str
    traces: Traces
    keep_name: bool
    sound: bool


def examine(path: Path, expected: ExpectedClip, read: SecondReading) -> list[Check]:
    """Every check that needs no detector; ``read`` is what the second reader saw when it decoded the file."""
    second_opinion = exiftool.start(path)
    movie, structure = _structure(path)
    checks = [structure]
    if movie:
        checks += [_timing(movie, expected), _second_reader(read, len(expected.pts), expected.sound)]
        if (movie.width, movie.height) != expected.size:
            checks[0] = Check("structure", Result.FAIL, Message("check.clip-size"))
    checks.append(_changed(path, expected.source_sha256))
    checks.append(naming.check(path, expected.keep_name))
    checks.append(_canaries(path, movie, expected.traces.strings))
    checks.append(second_opinion())
    return checks


def audit(
    path: Path, keep_name: bool = False, standing: naming.Standing = naming.Standing.NEW
) -> list[Check]:
    """What a published clip can be asked with neither source nor report at hand."""
    second_opinion = exiftool.start(path)
    movie, structure = _structure(path)
    checks = [structure]
    if movie:
        read = SecondReading()
        sound = movie.sound is not None
        for _ in sampled(path, (), (movie.width, movie.height), read, sound=sound):
            pass
        checks.append(_second_reader(read, len(movie.video.sizes), sound))
    return [*checks, naming.check(path, keep_name, standing), second_opinion()]


def _structure(path: Path) -> tuple[mp4.Movie | None, Check]:
    try:
        with path.open("rb") as file:
            movie = mp4.walk(file)
            facts = h264.check(file, movie)
    except StructureError as error:
        return None, Check(
            "structure", Result.FAIL, Message("check.structure.failed", format="MP4", why=error)
        )
    said = Message("check.structure.clip-passed")
    facts |= {"frames": len(movie.video.sizes), "width": movie.width, "height": movie.height}
    return movie, Check("structure", Result.PASS, said, facts)


def _timing(movie: mp4.Movie, expected: ExpectedClip) -> Check:
    """Every frame at the source's own time: compared as fractions, so nothing is rounded."""
    factor = movie.video.timescale * expected.time_base
    shown = movie.shown
    facts = {"frames": len(shown), "expected": len(expected.pts)}
    if len(shown) != len(expected.pts):
        said = Message("check.clip-frames", frames=len(shown), source=len(expected.pts))
        return Check("timing", Result.FAIL, said, facts)
    wanted = expected.pts * factor.numerator
    if not np.array_equal(shown * factor.denominator - shown[0] * factor.denominator, wanted - wanted[0]):
        return Check("timing", Result.FAIL, Message("check.clip-times"), facts)
    length = wanted[-1] - wanted[0] + int(expected.durations[-1]) * factor.numerator
    if int(movie.video.durations.sum()) * factor.denominator != length:
        return Check("timing", Result.FAIL, Message("check.clip-length"), facts)
    said = Message("check.clip-timing-passed", count=len(shown))
    return Check("timing", Result.PASS, said, facts)


def _second_reader(read: SecondReading, frames: int, sound: bool) -> Check:
    facts = {"frames": read.frames, "streams": len(read.kinds)}
    wanted = ["Video", "Audio"] if sound else ["Video"]
    if not read.complete or read.frames != frames:
        said = Message("check.reader-decodes", decoded=read.frames, count=frames)
        return Check("second-reader", Result.FAIL, said, facts)
    if sorted(read.kinds) != sorted(wanted):
        said = Message("check.reader-tracks")
        return Check("second-reader", Result.FAIL, said, facts)
    if extra := sorted(read.keys - HARMLESS):
        said = Message("check.reader-metadata", count=len(extra))
        return Check("second-reader", Result.FAIL, said, facts)
    said = Message("check.reader-passed", count=frames)
    if sound:
        said = Message("check.reader-passed-sound", count=frames)
    return Check("second-reader", Result.PASS, said, facts)


def _changed(path: Path, source_sha256: str) -> Check:
    with path.open("rb") as file:
        same = hashlib.file_digest(file, "sha256").hexdigest() == source_sha256
    if same:
        return Check("integrity", Result.FAIL, Message("check.clip-is-source"))
    return Check("integrity", Result.PASS, Message("check.clip-own-file"))


def _canaries(path: Path, movie: mp4.Movie | None, strings: frozenset[str]) -> Check:
    """The canary scan: all strings in the index, the longer ones in the coded pictures.

    In a hundred megabytes of coded pictures, which are as good as random, five given letters turn up by
    chance; of :data:`LONG` bytes they do not. That nothing but pictures stands there is the structure's affair.
    """
    listed = sorted(strings)
    start = int(movie.video.offsets.min()) if movie else PIECE
    with path.open("rb") as file:
        count = canary.hits(file.read(start), listed)
        long = {form for text in listed for form in canary.spellings(text) if len(form) >= LONG}
        before = b""
        while block := file.read(PIECE):
            count += canary.found(before + block, long)
            before = block[-OVERLAP:]
    return canary.verdict("canaries", listed, count)
