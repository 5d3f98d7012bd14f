"""Clips for the page: the original as the browser can play it, or else frame by frame from the program's own reader.

Nothing is copied: the file is served from where it lies, and frames live in memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anonymizer.core.errors import DamagedError, UnreadableError
from anonymizer.core.settings import Limits, Settings
from anonymizer.gate.files import new_id
from anonymizer.read.bundle.paths import member
from anonymizer.read.bundle.reader import fetch
from anonymizer.read.clip.reader import Reading, open_clip, opened, search_frames, small_size
from anonymizer.read.sniff import MATROSKA, MP4, open_regular, sniff_file
from anonymizer.review.photos import CHANGED, THUMB, jpeg
from anonymizer.verify import mp4
from anonymizer.verify.jpeg import StructureError

SIDE = 1280
"""Longest side of a frame that is shown, pixels."""
HELD = 240
"""Frames that are kept, so that stepping back costs nothing."""
CHUNK = 1 << 20
PLAYED = {MP4.name: "video/mp4", MATROSKA.name: "video/webm"}
"""What browsers open, by format; whether they know the codec is for them to find out."""

Version = tuple[int, int, int, int]


def frame_times(path: Path) -> dict[str, Any]:
    """When each frame of a written clip is shown, which is when the original's is: from the first one, in few numbers.

    ``ticks`` in a second, and ``runs``: how many steps of how many ticks come next, in turn. Raises
    :class:`DamagedError` where the file is not as this program writes it.
    """
    try:
        with path.open("rb") as file:
            movie = mp4.walk(file)
    except (OSError, StructureError) as error:
        raise DamagedError("review.clip-no-times") from error
    steps = np.diff(movie.shown)
    first = np.flatnonzero(np.diff(steps, prepend=-1))
    counts = np.diff(first, append=len(steps))
    return {"ticks": movie.video.timescale, "runs": np.column_stack([counts, steps[first]]).ravel().tolist()}


def frame_size(written: Path) -> tuple[int, int]:
    """Pixels (width, height) of a written clip. Raises :class:`DamagedError`."""
    try:
        with written.open("rb") as file:
            movie = mp4.walk(file)
    except (OSError, StructureError) as error:
        raise DamagedError("review.clip-no-picture") from error
    return movie.width, movie.height


@dataclass
class Films:
    """Clips by where they lie. Threads may share it; one clip is decoded at a time."""

    limits: Limits
    folder: Path | None = None
    """A private one, for as long as the clips are shown, into which those that lie in bundles are brought."""
    _known: dict[Path, tuple[Version, str]] = field(default_factory=dict)
    _frames: OrderedDict[tuple[str, int], tuple[float, bytes]] = field(default_factory=OrderedDict)
    _small: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lying(self, path: Path, sha256: str) -> Path:
        """Where a clip's original lies as a file. Raises :class:`UnreadableError` where it is gone, or is not the file
        that was processed."""
        if self.folder and member(path):
            local = self.folder / f"{sha256}.clip"
            if not local.exists():
                part = self.folder / f"{new_id()}.part"
                fetch(path, self.limits, part)
                part.replace(local)
            path = local
        self._same(path, sha256)
        return path

    def playable(self, path: Path, sha256: str) -> str:
        """The type under which a clip's file can be given to a browser.

        Raises :class:`UnreadableError` where it is gone, or is not the file that was processed.
        """
        path = self.lying(path, sha256)
        return PLAYED.get(sniff_file(path).name, "application/octet-stream")

    def frame(
        self, path: Path, sha256: str, seconds: float, size: tuple[int, int], settings: Settings
    ) -> bytes:
        """The frame that a clip shows ``seconds`` after its first one: JPEG bytes, at most :data:`SIDE` wide.

        ``size`` (width, height) is that of the clip as it was written: all frames are fitted into it, or cropped
        as the ``settings`` say.

        Raises :class:`anonymizer.core.errors.MediumError`.
        """
        path = self.lying(path, sha256)
        key = f"{sha256} {settings.crop} {size}"
        with self._lock:
            if held := self._shown(key, seconds):
                return held
            self._decode(path, key, seconds, size, settings)
            held = self._shown(key, seconds, end=True)
        if held is None:
            raise UnreadableError("review.clip-no-picture")
        return held

    def small(self, path: Path, version: str) -> bytes:
        """A small view of a written clip, from its first frame: JPEG bytes. Raises :class:`MediumError`."""
        with self._lock:
            if version not in self._small:
                clip = open_clip(path, sniff_file(path), self.limits)
                size = small_size(clip, THUMB)
                with Reading(path, clip.form, self.limits, "search", small=THUMB) as reading:
                    frame = next(iter(search_frames(clip, reading, size)), None)
                    if frame is None:
                        raise UnreadableError("review.clip-no-picture")
                    self._small[version] = jpeg(Image.fromarray(frame.small))
            while len(self._small) > HELD:
                self._small.popitem(last=False)
            return self._small[version]

    def size(self, path: Path, sha256: str) -> tuple[int, int]:
        """Pixels (width, height) of a source's frames, even and upright. Raises :class:`MediumError`."""
        path = self.lying(path, sha256)
        with self._lock:
            if sha256 not in self._sizes:
                clip = open_clip(path, sniff_file(path), self.limits)
                self._sizes[sha256] = clip.width, clip.height
            return self._sizes[sha256]

    def _shown(self, key: str, seconds: float, *, end: bool = False) -> bytes | None:
        """The last frame at or before this moment, where the one after it is known too (or the clip has ended)."""
        mine = [(one[1], at, picture) for one, (at, picture) in self._frames.items() if one[0] == key]
        before = [one for one in mine if one[1] <= seconds + 1e-4]
        if not before:
            return min(mine)[2] if mine and end else None
        number, _, picture = max(before)
        return picture if end or (key, number + 1) in self._frames else None

    def _decode(
        self, path: Path, key: str, seconds: float, canvas: tuple[int, int], settings: Settings
    ) -> None:
        form = sniff_file(path)
        # A crop is given its size by itself.
        more: dict[str, Any] = {"crop": settings.crop} if settings.crop else {"canvas": canvas}
        # Another clip's frames, or another crop's, are of no use any more.
        self._frames.clear()
        first: int | None = None
        recent: OrderedDict[int, tuple[float, Image.Image]] = OrderedDict()
        with opened(path, form, self.limits, "search", small=SIDE, **more) as (clip, reading):
            size = small_size(clip, SIDE)
            for frame in search_frames(clip, reading, size):
                first = frame.pts if first is None else first
                at = float((frame.pts - first) * clip.time_base)
                recent[frame.number] = at, Image.fromarray(frame.small)
                if len(recent) > HELD // 8:
                    recent.popitem(last=False)
                # Some more, for those who step on.
                if at > seconds + 0.5:
                    break
        self._frames.update({(key, n): (at, jpeg(image)) for n, (at, image) in recent.items()})

    def _same(self, path: Path, sha256: str) -> None:
        """Read once whole, then by its size and times: a clip may have gigabytes."""
        try:
            with open_regular(path) as file:
                facts = path.stat()
                version = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
                if self._known.get(path) != (version, sha256):
                    digest = hashlib.sha256()
                    while chunk := file.read(CHUNK):
                        digest.update(chunk)
                    self._known[path] = (version, digest.hexdigest())
        except OSError as error:
            raise UnreadableError("file.gone") from error
        if self._known[path][1] != sha256:
            raise UnreadableError(CHANGED)
