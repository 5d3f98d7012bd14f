"""Pictures for the page: originals decoded in memory, small views of outputs. Nothing here touches the disk."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from anonymizer.core.errors import UnreadableError
from anonymizer.core.message import Message
from anonymizer.core.settings import Limits, Settings
from anonymizer.core.types import Pixels
from anonymizer.read.photo.reader import Decoder, open_still
from anonymizer.read.source import take
from anonymizer.road.framing import framed

THUMB = 320
"""Longest side of a small view, pixels."""
QUALITY = 92
HELD = 192 << 20
"""Bytes of encoded pictures that are kept in memory, and of one that is decoded."""
NONE: tuple[str, Pixels] = "", np.empty((0, 0, 3), np.uint8)


class Pictures:
    """Encoded pictures by key, the latest kept in memory. Threads may share it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.decoder = Decoder(limits)
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._decoded: tuple[str, Pixels] = NONE
        # Decoded, a photo takes tens of megabytes: one after the other.
        self._decoding = threading.Lock()

    def close(self) -> None:
        self.decoder.close()

    def original(self, path: Path, sha256: str, settings: Settings) -> bytes:
        """What was taken of a source, as the road saw it, upright and in sRGB, in the crop and size of these settings:
        JPEG bytes.

        Raises :class:`anonymizer.core.errors.MediumError`; :class:`UnreadableError` where it is gone or is not the
        file that was processed.
        """

        def decoded() -> bytes:
            return jpeg(Image.fromarray(framed(self.pixels(path, sha256), settings).output))

        return self._once(f"original {sha256} {settings.crop} {settings.longest_side}", decoded)

    def pixels(self, path: Path, sha256: str) -> Pixels:
        """A source as the road sees it, whole, ``(h, w, 3)``: the one that was wanted last is kept decoded, if it is
        not too large. Raises as :meth:`original`."""
        with self._decoding:
            if self._decoded[0] == sha256:
                return self._decoded[1]
            _, source = take(path, self.limits)
            if source is None or source.sha256 != sha256:
                raise UnreadableError(CHANGED)
            found = open_still(source, self.limits, self.decoder).pixels
            self._decoded = (sha256, found) if found.nbytes <= HELD else NONE
            return found

    def small_original(self, path: Path, sha256: str, settings: Settings) -> bytes:
        """A small view of what :meth:`original` shows. Raises as that."""

        def shrunk() -> bytes:
            image = Image.fromarray(framed(self.pixels(path, sha256), settings).output)
            image.thumbnail((THUMB, THUMB))
            return jpeg(image)

        return self._once(f"small original {sha256} {settings.crop}", shrunk)

    def small(self, path: Path, version: str) -> bytes:
        """A small view of a written photo: JPEG bytes. Raises :class:`UnreadableError`."""

        def shrunk() -> bytes:
            try:
                with Image.open(path, formats=("JPEG", "PNG")) as image:
                    image.draft("RGB", (THUMB, THUMB))
                    image.thumbnail((THUMB, THUMB))
                    return jpeg(image.convert("RGB"))
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                raise UnreadableError("review.output-unreadable") from error

        return self._once(f"small {version}", shrunk)

    def _once(self, key: str, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        with self._lock:
            self._held[key] = made
            while sum(map(len, self._held.values())) > HELD and len(self._held) > 1:
                self._held.popitem(last=False)
        return made


CHANGED = Message("review.original-changed")


def jpeg(image: Image.Image) -> bytes:
    """A picture as JPEG bytes, good enough to judge by."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
