"""The clean file: pixels and what a decoder needs to draw them, and not one byte more."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image

from anonymizer.core.durable import new_file, sync
from anonymizer.core.errors import LimitError, OutputError
from anonymizer.core.types import Pixels

NEUTRAL_TIME = 946_684_800
"""Modification time of every output: 2000-01-01T00:00:00Z, seconds since 1970."""
PNG_LEVEL = 2
"""zlib's level: twice as fast as the default (0.8 s against 1.6 s for 12 megapixels), and no larger."""
JPEG_SIDE = 65_500
"""Pixels of the longest side that libjpeg writes (its JPEG_MAX_DIMENSION)."""


class _Bytes:
    """A file that has nothing but ``write``: given a real one, Pillow writes past Python, and the reason
    why that failed (a full disk) is lost."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def write_photo(pixels: Pixels, path: Path, form: str, quality: int, dots_per_inch: int = 0) -> None:
    """Write a picture ``(h, w, 3)`` uint8 RGB as ``JPEG`` or ``PNG``, from its pixels alone.

    JPEG is written without chroma subsampling, so that ``quality`` 95 shows no loss; ``dots_per_inch`` are noted in
    it, unless 0. ``path`` must not exist yet (never an existing file's bytes, never through a link). The file can be
    read by its owner alone while it grows, is fsynced, and has neutral time and no extended attributes; on any failure
    it is removed.
    Raises :class:`OutputError`, and :class:`LimitError` for a side longer than JPEG can hold.
    """
    if form == "JPEG" and max(pixels.shape[:2]) > JPEG_SIDE:
        raise LimitError("write.too-long-for-jpeg", pixels=JPEG_SIDE)
    image = Image.fromarray(pixels)
    try:
        with new_file(path) as file:
            target = cast(BinaryIO, _Bytes(file))
            if form == "PNG":
                image.save(target, "PNG", compress_level=PNG_LEVEL)
            else:
                image.save(target, "JPEG", quality=quality, subsampling=0, dpi=(dots_per_inch,) * 2)
            # Whatever is written later would set its time anew.
            sync(file)
            neutralise(path)
    except OSError as error:
        raise failed(error) from error


def failed(error: OSError) -> OutputError:
    """What a person is told when writing fails, with what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("output.full")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return OutputError("output.denied")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return OutputError("output.gone")
    return OutputError("output.unwritable", cause=error.strerror or error)


def neutralise(path: Path) -> None:
    """Give a file the neutral time and take its extended attributes away (those a user can set)."""
    if hasattr(os, "listxattr"):
        try:
            names = os.listxattr(path)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            names = []  # a file system without them
        for name in names:
            if name.startswith("user."):
                os.removexattr(path, name)
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
