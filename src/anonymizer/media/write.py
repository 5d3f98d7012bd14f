"""The clean file: pixels and what a decoder needs to draw them, and not one byte more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from PIL import Image

from anonymizer.errors import OutputError
from anonymizer.types import Pixels

NEUTRAL_TIME = 946_684_800
"""Modification time of every output: 2000-01-01T00:00:00Z, seconds since 1970."""
PNG_LEVEL = 3
"""zlib's level: twice as fast as the default for some five per cent more bytes."""


def write_photo(pixels: Pixels, path: Path, form: str, quality: int) -> None:
    """Write a picture ``(h, w, 3)`` uint8 RGB as ``JPEG`` or ``PNG``, from its pixels alone.

    JPEG is written without chroma subsampling, so that ``quality`` 95 shows no loss. The file is new
    (never an existing one's bytes), fsynced, with neutral time and without extended attributes; on any
    failure it is removed. Raises :class:`OutputError`.
    """
    image = Image.fromarray(pixels)
    try:
        # 0644: what is published may be read by the web server that publishes it.
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o644)
        with os.fdopen(handle, "wb") as file:
            if form == "PNG":
                image.save(file, "PNG", compress_level=PNG_LEVEL)
            else:
                image.save(file, "JPEG", quality=quality, subsampling=0)
            file.flush()
            os.fsync(file.fileno())
        neutralise(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise OutputError(
            f"The output cannot be written ({error.strerror or error}); free space or choose another folder "
            "with --out; nothing was published."
        ) from error


def neutralise(path: Path) -> None:
    """Give a file the neutral time and take its extended attributes away (those a user can set)."""
    if hasattr(os, "listxattr"):
        for name in os.listxattr(path):
            if name.startswith("user."):
                os.removexattr(path, name)
    os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
